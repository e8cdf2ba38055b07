//! What would change in the user's folder, decided before anything is written.

use super::merge::merge;
use super::seen::{CAP, Seen, too_large};
use crate::workspace::git::HostGit;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::TreeId;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// What was, or would be, done in the user's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyReport {
    /// One entry a file, sorted by path.
    pub changes: Vec<Change>,
    /// Files that already were as the result has them.
    pub already: u32,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Relative to the user's folder.
    #[serde(with = "super::any_path")]
    pub path: PathBuf,
    /// What happens to it.
    pub kind: ChangeKind,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content or mode is replaced.
    Modified,
    /// The user's and the run's changes are put together.
    Merged,
    /// It goes.
    Deleted,
}

/// A change with everything that is needed to make it.
#[derive(Debug)]
pub(super) struct Deed {
    pub(super) path: PathBuf,
    pub(super) kind: ChangeKind,
    pub(super) before: Seen,
    pub(super) after: Seen,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Deletions first: a file may stand where a folder is to be.
    pub(super) deeds: Vec<Deed>,
    conflicts: Vec<Said>,
    already: u32,
}

/// A line of `git diff-tree --raw`.
struct Entry {
    path: PathBuf,
    old: Side,
    new: Side,
}

/// A file as the run began with it, as it was applied last, and as the result has it.
struct Sides {
    first: Side,
    applied: Option<Side>,
    new: Side,
}

#[derive(Clone)]
struct Side {
    mode: u32,
    blob: String,
}

impl Plan {
    /// `applied` is the tree that was applied last, if any. Whether the user's folder still has it is looked at file by
    /// file: what the folder holds decides, not what was written down.
    pub(super) fn make(
        git: &HostGit,
        repo: &Path,
        root: &Path,
        (base, applied): (&TreeId, Option<&TreeId>),
        result: &TreeId,
    ) -> Result<Plan, Fault> {
        let mut files: BTreeMap<PathBuf, Sides> = BTreeMap::new();
        for entry in differences(git, repo, base, result)? {
            files.insert(
                entry.path,
                Sides {
                    first: entry.old,
                    applied: None,
                    new: entry.new,
                },
            );
        }
        if let Some(applied) = applied {
            for entry in differences(git, repo, base, applied)? {
                let (first, was) = (entry.old, entry.new);
                let sides = files.entry(entry.path).or_insert_with(|| Sides {
                    new: first.clone(),
                    first,
                    applied: None,
                });
                sides.applied = Some(was);
            }
        }
        let mut plan = Plan::default();
        let gone: BTreeSet<&Path> = files
            .iter()
            .filter(|(_, sides)| sides.new.mode == 0)
            .map(|(path, _)| path.as_path())
            .collect();
        for (path, sides) in &files {
            let old = if stands(git, repo, root, path, sides)? {
                sides.applied.as_ref()
            } else {
                None
            };
            let old = old.unwrap_or(&sides.first).clone();
            if (old.mode, &old.blob) == (sides.new.mode, &sides.new.blob) {
                plan.already += u32::from(sides.applied.is_some());
                continue;
            }
            let entry = Entry {
                path: path.clone(),
                old,
                new: sides.new.clone(),
            };
            match decide(git, repo, root, &entry, &gone)? {
                Decision::Already => plan.already += 1,
                Decision::Conflict(why) => plan.conflicts.push(say!(
                    "{path}: {why}",
                    path = path.display(),
                    why = Said::from(why)
                )),
                Decision::Do(deed) => plan.deeds.push(deed),
            }
        }
        plan.deeds
            .sort_by_key(|d| (d.kind != ChangeKind::Deleted, d.path.clone()));
        Ok(plan)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deeds.is_empty()
    }

    /// The report, or the conflicts as a fault.
    pub(super) fn report(&self) -> Result<ApplyReport, Fault> {
        if !self.conflicts.is_empty() {
            let shown = self.conflicts.iter().take(20).cloned().collect();
            let hint = "nothing was written; commit or move your own changes to these files away, then apply again";
            let what = say!(
                "{n} file(s) in the way: {files}",
                n = self.conflicts.len(),
                files = Said::in_a_row(shown)
            );
            return Err(Fault::new(Code::APPLY_CONFLICT, what).hint(hint));
        }
        let mut changes: Vec<Change> = self
            .deeds
            .iter()
            .map(|d| Change {
                path: d.path.clone(),
                kind: d.kind,
            })
            .collect();
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(ApplyReport {
            changes,
            already: self.already,
        })
    }
}

