//! Any model ends cleanly: in words, cut off, in circles. What each case costs stands in its test.

use crate::keiko::*;
use keiko_testkit::models::{Call, Day, FakeModelServer, Family, Turn};
use serde_json::{Value, json};

/// What one request costs in these tests, millionths of a dollar: the usual tokens of the fake server at the price of gpt-5.
const PRICE: u64 = 228;

/// What was spent, in requests: as the server counts them, and as the card does.
#[track_caller]
fn spent(keiko: &Keiko, server: &FakeModelServer, requests: usize) {
    server.assert_valid();
    assert_eq!(server.requests().len(), requests, "requests");
    let card = keiko.end(&keiko.newest())["card"].clone();
    assert_eq!(card["cost"], json!(requests as u64 * PRICE), "{card:#}");
}

fn words(text: &str) -> Turn {
    Turn::text(text)
}

/// An answer that the output limit cut off.
fn cut_off(turn: Turn) -> Turn {
    Turn {
        stop: Some("length".into()),
        ..turn
    }
}

#[test]
fn an_answer_in_words_is_a_claim_and_costs_no_further_request() {
    if !ready("an_answer_in_words_is_a_claim_and_costs_no_further_request") {
        return;
    }
    let server = playing(vec![
        add_century_test(),
        mend(),
        words("I fixed the rule for centuries; all tests pass."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    let done = keiko.goal(&repo, "Fix centuries", &[]);
    done.expect(0)
        .says("succeeded")
        .says("2 passed")
        .gives("I fixed the rule for centuries");
    spent(&keiko, &server, 3);

    let server = playing(vec![
        execute("cat dates.py"),
        words("The module knows leap years, but not those of centuries."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Explain dates.py", &[])
        .expect(0)
        .says("unverified")
        .gives("knows leap years");
    spent(&keiko, &server, 2);
}

#[test]
fn a_claim_in_words_on_red_tests_is_sent_back_twice() {
    if !ready("a_claim_in_words_on_red_tests_is_sent_back_twice") {
        return;
    }
    let server = playing([vec![add_century_test()], vec![words("All done!"); 60]].concat());
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(1)
        .says("KEI-6201")
        .says("test_century");
    let last = server.requests().pop().unwrap().body.to_string();
    assert_eq!(last.matches("Not accepted. ").count(), 2, "{last}");
    spent(&keiko, &server, 4);

    let server = playing(vec![
        add_century_test(),
        words("All done!"),
        mend(),
        words("Now it is mended."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(0)
        .says("succeeded")
        .gives("Now it is mended.");
    spent(&keiko, &server, 4);
}

#[test]
fn work_that_is_only_announced_is_asked_for() {
    if !ready("work_that_is_only_announced_is_asked_for") {
        return;
    }
    let server = playing(vec![
        words("I'll look at the tests first."),
        add_century_test(),
        words("Let me fix it now."),
        mend(),
        finish("Done."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(0)
        .says("succeeded");
    spent(&keiko, &server, 5);

    let server = playing(vec![words("Ich werde zuerst die Tests ansehen."); 60]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(0)
        .says("unverified")
        .gives("Ich werde zuerst");
    spent(&keiko, &server, 3);
}

#[test]
fn a_question_in_words_without_anybody_there_ends_unverified_and_is_shown() {
    if !ready("a_question_in_words_without_anybody_there_ends_unverified_and_is_shown") {
        return;
    }
    let server = playing(vec![
        execute("cat dates.py"),
        words("Soll das Jahr 1900 ein Schaltjahr sein?"),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(0)
        .says("unverified")
        .gives("Soll das Jahr 1900 ein Schaltjahr sein?");
    spent(&keiko, &server, 2);
}

#[test]
fn a_call_in_an_answer_that_was_cut_off_is_never_carried_out() {
    if !ready("a_call_in_an_answer_that_was_cut_off_is_never_carried_out") {
        return;
    }
    let long = "x = 1\n".repeat(500);
    for (family, stop) in [(Family::Chat, "length"), (Family::Messages, "max_tokens")] {
        let cut = Turn {
            stop: Some(stop.into()),
            ..write("cut.py", &long).thinking("hm")
        };
        let half = Turn {
            stop: Some(stop.into()),
            ..Turn::call("write_file", r#"{"path":"cut.py","text":"x = "#)
        };
        let server = playing(vec![cut, half, add_century_test(), mend(), finish("Done.")]);
        let keiko = Keiko::with(&server, family);
        let repo = leap_years(&keiko);
        keiko
            .goal(&repo, "Fix centuries", &[])
            .expect(0)
            .says("succeeded");
        assert!(
            !keiko
                .run(&["runs", "diff", "last"])
                .stdout
                .contains("cut.py"),
            "the call was whole, and was not carried out"
        );
        let requests = server.requests();
        assert!(
            requests[1].last_results()[0].contains("cut off at the output limit of 8192 tokens"),
            "{:?}",
            requests[1].last_results()
        );
        let limits: Vec<u64> = requests
            .iter()
            .map(|r| {
                r.body["max_tokens"]
                    .as_u64()
                    .or(r.body["max_completion_tokens"].as_u64())
                    .unwrap()
            })
            .collect();
        assert_eq!(limits, [8192, 16384, 16384, 16384, 16384], "raised once");
        assert!(
            !requests[4]
                .body
                .to_string()
                .contains(&"x = 1\\n".repeat(100)),
            "what was cut off is not paid for again"
        );
        server.assert_valid();
        assert_eq!(requests.len(), 5);
    }
}

#[test]
fn three_answers_in_a_row_that_were_cut_off_end_the_run() {
    for turn in [
        words("Once upon a time"),
        Turn::default().thinking("Hm, what about"),
        Turn::call("finish", r#"{"summary":"Done."}"#),
    ] {
        let server = playing(vec![cut_off(turn); 60]);
        let keiko = Keiko::chat(&server);
        keiko
            .ask("Tell a story", &[])
            .fails(1, "KEI-6221")
            .says("3 times in a row")
            .says("run.max_output_tokens");
        spent(&keiko, &server, 3);
    }
}

#[test]
fn a_name_in_two_pieces_is_put_together() {
    let chunk = |delta: serde_json::Value, finish: Option<&str>| {
        format!(
            "data: {}\n\n",
            json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        )
    };
    let piece = |function: serde_json::Value| {
        chunk(
            json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": function}]}),
            None,
        )
    };
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 120, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 20}}});
    let stream = [
        piece(json!({"name": "fin"})),
        piece(json!({"name": "ish", "arguments": ""})),
        piece(json!({"arguments": "{\"summary\":\"Twelve.\"}"})),
        chunk(json!({}), Some("tool_calls")),
        format!("data: {usage}\n\ndata: [DONE]\n\n"),
    ];
    let server = playing(vec![
        Turn::default().on(Day::Raw(stream.concat().into_bytes())),
    ]);
    let keiko = Keiko::chat(&server);
    keiko.ask("What is 5 + 7?", &[]).expect(0).gives("Twelve.");
    spent(&keiko, &server, 1);
}

#[test]
fn whatever_comes_to_the_same_five_times_ends_the_run() {
    if !ready("whatever_comes_to_the_same_five_times_ends_the_run") {
        return;
    }
    type Nth = fn(usize) -> Turn;
    let turns: [(&str, Nth); 4] = [
        ("invalid arguments", |n| {
            call("write_file", json!({"text": n.to_string()}))
        }),
        ("unknown tools", |n| {
            call(&format!("web_search_{n}"), json!({"q": "leap years"}))
        }),
        ("the same call", |_| execute("cat dates.py")),
        ("a refused claim", |_| {
            execute("false").and_call("finish", r#"{"summary":"Done."}"#)
        }),
    ];
    for (what, turn) in turns {
        let server = deciding(move |request| turn(request.turn()));
        let keiko = Keiko::chat(&server);
        let repo = leap_years(&keiko);
        keiko.goal(&repo, "Fix centuries", &[]).fails(1, "KEI-6220");
        let bodies: Vec<String> = server
            .requests()
            .iter()
            .map(|request| request.body.to_string())
            .collect();
        let told = |n: usize| {
            bodies[n].contains("came to the same and changed nothing")
                || bodies[n].contains("come out the same several times")
        };
        assert!(!told(2) && told(3), "{what}: told after the third");
        assert_eq!(bodies.len(), 5, "{what}");
        spent(&keiko, &server, 5);
    }
}

#[test]
fn a_claim_beside_a_call_that_failed_is_not_taken() {
    if !ready("a_claim_beside_a_call_that_failed_is_not_taken") {
        return;
    }
    let both = Turn {
        calls: vec![
            Call {
                id: None,
                name: "finish".into(),
                arguments: r#"{"summary":"Done."}"#.into(),
            },
            Call {
                id: None,
                name: "execute".into(),
                arguments: r#"{"command":"echo new > new.txt; exit 3"}"#.into(),
            },
        ],
        ..Turn::default()
    };
    let server = playing(vec![both, finish("Done, knowing that.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Write new.txt", &[])
        .expect(0)
        .gives("Done, knowing that.");
    let told = server.requests()[1].last_results();
    assert!(
        told[0].contains("execute failed") && told[1].contains("exit"),
        "what comes after it is done first: {told:?}"
    );
    spent(&keiko, &server, 2);
}

/// A server whose model holds so many tokens, as it counts (a token for each three bytes), and says it in these words when more
/// is sent. What it refuses costs nothing.
fn small(context: usize, said: fn(usize, usize) -> String, turns: Vec<Turn>) -> FakeModelServer {
    // Counted, since older turns leave the conversation.
    let played = std::sync::atomic::AtomicUsize::new(0);
    deciding(move |request| {
        let (asked, output) = (
            request.body.to_string().len() / 3,
            limit(&request.body) as usize,
        );
        if asked + output > context {
            return Turn {
                day: Day::status(400).body(&said(asked, context)).into(),
                ..Turn::default()
            };
        }
        let turn = played.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        turns
            .get(turn)
            .cloned()
            .unwrap_or_else(|| finish("the script is over"))
    })
}

fn limit(body: &Value) -> u64 {
    body["max_tokens"]
        .as_u64()
        .or(body["max_completion_tokens"].as_u64())
        .unwrap()
}

/// The requests that were answered.
fn answered(server: &FakeModelServer, context: usize) -> Vec<Value> {
    let fits = |body: &Value| body.to_string().len() / 3 + limit(body) as usize <= context;
    server
        .requests()
        .into_iter()
        .map(|request| request.body)
        .filter(fits)
        .collect()
}

const REFUSALS: [fn(usize, usize) -> String; 4] = [
    |asked, context| {
        json!({"error": {"code": "context_length_exceeded", "type": "invalid_request_error", "message": format!("This model's maximum context length is {context} tokens. However, your messages resulted in {asked} tokens.")}}).to_string()
    },
    |asked, context| {
        json!({"object": "error", "code": 400, "type": "BadRequestError", "message": format!("This model's maximum context length is {context} tokens. However, you requested {} tokens ({asked} in the messages, 8192 in the completion).", asked + 8192)}).to_string()
    },
    |asked, context| {
        json!({"error": {"code": 400, "type": "exceed_context_size_error", "message": "the request exceeds the available context size", "n_prompt_tokens": asked, "n_ctx": context}}).to_string()
    },
    |asked, context| {
        json!({"error": format!("Trying to keep the first {asked} tokens when context the overflows. However, the model is loaded with context length of only {context} tokens, which is not enough.")}).to_string()
    },
];

#[test]
fn a_small_window_is_learnt_kept_to_and_remembered() {
    if !ready("a_small_window_is_learnt_kept_to_and_remembered") {
        return;
    }
    const CONTEXT: usize = 8_192;
    for said in REFUSALS {
        let turns = vec![
            execute("seq 1 4000"),
            execute("seq 2 4000"),
            execute("seq 3 4000"),
            add_century_test(),
            mend(),
            finish("Done."),
        ];
        let server = small(CONTEXT, said, turns.clone());
        let keiko = Keiko::chat(&server);
        let repo = leap_years(&keiko);
        keiko
            .goal(&repo, "Fix centuries", &[])
            .expect(0)
            .says("succeeded");
        let (all, good) = (server.requests().len(), answered(&server, CONTEXT));
        assert!(
            all - good.len() <= 3,
            "{} of {all} requests were refused",
            all - good.len()
        );
        assert!(
            good[0]["tools"].as_array().unwrap().len() < 12,
            "a small window gets fewer tools"
        );
        server.assert_valid();
        let card = keiko.end(&keiko.newest())["card"].clone();
        assert_eq!(
            card["cost"],
            json!(good.len() as u64 * PRICE),
            "what was refused costs nothing: {card:#}"
        );

        // The next run knows: its first request fits.
        keiko.goal(&repo, "Fix centuries", &[]).expect(0);
        let first = &server.requests()[all];
        assert!(
            first.body.to_string().len() / 3 + limit(&first.body) as usize <= CONTEXT,
            "remembered"
        );
    }
}

#[test]
fn a_window_that_does_not_hold_the_rules_is_named_before_anything_is_sent() {
    if !ready("a_window_that_does_not_hold_the_rules_is_named_before_anything_is_sent") {
        return;
    }
    let server = small(1_024, REFUSALS[0], vec![]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(1)
        .says("KEI-6222")
        .says("holds 1024 tokens")
        .says("OLLAMA_CONTEXT_LENGTH");
    assert_eq!(server.requests().len(), 1, "one request told");
    keiko
        .goal(&repo, "Fix centuries", &[])
        .expect(1)
        .says("KEI-6222");
    assert_eq!(server.requests().len(), 1, "and then it is known");
}

#[test]
fn a_model_that_writes_less_is_asked_for_less() {
    let body = json!({"error": {"message": "max_tokens is too large: 8192. This model supports at most 4096 completion tokens, whereas you provided 8192.", "type": "invalid_request_error", "code": "invalid_value"}});
    let server = deciding(move |request| match limit(&request.body) {
        0..=4096 => words("Twelve."),
        _ => Turn {
            day: Day::status(400).body(&body.to_string()).into(),
            ..Turn::default()
        },
    });
    let keiko = Keiko::chat(&server);
    keiko.ask("What is 5 + 7?", &[]).expect(0).gives("Twelve.");
    assert_eq!(server.requests().len(), 2);
    keiko.ask("What is 5 + 7?", &[]).expect(0).gives("Twelve.");
    assert_eq!(server.requests().len(), 3, "the second run knows");
    assert_eq!(keiko.end(&keiko.newest())["card"]["cost"], json!(PRICE));
}

#[test]
fn a_small_budget_buys_shorter_answers_and_too_small_a_one_is_named() {
    let server = playing(vec![words("Twelve.")]);
    let keiko = Keiko::chat(&server);
    // 8,192 tokens of gpt-5 would cost 0.08 dollars.
    keiko
        .ask("What is 5 + 7?", &["--budget", "0.05"])
        .expect(0)
        .gives("Twelve.");
    assert_eq!(
        limit(&server.requests()[0].body),
        4096,
        "what fits is reserved"
    );
    let short = keiko.ask("What is 5 + 7?", &["--budget", "0.001"]);
    short.says("KEI-6103").says("--budget 0.01");
    assert_eq!(server.requests().len(), 1);
    let least = short
        .stderr
        .rsplit("--budget ")
        .next()
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    keiko
        .run(&["resume", "last", "--budget", &least])
        .expect(0)
        .gives("Twelve.");
}

#[test]
fn how_hard_to_think_can_be_chosen() {
    for (family, field) in [
        (Family::Chat, "/reasoning_effort"),
        (Family::Messages, "/thinking/budget_tokens"),
    ] {
        let server = playing(vec![words("Twelve.")]);
        let keiko = Keiko::with(&server, family);
        keiko.ask("What is 5 + 7?", &["--effort", "low"]).expect(0);
        let low = server.requests()[0]
            .body
            .pointer(field)
            .cloned()
            .unwrap_or_default();
        keiko
            .run(&["config", "set", "run.effort", "medium"])
            .expect(0);
        keiko.ask("What is 5 + 7?", &[]).expect(0);
        let medium = server.requests()[1]
            .body
            .pointer(field)
            .cloned()
            .unwrap_or_default();
        let want = if family == Family::Chat {
            (json!("low"), json!("medium"))
        } else {
            (json!(1024), json!(4096))
        };
        assert_eq!((low, medium), want);
        server.assert_valid();
    }
    let server = playing(vec![words("Twelve.")]);
    let keiko = Keiko::chat(&server);
    let told = keiko.ask(
        "What is 5 + 7?",
        &["--effort", "high", "--model", "openai/gpt-4.1"],
    );
    told.expect(0).says("cannot be told how hard to think");
    assert!(server.requests()[0].body.get("reasoning_effort").is_none());
}
