//! One commit: its sizes, the conditions it was made under, and the rows it becomes.

use crate::queue::{Cost, Stop};
use crate::tx::{Place, Tx, int};
use crate::{epoch, lease};
use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{
    Append, Expect, Head, NewBlob, NewEvent, Position, Recorded, Seq, StreamId, ViewOp, chain_hash,
};
use keiko_contracts::say;
use keiko_ports::journal::{CommitError, Committed};
use rusqlite::params;
use std::collections::HashMap;

/// The largest commit, in bytes of payloads, blobs and view rows.
const MAX_COMMIT: usize = 64 << 20;
/// The longest stream id, in bytes.
const MAX_STREAM: usize = 120;
/// The longest key or group of a view row, in bytes.
const MAX_KEY: usize = 1024;
/// The most events and view changes in one commit.
const MAX_ITEMS: usize = 65_536;

/// Weighs a commit and refuses what is too large or not what it says it is. Needs no database.
pub(crate) fn weigh(all: &[Append]) -> Result<Cost, CommitError> {
    let mut cost = Cost::default();
    let mut items = 0;
    for append in all {
        limit("stream id", append.stream.0.len(), MAX_STREAM)?;
        for event in &append.events {
            limit("event", event.payload.len(), NewEvent::MAX_BYTES)?;
            cost.bytes += event.payload.len() + head_len(&event.head)?;
        }
        for blob in &append.blobs {
            limit("blob", blob.bytes.len(), NewBlob::MAX_BYTES)?;
            cost.bytes += blob.bytes.len();
        }
        for op in &append.views {
            cost.bytes += match op {
                ViewOp::Put {
                    key, group, body, ..
                } => limit("view key", key.len().max(group.len()), MAX_KEY)? + body.len(),
                ViewOp::Delete { key, .. } => limit("view key", key.len(), MAX_KEY)?,
            };
        }
        cost.events += append.events.len();
        items += append.events.len() + append.blobs.len() + append.views.len() + 1;
    }
    limit("commit", cost.bytes, MAX_COMMIT)?;
    if items > MAX_ITEMS {
        return Err(CommitError::TooLarge {
            what: format!("commit of {items} items; at most {MAX_ITEMS}"),
        });
    }
    Ok(cost)
}

fn limit(what: &str, len: usize, max: usize) -> Result<usize, CommitError> {
    if len > max {
        Err(CommitError::TooLarge {
            what: format!("{what} of {len} bytes; at most {max}"),
        })
    } else {
        Ok(len)
    }
}

fn head_len(head: &Head) -> Result<usize, CommitError> {
    if *head == Head::default() {
        return Ok(0);
    }
    let len =
        head.subject.as_ref().map_or(0, String::len) + head.cause.as_ref().map_or(0, String::len);
    limit(
        "event head",
        len + head.labels.iter().map(String::len).sum::<usize>(),
        NewEvent::MAX_BYTES,
    )
}

/// Checks that each blob is what its digest says.
pub(crate) fn verify_blobs(all: &[Append]) -> Result<(), CommitError> {
    match all
        .iter()
        .flat_map(|a| &a.blobs)
        .find(|blob| Digest::of(&blob.bytes) != blob.digest)
    {
        Some(blob) => Err(CommitError::Broken {
            why: say!(
                "blob {digest} has other bytes than its digest says",
                digest = blob.digest
            ),
        }),
        None => Ok(()),
    }
}

/// Writes all appends or, if a condition of any of them does not hold, none: everything is checked before the first
/// row is written.
pub(crate) fn apply(tx: &mut Tx<'_>, all: &[Append]) -> Result<Committed, Stop<CommitError>> {
    let mut places: HashMap<&StreamId, Place> = HashMap::new();
    for append in all {
        let place = match places.entry(&append.stream) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(tx.stream(&append.stream)?)
            }
        };
        check(tx, append, place)?;
        place.planned.0 += append.events.len() as u64;
    }
    let mut written = Vec::with_capacity(all.iter().map(|a| a.events.len()).sum());
    for append in all {
        if let Some(place) = places.get_mut(&append.stream) {
            write_events(tx, append, place, &mut written)?;
        }
        for blob in &append.blobs {
            tx.conn
                .prepare_cached("INSERT INTO blobs(digest, bytes) VALUES (?1, ?2) ON CONFLICT(digest) DO NOTHING")?
                .execute(params![&blob.digest.0[..], blob.bytes])?;
        }
        for op in &append.views {
            write_view(tx, op)?;
        }
    }
    Ok(written)
}

