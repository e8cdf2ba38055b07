//! What the harness does before the first step: workspace, survey, dependencies, tests as they are.

use super::{chore, tests};
use crate::draft::{Draft, Poll, Reject};
use keiko_contracts::action::Outcome;
use keiko_contracts::asked::{Chore, Round};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::JailOp;
use keiko_contracts::run::EndStatus;

/// Pending while it is at it, and when it cannot be done: then the run is closed.
pub(crate) fn opening(draft: &mut Draft<'_>) -> Result<Poll, Reject> {
    let Some(start) = draft.state.start.clone() else {
        return Ok(Poll::Ready);
    };
    let Some(source) = start
        .source
        .clone()
        .filter(|_| draft.state.step.number == 0)
    else {
        return Ok(Poll::Ready);
    };
    if chore(draft, Chore::Open, JailOp::Open { source })?.is_pending() {
        return Ok(Poll::Pending);
    }
    if draft.state.coding.workspace.opened.is_none() {
        let fault = not_opened(draft);
        draft.close(EndStatus::Failed, fault.said(), Some(fault));
        return Ok(Poll::Pending);
    }
    if draft.state.native.is_some() {
        return Ok(Poll::Ready);
    }
    if chore(draft, Chore::Survey, JailOp::Survey)?.is_pending() {
        return Ok(Poll::Pending);
    }
    let Some(survey) = draft.state.coding.workspace.survey.clone() else {
        return Ok(Poll::Ready);
    };
    if let Some(op) = crate::tools::what_is_missing(&survey)
        && chore(draft, Chore::Prepare, op)?.is_pending()
    {
        return Ok(Poll::Pending);
    }
    tests::run(draft, &Round::Start)
}

fn not_opened(draft: &Draft<'_>) -> Fault {
    match draft.state.coding.came(&Chore::Open) {
        Some(Outcome::Failed(fault)) => fault.clone(),
        _ => Fault::new(
            Code::WORKSPACE_NOT_OPENED,
            "the workspace could not be opened",
        )
        .hint("keiko doctor"),
    }
}
