//! Leases: which process may drive a stream. The fence in every commit makes them safe whatever the clocks say; time
//! only decides when another process may take a stream over.

use crate::queue::Stop;
use crate::tx::{Tx, int};
use keiko_contracts::id::WorkerId;
use keiko_contracts::journal::{Fence, StreamId};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::LeaseError;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// If the clock says that a lease was taken more than this many milliseconds in the future, the clock was put back,
/// and the lease counts as expired instead of blocking its stream until the clock has caught up.
const CLOCK_SLACK_MS: u64 = 60_000;

struct Lease {
    /// `None` when it was given back.
    owner: Option<WorkerId>,
    fence: Fence,
    taken: Timestamp,
    until: Timestamp,
}

impl Lease {
    fn read(row: &Row<'_>) -> rusqlite::Result<Lease> {
        Ok(Lease {
            owner: row
                .get::<_, Option<[u8; WorkerId::BYTES]>>(0)?
                .map(WorkerId::from_bytes),
            fence: Fence(row.get::<_, i64>(1)?.unsigned_abs()),
            taken: Timestamp(row.get(2)?),
            until: Timestamp(row.get(3)?),
        })
    }

    /// For how many more milliseconds it keeps others out, and whom it belongs to.
    fn left(&self, now: Timestamp) -> Option<(WorkerId, u64)> {
        let clock_put_back = self.taken.since_ms(now) > CLOCK_SLACK_MS;
        let left = if clock_put_back {
            0
        } else {
            self.until.since_ms(now)
        };
        self.owner.filter(|_| left > 0).map(|owner| (owner, left))
    }
}

fn of_stream(tx: &Tx<'_>, stream: i64) -> rusqlite::Result<Option<Lease>> {
    let mut query = tx
        .conn
        .prepare_cached("SELECT owner, fence, taken, until FROM leases WHERE stream = ?1")?;
    query.query_row([stream], Lease::read).optional()
}

/// Takes or renews a lease. That of a holder whose process is known to be gone keeps nobody out.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    stream: &StreamId,
    owner: WorkerId,
    ttl_ms: u64,
    is_gone: impl Fn(WorkerId) -> bool,
) -> Result<Fence, Stop<LeaseError>> {
    let id = tx.stream_row(stream)?;
    let there = of_stream(tx, id)?;
    if let Some((holder, for_ms)) = there.as_ref().and_then(|lease| lease.left(tx.now))
        && holder != owner
        && !is_gone(holder)
    {
        return Err(Stop::Refused(LeaseError::Held { holder, for_ms }));
    }
    let fence = match &there {
        Some(lease) if lease.owner == Some(owner) => lease.fence,
        Some(lease) => Fence(lease.fence.0 + 1),
        None => Fence(1),
    };
    tx.conn
        .prepare_cached(
            "INSERT INTO leases(stream, owner, fence, taken, until) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(stream)
             DO UPDATE SET owner = excluded.owner, fence = excluded.fence, taken = excluded.taken, until = excluded.until",
        )?
        .execute(params![id, &owner.as_bytes()[..], int(fence.0), tx.now.0, tx.now.plus_ms(ttl_ms).0])?;
    Ok(fence)
}

/// Gives a lease back; its fence stays, so that the next holder's is higher.
pub(crate) fn give_back(tx: &mut Tx<'_>, stream: &StreamId, fence: Fence) -> rusqlite::Result<()> {
    tx.conn
        .prepare_cached("UPDATE leases SET owner = NULL, until = 0 WHERE fence = ?2 AND stream = (SELECT id FROM streams WHERE name = ?1)")?
        .execute(params![&*stream.0, int(fence.0)])?;
    Ok(())
}

/// Whether a fence is the newest one and was not given back. That its time has run out does not matter as long as
/// nobody else took the stream over.
pub(crate) fn holds(tx: &Tx<'_>, stream: Option<i64>, fence: Fence) -> rusqlite::Result<bool> {
    let Some(stream) = stream else {
        return Ok(false);
    };
    Ok(of_stream(tx, stream)?.is_some_and(|lease| lease.fence == fence && lease.owner.is_some()))
}

/// Who holds a stream now, and for how many more milliseconds.
pub(crate) fn holder(
    conn: &Connection,
    stream: &StreamId,
    now: Timestamp,
) -> rusqlite::Result<Option<(WorkerId, u64)>> {
    let mut query =
        conn.prepare_cached("SELECT owner, fence, taken, until FROM leases WHERE stream = (SELECT id FROM streams WHERE name = ?1)")?;
    let lease = query.query_row([&*stream.0], Lease::read).optional()?;
    Ok(lease.and_then(|lease| lease.left(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_put_back_does_not_block_a_stream() {
        let lease = Lease {
            owner: Some(WorkerId::from_bytes([1; 5])),
            fence: Fence(1),
            taken: Timestamp(1_000_000),
            until: Timestamp(1_030_000),
        };
        assert_eq!(
            lease.left(Timestamp(1_010_000)).map(|(_, ms)| ms),
            Some(20_000)
        );
        assert_eq!(lease.left(Timestamp(1_030_000)), None);
        assert!(
            lease.left(Timestamp(999_000)).is_some(),
            "a small step back is normal"
        );
        assert_eq!(lease.left(Timestamp(5_000)), None);
    }
}
