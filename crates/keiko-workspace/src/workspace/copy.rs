//! Copying out of a folder that may change under us and that may want to trick us.

use super::own::Own;
use super::{CREDENTIALS, io_fault};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_ports::Cancel;
pub(crate) use keiko_sandbox::foreign::open_regular;
use keiko_sandbox::foreign::{self, Kind, Rules, Seen, Step, Visitor};
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
        Caps {
            files: 200_000,
            bytes: 2 << 30,
        }
    }
}

/// What was copied, and what was left.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// Relative paths of files and links, sorted.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Left out, because they may hold credentials and are not tracked.
    pub(crate) credentials: Vec<PathBuf>,
    /// How many files and folders a rule of git's hid, without those that can be made again.
    pub(crate) ignored: u32,
    /// The first of them; a folder ends with `/`.
    pub(crate) ignored_first: Vec<PathBuf>,
}

/// How many ignored files are named.
const IGNORED_NAMED: usize = 8;

/// Folders that hold what can be made again. In a plain folder there is no `.gitignore` to say so.
pub(crate) const MADE: [&str; 7] = [
    "node_modules",
    ".venv",
    "venv",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
];

/// Who watches a workspace being made: may stop it, and hears how far it is.
pub(crate) struct Watch<'a> {
    pub(crate) cancel: &'a Cancel,
    pub(crate) say: &'a dyn Fn(Said),
}

/// After how many files it is said how many there are.
const SAID_EVERY: usize = 10_000;

/// What is to be copied.
pub(crate) struct Wish<'a> {
    pub(crate) from: &'a Path,
    pub(crate) to: &'a Path,
    /// Taken along even if they are ignored.
    pub(crate) tracked: &'a BTreeSet<PathBuf>,
    pub(crate) left_out: &'a BTreeSet<PathBuf>,
    /// No repository: nobody wrote down what can be made again.
    pub(crate) plain: bool,
    /// What the repository's own settings ignore, beside every `.gitignore`.
    pub(crate) excludes: &'a str,
    /// Folders that are never copied, wherever they are mounted.
    pub(crate) never: &'a Own,
    pub(crate) caps: Caps,
}

/// Copies what git would see: files that are not ignored, `tracked` ones even if they are, and none of `left_out`.
/// Symlinks are copied as links and never followed; special files, other repositories and untracked credential files stay.
pub(crate) fn snapshot(wish: &Wish<'_>, watch: &Watch<'_>) -> Result<Copied, Fault> {
    let cancel = watch.cancel;
    let wanted = wish.tracked.difference(wish.left_out).cloned().collect();
    let mut choice = Choice {
        wish,
        cancel,
        wanted,
        out: Copied::default(),
        fault: None,
    };
    foreign::walk(
        wish.from,
        Rules::Git {
            everywhere: wish.excludes,
        },
        &mut choice,
    );
    let Choice {
        wanted,
        mut out,
        fault,
        ..
    } = choice;
    if let Some(fault) = fault {
        return Err(fault);
    }
    let (caps, mut bytes) = (wish.caps, 0);
    // Believed before anything is copied: a file may claim a size that no disk holds.
    let claimed = |path: &PathBuf| {
        wish.from
            .join(path)
            .symlink_metadata()
            .map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 })
    };
    check_caps(
        0,
        wanted.iter().map(claimed).fold(0, u64::saturating_add),
        caps,
        wish.from,
    )?;
    let all = wanted.len();
    for (index, path) in wanted.into_iter().enumerate() {
        not_stopped(cancel, wish.from)?;
        if index > 0 && index % SAID_EVERY == 0 {
            (watch.say)(say!("copied {index} of {all} files", index, all));
        }
        if let Some(size) = copy_entry(wish.from, wish.to, &path, caps.bytes.saturating_sub(bytes))?
        {
            bytes += size;
            check_caps(0, bytes, caps, wish.from)?;
            out.files.insert(path);
        }
    }
    Ok(out)
}

/// Chooses what is copied.
struct Choice<'a> {
    wish: &'a Wish<'a>,
    cancel: &'a Cancel,
    wanted: BTreeSet<PathBuf>,
    out: Copied,
    fault: Option<Fault>,
}

impl Choice<'_> {
    fn or_end(&mut self, checked: Result<(), Fault>) -> Step {
        match checked {
            Ok(()) => Step::In,
            Err(fault) => {
                self.fault = Some(fault);
                Step::End
            }
        }
    }
}

