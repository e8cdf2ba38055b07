//! Answers that the output limit cut off. What stands in one is never carried out, even when a call happens to be whole.

use crate::draft::Draft;
use crate::state::{Call, RunState};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::run::{CallRefused, EndStatus, NoteKind, RefusedBy, StartRun};
use keiko_contracts::say;
use keiko_contracts::step::Step;

/// How many answers in a row may be cut off.
const CUT_OFF_MAX: u32 = 3;

/// By how much the limit is raised, once.
const RAISED_BY: u32 = 2;

/// The output limit of the next request, tokens: the one that was asked for, raised once after an answer was cut off.
#[must_use]
pub fn output_limit(state: &RunState, start: &StartRun) -> u32 {
    let asked = start.limits.max_output_tokens;
    let raised = if state.patience.was_cut_off {
        asked.saturating_mul(RAISED_BY)
    } else {
        asked
    };
    state.window.output(raised)
}

/// The newest answer was cut off: its calls are refused, and the agent is told; three in a row end the run.
pub(crate) fn cut_off(draft: &mut Draft<'_>, limit: u32) {
    let calls: Vec<_> = draft.state.step.calls.iter().map(Call::asked).collect();
    let Some(start) = draft.state.start.clone() else {
        return;
    };
    let next = output_limit(&draft.state, &start);
    let more = if next > limit {
        format!("You have {next} tokens from now on. ")
    } else {
        String::new()
    };
    let how = format!(
        "{more}Send less at once: write a long file in parts (write_file for the first part, then edit_file to add to it), change \
         only the lines that differ, and think more briefly."
    );
    for asked in &calls {
        let why = say!(
            "Your answer was cut off at the output limit of {limit} tokens, so nothing that stood in it was carried out. {how}",
            limit,
            how
        );
        let key = draft.next_key();
        let refused = CallRefused::new(key, asked.clone(), why, RefusedBy::CutOff);
        draft.emit(keiko_contracts::run::RunEvent::CallRefused(refused));
    }
    if draft.state.patience.cut_offs >= CUT_OFF_MAX {
        let why = say!(
            "the model's answer was cut off at the output limit {n} times in a row, last at {limit} tokens",
            n = CUT_OFF_MAX,
            limit
        );
        let hint = say!(
            "allow longer answers: {step}, or choose another model",
            step = Step::set("run.max_output_tokens", limit.saturating_mul(2))
        );
        let fault = Fault::new(Code::CUT_OFF, why).hint(hint);
        draft.close(EndStatus::Failed, fault.said(), Some(fault));
    } else if calls.is_empty() {
        draft.note(
            NoteKind::Limit,
            say!(
                "Your answer was cut off at the output limit of {limit} tokens. {how}",
                limit,
                how
            ),
            true,
        );
    }
}
