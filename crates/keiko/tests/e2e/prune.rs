//! Space is given back: what was taken over goes, what was not stays and is named, and what goes on is never touched.

use crate::keiko::*;
use keiko_testkit::models::Turn;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

fn place(keiko: &Keiko, run: &str) -> PathBuf {
    keiko.home().join("data/workspaces").join(run)
}

/// A run that mended the fault.
fn mended(keiko: &Keiko, repo: &Path) -> String {
    keiko.goal(repo, "Fix centuries", &[]).expect(0);
    keiko.newest()
}

fn prune(keiko: &Keiko, more: &[&str]) -> Value {
    keiko.json(&[&["runs", "prune"], more].concat())
}

/// Why a run stays.
fn kept<'a>(report: &'a Value, run: &str) -> &'a Value {
    let found = report["kept"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["what"]["run"] == run);
    found.unwrap_or_else(|| panic!("{run} should be kept: {report:#}"))
}

#[test]
fn what_was_applied_goes_and_stays_readable() {
    if !ready("what_was_applied_goes_and_stays_readable") {
        return;
    }
    let keiko_server = playing(vec![mend(), finish("Mended.")]);
    let keiko = Keiko::chat(&keiko_server);
    let repo = leap_years(&keiko);
    let run = mended(&keiko, &repo);
    keiko.run(&["runs", "apply", &run]).expect(0);
    let young = prune(&keiko, &[]);
    assert_eq!(
        (&young["freed"]["runs"], &kept(&young, &run)["why"]),
        (&json!(0), &json!("young")),
        "{young:#}"
    );
    assert!(place(&keiko, &run).exists());
    let dry = prune(&keiko, &["--older-than", "0", "--dry-run"]);
    assert_eq!(
        (&dry["dry_run"], &dry["freed"]["runs"]),
        (&json!(true), &json!(1)),
        "{dry:#}"
    );
    assert!(
        place(&keiko, &run).join("meta.json").exists(),
        "a dry run deletes nothing"
    );
    let done = prune(&keiko, &["--older-than", "0d"]);
    assert_eq!(
        (
            &done["freed"]["runs"],
            &done["given_back"][0]["what"]["because"]
        ),
        (&json!(1), &json!("applied")),
        "{done:#}"
    );
    assert!(
        done["freed"]["bytes"].as_u64().unwrap() > 10_000,
        "{done:#}"
    );
    assert!(!place(&keiko, &run).exists() && repo.join("dates.py").exists());
    keiko
        .run(&["runs", "show", &run])
        .expect(0)
        .gives("Mended.")
        .says("was given back on");
    assert!(keiko.json(&["runs", "show", &run])["pruned"].is_i64());
    keiko.run(&["runs", "events", &run]).expect(0);
    keiko.run(&["runs", "report", &run]).expect(0);
    keiko
        .run(&["runs", "diff", &run])
        .expect(0)
        .gives("year % 100 != 0");
    for refused in [
        &["runs", "apply"][..],
        &["runs", "undo"],
        &["runs", "verify"],
        &["resume"],
    ] {
        let done = keiko.run(&[refused, &[run.as_str()]].concat());
        done.fails(1, "KEI-5165").says("keiko runs prune");
    }
    keiko.run(&["runs", "verify", &run, "--no-tests"]).expect(0);
    let again = prune(&keiko, &["--older-than", "0"]);
    assert_eq!(
        again["freed"],
        json!({"runs": 0, "caches": 0, "bytes": 0, "left_over_bytes": 0}),
        "{again:#}"
    );
}

