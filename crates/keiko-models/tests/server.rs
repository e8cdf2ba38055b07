//! Against a fake server over real HTTP: good days and bad ones, on both wires.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fixture;

use fixture::{BOTH, SECRET, chat, models, models_with, parts, permit, request, start, user};
use keiko_contracts::action::{Origin, Outcome};
use keiko_contracts::code::{Fault, Retry};
use keiko_contracts::model::{CallResult, LiveFrame, Message, Part, Stop, Usage};
use keiko_contracts::money::Micros;
use keiko_models::tap::Exchange;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::ChatModel;
use keiko_testkit::models::{Day, FakeModelServer, Request, Script, Turn};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const QUICK: &str = "[timeouts]\nfirst_token_ms = 1500\nidle_ms = 1500\n";

#[tokio::test]
async fn a_conversation_with_parallel_calls_on_both_wires() {
    for model in BOTH {
        let turns = [
            Turn::call("read_file", r#"{"path":"größe.py"}"#)
                .and_call("read_file", r#"{"path":"b.py"}"#)
                .thinking("Erst lesen 😀."),
            Turn::text("Fertig: größer 😀.").on(Day::ByteByByte),
        ];
        let server = start(turns);
        let models = models_with(
            &server,
            "[prices.'openai/some-model']\ninput = '2'\ncached = '0.2'\noutput = 8\n",
        );
        let mut messages = vec![user("go")];
        let report = chat(&models, &request(model, messages.clone()), 1)
            .await
            .unwrap();
        assert_eq!(
            (report.stop, report.origin, report.served_by.as_deref()),
            (Stop::Calls, Origin::Live, Some("some-model"))
        );
        let cost = if model.starts_with("openai") {
            Micros(200 + 4 + 80)
        } else {
            Micros::ZERO
        };
        assert_eq!(
            (
                report.usage.input,
                report.usage.cached,
                report.usage.output,
                report.cost
            ),
            (100, 20, 10, cost),
            "{model}"
        );
        let said = parts(&report);
        let calls: Vec<_> = said
            .iter()
            .filter_map(|p| {
                if let Part::Call {
                    id,
                    name,
                    arguments,
                    ..
                } = p
                {
                    Some((id.as_str().into(), name.as_str().into(), arguments.as_str()))
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(
            calls.iter().map(|c| c.2).collect::<Vec<_>>(),
            [r#"{"path":"größe.py"}"#, r#"{"path":"b.py"}"#]
        );
        assert!(matches!(&said[0], Part::Reasoning { text, .. } if text == "Erst lesen 😀."));
        let results = calls
            .into_iter()
            .map(|(id, name, _)| CallResult {
                id,
                name,
                text: "print(1)".into(),
                is_error: false,
            })
            .collect();
        messages.extend([
            Message::Assistant(said.clone().into()),
            Message::Results {
                results,
                cache: true,
            },
            user("weiter"),
        ]);
        let report = chat(&models, &request(model, messages), 2).await.unwrap();
        assert_eq!(
            (parts(&report), report.stop),
            (
                vec![Part::Text {
                    text: "Fertig: größer 😀.".into()
                }],
                Stop::End
            )
        );
        server.assert_valid();
        let seen = server.requests();
        assert_eq!(
            (seen.len(), seen[1].last_results()),
            (2, vec!["print(1)".to_owned(); 2])
        );
        let key = if model.starts_with("openai") {
            seen[0].header("authorization")
        } else {
            seen[0].header("x-api-key")
        };
        assert!(key.unwrap().ends_with(SECRET));
    }
}

#[tokio::test]
async fn what_is_seen_live_is_what_is_reported() {
    for model in BOTH {
        let server = start([Turn::text("Guten Tag")
            .thinking("hm")
            .and_call("read_file", "{\"a\":1}")]);
        let seen = Arc::new(Mutex::new((String::new(), String::new(), String::new())));
        let sink = seen.clone();
        let live = LiveSink::to(move |frame| {
            let mut seen = sink.lock().unwrap();
            match frame {
                LiveFrame::Text { delta } => seen.0.push_str(&delta),
                LiveFrame::Reasoning { delta } => seen.1.push_str(&delta),
                LiveFrame::Arguments { tool, delta } => {
                    assert_eq!(tool, "read_file");
                    seen.2.push_str(&delta);
                }
                other => panic!("{other:?}"),
            }
        });
        let asked = request(model, vec![user("go")]);
        let outcome = models(&server)
            .chat(permit(&asked, 1), &asked, live, Cancel::new())
            .await;
        assert!(matches!(outcome, Outcome::Done(_)));
        assert_eq!(
            *seen.lock().unwrap(),
            (
                "Guten Tag".to_owned(),
                "hm".to_owned(),
                "{\"a\":1}".to_owned()
            ),
            "{model}"
        );
    }
}

async fn bad(model: &str, day: impl Into<Day>) -> Fault {
    let server = start([
        Turn::text("some words that fill a few frames").on(day),
        Turn::text("ok"),
    ]);
    let models = models_with(&server, QUICK);
    let asked = request(model, vec![user("go")]);
    let fault = chat(&models, &asked, 1).await.unwrap_err();
    assert!(!format!("{fault:?}").contains(SECRET), "{fault:?}");
    assert_eq!(
        server.requests().len(),
        1,
        "one attempt: retries are the caller's"
    );
    // Whatever happened, the same client goes on working.
    assert!(
        chat(&models, &asked, 1).await.is_ok(),
        "{model} after {fault:?}"
    );
    server.assert_valid();
    fault
}

#[tokio::test]
async fn bad_days_with_another_status() {
    for model in BOTH {
        let after = |ms| Retry::Transient { after_ms: ms };
        for (day, code, retry) in [
            (Day::status(429).retry_after("2"), "KEI-4105", after(Some(2000))),
            (Day::status(429), "KEI-4105", after(None)),
            (Day::status(500), "KEI-4106", after(None)),
            (Day::status(529), "KEI-4106", after(None)),
            (Day::status(503).retry_after("1").body("<html>nginx</html>"), "KEI-4106", after(Some(1000))),
            (Day::status(401), "KEI-4101", Retry::Permanent),
            (Day::status(403), "KEI-4101", Retry::Permanent),
            (Day::status(404), "KEI-4102", Retry::Permanent),
            (Day::status(400), "KEI-4104", Retry::Permanent),
            (Day::status(402), "KEI-4109", Retry::Permanent),
            (Day::status(302), "KEI-4107", Retry::Permanent),
            (Day::status(400).body(r#"{"error":{"message":"too many","code":"context_length_exceeded"}}"#), "KEI-4108", Retry::Permanent),
            (
                Day::status(400).body(r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}"#),
                "KEI-4108",
                Retry::Permanent,
            ),
            (Day::status(429).body(r#"{"error":{"message":"no money","code":"insufficient_quota"}}"#), "KEI-4109", Retry::Permanent),
        ] {
            let shown = format!("{day:?}");
            let fault = bad(model, day).await;
            assert_eq!((fault.code.to_string().as_str(), fault.retry), (code, retry), "{model} {shown} {fault:?}");
            assert!(fault.hint.is_some() && fault.place.is_some(), "{fault:?}");
        }
        // Some vendors repeat the key that they refuse.
        let echoed = bad(
            model,
            Day::status(401).body(&format!(r#"{{"error":{{"message":"wrong: {SECRET}"}}}}"#)),
        )
        .await;
        assert!(echoed.message.contains("wrong: [key]"), "{echoed:?}");
        let fault = bad(model, Day::status(401)).await;
        assert!(
            fault
                .hint
                .unwrap()
                .contains(if model.starts_with("openai") {
                    "OPENAI_API_KEY"
                } else {
                    "ANTHROPIC_API_KEY"
                })
        );
        assert!(
            bad(model, Day::status(404))
                .await
                .hint
                .unwrap()
                .contains("keiko models list")
        );
    }
}

#[tokio::test]
async fn bad_days_within_the_stream() {
    let long = Duration::from_secs(60);
    let mut all = Vec::new();
    for model in BOTH {
        for (day, code, passes) in [
            (Day::CutConnection(0), "KEI-4110", true),
            (Day::CutConnection(3), "KEI-4110", true),
            (Day::CutClean(0), "KEI-4110", true),
            (Day::CutClean(4), "KEI-4110", true),
            (Day::BadJson(3), "KEI-4111", true),
            (Day::SlowFirst(long), "KEI-4113", true),
            (Day::SlowHeaders(long), "KEI-4113", true),
            (Day::Stall(3, long), "KEI-4113", true),
            (
                Day::ErrorEvent(3, "overloaded_error".into()),
                "KEI-4112",
                true,
            ),
            (
                Day::ErrorEvent(3, "invalid_request_error".into()),
                "KEI-4112",
                false,
            ),
            (Day::Html, "KEI-4107", false),
            (Day::JsonError, "KEI-4112", false),
            (Day::Raw(b"data: \xff\xfe\n\n".to_vec()), "KEI-4114", false),
            (Day::Raw(b"data: {\"half\": ".to_vec()), "KEI-4110", true),
        ] {
            let shown = format!("{day:?}");
            all.push(async move {
                let began = Instant::now();
                let fault = bad(model, day).await;
                assert_eq!(
                    (fault.code.to_string().as_str(), !fault.retry.is_permanent()),
                    (code, passes),
                    "{model} {shown} {fault:?}"
                );
                assert!(began.elapsed() < Duration::from_secs(20), "{shown}");
            });
        }
        assert!(
            bad(model, Day::SlowFirst(long))
                .await
                .message
                .contains("first token")
        );
        assert!(
            bad(model, Day::Stall(3, long))
                .await
                .message
                .contains("further token")
        );
    }
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn a_server_that_ignores_stream_still_works() {
    for model in BOTH {
        let server = start([Turn::text("hi")
            .and_call("read_file", "{\"a\":1}")
            .on(Day::Whole)]);
        let report = chat(&models(&server), &request(model, vec![user("go")]), 1)
            .await
            .unwrap();
        assert_eq!(
            (report.stop, report.usage.input, parts(&report).len()),
            (Stop::Calls, 100, 2),
            "{model}"
        );
    }
}

#[tokio::test]
async fn json_that_is_no_answer_is_another_kind_of_server() {
    for model in BOTH {
        let fault = bad(model, Day::status(200).body(r#"{"message": "hello"}"#)).await;
        assert_eq!(
            (fault.code.to_string().as_str(), fault.retry),
            ("KEI-4107", Retry::Permanent),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_count_is_estimated_on_the_dear_side() {
    let frames = b"data: {\"choices\":[{\"delta\":{\"content\":\"0123456789\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let server = start([Turn::default().on(Day::Raw(frames.to_vec()))]);
    let report = chat(
        &models_with(&server, "[prices.'openai/*']\nprice = 1\n"),
        &request(BOTH[0], vec![user("go")]),
        1,
    )
    .await
    .unwrap();
    assert!(
        report.usage.input > 30 && report.usage.output > 3 && report.cost > Micros::ZERO,
        "{:?}",
        report.usage
    );
    assert_eq!(
        report.usage,
        Usage {
            input: report.usage.input,
            output: report.usage.output,
            ..Usage::default()
        }
    );
}

#[tokio::test]
async fn cancelling_stops_at_once() {
    for day in [
        Day::SlowHeaders(Duration::from_secs(60)),
        Day::Stall(3, Duration::from_secs(60)),
    ] {
        let server = start([Turn::text("some words that fill frames").on(day)]);
        let (models, asked, cancel) = (
            models(&server),
            request(BOTH[1], vec![user("go")]),
            Cancel::new(),
        );
        let stop = cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stop.cancel();
        });
        let began = Instant::now();
        let outcome = models
            .chat(permit(&asked, 1), &asked, LiveSink::none(), cancel)
            .await;
        assert!(matches!(outcome, Outcome::Cancelled) && began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn nobody_there_and_a_permit_for_another_model() {
    let server = start([]);
    let address = server.chat_url();
    let models = models_with(
        &server,
        "[vendors.ollama]\nbase_url = 'http://127.0.0.1:1/v1'\n",
    );
    drop(server);
    let fault = chat(&models, &request(BOTH[0], vec![user("go")]), 1)
        .await
        .unwrap_err();
    assert_eq!(
        (fault.code.to_string().as_str(), fault.retry),
        ("KEI-4103", Retry::Transient { after_ms: None }),
        "{address} {fault:?}"
    );
    let fault = chat(&models, &request("ollama/x", vec![user("go")]), 1)
        .await
        .unwrap_err();
    assert!(fault.code == "KEI-4103" && fault.hint.unwrap().contains("ollama serve"));
    let fault = chat(&models, &request("nobody/x", vec![user("go")]), 1)
        .await
        .unwrap_err();
    assert!(fault.code == "KEI-4001" && fault.hint.unwrap().contains("anthropic"));
    let (asked, other) = (request(BOTH[0], vec![]), request(BOTH[1], vec![]));
    let outcome = models
        .chat(permit(&other, 1), &asked, LiveSink::none(), Cancel::new())
        .await;
    assert!(matches!(outcome, Outcome::Failed(fault) if fault.code == "KEI-4007"));
}

#[tokio::test]
async fn the_tap_sees_everything_but_the_key() {
    for model in BOTH {
        let echo = format!(r#"{{"error":{{"message":"Incorrect API key: {SECRET}"}}}}"#);
        let server = start([
            Turn::text("hi"),
            Turn::default().on(Day::status(401).body(&echo)),
            Turn::default().on(Day::CutClean(1)),
        ]);
        let seen: Arc<Mutex<Vec<Exchange>>> = Arc::default();
        let sink = seen.clone();
        let models = models(&server).with_tap(Arc::new(move |exchange| {
            sink.lock().unwrap().push(exchange)
        }));
        for _ in 0..3 {
            let _ = chat(&models, &request(model, vec![user("go")]), 1).await;
        }
        let seen = seen.lock().unwrap();
        assert_eq!(
            seen.iter()
                .map(|e| (e.status, e.fault.is_some()))
                .collect::<Vec<_>>(),
            [(Some(200), false), (Some(401), true), (Some(200), true)]
        );
        assert!(String::from_utf8_lossy(&seen[0].request).contains("\"stream\":true"));
        assert!(String::from_utf8_lossy(&seen[0].body).contains("data: "));
        assert!(
            seen[0]
                .headers
                .iter()
                .any(|(name, value)| name == "content-type" && value == "text/event-stream")
        );
        for exchange in seen.iter() {
            let bytes = [exchange.request.as_slice(), &exchange.body].concat();
            assert!(
                !format!("{exchange:?}").contains(SECRET)
                    && !String::from_utf8_lossy(&bytes).contains(SECRET)
            );
        }
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = start((0..20).map(|_| Turn::text("hi")));
    let models = models(&server);
    let asked = request(BOTH[0], vec![user("go")]);
    for step in 0..20 {
        chat(&models, &asked, step).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_policy_drives_a_goal_and_zero_latency_repeats() {
    let policy = |request: &Request| match request.turn() {
        turn @ 0..3 => Turn::call("read_file", &format!("{{\"turn\":{turn}}}")),
        _ => Turn::text(&format!("saw {}", request.last_results().concat())),
    };
    for model in BOTH {
        let server = FakeModelServer::start(Script::policy(policy)).unwrap();
        let (models, mut messages) = (models(&server), vec![user("go")]);
        for step in 1..=4 {
            let said = parts(
                &chat(&models, &request(model, messages.clone()), step)
                    .await
                    .unwrap(),
            );
            if let [
                Part::Call {
                    id,
                    name,
                    arguments,
                    ..
                },
            ] = said.as_slice()
            {
                let results = vec![CallResult {
                    id: id.as_str().into(),
                    name: name.as_str().into(),
                    text: arguments.as_str().into(),
                    is_error: false,
                }];
                messages.extend([
                    Message::Assistant(said.into()),
                    Message::Results {
                        results,
                        cache: false,
                    },
                ]);
            } else {
                assert_eq!(
                    (step, said),
                    (
                        4,
                        vec![Part::Text {
                            text: "saw {\"turn\":2}".into()
                        }]
                    )
                );
            }
        }
        server.assert_valid();
        assert_eq!(server.requests()[3].tools(), ["read_file"]);

        let fast = FakeModelServer::start(Script::zero_latency([Turn::text("a"), Turn::text("b")]))
            .unwrap();
        let models = fixture::models(&fast);
        for text in ["a", "b", "a"] {
            let said = parts(
                &chat(&models, &request(model, vec![user("go")]), 1)
                    .await
                    .unwrap(),
            );
            assert_eq!(said, [Part::Text { text: text.into() }]);
        }
        assert_eq!((fast.connections(), fast.requests().len()), (1, 0));
    }
}

#[tokio::test]
async fn quotes_profiles_and_names() {
    let server = start([]);
    let models = models_with(
        &server,
        "[profiles]\ncode = 'anthropic/claude-sonnet-4-5'\n[vendors.own]\nbase_url = 'http://h/v1'\n",
    );
    let code = models.default_model().unwrap().unwrap();
    assert_eq!(code, models.resolve("code").unwrap());
    let quote = models.quote(&code, 1_000_000, 1_000_000).unwrap();
    assert!(
        quote.priced && quote.at_most == Micros(3_750_000 + 15_000_000),
        "writing to the cache is the dearest: {quote:?}"
    );
    assert!(
        !models
            .quote(&"own/x".parse().unwrap(), 1, 1)
            .unwrap()
            .priced
    );
    assert!(
        models
            .quote(&"ollama/x".parse().unwrap(), 1, 1)
            .unwrap()
            .priced,
        "runs on this machine"
    );
    for bad in ["strong", "nobody/x", "openai/", "a b", ""] {
        assert_eq!(models.resolve(bad).unwrap_err().code, "KEI-4001", "{bad}");
    }
}