impl Visitor for Choice<'_> {
    fn seen(&mut self, seen: &Seen<'_>) -> Step {
        if seen.name == ".git" {
            return Step::Past;
        }
        let place = self.wish.from.join(seen.path);
        match seen.kind {
            Kind::Folder => {
                let made = self.wish.plain
                    && (MADE.iter().any(|m| seen.name == OsStr::new(m))
                        || (seen.name == "target" && place.join("CACHEDIR.TAG").exists()));
                let other_repo = place.join(".git").symlink_metadata().is_ok();
                let going_on = not_stopped(self.cancel, self.wish.from);
                if made || other_repo || self.wish.never.is(&place) {
                    Step::Past
                } else {
                    self.or_end(going_on)
                }
            }
            Kind::File | Kind::Link => {
                let path = seen.path;
                if self.wish.left_out.contains(path) {
                    return Step::Past;
                }
                if !self.wish.tracked.contains(path) && is_credential(path) {
                    self.out.credentials.push(path.to_owned());
                    return Step::Past;
                }
                self.wanted.insert(path.to_owned());
                let checked =
                    check_caps(self.wanted.len() as u64, 0, self.wish.caps, self.wish.from);
                self.or_end(checked)
            }
            Kind::Special => Step::Past,
        }
    }

    fn hidden(&mut self, seen: &Seen<'_>) {
        let made = seen.kind == Kind::Folder && is_made(seen.name);
        if made || seen.kind == Kind::Special || self.wish.tracked.contains(seen.path) {
            return;
        }
        self.out.ignored += 1;
        if self.out.ignored_first.len() < IGNORED_NAMED {
            let mut name = seen.path.as_os_str().to_owned();
            if seen.kind == Kind::Folder {
                name.push("/");
            }
            self.out.ignored_first.push(name.into());
        }
    }

    fn unreadable(&mut self, path: &Path, why: std::io::Error) -> Step {
        let hint = "make it readable, or add it to .gitignore";
        let place = self.wish.from.join(path);
        self.fault = Some(
            Fault::new(
                Code::WORKSPACE_UNREADABLE,
                say!("the workspace cannot be read: {error}", error = why),
            )
            .at(place.display())
            .hint(hint),
        );
        Step::End
    }
}

/// What every toolchain makes again, so that nobody misses it here.
fn is_made(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    MADE.contains(&name.as_ref())
        || [
            "target", "dist", "build", ".git", ".tox", ".nox", ".eggs", ".idea", ".vscode",
            ".cache", "coverage", "htmlcov",
        ]
        .contains(&name.as_ref())
        || name.ends_with(".egg-info")
}

/// A fault once somebody has stopped the run: nothing here is worth finishing.
pub(crate) fn not_stopped(cancel: &Cancel, at: &Path) -> Result<(), Fault> {
    if cancel.is_cancelled() {
        Err(Fault::new(Code::WORKSPACE_IO, "making the workspace was stopped").at(at.display()))
    } else {
        Ok(())
    }
}

fn check_caps(files: u64, bytes: u64, caps: Caps, root: &Path) -> Result<(), Fault> {
    if files <= caps.files && bytes <= caps.bytes {
        return Ok(());
    }
    let what = say!(
        "the workspace is too large: more than {files} files or {size} MiB",
        files = caps.files,
        size = caps.bytes >> 20
    );
    Err(Fault::new(Code::WORKSPACE_TOO_LARGE, what)
        .at(root.display())
        .hint("add data and build folders to .gitignore"))
}

/// Whether a file's name says that it holds credentials.
pub(crate) fn is_credential(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    CREDENTIALS.contains(&name)
        || (name.starts_with("credentials") && path.parent().is_some_and(|p| p.ends_with(".cargo")))
}

