//! What a person is asked, in words: what would happen, and on request the whole of it.

use super::{Output, Tone};
use crate::language::tr;
use keiko_agent::describe;
use keiko_app::change::Change;
use keiko_app::installing::is_install;
use keiko_contracts::action::{Action, HostAction};
use keiko_contracts::approval::ApprovalRequest;
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{Command, GitOp, JailOp};

/// Most files and commits of a change that its summary names.
const NAMED_MAX: usize = 12;

/// Files with the lines that come and go.
fn files(change: &Change) -> Vec<(&str, u32, u32)> {
    let mut files: Vec<(&str, u32, u32)> = Vec::new();
    let mut in_hunk = false;
    for line in change.diff.lines() {
        if let Some(names) = line.strip_prefix("diff --git ") {
            let name = names.rsplit_once(" b/").map_or(names, |(_, name)| name);
            files.push((name, 0, 0));
            in_hunk = false;
        } else if line.starts_with("@@") {
            in_hunk = true;
        } else if let (true, Some((_, added, removed))) = (in_hunk, files.last_mut()) {
            *added += u32::from(line.starts_with('+'));
            *removed += u32::from(line.starts_with('-'));
        }
    }
    files
}

/// The size of a change, its files and its commits, in a few lines.
pub(crate) fn summary(output: &Output, change: &Change) -> Vec<String> {
    let files = files(change);
    let (added, removed) = files
        .iter()
        .fold((0u32, 0u32), |(a, r), (_, added, removed)| {
            (a + added, r + removed)
        });
    let language = output.language();
    let count = language.count(files.len() as u64, ["file", "files"], ["Datei", "Dateien"]);
    let commits = language.count(
        change.subjects.len() as u64,
        ["commit", "commits"],
        ["Commit", "Commits"],
    );
    let size = format!(
        "{}, {}",
        output.paint(Tone::Good, &format!("+{added}")),
        output.paint(Tone::Bad, &format!("-{removed}"))
    );
    let head = if change.subjects.is_empty() {
        format!("{count}, {size}")
    } else {
        format!("{commits}, {count}, {size}")
    };
    let mut lines = vec![head];
    let more = |rest: usize| tr!(output, "  ... and {rest} more", "  ... und {rest} weitere");
    lines.extend(
        change
            .subjects
            .iter()
            .take(NAMED_MAX)
            .map(|subject| format!("  {subject}")),
    );
    lines.extend(
        change
            .subjects
            .len()
            .checked_sub(NAMED_MAX)
            .filter(|rest| *rest > 0)
            .map(more),
    );
    lines.extend(
        files
            .iter()
            .take(NAMED_MAX)
            .map(|(name, added, removed)| format!("  {name}  +{added} -{removed}")),
    );
    lines.extend(
        files
            .len()
            .checked_sub(NAMED_MAX)
            .filter(|rest| *rest > 0)
            .map(more),
    );
    lines
}

/// What an action reaches, in one sentence: whoever decides need not know how Keiko does things.
pub(crate) fn touches(output: &Output, action: &Action) -> String {
    match action {
        Action::Model(model) => tr!(
            output,
            "nothing here; the conversation goes to {}",
            "hier nichts; das Gespräch geht an {}",
            model.model
        ),
        Action::Host(HostAction::Push {
            remote,
            branch,
            commit,
            ..
        }) => tr!(
            output,
            "branch {branch} of {remote}, which then stands at commit {commit}; nothing on this machine",
            "den Zweig {branch} von {remote}, der danach auf Commit {commit} steht; nichts auf diesem Rechner"
        ),
        Action::Tool(tool) => tr!(
            output,
            "whatever the tool {} reaches: it is not Keiko's, and not in the sandbox",
            "was immer das Werkzeug {} erreicht: Es gehört nicht zu Keiko und läuft nicht in der Sandbox",
            tool.tool
        ),
        Action::Run(run) => tr!(
            output,
            "a run of its own by {}, which works in the sandbox and asks for itself",
            "einen eigenen Lauf von {}, der in der Sandbox arbeitet und selbst fragt",
            run.start.agent
        ),
        Action::Jail(jail) => operation(output, &jail.op),
    }
}

/// What an operation in the sandbox reaches.
fn operation(output: &Output, op: &JailOp) -> String {
    let reads = output.t(
        "nothing: it reads the run's private copy",
        "nichts: Es liest die private Kopie des Laufs",
    );
    let writes = output.t(
        "the run's private copy only; your folder stays as it is",
        "nur die private Kopie des Laufs; Ihr Ordner bleibt, wie er ist",
    );
    match op {
        JailOp::Prepare(_) => {
            let from = describe::registries(op).join(", ");
            tr!(
                output,
                "the network ({from}), from within the sandbox, and the installed dependencies that Keiko keeps",
                "das Netz ({from}), aus der Sandbox heraus, und die installierten Abhängigkeiten, die Keiko aufbewahrt"
            )
        }
        JailOp::Exec(_) | JailOp::Cell { .. } => output
            .t(
                "the run's private copy only, in the sandbox and without network; your folder stays as it is",
                "nur die private Kopie des Laufs, in der Sandbox und ohne Netz; Ihr Ordner bleibt, wie er ist",
            )
            .into(),
        // Asked about are changed tests, which such a difference shows.
        JailOp::Diff { .. } => output
            .t(
                "existing tests in the run's private copy, which may then stay changed; your folder stays as it is",
                "bestehende Tests in der privaten Kopie des Laufs, die dann geändert bleiben dürfen; Ihr Ordner bleibt, wie er ist",
            )
            .into(),
        JailOp::WriteFile { .. }
        | JailOp::EditFile { .. }
        | JailOp::Restore { .. }
        | JailOp::Without { .. }
        | JailOp::Git(GitOp::Commit { .. } | GitOp::Branch { .. } | GitOp::Checkout { .. }) => {
            writes.into()
        }
        JailOp::Open { .. }
        | JailOp::Survey
        | JailOp::ReadFile { .. }
        | JailOp::ListFiles { .. }
        | JailOp::Search { .. }
        | JailOp::Git(GitOp::Status | GitOp::Diff { .. } | GitOp::Log { .. }) => reads.into(),
    }
}

