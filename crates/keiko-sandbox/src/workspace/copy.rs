//! Copying out of a folder that may change under us and that may want to trick us.

use super::{CREDENTIALS, io_fault};
use ignore::WalkBuilder;
use keiko_contracts::code::{Code, Fault};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a snapshot may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Caps { files: 200_000, bytes: 2 << 30 }
    }
}

/// What was copied, and what was left.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Relative paths of files and links, sorted.
    pub(crate) files: BTreeSet<PathBuf>,
    /// What people should know.
    pub(crate) notes: Vec<String>,
}

/// Folders that hold what can be made again. In a plain folder there is no `.gitignore` to say so.
pub(crate) const MADE: [&str; 7] = ["node_modules", ".venv", "venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"];

/// Copies what git would see of `from` to `to`: files that are not ignored, `tracked` ones even if they are, and none of
/// `left_out`.
/// Symlinks are copied as links and never followed; special files, other repositories and untracked credential files stay.
pub(crate) fn snapshot(
    from: &Path,
    to: &Path,
    tracked: &BTreeSet<PathBuf>,
    left_out: &BTreeSet<PathBuf>,
    plain: bool,
    caps: Caps,
) -> Result<Copied, Fault> {
    let mut out = Copied::default();
    let mut wanted: BTreeSet<PathBuf> = tracked.difference(left_out).cloned().collect();
    let root = from.to_owned();
    let mut walk = WalkBuilder::new(from);
    walk.hidden(false)
        .ignore(false)
        .git_global(false)
        .git_ignore(true)
        .git_exclude(true)
        .require_git(false)
        .parents(false)
        .follow_links(false);
    walk.filter_entry(move |entry| {
        let is_dir = entry.file_type().is_some_and(|t| t.is_dir());
        let name = entry.file_name();
        let made = plain
            && is_dir
            && (MADE.iter().any(|m| name == OsStr::new(m)) || (name == "target" && entry.path().join("CACHEDIR.TAG").exists()));
        let other_repo = is_dir && entry.path() != root && entry.path().join(".git").symlink_metadata().is_ok();
        name != ".git" && !made && !other_repo
    });
    for entry in walk.build() {
        let entry = entry.map_err(|e| {
            let hint = "make it readable, or add it to .gitignore";
            Fault::new(Code(5104), format!("the workspace cannot be read: {e}")).at(from.display()).hint(hint)
        })?;
        if entry.file_type().is_none_or(|t| t.is_dir()) {
            continue;
        }
        let Ok(path) = entry.path().strip_prefix(from) else { continue };
        if left_out.contains(path) {
            continue;
        }
        if !tracked.contains(path) && is_credential(path) {
            out.notes.push(format!("left out {}: it may hold credentials and is not tracked", path.display()));
            continue;
        }
        wanted.insert(path.to_owned());
        check_caps(wanted.len() as u64, 0, caps, from)?;
    }
    let mut bytes = 0;
    for path in wanted {
        if let Some(size) = copy_entry(from, to, &path, caps.bytes.saturating_sub(bytes))? {
            bytes += size;
            check_caps(0, bytes, caps, from)?;
            out.files.insert(path);
        }
    }
    Ok(out)
}

fn check_caps(files: u64, bytes: u64, caps: Caps, root: &Path) -> Result<(), Fault> {
    if files <= caps.files && bytes <= caps.bytes {
        return Ok(());
    }
    let what = format!("the workspace is too large: more than {} files or {} MiB", caps.files, caps.bytes >> 20);
    Err(Fault::new(Code(5106), what).at(root.display()).hint("add data and build folders to .gitignore"))
}

/// Whether a file's name says that it holds credentials.
pub(crate) fn is_credential(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    CREDENTIALS.contains(&name) || (name.starts_with("credentials") && path.parent().is_some_and(|p| p.ends_with(".cargo")))
}

