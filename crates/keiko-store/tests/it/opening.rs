//! Opening: what is made, what is refused, who may read it.

use crate::fixture::{append, bodies, open, place};
use keiko_contracts::journal::Durability;
use keiko_ports::journal::Journal;
use keiko_store::{OpenError, Options, SqliteJournal};
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn refusal(path: &Path) -> OpenError {
    let options = Options {
        busy_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    SqliteJournal::open(path, options)
        .err()
        .expect("it was opened")
}

#[tokio::test]
async fn only_its_owner_may_read_it() {
    let (_dir, path) = place();
    let journal = open(&path);
    journal
        .commit(vec![append("run/a", "secret")], Durability::Barrier)
        .await
        .unwrap();
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        assert_eq!(mode(Path::new(&name)), 0o600, "{suffix}");
    }
    journal.close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let _journal = open(&path);
    assert_eq!(mode(&path), 0o600, "a wider mode is taken back");
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let (_dir, path) = place();
    let journal = open(&path);
    journal
        .commit(vec![append("run/a", "x")], Durability::Barrier)
        .await
        .unwrap();
    journal.close().await;
    drop(journal);
    let conn = Connection::open(&path).unwrap();
    let version: i64 = conn
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    conn.pragma_update(None, "user_version", version + 1)
        .unwrap();
    conn.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = refusal(&path);
    assert_eq!(
        error,
        OpenError::NewerVersion {
            path: path.clone(),
            found: version + 1,
            known: version
        }
    );
    assert_eq!(error.fault().code, "KEI-3010");
    assert!(error.fault().hint.unwrap().contains("update"));
    assert!(std::fs::read(&path).unwrap() == before);
}

#[test]
fn what_is_not_a_journal_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE theirs(x)")
        .unwrap();
    let long = dir.path().join("long.db");
    std::fs::write(&long, "This is a letter, not a journal. ".repeat(500)).unwrap();
    let short = dir.path().join("short.db");
    std::fs::write(&short, "hello").unwrap();
    for path in [foreign, long, short] {
        let before = std::fs::read(&path).unwrap();
        assert_eq!(
            refusal(&path),
            OpenError::NotADatabase { path: path.clone() }
        );
        assert!(
            std::fs::read(&path).unwrap() == before,
            "{}",
            path.display()
        );
    }
    let directory = dir.path().join("directory.db");
    std::fs::create_dir(&directory).unwrap();
    assert!(matches!(
        refusal(&directory),
        OpenError::Permission { .. } | OpenError::Io { .. }
    ));
    let below_a_file = dir.path().join("short.db").join("journal.db");
    assert!(matches!(refusal(&below_a_file), OpenError::Io { .. }));
}

#[test]
fn a_locked_file_is_told_from_a_broken_one() {
    let (_dir, path) = place();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = refusal(&path);
    assert_eq!(error, OpenError::Locked { path: path.clone() });
    assert!(!error.fault().retry.is_permanent());
    holder.execute_batch("ROLLBACK").unwrap();
    assert!(SqliteJournal::open(&path, Options::default()).is_ok());
}

#[tokio::test]
async fn many_may_create_it_at_once() {
    // One round rarely meets the moment in which another has just made the tables.
    for _ in 0..40 {
        let (_dir, path) = place();
        let start = Arc::new(std::sync::Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (path, start) = (path.clone(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    open(&path)
                })
            })
            .collect();
        let journals: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        for journal in &journals {
            journal
                .commit(vec![append("run/a", "x")], Durability::Lazy)
                .await
                .unwrap();
        }
        assert_eq!(bodies(&journals[0], "run/a").await.len(), 8);
    }
}

#[tokio::test]
async fn dropping_it_finishes_and_lets_go() {
    let (_dir, path) = place();
    let journal = open(&path);
    journal
        .commit(vec![append("run/a", "x")], Durability::Lazy)
        .await
        .unwrap();
    drop(journal);
    let wal = format!("{}-wal", path.display());
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    while Path::new(&wal).exists() {
        assert!(
            std::time::Instant::now() < patience,
            "the thread still has the file"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(bodies(&open(&path), "run/a").await, ["x"]);
}
