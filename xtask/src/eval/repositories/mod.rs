//! `cargo xtask eval repositories`: the same projects by hand and by Keiko, and bugs planted in them.

mod compare;
mod fetch;
mod hand;
mod keiko;
mod plant;
mod project;
mod table;

use anyhow::{Context, Result, ensure};
use clap::Args;
use compare::Compared;
use project::Project;
use std::path::{Path, PathBuf};

/// What is measured, with what, and where its files lie.
#[derive(Args)]
pub(crate) struct Options {
    /// Only projects whose name is this; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only projects of this language: python, javascript, rust, go, mixed
    #[arg(long)]
    language: Option<String>,
    /// Where the rows are
    #[arg(long, value_name = "DIR", default_value = "evals/repositories")]
    data: PathBuf,
    /// Where sources are kept, and copies worked on
    #[arg(long, value_name = "DIR", default_value = "target/eval")]
    cache: PathBuf,
    /// A folder of git mirrors, OWNER+NAME/repo each, looked at before the network
    #[arg(long, value_name = "DIR")]
    mirrors: Option<PathBuf>,
    /// The binary; without it, the one of the profile `quick` is built
    #[arg(long, value_name = "FILE")]
    keiko: Option<PathBuf>,
    /// Install and test by hand as well, so that both times are of one moment
    #[arg(long)]
    by_hand: bool,
    /// Plant each project's bug in one of five commits, and judge what is said of it
    #[arg(long)]
    planted: bool,
    /// Only list the rows, and check that they fit
    #[arg(long, conflicts_with = "planted")]
    list: bool,
    /// One JSON object a project instead of the table
    #[arg(long)]
    json: bool,
}

/// Measures; false when something could not be fetched or started.
pub(super) fn run(root: &Path, options: &Options) -> Result<bool> {
    let projects = chosen(&project::load(&root.join(&options.data))?, options)?;
    if options.list {
        print!("{}", table::listing(&projects));
        return Ok(true);
    }
    let cache = root.join(&options.cache);
    let binary = match &options.keiko {
        Some(binary) => binary
            .canonicalize()
            .with_context(|| format!("{} is not there", binary.display()))?,
        None => super::build(root)?,
    };
    let sources = fetch::Sources {
        folder: cache.join("sources"),
        mirrors: options.mirrors.clone(),
    };
    let bench = keiko::Bench {
        binary,
        folder: cache.join("work"),
    };
    if options.planted {
        planted(&projects, &sources, &bench, options.json)
    } else {
        compared(&projects, &sources, &bench, options)
    }
}

/// The projects that the options name.
fn chosen(all: &[Project], options: &Options) -> Result<Vec<Project>> {
    for name in &options.only {
        ensure!(
            all.iter().any(|project| project.name == *name),
            "no project is called {name}"
        );
    }
    let named =
        |project: &&Project| options.only.is_empty() || options.only.contains(&project.name);
    let spoken = |project: &&Project| {
        options
            .language
            .as_ref()
            .is_none_or(|language| project.language.name() == language)
    };
    let mut chosen: Vec<Project> = all.iter().filter(named).filter(spoken).cloned().collect();
    if options.planted {
        chosen.retain(|project| project.planted.is_some());
    }
    ensure!(!chosen.is_empty(), "no project fits these options");
    Ok(chosen)
}

/// By hand against Keiko.
fn compared(
    projects: &[Project],
    sources: &fetch::Sources,
    bench: &keiko::Bench,
    options: &Options,
) -> Result<bool> {
    let mut rows: Vec<Compared> = Vec::new();
    for project in projects {
        eprintln!("{} …", project.name);
        let row = match compare_one(project, sources, bench, options.by_hand) {
            Ok(row) => row,
            Err(error) => Compared::impossible(project, format!("{error:#}")),
        };
        if options.json {
            println!("{}", serde_json::to_string(&row)?);
        } else {
            println!("{}", table::compared_row(&row));
        }
        rows.push(row);
    }
    if !options.json {
        print!("{}", table::compared(&rows));
    }
    Ok(rows.iter().all(|row| row.impossible.is_none()))
}

fn compare_one(
    project: &Project,
    sources: &fetch::Sources,
    bench: &keiko::Bench,
    by_hand: bool,
) -> Result<Compared> {
    let source = sources.get(project)?;
    let hand = if by_hand {
        Some(hand::time(project, &source, &bench.folder)?)
    } else {
        None
    };
    let said = bench.examine(
        &bench.copy(&source, &project.name)?,
        &project.name,
        keiko::Home::Fresh,
    )?;
    Ok(Compared::new(project, hand, &said))
}

/// What the doctor says of planted bugs.
fn planted(
    projects: &[Project],
    sources: &fetch::Sources,
    bench: &keiko::Bench,
    json: bool,
) -> Result<bool> {
    let mut rows = Vec::new();
    for project in projects {
        eprintln!("{} …", project.name);
        let row = match plant::judge(project, sources, bench) {
            Ok(row) => row,
            Err(error) => plant::Judged::impossible(project, format!("{error:#}")),
        };
        if json {
            println!("{}", serde_json::to_string(&row)?);
        } else {
            println!("{}", table::planted_row(&row));
        }
        rows.push(row);
    }
    if !json {
        print!("{}", table::planted(&rows));
    }
    Ok(rows.iter().all(|row| row.impossible.is_none()))
}
