//! The journal.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::WorkerId;
use keiko_contracts::journal::{
    Append, Durability, Epoch, Fence, KillScope, Position, Recorded, Seq, StreamId, ViewRow,
};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_governance::kept::{Keeps, Waited};
use std::time::Duration;

/// Why a commit was not made. Nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitError {
    /// The stream has grown since.
    Conflict {
        /// The stream.
        stream: StreamId,
        /// What the writer expected.
        expected: Seq,
        /// What it is.
        actual: Seq,
    },
    /// Another process holds the stream now.
    Fenced {
        /// The stream.
        stream: StreamId,
    },
    /// A kill came.
    Killed {
        /// The epoch now.
        epoch: Epoch,
        /// Why.
        reason: String,
    },
    /// An event, blob or commit is larger than allowed.
    TooLarge {
        /// What, and by how much.
        what: String,
    },
    /// The medium is full. Trying again after making room works.
    Full,
    /// Another process kept the file locked for too long. Trying again may work.
    Busy,
    /// Anything else that the store says.
    Broken {
        /// The store's words.
        why: Said,
    },
    /// The journal has been closed.
    Closed,
}

impl CommitError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            CommitError::Conflict {
                stream,
                expected,
                actual,
            } => say!(
                "stream {stream} is at {actual}, not at {expected}",
                stream,
                actual,
                expected
            ),
            CommitError::Fenced { stream } => say!("another process holds {stream}", stream),
            CommitError::Killed { reason, .. } => say!("a kill came: {reason}", reason),
            CommitError::TooLarge { what } => {
                say!("too large: {what}", what = Said::words(what.to_string()))
            }
            CommitError::Full => say!("the disk with the journal is full"),
            CommitError::Busy => say!("the journal is locked by another process"),
            CommitError::Broken { why } => say!("the journal cannot be written: {why}", why),
            CommitError::Closed => say!("the journal is closed"),
        }
    }
}

keiko_contracts::said_is_error!(CommitError);

impl CommitError {
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (code, hint) = match self {
            CommitError::Conflict { .. } => (
                Code::RUN_CHANGED_MEANWHILE,
                say!(
                    "another process changed this run; look with `{step}`",
                    step = Step::OfRun {
                        what: OfRun::Show,
                        run: None
                    }
                ),
            ),
            CommitError::Fenced { .. } => (
                Code::RUN_TAKEN_OVER,
                say!(
                    "another process took this run over; follow it with `{step}`",
                    step = Step::OfRun {
                        what: OfRun::Follow,
                        run: None
                    }
                ),
            ),
            CommitError::Killed { .. } => (
                Code::KILLED,
                say!(
                    "take it up again with `{step}` when it is safe to go on",
                    step = Step::Resume {
                        run: None,
                        more: None
                    }
                ),
            ),
            CommitError::TooLarge { .. } => (
                Code::COMMIT_TOO_LARGE,
                Said::from("this is a fault of Keiko's; please report it"),
            ),
            CommitError::Full => (
                Code::DISK_FULL,
                say!(
                    "make room on that disk, then `{step}`",
                    step = Step::Resume {
                        run: None,
                        more: None
                    }
                ),
            ),
            CommitError::Busy => (
                Code::JOURNAL_BUSY,
                say!(
                    "try again; if it stays, `{step}` shows who holds the journal",
                    step = Step::Doctor
                ),
            ),
            CommitError::Broken { .. } => (
                Code::COMMIT_REFUSED,
                say!("`{step}` checks the journal", step = Step::Doctor),
            ),
            CommitError::Closed => (
                Code::JOURNAL_CLOSED,
                Said::from("this is a fault of Keiko's; please report it"),
            ),
        };
        let fault = Fault::new(code, self.said()).hint(hint);
        if matches!(self, CommitError::Full | CommitError::Busy) {
            fault.transient(None)
        } else {
            fault
        }
    }
}

/// Why a lease was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseError {
    /// A live process holds it.
    Held {
        /// Who.
        holder: WorkerId,
        /// For how long, unless renewed.
        for_ms: u64,
    },
    /// The store does not answer.
    Store(CommitError),
}

impl LeaseError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            LeaseError::Held { holder, for_ms } => say!(
                "worker {holder} holds it for another {for_ms} ms",
                holder,
                for_ms
            ),
            LeaseError::Store(inner) => inner.said(),
        }
    }
}

keiko_contracts::said_is_error!(LeaseError);

impl From<CommitError> for LeaseError {
    fn from(inner: CommitError) -> Self {
        LeaseError::Store(inner)
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// The store's words.
    Broken(Said),
    /// A blob that an event refers to is not there.
    MissingBlob(Digest),
}

impl ReadError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            ReadError::Broken(why) => say!("the journal cannot be read: {why}", why),
            ReadError::MissingBlob(digest) => say!("blob {digest} is missing", digest),
        }
    }
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::new(Code::JOURNAL_UNREADABLE, self.said()).hint(Step::Doctor)
    }
}

keiko_contracts::said_is_error!(ReadError);

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

/// What a journal hands out is what permits are made from, whichever it is.
impl Keeps for dyn Journal {
    type CommitError = CommitError;
    type ReadError = ReadError;

    fn keep(&self, all: Vec<Append>, durability: Durability) -> Waited<'_, Committed, CommitError> {
        self.commit(all, durability)
    }

    fn at(&self, stream: &StreamId, place: Seq) -> Waited<'_, Option<Recorded>, ReadError> {
        let mut events = self.read(stream, Seq(place.0.saturating_sub(1)));
        Box::pin(async move {
            let found = events.next().await.transpose()?;
            Ok(found.filter(|recorded| recorded.seq == place))
        })
    }
}
