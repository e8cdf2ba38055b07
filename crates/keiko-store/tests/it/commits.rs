//! Commits: conditions, leases, kills, blobs, views.

use crate::fixture::{all, append, append_at, blob, bodies, event, open, place, run, worker};
use futures_util::future::join_all;
use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{
    Append, Durability, Epoch, Fence, Head, KillScope, NewBlob, NewEvent, Seq, StreamId, ViewOp,
};
use keiko_governance::chain::ChainCheck;
use keiko_ports::journal::{CommitError, Journal, LeaseError, ReadError, ViewQuery};
use std::time::Duration;

#[tokio::test]
async fn what_was_committed_is_read_back_with_its_chain() {
    let (_dir, path) = place();
    let journal = open(&path);
    let head = Head {
        subject: Some("s".into()),
        labels: vec!["web".into()],
        cause: Some("c".into()),
        demo: true,
    };
    let mut first = append_at("run/a", 0, "one");
    first.events.push(NewEvent {
        kind: "ended",
        version: 7,
        head,
        ..event("two")
    });
    let both = vec![
        first,
        append_at("run/a", 2, "three"),
        append("inbox/a", "hello"),
    ];
    let committed = journal.commit(both, Durability::Barrier).await.unwrap();
    assert_eq!(
        committed
            .iter()
            .map(|e| (e.position.0, e.seq.0))
            .collect::<Vec<_>>(),
        [(1, 1), (2, 2), (3, 3), (4, 1)]
    );
    let read = all(&journal, "run/a").await;
    assert_eq!(read, committed[..3]);
    let mut chain = ChainCheck::default();
    read.iter().for_each(|event| chain.next(event).unwrap());
    journal.close().await;
    let journal = open(&path);
    assert_eq!(all(&journal, "run/a").await, read);
    assert_eq!(journal.check().await, []);
}

#[tokio::test]
async fn a_conflict_fails_alone_and_writes_nothing() {
    let (_dir, path) = place();
    let journal = open(&path);
    // Handed over together, so that they meet in few groups.
    let attempts = join_all((0..64).map(|n| {
        let mut clash = append_at("run/a", 0, &format!("clash {n}"));
        clash.blobs.push(blob(format!("blob {n}").as_bytes()));
        let free = append(&format!("run/own-{n}"), "mine");
        let journal = &journal;
        async move {
            tokio::join!(
                journal.commit(vec![free.clone(), clash], Durability::Barrier),
                journal.commit(vec![free], Durability::Lazy)
            )
        }
    }))
    .await;
    let winners = attempts.iter().filter(|(clash, _)| clash.is_ok()).count();
    assert_eq!(winners, 1);
    assert!(
        attempts.iter().all(|(_, free)| free.is_ok()),
        "those who did not clash were committed"
    );
    for (n, (clash, _)) in attempts.iter().enumerate() {
        let won = clash.is_ok();
        if let Err(why) = clash {
            assert!(
                matches!(
                    why,
                    CommitError::Conflict {
                        expected: Seq(0),
                        actual: Seq(1),
                        ..
                    }
                ),
                "{why}"
            );
        }
        assert_eq!(
            bodies(&journal, &format!("run/own-{n}")).await.len(),
            if won { 2 } else { 1 }
        );
        let digest = Digest::of(format!("blob {n}").as_bytes());
        assert_eq!(
            journal.blob(&digest).await.is_ok(),
            won,
            "the blobs of a loser are not kept"
        );
    }
    let stats = journal.stats();
    assert!(
        stats.groups < stats.requests,
        "requests share groups: {stats:?}"
    );
    assert_eq!(journal.check().await, []);
}

#[tokio::test]
async fn expectations_within_one_commit_build_on_each_other() {
    let (_dir, path) = place();
    let journal = open(&path);
    let wrong = vec![append_at("run/a", 0, "one"), append_at("run/a", 0, "again")];
    let refused = journal.commit(wrong, Durability::Lazy).await.unwrap_err();
    assert!(
        matches!(refused, CommitError::Conflict { actual: Seq(1), .. }),
        "{refused}"
    );
    assert!(bodies(&journal, "run/a").await.is_empty());
    journal
        .commit(
            vec![append_at("run/a", 0, "one"), append_at("run/a", 1, "two")],
            Durability::Lazy,
        )
        .await
        .unwrap();
    assert_eq!(bodies(&journal, "run/a").await, ["one", "two"]);
}

fn fenced(fence: Fence, body: &str) -> Append {
    Append {
        fence: Some(fence),
        ..append("run/a", body)
    }
}

