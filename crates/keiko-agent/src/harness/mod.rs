//! What the harness does of its own accord for a run with a workspace: it opens and looks over ([`opening`]), runs the tests
//! and reads them ([`tests`]), and takes the change out again to see them fail ([`backwards`]). Ordinary actions, judged
//! like any other, each done once.

pub(crate) mod backwards;
pub(crate) mod opening;
pub(crate) mod tests;

use crate::draft::{Draft, Poll, Reject};
use crate::judge;
use keiko_contracts::action::Action;
use keiko_contracts::asked::{Asked, Chore};
use keiko_contracts::jail::{JailAction, JailOp};

/// Does one thing for the harness itself, once. Ready when it is done, or was refused.
pub(crate) fn chore(draft: &mut Draft<'_>, chore: Chore, op: JailOp) -> Result<Poll, Reject> {
    if draft.state.coding.did(&chore) {
        return Ok(Poll::Ready);
    }
    let mut open = draft.state.life.open.values();
    if open.any(|intent| intent.asked.chore() == Some(&chore)) {
        return Ok(Poll::Pending);
    }
    let action = jail(draft, op);
    let asked = Asked::Harness(chore.clone());
    // Started it is not done; it is over with at once only when it was refused.
    let _ = judge::start(draft, &asked, action)?;
    Ok(Poll::ready_if(draft.state.coding.did(&chore)))
}

/// An operation in the run's workspace, tied to its tree as it is now.
pub(crate) fn jail(draft: &Draft<'_>, op: JailOp) -> Action {
    Action::Jail(JailAction {
        workspace: draft.next_key().run,
        op,
        tree: draft.state.coding.workspace.tree.clone(),
    })
}
