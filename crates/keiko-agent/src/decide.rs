//! The loop: what follows from what has happened. Pure: the same state, environment and input give the same events.

use crate::calls::Next;
pub use crate::draft::Reject;
use crate::draft::{Draft, Poll};
use crate::ending::Weakened;
use crate::guard::Circles;
use crate::harness::opening::opening;
use crate::harness::tests;
use crate::leave::{self, Leave};
use crate::native::NativeStep;
use crate::prompt;
use crate::state::{CallState, RunState};
use crate::unsaid::{self, Words};
use crate::{calls, conversation, cutoff, definition, ending};
use keiko_contracts::action::{Action, ModelAction, Outcome, Report};
use keiko_contracts::approval::{ApprovalAnswer, Decision};
use keiko_contracts::asked::{Asked, Chore};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::EffectKey;
use keiko_contracts::jail::{JailAction, JailOp};
use keiko_contracts::journal::Seq;
use keiko_contracts::model::{Stop, Window};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{
    CallAnswered, Closing, Compacted, EndStatus, Ended, InboxMessage, NoteKind, Resumed, RunEvent,
    RunTerms, StartRun, Steered, StepBegun, Suspension,
};
use keiko_contracts::say;
use keiko_contracts::say_count;
use keiko_contracts::step::{More, OfRun, Step};
use keiko_governance::core::{self, Env};
use std::sync::Arc;

/// The fewest tokens that an answer may be limited to for want of money.
const USEFUL: u32 = 1_024;

/// The fewest bytes that are shown of a result in a small window.
const PIECE_MIN: u64 = 800;

/// How many results that were cut the ledger names, the newest.
const CUT_SHOWN: usize = 16;
/// How often the loop turns on one input, at most. Each turn draws up an event.
const TURNS_MAX: usize = 10_000;

/// What happened.
pub type Input = core::Input<RunState>;

/// Events to commit, and the state once they are.
pub type Decided = core::Decided<RunState>;

/// Decides what follows from an input. Nothing may act on it before its events are committed.
///
/// # Errors
/// [`Reject`] when the input makes no sense here.
pub fn decide(state: &RunState, env: &Env<'_>, input: Input) -> Result<Decided, Reject> {
    let mut draft = Draft {
        state: state.clone(),
        env: *env,
        events: Vec::new(),
    };
    draft.take(input)?;
    Ok(Decided {
        events: draft.events,
        at: env.now,
        next: draft.state,
    })
}

