//! The first look: manifests, programs, source texts, history.

use super::answer::{Answer, run};
use super::report::{Commit, SeenProject};
use super::source::{Lang, Sources, is_test_file};
use super::{Facts, NativeCall, Phase, join};
use keiko_contracts::jail::{Command, End, JailBody, JailOp, Project, Toolchain};
use std::collections::BTreeMap;

/// The id of the first operation: without its answer there is nothing to examine.
pub(super) const SURVEY: &str = "survey";
/// How many commits are looked at.
const HISTORY: usize = 200;
/// Stands before each file in the output of [`READ_SOURCES`].
const MARK: &str = "@@@keiko-source@@@ ";

/// Which programs are there, and which branch this is. A shim may stand for a component that is not installed, so clippy
/// and rustfmt are asked.
const FIND_PROGRAMS: &str = r#"for p in python3 ruff typos node npx cargo go gofmt git; do
  command -v "$p" >/dev/null 2>&1 && echo "$p"
done
cargo clippy --version >/dev/null 2>&1 && echo clippy
cargo fmt --version >/dev/null 2>&1 && echo rustfmt
git symbolic-ref -q --short HEAD 2>/dev/null | sed 's/^/branch /'
git grep -l -e '^<<<<<<< ' HEAD -- 2>/dev/null | sed 's/^HEAD:/conflict /'
true"#;

/// The main line, newest first: id, parents, subject.
const READ_HISTORY: &str =
    "git log --first-parent -n 200 --no-color --format='%h%x09%p%x09%s' HEAD --";

/// Prints every source file up to 200 kB outside folders of dependencies and build results; 400 files at most.
const READ_SOURCES: &str = r#"find . \( -name .git -o -name node_modules -o -name target -o -name .venv -o -name venv -o -name vendor \
  -o -name dist -o -name build -o -name .tox -o -name __pycache__ \) -prune -o -type f \
  \( -name '*.py' -o -name '*.js' -o -name '*.mjs' -o -name '*.cjs' -o -name '*.jsx' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' \
  -o -name '*.tsx' -o -name '*.rs' -o -name '*.go' \) -size -200k -print | LC_ALL=C sort | head -n 400 |
while IFS= read -r f; do printf '@@@keiko-source@@@ %s\n' "$f"; cat -- "$f"; echo; done"#;

/// Surveys, then reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    surveyed: bool,
}

impl Phase for Look {
    fn title(&self) -> &'static str {
        "the survey"
    }

    fn is_essential(&self) -> bool {
        true
    }

    fn start(&mut self, _: &mut Facts) -> Vec<NativeCall> {
        vec![NativeCall {
            id: SURVEY.into(),
            title: "look the workspace over".into(),
            op: JailOp::Survey,
        }]
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        if !self.surveyed {
            self.surveyed = true;
            if let Some(JailBody::Surveyed(survey)) = answers
                .first()
                .and_then(|a| a.result.as_ref().ok())
                .map(|report| &report.body)
            {
                facts.survey = survey.clone();
            }
            return vec![
                run(
                    "programs",
                    "see which tools are there",
                    "",
                    Command::Shell(FIND_PROGRAMS.into()),
                    60_000,
                ),
                read_sources("sources"),
                run(
                    "history",
                    "read the history",
                    "",
                    Command::Shell(READ_HISTORY.into()),
                    60_000,
                ),
            ];
        }
        for answer in answers {
            match answer.id.as_str() {
                "programs" => take_programs(facts, answer),
                "sources" => take_sources(facts, answer),
                _ => take_history(facts, answer),
            }
        }
        take_projects(facts);
        Vec::new()
    }
}

/// Reads all source files.
pub(super) fn read_sources(id: &str) -> NativeCall {
    run(
        id,
        "read the source files",
        "",
        Command::Shell(READ_SOURCES.into()),
        60_000,
    )
}

fn take_programs(facts: &mut Facts, answer: &Answer) {
    facts.programs = facts.survey.programs.keys().cloned().collect();
    match answer.exec() {
        Ok(report) => {
            for line in report.stdout.text_or_empty().lines().map(str::trim) {
                match line.split_once(' ') {
                    Some(("branch", branch)) => facts.branch = Some(branch.to_owned()),
                    Some(("conflict", path)) => drop(facts.conflicts.insert(path.to_owned())),
                    _ => drop(facts.programs.insert(line.to_owned())),
                }
            }
        }
        Err(why) => facts.left_out("tools beyond those of the survey", why, ""),
    }
    facts.report.programs = facts.programs.iter().cloned().collect();
}

pub(super) fn take_sources(facts: &mut Facts, answer: &Answer) {
    facts.report.files = facts.survey.files;
    match answer.exec() {
        Ok(report) => {
            facts.tree = answer
                .tree()
                .cloned()
                .or_else(|| report.tree_before.clone());
            facts.start = facts.start.take().or_else(|| facts.tree.clone());
            facts.sources =
                parse_sources(report.stdout.text_or_empty(), report.truncated_bytes > 0);
        }
        Err(why) => facts.left_out("source texts", why, ""),
    }
    facts.report.sources_read = u32::try_from(facts.sources.files.len()).unwrap_or(u32::MAX);
    if facts.sources.cut {
        facts.left_out(
            "some source files",
            "only the first 400 files, and 4 MiB of them, are read",
            "--workspace with a subfolder",
        );
    }
}

