//! What was done with a run's result in its user's folder: brought home, taken back; by whom, and what came of it.
//!
//! It goes on after the run's end, and anybody may do it while nobody drives the run: so it stands in a stream of its own
//! ([`StreamId::home`](crate::journal::StreamId::home)), written without a lease.

use crate::code::Fault;
use crate::envelope::StoredEvent;
use crate::jail::TreeId;
use crate::journal::Seq;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Homeward {
    /// The result is brought into the folder.
    Apply,
    /// What was brought is taken back.
    Undo,
}

/// It is about to be done: on the medium before the folder is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HomeBegun {
    /// What.
    pub what: Homeward,
    /// Who wants it.
    pub by: String,
    /// The tree that is brought; nothing when it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeId>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HomeEnded {
    /// The event that it began with.
    pub begun: Seq,
    /// What became of each file, sorted by path; empty when nothing had to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<HomeChange>,
    /// Files beyond those that are named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// A file of the user's folder that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HomeChange {
    /// Relative to the folder; bytes that are no text stand as replacement characters.
    pub path: String,
    /// `added`, `modified`, `merged` or `deleted`.
    pub kind: HomeChangeKind,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HomeChangeKind {
    /// It is new.
    Added,
    /// Its content or mode was replaced.
    Modified,
    /// The user's and the run's changes were put together.
    Merged,
    /// It went.
    Deleted,
}

impl HomeEnded {
    /// Most files that are named.
    pub const NAMED: usize = 200;
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// An event of that stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HomeEvent {
    /// It is about to be done.
    Begun(HomeBegun),
    /// It came out.
    Ended(HomeEnded),
}

const BEGUN: &str = "home_begun";
const ENDED: &str = "home_ended";

impl StoredEvent for HomeEvent {
    fn kind(&self) -> &'static str {
        match self {
            HomeEvent::Begun(_) => BEGUN,
            HomeEvent::Ended(_) => ENDED,
        }
    }
    fn version(&self) -> u16 {
        crate::upcast::newest(self.kind())
    }
    fn body(&self) -> Result<String, serde_json::Error> {
        match self {
            HomeEvent::Begun(begun) => serde_json::to_string(begun),
            HomeEvent::Ended(ended) => serde_json::to_string(ended),
        }
    }
    fn from_body(kind: &str, version: u16, body: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        if version > crate::upcast::newest(kind) {
            return Ok(None);
        }
        Ok(match kind {
            BEGUN => Some(HomeEvent::Begun(serde_json::from_slice(body)?)),
            ENDED => Some(HomeEvent::Ended(serde_json::from_slice(body)?)),
            _ => None,
        })
    }
}
