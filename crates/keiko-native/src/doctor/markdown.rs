//! The report in Markdown, for people: what was found first, what was looked at, what was not and why.

use super::brief;
use super::report::{Cause, DoctorReport, Flaky, Severity};
use keiko_contracts::language::Language;
use keiko_contracts::said::{English, Said, Teller};
use keiko_contracts::tr;
use std::collections::BTreeSet;
use std::fmt::Write as _;

impl DoctorReport {
    /// The report for people, in English: as it stands in the journal.
    #[must_use]
    pub fn markdown(&self) -> String {
        self.markdown_in(Language::English, &English)
    }

    /// The report for people in a language, which is also the one that `by` tells sentences in.
    #[must_use]
    pub fn markdown_in(&self, language: Language, by: &impl Teller) -> String {
        let mut page = Page {
            report: self,
            language,
            by,
            out: String::new(),
        };
        page.heading(1, "Repository report", "Bericht über das Repository");
        let made = language.pick(
            "Made by rules and measurements; no language model took part.",
            "Nach Regeln und Messungen erstellt; ein Sprachmodell war nicht beteiligt.",
        );
        let _ = writeln!(page.out, "{}\n\n{made}\n", self.summary_in(language));
        page.tests();
        page.set_aside();
        page.guilty();
        page.candidates();
        page.suspects();
        page.flaky();
        page.findings();
        page.fixes();
        page.scope();
        let mut out = page.out;
        // Texts come from the repository; none of them may talk to a terminal.
        out.retain(|c| c == '\n' || c == '\t' || !c.is_control());
        out
    }
}

/// The report while it is written.
struct Page<'a, T> {
    report: &'a DoctorReport,
    language: Language,
    by: &'a T,
    out: String,
}

