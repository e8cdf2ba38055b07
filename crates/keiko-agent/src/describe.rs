//! Actions and outcomes in one line, for people: approvals, alerts, the live view, logs.

use crate::ledger::one_line;
use keiko_contracts::action::{Action, HostAction, Outcome, Report};
use keiko_contracts::jail::{Command, End, GitOp, JailBody, JailOp, Preparation, Prepare, Source};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::say_count;
use std::collections::{BTreeMap, BTreeSet};

/// What an action would do.
#[must_use]
pub fn action(action: &Action) -> Said {
    match action {
        Action::Model(model) => say!("ask {model}", model = model.model),
        Action::Host(HostAction::Push {
            remote,
            branch,
            commit,
            ..
        }) => {
            say!(
                "push commit {commit} to branch {branch} of {remote}",
                commit = commit.get(..10).unwrap_or(commit),
                branch,
                remote
            )
        }
        Action::Tool(tool) => Said::words(format!(
            "{} {}",
            tool.tool,
            one_line(tool.arguments.text_or_empty(), 120)
        )),
        Action::Run(action) => say!(
            "run {agent}: {goal}",
            agent = action.start.agent,
            goal = one_line(action.start.goal.text_or_empty(), 120)
        ),
        Action::Jail(jail) => op(&jail.op),
    }
}

