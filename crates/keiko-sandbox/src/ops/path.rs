//! Names beneath the workspace, and nothing else.
//!
//! The jail already keeps the host out of reach; these rules keep the *workspace* honest: a model's path means what it
//! says, symbolic links lead nowhere outside, git's own files are not written, and no device or pipe can block a read.

use super::{OpError, Refusal};
use keiko_contracts::say;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The largest file that is read or written as text, in bytes.
pub const FILE_BYTES_MAX: u64 = 10 << 20;
/// Where a workspace stands inside the jail.
pub const INSIDE: &str = "/workspace";
/// What the kernel allows.
const PATH_BYTES_MAX: usize = 4096;

/// A path relative to the root: parts joined with `/`, without `.`, `..` or empty parts. Empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelPath(String);

impl RelPath {
    /// Takes a model's word for a place. A leading `/workspace/` is what it sees in commands, so that is taken off.
    ///
    /// # Errors
    /// A refusal for absolute paths elsewhere, `..`, NUL and overlong names.
    pub fn parse(text: &str) -> Result<RelPath, Refusal> {
        let shown: String = text.chars().take(200).collect();
        if text.len() > PATH_BYTES_MAX || text.contains('\0') {
            return Err(Refusal::new(say!(
                "not a usable path: {path}",
                path = format_args!("{shown:?}")
            )));
        }
        let rest = match text.strip_prefix(INSIDE) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
            _ => text,
        };
        if rest.starts_with('/') {
            return Err(Refusal::new(say!(
                "{path} is outside the workspace; give a path relative to it, such as src/main.py",
                path = shown
            )));
        }
        let mut parts = Vec::new();
        for part in rest.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    return Err(Refusal::new(say!(
                        "{path} contains '..'; give the path from the workspace root without it",
                        path = shown
                    )));
                }
                name => parts.push(name),
            }
        }
        Ok(RelPath(parts.join("/")))
    }
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// For system calls, which know the root as `.`.
    fn as_system(&self) -> &str {
        if self.0.is_empty() { "." } else { &self.0 }
    }
    /// The folder and the name in it; nothing for the root.
    fn split(&self) -> Option<(RelPath, &str)> {
        match self.0.rsplit_once('/') {
            Some((folder, name)) => Some((RelPath(folder.to_owned()), name)),
            None if self.0.is_empty() => None,
            None => Some((RelPath(String::new()), &self.0)),
        }
    }
    /// The last part, or nothing for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }
    fn is_git_internal(&self) -> bool {
        self.0
            .split('/')
            .any(|part| crate::foreign::is_gits_own(part.as_bytes()))
    }
}

impl std::fmt::Display for RelPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() {
            "the workspace root"
        } else {
            &self.0
        })
    }
}

/// What stands at a path.
#[derive(Debug)]
pub enum Found {
    /// A regular file, open for reading, with its size in bytes and permission bits.
    File {
        /// The open file.
        file: File,
        /// Bytes.
        size: u64,
        /// Permission bits.
        mode: u32,
    },
    /// A folder.
    Folder,
    /// A device, pipe or socket, by its kind.
    Special(&'static str),
    /// Nothing.
    Missing,
}

/// Whether symbolic links within the root may be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Within,
    None,
}

