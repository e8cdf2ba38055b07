//! Flaky tests: the same code again under other conditions. A test whose result changes says nothing about the code.

use super::answer::{Answer, run_tests};
use super::report::{ALONE_WORDS, Flaky, REVERSED_WORDS};
use super::series::AGAIN;
use super::{Facts, NativeCall, Phase, Suite, is_red, trace};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::jail::Toolchain;
use std::collections::{BTreeMap, BTreeSet};

/// A suite that is done within this gets two more rounds.
const QUICK_MS: u64 = 2_500;
/// One that takes longer, only one.
const SLOW_MS: u64 = 30_000;
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
    /// In reverse order, by Keiko's own tracer.
    Reversed(usize),
    /// In the usual order by the same tracer: only against this does the reverse order say anything.
    Forward(usize),
    Alone(usize, TestCase),
}

/// Runs everything again.
#[derive(Debug, Clone, Default)]
pub(super) struct Rerun {
    rounds: Vec<Round>,
    seen: BTreeMap<(usize, String), Flaky>,
    reversed: BTreeMap<usize, Vec<TestCase>>,
    asked: usize,
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
            let rounds = match suite.duration_ms {
                ms if ms < QUICK_MS => conditions.len(),
                ms if ms < SLOW_MS => 2,
                _ => 1,
            };
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
                // A runner that cannot be asked for one test by its name runs nothing alone.
                if let Some(plan) = suite.alone(case).filter(|plan| plan.spec != suite.plan.spec) {
                    calls.push(run_tests(format!("{AGAIN}-{}", calls.len() + 1), format!("run {} alone", case.name), &plan, &[]));
                    self.rounds.push(Round::Alone(index, case.clone()));
                }
            }
        }
        calls
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        if self.seen.is_empty() {
            for (index, suite) in facts.suites.iter().enumerate() {
                self.note(index, suite, suite.cases(), "the first run");
            }
        }
        for (round, answer) in std::mem::take(&mut self.rounds).iter().zip(answers) {
            let (Round::Again(index, _) | Round::Reversed(index) | Round::Forward(index) | Round::Alone(index, _)) = *round;
            let Some(suite) = facts.suites.get(index) else { continue };
            let cases = cases(round, suite, answer);
            match round {
                Round::Again(_, shown) => self.note(index, suite, &cases, shown),
                Round::Alone(..) => self.note(index, suite, &cases, ALONE_WORDS),
                Round::Reversed(_) => drop(self.reversed.insert(index, cases)),
                Round::Forward(_) => {
                    // The tracer runs tests in its own way: where it disagrees with the runner in the usual order, too,
                    // the order has nothing to do with it.
                    let agrees = |case: &&TestCase| {
                        let same = |other: &TestCase| other.name == case.name && is_red(other.status) == is_red(case.status);
                        cases.iter().any(same) && suite.cases().iter().any(same)
                    };
                    let names: BTreeSet<&String> = cases.iter().filter(agrees).map(|case| &case.name).collect();
                    let reversed = self.reversed.remove(&index).unwrap_or_default();
                    let known: Vec<TestCase> = reversed.into_iter().filter(|case| names.contains(&case.name)).collect();
                    self.note(index, suite, &known, REVERSED_WORDS);
                }
            }
        }
        let calls = self.check_order(facts);
        if calls.is_empty() {
            self.tell(facts);
        }
        calls
    }
}

impl Rerun {
    /// The usual order by the tracer, where the reverse one came to something else than the runner.
    fn check_order(&mut self, facts: &Facts) -> Vec<NativeCall> {
        let differs = |index: &usize, cases: &[TestCase]| {
            let suite = &facts.suites[*index];
            cases.iter().any(|case| suite.cases().iter().any(|own| own.name == case.name && is_red(own.status) != is_red(case.status)))
        };
        self.reversed.retain(|index, cases| differs(index, cases));
        let mut calls = Vec::new();
        for index in self.reversed.keys() {
            self.asked += 1;
            if let Some(call) = trace::python(&facts.suites[*index], trace::Mode::Forward, format!("{AGAIN}-order-{}", self.asked)) {
                calls.push(call);
                self.rounds.push(Round::Forward(*index));
            }
        }
        calls
    }

    /// Notes the results of one run. Names that a run has twice stand for different tests and prove nothing; a run of
    /// part of the tests must not add names of its own.
    fn note(&mut self, index: usize, suite: &Suite, cases: &[TestCase], condition: &str) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        suite.cases().iter().for_each(|case| *counts.entry(&case.name).or_default() += 1);
        let twice: BTreeSet<&str> = counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect();
        for case in cases {
            let again = cases.iter().filter(|other| other.name == case.name).count();
            if again > 1 || twice.contains(case.name.as_str()) || !suite.cases().iter().any(|own| own.name == case.name) {
                continue;
            }
            let new = || Flaky { test: case.name.clone(), passed: Vec::new(), failed: Vec::new() };
            let entry = self.seen.entry((index, case.name.clone())).or_insert_with(new);
            match case.status {
                TestStatus::Passed => entry.passed.push(condition.to_owned()),
                status if is_red(status) => entry.failed.push(condition.to_owned()),
                _ => {}
            }
        }
    }

    fn tell(&mut self, facts: &mut Facts) {
        for ((index, name), flaky) in std::mem::take(&mut self.seen) {
            if !flaky.passed.is_empty() && !flaky.failed.is_empty() {
                facts.suites[index].flaky.insert(name);
                facts.report.flaky.push(flaky);
            }
        }
    }
}

/// The cases of a further run, by the names of the first one.
fn cases(round: &Round, suite: &Suite, answer: &Answer) -> Vec<TestCase> {
    match round {
        Round::Again(..) => answer.tests(&suite.plan).map(|(_, cases)| cases).unwrap_or_default(),
        Round::Alone(_, case) => {
            let Some(plan) = suite.alone(case) else { return Vec::new() };
            let cases = answer.tests(&plan).map(|(_, cases)| cases).unwrap_or_default();
            cases.into_iter().filter(|other| other.name == case.name).collect()
        }
        Round::Reversed(_) | Round::Forward(_) => {
            let traced = answer.exec().ok().and_then(|report| trace::read(report.stdout.text_or_empty(), suite)).unwrap_or_default();
            let status = |failed| if failed { TestStatus::Failed } else { TestStatus::Passed };
            let to_case =
                |t: trace::Traced| TestCase { name: t.name, status: status(t.failed), file: None, line: None, message: None, lacks: None };
            traced.into_iter().map(to_case).collect()
        }
    }
}
