//! Space on disk: what workspaces and installed dependencies take, and giving it back.
//!
//! [`Space`] lists what is there and removes it; [`plan`] decides, from data alone, what may go. Nothing here is asked by a
//! run: only a person's command gives anything back.

mod measure;
mod plan;
mod remove;

pub use crate::workspace::pruned::Pruned;
pub use measure::{Patience, Size};
pub use plan::{Holding, Plan, Rule, Standing, Stays, Taken, What, plan};
pub use remove::Freed;

use crate::home::taken;
use crate::workspace::git::HostGit;
use crate::workspace::io_fault;
use crate::workspace::pruned;
use crate::workspace::tree::is_object_id;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{CommitId, TreeId};
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_contracts::time::Timestamp;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// What is being removed lies here, out of everybody's way: below the folder that it was taken from.
const REMOVED: &str = ".removed";
/// Folders of toolchains, and sets in each, that are listed.
const LISTED_MAX: usize = 100_000;
/// How often a folder is tried that a process works in, and how long is waited in between.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Where Keiko keeps what can be given back. Makes nothing.
#[derive(Debug, Clone)]
pub struct Space {
    workspaces: PathBuf,
    deps: PathBuf,
}

/// A set of installed dependencies, or what is left of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// Its toolchain and its name: `python/KEY-SOURCE`.
    pub name: String,
    /// When something used it last.
    pub last_used: Timestamp,
    /// The run that fills it, if it is not complete.
    pub filled_by: Option<RunId>,
}

impl Space {
    /// Below Keiko's data and cache folders.
    #[must_use]
    pub fn below(data: &Path, cache: &Path) -> Space {
        let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
        Space {
            workspaces: real(data.join("workspaces")),
            deps: real(cache.join("deps")),
        }
    }

    /// The runs that have a folder here, also a half made one.
    #[must_use]
    pub fn runs(&self) -> Vec<RunId> {
        let mut runs: Vec<RunId> = folders(&self.workspaces)
            .filter_map(|name| name.parse().ok())
            .collect();
        runs.sort_unstable();
        runs
    }

    /// What a run's folder takes.
    #[must_use]
    pub fn size_of_run(&self, run: RunId, patience: &mut Patience) -> Size {
        measure::measure(&self.place(run), patience)
    }

    /// When something was done with a run's folder from outside of the run: a result was brought home or taken back.
    #[must_use]
    pub fn touched(&self, run: RunId) -> Option<Timestamp> {
        let place = self.place(run);
        [place.join("applied"), place.join("meta.json")]
            .iter()
            .filter_map(|path| modified(path))
            .max()
    }

    /// Whether this result is in the user's folder, as far as Keiko's own records of it say.
    #[must_use]
    pub fn is_applied(&self, run: RunId, tree: &TreeId) -> bool {
        taken::holds(&self.place(run).join("applied"), tree)
    }

    /// The files of a commit that left a run's workspace, as a tree; nothing when the commit is not there.
    #[must_use]
    pub fn tree_of(&self, run: RunId, commit: &CommitId) -> Option<TreeId> {
        let place = crate::workspace::Place {
            dir: self.place(run),
        };
        if !is_object_id(&commit.0) || !place.repo().is_dir() {
            return None;
        }
        let git = HostGit::new(&self.workspaces).ok()?;
        let said = git
            .call(
                &place.repo(),
                [
                    "rev-parse",
                    "-q",
                    "--verify",
                    &format!("{}^{{tree}}", commit.0),
                ],
            )
            .try_run()
            .ok()?;
        said.ok.then(|| TreeId(said.line().to_owned()))
    }

    /// The sets that a run's workspace uses.
    #[must_use]
    pub fn sets_of(&self, run: RunId) -> BTreeSet<String> {
        let place = crate::workspace::Place {
            dir: self.place(run),
        };
        crate::workspace::prepare::Prepared::read(&place)
            .names()
            .collect()
    }

    /// Sets of installed dependencies, complete or not.
    #[must_use]
    pub fn caches(&self) -> Vec<Cached> {
        let mut found = BTreeMap::new();
        for toolchain in folders(&self.deps) {
            let dir = self.deps.join(&toolchain);
            for name in folders(&dir) {
                let filled_by = name
                    .strip_suffix(".unfinished")
                    .and_then(|rest| rest.rsplit_once('.')?.1.parse().ok());
                let used = modified(&dir.join(format!("{name}.done")))
                    .or_else(|| modified(&dir.join(&name)));
                let whole = format!("{toolchain}/{name}");
                found.insert(
                    whole.clone(),
                    Cached {
                        name: whole,
                        last_used: used.unwrap_or_default(),
                        filled_by,
                    },
                );
            }
        }
        found.into_values().collect()
    }

