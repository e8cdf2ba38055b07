//! The state of a run, folded from its events. `apply` is the only mutation, and total over every event ever written.

use crate::conversation::{Conversation, Item, Slot};
use crate::evidence::Tests;
use crate::guard::{self, LoopGuard};
use crate::ledger::{Ledger, one_line};
use crate::native::{NativeEngine, NativeStep};
use crate::protect::Change;
use crate::tools::ToolBox;
use crate::window::Known;
use crate::words;
use keiko_contracts::action::{Action, ActionDigest, Intent, ModelReport, Origin, Outcome, Report};
use keiko_contracts::approval::{Decision, Installing};
use keiko_contracts::asked::{Asked, Chore};
use keiko_contracts::digest::Content;
use keiko_contracts::evidence::TestSummary;
use keiko_contracts::id::{ApprovalId, EffectKey};
use keiko_contracts::jail::{
    CommitId, GitOp, JailAction, JailBody, JailOp, JailReport, Opened, Survey, TreeId,
};
use keiko_contracts::model::{Message, Part, Stop, SystemBlock, Usage};
use keiko_contracts::run::{
    CallRefused, Closing, Ended, RefusedBy, Resumed, RunEnd, RunEvent, StartRun, Steered,
    Suspension, ToolCall,
};
use keiko_contracts::stable::Stable;
use keiko_contracts::time::Timestamp;
use keiko_governance::life::{Approval, Life, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A call of the current step.
#[derive(Debug, Clone)]
pub struct Call {
    /// The caller's id.
    pub id: String,
    /// The tool, or a title for people.
    pub name: String,
    /// Raw arguments; empty for native engines.
    pub arguments: String,
    /// What a native engine wants done.
    pub op: Option<JailOp>,
    /// How its actions came out, in order.
    pub done: Vec<Arc<Outcome<Report>>>,
    /// Where it stands.
    pub state: CallState,
    /// It was answered as a failure.
    pub failed: bool,
}

impl Call {
    /// A call that a model has made.
    fn new(call: ToolCall) -> Call {
        let ToolCall {
            id,
            name,
            arguments,
        } = call;
        Call {
            id,
            name,
            arguments,
            op: None,
            done: Vec::new(),
            state: CallState::Waiting,
            failed: false,
        }
    }

    /// Who asks for what it comes to. With an operation of its own it is an engine's, and its name is a title.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let call = self.id.clone();
        if self.op.is_some() {
            let title = one_line(&self.name, TITLE_MAX);
            Asked::Engine { call, title }
        } else {
            let tool = self.name.clone();
            Asked::Model { call, tool }
        }
    }
}

/// The longest title that is kept, in bytes.
const TITLE_MAX: usize = 200;

/// Where a call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallState {
    /// Nothing has been done about its next action.
    Waiting,
    /// An action runs.
    Open,
    /// It is answered.
    Answered,
}

/// What became of a chore of the harness.
#[derive(Debug, Clone)]
pub enum Did {
    /// It came out like this.
    Came(Arc<Outcome<Report>>),
    /// It was refused, and why.
    Refused(Arc<str>),
}

/// What is known of the workspace.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// How it came to be.
    pub opened: Option<Arc<Opened>>,
    /// What it held at the start.
    pub survey: Option<Arc<Survey>>,
    /// Its tree now.
    pub tree: Option<TreeId>,
    /// The tree that the harness's newest run of the tests found.
    pub tested: Option<TreeId>,
    /// The newest commit made in it.
    pub head: Option<CommitId>,
    /// Files that this run created.
    pub created: BTreeSet<String>,
    /// The newest difference from the base: the tree it belongs to, and the diff.
    pub diff: Option<(TreeId, Content)>,
    /// That difference is not all of it.
    pub diff_cut: bool,
    /// What was installed: see [`crate::describe::declared`].
    pub installed: BTreeSet<String>,
    /// What edits that a person approved did to files, with the newest approval.
    pub allowed: BTreeMap<String, (ApprovalId, Change)>,
}

