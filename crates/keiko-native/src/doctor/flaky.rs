//! Flaky tests: the same code again under other conditions. A test whose result changes says nothing about the code.

use super::answer::{Answer, run_tests};
use super::report::{ALONE_WORDS, Cause, Flaky, REVERSED_WORDS, USUAL_WORDS};
use super::series::AGAIN;
use super::{Facts, NativeCall, Phase, Suite, is_red, trace};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::jail::Toolchain;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::collections::{BTreeMap, BTreeSet};

/// A suite that is done within this gets two more rounds.
const QUICK_MS: u64 = 2_500;
/// One that takes longer, only one.
const SLOW_MS: u64 = 30_000;
/// How many failing tests are run alone.
const ALONE: usize = 4;
/// Under how many conditions tests that came out differently run once more, and how often under the usual one: in a suite
/// that is quick, and in others.
const TRIED_AGAIN: [(usize, usize); 2] = [(4, 2), (2, 1)];

/// Conditions of a further round: what people read, and the environment.
type Condition = (&'static str, &'static [(&'static str, &'static str)]);

/// Go remembers what passed; with this it does not.
const UNCACHED_WORDS: &str = "the usual settings, uncached";

const PYTHON: [Condition; 5] = [
    ("PYTHONHASHSEED=1", &[("PYTHONHASHSEED", "1")]),
    (
        "PYTHONHASHSEED=2 TZ=UTC-14",
        &[("PYTHONHASHSEED", "2"), ("TZ", "UTC-14")],
    ),
    ("PYTHONHASHSEED=3", &[("PYTHONHASHSEED", "3")]),
    (
        "PYTHONHASHSEED=4 TZ=UTC+11",
        &[("PYTHONHASHSEED", "4"), ("TZ", "UTC+11")],
    ),
    ("PYTHONHASHSEED=5", &[("PYTHONHASHSEED", "5")]),
];
const NODE: [Condition; 4] = [
    ("TZ=UTC-14", &[("TZ", "UTC-14")]),
    ("TZ=UTC+11", &[("TZ", "UTC+11")]),
    (USUAL_WORDS, &[]),
    (USUAL_WORDS, &[]),
];
const RUST: [Condition; 4] = [
    ("RUST_TEST_THREADS=1", &[("RUST_TEST_THREADS", "1")]),
    ("RUST_TEST_THREADS=16", &[("RUST_TEST_THREADS", "16")]),
    (USUAL_WORDS, &[]),
    (USUAL_WORDS, &[]),
];
const GO: [Condition; 4] = [
    (
        "GOMAXPROCS=1, uncached",
        &[("GOMAXPROCS", "1"), ("GOFLAGS", "-mod=readonly -count=1")],
    ),
    (
        "GOMAXPROCS=16, uncached",
        &[("GOMAXPROCS", "16"), ("GOFLAGS", "-mod=readonly -count=1")],
    ),
    (UNCACHED_WORDS, &[("GOFLAGS", "-mod=readonly -count=1")]),
    (UNCACHED_WORDS, &[("GOFLAGS", "-mod=readonly -count=1")]),
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
    confirmed: bool,
}

/// Under which conditions the tests of a project run again.
fn conditions(suite: &Suite) -> &'static [Condition] {
    match suite.project.toolchain {
        Toolchain::Python => &PYTHON,
        Toolchain::Node => &NODE,
        Toolchain::Rust => &RUST,
        Toolchain::Go => &GO,
    }
}

