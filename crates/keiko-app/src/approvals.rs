//! What waits for a person, and the answers.

use crate::installing;
use crate::memory::{Memory, Remembered};
use crate::wiring::Keiko;
use keiko_contracts::approval::{ApprovalRow, Decision};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{ApprovalId, RunId};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_ports::journal::{Journal as _, ViewQuery};
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::{inbox, views};
use serde::Serialize;
use std::path::Path;

/// What a person answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Who.
    pub by: String,
    /// How.
    pub decision: Decision,
    /// Why, for the record; the agent reads it.
    pub reason: Option<String>,
    /// It counts for the repository from now on.
    pub remember: bool,
}

/// An answer that was given.
#[derive(Debug, Serialize)]
pub struct Answered {
    /// To what.
    pub approval: ApprovalId,
    /// The run that asked.
    pub run: RunId,
    /// How.
    pub decision: Decision,
    /// A process drives the run, and hears it.
    pub live: bool,
    /// What would be done.
    #[serde(skip)]
    pub summary: Said,
    /// What is remembered from now on.
    #[serde(skip)]
    pub kept: Option<Remembered>,
}

/// What is remembered, for all repositories.
#[derive(Debug, Serialize)]
pub struct AllRemembered {
    /// By folder.
    pub remembered: Vec<Remembered>,
    /// How many files are none.
    #[serde(skip)]
    pub broken: usize,
}

impl Keiko {
    /// The approvals that wait, the newest first; with `all`, those that were answered, too.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn approvals(&self, all: bool) -> Result<Vec<ApprovalRow>, Fault> {
        let query = ViewQuery {
            group: (!all).then(|| "open".to_owned()),
            newest_first: true,
            ..ViewQuery::default()
        };
        rows(self, query).await
    }

    /// The approval that a text means: an id, the beginning of one, or `last`.
    ///
    /// # Errors
    /// KEI-2101 when there is none, KEI-2102 when there are several.
    pub async fn approval(&self, text: &str) -> Result<ApprovalRow, Fault> {
        find(self, text).await
    }

    /// Answers one.
    ///
    /// # Errors
    /// When there is no such approval, it is too late for an answer, or it cannot be remembered.
    pub async fn answer(&self, id: &str, given: Answer) -> Result<Answered, Fault> {
        let row = find(self, id).await?;
        let Answer {
            by,
            decision,
            reason,
            remember,
        } = given;
        let kept = if remember {
            Some(to_remember(self, &row, decision, &by).await?)
        } else {
            None
        };
        let answer = row.request.answer(decision, by, reason);
        inbox::answer(self.journal.as_ref(), &row, answer, SystemClock.now())
            .await
            .map_err(|error| error.fault(row.run))?;
        if let Some(kept) = &kept {
            Memory::below(&self.home.data).keep(kept)?;
        }
        Ok(Answered {
            approval: row.request.id,
            run: row.run,
            decision,
            live: self.held_for(row.run).await?.is_some(),
            summary: row.request.summary,
            kept,
        })
    }

    /// What is remembered, for all repositories.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn remembered(&self) -> Result<AllRemembered, Fault> {
        let (remembered, broken) = Memory::below(&self.home.data).all()?;
        Ok(AllRemembered { remembered, broken })
    }

    /// Forgets what is remembered for a folder, or for all; says how many answers that were.
    ///
    /// # Errors
    /// When nothing is remembered for the folder, or it cannot be removed.
    pub fn forget(&self, dir: Option<&Path>) -> Result<usize, Fault> {
        let memory = Memory::below(&self.home.data);
        match dir {
            Some(dir) => {
                // The folder may be gone: then its name is what it was remembered by.
                let folder = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
                memory.forget(&folder.to_string_lossy())?;
                Ok(1)
            }
            None => memory.forget_all(),
        }
    }
}

/// What is to be remembered of an answer.
async fn to_remember(
    keiko: &Keiko,
    row: &ApprovalRow,
    decision: Decision,
    by: &str,
) -> Result<Remembered, Fault> {
    let state = keiko.state(row.run).await?;
    let source = state.start.as_ref().and_then(|start| start.source.as_ref());
    installing::to_remember(&row.request, decision, by, source)
}

async fn rows(keiko: &Keiko, query: ViewQuery) -> Result<Vec<ApprovalRow>, Fault> {
    let rows = keiko
        .journal
        .view_list(views::APPROVALS, query)
        .await
        .map_err(|error| error.fault())?;
    Ok(rows
        .iter()
        .filter_map(|row| serde_json::from_slice(&row.body).ok())
        .collect())
}

async fn find(keiko: &Keiko, id: &str) -> Result<ApprovalRow, Fault> {
    let missing = || {
        Fault::new(
            Code::APPROVAL_UNKNOWN,
            say!("there is no approval {id}", id = format_args!("{id:?}")),
        )
        .hint("keiko approvals list")
    };
    if id == "last" {
        return newest(keiko).await?.ok_or_else(missing);
    }
    if id.is_empty() {
        return Err(missing());
    }
    let mut rows = rows(
        keiko,
        ViewQuery {
            key_prefix: Some(id.to_owned()),
            limit: 2,
            ..ViewQuery::default()
        },
    )
    .await?;
    match (rows.pop(), rows.pop()) {
        (Some(row), None) => Ok(row),
        (None, _) => Err(missing()),
        (Some(_), Some(_)) => Err(Fault::new(
            Code::APPROVAL_AMBIGUOUS,
            say!(
                "{id} is the beginning of several approvals",
                id = format_args!("{id:?}")
            ),
        )
        .hint("keiko approvals list")),
    }
}

/// The newest that is open; if none is, the newest.
async fn newest(keiko: &Keiko) -> Result<Option<ApprovalRow>, Fault> {
    for group in [Some("open".to_owned()), None] {
        let query = ViewQuery {
            group,
            newest_first: true,
            limit: 1,
            ..ViewQuery::default()
        };
        if let Some(row) = rows(keiko, query).await?.pop() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}
