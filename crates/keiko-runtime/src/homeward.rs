//! What was done with a run's result in its user's folder, on record: see [`keiko_contracts::home`].

use crate::fold::{self, FoldError};
use futures_util::StreamExt as _;
use keiko_contracts::envelope;
use keiko_contracts::home::{HomeBegun, HomeEnded, HomeEvent, Homeward};
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Append, Durability, Expect, Head, Seq, StreamId};
use keiko_contracts::say;
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::{CommitError, Journal};
use serde::Serialize;

/// One time that it was done, or begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When it began.
    pub at: Timestamp,
    /// What was done, and who wanted it.
    #[serde(flatten)]
    pub begun: HomeBegun,
    /// What came of it; nothing when its process ended before that, or is still at it.
    pub ended: Option<HomeEnded>,
}

impl Told {
    /// The folder was changed by it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ended
            .as_ref()
            .is_some_and(|ended| ended.fault.is_none())
    }
}

/// Writes one event, on the medium when this returns.
///
/// # Errors
/// When the journal does not take it.
pub async fn say(
    journal: &dyn Journal,
    run: RunId,
    event: &HomeEvent,
    at: Timestamp,
) -> Result<Seq, CommitError> {
    let packed =
        envelope::pack(event, at, Head::default()).map_err(|error| CommitError::Broken {
            why: say!("{error}", error),
        })?;
    let append = Append {
        stream: StreamId::home(run),
        expect: Expect::Any,
        fence: None,
        epoch: None,
        events: vec![packed.event],
        blobs: packed.blobs,
        views: Vec::new(),
    };
    let recorded = journal.commit(vec![append], Durability::Barrier).await?;
    Ok(recorded.first().map_or(Seq(0), |event| event.seq))
}

/// All that was done with the result of a run, in order.
///
/// # Errors
/// When it cannot be read.
pub async fn told(journal: &dyn Journal, run: RunId) -> Result<Vec<Told>, FoldError> {
    let mut events = journal.read(&StreamId::home(run), Seq(0));
    let mut all: Vec<(Seq, Told)> = Vec::new();
    while let Some(recorded) = events.next().await {
        let recorded = recorded?;
        match fold::hydrate(journal, &recorded).await {
            Ok(HomeEvent::Begun(begun)) => all.push((
                recorded.seq,
                Told {
                    at: recorded.at,
                    begun,
                    ended: None,
                },
            )),
            Ok(HomeEvent::Ended(ended)) => {
                if let Some((_, told)) = all.iter_mut().rfind(|(seq, _)| *seq == ended.begun) {
                    told.ended = Some(ended);
                }
            }
            Err(error) if error.is_newer() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all.into_iter().map(|(_, told)| told).collect())
}

/// The time that the result was brought home and not taken back since.
#[must_use]
pub fn at_home(all: &[Told]) -> Option<&Told> {
    let last = all.iter().rfind(|told| told.is_done())?;
    (last.begun.what == Homeward::Apply).then_some(last)
}
