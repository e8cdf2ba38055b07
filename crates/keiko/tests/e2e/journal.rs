//! What stands in the journal and is not as this program wrote it: events of a newer one, and views that were lost.

use crate::keiko::*;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Append, Durability, Expect, NewEvent, StreamId, ViewOp};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::Journal as _;
use keiko_store::{Options, SqliteJournal};

/// Writes to the journal as another program would.
fn write_to_journal(keiko: &Keiko, append: Append) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let journal =
            SqliteJournal::open(keiko.home().join("data/journal.db"), Options::default()).unwrap();
        journal
            .commit(vec![append], Durability::Barrier)
            .await
            .unwrap();
        journal.close().await;
    });
}

fn append(run: &str, events: Vec<NewEvent>, views: Vec<ViewOp>) -> Append {
    let stream = StreamId::run(run.parse::<RunId>().unwrap());
    Append {
        stream,
        expect: Expect::Any,
        fence: None,
        epoch: None,
        events,
        blobs: Vec::new(),
        views,
    }
}

/// An event of a kind that there is not, and one of a later version of a kind that there is.
fn of_a_newer_keiko() -> Vec<NewEvent> {
    let event = |kind, version, payload: &str| NewEvent {
        kind,
        version,
        at: Timestamp(1_900_000_000_000),
        payload: payload.as_bytes().to_vec(),
        head: keiko_contracts::journal::Head::default(),
    };
    vec![
        event("teleported", 1, "{\"to\":\"Kyoto\"}"),
        event("noted", 99, "{\"what\":[1,2]}"),
    ]
}

