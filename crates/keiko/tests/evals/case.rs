//! `case.toml` against what the binary found.

use crate::yard::{Examined, Yard, has, skipped};
use keiko_testkit::cases::{self, Case, Expect};
use std::path::Path;

/// Found in the data, and named in the report for people.
fn is_met(expect: &Expect, examined: &Examined) -> bool {
    let Examined {
        found,
        markdown,
        diff,
        ..
    } = examined;
    let is_named = match expect {
        Expect::FailingTest { test } | Expect::Unsteady { test, .. } => markdown.contains(test),
        Expect::Rule { rule, file, .. } => markdown.contains(rule) && markdown.contains(file),
        Expect::Guilty { subject } => markdown.contains(subject),
        Expect::Suspect { file, line, .. } => markdown.contains(&format!("{file}:{line}")),
        Expect::Candidate { .. } => markdown.contains("andidate"),
        // What was kept is the run's difference.
        Expect::Fixed { file, .. } => diff.contains(file),
    };
    expect.is_met(found) && is_named
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

/// The names of all cases, sorted.
pub(crate) fn names() -> Vec<String> {
    cases::folders()
        .unwrap()
        .iter()
        .map(|folder| name_of(folder))
        .collect()
}

/// Examines a case and compares.
pub(crate) fn check(name: &str) {
    let folder = cases::folders()
        .unwrap()
        .into_iter()
        .find(|folder| name_of(folder) == name)
        .unwrap();
    let case = Case::read(&folder).unwrap();
    let needs = case
        .needs
        .iter()
        .map(String::as_str)
        .chain(["bwrap", "git"]);
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
    let missed: Vec<&Expect> = case
        .expect
        .iter()
        .filter(|expect| !is_met(expect, &examined))
        .collect();
    let shown = format!("{}\n{}", examined.markdown, examined.seen);
    assert!(missed.is_empty(), "missed: {missed:#?}\n{shown}");
    assert!(
        !examined.report.suites.is_empty(),
        "its tests did not run:\n{shown}"
    );
    let report = &examined.report;
    if case.clean {
        let quiet = report.is_clean()
            && report.guilty.is_empty()
            && report.suspects.is_empty()
            && report.candidates.is_empty();
        assert!(quiet, "nothing is wrong here, but:\n{shown}");
    }
    if !report.fixes.iter().any(|fix| fix.kept) {
        assert_eq!(examined.diff, "", "it left something behind");
    }
}
