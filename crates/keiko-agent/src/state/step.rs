//! The current step: its calls, and where each of them stands.

use crate::native::NativeCall;
use crate::tools::Means;
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::asked::Asked;
use keiko_contracts::id::EffectKey;
use keiko_contracts::jail::JailOp;
use keiko_contracts::run::ToolCall;
use keiko_contracts::said::Said;
use keiko_contracts::time::Timestamp;
use std::sync::Arc;

/// The longest text in a title that is kept, in bytes.
const TITLE_MAX: usize = 200;

/// The current step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Its number; 0 before the first.
    pub number: u32,
    /// The next place in it.
    pub ordinal: u16,
    /// Its calls.
    pub calls: Vec<Call>,
    /// When the model last answered: the time that its calls are resolved with.
    pub replied: Timestamp,
    /// The last model request failed: it is asked again, in the same step.
    pub asks_again: bool,
    /// Words that wait for its end.
    words: Vec<Arc<str>>,
}

/// A call of the current step.
#[derive(Debug, Clone)]
pub struct Call {
    /// The caller's id.
    pub id: String,
    /// The tool, or a title for people.
    pub name: String,
    /// Raw arguments; empty for native engines.
    pub arguments: String,
    /// Who made it.
    pub made: Made,
    /// How its actions came out, in order.
    pub done: Vec<Arc<Outcome<Report>>>,
    /// Where it stands.
    pub state: CallState,
    /// It was answered as a failure.
    pub failed: bool,
}

/// Who made a call, and what is known of it from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// A model: what its tool means, if there is one of that name.
    Model(Option<Means>),
    /// A model, in words alone: a claim.
    Words,
    /// A native engine: what it wants done.
    Engine {
        /// What for, in one line for people.
        title: Said,
        /// What to do.
        op: Box<JailOp>,
    },
}

/// Where a call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallState {
    /// Nothing has been done about its next action.
    Waiting,
    /// An action runs.
    Open,
    /// It is answered.
    Answered,
}

impl Call {
    pub(super) fn new(call: ToolCall, made: Made) -> Call {
        let ToolCall {
            id,
            name,
            arguments,
        } = call;
        Call {
            id,
            name,
            arguments,
            made,
            done: Vec::new(),
            state: CallState::Waiting,
            failed: false,
        }
    }

    /// Who asks for what it comes to.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let call = self.id.clone();
        match &self.made {
            Made::Engine { title, .. } => {
                let title = title.clone().in_one_line(TITLE_MAX);
                Asked::Engine { call, title }
            }
            Made::Model(_) | Made::Words => {
                let tool = self.name.clone();
                Asked::Model { call, tool }
            }
        }
    }

    /// A model made it.
    #[must_use]
    pub fn is_of_model(&self) -> bool {
        !matches!(self.made, Made::Engine { .. })
    }

    /// It is a claim that was made in words alone.
    #[must_use]
    pub fn is_in_words(&self) -> bool {
        self.made == Made::Words
    }

    /// It says that the goal is reached.
    #[must_use]
    pub fn claims(&self) -> bool {
        matches!(self.made, Made::Words | Made::Model(Some(Means::Claim)))
    }
}

impl From<NativeCall> for Call {
    fn from(call: NativeCall) -> Call {
        let NativeCall { id, title, op } = call;
        let call = ToolCall {
            id,
            name: title.to_string(),
            arguments: String::new(),
        };
        let op = Box::new(op);
        Call::new(call, Made::Engine { title, op })
    }
}

impl Step {
    /// One begins.
    pub(super) fn begin(&mut self, number: u32) {
        (self.number, self.ordinal) = (number, 0);
    }

    /// A place in it is taken.
    pub(super) fn taken(&mut self, key: &EffectKey) {
        if key.step == self.number {
            self.ordinal = self.ordinal.max(key.ordinal.saturating_add(1));
        }
    }

    /// The call of an id.
    #[must_use]
    pub fn call(&self, id: &str) -> Option<&Call> {
        self.calls.iter().find(|call| call.id == id)
    }

    pub(super) fn call_mut(&mut self, id: &str) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.id == id)
    }

    /// An action of a call runs.
    pub(super) fn runs(&mut self, id: &str) {
        if let Some(call) = self.call_mut(id) {
            call.state = CallState::Open;
        }
    }

    /// Words for the model: after the results of the step, never between a call and its result.
    pub(super) fn say(&mut self, text: &str) {
        self.words.push(text.into());
    }

    /// The words whose time has come.
    pub(super) fn words_due(&mut self) -> Vec<Arc<str>> {
        if self.is_answered() {
            std::mem::take(&mut self.words)
        } else {
            Vec::new()
        }
    }

    /// True when every call is answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.calls
            .iter()
            .all(|call| call.state == CallState::Answered)
    }
}
