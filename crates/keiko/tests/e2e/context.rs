//! What the model reads: a prefix that never changes, pieces of bounded size, a ledger that outlives the window; and
//! what it is told when it calls something wrong.

use crate::keiko::*;
use keiko_testkit::models::{Family, Request, Turn};
use serde_json::{Value, json};

/// The text of all system messages.
fn system(request: &Request) -> String {
    match request.family {
        Family::Messages => request.body["system"].to_string(),
        Family::Chat => request
            .messages()
            .iter()
            .filter(|message| message["role"] == "system")
            .map(Value::to_string)
            .collect(),
    }
}

#[test]
fn the_prefix_is_the_same_byte_for_byte() {
    if !ready("the_prefix_is_the_same_byte_for_byte") {
        return;
    }
    for family in [Family::Chat, Family::Messages] {
        let server = playing(vec![
            call("read_file", json!({"path": "dates.py"})),
            Turn::call("git_status", "{}").thinking("Looking on."),
            execute("date +%N"),
            finish("Nothing to do."),
        ]);
        let keiko = Keiko::with(&server, family);
        let repo = leap_years(&keiko);
        keiko
            .goal(&repo, "Look around", &[])
            .expect(0)
            .says("unverified");
        let requests = server.requests();
        assert_eq!(requests.len(), 4);
        assert!(
            system(&requests[0]).contains("Use single quotes in this project."),
            "AGENTS.md is read"
        );
        assert!(
            system(&requests[0]).contains("say that you are an AI"),
            "the floor stands first"
        );
        for pair in requests.windows(2) {
            assert_eq!(system(&pair[0]), system(&pair[1]));
            assert_eq!(
                pair[0].body["tools"].to_string(),
                pair[1].body["tools"].to_string()
            );
            let (before, after) = (unmarked(&pair[0]), unmarked(&pair[1]));
            assert_eq!(
                before[..],
                after[..before.len()],
                "a conversation only grows"
            );
        }
        server.assert_valid();
    }
}

/// The messages without cache marks, which move on.
fn unmarked(request: &Request) -> Vec<String> {
    let mut messages = request.messages().to_vec();
    for message in &mut messages {
        for block in message["content"].as_array_mut().into_iter().flatten() {
            block
                .as_object_mut()
                .map(|block| block.remove("cache_control"));
        }
    }
    messages.iter().map(Value::to_string).collect()
}

#[test]
fn a_long_result_is_cut_and_the_rest_can_be_read() {
    if !ready("a_long_result_is_cut_and_the_rest_can_be_read") {
        return;
    }
    let server = deciding(|request| match request.turn() {
        0 => execute("seq -f 'line %05g of a long output' 1 2000"),
        1 => {
            let shown = request.last_results().join("");
            let reference = shown
                .split(|c: char| !(c.is_alphanumeric() || c == '.'))
                .find(|word| {
                    word.strip_prefix('o').is_some_and(|rest| {
                        rest.split_once('.').is_some_and(|(a, b)| {
                            a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok()
                        })
                    })
                });
            call(
                "show_more",
                json!({"reference": reference.unwrap_or("none"), "from_line": 1000, "lines": 3}),
            )
        }
        _ => finish("Read."),
    });
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko.goal(&repo, "Read a lot", &[]).expect(0);
    let seen = results(&server);
    assert!(
        seen[1].len() < 14_000 && seen[1].contains("line 00001") && seen[1].contains("line 02000"),
        "{} bytes",
        seen[1].len()
    );
    assert!(!seen[1].contains("line 01000"), "the middle is left out");
    assert!(
        seen[2].contains("line 00999") || seen[2].contains("line 01000"),
        "{}",
        seen[2]
    );
    server.assert_valid();
}

#[test]
fn what_has_left_the_window_can_still_be_read() {
    if !ready("what_has_left_the_window_can_still_be_read") {
        return;
    }
    let server = deciding(|request| match request.number {
        0 => execute("seq -f 'line %05g of a long output' 1 2000"),
        n @ 1..=7 => execute(&format!("seq -f 'step {n} says %g' 1 300")),
        8 => call(
            "show_more",
            json!({"reference": "o1.0", "from_line": 1000, "lines": 3}),
        ),
        _ => finish("Read."),
    });
    let mut keiko = Keiko::chat(&server);
    keiko.set("KEIKO_RUN__CONTEXT_TOKENS", "12000");
    let repo = leap_years(&keiko);
    keiko.goal(&repo, "Read a lot", &[]).expect(0);
    let requests = server.requests();
    let before = requests[8].body.to_string();
    assert!(
        !before.contains("line 00001 of") && before.contains("o1.0 (execute, "),
        "it has left, and the ledger names it: {before}"
    );
    let seen = requests[9].last_results().join("");
    assert!(
        seen.contains("line 01000 of a long output")
            || seen.contains("line 00999 of a long output"),
        "{seen}"
    );
    server.assert_valid();
}

#[test]
fn without_a_workspace_only_tools_that_work_are_offered() {
    let server = playing(vec![execute("true"), finish("Good morning.")]);
    let keiko = Keiko::chat(&server);
    keiko.ask("Greet me", &[]).expect(0);
    let requests = server.requests();
    for request in &requests {
        assert_eq!(request.tools(), ["ask_operator", "finish", "show_more"]);
    }
    let told = requests[1].last_results().join("");
    assert!(told.contains("there is no tool `execute`"), "{told}");
    server.assert_valid();
}

