//! A decision in the making: events are applied as they are drawn up, so that what follows sees them.

use crate::state::{RunState, Stamp};
use keiko_contracts::action::{Action, ActionDigest, Intent};
use keiko_contracts::code::Fault;
use keiko_contracts::id::{ApprovalId, EffectKey, RunId, TaskId, ToolName};
use keiko_contracts::journal::Epoch;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{Closing, EndStatus, Note, RunEvent};
use keiko_contracts::time::Timestamp;
use keiko_governance::policy::RiskPolicy;

/// What a decision may know beyond the state.
#[derive(Debug, Clone, Copy)]
pub struct Env<'a> {
    /// Now.
    pub now: Timestamp,
    /// The newest kill epoch.
    pub epoch: Epoch,
    /// The risk policy.
    pub policy: &'a RiskPolicy,
    /// What the model costs at most, if it has a price.
    pub price: Option<Price>,
}

/// Upper bounds of a model's price, for reserving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// For a million tokens read.
    pub input: Micros,
    /// For a million tokens written.
    pub output: Micros,
}

impl Price {
    /// At most this much for a request.
    #[must_use]
    pub fn at_most(&self, input_tokens: u64, output_tokens: u64) -> Micros {
        let of = |price: Micros, tokens: u64| price.0.saturating_mul(tokens).div_ceil(1_000_000);
        Micros(of(self.input, input_tokens).saturating_add(of(self.output, output_tokens)))
    }
}

/// An input that makes no sense in this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The run has begun already.
    #[error("the run has begun already")]
    AlreadyStarted,
    /// The run has not begun.
    #[error("the run has not begun")]
    NotStarted,
    /// The run has ended.
    #[error("the run has ended")]
    HasEnded,
    /// No such effect is open.
    #[error("no effect {0} is open")]
    NotOpen(EffectKey),
    /// An action cannot be written down.
    #[error("an action cannot be written down: {0}")]
    Unwritable(String),
}

/// A decision in the making: events are applied as they are drawn up, so that what follows sees them.
pub(crate) struct Draft<'a> {
    pub(crate) state: RunState,
    pub(crate) env: Env<'a>,
    pub(crate) events: Vec<RunEvent>,
}

impl Draft<'_> {
    pub(crate) fn emit(&mut self, event: RunEvent) {
        let stamp = Stamp { at: self.env.now, ..Stamp::default() };
        self.state.apply(&stamp, &event);
        self.events.push(event);
    }

    pub(crate) fn next_key(&self) -> EffectKey {
        let run = self.state.start.as_ref().map_or(RunId::from_bytes([0; 10]), |start| start.run);
        EffectKey { run, task: TaskId::main(), attempt: 1, step: self.state.step, ordinal: self.state.ordinal }
    }

    pub(crate) fn intend(
        &mut self,
        key: EffectKey,
        action: Action,
        reserve: Micros,
        call: Option<(&str, &str)>,
        approval: Option<ApprovalId>,
    ) -> Result<(), Reject> {
        let digest = digest(&action)?;
        self.intend_judged(key, (action, digest), reserve, call, approval);
        Ok(())
    }

    /// Intends an action whose digest is known.
    pub(crate) fn intend_judged(
        &mut self,
        key: EffectKey,
        (action, digest): (Action, ActionDigest),
        reserve: Micros,
        call: Option<(&str, &str)>,
        approval: Option<ApprovalId>,
    ) {
        let recovery = keiko_governance::class::recovery_of(&action);
        let (call, tool) = call.map_or((None, None), |(id, tool)| (Some(id.to_owned()), label(tool)));
        let epoch = self.env.epoch;
        self.emit(RunEvent::EffectIntended(Box::new(Intent { key, action, digest, recovery, reserve, approval, epoch, call, tool })));
    }

    pub(crate) fn close(&mut self, status: EndStatus, summary: String, fault: Option<Fault>) {
        if self.state.closing.is_none() {
            self.emit(RunEvent::RunClosing(Box::new(Closing { status, summary: summary.into(), fault, report: None, data: None })));
        }
    }

    pub(crate) fn note(&mut self, kind: &str, text: String, tell_agent: bool) {
        self.emit(RunEvent::Noted(Note { kind: kind.into(), text: text.into(), tell_agent }));
    }
}

/// The digest of an action.
pub(crate) fn digest(action: &Action) -> Result<ActionDigest, Reject> {
    keiko_governance::approval::digest(action).map_err(|error| Reject::Unwritable(error.to_string()))
}

/// The name of a call for the record: a tool's own, or one made of the title that a native engine or the harness gave,
/// with dashes for all that a name cannot hold.
pub(crate) fn label(title: &str) -> Option<ToolName> {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let made = words.collect::<Vec<_>>().join("-");
    title.parse().or_else(|_| made.get(..made.len().min(64)).unwrap_or_default().trim_end_matches('-').parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_names() {
        let shown = |title: &str| label(title).map(|name| name.to_string());
        assert_eq!(shown("run_tests").as_deref(), Some("run_tests"));
        assert_eq!(shown("run the tests of the root: go test ./...").as_deref(), Some("run-the-tests-of-the-root-go-test"));
        assert_eq!(shown(&"word ".repeat(40)).unwrap().len(), 64);
        assert_eq!(shown("…"), None);
    }
}
