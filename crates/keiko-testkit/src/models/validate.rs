//! The rules of the wires that real vendors hold a client to.

use super::{Family, Request};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// A rule that a request breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The number of the request, from 0.
    pub request: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}: {}", self.request, self.what)
    }
}

/// All rules that a request breaks.
pub(super) fn check(request: &Request) -> Vec<Violation> {
    let mut found = Found {
        request: request.number,
        all: Vec::new(),
    };
    let body = &request.body;
    found.rule(
        body["model"].as_str().is_some_and(|m| !m.is_empty()),
        "no model",
    );
    found.rule(body["stream"] == true, "stream is not asked for");
    found.rule(!request.messages().is_empty(), "no messages");
    let limit = body["max_tokens"]
        .as_u64()
        .or(body["max_completion_tokens"].as_u64());
    found.rule(limit.is_some_and(|n| n > 0), "no output limit");
    for tool in body["tools"].as_array().into_iter().flatten() {
        let (name, schema) = match request.family {
            Family::Chat => (&tool["function"]["name"], &tool["function"]["parameters"]),
            Family::Messages => (&tool["name"], &tool["input_schema"]),
        };
        found.rule(
            request.family == Family::Messages || tool["type"] == "function",
            "a tool that is no function",
        );
        found.rule(
            name.as_str().is_some_and(|n| !n.is_empty()),
            "a tool without a name",
        );
        found.rule(
            schema["type"] == "object",
            "the schema of a tool is not that of an object",
        );
    }
    match request.family {
        Family::Chat => chat(request, &mut found),
        Family::Messages => messages(request, &mut found),
    }
    found.all
}

struct Found {
    request: usize,
    all: Vec<Violation>,
}

impl Found {
    fn rule(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.all.push(Violation {
                request: self.request,
                what: what.into(),
            });
        }
    }

    /// Calls that were not answered when something else came.
    fn unanswered(&mut self, open: &mut BTreeSet<String>) {
        self.rule(
            open.is_empty(),
            format!("calls without an answer: {open:?}"),
        );
        open.clear();
    }

    fn answer(&mut self, open: &mut BTreeSet<String>, id: &Value) {
        let id = id.as_str().unwrap_or_default();
        self.rule(
            open.remove(id),
            format!("an answer to {id:?}, which is no open call of the message before"),
        );
    }

    fn call(&mut self, open: &mut BTreeSet<String>, id: &Value, name: &Value) {
        let id = id.as_str().unwrap_or_default();
        self.rule(
            !id.is_empty() && open.insert(id.to_owned()),
            format!("the call id {id:?} is empty or used twice"),
        );
        self.rule(
            name.as_str().is_some_and(|n| !n.is_empty()),
            "a call without a name",
        );
    }
}

fn chat(request: &Request, found: &mut Found) {
    let mut open = BTreeSet::new();
    for message in request.messages() {
        let role = message["role"].as_str().unwrap_or_default();
        if role != "tool" {
            found.unanswered(&mut open);
        }
        match role {
            "system" | "developer" | "user" => {
                let content = &message["content"];
                let text = content.as_str().is_some_and(|t| !t.is_empty())
                    || content.as_array().is_some_and(|p| !p.is_empty());
                found.rule(text, format!("a {role} message without content"));
            }
            "assistant" => {
                let calls = message["tool_calls"].as_array();
                found.rule(
                    message["content"].is_string() || calls.is_some_and(|c| !c.is_empty()),
                    "an assistant message with nothing in it",
                );
                for call in calls.into_iter().flatten() {
                    found.call(&mut open, &call["id"], &call["function"]["name"]);
                    let arguments = call["function"]["arguments"]
                        .as_str()
                        .and_then(|t| serde_json::from_str::<Value>(t).ok());
                    found.rule(
                        arguments.is_some_and(|a| a.is_object()),
                        "call arguments that are not the text of a JSON object",
                    );
                }
            }
            "tool" => {
                found.answer(&mut open, &message["tool_call_id"]);
                found.rule(
                    message["content"].is_string(),
                    "a tool message without content",
                );
            }
            other => found.rule(false, format!("the role {other:?}")),
        }
    }
    found.unanswered(&mut open);
}

