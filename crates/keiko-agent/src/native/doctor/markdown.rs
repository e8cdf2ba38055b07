//! The report in Markdown, for people: what was found first, what was looked at, what was not and why.

use super::report::{DoctorReport, Severity};
use std::fmt::Write as _;

impl DoctorReport {
    /// The report for people.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::from("# Repository report\n\n");
        let _ = writeln!(out, "{}\n\nMade by rules and measurements; no language model took part.\n", self.summary());
        self.write_tests(&mut out);
        self.write_candidates(&mut out);
        self.write_guilty(&mut out);
        self.write_suspects(&mut out);
        self.write_flaky(&mut out);
        self.write_findings(&mut out);
        self.write_fixes(&mut out);
        self.write_scope(&mut out);
        // Texts come from the repository; none of them may talk to a terminal.
        out.retain(|c| c == '\n' || c == '\t' || !c.is_control());
        out
    }

    fn write_tests(&self, out: &mut String) {
        for suite in &self.suites {
            let _ = writeln!(out, "## Tests of {}\n", suite.place);
            let _ = writeln!(out, "`{}`: {} passed, {} failed, {} skipped.\n", suite.command, suite.passed, suite.failed, suite.skipped);
            for test in &suite.failing {
                let _ = writeln!(out, "- {} {}", code(&test.name), code(&test.message));
            }
            if !suite.failing.is_empty() {
                out.push('\n');
            }
        }
    }

    fn write_candidates(&self, out: &mut String) {
        if self.candidates_tried == 0 {
            return;
        }
        let _ = writeln!(out, "## Candidate repairs\n");
        if self.candidates.is_empty() {
            let _ = writeln!(
                out,
                "{} one-edit changes of suspect lines were tried; none made a failing test pass without breaking another.\n",
                self.candidates_tried
            );
            return;
        }
        let _ = writeln!(
            out,
            "{} one-edit changes were tried. The workspace was put back after each; nothing below is applied.\n",
            self.candidates_tried
        );
        for candidate in &self.candidates {
            let _ = writeln!(
                out,
                "**Candidate, review it:** {}:{} ({}). Passes: {}. All tests that passed before still pass.\n",
                candidate.file,
                candidate.line,
                candidate.template,
                candidate.tests.join(", ")
            );
            fenced(out, "diff", &candidate.diff);
        }
    }

    fn write_guilty(&self, out: &mut String) {
        if self.guilty.is_empty() {
            return;
        }
        let _ = writeln!(out, "## Guilty commits\n");
        for guilty in &self.guilty {
            let _ = writeln!(
                out,
                "- **{}** passes at `{}` and fails from `{}` on: {} ({} commits tried)",
                guilty.test, guilty.good.id, guilty.commit.id, guilty.commit.subject, guilty.tried
            );
            if !guilty.diff.is_empty() {
                out.push('\n');
                fenced(out, "diff", &guilty.diff);
            }
        }
        out.push('\n');
    }

    fn write_suspects(&self, out: &mut String) {
        if self.suspects.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "## Suspect lines\n\nLines that failing tests run and passing tests avoid (Ochiai score; 1.000 is the most suspect).\n"
        );
        for suspect in &self.suspects {
            let basis = if suspect.basis == "coverage" { String::new() } else { format!(", by {}", suspect.basis) };
            let basis = if suspect.raised { format!("{basis}, raised here") } else { basis };
            let score = format!("{}.{:03}", suspect.score / 1000, suspect.score % 1000);
            let _ = writeln!(out, "- {}:{} ({score}{basis}, {}) {}", suspect.file, suspect.line, suspect.test, code(suspect.text.trim()));
        }
        out.push('\n');
    }

    fn write_flaky(&self, out: &mut String) {
        if self.flaky.is_empty() {
            return;
        }
        let _ = writeln!(out, "## Flaky tests\n");
        for flaky in &self.flaky {
            let _ = writeln!(out, "- **{}** passed with {}; failed with {}", flaky.test, flaky.passed.join(", "), flaky.failed.join(", "));
        }
        out.push('\n');
    }

    fn write_findings(&self, out: &mut String) {
        if self.findings.is_empty() {
            return;
        }
        let _ = writeln!(out, "## Findings\n");
        for finding in self.findings.iter().take(MAX_SHOWN) {
            let place = if finding.line == 0 { finding.file.clone() } else { format!("{}:{}", finding.file, finding.line) };
            let level = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            let _ = writeln!(out, "- {place} {level} `{}` ({}): {}", finding.rule, finding.tool, finding.message);
        }
        if self.findings.len() > MAX_SHOWN {
            let _ = writeln!(out, "- and {} more, in the JSON report", self.findings.len() - MAX_SHOWN);
        }
        out.push('\n');
    }

    fn write_fixes(&self, out: &mut String) {
        if self.fixes.is_empty() {
            return;
        }
        let _ = writeln!(out, "## Fixes\n");
        for fix in &self.fixes {
            let fate = if fix.kept { "applied; the tests are as green as before".to_owned() } else { format!("taken back: {}", fix.why) };
            let _ = writeln!(out, "**{}**: {fate}\n", fix.tool);
            fenced(out, "diff", &fix.diff);
        }
    }

    fn write_scope(&self, out: &mut String) {
        let _ = writeln!(out, "## What was looked at\n");
        let _ = writeln!(out, "- {} files, {} source files read, {} commits", self.files, self.sources_read, self.commits.len());
        for project in &self.projects {
            let dir = if project.dir.is_empty() { "the root" } else { &project.dir };
            let _ = writeln!(out, "- {dir}: {:?}, tests by {}", project.toolchain, project.runner.as_deref().unwrap_or("nobody"));
        }
        for check in &self.checks {
            let _ = writeln!(out, "- {}", code(check));
        }
        if !self.not_looked_at.is_empty() {
            let _ = writeln!(out, "\n## What was not looked at\n");
        }
        for left in &self.not_looked_at {
            let enable = if left.enable.is_empty() { String::new() } else { format!(" To enable it: {}", code(&left.enable)) };
            let _ = writeln!(out, "- {}: {}.{enable}", left.what, left.why.trim_end_matches('.'));
        }
    }
}

