//! Views made anew from the events: whether their rows are what the runs' events say, and the commits that put them right.

use crate::fold;
use crate::views::{self, APPROVALS, RUNS};
use futures_util::StreamExt as _;
use keiko_agent::state::{RunState, Setup};
use keiko_contracts::approval::ApprovalRow;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{
    Append, Durability, Expect, Recorded, Seq, StreamId, ViewOp, ViewRow,
};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{RunEvent, RunRow, RunStatus};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::{CommitError, Journal, ReadError, ViewQuery};
use std::collections::{BTreeMap, BTreeSet};

/// The most rows of a view that are looked at.
const ROWS_MAX: u32 = 100_000;

/// Rows of one run that are not what its events say, and the commit that puts them right. It holds only as long as
/// nothing was added to the run.
#[derive(Debug, Clone)]
pub struct Stale {
    /// The run, as rows name it.
    pub run: String,
    mend: Append,
}

/// How closely rows are compared with events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thorough {
    /// All events of every run are read.
    EveryRun,
    /// All events of a run are read only where it has not ended, or where its row does not go with the event that ended
    /// it. That an answered approval of such a run is missing in its list is not noticed then.
    WhereTheyDiffer,
}

/// Compares the rows of views with what the events of these runs, which are all there are and come with the place of
/// their last event, come to. Left out are runs that somebody drives at this moment, and those that cannot be read: their
/// rows stay as they are.
///
/// # Errors
/// When the journal's views cannot be read.
pub async fn stale(
    journal: &dyn Journal,
    runs: &[(RunId, Seq)],
    thorough: Thorough,
    setup: &Setup,
) -> Result<Vec<Stale>, ReadError> {
    let mut known = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    let mut found = Vec::new();
    let asking = asking(journal).await?;
    for (run, last) in runs {
        let stream = StreamId::run(*run);
        let settled = thorough == Thorough::WhereTheyDiffer
            && !asking.contains(&run.to_string())
            && goes_with_its_end(journal, *run, *last).await?;
        let rebuilt = match journal.holder(&stream).await? {
            None if !settled => rows(journal, *run, setup).await,
            _ => None,
        };
        let Some((head, ended, puts)) = rebuilt else {
            unknown.insert(run.to_string());
            continue;
        };
        let mut views = Vec::new();
        for (key, put) in puts {
            if !is_there(journal, &put, ended).await? {
                views.push(put);
            }
            known.insert(key);
        }
        if !views.is_empty() {
            found.push(Stale {
                run: run.to_string(),
                mend: append(stream, Expect::At(head), views),
            });
        }
    }
    for (view, run_of) in [
        (RUNS, key_of as fn(&ViewRow) -> String),
        (APPROVALS, run_of_approval),
    ] {
        let query = ViewQuery {
            limit: ROWS_MAX,
            ..ViewQuery::default()
        };
        for row in journal.view_list(view, query).await? {
            let run = run_of(&row);
            if known.contains(&(view, row.key.clone())) || unknown.contains(&run) {
                continue;
            }
            let (stream, delete) = (
                StreamId("views".into()),
                ViewOp::Delete { view, key: row.key },
            );
            found.push(Stale {
                run,
                mend: append(stream, Expect::Any, vec![delete]),
            });
        }
    }
    Ok(found)
}

/// Runs of which rows say that something is asked at this moment.
async fn asking(journal: &dyn Journal) -> Result<BTreeSet<String>, ReadError> {
    let query = ViewQuery {
        group: Some("open".into()),
        limit: ROWS_MAX,
        ..ViewQuery::default()
    };
    let rows = journal.view_list(APPROVALS, query).await?;
    Ok(rows.iter().map(run_of_approval).collect())
}

