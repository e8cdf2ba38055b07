//! Actions and outcomes in one line, for people: approvals, alerts, the live view, logs.

use crate::ledger::one_line;
use keiko_contracts::action::{Action, HostAction, Outcome, Report};
use keiko_contracts::jail::{Command, End, GitOp, JailBody, JailOp, Preparation, Prepare, Source};
use std::collections::{BTreeMap, BTreeSet};

/// What an action would do.
#[must_use]
pub fn action(action: &Action) -> String {
    match action {
        Action::Model(model) => format!("ask {}", model.model),
        Action::Host(HostAction::Push {
            remote,
            branch,
            commit,
            ..
        }) => {
            format!(
                "push commit {} to branch {branch} of {remote}",
                commit.get(..10).unwrap_or(commit)
            )
        }
        Action::Tool(tool) => format!(
            "{} {}",
            tool.tool,
            one_line(tool.arguments.text_or_empty(), 120)
        ),
        Action::Run(action) => format!(
            "run {}: {}",
            action.start.agent,
            one_line(action.start.goal.text_or_empty(), 120)
        ),
        Action::Jail(jail) => op(&jail.op),
    }
}

/// What an operation in the sandbox would do.
#[must_use]
pub fn op(op: &JailOp) -> String {
    match op {
        JailOp::Open {
            source: Source::Folder { path, .. } | Source::Copy { path, .. },
        } => format!("make a private copy of {path}"),
        JailOp::Open {
            source: Source::Empty,
        } => "make an empty workspace".into(),
        JailOp::Survey => "look the workspace over".into(),
        JailOp::ReadFile {
            path, from_line, ..
        } => format!("read {path} from line {from_line}"),
        JailOp::WriteFile { path, text } => format!("write {path} ({})", count(text.len(), "byte")),
        JailOp::EditFile { path, edits } => {
            format!("edit {path} ({})", count(edits.len() as u64, "place"))
        }
        JailOp::ListFiles { path, glob, .. } => {
            format!(
                "list {}{}",
                or_root(path),
                glob.as_ref()
                    .map_or(String::new(), |glob| format!(" {glob}"))
            )
        }
        JailOp::Search { pattern, path, .. } => format!("search {pattern:?} in {}", or_root(path)),
        JailOp::Git(git) => match git {
            GitOp::Status => "git status".into(),
            GitOp::Diff { .. } => "git diff".into(),
            GitOp::Log { limit } => format!("git log -{limit}"),
            GitOp::Commit { message, .. } => {
                format!("git commit: {}", one_line(message.text_or_empty(), 80))
            }
            GitOp::Branch { name } => format!("git switch to a new branch {name}"),
            GitOp::Checkout { revision } => format!("git checkout {revision}"),
        },
        JailOp::Exec(spec) => match &spec.command {
            Command::Argv(argv) => one_line(&argv.join(" "), 160),
            Command::Shell(script) => one_line(script.text_or_empty(), 160),
        },
        JailOp::Cell { code, .. } => format!("python: {}", one_line(code.text_or_empty(), 120)),
        JailOp::Prepare(prepare) => installation(prepare),
        JailOp::Without { paths, .. } => format!(
            "take the change of {} back",
            one_line(&paths.join(", "), 160)
        ),
        JailOp::Restore { tree } => format!(
            "put the workspace back to tree {}",
            tree.0.get(..10).unwrap_or(&tree.0)
        ),
        JailOp::Diff { .. } => {
            "the changes to existing tests, as shown by the difference from the base".into()
        }
    }
}

/// What sets of packages are told apart by: one that came out well needs no second question in the same run.
#[must_use]
pub fn declared(set: &Preparation) -> String {
    format!("{}:{}", set.toolchain.name(), set.cache_key)
}

/// The registries that an operation installs from.
#[must_use]
pub fn registries(op: &JailOp) -> Vec<String> {
    let JailOp::Prepare(prepare) = op else {
        return Vec::new();
    };
    let all: BTreeSet<&String> = prepare
        .sets
        .iter()
        .flat_map(|set| &set.registries)
        .collect();
    all.into_iter().cloned().collect()
}

