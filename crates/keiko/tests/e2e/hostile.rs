//! What becomes of a run when somebody takes the ground away under it: its workspace, its journal, the files it reads.

use crate::keiko::*;
use keiko_testkit::models::Turn;
use std::time::{Duration, Instant};

fn fifo(at: &std::path::Path) {
    assert!(
        std::process::Command::new("mkfifo")
            .arg(at)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_workspace_removed_behind_a_run_ends_it_as_failed() {
    if !ready("a_workspace_removed_behind_a_run_ends_it_as_failed") {
        return;
    }
    let spaces = std::sync::Arc::new(std::sync::Mutex::new(None::<std::path::PathBuf>));
    let seen = spaces.clone();
    let server = deciding(move |request| {
        if request.turn() > 0
            && let Some(dir) = seen.lock().unwrap().as_ref()
        {
            let _ = std::fs::remove_dir_all(dir);
        }
        match request.turn() {
            0 => mend(),
            1 => execute("echo on > on.txt"),
            _ => finish("All is well."),
        }
    });
    let keiko = Keiko::chat(&server);
    *spaces.lock().unwrap() = Some(keiko.home().join("data/workspaces"));
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(1)
        .says("KEI-5163");
    let end = keiko.end(&keiko.newest());
    assert_eq!(end["status"], "failed", "{end}");
}

#[test]
fn everything_stops_when_the_journal_is_damaged() {
    if !ready("everything_stops_when_the_journal_is_damaged") {
        return;
    }
    let server = playing(vec![execute("sleep 300"), finish("Slept.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let live = keiko.begin(&repo, "Sleep", &[]);
    keiko.until("the command to begin", |keiko| {
        let runs = keiko.json(&["runs", "list"]);
        runs["runs"][0]["run"].as_str().is_some_and(|run| {
            keiko
                .run(&["runs", "events", run])
                .stdout
                .contains("sleep 300")
        })
    });
    // Both files of it: what is damaged in one may still stand in the other.
    for name in ["journal.db", "journal.db-wal"] {
        let path = keiko.home().join("data").join(name);
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xa5; 64 << 10], 0).unwrap();
    }
    let began = Instant::now();
    let killed = keiko.run(&["kill", "--all", "--reason", "wrong branch"]);
    assert!(
        killed.expect(0).to_string().contains("told directly"),
        "{killed}"
    );
    let done = live.wait();
    assert_ne!(done.code, 0, "{}", done.stderr);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_journal_that_is_gone_is_broken_for_the_doctor() {
    let server = playing(vec![Turn::text("Good morning.")]);
    let keiko = Keiko::chat(&server);
    keiko.ask("Greet me", &[]).expect(0);
    let data = keiko.home().join("data");
    assert!(data.join("journal.db.anchor").exists());
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    let doctor = keiko.run(&["doctor"]);
    assert_ne!(doctor.code, 0, "{}", doctor.stdout);
    assert!(doctor.to_string().contains("KEI-3023"), "{doctor}");
}

#[test]
fn pipes_and_keikos_own_folders_are_refused_at_once() {
    if !ready("pipes_and_keikos_own_folders_are_refused_at_once") {
        return;
    }
    let server = playing(vec![Turn::text("Good morning.")]);
    let keiko = Keiko::chat(&server);
    let pipe = keiko.root().join("goal.md");
    fifo(&pipe);
    let began = Instant::now();
    keiko
        .ask(&format!("@{}", pipe.display()), &[])
        .fails(2, "KEI-1201");
    assert!(began.elapsed() < Duration::from_secs(5));
    std::fs::create_dir_all(keiko.home().join("data/workspaces")).unwrap();
    for own in [
        keiko.home(),
        keiko.home().join("data"),
        keiko.home().join("data/workspaces"),
    ] {
        keiko
            .goal(&own, "Read the journal", &[])
            .expect(1)
            .says("KEI-5160");
    }
}
