//! What goes over the wire, for both families.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use keiko_contracts::model::{
    CallResult, ChatRequest, Effort, Message, OutputSchema, Part, SystemBlock, UserPart,
};
use keiko_contracts::stable::Stable;
use keiko_contracts::tool::ToolSpec;
use keiko_models::vendor::ROWS;
use keiko_models::wire::{Dialect, Family, SchemaDialect, ThinkingStyle};
use serde_json::{Value, json};

fn dialect(vendor: &str) -> (Family, Dialect) {
    let row = ROWS.iter().find(|row| row.name == vendor).unwrap();
    (row.family, row.dialect)
}

fn render(vendor: &str, request: &ChatRequest, change: impl Fn(&mut Dialect)) -> Value {
    let (family, mut dialect) = dialect(vendor);
    change(&mut dialect);
    serde_json::from_slice(&family.render(request, &dialect).unwrap()).unwrap()
}

fn user(text: &str, cache: bool) -> Stable<Message> {
    Message::User {
        parts: vec![UserPart::Text(text.into())],
        cache,
    }
    .into()
}

fn assistant(parts: Vec<Part>) -> Stable<Message> {
    Message::Assistant(parts.into()).into()
}

fn results(results: Vec<CallResult>) -> Stable<Message> {
    Message::Results {
        results,
        cache: false,
    }
    .into()
}

fn call(id: &str, arguments: &str) -> Part {
    Part::Call {
        id: id.into(),
        name: "read".into(),
        arguments: arguments.into(),
        signature: None,
    }
}

fn result(id: &str, is_error: bool) -> CallResult {
    CallResult {
        id: id.into(),
        name: "read".into(),
        text: "out".into(),
        is_error,
    }
}

fn request() -> ChatRequest {
    ChatRequest {
        model: "vendor/the/model".parse().unwrap(),
        system: vec![
            SystemBlock {
                text: "stable".into(),
                cache: true,
            },
            SystemBlock {
                text: "less".into(),
                cache: false,
            },
        ]
        .into(),
        tools: vec![ToolSpec {
            name: "read".parse().unwrap(),
            description: "Reads.".into(),
            schema: json!({"type": "object", "properties": {}}),
        }]
        .into(),
        messages: vec![
            user("hi", false),
            assistant(vec![
                Part::Reasoning {
                    text: "hm".into(),
                    signature: Some("sig".into()),
                },
                Part::Text {
                    text: "Two.".into(),
                },
                Part::Opaque {
                    family: "messages".into(),
                    json: json!({"type": "redacted_thinking", "data": "z"}),
                },
                call("a:1", "{\"p\":1}"),
                call("b", "{\"p\": cut"),
            ]),
            results(vec![result("a:1", false), result("b", true)]),
            user("and now", true),
            user("this", false),
        ],
        max_output_tokens: 4096,
        temperature_milli: Some(700),
        output: None,
        effort: None,
    }
}

#[test]
fn chat_conversation() {
    let body = render("openai", &request(), |_| {});
    assert_eq!(body["model"], "the/model");
    assert_eq!(
        (
            &body["stream"],
            &body["stream_options"]["include_usage"],
            &body["temperature"]
        ),
        (&json!(true), &json!(true), &json!(0.7))
    );
    assert_eq!(
        (&body["max_completion_tokens"], &body["max_tokens"]),
        (&json!(4096), &Value::Null)
    );
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "stable\n\nless"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "Two.", "tool_calls": [
                {"id": "a:1", "type": "function", "function": {"name": "read", "arguments": "{\"p\":1}"}},
                {"id": "b", "type": "function", "function": {"name": "read", "arguments": "{\"_invalid_arguments\":\"{\\\"p\\\": cut\"}"}},
            ]},
            {"role": "tool", "tool_call_id": "a:1", "content": "out"},
            {"role": "tool", "tool_call_id": "b", "content": "[error] out"},
            {"role": "user", "content": "and now"},
            {"role": "user", "content": "this"},
        ])
    );
    assert_eq!(body["tools"][0]["function"]["parameters"]["type"], "object");
}

