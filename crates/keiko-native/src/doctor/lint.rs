//! Linters and formatters that are there, and built-in rules that need none.

use super::answer::{Answer, argv, first_words, run};
use super::lint_read;
use super::report::Finding;
use super::source::{Lang, Sources, is_test_file};
use super::tests::in_project;
use super::{Facts, NativeCall, Phase, rules};
use keiko_contracts::jail::{Command, End, ExecReport, Project, Toolchain};
use keiko_contracts::said::Said;
use keiko_contracts::{say, say_count};

/// How many findings are kept.
const MAX_FINDINGS: usize = 2000;
/// A linter's time.
const WALL_MS: u32 = 180_000;

/// Compiles every Python file without running it, and prints syntax errors and warnings as JSON lines.
const PY_COMPILE: &str = include_str!("py_compile.py");

/// Parses every JavaScript file with Node; prints what it says of those that do not parse.
const NODE_CHECK: &str = r#"find . \( -name .git -o -name node_modules -o -name dist -o -name build -o -name vendor \) -prune -o -type f \
  \( -name '*.js' -o -name '*.mjs' -o -name '*.cjs' \) -print | LC_ALL=C sort | head -n 200 |
while IFS= read -r f; do node --check "$f" 2>&1 | sed "s|^file://||; s|$PWD/||" | head -n 20; done"#;

/// A check: one tool in one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    PyCompile,
    Ruff,
    RuffFormat,
    NodeSyntax,
    Eslint,
    Clippy,
    Compiler,
    Rustfmt,
    Gofmt,
    GoVet,
    Typos,
}

impl Check {
    /// What people would type.
    fn shown(self) -> &'static str {
        match self {
            Check::PyCompile => "python3 -m compileall",
            Check::Ruff => "ruff check",
            Check::RuffFormat => "ruff format --check",
            Check::NodeSyntax => "node --check",
            Check::Eslint => "npx eslint .",
            Check::Clippy => "cargo clippy --all-targets",
            Check::Compiler => "cargo check --all-targets",
            Check::Rustfmt => "cargo fmt --check",
            Check::Gofmt => "gofmt -l .",
            Check::GoVet => "go vet ./...",
            Check::Typos => "typos",
        }
    }

    fn command(self) -> Command {
        match self {
            Check::PyCompile => argv(&["python3", "-c", PY_COMPILE]),
            Check::Ruff => argv(&[
                "ruff",
                "check",
                "--no-cache",
                "--output-format",
                "json",
                ".",
            ]),
            Check::RuffFormat => argv(&["ruff", "format", "--no-cache", "--check", "."]),
            Check::NodeSyntax => Command::Shell(NODE_CHECK.into()),
            Check::Eslint => {
                let script = "if [ -x node_modules/.bin/eslint ]; then exec node_modules/.bin/eslint . -f json; else echo absent; fi";
                Command::Shell(script.into())
            }
            Check::Clippy => argv(&[
                "cargo",
                "clippy",
                "--offline",
                "--all-targets",
                "--message-format",
                "json",
                "--quiet",
            ]),
            Check::Compiler => argv(&[
                "cargo",
                "check",
                "--offline",
                "--all-targets",
                "--message-format",
                "json",
                "--quiet",
            ]),
            Check::Rustfmt => argv(&["cargo", "fmt", "--check", "--", "-l"]),
            Check::Gofmt => argv(&["gofmt", "-l", "."]),
            Check::GoVet => argv(&["go", "vet", "./..."]),
            Check::Typos => argv(&["typos", "--format", "json", "."]),
        }
    }

    fn read(
        self,
        report: &ExecReport,
        project: &Project,
        facts: &Facts,
    ) -> Result<Vec<Finding>, Said> {
        let out = report.stdout.text_or_empty();
        let err = report.stderr.text_or_empty();
        let dir = project.dir.as_str();
        if let End::NotStarted(why) = &report.end {
            return Err(Said::words(why));
        }
        if matches!(report.end, End::TimedOut | End::OutOfMemory) {
            return Err("it came to no end within its limits".into());
        }
        match self {
            Check::PyCompile => Ok(lint_read::py_compile(out, dir)),
            Check::Ruff => lint_read::ruff(out, dir).ok_or_else(|| first_words(err)),
            Check::RuffFormat => Ok(lint_read::unformatted(
                out,
                dir,
                "Would reformat: ",
                "ruff format",
            )),
            Check::NodeSyntax => Ok(lint_read::node_check(out, dir)),
            Check::Eslint => {
                lint_read::eslint(out, dir, |path| facts.sources.files.contains_key(path))
                    .ok_or_else(|| {
                        if out.trim() == "absent" {
                            "eslint is not installed in node_modules".into()
                        } else {
                            first_words(err)
                        }
                    })
            }
            Check::Clippy => {
                lint_read::cargo(out, dir, "clippy", &report.end).ok_or_else(|| first_words(err))
            }
            Check::Compiler => {
                lint_read::cargo(out, dir, "rustc", &report.end).ok_or_else(|| first_words(err))
            }
            Check::Rustfmt => Ok(lint_read::rustfmt(out, dir, facts)),
            Check::Gofmt => Ok(lint_read::unformatted(out, dir, "", "gofmt")),
            Check::GoVet => Ok(lint_read::go_vet(err, dir)),
            Check::Typos => Ok(lint_read::typos(out, dir)),
        }
    }
}

