//! `case.toml` against what the binary found.

use crate::yard::{Examined, Yard, has, skipped};
use keiko_native::doctor::{Cause, Flaky};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What `case.toml` says.
#[derive(Deserialize)]
struct Case {
    needs: Vec<String>,
    #[serde(default)]
    clean: bool,
    #[serde(default)]
    expect: Vec<Expect>,
}

/// One thing that must be found.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Expect {
    /// A test fails.
    FailingTest { test: String },
    /// A finding by rule and place.
    Rule { rule: String, file: String, line: u32 },
    /// A test comes out differently, for this reason.
    Unsteady { test: String, cause: Cause },
    /// A commit is blamed.
    Guilty { subject: String },
    /// A line is among the first suspects.
    Suspect { file: String, line: u32, within: usize },
    /// An edit of this file survives.
    Candidate { file: String },
    /// A tool's fix was kept, and is the run's difference.
    Fixed { tool: String, file: String },
}

impl Expect {
    /// Found in the data, and named in the report for people.
    fn is_met(&self, examined: &Examined) -> bool {
        let Examined { report, markdown, diff, .. } = examined;
        match self {
            Expect::FailingTest { test } => {
                let failing = report.suites.iter().flat_map(|suite| &suite.failing);
                failing.clone().any(|failed| failed.name.contains(test.as_str())) && markdown.contains(test.as_str())
            }
            Expect::Rule { rule, file, line } => {
                let found = report.findings.iter().any(|found| found.rule == *rule && found.file == *file && found.line == *line);
                found && markdown.contains(rule.as_str()) && markdown.contains(file.as_str())
            }
            Expect::Unsteady { test, cause } => {
                let seen = |flaky: &Flaky| flaky.test.contains(test.as_str()) && flaky.cause == *cause;
                report.flaky.iter().any(seen) && markdown.contains(test.as_str())
            }
            Expect::Guilty { subject } => {
                report.guilty.iter().any(|guilty| guilty.commit.subject == *subject) && markdown.contains(subject.as_str())
            }
            Expect::Suspect { file, line, within } => {
                let found = report.suspects.iter().take(*within).any(|suspect| suspect.file == *file && suspect.line == *line);
                found && markdown.contains(&format!("{file}:{line}"))
            }
            Expect::Candidate { file } => {
                report.candidates.iter().any(|candidate| candidate.file == *file) && markdown.contains("andidate")
            }
            Expect::Fixed { tool, file } => {
                let kept = report.fixes.iter().any(|fix| fix.kept && fix.tool.contains(tool.as_str()) && fix.diff.contains(file.as_str()));
                kept && diff.contains(file.as_str())
            }
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../evals/repo-doctor")
}

/// All cases, sorted.
pub(crate) fn folders() -> Vec<String> {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap());
    let cases = entries.filter(|entry| entry.path().join("case.toml").is_file());
    let mut names: Vec<String> = cases.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Examines a case and compares.
pub(crate) fn check(name: &str) {
    let folder = root().join(name);
    let case: Case = toml::from_str(&std::fs::read_to_string(folder.join("case.toml")).unwrap()).unwrap();
    let needs = case.needs.iter().map(String::as_str).chain(["bwrap", "git"]);
    if let Some(program) = needs.into_iter().find(|program| !has(program)) {
        let enable = match program {
            "bwrap" => "apt-get install bubblewrap",
            "go" => "apt-get install golang-go",
            "cargo-clippy" => "rustup component add clippy",
            _ => "./keiko up",
        };
        return skipped(name, &format!("{program} is not there"), enable);
    }
    let examined = Yard::of_case(&folder).examine();
    let missed: Vec<&Expect> = case.expect.iter().filter(|expect| !expect.is_met(&examined)).collect();
    let shown = format!("{}\n{}", examined.markdown, examined.seen);
    assert!(missed.is_empty(), "missed: {missed:#?}\n{shown}");
    assert!(!examined.report.suites.is_empty(), "its tests did not run:\n{shown}");
    let report = &examined.report;
    if case.clean {
        let quiet = report.is_clean() && report.guilty.is_empty() && report.suspects.is_empty() && report.candidates.is_empty();
        assert!(quiet, "nothing is wrong here, but:\n{shown}");
    }
    if !report.fixes.iter().any(|fix| fix.kept) {
        assert_eq!(examined.diff, "", "it left something behind");
    }
}
