//! Demonstrations: Keiko at work with a scripted model. Everything but the model is real, and every record says so.

mod check;
pub mod crash;
mod record;

use crate::going::Errand;
use crate::home::{Home, private_dir};
use crate::random::random;
use crate::rows;
use crate::sample::{TOUR, git};
use crate::scripts::{TOUR_MODEL, script_of};
use crate::start;
use crate::wiring::Keiko;
use keiko_contracts::agent::Agent;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{InvalidId, ModelName};
use keiko_contracts::jail::Source;
use keiko_contracts::language::Language;
use keiko_contracts::run::{EndStatus, RunStatus, StartRun};
use keiko_contracts::say;
use std::path::{Path, PathBuf};

/// Runs of demonstrations that are looked for.
const TOURS_MAX: u32 = 1_000;

/// A guided tour that is ready to begin.
pub struct Tour {
    /// What is to be driven.
    pub errand: Errand,
    /// Its folder; nobody clears it away as long as this is held.
    pub place: Place,
}

impl Keiko {
    /// Makes a guided tour ready, and clears up after those that are over.
    ///
    /// # Errors
    /// When its folder or its repository cannot be made.
    pub async fn tour(&self, by: &str, goal: &str) -> Result<Tour, Fault> {
        let needed = self.open_tours().await?;
        let place = Place::new(&self.home, "tour", |path| {
            needed.iter().any(|source| source.starts_with(path))
        })?;
        let yard = Yard::new(place.path())?;
        let language = self.config.language();
        let start = yard.start(start::plain(by, goal, Agent::Coder)?, TOUR_MODEL, language)?;
        let script = script_of(&start)
            .ok_or_else(|| Fault::new(Code::BUILT_IN_NAME, "the tour has no script"))??;
        Ok(Tour {
            errand: Errand::begin(start, script),
            place,
        })
    }

    /// The repositories of runs that have not ended: whoever takes one up again needs it, and its remote.
    async fn open_tours(&self) -> Result<Vec<PathBuf>, Fault> {
        let rows = rows::newest(self.journal.as_ref(), TOURS_MAX).await?;
        let ended = [
            EndStatus::Succeeded,
            EndStatus::Unverified,
            EndStatus::Failed,
            EndStatus::Refused,
            EndStatus::Cancelled,
        ]
        .map(RunStatus::from);
        Ok(rows
            .into_iter()
            .filter(|row| row.demo && !ended.contains(&row.state))
            .filter_map(|row| row.workspace.map(PathBuf::from))
            .collect())
    }
}

/// A folder of its own for one demonstration, held as long as the demonstration goes on.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    _held: std::fs::File,
}

impl Place {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

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
    fn start(&self, start: StartRun, model: &str, language: Language) -> Result<StartRun, Fault> {
        let bad = |error: InvalidId| Fault::new(Code::BUILT_IN_NAME, error.said());
        Ok(StartRun {
            model: Some(model.parse::<ModelName>().map_err(bad)?),
            source: Some(Source::Folder {
                path: self.repo.to_string_lossy().into_owned(),
                snapshot: false,
            }),
            language,
            demo: true,
            ..start
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
}