/// Copies one file or link; nothing if it is gone, is special, or lies behind a symlinked folder. Returns its size.
fn copy_entry(from: &Path, to: &Path, path: &Path, room: u64) -> Result<Option<u64>, Fault> {
    if behind_a_link(from, path) {
        return Ok(None);
    }
    let source = from.join(path);
    let Ok(meta) = source.symlink_metadata() else {
        return Ok(None);
    };
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
        std::os::unix::fs::symlink(link, &target)
            .map_err(|e| io_fault("make a link", &target, &e))?;
        return Ok(Some(0));
    }
    let hint = || "make it readable, or add it to .gitignore".to_owned();
    let unreadable = |e: &std::io::Error| {
        Fault::new(
            Code::WORKSPACE_UNREADABLE,
            say!("a file cannot be read: {e}", e),
        )
        .at(source.display())
        .hint(hint())
    };
    let Some(file) = open_regular(&source).map_err(|e| unreadable(&e))? else {
        return Ok(None);
    };
    let mut out = File::create_new(&target).map_err(|e| io_fault("write a file", &target, &e))?;
    let size = std::io::copy(&mut file.take(room.saturating_add(1)), &mut out)
        .map_err(|e| unreadable(&e))?;
    let mode = if meta.mode() & 0o100 != 0 {
        0o755
    } else {
        0o644
    };
    out.set_permissions(std::fs::Permissions::from_mode(mode))
        .map_err(|e| io_fault("set the mode of a file", &target, &e))?;
    Ok(Some(size))
}

/// Whether a folder on the way to `path` is a symlink.
pub(crate) fn behind_a_link(root: &Path, path: &Path) -> bool {
    path.ancestors()
        .skip(1)
        .filter(|p| !p.as_os_str().is_empty())
        .any(|p| root.join(p).is_symlink())
}

/// Copies a folder of ours as it is; links are left out.
pub(crate) fn copy_dir(from: &Path, to: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(to).map_err(|e| io_fault("make a folder", to, &e))?;
    for entry in std::fs::read_dir(from).map_err(|e| io_fault("read a folder", from, &e))? {
        let entry = entry.map_err(|e| io_fault("read a folder", from, &e))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry
            .file_type()
            .map_err(|e| io_fault("read a folder", from, &e))?;
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
    let meta = path
        .symlink_metadata()
        .map_err(|e| io_fault("look at", path, &e))?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|e| io_fault("read a folder", path, &e))? {
            give(
                &entry
                    .map_err(|e| io_fault("read a folder", path, &e))?
                    .path(),
                uid,
                gid,
            )?;
        }
    }
    if (meta.uid(), meta.gid()) != (uid, gid) {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))
            .map_err(|e| io_fault("hand over", path, &e))?;
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
    let for_all = |bits: u32| {
        if meta.mode() & bits != 0 {
            bits | bits >> 3 | bits >> 6
        } else {
            0
        }
    };
    let mode = match (meta.is_dir(), root) {
        (true, true) => 0o755,
        (true, false) => 0o755 | (meta.mode() & 0o777),
        (false, _) => 0o444 | for_all(0o100),
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|e| failed(&e))?;
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|e| failed(&e))? {
            seal(&entry.map_err(|e| failed(&e))?.path())?;
        }
    }
    Ok(())
}

