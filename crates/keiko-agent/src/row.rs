//! A run as lists show it.

use crate::ledger::one_line;
use crate::state::RunState;
use keiko_contracts::jail::Source;
use keiko_contracts::run::{RunRow, RunStatus, Suspension};
use keiko_contracts::time::Timestamp;

/// A run as lists show it.
#[must_use]
pub fn row(state: &RunState, now: Timestamp) -> Option<RunRow> {
    let start = state.start.as_deref()?;
    let workspace = match &start.source {
        Some(Source::Folder { path, .. } | Source::Copy { path, .. }) => Some(path.clone()),
        Some(Source::Result { .. } | Source::Empty) | None => None,
    };
    Some(RunRow {
        run: start.run,
        goal: one_line(start.goal.text_or_empty(), 160),
        agent: start.agent.clone(),
        parent: start.parent.as_ref().map(|parent| parent.run),
        model: start.model.clone(),
        workspace,
        state: status(state),
        started: state.life.started,
        updated: now,
        steps: state.step.number,
        cost: state.life.budget.spent(),
        unpriced: state.account.unpriced,
        cut_off: state.life.budget.cut_off(),
        demo: start.demo,
    })
}

/// Where a run stands, as far as its events say.
#[must_use]
pub fn status(state: &RunState) -> RunStatus {
    if let Some(end) = &state.ended {
        return end.status.into();
    }
    match &state.life.waiting {
        Some(Suspension::Approval { .. }) => RunStatus::WaitingApproval,
        Some(Suspension::Question { .. }) => RunStatus::WaitingAnswer,
        Some(Suspension::Unknown { .. }) => RunStatus::WaitingPerson,
        Some(Suspension::Child { .. }) => RunStatus::WaitingRun,
        Some(Suspension::Unavailable { .. }) => RunStatus::WaitingModel,
        Some(Suspension::Limit { .. }) => RunStatus::Limit,
        Some(Suspension::Stopped { .. }) => RunStatus::Stopped,
        Some(Suspension::Killed { .. }) => RunStatus::Killed,
        None if state.life.open_approvals().next().is_some() => RunStatus::WaitingApproval,
        None => RunStatus::Running,
    }
}
