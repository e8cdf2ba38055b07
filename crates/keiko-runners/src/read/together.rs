//! The tests of several projects of one workspace as one run: evidence is about the whole.

use super::{CASES_MAX, FAILING_MAX, is_fine};
use keiko_contracts::evidence::{Channel, TestCase, TestStatus, TestSummary};
use keiko_contracts::say;

/// What the tests of one project came to.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The project's folder.
    pub dir: String,
    /// The command as people would type it.
    pub command: String,
    /// Counts and cases; `None` when no result could be read.
    pub read: Option<(TestSummary, Vec<TestCase>)>,
}

/// Puts the projects' results together. One whose result cannot be read counts as an error beside the others; `None`
/// when none can be read.
#[must_use]
pub fn together(mut all: Vec<Observed>) -> Option<TestSummary> {
    if all.len() == 1 {
        return all.pop()?.read.map(|(summary, _)| summary);
    }
    if all.iter().all(|one| one.read.is_none()) {
        return None;
    }
    let mut cases = Vec::new();
    // One that was read from output makes the whole worth no more than that; one that is void, nothing.
    let mut whole = TestSummary {
        channel: channel_of(&all),
        ..TestSummary::default()
    };
    let (mut runners, mut commands) = (Vec::new(), Vec::new());
    for one in all {
        // Two projects may have tests of the same name.
        let place = if one.dir.is_empty() {
            String::new()
        } else {
            format!("{}: ", one.dir)
        };
        commands.push(format!("{place}{}", one.command));
        match one.read {
            Some((summary, of_one)) => {
                add(&mut whole, &summary, &place);
                runners.push(summary.runner);
                cases.extend(of_one.into_iter().map(|case| TestCase {
                    name: format!("{place}{}", case.name),
                    ..case
                }));
            }
            None => {
                whole.errors += 1;
                let message = Some("no result could be read".to_owned());
                cases.push(TestCase {
                    name: format!("{place}{}", one.command),
                    status: TestStatus::Error,
                    file: None,
                    line: None,
                    message,
                    lacks: None,
                });
            }
        }
    }
    runners.dedup();
    cases.truncate(CASES_MAX);
    Some(TestSummary {
        runner: runners.join(" + "),
        command: commands.join("; "),
        failing: cases
            .iter()
            .filter(|case| !is_fine(case))
            .take(FAILING_MAX)
            .map(|case| case.name.clone())
            .collect(),
        cases: serde_json::to_string(&cases).unwrap_or_default().into(),
        ..whole
    })
}

fn channel_of(all: &[Observed]) -> Channel {
    let mut read = all.iter().filter_map(|one| one.read.as_ref());
    if read.all(|(summary, _)| summary.channel == Channel::Reporter) {
        Channel::Reporter
    } else {
        Channel::Output
    }
}

fn add(whole: &mut TestSummary, one: &TestSummary, place: &str) {
    whole.passed += one.passed;
    whole.failed += one.failed;
    whole.errors += one.errors;
    whole.skipped += one.skipped;
    whole.millis = whole.millis.saturating_add(one.millis);
    if whole.void.is_none() {
        whole.void = one
            .void
            .as_ref()
            .map(|why| say!("{place}{why}", place, why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(dir: &str, status: Option<TestStatus>) -> Observed {
        let read = status.map(|status| {
            let case = TestCase {
                name: "adds".into(),
                status,
                file: None,
                line: None,
                message: None,
                lacks: None,
            };
            let passed = u32::from(status == TestStatus::Passed);
            (
                TestSummary {
                    runner: "node".into(),
                    passed,
                    failed: 1 - passed,
                    ..TestSummary::default()
                },
                vec![case],
            )
        });
        Observed {
            dir: dir.into(),
            command: "npm test".into(),
            read,
        }
    }

    #[test]
    fn a_red_project_is_not_hidden_by_a_green_one() {
        let whole = together(vec![
            one("a", Some(TestStatus::Failed)),
            one("b", Some(TestStatus::Passed)),
        ])
        .unwrap();
        assert_eq!(
            (whole.passed, whole.failed, whole.failing),
            (1, 1, vec!["a: adds".to_owned()])
        );
        assert_eq!(
            (whole.runner.as_str(), whole.command.as_str()),
            ("node", "a: npm test; b: npm test")
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error_beside_the_others() {
        let whole = together(vec![one("", Some(TestStatus::Passed)), one("b", None)]).unwrap();
        assert_eq!(
            (whole.passed, whole.errors, whole.failing),
            (1, 1, vec!["b: npm test".to_owned()])
        );
        assert!(
            !TestSummary {
                failing: vec![],
                ..together(vec![one("", Some(TestStatus::Passed)), one("b", None)]).unwrap()
            }
            .is_green()
        );
        assert!(
            together(vec![one("a", None), one("b", None)]).is_none()
                && together(vec![one("", None)]).is_none()
        );
    }
}
