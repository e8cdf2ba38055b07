//! Both decoders on hand-written streams: no socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use keiko_contracts::model::{Part, Stop, Usage};
use keiko_models::reply::{Assembly, Reply};
use keiko_models::sse::Sse;
use keiko_models::wire::{DecodeError, Decoder, Event, Family};
use keiko_ports::live::LiveSink;
use proptest::prelude::*;
use serde_json::{Value, json};

fn events(family: Family, chunks: &[&[u8]]) -> (Vec<Event>, Result<(), DecodeError>) {
    let (mut sse, mut decoder, mut out) = (Sse::default(), Decoder::new(family), Vec::new());
    for chunk in chunks {
        if let Err(e) = sse.push(chunk, &mut |event, data| {
            decoder.decode(event, data, &mut out)
        }) {
            return (out, Err(e));
        }
    }
    let end = sse
        .end(&mut |event, data| decoder.decode(event, data, &mut out))
        .and_then(|()| decoder.end(&mut out));
    (out, end)
}

fn sse(data: &[Value]) -> String {
    data.iter().map(|d| format!("data: {d}\n\n")).collect()
}

fn assemble(mut events: Vec<Event>) -> Reply {
    let mut assembly = Assembly::new(LiveSink::none());
    assembly.take(&mut events);
    assembly.finish().unwrap()
}

fn decode(family: Family, text: &str) -> Result<Reply, DecodeError> {
    let (events, end) = events(family, &[text.as_bytes()]);
    end.map(|()| assemble(events))
}

fn chat(deltas: &[Value], finish: &str) -> String {
    let mut all: Vec<Value> = deltas
        .iter()
        .map(|d| json!({"id": "c1", "model": "served", "choices": [{"index": 0, "delta": d}]}))
        .collect();
    all.push(json!({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}));
    sse(&all) + "data: [DONE]\n\n"
}

fn messages(blocks: &[(Value, Vec<Value>)], stop: &str) -> String {
    let mut all = vec![
        json!({"type": "message_start", "message": {"id": "m1", "model": "served", "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 2, "output_tokens": 1}}}),
    ];
    for (i, (start, deltas)) in blocks.iter().enumerate() {
        all.push(json!({"type": "content_block_start", "index": i, "content_block": start}));
        all.extend(
            deltas
                .iter()
                .map(|d| json!({"type": "content_block_delta", "index": i, "delta": d})),
        );
        all.push(json!({"type": "content_block_stop", "index": i}));
    }
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 9}}}));
    all.push(json!({"type": "message_stop"}));
    sse(&all)
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::Call {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature: None,
    }
}

fn text(text: &str) -> Part {
    Part::Text { text: text.into() }
}

#[test]
fn chat_text_reasoning_and_usage_in_disjoint_counters() {
    let stream = chat(
        &[
            json!({"role": "assistant", "content": ""}),
            json!({"reasoning_content": "hm"}),
            json!({"reasoning": "m", "content": null}),
            json!({"content": "Grüß"}),
            json!({"content": " dich 😀"}),
        ],
        "stop",
    );
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 60}, "completion_tokens_details": {"reasoning_tokens": 12}}});
    let stream = stream.replace("data: [DONE]", &format!("data: {usage}\n\ndata: [DONE]"));
    let reply = decode(Family::Chat, &stream).unwrap();
    assert_eq!(
        reply.parts,
        [
            Part::Reasoning {
                text: "hmm".into(),
                signature: None
            },
            text("Grüß dich 😀")
        ]
    );
    assert_eq!(
        reply.usage,
        Some(Usage {
            input: 40,
            cached: 60,
            cache_write: 0,
            output: 30,
            reasoning: 12
        })
    );
    assert_eq!(
        (reply.stop, reply.served_by.as_deref()),
        (Stop::End, Some("served"))
    );
}

#[test]
fn chat_usage_of_deepseek_and_groq() {
    let deepseek = json!({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 10, "prompt_cache_hit_tokens": 4, "completion_tokens": 1}});
    assert_eq!(
        decode(Family::Chat, &sse(&[deepseek])).unwrap().usage,
        Some(Usage {
            input: 6,
            cached: 4,
            output: 1,
            ..Usage::default()
        })
    );
    let groq = json!({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}], "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}});
    assert_eq!(
        decode(Family::Chat, &sse(&[groq])).unwrap().usage,
        Some(Usage {
            input: 3,
            output: 2,
            ..Usage::default()
        })
    );
}