/// Whether a run's last event ends it, and its row says what that event does.
///
/// # Errors
/// When the journal cannot be read.
pub async fn goes_with_its_end(
    journal: &dyn Journal,
    run: RunId,
    last: Seq,
) -> Result<bool, ReadError> {
    let Some(found) = journal.view_get(RUNS, &run.to_string()).await? else {
        return Ok(false);
    };
    let Ok(row) = serde_json::from_slice::<RunRow>(&found.body) else {
        return Ok(false);
    };
    let mut events = journal.read(&StreamId::run(run), Seq(last.0.saturating_sub(1)));
    let Some(recorded) = events.next().await.transpose()? else {
        return Ok(false);
    };
    if recorded.kind != RunEvent::RUN_ENDED {
        return Ok(false);
    }
    let Ok(RunEvent::RunEnded(end)) = fold::hydrate(journal, &recorded).await else {
        return Ok(false);
    };
    let card = &end.card;
    let told = (
        run,
        RunStatus::from(end.status),
        (card.started, recorded.at),
        (card.steps, card.cost, card.unpriced, card.cut_off),
        card.demo,
    );
    let listed = (
        row.run,
        row.state,
        (row.started, row.updated),
        (row.steps, row.cost, row.unpriced, row.cut_off),
        row.demo,
    );
    Ok(told == listed && found.sort == row.started.0 && found.group == row.state.word())
}

/// Puts rows right. How many could be: a run that has gone on meanwhile has written its own.
///
/// # Errors
/// When the journal cannot be written.
pub async fn mend(journal: &dyn Journal, stale: Vec<Stale>) -> Result<usize, CommitError> {
    let mut mended = 0;
    for Stale { mend, .. } in stale {
        match journal.commit(vec![mend], Durability::Barrier).await {
            Ok(_) => mended += 1,
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(mended)
}

fn append(stream: StreamId, expect: Expect, views: Vec<ViewOp>) -> Append {
    Append {
        stream,
        expect,
        fence: None,
        epoch: None,
        events: Vec::new(),
        blobs: Vec::new(),
        views,
    }
}

fn key_of(row: &ViewRow) -> String {
    row.key.clone()
}

fn run_of_approval(row: &ViewRow) -> String {
    let run = serde_json::from_slice::<serde_json::Value>(&row.body).ok();
    run.and_then(|row| row.get("run")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| row.key.clone())
}

/// The rows of a run, by view and key.
type Rows = BTreeMap<(&'static str, String), ViewOp>;

/// What a run's events come to: its length, whether it has ended, its rows. `None` when it cannot be read.
async fn rows(journal: &dyn Journal, run: RunId, setup: &Setup) -> Option<(Seq, bool, Rows)> {
    let mut rows = Rows::new();
    let mut last = Timestamp::default();
    let mut see = |state: &RunState, recorded: &Recorded, event: &RunEvent| {
        last = recorded.at;
        rows.extend(
            views::approvals(state, event, recorded.at)
                .into_iter()
                .filter_map(keyed),
        );
    };
    let state = match fold::fold_seeing(journal, run, setup, &mut see).await {
        Ok(state) => state,
        Err(error) => {
            tracing::debug!(%run, %error, "its rows cannot be made anew");
            return None;
        }
    };
    rows.extend(views::put_run(&state, last).and_then(keyed));
    Some((state.life.head.0, state.ended.is_some(), rows))
}

fn keyed(op: ViewOp) -> Option<((&'static str, String), ViewOp)> {
    match &op {
        ViewOp::Put { view, key, .. } => Some(((*view, key.clone()), op)),
        ViewOp::Delete { .. } => None,
    }
}

/// Whether a row stands there so. What a run has spent stands in its row as it was at its last turn: only the end's counts.
async fn is_there(journal: &dyn Journal, put: &ViewOp, ended: bool) -> Result<bool, ReadError> {
    let ViewOp::Put {
        view,
        key,
        sort,
        group,
        body,
    } = put
    else {
        return Ok(true);
    };
    let Some(row) = journal.view_get(view, key).await? else {
        return Ok(false);
    };
    let same = if *view == RUNS {
        let read = |body: &[u8]| {
            serde_json::from_slice::<RunRow>(body)
                .ok()
                .map(|row| settled(row, ended))
        };
        read(&row.body) == read(body)
    } else {
        let read = |body: &[u8]| serde_json::from_slice::<ApprovalRow>(body).ok();
        read(&row.body) == read(body)
    };
    Ok(same && row.sort == *sort && row.group == *group)
}

fn settled(row: RunRow, ended: bool) -> RunRow {
    let row = RunRow {
        updated: Timestamp::default(),
        ..row
    };
    if ended {
        row
    } else {
        RunRow {
            steps: 0,
            cost: Micros::ZERO,
            unpriced: false,
            cut_off: Micros::ZERO,
            ..row
        }
    }
}
