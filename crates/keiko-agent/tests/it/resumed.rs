//! A run that another program takes up: what its agent is may have changed.

use crate::kit::{Case, Person, Played, Turn};
use keiko_agent::definition;
use keiko_agent::state::Setup;
use keiko_agent::tools::{BadCall, Rendered, Resolved, Tool, ToolBox, ToolContext};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::tool::ToolSpec;
use serde_json::json;
use std::sync::Arc;

#[derive(Debug)]
struct Ask(&'static str);

impl Tool for Ask {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "ask_operator".parse().unwrap(),
            description: self.0.into(),
            schema: json!({"type": "object"}),
        }
    }
    fn needs_workspace(&self) -> bool {
        false
    }
    fn resolve(&self, _: &str, _: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        Ok(Resolved::Ask {
            question: "Which?".into(),
        })
    }
    fn render(&self, _: &Outcome<Report>) -> Rendered {
        Rendered::default()
    }
}

fn setup(description: &'static str) -> Setup {
    Setup {
        tools: Arc::new(ToolBox::new(vec![Box::new(Ask(description))])),
        engine: |_| None,
    }
}

#[test]
fn another_agent_is_told_of_once() {
    let case = Case {
        files: None,
        turns: vec![Turn::Calls(vec![("ask_operator", json!({}))])],
        people: Vec::<Person>::new(),
        ..Case::default()
    };
    let mut played = Played::new(&case);
    let began = played.state.start.as_ref().unwrap().definition;
    assert_eq!(
        began,
        Some(definition::digest(&case.setup(), &case.start())),
        "it stands in the first event"
    );
    let told = |played: &Played<'_>| {
        let lines = played.lines.iter();
        lines
            .filter(|line| line.starts_with("note, Definition: this agent is not what it was"))
            .count()
    };
    played.resume(&case.setup());
    assert_eq!(told(&played), 0, "the same agent goes on");
    for _ in 0..2 {
        played.resume(&setup("Asks."));
        assert_eq!(told(&played), 1, "told once");
    }
    played.resume(&setup("Asks a person."));
    assert_eq!(told(&played), 2, "another description is another agent");
    let start = played.state.start.clone().unwrap();
    assert_eq!(
        start.definition,
        Some(definition::digest(&setup("Asks a person."), &start))
    );
}

#[test]
fn what_an_older_program_began_is_taken_as_it_is() {
    let case = Case {
        files: None,
        turns: vec![Turn::Calls(vec![("ask_operator", json!({}))])],
        ..Case::default()
    };
    let mut played = Played::of_an_older_program(&case);
    played.resume(&setup("Asks."));
    assert!(!played.lines.iter().any(|line| line.starts_with("note")));
    let start = played.state.start.clone().unwrap();
    assert_eq!(
        start.definition,
        Some(definition::digest(&setup("Asks."), &start)),
        "from now on it is known"
    );
}