#[tokio::test]
async fn a_lease_fences_out_the_one_before() {
    let (_dir, path) = place();
    let (mine, theirs) = (open(&path), open(&path));
    let stream = StreamId("run/a".into());
    assert!(matches!(
        mine.commit(vec![fenced(Fence(1), "x")], Durability::Lazy)
            .await,
        Err(CommitError::Fenced { .. })
    ));
    let first = mine
        .lease(&stream, worker(1), Duration::from_millis(1500))
        .await
        .unwrap();
    assert_eq!(
        mine.lease(&stream, worker(1), Duration::from_millis(1500))
            .await
            .unwrap(),
        first,
        "renewing keeps the fence"
    );
    let held = theirs
        .lease(&stream, worker(2), Duration::from_secs(60))
        .await
        .unwrap_err();
    assert!(
        matches!(held, LeaseError::Held { holder, for_ms } if holder == worker(1) && for_ms <= 1500),
        "{held}"
    );
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(theirs.holder(&stream).await.unwrap(), None);
    mine.commit(
        vec![fenced(first, "late, but not taken over")],
        Durability::Lazy,
    )
    .await
    .unwrap();
    let second = theirs
        .lease(&stream, worker(2), Duration::from_secs(60))
        .await
        .unwrap();
    assert!(second > first);
    assert_eq!(
        mine.holder(&stream).await.unwrap().map(|(who, _)| who),
        Some(worker(2))
    );
    let refused = mine
        .commit(vec![fenced(first, "too late")], Durability::Lazy)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        CommitError::Fenced {
            stream: stream.clone()
        }
    );
    theirs
        .commit(vec![fenced(second, "mine now")], Durability::Lazy)
        .await
        .unwrap();
    mine.release(&stream, first).await.unwrap();
    theirs
        .commit(
            vec![fenced(second, "an old holder cannot give it back")],
            Durability::Lazy,
        )
        .await
        .unwrap();
    theirs.release(&stream, second).await.unwrap();
    assert!(
        theirs
            .commit(vec![fenced(second, "given back")], Durability::Lazy)
            .await
            .is_err()
    );
    assert!(
        mine.lease(&stream, worker(1), Duration::from_secs(1))
            .await
            .unwrap()
            > second
    );
}

