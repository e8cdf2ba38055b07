//! Crashes at chosen points: before a commit is written, after it but before anybody learns of it, in the middle of an
//! effect, and after an effect before its outcome is committed.

use crate::memory_journal::MemoryJournal;
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use keiko_contracts::digest::Digest;
use keiko_contracts::id::WorkerId;
use keiko_contracts::jail::JailOp;
use keiko_contracts::journal::{
    Append, Durability, Epoch, Fence, KillScope, Position, Recorded, Seq, StreamId, ViewRow,
};
use keiko_ports::journal::{CommitError, Committed, Journal, LeaseError, ReadError, ViewQuery};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Where the process ends. Commits and effects are counted from 1, in each process anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// Nowhere.
    Never,
    /// Before the n-th commit is written.
    BeforeCommit(u32),
    /// After the n-th commit is written, before the driver learns of it.
    AfterCommit(u32),
    /// When the n-th effect is half done.
    AmidEffect(u32),
    /// After the n-th effect, before its outcome is committed.
    AfterEffect(u32),
}

/// What is shown each point at which a process might end, with the operation that is half done there.
pub type Onlooker = Box<dyn Fn(CrashPoint, Option<&JailOp>) + Send + Sync>;

/// Ends a pretended process at a point: from then on whatever it does waits for ever, until the test drops it.
pub struct Fuse {
    at: CrashPoint,
    onlooker: Option<Onlooker>,
    commits: AtomicU32,
    effects: AtomicU32,
    blown: watch::Sender<bool>,
}

impl Fuse {
    /// A fuse for one process.
    #[must_use]
    pub fn new(at: CrashPoint) -> Arc<Fuse> {
        Fuse::with(at, None)
    }

    /// A fuse that never blows, and shows every point where one could. What the onlooker copies then is all that
    /// would be left of a process that ended there.
    #[must_use]
    pub fn shown(onlooker: Onlooker) -> Arc<Fuse> {
        Fuse::with(CrashPoint::Never, Some(onlooker))
    }

    fn with(at: CrashPoint, onlooker: Option<Onlooker>) -> Arc<Fuse> {
        Arc::new(Fuse {
            at,
            onlooker,
            commits: AtomicU32::new(0),
            effects: AtomicU32::new(0),
            blown: watch::Sender::new(false),
        })
    }

    /// True once the process has ended.
    #[must_use]
    pub fn is_blown(&self) -> bool {
        *self.blown.borrow()
    }

    /// Waits for the end of the process.
    pub async fn blown(&self) {
        let mut blown = self.blown.subscribe();
        // The sender lives in `self`.
        let _ = blown.wait_for(|blown| *blown).await;
    }

    /// A dead process does nothing any more.
    async fn alive(&self) {
        if self.is_blown() {
            std::future::pending::<()>().await;
        }
    }

    async fn here(&self, point: CrashPoint, half: Option<&JailOp>) {
        if let Some(onlooker) = &self.onlooker {
            onlooker(point, half);
        }
        if self.at == point {
            self.blown.send_replace(true);
        }
        self.alive().await;
    }

    /// An effect begins: its number. Does not come back when the process has ended.
    pub async fn effect_begins(&self) -> u32 {
        self.alive().await;
        self.effects.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// True when the process ends in the middle of this effect: do half of it, then call [`Fuse::effect_half_done`].
    #[must_use]
    pub fn ends_amid(&self, effect: u32) -> bool {
        self.at == CrashPoint::AmidEffect(effect)
    }

    /// An effect is half done; `half` is the operation if one is.
    pub async fn effect_half_done(&self, effect: u32, half: Option<&JailOp>) {
        self.here(CrashPoint::AmidEffect(effect), half).await;
    }

    /// An effect is done, and its outcome is about to be told.
    pub async fn effect_done(&self, effect: u32) {
        self.here(CrashPoint::AfterEffect(effect), None).await;
    }
}

/// A journal as a process with a fuse sees it.
pub struct CrashJournal {
    inner: Arc<MemoryJournal>,
    fuse: Arc<Fuse>,
    refusals: Mutex<VecDeque<CommitError>>,
}

impl CrashJournal {
    /// The journal behind a fuse.
    #[must_use]
    pub fn new(inner: Arc<MemoryJournal>, fuse: Arc<Fuse>) -> Arc<CrashJournal> {
        Arc::new(CrashJournal {
            inner,
            fuse,
            refusals: Mutex::default(),
        })
    }

    /// Refuses the next commits with these errors, one each.
    pub fn refuse(&self, errors: impl IntoIterator<Item = CommitError>) {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(errors);
    }
}

#[async_trait]
impl Journal for CrashJournal {
    async fn lease(
        &self,
        stream: &StreamId,
        owner: WorkerId,
        ttl: Duration,
    ) -> Result<Fence, LeaseError> {
        self.fuse.alive().await;
        self.inner.lease(stream, owner, ttl).await
    }
    async fn release(&self, stream: &StreamId, fence: Fence) -> Result<(), CommitError> {
        self.fuse.alive().await;
        self.inner.release(stream, fence).await
    }
    async fn holder(&self, stream: &StreamId) -> Result<Option<(WorkerId, u64)>, ReadError> {
        self.inner.holder(stream).await
    }
    async fn commit(
        &self,
        all: Vec<Append>,
        durability: Durability,
    ) -> Result<Committed, CommitError> {
        self.fuse.alive().await;
        let n = self.fuse.commits.fetch_add(1, Ordering::Relaxed) + 1;
        self.fuse.here(CrashPoint::BeforeCommit(n), None).await;
        let refusal = self
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let committed = self.inner.commit(all, durability).await?;
        self.fuse.here(CrashPoint::AfterCommit(n), None).await;
        Ok(committed)
    }
    fn read(
        &self,
        stream: &StreamId,
        after: Seq,
    ) -> BoxStream<'static, Result<Recorded, ReadError>> {
        self.inner.read(stream, after)
    }
    fn tail(
        &self,
        prefix: &str,
        after: Position,
    ) -> BoxStream<'static, Result<Recorded, ReadError>> {
        self.inner.tail(prefix, after)
    }
    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        self.inner.blob(digest).await
    }
    async fn view_get(&self, view: &'static str, key: &str) -> Result<Option<ViewRow>, ReadError> {
        self.inner.view_get(view, key).await
    }
    async fn view_list(
        &self,
        view: &'static str,
        query: ViewQuery,
    ) -> Result<Vec<ViewRow>, ReadError> {
        self.inner.view_list(view, query).await
    }
    async fn kill(&self, scope: KillScope, reason: &str, by: &str) -> Result<Epoch, CommitError> {
        self.inner.kill(scope, reason, by).await
    }
    async fn epoch(&self, stream: &StreamId) -> Result<(Epoch, String), ReadError> {
        self.inner.epoch(stream).await
    }
}
