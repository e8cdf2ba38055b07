//! Kills: each raises the epoch and leaves an event that says who did so and why.

use crate::queue::Stop;
use crate::tx::{Tx, int};
use crate::{commit, epoch};
use keiko_contracts::journal::{Append, Epoch, Expect, Head, KillScope, NewEvent, StreamId};
use keiko_contracts::say;
use keiko_ports::journal::CommitError;
use rusqlite::params;
use serde::Serialize;

/// Longest reason kept, in characters; as JSON it still fits an event.
const MAX_REASON: usize = 480;
/// Longest name of who did it, in characters.
const MAX_BY: usize = 100;

/// The body of the event that records a kill.
#[derive(Serialize)]
struct Killed<'a> {
    epoch: Epoch,
    scope: KillScope,
    reason: &'a str,
    by: &'a str,
}

fn shorten(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// Raises the epoch and appends the event that says who did so and why.
pub(crate) fn raise(
    tx: &mut Tx<'_>,
    scope: KillScope,
    reason: &str,
    by: &str,
) -> Result<Epoch, Stop<CommitError>> {
    let newest: i64 =
        tx.conn
            .query_row("SELECT coalesce(max(epoch), 0) FROM kills", [], |row| {
                row.get(0)
            })?;
    let epoch = Epoch(newest.unsigned_abs() + 1);
    let (reason, by) = (shorten(reason, MAX_REASON), shorten(by, MAX_BY));
    let payload = serde_json::to_vec(&Killed {
        epoch,
        scope,
        reason: &reason,
        by: &by,
    })
    .map_err(|error| {
        Stop::Refused(CommitError::Broken {
            why: say!("{error}", error),
        })
    })?;
    let event = NewEvent {
        kind: "killed",
        version: 1,
        at: tx.now,
        payload,
        head: Head::default(),
    };
    let append = Append {
        stream: StreamId::kills(),
        expect: Expect::Any,
        fence: None,
        epoch: None,
        events: vec![event],
        blobs: Vec::new(),
        views: Vec::new(),
    };
    commit::apply(tx, &[append])?;
    tx.conn
        .prepare_cached("INSERT INTO kills(scope, epoch, reason) VALUES (?1, ?2, ?3) ON CONFLICT(scope) DO UPDATE SET epoch = excluded.epoch, reason = excluded.reason")?
        .execute(params![&*epoch::key(scope).0, int(epoch.0), reason])?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_reason_still_fits_an_event() {
        let (reason, by) = (
            shorten(&"\u{1}".repeat(5000), MAX_REASON),
            shorten(&"\u{1}".repeat(5000), MAX_BY),
        );
        let scope = KillScope::Run(keiko_contracts::id::RunId::from_bytes([7; 10]));
        let body = serde_json::to_vec(&Killed {
            epoch: Epoch(u64::MAX),
            scope,
            reason: &reason,
            by: &by,
        })
        .unwrap();
        assert!(body.len() <= NewEvent::MAX_BYTES, "{}", body.len());
    }
}
