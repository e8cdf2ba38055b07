//! What was written into the user's folder, with what stood there before: written down first, then done.

use super::plan::{ApplyReport, Change, ChangeKind, Deed, Plan};
use super::seen::{Mark, Seen};
use crate::workspace::{io_fault, write_atomically};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::TreeId;
use keiko_contracts::say;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How far an application is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Some files may be written, others not.
    Applying,
    /// All are.
    Applied,
    /// All are as before again.
    Undone,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    status: Status,
    #[serde(with = "super::any_path")]
    root: PathBuf,
    tree: TreeId,
    files: Vec<Line>,
    /// Folders that did not exist, outermost first.
    #[serde(with = "super::any_path::many")]
    new_folders: Vec<PathBuf>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    #[serde(with = "super::any_path")]
    path: PathBuf,
    kind: ChangeKind,
    before: Mark,
    after: Mark,
}

/// One application on disk: `<run>/applied/<n>/ledger.json` and what was replaced beside it.
#[derive(Debug)]
pub(super) struct Ledger {
    dir: PathBuf,
    record: Record,
}

impl Ledger {
    /// The newest that has not been undone.
    pub(super) fn last(applied: &Path) -> Result<Option<Ledger>, Fault> {
        for number in numbers(applied).into_iter().rev() {
            let ledger = Self::read(applied.join(number.to_string()))?;
            if let Some(ledger) = ledger.filter(|l| l.record.status != Status::Undone) {
                return Ok(Some(ledger));
            }
        }
        Ok(None)
    }

    /// The one that a crash interrupted.
    pub(super) fn unfinished(applied: &Path) -> Result<Option<Ledger>, Fault> {
        Ok(Self::last(applied)?.filter(|l| l.record.status == Status::Applying))
    }

    fn read(dir: PathBuf) -> Result<Option<Ledger>, Fault> {
        let path = dir.join("ledger.json");
        match std::fs::read(&path) {
            Ok(bytes) => {
                let odd = |e: &dyn std::fmt::Display| {
                    Fault::new(
                        Code::APPLIED_RECORD,
                        say!("the record of what was applied cannot be read: {e}", e),
                    )
                    .at(path.display())
                };
                Ok(Some(Ledger {
                    record: serde_json::from_slice(&bytes).map_err(|e| odd(&e))?,
                    dir,
                }))
            }
            // A crash before anything was written into the user's folder.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_fault("read", &path, &e)),
        }
    }

    /// Keeps what will be replaced, and writes down what will be done.
    pub(super) fn begin(
        applied: &Path,
        root: PathBuf,
        tree: TreeId,
        plan: &Plan,
    ) -> Result<Ledger, Fault> {
        let number = numbers(applied).last().map_or(1, |n| n + 1);
        let dir = applied.join(number.to_string());
        std::fs::create_dir_all(&dir).map_err(|e| io_fault("make a folder", &dir, &e))?;
        for (index, deed) in plan.deeds.iter().enumerate() {
            let kept = match &deed.before {
                Seen::File { bytes, .. } => bytes,
                Seen::Link(target) => target,
                Seen::Missing | Seen::Other => continue,
            };
            write_atomically(&dir.join(index.to_string()), kept)?;
        }
        let line = |d: &Deed| Line {
            path: d.path.clone(),
            kind: d.kind,
            before: d.before.mark(),
            after: d.after.mark(),
        };
        let new_folders = new_folders(&root, plan);
        let record = Record {
            status: Status::Applying,
            root,
            tree,
            files: plan.deeds.iter().map(line).collect(),
            new_folders,
        };
        let mut ledger = Ledger { dir, record };
        ledger.set(Status::Applying)?;
        Ok(ledger)
    }

    pub(super) fn status(&self) -> Status {
        self.record.status
    }

    pub(super) fn tree(&self) -> &TreeId {
        &self.record.tree
    }