/// Copies one file or link; nothing if it is gone, is special, or lies behind a symlinked folder. Returns its size.
fn copy_entry(from: &Path, to: &Path, path: &Path, room: u64) -> Result<Option<u64>, Fault> {
    if behind_a_link(from, path) {
        return Ok(None);
    }
    let source = from.join(path);
    let Ok(meta) = source.symlink_metadata() else { return Ok(None) };
    let target = to.join(path);
    let kind = meta.file_type();
    if !kind.is_file() && !kind.is_symlink() {
        return Ok(None);
    }
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(|e| io_fault("make a folder", parent, &e))?;
    }
    if kind.is_symlink() {
        let link = std::fs::read_link(&source).map_err(|e| io_fault("read a link", &source, &e))?;
        std::os::unix::fs::symlink(link, &target).map_err(|e| io_fault("make a link", &target, &e))?;
        return Ok(Some(0));
    }
    let hint = || "make it readable, or add it to .gitignore".to_owned();
    let unreadable = |e: &std::io::Error| Fault::new(Code(5104), format!("a file cannot be read: {e}")).at(source.display()).hint(hint());
    let Some(file) = open_regular(&source).map_err(|e| unreadable(&e))? else { return Ok(None) };
    let mut out = File::create_new(&target).map_err(|e| io_fault("write a file", &target, &e))?;
    let size = std::io::copy(&mut file.take(room.saturating_add(1)), &mut out).map_err(|e| unreadable(&e))?;
    let mode = if meta.mode() & 0o100 != 0 { 0o755 } else { 0o644 };
    out.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(|e| io_fault("set the mode of a file", &target, &e))?;
    Ok(Some(size))
}

/// Whether a folder on the way to `path` is a symlink.
pub(crate) fn behind_a_link(root: &Path, path: &Path) -> bool {
    path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).any(|p| root.join(p).is_symlink())
}

/// Opens a regular file without following a link at its end and without hanging on a pipe. `None` for anything else.
pub(crate) fn open_regular(path: &Path) -> std::io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd.into(),
        Err(rustix::io::Errno::LOOP) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    Ok(file.metadata()?.is_file().then_some(file))
}

/// Copies a folder of ours as it is; links are left out.
pub(crate) fn copy_dir(from: &Path, to: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(to).map_err(|e| io_fault("make a folder", to, &e))?;
    for entry in std::fs::read_dir(from).map_err(|e| io_fault("read a folder", from, &e))? {
        let entry = entry.map_err(|e| io_fault("read a folder", from, &e))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(|e| io_fault("read a folder", from, &e))?;
        if kind.is_dir() {
            copy_dir(&source, &target)?;
        } else if kind.is_file() && !target.exists() {
            std::fs::copy(&source, &target).map_err(|e| io_fault("copy a file", &source, &e))?;
        }
    }
    Ok(())
}

/// Gives everything below `path` to another user. Links themselves change hands, never what they point at.
pub(crate) fn give(path: &Path, uid: u32, gid: u32) -> Result<(), Fault> {
    let meta = path.symlink_metadata().map_err(|e| io_fault("look at", path, &e))?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|e| io_fault("read a folder", path, &e))? {
            give(&entry.map_err(|e| io_fault("read a folder", path, &e))?.path(), uid, gid)?;
        }
    }
    if (meta.uid(), meta.gid()) != (uid, gid) {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid)).map_err(|e| io_fault("hand over", path, &e))?;
    }
    Ok(())
}

/// Takes the right to write away from everything below `path`, which nobody uses any more: from the files, and as root also
/// by taking them over, folders and all. Whoever is root can still remove it, and so can a user: folders stay as they are
/// for it.
pub(crate) fn seal(path: &Path) -> Result<(), Fault> {
    let failed = |e: &std::io::Error| io_fault("make read-only", path, e);
    let meta = path.symlink_metadata().map_err(|e| failed(&e))?;
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::lchown(path, Some(0), Some(0)).map_err(|e| failed(&e))?;
    }
    if meta.is_symlink() {
        return Ok(());
    }
    // What only its owner could read and run must stay readable for the jail, and nothing of it runs as somebody else.
    let for_all = |bits: u32| if meta.mode() & bits != 0 { bits | bits >> 3 | bits >> 6 } else { 0 };
    let mode = match (meta.is_dir(), root) {
        (true, true) => 0o755,
        (true, false) => 0o755 | (meta.mode() & 0o777),
        (false, _) => 0o444 | for_all(0o100),
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(|e| failed(&e))?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|e| failed(&e))? {
            seal(&entry.map_err(|e| failed(&e))?.path())?;
        }
    }
    Ok(())
}

/// Makes a folder at a path below `root`, where someone may be moving links about meanwhile: nothing on the way may be one.
/// What was made is handed over; a folder that is there already stays as it is.
pub(crate) fn make_beneath(root: &Path, path: &Path, owner: crate::jail::Identity) -> std::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let root = openat(CWD, root, flags, Mode::empty())?;
    let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?);
    let parent = if parent.as_os_str().is_empty() { root } else { openat2(&root, parent, flags, Mode::empty(), resolve)? };
    match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => {
            let made = openat(&parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
            Ok(rustix::fs::fchown(&made, Some(rustix::fs::Uid::from_raw(owner.uid)), Some(rustix::fs::Gid::from_raw(owner.gid)))?)
        }
        Err(rustix::io::Errno::EXIST) => Ok(openat(&parent, name, flags, Mode::empty()).map(drop)?),
        Err(e) => Err(e.into()),
    }
}

