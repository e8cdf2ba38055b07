//! The protocol of durable cores: what a run of an agent, a plan, a call must be able to say for one driver to drive them all.
//!
//! A core is the fold of its stream. [`Core::decide`] is pure and returns events; [`Core::apply`] is the only mutation;
//! open effects are derived from the state, so that going on and recovering are one path. The driver commits what was
//! decided, carries out what was intended, and says what came of it as the next [`Input`].

use crate::life::{Life, Stamp};
use crate::policy::RiskPolicy;
use keiko_contracts::action::{
    Action, Impact, Intent, ModelAction, Outcome, Purse, Recovery, Report,
};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest};
use keiko_contracts::digest::Digest;
use keiko_contracts::envelope::StoredEvent;
use keiko_contracts::id::{EffectKey, ModelName, RunId};
use keiko_contracts::journal::{Epoch, Head, Seq};
use keiko_contracts::model::ChatRequest;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{Ended, InboxMessage, RunEvent, RunRow, RunTerms, StartRun};
use keiko_contracts::said::ToValue;
use keiko_contracts::time::Timestamp;
use std::fmt::Debug;
use std::sync::Arc;

/// A durable core.
pub trait Core: Clone + Debug + Send + Sync + 'static {
    /// What all cores of this kind work with and no journal holds: tools, engines.
    type Setup: Setup<Core = Self>;
    /// What it is started with; its first event holds it.
    type Start: Start;
    /// What may be different from when it is taken up again.
    type Terms: Terms;
    /// What happens to it, as the journal has it.
    type Event: CoreEvent;
    /// How it ended.
    type End: Clone + Debug + Send + Sync + 'static;
    /// Why an input makes no sense in a state.
    type Reject: std::error::Error + ToValue + Clone + PartialEq + Send + Sync + 'static;

    /// One that has not begun.
    fn new(setup: &Self::Setup) -> Self;

    /// Decides what follows from an input. Nothing may act on it before its events are committed.
    ///
    /// # Errors
    /// When the input makes no sense in this state.
    fn decide(&self, env: &Env<'_>, input: Input<Self>) -> Result<Decided<Self>, Self::Reject>;

    /// Folds in one event, with its texts in memory. Total over every event ever written.
    fn apply(&mut self, stamp: &Stamp, event: &Self::Event);

    /// What it has in common with all others.
    fn life(&self) -> &Life;

    /// Its last event was committed at this place.
    fn committed(&mut self, seq: Seq, hash: Digest);

    /// How it was started.
    fn start(&self) -> Option<&Self::Start>;

    /// How it ended.
    fn ended(&self) -> Option<&Arc<Self::End>>;

    /// Its end is decided, and only what it rests on is still gathered.
    fn is_closing(&self) -> bool;

    /// When something is due although nothing happens.
    fn wake_at(&self) -> Option<Timestamp>;

    /// The request that a model action stands for.
    fn request(&self, action: &ModelAction) -> Option<Arc<ChatRequest>>;

    /// A text of the journal that it needs in order to go on.
    fn wanted(&self) -> Option<Wanted> {
        None
    }

    /// Where the words of an event come from, and whose they are.
    fn label(&self, event: &Self::Event) -> Head;

    /// Its row in the list of runs.
    fn row(&self, now: Timestamp) -> Option<RunRow>;
}

/// What all cores of a kind work with: it says which kind that is.
pub trait Setup: Clone + Send + Sync + 'static {
    /// The kind.
    type Core: Core<Setup = Self>;
}

/// How a core is started, as far as the driver asks.
pub trait Start: Clone + Debug + Send + Sync + 'static {
    /// Its stream.
    fn run(&self) -> RunId;
    /// Who wants it.
    fn by(&self) -> &str;
    /// Who works on it.
    fn agent(&self) -> &str;
    /// The model whose price its budget is kept by.
    fn model(&self) -> Option<&ModelName>;
    /// How much may be spent.
    fn budget(&self) -> Option<Micros>;
}