/// Parts of the prompt that stay the same from request to request: made when they are first shown, forgotten when what
/// they tell changes. They follow from the rest of the state and are no part of it.
#[derive(Clone, Default)]
pub struct Shown {
    /// The system prompt.
    pub system: OnceLock<Stable<Vec<SystemBlock>>>,
    /// The goal with the ledger.
    pub ledger: OnceLock<Stable<Message>>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

/// Makes the engine of an agent, by the agent's name; none for agents that a model drives.
pub type EngineOf = fn(&str) -> Option<Box<dyn NativeEngine>>;

/// What runs of agents work with, and no journal holds.
#[derive(Clone)]
pub struct Setup {
    /// The tools.
    pub tools: Arc<ToolBox>,
    /// The engines of agents without a model.
    pub engine: EngineOf,
}

/// The state of a run.
#[derive(Debug, Clone)]
pub struct RunState {
    /// The tools, which render observations.
    pub tools: Arc<ToolBox>,
    /// The native engine, for agents without a model.
    pub native: Option<Box<dyn NativeEngine>>,
    /// Makes it when the run starts.
    engine: EngineOf,
    /// What it has in common with every durable core.
    pub life: Life,
    /// How it was started.
    pub start: Option<Arc<StartRun>>,
    /// When the model last answered: the time that its calls are resolved with.
    pub replied: Timestamp,
    /// The conversation.
    pub conversation: Conversation,
    /// The ledger as the model sees it, once older items have left.
    pub shown_ledger: Option<Arc<str>>,
    /// What of the prompt is there already.
    pub shown: Shown,
    /// The current step; 0 before the first.
    pub step: u32,
    /// The next place in the step.
    pub ordinal: u16,
    /// The calls of the current step.
    pub calls: Vec<Call>,
    /// What the harness did of its own accord.
    pub harness: BTreeMap<Chore, Did>,
    /// The workspace.
    pub workspace: Workspace,
    /// The tests.
    pub tests: Tests,
    /// Tokens.
    pub usage: Usage,
    /// A model without a price answered: what that cost is not known.
    pub unpriced: bool,
    /// Who answered, and where the answers came from.
    pub models: BTreeMap<String, Origin>,
    /// Facts that survive a compaction.
    pub ledger: Ledger,
    /// The loop guard.
    pub guard: LoopGuard,
    /// How often `finish` has been sent back.
    pub finish_refusals: u32,
    /// Answers of the model in a row that came to nothing.
    pub empty_answers: u32,
    /// Answers in a row without a call.
    pub in_words: u32,
    /// Answers in a row that the output limit cut off.
    pub cut_offs: u32,
    /// The output limit has cut an answer off.
    pub was_cut_off: bool,
    /// What has been learnt of what the model can read and write at once.
    pub window: Known,
    /// The last model request failed: it is asked again, in the same step.
    pub asks_again: bool,
    /// Words that wait for the end of the current step.
    pub words: Vec<Arc<str>>,
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
            tools: setup.tools.clone(),
            native: None,
            engine: setup.engine,
            life: Life::default(),
            start: None,
            replied: Timestamp::default(),
            conversation: Conversation::default(),
            shown_ledger: None,
            shown: Shown::default(),
            step: 0,
            ordinal: 0,
            calls: Vec::new(),
            harness: BTreeMap::new(),
            workspace: Workspace::default(),
            tests: Tests::default(),
            usage: Usage::default(),
            unpriced: false,
            models: BTreeMap::new(),
            ledger: Ledger::default(),
            guard: LoopGuard::default(),
            finish_refusals: 0,
            empty_answers: 0,
            in_words: 0,
            cut_offs: 0,
            was_cut_off: false,
            window: Known::default(),
            asks_again: false,
            words: Vec::new(),
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
            RunEvent::EffectIntended(intent) => self.apply_intended(intent),
            RunEvent::EffectEnded(ended) => self.apply_ended(stamp, ended),
            RunEvent::CallRefused(refused) => {
                self.advance_key(&refused.key);
                match &refused.asked {
                    Asked::Harness(chore) => {
                        let why = refused.reason.text_or_empty().into();
                        self.harness.insert(chore.clone(), Did::Refused(why));
                    }
                    Asked::Model { call, .. } | Asked::Engine { call, .. } => {
                        self.apply_refused(call, refused);
                    }
                    Asked::Loop => {}
                }
            }
            RunEvent::CallAnswered(answered) => {
                self.advance_key(&answered.key);
                let finishes = self
                    .calls
                    .iter()
                    .any(|call| call.id == answered.call && call.name == "finish");
                self.finish_refusals += u32::from(finishes && answered.is_error);
                self.note_answer(&answered.call, answered.text.text_or_empty());
                self.answer(
                    &answered.call,
                    answered.text.text_or_empty(),
                    answered.is_error,
                );
            }
            RunEvent::ApprovalRequested(request) => {
                self.advance_key(&request.key);
                self.life.asked(request);
            }
            RunEvent::ApprovalResolved(answer) => self.life.resolved(answer),
            RunEvent::TestsObserved(summary) => self.apply_tests(summary),
            RunEvent::Noted(note) => {
                if note.tell_agent {
                    // What the agent is told of its words answers them.
                    self.calls.retain(|call| !words::is_claim(&call.id));
                    self.guard.told(&note.kind);
                    self.say(note.text.text_or_empty());
                }
            }
            RunEvent::ContextCompacted(compacted) => {
                self.conversation.drop_before(compacted.from_item);
                if let Some(most) = compacted.piece_max {
                    self.conversation.shorten_results(most as usize);
                }
                self.shown_ledger = Some(compacted.ledger.text_or_empty().into());
                self.shown.ledger.take();
            }
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
        if by_window {
            // The server may have been set up anew meanwhile: what it refused is asked again.
            self.window = Known::before(
                self.start
                    .as_ref()
                    .map_or_else(Default::default, |start| start.limits.window),
            );
            self.shown.system.take();
        }
    }