impl Draft<'_> {
    fn take(&mut self, input: Input) -> Result<(), Reject> {
        if self.state.ended.is_some() {
            return Err(Reject::HasEnded);
        }
        match (&self.state.start, &input) {
            (Some(_), Input::Start(_)) => return Err(Reject::AlreadyStarted),
            (None, Input::Start(_)) | (Some(_), _) => {}
            (None, _) => return Err(Reject::NotStarted),
        }
        match input {
            Input::Start(mut start) => {
                start.definition = Some(definition::digest(&self.state.setup, &start));
                self.emit(RunEvent::RunStarted(start));
                let by = "start".to_owned();
                self.emit(RunEvent::RunResumed(Resumed {
                    by,
                    epoch: self.env.epoch,
                    limits: None,
                    install: None,
                    definition: None,
                }));
            }
            Input::Resume { by, terms, heard } => self.resume(by, terms, heard),
            Input::Restore { key } => return self.restore(&key),
            Input::Ended(ended) => self.take_ended(*ended)?,
            Input::EndedLate(ended) => return self.take_ended(*ended),
            Input::Inbox { seq, message } => self.take_message(seq, message),
            Input::Suspend => return self.suspend(),
            Input::Stopped { by } => {
                // What it waits for already says more, and an answer to that must find its question.
                if self.state.life.waiting.is_none() {
                    let inbox = self.state.life.inbox;
                    self.emit(RunEvent::RunSuspended(Suspension::Stopped { by, inbox }));
                }
                return Ok(());
            }
            Input::Parked { run } => {
                if self.state.life.waiting.is_none() {
                    self.emit(RunEvent::RunSuspended(Suspension::Child { run }));
                }
                return Ok(());
            }
            Input::Killed { reason } => {
                self.emit(RunEvent::RunSuspended(Suspension::Killed { reason }));
                return Ok(());
            }
            Input::Found { call, text } => calls::found(self, &call, &text),
            Input::Tick => {
                // In the middle of a step too: what runs is cancelled by the driver, which sees that the run waits.
                if let Some(fault) = self.time_limit() {
                    self.emit(RunEvent::RunSuspended(Suspension::Limit { fault }));
                    return Ok(());
                }
            }
        }
        self.advance()
    }

    /// A process takes the run up.
    fn resume(&mut self, by: String, terms: RunTerms, heard: Vec<(Seq, InboxMessage)>) {
        // Before the word that it goes on: an answer belongs to the question that the run still waits with.
        for (seq, message) in heard {
            self.take_message(seq, message);
        }
        let (was, is) = self.definitions();
        self.emit(RunEvent::RunResumed(Resumed {
            by,
            epoch: self.env.epoch,
            limits: terms.limits,
            install: terms.install,
            definition: is.filter(|_| was != is),
        }));
        if was.is_some() && was != is {
            self.note(NoteKind::Definition, definition::ANOTHER, false);
        }
    }

    /// What the agent was, as far as it was recorded, and what it is.
    fn definitions(&self) -> (Option<Digest>, Option<Digest>) {
        let start = self.state.start.as_deref();
        let is = start.map(|start| definition::digest(&self.state.setup, start));
        (start.and_then(|start| start.definition), is)
    }

    fn take_ended(&mut self, ended: Ended) -> Result<(), Reject> {
        let Some(intent) = self.state.life.open.get(&ended.key).cloned() else {
            return Err(Reject::NotOpen(ended.key));
        };
        let outcome = ended.outcome.clone();
        self.emit(RunEvent::EffectEnded(Box::new(ended)));
        match (&intent.action, &outcome) {
            (Action::Model(model), outcome) => self.after_model(outcome, model.max_output_tokens),
            (_, Outcome::Unknown { why }) => {
                self.emit(RunEvent::RunSuspended(Suspension::Unknown {
                    key: intent.key.clone(),
                    why: why.clone(),
                }));
            }
            // Nothing that is left to do, and nothing that was shown so far, means anything without it.
            (Action::Jail(_), Outcome::Failed(fault)) if fault.code == Code::WORKSPACE_GONE => {
                self.close(EndStatus::Failed, fault.said(), Some(fault.clone()));
                return Ok(());
            }
            _ => {}
        }
        tests::observe(self, &intent);
        Ok(())
    }

    fn after_model(&mut self, outcome: &Outcome<Report>, limit: u32) {
        match outcome {
            // What the run waits for already says more.
            Outcome::Failed(_) if self.state.life.waiting.is_some() => {}
            // It is asked again, smaller.
            Outcome::Failed(fault) if fault.window.is_some() && self.state.window.may_shrink() => {}
            Outcome::Failed(fault) => self.emit(RunEvent::RunSuspended(Suspension::Unavailable {
                fault: fault.clone(),
            })),
            Outcome::Cancelled | Outcome::Unknown { .. } => {}
            Outcome::Done(report) => {
                let Report::Model(report) = report else {
                    return;
                };
                match report.stop {
                    Stop::Refusal | Stop::ContentFilter => {
                        let what = if report.stop == Stop::Refusal {
                            "the model declines this goal"
                        } else {
                            "the vendor's filter stopped the answer"
                        };
                        self.close(EndStatus::Refused, what, None);
                    }
                    Stop::MaxTokens => cutoff::cut_off(self, limit),
                    _ if self.state.step.calls.is_empty() => {
                        ending::answer_without_calls(self, report)
                    }
                    _ => {}
                }
            }
        }
    }

    fn take_message(&mut self, seq: Seq, message: InboxMessage) {
        if seq <= self.state.life.inbox {
            return;
        }
        match message {
            InboxMessage::Words { by, text } => {
                let asked =
                    if let Some(Suspension::Question { call, .. }) = &self.state.life.waiting {
                        Some(call.clone())
                    } else {
                        None
                    };
                self.emit(RunEvent::Steered(Steered {
                    by,
                    text: text.clone(),
                    inbox: Some(seq),
                }));
                if let Some(asks) = asked {
                    let mut open = self
                        .state
                        .step
                        .calls
                        .iter()
                        .filter(|call| call.state != CallState::Answered);
                    if let Some(call) = open.find(|call| asks.is_empty() || call.id == asks) {
                        let (id, key) = (call.id.clone(), self.next_key());
                        self.emit(RunEvent::CallAnswered(CallAnswered {
                            key,
                            call: id,
                            text,
                            is_error: false,
                        }));
                    }
                }
            }
            InboxMessage::Approval(answer) => {
                let answer = ApprovalAnswer {
                    inbox: Some(seq),
                    ..answer
                };
                if let Some(answer) =
                    self.state
                        .life
                        .judge_answer(answer, self.env.now, self.env.epoch)
                {
                    self.emit(RunEvent::ApprovalResolved(answer));
                }
            }
            InboxMessage::Stop { by } => self.emit(RunEvent::RunSuspended(Suspension::Stopped {
                by,
                inbox: seq,
            })),
            InboxMessage::Cancel { by, reason } if self.state.closing.is_none() => {
                let summary = say!("Cancelled by {by}: {reason}", by, reason);
                let (status, inbox) = (EndStatus::Cancelled, Some(seq));
                self.emit(RunEvent::RunClosing(Box::new(Closing {
                    status,
                    summary: summary.to_string().into(),
                    said: summary.with_values(),
                    fault: None,
                    report: None,
                    data: None,
                    inbox,
                })));
            }
            InboxMessage::Cancel { .. } => {}
        }
    }

    /// Intends to put the workspace back to the tree that an open effect began with.
    fn restore(&mut self, key: &EffectKey) -> Result<(), Reject> {
        let Some(intent) = self.state.life.open.get(key).cloned() else {
            return Err(Reject::NotOpen(key.clone()));
        };
        let Action::Jail(JailAction {
            workspace,
            tree: Some(tree),
            ..
        }) = &intent.action
        else {
            return Ok(());
        };
        let chore = Chore::Restore {
            at: self.state.life.head.0,
            key: key.clone(),
        };
        let action = Action::Jail(JailAction {
            workspace: *workspace,
            op: JailOp::Restore { tree: tree.clone() },
            tree: None,
        });
        self.intend(
            self.next_key(),
            action,
            Micros::ZERO,
            Asked::Harness(chore),
            None,
        )
    }

    fn suspend(&mut self) -> Result<(), Reject> {
        let open = self.state.life.open_approvals().count() as u32;
        if self.state.life.waiting.is_none() && open > 0 {
            self.emit(RunEvent::RunSuspended(Suspension::Approval { open }));
        }
        Ok(())
    }

    /// Goes on as far as it can without waiting for anything outside.
    fn advance(&mut self) -> Result<(), Reject> {
        self.expire();
        for _ in 0..TURNS_MAX {
            let before = self.events.len();
            self.once()?;
            if self.events.len() == before || self.state.ended.is_some() {
                return Ok(());
            }
        }
        Err(Reject::Endless(TURNS_MAX))
    }

    /// What nobody answered in time is decided.
    fn expire(&mut self) {
        if self.state.closing.is_some()
            || self
                .state
                .life
                .expires_at()
                .is_none_or(|at| self.env.now <= at)
        {
            return;
        }
        let late = self
            .state
            .life
            .open_approvals()
            .filter(|approval| approval.request.is_late(self.env.now));
        let late: Vec<_> = late
            .map(|approval| (approval.request.id, approval.request.digest))
            .collect();
        for (id, digest) in late {
            self.resolve(id, digest, Decision::Expired, "nobody");
        }
    }

    fn once(&mut self) -> Result<(), Reject> {
        if self.state.life.waiting.is_some() || self.state.ended.is_some() {
            return Ok(());
        }
        if self.state.closing.is_some() {
            return if self.state.life.open.is_empty() {
                ending::finish(self)
            } else {
                Ok(())
            };
        }
        if !self.state.step_is_over() {
            return self.proceed();
        }
        if opening(self)?.is_pending() {
            return Ok(());
        }
        self.next_step()
    }

    fn proceed(&mut self) -> Result<(), Reject> {
        match calls::proceed(self)? {
            Next::Nothing => Ok(()),
            Next::Claim(call) => match unsaid::deal_with(self, &call) {
                Words::DealtWith => Ok(()),
                Words::Claim => ending::evaluate(self, &call),
            },
        }
    }

    fn next_step(&mut self) -> Result<(), Reject> {
        let Some(start) = self.state.start.clone() else {
            return Ok(());
        };
        if let Some(fault) = self.limit(&start) {
            self.emit(RunEvent::RunSuspended(Suspension::Limit { fault }));
            return Ok(());
        }
        if self.state.native.is_some() {
            return self.native_step();
        }
        if self.goes_in_circles().is_pending() || self.compact(&start).is_pending() {
            return Ok(());
        }
        self.ask_model(&start)
    }

    fn limit(&self, start: &StartRun) -> Option<Fault> {
        let run = start.run;
        // A request that is asked again belongs to a step that has begun.
        if self.state.step.number >= start.limits.max_steps && !self.state.step.asks_again {
            let more = Some(More::Steps(start.limits.max_steps * 2));
            let hint = say!(
                "give it more: {step}",
                step = Step::Resume {
                    run: Some(run),
                    more
                }
            );
            return Some(
                Fault::new(
                    Code::STEPS_USED_UP,
                    say_count!(
                        start.limits.max_steps,
                        "the limit of {n} step is reached",
                        "the limit of {n} steps is reached"
                    ),
                )
                .hint(hint),
            );
        }
        self.time_limit()
    }

    fn time_limit(&self) -> Option<Fault> {
        let start = self.state.start.as_ref()?;
        self.state
            .time_is_up_at()
            .filter(|at| self.env.now >= *at)
            .map(|_| {
                Fault::new(
                    Code::TIME_USED_UP,
                    say!(
                        "the time limit of {n} s is reached",
                        n = start.limits.max_seconds
                    ),
                )
                .hint(say!("{step} goes on", step = Step::resume(start.run)))
            })
    }

    fn native_step(&mut self) -> Result<(), Reject> {
        let Some(step) = self.state.native.as_ref().map(|engine| engine.next()) else {
            return Ok(());
        };
        match step {
            NativeStep::Finish(finish) => {
                match ending::weakened_tests(self)? {
                    None => {}
                    Some(Weakened::Wait) => return Ok(()),
                    Some(Weakened::Denied(paths) | Weakened::Suspected(paths)) => {
                        let why = say!(
                            "the result changes existing tests, which is not allowed: {tests}",
                            tests = paths
                        );
                        let fault = Fault::new(Code::TESTS_CHANGED, why)
                            .hint(Step::of_run(OfRun::Diff, self.next_key().run));
                        self.close(EndStatus::Failed, finish.summary, Some(fault));
                        return Ok(());
                    }
                }
                if let Some((first, last)) = finish.tests {
                    self.emit(RunEvent::TestsObserved(Box::new(first)));
                    self.emit(RunEvent::TestsObserved(Box::new(last)));
                }
                let closing = Closing {
                    status: finish.status,
                    summary: finish.summary.to_string().into(),
                    said: finish.summary.with_values(),
                    fault: None,
                    report: Some(finish.report),
                    data: finish.data,
                    inbox: None,
                };
                self.emit(RunEvent::RunClosing(Box::new(closing)));
                Ok(())
            }
            NativeStep::Act(_) => {
                let step = self.state.step.number + 1;
                self.emit(RunEvent::StepBegun(StepBegun { step }));
                self.proceed()
            }
        }
    }

    /// Answer after answer brings nothing new: the agent is told once, then the run ends. Pending when it
    /// does.
    fn goes_in_circles(&mut self) -> Poll {
        match self.state.patience.guard.circles() {
            Circles::No => Poll::Ready,
            Circles::Tell => {
                let told = "Your last three answers came to the same and changed nothing. Doing it again will not help: take another way, \
                            ask the operator, or call `finish` and say what is missing.";
                self.note(NoteKind::Loop, told, true);
                Poll::Ready
            }
            Circles::End(answers) => {
                let why = say!(
                    "the model went in circles: {n} answers in a row came to the same and changed nothing",
                    n = answers
                );
                let hint = say!(
                    "see what it tried: {events}; another model may do better: {models}",
                    events = Step::OfRun {
                        what: OfRun::Events,
                        run: None
                    },
                    models = Step::Models
                );
                let fault = Fault::new(Code::IN_CIRCLES, why).hint(hint);
                self.close(EndStatus::Failed, fault.said(), Some(fault));
                Poll::Pending
            }
        }
    }

    /// Lets older steps go when the request is longer than the model is given, or can hold. Pending when it cannot hold even
    /// what never goes: then the run waits for a larger one.
    fn compact(&mut self, start: &StartRun) -> Poll {
        let limit = self
            .state
            .window
            .room(&start.limits, cutoff::output_limit(&self.state, start));
        let total = prompt::estimate(&self.state, start);
        let head = total - self.state.talk.conversation.tokens();
        if let Some(needed) = self.state.window.missing(&start.limits, head) {
            self.too_small(start, head, needed);
            return Poll::Pending;
        }
        if total <= limit {
            return Poll::Ready;
        }
        let from = self
            .state
            .talk
            .conversation
            .keep_from((limit / 2).saturating_sub(head));
        let (kept, results) = self.state.talk.conversation.weight_from(from);
        // What is left is one step: its results are shown in part.
        let piece_max = (head + kept > limit && results > 0).then(|| {
            let each = limit.saturating_sub(head) * 4 / 2 / results as u64;
            u32::try_from(each.clamp(PIECE_MIN, conversation::PIECE_MAX as u64)).unwrap_or(u32::MAX)
        });
        if from > self.state.talk.conversation.first() || piece_max.is_some() {
            let approvals: Vec<String> = self
                .state
                .life
                .open_approvals()
                .map(|approval| approval.request.summary.to_string())
                .collect();
            let cut = self
                .state
                .talk
                .conversation
                .cut_before(from)
                .take(CUT_SHOWN);
            let cut: Vec<String> = cut
                .map(|(reference, left)| {
                    format!("{reference} ({}, {} bytes)", left.tool, left.bytes)
                })
                .collect();
            let ledger = self
                .state
                .talk
                .ledger
                .render(&approvals, &cut, self.state.step.number);
            self.emit(RunEvent::ContextCompacted(Compacted {
                from_item: from,
                ledger: ledger.into(),
                piece_max,
            }));
        }
        Poll::Ready
    }

    /// The context does not hold the rules, the tools and the workspace: that is said before anything is sent.
    fn too_small(&mut self, start: &StartRun, head: u64, needed: u32) {
        let holds = self.state.window.holds(&start.limits);
        let model = start
            .model
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        let why = say!(
            "the context of {model} holds {n} tokens, and this run needs {needed}: its rules and tools alone take {head}",
            model,
            n = holds,
            needed,
            head
        );
        let hint = say!(
            "load it with a context of {n} tokens or more (Ollama: OLLAMA_CONTEXT_LENGTH), then: {probe}; {resume}",
            n = needed,
            probe = Step::probe(&model),
            resume = Step::resume(start.run)
        );
        let window = Window {
            context: Some(needed),
            ..Window::default()
        };
        let fault = Fault::new(Code::CONTEXT_TOO_SMALL, why)
            .hint(hint)
            .window(window);
        self.emit(RunEvent::RunSuspended(Suspension::Limit { fault }));
    }

    /// How much may be written for the money that is left, and what that costs at most. When it is too little to be of use,
    /// the run waits, and says what would be enough.
    fn afford(&mut self, start: &StartRun, tokens: u64) -> Option<(u32, Micros)> {
        let wanted = cutoff::output_limit(&self.state, start);
        // The estimate may be short: a quarter is added so that the reservation covers the bill.
        let price = |output: u32| {
            self.env.price.map_or(Micros::ZERO, |price| {
                price.at_most(tokens + tokens / 4, output.into())
            })
        };
        let whole = price(wanted);
        let Err(exhausted) = self.state.life.budget.check(whole) else {
            return Some((wanted, whole));
        };
        // Of the whole limit as many steps are tried as it takes to halve it down to what is of use.
        let fits = (1..=8)
            .map(|halved| wanted >> halved)
            .find(|output| *output >= USEFUL && price(*output) <= exhausted.left);
        if let Some(output) = fits {
            return Some((output, price(output)));
        }
        let least = exhausted
            .limit
            .minus(exhausted.left)
            .plus(price(wanted.min(USEFUL)));
        let step = Step::Resume {
            run: Some(start.run),
            more: Some(More::Budget(least)),
        };
        let hint = say!("the least that the next step can do with: {step}", step);
        let fault = Fault::new(Code::BUDGET_USED_UP, exhausted.said()).hint(hint);
        self.emit(RunEvent::RunSuspended(Suspension::Limit { fault }));
        None
    }

    fn ask_model(&mut self, start: &Arc<StartRun>) -> Result<(), Reject> {
        let Some(model) = start.model.clone() else {
            let fault = Fault::new(
                Code::NO_MODEL,
                "this agent needs a model and none is configured",
            )
            .hint(Step::Models);
            self.close(EndStatus::Failed, fault.said(), Some(fault));
            return Ok(());
        };
        let tokens = prompt::estimate(&self.state, start);
        let Some((max_output_tokens, reserve)) = self.afford(start, tokens) else {
            return Ok(());
        };
        let action = Action::Model(ModelAction {
            model,
            from_item: self.state.talk.conversation.first(),
            to_item: self.state.talk.conversation.end(),
            request: prompt::digest(&self.state, start),
            max_output_tokens,
            estimate: u32::try_from(tokens).unwrap_or(u32::MAX),
        });
        let Leave::Given(approval) = leave::of_model(self, &action, start)? else {
            return Ok(());
        };
        // A request that failed is asked again in the same step, at its next place.
        let again = self.state.step.asks_again;
        let key = EffectKey {
            run: start.run,
            task: start.task(),
            attempt: start.attempt(),
            step: if again {
                self.state.step.number
            } else {
                self.state.step.number + 1
            },
            ordinal: if again { self.state.step.ordinal } else { 0 },
        };
        self.intend(key, action, reserve, Asked::Loop, approval)
    }
}
