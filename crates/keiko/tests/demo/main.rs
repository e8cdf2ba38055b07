//! The demonstrations, with the real binary, sandbox and git.

#![expect(clippy::unwrap_used, reason = "tests may panic, their helpers too")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn has(program: &str) -> bool {
    let ran = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ran.is_ok_and(|status| status.success())
}

fn is_skipped(test: &str) -> bool {
    let missing: Vec<&str> = ["bwrap", "git", "python3"]
        .into_iter()
        .filter(|program| !has(program))
        .collect();
    if !missing.is_empty() {
        eprintln!(
            "SKIPPED: {test}: {} missing: apt-get install bubblewrap git python3",
            missing.join(" and ")
        );
    }
    !missing.is_empty()
}

fn keiko(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keiko"));
    command
        .args(args)
        .env("KEIKO_HOME", home)
        .env("KEIKO_OPERATOR", "maria")
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn remote(home: &Path) -> PathBuf {
    let demo = std::fs::read_dir(home.join("data/demo"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    demo.path().join("dates.git")
}

fn branches(home: &Path) -> String {
    text(
        &Command::new("git")
            .arg("-C")
            .arg(remote(home))
            .args(["branch", "--list"])
            .output()
            .unwrap()
            .stdout,
    )
}

#[test]
fn the_tour_errs_gets_it_right_and_pushes() {
    if is_skipped("the_tour_errs_gets_it_right_and_pushes") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let done = keiko(home.path(), &["demo", "code", "--yes"]);
    let (said, data) = (text(&done.stderr), text(&done.stdout));
    assert_eq!(done.status.code(), Some(0), "{said}");
    for part in [
        "Demo",
        "1 failed",
        "8 passed, 0 failed",
        "(demo --yes)",
        "runs verify",
        "red to green",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    assert!(data.contains("+def is_leap(year):"), "{data}");
    assert!(branches(home.path()).contains("fix/leap-years"));
    let events = text(&keiko(home.path(), &["--json", "runs", "events", "last"]).stdout);
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        events.len() > 40 && events.iter().all(|event| event["demo"] == true),
        "every event is marked"
    );
    let failing = events
        .iter()
        .filter(|event| {
            event
                .to_string()
                .contains("test_centuries_are_no_leap_years")
        })
        .count();
    assert!(failing > 1, "the first fix was wrong");
}

#[test]
fn the_tour_waits_for_a_person_and_goes_on() {
    if is_skipped("the_tour_waits_for_a_person_and_goes_on") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let waits = keiko(home.path(), &["demo", "code"]);
    let said = text(&waits.stderr);
    assert_eq!(waits.status.code(), Some(5), "{said}");
    assert!(
        !branches(home.path()).contains("fix/leap-years"),
        "nothing is pushed without a yes"
    );
    let commands: Vec<Vec<&str>> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("keiko "))
        .filter(|command| command.starts_with("approvals approve") || command.starts_with("resume"))
        .map(|command| command.split_whitespace().collect())
        .collect();
    assert_eq!(commands.len(), 2, "{said}");
    assert_eq!(keiko(home.path(), &commands[0]).status.code(), Some(0));
    let done = keiko(home.path(), &commands[1]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("approved by maria"));
    assert!(branches(home.path()).contains("fix/leap-years"));
}

#[test]
fn a_tour_whose_push_was_denied_says_so() {
    if is_skipped("a_tour_whose_push_was_denied_says_so") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let waits = keiko(home.path(), &["demo", "code"]);
    let said = text(&waits.stderr);
    let id = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("keiko approvals approve "))
        .unwrap();
    assert_eq!(
        keiko(home.path(), &["approvals", "deny", id]).status.code(),
        Some(0)
    );
    let done = keiko(home.path(), &["resume", "last"]);
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}");
    let told = said.lines().any(|line| {
        line.contains("not done") && line.contains("denied by maria") && line.contains("push")
    });
    assert!(told, "{said}");
    assert!(!branches(home.path()).contains("fix/leap-years"));
}

#[test]
fn kills_lose_nothing_and_repeat_nothing() {
    if is_skipped("kills_lose_nothing_and_repeat_nothing") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let done = keiko(home.path(), &["demo", "crash", "--rounds", "4"]);
    let (said, table) = (text(&done.stderr), text(&done.stdout));
    assert_eq!(done.status.code(), Some(0), "{said}\n{table}");
    assert!(
        table.starts_with("4 kills") && table.contains("asked: push commit"),
        "{table}"
    );
    assert_eq!(said.matches("  kill ").count(), 4, "{said}");
}

#[test]
fn rounds_have_limits() {
    let home = tempfile::tempdir().unwrap();
    for rounds in ["0", "1001", "x"] {
        assert_eq!(
            keiko(home.path(), &["demo", "crash", "--rounds", rounds])
                .status
                .code(),
            Some(2),
            "{rounds}"
        );
    }
}