#[tokio::test]
async fn a_kill_stops_commits_under_an_older_epoch() {
    let (_dir, path) = place();
    let journal = open(&path);
    let (a, b) = (StreamId::run(run(1)), StreamId::run(run(2)));
    let under = |stream: &StreamId, epoch| Append {
        epoch: Some(epoch),
        ..append(&stream.0, "x")
    };
    assert_eq!(journal.epoch(&a).await.unwrap(), (Epoch(0), String::new()));
    let one = journal
        .kill(KillScope::Run(run(1)), "looped", "ada")
        .await
        .unwrap();
    let refused = journal
        .commit(vec![under(&a, Epoch(0))], Durability::Barrier)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        CommitError::Killed {
            epoch: one,
            reason: "looped".into()
        }
    );
    journal
        .commit(vec![under(&b, Epoch(0))], Durability::Barrier)
        .await
        .expect("the kill was of another run");
    journal
        .commit(vec![under(&a, one)], Durability::Barrier)
        .await
        .expect("the kill was seen");
    let two = journal.kill(KillScope::All, "fire", "bob").await.unwrap();
    assert!(two > one);
    for stream in [&a, &b] {
        assert!(matches!(
            journal
                .commit(vec![under(stream, one)], Durability::Lazy)
                .await,
            Err(CommitError::Killed { .. })
        ));
        assert_eq!(journal.epoch(stream).await.unwrap(), (two, "fire".into()));
    }
    let told = all(&journal, "kill").await;
    assert_eq!(told.len(), 2);
    let body: serde_json::Value = serde_json::from_slice(&told[0].payload).unwrap();
    assert_eq!(
        (
            body["by"].as_str(),
            body["reason"].as_str(),
            body["epoch"].as_u64()
        ),
        (Some("ada"), Some("looped"), Some(one.0))
    );
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_anything_is_written() {
    let (_dir, path) = place();
    let journal = open(&path);
    let big_event = append("run/a", &"x".repeat(NewEvent::MAX_BYTES + 1));
    let mut big_blob = append("run/a", "x");
    let zeros = |len| NewBlob {
        digest: Digest::default(),
        bytes: vec![0; len],
    };
    big_blob.blobs.push(zeros(NewBlob::MAX_BYTES + 1));
    let mut big_commit = append("run/a", "x");
    big_commit.blobs = (0..5).map(|_| zeros(NewBlob::MAX_BYTES)).collect();
    let long_name = append(&"r".repeat(121), "x");
    for too_large in [big_event, big_blob, big_commit, long_name] {
        let refused = journal
            .commit(vec![append("run/a", "fine"), too_large], Durability::Lazy)
            .await
            .unwrap_err();
        assert!(matches!(refused, CommitError::TooLarge { .. }), "{refused}");
    }
    assert!(bodies(&journal, "run/a").await.is_empty());
    journal
        .commit(
            vec![append("run/a", &"x".repeat(NewEvent::MAX_BYTES))],
            Durability::Lazy,
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_blob_is_kept_once_and_must_be_what_it_says() {
    let (_dir, path) = place();
    let journal = open(&path);
    let bytes = vec![7u8; 300_000];
    for n in 0..5 {
        let commit = Append {
            blobs: vec![blob(&bytes)],
            ..append("run/a", &n.to_string())
        };
        journal
            .commit(vec![commit], Durability::Lazy)
            .await
            .unwrap();
    }
    assert_eq!(journal.blob(&Digest::of(&bytes)).await.unwrap(), bytes);
    let missing = Digest::of(b"nothing");
    assert_eq!(
        journal.blob(&missing).await,
        Err(ReadError::MissingBlob(missing))
    );
    for len in [10, 300_000] {
        let lie = NewBlob {
            digest: missing,
            bytes: vec![1; len],
        };
        let commit = Append {
            blobs: vec![lie],
            ..append("run/a", "lie")
        };
        assert!(
            journal
                .commit(vec![commit], Durability::Lazy)
                .await
                .is_err()
        );
    }
    journal.close().await;
    assert!(std::fs::metadata(&path).unwrap().len() < 500_000);
}

#[tokio::test]
async fn views_follow_their_events_and_are_listed_in_order() {
    let (_dir, path) = place();
    let journal = open(&path);
    let put = |key: &str, sort: i64, group: &str| ViewOp::Put {
        view: "runs",
        key: key.into(),
        sort,
        group: group.into(),
        body: key.as_bytes().to_vec(),
    };
    let with = |views| Append {
        views,
        ..append("run/a", "x")
    };
    let rows = vec![
        put("a1", 3, "open"),
        put("a2", 1, "open"),
        put("b1", 2, "done"),
        put("b2", 9, "open"),
    ];
    journal
        .commit(vec![with(rows)], Durability::Lazy)
        .await
        .unwrap();
    let change = vec![
        put("a1", 5, "done"),
        ViewOp::Delete {
            view: "runs",
            key: "b2".into(),
        },
    ];
    journal
        .commit(vec![with(change)], Durability::Lazy)
        .await
        .unwrap();
    let list = async |query| {
        journal
            .view_list("runs", query)
            .await
            .unwrap()
            .into_iter()
            .map(|row| row.key)
            .collect::<Vec<_>>()
    };
    assert_eq!(list(ViewQuery::default()).await, ["a2", "b1", "a1"]);
    assert_eq!(
        list(ViewQuery {
            newest_first: true,
            limit: 2,
            ..ViewQuery::default()
        })
        .await,
        ["a1", "b1"]
    );
    assert_eq!(
        list(ViewQuery {
            group: Some("done".into()),
            ..ViewQuery::default()
        })
        .await,
        ["b1", "a1"]
    );
    assert_eq!(
        list(ViewQuery {
            key_prefix: Some("a".into()),
            ..ViewQuery::default()
        })
        .await,
        ["a2", "a1"]
    );
    assert!(
        journal
            .view_list("other", ViewQuery::default())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        journal
            .view_get("runs", "a1")
            .await
            .unwrap()
            .map(|row| (row.sort, row.group)),
        Some((5, "done".into()))
    );
    assert_eq!(journal.view_get("runs", "b2").await.unwrap(), None);
    let refused = Append {
        views: vec![put("c", 1, "x")],
        ..append_at("run/a", 99, "x")
    };
    journal
        .commit(vec![refused], Durability::Lazy)
        .await
        .unwrap_err();
    assert_eq!(journal.view_get("runs", "c").await.unwrap(), None);
}

#[tokio::test]
async fn a_closed_journal_says_so() {
    let (_dir, path) = place();
    let journal = open(&path);
    journal
        .commit(vec![append("run/a", "x")], Durability::Lazy)
        .await
        .unwrap();
    journal.close().await;
    assert_eq!(
        journal
            .commit(vec![append("run/a", "y")], Durability::Lazy)
            .await,
        Err(CommitError::Closed)
    );
    assert!(journal.epoch(&StreamId::kills()).await.is_err());
    journal.close().await;
}

#[tokio::test]
async fn a_run_of_ten_steps_is_small() {
    let (_dir, path) = place();
    let journal = open(&path);
    let size = || std::fs::metadata(&path).unwrap().len();
    journal.close().await;
    let empty = size();
    let journal = open(&path);
    let runs = 20;
    for n in 0..runs {
        for step in 0..50 {
            let mut commit = append(&format!("run/{n:016}"), &"x".repeat(200));
            if step % 10 == 0 {
                commit
                    .blobs
                    .push(blob(format!("{n} {step} {}", "y".repeat(800)).as_bytes()));
            }
            commit.views.push(ViewOp::Put {
                view: "runs",
                key: format!("{n:016}"),
                sort: step,
                group: "open".into(),
                body: vec![b'z'; 100],
            });
            journal
                .commit(vec![commit], Durability::Lazy)
                .await
                .unwrap();
        }
    }
    journal.close().await;
    let each = (size() - empty) / runs;
    let bare = 50 * 200 + 5 * 800 + 100;
    eprintln!("a run of 50 events with {bare} bytes of content takes {each} bytes");
    assert!(each < bare + 50 * 90 + 5 * 250 + 1000, "{each}");
}