/// Removes a folder of a run, also where something in the jail took its own permissions away.
pub(crate) fn wipe(path: &Path) -> Result<(), Fault> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    if std::fs::remove_dir_all(path).is_err() {
        open_up(path);
        std::fs::remove_dir_all(path).map_err(|e| io_fault("remove", path, &e))?;
    }
    Ok(())
}

fn open_up(path: &Path) {
    if path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            open_up(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(copied: &Copied) -> Vec<String> {
        copied.files.iter().map(|p| p.display().to_string()).collect()
    }

    #[test]
    fn copies_what_git_sees_and_follows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from dir ü"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub/.git")).unwrap();
        fs::create_dir_all(from.join("real")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/secret"), "s").unwrap();
        for (name, text) in [
            ("a.txt", "a"),
            (".gitignore", "ignored*\n"),
            ("ignored1", "x"),
            ("ignored-tracked", "y"),
            (".env", "K=1"),
            ("sub/x", "other repo"),
            ("real/ö b", ""),
        ] {
            fs::write(from.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("../outside", from.join("out")).unwrap();
        std::os::unix::fs::symlink(".", from.join("self")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, from.join("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let tracked = ["ignored-tracked", "out/secret", "gone"].iter().map(PathBuf::from).collect();
        let copied = snapshot(&from, &to, &tracked, &BTreeSet::new(), false, Caps::default()).unwrap();
        assert_eq!(names(&copied), [".gitignore", "a.txt", "ignored-tracked", "out", "real/ö b", "self"]);
        assert_eq!(fs::read_link(to.join("out")).unwrap(), Path::new("../outside"));
        assert!(copied.notes.iter().any(|n| n.contains(".env")));
        assert!(!to.join("sub").exists() && !to.join("pipe").exists());
    }

    fn me() -> crate::jail::Identity {
        crate::jail::Identity { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw() }
    }

    #[test]
    fn a_folder_is_made_beneath_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        fs::create_dir_all(root.join("real")).unwrap();
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
        std::os::unix::fs::symlink("real", root.join("inner")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        make_beneath(&root, Path::new("real/new"), me()).unwrap();
        make_beneath(&root, Path::new("real/new"), me()).unwrap();
        assert!(root.join("real/new").is_dir());
        for bad in ["link/new", "inner/new", "link", "file", "file/new", "../outside/new", "real/../../outside/new", "", "missing/new"] {
            assert!(make_beneath(&root, Path::new(bad), me()).is_err(), "{bad}");
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_is_not_made_outside_while_links_are_swapped() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        fs::create_dir_all(root.join("web")).unwrap();
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("trap")).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    rustix::fs::renameat_with(CWD, root.join("web"), CWD, root.join("trap"), flags).unwrap();
                }
            });
            let made = (0..3000).filter(|_| make_beneath(&root, Path::new("web/node_modules"), me()).is_ok()).count();
            done.store(true, Ordering::Relaxed);
            assert!(made > 0, "it never worked at all");
        });
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "a folder was made outside");
    }

    #[test]
    fn what_is_sealed_can_be_read_and_removed_only() {
        let dir = tempfile::tempdir().unwrap();
        let (set, outside) = (dir.path().join("set"), dir.path().join("outside"));
        fs::create_dir_all(set.join("bin")).unwrap();
        for (path, mode) in [(set.join("bin/tool"), 0o4700), (set.join("data"), 0o600), (outside.clone(), 0o600)] {
            fs::write(&path, "x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink(&outside, set.join("link")).unwrap();
        seal(&set).unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(set.join("bin/tool")), mode(set.join("data")), mode(outside)), (0o555, 0o444, 0o600));
        wipe(&set).unwrap();
        assert!(!set.exists());
    }

    #[test]
    fn caps_are_coded() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir(&from).unwrap();
        for i in 0..5 {
            fs::write(from.join(format!("{i}")), vec![b'x'; 100]).unwrap();
        }
        for (i, caps) in [Caps { files: 4, bytes: 1000 }, Caps { files: 10, bytes: 450 }].into_iter().enumerate() {
            let fault = snapshot(&from, &dir.path().join(format!("to{i}")), &BTreeSet::new(), &BTreeSet::new(), true, caps).unwrap_err();
            assert_eq!(fault.code, "KEI-5106");
        }
        assert!(snapshot(&from, &dir.path().join("to"), &BTreeSet::new(), &BTreeSet::new(), true, Caps { files: 5, bytes: 500 }).is_ok());
    }
}