impl<T: Teller> Page<'_, T> {
    fn heading(&mut self, level: usize, english: &str, german: &str) {
        let _ = writeln!(
            self.out,
            "{} {}\n",
            "#".repeat(level),
            self.language.pick(english, german)
        );
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn place(&self, place: &str) -> String {
        if place.is_empty() || place == "the root" {
            self.language.pick("the root", "der Wurzel").to_owned()
        } else {
            place.to_owned()
        }
    }

    fn tests(&mut self) {
        for suite in &self.report.suites {
            let (place, language) = (self.place(&suite.place), self.language);
            self.line(&tr!(
                language,
                "## Tests of {place}\n",
                "## Tests in {place}\n"
            ));
            let (command, passed, failed, skipped) =
                (&suite.command, suite.passed, suite.failed, suite.skipped);
            let how = suite.channel.map_or(String::new(), |channel| {
                format!(" ({})", Said::from(channel.words()).told(self.by))
            });
            self.line(&tr!(
                language,
                "`{command}`: {passed} passed, {failed} failed, {skipped} skipped{how}.\n",
                "`{command}`: {passed} bestanden, {failed} fehlgeschlagen, {skipped} ausgelassen{how}.\n"
            ));
            for test in suite.failing.iter().take(FAILING_SHOWN) {
                let _ = writeln!(self.out, "- {} {}", code(&test.name), code(&test.message));
            }
            let more =
                (suite.failed as usize).saturating_sub(suite.failing.len().min(FAILING_SHOWN));
            if more > 0 {
                self.line(&tr!(
                    language,
                    "- and {more} more, in the JSON report",
                    "- und weitere im JSON-Bericht ({more})"
                ));
            }
            if !suite.failing.is_empty() {
                self.out.push('\n');
            }
        }
    }

    fn set_aside(&mut self) {
        if self.report.set_aside.is_empty() {
            return;
        }
        self.heading(
            2,
            "Tests that cannot pass in the sandbox",
            "Tests, die in der Sandbox nicht bestehen können",
        );
        for aside in &self.report.set_aside {
            let (why, count) = (aside.why.told(self.by), aside.tests.len());
            let names = aside
                .tests
                .iter()
                .take(FAILING_SHOWN)
                .map(|name| code(name))
                .collect::<Vec<_>>()
                .join(", ");
            let cut = if count > FAILING_SHOWN { ", …" } else { "" };
            let _ = writeln!(self.out, "- {why} ({count}): {names}{cut}");
        }
        self.out.push('\n');
    }

    fn candidates(&mut self) {
        let report = self.report;
        if report.candidates_tried == 0 {
            return;
        }
        self.heading(2, "Candidate repairs", "Mögliche Reparaturen");
        let changes = self.language.count(
            u64::from(report.candidates_tried),
            ["one-edit change", "one-edit changes"],
            ["kleine Änderung", "kleine Änderungen"],
        );
        if report.candidates.is_empty() {
            self.line(&tr!(
                self.language,
                "{changes} of suspect lines tried; none made a failing test pass without breaking another.\n",
                "{changes} an verdächtigen Zeilen ausprobiert; mit keiner wurde ein roter Test grün, ohne dass ein anderer brach.\n"
            ));
            return;
        }
        self.line(&tr!(
            self.language,
            "{changes} tried. The workspace was put back after each; nothing below is applied.\n",
            "{changes} ausprobiert. Der Arbeitsbereich wurde nach jeder zurückgesetzt; nichts davon ist übernommen.\n"
        ));
        for candidate in &report.candidates {
            let (place, template) = (brief::place(candidate), candidate.template.told(self.by));
            let tests = named(&candidate.tests);
            self.line(&tr!(
                self.language,
                "**Candidate, review it:** {place} ({template}). Passes: {tests}. All tests that passed before still pass.\n",
                "**Vorschlag, bitte prüfen:** {place} ({template}). Besteht: {tests}. Alle Tests, die vorher grün waren, sind es noch.\n"
            ));
            fenced(&mut self.out, "diff", &candidate.diff);
        }
    }

    fn guilty(&mut self) {
        if self.report.guilty.is_empty() {
            return;
        }
        self.heading(2, "Guilty commits", "Schuldige Commits");
        for guilty in &self.report.guilty {
            let (good, bad, subject) = (&guilty.good.id, &guilty.commit.id, &guilty.commit.subject);
            let tests = if guilty.tests.is_empty() {
                format!("**{}**", guilty.test)
            } else {
                named(&guilty.tests)
            };
            let tried = self.language.count(
                u64::from(guilty.tried),
                ["commit", "commits"],
                ["Commit", "Commits"],
            );
            self.line(&if guilty.uncommitted {
                tr!(
                    self.language,
                    "- uncommitted changes: {tests}: green at `{good}`, red with what is not committed ({tried} tried)",
                    "- nicht eingetragene Änderungen: {tests}: bei `{good}` grün, rot mit dem, was nicht eingetragen ist ({tried} ausprobiert)"
                )
            } else {
                tr!(
                    self.language,
                    "- `{bad}` {subject}: {tests}: green at `{good}`, red from `{bad}` on ({tried} tried)",
                    "- `{bad}` {subject}: {tests}: bei `{good}` grün, ab `{bad}` rot ({tried} ausprobiert)"
                )
            });
            if !guilty.diff.is_empty() {
                self.out.push('\n');
                fenced(&mut self.out, "diff", &guilty.diff);
            }
        }
        self.out.push('\n');
    }

    fn suspects(&mut self) {
        if self.report.suspects.is_empty() {
            return;
        }
        self.heading(2, "Suspect lines", "Verdächtige Zeilen");
        self.line(self.language.pick(
            "Lines that failing tests run and passing tests avoid (Ochiai score; 1.000 is the most suspect).\n",
            "Zeilen, die rote Tests ausführen und grüne meiden (Ochiai-Maß; 1.000 ist am verdächtigsten).\n",
        ));
        let mut shown = BTreeSet::new();
        let once: Vec<_> = self
            .report
            .suspects
            .iter()
            .filter(|suspect| shown.insert((&suspect.file, suspect.line)))
            .collect();
        for suspect in once.iter().take(SUSPECTS_SHOWN) {
            let by = self.language.pick("by", "nach");
            let basis = if matches!(suspect.basis.as_str(), "coverage" | "commit") {
                String::new()
            } else {
                format!(", {by} {}", Said::words(&suspect.basis).told(self.by))
            };
            let raised = if suspect.raised {
                self.language.pick(", raised here", ", hier ausgelöst")
            } else {
                ""
            };
            let changed = if suspect.changed {
                self.language
                    .pick(", of the guilty commit", ", vom schuldigen Commit")
            } else {
                ""
            };
            let score = format!("{}.{:03}", suspect.score / 1000, suspect.score % 1000);
            let text = code(suspect.text.trim());
            let _ = writeln!(
                self.out,
                "- {}:{} ({score}{basis}{changed}{raised}, {}) {text}",
                suspect.file, suspect.line, suspect.test
            );
        }
        if once.len() > SUSPECTS_SHOWN {
            let more = once.len() - SUSPECTS_SHOWN;
            self.line(&tr!(
                self.language,
                "- and {more} more, in the JSON report",
                "- und weitere im JSON-Bericht ({more})"
            ));
        }
        self.out.push('\n');
    }

    fn flaky(&mut self) {
        self.unsteady(Cause::Chance, "Flaky tests", "Unzuverlässige Tests");
        self.unsteady(
            Cause::Surroundings,
            "Tests that depend on their surroundings",
            "Tests, die von ihrer Umgebung abhängen",
        );
        self.unsteady(
            Cause::Order,
            "Tests that depend on those around them",
            "Tests, die von denen um sie herum abhängen",
        );
    }

    fn unsteady(&mut self, cause: Cause, english: &str, german: &str) {
        let tests: Vec<&Flaky> = self
            .report
            .flaky
            .iter()
            .filter(|flaky| flaky.cause == cause)
            .collect();
        if tests.is_empty() {
            return;
        }
        self.heading(2, english, german);
        for flaky in tests {
            let told = |ways: &[Said]| {
                Flaky::each(ways)
                    .into_iter()
                    .map(|way| way.told(self.by))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let (test, passed, failed) = (&flaky.test, told(&flaky.passed), told(&flaky.failed));
            self.line(&tr!(
                self.language,
                "- **{test}** passed with {passed}; failed with {failed}",
                "- **{test}** grün mit {passed}; rot mit {failed}"
            ));
        }
        self.out.push('\n');
    }

    fn findings(&mut self) {
        let findings = &self.report.findings;
        if findings.is_empty() {
            return;
        }
        self.heading(2, "Findings", "Befunde");
        for finding in findings.iter().take(MAX_SHOWN) {
            let place = if finding.line == 0 {
                finding.file.clone()
            } else {
                format!("{}:{}", finding.file, finding.line)
            };
            let level = match finding.severity {
                Severity::Error => self.language.pick("error", "Fehler"),
                Severity::Warning => self.language.pick("warning", "Warnung"),
                Severity::Note => self.language.pick("note", "Hinweis"),
            };
            let message = finding.message.told(self.by);
            let _ = writeln!(
                self.out,
                "- {place} {level} `{}` ({}): {message}",
                finding.rule, finding.tool
            );
        }
        if findings.len() > MAX_SHOWN {
            let more = findings.len() - MAX_SHOWN;
            self.line(&tr!(
                self.language,
                "- and {more} more, in the JSON report",
                "- und weitere im JSON-Bericht ({more})"
            ));
        }
        self.out.push('\n');
    }

    fn fixes(&mut self) {
        if self.report.fixes.is_empty() {
            return;
        }
        self.heading(2, "Fixes", "Behebungen");
        for fix in &self.report.fixes {
            let why = fix.why.told(self.by);
            let fate = if fix.kept {
                self.language
                    .pick(
                        "applied; the tests are as green as before",
                        "übernommen; die Tests sind so grün wie zuvor",
                    )
                    .to_owned()
            } else {
                tr!(self.language, "taken back: {why}", "zurückgenommen: {why}")
            };
            let tool = fix.tool.told(self.by);
            self.line(&format!("**{tool}**: {fate}\n"));
            fenced(&mut self.out, "diff", &fix.diff);
        }
    }

    fn scope(&mut self) {
        let report = self.report;
        self.heading(2, "What was looked at", "Was untersucht wurde");
        let count = |n: usize, english, german| self.language.count(n as u64, english, german);
        let files = count(
            report.files as usize,
            ["file", "files"],
            ["Datei", "Dateien"],
        );
        let sources = count(
            report.sources_read as usize,
            ["source file read", "source files read"],
            ["Quelltext gelesen", "Quelltexte gelesen"],
        );
        let commits = count(
            report.commits.len(),
            ["commit", "commits"],
            ["Commit", "Commits"],
        );
        let _ = writeln!(self.out, "- {files}, {sources}, {commits}");
        for project in &report.projects {
            let dir = if project.dir.is_empty() {
                self.language.pick("the root", "die Wurzel")
            } else {
                &project.dir
            };
            let runner = project
                .runner
                .as_deref()
                .unwrap_or(self.language.pick("nobody", "niemand"));
            let toolchain = project.toolchain.name();
            self.line(&tr!(
                self.language,
                "- {dir}: {toolchain}, tests by {runner}",
                "- {dir}: {toolchain}, Tests durch {runner}"
            ));
        }
        for check in &report.checks {
            let _ = writeln!(self.out, "- {}", code(&check.told(self.by)));
        }
        for note in &report.notes {
            let _ = writeln!(self.out, "- {}", note.told(self.by));
        }
        self.not_looked_at();
    }

    fn not_looked_at(&mut self) {
        let report = self.report;
        if !report.not_looked_at.is_empty() {
            self.out.push('\n');
            self.heading(2, "What was not looked at", "Was nicht untersucht wurde");
        }
        for left in &report.not_looked_at {
            let way = left.enable.told(self.by);
            let enable = match left.enable.key() {
                "" => String::new(),
                // What cannot be typed is not shown as a command.
                key if key.starts_with("install ") || key.starts_with("--") => {
                    format!(
                        " {}: {way}.",
                        self.language.pick("To enable it", "So geht es")
                    )
                }
                _ => format!(
                    " {}: {}",
                    self.language.pick("To enable it", "So geht es"),
                    code(&way)
                ),
            };
            let (what, why) = (left.what.told(self.by), left.why.told(self.by));
            let _ = writeln!(self.out, "- {what}: {}.{enable}", why.trim_end_matches('.'));
        }
    }
}

/// How many failing tests of a suite, tests of one commit, and suspects the Markdown lists.
const FAILING_SHOWN: usize = 50;
const TESTS_SHOWN: usize = 12;
const SUSPECTS_SHOWN: usize = 24;

/// Tests by name; a list that is cut says so.
fn named(tests: &[String]) -> String {
    let shown = tests
        .iter()
        .take(TESTS_SHOWN)
        .map(|test| code(test))
        .collect::<Vec<_>>()
        .join(", ");
    if tests.len() > TESTS_SHOWN {
        format!("{shown}, … ({})", tests.len())
    } else {
        shown
    }
}

/// How many findings the Markdown lists.
const MAX_SHOWN: usize = 100;

/// Inline code that survives backticks in it.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if line.contains('`') {
        format!("`` {line} ``")
    } else {
        format!("`{line}`")
    }
}

