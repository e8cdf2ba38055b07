//! What servers really send, as their users report it: each case names the thread in the server's (or a client's) tracker.
//! A stream goes through the decoder, the assembly and the second reading, as in a run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use keiko_contracts::model::Part;
use keiko_contracts::tool::ToolSpec;
use keiko_models::reply::{Assembly, Reply};
use keiko_models::spoken;
use keiko_models::sse::Sse;
use keiko_models::wire::{DecodeError, Decoder, Family};
use keiko_ports::live::LiveSink;
use proptest::prelude::*;
use serde_json::{Value, json};

const LIMIT: u32 = 1000;

fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str| ToolSpec {
        name: name.parse().unwrap(),
        description: String::new(),
        schema: json!({"type": "object"}),
    };
    ["read_file", "write_file", "run_tests"].map(tool).into()
}

fn decode(stream: &str) -> Result<Reply, DecodeError> {
    let (mut sse, mut decoder, mut out) = (Sse::default(), Decoder::new(Family::Chat), Vec::new());
    sse.push(stream.as_bytes(), &mut |event, data| {
        decoder.decode(event, data, &mut out)
    })?;
    sse.end(&mut |event, data| decoder.decode(event, data, &mut out))?;
    decoder.end(&mut out)?;
    Ok(finish(out))
}

fn finish(mut events: Vec<keiko_models::wire::Event>) -> Reply {
    let mut assembly = Assembly::new(LiveSink::none());
    assembly.take(&mut events);
    let mut reply = assembly.finish().unwrap();
    spoken::read(&mut reply, &tools(), LIMIT);
    reply
}

