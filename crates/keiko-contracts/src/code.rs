//! What a user meets when something is wrong. The codes are in the table of [`codes`](crate::codes).

pub use crate::codes::Code;

use crate::model::Window;
use crate::said::{Said, ToValue, Value};
use crate::say;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a user meets when something is wrong: code, what, where, why, and the next thing to type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fault {
    /// Stable code.
    pub code: Code,
    /// What happened: a lower-case fragment without a full stop.
    pub message: Said,
    /// Where: a path, a key, a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What to do next, best a command that can be typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Said>,
    /// Whether, and when, trying again may help.
    #[serde(default, skip_serializing_if = "Retry::is_permanent")]
    pub retry: Retry,
    /// A request to a model was too large: what its server said of the sizes. With other sizes it may be asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Box<Window>>,
}

/// Whether trying the same thing again can help. The adapter that saw the fault says so; only the runtime retries.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Retry {
    /// Trying again gives the same fault.
    #[default]
    Permanent,
    /// Trying again may work, not before `after_ms` milliseconds if the other side asked for that.
    Transient {
        /// What the other side asked for (`Retry-After`), in milliseconds.
        after_ms: Option<u64>,
    },
}

impl Retry {
    /// True for [`Retry::Permanent`].
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Retry::Permanent)
    }
}

impl Fault {
    /// A permanent fault with a code and a message.
    pub fn new(code: Code, message: impl Into<Said>) -> Self {
        Fault {
            code,
            message: message.into(),
            place: None,
            hint: None,
            retry: Retry::Permanent,
            window: None,
        }
    }
    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }
    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Said>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Adds what a model's server said of how much it reads and writes.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.window = Some(Box::new(window));
        self
    }
    /// Marks it as worth another try.
    #[must_use]
    pub fn transient(mut self, after_ms: Option<u64>) -> Self {
        self.retry = Retry::Transient { after_ms };
        self
    }
}

impl Fault {
    /// What happened, and where.
    #[must_use]
    pub fn said(&self) -> Said {
        match &self.place {
            Some(place) => say!("{what} ({place})", what = self.message, place),
            None => self.message.clone(),
        }
    }
}

impl ToValue for Fault {
    fn to_value(&self) -> Value {
        Value::Said(self.said())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said().fmt(f)
    }
}

impl std::error::Error for Fault {}
