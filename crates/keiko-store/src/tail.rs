//! Following the journal: what this process commits is seen at once, what others commit within [`POLL`].

use crate::fault::read_error;
use crate::own::{Follower, Own};
use crate::read::{COLUMNS, PAGE, Reader, Readers, upper_bound};
use crate::tx::int;
use crate::writer::Shared;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{Position, Recorded, StreamId};
use keiko_ports::journal::ReadError;
use rusqlite::{Connection, Row, params};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How often another process's commits are looked for while somebody follows.
const POLL: Duration = Duration::from_millis(25);
/// How often it is asked whether somebody follows.
const REST: Duration = Duration::from_secs(1);
/// Positions looked through at once when few of them may belong to the streams that are followed.
const STRIDE: u64 = 8 * PAGE as u64;
/// So far behind, and with at most [`FEW`] streams to follow, events are looked up stream by stream.
const FAR: u64 = 4 * STRIDE;
const FEW: i64 = 16;

/// A thread that notices other processes' commits. Ends with the journal.
pub(crate) struct Lookout {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody has followed yet: there is no thread.
    Idle,
    Watching,
    Ended,
}

impl Lookout {
    pub(crate) fn new() -> Arc<Lookout> {
        Arc::new(Lookout {
            state: Mutex::new(State::Idle),
            wake: Condvar::new(),
        })
    }

    /// Sees to it that somebody looks out.
    fn post(self: &Arc<Self>, readers: &Arc<Readers>, shared: &Arc<Shared>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Idle => {
                let (lookout, readers, shared) = (
                    Arc::clone(self),
                    Arc::clone(readers),
                    Arc::downgrade(shared),
                );
                match std::thread::Builder::new()
                    .name("journal-tail".into())
                    .spawn(move || lookout.watch(&readers, &shared))
                {
                    Ok(_) => *state = State::Watching,
                    Err(error) => {
                        tracing::warn!(%error, "other processes' events will not be followed")
                    }
                }
            }
            State::Watching => self.wake.notify_all(),
            State::Ended => {}
        }
    }

    pub(crate) fn end(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Ended;
        self.wake.notify_all();
    }

    fn watch(&self, readers: &Readers, shared: &Weak<Shared>) {
        let mut reader = None;
        let mut seen = None;
        let mut pause = POLL;
        loop {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if *state == State::Ended {
                return;
            }
            let (state, _) = self
                .wake
                .wait_timeout(state, pause)
                .unwrap_or_else(PoisonError::into_inner);
            if *state == State::Ended {
                return;
            }
            drop(state);
            let Some(shared) = shared.upgrade() else {
                return;
            };
            pause = if shared.head.receiver_count() == 0 {
                REST
            } else {
                POLL
            };
            if reader.is_none() {
                reader = readers.open().ok();
            }
            match reader
                .as_ref()
                .map(|r: &Reader| changed(&r.conn, &mut seen))
            {
                Some(Ok(Some(position))) => shared.reached(position),
                Some(Ok(None)) => {}
                Some(Err(_)) | None => reader = None,
            }
        }
    }
}

/// The last position, if another connection has committed since `seen`.
fn changed(conn: &Connection, seen: &mut Option<i64>) -> rusqlite::Result<Option<Position>> {
    let version = conn
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))?;
    if *seen == Some(version) {
        return Ok(None);
    }
    let position = crate::read::last_position(conn)?;
    *seen = Some(version);
    Ok(Some(position))
}

fn origin(row: &Row<'_>) -> rusqlite::Result<(StreamId, Digest)> {
    let name: String = row.get(8)?;
    Ok((
        StreamId(name.into()),
        row.get::<_, Option<[u8; 32]>>(9)?
            .map(Digest)
            .unwrap_or_default(),
    ))
}

