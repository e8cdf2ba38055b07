//! Whether a journal is what was written: the database's own check, every chain, every blob, and the anchor.

use crate::anchor::{self, Anchor};
use crate::fault::read_error;
use crate::read::{PAGE, Reader, Readers};
use crate::tx::int;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{Position, Seq, StreamId};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_governance::chain::{ChainCheck, ChainFault};
use keiko_ports::journal::ReadError;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something wrong with a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The database's structure is damaged.
    Damaged {
        /// SQLite's words.
        why: Said,
    },
    /// A stream is not what was written.
    Chain {
        /// The stream.
        stream: StreamId,
        /// Where, and what.
        fault: ChainFault,
    },
    /// A stream ends elsewhere than its last commit said.
    Head {
        /// The stream.
        stream: StreamId,
        /// Its last event.
        found: Seq,
        /// What should be its last event.
        expected: Seq,
    },
    /// Blob bytes are not what their digest says.
    Blob {
        /// Its address.
        digest: Digest,
    },
    /// Events that were safely on the medium are gone: the end of the journal was cut off.
    LostTail {
        /// The anchored position.
        expected: Position,
        /// The last position there is.
        found: Position,
        /// The file that remembers it. Delete it once the loss is dealt with.
        evidence: PathBuf,
    },
    /// Another event stands where an anchored one was: the journal went on after losing its end, or was replaced.
    Rewritten {
        /// The anchored position.
        position: Position,
        /// The file that remembers it. Delete it once the loss is dealt with.
        evidence: PathBuf,
    },
    /// Part of it could not be checked.
    Unreadable {
        /// The database's words.
        why: Said,
    },
}

impl Finding {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Finding::Damaged { why } => say!("the database is damaged: {why}", why),
            Finding::Chain { stream, fault } => say!("stream {stream}: {fault}", stream, fault),
            Finding::Head {
                stream,
                found,
                expected,
            } => say!(
                "stream {stream} ends at event {found}; its last commit ended at {expected}",
                stream,
                found,
                expected
            ),
            Finding::Blob { digest } => {
                say!("blob {digest} was changed after it was written", digest)
            }
            Finding::LostTail {
                expected, found, ..
            } => say!(
                "the journal once reached position {expected} and now ends at {found}: its end was lost",
                expected,
                found
            ),
            Finding::Rewritten { position, .. } => say!(
                "position {position} holds another event than it once did: an older copy of the journal went on from there",
                position
            ),
            Finding::Unreadable { why } => say!("it could not be checked: {why}", why),
        }
    }
}

keiko_contracts::said_is_error!(Finding);

impl Finding {
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (code, hint) = match self {
            Finding::Damaged { .. } | Finding::Unreadable { .. } => (
                Code::JOURNAL_DAMAGED,
                Said::from("put the newest backup of the journal back"),
            ),
            Finding::Chain { .. } | Finding::Head { .. } | Finding::Blob { .. } => (
                Code::CHAIN_BROKEN,
                say!(
                    "compare with a backup; `{step}` says whether a run is affected",
                    step = Step::OfRun {
                        what: OfRun::Verify,
                        run: None
                    }
                ),
            ),
            Finding::LostTail { evidence, .. } | Finding::Rewritten { evidence, .. } => (
                Code::JOURNAL_CUT,
                say!(
                    "put a newer backup back, or accept the loss with `rm '{path}'`",
                    path = evidence.display()
                ),
            ),
        };
        Fault::new(code, self.said()).hint(hint)
    }
}

/// Compares the journal with an anchor.
fn compare(
    conn: &Connection,
    anchor: Anchor,
    evidence: &Path,
) -> rusqlite::Result<Option<Finding>> {
    let there = conn
        .prepare_cached("SELECT hash FROM events WHERE position = ?1")?
        .query_row([int(anchor.position.0)], |row| row.get(0))
        .optional()?
        .map(Digest);
    let evidence = evidence.to_owned();
    Ok(match there {
        Some(hash) if hash == anchor.hash => None,
        Some(_) => Some(Finding::Rewritten {
            position: anchor.position,
            evidence,
        }),
        None => Some(Finding::LostTail {
            expected: anchor.position,
            found: crate::read::last_position(conn)?,
            evidence,
        }),
    })
}

/// Compares with the anchor at opening. An anchor whose event is gone is kept aside: the next one must not replace it.
pub(crate) fn at_open(conn: &Connection, journal: &Path) -> rusqlite::Result<()> {
    let path = anchor::path_of(journal);
    let Some(anchor) = Anchor::load(&path) else {
        return Ok(());
    };
    if let Some(finding) = compare(conn, anchor, &path)? {
        tracing::error!(%finding, "the journal is not complete");
        if let Err(error) = std::fs::rename(&path, anchor::lost_path_of(journal)) {
            tracing::warn!(%error, "the journal's anchor could not be kept");
        }
    }
    Ok(())
}