    fn apply_steered(&mut self, steered: &Steered) {
        self.life.heard(steered.inbox);
        let text = steered.text.text_or_empty();
        self.ledger.said(text);
        let asked = matches!(self.life.waiting, Some(Suspension::Question { .. }));
        self.life.waiting = None;
        if !asked {
            self.say(&format!("The operator says: {text}"));
        }
    }

    fn apply_started(&mut self, stamp: &Stamp, start: &StartRun) {
        self.life.started(stamp.at, start.limits.budget);
        self.conversation
            .push(Item::Words(start.goal.text_or_empty().into()));
        self.start = Some(Arc::new(start.clone()));
        self.window = Known::before(start.limits.window);
        self.shown = Shown::default();
        self.native = (self.engine)(start.agent.as_str());
        if let Some(engine) = &mut self.native {
            engine.started(start);
        }
    }

    fn apply_intended(&mut self, intent: &Intent) {
        self.advance_key(&intent.key);
        self.life.intended(intent);
        if let Action::Model(_) = intent.action {
            self.calls.clear();
            self.guard.next_step();
        }
        if let Some(id) = intent.asked.call()
            && let Some(call) = self.calls.iter_mut().find(|call| call.id == id)
        {
            call.state = CallState::Open;
        }
        if let (Some(Chore::Tests { project: 0, .. }), Action::Jail(jail)) =
            (intent.asked.chore(), &intent.action)
        {
            self.workspace.tested = jail.tree.clone();
        }
    }

    /// Asks the native engine for its next calls.
    pub fn take_native_calls(&mut self) {
        let Some(NativeStep::Act(calls)) = self.native.as_ref().map(|engine| engine.next()) else {
            return;
        };
        self.calls = calls
            .into_iter()
            .map(|call| Call {
                id: call.id,
                name: call.title,
                arguments: String::new(),
                op: Some(call.op),
                done: Vec::new(),
                state: CallState::Waiting,
                failed: false,
            })
            .collect();
    }

    fn apply_ended(&mut self, stamp: &Stamp, ended: &Ended) {
        let Some(intent) = self.life.ended(ended) else {
            return;
        };
        match (&intent.action, &ended.outcome) {
            (Action::Model(_), Outcome::Done(Report::Model(report))) => {
                self.replied = report.answered.unwrap_or(stamp.at);
                self.apply_reply(report);
            }
            (Action::Model(model), Outcome::Failed(fault)) => {
                self.asks_again = true;
                if let Some(said) = fault.window.as_deref().copied() {
                    self.window.learn(said, model.estimate);
                    // A small window has another head.
                    self.shown.system.take();
                }
            }
            (Action::Model(_), _) => self.asks_again = true,
            (action, outcome) => {
                self.note_workspace(action, outcome);
                self.note_allowed(&intent, outcome);
                self.apply_call_outcome(&intent, &ended.outcome);
            }
        }
    }

