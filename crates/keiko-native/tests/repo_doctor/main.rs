//! The doctor finds what was put into the repositories under `evals/repo-doctor`, and nothing in the clean ones.

#![allow(clippy::unwrap_used, reason = "a driver for tests: what fails here fails the test")]

mod yard;

use keiko_native::doctor::{Cause, Doctor, DoctorReport, Options};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use yard::Yard;

/// `case.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "title and language are for people")]
struct Case {
    title: String,
    language: String,
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
    /// A line is among the first suspects of a test.
    Suspect { file: String, line: u32, within: usize },
    /// An edit of this file survives.
    Candidate { file: String },
    /// A tool's fix was applied.
    Fixed { tool: String, file: String },
}

impl Expect {
    fn is_met(&self, report: &DoctorReport) -> bool {
        match self {
            Expect::FailingTest { test } => {
                report.suites.iter().any(|suite| suite.failing.iter().any(|failed| failed.name.contains(test.as_str())))
            }
            Expect::Rule { rule, file, line } => {
                report.findings.iter().any(|found| found.rule == *rule && found.file == *file && found.line == *line)
            }
            Expect::Unsteady { test, cause } => {
                report.flaky.iter().any(|flaky| flaky.test.contains(test.as_str()) && flaky.cause == *cause)
            }
            Expect::Guilty { subject } => report.guilty.iter().any(|guilty| guilty.commit.subject == *subject),
            Expect::Suspect { file, line, within } => {
                report.suspects.iter().take(*within).any(|suspect| suspect.file == *file && suspect.line == *line)
            }
            Expect::Candidate { file } => report.candidates.iter().any(|candidate| candidate.file == *file),
            Expect::Fixed { tool, file } => {
                report.fixes.iter().any(|fix| fix.kept && fix.tool.contains(tool.as_str()) && fix.diff.contains(file.as_str()))
            }
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn load(path: &Path) -> Case {
    toml::from_str(&std::fs::read_to_string(path.join("case.toml")).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Examines a case; `None` when a program is missing here.
fn examine(path: &Path, case: &Case) -> Option<DoctorReport> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    if let Some(program) = case.needs.iter().find(|program| !yard::has(program)) {
        eprintln!("SKIPPED: {name}: {program} is not there: install {program}");
        return None;
    }
    let yard = Yard::new(path);
    let before = yard.tree();
    let mut doctor = Doctor::new(Options::default());
    let finish = yard.run(&mut doctor);
    let report = doctor.report().clone();
    if std::env::var_os("YARD_LOUD").is_some() {
        eprintln!("{}", finish.report.text_or_empty());
    }
    if !report.fixes.iter().any(|fix| fix.kept) {
        assert_eq!(yard.tree(), before, "{name}: the workspace was not put back");
    }
    let data: DoctorReport = serde_json::from_str(finish.data.unwrap().text().unwrap()).unwrap();
    assert_eq!(data, report, "{name}: the JSON report is another one");
    Some(report)
}

/// Examines all cases of one kind and says which expectations are not met.
fn missed(wanted: impl Fn(&Case) -> bool) -> Vec<String> {
    let mut missed = Vec::new();
    let only = std::env::var("ONLY_CASE").ok();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root().join("evals/repo-doctor")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.join("case.toml").is_file());
    paths.push(root().join("demos/sample"));
    paths.sort();
    for path in paths {
        let case = load(&path);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !wanted(&case) || only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let Some(report) = examine(&path, &case) else { continue };
        missed.extend(case.expect.iter().filter(|expect| !expect.is_met(&report)).map(|expect| format!("{name}: {expect:?}")));
        if case.clean && !(report.is_clean() && report.guilty.is_empty() && report.suspects.is_empty() && report.candidates.is_empty()) {
            missed.push(format!("{name} is clean, but: {}\n{}", report.summary(), report.markdown()));
        }
        if case.clean && report.suites.is_empty() {
            missed.push(format!("{name}: its tests did not run"));
        }
    }
    missed
}

#[test]
fn python_defects_are_found() {
    assert_eq!(missed(|case| !case.clean && case.language == "python"), Vec::<String>::new());
}

#[test]
fn javascript_defects_are_found() {
    assert_eq!(missed(|case| !case.clean && case.language == "javascript"), Vec::<String>::new());
}

#[test]
fn rust_and_go_defects_are_found() {
    assert_eq!(missed(|case| !case.clean && (case.language == "rust" || case.language == "go")), Vec::<String>::new());
}

#[test]
fn nothing_is_found_in_clean_repositories() {
    assert_eq!(missed(|case| case.clean), Vec::<String>::new());
}
