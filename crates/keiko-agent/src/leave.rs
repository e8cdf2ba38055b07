//! Whether the conversation of a run may go to its model: the class `model` of the risk policy.
//!
//! An alert or a question for each single request would tell a person nothing: requests follow each other without end, and
//! what is in them is not decided one by one. So both come once in a run and for one model, before the first request.

use crate::draft::{Draft, Reject};
use keiko_contracts::action::Action;
use keiko_contracts::approval::Decision;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::ApprovalId;
use keiko_contracts::run::{EndStatus, NoteKind, StartRun};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_governance::policy::{Level, Question};

/// What a request to a model may rest on.
pub(crate) enum Leave {
    /// It may be made, under this approval if one is needed.
    Given(Option<ApprovalId>),
    /// Not yet, or never: what is to be done about it has been decided.
    Withheld,
}

/// Judges a request to a model.
pub(crate) fn of_model(
    draft: &mut Draft<'_>,
    action: &Action,
    start: &StartRun,
) -> Result<Leave, Reject> {
    let Action::Model(model) = action else {
        return Ok(Leave::Given(None));
    };
    let verdict = draft.env.policy.judge(Question {
        action,
        changes_protected_test: false,
        mode: start.approval,
    });
    match verdict.level {
        Level::Run => Ok(Leave::Given(None)),
        Level::Alert => {
            // Before its first request a run with a model has taken no step.
            if draft.state.step.number == 0 {
                draft.note(
                    NoteKind::Alert,
                    say!(
                        "the conversation goes to {model} ({reason})",
                        model = model.model,
                        reason = verdict.reason
                    ),
                    false,
                );
            }
            Ok(Leave::Given(None))
        }
        Level::Forbid => {
            let why = say!(
                "the risk policy does not let this run ask a model: {reason}",
                reason = verdict.reason
            );
            let fault = Fault::new(Code::MODEL_NOT_ALLOWED, why)
                .hint("set classes.model in risk.toml to run, alert or ask");
            draft.close(EndStatus::Failed, fault.said(), Some(fault));
            Ok(Leave::Withheld)
        }
        Level::Ask => ask(draft, action, verdict.reason),
    }
}

fn ask(draft: &mut Draft<'_>, action: &Action, reason: Said) -> Result<Leave, Reject> {
    let Action::Model(model) = action else {
        return Ok(Leave::Given(None));
    };
    let subject = keiko_governance::approval::subject(action)
        .map_err(|error| Reject::Unwritable(error.to_string()))?;
    let found = draft
        .state
        .approval_of_model(subject)
        .map(|(id, approval)| (id, approval.answer.clone()));
    match found {
        None => {
            let summary = say!(
                "send the conversation of this run to {model}, for all of its requests",
                model = model.model
            );
            draft.request(action.clone(), subject, reason, summary);
            Ok(Leave::Withheld)
        }
        Some((_, None)) => Ok(Leave::Withheld),
        Some((id, Some(answer))) if answer.decision == Decision::Approved => {
            Ok(Leave::Given(Some(id)))
        }
        Some((_, Some(answer))) => {
            let why = answer
                .reason
                .as_deref()
                .map_or(String::new(), |reason| format!(": {reason}"));
            let message = say!(
                "this run may not ask {model}: {decision} by {by}{why}",
                model = model.model,
                decision = Said::from(answer.decision.word()),
                by = answer.by,
                why
            );
            let fault = Fault::new(Code::MODEL_DENIED, message).hint(say!(
                "begin a run with another model: {step}",
                step = Step::Run {
                    options: vec!["--model VENDOR/MODEL".to_owned()]
                }
            ));
            draft.close(EndStatus::Failed, fault.said(), Some(fault));
            Ok(Leave::Withheld)
        }
    }
}