/// Makes a folder at a path below `root`, where someone may be moving links about meanwhile: nothing on the way may be one.
/// What was made is handed over; a folder that is there already stays as it is.
pub(crate) fn make_beneath(
    root: &Path,
    path: &Path,
    owner: keiko_sandbox::jail::Identity,
) -> std::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let root = openat(CWD, root, flags, Mode::empty())?;
    let (parent, name) = (
        path.parent().unwrap_or(Path::new("")),
        path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?,
    );
    let parent = if parent.as_os_str().is_empty() {
        root
    } else {
        openat2(&root, parent, flags, Mode::empty(), resolve)?
    };
    match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => {
            let made = openat(
                &parent,
                name,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            Ok(rustix::fs::fchown(
                &made,
                Some(rustix::fs::Uid::from_raw(owner.uid)),
                Some(rustix::fs::Gid::from_raw(owner.gid)),
            )?)
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

    static NOTHING: BTreeSet<PathBuf> = BTreeSet::new();
    static NOWHERE: Own = Own::none();

    fn wish<'a>(
        from: &'a Path,
        to: &'a Path,
        tracked: &'a BTreeSet<PathBuf>,
        caps: Caps,
    ) -> Wish<'a> {
        Wish {
            from,
            to,
            tracked,
            left_out: &NOTHING,
            plain: false,
            excludes: "",
            never: &NOWHERE,
            caps,
        }
    }

    #[test]
    fn sizes_are_believed_before_they_are_copied() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir(&from).unwrap();
        for i in 0..12 {
            File::create(from.join(format!("{i}")))
                .unwrap()
                .set_len(1000 << 20)
                .unwrap();
        }
        let began = std::time::Instant::now();
        let caps = Caps {
            files: 100,
            bytes: 500 << 20,
        };
        let fault = snapshot(
            &wish(&from, &dir.path().join("to"), &NOTHING, caps),
            &Watch {
                cancel: &Cancel::new(),
                say: &|_| {},
            },
        )
        .unwrap_err();
        assert_eq!(fault.code, "KEI-5106");
        assert!(
            began.elapsed() < std::time::Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    }

    #[test]
    fn a_copy_that_is_stopped_ends() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("from/a")).unwrap();
        let stopped = Cancel::new();
        stopped.cancel();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        assert!(
            snapshot(
                &wish(&from, &to, &NOTHING, Caps::default()),
                &Watch {
                    cancel: &stopped,
                    say: &|_| {}
                }
            )
            .is_err()
        );
    }

    fn names(copied: &Copied) -> Vec<String> {
        copied
            .files
            .iter()
            .map(|p| p.display().to_string())
            .collect()
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
        rustix::fs::mknodat(
            rustix::fs::CWD,
            from.join("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        let tracked = ["ignored-tracked", "out/secret", "gone"]
            .iter()
            .map(PathBuf::from)
            .collect();
        let copied = snapshot(
            &wish(&from, &to, &tracked, Caps::default()),
            &Watch {
                cancel: &Cancel::new(),
                say: &|_| {},
            },
        )
        .unwrap();
        assert_eq!(
            names(&copied),
            [
                ".gitignore",
                "a.txt",
                "ignored-tracked",
                "out",
                "real/ö b",
                "self"
            ]
        );
        assert_eq!(
            fs::read_link(to.join("out")).unwrap(),
            Path::new("../outside")
        );
        assert_eq!(copied.credentials, [PathBuf::from(".env")]);
        assert_eq!(
            (copied.ignored, copied.ignored_first.as_slice()),
            (1, [PathBuf::from("ignored1")].as_slice())
        );
        assert!(!to.join("sub").exists() && !to.join("pipe").exists());
    }

    fn me() -> keiko_sandbox::jail::Identity {
        keiko_sandbox::jail::Identity {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        }
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
        for bad in [
            "link/new",
            "inner/new",
            "link",
            "file",
            "file/new",
            "../outside/new",
            "real/../../outside/new",
            "",
            "missing/new",
        ] {
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
                    rustix::fs::renameat_with(CWD, root.join("web"), CWD, root.join("trap"), flags)
                        .unwrap();
                }
            });
            let made = (0..3000)
                .filter(|_| make_beneath(&root, Path::new("web/node_modules"), me()).is_ok())
                .count();
            done.store(true, Ordering::Relaxed);
            assert!(made > 0, "it never worked at all");
        });
        assert_eq!(
            fs::read_dir(&outside).unwrap().count(),
            0,
            "a folder was made outside"
        );
    }

    #[test]
    fn what_is_sealed_can_be_read_and_removed_only() {
        let dir = tempfile::tempdir().unwrap();
        let (set, outside) = (dir.path().join("set"), dir.path().join("outside"));
        fs::create_dir_all(set.join("bin")).unwrap();
        for (path, mode) in [
            (set.join("bin/tool"), 0o4700),
            (set.join("data"), 0o600),
            (outside.clone(), 0o600),
        ] {
            fs::write(&path, "x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink(&outside, set.join("link")).unwrap();
        seal(&set).unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(
            (
                mode(set.join("bin/tool")),
                mode(set.join("data")),
                mode(outside)
            ),
            (0o555, 0o444, 0o600)
        );
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
        for (i, caps) in [
            Caps {
                files: 4,
                bytes: 1000,
            },
            Caps {
                files: 10,
                bytes: 450,
            },
        ]
        .into_iter()
        .enumerate()
        {
            let to = dir.path().join(format!("to{i}"));
            assert_eq!(
                snapshot(
                    &wish(&from, &to, &BTreeSet::new(), caps),
                    &Watch {
                        cancel: &Cancel::new(),
                        say: &|_| {}
                    }
                )
                .unwrap_err()
                .code,
                "KEI-5106"
            );
        }
        let enough = Caps {
            files: 5,
            bytes: 500,
        };
        assert!(
            snapshot(
                &wish(&from, &dir.path().join("to"), &BTreeSet::new(), enough),
                &Watch {
                    cancel: &Cancel::new(),
                    say: &|_| {}
                }
            )
            .is_ok()
        );
    }
}
