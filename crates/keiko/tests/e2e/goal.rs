//! A goal of ten actions from its words to the change in the user's own folder, and back.

use crate::keiko::*;
use keiko_testkit::models::{FakeModelServer, Family, Turn};
use serde_json::{Value, json};
use std::path::Path;

fn ten_actions() -> Vec<Turn> {
    vec![
        Turn::call("list_files", "{}").and_call("search", r#"{"pattern":"def is_leap"}"#),
        call("read_file", json!({"path": "dates.py"})).thinking("Centuries are missing."),
        add_century_test(),
        run_tests(),
        mend(),
        run_tests(),
        execute("python3 -c 'from dates import is_leap; print(is_leap(2000), is_leap(1900))'"),
        Turn::call("git_diff", "{}"),
        call(
            "git_commit",
            json!({"message": "Centuries are leap years only by 400"}),
        ),
        finish("Centuries are right now; a test shows it."),
    ]
}

/// Drives the goal and checks what the model saw and what was written down.
fn drive(family: Family, test: &str) -> Option<(Keiko, String, FakeModelServer)> {
    if !ready(test) {
        return None;
    }
    let server = playing(ten_actions());
    let keiko = Keiko::with(&server, family);
    let repo = leap_years(&keiko);
    let before = snapshot(&repo);
    let done = keiko.goal(&repo, "Fix is_leap for centuries, with a test", &[]);
    done.expect(0)
        .gives("Centuries are right now")
        .gives("+    def test_century")
        .says("succeeded")
        .says("test_century");
    server.assert_valid();
    assert_eq!(
        snapshot(&repo),
        before,
        "the user's files are not touched before apply"
    );
    assert_eq!(git(&repo, &["status", "--porcelain"]), "");
    let seen = results(&server);
    assert_eq!(seen.len(), 10, "one request a step");
    assert!(
        seen[1].contains("dates.py") && seen[1].contains("tests/test_dates.py"),
        "{}",
        seen[1]
    );
    assert!(seen[2].contains("return year % 4 == 0"), "{}", seen[2]);
    assert!(
        seen[4].contains("1 passed, 1 failed") && seen[4].contains("test_century"),
        "red: {}",
        seen[4]
    );
    assert!(seen[6].contains("2 passed, 0 failed"), "green: {}", seen[6]);
    assert!(seen[7].contains("True False"), "{}", seen[7]);
    assert!(seen[8].contains("+    def test_century"), "{}", seen[8]);
    assert!(seen[9].contains("commit "), "{}", seen[9]);
    let run = keiko.newest();
    check_card(&keiko.end(&run));
    Some((keiko, run, server))
}

fn check_card(end: &Value) {
    let card = &end["card"];
    assert_eq!(end["status"], "succeeded", "{end:#}");
    assert_eq!(card["base_kind"], "head");
    assert_eq!(
        (
            &card["tests_before"]["passed"],
            &card["tests_before"]["failed"]
        ),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (
            &card["tests_after"]["passed"],
            &card["tests_after"]["failed"]
        ),
        (&json!(2), &json!(0))
    );
    assert_eq!(
        card["tests_after"]["tree"], card["tree_after"],
        "the last tests saw the result"
    );
    assert!(
        card["red_to_green"].to_string().contains("test_century"),
        "{card:#}"
    );
    assert_eq!(
        card["changed_tests"],
        json!([]),
        "adding a test changes no existing one"
    );
    assert!(
        card["commit"].is_string() && card["steps"] == 10,
        "{card:#}"
    );
    assert!(card["usage"]["output"].as_u64() > Some(0), "{card:#}");
}

#[test]
fn chat_completions_drive_ten_actions_and_the_result_comes_home() {
    let Some((keiko, run, server)) = drive(Family::Chat, "chat_completions_drive_ten_actions")
    else {
        return;
    };
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.header("authorization") == Some("Bearer sk-test-4711"))
    );
    let repo = keiko.root().join("dates");
    look(&keiko, &run);
    home_and_back(&keiko, &run, &repo);
}

#[test]
fn messages_drive_ten_actions() {
    let Some((keiko, run, server)) = drive(Family::Messages, "messages_drive_ten_actions") else {
        return;
    };
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.header("x-api-key") == Some("sk-test-4711"))
    );
    let card = &keiko.end(&run)["card"];
    assert!(
        card["cost"] != json!(0),
        "a model of the price file costs: {card:#}"
    );
}

/// Everything that looks at a finished run, in both forms.
fn look(keiko: &Keiko, run: &str) {
    keiko
        .run(&["runs", "list"])
        .expect(0)
        .gives(run)
        .gives("succeeded");
    let row = keiko.json(&["runs", "list"])["runs"][0].clone();
    assert_eq!(
        (&row["state"], &row["steps"]),
        (&json!("succeeded"), &json!(10)),
        "{row:#}"
    );
    keiko
        .run(&["runs", "show", &run[..10]])
        .expect(0)
        .gives("succeeded")
        .gives("red to green")
        .gives("test_century");
    keiko.run(&["runs", "show", "last"]).expect(0).gives(run);
    keiko
        .run(&["runs", "diff", run])
        .expect(0)
        .gives("+    def test_century")
        .gives("year % 400");
    keiko
        .run(&["runs", "events", run])
        .expect(0)
        .gives("run_tests")
        .gives("2 passed");
    let events = keiko.events(run);
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|line| line["body"]["event"].as_str())
        .collect();
    assert_eq!(
        (kinds.first(), kinds.last()),
        (Some(&"run_started"), Some(&"run_ended"))
    );
    assert!(
        events
            .windows(2)
            .all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64())
    );
    let followed = keiko.run(&["--json", "runs", "events", "--follow", run]);
    assert_eq!(
        followed.expect(0).stdout.lines().count(),
        events.len(),
        "following an ended run ends"
    );
    for kind in ["effect_intended", "effect_ended"] {
        assert!(
            kinds.iter().filter(|found| **found == kind).count() >= 20,
            "{kinds:?}"
        );
    }
    keiko.run(&["runs", "verify", run]).expect(0).gives("ok");
    let verified = keiko.json(&["runs", "verify", run, "--no-tests"]);
    assert_eq!(verified["ok"], true, "{verified:#}");
}

