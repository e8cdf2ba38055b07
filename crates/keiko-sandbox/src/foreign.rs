//! Reading in a folder that somebody else may be changing, or has set up as a trap.
//!
//! Everything in a foreign folder is read as a regular file or not at all: opened without following a link at its end and
//! without waiting for a pipe, asked what it is once it is open, and never read beyond a limit. That also holds for the
//! files that say what git ignores: the usual library opens them by their name alone, and a pipe of that name holds it for
//! ever. So the walk is our own, and only what the lines mean is the library's.

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest file of rules that is read; what stands after it does not count.
const RULES_BYTES_MAX: u64 = 512 << 10;
/// Bytes of rules of one walk. A tree with more is walked as if the rest had none.
const ALL_RULES_BYTES_MAX: u64 = 16 << 20;
/// Entries of one folder that are looked at.
const FOLDER_ENTRIES_MAX: usize = 1_000_000;

/// Opens a regular file without following a link at its end and without hanging on a pipe. `None` for anything else.
///
/// # Errors
/// When there is nothing of that name, or it may not be opened.
pub fn open_regular(path: &Path) -> io::Result<Option<File>> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => fd.into(),
        // A link, and a socket or a pipe that nobody reads.
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    Ok(file.metadata()?.is_file().then_some(file))
}

/// The first bytes of a regular file, at most `most`; nothing when there is none or it cannot be read.
#[must_use]
pub fn read_regular(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)
        .ok()??
        .take(most)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// The same as text, if it is.
#[must_use]
pub fn read_text(path: &Path, most: u64) -> Option<String> {
    String::from_utf8(read_regular(path, most)?).ok()
}

/// What kind of thing stands somewhere, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket, a device.
    Special,
}

impl Kind {
    fn of(kind: std::fs::FileType) -> Kind {
        if kind.is_file() {
            Kind::File
        } else if kind.is_dir() {
            Kind::Folder
        } else if kind.is_symlink() {
            Kind::Link
        } else {
            Kind::Special
        }
    }
}

/// An entry that a walk came by.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Relative to the root of the walk.
    pub path: &'a Path,
    /// The last part of its path.
    pub name: &'a OsStr,
    /// What it is.
    pub kind: Kind,
    /// How many folders deep it lies; 1 in the root itself.
    pub depth: usize,
}

/// How a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Into it, when it is a folder.
    In,
    /// Past it.
    Past,
    /// Not at all.
    End,
}

/// Who looks at what a walk comes by.
pub trait Visitor {
    /// Something that git would see.
    fn seen(&mut self, seen: &Seen<'_>) -> Step;
    /// Something that a rule hides. What is in a folder of that kind is not walked.
    fn hidden(&mut self, _seen: &Seen<'_>) {}
    /// A folder that cannot be read: the walk goes past it, or ends.
    fn unreadable(&mut self, _path: &Path, _why: io::Error) -> Step {
        Step::Past
    }
}

/// The rules that hide files from git.
#[derive(Debug, Clone, Copy)]
pub enum Rules<'a> {
    /// None: everything is seen.
    None,
    /// Every `.gitignore`, and these lines for the whole tree.
    Git {
        /// Lines as in a `.gitignore`.
        everywhere: &'a str,
    },
}

struct Frame {
    folder: PathBuf,
    entries: std::vec::IntoIter<(OsString, Kind)>,
    rules: Option<Gitignore>,
}

/// Walks below `root` in the order of names, without following links. `.git` is not special here: a visitor goes past it.
pub fn walk(root: &Path, rules: Rules<'_>, visitor: &mut dyn Visitor) {
    let mut walk = Walk {
        root,
        use_rules: matches!(rules, Rules::Git { .. }),
        rules_left: ALL_RULES_BYTES_MAX,
    };
    let everywhere = match rules {
        Rules::Git { everywhere } if !everywhere.is_empty() => compiled(root, everywhere),
        _ => None,
    };
    let mut frames = match walk.enter(PathBuf::new()) {
        Ok(frame) => vec![frame],
        Err(why) => {
            visitor.unreadable(Path::new(""), why);
            return;
        }
    };
    while let Some(frame) = frames.last_mut() {
        let Some((name, kind)) = frame.entries.next() else {
            frames.pop();
            continue;
        };
        let path = frame.folder.join(&name);
        let seen = Seen {
            path: &path,
            name: &name,
            kind,
            depth: frames.len(),
        };
        if is_hidden(
            &frames,
            everywhere.as_ref(),
            &root.join(&path),
            kind == Kind::Folder,
        ) {
            visitor.hidden(&seen);
            continue;
        }
        match visitor.seen(&seen) {
            Step::End => return,
            Step::In if kind == Kind::Folder => match walk.enter(path.clone()) {
                Ok(frame) => frames.push(frame),
                Err(why) => {
                    if visitor.unreadable(&path, why) == Step::End {
                        return;
                    }
                }
            },
            Step::In | Step::Past => {}
        }
    }
}

struct Walk<'a> {
    root: &'a Path,
    use_rules: bool,
    rules_left: u64,
}

