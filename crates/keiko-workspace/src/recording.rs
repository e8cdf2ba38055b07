//! What is looked at before git records a workspace, by this same binary inside the jail: what would hold git up, what it
//! would refuse, and what is too large to be recorded. Git is given the names of what it leaves out, and the agent hears why.

use keiko_sandbox::foreign::{self, Kind, Rules, Seen, Step, Visitor, is_gits_own};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The first argument that makes the binary look: `jail-look RULES LEFT_OUT [--clear]`.
pub(crate) const LOOK_ARG: &str = "jail-look";
/// What the files of one recorded state may claim to hold together.
const BYTES_MAX: u64 = 2 << 30;
/// A file of this size that is mostly holes is not recorded: reading it costs what it claims, and it holds nothing.
const HOLES_FROM: u64 = 64 << 20;
/// How many things are told.
const TOLD_MAX: usize = 32;
/// How many things git is told to leave out; a workspace with more is not recorded as a whole.
const LEFT_OUT_MAX: usize = 50_000;
/// The files that git itself opens by their name while it records.
const READ_BY_GIT: [&str; 3] = [".gitignore", ".gitattributes", ".gitmodules"];
/// Exit code when something would hold git up.
pub(crate) const BLOCKED: u8 = 7;

/// Why something is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// Its name is git's own on some machine.
    Name,
    /// A repository: git could only record its commit.
    Repository,
    /// All files together claim too much, and it is among the largest.
    Size,
    /// It claims much more than it holds.
    Holes,
    /// It cannot be read: its path is too long, its permissions are gone.
    Unreadable,
    /// A pipe, a socket or a device of a name that git reads: removed.
    Blocking,
}

/// Something that is not recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) path: String,
    pub(crate) why: Why,
}

