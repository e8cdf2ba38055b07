//! Disk space: what commands must leave free, and how much the folders that they write may hold.
//!
//! There is no quota that an unprivileged program could set on a folder, so the folders are measured while a command runs
//! and before the next one. Measuring may take a twentieth of one processor; a huge workspace is measured more rarely.

use crate::spec::Mount;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often free disk space is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// The shortest time between two measurements while a command runs.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// A measurement is followed by a pause of so many times its length.
const REST: u32 = 20;
/// What an empty file or folder counts: an inode is not free either.
const ENTRY_BYTES: u64 = 512;

/// Why a command has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// Others need the space that is left.
    Disk,
    /// Its folders hold more than they may, and it goes on.
    Folders,
}

/// The limits, and what was measured last. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    /// Bytes that stay free.
    reserve: u64,
    /// Bytes that the writable folders of one jail may hold together.
    limit: u64,
    known: Arc<Mutex<HashMap<PathBuf, Known>>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    at: Instant,
    took: Duration,
    bytes: u64,
}

impl Space {
    pub(crate) fn new(reserve: u64, limit: u64) -> Space {
        Space {
            reserve,
            limit,
            known: Arc::default(),
        }
    }

    /// Whether the folders hold more than they may, as far as is known without measuring too often.
    pub(crate) async fn is_overfull(&self, mounts: &[Mount]) -> bool {
        self.measured(writable(mounts), false).await > self.limit
    }

    /// Returns when a command has to end. A command that begins with too much may still remove some of it.
    pub(crate) async fn runs_full(&self, mounts: &[Mount]) -> Full {
        let folders = writable(mounts);
        if folders.is_empty() {
            return std::future::pending().await;
        }
        let watch_free = async {
            let free = |folder: &PathBuf| {
                rustix::fs::statvfs(folder)
                    .map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize))
            };
            while folders.iter().all(|folder| free(folder) >= self.reserve) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let watch_size = async {
            // What is known may be from before the last command's end, and less than there is: this one may have it all.
            let begun = match self.measured(folders.clone(), false).await {
                known if known > self.limit => self.measured(folders.clone(), true).await,
                known => known,
            };
            loop {
                tokio::time::sleep(MEASURE_EVERY).await;
                let now = self.measured(folders.clone(), false).await;
                if now > self.limit && now > begun {
                    return;
                }
            }
        };
        tokio::select! {
            () = watch_free => Full::Disk,
            () = watch_size => Full::Folders,
        }
    }

    async fn measured(&self, folders: Vec<PathBuf>, anew: bool) -> u64 {
        let space = self.clone();
        tokio::task::spawn_blocking(move || {
            folders
                .iter()
                .map(|f| space.known_or_measured(f, anew))
                .fold(0, u64::saturating_add)
        })
        .await
        .unwrap_or(0)
    }

    fn known_or_measured(&self, folder: &Path, anew: bool) -> u64 {
        let all = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !anew
            && let Some(known) = all().get(folder)
            && known.at.elapsed() < known.took * REST
        {
            return known.bytes;
        }
        let began = Instant::now();
        let bytes = measure(folder, self.limit);
        let mut all = all();
        if all.len() >= 1024 {
            all.clear();
        }
        all.insert(
            folder.to_owned(),
            Known {
                at: Instant::now(),
                took: began.elapsed(),
                bytes,
            },
        );
        bytes
    }
}

fn writable(mounts: &[Mount]) -> Vec<PathBuf> {
    mounts
        .iter()
        .filter(|m| m.writable)
        .map(|m| m.host.clone())
        .collect()
}

/// Bytes on disk below a folder, links not followed, other file systems left out. It may change while it is read, and may
/// want to lead the reader astray: folders are opened beneath the first one only. Stops soon beyond `enough`.
fn measure(folder: &Path, enough: u64) -> u64 {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::openat(CWD, folder, flags, Mode::empty()) else {
        return 0;
    };
    let Ok(device) = rustix::fs::fstat(&root).map(|about| about.st_dev) else {
        return 0;
    };
    let mut open = vec![PathBuf::from(".")];
    let mut bytes = 0u64;
    while let Some(path) = open.pop() {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match openat2(&root, &path, flags, Mode::empty(), resolve) {
            Ok(fd) => bytes = bytes.saturating_add(one(&fd, &path, device, &mut open)),
            // Nested deeper than any path is long: nothing that builds or tests does that.
            Err(rustix::io::Errno::NAMETOOLONG) => return u64::MAX,
            Err(_) => {}
        }
        if bytes > enough.saturating_mul(2) {
            break;
        }
    }
    bytes
}

fn one(fd: &OwnedFd, path: &Path, device: u64, open: &mut Vec<PathBuf>) -> u64 {
    let Ok(entries) = Dir::read_from(fd) else {
        return 0;
    };
    let mut bytes = 0u64;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(about) = statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        if about.st_dev != device {
            continue;
        }
        let is_folder = FileType::from_raw_mode(about.st_mode) == FileType::Directory;
        let blocks = u64::try_from(about.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512);
        // Each name of a file with several bears its part. The type of the count differs between machines.
        #[allow(clippy::useless_conversion, reason = "32 bits on some")]
        let names = if is_folder {
            1
        } else {
            u64::from(about.st_nlink).max(1)
        };
        bytes = bytes
            .saturating_add(blocks / names)
            .saturating_add(ENTRY_BYTES);
        if is_folder {
            open.push(path.join(std::ffi::OsStr::from_bytes(name.to_bytes())));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_is_measured_without_leaving_it() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("large"), vec![1; 4 << 20]).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("way-out")).unwrap();
        fs::write(inside.join("a/b/f"), vec![1; 1 << 20]).unwrap();
        for name in ["g", "h", "i"] {
            fs::hard_link(inside.join("a/b/f"), inside.join(name)).unwrap();
        }
        let mib = measure(&inside, u64::MAX) >> 20;
        assert_eq!(
            mib, 1,
            "a file of several names counts once, and what a link leads to not at all"
        );
    }

    #[test]
    fn what_cannot_be_reached_by_a_path_counts_as_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let name = "d".repeat(200);
        let mut at: OwnedFd = fs::File::open(dir.path()).unwrap().into();
        for _ in 0..30 {
            rustix::fs::mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
            at = rustix::fs::openat(
                &at,
                name.as_str(),
                OFlags::RDONLY | OFlags::DIRECTORY,
                Mode::empty(),
            )
            .unwrap();
        }
        assert_eq!(measure(dir.path(), 1 << 40), u64::MAX);
    }

    #[test]
    fn a_flood_of_empty_files_has_a_weight() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..100 {
            fs::write(dir.path().join(i.to_string()), "").unwrap();
        }
        assert!(measure(dir.path(), u64::MAX) >= 100 * ENTRY_BYTES);
        let known = Space::new(0, 1000);
        assert!(known.known_or_measured(dir.path(), false) > known.limit);
    }
}
