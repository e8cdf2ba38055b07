//! What a person is asked, in words: what would happen, and on request the whole of it.

use super::Output;
use keiko_agent::describe;
use keiko_contracts::action::Action;
use keiko_contracts::approval::ApprovalRequest;
use keiko_contracts::id::RunId;
use keiko_contracts::jail::JailOp;

/// The action installs packages.
pub(crate) fn is_install(action: &Action) -> bool {
    matches!(action, Action::Jail(jail) if matches!(jail.op, JailOp::Prepare { .. }))
}

/// The registries that it would install from.
pub(crate) fn registries(action: &Action) -> Vec<String> {
    match action {
        Action::Jail(jail) => describe::registries(&jail.op),
        _ => Vec::new(),
    }
}

/// The commands that go on with a run that waits for these questions, the most useful first. One is enough.
pub(crate) fn next(run: RunId, requests: &[&ApprovalRequest]) -> Vec<String> {
    let resume = format!("keiko resume {run}");
    if !requests.is_empty() && requests.iter().all(|request| is_install(&request.action)) {
        return vec![format!("{resume} --install yes"), format!("{resume} --install no")];
    }
    requests.iter().map(|request| format!("keiko approvals approve {}", request.id)).chain([resume]).collect()
}

/// What stands behind a command of [`next`], for people.
pub(crate) fn meaning(output: &Output, command: &str) -> &'static str {
    if command.ends_with(" --install yes") {
        return output.t("   install, and go on", "   installieren und weitermachen");
    }
    if command.ends_with(" --install no") {
        return output.t("   go on without", "   ohne weitermachen");
    }
    ""
}