impl Phase for Rerun {
    fn title(&self) -> &'static str {
        "flaky tests"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let mut calls = Vec::new();
        for (index, suite) in facts.suites.iter().enumerate() {
            let conditions = conditions(suite);
            let rounds = match suite.duration_ms {
                ms if ms < QUICK_MS => conditions.len(),
                ms if ms < SLOW_MS => 2,
                _ => 1,
            };
            for (shown, env) in conditions.iter().take(rounds) {
                let id = format!("{AGAIN}-{}", calls.len() + 1);
                calls.push(run_tests(
                    id,
                    say!("run the tests again with {how}", how = Said::from(*shown)),
                    &suite.plan,
                    env,
                ));
                self.rounds.push(Round::Again(index, shown));
            }
            if let Some(call) = trace::python(
                suite,
                trace::Mode::Reverse,
                format!("{AGAIN}-{}", calls.len() + 1),
            ) {
                calls.push(call);
                self.rounds.push(Round::Reversed(index));
            }
            for case in suite.failing().into_iter().take(ALONE) {
                // A runner that cannot be asked for one test by its name runs nothing alone.
                if let Some(plan) = suite
                    .alone(case)
                    .filter(|plan| plan.spec != suite.plan.spec)
                {
                    calls.push(run_tests(
                        format!("{AGAIN}-{}", calls.len() + 1),
                        say!("run {test} alone", test = case.name),
                        &plan,
                        &[],
                    ));
                    self.rounds.push(Round::Alone(index, case.clone()));
                }
            }
        }
        calls
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        if self.seen.is_empty() {
            for (index, suite) in facts.suites.iter().enumerate() {
                self.note(index, suite, suite.cases(), USUAL_WORDS);
            }
        }
        for (round, answer) in std::mem::take(&mut self.rounds).iter().zip(answers) {
            let (Round::Again(index, _)
            | Round::Reversed(index)
            | Round::Forward(index)
            | Round::Alone(index, _)) = *round;
            let Some(suite) = facts.suites.get(index) else {
                continue;
            };
            let cases = cases(round, suite, answer);
            match round {
                Round::Again(_, shown) => self.note(index, suite, &cases, shown),
                Round::Alone(..) => self.note(index, suite, &cases, ALONE_WORDS),
                Round::Reversed(_) => drop(self.reversed.insert(index, cases)),
                Round::Forward(_) => {
                    // The tracer runs tests in its own way: where it disagrees with the runner in the usual order, too,
                    // the order has nothing to do with it.
                    let agrees = |case: &&TestCase| {
                        let same = |other: &TestCase| {
                            other.name == case.name && is_red(other.status) == is_red(case.status)
                        };
                        cases.iter().any(same) && suite.cases().iter().any(same)
                    };
                    let names: BTreeSet<&String> =
                        cases.iter().filter(agrees).map(|case| &case.name).collect();
                    let reversed = self.reversed.remove(&index).unwrap_or_default();
                    let known: Vec<TestCase> = reversed
                        .into_iter()
                        .filter(|case| names.contains(&case.name))
                        .collect();
                    self.note(index, suite, &known, REVERSED_WORDS);
                }
            }
        }
        let mut calls = self.check_order(facts);
        if calls.is_empty() && !std::mem::replace(&mut self.confirmed, true) {
            calls = self.confirm(facts);
        }
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
            cases.iter().any(|case| {
                suite
                    .cases()
                    .iter()
                    .any(|own| own.name == case.name && is_red(own.status) != is_red(case.status))
            })
        };
        self.reversed.retain(|index, cases| differs(index, cases));
        let mut calls = Vec::new();
        for index in self.reversed.keys() {
            self.asked += 1;
            if let Some(call) = trace::python(
                &facts.suites[*index],
                trace::Mode::Forward,
                format!("{AGAIN}-order-{}", self.asked),
            ) {
                calls.push(call);
                self.rounds.push(Round::Forward(*index));
            }
        }
        calls
    }

    /// What differed under a changed condition, once more under that one and under the usual one: only a test that comes
    /// out both ways under the same condition is flaky, the others depend on what was changed.
    fn confirm(&mut self, facts: &Facts) -> Vec<NativeCall> {
        let mut calls = Vec::new();
        for (index, suite) in facts.suites.iter().enumerate() {
            let unsteady: Vec<&Flaky> = self
                .seen
                .iter()
                .filter(|((of, _), _)| *of == index)
                .map(|(_, flaky)| flaky)
                .collect();
            let unsteady = unsteady
                .into_iter()
                .filter(|flaky| is_unsteady(flaky) && flaky.cause_seen() == Cause::Surroundings);
            let other: BTreeSet<&str> = unsteady.flat_map(other_ways).map(Said::key).collect();
            if other.is_empty() {
                continue;
            }
            let (changed, usual) = TRIED_AGAIN[usize::from(suite.duration_ms >= QUICK_MS)];
            let again = conditions(suite)
                .iter()
                .filter(|(shown, _)| other.contains(shown))
                .take(changed)
                .copied();
            let usual = std::iter::repeat_n::<Condition>((USUAL_WORDS, &[]), usual);
            for (shown, env) in again.chain(usual) {
                self.asked += 1;
                let id = format!("{AGAIN}-same-{}", self.asked);
                calls.push(run_tests(
                    id,
                    say!("run the tests again with {how}", how = Said::from(shown)),
                    &suite.plan,
                    env,
                ));
                self.rounds.push(Round::Again(index, shown));
            }
        }
        calls
    }

    /// Notes the results of one run. Names that a run has twice stand for different tests and prove nothing; a run of
    /// part of the tests must not add names of its own.
    fn note(&mut self, index: usize, suite: &Suite, cases: &[TestCase], condition: &'static str) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        suite
            .cases()
            .iter()
            .for_each(|case| *counts.entry(&case.name).or_default() += 1);
        let twice: BTreeSet<&str> = counts
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|(name, _)| name)
            .collect();
        for case in cases {
            let again = cases.iter().filter(|other| other.name == case.name).count();
            if again > 1
                || twice.contains(case.name.as_str())
                || !suite.cases().iter().any(|own| own.name == case.name)
            {
                continue;
            }
            let new = || Flaky {
                test: case.name.clone(),
                passed: Vec::new(),
                failed: Vec::new(),
                cause: Cause::Chance,
            };
            let entry = self
                .seen
                .entry((index, case.name.clone()))
                .or_insert_with(new);
            match case.status {
                TestStatus::Passed => entry.passed.push(condition.into()),
                status if is_red(status) => entry.failed.push(condition.into()),
                _ => {}
            }
        }
    }

    fn tell(&mut self, facts: &mut Facts) {
        for ((index, name), mut flaky) in std::mem::take(&mut self.seen) {
            if !is_unsteady(&flaky) {
                continue;
            }
            flaky.cause = flaky.cause_seen();
            // In one time zone it is steady, so what broke it can be looked for.
            if !flaky.depends_on_time_zone() {
                facts.suites[index].flaky.insert(name);
            }
            facts.report.flaky.push(flaky);
        }
    }
}