    fn apply_reply(&mut self, report: &ModelReport) {
        self.asks_again = false;
        self.window.answered();
        self.usage = self.usage.plus(report.usage);
        self.unpriced |= report.unpriced;
        if let Some(start) = &self.start
            && let Some(model) = &start.model
        {
            self.models.insert(
                report
                    .served_by
                    .clone()
                    .unwrap_or_else(|| model.to_string()),
                report.origin,
            );
        }
        let parts =
            with_own_ids(serde_json::from_str(report.reply.text_or_empty()).unwrap_or_default());
        self.calls = parts
            .iter()
            .filter_map(|part| match part {
                Part::Call {
                    id,
                    name,
                    arguments,
                    ..
                } => {
                    let name = self.tools.canonical(name, arguments);
                    Some(Call::new(ToolCall {
                        id: id.clone(),
                        name,
                        arguments: arguments.clone(),
                    }))
                }
                _ => None,
            })
            .collect();
        let cut_off = report.stop == Stop::MaxTokens;
        self.was_cut_off |= cut_off;
        self.cut_offs = if cut_off { self.cut_offs + 1 } else { 0 };
        self.in_words = if self.calls.is_empty() {
            self.in_words + 1
        } else {
            0
        };
        if self.calls.is_empty() {
            self.guard.said(&words::text_of(&parts));
        }
        let useful = !self.calls.is_empty()
            || (report.stop == Stop::End
                && parts
                    .iter()
                    .any(|part| matches!(part, Part::Text { text } if !text.trim().is_empty())));
        self.empty_answers = if useful { 0 } else { self.empty_answers + 1 };
        // The conversation keeps the names that the model gave: they must be those of its calls.
        let results = parts
            .iter()
            .filter_map(|part| match part {
                Part::Call { id, name, .. } => Some(Slot {
                    id: id.as_str().into(),
                    name: name.as_str().into(),
                    shown: None,
                    whole: None,
                    is_error: false,
                }),
                _ => None,
            })
            .collect();
        if self.calls.is_empty() {
            self.calls
                .extend(words::claim_of(&parts, report.stop, self.step).map(Call::new));
        }
        if !parts.is_empty() {
            self.conversation.push(Item::Turn {
                parts: parts.into(),
                results,
            });
        }
    }

    /// A call came to nothing before it became an action: the loop guard knows it by why, whatever its arguments.
    fn note_refusal(&mut self, id: &str, refused: &CallRefused) {
        let Some(call) = self
            .calls
            .iter()
            .find(|call| call.id == id && call.op.is_none())
        else {
            return;
        };
        let unknown = self.tools.get(&call.name).is_none();
        // Each unknown name is told back with the name in it; another unknown name is nothing new.
        let why = if unknown {
            "no such tool"
        } else {
            refused.reason.text_or_empty()
        };
        if refused.by == RefusedBy::LoopGuard {
            self.guard.again();
            self.guard.told(guard::LOOP);
        } else {
            self.guard.refused(
                if unknown { "" } else { &call.name },
                why,
                self.workspace.tree.as_ref(),
            );
        }
    }

    /// A call was answered without an effect. A claim that is sent back has a limit of its own.
    fn note_answer(&mut self, id: &str, text: &str) {
        let Some(call) = self
            .calls
            .iter()
            .find(|call| call.id == id && call.op.is_none())
        else {
            return;
        };
        if call.name == "finish" {
            self.guard.claimed();
        } else {
            self.guard.answered(
                &call.name,
                &call.arguments,
                text,
                self.workspace.tree.as_ref(),
            );
        }
    }

