//! Counts by hand against counts of Keiko's, and how sure a share is.

use super::hand::Took;
use super::keiko::Said;
use super::project::{ByHand, Language, Project};
use serde::Serialize;

/// Passed, failed (errors included) and skipped tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
}

impl Counts {
    pub(super) fn by_hand(hand: &ByHand) -> Counts {
        Counts {
            passed: hand.passed,
            failed: hand.failed + hand.errors,
            skipped: hand.skipped + hand.expected_failures,
        }
    }

    pub(super) fn of(said: &Said) -> Counts {
        said.report
            .suites
            .iter()
            .fold(Counts::default(), |sum, suite| Counts {
                passed: sum.passed + suite.passed,
                failed: sum.failed + suite.failed,
                skipped: sum.skipped + suite.skipped,
            })
    }

    /// What is promised: as many passed and as many failed. Runners differ in what they call skipped.
    pub(super) fn agrees(self, other: Counts) -> bool {
        (self.passed, self.failed) == (other.passed, other.failed)
    }
}

/// A project by hand and by Keiko.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Compared {
    pub(super) project: String,
    pub(super) language: Language,
    pub(super) by_hand: Counts,
    pub(super) keiko: Counts,
    pub(super) same: bool,
    pub(super) hand_took: Took,
    /// The time by hand was measured in this run.
    pub(super) hand_measured: bool,
    /// Installed, and tested once.
    pub(super) keiko_tested_seconds: f64,
    /// Until the report.
    pub(super) keiko_seconds: f64,
    pub(super) commands: Vec<String>,
    /// Why not, as Keiko says it.
    pub(super) said: Vec<String>,
    /// It could not be measured, and why.
    pub(super) impossible: Option<String>,
}

impl Compared {
    pub(super) fn new(project: &Project, took: Option<Took>, said: &Said) -> Compared {
        let (by_hand, keiko) = (Counts::by_hand(&project.by_hand), Counts::of(said));
        let left_out = said
            .report
            .not_looked_at
            .iter()
            .map(|left| format!("{}: {}", left.what, left.why));
        let flaky = said
            .report
            .flaky
            .iter()
            .filter(|flaky| flaky.by_chance())
            .map(|flaky| format!("flaky: {}", flaky.test));
        Compared {
            project: project.name.clone(),
            language: project.language,
            by_hand,
            keiko,
            same: by_hand.agrees(keiko),
            hand_took: took.unwrap_or_else(|| Took::recorded(project)),
            hand_measured: took.is_some(),
            keiko_tested_seconds: said.tested_seconds,
            keiko_seconds: said.seconds,
            commands: said
                .report
                .suites
                .iter()
                .map(|suite| suite.command.clone())
                .collect(),
            said: said
                .wrong
                .iter()
                .cloned()
                .chain(left_out)
                .chain(flaky)
                .collect(),
            impossible: None,
        }
    }

    pub(super) fn impossible(project: &Project, why: String) -> Compared {
        Compared {
            impossible: Some(why),
            ..Compared::new(project, None, &Said::default())
        }
    }

    /// Keiko's time until the tests had run, against that of people.
    pub(super) fn ratio(&self) -> f64 {
        self.keiko_tested_seconds / self.hand_took.whole().max(0.1)
    }
}

/// Where the true share lies with 95 %, by Wilson: it holds for few and for all, too.
pub(super) fn interval(hits: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let z = 1.96_f64;
    let (n, share) = (count(of), count(hits) / count(of));
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// The middle one of several numbers; of an even count the lower.
pub(super) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().checked_sub(1)? / 2).copied()
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::keiko::{Report, Suite};
    use super::super::project;
    use super::*;

    fn said(suites: &[(u32, u32, u32)]) -> Said {
        let suite = |&(passed, failed, skipped): &(u32, u32, u32)| Suite {
            command: String::new(),
            passed,
            failed,
            skipped,
        };
        Said {
            report: Report {
                suites: suites.iter().map(suite).collect(),
                ..Report::default()
            },
            ..Said::default()
        }
    }

    #[test]
    fn the_same_passed_and_failed_counts_are_the_same_whatever_was_skipped() {
        let project: Project = toml::from_str(project::tests::ROW).unwrap();
        for (suites, same) in [
            (&[(10, 2, 2)][..], true),
            (&[(7, 2, 0), (3, 0, 1)], true),
            (&[(9, 2, 2)], false),
            (&[(10, 1, 3)], false),
            (&[(12, 0, 0)], false),
            (&[], false),
        ] {
            assert_eq!(
                Compared::new(&project, None, &said(suites)).same,
                same,
                "{suites:?}"
            );
        }
        assert!(!Compared::impossible(&project, "no network".to_owned()).same);
    }

    #[test]
    fn shares_of_few_are_unsure_and_medians_stand_in_the_middle() {
        let (low, high) = interval(9, 10);
        assert!(
            (0.59..0.61).contains(&low) && (0.97..0.99).contains(&high),
            "{low} {high}"
        );
        let (low, high) = interval(40, 40);
        assert!((0.90..0.92).contains(&low) && high > 0.999, "{low} {high}");
        assert_eq!(interval(0, 0), (0.0, 1.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