fn is_unsteady(flaky: &Flaky) -> bool {
    !flaky.passed.is_empty() && !flaky.failed.is_empty()
}

/// The conditions under which a test came out differently than usually.
fn other_ways(flaky: &Flaky) -> &[Said] {
    if flaky.passed.iter().any(|way| *way == USUAL_WORDS) {
        &flaky.failed
    } else {
        &flaky.passed
    }
}

/// The cases of a further run, by the names of the first one.
fn cases(round: &Round, suite: &Suite, answer: &Answer) -> Vec<TestCase> {
    match round {
        Round::Again(..) => answer
            .tests(&suite.plan)
            .map(|(_, cases)| cases)
            .unwrap_or_default(),
        Round::Alone(_, case) => {
            let Some(plan) = suite.alone(case) else {
                return Vec::new();
            };
            let cases = answer
                .tests(&plan)
                .map(|(_, cases)| cases)
                .unwrap_or_default();
            cases
                .into_iter()
                .filter(|other| other.name == case.name)
                .collect()
        }
        Round::Reversed(_) | Round::Forward(_) => {
            let traced = answer
                .exec()
                .ok()
                .and_then(|report| trace::read(report.stdout.text_or_empty(), suite))
                .unwrap_or_default();
            let status = |failed| {
                if failed {
                    TestStatus::Failed
                } else {
                    TestStatus::Passed
                }
            };
            let to_case = |t: trace::Traced| TestCase {
                name: t.name,
                status: status(t.failed),
                file: None,
                line: None,
                message: None,
                lacks: None,
            };
            traced.into_iter().map(to_case).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaky(passed: &[&'static str], failed: &[&'static str]) -> Flaky {
        let ways = |ways: &[&'static str]| ways.iter().map(|way| Said::from(*way)).collect();
        let mut flaky = Flaky {
            test: "t".to_owned(),
            passed: ways(passed),
            failed: ways(failed),
            cause: Cause::Chance,
        };
        flaky.cause = flaky.cause_seen();
        flaky
    }

    #[test]
    fn only_what_comes_out_both_ways_under_one_condition_is_flaky() {
        assert_eq!(
            flaky(&[USUAL_WORDS], &[USUAL_WORDS, "TZ=UTC-14"]).cause,
            Cause::Chance
        );
        assert_eq!(
            flaky(&[USUAL_WORDS, "TZ=UTC-14"], &["TZ=UTC-14"]).cause,
            Cause::Chance
        );
        assert_eq!(
            flaky(&[USUAL_WORDS, USUAL_WORDS], &["TZ=UTC-14", "TZ=UTC-14"]).cause,
            Cause::Surroundings
        );
        assert_eq!(
            flaky(&["PYTHONHASHSEED=1"], &[USUAL_WORDS]).cause,
            Cause::Surroundings
        );
        assert_eq!(
            flaky(&[ALONE_WORDS], &[USUAL_WORDS, "TZ=UTC-14"]).cause,
            Cause::Order
        );
        assert_eq!(
            flaky(&[USUAL_WORDS], &[REVERSED_WORDS, ALONE_WORDS]).cause,
            Cause::Order
        );
    }

    #[test]
    fn a_test_that_one_time_zone_decides_is_looked_into_and_one_that_the_hash_seed_decides_is_not()
    {
        assert!(
            flaky(
                &["PYTHONHASHSEED=4 TZ=UTC+11"],
                &[USUAL_WORDS, "PYTHONHASHSEED=1"]
            )
            .depends_on_time_zone()
        );
        assert!(
            !flaky(
                &["PYTHONHASHSEED=1", "PYTHONHASHSEED=4 TZ=UTC+11"],
                &[USUAL_WORDS]
            )
            .depends_on_time_zone()
        );
        assert!(!flaky(&[USUAL_WORDS], &[USUAL_WORDS, "TZ=UTC+11"]).depends_on_time_zone());
    }
}
