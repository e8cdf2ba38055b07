//! What waits for a person: asked, answered from elsewhere, done exactly once or not at all.

use crate::keiko::*;
use keiko_testkit::models::Turn;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The repository with a bare remote beside it.
fn with_remote(keiko: &Keiko) -> (PathBuf, PathBuf) {
    let repo = leap_years(keiko);
    let remote = keiko.root().join("remote.git");
    git(
        keiko.root(),
        &["init", "-q", "--bare", remote.to_str().unwrap()],
    );
    git(
        &repo,
        &["remote", "add", "origin", remote.to_str().unwrap()],
    );
    git(&repo, &["push", "-q", "origin", "main"]);
    (repo, remote)
}

fn push_and_finish() -> Vec<Turn> {
    vec![
        mend(),
        call("git_commit", json!({"message": "Centuries"})),
        call("git_push", json!({"branch": "fix/centuries"})),
        finish("Pushed, if allowed."),
    ]
}

fn branches(remote: &Path) -> String {
    git(remote, &["for-each-ref", "--format=%(refname:short)"])
}

#[test]
fn a_push_waits_for_a_person_and_happens_once() {
    if !ready("a_push_waits_for_a_person_and_happens_once") {
        return;
    }
    let server = playing(push_and_finish());
    let keiko = Keiko::chat(&server);
    let (repo, remote) = with_remote(&keiko);
    let done = keiko.goal(&repo, "Fix centuries and push", &[]);
    let (run, id) = (keiko.newest(), keiko.approval());
    done.expect(5)
        .says(&format!("keiko approvals approve {id}"))
        .says(&format!("keiko resume {run}"));
    done.says("1 commit, 1 file, +1, -1")
        .says(" Centuries")
        .says("dates.py  +1 -1")
        .says(&format!("all of it: keiko approvals show {id}"));
    let shown = keiko.run(&["approvals", "show", &id]);
    shown
        .expect(0)
        .gives("1 commit, 1 file, +1, -1")
        .gives("\n-    return year % 4 == 0")
        .gives("\n+    return ");
    assert_eq!(
        branches(&remote),
        "main",
        "nothing is pushed before the answer"
    );
    keiko
        .run(&["approvals", "list"])
        .expect(0)
        .gives(&id)
        .gives("open");
    keiko
        .run(&["approvals", "show", &id])
        .expect(0)
        .gives("fix/centuries")
        .gives(remote.to_str().unwrap())
        .gives("touches  branch fix/centuries of ");
    let plain = keiko.run(&["approvals", "show", &id]);
    assert!(!plain.stdout.contains("digest"), "{plain}");
    keiko
        .run(&["approvals", "show", &id, "--details"])
        .expect(0)
        .gives("digest")
        .gives("\"do\": \"push\"");
    for name in [id.as_str(), "last", &id[..4]] {
        let shown = keiko.json(&["approvals", "show", name]);
        assert_eq!(
            (&shown["request"]["id"], &shown["run"], &shown["answer"]),
            (&json!(id), &json!(run), &json!(null)),
            "{shown:#}"
        );
        let action = &shown["request"]["action"]["host"];
        assert_eq!(
            (&action["do"], &action["branch"]),
            (&json!("push"), &json!("fix/centuries")),
            "{shown:#}"
        );
    }
    keiko
        .run(&["runs", "show", &run])
        .expect(0)
        .says(&format!("keiko approvals approve {id}"));
    keiko.run(&["resume", &run]).expect(5).says(&id);
    assert_eq!(branches(&remote), "main", "resuming is no approval");
    keiko
        .run(&["approvals", "approve", "last"])
        .expect(0)
        .says(&format!("keiko resume {run}"))
        .says("fix/centuries");
    for second in ["deny", "approve"] {
        keiko
            .run(&["approvals", second, &id])
            .fails(6, "KEI-2103")
            .says("approved by tester");
    }
    keiko.run(&["resume", &run]).expect(0).says("succeeded");
    assert_eq!(branches(&remote), "fix/centuries\nmain");
    let pushes = keiko
        .events(&run)
        .iter()
        .filter(|line| {
            line["body"]["data"]["outcome"]
                .to_string()
                .contains("pushed")
        })
        .count();
    assert_eq!(pushes, 1, "one push came out");
    keiko
        .run(&["approvals", "approve", &id])
        .fails(6, "KEI-2103");
    assert!(keiko.approvals().is_empty());
    let answered = keiko.end(&run)["card"]["approvals"][0].clone();
    assert_eq!(
        (&answered["decision"], &answered["by"]),
        (&json!("approved"), &json!("tester"))
    );
    server.assert_valid();
}