/// Runs what is there.
#[derive(Debug, Clone, Default)]
pub(super) struct Lint {
    asked: Vec<(Check, Project)>,
}

impl Phase for Lint {
    fn title(&self) -> &'static str {
        "linters and formatters"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        built_in(facts);
        for project in facts.survey.projects.clone() {
            let checks = wanted(facts, &project);
            self.asked
                .extend(checks.into_iter().map(|check| (check, project.clone())));
        }
        if facts.has("typos") {
            let root = facts
                .survey
                .projects
                .iter()
                .find(|project| project.dir.is_empty())
                .or(facts.survey.projects.first());
            self.asked.extend(root.map(|project| {
                (
                    Check::Typos,
                    Project {
                        dir: String::new(),
                        ..project.clone()
                    },
                )
            }));
        } else {
            facts.left_out(
                "spelling",
                "typos is not there in the sandbox",
                "cargo install typos-cli",
            );
        }
        let calls = self.asked.iter().enumerate().map(|(n, (check, project))| {
            let command = check.shown();
            let title = match project.dir.as_str() {
                "" => say!("check the root: {command}", command),
                place => say!("check {place}: {command}", place, command),
            };
            run(
                format!("lint-{}", n + 1),
                title,
                &project.dir,
                check.command(),
                WALL_MS,
            )
        });
        calls.collect()
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        for ((check, project), answer) in self.asked.iter().zip(answers) {
            let read = answer
                .exec()
                .and_then(|report| check.read(report, project, facts));
            match read {
                Ok(found) => {
                    facts.report.checks.push(in_project(check.shown(), project));
                    facts.report.findings.extend(
                        found
                            .into_iter()
                            .filter(|finding| !is_meant(finding, &facts.sources)),
                    );
                }
                Err(why) => {
                    let enable = if *check == Check::Eslint {
                        "npm install --save-dev eslint"
                    } else {
                        ""
                    };
                    facts.left_out(in_project(check.shown(), project), why, enable);
                }
            }
        }
        let findings = &mut facts.report.findings;
        findings.sort();
        findings.dedup_by(|a, b| (&a.file, a.line, &a.rule) == (&b.file, b.line, &b.rule));
        if findings.len() > MAX_FINDINGS {
            findings.truncate(MAX_FINDINGS);
            facts.left_out(
                "further findings",
                say!("only the first {n} are kept", n = MAX_FINDINGS),
                "",
            );
        }
        Vec::new()
    }
}