/// The exact action, as data: what the digest that an answer is bound to was made of.
pub(crate) fn data(request: &ApprovalRequest) -> Vec<String> {
    let text = serde_json::to_string_pretty(&request.action).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Commands as they would be typed, texts as they would be written; nothing of an action that has no such form.
pub(crate) fn words(output: &Output, request: &ApprovalRequest) -> Vec<String> {
    let lines: Vec<String> = match &request.action {
        Action::Jail(jail) => match &jail.op {
            JailOp::Prepare(prepare) => prepare
                .sets
                .iter()
                .flat_map(|set| &set.commands)
                .map(|argv| format!("$ {}", typed(argv)))
                .collect(),
            JailOp::Exec(spec) => {
                let command = match &spec.command {
                    Command::Argv(argv) => typed(argv),
                    Command::Shell(script) => script.text_or_empty().to_owned(),
                };
                command.lines().map(|line| format!("$ {line}")).collect()
            }
            JailOp::WriteFile { path, text } => std::iter::once(path.clone())
                .chain(text.text_or_empty().lines().map(|line| format!("+{line}")))
                .collect(),
            JailOp::EditFile { path, edits } => {
                let signed = |sign: char, text: &str| {
                    text.lines()
                        .map(|line| format!("{sign}{line}"))
                        .collect::<Vec<_>>()
                };
                let edit = |edit: &keiko_contracts::jail::Edit| {
                    [
                        vec!["@@".to_owned()],
                        signed('-', edit.old.text_or_empty()),
                        signed('+', edit.new.text_or_empty()),
                    ]
                    .concat()
                };
                std::iter::once(path.clone())
                    .chain(edits.iter().flat_map(edit))
                    .collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    lines.iter().map(|line| colored(output, line)).collect()
}

/// The whole of what is decided about: commands, texts, the change; what has no better form, as data.
pub(crate) fn whole(
    output: &Output,
    request: &ApprovalRequest,
    change: Option<&Change>,
) -> Vec<String> {
    let mut lines = words(output, request);
    if let Some(change) = change {
        let subjects = change.subjects.iter().map(String::as_str);
        let all = subjects.chain(change.diff.lines());
        lines.extend(all.map(|line| colored(output, line)));
    }
    if lines.is_empty() {
        lines = data(request);
    }
    lines
}

/// A command as it would be typed.
fn typed(argv: &[String]) -> String {
    argv.iter()
        .map(|word| keiko_contracts::step::quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A line of a diff in its colour.
pub(crate) fn colored(output: &Output, line: &str) -> String {
    match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => output.paint(Tone::Strong, line),
        [b'+', ..] => output.paint(Tone::Good, line),
        [b'-', ..] => output.paint(Tone::Bad, line),
        [b'@', b'@', ..] => output.paint(Tone::Faint, line),
        _ if line.starts_with("diff --git ") => output.paint(Tone::Strong, line),
        _ => line.to_owned(),
    }
}

/// The commands that go on with a run that waits for these questions, the most useful first. One is enough.
pub(crate) fn next(run: RunId, requests: &[&ApprovalRequest]) -> Vec<String> {
    let resume = format!("keiko resume {run}");
    if !requests.is_empty() && requests.iter().all(|request| is_install(&request.action)) {
        return vec![
            format!("{resume} --install yes"),
            format!("{resume} --install no"),
        ];
    }
    requests
        .iter()
        .map(|request| format!("keiko approvals approve {}", request.id))
        .chain([resume])
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Color;

    #[test]
    fn a_change_is_summed_up() {
        let diff = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n-a\n+b\n+-- c\n d\ndiff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+n\n";
        let change = Change {
            subjects: vec!["abc1234 Fix it".into()],
            diff: diff.into(),
        };
        let output = Output::new(Color::Never, false, false);
        assert_eq!(
            summary(&output, &change),
            [
                "1 commit, 2 files, +3, -1",
                "  abc1234 Fix it",
                "  x.py  +2 -1",
                "  n  +1 -0"
            ]
        );
        let many = Change {
            subjects: Vec::new(),
            diff: (0..20)
                .map(|i| format!("diff --git a/{i} b/{i}\n"))
                .collect(),
        };
        assert_eq!(
            summary(&output, &many).last().map(String::as_str),
            Some("  ... and 8 more")
        );
    }
}
