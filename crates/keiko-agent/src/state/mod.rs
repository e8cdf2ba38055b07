//! The state of a run, folded from its events. `apply` is the only mutation, and total over every event ever written.
//!
//! A fold of folds, each of what changes together: [`Life`] is what every durable core has, [`Step`] the calls of the step,
//! [`Talk`] what the model is shown, [`Patience`] how often it came to nothing, [`Account`] who answered and what that took,
//! [`Coding`] what the harness knows of workspace and tests.

mod account;
mod coding;
mod patience;
mod step;
mod talk;

pub use account::Account;
pub use coding::{Coding, Did, Workspace};
pub use patience::Patience;
pub use step::{Call, CallState, Made, Step};
pub use talk::{Shown, Talk};

use crate::conversation::{Item, Slot};
use crate::ledger::one_line;
use crate::native::{NativeEngine, NativeStep};
use crate::protect::Change;
use crate::tools::ToolBox;
use crate::window::Known;
use crate::words;
use keiko_contracts::action::{Action, ActionDigest, Intent, ModelReport, Outcome, Report};
use keiko_contracts::approval::{Decision, Installing};
use keiko_contracts::asked::Asked;
use keiko_contracts::evidence::TestSummary;
use keiko_contracts::id::{ApprovalId, EffectKey, SkillName};
use keiko_contracts::jail::{JailAction, JailBody, JailOp};
use keiko_contracts::model::Part;
use keiko_contracts::run::{
    CallAnswered, CallRefused, Closing, Ended, Note, NoteKind, RefusedBy, Resumed, RunEnd,
    RunEvent, StartRun, Steered, Suspension, ToolCall,
};
use keiko_contracts::time::Timestamp;
use keiko_governance::life::{Approval, Life, Stamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Makes the engine of a skill; none of one that nobody knows.
pub type EngineOf = fn(&SkillName) -> Option<Box<dyn NativeEngine>>;

/// What runs of agents work with, and no journal holds.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The tools.
    pub tools: Arc<ToolBox>,
    /// The engines of agents without a model.
    pub engine: EngineOf,
}

impl Setup {
    /// The engine that works on a run; none where a language model does.
    #[must_use]
    pub fn engine_of(&self, start: &StartRun) -> Option<Box<dyn NativeEngine>> {
        (self.engine)(&start.skill()?)
    }

    /// The tools that the agent of a run is offered.
    #[must_use]
    pub fn tools_of(&self, start: &StartRun) -> Arc<ToolBox> {
        match start.role.as_ref().and_then(|role| role.tools.as_ref()) {
            Some(names) => Arc::new(self.tools.only(names)),
            None => self.tools.clone(),
        }
    }
}

/// The state of a run.
#[derive(Debug, Clone)]
pub struct RunState {
    /// What it works with.
    pub setup: Setup,
    /// The native engine, for agents without a model.
    pub native: Option<Box<dyn NativeEngine>>,
    /// What it has in common with every durable core.
    pub life: Life,
    /// How it was started.
    pub start: Option<Arc<StartRun>>,
    /// The current step.
    pub step: Step,
    /// What the model is shown.
    pub talk: Talk,
    /// How often what it does came to nothing.
    pub patience: Patience,
    /// What has been learnt of what the model can read and write at once.
    pub window: Known,
    /// Who answered, and what that took.
    pub account: Account,
    /// What the coding harness knows.
    pub coding: Coding,
    /// The end as it was decided.
    pub closing: Option<Arc<Closing>>,
    /// The end.
    pub ended: Option<Arc<RunEnd>>,
}

