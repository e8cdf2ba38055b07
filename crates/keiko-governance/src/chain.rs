//! The audit chain: each event's hash covers the one before it in its stream.

use keiko_contracts::digest::Digest;
use keiko_contracts::journal::{Recorded, Seq, chain_hash};
use keiko_contracts::said::Said;
use keiko_contracts::say;

/// Checks one stream's events, given in order.
#[derive(Debug, Default)]
pub struct ChainCheck {
    last: Option<(Seq, Digest)>,
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFault {
    /// An event is missing.
    Gap {
        /// The event before.
        after: u64,
        /// The event found.
        found: u64,
    },
    /// An event points to another predecessor.
    Link {
        /// The event.
        seq: u64,
    },
    /// An event is not what was written.
    Changed {
        /// The event.
        seq: u64,
    },
}

impl ChainFault {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            ChainFault::Gap { after, found } => say!(
                "event {found} follows event {after}: something is missing",
                found,
                after
            ),
            ChainFault::Link { seq } => say!("event {seq} does not continue the chain", seq),
            ChainFault::Changed { seq } => {
                say!("event {seq} was changed after it was written", seq)
            }
        }
    }
}

keiko_contracts::said_is_error!(ChainFault);

impl ChainCheck {
    /// Looks at the next event.
    ///
    /// # Errors
    /// [`ChainFault`] at the first event that does not fit.
    pub fn next(&mut self, event: &Recorded) -> Result<(), ChainFault> {
        let (seq, previous) = self.last.unwrap_or_default();
        if event.seq.0 != seq.0 + 1 {
            return Err(ChainFault::Gap {
                after: seq.0,
                found: event.seq.0,
            });
        }
        if event.previous != previous {
            return Err(ChainFault::Link { seq: event.seq.0 });
        }
        let hash = chain_hash(
            &event.previous,
            &event.stream,
            event.seq,
            &event.kind,
            event.version,
            event.at,
            &event.head,
            &event.payload,
        );
        if hash != event.hash {
            return Err(ChainFault::Changed { seq: event.seq.0 });
        }
        self.last = Some((event.seq, event.hash));
        Ok(())
    }

    /// The last event's place and hash: the head of the chain.
    #[must_use]
    pub fn head(&self) -> (Seq, Digest) {
        self.last.unwrap_or_default()
    }
}