    /// What a set takes.
    #[must_use]
    pub fn size_of_cache(&self, name: &str, patience: &mut Patience) -> Size {
        measure::measure(&self.deps.join(name), patience)
    }

    /// What interrupted removals left behind.
    #[must_use]
    pub fn size_of_rest(&self, patience: &mut Patience) -> Size {
        [&self.workspaces, &self.deps]
            .iter()
            .map(|dir| measure::measure(&dir.join(REMOVED), patience))
            .sum()
    }

    /// Gives a run's folder back. It is remembered that it was there; see [`Space::pruned`]. Nothing, when it is gone already:
    /// another prune was faster.
    ///
    /// # Errors
    /// KEI-5166 when a process works in it, KEI-5109 when something cannot be removed.
    pub fn give_back_run(&self, run: RunId, at: Timestamp) -> Result<Option<Freed>, Fault> {
        let place = self.place(run);
        let Some(hold) = hold_alone(&place)? else {
            return Ok(None);
        };
        // Said before it is done: a crash in between leaves a workspace that is there, and nobody asks whether it was pruned.
        pruned::remember(&self.workspaces, run, at)?;
        let moved = remove::set_aside(
            &self.workspaces,
            &run.to_string(),
            &self.workspaces.join(REMOVED),
        );
        drop(hold);
        moved?.map(remove::Aside::remove).transpose()
    }

    /// Gives a set back; nothing, when it is gone already or something has used it since it was listed.
    ///
    /// # Errors
    /// KEI-5109 when something cannot be removed.
    pub fn give_back_cache(&self, cached: &Cached) -> Result<Option<Freed>, Fault> {
        let Some((toolchain, name)) = cached.name.split_once('/') else {
            return Ok(None);
        };
        let dir = self.deps.join(toolchain);
        let done = dir.join(format!("{name}.done"));
        if modified(&done).is_some_and(|used| used > cached.last_used) {
            return Ok(None);
        }
        // First what says that it is complete: a run that comes now installs again instead of using the half of it.
        match std::fs::remove_file(&done) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_fault("remove", &done, &e));
            }
            _ => {}
        }
        remove::set_aside(&dir, name, &self.deps.join(REMOVED))?
            .map(remove::Aside::remove)
            .transpose()
    }

    /// Removes what an interrupted removal left behind.
    ///
    /// # Errors
    /// KEI-5109 when something cannot be removed.
    pub fn sweep(&self) -> Result<Freed, Fault> {
        let swept = [&self.workspaces, &self.deps].map(|dir| remove::sweep(&dir.join(REMOVED)));
        swept
            .into_iter()
            .try_fold(Freed::default(), |sum, freed| Ok(sum + freed?))
    }

    /// When a run's folder was given back; nothing when it is there, or was never given back.
    #[must_use]
    pub fn pruned(&self, run: RunId) -> Option<Pruned> {
        match self.place(run).join("meta.json").symlink_metadata() {
            Ok(_) => None,
            Err(_) => pruned::of(&self.workspaces, run),
        }
    }

    fn place(&self, run: RunId) -> PathBuf {
        self.workspaces.join(run.to_string())
    }
}

/// Holds a run's folder for as long as the result lives, so that nobody gives it back meanwhile.
pub(crate) fn in_use(place: &Path) -> Option<File> {
    hold(place, FlockOperation::NonBlockingLockShared)
        .ok()
        .flatten()
        .map(File::from)
}

/// A lock that nobody shares. Another prune has it for a moment only, which is waited for.
fn hold_alone(place: &Path) -> Result<Option<OwnedFd>, Fault> {
    for _ in 0..TRIES {
        match hold(place, FlockOperation::NonBlockingLockExclusive) {
            Err(fault) if fault.code == Code::WORKSPACE_BUSY => std::thread::sleep(BETWEEN_TRIES),
            held => return held,
        }
    }
    Err(busy(place))
}

/// A lock on a folder; nothing when there is no such folder.
fn hold(place: &Path, how: FlockOperation) -> Result<Option<OwnedFd>, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(place, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(e) => return Err(io_fault("open", place, &e.into())),
    };
    match rustix::fs::flock(&dir, how) {
        Ok(()) => Ok(Some(dir)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(busy(place)),
        Err(e) => Err(io_fault("lock", place, &e.into())),
    }
}

/// Said of a folder that a process works in.
fn busy(place: &Path) -> Fault {
    let hint = say!(
        "wait until it is done, then again: {step}",
        step = Step::Prune
    );
    Fault::new(Code::WORKSPACE_BUSY, "a process works in this workspace")
        .at(place.display())
        .hint(hint)
}