/// The files in which two trees differ.
fn differences(
    git: &HostGit,
    repo: &Path,
    from: &TreeId,
    to: &TreeId,
) -> Result<Vec<Entry>, Fault> {
    let args = [
        "diff-tree",
        "-r",
        "-z",
        "--raw",
        "--no-renames",
        "--full-index",
        &from.0,
        &to.0,
    ];
    let said = git.call(repo, args).try_run()?;
    if !said.ok {
        return Err(Fault::new(
            Code::RESULT_MISSING,
            "the result is not there to be applied",
        )
        .at(&to.0));
    }
    parse(&said.stdout)
}

/// Whether the user's file has what was applied last, perhaps with changes of the user's own: taking it back would change
/// something in it.
fn stands(
    git: &HostGit,
    repo: &Path,
    root: &Path,
    path: &Path,
    sides: &Sides,
) -> Result<bool, Fault> {
    let Some(applied) = sides.applied.as_ref().filter(|_| is_harmless(path)) else {
        return Ok(false);
    };
    if applied.mode == 0o160_000 || sides.first.mode == 0o160_000 {
        return Ok(true);
    }
    let (user, applied) = (Seen::at(root, path)?, read_side(git, repo, applied, path)?);
    let first = read_side(git, repo, &sides.first, path)?;
    if user == applied || user == first || with_line_ends_of(&user, &first, &applied).is_some() {
        return Ok(user == applied);
    }
    match (&applied, &user, &first) {
        (Seen::File { bytes: a, .. }, Seen::File { bytes: b, .. }, Seen::File { bytes: c, .. }) => {
            Ok(merge(git, a, b, c)?.is_none_or(|back| back != *b))
        }
        _ => Ok(user != Seen::Missing),
    }
}

enum Decision {
    Already,
    Conflict(&'static str),
    Do(Deed),
}

fn decide(
    git: &HostGit,
    repo: &Path,
    root: &Path,
    entry: &Entry,
    gone: &BTreeSet<&Path>,
) -> Result<Decision, Fault> {
    if !is_harmless(&entry.path) {
        return Ok(Decision::Conflict("a path that is never written"));
    }
    if entry.old.mode == 0o160_000 || entry.new.mode == 0o160_000 {
        return Ok(Decision::Conflict("a repository inside the repository"));
    }
    let old = read_side(git, repo, &entry.old, &entry.path)?;
    let new = read_side(git, repo, &entry.new, &entry.path)?;
    if let Seen::Link(target) = &new
        && (leaves(&entry.path, target) || leads_out(root, &entry.path, target))
    {
        return Ok(Decision::Conflict("a new link to outside of the folder"));
    }
    let mut user = Seen::at(root, &entry.path)?;
    // What stands in the way of a new folder, a file or a link, may be a part of the change itself.
    let goes_with_it = entry.path.ancestors().skip(1).any(|a| gone.contains(a))
        || holds_only(root, &entry.path, gone);
    if user == Seen::Other && old == Seen::Missing && goes_with_it {
        user = Seen::Missing;
    }
    let blocked = entry
        .path
        .ancestors()
        .skip(1)
        .filter(|a| !a.as_os_str().is_empty() && !gone.contains(a))
        .any(|a| root.join(a).symlink_metadata().is_ok_and(|m| !m.is_dir()));
    if user == Seen::Other || (blocked && new != Seen::Missing) {
        return Ok(Decision::Conflict("something else stands there"));
    }
    if user == new {
        return Ok(Decision::Already);
    }
    let kind = match (&user, &new) {
        (Seen::Missing, _) => ChangeKind::Added,
        (_, Seen::Missing) => ChangeKind::Deleted,
        _ => ChangeKind::Modified,
    };
    if user == old {
        return Ok(Decision::Do(Deed {
            path: entry.path.clone(),
            kind,
            before: user,
            after: new,
        }));
    }
    if let Some(after) = with_line_ends_of(&user, &old, &new) {
        return Ok(if after == user {
            Decision::Already
        } else {
            Decision::Do(Deed {
                path: entry.path.clone(),
                kind,
                before: user,
                after,
            })
        });
    }
    let (
        Seen::File {
            bytes: a,
            executable: was,
        },
        Seen::File {
            bytes: b,
            executable: own,
        },
        Seen::File {
            bytes: c,
            executable: wanted,
        },
    ) = (&old, &user, &new)
    else {
        return Ok(Decision::Conflict("both sides changed it"));
    };
    let executable = if own == was { *wanted } else { *own };
    match merge(git, a, b, c)? {
        Some(bytes) => {
            let after = Seen::File { bytes, executable };
            let deed = Deed {
                path: entry.path.clone(),
                kind: ChangeKind::Merged,
                before: user.clone(),
                after,
            };
            Ok(if deed.before == deed.after {
                Decision::Already
            } else {
                Decision::Do(deed)
            })
        }
        None => Ok(Decision::Conflict("both sides changed the same lines")),
    }
}

/// Git keeps LF where the user's folder may have CRLF: such a file counts as untouched, and keeps its line ends.
fn with_line_ends_of(user: &Seen, old: &Seen, new: &Seen) -> Option<Seen> {
    let (
        Seen::File {
            bytes: own,
            executable: a,
        },
        Seen::File {
            bytes: base,
            executable: b,
        },
    ) = (user, old)
    else {
        return None;
    };
    let crlf = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .ok()
            .filter(|t| !t.contains('\r'))
            .map(|t| t.replace('\n', "\r\n").into_bytes())
    };
    if a != b || crlf(base).as_ref() != Some(own) {
        return None;
    }
    match new {
        Seen::File { bytes, executable } => Some(Seen::File {
            bytes: crlf(bytes)?,
            executable: *executable,
        }),
        Seen::Missing => Some(Seen::Missing),
        Seen::Link(_) | Seen::Other => None,
    }
}