impl Walk<'_> {
    fn enter(&mut self, folder: PathBuf) -> io::Result<Frame> {
        let place = self.root.join(&folder);
        let mut entries = Vec::new();
        let mut has_rules = false;
        for entry in std::fs::read_dir(&place)?.take(FOLDER_ENTRIES_MAX) {
            let entry = entry?;
            let name = entry.file_name();
            // Gone since its name was read.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            has_rules |= name == ".gitignore" && kind.is_file();
            entries.push((name, Kind::of(kind)));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let rules = if has_rules && self.use_rules {
            self.rules_of(&place)
        } else {
            None
        };
        Ok(Frame {
            folder,
            entries: entries.into_iter(),
            rules,
        })
    }

    fn rules_of(&mut self, place: &Path) -> Option<Gitignore> {
        let bytes = read_regular(
            &place.join(".gitignore"),
            RULES_BYTES_MAX.min(self.rules_left),
        )?;
        self.rules_left = self.rules_left.saturating_sub(bytes.len() as u64);
        compiled(place, &String::from_utf8_lossy(&bytes))
    }
}

fn compiled(place: &Path, text: &str) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new(place);
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        // A line that is no rule hides nothing, as for git.
        let _ = builder.add_line(None, line);
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}

/// The innermost rule that says something about it decides.
fn is_hidden(
    frames: &[Frame],
    everywhere: Option<&Gitignore>,
    path: &Path,
    is_folder: bool,
) -> bool {
    let innermost_first = frames
        .iter()
        .rev()
        .filter_map(|frame| frame.rules.as_ref())
        .chain(everywhere);
    for rules in innermost_first {
        let verdict = rules.matched(path, is_folder);
        if !verdict.is_none() {
            return verdict.is_ignore();
        }
    }
    false
}

/// Whether git on some machine takes a name for its own folder, and so refuses it everywhere: another case, what file systems
/// drop or do not show, the short name, a stream of it, and backslashes as what they are elsewhere.
#[must_use]
pub fn is_gits_own(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    text.split('\\').any(|part| {
        let part = part.split(':').next().unwrap_or(part);
        let shown: String = part
            .chars()
            .filter(|c| !is_invisible(*c))
            .flat_map(char::to_lowercase)
            .collect();
        matches!(shown.trim_end_matches(['.', ' ']), ".git" | "git~1")
    })
}