fn home_and_back(keiko: &Keiko, run: &str, repo: &Path) {
    let before = snapshot(repo);
    keiko
        .run(&["runs", "apply", "--check", run])
        .expect(0)
        .gives("would change")
        .gives("dates.py");
    assert_eq!(snapshot(repo), before, "--check changes nothing");
    let planned = keiko.json(&["runs", "apply", "--check", run]);
    assert_eq!(
        planned["changes"].as_array().map(Vec::len),
        Some(2),
        "{planned:#}"
    );
    keiko
        .run(&["runs", "apply", run])
        .expect(0)
        .gives("changed")
        .gives("dates.py")
        .says("runs undo");
    let second = keiko.run(&["runs", "apply", run]);
    second.expect(0).says("Already applied");
    assert_eq!(second.stdout, "", "nothing was changed");
    keiko
        .run(&["runs", "apply", "--check", run])
        .expect(0)
        .says("Nothing would change");
    let applied = snapshot(repo);
    assert!(String::from_utf8_lossy(&applied[Path::new("dates.py")]).contains("year % 400"));
    assert!(
        String::from_utf8_lossy(&applied[Path::new("tests/test_dates.py")])
            .contains("test_century")
    );
    assert_eq!(
        applied.len(),
        before.len(),
        "nothing else came along: {:?}",
        applied.keys()
    );
    keiko
        .run(&["runs", "undo", run])
        .expect(0)
        .gives("put back");
    assert_eq!(snapshot(repo), before);
    let again = keiko.json(&["runs", "apply", run]);
    assert_eq!(
        again["changes"].as_array().map(Vec::len),
        Some(2),
        "{again:#}"
    );
    let undone = keiko.json(&["runs", "undo", "last"]);
    assert_eq!(
        undone["changes"].as_array().map(Vec::len),
        Some(2),
        "{undone:#}"
    );
    assert_eq!(snapshot(repo), before);
    keiko.run(&["runs", "apply", &run[..8]]).expect(0);
    put(repo, "dates.py", "def is_leap(year):\n    return False\n");
    let conflict = keiko.run(&["runs", "undo", run]);
    assert!(
        conflict.code != 0 && conflict.stderr.contains("hint:"),
        "a change of the user's own is not lost: {conflict}"
    );
    assert!(
        String::from_utf8_lossy(&snapshot(repo)[Path::new("dates.py")]).contains("return False")
    );
    // Each of these is on record, with who wanted it and what came of it; looking at what would change is not one.
    let shown = keiko.json(&["runs", "show", run]);
    let home: Vec<_> = shown["home"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| {
            let ended = &told["ended"];
            let changes = ended["changes"].as_array().map_or(0, Vec::len);
            (
                told["what"].as_str().unwrap(),
                changes,
                ended["fault"]["code"].is_string(),
            )
        })
        .collect();
    let (apply, undo) = ("apply", "undo");
    assert_eq!(
        home,
        [
            (apply, 2, false),
            (apply, 0, false),
            (undo, 2, false),
            (apply, 2, false),
            (undo, 2, false),
            (apply, 2, false),
            (undo, 0, true),
        ],
        "{shown:#}"
    );
    assert!(
        shown["home"][0]["by"]
            .as_str()
            .is_some_and(|by| !by.is_empty())
    );
    keiko
        .run(&["runs", "show", run])
        .expect(0)
        .says("Brought into its folder on");
}

#[test]
fn a_server_of_the_configuration_drives_a_goal() {
    for (family, wire) in [(Family::Chat, "chat"), (Family::Messages, "messages")] {
        let server = playing(vec![Turn::text("Twelve.")]);
        let keiko = Keiko::new();
        let url = if family == Family::Chat {
            server.chat_url()
        } else {
            server.messages_url()
        };
        keiko.configure(&format!(
            "[run]\nmodel = \"mine/tiny\"\nbudget = \"1\"\n[models.vendors.mine]\nfamily = \"{wire}\"\nbase_url = \"{url}\"\n[models.prices.\"mine/tiny\"]\nprice = 0\n"
        ));
        keiko.ask("What is 5 + 7?", &[]).expect(0).gives("Twelve.");
        assert_eq!(server.requests()[0].body["model"], "tiny");
        server.assert_valid();
    }
}

#[test]
fn the_stream_of_events_is_clean_json() {
    let server = playing(vec![Turn::text("Twelve.")]);
    let keiko = Keiko::chat(&server);
    let done = keiko.ask("What is 5 + 7?", &["--jsonl"]);
    let lines: Vec<Value> = done
        .expect(0)
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), keiko.events(&keiko.newest()).len());
    assert_eq!(lines.last().unwrap()["body"]["data"]["status"], "succeeded");
    let run = lines[0]["run"].as_str().unwrap();
    assert!(
        lines
            .iter()
            .all(|line| line["v"] == 1 && line["run"] == run)
    );
}
