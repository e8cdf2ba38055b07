//! The thread that writes: it gathers waiting requests into groups, commits each group at once, and keeps house when
//! nothing is waiting.

use crate::anchor::{self, Anchor};
use crate::connection::{self, Options};
use crate::fault::{Trouble, commit_error};
use crate::own::Own;
use crate::queue::{Job, Message};
use crate::tx::{Tx, now};
use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{Durability, Position, StreamId};
use keiko_ports::journal::CommitError;
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// The most requests in one group.
const MAX_GROUP: usize = 512;
/// No further request joins a group that has so many bytes.
const MAX_GROUP_BYTES: usize = 4 << 20;
/// Anchors are written at most this often.
const ANCHOR_EVERY: Duration = Duration::from_secs(1);
/// A write-ahead log larger than this is worth a word in the log: somebody holds a read transaction open.
const WAL_ALARM: u64 = 64 << 20;

/// What a journal has done since it was opened by this process. Only successful groups count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions.
    pub groups: u64,
    /// Of these, how many were synced to the medium before they were acknowledged.
    pub barriers: u64,
    /// Requests: commits, leases, kills. Refused ones too.
    pub requests: u64,
    /// Events written.
    pub events: u64,
    /// Bytes of payloads, blobs and view rows handed in.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    groups: AtomicU64,
    barriers: AtomicU64,
    requests: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
}

/// What the writer shows to the rest of the journal.
pub(crate) struct Shared {
    counters: Counters,
    /// The last position known to be committed, by any process.
    pub(crate) head: watch::Sender<Position>,
    /// What this process wrote of late.
    pub(crate) own: Arc<Own>,
}

impl Shared {
    /// The head of a journal that was closed: no event ever stands there.
    pub(crate) const CLOSED: Position = Position(u64::MAX);

    pub(crate) fn new(head: Position) -> Shared {
        Shared {
            counters: Counters::default(),
            head: watch::Sender::new(head),
            own: Arc::default(),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let c = &self.counters;
        Stats {
            groups: of(&c.groups),
            barriers: of(&c.barriers),
            requests: of(&c.requests),
            events: of(&c.events),
            bytes: of(&c.bytes),
        }
    }

    /// This process wrote up to a position. Tails are woken only if one of them may have to do with it.
    ///
    /// Who begins to follow is counted before it reads the head, and this looks while nobody can read it: no event is missed.
    fn wrote(&self, position: Position, events: u64, streams: &[StreamId]) {
        self.own.wrote(position, events, streams);
        self.head.send_if_modified(|head| {
            let wakes = position > *head && !self.own.concerns_nobody(*head, position);
            *head = position.max(*head);
            wakes
        });
    }

    /// Tells tails how far the journal goes now.
    pub(crate) fn reached(&self, position: Position) {
        self.head.send_if_modified(|head| {
            let further = position > *head;
            *head = position.max(*head);
            further
        });
    }
}

pub(crate) struct Writer {
    path: PathBuf,
    options: Options,
    /// `None` after a failure, until it is opened again.
    conn: Option<Connection>,
    names: HashMap<String, i64>,
    shared: Arc<Shared>,
    /// What `PRAGMA synchronous` stands at; `None` when unknown.
    full: Option<bool>,
    /// Since when something acknowledged waits for its sync.
    unsynced: Option<Instant>,
    /// Whether the write-ahead log has something in it.
    wal_used: bool,
    /// The last event written by this process.
    newest: Option<Anchor>,
    /// The last one known to be on the medium, until it is written down.
    anchor: Option<Anchor>,
    anchored: Instant,
}

impl Writer {
    pub(crate) fn new(
        path: PathBuf,
        options: Options,
        conn: Connection,
        shared: Arc<Shared>,
    ) -> Writer {
        Writer {
            path,
            options,
            conn: Some(conn),
            names: HashMap::new(),
            shared,
            full: None,
            unsynced: None,
            wal_used: true,
            newest: None,
            anchor: None,
            anchored: Instant::now(),
        }
    }

