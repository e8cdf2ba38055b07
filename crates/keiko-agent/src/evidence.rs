//! What the runs of tests so far prove.

use crate::protect::{self, Names};
use keiko_contracts::evidence::{TestCase, TestStatus, TestSummary};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most names of red tests that are remembered.
const RED_MAX: usize = 500;

/// What is known of the tests.
#[derive(Debug, Clone, Default)]
pub struct Tests {
    /// The first run.
    pub first: Option<Arc<TestSummary>>,
    /// The last run.
    pub last: Option<Arc<TestSummary>>,
    /// Tests that were seen red and were not green at the start: a test written to show a fault is one of them.
    red: BTreeSet<String>,
}

impl Tests {
    /// Takes note of a run of all tests.
    pub fn observe(&mut self, summary: Arc<TestSummary>) {
        let red = names(&summary, is_red);
        if !red.is_empty() && self.red.len() < RED_MAX {
            let green = self
                .first
                .as_deref()
                .map(|first| names(first, is_green))
                .unwrap_or_default();
            let room = RED_MAX - self.red.len();
            self.red.extend(red.difference(&green).take(room).cloned());
        }
        self.first.get_or_insert_with(|| summary.clone());
        self.last = Some(summary);
    }

    /// Tests that were red and are green now.
    #[must_use]
    pub fn red_to_green(&self) -> Vec<String> {
        let green = self
            .last
            .as_deref()
            .map(|last| names(last, is_green))
            .unwrap_or_default();
        self.red.intersection(&green).cloned().collect()
    }

    /// Tests that are red now and were not at the start.
    #[must_use]
    pub fn newly_red(&self) -> Vec<String> {
        let of = |summary: &Option<Arc<TestSummary>>| {
            summary
                .as_deref()
                .map(|all| names(all, is_red))
                .unwrap_or_default()
        };
        of(&self.last)
            .difference(&of(&self.first))
            .cloned()
            .collect()
    }

    /// Tests that were red at the start and are red now.
    #[must_use]
    pub fn still_red(&self) -> Vec<String> {
        let of = |summary: &Option<Arc<TestSummary>>| {
            summary
                .as_deref()
                .map(|all| names(all, is_red))
                .unwrap_or_default()
        };
        of(&self.last)
            .intersection(&of(&self.first))
            .cloned()
            .collect()
    }

    /// Tests that ran at the start, green or red, and do not run now: gone, or left out.
    #[must_use]
    pub fn lost(&self) -> Vec<String> {
        let (Some(first), Some(last)) = (&self.first, &self.last) else {
            return Vec::new();
        };
        let mut left: BTreeMap<String, u32> = BTreeMap::new();
        cases(last).filter(ran).for_each(|case| {
            *left
                .entry(keiko_runners::lineless(&case.name).to_owned())
                .or_default() += 1
        });
        let mut still = |case: &TestCase| match left.get_mut(keiko_runners::lineless(&case.name)) {
            Some(n) if *n > 0 => {
                *n -= 1;
                true
            }
            _ => false,
        };
        cases(first)
            .filter(ran)
            .filter(|case| !still(case))
            .map(|case| case.name)
            .collect()
    }

    /// The words in the names of the tests that were there at the start.
    #[must_use]
    pub fn known(&self) -> Names {
        let Some(first) = &self.first else {
            return Names::new();
        };
        cases(first)
            .flat_map(|case| {
                protect::names_in(&case.name)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

fn is_red(status: TestStatus) -> bool {
    matches!(status, TestStatus::Failed | TestStatus::Error)
}

fn is_green(status: TestStatus) -> bool {
    status == TestStatus::Passed
}

fn ran(case: &TestCase) -> bool {
    is_red(case.status) || is_green(case.status)
}

fn cases(summary: &TestSummary) -> impl Iterator<Item = TestCase> {
    let cases: Vec<TestCase> =
        serde_json::from_str(summary.cases.text_or_empty()).unwrap_or_default();
    cases.into_iter()
}

fn names(summary: &TestSummary, wanted: fn(TestStatus) -> bool) -> BTreeSet<String> {
    cases(summary)
        .filter(|case| wanted(case.status))
        .map(|case| case.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cases: &[(&str, TestStatus)]) -> Arc<TestSummary> {
        let case = |(name, status): &(&str, TestStatus)| TestCase {
            name: (*name).into(),
            status: *status,
            file: None,
            line: None,
            message: None,
            lacks: None,
        };
        let cases: Vec<TestCase> = cases.iter().map(case).collect();
        Arc::new(TestSummary {
            cases: serde_json::to_string(&cases).unwrap().into(),
            ..TestSummary::default()
        })
    }

    #[test]
    fn a_new_test_counts_once_it_was_red() {
        use TestStatus::{Failed, Passed};
        let mut tests = Tests::default();
        tests.observe(run(&[("old", Passed), ("broken", Failed)]));
        tests.observe(run(&[("old", Failed), ("broken", Failed), ("new", Failed)]));
        assert_eq!(tests.newly_red(), ["new", "old"]);
        assert!(tests.red_to_green().is_empty());
        tests.observe(run(&[
            ("old", Passed),
            ("broken", Passed),
            ("new", Passed),
            ("never red", Passed),
        ]));
        assert_eq!(
            tests.red_to_green(),
            ["broken", "new"],
            "what the agent itself broke in between is no merit"
        );
        assert!(tests.newly_red().is_empty());
    }

    #[test]
    fn what_stays_red_and_what_is_lost_is_known_by_name() {
        use TestStatus::{Failed, Passed, Skipped};
        let mut tests = Tests::default();
        tests.observe(run(&[
            ("good", Passed),
            ("fine", Passed),
            ("broken", Failed),
        ]));
        assert_eq!(
            (tests.still_red(), tests.lost()),
            (vec!["broken".to_owned()], vec![])
        );
        tests.observe(run(&[
            ("fine", Skipped),
            ("broken", Failed),
            ("new", Passed),
        ]));
        assert_eq!(
            (tests.still_red(), tests.lost()),
            (
                vec!["broken".to_owned()],
                vec!["good".to_owned(), "fine".to_owned()]
            )
        );
    }

    #[test]
    fn tests_in_documentation_may_move() {
        let mut tests = Tests::default();
        tests.observe(run(&[
            ("src/lib.rs - add (line 5)", TestStatus::Passed),
            ("src/lib.rs - add (line 9)", TestStatus::Failed),
        ]));
        tests.observe(run(&[
            ("src/lib.rs - add (line 7)", TestStatus::Passed),
            ("src/lib.rs - add (line 11)", TestStatus::Passed),
        ]));
        assert_eq!(tests.lost(), Vec::<String>::new());
        tests.observe(run(&[("src/lib.rs - add (line 7)", TestStatus::Passed)]));
        assert_eq!(
            tests.lost(),
            ["src/lib.rs - add (line 9)"],
            "red or green, one is gone"
        );
        assert!(tests.known().contains("add"));
    }

    #[test]
    fn a_red_test_that_is_gone_has_not_turned_green() {
        let mut tests = Tests::default();
        tests.observe(run(&[("broken", TestStatus::Failed)]));
        tests.observe(run(&[("other", TestStatus::Passed)]));
        assert!(tests.red_to_green().is_empty());
    }
}
