//! Processes that end or stand still in the middle of a run, for real.

use crate::keiko::*;
use keiko_testkit::models::FakeModelServer;
use std::path::PathBuf;
use std::process::Command;

const PAUSE: &str = "sleep 2";

/// A run in the middle of a command.
fn begun(lease_ms: &str) -> (FakeModelServer, Keiko, PathBuf) {
    let server = playing(vec![
        execute(PAUSE),
        mend(),
        finish("Centuries are right now."),
    ]);
    let mut keiko = Keiko::chat(&server);
    keiko.set("KEIKO_LEASE_MS", lease_ms);
    let repo = leap_years(&keiko);
    (server, keiko, repo)
}

fn until_it_runs(keiko: &Keiko) -> String {
    keiko.until("the command to begin", |keiko| {
        let runs = keiko.json(&["runs", "list"]);
        runs["runs"][0]["run"]
            .as_str()
            .is_some_and(|run| keiko.run(&["runs", "events", run]).stdout.contains(PAUSE))
    });
    keiko.newest()
}

fn state(keiko: &Keiko) -> String {
    keiko.json(&["runs", "list"])["runs"][0]["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn slow_a_run_whose_process_was_killed_is_interrupted_and_goes_on() {
    if !ready("slow_a_run_whose_process_was_killed_is_interrupted_and_goes_on") {
        return;
    }
    let (server, keiko, repo) = begun("60000");
    let mut live = keiko.begin(&repo, "Fix centuries", &[]);
    let run = until_it_runs(&keiko);
    assert_eq!(state(&keiko), "running");
    live.child.kill().unwrap();
    live.child.wait().unwrap();
    // Its lease would hold for another minute: the kernel knows better.
    assert_eq!(state(&keiko), "interrupted");
    keiko
        .run(&["runs", "list", "--state", "interrupted"])
        .expect(0)
        .gives(&run);
    assert_eq!(
        keiko
            .run(&["runs", "list", "--state", "running"])
            .expect(0)
            .stdout,
        ""
    );
    let resume = format!("keiko resume {run}");
    keiko
        .run(&["runs", "show", &run])
        .expect(0)
        .gives("interrupted")
        .says(&resume);
    let shown = keiko.json(&["runs", "show", &run]);
    assert_eq!(
        (shown["run"]["state"].as_str(), shown["next"].as_str()),
        (Some("interrupted"), Some(resume.as_str()))
    );
    keiko
        .run(&["runs", "verify", &run])
        .fails(1, "KEI-6205")
        .says(&resume);
    let resumed = keiko.run(&["resume", &run]);
    assert!(!resumed.expect(0).stderr.contains("Another process holds"));
    assert_eq!(state(&keiko), "succeeded");
    server.assert_valid();
}

#[test]
fn slow_a_resume_waits_for_the_lease_of_a_process_that_stands_still() {
    if !ready("slow_a_resume_waits_for_the_lease_of_a_process_that_stands_still") {
        return;
    }
    let (server, keiko, repo) = begun("2000");
    let live = keiko.begin(&repo, "Fix centuries", &[]);
    let run = until_it_runs(&keiko);
    assert!(signal(&live, "-STOP"));
    keiko
        .run(&["resume", &run])
        .expect(0)
        .says("Another process holds this run; waiting at most")
        .says("succeeded");
    server.assert_valid();
}

/// It stands still, loses its run to another process, and goes on as if nothing had been: what it got to is refused.
#[test]
fn slow_a_process_that_stood_still_writes_nothing_once_it_is_overtaken() {
    if !ready("slow_a_process_that_stood_still_writes_nothing_once_it_is_overtaken") {
        return;
    }
    let (server, keiko, repo) = begun("2000");
    let live = keiko.begin(&repo, "Fix centuries", &[]);
    let run = until_it_runs(&keiko);
    assert!(signal(&live, "-STOP"));
    keiko.until("the lease to be over", |keiko| {
        state(keiko) == "interrupted"
    });
    keiko.run(&["resume", &run]).expect(0);
    let events = keiko.events(&run);
    assert!(signal(&live, "-CONT"));
    live.wait().expect(1).says("KEI-3002");
    assert_eq!(
        keiko.events(&run).len(),
        events.len(),
        "nothing was written after the end"
    );
    let ended: Vec<_> = events
        .iter()
        .filter(|line| line["body"]["event"] == "effect_ended")
        .map(|line| &line["body"]["data"]["key"])
        .collect();
    let mut once: Vec<String> = ended.iter().map(ToString::to_string).collect();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ended.len(), "each effect came out once");
    server.assert_valid();
}

fn signal(live: &Live, name: &str) -> bool {
    Command::new("kill")
        .args([name, &live.child.id().to_string()])
        .status()
        .unwrap()
        .success()
}
