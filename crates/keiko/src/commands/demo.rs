//! `demo`: Keiko at work with a scripted model. Everything but the model is real, and every record says so.

mod code;
mod crash;
mod narrate;
mod record;

use super::Context;
use crate::cli::DemoCommand;
use crate::config::Config;
use crate::error::CliError;
use crate::home::{Home, private_dir};
use crate::sample::{TOUR, git};
use crate::wiring::{Keiko, random};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{AgentName, InvalidId, ModelName, RunId};
use keiko_contracts::jail::Source;
use keiko_contracts::language::Language;
use keiko_contracts::run::StartRun;
use keiko_contracts::say;
use keiko_governance::policy::RiskPolicy;
use keiko_models::scripted::Scripted;
use keiko_ports::model::ChatModel;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The scripts, and the names under which they stand in the journal.
const TOUR_SCRIPT: &str = include_str!("../../../../demos/tour/script.toml");
const TOUR_SCRIPT_GERMAN: &str = include_str!("../../../../demos/tour/script.de.toml");
const TOUR_MODEL: &str = "scripted/guided-tour";
const CRASH_SCRIPT: &str = include_str!("../../../../demos/crash/script.toml");
const CRASH_MODEL: &str = "scripted/crash";
/// The branch that the scripts push to.
const BRANCH: &str = "fix/leap-years";

pub(crate) async fn run(
    context: &Context<'_>,
    home: Home,
    mut config: Config,
    command: DemoCommand,
) -> Result<ExitCode, CliError> {
    // The demonstration shows what Keiko does by itself, whatever this machine's policy says.
    config.policy = RiskPolicy::default();
    match command {
        DemoCommand::Code { yes } => {
            let keiko = Keiko::open(home, config)?;
            let done = code::run(context, &keiko, yes).await;
            keiko.close().await;
            done
        }
        DemoCommand::Crash { rounds } => crash::run(context, &home, config, rounds).await,
        DemoCommand::Life { place, run } => crash::life(home, config, &place, &run).await,
    }
}

/// The script that plays the model of a demonstration, when a run of one is taken up again.
pub(crate) fn script_of(start: &StartRun) -> Option<Result<Arc<dyn ChatModel>, Fault>> {
    let text = match start.model.as_ref()?.as_str() {
        TOUR_MODEL => start.language.pick(TOUR_SCRIPT, TOUR_SCRIPT_GERMAN),
        CRASH_MODEL => CRASH_SCRIPT,
        _ => return None,
    };
    Some(
        Scripted::parse(text, "the demonstration's script")
            .map(|script| Arc::new(script) as Arc<dyn ChatModel>),
    )
}

/// A folder of its own for one demonstration, held as long as the demonstration goes on.
struct Place {
    path: PathBuf,
    _held: std::fs::File,
}

impl Place {
    /// Makes it, and removes those of earlier demonstrations that nobody holds. `keep` says which are still needed.
    fn new(home: &Home, word: &str, keep: impl Fn(&Path) -> bool) -> Result<Place, Fault> {
        let above = home.data.join("demo");
        private_dir(&above)?;
        for entry in std::fs::read_dir(&above).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_of_this_kind = name
                .to_str()
                .and_then(|name| name.strip_prefix(word))
                .is_some_and(|rest| rest.starts_with('-'));
            // What cannot be removed is left for the next time.
            if is_of_this_kind && !keep(&path) && hold(&path).is_ok() {
                let _ = std::fs::remove_dir_all(&path);
            }
        }
        let number = u32::from_le_bytes(random()?);
        let path = above.join(format!("{word}-{number:08x}"));
        private_dir(&path)?;
        let held = hold(&path).map_err(|error| {
            Fault::new(
                Code::OWN_FOLDER,
                say!("the folder cannot be held: {error}", error),
            )
            .at(path.display())
        })?;
        Ok(Place { path, _held: held })
    }
}

/// Locks a folder; the lock ends with the file, or with the process.
fn hold(path: &Path) -> std::io::Result<std::fs::File> {
    let file = std::fs::File::open(path)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// A small repository with a bare one beside it that takes its pushes.
struct Yard {
    repo: PathBuf,
    remote: PathBuf,
}

impl Yard {
    fn new(place: &Path) -> Result<Yard, Fault> {
        let yard = Yard {
            repo: place.join("dates"),
            remote: place.join("dates.git"),
        };
        TOUR.unpack(&yard.repo)?;
        private_dir(&yard.remote)?;
        git(
            &yard.remote,
            &[
                "init",
                "--quiet",
                "--bare",
                "--template=",
                "--initial-branch=main",
            ],
            &[],
        )?;
        git(
            &yard.repo,
            &["remote", "add", "origin", &yard.remote.to_string_lossy()],
            &[],
        )?;
        git(&yard.repo, &["push", "--quiet", "origin", "main"], &[])?;
        Ok(yard)
    }

    /// A run in it. Whatever it needs of a person is asked.
    fn start(
        &self,
        run: RunId,
        goal: &str,
        model: &str,
        language: Language,
    ) -> Result<StartRun, Fault> {
        let bad = |error: InvalidId| Fault::new(Code::BUILT_IN_NAME, error.to_string());
        Ok(StartRun {
            model: Some(model.parse::<ModelName>().map_err(bad)?),
            source: Some(Source::Folder {
                path: self.repo.to_string_lossy().into_owned(),
                snapshot: false,
            }),
            language,
            demo: true,
            ..StartRun::new(
                run,
                super::operator(),
                goal,
                "coder".parse::<AgentName>().map_err(bad)?,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_demonstration_clears_up_after_those_that_are_over() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let home = Home {
            config: root.into(),
            data: root.into(),
            cache: root.into(),
            user: None,
        };
        let first = Place::new(&home, "tour", |_| false).unwrap();
        let other = Place::new(&home, "crash", |_| false).unwrap();
        let kept = Place::new(&home, "tour", |_| false).unwrap();
        assert!(first.path.is_dir(), "it goes on");
        let over = |place: Place| place.path.clone();
        let (first, kept, other) = (over(first), over(kept), over(other));
        let next = Place::new(&home, "tour", |path| path == kept).unwrap();
        assert!(!first.exists() && kept.is_dir() && other.is_dir() && next.path.is_dir());
    }

    /// What a script does, without what it says.
    fn deeds(script: &str) -> toml::Value {
        let mut script: toml::Value = toml::from_str(script).unwrap();
        for turn in script["turn"].as_array_mut().unwrap() {
            let turn = turn.as_table_mut().unwrap();
            turn.remove("text");
            turn.remove("reasoning");
            for call in turn
                .get_mut("call")
                .and_then(toml::Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if call["tool"].as_str() == Some("finish") {
                    call["arguments"].as_table_mut().unwrap().remove("summary");
                }
            }
        }
        script
    }

    #[test]
    fn the_tour_does_the_same_in_both_languages() {
        assert_eq!(deeds(TOUR_SCRIPT), deeds(TOUR_SCRIPT_GERMAN));
        assert!(Scripted::parse(TOUR_SCRIPT_GERMAN, "the demonstration's script").is_ok());
    }
}
