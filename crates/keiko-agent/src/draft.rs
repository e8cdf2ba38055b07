//! A decision in the making: events are applied as they are drawn up, so that what follows sees them.

use crate::state::RunState;
use keiko_contracts::action::{Action, ActionDigest, Intent};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, Decision, InstallWord};
use keiko_contracts::asked::Asked;
use keiko_contracts::code::Fault;
use keiko_contracts::id::{ApprovalId, EffectKey, RunId, TaskId};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{Closing, EndStatus, Note, NoteKind, RunEvent};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_governance::core::Env;
use keiko_governance::life::Stamp;

/// An input that makes no sense in this state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reject {
    /// The run has begun already.
    AlreadyStarted,
    /// The run has not begun.
    NotStarted,
    /// The run has ended.
    HasEnded,
    /// No such effect is open.
    NotOpen(EffectKey),
    /// An action cannot be written down.
    Unwritable(String),
    /// It would go on without end: so many turns, and nothing to wait for. The driver tells it as KEI-9002.
    Endless(usize),
}

impl Reject {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Reject::AlreadyStarted => say!("the run has begun already"),
            Reject::NotStarted => say!("the run has not begun"),
            Reject::HasEnded => say!("the run has ended"),
            Reject::NotOpen(key) => say!("no effect {key} is open", key),
            Reject::Unwritable(why) => say!("an action cannot be written down: {why}", why),
            Reject::Endless(n) => say!(
                "it decides without end: {turns} turns, and nothing to wait for",
                turns = n
            ),
        }
    }
}

keiko_contracts::said_is_error!(Reject);

/// Whether something is over with, so that what comes after it may be looked at.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poll {
    /// It is.
    Ready,
    /// It is under way, or waits, or the run is about to end: nothing may follow now.
    Pending,
}

impl Poll {
    pub(crate) fn is_pending(self) -> bool {
        self == Poll::Pending
    }

    pub(crate) fn ready_if(is_over: bool) -> Poll {
        if is_over { Poll::Ready } else { Poll::Pending }
    }
}

/// A decision in the making: events are applied as they are drawn up, so that what follows sees them.
pub(crate) struct Draft<'a> {
    pub(crate) state: RunState,
    pub(crate) env: Env<'a>,
    pub(crate) events: Vec<RunEvent>,
}

impl Draft<'_> {
    pub(crate) fn emit(&mut self, event: RunEvent) {
        let stamp = Stamp {
            at: self.env.now,
            ..Stamp::default()
        };
        self.state.apply(&stamp, &event);
        self.events.push(event);
    }

    pub(crate) fn next_key(&self) -> EffectKey {
        let (step, ordinal) = (self.state.step.number, self.state.step.ordinal);
        match &self.state.start {
            Some(start) => EffectKey {
                run: start.run,
                task: start.task(),
                attempt: start.attempt(),
                step,
                ordinal,
            },
            None => EffectKey {
                run: RunId::from_bytes([0; 10]),
                task: TaskId::main(),
                attempt: 1,
                step,
                ordinal,
            },
        }
    }

    pub(crate) fn intend(
        &mut self,
        key: EffectKey,
        action: Action,
        reserve: Micros,
        asked: Asked,
        approval: Option<ApprovalId>,
    ) -> Result<(), Reject> {
        let digest = digest(&action)?;
        self.intend_judged(key, (action, digest), reserve, asked, approval);
        Ok(())
    }

    /// Intends an action whose digest is known.
    pub(crate) fn intend_judged(
        &mut self,
        key: EffectKey,
        judged: (Action, ActionDigest),
        reserve: Micros,
        asked: Asked,
        approval: Option<ApprovalId>,
    ) {
        let intent = Intent {
            reserve,
            approval,
            ..keiko_governance::intent::judged(key, judged, asked, self.env.epoch)
        };
        self.emit(RunEvent::EffectIntended(Box::new(intent)));
    }

    /// Resolves an approval without a person.
    pub(crate) fn resolve(
        &mut self,
        id: ApprovalId,
        digest: ActionDigest,
        decision: Decision,
        by: &str,
    ) {
        let answer = ApprovalAnswer {
            id,
            digest,
            decision,
            by: by.into(),
            epoch: self.env.epoch,
            reason: None,
            beforehand: None,
            inbox: None,
        };
        self.emit(RunEvent::ApprovalResolved(answer));
    }

    /// Resolves an approval by what a person said before it was asked.
    pub(crate) fn answer_beforehand(
        &mut self,
        id: ApprovalId,
        digest: ActionDigest,
        word: InstallWord,
    ) {
        let (epoch, beforehand) = (self.env.epoch, Some(word.beforehand));
        let answer = ApprovalAnswer {
            id,
            digest,
            decision: Decision::Approved,
            by: word.by,
            epoch,
            reason: None,
            beforehand,
            inbox: None,
        };
        self.emit(RunEvent::ApprovalResolved(answer));
    }

    /// Asks a person. `subject` is what the decision is bound to.
    pub(crate) fn request(
        &mut self,
        action: Action,
        subject: ActionDigest,
        reason: Said,
        summary: Said,
    ) -> ApprovalId {
        let key = self.next_key();
        let id = keiko_governance::approval::approval_id(&key, subject);
        let hours = u64::from(self.env.policy.approval_expires_hours);
        self.emit(RunEvent::ApprovalRequested(Box::new(ApprovalRequest {
            id,
            key,
            action,
            digest: subject,
            reason,
            summary,
            expires: Some(self.env.now.plus_ms(hours * 3_600_000)),
        })));
        id
    }

    pub(crate) fn close(
        &mut self,
        status: EndStatus,
        summary: impl Into<Said>,
        fault: Option<Fault>,
    ) {
        let summary = summary.into();
        if self.state.closing.is_none() {
            self.emit(RunEvent::RunClosing(Box::new(Closing {
                status,
                summary: summary.to_string().into(),
                said: summary.with_values(),
                fault,
                report: None,
                data: None,
                inbox: None,
            })));
        }
    }

    pub(crate) fn note(&mut self, kind: NoteKind, note: impl Into<Said>, tell_agent: bool) {
        self.emit(RunEvent::Noted(Note::new(kind, note, tell_agent)));
    }
}

/// The digest of an action.
pub(crate) fn digest(action: &Action) -> Result<ActionDigest, Reject> {
    keiko_governance::approval::digest(action)
        .map_err(|error| Reject::Unwritable(error.to_string()))
}
