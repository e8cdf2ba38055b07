//! Bad days of a model server: tried again where that helps, otherwise a coded error and a run that can go on.

use crate::keiko::*;
use keiko_testkit::models::{Day, FakeModelServer, Family, Script, Turn};
use std::time::{Duration, Instant};

/// A server that has these days, one per request, and answers well after them.
fn after(days: Vec<Day>) -> FakeModelServer {
    deciding(move |request| match days.get(request.number) {
        Some(day) => Turn {
            day: day.clone(),
            ..Turn::text("Good morning.")
        },
        None => Turn::text("Good morning."),
    })
}

#[test]
fn passing_troubles_are_tried_again() {
    let days = [
        Day::status(500).into(),
        Day::status(529).into(),
        Day::CutConnection(2),
        Day::CutClean(2),
        Day::BadJson(1),
    ];
    for family in [Family::Chat, Family::Messages] {
        for day in days.clone() {
            let server = after(vec![day.clone()]);
            let keiko = Keiko::with(&server, family);
            keiko
                .ask("Greet me", &[])
                .expect(0)
                .gives("Good morning.")
                .says("trying again");
            assert_eq!(server.requests().len(), 2, "{day:?}");
            server.assert_valid();
            let run = keiko.newest();
            let tries: Vec<u64> = keiko
                .events(&run)
                .iter()
                .filter_map(|line| line["body"]["data"]["tries"].as_u64())
                .collect();
            assert_eq!(tries, [2], "one effect with two tries");
        }
    }
}

#[test]
fn a_server_says_how_long_to_wait() {
    let server = after(vec![Day::status(429).retry_after("2").into()]);
    let keiko = Keiko::chat(&server);
    let begun = Instant::now();
    keiko.ask("Greet me", &[]).expect(0).gives("Good morning.");
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "Retry-After is kept"
    );
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn what_does_not_pass_waits_with_a_code_and_goes_on_later() {
    // Status, code, exit code: no second try is made.
    for (status, code, exit) in [
        (401, "KEI-4101", 4),
        (404, "KEI-4102", 7),
        (400, "KEI-4104", 7),
        (402, "KEI-4109", 7),
    ] {
        let server = after(vec![Day::status(status).into()]);
        let keiko = Keiko::chat(&server);
        let done = keiko.ask("Greet me", &[]);
        let run = keiko.newest();
        done.fails(exit, code).says(&format!("keiko resume {run}"));
        assert!(
            !format!("{done}").contains("sk-test-4711"),
            "keys are never shown"
        );
        assert_eq!(server.requests().len(), 1, "{status}");
        assert_eq!(
            keiko.json(&["runs", "show", &run])["waiting"]["for"],
            "unavailable"
        );
        keiko
            .run(&["resume", &run])
            .expect(0)
            .gives("Good morning.");
        server.assert_valid();
    }
}

#[test]
fn what_never_passes_ends_in_a_coded_error() {
    for day in [
        Day::Html,
        Day::JsonError,
        Day::ErrorEvent(1, "invalid_request_error".into()),
    ] {
        let server = FakeModelServer::start(Script::policy(move |_| Turn {
            day: day.clone(),
            ..Turn::text("x")
        }))
        .unwrap();
        let keiko = Keiko::chat(&server);
        let done = keiko.ask("Greet me", &[]);
        done.expect(7).says("error[KEI-41").says("keiko resume");
    }
}

#[test]
fn slow_a_server_that_nobody_finds() {
    let mut keiko = Keiko::new();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    keiko.set("OPENAI_BASE_URL", format!("http://127.0.0.1:{port}/v1"));
    keiko
        .ask("Greet me", &["--model", "openai/gpt-5"])
        .fails(7, "KEI-4103")
        .says("keiko resume");
}

#[test]
fn a_run_that_is_ended_by_a_signal_goes_on_where_it_was() {
    let server = deciding(|request| match request.number {
        0 => Turn {
            day: Day::SlowFirst(Duration::from_secs(30)),
            ..Turn::text("late")
        },
        _ => Turn::text("Good morning."),
    });
    let keiko = Keiko::chat(&server);
    let live = keiko.spawn(&[
        "run",
        "Greet me",
        "--no-workspace",
        "--model",
        "openai/gpt-5",
    ]);
    keiko.until("the request", |_| server.requests().len() == 1);
    let pid = live.child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    live.wait()
        .expect(130)
        .says("stopped by")
        .says("keiko resume");
    keiko
        .run(&["resume", "last"])
        .expect(0)
        .gives("Good morning.");
    server.assert_valid();
}

#[test]
fn a_run_whose_process_was_shot_goes_on_where_it_was() {
    let server = deciding(|request| match request.number {
        0 => Turn {
            day: Day::SlowFirst(Duration::from_secs(30)),
            ..Turn::text("late")
        },
        _ => Turn::text("Good morning."),
    });
    let keiko = Keiko::chat(&server);
    let mut live = keiko.spawn(&[
        "run",
        "Greet me",
        "--no-workspace",
        "--model",
        "openai/gpt-5",
    ]);
    keiko.until("the request", |_| server.requests().len() == 1);
    live.child.kill().unwrap();
    live.child.wait().unwrap();
    // The lease of the dead process holds for some seconds more.
    keiko.until("the lease to end", |keiko| {
        keiko.run(&["resume", "last"]).code == 0
    });
    assert_eq!(keiko.end(&keiko.newest())["status"], "succeeded");
    server.assert_valid();
}

#[test]
fn a_time_limit_does_not_wait_for_a_slow_model() {
    let server = deciding(|request| match request.number {
        0 => Turn {
            day: Day::SlowFirst(Duration::from_secs(30)),
            ..Turn::text("late")
        },
        _ => Turn::text("Good morning."),
    });
    let keiko = Keiko::chat(&server);
    keiko
        .ask("Greet me", &["--max-seconds", "1"])
        .expect(124)
        .says("KEI-6102")
        .says("keiko resume");
    let outcomes: Vec<String> = keiko
        .events(&keiko.newest())
        .iter()
        .filter(|line| line["body"]["event"] == "effect_ended")
        .map(|line| line["body"]["data"]["outcome"].to_string())
        .collect();
    assert!(
        outcomes.len() == 1 && outcomes[0].contains("cancelled"),
        "the request was cut off, and that is on record: {outcomes:?}"
    );
    keiko
        .run(&["resume", "last"])
        .expect(0)
        .gives("Good morning.");
    server.assert_valid();
}
