//! How the result of each runner is read.
//!
//! Reports of runners come from code that an agent wrote, so they are hostile input: sizes and counts are capped, and a
//! runner that says it failed is never counted as green, whatever its report says.

mod cargo;
mod go;
mod jest;
mod junit;
mod lacks;
mod npm;
mod records;
mod together;
mod totals;
mod unittest;
mod vitest;

pub use together::{Observed, together};

use crate::lines::{cut, last, plain};
use crate::plan::{TestPlan, taken};
use keiko_contracts::evidence::{Channel, Lack, TestCase, TestStatus, TestSummary};
use keiko_contracts::jail::{End, ExecReport};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::fmt;

/// Most cases that are read of one run.
const CASES_MAX: usize = 20_000;
/// Longest message of a failure, bytes.
const MESSAGE_MAX: usize = 600;
/// Most names of failures in a summary.
const FAILING_MAX: usize = 20;
/// Most lines that show why nothing could be counted.
const SHOWN_LINES: usize = 40;

/// What the parser of a runner found.
#[derive(Debug, Default)]
struct Parsed {
    /// Tests.
    cases: Vec<TestCase>,
    /// Files or packages whose tests could not even be loaded, each as an error.
    broken: Vec<TestCase>,
    /// What in the output cannot be the runner's: then nothing of it counts.
    odd: Option<Said>,
    /// What the runner counts, where it names no tests: then the cases are the run as a whole.
    totals: Option<totals::Totals>,
}

/// Why nothing of a test run could be counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unread {
    /// The command, as people would type it; empty where none came to run.
    pub command: String,
    /// Why.
    pub why: Said,
    /// Lines of the runner that show it.
    pub shown: String,
}

impl Unread {
    fn new(plan: &TestPlan, why: Said, shown: &str) -> Unread {
        Unread {
            command: plan.shown.clone(),
            why,
            shown: shown.trim_end().to_owned(),
        }
    }

    /// The command and why, without the lines that show it.
    #[must_use]
    pub fn said(&self) -> Said {
        if self.command.is_empty() {
            return self.why.clone();
        }
        say!("{command}: {why}", command = self.command, why = self.why)
    }
}

impl From<Said> for Unread {
    fn from(why: Said) -> Unread {
        Unread {
            why,
            ..Unread::default()
        }
    }
}

impl fmt::Display for Unread {
    /// In English, with the lines that show it: what a model reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = format!("{}\n{}", self.said(), self.shown);
        f.write_str(all.trim_end())
    }
}

/// Reads what a test run came to. `Err` says why nothing could be read (no tests, a compile error), with the lines
/// that show it.
///
/// # Errors
/// When there is nothing to count.
pub fn read(plan: &TestPlan, report: &ExecReport) -> Result<(TestSummary, Vec<TestCase>), Unread> {
    let (out, err) = (
        plain(report.stdout.text_or_empty()),
        plain(report.stderr.text_or_empty()),
    );
    let taken = other_way(plan, &out);
    let plan = taken.as_ref().unwrap_or(plan);
    let told = report
        .reported
        .filter(|_| plan.spec.report.is_some())
        .map(|reported| records::read(report, reported));
    let channel = match &told {
        Some(Some(told)) if !told.output => Channel::Reporter,
        Some(None) => Channel::Reporter,
        _ => Channel::Output,
    };
    let told = told.flatten();
    if told.as_ref().is_none_or(|told| told.output) {
        started_and_ended(plan, report)?;
    }
    if let Some(why) = told.as_ref().and_then(|told| told.void.as_ref()) {
        return Ok(void(plan, report, channel, why));
    }
    // The end mark tells the runner's own exit code: what ran after it cannot make it better.
    let end = match (&report.end, told.as_ref().and_then(|told| told.code)) {
        (End::Exit(0), Some(code)) => End::Exit(code),
        (end, _) => end.clone(),
    };
    let parsed = match told {
        Some(told) if !told.output || !told.parsed.cases.is_empty() => Ok(told.parsed),
        // A reporter that said nothing is not replaced by what anybody may print.
        None if channel == Channel::Reporter => Ok(Parsed::default()),
        _ => from_output(plan, report, &out, &err),
    };
    let said = || {
        last(
            &format!("{}\n{}", out.trim_end(), err.trim_end()),
            SHOWN_LINES,
        )
    };
    let Parsed {
        mut cases,
        broken,
        odd,
        totals,
    } = parsed.map_err(|why| Unread::new(plan, why, &said()))?;
    if let Some(why) = odd {
        return Ok(void(plan, report, channel, &why));
    }
    if cases.is_empty() {
        return Err(nothing_to_count(plan, report, &broken, &out, &err));
    }
    cases.extend(broken);
    if end != End::Exit(0) && cases.iter().all(is_fine) {
        cases.push(runner_failed(plan, &end, &said()));
    }
    cases.truncate(CASES_MAX);
    for case in &mut cases {
        from_the_root(case, plan);
        case.lacks = lacked_by(case);
    }
    let mut summary = TestSummary {
        channel,
        ..summarise(plan, report, &cases)
    };
    if let Some(totals) = totals {
        count_by(&mut summary, totals, &end);
    }
    Ok((summary, cases))
}