    /// Serves the queue until it is closed or everybody has gone.
    pub(crate) fn run(mut self, queue: &Receiver<Message>) {
        let closing = loop {
            match queue.recv_timeout(self.patience()) {
                Ok(Message::Job(first)) => {
                    if let Some(closing) = self.gather(first, queue) {
                        break Some(closing);
                    }
                }
                Ok(Message::Close(reply)) => break Some(reply),
                Err(RecvTimeoutError::Timeout) => self.keep_house(),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        self.finish();
        if let Some(reply) = closing {
            let _ = reply.send(());
        }
    }

    /// Commits a request together with those that wait behind it. Returns the wish to close if it was among them.
    fn gather(
        &mut self,
        first: Box<dyn Job>,
        queue: &Receiver<Message>,
    ) -> Option<oneshot::Sender<()>> {
        let mut bytes = first.cost().bytes;
        let mut group = vec![first];
        let mut closing = None;
        while group.len() < MAX_GROUP && bytes < MAX_GROUP_BYTES && closing.is_none() {
            match queue.try_recv() {
                Ok(Message::Job(job)) => {
                    bytes += job.cost().bytes;
                    group.push(job);
                }
                Ok(Message::Close(reply)) => closing = Some(reply),
                Err(_) => break,
            }
        }
        self.commit(group);
        self.anchor_if_due();
        closing
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let overdue = self
            .unsynced
            .is_some_and(|since| since.elapsed() >= self.options.flush_after);
        let barrier = overdue
            || group
                .iter()
                .any(|job| job.durability() == Durability::Barrier);
        match self.transaction(barrier, |tx| {
            group.iter_mut().try_for_each(|job| job.apply(tx))
        }) {
            Ok(()) => {
                self.count(&group, barrier);
                group.into_iter().for_each(|job| job.finish(Ok(())));
            }
            // One large request must not take the small ones down with it.
            Err(CommitError::Full) if group.len() > 1 => {
                group.into_iter().for_each(|job| self.commit(vec![job]))
            }
            Err(error) => group
                .into_iter()
                .for_each(|job| job.finish(Err(error.clone()))),
        }
    }

    fn count(&self, group: &[Box<dyn Job>], barrier: bool) {
        let c = &self.shared.counters;
        let add = |counter: &AtomicU64, n: usize| counter.fetch_add(n as u64, Ordering::Relaxed);
        add(&c.groups, 1);
        add(&c.barriers, usize::from(barrier));
        add(&c.requests, group.len());
        add(&c.bytes, group.iter().map(|job| job.cost().bytes).sum());
    }

    /// Does some work in one transaction; afterwards either all of it is committed or none.
    fn transaction(
        &mut self,
        barrier: bool,
        work: impl FnOnce(&mut Tx<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), CommitError> {
        let done = self.attempt(barrier, work);
        let Done {
            last,
            events,
            streams,
            changed,
        } = match done {
            Ok(done) => done,
            Err(error) => return Err(self.undo(&error)),
        };
        if changed {
            self.wal_used = true;
            self.unsynced = if barrier {
                None
            } else {
                self.unsynced.or_else(|| Some(Instant::now()))
            };
        }
        if let Some((position, hash)) = last {
            self.shared
                .counters
                .events
                .fetch_add(events, Ordering::Relaxed);
            self.newest = Some(Anchor { position, hash });
            self.shared.wrote(position, events, &streams);
        }
        match (barrier, self.unsynced) {
            // A barrier that had nothing to write still covers what was acknowledged before it.
            (true, Some(_)) => self.flush(),
            (true, None) => {
                self.anchor = self.newest.take().or(self.anchor);
                Ok(())
            }
            (false, _) => Ok(()),
        }
    }

    fn attempt(
        &mut self,
        barrier: bool,
        work: impl FnOnce(&mut Tx<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<Done> {
        self.connect()?;
        self.set_sync(barrier)?;
        let Some(conn) = &self.conn else {
            return Err(rusqlite::Error::InvalidQuery);
        };
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let before = conn.total_changes();
        let mut tx = Tx::new(conn, now(), &mut self.names);
        work(&mut tx)?;
        let (last, events, streams) = (tx.last, tx.events, tx.streams);
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(Done {
            last,
            events,
            streams,
            changed: conn.total_changes() != before,
        })
    }

    /// Undoes a failed transaction. Only after "busy" and "full" is the connection known to be sound.
    fn undo(&mut self, error: &rusqlite::Error) -> CommitError {
        self.names.clear();
        let sound = match &self.conn {
            Some(conn) => conn.is_autocommit() || conn.execute_batch("ROLLBACK").is_ok(),
            None => false,
        };
        if !sound || Trouble::of(error) == Trouble::Broken {
            tracing::warn!(%error, "the journal failed; opening it again");
            self.conn = None;
        }
        commit_error(error)
    }

    fn connect(&mut self) -> rusqlite::Result<()> {
        if self.conn.is_none() {
            let conn = connection::writer(&self.path, &self.options)?;
            self.full = None;
            // After a failed sync the kernel may take unsynced pages for clean, and a later sync would say nothing.
            // Copying the log into the file writes them anew.
            checkpoint(&conn, self.options.patience())?;
            self.conn = Some(conn);
        }
        Ok(())
    }

    /// Can only be changed between transactions.
    fn set_sync(&mut self, barrier: bool) -> rusqlite::Result<()> {
        let full = barrier && !self.options.faults.skip_sync;
        if self.full != Some(full)
            && let Some(conn) = &self.conn
        {
            conn.execute_batch(if full {
                "PRAGMA synchronous=FULL"
            } else {
                "PRAGMA synchronous=NORMAL"
            })?;
            self.full = Some(full);
        }
        Ok(())
    }

    /// Syncs what was acknowledged without a sync: a small commit of its own, because SQLite syncs the whole log.
    fn flush(&mut self) -> Result<(), CommitError> {
        match self.attempt(true, |tx| {
            tx.conn
                .execute("UPDATE flushes SET count = count + 1", [])
                .map(drop)
        }) {
            Ok(_) => {
                self.unsynced = None;
                self.anchor = self.newest.take().or(self.anchor);
                Ok(())
            }
            Err(error) => Err(self.undo(&error)),
        }
    }

    /// How long to wait for a request before there is something else to do.
    fn patience(&self) -> Duration {
        /// Nothing is due.
        const LONG: Duration = Duration::from_secs(3600);
        let flush = self
            .unsynced
            .map(|since| self.options.flush_after.saturating_sub(since.elapsed()));
        let anchor = self
            .anchor
            .map(|_| ANCHOR_EVERY.saturating_sub(self.anchored.elapsed()));
        let checkpoint = self
            .wal_used
            .then_some(self.options.checkpoint_after.max(Duration::from_millis(1)));
        [flush, anchor, checkpoint]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(LONG)
    }

    /// Nothing has come for a while.
    fn keep_house(&mut self) {
        if self
            .unsynced
            .is_some_and(|since| since.elapsed() >= self.options.flush_after)
            && let Err(error) = self.flush()
        {
            // Not to be tried again at once; the next commit does it anyway.
            self.unsynced = Some(Instant::now());
            tracing::warn!(%error, "the journal could not be synced");
        } else if self.anchor.is_some() {
            self.anchor_if_due();
        } else if self.unsynced.is_none() && self.wal_used {
            self.shorten_log(Duration::ZERO);
        }
    }

    fn anchor_if_due(&mut self) {
        if self.anchored.elapsed() >= ANCHOR_EVERY {
            self.drop_anchor();
        }
    }

    fn drop_anchor(&mut self) {
        if let Some(anchor) = self.anchor.take() {
            self.anchored = Instant::now();
            if let Err(error) = anchor.store(&anchor::path_of(&self.path)) {
                tracing::warn!(%error, "the journal's anchor could not be written");
            }
        }
    }

    /// Folds the write-ahead log into the file and empties it. Later again if others are reading just now.
    fn shorten_log(&mut self, patience: Duration) {
        self.wal_used = false;
        let Some(conn) = &self.conn else { return };
        let folded = checkpoint(conn, patience);
        let waiting = conn.busy_timeout(self.options.patience());
        self.wal_used = matches!(folded, Ok(false));
        let size =
            std::fs::metadata(anchor::with_suffix(&self.path, "-wal")).map_or(0, |m| m.len());
        if size > WAL_ALARM {
            tracing::warn!(
                bytes = size,
                "the journal's write-ahead log is large: a reader keeps it from being shortened"
            );
        }
        if let Err(error) = folded.and(waiting) {
            tracing::debug!(%error, "the write-ahead log stays as it is for now");
        }
    }

    fn finish(&mut self) {
        if self.unsynced.is_some()
            && let Err(error) = self.flush()
        {
            tracing::warn!(%error, "the journal could not be synced before it was closed");
        }
        self.drop_anchor();
        self.shorten_log(Duration::from_millis(200));
        self.conn = None;
    }
}

/// What a transaction did.
struct Done {
    /// The last event written.
    last: Option<(Position, Digest)>,
    /// How many there were.
    events: u64,
    /// Where to.
    streams: Vec<StreamId>,
    /// Whether anything was changed at all.
    changed: bool,
}

/// Folds the log into the file. False if others were in the way.
fn checkpoint(conn: &Connection, patience: Duration) -> rusqlite::Result<bool> {
    conn.busy_timeout(patience)?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0)
    })
}