/// What may be different from when a core is taken up again.
pub trait Terms: Clone + Debug + Default + Send + Sync + 'static {
    /// How much may be spent from now on; the outer `None` leaves it as it was.
    fn budget(&self) -> Option<Option<Micros>>;
}

/// An event of a core: what the gate has to know of it.
pub trait CoreEvent: StoredEvent {
    /// The effect that it intends.
    fn intent(&self) -> Option<&Intent>;
    /// It must be on the medium before anything goes on: intents, what cost money or changed something outside, and
    /// whatever a person was told.
    fn needs_barrier(&self) -> bool;
    /// What came of an effect, if it says that.
    fn ended(&self) -> Option<&Ended>;
    /// It sets money aside for requests to come: it is synced, whatever it says of itself.
    fn allows(&self) -> Option<Micros> {
        None
    }
    /// It changes the row in the list of runs.
    fn changes_row(&self) -> bool;
    /// A person is asked.
    fn asks(&self) -> Option<&ApprovalRequest>;
    /// A question is answered.
    fn answers(&self) -> Option<&ApprovalAnswer>;
    /// It is the end.
    fn is_end(&self) -> bool;
}

/// Whether events must be on the medium before anything goes on, written after what is in `before`. One kind of intent need
/// not be: a request to a model, which changes nothing outside, that costs nothing or is paid from an allowance that is on the
/// medium already. When it is lost with the power, nothing is done twice that may be done once, and its money counts as gone
/// (ADR 13). Nor need what came of something that cost nothing and is simply done again, in the jail or by a tool.
pub fn needs_sync<E: CoreEvent>(before: &Life, events: &[E]) -> bool {
    let mut allowance = before.budget.allowance();
    events.iter().any(|event| {
        let quick = event.intent().filter(|intent| {
            matches!(intent.action, Action::Model(_))
                && (intent.purse == Purse::Allowance || intent.reserve == Micros::ZERO)
                && intent.recovery == Recovery::Repeat
                && intent.approval.is_none()
                && intent.reserve <= allowance
        });
        match quick {
            Some(intent) => {
                allowance = allowance.minus(intent.reserve);
                false
            }
            None => {
                (event.needs_barrier() && !is_done_again(before, event)) || event.allows().is_some()
            }
        }
    })
}

/// Whether it is the outcome of something without a price, and without a trace outside, that a crash may do again.
fn is_done_again<E: CoreEvent>(before: &Life, event: &E) -> bool {
    let intent = event.ended().and_then(|ended| before.open.get(&ended.key));
    intent.is_some_and(|intent| {
        let inside = match &intent.action {
            Action::Jail(_) => true,
            Action::Tool(tool) => tool.impact == Impact::Read,
            Action::Model(_) | Action::Host(_) | Action::Run(_) => false,
        };
        inside && matches!(intent.recovery, Recovery::Repeat | Recovery::Restore)
    })
}

/// What a decision may know beyond the state.
#[derive(Debug, Clone, Copy)]
pub struct Env<'a> {
    /// Now.
    pub now: Timestamp,
    /// The newest kill epoch.
    pub epoch: Epoch,
    /// The risk policy.
    pub policy: &'a RiskPolicy,
    /// What the model costs at most, if it has a price.
    pub price: Option<Price>,
    /// Somebody is there to answer.
    pub attended: bool,
}

/// Upper bounds of a model's price, for reserving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// For a million tokens read.
    pub input: Micros,
    /// For a million tokens written.
    pub output: Micros,
}

impl Price {
    /// At most this much for a request.
    #[must_use]
    pub fn at_most(&self, input_tokens: u64, output_tokens: u64) -> Micros {
        let of = |price: Micros, tokens: u64| price.0.saturating_mul(tokens).div_ceil(1_000_000);
        Micros(of(self.input, input_tokens).saturating_add(of(self.output, output_tokens)))
    }
}

