//! Views that lists and the inbox of approvals are read from, written in the commit of the events they follow from.

use keiko_agent::ledger::one_line;
use keiko_agent::state::RunState;
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, ApprovalRow, Decision};
use keiko_contracts::id::ApprovalId;
use keiko_contracts::jail::Source;
use keiko_contracts::journal::{StreamId, ViewOp};
use keiko_contracts::run::{EndStatus, RunEvent, RunRow, Suspension};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::{Journal, ReadError, ViewQuery};

/// The view of runs: key is the run's id, group its state, sorted by start.
pub const RUNS: &str = "runs";
/// The view of approvals: key is the approval's id, group `open` or `answered`, sorted by when it was asked.
pub const APPROVALS: &str = "approvals";

/// The rows that change with these events, given the state after them.
#[must_use]
pub fn changes(state: &RunState, events: &[RunEvent], now: Timestamp) -> Vec<ViewOp> {
    let mut ops = Vec::new();
    let changed = events.iter().any(|event| {
        matches!(
            event,
            RunEvent::RunStarted(_)
                | RunEvent::RunResumed(_)
                // Words answer a question, and an end that begins ends every waiting.
                | RunEvent::Steered(_)
                | RunEvent::RunClosing(_)
                | RunEvent::RunSuspended(_)
                | RunEvent::RunEnded(_)
                | RunEvent::ApprovalRequested(_)
                | RunEvent::ApprovalResolved(_)
        )
    });
    if changed {
        ops.extend(put_run(state, now));
    }
    ops.extend(events.iter().flat_map(|event| approvals(state, event, now)));
    ops
}

pub(crate) fn put_run(state: &RunState, now: Timestamp) -> Option<ViewOp> {
    let row = row(state, now)?;
    Some(ViewOp::Put {
        view: RUNS,
        key: row.run.to_string(),
        sort: row.started.0,
        group: row.state.clone(),
        body: serde_json::to_vec(&row).unwrap_or_default(),
    })
}

/// The rows of approvals that change with an event, given a state after it.
pub(crate) fn approvals(state: &RunState, event: &RunEvent, now: Timestamp) -> Vec<ViewOp> {
    match event {
        RunEvent::ApprovalRequested(request) => approval(state, request.id, now, None).into_iter().collect(),
        RunEvent::ApprovalResolved(answer) => approval(state, answer.id, now, Some(answer)).into_iter().collect(),
        RunEvent::RunEnded(_) => {
            // What nobody answered before the end is not asked any more.
            let withdrawn = |request: &ApprovalRequest| {
                let (id, digest, by) = (request.id, request.digest, "the end of the run".to_owned());
                let answer =
                    ApprovalAnswer { id, digest, decision: Decision::Withdrawn, by, epoch: state.epoch, reason: None, beforehand: None };
                approval(state, id, now, Some(&answer))
            };
            state.open_approvals().filter_map(|approval| withdrawn(&approval.request)).collect()
        }
        _ => Vec::new(),
    }
}

fn approval(state: &RunState, id: ApprovalId, now: Timestamp, answer: Option<&ApprovalAnswer>) -> Option<ViewOp> {
    let request = state.approvals.get(&id)?.request.clone();
    let run = request.key.run;
    let row = ApprovalRow { run, request: (*request).clone(), asked: now, answer: answer.cloned() };
    Some(ViewOp::Put {
        view: APPROVALS,
        key: id.to_string(),
        sort: now.0,
        group: if answer.is_some() { "answered" } else { "open" }.into(),
        body: serde_json::to_vec(&row).ok()?,
    })
}

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
        model: start.model.clone(),
        workspace,
        state: state_word(state).into(),
        started: state.started,
        updated: now,
        steps: state.step,
        cost: state.budget.spent(),
        unpriced: state.unpriced,
        cut_off: state.budget.cut_off(),
        demo: start.demo,
    })
}

/// The words for states, as lists filter by them.
pub const STATES: [&str; 15] = [
    RUNNING,
    INTERRUPTED,
    "waiting-approval",
    "waiting-answer",
    "waiting-person",
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

/// Runs as lists show them, the newest first, at most `limit`; only those in a state, if one is given.
///
/// # Errors
/// When the journal cannot be read.
pub async fn list(journal: &dyn Journal, state: Option<&str>, limit: u32) -> Result<Vec<RunRow>, ReadError> {
    // Which of the running ones were interrupted is in no row: there are few, so all are looked at.
    let by_lease = matches!(state, Some(RUNNING | INTERRUPTED));
    let group = if by_lease { Some(RUNNING) } else { state }.map(str::to_owned);
    let most = if by_lease { RUNNING_MAX } else { limit };
    let query = ViewQuery { group, newest_first: true, limit: most, ..ViewQuery::default() };
    let mut rows = Vec::new();
    for row in journal.view_list(RUNS, query).await? {
        let Ok(mut row) = serde_json::from_slice::<RunRow>(&row.body) else { continue };
        look_at_lease(journal, &mut row).await?;
        if state.is_none_or(|state| row.state == state) {
            rows.push(row);
        }
        if rows.len() as u64 >= u64::from(limit) {
            break;
        }
    }
    Ok(rows)
}

/// The most running runs that are looked at.
const RUNNING_MAX: u32 = 10_000;

/// Tells a run that is being driven from one whose process is gone. For as long as a lease holds after that, nobody can
/// tell the two apart.
///
/// # Errors
/// When the journal cannot be read.
pub async fn look_at_lease(journal: &dyn Journal, row: &mut RunRow) -> Result<(), ReadError> {
    if row.state == RUNNING && journal.holder(&StreamId::run(row.run)).await?.is_none() {
        row.state = INTERRUPTED.into();
    }
    Ok(())
}

/// The state of a run in a word.
#[must_use]
pub fn state_word(state: &RunState) -> &'static str {
    if let Some(end) = &state.ended {
        return end_word(end.status);
    }
    match &state.waiting {
        Some(Suspension::Approval { .. }) => "waiting-approval",
        Some(Suspension::Question { .. }) => "waiting-answer",
        Some(Suspension::Unknown { .. }) => "waiting-person",
        Some(Suspension::Unavailable { .. }) => "waiting-model",
        Some(Suspension::Limit { .. }) => "limit",
        Some(Suspension::Stopped { .. }) => "stopped",
        Some(Suspension::Killed { .. }) => "killed",
        None if state.open_approvals().next().is_some() => "waiting-approval",
        None => RUNNING,
    }
}

/// The end of a run in a word.
#[must_use]
pub fn end_word(status: EndStatus) -> &'static str {
    match status {
        EndStatus::Succeeded => "succeeded",
        EndStatus::Examined => "examined",
        EndStatus::Unverified => "unverified",
        EndStatus::Failed => "failed",
        EndStatus::Refused => "refused",
        EndStatus::Cancelled => "cancelled",
        EndStatus::Killed => "killed",
    }
}
