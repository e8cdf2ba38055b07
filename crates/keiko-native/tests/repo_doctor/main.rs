//! The doctor finds what was put into the repositories under `evals/repo-doctor`, and nothing in the clean ones.

#![allow(
    clippy::unwrap_used,
    reason = "a driver for tests: what fails here fails the test"
)]

mod yard;

use keiko_native::doctor::{Doctor, DoctorReport, Options};
use keiko_testkit::cases::{Case, Found, folders};
use std::path::Path;
use yard::Yard;

/// Examines a case: its report, and the same as its cases speak of it. `None` when a program is missing here.
fn examine(path: &Path, case: &Case) -> Option<(DoctorReport, Found)> {
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
        assert_eq!(
            yard.tree(),
            before,
            "{name}: the workspace was not put back"
        );
    }
    let data = finish.data.unwrap();
    let told: DoctorReport = serde_json::from_str(data.text().unwrap()).unwrap();
    assert_eq!(told, report, "{name}: the JSON report is another one");
    Some((report, serde_json::from_str(data.text().unwrap()).unwrap()))
}

/// Examines all cases of one kind and says which expectations are not met.
fn missed(wanted: impl Fn(&Case) -> bool) -> Vec<String> {
    let mut missed = Vec::new();
    let only = std::env::var("ONLY_CASE").ok();
    let mut paths = folders().unwrap();
    paths.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demos/sample"));
    for path in paths {
        let case = Case::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !wanted(&case) || only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let Some((report, found)) = examine(&path, &case) else {
            continue;
        };
        missed.extend(
            case.expect
                .iter()
                .filter(|expect| !expect.is_met(&found))
                .map(|expect| format!("{name}: {expect:?}")),
        );
        if case.clean
            && !(report.is_clean()
                && report.guilty.is_empty()
                && report.suspects.is_empty()
                && report.candidates.is_empty())
        {
            missed.push(format!(
                "{name} is clean, but: {}\n{}",
                report.summary(),
                report.markdown()
            ));
        }
        if case.clean && report.suites.is_empty() {
            missed.push(format!("{name}: its tests did not run"));
        }
    }
    missed
}

#[test]
fn python_defects_are_found() {
    assert_eq!(
        missed(|case| !case.clean && case.language == "python"),
        Vec::<String>::new()
    );
}

#[test]
fn javascript_defects_are_found() {
    assert_eq!(
        missed(|case| !case.clean && case.language == "javascript"),
        Vec::<String>::new()
    );
}

#[test]
fn rust_and_go_defects_are_found() {
    assert_eq!(
        missed(|case| !case.clean && (case.language == "rust" || case.language == "go")),
        Vec::<String>::new()
    );
}

#[test]
fn nothing_is_found_in_clean_repositories() {
    assert_eq!(missed(|case| case.clean), Vec::<String>::new());
}
