//! Views that lists and the inbox of approvals are read from, written in the commit of the events they follow from.

use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, ApprovalRow, Decision};
use keiko_contracts::id::{ApprovalId, RunId};
use keiko_contracts::journal::{StreamId, ViewOp};
use keiko_contracts::run::{RunRow, RunStatus};
use keiko_contracts::time::Timestamp;
use keiko_governance::core::{Core, CoreEvent};
use keiko_governance::life::Life;
use keiko_ports::journal::{Journal, ReadError, ViewQuery};

/// The view of runs: key is the run's id, group its state, sorted by start.
pub const RUNS: &str = "runs";
/// The view of approvals: key is the approval's id, group `open` or `answered`, sorted by when it was asked.
pub const APPROVALS: &str = "approvals";

/// The rows that change with these events, given the state after them.
#[must_use]
pub fn changes<C: Core>(core: &C, events: &[C::Event], now: Timestamp) -> Vec<ViewOp> {
    let mut ops = Vec::new();
    if events.iter().any(CoreEvent::changes_row) {
        ops.extend(put_run(core, now));
    }
    ops.extend(events.iter().flat_map(|event| approvals(core, event, now)));
    ops
}

pub(crate) fn put_run<C: Core>(core: &C, now: Timestamp) -> Option<ViewOp> {
    let row = core.row(now)?;
    Some(ViewOp::Put {
        view: RUNS,
        key: row.run.to_string(),
        sort: row.started.0,
        group: row.state.word().into(),
        body: serde_json::to_vec(&row).unwrap_or_default(),
    })
}

/// The rows of approvals that change with an event, given a state after it.
pub(crate) fn approvals<C: Core>(core: &C, event: &C::Event, now: Timestamp) -> Vec<ViewOp> {
    let life = core.life();
    if event.is_end() {
        // What nobody answered before the end is not asked any more.
        let withdrawn = |request: &ApprovalRequest| {
            let (id, digest, by) = (request.id, request.digest, "the end of the run".to_owned());
            let (decision, epoch) = (Decision::Withdrawn, life.epoch);
            let answer = ApprovalAnswer {
                id,
                digest,
                decision,
                by,
                epoch,
                reason: None,
                beforehand: None,
                inbox: None,
            };
            approval(life, id, now, Some(&answer))
        };
        return life
            .open_approvals()
            .filter_map(|approval| withdrawn(&approval.request))
            .collect();
    }
    let asked = event
        .asks()
        .and_then(|request| approval(life, request.id, now, None));
    asked
        .or_else(|| {
            event
                .answers()
                .and_then(|answer| approval(life, answer.id, now, Some(answer)))
        })
        .into_iter()
        .collect()
}

fn approval(
    life: &Life,
    id: ApprovalId,
    now: Timestamp,
    answer: Option<&ApprovalAnswer>,
) -> Option<ViewOp> {
    let request = life.approvals.get(&id)?.request.clone();
    let run = request.key.run;
    let row = ApprovalRow {
        run,
        request: (*request).clone(),
        asked: now,
        answer: answer.cloned(),
    };
    Some(ViewOp::Put {
        view: APPROVALS,
        key: id.to_string(),
        sort: now.0,
        group: if answer.is_some() { "answered" } else { "open" }.into(),
        body: serde_json::to_vec(&row).ok()?,
    })
}

/// Runs as lists show them, the newest first, at most `limit`; only those in a state, if one is given.
///
/// # Errors
/// When the journal cannot be read.
pub async fn list(
    journal: &dyn Journal,
    state: Option<RunStatus>,
    limit: u32,
) -> Result<Vec<RunRow>, ReadError> {
    // Which of the running ones were interrupted is in no row: there are few, so all are looked at.
    let by_lease = matches!(state, Some(RunStatus::Running | RunStatus::Interrupted));
    let group = if by_lease {
        Some(RunStatus::Running)
    } else {
        state
    }
    .map(|state| state.word().to_owned());
    let most = if by_lease { RUNNING_MAX } else { limit };
    let query = ViewQuery {
        group,
        newest_first: true,
        limit: most,
        ..ViewQuery::default()
    };
    let mut rows = Vec::new();
    for row in journal.view_list(RUNS, query).await? {
        let Ok(mut row) = serde_json::from_slice::<RunRow>(&row.body) else {
            continue;
        };
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

/// The runs below a run, and those below them, as lists have them.
///
/// # Errors
/// When the journal cannot be read.
pub async fn below(journal: &dyn Journal, run: RunId) -> Result<Vec<RunId>, ReadError> {
    let query = ViewQuery {
        limit: BELOW_MAX,
        newest_first: true,
        ..ViewQuery::default()
    };
    let rows = journal.view_list(RUNS, query).await?;
    let rows: Vec<RunRow> = rows
        .iter()
        .filter_map(|row| serde_json::from_slice(&row.body).ok())
        .collect();
    let mut found = vec![run];
    let mut at = 0;
    while let Some(above) = found.get(at).copied() {
        let next: Vec<RunId> = rows
            .iter()
            .filter(|row| row.parent == Some(above) && !found.contains(&row.run))
            .map(|row| row.run)
            .collect();
        found.extend(next);
        at += 1;
    }
    found.remove(0);
    Ok(found)
}

/// The most runs that are looked at for those below one.
const BELOW_MAX: u32 = 100_000;

/// The most running runs that are looked at.
const RUNNING_MAX: u32 = 10_000;

/// Tells a run that is being driven from one whose process is gone. For as long as a lease holds after that, nobody can
/// tell the two apart.
///
/// # Errors
/// When the journal cannot be read.
pub async fn look_at_lease(journal: &dyn Journal, row: &mut RunRow) -> Result<(), ReadError> {
    if row.state == RunStatus::Running && journal.holder(&StreamId::run(row.run)).await?.is_none() {
        row.state = RunStatus::Interrupted;
    }
    Ok(())
}
