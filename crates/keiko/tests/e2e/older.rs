//! A journal that an older Keiko wrote (`tests/data/journal-of-version-1`): it is read, checked, answered and gone on with.

use crate::keiko::Keiko;
use serde_json::json;
use std::path::{Path, PathBuf};

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journal-of-version-1")
}

/// A home with that journal in it.
fn home_of_an_older_one() -> Keiko {
    let keiko = Keiko::new();
    let data = keiko.home().join("data");
    std::fs::create_dir_all(&data).unwrap();
    for name in ["journal.db", "journal.db.anchor"] {
        std::fs::copy(recorded().join(name), data.join(name)).unwrap();
    }
    keiko
}

const ENDED: &str = "z208wkqp03979edc";
const ASKS: &str = "j3g0hb31x200ne6x";
const WAITS: &str = "r3z9bgmfdfeekz0n";

#[test]
fn a_journal_of_an_older_keiko_is_read_and_verified() {
    let keiko = home_of_an_older_one();
    keiko
        .run(&["runs", "list"])
        .expect(0)
        .gives("succeeded")
        .gives("waiting-answer")
        .gives("waiting-approval");
    keiko
        .run(&["runs", "show", ENDED])
        .expect(0)
        .gives("approved by maria")
        .gives("test changed")
        .gives("tests/test_calc.py");
    let card = keiko.end(ENDED)["card"].clone();
    assert_eq!(
        card["approvals"],
        json!([{"what": "write tests/test_calc.py (136 bytes)", "decision": "approved", "by": "maria"}])
    );
    assert_eq!(
        (
            &card["changed_tests"][0]["test"],
            &card["models"][0]["origin"]
        ),
        (&json!("tests/test_calc.py"), &json!("scripted"))
    );
    assert!(
        keiko.json(&["runs", "show", ENDED])["definition"].is_null(),
        "what its agent was, nobody wrote down"
    );
    // The journal and the card hold; only the workspace, which was not kept, is gone.
    keiko
        .run(&["runs", "verify", ENDED, "--no-tests"])
        .gives("cost")
        .gives("tests as observed");
    keiko
        .run(&["runs", "events", ENDED])
        .expect(0)
        .gives("approved by maria");
}

#[test]
fn runs_of_an_older_keiko_are_answered_and_go_on() {
    let keiko = home_of_an_older_one();
    let script = recorded().join("answer.toml");
    keiko
        .run(&[
            "resume",
            ASKS,
            "The second one",
            "--script",
            script.to_str().unwrap(),
        ])
        .expect(0);
    assert_eq!(keiko.end(ASKS)["summary"]["$text"], "The second.");
    assert!(
        keiko.json(&["runs", "show", ASKS])["definition"].is_string(),
        "from now on it is known what its agent is"
    );
    keiko
        .run(&["approvals", "approve", "last"])
        .expect(0)
        .says(WAITS);
    keiko
        .run(&["resume", WAITS, "--script", script.to_str().unwrap()])
        .says("KEI-5163");
}

#[test]
fn lists_name_their_columns_and_have_the_times_of_the_clocks_here() {
    let mut keiko = home_of_an_older_one();
    let started = keiko.json(&["runs", "list"])["runs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["run"] == ENDED)
        .map(|row| row["started"].as_i64().unwrap())
        .unwrap();
    let lines = |keiko: &Keiko, args: &[&str]| {
        let ran = keiko.run(args);
        ran.expect(0);
        let lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
        lines
    };
    // Without a database of time zones, as POSIX has them: five and three quarter hours east.
    for (zone, east) in [("UTC0", 0), ("XXX-5:45", 345)] {
        keiko.set("TZ", zone);
        let at = jiff::Timestamp::from_millisecond(started + east * 60_000).unwrap();
        let list = lines(&keiko, &["runs", "list"]);
        let heads: Vec<&str> = list[0].split_whitespace().collect();
        let named = ["RUN", "STATE", "STARTED", "FOLDER", "STEPS", "COST", "GOAL"];
        assert_eq!(heads, named);
        let row = list.iter().find(|line| line.starts_with(ENDED)).unwrap();
        let minute = at.strftime("%Y-%m-%d %H:%M").to_string();
        let column = list[0].find("STARTED").unwrap();
        assert!(row[column..].starts_with(&minute), "{minute}: {row}");
        let german = lines(&keiko, &["--lang", "de", "runs", "list"]);
        assert!(german[0].starts_with("LAUF  "), "{german:?}");
        let minute = at.strftime("%d.%m.%Y %H:%M").to_string();
        assert!(
            german.iter().any(|line| line.contains(&minute)),
            "{german:?}"
        );
        let asked = lines(&keiko, &["approvals", "list", "--all"]);
        let heads: Vec<&str> = asked[0].split_whitespace().collect();
        assert_eq!(heads, ["APPROVAL", "RUN", "ASKED", "STATE", "WOULD"]);
    }
    assert!(keiko.json(&["runs", "list"])["runs"][0]["started"].is_i64());
}
