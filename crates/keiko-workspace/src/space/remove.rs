//! Removing folders in which agents could do what they liked: links to anywhere, folders without permissions, trees
//! deeper than any path is long, pipes and sockets.
//!
//! A folder is first set aside by one rename, so that it is there as a whole or not at all. Then it is made flat: a folder
//! in it is moved up beside it before it is emptied. So one folder is open at a time, however deep they are, and no path is
//! ever walked. What somebody else removes meanwhile is gone, and that is all that was wanted.

use crate::workspace::io_fault;
use keiko_contracts::code::Fault;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::ops::Add;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a folder is read again, because it was not empty after all was removed.
const ROUNDS: usize = 16;
/// How many names are tried for one that nobody has.
const NAMES_MAX: u64 = 1 << 20;
/// The next name: what this process moves never meets.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What a removal gave back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Files, links and folders.
    pub files: u64,
    /// Bytes on disk. A file with another name elsewhere gives none.
    pub bytes: u64,
}

impl Add for Freed {
    type Output = Freed;
    fn add(self, other: Freed) -> Freed {
        Freed {
            files: self.files + other.files,
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// A folder that has been set aside.
#[derive(Debug)]
pub(super) struct Aside {
    flat: Flat,
    name: CString,
}

/// Sets a folder aside; nothing when it is gone.
pub(super) fn set_aside(parent: &Path, name: &str, removed: &Path) -> Result<Option<Aside>, Fault> {
    let at = parent.join(name);
    let parent = open(CWD, parent).map_err(|e| io_fault("open", parent, &e.into()))?;
    let name = CString::new(name).map_err(|e| io_fault("open", &at, &std::io::Error::other(e)))?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(removed)
        .map_err(|e| io_fault("make a folder", removed, &e))?;
    let flat = Flat::open(removed)?;
    match flat.bring(&parent, &name) {
        Ok(Some(name)) => Ok(Some(Aside { flat, name })),
        Ok(None) => Ok(None),
        Err(e) => Err(io_fault("set aside", &at, &e.into())),
    }
}

impl Aside {
    /// Removes it.
    pub(super) fn remove(mut self) -> Result<Freed, Fault> {
        self.flat.remove(vec![self.name])
    }
}

/// Removes what lies in the folder of what was set aside, then that folder.
pub(super) fn sweep(removed: &Path) -> Result<Freed, Fault> {
    if !removed.symlink_metadata().is_ok_and(|about| about.is_dir()) {
        return Ok(Freed::default());
    }
    let mut flat = Flat::open(removed)?;
    let names = names(&flat.root).map_err(|e| io_fault("read a folder", removed, &e.into()))?;
    let freed = flat.remove(names)?;
    // Another prune may have put something there meanwhile.
    let _ = std::fs::remove_dir(removed);
    Ok(freed)
}

/// The folder in which trees are made flat.
#[derive(Debug)]
struct Flat {
    root: OwnedFd,
    path: PathBuf,
    device: u64,
    freed: Freed,
}

impl Flat {
    fn open(path: &Path) -> Result<Flat, Fault> {
        let root = open(CWD, path).map_err(|e| io_fault("open", path, &e.into()))?;
        let device = rustix::fs::fstat(&root)
            .map_err(|e| io_fault("look at", path, &e.into()))?
            .st_dev;
        Ok(Flat {
            root,
            path: path.to_owned(),
            device,
            freed: Freed::default(),
        })
    }

    /// Moves a folder here, under a name that nobody has.
    fn bring(&self, from: &OwnedFd, name: &CStr) -> Result<Option<CString>, Errno> {
        // A folder must let itself be written to, to be moved.
        match self.enter(from, name) {
            Err(Errno::NOENT) => return Ok(None),
            entered => drop(entered?),
        }
        for _ in 0..NAMES_MAX {
            let to = format!(
                "{}-{}",
                std::process::id(),
                NEXT.fetch_add(1, Ordering::Relaxed)
            );
            match rustix::fs::renameat(from, name, &self.root, &*to) {
                Ok(()) => return Ok(CString::new(to).ok()),
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                Err(e) => return Err(e),
            }
        }
        Err(Errno::EXIST)
    }

    /// Opens a folder so that it can be read and changed, whatever its permissions were. Never through a link, and never
    /// into another file system, which somebody may have mounted there.
    fn enter(&self, parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
        let own = Mode::RWXU;
        let dir = match open(parent, name) {
            Err(Errno::ACCESS) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let closed = rustix::fs::openat(parent, name, flags, Mode::empty())?;
                // By its number: what stands under the name may have become something else.
                rustix::fs::chmod(format!("/proc/self/fd/{}", closed.as_raw_fd()), own)?;
                open(&closed, c".")?
            }
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&dir)?;
        if stat.st_dev != self.device {
            return Err(Errno::XDEV);
        }
        if !Mode::from_raw_mode(stat.st_mode).contains(own) {
            rustix::fs::fchmod(&dir, own)?;
        }
        Ok(dir)
    }

    /// Removes these, which lie here.
    fn remove(&mut self, mut names: Vec<CString>) -> Result<Freed, Fault> {
        while let Some(name) = names.pop() {
            self.one(&name, &mut names).map_err(|e| {
                let at = self.path.join(name.to_string_lossy().as_ref());
                io_fault("remove", &at, &e.into())
            })?;
        }
        Ok(self.freed)
    }

    /// Removes one; folders in it are moved up, and named.
    fn one(&mut self, name: &CStr, names: &mut Vec<CString>) -> Result<(), Errno> {
        let root = self
            .root
            .as_fd()
            .try_clone_to_owned()
            .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
        let Some(about) = look(&root, name)? else {
            return Ok(());
        };
        if FileType::from_raw_mode(about.st_mode) != FileType::Directory {
            return self.unlink(&root, name, &about, AtFlags::empty());
        }
        let dir = match self.enter(&root, name) {
            Err(Errno::NOENT) => return Ok(()),
            entered => entered?,
        };
        for _ in 0..ROUNDS {
            match self.flatten(&dir, names) {
                // Somebody else removed it while it was read.
                Err(Errno::NOENT) => return Ok(()),
                done => done?,
            }
            match self.unlink(&root, name, &about, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                done => return done,
            }
        }
        Err(Errno::NOTEMPTY)
    }

    fn flatten(&mut self, dir: &OwnedFd, names: &mut Vec<CString>) -> Result<(), Errno> {
        for entry in self::names(dir)? {
            let Some(about) = look(dir, &entry)? else {
                continue;
            };
            if FileType::from_raw_mode(about.st_mode) == FileType::Directory {
                names.extend(self.bring(dir, &entry)?);
            } else {
                self.unlink(dir, &entry, &about, AtFlags::empty())?;
            }
        }
        Ok(())
    }

    fn unlink(
        &mut self,
        dir: &OwnedFd,
        name: &CStr,
        about: &Stat,
        flags: AtFlags,
    ) -> Result<(), Errno> {
        match rustix::fs::unlinkat(dir, name, flags) {
            Ok(()) => {
                let last = flags.contains(AtFlags::REMOVEDIR) || about.st_nlink <= 1;
                let bytes = if last {
                    u64::try_from(about.st_blocks)
                        .unwrap_or(0)
                        .saturating_mul(512)
                } else {
                    0
                };
                self.freed = self.freed + Freed { files: 1, bytes };
                Ok(())
            }
            Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

fn open(parent: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(
        parent,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

fn look(dir: &OwnedFd, name: &CStr) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(about) => Ok(Some(about)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The names in a folder, any bytes.
fn names(dir: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn ground() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (parent, removed) = (dir.path().join("home"), dir.path().join("home/.removed"));
        std::fs::create_dir_all(parent.join("tree")).unwrap();
        (dir, parent, removed)
    }
    fn gone(parent: &Path, removed: &Path) -> Freed {
        let freed = set_aside(parent, "tree", removed)
            .unwrap()
            .unwrap()
            .remove()
            .unwrap();
        assert!(parent.join("tree").symlink_metadata().is_err());
        assert_eq!(std::fs::read_dir(removed).unwrap().count(), 0);
        freed
    }

    #[test]
    fn what_links_lead_to_stays() {
        let (dir, parent, removed) = ground();
        let outside = dir.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("precious"), "x").unwrap();
        let tree = parent.join("tree");
        symlink(&outside, tree.join("folder")).unwrap();
        symlink(outside.join("precious"), tree.join("file")).unwrap();
        symlink("/", tree.join("root")).unwrap();
        symlink("nowhere", tree.join("broken")).unwrap();
        std::fs::hard_link(outside.join("precious"), tree.join("same")).unwrap();
        assert_eq!(gone(&parent, &removed).files, 6);
        assert_eq!(
            std::fs::read_to_string(outside.join("precious")).unwrap(),
            "x"
        );
    }

    #[test]
    fn folders_without_permissions_and_special_files_go() {
        let (_dir, parent, removed) = ground();
        let tree = parent.join("tree");
        for (name, mode) in [
            ("unreadable", 0o000),
            ("read-only", 0o555),
            ("unsearchable", 0o600),
            ("write-only", 0o200),
        ] {
            let folder = tree.join(name);
            std::fs::create_dir_all(folder.join("below")).unwrap();
            std::fs::write(folder.join("below/file"), "x").unwrap();
            std::fs::set_permissions(
                folder.join("below/file"),
                std::fs::Permissions::from_mode(0o000),
            )
            .unwrap();
            std::fs::set_permissions(folder.join("below"), std::fs::Permissions::from_mode(0o500))
                .unwrap();
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
        rustix::fs::mknodat(CWD, tree.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::fs::write(tree.join(std::ffi::OsStr::new("line\nbreak")), "x").unwrap();
        std::fs::set_permissions(&tree, std::fs::Permissions::from_mode(0o500)).unwrap();
        assert_eq!(gone(&parent, &removed).files, 1 + 4 * 3 + 3);
    }

    #[test]
    fn a_tree_deeper_than_any_path_goes_with_few_files_open() {
        let (_dir, parent, removed) = ground();
        let mut at = open(CWD, parent.join("tree")).unwrap();
        let name = "d".repeat(200);
        for _ in 0..3_000 {
            rustix::fs::mkdirat(&at, &*name, Mode::RWXU).unwrap();
            at = open(&at, &*name).unwrap();
        }
        drop(at);
        assert_eq!(gone(&parent, &removed).files, 3_001);
    }

    #[test]
    fn what_was_interrupted_is_swept_and_two_at_once_do_no_harm() {
        let (_dir, parent, removed) = ground();
        for number in 0..200 {
            std::fs::create_dir_all(parent.join(format!("tree/{number}/below"))).unwrap();
            std::fs::write(parent.join(format!("tree/{number}/below/file")), "x").unwrap();
        }
        drop(set_aside(&parent, "tree", &removed).unwrap().unwrap());
        assert!(set_aside(&parent, "tree", &removed).unwrap().is_none());
        let both: Vec<_> = (0..2)
            .map(|_| {
                std::thread::spawn({
                    let removed = removed.clone();
                    move || sweep(&removed)
                })
            })
            .collect();
        let freed = both
            .into_iter()
            .map(|one| one.join().unwrap().unwrap())
            .fold(Freed::default(), Add::add);
        // One may have moved up what the other had listed.
        let rest = sweep(&removed).unwrap();
        assert_eq!((freed + rest).files, 601);
        assert!(!removed.exists());
    }
}