#[test]
fn chat_parallel_calls_with_interleaved_arguments() {
    let piece = |index: u64, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let begin = |index: u64, id: &str, name: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]});
    let stream = chat(
        &[
            json!({"content": "Both."}),
            begin(0, "a", "read"),
            begin(1, "b", "list"),
            piece(0, "{\"p\":"),
            piece(1, "{}"),
            piece(0, "\"x\"}"),
        ],
        "tool_calls",
    );
    let reply = decode(Family::Chat, &stream).unwrap();
    assert_eq!(
        reply.parts,
        [
            text("Both."),
            call("a", "read", "{\"p\":\"x\"}"),
            call("b", "list", "{}")
        ]
    );
    assert_eq!(reply.stop, Stop::Calls);
}

#[test]
fn chat_calls_of_servers_that_number_badly() {
    let one = |id: Value, index: Value, arguments: Value| json!({"tool_calls": [{"index": index, "id": id, "function": {"name": "t", "arguments": arguments}}]});
    // Every call has the index 0; some servers say `stop` after calls.
    let same_index = chat(
        &[
            one(json!("a"), json!(0), json!("{}")),
            one(json!("b"), json!(0), json!("{\"x\":1}")),
        ],
        "stop",
    );
    let reply = decode(Family::Chat, &same_index).unwrap();
    assert_eq!(
        (reply.parts, reply.stop),
        (
            vec![call("a", "t", "{}"), call("b", "t", "{\"x\":1}")],
            Stop::Calls
        )
    );
    // No index, no id, arguments as an object.
    let no_index = chat(
        &[one(json!(null), json!(null), json!({"x": 1}))],
        "tool_calls",
    );
    assert_eq!(
        decode(Family::Chat, &no_index).unwrap().parts,
        [call("call_c1_0", "t", "{\"x\":1}")]
    );
    // Two calls share an id.
    let same_id = chat(
        &[
            one(json!("a"), json!(0), json!("{}")),
            one(json!("a"), json!(1), json!("{}")),
        ],
        "tool_calls",
    );
    assert_eq!(
        decode(Family::Chat, &same_id).unwrap().parts,
        [call("a", "t", "{}"), call("call_c1_1", "t", "{}")]
    );
}

#[test]
fn chat_refusals_filters_limits_signatures_and_list_content() {
    let reply = decode(
        Family::Chat,
        &chat(
            &[json!({"refusal": "I can"}), json!({"refusal": "not"})],
            "stop",
        ),
    )
    .unwrap();
    assert_eq!(
        (reply.parts, reply.stop),
        (
            vec![Part::Refusal {
                text: "I cannot".into()
            }],
            Stop::Refusal
        )
    );
    for (word, stop) in [
        ("length", Stop::MaxTokens),
        ("content_filter", Stop::ContentFilter),
        ("new_word", Stop::Other),
    ] {
        let reply = decode(Family::Chat, &chat(&[json!({"content": "x"})], word)).unwrap();
        assert_eq!((reply.stop, reply.raw_stop.as_str()), (stop, word));
    }
    let cut = chat(
        &[
            json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "w", "arguments": "{\"text\": \"hal"}}]}),
        ],
        "length",
    );
    assert_eq!(
        decode(Family::Chat, &cut).unwrap().parts,
        [call("a", "w", "{\"text\": \"hal")],
        "cut arguments stay as they are"
    );
    let signed = chat(
        &[
            json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "t", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "sig"}}}]}),
        ],
        "tool_calls",
    );
    assert!(
        matches!(&decode(Family::Chat, &signed).unwrap().parts[0], Part::Call { signature: Some(s), .. } if s == "sig")
    );
    let list = chat(
        &[
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]}),
        ],
        "stop",
    );
    assert_eq!(
        decode(Family::Chat, &list).unwrap().parts,
        [
            Part::Reasoning {
                text: "hm".into(),
                signature: None
            },
            text("yes")
        ]
    );
    let details = chat(
        &[
            json!({"reasoning": "a", "reasoning_details": [{"n": 1}]}),
            json!({"reasoning": "b", "reasoning_details": [{"n": 2}]}),
        ],
        "stop",
    );
    let parts = decode(Family::Chat, &details).unwrap().parts;
    assert!(
        parts.contains(&Part::Opaque {
            family: "chat".into(),
            json: json!({"reasoning_details": [{"n": 1}, {"n": 2}]})
        }),
        "{parts:?}"
    );
    assert!(
        parts.contains(&Part::Reasoning {
            text: "ab".into(),
            signature: None
        }),
        "{parts:?}"
    );
}