fn take_history(facts: &mut Facts, answer: &Answer) {
    match answer.exec() {
        Ok(report) if report.end == End::Exit(0) => {
            facts.report.commits = parse_history(report.stdout.text_or_empty())
        }
        Ok(_) => {}
        Err(why) => facts.left_out("the history", why, ""),
    }
}

/// Projects of the survey; a folder of sources without a manifest counts as one too.
fn take_projects(facts: &mut Facts) {
    let mut projects = facts.survey.projects.clone();
    // Of a part, its own projects; where it has none, those that it belongs to.
    let has_own = projects
        .iter()
        .any(|project| facts.is_asked_for(&project.dir));
    projects.retain(|project| {
        if has_own {
            facts.is_asked_for(&project.dir)
        } else {
            contains(&project.dir, &facts.part)
        }
    });
    for (lang, toolchain, runner) in [
        (Lang::Python, Toolchain::Python, "unittest"),
        (Lang::Js, Toolchain::Node, "node"),
    ] {
        let sources: Vec<&String> = facts
            .sources
            .files
            .keys()
            .filter(|path| Lang::of(path) == Some(lang))
            .collect();
        if !sources.is_empty()
            && !projects
                .iter()
                .any(|project| project.toolchain == toolchain)
        {
            let tested = sources.iter().any(|path| is_test_file(path));
            projects.push(Project {
                dir: String::new(),
                toolchain,
                manifests: Vec::new(),
                runner: tested.then(|| runner.to_owned()),
                ..Project::default()
            });
        }
    }
    facts.report.projects = projects
        .iter()
        .map(|project| SeenProject {
            dir: project.dir.clone(),
            toolchain: project.toolchain,
            runner: project.runner.clone(),
        })
        .collect();
    facts.survey.projects = projects;
    if facts.survey.projects.is_empty() {
        facts.left_out(
            "tests and linters",
            "no project in Python, Rust, JavaScript/TypeScript or Go was found",
            "",
        );
    }
}

/// A folder is another one, or above it.
fn contains(dir: &str, part: &str) -> bool {
    dir.is_empty() || part == dir || part.starts_with(&format!("{dir}/"))
}

/// A cut output has lost its middle: the file around the cut cannot be trusted, and is left out.
fn parse_sources(output: &str, truncated: bool) -> Sources {
    let mut files = BTreeMap::new();
    for piece in output.split(MARK).skip(1) {
        if let Some((path, text)) = piece.split_once('\n') {
            let text = text.strip_suffix('\n').unwrap_or(text);
            files.insert(join("", path), text.to_owned());
        }
    }
    let mut cut = truncated || files.len() >= 400;
    if truncated {
        let largest = files
            .iter()
            .max_by_key(|(_, text)| text.len())
            .map(|(path, _)| path.clone());
        cut |= largest.is_some_and(|path| files.remove(&path).is_some());
    }
    Sources { files, cut }
}

/// Commits, a line each: id, parents, subject, parted by tabs; anything else is skipped.
pub(super) fn parse_history(text: &str) -> Vec<Commit> {
    let is_id =
        |id: &str| (4..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let commit = |line: &str| {
        let mut parts = line.splitn(3, '\t');
        let (id, parents, subject) = (parts.next()?, parts.next()?, parts.next()?);
        let parents: Vec<String> = parents
            .split(' ')
            .filter(|id| is_id(id))
            .map(str::to_owned)
            .collect();
        is_id(id).then(|| Commit {
            id: id.to_owned(),
            subject: subject.trim().chars().take(160).collect(),
            parents,
        })
    };
    text.lines().filter_map(commit).take(HISTORY).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_come_apart_at_their_marks() {
        let sources = parse_sources(
            "@@@keiko-source@@@ ./a/b.py\nx = 1\n\n@@@keiko-source@@@ ./c.py\ny\n",
            false,
        );
        assert_eq!(sources.files["a/b.py"], "x = 1\n");
        assert_eq!(sources.files["c.py"], "y");
        assert_eq!(sources.line("a/b.py", 1), Some("x = 1"));
        assert_eq!(sources.line("a/b.py", 0), None);
    }

    #[test]
    fn history_skips_what_is_no_commit() {
        let commits = parse_history(
            "1234567\t89abcde 0123456\tFix it\twell\nAuthor: deadbee\n89abcde\t\t\n-x\ty\tz\n",
        );
        let ids: Vec<(&str, usize)> = commits
            .iter()
            .map(|commit| (commit.id.as_str(), commit.parents.len()))
            .collect();
        assert_eq!(ids, [("1234567", 2), ("89abcde", 0)]);
        assert_eq!(commits[0].subject, "Fix it\twell");
    }
}