/// Names of real folders in a folder, without what is being removed.
fn folders(dir: &Path) -> impl Iterator<Item = String> + use<> {
    let is_real = dir.symlink_metadata().is_ok_and(|about| about.is_dir());
    let entries = is_real
        .then(|| std::fs::read_dir(dir).ok())
        .flatten()
        .into_iter()
        .flatten()
        .flatten()
        .take(LISTED_MAX);
    let real = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    real.filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
}

fn modified(path: &Path) -> Option<Timestamp> {
    let at = path
        .symlink_metadata()
        .ok()?
        .modified()
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    Some(Timestamp(i64::try_from(at.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(dir: &Path) -> Space {
        std::fs::create_dir_all(dir.join("data/workspaces")).unwrap();
        std::fs::create_dir_all(dir.join("cache/deps/python")).unwrap();
        Space::below(&dir.join("data"), &dir.join("cache"))
    }

    fn workspace(space: &Space, run: RunId) {
        let tree = space.place(run).join("tree");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join("file"), vec![1; 100_000]).unwrap();
        std::fs::write(space.place(run).join("meta.json"), "{}").unwrap();
    }

    #[test]
    fn a_workspace_is_given_back_once_and_that_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let space = space(dir.path());
        let (run, other) = (RunId::from_bytes([1; 10]), RunId::from_bytes([2; 10]));
        workspace(&space, run);
        workspace(&space, other);
        assert_eq!(space.runs(), [run, other]);
        assert!(space.size_of_run(run, &mut Patience::endless()).bytes >= 100_000);
        assert_eq!(space.pruned(run), None);
        assert!(
            space
                .give_back_run(run, Timestamp(7))
                .unwrap()
                .unwrap()
                .bytes
                >= 100_000
        );
        assert_eq!(
            space.pruned(run).map(|pruned| pruned.at),
            Some(Timestamp(7))
        );
        assert_eq!(space.give_back_run(run, Timestamp(8)).unwrap(), None);
        assert_eq!((space.runs(), space.pruned(other)), (vec![other], None));
    }

    #[test]
    fn a_workspace_that_somebody_works_in_stays() {
        let dir = tempfile::tempdir().unwrap();
        let space = space(dir.path());
        let run = RunId::from_bytes([1; 10]);
        workspace(&space, run);
        let held = in_use(&space.place(run)).unwrap();
        let second = in_use(&space.place(run)).unwrap();
        assert_eq!(
            space.give_back_run(run, Timestamp(7)).unwrap_err().code,
            "KEI-5166"
        );
        assert!(space.place(run).join("meta.json").exists() && space.pruned(run).is_none());
        drop((held, second));
        assert!(space.give_back_run(run, Timestamp(7)).unwrap().is_some());
    }

    #[test]
    fn a_link_in_place_of_a_workspace_is_no_workspace() {
        let dir = tempfile::tempdir().unwrap();
        let space = space(dir.path());
        let run = RunId::from_bytes([1; 10]);
        let outside = dir.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, space.place(run)).unwrap();
        std::os::unix::fs::symlink(&outside, dir.path().join("cache/deps/node")).unwrap();
        assert_eq!((space.runs(), space.caches()), (vec![], vec![]));
        assert!(space.give_back_run(run, Timestamp(1)).is_err());
        assert!(outside.join("precious").exists());
    }

    #[test]
    fn a_set_that_was_used_since_it_was_listed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let space = space(dir.path());
        let deps = dir.path().join("cache/deps/python");
        std::fs::create_dir(deps.join("k-s")).unwrap();
        std::fs::write(deps.join("k-s/module"), vec![1; 10_000]).unwrap();
        std::fs::write(deps.join("k-s.done"), "").unwrap();
        let old = UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        File::open(deps.join("k-s.done"))
            .unwrap()
            .set_modified(old)
            .unwrap();
        let listed = space.caches().remove(0);
        assert_eq!(
            (listed.name.as_str(), listed.last_used),
            ("python/k-s", Timestamp(1_000_000))
        );
        File::open(deps.join("k-s.done"))
            .unwrap()
            .set_modified(old + std::time::Duration::from_secs(5))
            .unwrap();
        assert_eq!(space.give_back_cache(&listed).unwrap(), None);
        assert!(deps.join("k-s/module").exists());
        let listed = space.caches().remove(0);
        assert!(space.give_back_cache(&listed).unwrap().unwrap().bytes >= 10_000);
        assert!(!deps.join("k-s").exists() && !deps.join("k-s.done").exists());
    }
}