/// How many findings the Markdown lists.
const MAX_SHOWN: usize = 100;

/// Inline code that survives backticks in it.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.contains('`') { format!("`` {line} ``") } else { format!("`{line}`") }
}

/// A fence longer than any in the text, so that a text from the repository cannot end it.
fn fenced(out: &mut String, language: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let longest =
        text.lines().map(|line| line.trim_start_matches([' ', '+', '-']).chars().take_while(|c| *c == '`').count()).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(out, "{fence}{language}\n{}\n{fence}\n", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::super::report::{Candidate, FailedTest, SuiteReport};
    use super::*;

    fn sample() -> DoctorReport {
        DoctorReport {
            checks: vec!["built-in rules over 3 source files".to_owned()],
            suites: vec![SuiteReport {
                place: "the root".to_owned(),
                command: "python3 -m unittest".to_owned(),
                passed: 3,
                failed: 1,
                skipped: 0,
                failing: vec![FailedTest { name: "t.A.test_x".to_owned(), message: "AssertionError: 1 != 2".to_owned() }],
            }],
            candidates: vec![Candidate {
                tests: vec!["t.A.test_x".to_owned()],
                file: "a.py".to_owned(),
                line: 2,
                template: "< for <=".to_owned(),
                diff: "-a\n+```\n".to_owned(),
            }],
            candidates_tried: 7,
            ..DoctorReport::default()
        }
    }

    #[test]
    fn a_candidate_is_shown_as_one_and_cannot_break_out_of_its_fence() {
        let text = sample().markdown();
        assert!(text.starts_with("# Repository report\n\n3 tests pass, 1 fail; 1 repair candidate to review.\n"), "{text}");
        assert!(text.contains("- `t.A.test_x` `AssertionError: 1 != 2`"), "{text}");
        assert!(text.contains("**Candidate, review it:** a.py:2 (< for <=)"), "{text}");
        assert!(text.contains("````diff\n-a\n+```\n````"), "{text}");
    }

    #[test]
    fn terminals_are_not_spoken_to() {
        let mut report = sample();
        report.suites[0].failing[0].message = "\u{1b}]0;title\u{7}".to_owned();
        assert!(!report.markdown().contains(['\u{1b}', '\u{7}']));
    }

    #[test]
    fn an_empty_examination_is_admitted() {
        assert_eq!(DoctorReport::default().summary(), "Nothing could be examined; the report says why.");
        let mut clean = sample();
        (clean.suites[0].failed, clean.candidates) = (0, Vec::new());
        assert_eq!(clean.summary(), "3 tests pass, 0 fail. Nothing wrong was found.");
    }
}
