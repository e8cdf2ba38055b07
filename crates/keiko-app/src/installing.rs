//! What was said about installing packages before a run asks: on the command line, remembered for the repository, or in
//! the configuration; the first of them counts.

use crate::memory::{Memory, Remembered};
use crate::wiring::Keiko;
use keiko_agent::describe;
use keiko_contracts::action::Action;
use keiko_contracts::approval::{ApprovalRequest, Beforehand, Decision, InstallWord, Installing};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::{JailOp, Source};
use keiko_ports::shell::{Clock as _, SystemClock};

/// The action installs packages.
#[must_use]
pub fn is_install(action: &Action) -> bool {
    matches!(action, Action::Jail(jail) if matches!(jail.op, JailOp::Prepare { .. }))
}

/// The registries that it would install from.
#[must_use]
pub fn registries(action: &Action) -> Vec<String> {
    match action {
        Action::Jail(jail) => describe::registries(&jail.op),
        _ => Vec::new(),
    }
}

/// For a run on this folder. A question that is wanted is no word, but takes an earlier one back.
pub(crate) fn word(
    keiko: &Keiko,
    asked: Option<Installing>,
    by: &str,
    source: Option<&Source>,
) -> Option<InstallWord> {
    let said = |answer, beforehand| InstallWord {
        answer,
        by: by.to_owned(),
        beforehand,
        registries: None,
    };
    if let Some(answer) = asked {
        return Some(said(answer, Beforehand::Flag));
    }
    let remembered = match source {
        Some(Source::Folder { path, .. }) => Memory::below(&keiko.home.data).about(path),
        _ => None,
    };
    let configured = Some(keiko.config.run.install).filter(|answer| *answer != Installing::Ask);
    remembered
        .map(|known| known.word())
        .or_else(|| configured.map(|answer| said(answer, Beforehand::Configuration)))
}

/// For the start of a run.
pub(crate) fn at_start(
    keiko: &Keiko,
    asked: Option<Installing>,
    by: &str,
    source: Option<&Source>,
) -> Option<InstallWord> {
    word(keiko, asked, by, source).filter(|word| word.answer != Installing::Ask)
}

/// What is to be remembered of an answer about installing.
///
/// # Errors
/// KEI-2110 when it is about something else, or the run has no folder.
pub(crate) fn to_remember(
    request: &ApprovalRequest,
    decision: Decision,
    by: &str,
    source: Option<&Source>,
) -> Result<Remembered, Fault> {
    let Some(Source::Folder { path, .. }) = source.filter(|_| is_install(&request.action)) else {
        return Err(Fault::new(
            Code::NOT_TO_BE_REMEMBERED,
            "only an answer about installing packages can be remembered",
        )
        .at(request.id)
        .hint("without --remember it counts once"));
    };
    let answer = if decision == Decision::Approved {
        Installing::Yes
    } else {
        Installing::No
    };
    Ok(Remembered::install(
        path,
        answer,
        by.to_owned(),
        SystemClock.now(),
        registries(&request.action),
    ))
}
