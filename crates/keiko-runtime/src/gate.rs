//! The single gate: one commit takes the intent, consumes the approval, reserves the money, checks lease and kill epoch.

use crate::ports::Ports;
use crate::views;
use keiko_contracts::action::Intent;
use keiko_contracts::envelope;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Append, Durability, Epoch, Expect, Fence, Recorded, StreamId};
use keiko_governance::core::{self, Core, CoreEvent as _, Decided};
use keiko_governance::kept::{self, Kept};
use keiko_governance::life::Stamp;
use keiko_governance::permit::{DurableIntent, NoPermit};
use keiko_ports::journal::CommitError;
use std::time::Duration;

/// How often, and how long, a commit that found the store busy or full is tried again.
const TRIES: u32 = 5;

/// An intent that is in the journal, with the record that proves it: permits are made from it.
#[derive(Debug, Clone)]
pub struct Standing {
    kept: Kept,
    intent: Intent,
}

impl Standing {
    /// From a record that the journal handed out.
    #[must_use]
    pub fn new(kept: Kept, intent: Intent) -> Self {
        Standing { kept, intent }
    }
    /// The intent.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }
    /// Governance's proof that it is durable.
    ///
    /// # Errors
    /// When the record is not that of this intent.
    pub fn durable(&self) -> Result<DurableIntent, NoPermit> {
        DurableIntent::of(&self.kept, self.intent.clone())
    }
}

/// What a commit came to.
#[derive(Debug)]
pub struct Passed<C: Core> {
    /// The state, with the place and hash of its last event.
    pub state: C,
    /// The events as recorded.
    pub recorded: Vec<(Recorded, C::Event)>,
    /// Intents that may be carried out now.
    pub intents: Vec<Standing>,
}

/// Commits what was decided. If it fails, nothing was written and `decided` is void.
///
/// # Errors
/// [`CommitError`] as the journal says.
pub async fn pass<C: Core>(
    ports: &Ports,
    run: RunId,
    before: &C,
    fence: Fence,
    epoch: Epoch,
    decided: Decided<C>,
) -> Result<Passed<C>, CommitError> {
    let Decided { events, at, next } = decided;
    if events.is_empty() {
        return Ok(Passed {
            state: next,
            recorded: Vec::new(),
            intents: Vec::new(),
        });
    }
    let mut append = Append {
        stream: StreamId::run(run),
        expect: Expect::At(before.life().head.0),
        fence: Some(fence),
        epoch: Some(epoch),
        events: Vec::with_capacity(events.len()),
        blobs: Vec::new(),
        views: views::changes(&next, &events, at),
    };
    for event in &events {
        let head = next.label(event);
        let packed = envelope::pack(event, at, head)
            .map_err(|error| CommitError::Broken { why: error.said() })?;
        append.events.push(packed.event);
        append.blobs.extend(packed.blobs);
    }
    let durability = if core::needs_sync(before.life(), &events) {
        Durability::Barrier
    } else {
        Durability::Lazy
    };
    let kept = commit(ports, append, durability).await?;
    let mut state = next;
    if let Some(last) = kept.last().map(Kept::recorded) {
        state.committed(last.seq, last.hash);
    }
    let intents = kept
        .iter()
        .zip(&events)
        .filter_map(|(kept, event)| Some(Standing::new(kept.clone(), event.intent()?.clone())))
        .collect();
    let recorded = kept.into_iter().map(Kept::into_recorded);
    Ok(Passed {
        state,
        recorded: recorded.zip(events).collect(),
        intents,
    })
}

async fn commit(
    ports: &Ports,
    append: Append,
    durability: Durability,
) -> Result<Vec<Kept>, CommitError> {
    let journal = ports.journal.as_ref();
    let mut pause = Duration::from_millis(50);
    for _ in 1..TRIES {
        match kept::commit(journal, vec![append.clone()], durability).await {
            Err(CommitError::Busy | CommitError::Full) => tokio::time::sleep(pause).await,
            other => return other,
        }
        pause *= 3;
    }
    kept::commit(journal, vec![append], durability).await
}

/// The stamp of a record.
#[must_use]
pub fn stamp(recorded: &Recorded) -> Stamp {
    Stamp {
        at: recorded.at,
        seq: recorded.seq,
        hash: recorded.hash,
    }
}