/// The plan as it was carried out, where another way of the project's was taken than the first.
fn other_way(plan: &TestPlan, out: &str) -> Option<TestPlan> {
    let shown = plan.others.get(taken(out)?.checked_sub(1)?)?;
    Some(TestPlan {
        shown: shown.clone(),
        ..plan.clone()
    })
}

/// What of the sandbox a test lacks that did not pass.
fn lacked_by(case: &TestCase) -> Option<Lack> {
    let message = case.message.as_deref();
    message
        .filter(|_| !matches!(case.status, TestStatus::Passed | TestStatus::Skipped))
        .and_then(lacks::of)
}

/// A threshold, a crash after the last test, a report that was tampered with: red, whatever the cases say.
fn runner_failed(plan: &TestPlan, end: &End, said: &str) -> TestCase {
    let why = format!(
        "no test failed, but the runner did ({end:?}):\n{}",
        last(said, 8)
    );
    TestCase {
        name: plan.shown.clone(),
        status: TestStatus::Error,
        file: None,
        line: None,
        message: Some(cut(&why, MESSAGE_MAX)),
        lacks: None,
    }
}

/// Counts as the runner does, where it names no tests.
fn count_by(summary: &mut TestSummary, totals: totals::Totals, end: &End) {
    // Red without a test that failed: something else went wrong.
    summary.errors = u32::from(totals.failed == 0 && *end != End::Exit(0));
    (summary.passed, summary.failed, summary.skipped) =
        (totals.passed, totals.failed, totals.skipped);
    if !totals.failing.is_empty() {
        summary.failing = totals.failing;
    }
}

/// What the runner itself printed or wrote.
fn from_output(plan: &TestPlan, report: &ExecReport, out: &str, err: &str) -> Result<Parsed, Said> {
    let artifact = plan
        .spec
        .collect
        .first()
        .and_then(|path| report.artifacts.iter().find(|(found, _)| found == path));
    let artifact = artifact.map(|(_, content)| content.text_or_empty());
    match plan.runner.as_str() {
        "vitest" => vitest::parse_vitest(artifact),
        "node" | "mocha" => Ok(npm::parse(&name_of(plan), out, err, &report.end)),
        "jest" => jest::parse(artifact),
        "pytest" => Ok(Parsed::default()),
        "unittest" => Ok(unittest::parse(err)),
        "cargo" => Ok(cargo::parse(out)),
        "go" => Ok(go::parse(report.stdout.text_or_empty(), err)),
        _ => Ok(npm::parse(&name_of(plan), out, err, &report.end)),
    }
}

/// A run of which nothing counts: one case that stands for all of it, and says why.
fn void(
    plan: &TestPlan,
    report: &ExecReport,
    channel: Channel,
    why: &Said,
) -> (TestSummary, Vec<TestCase>) {
    let message = Some(cut(
        &format!("nothing of this run counts: {why}"),
        MESSAGE_MAX,
    ));
    let cases = vec![TestCase {
        name: plan.shown.clone(),
        status: TestStatus::Error,
        file: None,
        line: None,
        message,
        lacks: None,
    }];
    (
        TestSummary {
            channel,
            void: Some(why.clone()),
            ..summarise(plan, report, &cases)
        },
        cases,
    )
}

