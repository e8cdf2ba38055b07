//! The first test run: what holds, and what does not.

use super::answer::{Answer, first_line, run_tests};
use super::report::SuiteReport;
use super::{Facts, NativeCall, Phase, Suite};
use crate::testing;
use keiko_contracts::jail::{Project, Toolchain};
use std::collections::BTreeSet;

/// Runs each project's tests once.
#[derive(Debug, Clone)]
pub(super) struct FirstRun;

impl Phase for FirstRun {
    fn title(&self) -> &'static str {
        "tests"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let mut calls = Vec::new();
        for project in facts.survey.projects.clone() {
            let place = place(&project);
            let program = program(project.toolchain);
            if !facts.has(program) {
                facts.left_out(format!("tests of {place}"), format!("{program} is not there in the sandbox"), format!("install {program}"));
                continue;
            }
            let Some(plan) = testing::plan(&project, None) else {
                facts.left_out(format!("tests of {place}"), "no test runner that is known was found", "");
                continue;
            };
            let id = format!("tests-{}", facts.suites.len() + 1);
            calls.push(run_tests(id, format!("run the tests of {place}: {}", plan.shown), &plan, &[]));
            facts.suites.push(Suite { project, plan, first: None, last: None, duration_ms: 0, flaky: BTreeSet::new() });
        }
        calls
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        for (index, answer) in answers.iter().enumerate() {
            let Some(suite) = facts.suites.get_mut(index) else { break };
            suite.duration_ms = answer.duration_ms();
            let place = place(&suite.project);
            match answer.tests(&suite.plan) {
                Ok((summary, cases)) => {
                    facts.report.suites.push(SuiteReport::new(&place, &summary, &cases));
                    suite.first = Some((summary, cases));
                }
                Err(why) => {
                    let suite = suite.clone();
                    let declared = suite.project.needs_prepare && suite.project.preparation.is_some();
                    let enable = if declared { facts.install_command() } else { enable(&suite.project, &why) };
                    let why = if suite.project.needs_prepare {
                        format!("dependencies are missing ({})", first_line(&why))
                    } else {
                        first_line(&why)
                    };
                    facts.left_out(format!("tests of {place}"), why, enable);
                }
            }
        }
        facts.suites.retain(|suite| suite.first.is_some());
        Vec::new()
    }
}

/// What people type so that the tests can run: the sandbox sees dependencies of the user's own folder, and the virtual
/// environment that is active when Keiko starts.
fn enable(project: &Project, why: &str) -> String {
    if !project.needs_prepare && !why.contains("is not installed in the sandbox") {
        return String::new();
    }
    let has = |name: &str| project.manifests.iter().any(|manifest| manifest == name);
    let install = match project.toolchain {
        Toolchain::Python => {
            let mut wanted: Vec<String> =
                project.manifests.iter().filter(|name| name.ends_with(".txt")).map(|name| format!("-r {name}")).collect();
            if project.runner.as_deref() == Some("pytest") {
                wanted.push("pytest".to_owned());
            }
            if wanted.is_empty() || has("setup.py") {
                wanted.push(".".to_owned());
            }
            format!("python3 -m venv .venv && . .venv/bin/activate && pip install {}", wanted.join(" "))
        }
        Toolchain::Node => "npm install".to_owned(),
        Toolchain::Rust => "cargo fetch".to_owned(),
        Toolchain::Go => "go mod download".to_owned(),
    };
    if project.dir.is_empty() { install } else { format!("cd {} && {install}", project.dir) }
}

/// The project's folder, for people.
pub(super) fn place(project: &Project) -> String {
    if project.dir.is_empty() { "the root".to_owned() } else { project.dir.clone() }
}

/// What a toolchain cannot do without.
pub(super) fn program(toolchain: Toolchain) -> &'static str {
    match toolchain {
        Toolchain::Python => "python3",
        Toolchain::Node => "node",
        Toolchain::Rust => "cargo",
        Toolchain::Go => "go",
    }
}