fn messages(request: &Request, found: &mut Found) {
    found.rule(
        request.header("anthropic-version").is_some(),
        "no anthropic-version",
    );
    let marks = request
        .body
        .to_string()
        .matches(r#""cache_control":{"#)
        .count();
    found.rule(
        marks <= 4,
        format!("{marks} cache marks, at most four are allowed"),
    );
    let mut open = BTreeSet::new();
    for (at, message) in request.messages().iter().enumerate() {
        let expected = if at % 2 == 0 { "user" } else { "assistant" };
        found.rule(
            message["role"] == expected,
            format!("message {at} is not of the {expected}"),
        );
        let blocks = message["content"].as_array().map_or(&[][..], Vec::as_slice);
        found.rule(!blocks.is_empty(), format!("message {at} has no content"));
        let mut others = false;
        for block in blocks {
            match block["type"].as_str().unwrap_or_default() {
                "tool_result" => {
                    found.rule(!others, "results do not stand first in their message");
                    found.answer(&mut open, &block["tool_use_id"]);
                }
                "tool_use" => {
                    found.call(&mut open, &block["id"], &block["name"]);
                    found.rule(
                        block["input"].is_object(),
                        "the input of a call is not an object",
                    );
                }
                "text" => found.rule(
                    block["text"].as_str().is_some_and(|t| !t.is_empty()),
                    "empty text",
                ),
                "thinking" => found.rule(
                    block["signature"].as_str().is_some_and(|s| !s.is_empty()),
                    "thinking without its signature",
                ),
                "" => found.rule(false, "a block without a type"),
                _ => {}
            }
            others |= block["type"] != "tool_result";
        }
        if message["role"] == "user" {
            found.unanswered(&mut open);
        }
    }
    found.unanswered(&mut open);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn broken(family: Family, messages: Value) -> Vec<String> {
        let body = json!({"model": "m", "stream": true, "max_tokens": 9, "messages": messages});
        let headers = vec![("anthropic-version".to_owned(), "x".to_owned())];
        let request = Request {
            number: 0,
            family,
            path: String::new(),
            headers,
            body,
        };
        check(&request).into_iter().map(|v| v.what).collect()
    }

    #[test]
    fn chat_calls_are_answered_exactly_once_and_in_place() {
        let user = json!({"role": "user", "content": "hi"});
        let call = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "a", "function": {"name": "t", "arguments": "{}"}}]});
        let answer = json!({"role": "tool", "tool_call_id": "a", "content": "x"});
        assert!(broken(Family::Chat, json!([user, call, answer])).is_empty());
        assert_eq!(
            broken(Family::Chat, json!([user, call])).len(),
            1,
            "never answered"
        );
        assert_eq!(
            broken(Family::Chat, json!([user, call, answer, answer])).len(),
            1,
            "answered twice"
        );
        assert_eq!(
            broken(Family::Chat, json!([user, answer])).len(),
            1,
            "an orphan"
        );
        assert_eq!(
            broken(Family::Chat, json!([user, call, user, answer])).len(),
            2,
            "answered too late"
        );
    }

    #[test]
    fn messages_alternate_and_results_stand_first() {
        let user = json!({"role": "user", "content": [{"type": "text", "text": "hi"}]});
        let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "t", "input": {}}]});
        let result = json!({"type": "tool_result", "tool_use_id": "a", "content": "x"});
        let text = json!({"type": "text", "text": "go on"});
        assert!(
            broken(
                Family::Messages,
                json!([user, call, {"role": "user", "content": [result, text]}])
            )
            .is_empty()
        );
        assert_eq!(
            broken(
                Family::Messages,
                json!([user, call, {"role": "user", "content": [text, result]}])
            )
            .len(),
            1
        );
        assert_eq!(broken(Family::Messages, json!([user, call, user])).len(), 1);
        assert_eq!(broken(Family::Messages, json!([user, user])).len(), 1);
    }
}
