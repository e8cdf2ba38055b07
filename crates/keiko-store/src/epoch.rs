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
    // Two look-ups, because every commit asks: one query over both would sort.
    let mut query = conn.prepare_cached("SELECT epoch, reason FROM kills WHERE scope = ?1")?;
    let mut of = |scope: &str| {
        query
            .query_row([scope], |row| {
                Ok((Epoch(row.get::<_, i64>(0)?.unsigned_abs()), row.get(1)?))
            })
            .optional()
    };
    let (all, own): (Option<(Epoch, String)>, _) = (of(ALL)?, of(&stream.0)?);
    Ok(all
        .into_iter()
        .chain(own)
        .max_by_key(|(epoch, _)| *epoch)
        .unwrap_or_default())
}
