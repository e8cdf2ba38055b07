//! The kill epoch: a counter that only rises, with its newest value for all runs and for each run that was killed.

use keiko_contracts::journal::{Epoch, KillScope, StreamId};
use rusqlite::{Connection, OptionalExtension};

/// The scope that concerns every stream; no stream has this name.
const ALL: &str = "*";

/// What the epoch of a scope is kept under: a stream's name, or [`ALL`].
pub(crate) fn key(scope: KillScope) -> StreamId {
    match scope {
        KillScope::All => StreamId(ALL.into()),
        KillScope::Run(run) => StreamId::run(run),
    }
}

/// The newest epoch that concerns a stream, and why it was raised.
pub(crate) fn newest(conn: &Connection, stream: &StreamId) -> rusqlite::Result<(Epoch, String)> {
    let found = conn
        .prepare_cached("SELECT epoch, reason FROM kills WHERE scope IN (?1, ?2) ORDER BY epoch DESC LIMIT 1")?
        .query_row([ALL, &*stream.0], |row| Ok((Epoch(row.get::<_, i64>(0)?.unsigned_abs()), row.get(1)?)))
        .optional()?;
    Ok(found.unwrap_or_default())
}
