//! A run as lists show it.

use crate::ledger::one_line;
use crate::state::RunState;
use keiko_contracts::jail::Source;
use keiko_contracts::run::{RunRow, Suspension};
use keiko_contracts::time::Timestamp;

/// A run as lists show it.
#[must_use]
pub fn row(state: &RunState, now: Timestamp) -> Option<RunRow> {
    let start = state.start.as_deref()?;
    let workspace = match &start.source {
        Some(Source::Folder { path, .. } | Source::Copy { path, .. }) => Some(path.clone()),
        Some(Source::Empty) | None => None,
    };
    Some(RunRow {
        run: start.run,
        goal: one_line(start.goal.text_or_empty(), 160),
        agent: start.agent.clone(),
        parent: start.parent.as_ref().map(|parent| parent.run),
        model: start.model.clone(),
        workspace,
        state: state_word(state).into(),
        started: state.life.started,
        updated: now,
        steps: state.step,
        cost: state.life.budget.spent(),
        unpriced: state.unpriced,
        cut_off: state.life.budget.cut_off(),
        demo: start.demo,
    })
}

/// The words for states, as lists filter by them.
pub const STATES: [&str; 16] = [
    RUNNING,
    INTERRUPTED,
    "waiting-approval",
    "waiting-answer",
    "waiting-person",
    "waiting-run",
    "waiting-model",
    "limit",
    "stopped",
    "killed",
    "succeeded",
    "examined",
    "unverified",
    "failed",
    "refused",
    "cancelled",
];

/// The state of a run that somebody drives.
pub const RUNNING: &str = "running";
/// The state of a run that should be driven, and whose process is gone. It is no event, since nobody was left to write
/// one: it follows from a lease that nobody holds.
pub const INTERRUPTED: &str = "interrupted";

/// The state of a run in a word.
#[must_use]
pub fn state_word(state: &RunState) -> &'static str {
    if let Some(end) = &state.ended {
        return end.status.word();
    }
    match &state.life.waiting {
        Some(Suspension::Approval { .. }) => "waiting-approval",
        Some(Suspension::Question { .. }) => "waiting-answer",
        Some(Suspension::Unknown { .. }) => "waiting-person",
        Some(Suspension::Child { .. }) => "waiting-run",
        Some(Suspension::Unavailable { .. }) => "waiting-model",
        Some(Suspension::Limit { .. }) => "limit",
        Some(Suspension::Stopped { .. }) => "stopped",
        Some(Suspension::Killed { .. }) => "killed",
        None if state.life.open_approvals().next().is_some() => "waiting-approval",
        None => RUNNING,
    }
}