#[test]
fn a_denied_push_is_told_to_the_model_and_not_done() {
    if !ready("a_denied_push_is_told_to_the_model_and_not_done") {
        return;
    }
    let server = playing(push_and_finish());
    let keiko = Keiko::chat(&server);
    let (repo, remote) = with_remote(&keiko);
    keiko.goal(&repo, "Fix centuries and push", &[]).expect(5);
    let denied = keiko.json(&[
        "approvals",
        "deny",
        &keiko.approval(),
        "--reason",
        "not on a Friday",
    ]);
    assert_eq!(
        (&denied["decision"], &denied["live"]),
        (&json!("denied"), &json!(false))
    );
    keiko.run(&["resume", "last"]).expect(0);
    assert_eq!(branches(&remote), "main");
    let told = results(&server).pop().unwrap();
    assert!(
        told.contains("does not allow this: not on a Friday"),
        "{told}"
    );
    server.assert_valid();
}

#[test]
fn approval_never_refuses_what_would_ask() {
    if !ready("approval_never_refuses_what_would_ask") {
        return;
    }
    let server = playing(push_and_finish());
    let keiko = Keiko::chat(&server);
    let (repo, remote) = with_remote(&keiko);
    keiko
        .goal(&repo, "Fix centuries and push", &["--approval", "never"])
        .expect(0);
    assert_eq!(branches(&remote), "main");
    assert!(
        results(&server)[3].contains("The policy does not allow this"),
        "{:?}",
        results(&server)
    );
    assert!(keiko.approvals().is_empty());
}

#[test]
fn approval_ask_stops_before_the_first_change() {
    if !ready("approval_ask_stops_before_the_first_change") {
        return;
    }
    let server = playing(push_and_finish());
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let done = keiko.goal(&repo, "Fix centuries", &["--approval", "ask"]);
    done.expect(5);
    let summaries: Vec<String> = keiko
        .approvals()
        .iter()
        .map(|row| row["request"]["summary"].to_string())
        .collect();
    assert_eq!(summaries.len(), 1, "{summaries:?}");
}

