//! Records as a journal handed them out. Permits are made from these alone ([`crate::permit`]), and nobody makes one up:
//! [`Recorded`] is data that anybody may write down, a [`Kept`] comes out of [`commit`] and [`read_back`] only.

use keiko_contracts::journal::{Append, Durability, Recorded, Seq, StreamId};
use std::future::Future;
use std::pin::Pin;

/// What a journal is waited for.
pub type Waited<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// What a journal is to permits. In shipped code one thing is this: the port `dyn Journal` of `keiko-ports`.
pub trait Keeps {
    /// Why nothing was committed.
    type CommitError;
    /// Why nothing can be read.
    type ReadError;

    /// Writes all appends or none: the events as they stand in the journal from then on.
    fn keep(
        &self,
        all: Vec<Append>,
        durability: Durability,
    ) -> Waited<'_, Vec<Recorded>, Self::CommitError>;

    /// The event at a place of a stream, if there is one.
    fn at(&self, stream: &StreamId, place: Seq) -> Waited<'_, Option<Recorded>, Self::ReadError>;
}

/// A record that a journal handed out: of a commit that it made, or of an event that it holds.
#[derive(Debug, Clone)]
pub struct Kept(Recorded);

impl Kept {
    /// The record.
    #[must_use]
    pub fn recorded(&self) -> &Recorded {
        &self.0
    }

    /// The record alone, from which no permit can be made any more.
    #[must_use]
    pub fn into_recorded(self) -> Recorded {
        self.0
    }

    /// A record out of thin air, for tests. Only with the feature `test-permits`, which no shipped crate turns on (`cargo
    /// xtask tidy` checks that).
    #[cfg(any(test, feature = "test-permits"))]
    #[must_use]
    pub fn for_test(recorded: Recorded) -> Kept {
        Kept(recorded)
    }
}

/// Commits, and takes what the journal says of it.
///
/// # Errors
/// As the journal says; nothing was written then.
pub fn commit<'a, J: Keeps + ?Sized>(
    journal: &'a J,
    all: Vec<Append>,
    durability: Durability,
) -> Waited<'a, Vec<Kept>, J::CommitError>
where
    J::CommitError: 'a,
{
    let recorded = journal.keep(all, durability);
    Box::pin(async move { Ok(recorded.await?.into_iter().map(Kept).collect()) })
}

/// Reads one event again, to act on what it says.
///
/// # Errors
/// When the journal cannot be read.
pub fn read_back<'a, J: Keeps + ?Sized>(
    journal: &'a J,
    stream: &StreamId,
    place: Seq,
) -> Waited<'a, Option<Kept>, J::ReadError>
where
    J::ReadError: 'a,
{
    let found = journal.at(stream, place);
    Box::pin(async move { Ok(found.await?.map(Kept)) })
}