/// Makes the file relative to the workspace: most runners tell it relative to the project's folder. Names stay as they are,
/// since that is how the runner selects them. Go tells no folder at all, so that nothing can be put before it.
fn from_the_root(case: &mut TestCase, plan: &TestPlan) {
    let dir = &plan.spec.cwd;
    if dir.is_empty() || plan.runner == "go" {
        return;
    }
    if let Some(file) = case
        .file
        .as_mut()
        .filter(|file| !file.starts_with('/') && !file.starts_with(&format!("{dir}/")))
    {
        *file = format!("{dir}/{file}");
    }
}

fn is_fine(case: &TestCase) -> bool {
    matches!(case.status, TestStatus::Passed | TestStatus::Skipped)
}

/// A run that did not come to its own end proves nothing about any test.
fn started_and_ended(plan: &TestPlan, report: &ExecReport) -> Result<(), Unread> {
    let output = format!(
        "{}\n{}",
        report.stdout.text_or_empty().trim_end(),
        report.stderr.text_or_empty().trim_end()
    );
    let tail = last(&plain(&output), 15);
    let why = match &report.end {
        End::Exit(127) => "the runner is not there in the sandbox".into(),
        End::Exit(_) => return Ok(()),
        End::NotStarted(why) => say!(
            "the runner could not be started: {why}",
            why = Said::words(why)
        ),
        End::TimedOut => say!(
            "the tests were stopped at the time limit after {seconds} s; a test may hang",
            seconds = report.duration_ms / 1_000
        ),
        End::OutOfMemory => "the tests were stopped at the memory limit".into(),
        End::Signal(signal) => say!("the runner was ended by signal {signal}", signal),
    };
    Err(Unread::new(plan, why, &tail))
}

fn nothing_to_count(
    plan: &TestPlan,
    report: &ExecReport,
    broken: &[TestCase],
    out: &str,
    err: &str,
) -> Unread {
    let both = format!("{}\n{}", out.trim_end(), err.trim_end());
    if !broken.is_empty() {
        return not_loaded(plan, broken, &both);
    }
    if both.contains("No module named pytest")
        || both.contains("npx canceled due to missing packages")
    {
        let runner = &plan.runner;
        let why = say!(
            "{runner} is not installed in the sandbox; `prepare` installs declared dependencies",
            runner
        );
        return Unread::new(plan, why, "");
    }
    let none = [
        "no tests ran",
        "No tests found",
        "NO TESTS RAN",
        "Ran 0 tests",
        "no test files",
        "running 0 tests",
        "no test specified",
        "No test files found",
    ];
    let said_none = none.iter().any(|sign| both.contains(sign));
    if said_none
        || report.end == End::Exit(0)
        || (plan.runner == "pytest" && report.end == End::Exit(5))
    {
        return Unread::new(plan, "no tests found".into(), "");
    }
    let code = if let End::Exit(code) = report.end {
        code
    } else {
        -1
    };
    let shown = match plan.runner.as_str() {
        "cargo" => cargo::compile_errors(&both),
        _ => None,
    };
    let shown = shown.unwrap_or_else(|| last(&both, SHOWN_LINES));
    let why = say!("no test ran (exit code {code})", code);
    Unread::new(plan, why, &shown)
}

fn not_loaded(plan: &TestPlan, broken: &[TestCase], both: &str) -> Unread {
    let shown: Vec<String> = broken
        .iter()
        .take(10)
        .map(|case| {
            format!(
                "{}: {}",
                case.name,
                case.message.as_deref().unwrap_or("could not be loaded")
            )
        })
        .collect();
    // Node's report does not say why; its output does.
    let why = if plan.runner == "node" {
        last(both, SHOWN_LINES)
    } else {
        String::new()
    };
    let shown = format!("{}\n{why}", shown.join("\n"));
    Unread::new(plan, "the tests could not be loaded".into(), &shown)
}

