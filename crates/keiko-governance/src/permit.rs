//! Permits: what a port needs before it does anything.
//!
//! There is one way to a permit: an intent is judged, committed to the journal, and read back from the commit as a
//! [`DurableIntent`]; that becomes a [`Permit`] if no kill has come in between. A permit holds for one effect, is not
//! `Clone`, and is consumed by the port that performs it.

use keiko_contracts::action::{Action, HostAction, Intent, ModelAction, ToolAction};
use keiko_contracts::id::EffectKey;
use keiko_contracts::jail::JailAction;
use keiko_contracts::journal::{Epoch, Recorded};
use keiko_contracts::run::RunEvent;
use std::fmt;

/// An intent that is in the journal, and stays there whatever happens next.
#[derive(Debug)]
pub struct DurableIntent {
    intent: Intent,
}

/// Why there is no permit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPermit {
    /// The event is not an intent, or cannot be read.
    #[error("the recorded event is not an effect's intent")]
    NotAnIntent,
    /// The event has not been given a place in the journal.
    #[error("the intent is not in the journal yet")]
    NotDurable,
    /// The action is not what was judged.
    #[error("the action's digest differs from the one that was judged")]
    Digest,
    /// A kill came in between.
    #[error("a kill came in between")]
    Killed,
    /// The action is of another kind than the port performs.
    #[error("the action is of another kind")]
    Kind,
}

impl DurableIntent {
    /// Takes an intent from the record of its commit.
    ///
    /// # Errors
    /// When the record is not that of an intent, or has no place in the journal.
    pub fn from_recorded(recorded: &Recorded, intent: Intent) -> Result<Self, NoPermit> {
        if recorded.kind != RunEvent::EFFECT_INTENDED {
            return Err(NoPermit::NotAnIntent);
        }
        if recorded.position.0 == 0 || recorded.seq.0 == 0 {
            return Err(NoPermit::NotDurable);
        }
        match crate::approval::digest(&intent.action) {
            Ok(digest) if digest == intent.digest => Ok(Self { intent }),
            _ => Err(NoPermit::Digest),
        }
    }

    /// The intent.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Makes the permit, if the kill epoch has not moved since the intent was judged. A recovered effect is permitted
    /// under the epoch of the process that recovers it (`now`), which its resumption recorded.
    ///
    /// # Errors
    /// [`NoPermit::Killed`] when a kill came in between.
    pub fn permit(self, permitted_under: Epoch, now: Epoch) -> Result<AnyPermit, NoPermit> {
        if now > permitted_under {
            return Err(NoPermit::Killed);
        }
        let key = self.intent.key;
        Ok(match self.intent.action {
            Action::Model(action) => AnyPermit::Model(Permit { key, action }),
            Action::Jail(action) => AnyPermit::Jail(Permit { key, action }),
            Action::Host(action) => AnyPermit::Host(Permit { key, action }),
            Action::Tool(action) => AnyPermit::Tool(Permit { key, action }),
        })
    }
}

/// Leave to carry out one effect, once.
pub struct Permit<A> {
    key: EffectKey,
    action: A,
}

impl<A> Permit<A> {
    /// The effect's key.
    #[must_use]
    pub fn key(&self) -> &EffectKey {
        &self.key
    }
    /// The action.
    #[must_use]
    pub fn action(&self) -> &A {
        &self.action
    }
    /// Uses the permit up.
    #[must_use]
    pub fn consume(self) -> (EffectKey, A) {
        (self.key, self.action)
    }
}

impl<A: fmt::Debug> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.key)
    }
}

/// A permit of any kind.
#[derive(Debug)]
pub enum AnyPermit {
    /// For a model request.
    Model(Permit<ModelAction>),
    /// For something inside the sandbox.
    Jail(Permit<JailAction>),
    /// For something on the host.
    Host(Permit<HostAction>),
    /// For a tool.
    Tool(Permit<ToolAction>),
}

#[cfg(feature = "test-permits")]
impl<A> Permit<A> {
    /// A permit out of thin air, for the tests of adapters. Only with the feature `test-permits`, which no
    /// shipped crate turns on (`cargo xtask tidy` checks that).
    #[must_use]
    pub fn for_test(key: EffectKey, action: A) -> Self {
        Permit { key, action }
    }
}
