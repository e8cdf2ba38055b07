//! Words that are no claim: what the loop does about a question or an announcement that came without a call.

use crate::draft::Draft;
use crate::ending;
use crate::ledger::one_line;
use crate::state::Call;
use crate::words::{self, Kind};
use keiko_contracts::run::{EndStatus, NoteKind, RunEvent, Suspension};
use keiko_contracts::say;

/// The longest question that is put, in bytes.
const QUESTION_MAX: usize = 4 << 10;

/// How often in a row the agent may say what it is going to do, and not do it, before that is taken for its last word.
const ANNOUNCED_MAX: u32 = 2;

/// What a call that says that the goal is reached turned out to be.
pub(crate) enum Words {
    /// A claim, which is to be evaluated.
    Claim,
    /// No claim, and it has been dealt with.
    DealtWith,
}

/// Deals with words that are no claim.
pub(crate) fn deal_with(draft: &mut Draft<'_>, call: &Call) -> Words {
    let claim = ending::claim(draft, call).filter(|_| call.is_in_words());
    let Some(claim) = claim else {
        return Words::Claim;
    };
    let has_workspace = draft.state.has_workspace();
    match words::kind_of(&claim.summary, ending::changed(draft), has_workspace) {
        Kind::Question if draft.env.attended => {
            let question = words::cut(&claim.summary, QUESTION_MAX).into();
            draft.emit(RunEvent::RunSuspended(Suspension::Question {
                call: call.id.clone(),
                question,
            }));
            Words::DealtWith
        }
        // Nobody is there, and nothing was done: the question is all there is to show.
        Kind::Question if !ending::changed(draft) => {
            let shown = one_line(&claim.summary, 400);
            draft.note(
                NoteKind::Question,
                say!(
                    "the agent asked, and nobody was there to answer: {shown}",
                    shown
                ),
                false,
            );
            draft.close(EndStatus::Unverified, claim.summary, None);
            Words::DealtWith
        }
        Kind::Announcement if has_workspace && draft.state.patience.in_words <= ANNOUNCED_MAX => {
            let told = "You said what you are going to do, and did not do it: your answer held no call of a tool. Make the call now. \
                        If you are done, call `finish` with a summary.";
            draft.note(NoteKind::Words, told, true);
            Words::DealtWith
        }
        Kind::Question | Kind::Announcement | Kind::Claim => Words::Claim,
    }
}
