//! Short words for the tests.

use futures_util::StreamExt;
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{RunId, WorkerId};
use keiko_contracts::journal::{Append, Expect, Head, NewBlob, NewEvent, Recorded, Seq, StreamId};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::Journal;
use keiko_store::{Options, SqliteJournal};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state").join("journal.db");
    (dir, path)
}

pub(crate) fn open(path: &Path) -> SqliteJournal {
    SqliteJournal::open(path, Options::default()).unwrap()
}

pub(crate) fn run(n: u8) -> RunId {
    RunId::from_bytes([n; 10])
}

pub(crate) fn worker(n: u8) -> WorkerId {
    WorkerId::from_bytes([n; 5])
}

pub(crate) fn event(body: &str) -> NewEvent {
    NewEvent {
        kind: "noted",
        version: 1,
        at: Timestamp(1_700_000_000_000),
        payload: body.as_bytes().to_vec(),
        head: Head::default(),
    }
}

pub(crate) fn blob(bytes: &[u8]) -> NewBlob {
    NewBlob {
        digest: Digest::of(bytes),
        bytes: bytes.to_vec(),
    }
}

/// An append of one event, to a stream of any length.
pub(crate) fn append(stream: &str, body: &str) -> Append {
    Append {
        stream: StreamId(stream.into()),
        expect: Expect::Any,
        fence: None,
        epoch: None,
        events: vec![event(body)],
        blobs: Vec::new(),
        views: Vec::new(),
    }
}

pub(crate) fn append_at(stream: &str, seq: u64, body: &str) -> Append {
    Append {
        expect: Expect::At(Seq(seq)),
        ..append(stream, body)
    }
}

pub(crate) async fn all(journal: &SqliteJournal, stream: &str) -> Vec<Recorded> {
    journal
        .read(&StreamId(stream.into()), Seq(0))
        .map(|event| event.unwrap())
        .collect()
        .await
}

pub(crate) async fn bodies(journal: &SqliteJournal, stream: &str) -> Vec<String> {
    all(journal, stream)
        .await
        .into_iter()
        .map(|event| String::from_utf8(event.payload).unwrap())
        .collect()
}

/// Pseudo-random numbers that a seed repeats.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below.max(1)
    }
}
