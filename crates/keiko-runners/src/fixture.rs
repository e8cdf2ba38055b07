//! What the tests of plans and readers share.

use crate::plan::plan;
use crate::read::read;
use keiko_contracts::evidence::{TestCase, TestSummary};
use keiko_contracts::jail::{End, ExecReport, Project, Toolchain};

pub(crate) fn project(runner: &str) -> Project {
    let toolchain = match runner {
        "cargo" => Toolchain::Rust,
        "go" => Toolchain::Go,
        "pytest" | "unittest" => Toolchain::Python,
        _ => Toolchain::Node,
    };
    Project {
        toolchain,
        runner: Some(runner.into()),
        ..Project::default()
    }
}

/// Reads a run of a runner from its exit code, its streams and its report.
pub(crate) fn run(
    runner: &str,
    code: i32,
    out: &str,
    err: &str,
    artifact: Option<&str>,
) -> Result<(TestSummary, Vec<TestCase>), String> {
    let plan = plan(&project(runner), None).unwrap();
    let report = keiko_contracts::jail::REPORT.to_owned();
    // Records, or else what a runner wrote that could not be given the reporter.
    let records = artifact
        .filter(|text| text.starts_with("{\"kind\""))
        .map(str::to_owned);
    let output = || {
        format!(
            "{{\"kind\":\"output\",\"why\":\"old\"}}\n{{\"kind\":\"end\",\"code\":{code},\"cases\":0}}\n"
        )
    };
    let told = records
        .clone()
        .or_else(|| (artifact.is_some() && plan.spec.report.is_some()).then(output));
    let written = artifact.filter(|_| records.is_none());
    let mut artifacts: Vec<_> = plan
        .spec
        .collect
        .iter()
        .zip(written)
        .map(|(path, text)| (path.clone(), text.into()))
        .collect();
    artifacts.extend(
        told.iter()
            .map(|text| (report.clone(), text.as_str().into())),
    );
    let reported = told.map(|_| keiko_contracts::jail::Reported {
        records: 1,
        ended: true,
        forged: 0,
    });
    let (stdout, stderr) = (out.into(), err.into());
    read(
        &plan,
        &ExecReport {
            end: End::Exit(code),
            stdout,
            stderr,
            artifacts,
            reported,
            ..ExecReport::default()
        },
    )
    .map_err(|unread| unread.to_string())
}

pub(crate) fn counts(summary: &TestSummary) -> [u32; 4] {
    [
        summary.passed,
        summary.failed,
        summary.errors,
        summary.skipped,
    ]
}

pub(crate) fn case<'a>(cases: &'a [TestCase], name: &str) -> &'a TestCase {
    cases
        .iter()
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("no case {name} in {cases:#?}"))
}