impl RunState {
    /// A run that has not begun.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        RunState {
            setup: setup.clone(),
            native: None,
            life: Life::default(),
            start: None,
            step: Step::default(),
            talk: Talk::default(),
            patience: Patience::default(),
            window: Known::default(),
            account: Account::default(),
            coding: Coding::default(),
            closing: None,
            ended: None,
        }
    }

    /// Folds in one event, with its texts in memory.
    pub fn apply(&mut self, stamp: &Stamp, event: &RunEvent) {
        self.life.stamped(stamp);
        match event {
            RunEvent::RunStarted(start) => self.apply_started(stamp, start),
            RunEvent::RunResumed(resumed) => self.apply_resumed(stamp, resumed),
            RunEvent::Steered(steered) => self.apply_steered(steered),
            RunEvent::StepBegun(begun) => self.begin(begun.step),
            RunEvent::EffectIntended(intent) => self.apply_intended(intent),
            RunEvent::EffectEnded(ended) => self.apply_ended(stamp, ended),
            RunEvent::CallRefused(refused) => self.apply_refused(refused),
            RunEvent::CallAnswered(answered) => self.apply_answered(answered),
            RunEvent::ApprovalRequested(request) => {
                self.advance_key(&request.key);
                self.life.asked(request);
            }
            RunEvent::ApprovalResolved(answer) => self.life.resolved(answer),
            RunEvent::TestsObserved(summary) => self.apply_tests(summary),
            RunEvent::Noted(note) => self.apply_note(note),
            RunEvent::ContextCompacted(compacted) => self.talk.compacted(compacted),
            RunEvent::RunClosing(closing) => {
                self.life.heard(closing.inbox);
                self.life.waiting = None;
                self.closing = Some(Arc::new((**closing).clone()));
            }
            RunEvent::RunSuspended(why) => self.life.suspended(why),
            RunEvent::RunEnded(end) => {
                self.life.waiting = None;
                self.ended = Some(Arc::new((**end).clone()));
            }
        }
        self.life.count_time(stamp.at);
    }

    fn apply_started(&mut self, stamp: &Stamp, start: &StartRun) {
        self.life.started(stamp.at, start.limits.budget);
        self.talk.say(start.goal.text_or_empty().into());
        self.talk.shown = Shown::default();
        self.start = Some(Arc::new(start.clone()));
        self.window = Known::before(start.limits.window);
        self.setup.tools = self.setup.tools_of(start);
        self.native = self.setup.engine_of(start);
        if let Some(engine) = &mut self.native {
            engine.started(start);
        }
    }

    fn apply_resumed(&mut self, stamp: &Stamp, resumed: &Resumed) {
        let by_window = match &self.life.waiting {
            Some(Suspension::Limit { fault } | Suspension::Unavailable { fault }) => {
                fault.window.is_some()
            }
            _ => false,
        };
        self.life.resumed(stamp.at, resumed.epoch);
        if let (Some(limits), Some(start)) = (resumed.limits, self.start.as_mut()) {
            Arc::make_mut(start).limits = limits;
            self.life.budget.set_limit(limits.budget);
        }
        if let (Some(word), Some(start)) = (&resumed.install, self.start.as_mut()) {
            Arc::make_mut(start).install =
                Some(word.clone()).filter(|word| word.answer != Installing::Ask);
        }
        if let (Some(is), Some(start)) = (resumed.definition, self.start.as_mut()) {
            Arc::make_mut(start).definition = Some(is);
        }
        if by_window {
            // The server may have been set up anew meanwhile: what it refused is asked again.
            let start = self.start.as_ref();
            self.window =
                Known::before(start.map_or_else(Default::default, |start| start.limits.window));
            self.talk.head_changed();
        }
    }

    fn apply_steered(&mut self, steered: &Steered) {
        self.life.heard(steered.inbox);
        let text = steered.text.text_or_empty();
        self.talk.ledger.said(text);
        let asked = matches!(self.life.waiting, Some(Suspension::Question { .. }));
        self.life.waiting = None;
        if !asked {
            self.say(&format!("The operator says: {text}"));
        }
    }

    fn apply_note(&mut self, note: &Note) {
        if note.tell_agent {
            // What the agent is told of its words answers them.
            self.step.calls.retain(|call| !call.is_in_words());
            if note.kind == NoteKind::Loop {
                self.patience.guard.told();
            }
            self.say(note.text.text_or_empty());
        }
    }

    fn apply_tests(&mut self, summary: &TestSummary) {
        let summary = Arc::new(summary.clone());
        self.talk.ledger.tested(summary.clone());
        self.coding.tested(summary);
    }

    fn apply_intended(&mut self, intent: &Intent) {
        self.advance_key(&intent.key);
        self.life.intended(intent);
        if let Action::Model(_) = intent.action {
            self.step.calls.clear();
            self.patience.guard.next_step();
        }
        if let Some(id) = intent.asked.call() {
            self.step.runs(id);
        }
        self.coding.intended(intent);
    }

    fn apply_ended(&mut self, stamp: &Stamp, ended: &Ended) {
        let Some(intent) = self.life.ended(ended) else {
            return;
        };
        match (&intent.action, &ended.outcome) {
            (Action::Model(_), Outcome::Done(Report::Model(report))) => {
                self.step.replied = report.answered.unwrap_or(stamp.at);
                self.apply_reply(report);
            }
            (Action::Model(model), Outcome::Failed(fault)) => {
                self.step.asks_again = true;
                if let Some(said) = fault.window.as_deref().copied() {
                    self.window.learn(said, model.estimate);
                    // A small window has another head.
                    self.talk.head_changed();
                }
            }
            (Action::Model(_), _) => self.step.asks_again = true,
            (action, outcome) => {
                self.apply_done(action, outcome);
                self.coding.allowed(&intent, outcome);
                match &intent.asked {
                    Asked::Loop => {}
                    Asked::Harness(chore) => self.coding.came_out(chore, outcome),
                    Asked::Model { call, .. } | Asked::Engine { call, .. } => {
                        self.apply_call_outcome(call, outcome);
                    }
                }
            }
        }
    }

    fn apply_done(&mut self, action: &Action, outcome: &Outcome<Report>) {
        let (Action::Jail(action), Outcome::Done(Report::Jail(report))) = (action, outcome) else {
            return;
        };
        let (guard, talk) = (&mut self.patience.guard, &mut self.talk);
        self.coding.workspace.apply(action, report, guard, talk);
        if let (JailBody::Opened(opened), Some(engine)) = (&report.body, &mut self.native) {
            engine.opened(opened);
        }
    }

    fn apply_reply(&mut self, report: &ModelReport) {
        self.step.asks_again = false;
        self.window.answered();
        let model = self.start.as_ref().and_then(|start| start.model.as_ref());
        self.account.answered(report, model);
        let parts = serde_json::from_str(report.reply.text_or_empty()).unwrap_or_default();
        let parts = with_own_ids(parts);
        self.step.calls = calls_of(&parts, &self.setup.tools);
        let calls = !self.step.calls.is_empty();
        self.patience.answered(&parts, report.stop, calls);
        if !calls {
            let claim = words::claim_of(&parts, report.stop, self.step.number);
            let claim = claim.map(|call| Call::new(call, Made::Words));
            self.step.calls.extend(claim);
        }
        if !parts.is_empty() {
            let results = slots_of(&parts);
            self.talk.conversation.push(Item::Turn {
                parts: parts.into(),
                results,
            });
        }
    }

    fn apply_call_outcome(&mut self, id: &str, outcome: &Outcome<Report>) {
        let tree = self.coding.workspace.tree.as_ref();
        let Some(call) = self.step.call_mut(id) else {
            return;
        };
        call.state = CallState::Waiting;
        let engine = self.native.as_mut().filter(|_| !call.is_of_model());
        if engine.is_some() && matches!(outcome, Outcome::Cancelled) {
            return;
        }
        call.done.push(Arc::new(outcome.clone()));
        let guard = &mut self.patience.guard;
        guard.note(&call.name, &call.arguments, outcome, tree);
        if let Some(engine) = engine {
            call.state = CallState::Answered;
            engine.observe(id, Ok(outcome));
        }
    }

    fn apply_refused(&mut self, refused: &CallRefused) {
        self.advance_key(&refused.key);
        let reason = refused.reason.text_or_empty();
        let id = match &refused.asked {
            Asked::Loop => return,
            Asked::Harness(chore) => return self.coding.refused(chore, reason),
            Asked::Model { call, .. } | Asked::Engine { call, .. } => call,
        };
        if refused.by == RefusedBy::CutOff {
            self.talk.conversation.shorten(id);
        }
        let of_engine = self.step.call(id).is_some_and(|call| !call.is_of_model());
        match &mut self.native {
            Some(engine) if of_engine => engine.observe(id, Err(&refused.why())),
            _ => self.note_refusal(id, reason, refused.by),
        }
        self.answer(id, reason, true);
    }

    /// A call came to nothing before it became an action: the loop guard knows it by why, whatever its arguments.
    fn note_refusal(&mut self, id: &str, reason: &str, by: RefusedBy) {
        let Some(call) = self.step.call(id) else {
            return;
        };
        let guard = &mut self.patience.guard;
        if by == RefusedBy::LoopGuard {
            guard.again();
            guard.told();
            return;
        }
        // Each unknown name is told back with the name in it; another unknown name is nothing new.
        let (name, why) = match call.made {
            Made::Model(None) => ("", "no such tool"),
            _ => (call.name.as_str(), reason),
        };
        guard.refused(name, why, self.coding.workspace.tree.as_ref());
    }

    fn apply_answered(&mut self, answered: &CallAnswered) {
        self.advance_key(&answered.key);
        let text = answered.text.text_or_empty();
        let call = self.step.call(&answered.call);
        if let Some(call) = call.filter(|call| call.is_of_model()) {
            let tree = self.coding.workspace.tree.as_ref();
            // A claim that is sent back has a limit of its own.
            if call.claims() {
                self.patience.sent_back += u32::from(answered.is_error);
                self.patience.guard.claimed();
            } else {
                let guard = &mut self.patience.guard;
                guard.answered(&call.name, &call.arguments, text, tree);
            }
        }
        self.answer(&answered.call, text, answered.is_error);
    }

    /// Answers a call with what the model shall read.
    fn answer(&mut self, id: &str, text: &str, is_error: bool) {
        let conversation = &mut self.talk.conversation;
        let reference = conversation.reference(id);
        conversation.answer(id, text, is_error, &reference);
        let mut in_words = false;
        if let Some(call) = self.step.call_mut(id) {
            call.state = CallState::Answered;
            call.failed = is_error;
            in_words = call.is_in_words();
            if is_error {
                let failed = format!("{}: {}", call.name, one_line(text, 200));
                self.talk.ledger.failed(&failed);
            }
        }
        // Words have no call on the wire that the text could answer.
        if in_words && is_error {
            self.step.say(text);
        } else if in_words {
            self.step.say(&format!("The operator answers: {text}"));
        }
        self.flush_words();
    }

    /// Words for the model: after the results of the current step, never between a call and its result.
    fn say(&mut self, text: &str) {
        self.step.say(text);
        self.flush_words();
    }

    fn flush_words(&mut self) {
        for text in self.step.words_due() {
            self.talk.say(text);
        }
    }

    /// A step begins. A native engine's calls are not in the journal: the engine says them again.
    fn begin(&mut self, number: u32) {
        if let Some(NativeStep::Act(calls)) = self.native.as_ref().map(|engine| engine.next()) {
            self.step.calls = calls.into_iter().map(Call::from).collect();
        }
        self.step.begin(number);
    }

    /// The first request to a model begins a step, and so did the first call of an engine in records of older programs.
    fn advance_key(&mut self, key: &EffectKey) {
        if key.step > self.step.number {
            self.begin(key.step);
        }
        self.step.taken(key);
    }

    /// The approval for one exact action, if it was asked in this step and has not been used.
    #[must_use]
    pub fn approval_for(&self, digest: ActionDigest) -> Option<(ApprovalId, &Approval)> {
        self.life.standing(digest).find(|(_, approval)| {
            approval.request.key.step == self.step.number && !approval.consumed
        })
    }

    /// The approval for requests to a model, by what a decision about them is bound to. It holds for the whole run.
    #[must_use]
    pub fn approval_of_model(&self, subject: ActionDigest) -> Option<(ApprovalId, &Approval)> {
        self.life.standing(subject).next()
    }

    /// Whether the run has, or is to have, a workspace.
    #[must_use]
    pub fn has_workspace(&self) -> bool {
        self.start
            .as_ref()
            .is_some_and(|start| start.source.is_some())
    }

    /// When something is due although nothing happens: the first open approval expires, or the time limit is reached.
    /// None for a run that is ending.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.closing.is_some() {
            return None;
        }
        self.life
            .expires_at()
            .into_iter()
            .chain(self.time_is_up_at())
            .min()
    }

    /// When the time limit is reached if it works on. None while it waits, or ends.
    #[must_use]
    pub fn time_is_up_at(&self) -> Option<Timestamp> {
        let start = self.start.as_ref().filter(|_| self.closing.is_none())?;
        self.life.time_is_up_at(start.limits.max_seconds)
    }

    /// Whether a person has approved exactly this change of an existing test: the edits that made it, or the whole
    /// change of the run as it is now.
    #[must_use]
    pub fn approved_test_change(&self, path: &str, change: &Change) -> Option<ApprovalId> {
        self.coding
            .approved(path, change)
            .or_else(|| self.approved_whole_change())
    }

    /// The approval of the whole change of the run as it is now.
    #[must_use]
    pub fn approved_whole_change(&self) -> Option<ApprovalId> {
        self.life.approvals.iter().find_map(|(id, approval)| {
            let approved = approval
                .answer
                .as_ref()
                .is_some_and(|answer| answer.decision == Decision::Approved);
            let whole = match &approval.request.action {
                // The harness's own look at the difference has a tree; the question about it has none.
                Action::Jail(JailAction {
                    op: JailOp::Diff { to, .. },
                    tree: None,
                    ..
                }) => *to == self.coding.workspace.tree,
                _ => false,
            };
            (approved && whole).then_some(*id)
        })
    }

    /// True when every call of the step is answered.
    #[must_use]
    pub fn step_is_over(&self) -> bool {
        self.life.open.is_empty() && self.step.is_answered()
    }
}

