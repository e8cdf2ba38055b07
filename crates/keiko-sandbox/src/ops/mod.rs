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
use keiko_contracts::jail::{JailBody, JailOp};
use path::{RelPath, Root};
use std::fmt;
use std::path::Path;

/// Whether a worker does an operation: those over files. Commands, git and the life of the workspace are others' to do.
#[must_use]
pub fn is_for_worker(op: &JailOp) -> bool {
    match op {
        JailOp::Survey
        | JailOp::ReadFile { .. }
        | JailOp::WriteFile { .. }
        | JailOp::EditFile { .. }
        | JailOp::ListFiles { .. }
        | JailOp::Search { .. } => true,
        JailOp::Open { .. }
        | JailOp::Git(_)
        | JailOp::Exec(_)
        | JailOp::Cell { .. }
        | JailOp::Prepare { .. }
        | JailOp::Restore { .. }
        | JailOp::Without { .. }
        | JailOp::Diff { .. } => false,
    }
}

/// Does an operation over the folder `root`.
///
/// # Errors
/// When the machine fails: the root cannot be entered, a disk is full; and for an operation that is none of a worker's
/// ([`is_for_worker`]). A request that makes no sense comes back as [`JailBody::Refused`].
pub fn run(root: &Path, op: JailOp) -> Result<JailBody, OpError> {
    match Root::open(root).and_then(|root| done(&root, op)) {
        Err(OpError::Refused(refusal)) => Ok(JailBody::Refused {
            why: refusal.why,
            nearest: refusal.nearest.into(),
        }),
        other => other,
    }
}

fn done(root: &Root, op: JailOp) -> Result<JailBody, OpError> {
    match op {
        JailOp::Survey => Ok(JailBody::Surveyed(crate::ops::survey::survey(root)?)),
        JailOp::ReadFile {
            path,
            from_line,
            lines,
        } => read::read(root, &path, from_line, lines).map(JailBody::Text),
        JailOp::WriteFile { path, text } => write::write(root, &path, &text).map(JailBody::Written),
        JailOp::EditFile { path, edits } => edit::edit(root, &path, &edits).map(JailBody::Written),
        JailOp::ListFiles {
            path,
            glob,
            depth,
            limit,
        } => {
            let listing = list::Listing {
                path,
                glob,
                depth,
                limit,
            };
            list::list(root, &listing).map(JailBody::Text)
        }
        JailOp::Search {
            pattern,
            path,
            glob,
            context,
            limit,
            ignore_case,
        } => {
            let query = search::Query {
                pattern,
                path,
                glob,
                context,
                limit,
                ignore_case,
            };
            search::search(root, &query).map(JailBody::Text)
        }
        JailOp::Open { .. }
        | JailOp::Git(_)
        | JailOp::Exec(_)
        | JailOp::Cell { .. }
        | JailOp::Prepare { .. }
        | JailOp::Restore { .. }
        | JailOp::Without { .. }
        | JailOp::Diff { .. } => Err(OpError::NotAWorkers),
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
    /// The operation is none of a worker's.
    NotAWorkers,
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
            OpError::NotAWorkers => say!("no operation of a worker's"),
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
            OpError::NotAWorkers => Fault::new(Code::WORKER_GOT_NO_REQUEST, self.said()),
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
