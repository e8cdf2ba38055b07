//! The journal's envelope: what the store sees of events, blobs and views. It never looks inside a payload.

use crate::digest::Digest;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A stream of events: `run/ID`, `inbox/RUN`, `kill`. At most 120 bytes.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct StreamId(pub Arc<str>);

impl StreamId {
    /// The stream of a run.
    #[must_use]
    pub fn run(run: crate::id::RunId) -> Self {
        Self(format!("run/{run}").into())
    }
    /// What people and other processes say to a run: written by anyone, without a lease; read by the run's driver.
    #[must_use]
    pub fn inbox(run: crate::id::RunId) -> Self {
        Self(format!("inbox/{run}").into())
    }
    /// What was done with a run's result in its user's folder: written by anyone, without a lease.
    #[must_use]
    pub fn home(run: crate::id::RunId) -> Self {
        Self(format!("home/{run}").into())
    }
    /// Kills, process-wide.
    #[must_use]
    pub fn kills() -> Self {
        Self("kill".into())
    }
}
impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub u64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
    };
}
counter!(
    /// The place of an event in its stream, from 1; 0 is an empty stream.
    Seq
);
counter!(
    /// The place of an event in the journal: rises with every commit, not dense.
    Position
);
counter!(
    /// The token of a lease: rises with every new holder, so that an old holder's commit is refused.
    Fence
);
counter!(
    /// The kill epoch: rises with every kill. Work permitted under an older epoch does not start.
    Epoch
);

/// How soon a commit must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Synced to the medium before it is acknowledged.
    Barrier,
    /// Synced with the next barrier, or a little later.
    Lazy,
}

/// An event to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The kind, in snake case.
    pub kind: &'static str,
    /// The version of that kind.
    pub version: u16,
    /// When, by the writer's clock.
    pub at: Timestamp,
    /// The body as JSON, at most [`NewEvent::MAX_BYTES`].
    pub payload: Vec<u8>,
    /// What belongs to every event, whatever its kind.
    pub head: Head,
}

impl NewEvent {
    /// The largest body; anything larger belongs in a blob.
    pub const MAX_BYTES: usize = 4096;
}

/// What belongs to every event, whatever its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// The person whose words the event or its blobs hold, if any: the handle of the key that can be destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Taint labels, sorted: where the values came from. None: the words are Keiko's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The effect or event that led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// True when a scripted model or a demonstration produced it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
}

/// An event as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Place in the journal.
    pub position: Position,
    /// The stream.
    pub stream: StreamId,
    /// Place in the stream.
    pub seq: Seq,
    /// The kind.
    pub kind: String,
    /// The version of that kind.
    pub version: u16,
    /// When.
    pub at: Timestamp,
    /// The body as JSON.
    pub payload: Vec<u8>,
    /// What belongs to every event.
    pub head: Head,
    /// The hash of the event before it in the stream; all zero for the first.
    pub previous: Digest,
    /// [`chain_hash`] of this event.
    pub hash: Digest,
}

/// The hash that links an event to the one before it in its stream.
#[must_use]
#[expect(
    clippy::too_many_arguments,
    reason = "one for each field of the envelope: leaving one out must not compile"
)]
pub fn chain_hash(
    previous: &Digest,
    stream: &StreamId,
    seq: Seq,
    kind: &str,
    version: u16,
    at: Timestamp,
    head: &Head,
    payload: &[u8],
) -> Digest {
    let head = serde_json::to_vec(head).unwrap_or_default();
    Digest::of_all(&[
        &previous.0,
        stream.0.as_bytes(),
        &seq.0.to_le_bytes(),
        kind.as_bytes(),
        &version.to_le_bytes(),
        &at.0.to_le_bytes(),
        &head,
        payload,
    ])
}

/// A blob to be written with the events that refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBlob {
    /// Its address: the digest of the bytes.
    pub digest: Digest,
    /// The bytes, at most [`NewBlob::MAX_BYTES`].
    pub bytes: Vec<u8>,
}

impl NewBlob {
    /// The largest blob.
    pub const MAX_BYTES: usize = 16 << 20;
}

/// A change to a view: rows that lists, inbox and budgets are read from, committed with the events they follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewOp {
    /// Writes a row. `sort` orders lists; `group` filters them (a state, for example).
    Put {
        /// The view.
        view: &'static str,
        /// The row.
        key: String,
        /// Order in lists.
        sort: i64,
        /// What lists filter by.
        group: String,
        /// The row's body as JSON.
        body: Vec<u8>,
    },
    /// Removes a row.
    Delete {
        /// The view.
        view: &'static str,
        /// The row.
        key: String,
    },
}

/// A row of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRow {
    /// The row's key.
    pub key: String,
    /// Order in lists.
    pub sort: i64,
    /// What lists filter by.
    pub group: String,
    /// The body as JSON.
    pub body: Vec<u8>,
}

/// Which length a stream must have for an append to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Its last event must be this one.
    At(Seq),
    /// Any length: for streams that many write to.
    Any,
}

/// Events for one stream, with what must be true for them to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub stream: StreamId,
    /// Its length.
    pub expect: Expect,
    /// The writer's lease, checked in the same commit; `None` for streams without a lease.
    pub fence: Option<Fence>,
    /// The newest kill epoch the writer has seen; the commit is refused when a newer one concerns this stream.
    pub epoch: Option<Epoch>,
    /// The events, in order.
    pub events: Vec<NewEvent>,
    /// Blobs that the events refer to.
    pub blobs: Vec<NewBlob>,
    /// Changes to views.
    pub views: Vec<ViewOp>,
}

/// Who or what a kill stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KillScope {
    /// Every run.
    All,
    /// One run.
    Run(crate::id::RunId),
}