/// The root folder, held open so that nothing above it can be swapped underneath.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the root.
    ///
    /// # Errors
    /// When it is no folder or cannot be entered.
    pub fn open(path: &Path) -> Result<Root, OpError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| OpError::io("open the workspace", path.display(), errno.into()))?;
        Ok(Root {
            fd,
            path: path.to_owned(),
        })
    }
    /// Where the root is; for walking, which never follows links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at a path. Opening never blocks and never leaves the root.
    ///
    /// # Errors
    /// A refusal when links lead outside or the system denies access.
    pub fn find(&self, path: &RelPath) -> Result<Found, OpError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match self.open_beneath(path, flags, Links::Within) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Found::Missing),
            Err(Errno::NXIO) => return Ok(Found::Special("socket or pipe")),
            Err(errno) => return Err(self.refuse_open(path, errno)),
        };
        let file = File::from(fd);
        let meta =
            rustix::fs::fstat(&file).map_err(|errno| OpError::io("look at", path, errno.into()))?;
        Ok(match FileType::from_raw_mode(meta.st_mode) {
            FileType::RegularFile => Found::File {
                file,
                size: u64::try_from(meta.st_size).unwrap_or(u64::MAX),
                mode: meta.st_mode & 0o7777,
            },
            FileType::Directory => Found::Folder,
            FileType::Fifo => Found::Special("pipe"),
            FileType::Socket => Found::Special("socket"),
            _ => Found::Special("device"),
        })
    }

    /// Opens the folder that a file is to be written into, making it if asked, and returns it with the file's name.
    /// Links are not followed at all: `x -> .git` must not be a way to git's files.
    ///
    /// # Errors
    /// A refusal for git's files, for links on the way and for a file where a folder should be.
    pub fn folder_of<'a>(
        &self,
        path: &'a RelPath,
        make: Make,
    ) -> Result<(OwnedFd, &'a str), OpError> {
        let Some((folder, name)) = path.split() else {
            return Err(
                Refusal::new("the workspace root is a folder; give the path of a file").into(),
            );
        };
        if path.is_git_internal() {
            return Err(Refusal::new(say!(
                "{path} belongs to git; use the git tools instead",
                path
            ))
            .into());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match self.open_beneath(&folder, flags, Links::None) {
            Ok(fd) => fd,
            Err(Errno::NOENT) if make == Make::Folders => self.make_folders(&folder)?,
            Err(errno) => return Err(self.refuse_open(&folder, errno)),
        };
        match statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|meta| FileType::from_raw_mode(meta.st_mode))
        {
            Ok(FileType::Symlink) => {
                let target = rustix::fs::readlinkat(&fd, name, Vec::new())
                    .map(|t| t.to_string_lossy().into_owned())
                    .unwrap_or_default();
                Err(Refusal::new(say!(
                    "{path} is a symbolic link; name the file that it points to",
                    path
                ))
                .nearest(target)
                .into())
            }
            Ok(FileType::RegularFile) | Err(Errno::NOENT) => Ok((fd, name)),
            Ok(FileType::Directory) => Err(Refusal::new(say!("{path} is a folder", path)).into()),
            Ok(_) => Err(Refusal::new(say!("{path} is not a regular file", path)).into()),
            Err(errno) => Err(self.refuse_open(path, errno)),
        }
    }

    fn make_folders(&self, folder: &RelPath) -> Result<OwnedFd, OpError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut here = openat(&self.fd, ".", flags, Mode::empty())
            .map_err(|errno| self.refuse_open(folder, errno))?;
        for part in folder.as_str().split('/') {
            match rustix::fs::mkdirat(&here, part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.refuse_open(folder, errno)),
            }
            here = openat(&here, part, flags, Mode::empty())
                .map_err(|errno| self.refuse_open(folder, errno))?;
        }
        Ok(here)
    }

    fn open_beneath(&self, path: &RelPath, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if links == Links::None {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        match openat2(&self.fd, path.as_system(), flags, Mode::empty(), resolve) {
            // An old kernel, or a seccomp filter that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => self.open_by_parts(path, flags),
            other => other,
        }
    }

    /// The same without `openat2`: part by part, following no link at all.
    fn open_by_parts(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Some((folder, name)) = path.split() else {
            return openat(&self.fd, ".", flags, Mode::empty());
        };
        let mut here = openat(&self.fd, ".", step, Mode::empty())?;
        for part in folder.as_str().split('/').filter(|part| !part.is_empty()) {
            here = openat(here.as_fd(), part, step, Mode::empty())?;
        }
        openat(&here, name, flags | OFlags::NOFOLLOW, Mode::empty())
    }

    fn refuse_open(&self, path: &RelPath, errno: Errno) -> OpError {
        let why = match errno {
            Errno::XDEV => say!(
                "{path} leads outside the workspace through a symbolic link",
                path
            ),
            Errno::LOOP => say!(
                "{path} goes through a symbolic link; name the real place",
                path
            ),
            Errno::NOENT => say!("{path} does not exist", path),
            Errno::NOTDIR => say!("{path}: a part of the path is a file, not a folder", path),
            Errno::ACCESS => say!("{path}: permission denied", path),
            Errno::NAMETOOLONG => say!("{path}: the name is too long", path),
            other => return OpError::io("open", path, other.into()),
        };
        Refusal::new(why).into()
    }
}

/// Whether missing folders are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// They are.
    Folders,
    /// A missing folder is a refusal.
    Nothing,
}