#[test]
fn chat_streams_that_end_early_or_badly() {
    let good = chat(&[json!({"content": "x"})], "stop");
    let without_done = good.replace("data: [DONE]\n\n", "");
    assert!(
        decode(Family::Chat, &without_done).is_ok(),
        "a finish reason is terminal too"
    );
    let cut = sse(&[json!({"choices": [{"delta": {"content": "x"}}]})]);
    for truncated in ["", cut.as_str(), "data: [DONE]\n\n", ": only a comment\n\n"] {
        assert_eq!(
            decode(Family::Chat, truncated),
            Err(DecodeError::Truncated),
            "{truncated}"
        );
    }
    assert!(matches!(
        decode(Family::Chat, "data: {\"choices\n\n"),
        Err(DecodeError::Shape(_))
    ));
    assert!(matches!(
        decode(Family::Chat, "data: {\"choices\": 7}\n\n"),
        Err(DecodeError::Shape(_))
    ));
    let error = sse(&[json!({"error": {"message": "Overloaded", "code": 503}})]);
    assert_eq!(
        decode(Family::Chat, &error),
        Err(DecodeError::Vendor {
            kind: "503".into(),
            message: "Overloaded".into()
        })
    );
    let unknown = chat(&[json!({"content": "x", "audio": {"a": 1}})], "stop")
        .replace("data: {", ": ping\nid: 7\nevent: odd\ndata: {");
    assert_eq!(decode(Family::Chat, &unknown).unwrap().parts, [text("x")]);
    let many: Vec<Value> = (0..600)
        .map(|i| json!({"tool_calls": [{"index": i, "id": format!("c{i}")}]}))
        .collect();
    assert_eq!(
        decode(Family::Chat, &chat(&many, "tool_calls")),
        Err(DecodeError::TooManyParts)
    );
}

#[test]
fn messages_keeps_blocks_in_order_with_signatures_and_what_it_does_not_know() {
    let thinking = |text: &str, sig: &str| {
        (
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            vec![
                json!({"type": "thinking_delta", "thinking": text}),
                json!({"type": "signature_delta", "signature": sig}),
            ],
        )
    };
    let said = |t: &str| {
        (
            json!({"type": "text", "text": ""}),
            vec![
                json!({"type": "text_delta", "text": t}),
                json!({"type": "citations_delta", "citation": {}}),
            ],
        )
    };
    let redacted = json!({"type": "redacted_thinking", "data": "zzz"});
    let search = json!({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}});
    let stream = messages(
        &[
            thinking("one", "s1"),
            said("A"),
            thinking("two", "s2"),
            (redacted.clone(), vec![]),
            said("B"),
            (
                search,
                vec![
                    json!({"type": "input_json_delta", "partial_json": "{\"query\":"}),
                    json!({"type": "input_json_delta", "partial_json": "\"x\"}"}),
                ],
            ),
            (
                json!({"type": "tool_use", "id": "t1", "name": "read", "input": {}}),
                vec![
                    json!({"type": "input_json_delta", "partial_json": ""}),
                    json!({"type": "input_json_delta", "partial_json": "{\"p\": 1}"}),
                ],
            ),
            (
                json!({"type": "tool_use", "id": "t2", "name": "list", "input": {}}),
                vec![],
            ),
        ],
        "tool_use",
    );
    let reply = decode(Family::Messages, &stream).unwrap();
    let reasoning = |t: &str, s: &str| Part::Reasoning {
        text: t.into(),
        signature: Some(s.into()),
    };
    let opaque = |json: Value| Part::Opaque {
        family: "messages".into(),
        json,
    };
    assert_eq!(
        reply.parts,
        [
            reasoning("one", "s1"),
            text("A"),
            reasoning("two", "s2"),
            opaque(redacted),
            text("B"),
            opaque(
                json!({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}})
            ),
            call("t1", "read", "{\"p\": 1}"),
            call("t2", "list", "{}"),
        ]
    );
    assert_eq!(
        reply.usage,
        Some(Usage {
            input: 5,
            cached: 7,
            cache_write: 2,
            output: 40,
            reasoning: 9
        })
    );
    assert_eq!(
        (reply.stop, reply.served_by.as_deref()),
        (Stop::Calls, Some("served"))
    );
}