/// The next events of the streams that begin with `prefix`, and the position up to which everything has been seen.
///
/// The head is read first: what is committed later has a higher position, so that nothing is skipped.
fn page(
    reader: &mut Reader,
    prefix: &str,
    after: Position,
) -> Result<(VecDeque<Recorded>, Position), ReadError> {
    let head = reader.last_position()?;
    if head <= after {
        return Ok((VecDeque::new(), after));
    }
    let upper = upper_bound(prefix);
    let far = head.0 - after.0 > FAR
        && matching(&reader.conn, prefix, &upper).map_err(|e| read_error(&e))? <= FEW;
    let previous = "(SELECT p.hash FROM events p WHERE p.stream = e.stream AND p.seq = e.seq - 1)";
    // CROSS JOIN fixes the order of the loops: streams first when there are few of them, else the newest events first.
    let (from, until) = if far {
        (
            "streams s CROSS JOIN events e INDEXED BY events_of_stream ON e.stream = s.id",
            head,
        )
    } else {
        (
            "events e CROSS JOIN streams s ON s.id = e.stream",
            Position(head.0.min(after.0 + STRIDE)),
        )
    };
    let range = "s.name >= ?1 AND s.name < ?2 AND e.position > ?3 AND e.position <= ?4";
    let sql = format!(
        "SELECT {COLUMNS}, s.name, {previous} FROM {from} WHERE {range} ORDER BY e.position LIMIT ?5"
    );
    let events = reader.events(
        &sql,
        params![prefix, upper, int(after.0), int(until.0), PAGE as i64],
        origin,
    )?;
    let seen = match events.back() {
        Some(last) if events.len() == PAGE => last.position,
        _ => until,
    };
    Ok((events, seen))
}

/// How many streams begin so, counted up to one more than [`FEW`].
fn matching(conn: &Connection, prefix: &str, upper: &str) -> rusqlite::Result<i64> {
    conn.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM streams WHERE name >= ?1 AND name < ?2 LIMIT ?3)",
    )?
    .query_row(params![prefix, upper, FEW + 1], |row| row.get(0))
}

struct Place {
    readers: Arc<Readers>,
    own: Arc<Own>,
    follower: Follower,
    seen: Position,
    head: watch::Receiver<Position>,
    page: VecDeque<Recorded>,
}

impl Place {
    /// The next event; `None` when the journal was closed.
    async fn next(&mut self) -> Result<Option<Recorded>, ReadError> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Ok(Some(event));
            }
            let reached = *self.head.borrow_and_update();
            if reached == Shared::CLOSED {
                return Ok(None);
            }
            self.seen = self.own.nothing_until(&self.follower.prefix, self.seen);
            if self.seen >= reached {
                if self.head.changed().await.is_err() {
                    return Ok(None);
                }
                continue;
            }
            let (prefix, after) = (Arc::clone(&self.follower.prefix), self.seen);
            (self.page, self.seen) = match self
                .readers
                .with(move |reader| page(reader, &prefix, after))
                .await
            {
                Ok(read) => read,
                Err(_) if *self.head.borrow() == Shared::CLOSED => return Ok(None),
                Err(error) => return Err(error),
            };
            // What came after `reached` was looked at wakes this up again.
            let nothing_more = self.page.is_empty() && self.seen == after;
            if nothing_more && self.head.changed().await.is_err() {
                return Ok(None);
            }
        }
    }
}

/// Events of all streams that begin with `prefix`, after a position, in order, until the journal is closed.
pub(crate) fn tail(
    lookout: &Arc<Lookout>,
    readers: Arc<Readers>,
    shared: &Arc<Shared>,
    prefix: &str,
    after: Position,
) -> BoxStream<'static, Result<Recorded, ReadError>> {
    let follower = shared.own.follow(prefix);
    let head = shared.head.subscribe();
    lookout.post(&readers, shared);
    let start = Place {
        readers,
        own: Arc::clone(&shared.own),
        follower,
        seen: after,
        head,
        page: VecDeque::new(),
    };
    stream::try_unfold(start, |mut place| async move {
        Ok(place.next().await?.map(|event| (event, place)))
    })
    .boxed()
}