#[test]
fn what_was_not_taken_over_stays_and_is_named_until_it_is_asked_for() {
    if !ready("what_was_not_taken_over_stays_and_is_named_until_it_is_asked_for") {
        return;
    }
    let server = playing(vec![
        mend(),
        execute(
            "mkdir -p closed/below && touch closed/below/x && ln -s dates.py link && chmod 0 closed",
        ),
        finish("Mended."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let run = mended(&keiko, &repo);
    let told = keiko.run(&["runs", "prune", "--older-than", "0"]);
    told.expect(0)
        .gives("not applied")
        .gives(&format!("keiko runs apply {run}"))
        .gives(&format!("keiko runs diff {run}"));
    told.says("only with --unapplied");
    let report = prune(&keiko, &["--keep", "0"]);
    assert_eq!(
        (&report["freed"]["runs"], &kept(&report, &run)["why"]),
        (&json!(0), &json!("unapplied")),
        "{report:#}"
    );
    keiko.run(&["runs", "apply", &run, "--check"]).expect(0);
    // What was applied and taken back is not taken over either.
    keiko.run(&["runs", "apply", &run]).expect(0);
    keiko.run(&["runs", "undo", &run]).expect(0);
    let report = prune(&keiko, &["--older-than", "0"]);
    assert_eq!(kept(&report, &run)["why"], "unapplied", "{report:#}");
    let report = prune(&keiko, &["--older-than", "0", "--unapplied"]);
    assert_eq!(
        (&report["freed"]["runs"], &report["failed"]),
        (&json!(1), &json!([])),
        "{report:#}"
    );
    assert!(!place(&keiko, &run).exists());
    keiko
        .run(&["runs", "apply", &run])
        .fails(1, "KEI-5165")
        .says(&format!("keiko runs diff {run}"));
}

#[test]
fn a_run_that_waits_is_never_touched() {
    if !ready("a_run_that_waits_is_never_touched") {
        return;
    }
    let server = playing(vec![
        mend(),
        call("git_commit", json!({"message": "Centuries"})),
        call("git_push", json!({"branch": "fix"})),
        finish("Pushed."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let remote = keiko.root().join("remote.git");
    git(
        keiko.root(),
        &["init", "-q", "--bare", remote.to_str().unwrap()],
    );
    git(
        &repo,
        &["remote", "add", "origin", remote.to_str().unwrap()],
    );
    keiko.goal(&repo, "Fix centuries and push", &[]).expect(5);
    let run = keiko.newest();
    let report = prune(&keiko, &["--older-than", "0", "--keep", "0", "--unapplied"]);
    let stays = kept(&report, &run);
    assert_eq!(
        (&stays["why"], &stays["what"]["because"]),
        (&json!("needed"), &json!("waiting-approval")),
        "{report:#}"
    );
    keiko.run(&["approvals", "approve", "last"]).expect(0);
    keiko.run(&["resume", &run]).expect(0);
    // All of it was pushed: nothing is lost.
    let report = prune(&keiko, &["--older-than", "0"]);
    assert_eq!(
        report["given_back"][0]["what"]["because"], "pushed",
        "{report:#}"
    );
    assert!(!place(&keiko, &run).exists());
}

#[test]
fn the_newest_stays_within_the_size_and_the_configuration_holds() {
    if !ready("the_newest_stays_within_the_size_and_the_configuration_holds") {
        return;
    }
    let server = deciding(|request| match request.turn() {
        0 => execute("true"),
        _ => finish("Nothing to do."),
    });
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let runs: Vec<String> = (0..2)
        .map(|_| {
            keiko.goal(&repo, "Look", &[]);
            keiko.newest()
        })
        .collect();
    let all = prune(&keiko, &["--dry-run"]);
    let limit = all["kept_bytes"].as_u64().unwrap() - 1;
    keiko.configure(&format!("[retention]\nkeep = '{limit}'\n"));
    let report = prune(&keiko, &[]);
    assert_eq!(
        (
            &report["freed"]["runs"],
            &report["given_back"][0]["what"]["run"]
        ),
        (&json!(1), &json!(runs[0])),
        "{report:#}"
    );
    assert_eq!(
        report["given_back"][0]["what"]["because"], "unchanged",
        "{report:#}"
    );
    assert!(place(&keiko, &runs[1]).exists());
}

#[test]
fn the_doctor_says_what_is_taken_and_what_comes_back() {
    if !ready("the_doctor_says_what_is_taken_and_what_comes_back") {
        return;
    }
    let server = playing(vec![mend(), finish("Mended.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let run = mended(&keiko, &repo);
    keiko.run(&["runs", "apply", &run]).expect(0);
    keiko.configure("[retention]\nolder_than = '0'\n");
    let set = keiko.home().join("cache/deps/python/key-source");
    put(&set, "module.py", &"x".repeat(3 << 20));
    let report: Value = keiko.run(&["doctor", "--json"]).json();
    let row = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "space")
        .expect("a row");
    let seen = row["seen"].as_str().unwrap();
    assert!(
        row["state"] == "ok"
            && seen.contains("installed dependencies 30")
            && seen.contains("`keiko runs prune` gives back"),
        "{seen}"
    );
    // Whatever lies in a cache was put there by an installer: it may be closed.
    std::fs::set_permissions(&set, std::fs::Permissions::from_mode(0o500)).unwrap();
    // Two at once do no harm: each thing goes once.
    let both = [(); 2]
        .map(|()| keiko.spawn(&["--json", "runs", "prune"]))
        .map(|one| one.wait().expect(0).json());
    let sum = |what: &str| {
        both.iter()
            .map(|done| done["freed"][what].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum("runs"), sum("caches")), (1, 1), "{both:#?}");
    assert!(!set.exists() && !place(&keiko, &run).exists());
}

#[test]
fn ages_and_sizes_that_are_none_are_refused() {
    let server = playing(vec![Turn::text("Good morning.")]);
    let keiko = Keiko::chat(&server);
    keiko
        .run(&["runs", "prune", "--older-than", "soon"])
        .fails(2, "KEI-1242");
    keiko
        .run(&["runs", "prune", "--keep", "-1"])
        .fails(2, "KEI-1243");
    let nothing = keiko.run(&["runs", "prune"]);
    nothing.expect(0).says("0 workspaces");
    assert!(
        !keiko.home().join("data/workspaces").exists(),
        "looking makes nothing"
    );
}