fn summarise(plan: &TestPlan, report: &ExecReport, cases: &[TestCase]) -> TestSummary {
    let count = |status| {
        u32::try_from(cases.iter().filter(|case| case.status == status).count()).unwrap_or(u32::MAX)
    };
    TestSummary {
        runner: name_of(plan),
        passed: count(TestStatus::Passed),
        failed: count(TestStatus::Failed),
        errors: count(TestStatus::Error),
        skipped: count(TestStatus::Skipped),
        failing: cases
            .iter()
            .filter(|case| !is_fine(case))
            .take(FAILING_MAX)
            .map(|case| case.name.clone())
            .collect(),
        cases: serde_json::to_string(cases).unwrap_or_default().into(),
        tree: report.tree_before.clone(),
        command: plan.shown.clone(),
        millis: u32::try_from(report.duration_ms).unwrap_or(u32::MAX),
        ..TestSummary::default()
    }
}

/// The runner, for people: a program that a script calls has a name of its own.
fn name_of(plan: &TestPlan) -> String {
    let program = plan
        .shown
        .rsplit_once("npx ")
        .and_then(|(_, call)| call.split(' ').next())
        .filter(|_| plan.runner == "npm");
    program.unwrap_or(&plan.runner).to_owned()
}

/// A run of tests in a line: `pytest: 12 passed, 1 failed, 2 skipped`.
#[must_use]
pub fn summary_line(summary: &TestSummary) -> Said {
    let TestSummary {
        passed,
        failed,
        errors,
        skipped,
        runner,
        ..
    } = summary;
    if runner == "npm" && passed + failed + errors == 1 && summary.void.is_none() {
        return if *passed == 1 {
            "npm test: the script passes as a whole; its tests are not told apart".into()
        } else {
            "npm test: the script fails as a whole; its tests are not told apart".into()
        };
    }
    if let Some(why) = &summary.void {
        return say!("{runner}: nothing counts: {why}", runner, why);
    }
    let mut parts: Vec<Said> = Vec::new();
    let mut put = |count: u32, part: Said| parts.extend((count > 0).then_some(part));
    put(*passed, say!("{n} passed", n = passed));
    put(*failed, say!("{n} failed", n = failed));
    put(*errors, say!("{n} could not run", n = errors));
    put(*skipped, say!("{n} skipped", n = skipped));
    if parts.is_empty() {
        parts.push("no tests".into());
    }
    say!("{runner}: {parts}", runner, parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::plan::plan;
    use proptest::prelude::*;

    const RUNNERS: [&str; 9] = [
        "pytest", "unittest", "cargo", "npm", "vitest", "jest", "mocha", "node", "go",
    ];

    #[test]
    fn a_run_that_did_not_end_counts_for_nothing() {
        for runner in RUNNERS {
            let plan = plan(&fixture::project(runner), None).unwrap();
            for (end, sign) in [
                (End::TimedOut, "time limit after 600 s"),
                (End::OutOfMemory, "memory limit"),
                (End::Signal(11), "signal 11"),
                (End::Exit(127), "not there"),
                (End::NotStarted("no such file".into()), "no such file"),
            ] {
                let report = ExecReport {
                    end,
                    stdout: "test a ... ok\n".into(),
                    duration_ms: 600_000,
                    ..ExecReport::default()
                };
                let said = read(&plan, &report).unwrap_err().to_string();
                assert!(
                    said.contains(sign) && said.contains("test a ... ok"),
                    "{said}"
                );
            }
        }
    }

    #[test]
    fn a_runner_that_failed_is_never_green() {
        let xml = r#"<testsuite><testcase classname="t" name="a"/></testsuite>"#;
        let records = "{\"kind\":\"case\",\"name\":\"a\",\"status\":\"passed\"}\n{\"kind\":\"end\",\"code\":3,\"cases\":1}\n";
        assert!(
            !fixture::run("pytest", 0, "", "", Some(records))
                .unwrap()
                .0
                .is_green(),
            "the end mark tells how it ended"
        );
        let (summary, cases) = fixture::run("vitest", 3, "", "INTERNALERROR", Some(xml)).unwrap();
        assert!(!summary.is_green());
        assert!(cases[1].message.as_ref().unwrap().contains("INTERNALERROR"));
        assert!(
            fixture::run("vitest", 0, "", "", Some(xml))
                .unwrap()
                .0
                .is_green()
        );
    }

    #[test]
    fn no_tests_is_said_apart_from_failure() {
        for (runner, code, out, err) in [
            ("pytest", 5, "no tests ran in 0.00s", ""),
            ("unittest", 0, "", "Ran 0 tests in 0.000s\n\nOK\n"),
            (
                "cargo",
                0,
                "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored\n",
                "",
            ),
            ("jest", 1, "", "No tests found, exiting with code 1"),
            ("go", 0, "?   \texample.com/x\t[no test files]", ""),
            ("npm", 1, "Error: no test specified", ""),
        ] {
            let said = fixture::run(runner, code, out, err, None).unwrap_err();
            assert!(
                said.contains("no tests found") || said.contains("No tests found"),
                "{runner}: {said}"
            );
        }
    }

    #[test]
    fn files_are_told_from_the_root_of_the_workspace() {
        let project = keiko_contracts::jail::Project {
            dir: "py".into(),
            ..fixture::project("pytest")
        };
        let plan = plan(&project, None).unwrap();
        for file in ["tests/test_a.py", "py/tests/test_a.py"] {
            let text = format!(
                "{{\"kind\":\"case\",\"name\":\"t\",\"status\":\"passed\",\"file\":\"{file}\"}}\n"
            );
            let artifacts = vec![(keiko_contracts::jail::REPORT.to_owned(), text.into())];
            let reported = Some(keiko_contracts::jail::Reported {
                records: 1,
                ended: true,
                forged: 0,
            });
            let report = ExecReport {
                artifacts,
                reported,
                ..ExecReport::default()
            };
            assert_eq!(
                read(&plan, &report).unwrap().1[0].file.as_deref(),
                Some("py/tests/test_a.py")
            );
        }
    }

    #[test]
    fn a_summary_reads_as_a_sentence() {
        let summary = TestSummary {
            runner: "pytest".into(),
            passed: 12,
            failed: 1,
            skipped: 2,
            ..TestSummary::default()
        };
        assert_eq!(
            summary_line(&summary),
            "pytest: 12 passed, 1 failed, 2 skipped"
        );
        assert_eq!(
            summary_line(&TestSummary {
                runner: "go".into(),
                ..TestSummary::default()
            }),
            "go: no tests"
        );
        let script = TestSummary {
            runner: "npm".into(),
            passed: 1,
            ..TestSummary::default()
        };
        assert_eq!(
            summary_line(&script),
            "npm test: the script passes as a whole; its tests are not told apart"
        );
        let void = TestSummary {
            void: Some("it left".into()),
            ..script
        };
        assert_eq!(summary_line(&void), "npm: nothing counts: it left");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 96 }))]
        #[test]
        fn any_output_is_read_or_refused_without_a_panic(out in "\\PC{0,200}", err in "\\PC{0,200}", artifact in proptest::option::of("\\PC{0,200}"), code in 0..3) {
            for runner in RUNNERS {
                let _ = fixture::run(runner, code, &out, &err, artifact.as_deref());
            }
        }
        #[test]
        fn mutilated_real_reports_never_panic(from in 0_usize..6_000, len in 0_usize..200, junk in "[<>&\"'{}\\[\\]\n a-z\u{1b}ü]{0,12}") {
            let real = [
                ("pytest", include_str!("../../tests/fixtures/runners/pytest.records")),
                ("vitest", include_str!("../../tests/fixtures/runners/vitest.xml")),
                ("jest", include_str!("../../tests/fixtures/runners/jest.json")),
                ("cargo", include_str!("../../tests/fixtures/runners/cargo.txt")),
                ("unittest", include_str!("../../tests/fixtures/runners/unittest.txt")),
                ("go", include_str!("../../tests/fixtures/runners/go.jsonl")),
            ];
            for (runner, text) in real {
                let bytes = text.as_bytes();
                let (start, end) = (from.min(bytes.len()), (from + len).min(bytes.len()));
                let hurt = [&bytes[..start], junk.as_bytes(), &bytes[end..]].concat();
                let hurt = String::from_utf8_lossy(&hurt);
                if let Ok((summary, cases)) = fixture::run(runner, 1, &hurt, &hurt, Some(&hurt)) {
                    prop_assert!(!summary.is_green(), "exit code 1 is red");
                    prop_assert!(cases.iter().all(|case| case.message.as_ref().is_none_or(|text| text.len() <= MESSAGE_MAX)));
                }
            }
        }
    }
}
