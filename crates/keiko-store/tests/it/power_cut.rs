//! Power cuts: the files are rebuilt as a cut at any moment may leave them, and the journal is opened on that.

use crate::fixture::{Dice, append, blob, open, place};
use crate::recording_vfs::{self as vfs, Deed, Media};
use futures_util::StreamExt;
use keiko_contracts::journal::{Append, Durability, Position, Seq, StreamId};
use keiko_ports::journal::Journal;
use keiko_store::{Faults, Options, SqliteJournal};
use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

/// The record belongs to the whole process; under `cargo test` both tests are in one.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Writes a journal through the recording layer: several writers, both kinds of durability, folded logs in between.
async fn record(skip_sync: bool) -> Vec<Deed> {
    vfs::register();
    let (_dir, path) = place();
    let faults = Faults {
        vfs: Some(vfs::NAME.into()),
        skip_sync,
        max_pages: None,
    };
    let mut dice = Dice(42);
    for session in 0..3u64 {
        let options = Options {
            checkpoint_after: Duration::from_millis(3),
            flush_after: Duration::from_millis(20),
            faults: faults.clone(),
            ..Options::default()
        };
        let journal = SqliteJournal::open(&path, options).unwrap();
        for round in 0..40u64 {
            let size = dice.roll(3);
            let writers = (0..3u64).map(|writer| {
                let number = session * 1000 + round * 10 + writer;
                let commit = Append {
                    blobs: vec![blob(&vec![number as u8; 10 + size * 3000])],
                    ..append(&format!("run/{writer}"), &number.to_string())
                };
                let journal = &journal;
                async move {
                    let durability = if (number + writer) % 3 == 0 {
                        Durability::Lazy
                    } else {
                        Durability::Barrier
                    };
                    journal.commit(vec![commit], durability).await.unwrap();
                    if durability == Durability::Barrier {
                        vfs::note(Deed::Acknowledged(number));
                    }
                }
            });
            futures_util::future::join_all(writers).await;
            if round % 10 == 9 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        if session < 2 {
            journal.close().await;
        }
    }
    vfs::take_record()
}

/// The bodies of all events in what a cut leaves, after checking that it is sound.
async fn survivors(media: &Media, dice: &mut Dice) -> HashSet<u64> {
    let dir = tempfile::tempdir().unwrap();
    media.cut(dice, dir.path());
    let journal = open(&dir.path().join("journal.db"));
    assert_eq!(journal.check().await, []);
    let mut numbers = HashSet::new();
    for writer in 0..3 {
        let mut events = journal.read(&StreamId(format!("run/{writer}").into()), Seq(0));
        while let Some(event) = events.next().await {
            numbers.insert(
                String::from_utf8(event.unwrap().payload)
                    .unwrap()
                    .parse()
                    .unwrap(),
            );
        }
    }
    let next = journal
        .commit(vec![append("run/0", "goes on")], Durability::Barrier)
        .await
        .unwrap();
    assert!(next[0].position > Position(0));
    journal.close().await;
    numbers
}

/// Cuts the power at random moments. Returns how many acknowledged commits were missing afterwards, over all cuts.
async fn lost_in(record: &[Deed], cuts: usize) -> usize {
    let mut dice = Dice(99);
    let mut moments: Vec<usize> = (0..cuts).map(|_| dice.roll(record.len() + 1)).collect();
    moments.sort_unstable();
    let (mut media, mut acknowledged, mut played, mut lost) =
        (Media::default(), HashSet::new(), 0, 0);
    for moment in moments {
        for deed in &record[played..moment] {
            media.play(deed);
            if let Deed::Acknowledged(number) = deed {
                acknowledged.insert(*number);
            }
        }
        played = moment;
        lost += acknowledged
            .difference(&survivors(&media, &mut dice).await)
            .count();
    }
    lost
}

#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time, each with a runtime of its own"
)]
async fn no_acknowledged_barrier_is_lost_in_a_power_cut() {
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let record = record(false).await;
    let syncs = record
        .iter()
        .filter(|deed| matches!(deed, Deed::Sync { .. }))
        .count();
    eprintln!("{} deeds, {syncs} syncs", record.len());
    assert_eq!(lost_in(&record, 150).await, 0);
}

#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time, each with a runtime of its own"
)]
async fn a_journal_that_does_not_sync_its_barriers_is_caught() {
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let lost = lost_in(&record(true).await, 60).await;
    eprintln!("{lost} acknowledged commits lost");
    assert!(lost > 0, "the power cut proves nothing");
}

#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time, each with a runtime of its own"
)]
async fn a_lazy_commit_is_safe_a_moment_later() {
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    vfs::register();
    let (_dir, path) = place();
    let faults = Faults {
        vfs: Some(vfs::NAME.into()),
        ..Faults::default()
    };
    let options = Options {
        flush_after: Duration::from_millis(50),
        checkpoint_after: Duration::from_secs(60),
        faults,
        ..Options::default()
    };
    let journal = SqliteJournal::open(&path, options).unwrap();
    journal
        .commit(vec![append("run/0", "1")], Durability::Barrier)
        .await
        .unwrap();
    journal
        .commit(vec![append("run/0", "2")], Durability::Lazy)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut media = Media::default();
    vfs::take_record().iter().for_each(|deed| media.play(deed));
    for seed in 0..8 {
        assert_eq!(
            survivors(&media, &mut Dice(seed)).await,
            HashSet::from([1, 2])
        );
    }
}