    pub(super) fn set(&mut self, status: Status) -> Result<(), Fault> {
        self.record.status = status;
        let bytes = serde_json::to_vec(&self.record).map_err(|e| {
            Fault::new(
                Code::APPLIED_RECORD,
                say!("the record of what is applied cannot be written: {e}", e),
            )
        })?;
        write_atomically(&self.dir.join("ledger.json"), &bytes)
    }

    /// Writes into the user's folder.
    pub(super) fn carry_out(&self, plan: &Plan) -> Result<(), Fault> {
        for deed in &plan.deeds {
            if Seen::at(&self.record.root, &deed.path)? != deed.before {
                return Err(Fault::new(
                    Code::APPLY_CONFLICT,
                    "a file changed while it was being applied; everything was put back",
                )
                .at(deed.path.display()));
            }
            put(&self.record.root, &deed.path, &deed.after)?;
        }
        Ok(())
    }

    /// Fails naming the files that are neither as they were applied nor as before.
    pub(super) fn check_untouched(&self) -> Result<(), Fault> {
        let mut touched = Vec::new();
        for line in &self.record.files {
            let now = Seen::at(&self.record.root, &line.path)?.mark();
            if now != line.after && now != line.before {
                touched.push(line.path.display().to_string());
            }
        }
        if touched.is_empty() {
            return Ok(());
        }
        touched.truncate(20);
        let what = say!(
            "these files were changed since they were applied: {files}",
            files = touched.join(", ")
        );
        Err(Fault::new(Code::UNDO_CONFLICT, what)
            .hint("nothing was written; put your changes aside (git stash), then undo again"))
    }

    /// Puts everything back. Files that are neither as before nor as applied are left alone, and named.
    pub(super) fn take_back(&mut self) -> Result<(), Fault> {
        let root = self.record.root.clone();
        let mut odd = Vec::new();
        for (index, line) in self.record.files.iter().enumerate().rev() {
            let _ = std::fs::remove_file(root.join(temporary(&line.path)));
            let now = Seen::at(&root, &line.path)?.mark();
            if now == line.before {
                continue;
            }
            if now != line.after {
                odd.push(line.path.display().to_string());
                continue;
            }
            put(&root, &line.path, &self.kept(index, &line.before)?)?;
        }
        for folder in self.record.new_folders.iter().rev() {
            // Only if nothing else has come to be in it.
            let _ = std::fs::remove_dir(root.join(folder));
        }
        self.set(Status::Undone)?;
        if odd.is_empty() {
            return Ok(());
        }
        let what = say!(
            "these files were changed in between and are left as they are: {files}",
            files = odd.join(", ")
        );
        Err(Fault::new(Code::UNDO_CONFLICT, what)
            .at(self.dir.display())
            .hint("what stood there before is kept in this folder"))
    }

    fn kept(&self, index: usize, before: &Mark) -> Result<Seen, Fault> {
        let path = self.dir.join(index.to_string());
        let read = || std::fs::read(&path).map_err(|e| io_fault("read", &path, &e));
        let seen = match before {
            Mark::Missing | Mark::Other => return Ok(Seen::Missing),
            Mark::File { executable, .. } => Seen::File {
                bytes: read()?,
                executable: *executable,
            },
            Mark::Link { .. } => Seen::Link(read()?),
        };
        if seen.mark() != *before {
            return Err(
                Fault::new(Code::APPLIED_RECORD, "what was kept of a file is damaged")
                    .at(path.display()),
            );
        }
        Ok(seen)
    }

