//! Which workers are there: each holds a lock on a file of its own for as long as its process lives.
//!
//! A lease says until when a worker may drive a stream. When its process is killed, nobody gives the lease back, and
//! others would wait for it to run out. The kernel gives the file's lock back at once, though: who finds the file
//! unlocked knows that its worker is gone, and takes the stream over. Where there is no such file, the lease decides.

use keiko_contracts::id::WorkerId;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Files of workers that are gone are removed after this time: no lease lasts that long.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Most files that are looked at when old ones are removed.
const LOOKED_AT: usize = 1_000;

/// The workers of this process, and how to look for those of others.
pub(crate) struct Presence {
    folder: PathBuf,
    /// Held open: closing a file gives its lock back.
    shown: Mutex<BTreeMap<WorkerId, File>>,
}

impl Presence {
    /// Beside a journal. Nothing is made before a worker takes its first lease.
    pub(crate) fn beside(journal: &Path) -> Presence {
        let mut folder = journal.as_os_str().to_owned();
        folder.push(".workers");
        Presence {
            folder: folder.into(),
            shown: Mutex::default(),
        }
    }

    /// Shows that a worker is there. Without it others wait for its leases to run out, and that is all.
    pub(crate) fn show(&self, worker: WorkerId) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.contains_key(&worker) {
            return;
        }
        if shown.is_empty() {
            self.remove_old(SystemTime::now());
        }
        match self.locked(worker) {
            Ok(file) => {
                shown.insert(worker, file);
            }
            Err(error) => tracing::debug!(%error, "others cannot see that this process is there"),
        }
    }

    fn locked(&self, worker: WorkerId) -> io::Result<File> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.file(worker))?;
        // Who looks whether it is locked holds it for a moment.
        file.lock_shared()?;
        Ok(file)
    }

    /// True when the worker's process is known to be gone: whatever it left unfinished, it will not go on with it.
    pub(crate) fn is_gone(&self, worker: WorkerId) -> bool {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        !shown.contains_key(&worker) && is_unlocked(&self.file(worker))
    }

    fn file(&self, worker: WorkerId) -> PathBuf {
        self.folder.join(worker.to_string())
    }

    fn remove_old(&self, now: SystemTime) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten().take(LOOKED_AT) {
            let made = entry.metadata().and_then(|meta| meta.modified());
            let age = made.ok().and_then(|made| now.duration_since(made).ok());
            if age.is_some_and(|age| age > KEPT) && is_unlocked(&entry.path()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// True for a file that is there and that nobody has locked.
fn is_unlocked(path: &Path) -> bool {
    // The lock ends with the file's handle, a moment later.
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: WorkerId = WorkerId::from_bytes([1; 5]);
    const OTHER: WorkerId = WorkerId::from_bytes([2; 5]);

    fn beside(dir: &tempfile::TempDir) -> Presence {
        Presence::beside(&dir.path().join("journal.db"))
    }

    #[test]
    fn a_worker_is_gone_when_its_process_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (beside(&dir), beside(&dir));
        assert!(!second.is_gone(ONE), "nothing is known of it");
        first.show(ONE);
        assert!(!second.is_gone(ONE) && !first.is_gone(ONE));
        drop(first);
        assert!(second.is_gone(ONE));
        second.show(ONE);
        assert!(!beside(&dir).is_gone(ONE), "it is back");
    }

    #[test]
    fn two_of_one_name_are_there_until_both_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second, third) = (beside(&dir), beside(&dir), beside(&dir));
        first.show(ONE);
        second.show(ONE);
        drop(first);
        assert!(!third.is_gone(ONE));
        drop(second);
        assert!(third.is_gone(ONE));
    }

    #[test]
    fn files_of_workers_long_gone_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        beside(&dir).show(ONE);
        let (live, next) = (beside(&dir), beside(&dir));
        live.show(OTHER);
        next.remove_old(SystemTime::now());
        assert!(next.is_gone(ONE), "not before nobody can need it");
        next.remove_old(SystemTime::now() + KEPT + Duration::from_secs(60));
        assert!(!next.file(ONE).exists() && next.file(OTHER).exists());
    }

    #[test]
    fn without_a_folder_the_lease_decides() {
        let dir = tempfile::tempdir().unwrap();
        let here = beside(&dir);
        std::fs::write(&here.folder, "a file").unwrap();
        here.show(ONE);
        assert!(!beside(&dir).is_gone(ONE));
    }
}
