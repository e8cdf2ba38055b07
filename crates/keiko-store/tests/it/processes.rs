//! Several processes on one journal: this test binary, started again.

use crate::fixture::{all, append, append_at, open, place};
use futures_util::StreamExt;
use keiko_contracts::journal::{Append, Durability, Position, Recorded};
use keiko_governance::chain::ChainCheck;
use keiko_ports::journal::{CommitError, Journal};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TASK: &str = "KEIKO_STORE_TEST_TASK";
const FILE: &str = "KEIKO_STORE_TEST_FILE";
const NAME: &str = "KEIKO_STORE_TEST_NAME";

fn start(task: &str, file: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child", "--nocapture"])
        .envs([(TASK, task), (NAME, name)])
        .env(FILE, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(task), Ok(file), Ok(name)) = (
        std::env::var(TASK),
        std::env::var(FILE),
        std::env::var(NAME),
    ) else {
        return;
    };
    let file = Path::new(&file);
    match task.as_str() {
        "share" => share(file, &name).await,
        "flood" => flood(file, &name).await,
        "lock" => lock(file),
        other => panic!("{other}"),
    }
}

/// Events that each of the sharing processes writes: so many alone, so many in competition.
const EACH: usize = 60;

/// Appends to a stream of its own, and wins events of a stream that all want.
async fn share(file: &Path, name: &str) {
    let journal = open(file);
    let mut length = 0;
    for n in 0..EACH {
        let durability = if n % 3 == 0 {
            Durability::Barrier
        } else {
            Durability::Lazy
        };
        journal
            .commit(
                vec![append_at(&format!("run/{name}"), n as u64, name)],
                durability,
            )
            .await
            .unwrap();
        loop {
            match journal
                .commit(vec![append_at("run/common", length, name)], durability)
                .await
            {
                Ok(_) => break length += 1,
                Err(CommitError::Conflict { actual, .. }) => length = actual.0,
                Err(other) => panic!("{other}"),
            }
        }
    }
    journal.close().await;
}

#[tokio::test]
async fn eight_processes_share_a_journal() {
    let (_dir, path) = place();
    let journal = open(&path);
    let mut children: Vec<Child> = (0..8)
        .map(|n| start("share", &path, &n.to_string()))
        .collect();
    // Followed from here while they write.
    let followed = journal
        .tail("run/", Position(0))
        .take(2 * 8 * EACH)
        .map(|event| event.unwrap())
        .collect::<Vec<Recorded>>();
    let followed = tokio::time::timeout(Duration::from_secs(120), followed)
        .await
        .expect("the tail stalled");
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert!(followed.is_sorted_by(|a, b| a.position < b.position));
    let mut chains: HashMap<_, ChainCheck> = HashMap::new();
    followed.iter().for_each(|event| {
        chains
            .entry(event.stream.clone())
            .or_default()
            .next(event)
            .unwrap()
    });
    assert_eq!(chains.len(), 9);
    let common = all(&journal, "run/common").await;
    for n in 0..8 {
        let name = n.to_string();
        assert_eq!(
            common
                .iter()
                .filter(|e| e.payload == name.as_bytes())
                .count(),
            EACH,
            "every win counts once"
        );
        assert_eq!(all(&journal, &format!("run/{name}")).await.len(), EACH);
    }
    assert_eq!(journal.check().await, []);
}

/// Appends for ever from twenty tasks at once, and says which appends were acknowledged.
async fn flood(file: &Path, name: &str) {
    let journal = std::sync::Arc::new(open(file));
    let tasks = (0..20usize).map(|task| {
        let (journal, name) = (std::sync::Arc::clone(&journal), name.to_owned());
        tokio::spawn(async move {
            for n in 0u64.. {
                let stream = format!("run/{name}-{task}");
                let durability = if n % 2 == 0 {
                    Durability::Barrier
                } else {
                    Durability::Lazy
                };
                let body = format!("{n} {}", "x".repeat(task * 40));
                journal
                    .commit(vec![append_at(&stream, n, &body)], durability)
                    .await
                    .unwrap();
                println!("acked {stream} {n}");
            }
        })
    });
    futures_util::future::join_all(tasks).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let (_dir, path) = place();
    let mut acknowledged: HashSet<(String, u64)> = HashSet::new();
    for round in 0..10u64 {
        let mut child = start("flood", &path, &round.to_string());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader =
            std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<String>>());
        std::thread::sleep(Duration::from_millis(120 + 37 * round));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(
            ended.signal(),
            Some(9),
            "round {round}: it had ended by itself: {ended}"
        );
        for line in reader.join().unwrap() {
            // The last line may be cut; the name of the test may stand before the first.
            let words: Vec<&str> = line.split(' ').collect();
            if let Some(["acked", stream, n]) = words
                .iter()
                .position(|w| *w == "acked")
                .and_then(|at| words.get(at..at + 3))
                && let Ok(n) = n.parse()
            {
                acknowledged.insert(((*stream).to_owned(), n));
            }
        }
        let journal = open(&path);
        assert_eq!(journal.check().await, [], "round {round}");
        let there: HashSet<(String, u64)> = journal_events(&journal)
            .await
            .into_iter()
            .map(|e| (e.stream.to_string(), e.seq.0 - 1))
            .collect();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
        journal.close().await;
    }
    eprintln!("{} acknowledged events, none lost", acknowledged.len());
    assert!(
        acknowledged.len() > 100,
        "too few to tell: {}",
        acknowledged.len()
    );
}

async fn journal_events(journal: &keiko_store::SqliteJournal) -> Vec<Recorded> {
    let last = journal
        .commit(vec![append("kill", "end")], Durability::Lazy)
        .await
        .unwrap()[0]
        .position;
    journal
        .tail("", Position(0))
        .map(|e| e.unwrap())
        .take_while(|e| std::future::ready(e.position < last))
        .collect()
        .await
}

/// Holds the write lock until its input ends.
fn lock(file: &Path) {
    let conn = Connection::open(file).unwrap();
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    println!("\nlocked");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    conn.execute_batch("COMMIT").unwrap();
}

#[tokio::test]
async fn a_lock_held_by_another_process_is_waited_for_and_then_told() {
    let (_dir, path) = place();
    let short = keiko_store::Options {
        busy_timeout: Duration::from_millis(100),
        ..Default::default()
    };
    let impatient = keiko_store::SqliteJournal::open(&path, short).unwrap();
    let patient = open(&path);
    let mut child = start("lock", &path, "");
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line == "locked"));
    let begin = Instant::now();
    let one = |body: &str| -> Vec<Append> { vec![append("run/a", body)] };
    assert_eq!(
        impatient.commit(one("no"), Durability::Barrier).await,
        Err(CommitError::Busy)
    );
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
    let (waited, ()) = tokio::join!(patient.commit(one("waited"), Durability::Barrier), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(child.stdin.take());
    });
    waited.unwrap();
    impatient
        .commit(one("later"), Durability::Barrier)
        .await
        .unwrap();
    child.wait().unwrap();
    assert_eq!(
        crate::fixture::bodies(&patient, "run/a").await,
        ["waited", "later"]
    );
}