#[test]
fn the_goal_and_the_ledger_survive_a_small_window() {
    if !ready("the_goal_and_the_ledger_survive_a_small_window") {
        return;
    }
    for family in [Family::Chat, Family::Messages] {
        let server = deciding(|request| match request.number {
            0 => mend(),
            n @ 1..=9 => execute(&format!("seq -f 'step {n} says %g' 1 300")),
            _ => finish("Read it all."),
        });
        let mut keiko = Keiko::with(&server, family);
        keiko.set("KEIKO_RUN__CONTEXT_TOKENS", "9000");
        let repo = leap_years(&keiko);
        keiko
            .goal(&repo, "Fix the centuries of XYZZY", &[])
            .expect(0);
        let requests = server.requests();
        let last = requests.last().unwrap().body.to_string();
        assert!(
            !last.contains("step 1 says 7"),
            "the oldest steps have left"
        );
        assert!(
            last.contains("step 9 says 7") && last.contains("XYZZY"),
            "the newest step and the goal are there"
        );
        assert!(
            last.contains("dates.py"),
            "the ledger knows the files touched"
        );
        let longest = requests
            .iter()
            .map(|request| request.body["messages"].to_string().len())
            .max()
            .unwrap();
        assert!(
            longest < 12_000 * 5,
            "{longest} bytes in the longest conversation"
        );
        let run = keiko.newest();
        assert!(
            keiko
                .events(&run)
                .iter()
                .any(|line| line["body"]["event"] == "context_compacted")
        );
        server.assert_valid();
    }
}

#[test]
fn wrong_calls_are_answered_with_what_would_be_right() {
    if !ready("wrong_calls_are_answered_with_what_would_be_right") {
        return;
    }
    // Arguments, and what the answer must name.
    let wrong: Vec<(Turn, &str)> = vec![
        (
            Turn::call("read_fiel", r#"{"path":"dates.py"}"#),
            "read_file",
        ),
        (Turn::call("read_file", r#"{"path":"#), "not JSON"),
        (Turn::call("read_file", r#"[1,2]"#), "object"),
        (Turn::call("read_file", r#"{"place":"dates.py"}"#), "path"),
        (
            Turn::call("read_file", r#"{"path":"../../etc/passwd"}"#),
            "..",
        ),
        (
            Turn::call(
                "write_file",
                r#"{"path":".git/hooks/pre-commit","text":"x"}"#,
            ),
            ".git",
        ),
        (edit("dates.py", "year % 5 == 0", "True"), "year % 4 == 0"),
        (edit("dates.py", "year % 6 == 0", "True"), "write_file"),
    ];
    let turns: Vec<Turn> = wrong
        .iter()
        .map(|(turn, _)| turn.clone())
        .chain([finish("Nothing worked.")])
        .collect();
    for family in [Family::Chat, Family::Messages] {
        let server = playing(turns.clone());
        let keiko = Keiko::with(&server, family);
        let repo = leap_years(&keiko);
        keiko
            .goal(&repo, "Try everything", &[])
            .expect(0)
            .says("unverified");
        let seen = results(&server);
        for ((_, named), result) in wrong.iter().zip(&seen[1..]) {
            assert!(result.contains(named), "{named:?} in {result}");
        }
        server.assert_valid();
    }
}

#[test]
fn the_same_call_over_and_over_is_refused() {
    if !ready("the_same_call_over_and_over_is_refused") {
        return;
    }
    let server = playing(
        (0..4)
            .map(|_| execute("cat dates.py"))
            .chain([finish("I saw it.")])
            .collect(),
    );
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko.goal(&repo, "Look", &[]).expect(0);
    let seen = results(&server);
    assert!(
        seen[2].contains("is_leap") && seen[3].contains("come out the same"),
        "{seen:#?}"
    );
    server.assert_valid();
}

#[test]
fn calls_side_by_side_are_all_answered_in_order() {
    if !ready("calls_side_by_side_are_all_answered_in_order") {
        return;
    }
    let many = call("read_file", json!({"path": "dates.py"}))
        .and_call("read_file", r#"{"path":"tests/test_dates.py"}"#)
        .and_call("search", r#"{"pattern":"is_leap"}"#)
        .and_call("write_file", r#"{"path":"new.txt","text":"new\n"}"#)
        .and_call("read_file", r#"{"path":"new.txt"}"#)
        .and_call("nonsense", "{}");
    for family in [Family::Chat, Family::Messages] {
        let server = playing(vec![many.clone(), finish("Done.")]);
        let keiko = Keiko::with(&server, family);
        let repo = leap_years(&keiko);
        keiko.goal(&repo, "Look", &[]).expect(0);
        let answers = server.requests()[1].last_results();
        assert_eq!(answers.len(), 6);
        for (answer, part) in answers.iter().zip([
            "year % 4",
            "test_common",
            "tests/test_dates.py",
            "created new.txt",
            "new",
            "nonsense",
        ]) {
            assert!(answer.contains(part), "{part:?} in {answer}");
        }
        server.assert_valid();
    }
}
