//! Damage to the files: what is survived, and what is noticed.

use crate::fixture::{Dice, all, append, blob, bodies, open, place};
use keiko_contracts::journal::{Append, Durability};
use keiko_ports::journal::Journal;
use keiko_store::{Finding, SqliteJournal};
use std::path::{Path, PathBuf};

/// A journal of some commits, copied as it lies on the disk while it is still open, with its log.
async fn snapshot(dir: &Path, path: &Path, commits: usize) -> PathBuf {
    let journal = open(path);
    for n in 0..commits {
        let commit = Append {
            blobs: vec![blob(format!("{n}{}", "b".repeat(700)).as_bytes())],
            ..append("run/a", &format!("event {n:04}"))
        };
        journal
            .commit(vec![commit], Durability::Barrier)
            .await
            .unwrap();
    }
    let copy = dir.join("copy.db");
    for suffix in ["", "-wal"] {
        std::fs::copy(beside(path, suffix), beside(&copy, suffix)).unwrap();
    }
    journal.close().await;
    std::fs::copy(beside(path, ".anchor"), beside(&copy, ".anchor")).unwrap();
    copy
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

/// Changes a file where it first contains a text.
fn overwrite(path: &Path, text: &str, with: &str) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes
        .windows(text.len())
        .position(|w| w == text.as_bytes())
        .unwrap();
    bytes[at..at + with.len()].copy_from_slice(with.as_bytes());
    std::fs::write(path, bytes).unwrap();
}

/// What is found by one who opens the journal for that only, and lets go of it again.
async fn check(path: &Path) -> Vec<Finding> {
    let journal = open(path);
    let findings = journal.check().await;
    journal.close().await;
    findings
}

fn lost_tail(findings: &[Finding]) -> Option<(u64, u64)> {
    findings.iter().find_map(|finding| match finding {
        Finding::LostTail {
            expected, found, ..
        } => Some((expected.0, found.0)),
        _ => None,
    })
}

#[tokio::test]
async fn a_torn_log_opens_without_its_last_commits_and_tells() {
    for cut in [1, 500, 4096, 20_000, 60_000] {
        let (dir, path) = place();
        let copy = snapshot(dir.path(), &path, 60).await;
        let wal = std::fs::OpenOptions::new()
            .write(true)
            .open(beside(&copy, "-wal"))
            .unwrap();
        wal.set_len(wal.metadata().unwrap().len() - cut).unwrap();
        let journal = open(&copy);
        let left = all(&journal, "run/a").await.len();
        assert!(left < 60, "cut {cut}");
        assert!(
            cut > 1 || left == 59,
            "one torn commit takes no other with it: {left}"
        );
        assert_eq!(
            lost_tail(&journal.check().await),
            Some((60, left as u64)),
            "cut {cut}"
        );
        journal
            .commit(vec![append("run/a", "goes on")], Durability::Barrier)
            .await
            .unwrap();
        journal.close().await;
        // The proof survives what came later.
        let findings = check(&copy).await;
        assert!(
            findings
                .iter()
                .any(|f| matches!(f, Finding::LostTail { .. } | Finding::Rewritten { .. })),
            "{findings:?}"
        );
        assert_eq!(findings[0].fault().code, "KEI-3022");
    }
}