#[test]
fn messages_stop_reasons_errors_and_cuts() {
    let said = [(
        json!({"type": "text", "text": ""}),
        vec![json!({"type": "text_delta", "text": "x"})],
    )];
    for (word, stop) in [
        ("end_turn", Stop::End),
        ("max_tokens", Stop::MaxTokens),
        ("stop_sequence", Stop::StopSequence),
        ("pause_turn", Stop::Paused),
        ("refusal", Stop::Refusal),
        ("new_word", Stop::Other),
    ] {
        let reply = decode(Family::Messages, &messages(&said, word)).unwrap();
        assert_eq!((reply.stop, reply.parts), (stop, vec![text("x")]), "{word}");
    }
    let good = messages(&said, "end_turn");
    let cut = good.replace("data: {\"type\":\"message_stop\"}\n\n", "");
    assert_ne!(good, cut);
    assert_eq!(decode(Family::Messages, &cut), Err(DecodeError::Truncated));
    assert_eq!(decode(Family::Messages, ""), Err(DecodeError::Truncated));
    let overloaded = cut
        + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    assert_eq!(
        decode(Family::Messages, &overloaded),
        Err(DecodeError::Vendor {
            kind: "overloaded_error".into(),
            message: "Overloaded".into()
        })
    );
    for bad in [
        json!({"type": "content_block_delta", "index": 3, "delta": {}}),
        json!({"type": "content_block_start", "content_block": {"type": "text"}}),
        json!({}),
        json!([1]),
    ] {
        assert!(
            matches!(
                decode(Family::Messages, &sse(std::slice::from_ref(&bad))),
                Err(DecodeError::Shape(_))
            ),
            "{bad}"
        );
    }
    let with_news = sse(&[json!({"type": "ping"}), json!({"type": "from_the_future"})]) + &good;
    assert_eq!(
        decode(Family::Messages, &with_news).unwrap().parts,
        [text("x")]
    );
}

#[test]
fn answers_in_one_piece() {
    let chat = json!({"id": "c", "model": "m", "choices": [{"message": {"role": "assistant", "content": "hi", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "t", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    let messages = json!({"id": "m", "model": "m", "content": [{"type": "text", "text": "hi"}, {"type": "tool_use", "id": "a", "name": "t", "input": {}}], "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}});
    for (family, body) in [(Family::Chat, chat), (Family::Messages, messages)] {
        let (mut decoder, mut out) = (Decoder::new(family), Vec::new());
        decoder
            .whole(body.to_string().as_bytes(), &mut out)
            .unwrap();
        let reply = assemble(out);
        assert_eq!(
            (reply.parts, reply.stop),
            (vec![text("hi"), call("a", "t", "{}")], Stop::Calls),
            "{family:?}"
        );
        for bad in [
            "{\"error\": {\"type\": \"x\", \"message\": \"no\"}}",
            "{\"object\": \"error\", \"message\": \"no\", \"code\": 400}",
            "[]",
            "{}",
            "",
        ] {
            assert!(
                Decoder::new(family)
                    .whole(bad.as_bytes(), &mut Vec::new())
                    .is_err(),
                "{family:?} {bad}"
            );
        }
    }
}

fn samples() -> [(Family, String); 2] {
    let call = |i: u64, id: &str| json!({"tool_calls": [{"index": i, "id": id, "function": {"name": "t", "arguments": "{\"ü\":\"😀\"}"}}]});
    let chat = chat(
        &[
            json!({"reasoning_content": "höm"}),
            json!({"content": "Grüße 😀"}),
            call(0, "a"),
            call(1, "b"),
        ],
        "tool_calls",
    );
    let tool = (
        json!({"type": "tool_use", "id": "t", "name": "n", "input": {}}),
        vec![json!({"type": "input_json_delta", "partial_json": "{\"ü\":1}"})],
    );
    let said = (
        json!({"type": "text", "text": ""}),
        vec![json!({"type": "text_delta", "text": "Grüße 😀"})],
    );
    [
        (Family::Chat, chat),
        (Family::Messages, messages(&[said, tool], "tool_use")),
    ]
}

proptest! {
    #[test]
    fn any_cut_of_the_bytes_gives_the_same_events(cuts in proptest::collection::vec(0usize..10_000, 0..20)) {
        for (family, stream) in samples() {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(events(family, &chunks), events(family, &[bytes]));
        }
    }

    #[test]
    fn a_stream_cut_short_never_counts_as_complete(at in 0usize..10_000) {
        for (family, stream) in samples() {
            // The terminal event of chat is the finish reason, of Messages the stop.
            let terminal = stream.find("\"finish_reason\":\"").or(stream.find("message_stop")).unwrap();
            let at = at % terminal;
            prop_assert!(events(family, &[&stream.as_bytes()[..at]]).1.is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for family in [Family::Chat, Family::Messages] {
            let _ = events(family, &[&bytes]);
            let _ = Decoder::new(family).whole(&bytes, &mut Vec::new());
        }
    }

    #[test]
    fn garbled_streams_never_panic(at in 0usize..10_000, byte in any::<u8>()) {
        for (family, stream) in samples() {
            let mut bytes = stream.into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = events(family, &[&bytes]);
        }
    }
}