/// Chunks of one choice each, then the finish reason and `[DONE]`.
fn chat(deltas: &[Value], finish: &str) -> String {
    let chunk = |delta: &Value, finish: Value| {
        format!(
            "data: {}\n\n",
            json!({"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        )
    };
    let all: String = deltas
        .iter()
        .map(|delta| chunk(delta, Value::Null))
        .collect();
    all + &chunk(&json!({}), json!(finish)) + "data: [DONE]\n\n"
}

fn says(content: &str) -> String {
    chat(&[json!({"role": "assistant", "content": content})], "stop")
}

/// What an answer comes to, in a line: reasoning in braces, calls as `name(arguments)`.
fn shown(reply: &Reply) -> String {
    let part = |part: &Part| match part {
        Part::Text { text } => text.trim().to_owned(),
        Part::Reasoning { text, .. } => format!("{{{text}}}"),
        Part::Call {
            name, arguments, ..
        } => match serde_json::from_str::<Value>(arguments) {
            Ok(arguments) => format!("{name}({arguments})"),
            Err(_) => format!("{name}({arguments:?})"),
        },
        other => format!("{other:?}"),
    };
    format!(
        "{} | {:?}",
        reply.parts.iter().map(part).collect::<Vec<_>>().join(" "),
        reply.stop
    )
}

/// The thread, the stream, and what it must come to.
type Case = (&'static str, String, &'static str);

#[track_caller]
fn check(cases: &[Case]) {
    for (thread, stream, want) in cases {
        let got = match decode(stream) {
            Ok(reply) => shown(&reply),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(got, *want, "{thread}\n{stream}");
    }
}

const READ: &str = r#"read_file({"path":"a.py"}) | Calls"#;
const BOTH: &str = r#"read_file({"path":"a.py"}) read_file({"path":"b.py"}) | Calls"#;

fn call(index: Value, id: Value, name: Value, arguments: Value) -> Value {
    json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]})
}

#[test]
fn calls_that_stand_in_the_text() {
    let json = r#"{"name": "read_file", "arguments": {"path": "a.py"}}"#;
    check(&[
        (
            "vllm-project/vllm#17161",
            says(&format!("<tool_call>\n{json}\n</tool_call>")),
            READ,
        ),
        (
            "vllm-project/vllm#17161: the closing mark is missing",
            says(&format!("<tool_call>\n{json}")),
            READ,
        ),
        (
            "vllm-project/vllm#17161: two of them, in pieces",
            chat(
                &[
                    json!({"content": "<tool_"}),
                    json!({"content": format!("call>{json}</tool_call>\n<tool_call>")}),
                    json!({"content": json.replace("a.py", "b.py")}),
                    json!({"content": "</tool_call>"}),
                ],
                "stop",
            ),
            BOTH,
        ),
        (
            "vllm-project/vllm#21571",
            says(
                "<tool_call>\n<function=read_file>\n<parameter=path>\na.py\n</parameter>\n</function>\n</tool_call>",
            ),
            READ,
        ),
        (
            "ggml-org/llama.cpp#15012: words before it",
            says(
                "I need to look.\n\n<tool_call>\n<function=read_file>\n<parameter=path>\na.py\n</parameter>\n</function>\n</tool_call> ",
            ),
            r#"I need to look. read_file({"path":"a.py"}) | Calls"#,
        ),
        (
            "ggml-org/llama.cpp#14697",
            says(
                "{\n  \"tool_calls\": [\n    {\n      \"name\": \"read_file\",\n      \"arguments\": {\"path\": \"a.py\"},\n      \"id\": \"162875335\"\n    }\n  ]\n}",
            ),
            READ,
        ),
        (
            "ggml-org/llama.cpp#12279: a fence",
            says(&format!("Sure.\n```json\n{json}\n```\n")),
            r#"Sure. read_file({"path":"a.py"}) | Calls"#,
        ),
        (
            "vllm-project/vllm#17585",
            says(&format!("[TOOL_CALLS][{json}]")),
            READ,
        ),
        (
            "vllm-project/vllm#20028",
            says("[TOOL_CALLS]read_file[ARGS]{\"path\": \"a.py\"}"),
            READ,
        ),
        (
            "vllm-project/vllm#20028: two",
            says(
                "[TOOL_CALLS]read_file{\"path\": \"a.py\"}[TOOL_CALLS]read_file{\"path\": \"b.py\"}",
            ),
            BOTH,
        ),
        (
            "abetlen/llama-cpp-python#1784: parameters",
            says(&format!(
                "<|python_tag|>{}",
                json.replace("arguments", "parameters")
            )),
            READ,
        ),
        (
            "waybarrios/vllm-mlx#50",
            says(
                "<|channel|>analysis<|message|>Look.<|end|><|start|>assistant<|channel|>commentary to=functions.read_file <|constrain|>json<|message|>{\"path\": \"a.py\"}<|call|>",
            ),
            r#"{Look.} read_file({"path":"a.py"}) | Calls"#,
        ),
        (
            "ggml-org/llama.cpp#15181: the recipient in the role",
            says(
                "<|start|>assistant to=functions.read_file<|channel|>commentary <|constrain|>json<|message|>{\"path\": \"a.py\"}",
            ),
            READ,
        ),
        (
            "NVIDIA/TensorRT-LLM#9256: arguments without a recipient are words",
            says("<|channel|>commentary<|message|>{\"path\": \"/\"}<|end|>"),
            r#"{"path": "/"} | End"#,
        ),
        (
            "deepseek-ai/DeepSeek-R1#352",
            says(
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>read_file\n```json\n{\"path\": \"a.py\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            ),
            READ,
        ),
        (
            "datawhalechina/hello-agents#377: the calls of MiniMax",
            says(
                "<minimax:tool_call>\n<invoke name=\"read_file\">\n<parameter name=\"path\">a.py</parameter>\n</invoke>\n</minimax:tool_call>",
            ),
            READ,
        ),
        (
            "a tool that was not on offer is spoken of",
            says(&json.replace("read_file", "rm_rf")),
            r#"{"name": "rm_rf", "arguments": {"path": "a.py"}} | End"#,
        ),
        (
            "a call in the middle of an explanation is none",
            says(&format!(
                "Such as:\n```json\n{json}\n```\nThat is how it is done."
            )),
            "Such as:\n```json\n{\"name\": \"read_file\", \"arguments\": {\"path\": \"a.py\"}}\n```\nThat is how it is done. | End",
        ),
        (
            "what was cut off is no call, even when it is whole",
            chat(
                &[json!({"content": format!("<tool_call>{json}</tool_call>")})],
                "length",
            ),
            "<tool_call>{\"name\": \"read_file\", \"arguments\": {\"path\": \"a.py\"}}</tool_call> | MaxTokens",
        ),
    ]);
}

#[test]
fn calls_that_are_numbered_named_or_written_badly() {
    let path = |path: &str| json!(format!("{{\"path\":\"{path}\"}}"));
    check(&[
        (
            "ollama/ollama#7881: no index",
            chat(
                &[
                    call(json!(null), json!("a"), json!("read_file"), path("a.py")),
                    call(json!(null), json!("b"), json!("read_file"), path("b.py")),
                ],
                "tool_calls",
            ),
            BOTH,
        ),
        (
            "ollama/ollama#15457: always 0",
            chat(
                &[
                    call(json!(0), json!("a"), json!("read_file"), path("a.py")),
                    call(json!(0), json!("b"), json!("read_file"), path("b.py")),
                ],
                "tool_calls",
            ),
            BOTH,
        ),
        (
            "BerriAI/litellm#33678: always 0, and no id",
            chat(
                &[
                    call(json!(0), json!(null), json!("read_file"), path("a.py")),
                    call(json!(0), json!(null), json!("read_file"), path("b.py")),
                ],
                "tool_calls",
            ),
            BOTH,
        ),
        (
            "ggml-org/llama.cpp#12279: an empty id",
            chat(
                &[call(json!(0), json!(""), json!("read_file"), path("a.py"))],
                "tool_calls",
            ),
            READ,
        ),
        (
            "ggml-org/llama.cpp#20198: arguments as an object",
            chat(
                &[call(
                    json!(0),
                    json!("a"),
                    json!("read_file"),
                    json!({"path": "a.py"}),
                )],
                "tool_calls",
            ),
            READ,
        ),
        (
            "NousResearch/hermes-agent#11984: the name with every piece",
            chat(
                &[
                    call(json!(0), json!("a"), json!("read_file"), json!("")),
                    call(
                        json!(0),
                        json!("a"),
                        json!("read_file"),
                        json!("{\"path\":"),
                    ),
                    call(json!(0), json!("a"), json!("read_file"), json!("\"a.py\"}")),
                ],
                "tool_calls",
            ),
            READ,
        ),
        (
            "continuedev/continue#5849: the name in pieces",
            chat(
                &[
                    call(json!(0), json!("a"), json!("read_"), json!("")),
                    call(json!(0), json!(null), json!("file"), json!("")),
                    call(json!(0), json!(null), json!(null), path("a.py")),
                ],
                "tool_calls",
            ),
            READ,
        ),
    ]);
}

#[test]
fn calls_with_more_around_them_than_there_should_be() {
    let path = |path: &str| json!(format!("{{\"path\":\"{path}\"}}"));
    check(&[
        (
            "vllm-project/vllm#32587: a mark in the name",
            chat(&[call(json!(0), json!("a"), json!("read_file<|channel|>commentary"), path("a.py"))], "tool_calls"),
            READ,
        ),
        (
            "vllm-project/vllm#35906: a name space",
            chat(&[call(json!(0), json!("a"), json!("functions.read_file:0"), path("a.py"))], "tool_calls"),
            READ,
        ),
        (
            "BerriAI/litellm#37792: said again with the finish",
            chat(
                &[
                    call(json!(0), json!("a"), json!("read_file"), path("a.py")),
                    call(json!(0), json!("a"), json!("read_file"), path("a.py")),
                ],
                "tool_calls",
            ),
            READ,
        ),
        ("vllm-project/vllm#9209: stop after calls", chat(&[call(json!(0), json!("a"), json!("read_file"), path("a.py"))], "stop"), READ),
        (
            "ggml-org/llama.cpp#13224: blank text beside calls",
            chat(&[json!({"content": "\n\n"}), call(json!(0), json!("a"), json!("read_file"), path("a.py"))], "tool_calls"),
            READ,
        ),
        (
            "Blaizzy/mlx-vlm#990: a call of the old kind",
            chat(
                &[
                    json!({"function_call": {"name": "read_file", "arguments": ""}}),
                    json!({"function_call": {"arguments": "{\"path\":\"a.py\"}"}}),
                ],
                "function_call",
            ),
            READ,
        ),
        (
            "vllm-project/vllm#53269: cut off at the limit, though it says tool_calls",
            chat(&[call(json!(0), json!("a"), json!("write_file"), json!("{\"path\":\"a.py\",\"text\":\"x"))], "tool_calls").replace(
                "data: [DONE]",
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1000}}\n\ndata: [DONE]",
            ),
            "write_file(\"{\\\"path\\\":\\\"a.py\\\",\\\"text\\\":\\\"x\") | MaxTokens",
        ),
    ]);
}

#[test]
fn thinking_that_stands_in_the_text() {
    check(&[
        (
            "aws-samples/bedrock-access-gateway#116",
            says("<think>\nHm.\n</think>\n\nTwelve."),
            "{Hm.} Twelve. | End",
        ),
        (
            "xorbitsai/inference#2805: the opening mark is missing",
            says("Hm, five and seven.\n</think>\n\nTwelve."),
            "{Hm, five and seven.} Twelve. | End",
        ),
        (
            "deepseek-ai/DeepSeek-R1#506: only the closing mark",
            says("</think>Twelve."),
            "Twelve. | End",
        ),
        (
            "a thought that is never closed is no answer",
            says("<think>Hm, let me"),
            "{Hm, let me} | End",
        ),
        (
            "a mark that is spoken of",
            says("The model wraps it in `<think>` and `</think>`."),
            "The model wraps it in `<think>` and `</think>`. | End",
        ),
        (
            "Augustas11/macprovider#743: channels",
            says(
                "<|channel|>analysis<|message|>2+2.<|end|><|start|>assistant<|channel|>final<|message|>Four.<|return|>",
            ),
            "{2+2.} Four. | End",
        ),
        (
            "a thought before a call in the text",
            says(
                "<think>Look.</think><tool_call>{\"name\":\"run_tests\",\"arguments\":{}}</tool_call>",
            ),
            "{Look.} run_tests({}) | Calls",
        ),
    ]);
}

#[test]
fn streams_with_odd_frames() {
    let good = says("Twelve.");
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
    check(&[
        ("BerriAI/litellm#27971: no choices at first", format!("data: {{\"choices\":[]}}\n\n{good}"), "Twelve. | End"),
        (
            "pydantic/logfire#64: a filter's report without choices",
            format!("data: {{\"choices\":[],\"prompt_filter_results\":[]}}\n\n{good}"),
            "Twelve. | End",
        ),
        ("pixeltable/pixeltable#1234: usage alone", good.replace("data: [DONE]", &format!("{usage}data: [DONE]")), "Twelve. | End"),
        ("ikawrakow/ik_llama.cpp#467: no [DONE]", good.replace("data: [DONE]\n\n", ""), "Twelve. | End"),
        ("mistralai/mistral-vibe#793: blanks after [DONE]", good.replace("[DONE]", "[DONE] \r"), "Twelve. | End"),
        ("agentjido/req_llm#462: no empty line at the end", good.replace("data: [DONE]\n\n", "data: [DONE]"), "Twelve. | End"),
        ("deepnoodle-ai/dive#206: comments", format!(": OPENROUTER PROCESSING\n\n{good}"), "Twelve. | End"),
        ("mnfst/llm-gateway#2053: comments as data", format!("data: : OPENROUTER PROCESSING\n\n{good}"), "Twelve. | End"),
        ("netease-lcap/wave-agent#1326: empty data", format!("data: \n\n{good}"), "Twelve. | End"),
        ("coder/coder#28185: a colon alone", format!(":\n{good}"), "Twelve. | End"),
        ("lines that end as on Windows", good.replace('\n', "\r\n"), "Twelve. | End"),
        (
            "cline/cline#1786: null for choices at the end",
            good.replace("data: [DONE]", "data: {\"choices\":null}\n\ndata: [DONE]"),
            "Twelve. | End",
        ),
        (
            "vllm-project/vllm#27572: no finish reason, but [DONE]",
            good.replace("\"finish_reason\":\"stop\"", "\"finish_reason\":null"),
            "Twelve. | End",
        ),
        (
            "perplexityai/api-discussion#209: the whole message beside each delta",
            good.replace("\"delta\":{\"content\":\"Twelve.\"", "\"message\":{\"content\":\"Twelve.\"},\"delta\":{\"content\":\"Twelve.\""),
            "Twelve. | End",
        ),
        (
            "oobabooga/textgen#7257: an error with status 200",
            "data: {\"error\":{\"code\":400,\"message\":\"too long\",\"type\":\"exceed_context_size_error\"}}\n\n".into(),
            "error: too long",
        ),
        (
            "CommandCodeAI/command-code#785: it ends in the middle of a call",
            chat(&[call(json!(0), json!("a"), json!("write_file"), json!("{\"pa"))], "x")
                .split("data: ")
                .take(2)
                .map(|piece| if piece.is_empty() { String::new() } else { format!("data: {piece}") })
                .collect(),
            "error: the answer ends before it is complete",
        ),
        ("lmstudio-ai/lmstudio-bug-tracker#2339: nothing at all", chat(&[], "stop"), " | End"),
    ]);
}

#[test]
fn a_whole_answer_with_the_same_faults() {
    let body = json!({"id": "c", "choices": [{"message": {"role": "assistant", "content": "<think>Hm.</think>", "tool_calls": [
        {"id": "", "function": {"name": "functions.read_file", "arguments": {"path": "a.py"}}}]}, "finish_reason": "stop"}]});
    let (mut decoder, mut out) = (Decoder::new(Family::Chat), Vec::new());
    decoder
        .whole(body.to_string().as_bytes(), &mut out)
        .unwrap();
    assert_eq!(
        shown(&finish(out)),
        r#"{Hm.} read_file({"path":"a.py"}) | Calls"#
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "(<think>|</think>|<tool_call>|\\[TOOL_CALLS\\]|<function=|<parameter=|<\\|channel\\|>|<\\|message\\|>|to=|```|\\{|\\}|\"name\"|\\PC){0,40}") {
        if let Ok(reply) = decode(&says(&text)) {
            let _ = shown(&reply);
        }
    }
}
