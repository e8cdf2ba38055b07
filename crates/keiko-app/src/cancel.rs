//! Ending a run: a live one hears it in its inbox; one that nobody drives is ended here.

use crate::wiring::Keiko;
use keiko_agent::row;
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::run::{EndStatus, InboxMessage, RunStatus, RunTerms};
use keiko_ports::Cancel;
use keiko_runtime::drive::{DriveError, Order, Unwatched};
use keiko_runtime::views;
use serde::Serialize;
use std::sync::Arc;

/// A run that was told to end.
#[derive(Debug, Serialize)]
pub struct Cancelled {
    /// The run.
    pub run: RunId,
    /// Its state now.
    pub state: RunStatus,
    /// It has ended so.
    #[serde(skip)]
    pub done: bool,
}

impl Keiko {
    /// Ends a run and those below it.
    ///
    /// # Errors
    /// When it has ended already, or it cannot be ended here.
    pub async fn cancel(&self, run: RunId, by: &str, reason: &str) -> Result<Cancelled, Fault> {
        if self.state(run).await?.ended.is_some() {
            return Err(DriveError::HasEnded(run).fault());
        }
        self.end(run, by, reason).await?;
        for below in views::below(self.journal.as_ref(), run)
            .await
            .map_err(|error| error.fault())?
        {
            if self.state(below).await?.ended.is_none() {
                self.end(below, by, reason).await?;
            }
        }
        let after = self.state(run).await?;
        let done = |status: EndStatus| status == EndStatus::Cancelled;
        Ok(Cancelled {
            run,
            state: row::status(&after),
            done: after.ended.as_ref().is_some_and(|end| done(end.status)),
        })
    }

    /// Tells a run to end, and sees to it where nobody drives it.
    async fn end(&self, run: RunId, by: &str, reason: &str) -> Result<(), Fault> {
        let message = InboxMessage::Cancel {
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        self.inbox(run).say(&message).await?;
        if self.held_for(run).await?.is_none() {
            let order = Order::Resume {
                run,
                by: by.to_owned(),
                terms: RunTerms::default(),
            };
            self.driver()
                .drive(order, Arc::new(Unwatched), Cancel::new())
                .await
                .map_err(|error| error.fault())?;
        }
        Ok(())
    }
}
