//! A run that was recorded is played again, answer by answer.

use crate::keiko::*;
use serde_json::{Value, json};

/// The commit that the agent made, by its id, and its date.
fn committed(keiko: &Keiko) -> (String, i64) {
    let events = keiko.events(&keiko.newest());
    let of = |kind: &'static str, field: &'static str| {
        let found = events
            .iter()
            .filter(|line| line["body"]["event"] == kind)
            .find_map(|line| find(&line["body"]["data"], field));
        found.unwrap_or_else(|| panic!("no {field} in {events:#?}"))
    };
    (
        of("effect_ended", "commit").as_str().unwrap().to_owned(),
        of("effect_intended", "at_seconds").as_i64().unwrap(),
    )
}

fn find(value: &Value, field: &str) -> Option<Value> {
    match value {
        Value::Object(fields) => fields
            .get(field)
            .cloned()
            .or_else(|| fields.values().find_map(|value| find(value, field))),
        Value::Array(items) => items.iter().find_map(|value| find(value, field)),
        _ => None,
    }
}

#[test]
fn a_recorded_run_with_a_commit_plays_again() {
    if !ready("a_recorded_run_with_a_commit_plays_again") {
        return;
    }
    let server = playing(vec![
        write("new.txt", "new\n"),
        call("git_commit", json!({"message": "Add a file"})),
        call("read_file", json!({"path": "new.txt"})),
        finish("Added."),
    ]);
    let keiko = Keiko::chat(&server);
    let (repo, tapes) = (leap_years(&keiko), keiko.root().join("tapes"));
    keiko
        .goal(&repo, "Add a file", &["--record", tapes.to_str().unwrap()])
        .expect(0);
    let recorded = committed(&keiko);
    server.assert_valid();
    let tape: Value =
        serde_json::from_slice(&std::fs::read(tapes.join("main.1.2.0.json")).unwrap()).unwrap();
    let answered = find(&tape["outcome"], "answered").and_then(|at| at.as_i64());
    assert_eq!(
        answered.map(|at| at.div_euclid(1_000)),
        Some(recorded.1),
        "the commit has the date of the answer that asked for it"
    );
    drop(server);
    keiko
        .goal(&repo, "Add a file", &["--replay", tapes.to_str().unwrap()])
        .expect(0);
    assert_eq!(committed(&keiko), recorded, "the same commit comes out");
}