    fn apply_call_outcome(&mut self, intent: &Intent, outcome: &Outcome<Report>) {
        let id = match &intent.asked {
            Asked::Loop => return,
            Asked::Harness(chore) => {
                // What was stopped on request is not done: it is done when the run goes on.
                if !matches!(outcome, Outcome::Cancelled) {
                    let came = Did::Came(Arc::new(outcome.clone()));
                    self.harness.insert(chore.clone(), came);
                }
                return;
            }
            Asked::Model { call, .. } | Asked::Engine { call, .. } => call,
        };
        let tree = self.workspace.tree.clone();
        let Some(call) = self.calls.iter_mut().find(|call| call.id == *id) else {
            return;
        };
        call.state = CallState::Waiting;
        if call.op.is_some() && matches!(outcome, Outcome::Cancelled) {
            return;
        }
        call.done.push(Arc::new(outcome.clone()));
        self.guard
            .note(&call.name, &call.arguments, outcome, tree.as_ref());
        if call.op.is_some() {
            call.state = CallState::Answered;
            let id = id.clone();
            if let Some(engine) = &mut self.native {
                engine.observe(&id, Ok(outcome));
            }
        }
    }

    fn note_workspace(&mut self, action: &Action, outcome: &Outcome<Report>) {
        let (Action::Jail(jail), Outcome::Done(Report::Jail(JailReport { body, tree }))) =
            (action, outcome)
        else {
            return;
        };
        if let Some(tree) = tree {
            self.workspace.tree = Some(tree.clone());
        }
        if matches!(body, JailBody::Opened(_) | JailBody::Surveyed(_)) {
            self.shown.system.take();
        }
        match (body, &jail.op) {
            (JailBody::Opened(opened), _) => {
                self.workspace.tree = Some(opened.tree.clone());
                self.workspace.opened = Some(Arc::new(opened.clone()));
                if let Some(engine) = &mut self.native {
                    engine.opened(opened);
                }
            }
            (JailBody::Surveyed(survey), _) if self.workspace.survey.is_none() => {
                self.workspace.survey = Some(Arc::new(survey.clone()))
            }
            (JailBody::Written(written), _) => {
                self.guard.edited(&written.path, false);
                if written.created {
                    self.workspace.created.insert(written.path.clone());
                }
                self.ledger.touched(
                    &written.path,
                    if written.created {
                        "created"
                    } else {
                        "changed"
                    },
                );
            }
            (JailBody::Committed { commit, .. }, JailOp::Git(GitOp::Commit { .. })) => {
                self.workspace.head = Some(commit.clone());
                self.ledger.committed();
            }
            (JailBody::Text(text), JailOp::Diff { from, to: Some(to) })
                if self
                    .workspace
                    .opened
                    .as_ref()
                    .is_some_and(|opened| opened.tree == *from) =>
            {
                self.workspace.diff = Some((to.clone(), text.text.clone()));
                self.workspace.diff_cut = text.truncated;
            }
            (JailBody::Prepared(prepared), JailOp::Prepare(prepare)) => {
                let done = prepare
                    .sets
                    .iter()
                    .zip(&prepared.sets)
                    .filter(|(_, done)| done.exit_code == 0);
                self.workspace
                    .installed
                    .extend(done.map(|(set, _)| crate::describe::declared(set)));
            }
            (JailBody::Refused { why, .. }, JailOp::EditFile { path, .. }) => {
                self.guard.edited(path, true);
                self.ledger.failed(&format!("edit of {path}: {why}"));
            }
            _ => {}
        }
    }

    /// What a person approved of an edit is what came of it.
    fn note_allowed(&mut self, intent: &Intent, outcome: &Outcome<Report>) {
        let (
            Some(id),
            Outcome::Done(Report::Jail(JailReport {
                body: JailBody::Written(written),
                ..
            })),
        ) = (intent.approval, outcome)
        else {
            return;
        };
        let change = Change::of(written.diff.text_or_empty(), &self.tests.known());
        let allowed = self
            .workspace
            .allowed
            .entry(written.path.clone())
            .or_insert_with(|| (id, Change::default()));
        allowed.0 = id;
        allowed.1.then(&change);
    }

    fn apply_tests(&mut self, summary: &TestSummary) {
        let summary = Arc::new(summary.clone());
        self.ledger.tested(summary.clone());
        self.tests.observe(summary);
    }