impl PartialOrd for Why {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Why {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = &self.path;
        match self.why {
            Why::Name => write!(
                f,
                "{path} is left out of the result: git keeps that name to itself; give it another one"
            ),
            Why::Repository => write!(
                f,
                "{path} is left out of the result: it is a repository of its own"
            ),
            Why::Size => {
                write!(
                    f,
                    "{path} is left out of the result: the files are larger than {} MiB together; remove it",
                    BYTES_MAX >> 20
                )
            }
            Why::Holes => write!(
                f,
                "{path} is left out of the result: it claims a size that it does not hold; remove it"
            ),
            Why::Unreadable => write!(f, "{path} is left out of the result: it cannot be read"),
            Why::Blocking => write!(
                f,
                "{path} was removed: git reads a file of that name, and this was none"
            ),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Nothing can be recorded while these are there.
    pub(crate) blocked: bool,
    /// The first of what is not recorded.
    pub(crate) left_out: Vec<LeftOut>,
}

/// Looks at the current folder, writes one line of JSON, and the names for git into a file where there are any.
#[must_use]
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let (rules, names, clear) = match args.as_slice() {
        [rules, names] => (Path::new(rules), Path::new(names), false),
        [rules, names, clear] if clear == "--clear" => (Path::new(rules), Path::new(names), true),
        _ => {
            eprintln!("usage: {LOOK_ARG} RULES NAMES [--clear]");
            return ExitCode::from(2);
        }
    };
    let everywhere = foreign::read_regular(rules, 1 << 20).unwrap_or_default();
    let mut look = Look::over(Path::new("."), &String::from_utf8_lossy(&everywhere));
    if clear {
        look.clear(Path::new("."));
    }
    let done = look.write_names(names).and_then(|()| {
        let line = serde_json::to_string(&look.found())?;
        writeln!(std::io::stdout(), "{line}")
    });
    match done {
        Ok(()) if look.blocked.is_empty() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(BLOCKED),
        Err(error) => {
            eprintln!("{LOOK_ARG}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default)]
struct Look {
    root: PathBuf,
    blocked: Vec<PathBuf>,
    cleared: Vec<PathBuf>,
    left_out: Vec<(PathBuf, Why)>,
    bytes: u64,
    /// Files of more than a mebibyte, with their sizes.
    large: Vec<(u64, PathBuf)>,
}

impl Look {
    fn over(root: &Path, everywhere: &str) -> Look {
        let mut look = Look {
            root: root.to_owned(),
            ..Look::default()
        };
        foreign::walk(root, Rules::Git { everywhere }, &mut look);
        look.leave_out_the_largest();
        look
    }

    /// The same files are left out of the same workspace, whoever looks.
    fn leave_out_the_largest(&mut self) {
        self.large
            .sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (size, path) in std::mem::take(&mut self.large) {
            if self.bytes <= BYTES_MAX {
                return;
            }
            self.bytes = self.bytes.saturating_sub(size);
            self.left_out.push((path, Why::Size));
        }
    }

    fn clear(&mut self, root: &Path) {
        for path in std::mem::take(&mut self.blocked) {
            match std::fs::remove_file(root.join(&path)) {
                Ok(()) => self.cleared.push(path),
                Err(_) => self.blocked.push(path),
            }
        }
    }

    fn found(&self) -> Found {
        let told = |path: &Path, why| LeftOut {
            path: shown(path),
            why,
        };
        let cleared = self
            .cleared
            .iter()
            .chain(&self.blocked)
            .map(|path| told(path, Why::Blocking));
        let left_out = cleared
            .chain(self.left_out.iter().map(|(path, why)| told(path, *why)))
            .take(TOLD_MAX)
            .collect();
        Found {
            blocked: !self.blocked.is_empty(),
            left_out,
        }
    }

    /// Pathspecs for `git add`, each ended by a zero byte; no file where everything is recorded.
    fn write_names(&self, to: &Path) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        for (path, _) in self.left_out.iter().take(LEFT_OUT_MAX) {
            bytes.extend_from_slice(b":(exclude,top,literal)");
            bytes.extend_from_slice(path.as_os_str().as_bytes());
            bytes.push(0);
        }
        if !bytes.is_empty() {
            bytes.splice(0..0, *b".\0");
        }
        std::fs::write(to, bytes)
    }

    fn leave_out(&mut self, path: &Path, why: Why) -> Step {
        self.left_out.push((path.to_owned(), why));
        Step::Past
    }
}

impl Visitor for Look {
    fn seen(&mut self, seen: &Seen<'_>) -> Step {
        if seen.name == ".git" {
            return Step::Past;
        }
        if is_gits_own(seen.name.as_bytes()) {
            return self.leave_out(seen.path, Why::Name);
        }
        let place = self.root.join(seen.path);
        match seen.kind {
            Kind::Folder if place.join(".git").symlink_metadata().is_ok() => {
                self.leave_out(seen.path, Why::Repository)
            }
            Kind::Folder => Step::In,
            Kind::File => {
                let Ok(meta) = place.symlink_metadata() else {
                    return Step::Past;
                };
                if meta.len() >= HOLES_FROM && meta.blocks().saturating_mul(512) < meta.len() / 2 {
                    return self.leave_out(seen.path, Why::Holes);
                }
                self.bytes = self.bytes.saturating_add(meta.len());
                if meta.len() > 1 << 20 {
                    self.large.push((meta.len(), seen.path.to_owned()));
                }
                Step::In
            }
            Kind::Link if is_modules(seen.name) => {
                if place
                    .metadata()
                    .is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
                {
                    self.blocked.push(seen.path.to_owned());
                }
                self.leave_out(seen.path, Why::Name)
            }
            Kind::Special if READ_BY_GIT.iter().any(|name| seen.name == *name) => {
                // Of a socket git says that it cannot be opened, and goes on.
                if place
                    .symlink_metadata()
                    .is_ok_and(|meta| !meta.file_type().is_socket())
                {
                    self.blocked.push(seen.path.to_owned());
                }
                Step::Past
            }
            Kind::Link | Kind::Special => Step::In,
        }
    }

    fn hidden(&mut self, seen: &Seen<'_>) {
        // Git reads them whatever a rule says of their names.
        if seen.kind != Kind::Folder && READ_BY_GIT.iter().any(|name| seen.name == *name) {
            self.seen(seen);
        }
    }

    fn unreadable(&mut self, path: &Path, _why: std::io::Error) -> Step {
        if path.as_os_str().is_empty() {
            Step::End
        } else {
            self.leave_out(path, Why::Unreadable)
        }
    }
}

/// Git takes no link for the list of submodules.
fn is_modules(name: &OsStr) -> bool {
    name.to_string_lossy().eq_ignore_ascii_case(".gitmodules")
}

/// A name on one line.
fn shown(path: &Path) -> String {
    let text: String = path.to_string_lossy().chars().take(200).collect();
    if text
        .chars()
        .any(|c| c.is_control() || !c.is_ascii() && c.escape_debug().count() > 1)
    {
        text.escape_debug().to_string()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn whys(look: &Look) -> Vec<(String, Why)> {
        look.left_out
            .iter()
            .map(|(path, why)| (path.display().to_string(), *why))
            .collect()
    }

    #[test]
    fn what_claims_too_much_is_left_out_largest_first() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..12 {
            fs::File::create(dir.path().join(format!("sparse{i:02}")))
                .unwrap()
                .set_len(1000 << 20)
                .unwrap();
        }
        fs::write(dir.path().join("a"), "a").unwrap();
        let look = Look::over(dir.path(), "");
        assert_eq!(look.left_out.len(), 12);
        assert!(whys(&look).iter().all(|(_, why)| *why == Why::Holes));
        // Many small ones that claim much together.
        let many = tempfile::tempdir().unwrap();
        for i in 0..70 {
            fs::File::create(many.path().join(format!("s{i:02}")))
                .unwrap()
                .set_len((60 << 20) + i)
                .unwrap();
        }
        let look = Look::over(many.path(), "");
        assert!(
            look.bytes <= BYTES_MAX && look.left_out.len() == 36,
            "{} {}",
            look.bytes,
            look.left_out.len()
        );
        assert_eq!(whys(&look)[0], ("s69".to_owned(), Why::Size));
    }

    #[test]
    fn what_holds_git_up_is_cleared_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::create_dir_all(at("nested/.git")).unwrap();
        fs::create_dir(at(".GIT")).unwrap();
        fs::create_dir(at(".g\u{200c}it")).unwrap();
        fs::write(at("git~1"), "").unwrap();
        let fifo = |name: &str| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                at(name),
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap()
        };
        for name in [
            ".gitignore",
            "a/.gitattributes",
            "a/b/pipe",
            "a/b/.gitmodules",
        ] {
            fifo(name);
        }
        std::os::unix::fs::symlink("/dev/zero", at(".gitmodules")).unwrap();
        let mut look = Look::over(dir.path(), "");
        let mut blocked: Vec<_> = look
            .blocked
            .iter()
            .map(|p| p.display().to_string())
            .collect();
        blocked.sort();
        assert_eq!(
            blocked,
            [
                ".gitignore",
                ".gitmodules",
                "a/.gitattributes",
                "a/b/.gitmodules"
            ]
        );
        assert!(look.found().blocked);
        look.clear(dir.path());
        assert!(
            look.blocked.is_empty()
                && at("a/b/pipe").symlink_metadata().is_ok()
                && at(".gitignore").symlink_metadata().is_err()
        );
        let look = Look::over(dir.path(), "");
        let mut left = whys(&look);
        left.sort();
        let names = [
            (".GIT", Why::Name),
            (".g\u{200c}it", Why::Name),
            ("git~1", Why::Name),
            ("nested", Why::Repository),
        ];
        assert_eq!(left, names.map(|(name, why)| (name.to_owned(), why)));
    }
}
