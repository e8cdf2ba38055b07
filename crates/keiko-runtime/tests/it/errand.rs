//! A second durable core, as small as can be: things to do one after another, one of which a person is asked about. It has
//! a state, a start and events of its own, and goes through every prefix that a crash leaves, as runs of agents do: leases,
//! gate, permits, recovery, inbox and kill are not theirs alone.

use keiko_contracts::action::{Action, Intent, ModelAction, Outcome, Purse, Report};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, Decision};
use keiko_contracts::asked::Asked;
use keiko_contracts::digest::Digest;
use keiko_contracts::envelope::StoredEvent;
use keiko_contracts::id::{EffectKey, ModelName, RunId, TaskId};
use keiko_contracts::jail::{JailAction, JailBody, JailOp, TreeId};
use keiko_contracts::journal::{Epoch, Head, Seq};
use keiko_contracts::model::ChatRequest;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{Ended, InboxMessage, Parent, RunEvent, RunRow, Suspension};
use keiko_contracts::time::Timestamp;
use keiko_governance::core::{Core, CoreEvent, Decided, Env, Input, Setup, Start, Terms};
use keiko_governance::life::{Life, Stamp};
use keiko_governance::{approval, intent};
use keiko_testkit::ports::COST;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What there is to do, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Errands {
    pub(crate) run: RunId,
    pub(crate) todo: Vec<Action>,
    /// Which of them a person is asked about first.
    pub(crate) asks: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TakenUp {
    epoch: Epoch,
}

/// Money for the next requests to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Allowed {
    amount: Micros,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Closes {
    inbox: Seq,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) done: usize,
}

/// Kinds that no run of an agent has, but for the intent: permits are made from that.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Begun(Errands),
    TakenUp(TakenUp),
    Allowed(Allowed),
    Intended(Box<Intent>),
    CameOut(Box<Ended>),
    Asked(Box<ApprovalRequest>),
    Answered(ApprovalAnswer),
    Waits(Suspension),
    Closes(Closes),
    Finished(Done),
}

macro_rules! events {
    ($($kind:expr => $variant:ident),* $(,)?) => {
        impl StoredEvent for Event {
            fn kind(&self) -> &'static str {
                match self { $(Event::$variant(_) => $kind,)* }
            }
            fn version(&self) -> u16 {
                keiko_contracts::upcast::newest(self.kind())
            }
            fn body(&self) -> Result<String, serde_json::Error> {
                match self { $(Event::$variant(data) => serde_json::to_string(data),)* }
            }
            fn from_body(kind: &str, _: u16, body: &[u8]) -> Result<Option<Self>, serde_json::Error> {
                $(if kind == $kind {
                    return Ok(Some(Event::$variant(serde_json::from_slice(body)?)));
                })*
                Ok(None)
            }
        }
    };
}
events! {
    "errands_begun" => Begun, "errands_taken_up" => TakenUp, "errands_allowed" => Allowed, RunEvent::EFFECT_INTENDED => Intended, "errand_came_out" => CameOut,
    "errand_asked" => Asked, "errand_answered" => Answered, "errands_wait" => Waits, "errands_close" => Closes, "errands_finished" => Finished,
}

impl CoreEvent for Event {
    fn intent(&self) -> Option<&Intent> {
        if let Event::Intended(intent) = self {
            Some(intent)
        } else {
            None
        }
    }
    fn ended(&self) -> Option<&Ended> {
        if let Event::CameOut(ended) = self {
            Some(ended)
        } else {
            None
        }
    }
    fn needs_barrier(&self) -> bool {
        match self {
            Event::TakenUp(_) | Event::Allowed(_) => false,
            // What a model said may get lost with the power: it is asked again, and paid for.
            Event::CameOut(ended) => !matches!(ended.outcome, Outcome::Done(Report::Model(_))),
            _ => true,
        }
    }
    fn allows(&self) -> Option<Micros> {
        if let Event::Allowed(allowed) = self {
            Some(allowed.amount)
        } else {
            None
        }
    }
    fn changes_row(&self) -> bool {
        false
    }
    fn asks(&self) -> Option<&ApprovalRequest> {
        if let Event::Asked(request) = self {
            Some(request)
        } else {
            None
        }
    }
    fn answers(&self) -> Option<&ApprovalAnswer> {
        if let Event::Answered(answer) = self {
            Some(answer)
        } else {
            None
        }
    }
    fn is_end(&self) -> bool {
        matches!(self, Event::Finished(_))
    }
}