/// What an operation in the sandbox would do.
#[must_use]
pub fn op(op: &JailOp) -> Said {
    match op {
        JailOp::Open {
            source: Source::Folder { path, .. } | Source::Copy { path, .. },
        } => say!("make a private copy of {path}", path),
        JailOp::Open {
            source: Source::Result { of, .. },
        } => say!("go on from the result of {run}", run = of),
        JailOp::Open {
            source: Source::Empty,
        } => "make an empty workspace".into(),
        JailOp::Survey => "look the workspace over".into(),
        JailOp::ReadFile {
            path, from_line, ..
        } => say!("read {path} from line {n}", path, n = from_line),
        JailOp::WriteFile { path, text } => say_count!(
            text.len(),
            "write {path} ({n} byte)",
            "write {path} ({n} bytes)",
            path
        ),
        JailOp::EditFile { path, edits } => {
            say_count!(
                edits.len(),
                "edit {path} ({n} place)",
                "edit {path} ({n} places)",
                path
            )
        }
        JailOp::ListFiles { path, glob, .. } => {
            say!(
                "list {path}",
                path = format_args!(
                    "{}{}",
                    or_root(path),
                    glob.as_ref()
                        .map_or(String::new(), |glob| format!(" {glob}"))
                )
            )
        }
        JailOp::Search { pattern, path, .. } => say!(
            "search {pattern} in {path}",
            pattern = format_args!("{pattern:?}"),
            path = or_root(path)
        ),
        JailOp::Git(git) => match git {
            GitOp::Status => "git status".into(),
            GitOp::Diff { .. } => "git diff".into(),
            GitOp::Log { limit } => Said::words(format!("git log -{limit}")),
            GitOp::Commit { message, .. } => Said::words(format!(
                "git commit: {}",
                one_line(message.text_or_empty(), 80)
            )),
            GitOp::Branch { name } => say!("git switch to a new branch {name}", name),
            GitOp::Checkout { revision } => Said::words(format!("git checkout {revision}")),
        },
        JailOp::Exec(spec) => match &spec.command {
            Command::Argv(argv) => one_line(&argv.join(" "), 160).into(),
            Command::Shell(script) => one_line(script.text_or_empty(), 160).into(),
        },
        JailOp::Cell { code, .. } => {
            Said::words(format!("python: {}", one_line(code.text_or_empty(), 120)))
        }
        JailOp::Prepare(prepare) => installation(prepare),
        JailOp::Without { paths, .. } => say!(
            "take the change of {paths} back",
            paths = one_line(&paths.join(", "), 160)
        ),
        JailOp::Restore { tree } => say!(
            "put the workspace back to tree {tree}",
            tree = tree.0.get(..10).unwrap_or(&tree.0)
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
fn installation(prepare: &Prepare) -> Said {
    let sets = &prepare.sets;
    let n: u64 = sets.iter().map(|set| u64::from(set.packages.count)).sum();
    let complete = sets.iter().all(|set| set.packages.complete);
    let mut what = match n {
        0 => say!("packages"),
        n if complete => say_count!(n, "{n} package", "{n} packages"),
        n => say_count!(
            n,
            "{n} declared package and what it needs",
            "{n} declared packages and what they need"
        ),
    };
    let bytes: Option<Vec<u64>> = sets.iter().map(|set| set.packages.bytes).collect();
    if let Some(bytes) = bytes
        .map(|all| all.iter().fold(0, |sum: u64, n| sum.saturating_add(*n)))
        .filter(|bytes| *bytes > 0)
    {
        what = say!("{what}, {size} MB", what, size = bytes.div_ceil(1_000_000));
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
        true => say!(
            "install {what} for {projects}; code of the packages runs in the sandbox",
            what,
            projects
        ),
        false => say!(
            "install {what} for {projects} from {registries}; code of the packages runs in the sandbox",
            what,
            projects,
            registries = from
        ),
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
pub fn outcome(outcome: &Outcome<Report>) -> Said {
    match outcome {
        Outcome::Failed(fault) => say!("failed: {fault}", fault),
        Outcome::Unknown { why } => say!("unknown: {why}", why),
        Outcome::Cancelled => "cancelled".into(),
        Outcome::Done(Report::Model(report)) if report.unpriced => {
            say!("{n} tokens out, no price", n = report.usage.output)
        }
        Outcome::Done(Report::Model(report)) => {
            say!(
                "{n} tokens out, {cost}",
                n = report.usage.output,
                cost = report.cost
            )
        }
        Outcome::Done(Report::Host(_)) => "done".into(),
        Outcome::Done(Report::Tool(tool)) => one_line(tool.output.text_or_empty(), 120).into(),
        Outcome::Done(Report::Run(report)) => say!(
            "{run} {status}",
            run = report.run,
            status = Said::from(report.status.word())
        ),
        Outcome::Done(Report::Jail(report)) => body(&report.body),
    }
}

fn body(body: &JailBody) -> Said {
    match body {
        JailBody::Opened(opened) => say!(
            "base {tree}, {kind}",
            tree = opened.base.0.get(..10).unwrap_or(&opened.base.0),
            kind = Said::from(opened.kind.words())
        ),
        JailBody::Surveyed(survey) => say!(
            "{files}, {projects}",
            files = say_count!(survey.files, "{n} file", "{n} files"),
            projects = say_count!(survey.projects.len(), "{n} project", "{n} projects")
        ),
        JailBody::Text(text) => {
            let cut = Said::from(if text.truncated { ", cut" } else { "" });
            say_count!(text.total, "{n} line{cut}", "{n} lines{cut}", cut)
        }
        JailBody::Written(written) if written.created => {
            say!("created {path}", path = written.path)
        }
        JailBody::Written(written) => say!("changed {path}", path = written.path),
        JailBody::Refused { why, .. } => say!("not possible: {why}", why),
        JailBody::Exec(exec) => match &exec.end {
            End::Exit(code) => say!("exit {code} after {ms} ms", code, ms = exec.duration_ms),
            End::Signal(signal) => say!("ended by signal {signal}", signal),
            End::TimedOut => say!(
                "stopped at the time limit after {ms} ms",
                ms = exec.duration_ms
            ),
            End::OutOfMemory => "stopped at the memory limit".into(),
            End::NotStarted(why) => say!("could not start: {why}", why = Said::words(why.as_str())),
        },
        JailBody::Cell(cell) => cell.error.as_ref().map_or_else(
            || "ok".into(),
            |error| Said::words(format!("{}: {}", error.name, one_line(&error.message, 100))),
        ),
        JailBody::Committed { commit, .. } => Said::words(format!(
            "commit {}",
            commit.0.get(..10).unwrap_or(&commit.0)
        )),
        JailBody::Prepared(prepared) if prepared.is_cached() => "from the cache".into(),
        JailBody::Prepared(prepared) => say!("exit {code}", code = prepared.exit_code()),
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
                *format!("base 0123456789, {words}")
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
