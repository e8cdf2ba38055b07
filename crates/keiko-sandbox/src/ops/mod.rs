//! File and search operations over a workspace: blocking functions, data in and data out.
//!
//! They run inside the jail, in a re-exec of this binary (`worker`). What makes no sense to do is a refusal that tells
//! the model what stands there instead; only what the machine could not do is an error.

use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
mod edit;
pub mod list;
mod locate;
mod nearest;
pub mod path;
mod read;
pub mod search;
pub mod survey;
pub(crate) mod walk;
mod write;

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Content;
use keiko_contracts::jail::{Edit, JailBody, JailOp};
use path::{RelPath, Root};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// An operation that a worker can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum OpRequest {
    /// Looks the workspace over.
    Survey,
    /// Reads lines of a text file.
    ReadFile {
        /// The file.
        path: String,
        /// First line, from 1.
        from_line: u32,
        /// How many lines at most; 0 is as many as fit.
        lines: u32,
    },
    /// Writes a whole file.
    WriteFile {
        /// The file.
        path: String,
        /// All of it.
        text: Content,
    },
    /// Replaces text in a file.
    EditFile {
        /// The file.
        path: String,
        /// The replacements, in order, all or none.
        edits: Vec<Edit>,
    },
    /// Lists files.
    ListFiles(list::Listing),
    /// Searches file contents.
    Search(search::Query),
}

impl OpRequest {
    /// The part of a [`JailOp`] that a worker does; nothing for commands, git and the life of the workspace.
    #[must_use]
    pub fn of(op: &JailOp) -> Option<OpRequest> {
        Some(match op.clone() {
            JailOp::Survey => OpRequest::Survey,
            JailOp::ReadFile {
                path,
                from_line,
                lines,
            } => OpRequest::ReadFile {
                path,
                from_line,
                lines,
            },
            JailOp::WriteFile { path, text } => OpRequest::WriteFile { path, text },
            JailOp::EditFile { path, edits } => OpRequest::EditFile { path, edits },
            JailOp::ListFiles {
                path,
                glob,
                depth,
                limit,
            } => OpRequest::ListFiles(list::Listing {
                path,
                glob,
                depth,
                limit,
            }),
            JailOp::Search {
                pattern,
                path,
                glob,
                context,
                limit,
                ignore_case,
            } => OpRequest::Search(search::Query {
                pattern,
                path,
                glob,
                context,
                limit,
                ignore_case,
            }),
            JailOp::Open { .. }
            | JailOp::Git(_)
            | JailOp::Exec(_)
            | JailOp::Cell { .. }
            | JailOp::Prepare { .. }
            | JailOp::Restore { .. }
            | JailOp::Without { .. }
            | JailOp::Diff { .. } => return None,
        })
    }
}

/// Does an operation over the folder `root`.
///
/// # Errors
/// Only when the machine fails: the root cannot be entered, a disk is full. A request that makes no sense comes back
/// as [`JailBody::Refused`].
pub fn run(root: &Path, request: OpRequest) -> Result<JailBody, OpError> {
    let done = Root::open(root).and_then(|root| match request {
        OpRequest::Survey => Ok(JailBody::Surveyed(crate::ops::survey::survey(&root)?)),
        OpRequest::ReadFile {
            path,
            from_line,
            lines,
        } => read::read(&root, &path, from_line, lines).map(JailBody::Text),
        OpRequest::WriteFile { path, text } => {
            write::write(&root, &path, &text).map(JailBody::Written)
        }
        OpRequest::EditFile { path, edits } => {
            edit::edit(&root, &path, &edits).map(JailBody::Written)
        }
        OpRequest::ListFiles(listing) => list::list(&root, &listing).map(JailBody::Text),
        OpRequest::Search(query) => search::search(&root, &query).map(JailBody::Text),
    });
    match done {
        Err(OpError::Refused(refusal)) => Ok(JailBody::Refused {
            why: refusal.why,
            nearest: refusal.nearest.into(),
        }),
        other => other,
    }
}

/// Why an operation was not done.
#[derive(Debug)]
pub enum OpError {
    /// It makes no sense; the model is told. [`run`] turns this into [`JailBody::Refused`].
    Refused(Refusal),
    /// The machine failed.
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// A text of the request is only a reference to a blob.
    NoText {
        /// Which.
        place: String,
    },
}

impl OpError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            OpError::Refused(inner) => inner.said(),
            OpError::Io { what, place, .. } => {
                say!("cannot {what} {place}", what = Said::from(*what), place)
            }
            OpError::NoText { place } => say!(
                "the text for {place} has not been read from its blob",
                place
            ),
        }
    }
}

keiko_contracts::said_is_error!(OpError);

impl From<Refusal> for OpError {
    fn from(inner: Refusal) -> Self {
        OpError::Refused(inner)
    }
}

impl OpError {
    /// An input or output error.
    pub(crate) fn io(
        what: &'static str,
        place: impl fmt::Display,
        source: std::io::Error,
    ) -> OpError {
        OpError::Io {
            what,
            place: place.to_string(),
            source,
        }
    }
    /// For the user.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            OpError::Refused(refusal) => Fault::new(Code::FILE_OPERATION_ODD, refusal.why.clone()),
            OpError::Io {
                what,
                place,
                source,
            } => Fault::new(
                Code::FILE_OPERATION_FAILED,
                say!("cannot {what}: {source}", what = Said::from(*what), source),
            )
            .at(place)
            .hint(say!(
                "look at free space and permissions of the workspace: {step}",
                step = Step::Doctor
            )),
            OpError::NoText { place } => {
                Fault::new(Code::TEXT_MISSING, "a text was not read from its blob").at(place)
            }
        }
    }
}

/// Why something makes no sense, and what stands there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, in a sentence.
    pub why: Said,
    /// What does stand there: lines, names.
    pub nearest: String,
}

keiko_contracts::said_is_error!(Refusal);

impl Refusal {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        self.why.clone()
    }
    /// With nothing to show.
    pub(crate) fn new(why: impl Into<Said>) -> Refusal {
        Refusal {
            why: why.into(),
            nearest: String::new(),
        }
    }
    /// Shows what stands there.
    #[must_use]
    pub(crate) fn nearest(mut self, nearest: impl Into<String>) -> Refusal {
        self.nearest = nearest.into();
        self
    }
}

/// The refusal for a file that is not there, with the names that come closest.
pub(crate) fn missing(root: &Root, path: &RelPath, advice: &'static str) -> OpError {
    let near = walk::similar_names(root, path);
    let mut why = say!(
        "{path} does not exist{advice}",
        path,
        advice = Said::from(advice)
    );
    if !near.is_empty() {
        why = say!("{why}; similar names stand below", why);
    }
    Refusal::new(why).nearest(near.join("\n")).into()
}

/// Cuts a line after `max` characters and says how much is missing.
pub(crate) fn cut_line(line: &str, max: usize) -> (std::borrow::Cow<'_, str>, bool) {
    match line.char_indices().nth(max) {
        None => (line.into(), false),
        Some((at, _)) => {
            let more = line[at..].chars().count();
            (
                format!("{} [{more} more characters]", &line[..at]).into(),
                true,
            )
        }
    }
}
