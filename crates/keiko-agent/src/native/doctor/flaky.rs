//! Flaky tests: the same code again under other conditions. A test whose result changes says nothing about the code.

use super::answer::{Answer, run_tests};
use super::report::Flaky;
use super::series::AGAIN;
use super::{Facts, NativeCall, Phase, Suite, is_red, trace};
use crate::testing;
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::jail::Toolchain;
use std::collections::BTreeMap;

/// A suite that is done within this gets two more rounds.
const QUICK_MS: u64 = 2_500;
/// How many failing tests are run alone.
const ALONE: usize = 4;

/// Conditions of a further round: what people read, and the environment.
type Condition = (&'static str, &'static [(&'static str, &'static str)]);

const PYTHON: [Condition; 5] = [
    ("PYTHONHASHSEED=1", &[("PYTHONHASHSEED", "1")]),
    ("PYTHONHASHSEED=2 TZ=UTC-14", &[("PYTHONHASHSEED", "2"), ("TZ", "UTC-14")]),
    ("PYTHONHASHSEED=3", &[("PYTHONHASHSEED", "3")]),
    ("PYTHONHASHSEED=4 TZ=UTC+11", &[("PYTHONHASHSEED", "4"), ("TZ", "UTC+11")]),
    ("PYTHONHASHSEED=5", &[("PYTHONHASHSEED", "5")]),
];
const NODE: [Condition; 4] =
    [("TZ=UTC-14", &[("TZ", "UTC-14")]), ("TZ=UTC+11", &[("TZ", "UTC+11")]), ("a third run", &[]), ("a fourth run", &[])];
const RUST: [Condition; 4] = [
    ("RUST_TEST_THREADS=1", &[("RUST_TEST_THREADS", "1")]),
    ("RUST_TEST_THREADS=16", &[("RUST_TEST_THREADS", "16")]),
    ("a third run", &[]),
    ("a fourth run", &[]),
];
const GO: [Condition; 4] = [
    ("GOMAXPROCS=1, uncached", &[("GOMAXPROCS", "1"), ("GOFLAGS", "-mod=readonly -count=1")]),
    ("GOMAXPROCS=16, uncached", &[("GOMAXPROCS", "16"), ("GOFLAGS", "-mod=readonly -count=1")]),
    ("a third run, uncached", &[("GOFLAGS", "-mod=readonly -count=1")]),
    ("a fourth run, uncached", &[("GOFLAGS", "-mod=readonly -count=1")]),
];

/// What an operation of this phase was for.
#[derive(Debug, Clone)]
enum Round {
    Again(usize, &'static str),
    Reversed(usize),
    Alone(usize, String),
}

/// Runs everything again.
#[derive(Debug, Clone, Default)]
pub(super) struct Rerun {
    rounds: Vec<Round>,
}

impl Phase for Rerun {
    fn title(&self) -> &'static str {
        "flaky tests"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let mut calls = Vec::new();
        for (index, suite) in facts.suites.iter().enumerate() {
            let conditions: &[Condition] = match suite.project.toolchain {
                Toolchain::Python => &PYTHON,
                Toolchain::Node => &NODE,
                Toolchain::Rust => &RUST,
                Toolchain::Go => &GO,
            };
            let rounds = if suite.duration_ms < QUICK_MS { conditions.len() } else { 2 };
            for (shown, env) in conditions.iter().take(rounds) {
                let id = format!("{AGAIN}-{}", calls.len() + 1);
                calls.push(run_tests(id, format!("run the tests again with {shown}"), &suite.plan, env));
                self.rounds.push(Round::Again(index, shown));
            }
            if let Some(call) = trace::python(suite, trace::Mode::Reverse, format!("{AGAIN}-{}", calls.len() + 1)) {
                calls.push(call);
                self.rounds.push(Round::Reversed(index));
            }
            for case in suite.failing().into_iter().take(ALONE) {
                if let Some(plan) = testing::plan(&suite.project, Some(&case.name)) {
                    calls.push(run_tests(format!("{AGAIN}-{}", calls.len() + 1), format!("run {} alone", case.name), &plan, &[]));
                    self.rounds.push(Round::Alone(index, case.name.clone()));
                }
            }
        }
        calls
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        let mut seen: BTreeMap<(usize, String), Flaky> = BTreeMap::new();
        for (index, suite) in facts.suites.iter().enumerate() {
            suite.cases().iter().for_each(|case| note(&mut seen, index, case, "the first run"));
        }
        for (round, answer) in self.rounds.iter().zip(answers) {
            let (index, condition) = match round {
                Round::Again(index, shown) => (*index, *shown),
                Round::Reversed(index) => (*index, "the order reversed"),
                Round::Alone(index, _) => (*index, "it alone"),
            };
            let Some(suite) = facts.suites.get(index) else { continue };
            for case in cases(round, suite, answer) {
                // A run that only loads part of the tests must not add names of its own.
                if seen.contains_key(&(index, case.name.clone())) {
                    note(&mut seen, index, &case, condition);
                }
            }
        }
        for ((index, name), flaky) in seen {
            if !flaky.passed.is_empty() && !flaky.failed.is_empty() {
                facts.suites[index].flaky.insert(name);
                facts.report.flaky.push(flaky);
            }
        }
        Vec::new()
    }
}

fn note(seen: &mut BTreeMap<(usize, String), Flaky>, index: usize, case: &TestCase, condition: &str) {
    let entry =
        seen.entry((index, case.name.clone())).or_insert_with(|| Flaky { test: case.name.clone(), passed: Vec::new(), failed: Vec::new() });
    match case.status {
        TestStatus::Passed => entry.passed.push(condition.to_owned()),
        status if is_red(status) => entry.failed.push(condition.to_owned()),
        _ => {}
    }
}

/// The cases of a further run, by the names of the first one.
fn cases(round: &Round, suite: &Suite, answer: &Answer) -> Vec<TestCase> {
    match round {
        Round::Again(..) => answer.tests(&suite.plan).map(|(_, cases)| cases).unwrap_or_default(),
        Round::Alone(_, name) => {
            let Some(plan) = testing::plan(&suite.project, Some(name)) else { return Vec::new() };
            let cases = answer.tests(&plan).map(|(_, cases)| cases).unwrap_or_default();
            cases.into_iter().filter(|case| case.name == *name).collect()
        }
        Round::Reversed(_) => {
            let traced = answer.exec().ok().and_then(|report| trace::read(report.stdout.text_or_empty(), suite)).unwrap_or_default();
            let status = |failed| if failed { TestStatus::Failed } else { TestStatus::Passed };
            let to_case = |t: trace::Traced| TestCase { name: t.name, status: status(t.failed), file: None, line: None, message: None };
            traced.into_iter().map(to_case).collect()
        }
    }
}
