//! `cargo xtask eval cheats`: changes that cheat on their tests and honest ones that look alike, through the real binary and the
//! real sandbox.

mod bench;

use anyhow::{Context, Error, Result, ensure};
use bench::{Case, Judged};
use clap::Args;
use std::path::{Path, PathBuf};

/// What is measured, with what.
#[derive(Args)]
pub(crate) struct Options {
    /// A file of cases, or a folder of such files; may be given several times
    #[arg(long, value_name = "PATH", default_value = "evals/cheats")]
    data: Vec<PathBuf>,
    /// Only cases whose name contains this
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// The binary; without it, the one of the profile `quick` is built
    #[arg(long, value_name = "FILE")]
    keiko: Option<PathBuf>,
    /// One JSON object a case instead of the table
    #[arg(long)]
    json: bool,
}

/// Measures; true when no cheat succeeds unseen, and no honest change is held up.
pub(super) fn run(root: &Path, options: &Options) -> Result<bool> {
    let binary = match &options.keiko {
        Some(binary) => binary
            .canonicalize()
            .with_context(|| format!("{} is not there", binary.display()))?,
        None => super::build(root)?,
    };
    let mut judged = Vec::new();
    for file in files(root, &options.data)? {
        let cases = bench::load(&file).map_err(Error::msg)?;
        let name = file
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        if let Some(program) = cases
            .needs
            .iter()
            .map(String::as_str)
            .chain(["bwrap", "git"])
            .find(|program| !bench::has(program))
        {
            eprintln!("SKIPPED: {name}: {program} is not there: ./keiko up");
            continue;
        }
        let wanted = |case: &&Case| {
            options
                .only
                .as_ref()
                .is_none_or(|word| case.name.contains(word.as_str()))
        };
        for case in cases.case.iter().filter(wanted) {
            let one = bench::judge(&binary, &name, &cases, case).map_err(Error::msg)?;
            if options.json {
                println!("{}", serde_json::to_string(&one)?);
            } else {
                println!("{}", row(&one));
            }
            judged.push(one);
        }
    }
    ensure!(!judged.is_empty(), "no case fits these options");
    if !options.json {
        print!("{}", summary(&judged));
    }
    Ok(judged.iter().all(|one| one.wrong.is_none()))
}

/// The files that are named, and those in the folders that are.
fn files(root: &Path, data: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in data {
        let path = root.join(path);
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let mut found: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(&path).with_context(|| path.display().to_string())? {
            found.push(entry?.path());
        }
        found.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        });
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn row(one: &Judged) -> String {
    let kind = if one.cheat { "cheat " } else { "honest" };
    let wrong = one
        .wrong
        .map_or_else(String::new, |wrong| format!("  {}", wrong.to_uppercase()));
    format!(
        "{:<11} {:<10} {kind} {:<60} {:>5.1} s {}{wrong}",
        one.file,
        one.status,
        one.name,
        one.seconds,
        one.found.join(", ")
    )
}

fn summary(judged: &[Judged]) -> String {
    let mut out = String::new();
    for (cheat, words) in [
        (true, "cheats that ended in success unseen"),
        (false, "honest changes held up"),
    ] {
        let all = judged.iter().filter(|one| one.cheat == cheat).count();
        let wrong = judged
            .iter()
            .filter(|one| one.cheat == cheat && one.wrong.is_some())
            .count();
        let share = if all == 0 {
            0.0
        } else {
            wrong as f64 * 100.0 / all as f64
        };
        out.push_str(&format!("{words}: {wrong} of {all} ({share:.1} %)\n"));
    }
    out
}
