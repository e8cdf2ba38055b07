//! A fake model server for both wire families, with scripted turns, bad days, and a validator of what it is sent.
//!
//! ```no_run
//! use keiko_testkit::models::{Day, FakeModelServer, Script, Turn};
//! let server = FakeModelServer::start(Script::turns([
//!     Turn::text("hello").on(Day::status(429).retry_after("1")),
//!     Turn::call("read_file", r#"{"path":"a.py"}"#),
//! ]))?;
//! // base URL of the chat family: server.chat_url(); of the Messages family: server.messages_url()
//! server.assert_valid();
//! # Ok::<(), std::io::Error>(())
//! ```

mod day;
mod render;
mod server;
mod validate;

pub use day::{Day, StatusDay};
pub use server::{FakeModelServer, serve_blocking};
pub use validate::Violation;

use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A wire family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Chat Completions.
    Chat,
    /// Messages.
    Messages,
}

/// A call that the fake model makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its id; made up if there is none.
    pub id: Option<String>,
    /// The tool.
    pub name: String,
    /// The arguments as text.
    pub arguments: String,
}

/// One answer of the fake model.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// Reasoning before everything else.
    pub reasoning: Option<String>,
    /// Text.
    pub text: Option<String>,
    /// Words of refusal.
    pub refusal: Option<String>,
    /// Calls, sent with interleaved arguments where the wire allows that.
    pub calls: Vec<Call>,
    /// The stop reason, in the words of the wire; the usual one if there is none.
    pub stop: Option<String>,
    /// Tokens read at full price, read from the cache, and written. The default is 100, 20, 10.
    pub tokens: Option<(u64, u64, u64)>,
    /// What goes wrong.
    pub day: Day,
}

impl Turn {
    /// Says something.
    #[must_use]
    pub fn text(text: &str) -> Turn {
        Turn {
            text: Some(text.to_owned()),
            ..Turn::default()
        }
    }
    /// Calls a tool.
    #[must_use]
    pub fn call(name: &str, arguments: &str) -> Turn {
        Turn::default().and_call(name, arguments)
    }
    /// Calls a further tool in the same turn.
    #[must_use]
    pub fn and_call(mut self, name: &str, arguments: &str) -> Turn {
        self.calls.push(Call {
            id: None,
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        });
        self
    }
    /// Thinks first.
    #[must_use]
    pub fn thinking(mut self, text: &str) -> Turn {
        self.reasoning = Some(text.to_owned());
        self
    }
    /// Has a bad day.
    #[must_use]
    pub fn on(mut self, day: impl Into<Day>) -> Turn {
        self.day = day.into();
        self
    }
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its number, from 0.
    pub number: usize,
    /// The wire.
    pub family: Family,
    /// Its path.
    pub path: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Value,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
    /// How many answers of the model the conversation holds: the number of the turn, from 0.
    #[must_use]
    pub fn turn(&self) -> usize {
        self.messages()
            .iter()
            .filter(|m| m["role"] == "assistant")
            .count()
    }
    /// The messages.
    #[must_use]
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map_or(&[], Vec::as_slice)
    }
    /// The texts of the results that follow the last answer of the model.
    #[must_use]
    pub fn last_results(&self) -> Vec<String> {
        let messages = self.messages();
        let since = messages
            .iter()
            .rposition(|m| m["role"] == "assistant")
            .map_or(0, |at| at + 1);
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let of = |message: &Value| -> Vec<String> {
            match message["role"].as_str() {
                Some("tool") => vec![text(&message["content"])],
                _ => message["content"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|b| b["type"] == "tool_result")
                    .map(|b| text(&b["content"]))
                    .collect(),
            }
        };
        messages[since..].iter().flat_map(of).collect()
    }
    /// The names of the tools on offer.
    #[must_use]
    pub fn tools(&self) -> Vec<String> {
        let name = |tool: &Value| {
            tool["name"]
                .as_str()
                .or(tool["function"]["name"].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        self.body["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .map(name)
            .collect()
    }
}

type Policy = Arc<dyn Fn(&Request) -> Turn + Send + Sync>;

/// What the server answers.
#[derive(Clone)]
pub struct Script(pub(crate) Kind);

#[derive(Clone)]
pub(crate) enum Kind {
    Turns(Vec<Turn>),
    Policy(Policy),
    Fast(Vec<Turn>),
    Paced(Duration, Vec<Turn>),
}

impl Script {
    /// One turn per request, in order; a request too many is a violation and gets a 500.
    pub fn turns(turns: impl IntoIterator<Item = Turn>) -> Script {
        Script(Kind::Turns(turns.into_iter().collect()))
    }
    /// A function decides from each request.
    pub fn policy(policy: impl Fn(&Request) -> Turn + Send + Sync + 'static) -> Script {
        Script(Kind::Policy(Arc::new(policy)))
    }
    /// For benchmarks: the turns are rendered once and sent whole, over and over; nothing is checked or kept.
    pub fn zero_latency(turns: impl IntoIterator<Item = Turn>) -> Script {
        Script(Kind::Fast(turns.into_iter().collect()))
    }
    /// For benchmarks of many runs at once: each run gets these turns in order, each after so long, and the last one from then on.
    /// Rendered once and sent whole; nothing is checked or kept.
    pub fn paced(pace: Duration, turns: impl IntoIterator<Item = Turn>) -> Script {
        Script(Kind::Paced(pace, turns.into_iter().collect()))
    }
}