impl Start for Errands {
    fn run(&self) -> RunId {
        self.run
    }
    fn by(&self) -> &str {
        "me"
    }
    fn agent(&self) -> &str {
        "errands"
    }
    fn model(&self) -> Option<&ModelName> {
        None
    }
    fn budget(&self) -> Option<Micros> {
        None
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Nothing {
    /// A fault: what is left of an allowance is kept over a crash.
    pub(crate) keeps_allowance: bool,
}
impl Terms for Nothing {
    fn budget(&self) -> Option<Option<Micros>> {
        None
    }
}
impl Setup for Nothing {
    type Core = Errand;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it makes no sense here")]
pub(crate) struct NoSense;

impl keiko_contracts::said::ToValue for NoSense {
    fn to_value(&self) -> keiko_contracts::said::Value {
        self.to_string().into()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Errand {
    pub(crate) life: Life,
    keeps_allowance: bool,
    begun: Option<Errands>,
    pub(crate) done: usize,
    ordinal: u16,
    tree: Option<TreeId>,
    closing: bool,
    finished: Option<Arc<Done>>,
}

/// A decision in the making.
struct Draft<'a> {
    next: Errand,
    events: Vec<Event>,
    env: &'a Env<'a>,
}

impl Draft<'_> {
    fn emit(&mut self, event: Event) {
        self.next.apply(
            &Stamp {
                at: self.env.now,
                ..Stamp::default()
            },
            &event,
        );
        self.events.push(event);
    }

    fn intend(&mut self, mut action: Action, approval: Option<keiko_contracts::id::ApprovalId>) {
        let run = self.next.begun.as_ref().unwrap().run;
        let key = EffectKey {
            run,
            task: TaskId::main(),
            attempt: 1,
            step: 1,
            ordinal: self.next.ordinal,
        };
        if let Action::Run(below) = &mut action {
            below.start.run = RunId::child_of(&key);
            below.start.parent = Some(Parent {
                run,
                effect: Some(key.clone()),
                task: TaskId::main(),
                attempt: 1,
            });
        }
        let quick = matches!(action, Action::Model(_));
        if quick && self.next.life.budget.allowance() < COST {
            let amount = Micros(3 * COST.0);
            self.emit(Event::Allowed(Allowed { amount }));
        }
        let (purse, reserve) = match quick {
            true => (Purse::Allowance, COST),
            false => (Purse::Own, Micros::ZERO),
        };
        let intent = Intent {
            approval,
            purse,
            reserve,
            ..intent::intent(key, action, Asked::Loop, self.env.epoch).unwrap()
        };
        self.emit(Event::Intended(Box::new(intent)));
    }

    /// The next thing to do, if nothing is being done.
    fn go_on(&mut self) {
        let next = &self.next;
        if next.finished.is_some() || next.life.waiting.is_some() || !next.life.open.is_empty() {
            return;
        }
        if next.closing {
            return self.emit(Event::Finished(Done { done: next.done }));
        }
        let Some(begun) = next.begun.clone() else {
            return;
        };
        let Some(mut action) = begun.todo.get(next.done).cloned() else {
            return self.emit(Event::Finished(Done { done: next.done }));
        };
        if let Action::Jail(jail) = &mut action {
            jail.tree.clone_from(&next.tree);
        }
        if next.done != begun.asks {
            return self.intend(action, None);
        }
        let digest = approval::digest(&action).unwrap();
        let asked = next
            .life
            .standing(digest)
            .next()
            .map(|(id, asked)| (id, asked.answer.as_ref().map(|answer| answer.decision)));
        match asked {
            Some((id, Some(Decision::Approved))) => self.intend(action, Some(id)),
            Some(_) => {}
            None => {
                let key = EffectKey {
                    run: begun.run,
                    task: TaskId::main(),
                    attempt: 1,
                    step: 1,
                    ordinal: self.next.ordinal,
                };
                let id = approval::approval_id(&key, digest);
                let (reason, summary) = ("it is asked about".into(), "push".into());
                self.emit(Event::Asked(Box::new(ApprovalRequest {
                    id,
                    key,
                    action,
                    digest,
                    reason,
                    summary,
                    expires: None,
                })));
            }
        }
    }
}

impl Core for Errand {
    type Setup = Nothing;
    type Start = Errands;
    type Terms = Nothing;
    type Event = Event;
    type End = Done;
    type Reject = NoSense;

    fn new(setup: &Nothing) -> Self {
        Errand {
            keeps_allowance: setup.keeps_allowance,
            ..Errand::default()
        }
    }

    fn decide(&self, env: &Env<'_>, input: Input<Self>) -> Result<Decided<Self>, NoSense> {
        let mut draft = Draft {
            next: self.clone(),
            events: Vec::new(),
            env,
        };
        let mut goes_on = true;
        match input {
            Input::Start(begun) => {
                draft.emit(Event::Begun(*begun));
                draft.emit(Event::TakenUp(TakenUp { epoch: env.epoch }));
            }
            Input::Resume { heard, .. } => {
                for (seq, message) in heard {
                    draft.hear(seq, message);
                }
                draft.emit(Event::TakenUp(TakenUp { epoch: env.epoch }));
            }
            Input::Inbox { seq, message } => draft.hear(seq, message),
            Input::Restore { key } => {
                let Some(Action::Jail(jail)) =
                    self.life.open.get(&key).map(|intent| intent.action.clone())
                else {
                    return Err(NoSense);
                };
                let Some(tree) = jail.tree else {
                    return Ok(Decided {
                        events: Vec::new(),
                        at: env.now,
                        next: draft.next,
                    });
                };
                draft.intend(
                    Action::Jail(JailAction {
                        workspace: jail.workspace,
                        op: JailOp::Restore { tree },
                        tree: None,
                    }),
                    None,
                );
                goes_on = false;
            }
            Input::Ended(ended) | Input::EndedLate(ended) => {
                let unknown = if let Outcome::Unknown { why } = &ended.outcome {
                    Some((ended.key.clone(), why.clone()))
                } else {
                    None
                };
                draft.emit(Event::CameOut(ended));
                if let Some((key, why)) = unknown {
                    draft.emit(Event::Waits(Suspension::Unknown { key, why }));
                }
            }
            Input::Parked { run } => draft.emit(Event::Waits(Suspension::Child { run })),
            Input::Suspend => draft.emit(Event::Waits(Suspension::Approval { open: 1 })),
            Input::Stopped { by } => draft.emit(Event::Waits(Suspension::Stopped {
                by,
                inbox: self.life.inbox,
            })),
            Input::Killed { reason } => draft.emit(Event::Waits(Suspension::Killed { reason })),
            Input::Found { .. } | Input::Tick => {}
        }
        if goes_on {
            draft.go_on();
        }
        Ok(Decided {
            events: draft.events,
            at: env.now,
            next: draft.next,
        })
    }

    fn apply(&mut self, stamp: &Stamp, event: &Event) {
        self.life.stamped(stamp);
        match event {
            Event::Begun(begun) => {
                self.life.started(stamp.at, None);
                self.begun = Some(begun.clone());
            }
            Event::TakenUp(taken) => {
                let budget = self.life.budget;
                self.life.resumed(stamp.at, taken.epoch);
                if self.keeps_allowance {
                    self.life.budget = budget;
                }
            }
            Event::Allowed(allowed) => self.life.allowed(allowed.amount),
            Event::Intended(intent) => {
                self.ordinal = intent.key.ordinal + 1;
                self.life.intended(intent);
            }
            Event::CameOut(ended) => {
                let Some(intent) = self.life.ended(ended) else {
                    return;
                };
                if let Outcome::Done(Report::Jail(report)) = &ended.outcome {
                    let opened = if let JailBody::Opened(opened) = &report.body {
                        Some(opened.tree.clone())
                    } else {
                        None
                    };
                    self.tree = report.tree.clone().or(opened).or(self.tree.take());
                }
                let restores = matches!(
                    &intent.action,
                    Action::Jail(JailAction {
                        op: JailOp::Restore { .. },
                        ..
                    })
                );
                self.done += usize::from(!restores && !matches!(ended.outcome, Outcome::Cancelled));
            }
            Event::Asked(request) => self.life.asked(request),
            Event::Answered(answer) => self.life.resolved(answer),
            Event::Waits(why) => self.life.suspended(why),
            Event::Closes(closes) => {
                self.life.heard(Some(closes.inbox));
                self.life.waiting = None;
                self.closing = true;
            }
            Event::Finished(done) => self.finished = Some(Arc::new(done.clone())),
        }
        self.life.count_time(stamp.at);
    }

    fn life(&self) -> &Life {
        &self.life
    }
    fn committed(&mut self, seq: Seq, hash: Digest) {
        self.life.head = (seq, hash);
    }
    fn start(&self) -> Option<&Errands> {
        self.begun.as_ref()
    }
    fn ended(&self) -> Option<&Arc<Done>> {
        self.finished.as_ref()
    }
    fn is_closing(&self) -> bool {
        self.closing
    }
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }
    fn request(&self, action: &ModelAction) -> Option<Arc<ChatRequest>> {
        Some(Arc::new(ChatRequest {
            model: action.model.clone(),
            system: Vec::new().into(),
            tools: Vec::new().into(),
            messages: Vec::new(),
            max_output_tokens: action.max_output_tokens,
            temperature_milli: None,
            output: None,
            effort: None,
        }))
    }
    fn label(&self, _: &Event) -> Head {
        Head::default()
    }
    fn row(&self, _: Timestamp) -> Option<RunRow> {
        None
    }
}

impl Draft<'_> {
    fn hear(&mut self, inbox: Seq, message: InboxMessage) {
        match message {
            InboxMessage::Approval(answer) => {
                if let Some(answer) =
                    self.next
                        .life
                        .judge_answer(answer, self.env.now, self.env.epoch)
                {
                    self.emit(Event::Answered(answer));
                }
            }
            InboxMessage::Cancel { .. } if !self.next.closing => {
                self.emit(Event::Closes(Closes { inbox }))
            }
            InboxMessage::Cancel { .. }
            | InboxMessage::Words { .. }
            | InboxMessage::Stop { .. } => {}
        }
    }
}