/// Reads a text file whole, within the size limit. The bytes may still not be UTF-8.
///
/// # Errors
/// A refusal for files that are too large or binary.
pub fn read_text(path: &RelPath, mut file: File, size: u64) -> Result<Vec<u8>, OpError> {
    let too_large = |size: u64| {
        let mib = size.div_ceil(1 << 20);
        Refusal::new(say!(
            "{path} has {mib} MiB, the limit is {n} MiB; use search, or a command that cuts it",
            path,
            mib,
            n = FILE_BYTES_MAX >> 20
        ))
    };
    if size > FILE_BYTES_MAX {
        return Err(too_large(size).into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    // The file may grow while it is read, and /proc-like files say 0.
    file.by_ref()
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| OpError::io("read", path, error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(too_large(bytes.len() as u64).into());
    }
    if bytes[..bytes.len().min(8192)].contains(&0) {
        return Err(Refusal::new(say!(
            "{path} is a binary file of {n} bytes",
            path,
            n = bytes.len()
        ))
        .into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    proptest::proptest! {
        #[test]
        fn no_text_leaves_the_root(text in "[a./~\\x00 ü-]{0,24}|/workspace[a./]{0,12}") {
            if let Ok(path) = RelPath::parse(&text) {
                let parts: Vec<&str> = path.as_str().split('/').filter(|part| !part.is_empty()).collect();
                proptest::prop_assert_eq!(parts.join("/"), path.as_str());
                proptest::prop_assert!(!parts.contains(&"..") && !parts.contains(&".") && !path.as_str().contains('\0'));
                proptest::prop_assert_eq!(RelPath::parse(path.as_str()), Ok(path));
            }
        }
    }

    #[test]
    fn paths_are_taken_literally_or_refused() {
        for (given, wanted) in [
            ("src/a.rs", "src/a.rs"),
            ("./a//b/", "a/b"),
            ("/workspace/x", "x"),
            ("/workspace", ""),
            ("", ""),
            ("a b/ü", "a b/ü"),
        ] {
            assert_eq!(RelPath::parse(given).unwrap().as_str(), wanted, "{given}");
        }
        for given in [
            "/etc/passwd",
            "../x",
            "a/../../x",
            "/workspacex/a",
            "/workspace/../etc",
            "a\0b",
            "//etc",
        ] {
            assert!(RelPath::parse(given).is_err(), "{given}");
        }
    }

    #[test]
    fn links_stay_within_the_root_in_both_ways_of_opening() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/in"), "i").unwrap();
        symlink(outside.path(), dir.path().join("out")).unwrap();
        symlink("sub/in", dir.path().join("good")).unwrap();
        symlink("/proc/self/root", dir.path().join("magic")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let at = |path: &str| RelPath::parse(path).unwrap();
        assert!(matches!(
            root.find(&at("good")).unwrap(),
            Found::File { size: 1, .. }
        ));
        for bad in ["out/secret", "out", "magic/etc/passwd", "loop"] {
            assert!(
                matches!(root.find(&at(bad)), Err(OpError::Refused(_))),
                "{bad}"
            );
            assert!(
                root.open_by_parts(&at(bad), OFlags::RDONLY).is_err(),
                "{bad}"
            );
        }
        assert!(root.open_by_parts(&at("sub/in"), OFlags::RDONLY).is_ok());
        assert!(matches!(root.find(&at("none/x")).unwrap(), Found::Missing));
    }

    #[test]
    fn writing_follows_no_link_and_leaves_git_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        std::fs::create_dir(dir.path().join("real")).unwrap();
        symlink(".git", dir.path().join("sneaky")).unwrap();
        symlink("real/f", dir.path().join("link")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        for bad in [
            "sneaky/config",
            ".git/config",
            "real/.GIT/hooks/x",
            "link",
            "real",
            "",
        ] {
            let path = RelPath::parse(bad).unwrap();
            assert!(
                matches!(
                    root.folder_of(&path, Make::Folders),
                    Err(OpError::Refused(_))
                ),
                "{bad}"
            );
        }
        let path = RelPath::parse("new/deep/f.txt").unwrap();
        assert!(root.folder_of(&path, Make::Nothing).is_err());
        assert_eq!(root.folder_of(&path, Make::Folders).unwrap().1, "f.txt");
        assert!(dir.path().join("new/deep").is_dir());
    }

    #[test]
    fn a_pipe_neither_blocks_nor_counts_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            CWD,
            dir.path().join("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert!(matches!(
            root.find(&RelPath::parse("pipe").unwrap()).unwrap(),
            Found::Special("pipe")
        ));
    }
}