/// What happened, as the driver says it.
#[derive(Debug, Clone)]
pub enum Input<C: Core> {
    /// A person, or a run above it, wants it.
    Start(Box<C::Start>),
    /// A process takes it up again. What was said while nobody drove it counts before anything goes on; effects that are
    /// open are recovered after it.
    Resume {
        /// Who.
        by: String,
        /// What is different from now on.
        terms: C::Terms,
        /// Messages of the inbox with their places, in order.
        heard: Vec<(Seq, InboxMessage)>,
    },
    /// An open effect is about to be recovered by putting the workspace back first.
    Restore {
        /// The open effect.
        key: EffectKey,
    },
    /// An effect came out.
    Ended(Box<Ended>),
    /// An effect came out while it is being stopped: it is written down, and nothing goes on from there.
    EndedLate(Box<Ended>),
    /// Someone said something.
    Inbox {
        /// Its place in the inbox.
        seq: Seq,
        /// What.
        message: InboxMessage,
    },
    /// Nobody is there to answer: wait without holding anything.
    Suspend,
    /// This process is asked to let it go: it waits until somebody takes it up again.
    Stopped {
        /// Who.
        by: String,
    },
    /// A kill was seen.
    Killed {
        /// Why.
        reason: String,
    },
    /// Nothing goes on but in runs below, and one of them waits: its effect stays open until it is taken up again.
    Parked {
        /// That run.
        run: RunId,
    },
    /// A text was read from the journal, as [`Core::wanted`] asked.
    Found {
        /// The call that it answers.
        call: String,
        /// The text.
        text: String,
    },
    /// Time has passed.
    Tick,
}

/// A text of the journal that a core needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The call that it answers.
    pub call: String,
    /// The blob.
    pub digest: Digest,
}

/// Events to commit, and the state once they are.
#[derive(Debug)]
pub struct Decided<C: Core> {
    /// What is to be written, in order.
    pub events: Vec<C::Event>,
    /// When: the events' own time, so that the state is the same when they are read back.
    pub at: Timestamp,
    /// The state afterwards; thrown away if the commit fails.
    pub next: C,
}

impl Start for StartRun {
    fn run(&self) -> RunId {
        self.run
    }
    fn by(&self) -> &str {
        &self.by
    }
    fn agent(&self) -> &str {
        self.agent.as_str()
    }
    fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }
    fn budget(&self) -> Option<Micros> {
        self.limits.budget
    }
}

impl Terms for RunTerms {
    fn budget(&self) -> Option<Option<Micros>> {
        self.limits.map(|limits| limits.budget)
    }
}

impl CoreEvent for RunEvent {
    fn intent(&self) -> Option<&Intent> {
        if let RunEvent::EffectIntended(intent) = self {
            Some(intent)
        } else {
            None
        }
    }

    fn ended(&self) -> Option<&Ended> {
        if let RunEvent::EffectEnded(ended) = self {
            Some(ended)
        } else {
            None
        }
    }

    fn needs_barrier(&self) -> bool {
        match self {
            RunEvent::RunStarted(_)
            | RunEvent::EffectIntended(_)
            | RunEvent::ApprovalRequested(_)
            | RunEvent::ApprovalResolved(_)
            | RunEvent::RunSuspended(_)
            | RunEvent::RunEnded(_) => true,
            RunEvent::EffectEnded(ended) => !matches!(
                ended.outcome,
                Outcome::Done(Report::Jail(_)) | Outcome::Cancelled
            ),
            RunEvent::RunResumed(_)
            | RunEvent::Steered(_)
            | RunEvent::StepBegun(_)
            | RunEvent::CallRefused(_)
            | RunEvent::CallAnswered(_)
            | RunEvent::TestsObserved(_)
            | RunEvent::Noted(_)
            | RunEvent::ContextCompacted(_)
            | RunEvent::RunClosing(_) => false,
        }
    }

    fn changes_row(&self) -> bool {
        matches!(
            self,
            RunEvent::RunStarted(_)
                | RunEvent::RunResumed(_)
                // Words answer a question, and an end that begins ends every waiting.
                | RunEvent::Steered(_)
                | RunEvent::RunClosing(_)
                | RunEvent::RunSuspended(_)
                | RunEvent::RunEnded(_)
                | RunEvent::ApprovalRequested(_)
                | RunEvent::ApprovalResolved(_)
        )
    }