#[test]
fn chat_differs_by_vendor_and_not_by_model_name() {
    let deepseek = render("deepseek", &request(), |_| {});
    assert_eq!(
        (
            &deepseek["max_tokens"],
            &deepseek["messages"][2]["reasoning_content"]
        ),
        (&json!(4096), &json!("hm"))
    );
    assert_eq!(
        render("mistral", &request(), |_| {})["stream_options"],
        Value::Null
    );
    let ollama = render("ollama", &request(), |_| {});
    assert_eq!(
        ollama["messages"].as_array().unwrap().last().unwrap()["content"],
        "and now\n\nthis",
        "merged where templates want it"
    );
    let router = render(
        "openrouter",
        &ChatRequest {
            effort: Some(Effort::High),
            ..request()
        },
        |_| {},
    );
    assert_eq!(
        (
            &router["reasoning"]["effort"],
            &router["messages"][2]["reasoning"]
        ),
        (&json!("high"), &json!("hm"))
    );
    assert_eq!(
        router["messages"][0]["content"][0]["cache_control"]["type"],
        "ephemeral"
    );
    let openai = render(
        "openai",
        &ChatRequest {
            effort: Some(Effort::Low),
            ..request()
        },
        |_| {},
    );
    assert_eq!(openai["reasoning_effort"], "low");
}

#[test]
fn chat_images_and_structured_output() {
    let image = UserPart::Image {
        media_type: "image/png".into(),
        base64: "AAAA".into(),
    };
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let mut asked = ChatRequest {
        output: Some(OutputSchema {
            name: "answer".into(),
            schema,
        }),
        ..request()
    };
    asked.messages = vec![
        Message::User {
            parts: vec![UserPart::Text("see".into()), image],
            cache: false,
        }
        .into(),
    ];
    let body = render("openai", &asked, |_| {});
    assert_eq!(
        body["messages"][1]["content"][1]["image_url"]["url"],
        "data:image/png;base64,AAAA"
    );
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    let object = render("openai", &asked, |d| d.schema = SchemaDialect::JsonObject);
    assert_eq!(object["response_format"], json!({"type": "json_object"}));
    assert!(
        object["messages"][0]["content"]
            .as_str()
            .unwrap()
            .contains("\"additionalProperties\":false")
    );
    let prompt = render("openai", &asked, |d| d.schema = SchemaDialect::Prompt);
    assert_eq!(prompt["response_format"], Value::Null);
    asked.output.as_mut().unwrap().schema = json!({"type": "object"});
    assert_eq!(
        render("openai", &asked, |_| {})["response_format"]["json_schema"]["strict"],
        false,
        "strict would be refused"
    );
}

#[test]
fn messages_conversation() {
    let body = render("anthropic", &request(), |_| {});
    let mark = json!({"type": "ephemeral"});
    assert_eq!(
        (&body["max_tokens"], &body["model"]),
        (&json!(4096), &json!("the/model"))
    );
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "stable", "cache_control": mark}, {"type": "text", "text": "less"}])
    );
    assert_eq!(
        body["tools"],
        json!([{"name": "read", "description": "Reads.", "input_schema": {"type": "object", "properties": {}}, "cache_control": mark}])
    );
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "text", "text": "Two."},
                {"type": "redacted_thinking", "data": "z"},
                {"type": "tool_use", "id": "a_1", "name": "read", "input": {"p": 1}},
                {"type": "tool_use", "id": "b", "name": "read", "input": {"_invalid_arguments": "{\"p\": cut"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a_1", "content": "out"},
                {"type": "tool_result", "tool_use_id": "b", "content": "out", "is_error": true},
                {"type": "text", "text": "and now", "cache_control": mark},
                {"type": "text", "text": "this"},
            ]},
        ])
    );
}

#[test]
fn messages_never_has_more_than_four_cache_marks_and_keeps_the_last() {
    let mut asked = request();
    asked.system = (0..6)
        .map(|i| SystemBlock {
            text: format!("s{i}"),
            cache: true,
        })
        .collect::<Vec<_>>()
        .into();
    asked.messages = (0..6)
        .flat_map(|i| {
            [
                user(&format!("u{i}"), true),
                assistant(vec![Part::Text { text: "a".into() }]),
            ]
        })
        .collect();
    let body = render("anthropic", &asked, |_| {});
    assert_eq!(body.to_string().matches("cache_control").count(), 4);
    assert!(
        body["system"][5]["cache_control"].is_object()
            && body["messages"][10]["content"][0]["cache_control"].is_object()
    );
    assert_eq!(
        render("anthropic", &asked, |d| d.cache_marks = false)
            .to_string()
            .matches("cache_control")
            .count(),
        0
    );
}

