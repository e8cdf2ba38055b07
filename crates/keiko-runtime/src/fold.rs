//! Reading a run back from its journal.

use crate::gate::stamp;
use futures_util::StreamExt as _;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::envelope::{self, EnvelopeError, StoredEvent};
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Recorded, Seq, StreamId};
use keiko_contracts::run::{RunEnd, RunEvent};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_governance::core::{Core, Setup};
use keiko_ports::journal::{Journal, ReadError};
use std::collections::BTreeMap;

/// Why a run cannot be read back.
#[derive(Debug)]
pub enum FoldError {
    /// There is no such run.
    NoSuchRun(RunId),
    /// The journal cannot be read.
    Read(ReadError),
    /// An event cannot be read.
    Event(EnvelopeError),
}

impl FoldError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            FoldError::NoSuchRun(inner) => say!("there is no run {run}", run = inner),
            FoldError::Read(inner) => inner.said(),
            FoldError::Event(inner) => inner.said(),
        }
    }
}

keiko_contracts::said_is_error!(FoldError);

impl From<ReadError> for FoldError {
    fn from(inner: ReadError) -> Self {
        FoldError::Read(inner)
    }
}

impl From<EnvelopeError> for FoldError {
    fn from(inner: EnvelopeError) -> Self {
        FoldError::Event(inner)
    }
}

impl FoldError {
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            FoldError::NoSuchRun(_) => Fault::new(Code::RUN_UNKNOWN, self.said()).hint("keiko runs list"),
            FoldError::Read(error) => error.fault(),
            FoldError::Event(EnvelopeError::Newer { .. }) => Fault::new(Code::RUN_NEWER, self.said())
                .hint("the run was made by a newer Keiko: it can be looked at, not resumed; update this one"),
            FoldError::Event(_) => Fault::new(Code::EVENT_UNREADABLE, self.said()).hint(Step::Doctor),
        }
    }
}

impl FoldError {
    /// True when a newer program wrote what cannot be read: the rest of the run can be shown, but nobody may go on from it.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(self, FoldError::Event(EnvelopeError::Newer { .. }))
    }
}

/// Reads an event with all its texts.
///
/// # Errors
/// When the event or one of its blobs cannot be read.
pub async fn hydrate<E: StoredEvent>(
    journal: &dyn Journal,
    recorded: &Recorded,
) -> Result<E, FoldError> {
    let whole = match envelope::unpack::<E>(recorded) {
        Ok(event) if !has_blobs(&recorded.payload) => return Ok(event),
        Ok(_) => None,
        Err(EnvelopeError::InBlob { digest, .. }) => Some(journal.blob(&digest).await?),
        Err(error) => return Err(error.into()),
    };
    let body = whole.as_deref().unwrap_or(&recorded.payload);
    let texts = texts(journal, body).await?;
    let json = |source| EnvelopeError::Json {
        kind: recorded.kind.clone(),
        source,
    };
    let filled = envelope::fill(body, &texts).map_err(json)?;
    Ok(envelope::unpack_body(recorded, &filled)?)
}

fn has_blobs(payload: &[u8]) -> bool {
    !envelope::blobs_of(payload).is_empty()
}

async fn texts(journal: &dyn Journal, body: &[u8]) -> Result<BTreeMap<Digest, String>, FoldError> {
    let mut texts = BTreeMap::new();
    for digest in envelope::blobs_of(body) {
        if let std::collections::btree_map::Entry::Vacant(entry) = texts.entry(digest) {
            let bytes = journal.blob(&digest).await?;
            entry.insert(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(texts)
}

/// Folds the events of a run into its state.
///
/// # Errors
/// When there is no such run, or it cannot be read.
pub async fn fold<S: Setup>(
    journal: &dyn Journal,
    run: RunId,
    setup: &S,
) -> Result<S::Core, FoldError> {
    fold_seeing(journal, run, setup, &mut |_: &S::Core, _, _| {}).await
}

/// Sees the state after each event.
pub(crate) type See<'a, C> = dyn FnMut(&C, &Recorded, &<C as Core>::Event) + Send + 'a;

/// As [`fold`], and somebody sees the state after each event.
pub(crate) async fn fold_seeing<C: Core>(
    journal: &dyn Journal,
    run: RunId,
    setup: &C::Setup,
    see: &mut See<'_, C>,
) -> Result<C, FoldError> {
    let mut events = journal.read(&StreamId::run(run), Seq(0));
    let mut state: Option<C> = None;
    while let Some(recorded) = events.next().await {
        let recorded = recorded?;
        let event = hydrate(journal, &recorded).await?;
        let state = state.get_or_insert_with(|| C::new(setup));
        state.apply(&stamp(&recorded), &event);
        see(state, &recorded, &event);
    }
    state.ok_or(FoldError::NoSuchRun(run))
}

/// What can be told of a run of which a newer program wrote events: facts that stand in single events. What would have to
/// be folded is left out, since an event that is not known may have changed it.
#[derive(Debug, Default)]
pub struct Partly {
    /// Its end, with report, card and difference.
    pub end: Option<RunEnd>,
    /// How many events are not known.
    pub opaque: u64,
}

/// Reads what can be read of a run.
///
/// # Errors
/// When there is no such run, or something else than its newness keeps it from being read.
pub async fn partly(journal: &dyn Journal, run: RunId) -> Result<Partly, FoldError> {
    let mut events = journal.read(&StreamId::run(run), Seq(0));
    let (mut seen, mut partly) = (false, Partly::default());
    while let Some(recorded) = events.next().await {
        seen = true;
        match hydrate::<RunEvent>(journal, &recorded?).await {
            Ok(RunEvent::RunEnded(end)) => partly.end = Some(*end),
            Ok(_) => {}
            Err(error) if error.is_newer() => partly.opaque += 1,
            Err(error) => return Err(error),
        }
    }
    if seen {
        Ok(partly)
    } else {
        Err(FoldError::NoSuchRun(run))
    }
}
