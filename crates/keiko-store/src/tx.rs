//! What a request works with inside the transaction of its group: names and streams as numbers, and the time.

use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{Position, Seq, StreamId};
use keiko_contracts::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// As SQLite counts. Nothing here comes near the end of its range.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The wall clock: leases are compared between processes.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What a request works with inside the transaction of its group.
pub(crate) struct Tx<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) now: Timestamp,
    /// The last event written.
    pub(crate) last: Option<(Position, Digest)>,
    /// How many events were written.
    pub(crate) events: u64,
    /// The streams that events were written to.
    pub(crate) streams: Vec<StreamId>,
    names: &'a mut HashMap<String, i64>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(
        conn: &'a Connection,
        now: Timestamp,
        names: &'a mut HashMap<String, i64>,
    ) -> Tx<'a> {
        Tx {
            conn,
            now,
            last: None,
            events: 0,
            streams: Vec::new(),
            names,
        }
    }

    /// The number of a kind or a view.
    pub(crate) fn name(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        let found = self
            .conn
            .prepare_cached("SELECT id FROM names WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => self
                .conn
                .prepare_cached("INSERT INTO names(name) VALUES (?1)")?
                .insert([name])?,
        };
        self.names.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Where a stream stands.
    pub(crate) fn stream(&self, name: &StreamId) -> rusqlite::Result<Place> {
        let mut query = self
            .conn
            .prepare_cached("SELECT id, seq, hash FROM streams WHERE name = ?1")?;
        let found = query
            .query_row([&*name.0], |row| {
                let seq = Seq(row.get::<_, i64>(1)?.unsigned_abs());
                Ok(Place {
                    id: Some(row.get(0)?),
                    seq,
                    hash: Digest(row.get(2)?),
                    planned: seq,
                })
            })
            .optional()?;
        Ok(found.unwrap_or(Place {
            id: None,
            seq: Seq(0),
            hash: Digest::default(),
            planned: Seq(0),
        }))
    }

    /// The row of a stream, made when first needed.
    pub(crate) fn stream_row(&self, name: &StreamId) -> rusqlite::Result<i64> {
        if let Some(id) = self.stream(name)?.id {
            return Ok(id);
        }
        let mut insert = self
            .conn
            .prepare_cached("INSERT INTO streams(name, seq, hash) VALUES (?1, 0, ?2)")?;
        insert.insert(params![&*name.0, &Digest::default().0[..]])
    }
}

/// Where a stream stands inside a commit.
pub(crate) struct Place {
    /// Its row, if it has one yet.
    pub(crate) id: Option<i64>,
    pub(crate) seq: Seq,
    pub(crate) hash: Digest,
    /// Its length once the appends looked at so far are written.
    pub(crate) planned: Seq,
}
