//! The journal as the rest of Keiko sees it.

use crate::check::{self, Finding};
use crate::connection::{self, Options};
use crate::fault::{OpenError, read_error};
use crate::presence::Presence;
use crate::queue::{Cost, Queue};
use crate::read::{self, Readers};
use crate::tail::{self, Lookout};
use crate::writer::{Shared, Stats, Writer};
use crate::{commit, epoch, kill, lease, tx, view};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use keiko_contracts::digest::Digest;
use keiko_contracts::id::WorkerId;
use keiko_contracts::journal::{
    Append, Durability, Epoch, Fence, KillScope, Position, Recorded, Seq, StreamId, ViewRow,
};
use keiko_contracts::say;
use keiko_ports::journal::{CommitError, Committed, Journal, LeaseError, ReadError, ViewQuery};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Blobs up to this many bytes are hashed where they are; hashing more would hold up the runtime's thread.
const HASH_IN_PLACE: usize = 256 << 10;

/// The journal in an SQLite file. Wants a Tokio runtime around it; share it as `Arc<SqliteJournal>`.
///
/// Dropping it lets the writer's thread finish what was handed over and end; [`SqliteJournal::close`] also waits for that.
pub struct SqliteJournal {
    path: PathBuf,
    queue: Queue,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    lookout: Arc<Lookout>,
    presence: Arc<Presence>,
}

impl SqliteJournal {
    /// Opens a journal, creating it (and its directory) if it is not there. Blocks for a few milliseconds; longer, up
    /// to [`Options::busy_timeout`], while another process holds the lock.
    ///
    /// # Errors
    /// [`OpenError`]; a file that is not a journal, or a newer one, is left as it is.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<SqliteJournal, OpenError> {
        let path = path.as_ref();
        let sql = |error: rusqlite::Error| OpenError::from_sql(path, &error);
        let conn = connection::first(path, &options)?;
        check::at_open(&conn, path).map_err(sql)?;
        let shared = Arc::new(Shared::new(read::last_position(&conn).map_err(sql)?));
        let readers = Readers::new(path.to_owned(), options.clone());
        let (queue, receiver) = Queue::new();
        let writer = Writer::new(path.to_owned(), options, conn, Arc::clone(&shared));
        std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| OpenError::from_io(path, &error))?;
        Ok(SqliteJournal {
            path: path.to_owned(),
            queue,
            readers,
            shared,
            lookout: Lookout::new(),
            presence: Arc::new(Presence::beside(path)),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What this process has written since it opened the journal.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Checks the whole journal: the database's structure, every stream's chain, every blob, and whether its end is
    /// missing. Empty means sound. Others may go on writing meanwhile.
    pub async fn check(&self) -> Vec<Finding> {
        check::check(&self.readers, self.path.clone()).await
    }

    /// All streams that begin with `prefix`, in order, each with the place of its last event.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn streams(&self, prefix: &str) -> Result<Vec<(StreamId, Seq)>, ReadError> {
        let prefix = prefix.to_owned();
        self.readers
            .with(move |reader| reader.streams(&prefix))
            .await
    }

    /// Finishes what was handed over, syncs it, folds the write-ahead log into the file and lets go of it. Later
    /// commits are refused with [`CommitError::Closed`]; tails end.
    pub async fn close(&self) {
        self.end_reading();
        self.queue.close().await;
    }

    fn end_reading(&self) {
        self.lookout.end();
        self.shared.reached(Shared::CLOSED);
        self.readers.close();
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.end_reading();
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn lease(
        &self,
        stream: &StreamId,
        owner: WorkerId,
        ttl: Duration,
    ) -> Result<Fence, LeaseError> {
        let stream = stream.clone();
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let presence = Arc::clone(&self.presence);
        self.queue
            .submit(Cost::default(), Durability::Lazy, move |tx| {
                presence.show(owner);
                lease::take(tx, &stream, owner, ttl, |holder| presence.is_gone(holder))
            })
            .await
    }

    async fn release(&self, stream: &StreamId, fence: Fence) -> Result<(), CommitError> {
        let stream = stream.clone();
        self.queue
            .submit(Cost::default(), Durability::Lazy, move |tx| {
                Ok(lease::give_back(tx, &stream, fence)?)
            })
            .await
    }

    async fn holder(&self, stream: &StreamId) -> Result<Option<(WorkerId, u64)>, ReadError> {
        let stream = stream.clone();
        let presence = Arc::clone(&self.presence);
        self.readers
            .with(move |reader| {
                let holder = lease::holder(&reader.conn, &stream, tx::now());
                let there = holder.map_err(|error| read_error(&error))?;
                Ok(there.filter(|(holder, _)| !presence.is_gone(*holder)))
            })
            .await
    }

    async fn commit(
        &self,
        all: Vec<Append>,
        durability: Durability,
    ) -> Result<Committed, CommitError> {
        let cost = commit::weigh(&all)?;
        let blobs: usize = all
            .iter()
            .flat_map(|a| &a.blobs)
            .map(|b| b.bytes.len())
            .sum();
        let all = if blobs <= HASH_IN_PLACE {
            commit::verify_blobs(&all).map(|()| all)?
        } else {
            let verified =
                tokio::task::spawn_blocking(move || commit::verify_blobs(&all).map(|()| all)).await;
            verified.map_err(|error| CommitError::Broken {
                why: say!("{error}", error),
            })??
        };
        self.queue
            .submit(cost, durability, move |tx| commit::apply(tx, &all))
            .await
    }

    fn read(
        &self,
        stream: &StreamId,
        after: Seq,
    ) -> BoxStream<'static, Result<Recorded, ReadError>> {
        read::read(Arc::clone(&self.readers), stream, after)
    }

    fn tail(
        &self,
        prefix: &str,
        after: Position,
    ) -> BoxStream<'static, Result<Recorded, ReadError>> {
        tail::tail(
            &self.lookout,
            Arc::clone(&self.readers),
            &self.shared,
            prefix,
            after,
        )
    }

    async fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        let digest = *digest;
        self.readers.with(move |reader| reader.blob(&digest)).await
    }

    async fn view_get(&self, view: &'static str, key: &str) -> Result<Option<ViewRow>, ReadError> {
        let key = key.to_owned();
        self.readers
            .with(move |reader| view::get(reader, view, &key))
            .await
    }

    async fn view_list(
        &self,
        view: &'static str,
        query: ViewQuery,
    ) -> Result<Vec<ViewRow>, ReadError> {
        self.readers
            .with(move |reader| view::list(reader, view, &query))
            .await
    }

    async fn kill(&self, scope: KillScope, reason: &str, by: &str) -> Result<Epoch, CommitError> {
        let (reason, by) = (reason.to_owned(), by.to_owned());
        self.queue
            .submit(Cost::default(), Durability::Barrier, move |tx| {
                kill::raise(tx, scope, &reason, &by)
            })
            .await
    }

    async fn epoch(&self, stream: &StreamId) -> Result<(Epoch, String), ReadError> {
        let stream = stream.clone();
        self.readers
            .with(move |reader| epoch::newest(&reader.conn, &stream).map_err(|e| read_error(&e)))
            .await
    }
}
