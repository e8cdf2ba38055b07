//! The events of a run from the journal: those that are there, and new ones as they come.

use crate::wiring::Keiko;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Recorded, Seq, StreamId};
use keiko_contracts::run::RunEvent;
use keiko_ports::journal::{Journal as _, ReadError};
use keiko_runtime::fold::{self, FoldError};
use keiko_store::SqliteJournal;
use std::sync::Arc;
use std::time::Duration;

/// How often is looked for new ones.
const LOOK: Duration = Duration::from_millis(100);

/// An event as it was read.
#[derive(Debug, Clone)]
pub enum Happened {
    /// It can be read.
    Known(Recorded, Box<RunEvent>),
    /// A newer Keiko wrote it: its envelope is known.
    Opaque(Recorded),
}

/// The events of a run, one after another.
pub struct Events {
    journal: Arc<SqliteJournal>,
    run: RunId,
    follow: bool,
    last: Seq,
    ended: bool,
    page: Option<BoxStream<'static, Result<Recorded, ReadError>>>,
}

impl Keiko {
    /// The events of a run after a place, the first after `Seq(0)`; with `follow`, new ones as they come, until it ends.
    #[must_use]
    pub fn events(&self, run: RunId, after: Seq, follow: bool) -> Events {
        Events {
            journal: self.journal.clone(),
            run,
            follow,
            last: after,
            ended: false,
            page: None,
        }
    }
}

impl Events {
    /// The next one; none at the end.
    ///
    /// # Errors
    /// When there is no such run, or it cannot be read.
    pub async fn next(&mut self) -> Result<Option<Happened>, Fault> {
        loop {
            let (journal, last) = (&self.journal, self.last);
            let page = self
                .page
                .get_or_insert_with(|| journal.read(&StreamId::run(self.run), last));
            if let Some(recorded) = page.next().await {
                return self
                    .read(recorded.map_err(|error| error.fault())?)
                    .await
                    .map(Some);
            }
            self.page = None;
            if self.last == Seq(0) {
                return Err(FoldError::NoSuchRun(self.run).fault());
            }
            if !self.follow || self.ended {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn read(&mut self, recorded: Recorded) -> Result<Happened, Fault> {
        self.last = recorded.seq;
        match fold::hydrate(self.journal.as_ref(), &recorded).await {
            Ok(event) => {
                self.ended |= matches!(event, RunEvent::RunEnded(_));
                Ok(Happened::Known(recorded, Box::new(event)))
            }
            Err(error) if error.is_newer() => Ok(Happened::Opaque(recorded)),
            Err(error) => Err(error.fault()),
        }
    }
}
