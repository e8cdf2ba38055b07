//! Turns as frames of the two wires.

use super::{Call, Family, Turn};
use serde_json::{Value, json};

/// Characters of text in one frame.
const PIECE: usize = 7;

/// The frames of an answer, each with its empty line.
pub(super) fn frames(family: Family, turn: &Turn, model: &str, number: usize) -> Vec<String> {
    match family {
        Family::Chat => chat(turn, model, number),
        Family::Messages => messages(turn, model, number),
    }
}

/// The answer as one document.
pub(super) fn whole(family: Family, turn: &Turn, model: &str, number: usize) -> Value {
    let calls = || turn.calls.iter().enumerate();
    match family {
        Family::Chat => json!({
            "id": format!("chatcmpl-{number}"), "object": "chat.completion", "model": model,
            "choices": [{"index": 0, "finish_reason": stop(family, turn), "message": {
                "role": "assistant", "content": turn.text, "reasoning_content": turn.reasoning, "refusal": turn.refusal,
                "tool_calls": calls().map(|(i, c)| json!({"id": id(c, number, i), "type": "function", "function": {"name": c.name, "arguments": c.arguments}})).collect::<Vec<_>>(),
            }}],
            "usage": chat_usage(turn),
        }),
        Family::Messages => {
            let reasoning = turn
                .reasoning
                .iter()
                .map(|t| json!({"type": "thinking", "thinking": t, "signature": "c2ln"}));
            let text = turn
                .text
                .iter()
                .chain(&turn.refusal)
                .map(|t| json!({"type": "text", "text": t}));
            let calls = calls().map(|(i, c)| {
                let input: Value = serde_json::from_str(&c.arguments).unwrap_or_default();
                json!({"type": "tool_use", "id": id(c, number, i), "name": c.name, "input": input})
            });
            json!({
                "id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": model,
                "content": reasoning.chain(text).chain(calls).collect::<Vec<_>>(),
                "stop_reason": stop(family, turn), "usage": messages_usage(turn),
            })
        }
    }
}

/// An error in the words of the wire.
pub(super) fn error(family: Family, kind: &str, message: &str) -> Value {
    match family {
        Family::Chat => json!({"error": {"message": message, "type": kind, "code": kind}}),
        Family::Messages => json!({"type": "error", "error": {"type": kind, "message": message}}),
    }
}

/// An error event.
pub(super) fn error_frame(family: Family, kind: &str) -> String {
    let data = error(family, kind, "Overloaded");
    match family {
        Family::Chat => format!("data: {data}\n\n"),
        Family::Messages => format!("event: error\ndata: {data}\n\n"),
    }
}

fn tokens(turn: &Turn) -> (u64, u64, u64) {
    turn.tokens.unwrap_or((100, 20, 10))
}

fn chat_usage(turn: &Turn) -> Value {
    let (input, cached, output) = tokens(turn);
    json!({"prompt_tokens": input + cached, "completion_tokens": output, "total_tokens": input + cached + output,
        "prompt_tokens_details": {"cached_tokens": cached}, "completion_tokens_details": {"reasoning_tokens": 3.min(output)}})
}

fn messages_usage(turn: &Turn) -> Value {
    let (input, cached, output) = tokens(turn);
    json!({"input_tokens": input, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0, "output_tokens": output})
}

fn stop(family: Family, turn: &Turn) -> String {
    let usual = match (family, turn.calls.is_empty(), turn.refusal.is_some()) {
        (Family::Chat, false, _) => "tool_calls",
        (Family::Chat, ..) => "stop",
        (Family::Messages, false, _) => "tool_use",
        (Family::Messages, _, true) => "refusal",
        (Family::Messages, ..) => "end_turn",
    };
    turn.stop.clone().unwrap_or_else(|| usual.to_owned())
}

fn id(call: &Call, number: usize, index: usize) -> String {
    call.id
        .clone()
        .unwrap_or_else(|| format!("call_{number}_{index}"))
}

fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(PIECE)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn chat(turn: &Turn, model: &str, number: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut push = |delta: Value, finish: Option<String>| {
        let chunk = json!({"id": format!("chatcmpl-{number}"), "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}], "usage": null});
        out.push(format!("data: {chunk}\n\n"));
    };
    push(json!({"role": "assistant", "content": ""}), None);
    let fields = [
        ("reasoning_content", &turn.reasoning),
        ("content", &turn.text),
        ("refusal", &turn.refusal),
    ];
    for (field, text) in fields {
        pieces(text.as_deref().unwrap_or_default())
            .iter()
            .for_each(|piece| push(json!({field: piece}), None));
    }
    for (index, call) in turn.calls.iter().enumerate() {
        push(
            json!({"tool_calls": [{"index": index, "id": id(call, number, index), "type": "function",
            "function": {"name": call.name, "arguments": ""}}]}),
            None,
        );
    }
    let arguments: Vec<Vec<String>> = turn
        .calls
        .iter()
        .map(|call| pieces(&call.arguments))
        .collect();
    for round in 0..arguments.iter().map(Vec::len).max().unwrap_or(0) {
        for (index, piece) in arguments
            .iter()
            .enumerate()
            .filter_map(|(i, all)| Some((i, all.get(round)?)))
        {
            push(
                json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}),
                None,
            );
        }
    }
    push(json!({}), Some(stop(Family::Chat, turn)));
    let usage = json!({"id": format!("chatcmpl-{number}"), "object": "chat.completion.chunk", "model": model, "choices": [], "usage": chat_usage(turn)});
    out.push(format!("data: {usage}\n\n"));
    out.push("data: [DONE]\n\n".to_owned());
    out
}

fn messages(turn: &Turn, model: &str, number: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut push = |event: Value| {
        out.push(format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or_default()
        ))
    };
    let mut usage = messages_usage(turn);
    usage["output_tokens"] = json!(1);
    push(
        json!({"type": "message_start", "message": {"id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": model,
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}}),
    );
    push(json!({"type": "ping"}));
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        deltas.into_iter().for_each(|delta| {
            push(json!({"type": "content_block_delta", "index": index, "delta": delta}))
        });
        push(json!({"type": "content_block_stop", "index": index}));
        index += 1;
    };
    if let Some(text) = &turn.reasoning {
        let mut deltas: Vec<Value> = pieces(text)
            .iter()
            .map(|p| json!({"type": "thinking_delta", "thinking": p}))
            .collect();
        deltas.push(json!({"type": "signature_delta", "signature": "c2ln"}));
        block(
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            deltas,
        );
    }
    for text in turn.text.iter().chain(&turn.refusal) {
        let deltas = pieces(text)
            .iter()
            .map(|p| json!({"type": "text_delta", "text": p}))
            .collect();
        block(json!({"type": "text", "text": ""}), deltas);
    }
    for (at, call) in turn.calls.iter().enumerate() {
        let deltas = pieces(&call.arguments)
            .iter()
            .map(|p| json!({"type": "input_json_delta", "partial_json": p}))
            .collect();
        block(
            json!({"type": "tool_use", "id": id(call, number, at), "name": call.name, "input": {}}),
            deltas,
        );
    }
    push(
        json!({"type": "message_delta", "delta": {"stop_reason": stop(Family::Messages, turn), "stop_sequence": null},
        "usage": {"output_tokens": tokens(turn).2}}),
    );
    push(json!({"type": "message_stop"}));
    out
}