/// A syntax error that is none: data of tests and templates are not code of the project, and Node takes a file for another
/// kind of script than the one that its tools make of it.
fn is_meant(finding: &Finding, sources: &Sources) -> bool {
    if finding.rule != "syntax-error" && finding.rule != "syntax-warning" {
        return false;
    }
    let data = [
        "fixtures",
        "fixture",
        "testdata",
        "data",
        "templates",
        "bad",
        "invalid",
        "snapshots",
        "__snapshots__",
    ];
    let in_data = finding
        .file
        .split('/')
        .rev()
        .skip(1)
        .any(|folder| data.contains(&folder));
    let text = sources.files.get(&finding.file).map_or("", String::as_str);
    let is_module = || {
        text.lines().any(|line| {
            line.starts_with("import ")
                || line.starts_with("import{")
                || line.starts_with("export ")
        })
    };
    let is_other =
        || text.contains("@flow") || finding.message.contains("token '<'") || is_module();
    in_data || finding.tool == "node" && is_other()
}

/// The checks for a project; what is missing is noted.
fn wanted(facts: &mut Facts, project: &Project) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |facts: &mut Facts, program: &str, check: Check, enable: &'static str| {
        if facts.has(program) {
            checks.push(check);
        } else if !enable.is_empty() {
            facts.left_out(
                in_project(check.shown(), project),
                say!("{program} is not there in the sandbox", program),
                enable,
            );
        }
    };
    match project.toolchain {
        Toolchain::Python => {
            add(facts, "python3", Check::PyCompile, "install python3");
            add(facts, "ruff", Check::Ruff, "pipx install ruff");
            add(facts, "ruff", Check::RuffFormat, "");
        }
        Toolchain::Node => {
            add(facts, "node", Check::NodeSyntax, "install nodejs");
            add(facts, "node", Check::Eslint, "");
        }
        Toolchain::Rust => {
            if facts.has("clippy") {
                add(facts, "clippy", Check::Clippy, "");
            } else {
                add(
                    facts,
                    "cargo",
                    Check::Compiler,
                    "install rustup from https://rustup.rs",
                );
                facts.left_out(
                    in_project("clippy", project),
                    "clippy is not there in the sandbox",
                    "rustup component add clippy",
                );
            }
            add(
                facts,
                "rustfmt",
                Check::Rustfmt,
                "rustup component add rustfmt",
            );
        }
        Toolchain::Go => {
            add(
                facts,
                "gofmt",
                Check::Gofmt,
                "install go from https://go.dev/dl",
            );
            add(
                facts,
                "go",
                Check::GoVet,
                "install go from https://go.dev/dl",
            );
        }
    }
    checks
}

/// The built-in rules over all source texts.
fn built_in(facts: &mut Facts) {
    let mut found = Vec::new();
    for (path, text) in &facts.sources.files {
        if let Some(lang) = Lang::of(path).filter(|_| facts.is_asked_for(path)) {
            let committed = facts.conflicts.contains(path);
            found.extend(
                rules::check(lang, path, text, is_test_file(path))
                    .into_iter()
                    .map(|mut finding| {
                        if finding.message == rules::COMMITTED_CONFLICT && !committed {
                            finding.message = rules::OPEN_CONFLICT.into();
                        }
                        finding
                    }),
            );
        }
    }
    if !facts.sources.files.is_empty() {
        facts.report.checks.push(say_count!(
            facts.sources.files.len(),
            "built-in rules over {n} source file",
            "built-in rules over {n} source files"
        ));
    }
    facts.report.findings.extend(found);
}

#[cfg(test)]
mod tests {
    use super::super::report::Severity;
    use super::*;

    #[test]
    fn what_only_looks_broken_is_left_alone() {
        let is = |tool: &str, file: &str, text: &str| {
            let finding = Finding {
                severity: Severity::Error,
                file: file.to_owned(),
                line: 1,
                rule: "syntax-error".to_owned(),
                tool: tool.to_owned(),
                message: "Unexpected token".into(),
                fixable: false,
            };
            is_meant(
                &finding,
                &Sources {
                    files: [(file.to_owned(), text.to_owned())].into(),
                    cut: false,
                },
            )
        };
        assert!(is("node", "src/a.js", "import a from 'a';\nlet x =;\n"));
        assert!(is("python", "tests/data/broken.py", "def"));
        assert!(!is("node", "src/a.js", "let x =;\n") && !is("python", "a.py", "import a\ndef"));
    }
}