    fn asks(&self) -> Option<&ApprovalRequest> {
        if let RunEvent::ApprovalRequested(request) = self {
            Some(request)
        } else {
            None
        }
    }

    fn answers(&self) -> Option<&ApprovalAnswer> {
        if let RunEvent::ApprovalResolved(answer) = self {
            Some(answer)
        } else {
            None
        }
    }

    fn is_end(&self) -> bool {
        matches!(self, RunEvent::RunEnded(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::intent;
    use keiko_contracts::action::{ToolAction, ToolReport};
    use keiko_contracts::asked::Asked;
    use keiko_contracts::id::TaskId;

    fn key(ordinal: u16) -> EffectKey {
        EffectKey {
            run: RunId::from_bytes([1; 10]),
            task: TaskId::main(),
            attempt: 1,
            step: 1,
            ordinal,
        }
    }

    fn model(reserve: Micros, purse: Purse) -> RunEvent {
        let action = Action::Model(ModelAction {
            model: "m/1".parse().unwrap(),
            from_item: 0,
            to_item: 0,
            request: Digest::of(b""),
            max_output_tokens: 1,
            estimate: 1,
        });
        let mut intent = intent(key(0), action, Asked::Loop, Epoch(0)).unwrap();
        (intent.reserve, intent.purse) = (reserve, purse);
        RunEvent::EffectIntended(Box::new(intent))
    }

    fn tool(recovery: Recovery, impact: Impact) -> Intent {
        let action = Action::Tool(ToolAction {
            tool: "t".parse().unwrap(),
            arguments: "{}".into(),
            recovery,
            impact,
        });
        intent(key(1), action, Asked::Loop, Epoch(0)).unwrap()
    }

    fn answered() -> RunEvent {
        let report = ToolReport {
            output: "42".into(),
            is_error: false,
        };
        RunEvent::EffectEnded(Box::new(Ended {
            key: key(1),
            outcome: Outcome::Done(Report::Tool(report)),
            tries: 1,
            recovered: false,
        }))
    }

    #[test]
    fn a_request_that_costs_something_is_synced_unless_an_allowance_covers_it() {
        let mut life = Life::default();
        let needs =
            |life: &Life, reserve, purse| needs_sync(life, &[model(Micros(reserve), purse)]);
        assert!(!needs(&life, 0, Purse::Own));
        assert!(needs(&life, 1, Purse::Own) && needs(&life, 1, Purse::Allowance));
        life.allowed(Micros(5));
        assert!(needs(&life, 1, Purse::Own) && !needs(&life, 5, Purse::Allowance));
        assert!(needs(&life, 6, Purse::Allowance));
        let both = [
            model(Micros(3), Purse::Allowance),
            model(Micros(3), Purse::Allowance),
        ];
        assert!(needs_sync(&life, &both), "each is covered, both are not");
    }

    #[test]
    fn an_outcome_is_synced_unless_a_crash_may_do_the_thing_again_unseen() {
        for (recovery, impact, synced) in [
            (Recovery::Repeat, Impact::Read, false),
            (Recovery::Repeat, Impact::Change, true),
            (Recovery::SameKey, Impact::Read, true),
            (Recovery::Person, Impact::Read, true),
        ] {
            let mut life = Life::default();
            let intent = tool(recovery, impact);
            assert!(needs_sync(
                &life,
                &[RunEvent::EffectIntended(Box::new(intent.clone()))]
            ));
            life.intended(&intent);
            assert_eq!(
                needs_sync(&life, &[answered()]),
                synced,
                "{recovery:?} {impact:?}"
            );
            let then = [answered(), model(Micros(1), Purse::Own)];
            assert!(needs_sync(&life, &then), "what stands beside it forces it");
        }
        assert!(
            needs_sync(&Life::default(), &[answered()]),
            "of what, nobody knows"
        );
    }
}
