//! Reading in pages, and following.

use crate::fixture::{all, append, open, place};
use futures_util::{StreamExt, TryStreamExt};
use keiko_contracts::journal::{Append, Durability, Position, Recorded, Seq, StreamId, ViewOp};
use keiko_governance::chain::ChainCheck;
use keiko_ports::journal::Journal;
use keiko_store::SqliteJournal;
use std::path::Path;
use std::time::{Duration, Instant};

async fn fill(journal: &SqliteJournal, stream: &str, events: usize) {
    let mut left = events;
    while left > 0 {
        let now = left.min(1000);
        let one = append(stream, &"x".repeat(300));
        let many = Append {
            events: vec![one.events[0].clone(); now],
            ..one
        };
        journal.commit(vec![many], Durability::Lazy).await.unwrap();
        left -= now;
    }
}

fn wal_bytes(path: &Path) -> u64 {
    std::fs::metadata(format!("{}-wal", path.display())).map_or(0, |m| m.len())
}

#[tokio::test]
async fn pages_join_without_a_seam_from_any_place() {
    let (_dir, path) = place();
    let journal = open(&path);
    fill(&journal, "run/a", 1300).await;
    let everything = all(&journal, "run/a").await;
    assert_eq!(everything.len(), 1300);
    let mut chain = ChainCheck::default();
    everything
        .iter()
        .for_each(|event| chain.next(event).unwrap());
    for after in [1usize, 511, 512, 513, 1024, 1299, 1300, 5000] {
        let read: Vec<Recorded> = journal
            .read(&StreamId("run/a".into()), Seq(after as u64))
            .try_collect()
            .await
            .unwrap();
        assert_eq!(read, everything[after.min(1300)..], "after {after}");
    }
    assert!(all(&journal, "run/none").await.is_empty());
}

#[tokio::test]
async fn a_half_read_stream_does_not_hold_up_the_log() {
    let (_dir, path) = place();
    let journal = open(&path);
    fill(&journal, "run/a", 2000).await;
    let mut read = journal.read(&StreamId("run/a".into()), Seq(0));
    read.next().await.unwrap().unwrap();
    for n in 0..200u8 {
        let put = ViewOp::Put {
            view: "pages",
            key: "one".into(),
            sort: 0,
            group: String::new(),
            body: vec![n; 200_000],
        };
        journal
            .commit(
                vec![Append {
                    views: vec![put],
                    ..append("run/b", "x")
                }],
                Durability::Lazy,
            )
            .await
            .unwrap();
    }
    assert!(wal_bytes(&path) < 24 << 20, "{}", wal_bytes(&path));
    assert_eq!(read.count().await, 1999);
}

#[tokio::test]
async fn folding_is_fast() {
    let (_dir, path) = place();
    let journal = open(&path);
    let events = 10_000;
    fill(&journal, "run/a", events).await;
    let start = Instant::now();
    let count = journal
        .read(&StreamId("run/a".into()), Seq(0))
        .count()
        .await;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    eprintln!("{rate:.0} events/s read, unoptimised");
    assert_eq!(count, events);
    assert!(rate > 10_000.0, "{rate}");
}

/// The events of a tail up to a number of them.
async fn take(journal: &SqliteJournal, prefix: &str, after: u64, count: usize) -> Vec<Recorded> {
    let events = journal
        .tail(prefix, Position(after))
        .take(count)
        .try_collect();
    tokio::time::timeout(Duration::from_secs(20), events)
        .await
        .expect("the tail stalled")
        .unwrap()
}

#[tokio::test]
async fn a_tail_shows_old_and_new_events_of_its_streams_in_order() {
    let (_dir, path) = place();
    let journal = open(&path);
    let both = |n: usize| {
        vec![
            append("run/a", &n.to_string()),
            append("run/b", &n.to_string()),
            append("inbox/a", "no"),
        ]
    };
    for n in 0..300 {
        journal.commit(both(n), Durability::Lazy).await.unwrap();
    }
    let (seen, ()) = tokio::join!(take(&journal, "run/", 0, 1200), async {
        for n in 300..600 {
            journal.commit(both(n), Durability::Lazy).await.unwrap();
        }
    });
    assert!(seen.is_sorted_by(|a, b| a.position < b.position));
    for stream in ["run/a", "run/b"] {
        let mut chain = ChainCheck::default();
        seen.iter()
            .filter(|e| &*e.stream.0 == stream)
            .for_each(|event| chain.next(event).unwrap());
        assert_eq!(chain.head().0, Seq(600));
    }
    let middle = seen[700].position.0;
    assert_eq!(take(&journal, "run/", middle, 499).await, seen[701..]);
}

#[tokio::test]
async fn a_tail_finds_one_small_stream_in_a_large_journal() {
    let (_dir, path) = place();
    let journal = open(&path);
    fill(&journal, "run/small", 3).await;
    fill(&journal, "run/large", 17_000).await;
    fill(&journal, "run/small", 3).await;
    let seen = take(&journal, "run/small", 0, 6).await;
    assert_eq!(
        seen.iter().map(|e| e.seq.0).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6]
    );
    assert_eq!(
        take(&journal, "run/small", seen[2].position.0, 3).await,
        seen[3..]
    );
    assert_eq!(
        take(&journal, "run/", 17_000, 6)
            .await
            .last()
            .map(|e| e.position.0),
        Some(17_006)
    );
}

#[tokio::test]
async fn tails_end_when_the_journal_is_closed() {
    let (_dir, path) = place();
    let journal = open(&path);
    let mut tail = journal.tail("", Position(0));
    journal
        .commit(vec![append("run/a", "x")], Durability::Lazy)
        .await
        .unwrap();
    tail.next().await.unwrap().unwrap();
    let (rest, ()) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(10), tail.count()),
        async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            journal.close().await;
        }
    );
    assert_eq!(rest, Ok(0));
}