    /// Answers a call with what the model shall read.
    pub fn answer(&mut self, id: &str, text: &str, is_error: bool) {
        let reference = self.conversation.reference(id);
        self.conversation.answer(id, text, is_error, &reference);
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
            if is_error {
                self.ledger
                    .failed(&format!("{}: {}", call.name, one_line(text, 200)));
            }
            call.state = CallState::Answered;
            call.failed = is_error;
        }
        // Words have no call on the wire that the text could answer.
        if words::is_claim(id) {
            self.words.push(if is_error {
                text.into()
            } else {
                format!("The operator answers: {text}").into()
            });
        }
        self.flush_words();
    }

    fn apply_refused(&mut self, id: &str, refused: &CallRefused) {
        if refused.by == RefusedBy::CutOff {
            self.conversation.shorten(id);
        }
        self.note_refusal(id, refused);
        let reason = refused.reason.text_or_empty();
        let native = self
            .calls
            .iter()
            .any(|call| call.id == id && call.op.is_some());
        if native && let Some(engine) = &mut self.native {
            engine.observe(id, Err(reason));
        }
        self.answer(id, reason, true);
    }

    /// Words for the model: after the results of the current step, never between a call and its result.
    fn say(&mut self, text: &str) {
        self.words.push(text.into());
        self.flush_words();
    }

    fn flush_words(&mut self) {
        if self
            .calls
            .iter()
            .all(|call| call.state == CallState::Answered)
        {
            for text in std::mem::take(&mut self.words) {
                self.conversation.push(Item::Words(text));
            }
        }
    }

    fn advance_key(&mut self, key: &EffectKey) {
        if key.step > self.step {
            // A native engine's calls are not in the journal: the engine says them again, as it did when the step began.
            self.take_native_calls();
            self.step = key.step;
            self.ordinal = 0;
        }
        if key.step == self.step {
            self.ordinal = self.ordinal.max(key.ordinal.saturating_add(1));
        }
    }

    /// The approval for one exact action, if it was asked in this step and has not been used.
    #[must_use]
    pub fn approval_for(&self, digest: ActionDigest) -> Option<(ApprovalId, &Approval)> {
        self.life
            .standing(digest)
            .find(|(_, approval)| approval.request.key.step == self.step && !approval.consumed)
    }

    /// The approval for requests to a model, by what a decision about them is bound to. It holds for the whole run.
    #[must_use]
    pub fn approval_of_model(&self, subject: ActionDigest) -> Option<(ApprovalId, &Approval)> {
        self.life.standing(subject).next()
    }

    /// How a chore of the harness came out; none while it has not, or when it was refused.
    #[must_use]
    pub fn came(&self, chore: &Chore) -> Option<&Outcome<Report>> {
        match self.harness.get(chore)? {
            Did::Came(outcome) => Some(outcome),
            Did::Refused(_) => None,
        }
    }

    /// Whether the run has, or is to have, a workspace.
    #[must_use]
    pub fn has_workspace(&self) -> bool {
        self.start
            .as_ref()
            .is_some_and(|start| start.source.is_some())
    }

    /// Whether a file that is no test by its path is part of the tests, because they alone use it.
    pub(crate) fn supports_tests(&self, path: &str) -> bool {
        self.workspace
            .survey
            .as_ref()
            .is_some_and(|survey| survey.test_support.iter().any(|support| support == path))
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
        if let Some((id, allowed)) = self.workspace.allowed.get(path)
            && change.is_within(allowed)
        {
            return Some(*id);
        }
        self.approved_whole_change()
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
                }) => *to == self.workspace.tree,
                _ => false,
            };
            (approved && whole).then_some(*id)
        })
    }

    /// True when every call of the step is answered.
    #[must_use]
    pub fn step_is_over(&self) -> bool {
        self.life.open.is_empty()
            && self
                .calls
                .iter()
                .all(|call| call.state == CallState::Answered)
    }
}

/// Gives every call of an answer an id of its own, and none that means something else: models and servers repeat ids.
fn with_own_ids(mut parts: Vec<Part>) -> Vec<Part> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for part in &mut parts {
        let Part::Call { id, .. } = part else {
            continue;
        };
        let first = if id.starts_with(RESERVED) || words::is_claim(id) {
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
