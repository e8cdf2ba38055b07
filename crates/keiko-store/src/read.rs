//! Reading: a few connections of their own, used for one short page at a time on the runtime's blocking threads.

use crate::connection::{self, Options};
use crate::fault::read_error;
use crate::tx::int;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{Head, Position, Recorded, Seq, StreamId};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::ReadError;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Events read at once.
pub(crate) const PAGE: usize = 512;
/// Connections that read at the same time, per process.
const READERS: usize = 4;

/// A connection that reads, with the kinds it has met.
pub(crate) struct Reader {
    pub(crate) conn: Connection,
    kinds: HashMap<i64, String>,
}

/// The connections that read.
pub(crate) struct Readers {
    path: PathBuf,
    options: Options,
    /// `None` once the journal is closed.
    idle: Mutex<Option<Vec<Reader>>>,
    permits: Semaphore,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, options: Options) -> Arc<Readers> {
        Arc::new(Readers {
            path,
            options,
            idle: Mutex::new(Some(Vec::new())),
            permits: Semaphore::new(READERS),
        })
    }

    /// Runs some reading on a blocking thread. A connection that failed is not used again.
    pub(crate) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let closed = || ReadError::Broken("it is closed".into());
        let _permit = self.permits.acquire().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let mut reader = readers.take()?.ok_or_else(closed)?;
            let done = work(&mut reader);
            if !matches!(done, Err(ReadError::Broken(_))) {
                readers.put_back(reader);
            }
            done
        });
        done.await
            .map_err(|error| ReadError::Broken(error.to_string().into()))?
    }

    /// A connection; `None` once the journal is closed.
    fn take(&self) -> Result<Option<Reader>, ReadError> {
        match self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .map(Vec::pop)
        {
            None => Ok(None),
            Some(Some(reader)) => Ok(Some(reader)),
            Some(None) => self.open().map(Some).map_err(|error| read_error(&error)),
        }
    }

    fn put_back(&self, reader: Reader) {
        if let Some(idle) = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            idle.push(reader);
        }
    }

    /// A connection outside the pool, for a thread that keeps it.
    pub(crate) fn open(&self) -> rusqlite::Result<Reader> {
        let conn = connection::reader(&self.path, &self.options)?;
        Ok(Reader {
            conn,
            kinds: HashMap::new(),
        })
    }

    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// The columns of an event, in the order that [`event`] expects.
pub(crate) const COLUMNS: &str =
    "e.position, e.seq, e.kind, e.version, e.at, e.head, e.payload, e.hash";

impl Reader {
    /// The number of a stream; `None` if nothing was ever written to it.
    pub(crate) fn stream(&self, name: &StreamId) -> Result<Option<i64>, ReadError> {
        let mut query = self
            .conn
            .prepare_cached("SELECT id FROM streams WHERE name = ?1")
            .map_err(|e| read_error(&e))?;
        query
            .query_row([&*name.0], |row| row.get(0))
            .optional()
            .map_err(|e| read_error(&e))
    }

    /// The streams whose id begins with `prefix`, in order.
    pub(crate) fn streams(&self, prefix: &str) -> Result<Vec<(StreamId, Seq)>, ReadError> {
        let sql = "SELECT name, seq FROM streams WHERE name >= ?1 AND name < ?2 ORDER BY name";
        let mut query = self.conn.prepare_cached(sql).map_err(|e| read_error(&e))?;
        let names = query
            .query_map([prefix, &upper_bound(prefix)], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            })
            .map_err(|e| read_error(&e))?;
        names
            .map(|name| {
                name.map(|(name, seq)| (StreamId(name.into()), Seq(seq.unsigned_abs())))
                    .map_err(|e| read_error(&e))
            })
            .collect()
    }

    /// Up to [`PAGE`] events of a stream after a place in it, whose hash is `previous` if known.
    pub(crate) fn page(
        &mut self,
        name: &StreamId,
        id: i64,
        after: Seq,
        previous: Option<Digest>,
    ) -> Result<VecDeque<Recorded>, ReadError> {
        let failed = |error: rusqlite::Error| read_error(&error);
        let mut previous = match previous {
            Some(known) => known,
            None => self.hash_at(id, after).map_err(failed)?,
        };
        let Reader { conn, kinds } = self;
        let sql = format!(
            "SELECT {COLUMNS} FROM events e WHERE e.stream = ?1 AND e.seq > ?2 ORDER BY e.seq LIMIT ?3"
        );
        let mut query = conn.prepare_cached(&sql).map_err(failed)?;
        let mut rows = query
            .query(params![id, int(after.0), PAGE as i64])
            .map_err(failed)?;
        let mut page = VecDeque::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let event = event(conn, kinds, row, name.clone(), previous).map_err(failed)?;
            previous = event.hash;
            page.push_back(event);
        }
        Ok(page)
    }

    fn hash_at(&self, id: i64, seq: Seq) -> rusqlite::Result<Digest> {
        let mut query = self
            .conn
            .prepare_cached("SELECT hash FROM events WHERE stream = ?1 AND seq = ?2")?;
        let hash = query
            .query_row(params![id, int(seq.0)], |row| row.get(0))
            .optional()?;
        Ok(hash.map(Digest).unwrap_or_default())
    }

    /// The position of the last event; 0 if there is none.
    pub(crate) fn last_position(&self) -> Result<Position, ReadError> {
        last_position(&self.conn).map_err(|error| read_error(&error))
    }

    /// The events of a query for [`COLUMNS`]; `origin` finds in each row the stream and the hash before.
    pub(crate) fn events(
        &mut self,
        sql: &str,
        params: impl rusqlite::Params,
        mut origin: impl FnMut(&Row<'_>) -> rusqlite::Result<(StreamId, Digest)>,
    ) -> Result<VecDeque<Recorded>, ReadError> {
        let failed = |error: rusqlite::Error| read_error(&error);
        let Reader { conn, kinds } = self;
        let mut query = conn.prepare_cached(sql).map_err(failed)?;
        let mut rows = query.query(params).map_err(failed)?;
        let mut events = VecDeque::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let (stream, previous) = origin(row).map_err(failed)?;
            events.push_back(event(conn, kinds, row, stream, previous).map_err(failed)?);
        }
        Ok(events)
    }

    pub(crate) fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        let mut query = self
            .conn
            .prepare_cached("SELECT bytes FROM blobs WHERE digest = ?1")
            .map_err(|e| read_error(&e))?;
        let found = query
            .query_row([&digest.0[..]], |row| row.get(0))
            .optional()
            .map_err(|e| read_error(&e))?;
        found.ok_or(ReadError::MissingBlob(*digest))
    }
}