/// What the file system of a Mac leaves out when it compares names.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[derive(Default)]
    struct Names {
        seen: Vec<String>,
        hidden: Vec<String>,
    }
    impl Visitor for Names {
        fn seen(&mut self, seen: &Seen<'_>) -> Step {
            if seen.name == ".git" {
                return Step::Past;
            }
            self.seen.push(seen.path.display().to_string());
            Step::In
        }
        fn hidden(&mut self, seen: &Seen<'_>) {
            self.hidden.push(seen.path.display().to_string());
        }
    }

    fn make(dir: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let at = dir.join(name);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, text).unwrap();
        }
    }

    /// What git itself says of the same folder is the measure.
    #[test]
    fn rules_mean_what_they_mean_to_git() {
        let dir = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let out = std::process::Command::new("git")
                .args(args)
                .current_dir(dir.path())
                .output()
                .unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        git(&["init", "-q"]);
        make(
            dir.path(),
            &[
                (
                    ".gitignore",
                    "\u{feff}*.log\n/top\nbuild/\n!keep.log\na/**/z\n# x\n\\#y\nsp \\ \n[broken\n",
                ),
                ("x.log", ""),
                ("keep.log", ""),
                ("top", ""),
                ("a/top", ""),
                ("build/x", ""),
                ("a/build", ""),
                ("a/b/c/z", ""),
                ("a/.gitignore", "!x.log\nd\n"),
                ("a/x.log", ""),
                ("a/d/e", ""),
                ("a/b/d", ""),
                ("#y", ""),
                ("b/.gitignore", "*\n!.gitignore\n!c/\n!*.py\n"),
                ("b/c/x.py", ""),
                ("b/y", ""),
                ("ex", ""),
                (".git/info/exclude", "ex\n"),
            ],
        );
        let mut names = Names::default();
        walk(dir.path(), Rules::Git { everywhere: "ex\n" }, &mut names);
        let mut ours: Vec<String> = names
            .seen
            .into_iter()
            .filter(|n| dir.path().join(n).is_file())
            .collect();
        let mut gits: Vec<String> = git(&[
            "-c",
            "core.excludesFile=/dev/null",
            "-c",
            "core.quotePath=false",
            "ls-files",
            "-o",
            "--exclude-standard",
        ])
        .lines()
        .map(str::to_owned)
        .collect();
        ours.sort();
        gits.sort();
        assert_eq!(ours, gits);
        assert!(
            names.hidden.contains(&"build".to_owned()),
            "{:?}",
            names.hidden
        );
    }

    #[test]
    fn nothing_that_is_no_file_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        make(
            dir.path(),
            &[("a", ""), ("sub/b", ""), ("link/c", ""), ("real", "*\n")],
        );
        let fifo = |name: &str| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                dir.path().join(name),
                rustix::fs::FileType::Fifo,
                Mode::RUSR,
                0,
            )
            .unwrap();
        };
        fifo(".gitignore");
        fifo("sub/p");
        let _socket =
            std::os::unix::net::UnixListener::bind(dir.path().join("sub/.gitignore")).unwrap();
        std::os::unix::fs::symlink("../real", dir.path().join("link/.gitignore")).unwrap();
        let mut names = Names::default();
        walk(dir.path(), Rules::Git { everywhere: "" }, &mut names);
        assert!(
            ["a", "sub/b", "link/c", "sub/p"]
                .iter()
                .all(|n| names.seen.contains(&(*n).to_owned())),
            "{:?}",
            names.seen
        );
        for name in [".gitignore", "sub/.gitignore", "link/.gitignore", "sub"] {
            assert!(read_regular(&dir.path().join(name), 10).is_none(), "{name}");
        }
        assert_eq!(read_text(&dir.path().join("real"), 1).as_deref(), Some("*"));
    }

    #[test]
    fn names_that_are_gits_own_somewhere() {
        for own in [
            ".git",
            ".GIT",
            ".git.",
            ".git ",
            "git~1",
            "GIT~1",
            ".g\u{200c}it",
            ".git::$INDEX_ALLOCATION",
            "a\\.git",
            ".git\\x",
        ] {
            assert!(is_gits_own(own.as_bytes()), "{own}");
        }
        for other in [
            ".gitignore",
            "git",
            "git~2",
            ".github",
            "a.git",
            "..git",
            "\u{200c}",
            "x\\y",
        ] {
            assert!(!is_gits_own(other.as_bytes()), "{other}");
        }
    }
}
