//! What a model is sent: rules, facts, conversation; and the ledger, when older steps have left.

use crate::kit::{Case, Played, Turn};
use insta::assert_snapshot;
use keiko_agent::prompt;
use keiko_contracts::model::{ChatRequest, Message};
use keiko_contracts::run::RunLimits;
use serde_json::json;

fn request(case: &Case) -> ChatRequest {
    let mut played = Played::new(case);
    played.play();
    let start = played.state.start.clone().unwrap();
    prompt::render(&played.state, &start, start.model.as_ref().unwrap())
}

fn shown(request: &ChatRequest) -> String {
    let mut lines: Vec<String> = Vec::new();
    for block in request.system.iter() {
        lines.push(format!("--- system\n{}", block.text.trim_end()));
    }
    let tools: Vec<&str> = request
        .tools
        .iter()
        .map(|tool| tool.name.as_str())
        .collect();
    lines.push(format!("--- tools\n{}", tools.join(" ")));
    for message in &request.messages {
        lines.push(match &**message {
            Message::User { parts, .. } => format!("--- user\n{parts:?}"),
            Message::Assistant(parts) => format!("--- assistant\n{parts:?}"),
            Message::Results { results, .. } => format!("--- results\n{results:?}"),
        });
    }
    lines.join("\n")
}

fn steps() -> Vec<Turn> {
    let write = |n: usize| {
        let text = "x".repeat(n);
        Turn::Calls(vec![("write_file", json!({"path": "notes", "text": text}))])
    };
    (0..8).map(|n| write(12_000 + n)).collect()
}

#[test]
fn the_head_of_a_run_with_a_workspace() {
    let case = Case {
        turns: vec![Turn::Fails],
        ..Case::default()
    };
    assert_snapshot!(shown(&request(&case)));
}

#[test]
fn the_head_of_a_run_without_a_workspace() {
    let case = Case {
        goal: "What is a fold?",
        files: None,
        turns: vec![Turn::Fails],
        ..Case::default()
    };
    assert_snapshot!(shown(&request(&case)));
}

#[test]
fn the_ledger_stands_for_what_has_left() {
    let case = Case {
        turns: steps(),
        limits: RunLimits {
            max_steps: 8,
            context_tokens: 20_500,
            ..RunLimits::default()
        },
        ..Case::default()
    };
    let request = request(&case);
    let ledger = shown(&request);
    let from = ledger.find("--- user").unwrap();
    let to = ledger.find("--- assistant").unwrap();
    assert_snapshot!(&ledger[from..to]);
}
