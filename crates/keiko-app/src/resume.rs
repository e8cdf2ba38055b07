//! Taking a run up again, and telling a live one something.

use crate::going::{self, Errand};
use crate::holdings::pruned;
use crate::installing;
use crate::models;
use crate::scripts::script_of;
use crate::start::Limits;
use crate::wiring::{Keiko, is_native};
use keiko_agent::state::RunState;
use keiko_contracts::approval::Installing;
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::StreamId;
use keiko_contracts::run::{InboxMessage, RunLimits, RunTerms};
use keiko_models::Models;
use keiko_models::scripted::Scripted;
use keiko_ports::journal::Journal as _;
use keiko_ports::model::ChatModel;
use keiko_runtime::drive::{DriveError, Order};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A lease of a process that may be gone is waited for, if it takes no longer than this.
const SHORT_MS: u64 = 5_000;

/// A run that somebody takes up again.
#[derive(Debug, Clone)]
pub struct Again {
    /// The run.
    pub run: RunId,
    /// Who.
    pub by: String,
    /// What the agent is told.
    pub words: Option<String>,
    /// What it may use up from now on.
    pub limits: Limits,
    /// Whether packages are installed from now on.
    pub install: Option<Installing>,
    /// The script that it was started with.
    pub script: Option<PathBuf>,
}

/// What came of it.
pub enum TakenUp {
    /// It is ready to be driven.
    Ready(Box<Errand>),
    /// Another process drives it, and was told.
    Told {
        /// For how many more milliseconds that process holds it, unless it says otherwise.
        for_ms: u64,
    },
}

impl Keiko {
    /// Makes a run ready to be taken up again. When another process may have died with it, that is waited for, and `waits`
    /// hears for how many seconds at most.
    ///
    /// # Errors
    /// When it has ended, or another process drives it and there is nothing that it could be told.
    pub async fn take_up(&self, again: Again, waits: impl FnOnce(u64)) -> Result<TakenUp, Fault> {
        let run = again.run;
        let remembering = Arc::new(models::remembering(&self.config, &self.home)?);
        let state = self.state(run).await?;
        if state.ended.is_some() {
            if let Some(pruned) = pruned(&self.home, run) {
                return Err(pruned.fault());
            }
            return Err(DriveError::HasEnded(run).fault());
        }
        let start = state.start.as_deref();
        let models: Arc<dyn ChatModel> = match (&again.script, start.map(script_of)) {
            (Some(script), _) => Arc::new(Scripted::open(script)?),
            (None, Some(Some(script))) => script?,
            _ => remembering.clone(),
        };
        let live_for = self.wait_if_short(run, waits).await?;
        let sets = again.limits.sets() || again.install.is_some();
        if live_for.is_some() && (again.words.is_none() || sets) {
            return Err(going::live(run, live_for.unwrap_or_default()));
        }
        if let Some(words) = &again.words {
            let message = InboxMessage::Words {
                by: again.by.clone(),
                text: words.clone().into(),
            };
            self.inbox(run).say(&message).await?;
        }
        if let Some(for_ms) = live_for {
            return Ok(TakenUp::Told { for_ms });
        }
        let errand = Errand {
            native: start.is_some_and(is_native),
            source: start.and_then(|start| start.source.clone()),
            order: Order::Resume {
                run,
                by: again.by.clone(),
                terms: self.terms(&again, &state, &remembering),
            },
            run,
            models: Some(models),
        };
        Ok(TakenUp::Ready(Box::new(errand)))
    }

    /// What is different from now on.
    fn terms(&self, again: &Again, state: &RunState, models: &Models) -> RunTerms {
        let start = state.start.as_ref();
        let current = start.map_or_else(RunLimits::default, |start| start.limits);
        let known = start
            .and_then(|start| start.model.as_ref())
            .map_or(current.window, |model| models.known(model));
        let limits = again.limits.over(RunLimits {
            window: known,
            ..current
        });
        let limits = (again.limits.sets() || known != current.window).then_some(limits);
        let before = start.and_then(|start| start.install.as_ref());
        let source = start.and_then(|start| start.source.as_ref());
        // What this run was told when it began counts until it is told something else.
        let keeps = before.is_some() && again.install.is_none();
        let install = if keeps {
            None
        } else {
            installing::word(self, again.install, &again.by, source)
        };
        RunTerms { limits, install }
    }

    /// For how many more milliseconds another process holds a run; `None` when nobody does. A lease that is about to run
    /// out is waited for: either it is renewed, and somebody lives, or it is over.
    async fn wait_if_short(
        &self,
        run: RunId,
        waits: impl FnOnce(u64),
    ) -> Result<Option<u64>, Fault> {
        let Some(mut left) = self.held_for(run).await? else {
            return Ok(None);
        };
        if left > SHORT_MS {
            return Ok(Some(left));
        }
        waits(left.div_ceil(1000));
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            match self.held_for(run).await? {
                None => return Ok(None),
                Some(now) if now > left => return Ok(Some(now)),
                Some(now) => left = now,
            }
        }
    }

    /// For how many more milliseconds a process holds a run, unless that is renewed.
    pub(crate) async fn held_for(&self, run: RunId) -> Result<Option<u64>, Fault> {
        self.journal
            .holder(&StreamId::run(run))
            .await
            .map(|held| held.map(|(_, ms)| ms))
            .map_err(|error| error.fault())
    }
}