/// The least text after all that begin with `prefix`: ids never contain the last code point.
pub(crate) fn upper_bound(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

pub(crate) fn last_position(conn: &Connection) -> rusqlite::Result<Position> {
    let mut query = conn.prepare_cached("SELECT coalesce(max(position), 0) FROM events")?;
    query.query_row([], |row| Ok(Position(row.get::<_, i64>(0)?.unsigned_abs())))
}

fn event(
    conn: &Connection,
    kinds: &mut HashMap<i64, String>,
    row: &Row<'_>,
    stream: StreamId,
    previous: Digest,
) -> rusqlite::Result<Recorded> {
    let number: i64 = row.get(2)?;
    let kind = match kinds.get(&number) {
        Some(kind) => kind.clone(),
        None => {
            let kind: String = conn
                .prepare_cached("SELECT name FROM names WHERE id = ?1")?
                .query_row([number], |row| row.get(0))?;
            kinds.insert(number, kind.clone());
            kind
        }
    };
    let head = match row
        .get_ref(5)?
        .as_str_or_null()
        .map_err(rusqlite::Error::from)?
    {
        Some(json) => serde_json::from_str(json).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                5,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })?,
        None => Head::default(),
    };
    Ok(Recorded {
        position: Position(row.get::<_, i64>(0)?.unsigned_abs()),
        stream,
        seq: Seq(row.get::<_, i64>(1)?.unsigned_abs()),
        kind,
        version: row.get(3)?,
        at: Timestamp(row.get(4)?),
        payload: row.get(6)?,
        head,
        previous,
        hash: Digest(row.get(7)?),
    })
}

/// How far a read has come.
struct Place {
    readers: Arc<Readers>,
    stream: StreamId,
    /// Known after the first page.
    id: Option<i64>,
    after: Seq,
    previous: Option<Digest>,
    page: VecDeque<Recorded>,
    last_page: bool,
}

impl Place {
    async fn turn_page(&mut self) -> Result<(), ReadError> {
        let (stream, id, after, previous) =
            (self.stream.clone(), self.id, self.after, self.previous);
        let read = move |reader: &mut Reader| {
            let Some(id) = id.map_or_else(|| reader.stream(&stream), |id| Ok(Some(id)))? else {
                return Ok((None, VecDeque::new()));
            };
            Ok((Some(id), reader.page(&stream, id, after, previous)?))
        };
        (self.id, self.page) = self.readers.with(read).await?;
        self.last_page = self.page.len() < PAGE;
        if let Some(last) = self.page.back() {
            (self.after, self.previous) = (last.seq, Some(last.hash));
        }
        Ok(())
    }
}

/// Events of a stream after a place in it, page by page.
pub(crate) fn read(
    readers: Arc<Readers>,
    stream: &StreamId,
    after: Seq,
) -> BoxStream<'static, Result<Recorded, ReadError>> {
    let start = Place {
        readers,
        stream: stream.clone(),
        id: None,
        after,
        previous: None,
        page: VecDeque::new(),
        last_page: false,
    };
    stream::try_unfold(start, |mut place| async move {
        if place.page.is_empty() && !place.last_page {
            place.turn_page().await?;
        }
        Ok(place.page.pop_front().map(|event| (event, place)))
    })
    .boxed()
}