#[test]
fn messages_drops_what_is_of_others_and_what_is_empty() {
    let mut asked = request();
    asked.messages = vec![
        user("", false),
        user("hi", false),
        assistant(vec![
            Part::Reasoning {
                text: "of another vendor".into(),
                signature: None,
            },
            Part::Opaque {
                family: "chat".into(),
                json: json!({"x": 1}),
            },
            Part::Text { text: " ".into() },
        ]),
        user("go on", false),
    ];
    let body = render("anthropic", &asked, |_| {});
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "go on"}]}])
    );
}

#[test]
fn messages_thinking_and_structured_output() {
    let schema = json!({"type": "object"});
    let asked = ChatRequest {
        effort: Some(Effort::Medium),
        output: Some(OutputSchema {
            name: "a".into(),
            schema: schema.clone(),
        }),
        ..request()
    };
    let body = render("anthropic", &asked, |_| {});
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(
        body["output_config"],
        json!({"effort": "medium", "format": {"type": "json_schema", "schema": schema}})
    );
    assert_eq!(body["temperature"], Value::Null, "refused while thinking");
    let older = render("anthropic", &asked, |d| {
        (d.thinking, d.schema) = (ThinkingStyle::Budget, SchemaDialect::Prompt)
    });
    assert_eq!(
        older["thinking"],
        json!({"type": "enabled", "budget_tokens": 2048}),
        "less than the output limit"
    );
    assert_eq!(
        (
            &older["output_config"],
            older["system"].as_array().unwrap().len()
        ),
        (&Value::Null, 3)
    );
}

#[test]
fn the_same_request_is_the_same_bytes() {
    for vendor in ["openai", "anthropic"] {
        let (family, dialect) = dialect(vendor);
        assert_eq!(
            family.render(&request(), &dialect).unwrap(),
            family.render(&request(), &dialect).unwrap()
        );
    }
}

/// A change here changes the prompt prefix of every run: the vendors' caches miss.
#[test]
fn the_bytes_are_what_they_were() {
    let mut asked = request();
    asked.messages = vec![
        user("hi", false),
        assistant(vec![call("c", "{}")]),
        results(vec![result("c", true)]),
        user("go", true),
    ];
    let bytes = |vendor: &str| {
        let (family, dialect) = dialect(vendor);
        String::from_utf8(family.render(&asked, &dialect).unwrap()).unwrap()
    };
    let openai = concat!(
        r#"{"model":"the/model","messages":[{"role":"system","content":"stable\n\nless"},{"role":"user","content":"hi"},"#,
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"read","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"c","content":"[error] out"},{"role":"user","content":"go"}],"#,
        r#""tools":[{"type":"function","function":{"name":"read","description":"Reads.","parameters":{"properties":{},"type":"object"}}}],"#,
        r#""stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":4096,"temperature":0.7}"#,
    );
    assert_eq!(bytes("openai"), openai);
    let anthropic = concat!(
        r#"{"model":"the/model","max_tokens":4096,"stream":true,"tools":[{"name":"read","description":"Reads.","#,
        r#""input_schema":{"properties":{},"type":"object"},"cache_control":{"type":"ephemeral"}}],"#,
        r#""system":[{"type":"text","text":"stable","cache_control":{"type":"ephemeral"}},{"type":"text","text":"less"}],"#,
        r#""messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},"#,
        r#"{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"read","input":{}}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"out","is_error":true},"#,
        r#"{"type":"text","text":"go","cache_control":{"type":"ephemeral"}}]}],"temperature":0.7}"#,
    );
    assert_eq!(bytes("anthropic"), anthropic);
}

/// What was written for one vendor, or with other marks, is never sent to another.
#[test]
fn what_is_remembered_is_what_would_be_written() {
    let kept = request();
    let with_schema = |request: &ChatRequest| ChatRequest {
        output: Some(OutputSchema {
            name: "a".into(),
            schema: json!({"type": "object"}),
        }),
        ..request.clone()
    };
    for _ in 0..2 {
        for row in ROWS {
            let render = |request: &ChatRequest| row.family.render(request, &row.dialect).unwrap();
            assert_eq!(render(&kept), render(&request()), "{}", row.name);
            assert_eq!(
                render(&with_schema(&kept)),
                render(&with_schema(&request())),
                "{}",
                row.name
            );
            let fewer = |request: &ChatRequest| ChatRequest {
                tools: Vec::new().into(),
                ..request.clone()
            };
            assert_eq!(
                render(&fewer(&kept)),
                render(&fewer(&request())),
                "{}",
                row.name
            );
        }
    }
}