/// Whether a folder holds nothing but files that are to go.
fn holds_only(root: &Path, path: &Path, gone: &BTreeSet<&Path>) -> bool {
    let Ok(entries) = std::fs::read_dir(root.join(path)) else {
        return false;
    };
    entries.into_iter().all(|entry| {
        let Ok(entry) = entry else { return false };
        let below = path.join(entry.file_name());
        gone.contains(below.as_path())
            || (entry.file_type().is_ok_and(|t| t.is_dir()) && holds_only(root, &below, gone))
    })
}

/// Only plain names, and nothing of git's own: also not by another spelling that some file system takes for it.
fn is_harmless(path: &Path) -> bool {
    path.components().count() > 0
        && path.components().all(|c| match c {
            Component::Normal(name) => {
                let plain: String = name
                    .to_string_lossy()
                    .chars()
                    .filter(|c| c.is_ascii_graphic())
                    .collect::<String>()
                    .to_lowercase();
                let plain = plain.trim_end_matches(['.', ' ']);
                plain != ".git" && plain != "git~1"
            }
            _ => false,
        })
}

/// Whether a link at `path` points out of the folder, judged by its text. Steps up are permitted at the beginning only,
/// where they lead through real folders: after a name, `..` belongs to whatever that name turns out to be.
fn leaves(path: &Path, target: &[u8]) -> bool {
    let target = PathBuf::from(OsString::from_vec(target.to_vec()));
    let mut depth = path.components().count().saturating_sub(1);
    let mut named = false;
    for component in target.components() {
        match component {
            Component::Normal(_) => named = true,
            Component::CurDir => {}
            Component::ParentDir if named || depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

/// Whether it leads out over links that stand in the user's folder already. What is not there yet leads nowhere; if it is
/// part of the same result and a link, it is judged itself.
fn leads_out(root: &Path, path: &Path, target: &[u8]) -> bool {
    let target = PathBuf::from(OsString::from_vec(target.to_vec()));
    let place = path.parent().unwrap_or(Path::new("")).join(target);
    let Ok(root) = openat(
        CWD,
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    ) else {
        return true;
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(
        &root,
        without_steps(&place),
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    ) {
        Ok(_) => false,
        // Also `ELOOP`, a link in a circle, and a kernel that does not know the call: what cannot be told apart is refused.
        Err(error) => !matches!(error, Errno::NOENT | Errno::NOTDIR),
    }
}

/// The path without `..`, all of which stand before any name and step up through real folders: see [`leaves`].
fn without_steps(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(out.pop()),
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    if out.as_os_str().is_empty() {
        ".".into()
    } else {
        out
    }
}

fn read_side(git: &HostGit, repo: &Path, side: &Side, path: &Path) -> Result<Seen, Fault> {
    if side.mode == 0 {
        return Ok(Seen::Missing);
    }
    let size: u64 = git
        .call(repo, ["cat-file", "-s", &side.blob])
        .run()?
        .line()
        .parse()
        .unwrap_or(u64::MAX);
    if size > CAP {
        return Err(too_large(path));
    }
    let bytes = git
        .call(repo, ["cat-file", "blob", &side.blob])
        .run()?
        .stdout;
    Ok(if side.mode == 0o120_000 {
        Seen::Link(bytes)
    } else {
        Seen::File {
            bytes,
            executable: side.mode & 0o100 != 0,
        }
    })
}

fn parse(out: &[u8]) -> Result<Vec<Entry>, Fault> {
    let odd = || Fault::new(Code::RESULT_MISSING, "git's list of changes cannot be read");
    let mut entries = Vec::new();
    let mut fields = out.split(|b| *b == 0).filter(|f| !f.is_empty());
    while let Some(head) = fields.next() {
        let head = std::str::from_utf8(head)
            .ok()
            .and_then(|h| h.strip_prefix(':'))
            .ok_or_else(odd)?;
        let parts: Vec<&str> = head.split(' ').collect();
        let [old_mode, new_mode, old, new, _status] = parts.as_slice() else {
            return Err(odd());
        };
        let path = fields.next().ok_or_else(odd)?;
        let side = |mode: &str, blob: &str| {
            u32::from_str_radix(mode, 8)
                .map(|mode| Side {
                    mode,
                    blob: blob.to_owned(),
                })
                .map_err(|_| odd())
        };
        entries.push(Entry {
            path: PathBuf::from(OsString::from_vec(path.to_vec())),
            old: side(old_mode, old)?,
            new: side(new_mode, new)?,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_never_written() {
        for good in ["a", "a/b c/ü", ".gitignore", ".github/x", "..a"] {
            assert!(is_harmless(Path::new(good)), "{good}");
        }
        for bad in [
            "",
            "/a",
            "../a",
            "a/../b",
            ".git/config",
            "a/.GIT/x",
            ".git./x",
            "GIT~1/x",
            ".g\u{200c}it/config",
        ] {
            assert!(!is_harmless(Path::new(bad)), "{bad}");
        }
    }

    #[test]
    fn links_that_leave() {
        for (path, target, out) in [
            ("a", "b", false),
            ("a/b", "../c", false),
            ("a", "../c", true),
            ("a", "/etc/passwd", true),
            ("a/b", "x/../../../c", true),
        ] {
            assert_eq!(
                leaves(Path::new(path), target.as_bytes()),
                out,
                "{path} -> {target}"
            );
        }
        for (path, target, out) in [
            ("a", "b/../c", true),
            ("a/b", "../x/../c", true),
            ("a/b/c", "../../d", false),
            ("a/b/c", "./../d", false),
            ("a/b/c", "../../../d", true),
            ("a", ".", false),
            ("a", "", false),
        ] {
            assert_eq!(
                leaves(Path::new(path), target.as_bytes()),
                out,
                "{path} -> {target}"
            );
        }
    }

    #[test]
    fn links_that_lead_out_over_others() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("sub/deep")).unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        for (target, name) in [
            ("../outside", "way-out"),
            ("/", "top"),
            ("sub", "inner"),
            ("circle", "circle"),
            ("../..", "sub/up"),
        ] {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        }
        for (path, target, out) in [
            ("a", "way-out/secret", true),
            ("a", "way-out", true),
            ("a", "top/etc/passwd", true),
            ("sub/a", "../way-out/secret", true),
            ("sub/deep/a", "../../inner/up/outside", true),
            ("a", "circle", true),
            ("a", "inner/deep", false),
            ("sub/a", "../inner/deep/missing", false),
            ("new/folder/a", "../../sub", false),
            ("a", "missing/way-out", false),
        ] {
            assert!(
                !leaves(Path::new(path), target.as_bytes()),
                "by its text it stays: {path} -> {target}"
            );
            assert_eq!(
                leads_out(&root, Path::new(path), target.as_bytes()),
                out,
                "{path} -> {target}"
            );
        }
        assert!(
            leads_out(&dir.path().join("nowhere"), Path::new("a"), b"b"),
            "what cannot be looked at is refused"
        );
    }

    #[test]
    fn line_ends_of_the_user_stay() {
        let file = |text: &str| Seen::File {
            bytes: text.into(),
            executable: false,
        };
        assert_eq!(
            with_line_ends_of(&file("a\r\nb\r\n"), &file("a\nb\n"), &file("a\nc\n")),
            Some(file("a\r\nc\r\n"))
        );
        assert_eq!(
            with_line_ends_of(&file("a\r\nX\r\n"), &file("a\nb\n"), &file("a\nc\n")),
            None
        );
        assert_eq!(
            with_line_ends_of(&file("a\r\nb\r\n"), &file("a\nb\n"), &Seen::Missing),
            Some(Seen::Missing)
        );
    }

    #[test]
    fn nonsense_from_git_is_an_error() {
        assert!(parse(b"junk\0path\0").is_err());
        assert!(parse(b":100644 100644 a b M\0").is_err());
        assert_eq!(parse(b"").unwrap().len(), 0);
    }
}
