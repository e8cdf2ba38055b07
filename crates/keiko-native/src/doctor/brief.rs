//! What matters of a report, on a screen: what ran, what failed, since which commit, what repairs it, and what could not
//! run. All the rest is in the report itself.

use super::report::{Candidate, DoctorReport};
use super::tests::NO_TESTS;
use keiko_contracts::language::Language;
use keiko_contracts::said::Teller;
use keiko_contracts::tr;

/// How many failing tests, changed lines and things that were left out are named.
const TESTS: usize = 3;
const LINES: usize = 6;
const LEFT: usize = 2;
/// The longest line, in characters.
const COLUMNS: usize = 160;

impl DoctorReport {
    /// About ten lines for people, in a language, which is also the one that `by` tells sentences in.
    #[must_use]
    pub fn brief_in(&self, language: Language, by: &impl Teller) -> String {
        let brief = Brief {
            report: self,
            language,
            by,
        };
        let mut lines = vec![
            language
                .pick("# Repository report", "# Bericht über das Repository")
                .to_owned(),
            self.summary_in(language),
            language
                .pick(
                    "Made by rules and measurements; no language model took part.",
                    "Nach Regeln und Messungen erstellt; ein Sprachmodell war nicht beteiligt.",
                )
                .to_owned(),
        ];
        lines.extend(brief.tests());
        lines.extend(brief.guilty());
        lines.extend(brief.candidate());
        lines.extend(brief.left_out());
        lines.extend(
            self.notes
                .iter()
                .take(LEFT)
                .map(|note| format!("{}: {}", language.pick("Note", "Hinweis"), note.told(by))),
        );
        let shown = |line: String| -> String {
            let line: String = line
                .chars()
                .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
                .collect();
            if line.chars().count() > COLUMNS {
                line.chars().take(COLUMNS).chain(['…']).collect()
            } else {
                line
            }
        };
        lines.into_iter().map(shown).collect::<Vec<_>>().join("\n")
    }
}

struct Brief<'a, T> {
    report: &'a DoctorReport,
    language: Language,
    by: &'a T,
}

impl<T: Teller> Brief<'_, T> {
    fn tests(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let aside: Vec<&String> = self
            .report
            .set_aside
            .iter()
            .flat_map(|aside| &aside.tests)
            .collect();
        let failing: Vec<_> = self
            .report
            .suites
            .iter()
            .flat_map(|suite| &suite.failing)
            .filter(|t| !aside.contains(&&t.name))
            .collect();
        let all: usize = self
            .report
            .suites
            .iter()
            .map(|suite| suite.failed as usize)
            .sum();
        for test in failing.iter().take(TESTS) {
            let why = if test.message.is_empty() {
                String::new()
            } else {
                format!(": {}", test.message)
            };
            lines.push(format!(
                "  {} {}{why}",
                self.language.pick("fails", "rot"),
                test.name
            ));
        }
        let more = all
            .saturating_sub(aside.len())
            .saturating_sub(failing.len().min(TESTS));
        if more > 0 {
            lines.push(tr!(
                self.language,
                "  and {more} more",
                "  und {more} weitere"
            ));
        }
        for aside in &self.report.set_aside {
            let count = self.language.count(
                aside.tests.len() as u64,
                ["further test", "further tests"],
                ["weiterer Test", "weitere Tests"],
            );
            lines.push(format!("  {count}: {}", aside.why.told(self.by)));
        }
        lines
    }

    fn guilty(&self) -> Option<String> {
        let guilty = self.report.guilty.first()?;
        let count = guilty.tests.len().max(1) as u64;
        let tests = self
            .language
            .count(count, ["test", "tests"], ["Test", "Tests"]);
        let more = match self.report.guilty.len() {
            0 | 1 => String::new(),
            n => tr!(
                self.language,
                " (and {} more commits)",
                " (und {} weitere Commits)",
                n - 1
            ),
        };
        let (id, subject, good) = (&guilty.commit.id, &guilty.commit.subject, &guilty.good.id);
        Some(if guilty.uncommitted {
            tr!(
                self.language,
                "Broken by uncommitted changes: {tests}; at {good} all is well{more}",
                "Gebrochen durch nicht eingetragene Änderungen: {tests}; bei {good} noch grün{more}"
            )
        } else {
            tr!(
                self.language,
                "Broken by {id} \"{subject}\": {tests}, green at {good}{more}",
                "Gebrochen durch {id} „{subject}“: {tests}, bei {good} noch grün{more}"
            )
        })
    }

    fn candidate(&self) -> Vec<String> {
        // Of those that mend most, the first: it undoes a guilty commit, or is the most suspect.
        let best = self
            .report
            .candidates
            .iter()
            .rev()
            .max_by_key(|candidate| candidate.tests.len());
        let Some(best) = best else { return Vec::new() };
        let (place, template) = (place(best), best.template.told(self.by));
        let tests = self.language.count(
            best.tests.len() as u64,
            ["test", "tests"],
            ["Test", "Tests"],
        );
        let mut lines = vec![tr!(
            self.language,
            "Candidate, review it: {place} ({template}) turns {tests} green and breaks none",
            "Vorschlag, bitte prüfen: {place} ({template}) macht {tests} grün und bricht keinen"
        )];
        let changed = best.diff.lines().filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        });
        let changed: Vec<&str> = changed.collect();
        lines.extend(changed.iter().take(LINES).map(|line| format!("    {line}")));
        if changed.len() > LINES {
            let more = changed.len() - LINES;
            lines.push(tr!(
                self.language,
                "    … {more} more changed lines",
                "    … {more} weitere geänderte Zeilen"
            ));
        }
        lines
    }

    fn left_out(&self) -> Vec<String> {
        // That a folder holds no tests is nothing to be mended.
        let tests = self.report.not_looked_at.iter().filter(|left| {
            left.what.key().starts_with("packages of ")
                || (left.what.key().starts_with("tests") && left.why != NO_TESTS)
        });
        let mut left: Vec<_> = tests.collect();
        left.extend(self.report.not_looked_at.iter().filter(|left| {
            left.what.key().starts_with("the guilty commit") || left.what == "the files"
        }));
        let mut lines = Vec::new();
        for one in left.iter().take(LEFT) {
            let (what, why) = (one.what.told(self.by), one.why.told(self.by));
            let why = why.trim_end_matches('.');
            lines.push(tr!(
                self.language,
                "Not looked at: {what}: {why}",
                "Nicht untersucht: {what}: {why}"
            ));
            if !one.enable.is_empty() {
                let way = one.enable.told(self.by);
                lines.push(tr!(
                    self.language,
                    "  To enable it: {way}",
                    "  So geht es: {way}"
                ));
            }
        }
        lines
    }
}

