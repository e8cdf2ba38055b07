//! A decision in the making: events are applied as they are drawn up, so that what follows sees them.

use crate::ledger::one_line;
use crate::state::RunState;
use keiko_contracts::action::{Action, ActionDigest, Intent};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, Decision, InstallWord};
use keiko_contracts::code::Fault;
use keiko_contracts::id::{ApprovalId, EffectKey, RunId, TaskId, ToolName};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{Closing, EndStatus, Note, RunEvent};
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
}

impl Reject {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            Reject::AlreadyStarted => say!("the run has begun already"),
            Reject::NotStarted => say!("the run has not begun"),
            Reject::HasEnded => say!("the run has ended"),
            Reject::NotOpen(inner) => say!("no effect {key} is open", key = inner),
            Reject::Unwritable(inner) => {
                say!("an action cannot be written down: {why}", why = inner)
            }
        }
    }
}

keiko_contracts::said_is_error!(Reject);

/// The longest title that is kept, in bytes.
const TITLE_MAX: usize = 200;

/// Who asks for an effect, and what the record says about it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// The loop itself: the next model request.
    Loop,
    /// A model, by the name of a tool.
    Tool { call: &'a str, name: &'a str },
    /// A native engine or the harness, with a title for people.
    Step { call: &'a str, title: &'a str },
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
        let (step, ordinal) = (self.state.step, self.state.ordinal);
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
        asked: Asked<'_>,
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
        (action, digest): (Action, ActionDigest),
        reserve: Micros,
        asked: Asked<'_>,
        approval: Option<ApprovalId>,
    ) {
        let recovery = keiko_governance::class::recovery_of(&action);
        let (call, tool, title) = match asked {
            Asked::Loop => (None, None, None),
            Asked::Tool { call, name } => {
                (Some(call.to_owned()), name.parse::<ToolName>().ok(), None)
            }
            Asked::Step { call, title } => (
                Some(call.to_owned()),
                None,
                Some(one_line(title, TITLE_MAX)),
            ),
        };
        let epoch = self.env.epoch;
        let intent = Intent {
            key,
            action,
            digest,
            recovery,
            reserve,
            approval,
            epoch,
            call,
            tool,
            title,
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

    pub(crate) fn close(&mut self, status: EndStatus, summary: String, fault: Option<Fault>) {
        if self.state.closing.is_none() {
            self.emit(RunEvent::RunClosing(Box::new(Closing {
                status,
                summary: summary.into(),
                fault,
                report: None,
                data: None,
                inbox: None,
            })));
        }
    }

    pub(crate) fn note(&mut self, kind: &str, text: String, tell_agent: bool) {
        self.emit(RunEvent::Noted(Note {
            kind: kind.into(),
            text: text.into(),
            tell_agent,
        }));
    }
}

/// The digest of an action.
pub(crate) fn digest(action: &Action) -> Result<ActionDigest, Reject> {
    keiko_governance::approval::digest(action)
        .map_err(|error| Reject::Unwritable(error.to_string()))
}