/// The calls of an answer, by the names that our tools have.
fn calls_of(parts: &[Part], tools: &ToolBox) -> Vec<Call> {
    let calls = parts.iter().filter_map(|part| {
        let Part::Call {
            id,
            name,
            arguments,
            ..
        } = part
        else {
            return None;
        };
        let name = tools.canonical(name, arguments);
        let made = Made::Model(tools.get(&name).map(|tool| tool.means()));
        let call = ToolCall {
            id: id.clone(),
            name,
            arguments: arguments.clone(),
        };
        Some(Call::new(call, made))
    });
    calls.collect()
}

/// Where the results of the calls of an answer will stand. The conversation keeps the names that the model gave: they must be
/// those of its calls.
fn slots_of(parts: &[Part]) -> Vec<Slot> {
    let slots = parts.iter().filter_map(|part| match part {
        Part::Call { id, name, .. } => Some(Slot {
            id: id.as_str().into(),
            name: name.as_str().into(),
            shown: None,
            whole: None,
            is_error: false,
        }),
        _ => None,
    });
    slots.collect()
}

/// Gives every call of an answer an id of its own, and none that means something else: models and servers repeat ids.
fn with_own_ids(mut parts: Vec<Part>) -> Vec<Part> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for part in &mut parts {
        let Part::Call { id, .. } = part else {
            continue;
        };
        let first = if id.starts_with(RESERVED) || words::is_id(id) {
            format!("call:{id}")
        } else {
            id.clone()
        };
        let mut own = first.clone();
        let mut n = 2;
        while !taken.insert(own.clone()) {
            own = format!("{first}~{n}");
            n += 1;
        }
        *id = own;
    }
    parts
}

/// What chores of the harness had ids with, when they still had ids. Events of records refer to calls by what became of their
/// ids, so it stays as it was.
const RESERVED: &str = "harness:";