/// A fence longer than any in the text, so that a text from the repository cannot end it.
fn fenced(out: &mut String, language: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let longest = text
        .lines()
        .map(|line| {
            line.trim_start_matches([' ', '+', '-'])
                .chars()
                .take_while(|c| *c == '`')
                .count()
        })
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = writeln!(out, "{fence}{language}\n{}\n{fence}\n", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::super::report::{Candidate, FailedTest, SuiteReport};
    use super::*;
    use keiko_contracts::say;

    fn sample() -> DoctorReport {
        DoctorReport {
            checks: vec![say!("built-in rules over {n} source files", n = 3)],
            suites: vec![SuiteReport {
                place: "the root".to_owned(),
                command: "python3 -m unittest".to_owned(),
                passed: 3,
                failed: 1,
                skipped: 0,
                failing: vec![FailedTest {
                    name: "t.A.test_x".to_owned(),
                    message: "AssertionError: 1 != 2".to_owned(),
                }],
                channel: Some(keiko_contracts::evidence::Channel::Output),
            }],
            candidates: vec![Candidate {
                tests: vec!["t.A.test_x".to_owned()],
                file: "a.py".to_owned(),
                line: 2,
                template: "< for <=".into(),
                diff: "-a\n+```\n".to_owned(),
            }],
            candidates_tried: 7,
            ..DoctorReport::default()
        }
    }

    #[test]
    fn a_candidate_is_shown_as_one_and_cannot_break_out_of_its_fence() {
        let text = sample().markdown();
        assert!(
            text.starts_with(
                "# Repository report\n\n3 tests pass, 1 fails; 1 repair candidate to review.\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("- `t.A.test_x` `AssertionError: 1 != 2`"),
            "{text}"
        );
        assert!(
            text.contains("**Candidate, review it:** a.py:2 (< for <=)"),
            "{text}"
        );
        assert!(text.contains("````diff\n-a\n+```\n````"), "{text}");
    }

    /// A face that knows one sentence.
    struct German;

    impl Teller for German {
        fn template<'a>(&'a self, english: &str) -> Option<std::borrow::Cow<'a, str>> {
            english
                .starts_with("built-in rules")
                .then_some("Regeln over {n} files".into())
        }
        fn step(&self, step: &keiko_contracts::step::Step) -> String {
            step.to_string()
        }
    }

    #[test]
    fn in_german_the_data_stays_and_every_heading_is_german() {
        let text = sample().markdown_in(Language::German, &German);
        assert!(
            text.starts_with(
                "# Bericht über das Repository\n\n3 Tests bestehen, 1 schlägt fehl; 1 Vorschlag"
            ),
            "{text}"
        );
        assert!(
            text.contains("**Vorschlag, bitte prüfen:** a.py:2 (< for <=)")
                && text.contains("- `Regeln over 3"),
            "{text}"
        );
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("##")).collect();
        assert_eq!(
            headings,
            [
                "## Tests in der Wurzel",
                "## Mögliche Reparaturen",
                "## Was untersucht wurde"
            ]
        );
    }

    #[test]
    fn terminals_are_not_spoken_to() {
        let mut report = sample();
        report.suites[0].failing[0].message = "\u{1b}]0;title\u{7}".to_owned();
        assert!(!report.markdown().contains(['\u{1b}', '\u{7}']));
    }

    #[test]
    fn an_empty_examination_is_admitted() {
        assert_eq!(
            DoctorReport::default().summary(),
            "Nothing could be examined; the report says why."
        );
        let mut clean = sample();
        (clean.suites[0].failed, clean.candidates) = (0, Vec::new());
        assert_eq!(
            clean.summary(),
            "3 tests pass, 0 fail. Nothing wrong was found."
        );
    }
}