/// Where a candidate's change stands.
pub(super) fn place(candidate: &Candidate) -> String {
    if candidate.line == 0 {
        candidate.file.clone()
    } else {
        format!("{}:{}", candidate.file, candidate.line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Commit, FailedTest, Guilty, NotLooked, SetAside, SuiteReport};
    use super::*;
    use keiko_contracts::said::{English, Said};

    fn commit(id: &str, subject: &str) -> Commit {
        Commit {
            id: id.to_owned(),
            subject: subject.to_owned(),
            parents: Vec::new(),
        }
    }

    fn report() -> DoctorReport {
        let failing = (0..50).map(|n| FailedTest {
            name: format!("t::test_{n}"),
            message: "AssertionError: 1 != 2".to_owned(),
        });
        let tests: Vec<String> = (0..152).map(|n| format!("t::test_{n}")).collect();
        DoctorReport {
            suites: vec![SuiteReport {
                place: "the root".to_owned(),
                command: "pytest".to_owned(),
                passed: 3,
                failed: 153,
                skipped: 0,
                failing: failing.collect(),
                channel: None,
            }],
            set_aside: vec![SetAside {
                why: "they need a display; the sandbox has none".into(),
                tests: vec!["t::test_9".to_owned()],
            }],
            guilty: vec![Guilty {
                test: tests[0].clone(),
                tests: tests.clone(),
                commit: commit("abc1234", "Tidy"),
                good: commit("def5678", "Before"),
                tried: 3,
                uncommitted: false,
                diff: String::new(),
            }],
            candidates: vec![Candidate {
                tests,
                file: "m.py".to_owned(),
                line: 2,
                template: "undo commit abc1234 here".into(),
                diff: "--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@\n-    return x - 1\n+    return x + 1\n"
                    .to_owned(),
            }],
            not_looked_at: [("docs", NO_TESTS), ("web", "its test script calls mocha")]
                .map(|(dir, why)| NotLooked {
                    what: Said::words(format!("tests of {dir}")),
                    why: why.into(),
                    enable: "npm install".into(),
                })
                .into(),
            ..DoctorReport::default()
        }
    }

    #[test]
    fn what_matters_fits_a_screen() {
        let text = report().brief_in(Language::English, &English);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= 15, "{text}");
        for line in [
            "  fails t::test_0: AssertionError: 1 != 2",
            "  and 149 more",
            "  1 further test: they need a display; the sandbox has none",
            "Broken by abc1234 \"Tidy\": 152 tests, green at def5678",
            "Candidate, review it: m.py:2 (undo commit abc1234 here) turns 152 tests green and breaks none",
            "    +    return x + 1",
            "Not looked at: tests of web: its test script calls mocha",
            "  To enable it: npm install",
        ] {
            assert!(lines.contains(&line), "{line} in\n{text}");
        }
        assert!(!text.contains("docs"), "{text}");
    }

    #[test]
    fn terminals_are_not_spoken_to_and_lines_end() {
        let mut report = report();
        report.guilty[0].commit.subject = format!("\u{1b}[2J{}", "x".repeat(400));
        let text = report.brief_in(Language::German, &English);
        assert!(
            !text.contains('\u{1b}')
                && text.lines().all(|line| line.chars().count() <= COLUMNS + 1),
            "{text}"
        );
        assert!(
            text.contains("Gebrochen durch abc1234")
                && text.contains("# Bericht über das Repository")
        );
    }
}