fn check(tx: &Tx<'_>, append: &Append, place: &Place) -> Result<(), Stop<CommitError>> {
    if let Some(fence) = append.fence
        && !lease::holds(tx, place.id, fence)?
    {
        return Err(Stop::Refused(CommitError::Fenced {
            stream: append.stream.clone(),
        }));
    }
    if let Some(seen) = append.epoch {
        let (epoch, reason) = epoch::newest(tx.conn, &append.stream)?;
        if epoch > seen {
            return Err(Stop::Refused(CommitError::Killed { epoch, reason }));
        }
    }
    match append.expect {
        Expect::At(expected) if expected != place.planned => {
            let (stream, actual) = (append.stream.clone(), place.planned);
            Err(Stop::Refused(CommitError::Conflict {
                stream,
                expected,
                actual,
            }))
        }
        _ => Ok(()),
    }
}

fn write_events(
    tx: &mut Tx<'_>,
    append: &Append,
    place: &mut Place,
    written: &mut Committed,
) -> rusqlite::Result<()> {
    if append.events.is_empty() {
        return Ok(());
    }
    let id = match place.id {
        Some(id) => id,
        None => tx.stream_row(&append.stream)?,
    };
    place.id = Some(id);
    tx.streams.push(append.stream.clone());
    for event in &append.events {
        let recorded = write_event(tx, id, &append.stream, event, place)?;
        (place.seq, place.hash) = (recorded.seq, recorded.hash);
        tx.last = Some((recorded.position, recorded.hash));
        tx.events += 1;
        written.push(recorded);
    }
    tx.conn
        .prepare_cached("UPDATE streams SET seq = ?2, hash = ?3 WHERE id = ?1")?
        .execute(params![id, int(place.seq.0), &place.hash.0[..]])?;
    Ok(())
}

fn write_event(
    tx: &mut Tx<'_>,
    id: i64,
    stream: &StreamId,
    event: &NewEvent,
    place: &Place,
) -> rusqlite::Result<Recorded> {
    let seq = Seq(place.seq.0 + 1);
    let hash = chain_hash(
        &place.hash,
        stream,
        seq,
        event.kind,
        event.version,
        event.at,
        &event.head,
        &event.payload,
    );
    let head = (event.head != Head::default())
        .then(|| serde_json::to_string(&event.head).unwrap_or_default());
    let kind = tx.name(event.kind)?;
    let position = tx
        .conn
        .prepare_cached("INSERT INTO events(stream, seq, kind, version, at, head, payload, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .insert(params![id, int(seq.0), kind, event.version, event.at.0, head, event.payload, &hash.0[..]])?;
    Ok(Recorded {
        position: Position(position.unsigned_abs()),
        stream: stream.clone(),
        seq,
        kind: event.kind.to_owned(),
        version: event.version,
        at: event.at,
        payload: event.payload.clone(),
        head: event.head.clone(),
        previous: place.hash,
        hash,
    })
}

fn write_view(tx: &mut Tx<'_>, op: &ViewOp) -> rusqlite::Result<()> {
    match op {
        ViewOp::Put {
            view,
            key,
            sort,
            group,
            body,
        } => {
            let view = tx.name(view)?;
            tx.conn
                .prepare_cached(
                    "INSERT INTO views(view, key, sort, grp, body) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT(view, key) DO UPDATE SET sort = excluded.sort, grp = excluded.grp, body = excluded.body",
                )?
                .execute(params![view, key, sort, group, body])?;
        }
        ViewOp::Delete { view, key } => {
            let view = tx.name(view)?;
            tx.conn
                .prepare_cached("DELETE FROM views WHERE view = ?1 AND key = ?2")?
                .execute(params![view, key])?;
        }
    }
    Ok(())
}
