//! Runs for somebody who looks: lists, one run, its report, its change.

use crate::change::Changes;
use crate::holdings::pruned;
use crate::rows;
use crate::wiring::{Keiko, setup};
use keiko_agent::row;
use keiko_agent::state::RunState;
use keiko_contracts::approval::ApprovalRequest;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::{Content, Digest};
use keiko_contracts::id::RunId;
use keiko_contracts::run::{RunEnd, RunRow, RunStatus, Suspension};
use keiko_contracts::step::{OfRun, Step};
use keiko_contracts::time::Timestamp;
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::fold::{self, Partly};
use keiko_runtime::{homeward, views};
use serde::Serialize;
use std::sync::Arc;

/// Most runs that a list has.
const LIST_MAX: u32 = 10_000;

/// A run as it was read: whole, or as far as this program can.
enum Read {
    Whole(Box<RunState>),
    /// A newer Keiko wrote some of its events.
    Partly(Box<Partly>),
}

/// A run for somebody who only looks: what a newer Keiko wrote keeps nobody from seeing the rest.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// All of it.
    Whole(Box<Whole>),
    /// What lists know of it, and its end, if that can be read.
    Partly(Box<Part>),
}

/// All that is shown of a run.
#[derive(Debug, Serialize)]
pub struct Whole {
    /// As lists have it.
    pub run: Option<RunRow>,
    /// What it waits for.
    pub waiting: Option<Suspension>,
    /// The questions that are open.
    pub approvals: Vec<ApprovalRequest>,
    /// How it ended.
    pub end: Option<Arc<RunEnd>>,
    /// The command that goes on with it, where its process is gone.
    pub next: Option<String>,
    /// When its workspace was given back.
    pub pruned: Option<Timestamp>,
    /// When its result was brought home, and taken back, and by whom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub home: Vec<homeward::Told>,
    /// What its agent was made of when it began.
    pub definition: Option<Digest>,
    /// The run.
    #[serde(skip)]
    pub state: Box<RunState>,
}

/// What can be shown of a run that a newer Keiko has written in.
#[derive(Debug, Serialize)]
pub struct Part {
    /// As lists have it.
    pub run: Option<RunRow>,
    /// Not known.
    pub waiting: Option<Suspension>,
    /// Not known.
    pub approvals: Vec<ApprovalRequest>,
    /// How it ended.
    pub end: Option<RunEnd>,
    /// Not known.
    pub next: Option<String>,
    /// How many events are not known.
    pub opaque_events: u64,
}

impl Keiko {
    /// Runs as lists show them, the newest first; only those in a state, if one is given.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn runs(&self, state: Option<RunStatus>, limit: u32) -> Result<Vec<RunRow>, Fault> {
        views::list(self.journal.as_ref(), state, limit.clamp(1, LIST_MAX))
            .await
            .map_err(|error| error.fault())
    }

    /// One run.
    ///
    /// # Errors
    /// When there is no such run, or it cannot be read.
    pub async fn show(&self, run: RunId) -> Result<Shown, Fault> {
        match self.look(run).await? {
            Read::Whole(state) => self.whole(run, state).await.map(Shown::Whole),
            Read::Partly(partly) => Ok(Shown::Partly(Box::new(Part {
                run: rows::of(self.journal.as_ref(), run).await?,
                waiting: None,
                approvals: Vec::new(),
                end: partly.end,
                next: None,
                opaque_events: partly.opaque,
            }))),
        }
    }

    async fn whole(&self, run: RunId, state: Box<RunState>) -> Result<Box<Whole>, Fault> {
        let mut row = row::row(&state, SystemClock.now());
        if let Some(row) = &mut row {
            views::look_at_lease(self.journal.as_ref(), row)
                .await
                .map_err(|error| error.fault())?;
        }
        let approvals = state.life.open_approvals();
        Ok(Box::new(Whole {
            next: row
                .as_ref()
                .filter(|row| row.state == RunStatus::Interrupted)
                .map(|row| format!("keiko resume {}", row.run)),
            run: row,
            waiting: state.life.waiting.clone(),
            approvals: approvals
                .map(|approval| approval.request.as_ref().clone())
                .collect(),
            end: state.ended.clone(),
            pruned: pruned(&self.home, run).map(|pruned| pruned.at),
            home: homeward::told(self.journal.as_ref(), run)
                .await
                .map_err(|error| error.fault())?,
            definition: state.start.as_ref().and_then(|start| start.definition),
            state,
        }))
    }

    /// A run for somebody who only looks.
    async fn look(&self, run: RunId) -> Result<Read, Fault> {
        match fold::fold(self.journal.as_ref(), run, &setup()).await {
            Ok(state) => Ok(Read::Whole(Box::new(state))),
            Err(error) if error.is_newer() => Ok(Read::Partly(Box::new(
                fold::partly(self.journal.as_ref(), run)
                    .await
                    .map_err(|error| error.fault())?,
            ))),
            Err(error) => Err(error.fault()),
        }
    }

    /// The end of a run; a run that cannot be read whole and whose end is not there cannot be told from one that goes on.
    async fn end_of(&self, run: RunId) -> Result<Option<Arc<RunEnd>>, Fault> {
        match self.look(run).await? {
            Read::Whole(state) => Ok(state.ended.clone()),
            Read::Partly(partly) => match partly.end {
                Some(end) => Ok(Some(Arc::new(end))),
                // Says why.
                None => self.state(run).await.map(|state| state.ended),
            },
        }
    }

    /// How a run ended, with its report.
    ///
    /// # Errors
    /// KEI-6120 when it has not ended.
    pub async fn report(&self, run: RunId) -> Result<Arc<RunEnd>, Fault> {
        self.end_of(run).await?.ok_or_else(|| {
            Fault::new(Code::NO_REPORT_YET, "this run has no report yet")
                .at(run)
                .hint(Step::resume(run))
        })
    }

    /// The change of a run against its base: its result, or as it stands while there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or the change cannot be looked up.
    pub async fn diff(&self, run: RunId) -> Result<Option<Content>, Fault> {
        match self.look(run).await? {
            Read::Whole(state) => match &state.ended {
                Some(end) => Ok(end.diff.clone()),
                None => Ok(Changes::of(self).so_far(run, &state).await?.map(Into::into)),
            },
            Read::Partly(_) => Ok(self.end_of(run).await?.and_then(|end| end.diff.clone())),
        }
    }
}

/// A report as data.
///
/// # Errors
/// KEI-6121 when the run's agent reports in words only.
pub fn data_of(end: &RunEnd, run: RunId) -> Result<&Content, Fault> {
    end.data.as_ref().ok_or_else(|| {
        Fault::new(
            Code::REPORT_IN_WORDS,
            "this run's agent reports in words only",
        )
        .at(run)
        .hint(Step::of_run(OfRun::Report, run))
    })
}