#[tokio::test]
async fn garbage_behind_the_log_loses_nothing() {
    let (dir, path) = place();
    let copy = snapshot(dir.path(), &path, 20).await;
    let wal = beside(&copy, "-wal");
    let mut bytes = std::fs::read(&wal).unwrap();
    bytes.extend(b"garbage".repeat(3000));
    std::fs::write(&wal, bytes).unwrap();
    let journal = open(&copy);
    assert_eq!(bodies(&journal, "run/a").await.len(), 20);
    assert_eq!(journal.check().await, []);
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_log_is_noticed() {
    let (dir, path) = place();
    let copy = snapshot(dir.path(), &path, 40).await;
    let sound: Vec<Vec<u8>> = ["", "-wal"]
        .iter()
        .map(|suffix| std::fs::read(beside(&copy, suffix)).unwrap())
        .collect();
    let anchor = std::fs::read(beside(&copy, ".anchor")).unwrap();
    let mut dice = Dice(7);
    let mut noticed = 0;
    for _ in 0..25 {
        let mut wal = sound[1].clone();
        let at = dice.roll(wal.len());
        wal[at] ^= 1 << dice.roll(8);
        for (suffix, bytes) in [("", &sound[0]), ("-wal", &wal), (".anchor", &anchor)] {
            std::fs::write(beside(&copy, suffix), bytes).unwrap();
        }
        let _ = std::fs::remove_file(beside(&copy, ".anchor.lost"));
        let Ok(journal) = SqliteJournal::open(&copy, keiko_store::Options::default()) else {
            continue;
        };
        let intact = all(&journal, "run/a").await.len() == 40;
        let findings = journal.check().await;
        assert_eq!(findings.is_empty(), intact, "byte {at}: {findings:?}");
        noticed += usize::from(!intact);
        journal.close().await;
    }
    assert!(noticed > 5, "too few flips did harm: {noticed}");
}

#[tokio::test]
async fn a_changed_event_a_changed_blob_and_a_missing_event_are_noticed() {
    let (_dir, path) = place();
    let journal = open(&path);
    for n in 0..30 {
        let commit = Append {
            blobs: vec![blob(format!("blob {n}").as_bytes())],
            ..append("run/a", &format!("event {n:04}"))
        };
        journal
            .commit(vec![commit], Durability::Lazy)
            .await
            .unwrap();
    }
    journal.close().await;
    let sound = std::fs::read(&path).unwrap();

    overwrite(&path, "event 0011", "event 0911");
    let findings = check(&path).await;
    assert!(
        matches!(&findings[..], [Finding::Chain { fault, .. }] if fault.to_string().contains("event 12 ")),
        "{findings:?}"
    );

    std::fs::write(&path, &sound).unwrap();
    overwrite(&path, "blob 17", "BLOB 17");
    assert!(matches!(check(&path).await[..], [Finding::Blob { .. }]));

    for (sql, what) in [
        ("DELETE FROM events WHERE seq = 9", "Gap"),
        ("DELETE FROM events WHERE seq = 30", "Head"),
    ] {
        std::fs::write(&path, &sound).unwrap();
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let findings = check(&path).await;
        assert!(format!("{findings:?}").contains(what), "{findings:?}");
    }
}

#[tokio::test]
async fn a_file_of_scrambled_pages_never_panics() {
    let (_dir, path) = place();
    let journal = open(&path);
    for n in 0..200 {
        journal
            .commit(
                vec![append("run/a", &format!("{n} {}", "x".repeat(300)))],
                Durability::Lazy,
            )
            .await
            .unwrap();
    }
    journal.close().await;
    let sound = std::fs::read(&path).unwrap();
    let mut dice = Dice(3);
    for round in 0..20 {
        let mut bytes = sound.clone();
        let pages = bytes.len() / 4096;
        for _ in 0..3 {
            let at = 4096 * (1 + dice.roll(pages - 1));
            bytes[at..at + 4096]
                .iter_mut()
                .for_each(|b| *b = b.wrapping_mul(31).wrapping_add(round));
        }
        std::fs::write(&path, bytes).unwrap();
        let Ok(journal) = SqliteJournal::open(&path, keiko_store::Options::default()) else {
            continue;
        };
        assert_ne!(journal.check().await, []);
        let _ = journal
            .commit(vec![append("run/a", "x")], Durability::Barrier)
            .await;
        journal.close().await;
    }
}

#[tokio::test]
async fn an_older_copy_put_back_is_noticed() {
    let (_dir, path) = place();
    let journal = open(&path);
    journal
        .commit(vec![append("run/a", "old")], Durability::Barrier)
        .await
        .unwrap();
    journal.close().await;
    let old = std::fs::read(&path).unwrap();
    let journal = open(&path);
    for _ in 0..3 {
        journal
            .commit(vec![append("run/a", "new")], Durability::Barrier)
            .await
            .unwrap();
    }
    journal.close().await;
    assert_eq!(check(&path).await, []);
    std::fs::write(&path, old).unwrap();
    assert_eq!(lost_tail(&check(&path).await), Some((4, 1)));
}
