//! Permits: what a port needs before it does anything.
//!
//! There is one way to a permit: an intent is judged, committed to the journal, and taken from what the journal says of
//! that commit ([`Kept`]) as a [`DurableIntent`]; that becomes a [`Permit`] if no kill has come in between. A permit holds for one effect, is not
//! `Clone`, and is consumed by the port that performs it.

use crate::kept::Kept;
use keiko_contracts::action::{
    Action, ActionDigest, HostAction, Intent, ModelAction, RunAction, ToolAction,
};
use keiko_contracts::envelope;
use keiko_contracts::id::EffectKey;
use keiko_contracts::jail::JailAction;
use keiko_contracts::journal::{Epoch, Recorded};
use keiko_contracts::run::RunEvent;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::upcast;
use serde::Deserialize;
use std::fmt;

/// An intent that is in the journal, and stays there whatever happens next.
#[derive(Debug)]
pub struct DurableIntent {
    intent: Intent,
}

/// What the journal itself says of an intent; the rest of the record may stand in blobs.
#[derive(Deserialize)]
struct Judged {
    key: EffectKey,
    digest: ActionDigest,
}

/// Why there is no permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPermit {
    /// The event is not an intent, or cannot be read.
    NotAnIntent,
    /// The event has not been given a place in the journal.
    NotDurable,
    /// The action is not what was judged.
    Digest,
    /// A kill came in between.
    Killed,
    /// The action is of another kind than the port performs.
    Kind,
}

impl NoPermit {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            NoPermit::NotAnIntent => say!("the recorded event is not an effect's intent"),
            NoPermit::NotDurable => say!("the intent is not in the journal yet"),
            NoPermit::Digest => say!("the action's digest differs from the one that was judged"),
            NoPermit::Killed => say!("a kill came in between"),
            NoPermit::Kind => say!("the action is of another kind"),
        }
    }
}

keiko_contracts::said_is_error!(NoPermit);

/// A record that was too long for an event holds the digest of its whole body: the intent must be that body, letter by
/// letter.
fn stands_in_blob(recorded: &Recorded, intent: &Intent) -> bool {
    let (at, head) = (recorded.at, recorded.head.clone());
    let packed = if recorded.version == 1 {
        let Ok(body) = upcast::intent_of_version_1(intent) else {
            return false;
        };
        envelope::pack_body(RunEvent::EFFECT_INTENDED, 1, body, at, head)
    } else {
        let event = RunEvent::EffectIntended(Box::new(intent.clone()));
        envelope::pack(&event, at, head)
    };
    packed.is_ok_and(|packed| packed.event.payload == recorded.payload)
}

