//! Installing what projects declare: what was said about it before anybody was asked, and what is there already.

use crate::describe;
use crate::state::RunState;
use keiko_contracts::action::Action;
use keiko_contracts::approval::{InstallWord, Installing};
use keiko_contracts::jail::{JailAction, JailOp, Preparation};
use keiko_contracts::said::Said;
use keiko_contracts::say;

/// What was said beforehand, if the action installs something.
pub(crate) enum Foretold {
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
pub(crate) fn said(state: &RunState, action: &Action) -> Foretold {
    let Action::Jail(JailAction { op, .. }) = action else {
        return Foretold::Nothing;
    };
    let JailOp::Prepare(prepare) = op else {
        return Foretold::Nothing;
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
        return Foretold::IsThere;
    }
    match state.start.as_ref().and_then(|start| start.install.clone()) {
        Some(word) if word.answer == Installing::No => Foretold::No(word),
        Some(word) if word.answer == Installing::Yes && covers(&word, op) => Foretold::Yes(word),
        _ => Foretold::Nothing,
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
pub(crate) fn declined(word: &InstallWord) -> Said {
    say!(
        "nothing is installed in this run ({who}, {how}).",
        who = word.by,
        how = Said::from(word.beforehand.words())
    )
}
