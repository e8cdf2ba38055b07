//! How runs end, stop, and go on.

use crate::keiko::*;
use keiko_testkit::models::Turn;
use serde_json::json;

#[test]
fn a_claim_on_red_tests_is_sent_back_until_it_fails() {
    if !ready("a_claim_on_red_tests_is_sent_back_until_it_fails") {
        return;
    }
    // Errors of tools on the way are no claims: they do not count.
    let mut turns: Vec<Turn> = (0..4)
        .map(|n| execute(&format!("exit {}", n + 1)))
        .collect();
    turns.push(add_century_test());
    turns.extend((0..6).map(|_| finish("All done!")));
    let server = playing(turns);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(1)
        .says("KEI-6201")
        .says("test_century");
    let claims = results(&server)
        .iter()
        .filter(|result| result.contains("Not accepted") && result.contains("test_century"))
        .count();
    assert_eq!(claims, 3, "sent back three times");
    assert_eq!(keiko.end(&keiko.newest())["status"], "failed");
    server.assert_valid();
}

#[test]
fn a_claim_on_red_tests_can_be_mended() {
    if !ready("a_claim_on_red_tests_can_be_mended") {
        return;
    }
    let server = playing(vec![
        add_century_test(),
        finish("Done."),
        mend(),
        finish("Done, really."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(0)
        .says("succeeded")
        .says("red to green")
        .gives("Done, really.");
    assert!(results(&server)[2].contains("Not accepted"));
    server.assert_valid();
}

/// The repository with a test that is red from the start.
fn red_from_the_start(keiko: &Keiko) -> std::path::PathBuf {
    let repo = leap_years(keiko);
    put(
        &repo,
        "tests/test_dates.py",
        &format!("{LEAP_TEST}{CENTURY_TEST}"),
    );
    git(&repo, &["commit", "-q", "-a", "-m", "red"]);
    repo
}

fn finish_beside(summary: &str) -> Turn {
    call(
        "finish",
        json!({"summary": summary, "red_tests_in_goal": false}),
    )
}

#[test]
fn a_goal_beside_red_tests_succeeds_and_the_card_says_that_they_are_red() {
    if !ready("a_goal_beside_red_tests_succeeds_and_the_card_says_that_they_are_red") {
        return;
    }
    let server = playing(vec![
        write("README.md", "Leap years.\n"),
        finish("Described."),
        finish_beside("Described."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = red_from_the_start(&keiko);
    let done = keiko.goal(&repo, "Describe the module in README.md", &[]);
    done.expect(0)
        .says("succeeded")
        .says("tests were red before and are as red now: 1 failing, the same ones")
        .says("test_century");
    let asked = &results(&server)[2];
    assert!(
        asked.contains("Not accepted") && asked.contains("red_tests_in_goal"),
        "it is asked whose the red tests are: {asked}"
    );
    let card = keiko.end(&keiko.newest())["card"].clone();
    assert!(
        card["still_red"][0]
            .as_str()
            .unwrap()
            .contains("test_century"),
        "{card:#}"
    );
    let run = keiko.newest();
    keiko.run(&["runs", "verify", "last"]).expect(0);
    // The check is a run below the one that it checks, and not the last that anybody wanted.
    keiko
        .run(&["runs", "list", "--json"])
        .expect(0)
        .gives(&format!("\"parent\":\"{run}\""));
    keiko.run(&["runs", "verify", "last"]).expect(0);
    server.assert_valid();
}

#[test]
fn red_tests_that_may_be_the_goal_are_no_success_by_the_agents_word() {
    if !ready("red_tests_that_may_be_the_goal_are_no_success_by_the_agents_word") {
        return;
    }
    let server = playing(vec![
        write("notes.md", "No.\n"),
        finish_beside("They are not my business."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = red_from_the_start(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(0)
        .says("unverified")
        .says("as red now: 1 failing");
    assert_eq!(keiko.end(&keiko.newest())["status"], "unverified");
}

#[test]
fn a_goal_that_names_a_red_test_is_missed_while_it_is_red() {
    if !ready("a_goal_that_names_a_red_test_is_missed_while_it_is_red") {
        return;
    }
    for turns in [
        vec![finish_beside("It was green for me."); 6],
        [
            vec![write("notes.md", "No.\n")],
            vec![finish_beside("Not mine."); 6],
        ]
        .concat(),
    ] {
        let server = playing(turns);
        let keiko = Keiko::chat(&server);
        let repo = red_from_the_start(&keiko);
        let done = keiko.goal(&repo, "Make the century test pass", &[]);
        done.expect(1).says("KEI-6201").says("test_century");
        assert_eq!(keiko.end(&keiko.newest())["status"], "failed");
    }
}

#[test]
fn a_run_that_waits_shows_its_change_as_it_stands() {
    if !ready("a_run_that_waits_shows_its_change_as_it_stands") {
        return;
    }
    let server = playing(vec![
        mend(),
        call("ask_operator", json!({"question": "Is that right?"})),
        finish("Done."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko.goal(&repo, "Look at centuries", &[]).expect(5);
    keiko
        .run(&["runs", "diff", "last"])
        .expect(0)
        .gives("\n-    return year % 4 == 0");
    let colored = keiko.run(&["runs", "diff", "last", "--color", "always"]);
    colored
        .expect(0)
        .gives("\u{1b}[31m-    return year % 4 == 0");
}

#[test]
fn what_is_taken_back_by_hand_can_be_applied_again() {
    if !ready("what_is_taken_back_by_hand_can_be_applied_again") {
        return;
    }
    let server = playing(vec![mend(), finish("Done.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko.goal(&repo, "Look at centuries", &[]).expect(0);
    keiko
        .run(&["runs", "apply", "last"])
        .expect(0)
        .gives("dates.py");
    git(&repo, &["checkout", "-q", "."]);
    keiko
        .run(&["runs", "undo", "last"])
        .expect(0)
        .says("Nothing to put back.");
    keiko
        .run(&["runs", "apply", "last"])
        .expect(0)
        .gives("dates.py");
    git(&repo, &["checkout", "-q", "."]);
    keiko
        .run(&["runs", "apply", "last"])
        .expect(0)
        .gives("dates.py");
    assert_ne!(git(&repo, &["status", "--short"]), "");
    keiko
        .run(&["runs", "undo", "last"])
        .expect(0)
        .gives("put back");
    assert_eq!(git(&repo, &["status", "--short"]), "");
}

#[test]
fn german_numbers_and_times_are_german() {
    let server = playing(vec![Turn::text("Zw\u{f6}lf.")]);
    let mut keiko = Keiko::chat(&server);
    keiko.set("TZ", "Asia/Kolkata");
    let done = keiko.run(&[
        "--lang",
        "de",
        "run",
        "Was ist 5 + 7?",
        "--no-workspace",
        "--model",
        "openai/gpt-5",
    ]);
    done.expect(0);
    let effort = done
        .stderr
        .lines()
        .find(|line| line.contains("Aufwand"))
        .unwrap()
        .to_owned();
    assert!(effort.contains(",") && !effort.contains('.'), "{effort}");
    let started = keiko.json(&["runs", "list"])["runs"][0]["started"]
        .as_i64()
        .unwrap();
    let minutes = (started / 60_000 + 330) % (24 * 60);
    let listed = keiko.run(&["--lang", "de", "runs", "list"]);
    let local = format!(" {:02}:{:02} ", minutes / 60, minutes % 60);
    listed.expect(0).gives(&local);
    assert!(
        !listed.stdout.contains("Z  ") && listed.stdout.contains(".20"),
        "{listed}"
    );
}

#[test]
fn a_goal_beside_files_without_a_project_says_that_they_are_left_out() {
    let server = playing(vec![Turn::text("Twelve."), Turn::text("Twelve.")]);
    let mut keiko = Keiko::chat(&server);
    let loose = keiko.root().join("loose");
    put(&loose, "notes.txt", "x\n");
    keiko.stand_in(&loose);
    keiko
        .run(&["run", "What is 5 + 7?", "--model", "openai/gpt-5"])
        .expect(0)
        .says("without any files")
        .says("--workspace .");
    let silent = keiko.ask("What is 5 + 7?", &[]);
    assert!(
        !silent.expect(0).stderr.contains("without any files"),
        "{silent}"
    );
}

#[test]
fn a_claim_that_leaves_the_red_tests_open_is_sent_back_until_it_fails() {
    if !ready("a_claim_that_leaves_the_red_tests_open_is_sent_back_until_it_fails") {
        return;
    }
    let mine = || {
        call(
            "finish",
            json!({"summary": "Done.", "red_tests_in_goal": true}),
        )
    };
    for claim in [finish("All done!"), mine()] {
        let server = playing([vec![write("README.md", "x\n")], vec![claim; 6]].concat());
        let keiko = Keiko::chat(&server);
        let repo = red_from_the_start(&keiko);
        keiko
            .goal(&repo, "Describe the module", &[])
            .expect(1)
            .says("KEI-6201")
            .says("test_century");
        assert_eq!(
            results(&server)
                .iter()
                .filter(|result| result.contains("Not accepted"))
                .count(),
            3
        );
        assert_eq!(keiko.end(&keiko.newest())["status"], "failed");
    }
}

#[test]
fn without_evidence_a_result_is_unverified() {
    if !ready("without_evidence_a_result_is_unverified") {
        return;
    }
    let server = playing(vec![write("notes.md", "Hello.\n"), finish("Wrote it.")]);
    let keiko = Keiko::chat(&server);
    let folder = keiko.root().join("plain folder");
    put(&folder, "readme.txt", "A folder without tests.\n");
    keiko
        .goal(&folder, "Write notes", &[])
        .expect(0)
        .says("unverified")
        .says("the folder as it was");
    keiko
        .run(&["runs", "apply", "last"])
        .expect(0)
        .gives("notes.md");
    assert_eq!(
        std::fs::read_to_string(folder.join("notes.md")).unwrap(),
        "Hello.\n"
    );
    assert!(!folder.join(".git").exists(), "a plain folder stays one");
    keiko.run(&["runs", "undo", "last"]).expect(0);
    assert!(!folder.join("notes.md").exists());
}

#[test]
fn a_goal_about_text_is_answered_on_stdout() {
    let server = playing(vec![Turn::text("Twelve.")]);
    let keiko = Keiko::chat(&server);
    let done = keiko.ask("What is 5 + 7?", &[]);
    assert_eq!(
        done.expect(0).stdout,
        "Twelve.\n",
        "stdout is the answer and nothing else"
    );
    let done = keiko.ask("What is 5 + 7?", &["--json"]);
    assert_eq!(done.expect(0).json()["status"], "succeeded");
    keiko.run(&["runs", "apply", "last"]).fails(1, "KEI-5401");
    server.assert_valid();
}

#[test]
fn a_goal_that_is_declined_ends_refused() {
    let refusing = || Turn {
        refusal: Some("I will not help with that.".into()),
        ..Turn::default()
    };
    for turn in [
        refusing(),
        call(
            "finish",
            json!({"summary": "It would harm people.", "refused": true}),
        ),
    ] {
        let server = playing(vec![turn]);
        let keiko = Keiko::chat(&server);
        keiko
            .ask("Break into the neighbour's network", &[])
            .expect(6)
            .says("refused");
        assert_eq!(keiko.end(&keiko.newest())["status"], "refused");
    }
}

#[test]
fn a_question_waits_for_words_and_goes_on_with_them() {
    let server = playing(vec![
        call("ask_operator", json!({"question": "Tea or coffee?"})),
        Turn::text("Coffee it is."),
    ]);
    let keiko = Keiko::chat(&server);
    let done = keiko.ask("Make a drink", &[]);
    let run = keiko.newest();
    done.expect(5)
        .says("Tea or coffee?")
        .says(&format!("keiko resume {run} \""));
    assert!(
        !done.stderr.contains("?."),
        "one mark ends a sentence: {done}"
    );
    let shown = keiko.json(&["runs", "show", &run]);
    assert_eq!(shown["waiting"]["for"], "question", "{shown:#}");
    keiko.run(&["runs", "verify", &run]).fails(1, "KEI-6205");
    keiko
        .run(&["resume", &run, "coffee,", "black"])
        .expect(0)
        .gives("Coffee it is.");
    assert!(
        results(&server)[1].contains("coffee, black"),
        "{:?}",
        results(&server)
    );
    server.assert_valid();
}

#[test]
fn the_limit_of_steps_stops_and_more_go_on() {
    let server = playing(vec![
        Turn::call("show_more", r#"{"reference":"o9.9"}"#),
        Turn::call("show_more", r#"{"reference":"o8.8"}"#),
        Turn::text("Done."),
    ]);
    let keiko = Keiko::chat(&server);
    let done = keiko.ask("Count", &["--max-steps", "2"]);
    let run = keiko.newest();
    done.expect(1)
        .says("KEI-6101")
        .says(&format!("keiko resume {run} --max-steps 4"));
    keiko.run(&["resume", &run]).expect(1).says("KEI-6101");
    keiko
        .run(&["resume", &run, "be brief", "--max-steps", "4"])
        .expect(0)
        .gives("Done.");
    let last = server.requests().pop().unwrap();
    assert!(
        last.body.to_string().contains("be brief"),
        "words on resuming steer: {:#}",
        last.body
    );
    server.assert_valid();
}

#[test]
fn a_budget_is_kept() {
    let server = playing(vec![
        Turn {
            tokens: Some((100, 0, 0)),
            ..Turn::call("show_more", r#"{"reference":"o9.9"}"#)
        },
        Turn::text("Done."),
    ]);
    let keiko = Keiko::chat(&server);
    keiko
        .ask(
            "Count",
            &["--model", "openai/unheard-of", "--budget", "0.50"],
        )
        .says("price")
        .says("hint:");
    assert!(
        server.requests().is_empty(),
        "nothing is spent on a model without a price"
    );
    let done = keiko.ask("Count", &["--budget", "0.000001"]);
    done.says("KEI-6103").says("--budget");
    assert!(
        done.code != 0 && server.requests().is_empty(),
        "the first request alone could cost more: {done}"
    );
    keiko
        .run(&["resume", "last", "--budget", "1"])
        .expect(0)
        .gives("Done.");
    let cost = keiko.end(&keiko.newest())["card"]["cost"].clone();
    assert!(cost != json!(0), "{cost}");
    server.assert_valid();
}

#[test]
fn a_kill_stops_a_live_run_and_it_can_go_on() {
    let server = deciding(|request| match request.turn() {
        0 => Turn::call("ask_operator", r#"{"question":"Go?"}"#),
        _ => Turn::text("Done."),
    });
    let keiko = Keiko::chat(&server);
    keiko.ask("Wait for me", &[]).expect(5);
    keiko
        .run(&["kill", "--all", "--reason", " "])
        .fails(2, "KEI-1240");
    keiko
        .run(&["kill", "--all", "--reason", "wrong branch"])
        .expect(0);
    keiko
        .run(&["resume", "last", "yes"])
        .expect(0)
        .gives("Done.");
    server.assert_valid();
}

#[test]
fn a_live_run_is_killed_at_once_and_is_nobody_elses_meanwhile() {
    if !ready("a_live_run_is_killed_at_once_and_is_nobody_elses_meanwhile") {
        return;
    }
    let server = playing(vec![
        execute("sleep 60"),
        Turn::text("x"),
        finish("Stopped."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let live = keiko.begin(&repo, "Sleep", &[]);
    keiko.until("the command to begin", |keiko| {
        let runs = keiko.json(&["runs", "list"]);
        runs["runs"][0]["run"].as_str().is_some_and(|run| {
            keiko
                .run(&["runs", "events", run])
                .stdout
                .contains("sleep 60")
        })
    });
    let run = keiko.newest();
    keiko
        .run(&["resume", &run])
        .fails(1, "KEI-6002")
        .says("runs events --follow")
        .says("if its process died, try again in");
    keiko
        .run(&["resume", &run, "and", "hurry"])
        .expect(0)
        .says("was told")
        .says("keiko runs events --follow");
    assert_eq!(keiko.json(&["resume", &run, "faster"])["told"], true);
    keiko.until("the words to be heard", |keiko| {
        keiko
            .run(&["runs", "events", &run])
            .stdout
            .contains("and hurry")
    });
    let begun = std::time::Instant::now();
    keiko
        .run(&["kill", "--run", &run, "--reason", "wrong branch"])
        .expect(0);
    live.wait()
        .expect(9)
        .says("wrong branch")
        .says(&format!("keiko resume {run}"));
    assert!(
        begun.elapsed().as_secs() < 10,
        "the command was not waited for"
    );
    assert_eq!(
        keiko.json(&["runs", "show", &run])["waiting"]["for"],
        "killed"
    );
    keiko
        .run(&["runs", "cancel", &run, "--reason", "enough"])
        .expect(0)
        .says("is cancelled");
    assert_eq!(keiko.end(&run)["status"], "cancelled");
    keiko.run(&["resume", &run]).fails(2, "KEI-6003");
    keiko.run(&["runs", "cancel", &run]).fails(2, "KEI-6003");
    keiko
        .run(&["kill", "--run", &run, "--reason", "late"])
        .fails(2, "KEI-6003");
    keiko
        .run(&[
            "kill",
            "--run",
            "01900000000070008000000000000000",
            "--reason",
            "none",
        ])
        .fails(3, "KEI-6001");
    server.assert_valid();
}

#[test]
fn an_unpriced_model_is_not_shown_as_free_and_a_free_one_is() {
    let server = playing(vec![
        call("ask_operator", json!({"question": "Go?"})),
        Turn::text("Hello."),
    ]);
    let keiko = Keiko::chat(&server);
    keiko
        .ask("Say hello", &["--model", "openai/unheard-of"])
        .expect(5);
    keiko.run(&["runs", "list"]).expect(0).gives("no price");
    let done = keiko.run(&["resume", "last", "yes"]);
    done.expect(0).says("no price");
    assert!(!done.stderr.contains("dollars"), "{done}");
    keiko
        .run(&["runs", "show", "last"])
        .expect(0)
        .gives("cost       no price");
    assert_eq!(keiko.end(&keiko.newest())["card"]["unpriced"], true);
    keiko
        .run(&[
            "config",
            "set",
            "models.prices.\"openai/unheard-of\".price",
            "0",
        ])
        .expect(0);
    keiko
        .ask("Say hello", &["--model", "openai/unheard-of"])
        .expect(5);
    keiko
        .run(&["resume", "last", "yes"])
        .expect(0)
        .says("0.00 dollars");
    let card = keiko.end(&keiko.newest())["card"].clone();
    assert!(card["cost"] == 0 && card["unpriced"].is_null(), "{card}");
    keiko.run(&["runs", "verify", "last"]).expect(0);
}

/// How often a text stands in what people saw.
fn times(done: &Done, text: &str) -> usize {
    format!("{}{}", done.stdout, done.stderr)
        .matches(text)
        .count()
}

#[test]
fn why_a_run_waits_is_told_once() {
    let server = playing(vec![execute("true"), finish("Done.")]);
    let keiko = Keiko::chat(&server);
    let limited = keiko.ask("Say hello", &["--max-steps", "1"]);
    limited
        .expect(1)
        .says("waits for a higher limit.\n")
        .says("KEI-6101");
    assert_eq!(times(&limited, "is reached"), 1, "{limited}");
    let german = keiko.ask("Say hello", &["--max-steps", "1", "--lang", "de"]);
    german.expect(1).says("wartet auf eine höhere Grenze.\n");
    assert_eq!(times(&german, "ist erreicht"), 1, "{german}");

    let taped = keiko.root().join("tape");
    keiko
        .ask("Say hello", &["--record", taped.to_str().unwrap()])
        .expect(0);
    let long: String = (0..80).map(|n| format!("line {n}\n")).collect();
    let other = keiko.ask(
        &format!("Say good night\n{long}"),
        &["--replay", taped.to_str().unwrap()],
    );
    other
        .says("waits for the model.\n")
        .says("... all of it: keiko --json runs show");
    assert!(other.stderr.lines().count() < 30, "{other}");
    assert_eq!(times(&other, "error["), 1, "{other}");
}

#[test]
fn a_waiting_run_can_be_cancelled() {
    let server = playing(vec![call(
        "ask_operator",
        json!({"question": "Tea or coffee?"}),
    )]);
    let keiko = Keiko::chat(&server);
    keiko.ask("Make a drink", &[]).expect(5);
    let run = keiko.newest();
    keiko
        .run(&["runs", "cancel", &run])
        .expect(0)
        .says("is cancelled");
    assert_eq!(
        keiko.json(&["runs", "list", "--state", "cancelled"])["runs"][0]["run"],
        run
    );
    keiko.run(&["resume", &run, "tea"]).fails(2, "KEI-6003");
}

#[test]
fn a_run_that_is_not_there() {
    let keiko = Keiko::new();
    for args in [
        ["runs", "show", "zzzzzzzzzzzzzzzz"],
        ["runs", "diff", "nope"],
        ["runs", "apply", "last"],
    ] {
        keiko.run(&args).fails(3, "KEI-6001");
    }
    keiko
        .run(&["resume", "zzzzzzzzzzzzzzzz"])
        .fails(3, "KEI-6001");
    keiko
        .run(&["approvals", "show", "nope"])
        .fails(3, "KEI-2101");
    let error = keiko.run(&["--json", "runs", "show", "nope"]);
    assert_eq!(error.expect(3).json()["error"]["code"], "KEI-6001");
}
