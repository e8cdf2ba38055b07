//! What should be known of how a workspace was made: it is a copy, and not always of everything.

use crate::said::{Said, Value};
use crate::say;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many paths a note names.
pub const NAMED_MAX: usize = 8;

/// Something that a person who reads results, and the agent, should know of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "note")]
pub enum OpenNote {
    /// Files that git ignores were left out. What every toolchain makes again is not counted.
    Ignored {
        /// The first of them; a folder ends with `/`.
        paths: Vec<String>,
        /// How many there are, a folder counted once.
        count: u32,
    },
    /// Files that are not tracked were left out, because they may hold credentials.
    Credentials {
        /// The first of them.
        paths: Vec<String>,
        /// How many there are.
        count: u32,
    },
    /// Files were taken as they are committed, because a filter of the user's git makes what lies in the folder.
    Filtered {
        /// The first of them.
        paths: Vec<String>,
        /// How many there are.
        count: u32,
    },
    /// The files of a submodule, as they are checked out, were taken along as plain files of the workspace.
    SubmoduleTaken {
        /// The submodule.
        path: String,
        /// How many files.
        files: u32,
    },
    /// A submodule is not checked out, or could not be taken along, so its folder is empty.
    SubmoduleEmpty {
        /// The submodule.
        path: String,
    },
    /// The history ends early in the user's repository itself.
    Shallow,
    /// Older commits cannot be read, so only the newest was taken.
    HistoryCut {
        /// What git says.
        why: String,
    },
    /// Nothing of the history can be read: the files were copied as they are.
    WithoutHistory {
        /// What git says, or what is the matter.
        why: String,
    },
    /// The folder that was asked for is a part of a repository, and the whole of that was copied.
    Part {
        /// The repository's folder on the host.
        repository: String,
        /// The part, relative to it.
        part: String,
    },
    /// A toolchain that the project asks for is not installed.
    ToolchainAbsent {
        /// Where it is asked for.
        file: String,
        /// Its name.
        wanted: String,
        /// The installed one that is used in its place.
        used: String,
    },
    /// The user is in the middle of something with git.
    Unfinished {
        /// What it is.
        what: Unfinished,
        /// The first of the files in which both sides still stand.
        paths: Vec<String>,
        /// How many there are.
        count: u32,
    },
}

/// What can be under way in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unfinished {
    /// `git merge`
    Merge,
    /// `git rebase`
    Rebase,
    /// `git cherry-pick`
    CherryPick,
    /// `git revert`
    Revert,
}

impl Unfinished {
    /// The command of git.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Unfinished::Merge => "merge",
            Unfinished::Rebase => "rebase",
            Unfinished::CherryPick => "cherry-pick",
            Unfinished::Revert => "revert",
        }
    }
}

/// The first names, and that there are more.
fn named(paths: &[String], count: u32) -> Value {
    let more = u64::from(count).saturating_sub(paths.len() as u64);
    let names = paths.join(", ");
    if more == 0 {
        names.into()
    } else {
        say!("{names}, ... ({more} more)", names, more).into()
    }
}

impl OpenNote {
    /// It as a sentence.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            OpenNote::Ignored { paths, count } => {
                let names = named(paths, *count);
                say!("left out what git ignores: {names}", names)
            }
            OpenNote::Credentials { paths, count } => {
                let names = named(paths, *count);
                say!(
                    "left out {names}: it may hold credentials and is not tracked",
                    names
                )
            }
            OpenNote::Filtered { paths, count } => {
                let names = named(paths, *count);
                say!(
                    "took {names} as it is committed: a filter of your git makes it",
                    names
                )
            }
            OpenNote::SubmoduleTaken { path, files } => say!(
                "took {files} files of submodule {path} as they are checked out",
                files,
                path
            ),
            OpenNote::SubmoduleEmpty { path } => say!(
                "left submodule {path} empty: it is not checked out in your folder",
                path
            ),
            OpenNote::Shallow => Said::from(
                "the history is cut: your clone is shallow (git fetch --unshallow gets the rest)",
            ),
            OpenNote::HistoryCut { why } => say!(
                "took the newest commit only, older ones cannot be read: {why}",
                why
            ),
            OpenNote::WithoutHistory { why } => say!(
                "copied the files without their history, which cannot be read: {why}",
                why = Said::words(why)
            ),
            OpenNote::Part { repository, part } => say!(
                "{part} is a part of the repository {repository}: all of it was copied",
                part,
                repository
            ),
            OpenNote::ToolchainAbsent { file, wanted, used } => say!(
                "{file} asks for the toolchain {wanted}, which is not installed: {used} is used",
                file,
                wanted,
                used
            ),
            OpenNote::Unfinished { what, paths, .. } if paths.is_empty() => {
                say!("a git {what} is under way", what = what.command())
            }
            OpenNote::Unfinished { what, paths, count } => say!(
                "a git {what} is under way, not yet resolved: {files}",
                what = what.command(),
                files = named(paths, *count)
            ),
        }
    }
}

impl fmt::Display for OpenNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_some_and_says_how_many_more() {
        let note = OpenNote::Ignored {
            paths: vec!["data/".into(), "x.bin".into()],
            count: 5,
        };
        assert_eq!(
            note.to_string(),
            "left out what git ignores: data/, x.bin, ... (3 more)"
        );
        let stored = serde_json::to_string(&note).unwrap();
        assert_eq!(
            stored,
            r#"{"note":"ignored","paths":["data/","x.bin"],"count":5}"#
        );
        let merge = OpenNote::Unfinished {
            what: Unfinished::Merge,
            paths: vec!["a".into()],
            count: 1,
        };
        assert_eq!(
            merge.to_string(),
            "a git merge is under way, not yet resolved: a"
        );
    }
}
