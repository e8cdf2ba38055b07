//! What was said about installing packages before a run asks: on the command line, remembered for the repository, or in
//! the configuration; the first of them counts.

use super::operator;
use crate::cli::{Install, InstallArgs};
use crate::memory::{Memory, Remembered};
use crate::view::question;
use crate::wiring::Keiko;
use keiko_contracts::approval::{ApprovalRequest, Beforehand, Decision, InstallWord, Installing};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::Source;
use keiko_ports::shell::{Clock as _, SystemClock};

/// For a run on this folder. A question that is wanted is no word, but takes an earlier one back.
pub(crate) fn word(
    keiko: &Keiko,
    args: &InstallArgs,
    source: Option<&Source>,
) -> Option<InstallWord> {
    let said = |answer, beforehand| InstallWord {
        answer,
        by: operator(),
        beforehand,
        registries: None,
    };
    if let Some(flag) = args.install {
        let answer = match flag {
            Install::Yes => Installing::Yes,
            Install::Ask => Installing::Ask,
            Install::No => Installing::No,
        };
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
    args: &InstallArgs,
    source: Option<&Source>,
) -> Option<InstallWord> {
    word(keiko, args, source).filter(|word| word.answer != Installing::Ask)
}

/// What is to be remembered of an answer about installing.
///
/// # Errors
/// KEI-2110 when it is about something else, or the run has no folder.
pub(crate) fn to_remember(
    request: &ApprovalRequest,
    decision: Decision,
    source: Option<&Source>,
) -> Result<Remembered, Fault> {
    let Some(Source::Folder { path, .. }) =
        source.filter(|_| question::is_install(&request.action))
    else {
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
        operator(),
        SystemClock.now(),
        question::registries(&request.action),
    ))
}
