//! Two runs of tests beside each other: what the work did to them.

use keiko_contracts::evidence::{TestCase, TestStatus};
use std::collections::BTreeMap;

/// What changed from one run of tests to another, by name. A skipped test is neither red nor green.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Failed or could not run before, pass now.
    pub red_to_green: Vec<String>,
    /// Passed before, fail or cannot run now.
    pub green_to_red: Vec<String>,
    /// Were not there before.
    pub new: Vec<String>,
    /// Are not there any more.
    pub gone: Vec<String>,
    /// Passed before, are skipped now: a quiet way to lose a test.
    pub green_to_skipped: Vec<String>,
}

/// Compares two runs. Tests are told apart by file and name, and by their order where both are the same.
#[must_use]
pub fn compare(before: &[TestCase], after: &[TestCase]) -> Comparison {
    let mut result = Comparison::default();
    let mut old = index(before);
    let mut unmatched = Vec::new();
    for (key, case) in index(after) {
        match old.remove(&key) {
            Some(earlier) => result.note(earlier, case),
            None => unmatched.push(case),
        }
    }
    // Some runners know the file of a failure only: then the name decides, if it is the only one left of its kind.
    let mut left: BTreeMap<&str, Vec<&TestCase>> = BTreeMap::new();
    old.into_values().for_each(|case| left.entry(&case.name).or_default().push(case));
    for case in unmatched {
        let same = left.get_mut(case.name.as_str()).filter(|cases| cases.len() == 1 && (cases[0].file.is_none() || case.file.is_none()));
        match same.and_then(Vec::pop) {
            Some(earlier) => result.note(earlier, case),
            None => result.new.push(case.name.clone()),
        }
    }
    result.gone = left.into_values().flatten().map(|case| case.name.clone()).collect();
    result
}

impl Comparison {
    fn note(&mut self, before: &TestCase, after: &TestCase) {
        use TestStatus::{Error, Failed, Passed, Skipped};
        match (before.status, after.status) {
            (Failed | Error, Passed) => self.red_to_green.push(after.name.clone()),
            (Passed, Failed | Error) => self.green_to_red.push(after.name.clone()),
            (Passed, Skipped) => self.green_to_skipped.push(after.name.clone()),
            _ => {}
        }
    }
}

type Key<'a> = (Option<&'a str>, &'a str, usize);

fn index(cases: &[TestCase]) -> BTreeMap<Key<'_>, &TestCase> {
    let mut seen: BTreeMap<(Option<&str>, &str), usize> = BTreeMap::new();
    let mut keyed = BTreeMap::new();
    for case in cases {
        let place = (case.file.as_deref(), case.name.as_str());
        let nth = seen.entry(place).or_default();
        keyed.insert((place.0, place.1, *nth), case);
        *nth += 1;
    }
    keyed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(file: Option<&str>, name: &str, status: TestStatus) -> TestCase {
        TestCase { name: name.into(), status, file: file.map(Into::into), line: None, message: None, lacks: None }
    }

    #[test]
    fn each_kind_of_change_is_named() {
        use TestStatus::{Error, Failed, Passed, Skipped};
        let before =
            [("a", Failed), ("b", Passed), ("c", Passed), ("d", Error), ("e", Passed), ("f", Skipped)].map(|(n, s)| case(None, n, s));
        let after =
            [("a", Passed), ("b", Error), ("d", Passed), ("e", Skipped), ("f", Passed), ("g", Passed)].map(|(n, s)| case(None, n, s));
        let got = compare(&before, &after);
        assert_eq!(got.red_to_green, ["a", "d"]);
        assert_eq!(got.green_to_red, ["b"]);
        assert_eq!(got.green_to_skipped, ["e"]);
        assert_eq!((got.new, got.gone), (vec!["g".to_owned()], vec!["c".to_owned()]));
    }

    #[test]
    fn equal_names_are_told_apart_by_file() {
        use TestStatus::{Failed, Passed};
        let before = [case(Some("a.rs"), "t", Passed), case(Some("b.rs"), "t", Failed)];
        let after = [case(Some("b.rs"), "t", Passed), case(Some("a.rs"), "t", Failed)];
        let got = compare(&before, &after);
        assert_eq!((got.red_to_green.len(), got.green_to_red.len()), (1, 1));
    }

    #[test]
    fn a_file_that_only_a_failure_tells_does_not_hide_a_change() {
        use TestStatus::{Failed, Passed};
        let got = compare(&[case(Some("a.js"), "t", Failed)], &[case(None, "t", Passed)]);
        assert_eq!(got, Comparison { red_to_green: vec!["t".into()], ..Comparison::default() });
        let moved = compare(&[case(Some("a.py"), "t", Failed)], &[case(Some("b.py"), "t", Passed)]);
        assert_eq!((moved.new.len(), moved.gone.len()), (1, 1));
    }

    proptest! {
        #[test]
        fn nothing_changes_between_a_run_and_itself(names in proptest::collection::vec("[ab]{1,2}", 0..12), bits in any::<u64>()) {
            let status = |i: usize| if bits >> (i % 64) & 1 == 1 { TestStatus::Passed } else { TestStatus::Failed };
            let cases: Vec<TestCase> = names.iter().enumerate().map(|(i, name)| case(None, name, status(i))).collect();
            prop_assert_eq!(compare(&cases, &cases), Comparison::default());
            let got = compare(&[], &cases);
            prop_assert_eq!(got.new.len(), cases.len());
        }
    }
}
