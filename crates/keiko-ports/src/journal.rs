//! The journal.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::WorkerId;
use keiko_contracts::journal::{
    Append, Durability, Epoch, Fence, KillScope, Position, Recorded, Seq, StreamId, ViewRow,
};
use std::time::Duration;

/// Why a commit was not made. Nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The stream has grown since.
    #[error("stream {stream} is at {actual}, not at {expected}")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// What the writer expected.
        expected: Seq,
        /// What it is.
        actual: Seq,
    },
    /// Another process holds the stream now.
    #[error("another process holds {stream}")]
    Fenced {
        /// The stream.
        stream: StreamId,
    },
    /// A kill came.
    #[error("a kill came: {reason}")]
    Killed {
        /// The epoch now.
        epoch: Epoch,
        /// Why.
        reason: String,
    },
    /// An event, blob or commit is larger than allowed.
    #[error("too large: {what}")]
    TooLarge {
        /// What, and by how much.
        what: String,
    },
    /// The medium is full. Trying again after making room works.
    #[error("the disk with the journal is full")]
    Full,
    /// Another process kept the file locked for too long. Trying again may work.
    #[error("the journal is locked by another process")]
    Busy,
    /// Anything else that the store says.
    #[error("the journal cannot be written: {why}")]
    Broken {
        /// The store's words.
        why: String,
    },
    /// The journal has been closed.
    #[error("the journal is closed")]
    Closed,
}

impl CommitError {
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (code, hint) = match self {
            CommitError::Conflict { .. } => (
                Code::RUN_CHANGED_MEANWHILE,
                "another process changed this run; look with `keiko runs show`",
            ),
            CommitError::Fenced { .. } => (
                Code::RUN_TAKEN_OVER,
                "another process took this run over; follow it with `keiko runs events --follow`",
            ),
            CommitError::Killed { .. } => (
                Code::KILLED,
                "take it up again with `keiko resume` when it is safe to go on",
            ),
            CommitError::TooLarge { .. } => (
                Code::COMMIT_TOO_LARGE,
                "this is a fault of Keiko's; please report it",
            ),
            CommitError::Full => (
                Code::DISK_FULL,
                "make room on that disk, then `keiko resume`",
            ),
            CommitError::Busy => (
                Code::JOURNAL_BUSY,
                "try again; if it stays, `keiko doctor` shows who holds the journal",
            ),
            CommitError::Broken { .. } => {
                (Code::COMMIT_REFUSED, "`keiko doctor` checks the journal")
            }
            CommitError::Closed => (
                Code::JOURNAL_CLOSED,
                "this is a fault of Keiko's; please report it",
            ),
        };
        let fault = Fault::new(code, self.to_string()).hint(hint);
        if matches!(self, CommitError::Full | CommitError::Busy) {
            fault.transient(None)
        } else {
            fault
        }
    }
}

/// Why a lease was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// A live process holds it.
    #[error("worker {holder} holds it for another {for_ms} ms")]
    Held {
        /// Who.
        holder: WorkerId,
        /// For how long, unless renewed.
        for_ms: u64,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] CommitError),
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store's words.
    #[error("the journal cannot be read: {0}")]
    Broken(String),
    /// A blob that an event refers to is not there.
    #[error("blob {0} is missing")]
    MissingBlob(Digest),
}

impl ReadError {
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::new(Code::JOURNAL_UNREADABLE, self.to_string()).hint("keiko doctor")
    }
}

/// What a commit came to: the events as they stand in the journal now, in the order of the appends.
pub type Committed = Vec<Recorded>;

/// How a list of a view is cut.
#[derive(Debug, Clone, Default)]
pub struct ViewQuery {
    /// Only rows of this group.
    pub group: Option<String>,
    /// Only keys that begin so.
    pub key_prefix: Option<String>,
    /// Largest `sort` first.
    pub newest_first: bool,
    /// How many at most; 0 is 1,000.
    pub limit: u32,
}

/// The append-only record from which everything is folded, with views and blobs beside it.
///
/// Many processes may have one journal open. One thread per process writes, several commits at once.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Takes or renews the lease on a stream. A new holder gets a higher fence.
    async fn lease(
        &self,
        stream: &StreamId,
        owner: WorkerId,
        ttl: Duration,
    ) -> Result<Fence, LeaseError>;

    /// Gives a lease back early. Does nothing if it is not held under this fence.
    async fn release(&self, stream: &StreamId, fence: Fence) -> Result<(), CommitError>;

    /// Who holds a lease now, and for how many more milliseconds.
    async fn holder(&self, stream: &StreamId) -> Result<Option<(WorkerId, u64)>, ReadError>;

    /// Writes all appends or none.
    async fn commit(
        &self,
        all: Vec<Append>,
        durability: Durability,
    ) -> Result<Committed, CommitError>;

    /// Events of a stream after a place in it, in order. Reads in pages; holds no transaction open between them.
    fn read(
        &self,
        stream: &StreamId,
        after: Seq,
    ) -> BoxStream<'static, Result<Recorded, ReadError>>;

    /// Events of all streams whose id begins with `prefix`, after a position, for ever, in order of position: never
    /// one position after a later one. Sees commits of other processes too.
    fn tail(
        &self,
        prefix: &str,
        after: Position,
    ) -> BoxStream<'static, Result<Recorded, ReadError>>;

    /// Reads a blob.
    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ReadError>;

    /// Reads a row of a view.
    async fn view_get(&self, view: &'static str, key: &str) -> Result<Option<ViewRow>, ReadError>;

    /// Lists rows of a view.
    async fn view_list(
        &self,
        view: &'static str,
        query: ViewQuery,
    ) -> Result<Vec<ViewRow>, ReadError>;

    /// Raises the kill epoch, durably, and records who killed what and why. Returns the new epoch.
    async fn kill(&self, scope: KillScope, reason: &str, by: &str) -> Result<Epoch, CommitError>;

    /// The newest kill epoch that concerns a stream, with the reason of that kill.
    async fn epoch(&self, stream: &StreamId) -> Result<(Epoch, String), ReadError>;
}
