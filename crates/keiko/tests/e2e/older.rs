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