    /// The report of taking it back: what is as before already needs nothing.
    pub(super) fn reversed(&self) -> Result<ApplyReport, Fault> {
        let turn = |kind| match kind {
            ChangeKind::Added => ChangeKind::Deleted,
            ChangeKind::Deleted => ChangeKind::Added,
            ChangeKind::Modified | ChangeKind::Merged => ChangeKind::Modified,
        };
        let (mut changes, mut already) = (Vec::new(), 0);
        for line in &self.record.files {
            if Seen::at(&self.record.root, &line.path)?.mark() == line.before {
                already += 1;
            } else {
                changes.push(Change {
                    path: line.path.clone(),
                    kind: turn(line.kind),
                });
            }
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(ApplyReport { changes, already })
    }
}

fn numbers(applied: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(applied).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn new_folders(root: &Path, plan: &Plan) -> Vec<PathBuf> {
    let added = plan.deeds.iter().filter(|d| d.after != Seen::Missing);
    let mut folders: Vec<PathBuf> = added
        .flat_map(|d| d.path.ancestors().skip(1))
        .filter(|a| !a.as_os_str().is_empty() && !root.join(a).is_dir())
        .map(Path::to_owned)
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

/// The name under which a file is written before it takes its place: the same each time, so that a crash leaves one that
/// is found again.
fn temporary(path: &Path) -> PathBuf {
    let mut name = OsStr::new(".keiko-new-").to_owned();
    let own = path.file_name().unwrap_or_default();
    match own.len() > 200 {
        // With something before it the name would be too long.
        true => name.push(keiko_contracts::digest::Digest::of(own.as_bytes()).to_string()),
        false => name.push(own),
    }
    path.with_file_name(name)
}

/// Makes a path of the user's folder be `seen`, in one step, keeping owner and mode of what it replaces.
fn put(root: &Path, path: &Path, seen: &Seen) -> Result<(), Fault> {
    let full = root.join(path);
    let parent = full.parent().unwrap_or(root);
    if *seen == Seen::Missing {
        match std::fs::remove_file(&full) {
            Ok(()) => remove_empty_parents(root, path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(io_fault("remove", &full, &e)),
        }
        return Ok(());
    }
    make_folders(root, path.parent().unwrap_or(Path::new("")))?;
    let old = full.symlink_metadata().ok();
    let owner = old.clone().or_else(|| parent.symlink_metadata().ok());
    let new = root.join(temporary(path));
    let write = || -> std::io::Result<()> {
        match seen {
            Seen::Link(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), &new)?,
            Seen::File { bytes, executable } => {
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(&new)?;
                file.write_all(bytes)?;
                let kept = old
                    .as_ref()
                    .filter(|m| m.is_file())
                    .map_or(0o644, |m| m.permissions().mode() & 0o777);
                let mode = if *executable {
                    kept | ((kept & 0o444) >> 2)
                } else {
                    kept & !0o111
                };
                file.set_permissions(std::fs::Permissions::from_mode(mode))?;
                file.sync_all()?;
            }
            Seen::Missing | Seen::Other => {}
        }
        if let Some(owner) = owner
            .as_ref()
            .filter(|_| rustix::process::geteuid().is_root())
        {
            std::os::unix::fs::lchown(&new, Some(owner.uid()), Some(owner.gid()))?;
        }
        std::fs::rename(&new, &full)
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written.map_err(|e| io_fault("write", &full, &e))
}

/// Makes missing folders, owned like the one above them, without passing through a link.
fn make_folders(root: &Path, path: &Path) -> Result<(), Fault> {
    let mut at = root.to_owned();
    for part in path.components() {
        let above = at.clone();
        at.push(part);
        match at.symlink_metadata() {
            Ok(meta) if meta.is_dir() => continue,
            Ok(_) => {
                return Err(Fault::new(
                    Code::APPLY_CONFLICT,
                    "something that is not a folder stands in the way",
                )
                .at(at.display()));
            }
            Err(_) => std::fs::create_dir(&at).map_err(|e| io_fault("make a folder", &at, &e))?,
        }
        if let (true, Ok(meta)) = (
            rustix::process::geteuid().is_root(),
            above.symlink_metadata(),
        ) {
            std::os::unix::fs::lchown(&at, Some(meta.uid()), Some(meta.gid()))
                .map_err(|e| io_fault("hand over", &at, &e))?;
        }
    }
    Ok(())
}

/// As git does: a folder without files is not kept.
fn remove_empty_parents(root: &Path, path: &Path) {
    for parent in path
        .ancestors()
        .skip(1)
        .filter(|p| !p.as_os_str().is_empty())
    {
        if std::fs::remove_dir(root.join(parent)).is_err() {
            break;
        }
    }
}