/// Most folders of projects that are named for a toolchain.
const FOLDERS_MAX: usize = 4;

/// How many packages, for which projects, where from: what a person must know to decide.
fn installation(prepare: &Prepare) -> String {
    let sets = &prepare.sets;
    let n: u64 = sets.iter().map(|set| u64::from(set.packages.count)).sum();
    let complete = sets.iter().all(|set| set.packages.complete);
    let mut what = match n {
        0 => "packages".to_owned(),
        1 if complete => "1 package".to_owned(),
        n if complete => format!("{n} packages"),
        1 => "1 declared package and what it needs".to_owned(),
        n => format!("{n} declared packages and what they need"),
    };
    let bytes: Option<Vec<u64>> = sets.iter().map(|set| set.packages.bytes).collect();
    if let Some(bytes) = bytes
        .map(|all| all.iter().fold(0, |sum: u64, n| sum.saturating_add(*n)))
        .filter(|bytes| *bytes > 0)
    {
        what = format!("{what}, {} MB", bytes.div_ceil(1_000_000));
    }
    let mut projects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for set in sets {
        projects
            .entry(set.toolchain.name())
            .or_default()
            .extend(set.dirs.iter().map(String::as_str));
    }
    let project = |(toolchain, dirs): (&&str, &Vec<&str>)| {
        if dirs.iter().all(|dir| dir.is_empty()) {
            return (*toolchain).to_owned();
        }
        let shown: Vec<&str> = dirs
            .iter()
            .take(FOLDERS_MAX)
            .map(|dir| or_root(dir))
            .collect();
        let more = if dirs.len() > FOLDERS_MAX {
            ", …"
        } else {
            ""
        };
        format!("{toolchain} in {}{more}", shown.join(", "))
    };
    let projects: Vec<String> = projects.iter().map(project).collect();
    let from = registries(&JailOp::Prepare(prepare.clone()));
    let projects = projects.join(", ");
    match from.is_empty() {
        true => format!("install {what} for {projects}; code of the packages runs in the sandbox"),
        false => format!(
            "install {what} for {projects} from {}; code of the packages runs in the sandbox",
            from.join(", ")
        ),
    }
}

/// A path as a shell takes it.
#[must_use]
pub fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

