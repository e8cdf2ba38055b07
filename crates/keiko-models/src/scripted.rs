//! A script plays the model: for the guided tour and for tests. Every answer says that it is scripted.
//!
//! ```toml
//! [[turn]]
//! reasoning = "First I look."
//! text = "I will read the file."
//! [[turn.call]]
//! tool = "read_file"
//! arguments = { path = "date.py" }
//!
//! [[turn]]
//! expect = "def parse"      # must stand in the last result, or in the operator's last words
//! text = "Done."
//! ```

use crate::replay::show;
use async_trait::async_trait;
use keiko_contracts::action::{ModelAction, ModelReport, Origin, Outcome};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Content;
use keiko_contracts::id::{EffectKey, ModelName, TaskId};
use keiko_contracts::model::{ChatRequest, Message, Part, Stop, Usage, UserPart};
use keiko_contracts::money::Micros;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// Most turns of a script, and the longest pause before one in milliseconds.
const MAX_TURNS: usize = 10_000;
const MAX_PAUSE_MS: u64 = 10_000;

/// A script.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    turn: Vec<Turn>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    /// Only in this task; in any if not said.
    task: Option<TaskId>,
    expect: Option<String>,
    reasoning: Option<String>,
    text: Option<String>,
    #[serde(default)]
    call: Vec<Call>,
    #[serde(default)]
    pause_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    tool: String,
    /// A table, or text that is sent as it stands.
    #[serde(default)]
    arguments: serde_json::Value,
}

/// A model that plays a script. Which turn comes follows from the conversation alone, so that a resumed run goes on where it was.
#[derive(Debug)]
pub struct Scripted {
    script: Script,
    place: String,
}

impl Scripted {
    /// From text: TOML, or JSON (a list of turns, or an object with `turn`). `place` names it in faults.
    ///
    /// # Errors
    /// When it is no script.
    pub fn parse(text: &str, place: &str) -> Result<Scripted, Fault> {
        let bad = |why: Said| {
            Fault::new(
                Code::SCRIPT_UNREADABLE,
                say!("this is not a script: {why}", why),
            )
            .at(place)
        };
        let trimmed = text.trim_start();
        // TOML may begin with `[[`, JSON cannot: a list of lists is no script.
        let script: Script = if trimmed.starts_with('{') {
            serde_json::from_str(text).map_err(|e| bad(e.to_string().into()))?
        } else if trimmed.starts_with('[') && !trimmed.starts_with("[[") {
            Script {
                turn: serde_json::from_str(text).map_err(|e| bad(e.to_string().into()))?,
            }
        } else {
            toml::from_str(text).map_err(|e| bad(e.to_string().into()))?
        };
        if script.turn.is_empty() || script.turn.len() > MAX_TURNS {
            return Err(bad(say!(
                "it has {n} turns, expected 1 to {max}",
                n = script.turn.len(),
                max = MAX_TURNS
            )));
        }
        Ok(Scripted {
            script,
            place: place.to_owned(),
        })
    }

    /// From a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no script.
    pub fn open(path: &Path) -> Result<Scripted, Fault> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Fault::new(
                Code::SCRIPT_UNREADABLE,
                say!("the script cannot be read: {why}", why = e),
            )
            .at(path.display())
        })?;
        Scripted::parse(&text, &path.display().to_string())
    }

    fn turn(&self, key: &EffectKey, request: &ChatRequest) -> Result<(usize, &Turn), Fault> {
        let at = request
            .messages
            .iter()
            .filter(|m| matches!(***m, Message::Assistant(_)))
            .count();
        let mine = |turn: &&Turn| turn.task.as_ref().is_none_or(|task| *task == key.task);
        let turn = self
            .script
            .turn
            .iter()
            .filter(mine)
            .nth(at)
            .ok_or_else(|| {
                Fault::new(
                    Code::SCRIPT_ENDED,
                    say!(
                        "the script has no turn {n} for the task {task}",
                        n = at + 1,
                        task = key.task
                    ),
                )
                .at(&self.place)
            })?;
        let heard = last_words(request);
        match &turn.expect {
            Some(expected) if !heard.contains(expected.as_str()) => {
                let heard: String = heard.chars().take(400).collect();
                Err(Fault::new(Code::SCRIPT_EXPECTED_OTHER, say!("turn {n} of the script expected {expected}, but got: {heard}", n = at + 1, expected = format_args!("{expected:?}"), heard))
                    .at(&self.place)
                    .hint("the tour has gone another way than its script; run it again, or without --model scripted"))
            }
            _ => Ok((at, turn)),
        }
    }
}

/// What the model heard last: the results after its own last message, and the operator's words.
fn last_words(request: &ChatRequest) -> String {
    let since = request
        .messages
        .iter()
        .rposition(|m| matches!(**m, Message::Assistant(_)))
        .map_or(0, |at| at + 1);
    let mut heard = String::new();
    for message in &request.messages[since..] {
        match &**message {
            Message::Results { results, .. } => {
                results.iter().for_each(|r| heard.extend([&r.text, "\n"]))
            }
            Message::User { parts, .. } => parts.iter().for_each(|part| {
                if let UserPart::Text(text) = part {
                    heard.extend([text.as_ref(), "\n"]);
                }
            }),
            Message::Assistant(_) => {}
        }
    }
    heard
}

fn parts(at: usize, turn: &Turn) -> Vec<Part> {
    let reasoning = turn.reasoning.iter().map(|text| Part::Reasoning {
        text: text.clone(),
        signature: None,
    });
    let text = turn
        .text
        .iter()
        .map(|text| Part::Text { text: text.clone() });
    let calls = turn.call.iter().enumerate().map(|(n, call)| Part::Call {
        id: format!("call_{at}_{n}"),
        name: call.tool.clone(),
        arguments: match &call.arguments {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => "{}".to_owned(),
            table => table.to_string(),
        },
        signature: None,
    });
    reasoning.chain(text).chain(calls).collect()
}

#[async_trait]
impl ChatModel for Scripted {
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<ModelReport> {
        let (key, _) = permit.consume();
        let (at, turn) = match self.turn(&key, request) {
            Ok(found) => found,
            Err(fault) => return Outcome::Failed(fault),
        };
        let pause = turn.pause_ms.min(MAX_PAUSE_MS);
        if pause > 0 {
            tokio::select! {
                () = cancel.cancelled() => return Outcome::Cancelled,
                () = tokio::time::sleep(Duration::from_millis(pause)) => {}
            }
        }
        let parts = parts(at, turn);
        show(&parts, &live).await;
        match serde_json::to_string(&parts) {
            Ok(reply) => Outcome::Done(ModelReport {
                reply: Content::new(reply),
                stop: if turn.call.is_empty() {
                    Stop::End
                } else {
                    Stop::Calls
                },
                usage: Usage::default(),
                cost: Micros::ZERO,
                unpriced: false,
                served_by: Some("script".to_owned()),
                origin: Origin::Scripted,
                answered: None,
                first_token_ms: u32::try_from(pause).unwrap_or(u32::MAX),
                duration_ms: u32::try_from(pause).unwrap_or(u32::MAX),
            }),
            Err(e) => {
                Outcome::Failed(Fault::new(Code::SCRIPT_UNREADABLE, e.to_string()).at(&self.place))
            }
        }
    }

    fn quote(
        &self,
        _model: &ModelName,
        _input_tokens: u64,
        _max_output_tokens: u32,
    ) -> Result<Quote, Fault> {
        Ok(Quote {
            at_most: Micros::ZERO,
            priced: true,
        })
    }
}
