//! The agent's loop as a durable core: what the driver asks of it.

use crate::decide::{Decided, Input, Reject, decide};
use crate::state::{RunState, Setup};
use crate::{calls, prompt, row};
use keiko_contracts::action::ModelAction;
use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{Head, Seq};
use keiko_contracts::model::ChatRequest;
use keiko_contracts::run::{RunEnd, RunEvent, RunRow, RunTerms, StartRun};
use keiko_contracts::time::Timestamp;
use keiko_governance::core::{Core, Env, Wanted};
use keiko_governance::label;
use keiko_governance::life::{Life, Stamp};
use std::sync::Arc;

impl keiko_governance::core::Setup for Setup {
    type Core = RunState;
}

impl Core for RunState {
    type Setup = Setup;
    type Start = StartRun;
    type Terms = RunTerms;
    type Event = RunEvent;
    type End = RunEnd;
    type Reject = Reject;

    fn new(setup: &Setup) -> Self {
        RunState::new(setup)
    }

    fn decide(&self, env: &Env<'_>, input: Input) -> Result<Decided, Reject> {
        decide(self, env, input)
    }

    fn apply(&mut self, stamp: &Stamp, event: &RunEvent) {
        RunState::apply(self, stamp, event);
    }

    fn life(&self) -> &Life {
        &self.life
    }

    fn committed(&mut self, seq: Seq, hash: Digest) {
        self.life.head = (seq, hash);
    }

    fn start(&self) -> Option<&StartRun> {
        self.start.as_deref()
    }

    fn ended(&self) -> Option<&Arc<RunEnd>> {
        self.ended.as_ref()
    }

    fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    fn wake_at(&self) -> Option<Timestamp> {
        RunState::wake_at(self)
    }

    fn request(&self, action: &ModelAction) -> Option<Arc<ChatRequest>> {
        let start = self.start.as_deref()?;
        Some(Arc::new(prompt::render_action(self, start, action)))
    }

    fn wanted(&self) -> Option<Wanted> {
        calls::wanted(self)
    }

    fn label(&self, event: &RunEvent) -> Head {
        label::head(event, self.start.as_deref())
    }

    fn row(&self, now: Timestamp) -> Option<RunRow> {
        row::row(self, now)
    }
}
