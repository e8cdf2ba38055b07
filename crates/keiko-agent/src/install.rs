//! Installing what projects declare: what was said about it before anybody was asked, and what is there already.

use crate::describe;
use crate::state::RunState;
use keiko_contracts::action::Action;
use keiko_contracts::approval::{InstallWord, Installing};
use keiko_contracts::jail::{JailAction, JailOp, Preparation};

/// What was said beforehand, if the action installs something.
pub(crate) enum Said {
    /// Nothing that counts here: as the policy says.
    Nothing,
    /// These very declarations have been installed, in this run or before.
    IsThere,
    /// Yes.
    Yes(InstallWord),
    /// No.
    No(InstallWord),
}

/// What holds for an action.
pub(crate) fn said(state: &RunState, action: &Action) -> Said {
    let Action::Jail(JailAction { op, .. }) = action else {
        return Said::Nothing;
    };
    let JailOp::Prepare(prepare) = op else {
        return Said::Nothing;
    };
    let is_there = |set: &Preparation| {
        set.cached
            || state
                .coding
                .workspace
                .installed
                .contains(&describe::declared(set))
    };
    if prepare.sets.iter().all(is_there) {
        return Said::IsThere;
    }
    match state.start.as_ref().and_then(|start| start.install.clone()) {
        Some(word) if word.answer == Installing::No => Said::No(word),
        Some(word) if word.answer == Installing::Yes && covers(&word, op) => Said::Yes(word),
        _ => Said::Nothing,
    }
}

/// A yes that is bound to registries holds for no other.
fn covers(word: &InstallWord, op: &JailOp) -> bool {
    word.registries.as_ref().is_none_or(|allowed| {
        describe::registries(op)
            .iter()
            .all(|registry| allowed.contains(registry))
    })
}

/// Why nothing is installed.
pub(crate) fn declined(word: &InstallWord) -> String {
    format!(
        "nothing is installed in this run ({}, {})",
        word.by,
        word.beforehand.words()
    )
}