impl DurableIntent {
    /// Takes an intent from the record that the journal has of it. The action must be the one whose digest the record holds.
    ///
    /// # Errors
    /// When the record is not that of an intent, or has no place in the journal.
    pub fn of(kept: &Kept, intent: Intent) -> Result<Self, NoPermit> {
        let recorded = kept.recorded();
        if recorded.kind != RunEvent::EFFECT_INTENDED {
            return Err(NoPermit::NotAnIntent);
        }
        if recorded.position.0 == 0 || recorded.seq.0 == 0 {
            return Err(NoPermit::NotDurable);
        }
        let judged = match serde_json::from_slice::<Judged>(&recorded.payload) {
            Ok(judged) if judged.key == intent.key => judged,
            Err(_) if stands_in_blob(recorded, &intent) => Judged {
                key: intent.key.clone(),
                digest: intent.digest,
            },
            Ok(_) | Err(_) => return Err(NoPermit::NotAnIntent),
        };
        match crate::approval::digest(&intent.action) {
            Ok(digest) if digest == judged.digest && digest == intent.digest => Ok(Self { intent }),
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
            Action::Run(action) => AnyPermit::Run(Permit { key, action }),
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
    /// For a run of its own.
    Run(Permit<RunAction>),
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

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::asked::{Asked, Chore};
    use keiko_contracts::digest::Digest;
    use keiko_contracts::id::{RunId, TaskId};
    use keiko_contracts::jail::{JailOp, TreeId};
    use keiko_contracts::journal::{Head, Position, Seq, StreamId};
    use keiko_contracts::time::Timestamp;

    fn intent(op: JailOp) -> Intent {
        let run = RunId::from_bytes([7; 10]);
        let action = Action::Jail(JailAction {
            workspace: run,
            op,
            tree: None,
        });
        let key = EffectKey {
            run,
            task: TaskId::main(),
            attempt: 1,
            step: 1,
            ordinal: 0,
        };
        crate::intent::intent(key, action, asked(), Epoch(0)).unwrap()
    }

    fn asked() -> Asked {
        Asked::Harness(Chore::Diff {
            tree: TreeId("abc".into()),
        })
    }

    fn record(intent: &Intent) -> Recorded {
        Recorded {
            position: Position(1),
            stream: StreamId::run(intent.key.run),
            seq: Seq(1),
            kind: RunEvent::EFFECT_INTENDED.into(),
            version: upcast::newest(RunEvent::EFFECT_INTENDED),
            at: Timestamp(0),
            payload: serde_json::to_vec(intent).unwrap(),
            head: Head::default(),
            previous: Digest::default(),
            hash: Digest::default(),
        }
    }

    fn durable(recorded: &Recorded, intent: Intent) -> Result<DurableIntent, NoPermit> {
        DurableIntent::of(&Kept::for_test(recorded.clone()), intent)
    }

    #[test]
    fn only_what_the_journal_holds_is_permitted() {
        let judged = intent(JailOp::Survey);
        let kept = record(&judged);
        assert!(durable(&kept, judged.clone()).is_ok());
        // Another action with a digest of its own, sound in itself, on the record of the one that was judged.
        let other = intent(JailOp::Restore {
            tree: keiko_contracts::jail::TreeId("other".into()),
        });
        assert_eq!(durable(&kept, other).unwrap_err(), NoPermit::Digest);
        let mut elsewhere = judged.clone();
        elsewhere.key.step = 2;
        assert_eq!(
            durable(&kept, elsewhere).unwrap_err(),
            NoPermit::NotAnIntent
        );
        let changed = Recorded {
            kind: "effect_ended".into(),
            ..record(&judged)
        };
        assert_eq!(
            durable(&changed, judged.clone()).unwrap_err(),
            NoPermit::NotAnIntent
        );
        let draft = Recorded {
            position: Position(0),
            ..record(&judged)
        };
        assert_eq!(
            durable(&draft, judged.clone()).unwrap_err(),
            NoPermit::NotDurable
        );
        // A record that stands in a blob as a whole is held to that blob's digest.
        let edits = (0..40).map(|n| keiko_contracts::jail::Edit {
            old: format!("{n}{}", "o".repeat(200)).into(),
            new: "n".into(),
            all: false,
        });
        let long = intent(JailOp::EditFile {
            path: "a".into(),
            edits: edits.collect(),
        });
        let packed = keiko_contracts::envelope::pack(
            &RunEvent::EffectIntended(Box::new(long.clone())),
            Timestamp(0),
            Head::default(),
        );
        let whole = Recorded {
            payload: packed.unwrap().event.payload,
            ..record(&long)
        };
        assert!(durable(&whole, long.clone()).is_ok());
        // So is one of an older program, whose body had another shape.
        let body = upcast::intent_of_version_1(&long).unwrap();
        let packed = envelope::pack_body(
            RunEvent::EFFECT_INTENDED,
            1,
            body,
            Timestamp(0),
            Head::default(),
        );
        let older = Recorded {
            payload: packed.unwrap().event.payload,
            version: 1,
            ..record(&long)
        };
        assert!(durable(&older, long.clone()).is_ok());
        let other = Intent {
            asked: Asked::Loop,
            ..long
        };
        assert_eq!(durable(&older, other).unwrap_err(), NoPermit::NotAnIntent);
        assert_eq!(
            durable(&whole, judged.clone()).unwrap_err(),
            NoPermit::NotAnIntent
        );
        let empty = Recorded {
            payload: b"{}".to_vec(),
            ..kept
        };
        assert_eq!(durable(&empty, judged).unwrap_err(), NoPermit::NotAnIntent);
    }

    #[test]
    fn a_kill_in_between_takes_the_permit_away() {
        let permitted = |epoch| {
            let judged = intent(JailOp::Survey);
            durable(&record(&judged), judged)
                .unwrap()
                .permit(Epoch(4), epoch)
        };
        assert!(matches!(permitted(Epoch(4)), Ok(AnyPermit::Jail(_))));
        assert_eq!(permitted(Epoch(5)).unwrap_err(), NoPermit::Killed);
    }
}
