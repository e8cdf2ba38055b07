//! Stopping everything, or one run, at once and for every process.

use crate::home::Home;
use crate::wiring::Keiko;
use crate::{halt, holders, rows};
use futures_util::StreamExt as _;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Epoch, KillScope, Seq, StreamId};
use keiko_contracts::run::RunStatus;
use keiko_contracts::say;
use keiko_ports::journal::Journal as _;
use keiko_runtime::drive::DriveError;
use keiko_runtime::fold::FoldError;
use keiko_runtime::views;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What was stopped.
#[derive(Debug, Serialize)]
pub struct Killed {
    /// Everything, or one run.
    pub scope: KillScope,
    /// Under an older epoch nothing starts any more.
    pub epoch: Epoch,
    /// Why.
    pub reason: String,
}

/// Everything was stopped without the journal.
#[derive(Debug, Serialize)]
pub struct Halted {
    /// Everything.
    pub scope: KillScope,
    /// None: the journal does not take it.
    pub epoch: Option<Epoch>,
    /// Why.
    pub reason: String,
    /// It stands nowhere.
    pub recorded: bool,
}

impl Keiko {
    /// Stops everything.
    ///
    /// # Errors
    /// When the journal does not take it: then there is [`directly`].
    pub async fn kill_all(&self, reason: &str, by: &str) -> Result<Killed, Fault> {
        self.kill(KillScope::All, reason, by).await
    }

    /// Stops one run, and those below it.
    ///
    /// # Errors
    /// When there is no such run, it has ended, or the journal does not take it.
    pub async fn kill_run(&self, run: RunId, reason: &str, by: &str) -> Result<Killed, Fault> {
        let killed = self
            .kill(KillScope::Run(self.not_ended(run).await?), reason, by)
            .await?;
        // Those below have streams of their own. The one above can start no more of them by now.
        for below in views::below(self.journal.as_ref(), run)
            .await
            .map_err(|error| error.fault())?
        {
            self.kill(KillScope::Run(below), reason, by).await?;
        }
        Ok(killed)
    }

    async fn kill(&self, scope: KillScope, reason: &str, by: &str) -> Result<Killed, Fault> {
        let killed = self.journal.kill(scope, reason, by).await;
        Ok(Killed {
            scope,
            epoch: killed.map_err(|error| error.fault())?,
            reason: reason.to_owned(),
        })
    }

    /// A run that a kill can concern. Only what lists say is asked: a kill must not wait for a long run to be read, nor fail
    /// because it cannot be.
    async fn not_ended(&self, run: RunId) -> Result<RunId, Fault> {
        match rows::of(self.journal.as_ref(), run).await? {
            Some(row) if ENDED.contains(&row.state) => Err(DriveError::HasEnded(run).fault()),
            Some(_) => Ok(run),
            None if self
                .journal
                .read(&StreamId::run(run), Seq(0))
                .next()
                .await
                .is_none() =>
            {
                Err(FoldError::NoSuchRun(run).fault())
            }
            None => Ok(run),
        }
    }
}

/// Stops everything without the journal, which takes no kill, and looks whether everything has stopped.
///
/// # Errors
/// KEI-3024 when something still runs, KEI-3025 when nobody can be told.
pub async fn directly(home: &Home, reason: &str) -> Result<Halted, Fault> {
    halt::order(home, reason)?;
    let journal = home.journal();
    let shared = journal.with_file_name("journal.db-shm");
    let began = Instant::now();
    let mut left = holders::of(&[&journal, &shared]);
    while !left.is_empty() && began.elapsed() < halt::GRACE * 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        left = holders::of(&[&journal, &shared]);
    }
    if let Some(first) = left.first() {
        let pid = first.split(' ').next().unwrap_or_default();
        let what = say!(
            "these processes were told to stop and still run: {names}",
            names = left.join(", ")
        );
        return Err(Fault::new(Code::STILL_RUNNING, what).hint(say!("kill -9 {pid}", pid)));
    }
    Ok(Halted {
        scope: KillScope::All,
        epoch: None,
        reason: reason.to_owned(),
        recorded: false,
    })
}

/// Ends that no kill changes any more. One that was killed may go on, as far as its row says.
const ENDED: [RunStatus; 6] = [
    RunStatus::Succeeded,
    RunStatus::Examined,
    RunStatus::Unverified,
    RunStatus::Failed,
    RunStatus::Refused,
    RunStatus::Cancelled,
];