/// How many of something: `1 file`, `2 files`.
#[must_use]
pub fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn or_root(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

/// How an effect came out, in a few words.
#[must_use]
pub fn outcome(outcome: &Outcome<Report>) -> String {
    match outcome {
        Outcome::Failed(fault) => format!("failed: {fault}"),
        Outcome::Unknown { why } => format!("unknown: {why}"),
        Outcome::Cancelled => "cancelled".into(),
        Outcome::Done(Report::Model(report)) if report.unpriced => {
            format!("{} tokens out, no price", report.usage.output)
        }
        Outcome::Done(Report::Model(report)) => {
            format!("{} tokens out, {}", report.usage.output, report.cost)
        }
        Outcome::Done(Report::Host(_)) => "done".into(),
        Outcome::Done(Report::Tool(tool)) => one_line(tool.output.text_or_empty(), 120),
        Outcome::Done(Report::Run(report)) => format!("{} {}", report.run, report.status.word()),
        Outcome::Done(Report::Jail(report)) => body(&report.body),
    }
}

fn body(body: &JailBody) -> String {
    match body {
        JailBody::Opened(opened) => format!(
            "base {}, {}",
            opened.base.0.get(..10).unwrap_or(&opened.base.0),
            opened.kind.words()
        ),
        JailBody::Surveyed(survey) => format!(
            "{}, {}",
            count(survey.files.into(), "file"),
            count(survey.projects.len() as u64, "project")
        ),
        JailBody::Text(text) => format!(
            "{}{}",
            count(text.total.into(), "line"),
            if text.truncated { ", cut" } else { "" }
        ),
        JailBody::Written(written) => format!(
            "{} {}",
            if written.created {
                "created"
            } else {
                "changed"
            },
            written.path
        ),
        JailBody::Refused { why, .. } => format!("not possible: {why}"),
        JailBody::Exec(exec) => match &exec.end {
            End::Exit(code) => format!("exit {code} after {} ms", exec.duration_ms),
            End::Signal(signal) => format!("ended by signal {signal}"),
            End::TimedOut => format!("stopped at the time limit after {} ms", exec.duration_ms),
            End::OutOfMemory => "stopped at the memory limit".into(),
            End::NotStarted(why) => format!("could not start: {why}"),
        },
        JailBody::Cell(cell) => cell.error.as_ref().map_or_else(
            || "ok".into(),
            |error| format!("{}: {}", error.name, one_line(&error.message, 100)),
        ),
        JailBody::Committed { commit, .. } => {
            format!("commit {}", commit.0.get(..10).unwrap_or(&commit.0))
        }
        JailBody::Prepared(prepared) if prepared.is_cached() => "from the cache".into(),
        JailBody::Prepared(prepared) => format!("exit {}", prepared.exit_code()),
        JailBody::Restored => "restored".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::jail::{
        BaseKind, CommitId, JailAction, JailReport, Opened, Packages, Preparation, Prepare,
        Toolchain, TreeId,
    };

    #[test]
    fn people_read_words_and_not_the_names_of_types() {
        for (kind, words) in [
            (BaseKind::Head, "HEAD"),
            (BaseKind::Shadow, "the folder as it was"),
        ] {
            let opened = Opened {
                base: CommitId("0123456789abcdef".into()),
                tree: TreeId("t".into()),
                kind,
                branch: None,
                remotes: vec![],
                part: String::new(),
                notes: vec![],
            };
            let report = JailReport {
                body: JailBody::Opened(opened),
                tree: None,
            };
            assert_eq!(
                outcome(&Outcome::Done(Report::Jail(report))),
                format!("base 0123456789, {words}")
            );
        }
        let set = Preparation {
            toolchain: Toolchain::Node,
            dirs: vec![String::new()],
            commands: vec![vec!["npm".into(), "ci".into()]],
            cache_key: String::new(),
            packages: Packages::default(),
            registries: Vec::new(),
            cached: false,
        };
        let op = JailOp::Prepare(Prepare { sets: vec![set] });
        let prepare = Action::Jail(JailAction {
            workspace: keiko_contracts::id::RunId::from_bytes([1; 10]),
            op,
            tree: None,
        });
        let mut prepare = prepare;
        assert_eq!(
            action(&prepare),
            "install packages for Node; code of the packages runs in the sandbox"
        );
        let Action::Jail(JailAction {
            op: JailOp::Prepare(Prepare { sets }),
            ..
        }) = &mut prepare
        else {
            panic!("no installation")
        };
        sets[0].packages = Packages {
            count: 12,
            complete: true,
            bytes: Some(3_400_000),
        };
        sets[0].registries = vec!["registry.npmjs.org".into()];
        sets[0].dirs = vec![String::new(), "web".into()];
        let known = "install 12 packages, 4 MB for Node in ., web from registry.npmjs.org; code of the packages runs in the sandbox";
        assert_eq!(action(&prepare), known);
        let Action::Jail(JailAction {
            op: JailOp::Prepare(Prepare { sets }),
            ..
        }) = &mut prepare
        else {
            panic!("no installation")
        };
        let python = Preparation {
            toolchain: Toolchain::Python,
            dirs: vec!["api".into()],
            ..sets[0].clone()
        };
        sets.push(Preparation {
            packages: Packages {
                count: 1,
                complete: false,
                bytes: None,
            },
            registries: vec!["pypi.org".into()],
            ..python
        });
        let two = "install 13 declared packages and what they need for Node in ., web, Python in api from pypi.org, registry.npmjs.org; code of the packages runs in the sandbox";
        assert_eq!(action(&prepare), two);
    }
}