#[test]
fn a_test_that_is_weakened_waits_and_one_that_grows_does_not() {
    if !ready("a_test_that_is_weakened_waits_and_one_that_grows_does_not") {
        return;
    }
    let server = playing(vec![
        add_century_test(),
        mend(),
        edit(
            "tests/test_dates.py",
            "        self.assertFalse(is_leap(2023))",
            "        pass",
        ),
        finish("Done."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(5)
        .says("existing test");
    let events = keiko.events(&keiko.newest());
    let asked: Vec<_> = events
        .iter()
        .filter(|line| line["body"]["event"] == "approval_requested")
        .collect();
    assert_eq!(asked.len(), 1, "the addition asked for nothing");
    keiko
        .run(&["approvals", "deny", &keiko.approval()])
        .expect(0);
    keiko
        .run(&["resume", "last"])
        .expect(0)
        .says("succeeded")
        .gives("test_century");
    let card = keiko.end(&keiko.newest())["card"].clone();
    assert_eq!(card["changed_tests"], json!([]), "{card:#}");
}

#[test]
fn a_test_deleted_by_a_command_is_caught_at_the_end() {
    if !ready("a_test_deleted_by_a_command_is_caught_at_the_end") {
        return;
    }
    for command in [
        "git rm -q tests/test_dates.py",
        "sed -i s/assertFalse/assertTrue/ tests/test_dates.py",
        "git mv tests/test_dates.py notes.txt",
    ] {
        // Tests stay green in another file, so that only the loss itself speaks.
        let other = LEAP_TEST.replace("test_common", "test_other");
        let server = playing(vec![
            write("tests/test_other.py", &other),
            execute(command),
            mend(),
            finish("Done."),
            finish("Done."),
        ]);
        let keiko = Keiko::chat(&server);
        let repo = leap_years(&keiko);
        let done = keiko.goal(&repo, "Fix centuries", &["--approval", "never"]);
        assert!(done.code != 0, "{command} must not pass: {done}");
        let told = results(&server).pop().unwrap();
        assert!(
            told.contains("Not accepted") && told.contains("test_dates"),
            "{command}: {told}"
        );
    }
}

#[test]
fn an_approved_change_of_a_test_is_on_the_card() {
    if !ready("an_approved_change_of_a_test_is_on_the_card") {
        return;
    }
    let server = playing(vec![
        execute("git rm -q tests/test_dates.py"),
        write("tests/test_new.py", LEAP_TEST),
        finish("Moved."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Move the tests", &[])
        .expect(5)
        .says("changes to existing tests: tests/test_dates.py");
    let id = keiko.approval();
    keiko.run(&["approvals", "approve", &id]).expect(0);
    keiko
        .run(&["resume", "last"])
        .expect(0)
        .says("succeeded")
        .says("test changed");
    let card = keiko.end(&keiko.newest())["card"].clone();
    let gone = "tests.test_dates.Leap.test_common";
    assert_eq!(
        card["changed_tests"],
        json!([{"test": "tests/test_dates.py", "leave": {"approval": id}}, {"test": gone, "gone": true, "leave": {"approval": id}}]),
        "{card:#}"
    );
}

/// One test passes, one fails, and the second is to be got rid of.
fn red_at_the_start(keiko: &Keiko) -> PathBuf {
    let repo = leap_years(keiko);
    put(
        &repo,
        "tests/test_dates.py",
        &format!("{LEAP_TEST}{CENTURY_TEST}"),
    );
    git(&repo, &["commit", "-q", "-a", "-m", "Ask for centuries"]);
    repo
}

#[test]
fn a_test_that_is_left_early_is_a_changed_test() {
    if !ready("a_test_that_is_left_early_is_a_changed_test") {
        return;
    }
    let head = "    def test_century(self):\n";
    let leave = || {
        edit(
            "tests/test_dates.py",
            head,
            &format!("{head}        return\n"),
        )
    };
    let by_command =
        || execute("sed -i 's/^    def test_century.*/&\\n        return/' tests/test_dates.py");
    for turns in [
        vec![leave(), finish("Green.")],
        vec![by_command(), finish("Green.")],
    ] {
        let server = playing(turns);
        let keiko = Keiko::chat(&server);
        let repo = red_at_the_start(&keiko);
        keiko
            .goal(&repo, "Fix centuries", &[])
            .expect(5)
            .says("existing test")
            .says("tests/test_dates.py");
    }
}

#[test]
fn a_test_that_does_not_run_any_more_is_asked_about_though_no_test_was_touched() {
    if !ready("a_test_that_does_not_run_any_more_is_asked_about_though_no_test_was_touched") {
        return;
    }
    let only = "import unittest\n\n\ndef load_tests(loader, tests, pattern):\n    from .test_dates import Leap\n    return unittest.TestSuite([Leap('test_common')])\n";
    let server = playing(vec![
        write("loads.py", only),
        execute("cp loads.py tests/__init__.py"),
        finish("Green."),
        finish("Green."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = red_at_the_start(&keiko);
    let done = keiko.goal(&repo, "Fix centuries", &[]);
    done.expect(5)
        .says("do without 1 test that ran at the start: tests.test_dates.Leap.test_century");
    keiko
        .run(&["approvals", "deny", &keiko.approval()])
        .expect(0);
    let done = keiko.run(&["resume", "last"]);
    assert!(done.code != 0, "{done}");
    assert!(
        results(&server)
            .pop()
            .unwrap()
            .contains("do not run any more"),
        "{:?}",
        results(&server)
    );
}

#[test]
fn what_the_tests_of_the_harness_leave_is_no_work_of_the_agent() {
    if !ready("what_the_tests_of_the_harness_leave_is_no_work_of_the_agent") {
        return;
    }
    for (turns, changed) in [
        (vec![finish("Nothing to do.")], ""),
        (vec![mend(), finish("Done.")], "dates.py"),
    ] {
        let server = playing(turns);
        let keiko = Keiko::chat(&server);
        let repo = leap_years(&keiko);
        let writes = LEAP_TEST.replace(
            "        self.",
            "        open('report.txt', 'a').write('ran')\n        self.",
        );
        put(&repo, "tests/test_dates.py", &writes);
        git(&repo, &["commit", "-q", "-a", "-m", "Report"]);
        keiko.goal(&repo, "Look at centuries", &[]).expect(0);
        let diff = keiko
            .run(&["runs", "diff", "last"])
            .expect(0)
            .stdout
            .clone();
        let files: Vec<&str> = diff
            .lines()
            .filter_map(|line| line.strip_prefix("+++ b/"))
            .collect();
        assert_eq!(files.join(","), changed, "{diff}");
    }
}

#[test]
fn an_approved_edit_of_a_test_covers_that_edit_and_nothing_after_it() {
    if !ready("an_approved_edit_of_a_test_covers_that_edit_and_nothing_after_it") {
        return;
    }
    let other = || {
        edit(
            "tests/test_dates.py",
            "        self.assertFalse(is_leap(2023))",
            "        self.assertFalse(is_leap(2021))",
        )
    };
    let gut =
        || execute("sed -i 's/assertFalse(is_leap(2021))/assertTrue(True)/' tests/test_dates.py");
    for gutted in [false, true] {
        let mut turns = vec![other(), mend(), finish("Done.")];
        if gutted {
            turns.insert(1, gut());
        }
        let server = playing(turns);
        let keiko = Keiko::chat(&server);
        let repo = leap_years(&keiko);
        keiko
            .goal(&repo, "Fix centuries", &[])
            .expect(5)
            .says("existing test");
        let id = keiko.approval();
        keiko.run(&["approvals", "approve", &id]).expect(0);
        let done = keiko.run(&["resume", "last"]);
        if gutted {
            done.expect(5)
                .says("keep changes to existing tests: tests/test_dates.py");
            continue;
        }
        done.expect(0).says("succeeded");
        let card = keiko.end(&keiko.newest())["card"].clone();
        assert_eq!(
            card["changed_tests"],
            json!([{"test": "tests/test_dates.py", "leave": {"approval": id}}]),
            "{card:#}"
        );
    }
}

#[test]
fn an_approval_cannot_be_answered_when_its_run_is_over() {
    if !ready("an_approval_cannot_be_answered_when_its_run_is_over") {
        return;
    }
    let server = playing(push_and_finish());
    let keiko = Keiko::chat(&server);
    let (repo, remote) = with_remote(&keiko);
    keiko.goal(&repo, "Fix centuries and push", &[]).expect(5);
    let id = keiko.approval();
    keiko.run(&["runs", "cancel", "last"]).expect(0);
    keiko
        .run(&["approvals", "approve", &id])
        .fails(6, "KEI-2103")
        .says("withdrawn");
    assert!(keiko.approvals().is_empty());
    assert_eq!(branches(&remote), "main");
}

#[test]
fn a_yes_from_before_a_kill_pushes_nothing() {
    if !ready("a_yes_from_before_a_kill_pushes_nothing") {
        return;
    }
    let server = playing(push_and_finish());
    let keiko = Keiko::chat(&server);
    let (repo, remote) = with_remote(&keiko);
    keiko.goal(&repo, "Fix centuries and push", &[]).expect(5);
    let id = keiko.approval();
    keiko.run(&["approvals", "approve", &id]).expect(0);
    keiko
        .run(&["kill", "--all", "--reason", "wrong branch"])
        .expect(0);
    keiko.run(&["resume", "last"]).expect(5).says(&id);
    assert_eq!(branches(&remote), "main");
    keiko.run(&["approvals", "approve", &id]).expect(0);
    keiko.run(&["resume", "last"]).expect(0);
    assert_eq!(branches(&remote), "fix/centuries\nmain");
}

#[test]
fn a_model_that_the_policy_asks_about_gets_nothing_before_the_answer() {
    for (level, exit) in [("ask", 5), ("forbid", 1)] {
        let server = playing(vec![Turn::text("Twelve.")]);
        let keiko = Keiko::chat(&server);
        put(
            &keiko.home().join("config"),
            "risk.toml",
            &format!("[classes]\nmodel = \"{level}\"\n"),
        );
        let done = keiko.ask("What is 5 + 7?", &[]);
        done.expect(exit);
        assert!(server.requests().is_empty());
        if level == "forbid" {
            done.says("KEI-2104");
            continue;
        }
        done.says("send the conversation of this run to openai/gpt-5");
        keiko
            .run(&["approvals", "approve", &keiko.approval()])
            .expect(0);
        keiko.run(&["resume", "last"]).expect(0).gives("Twelve.");
    }
}

#[test]
fn network_for_dependencies_asks_first() {
    if !ready("network_for_dependencies_asks_first") {
        return;
    }
    let server = playing(vec![finish("Nothing to do.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    put(&repo, "requirements.txt", "toolz==1.0.0\n");
    let done = keiko.goal(&repo, "Look around", &[]);
    let run = keiko.newest();
    done.expect(5)
        .says("for Python")
        .says("code of the packages runs in the sandbox");
    done.says(&format!("keiko resume {run} --install yes"))
        .says(&format!("keiko resume {run} --install no"));
    keiko
        .run(&["approvals", "show", "last"])
        .expect(0)
        .gives("\n$ ")
        .gives("requirements.txt");
    assert!(
        server.requests().is_empty(),
        "the model is asked when the workspace is ready"
    );
    keiko
        .run(&["approvals", "deny", &keiko.approval()])
        .expect(0);
    keiko.run(&["resume", "last"]).expect(0).says("unverified");
}

#[test]
fn a_no_to_installing_is_said_on_the_command_line_in_the_configuration_or_once_for_a_repository() {
    if !ready(
        "a_no_to_installing_is_said_on_the_command_line_in_the_configuration_or_once_for_a_repository",
    ) {
        return;
    }
    let keiko = Keiko::new();
    let repo = leap_years(&keiko);
    put(&repo, "requirements.txt", "toolz==1.0.0\n");
    let dir = repo.to_str().unwrap();
    let up = |more: &[&str]| keiko.run(&[&["up", "--workspace", dir], more].concat());
    let enable = format!("keiko up --workspace {dir} --install yes");
    up(&["--install", "no"])
        .expect(0)
        .gives(&enable)
        .gives("nothing is installed in this run (tester, said with --install)");
    up(&[]).expect(5);
    keiko
        .run(&["resume", "last", "--install", "no"])
        .expect(0)
        .gives(&enable);
    assert!(keiko.approvals().is_empty(), "the question is taken back");
    up(&[]).expect(5).says("--install yes");
    let told = keiko.run(&["approvals", "deny", "last", "--remember"]);
    told.expect(0)
        .says(&format!("keiko approvals forget {dir}"));
    keiko
        .run(&["resume", "last"])
        .expect(0)
        .gives("remembered for this repository")
        .gives(&enable);
    up(&[])
        .expect(0)
        .gives("nothing is installed in this run (tester, remembered for this repository)");
    keiko
        .run(&["approvals", "remembered"])
        .expect(0)
        .gives(dir)
        .gives("install: no");
    assert!(
        !repo.join(".keiko").exists()
            && git(&repo, &["status", "--short"]) == "?? requirements.txt",
        "nothing of it is in the repository"
    );
    up(&["--install", "ask"]).expect(5);
    keiko.run(&["approvals", "forget", dir]).expect(0);
    keiko
        .run(&["approvals", "forget", dir])
        .fails(6, "KEI-2109");
    up(&[]).expect(5);
    keiko.configure("[run]\ninstall = \"no\"\n");
    up(&[]).expect(0).gives("set as run.install");
}

#[test]
fn slow_a_yes_installs_and_is_not_asked_for_again() {
    if !ready("slow_a_yes_installs_and_is_not_asked_for_again") {
        return;
    }
    let server = playing(vec![
        call("prepare", json!({"dir": "."})),
        finish("Nothing to do."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    put(&repo, "requirements.txt", "toolz==1.0.0\n");
    keiko.goal(&repo, "Look around", &[]).expect(5);
    let run = keiko.newest();
    keiko.run(&["resume", &run, "--install", "yes"]).expect(0);
    let card = keiko.end(&run)["card"].clone();
    assert_eq!(
        (
            &card["approvals"][0]["by"],
            &card["approvals"][0]["beforehand"]
        ),
        (&json!("tester"), &json!("flag")),
        "{card:#}"
    );
    assert_eq!(
        card["approvals"].as_array().map(Vec::len),
        Some(1),
        "one question for the run and its model: {card:#}"
    );
    assert!(
        results(&server)[1].contains("from the cache"),
        "{:?}",
        results(&server)
    );
    keiko
        .run(&["runs", "verify", &run])
        .expect(0)
        .gives("tests run again");
    keiko
        .run(&["up", "--workspace", repo.to_str().unwrap()])
        .expect(0);
    assert!(
        keiko.end(&keiko.newest())["card"]["approvals"]
            .as_array()
            .unwrap()
            .is_empty(),
        "a later run asks nothing"
    );
}