#[test]
fn a_run_with_events_of_a_newer_keiko_can_be_looked_at_and_not_resumed() {
    if !ready("a_run_with_events_of_a_newer_keiko_can_be_looked_at_and_not_resumed") {
        return;
    }
    let server = playing(vec![mend(), finish("Centuries are right now.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko.goal(&repo, "Fix centuries", &[]).expect(0);
    let run = keiko.newest();
    let before = keiko.events(&run).len();
    write_to_journal(&keiko, append(&run, of_a_newer_keiko(), Vec::new()));

    let events = keiko.run(&["runs", "events", &run]);
    events
        .expect(0)
        .gives("teleported (version 1): written by a newer Keiko")
        .gives("noted (version 99): written by a newer Keiko");
    let events = keiko.events(&run);
    assert_eq!(events.len(), before + 2);
    let opaque = &events[before];
    assert_eq!(
        (opaque["opaque"]["kind"].as_str(), &opaque["body"]),
        (Some("teleported"), &serde_json::Value::Null),
        "{opaque}"
    );
    assert_eq!(opaque["seq"], before + 1);

    let shown = keiko.run(&["runs", "show", &run]);
    shown
        .expect(0)
        .gives("succeeded")
        .gives("Centuries are right now.")
        .says("a newer Keiko wrote 2 events")
        .says("cannot be resumed");
    let shown = keiko.json(&["runs", "show", &run]);
    assert_eq!(
        (
            shown["opaque_events"].as_u64(),
            shown["end"]["status"].as_str()
        ),
        (Some(2), Some("succeeded")),
        "{shown}"
    );
    keiko
        .run(&["runs", "diff", &run])
        .expect(0)
        .gives("year % 400 == 0");
    keiko
        .run(&["runs", "report", &run])
        .expect(0)
        .gives("Centuries are right now.");
    keiko.run(&["runs", "list"]).expect(0).gives(&run);
    keiko
        .run(&["resume", &run, "go on"])
        .fails(1, "KEI-3031")
        .says("teleported")
        .says("not resumed");
    keiko
        .run(&["--lang", "de", "runs", "show", &run])
        .expect(0)
        .says("Ein neueres Keiko hat in diesem Lauf 2 Ereignisse geschrieben");
    assert_eq!(
        keiko.events(&run).len(),
        before + 2,
        "looking and refusing write nothing"
    );
    let doctor = keiko.run(&["--json", "doctor"]).json();
    let rows = doctor["checks"].as_array().unwrap();
    assert!(
        rows.iter()
            .any(|row| row["name"] == "lists" && row["state"] == "ok"),
        "what cannot be read is no wrong row: {doctor}"
    );
}

#[test]
fn a_run_that_waits_and_has_events_of_a_newer_keiko_is_told_from_its_row() {
    let server = playing(vec![execute("true"), finish("Done.")]);
    let keiko = Keiko::chat(&server);
    keiko.ask("Say hello", &["--max-steps", "1"]).expect(1);
    let run = keiko.newest();
    write_to_journal(&keiko, append(&run, of_a_newer_keiko(), Vec::new()));
    keiko
        .run(&["runs", "show", &run])
        .expect(0)
        .gives("limit")
        .gives("Say hello")
        .says("a newer Keiko wrote 2 events");
    keiko.run(&["runs", "diff", &run]).fails(1, "KEI-3031");
    keiko.run(&["resume", &run]).fails(1, "KEI-3031");
}

#[test]
fn views_that_were_lost_are_found_and_made_anew() {
    let server = playing(vec![execute("true"), finish("Done.")]);
    let keiko = Keiko::chat(&server);
    keiko.ask("Say hello", &["--max-steps", "1"]).expect(1);
    keiko.ask("Say good night", &["--max-steps", "1"]).expect(1);
    let list = || {
        keiko.json(&["runs", "list"])["runs"]
            .as_array()
            .unwrap()
            .clone()
    };
    let strip = |mut rows: Vec<serde_json::Value>| {
        rows.iter_mut()
            .for_each(|row| drop(row.as_object_mut().unwrap().remove("updated")));
        rows
    };
    let before = list();
    assert_eq!(before.len(), 2);
    let lists = |done: &Done| {
        let report = done.json();
        report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == "lists")
            .unwrap()
            .clone()
    };
    assert_eq!(lists(&keiko.run(&["--json", "doctor"]))["state"], "ok");

    let (lost, wrong) = (
        before[0]["run"].as_str().unwrap(),
        before[1]["run"].as_str().unwrap(),
    );
    let body = before[1]
        .to_string()
        .replace("\"limit\"", "\"succeeded\"")
        .into_bytes();
    let put = |key: &str, body| ViewOp::Put {
        view: "runs",
        key: key.into(),
        sort: 5,
        group: "succeeded".into(),
        body,
    };
    let ghost = "01900000000070008000000000000000";
    let views = vec![
        ViewOp::Delete {
            view: "runs",
            key: lost.into(),
        },
        put(wrong, body),
        put(ghost, b"{}".to_vec()),
    ];
    write_to_journal(&keiko, append(lost, Vec::new(), views));
    assert_eq!(list().len(), 1);

    let found = keiko.run(&["--json", "doctor"]);
    let row = lists(found.expect(8));
    assert!(
        row["state"] == "broken" && row["seen"].as_str().unwrap().contains(wrong),
        "{row}"
    );
    assert!(
        row["todo"]
            .as_str()
            .unwrap()
            .starts_with("keiko doctor --fix"),
        "{row}"
    );
    let mended = keiko.run(&["--json", "doctor", "--fix"]).json();
    assert!(
        mended["mended"]
            .as_array()
            .unwrap()
            .iter()
            .any(|what| what.as_str().unwrap().contains("lists")),
        "{mended}"
    );
    assert_eq!(strip(list()), strip(before));
    assert_eq!(lists(&keiko.run(&["--json", "doctor"]))["state"], "ok");
}

#[test]
fn a_row_that_does_not_go_with_the_end_of_its_run_is_found() {
    let server = playing(vec![finish("Done.")]);
    let keiko = Keiko::chat(&server);
    keiko.ask("Say hello", &[]);
    let rows = keiko.json(&["runs", "list"])["runs"].clone();
    let (row, run) = (&rows[0], rows[0]["run"].as_str().unwrap());
    let state = row["state"].as_str().unwrap();
    let lists = || {
        let report = keiko.run(&["--json", "doctor"]).json();
        let rows = report["checks"].as_array().unwrap();
        rows.iter()
            .find(|row| row["name"] == "lists")
            .unwrap()
            .clone()
    };
    assert_eq!(lists()["state"], "ok");
    let mut wrong = row.clone();
    wrong["steps"] = 77.into();
    let put = ViewOp::Put {
        view: "runs",
        key: run.into(),
        sort: keiko.events(run)[0]["at"]
            .as_str()
            .map(|at| at.parse::<jiff::Timestamp>().unwrap().as_millisecond())
            .unwrap(),
        group: state.into(),
        body: wrong.to_string().into_bytes(),
    };
    write_to_journal(&keiko, append(run, Vec::new(), vec![put]));
    assert_eq!(lists()["state"], "broken");
    keiko.run(&["doctor", "--fix"]);
    assert_eq!(lists()["state"], "ok");
    assert_eq!(keiko.json(&["runs", "list"])["runs"], rows);
}