fn anchors(conn: &Connection, journal: &Path, findings: &mut Vec<Finding>) -> rusqlite::Result<()> {
    for path in [anchor::path_of(journal), anchor::lost_path_of(journal)] {
        if let Some(anchor) = Anchor::load(&path) {
            findings.extend(compare(conn, anchor, &path)?);
        }
    }
    Ok(())
}

/// At most so many lines of the database's own check are reported.
const MAX_DAMAGE: i64 = 20;

fn structure(conn: &Connection, findings: &mut Vec<Finding>) -> rusqlite::Result<()> {
    let mut query = conn.prepare(&format!("PRAGMA integrity_check({MAX_DAMAGE})"))?;
    let lines = query.query_map([], |row| row.get::<_, String>(0))?;
    for line in lines {
        let why = line?;
        if why != "ok" {
            findings.push(Finding::Damaged { why: why.into() });
        }
    }
    Ok(())
}

/// The streams after an id, with what their last commits said; at most a page.
fn streams(conn: &Connection, after: i64) -> rusqlite::Result<Vec<(i64, StreamId, Seq, Digest)>> {
    let mut query = conn.prepare_cached(
        "SELECT id, name, seq, hash FROM streams WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let rows = query.query_map(params![after, PAGE as i64], |row| {
        let (name, seq): (String, i64) = (row.get(1)?, row.get(2)?);
        Ok((
            row.get(0)?,
            StreamId(name.into()),
            Seq(seq.unsigned_abs()),
            Digest(row.get(3)?),
        ))
    })?;
    rows.collect()
}

/// Checks one stream up to the length its row had, so that commits made meanwhile do not disturb.
fn chain(
    reader: &mut Reader,
    id: i64,
    stream: &StreamId,
    length: Seq,
    head: Digest,
) -> Result<Option<Finding>, ReadError> {
    let mut check = ChainCheck::default();
    while check.head().0 < length {
        let (after, previous) = check.head();
        let page = reader.page(stream, id, after, Some(previous))?;
        if page.is_empty() {
            break;
        }
        for event in page.iter().take_while(|event| event.seq <= length) {
            if let Err(fault) = check.next(event) {
                return Ok(Some(Finding::Chain {
                    stream: stream.clone(),
                    fault,
                }));
            }
        }
        if page.back().is_some_and(|event| event.seq > length) {
            break;
        }
    }
    let same = check.head() == (length, head);
    Ok((!same).then(|| Finding::Head {
        stream: stream.clone(),
        found: check.head().0,
        expected: length,
    }))
}

fn chains(reader: &mut Reader, findings: &mut Vec<Finding>) -> Result<(), ReadError> {
    let mut after = 0;
    loop {
        let page = streams(&reader.conn, after).map_err(|error| read_error(&error))?;
        let Some((last, ..)) = page.last() else {
            return Ok(());
        };
        after = *last;
        for (id, stream, length, head) in page {
            match chain(reader, id, &stream, length, head) {
                Ok(finding) => findings.extend(finding),
                Err(error) => findings.push(Finding::Unreadable {
                    why: say!("stream {stream}: {fault}", stream, fault = error),
                }),
            }
        }
    }
}

/// Looks at every blob, one at a time.
fn blobs(conn: &Connection, findings: &mut Vec<Finding>) -> rusqlite::Result<()> {
    let mut query = conn
        .prepare_cached("SELECT id, digest, bytes FROM blobs WHERE id > ?1 ORDER BY id LIMIT 1")?;
    let mut after = 0i64;
    while let Some((id, digest, sound)) = query
        .query_row([after], |row| {
            let digest = Digest(row.get(1)?);
            Ok((
                row.get(0)?,
                digest,
                Digest::of(row.get_ref(2)?.as_bytes()?) == digest,
            ))
        })
        .optional()?
    {
        after = id;
        if !sound {
            findings.push(Finding::Blob { digest });
        }
    }
    Ok(())
}

/// Everything there is to check.
pub(crate) async fn check(readers: &Arc<Readers>, journal: PathBuf) -> Vec<Finding> {
    let work = move |reader: &mut Reader| {
        let mut findings = Vec::new();
        let failed = |error: rusqlite::Error| Finding::Unreadable {
            why: say!("{error}", error),
        };
        if let Err(error) = structure(&reader.conn, &mut findings) {
            findings.push(failed(error));
        }
        if let Err(error) = chains(reader, &mut findings) {
            findings.push(Finding::Unreadable {
                why: say!("{error}", error),
            });
        }
        if let Err(error) = blobs(&reader.conn, &mut findings) {
            findings.push(failed(error));
        }
        if let Err(error) = anchors(&reader.conn, &journal, &mut findings) {
            findings.push(failed(error));
        }
        Ok(findings)
    };
    readers.with(work).await.unwrap_or_else(|error| {
        vec![Finding::Unreadable {
            why: say!("{error}", error),
        }]
    })
}
