//! The report as data.

use keiko_contracts::evidence::{Channel, TestCase, TestSummary};
use keiko_contracts::jail::Toolchain;
use keiko_contracts::language::Language;
use keiko_contracts::said::Said;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the doctor looked at, found, fixed, and left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorReport {
    /// Files that git sees.
    pub files: u32,
    /// Source files that were read.
    pub sources_read: u32,
    /// Projects found.
    pub projects: Vec<SeenProject>,
    /// Programs found.
    pub programs: Vec<String>,
    /// Commits looked at, newest first.
    pub commits: Vec<Commit>,
    /// Checks that ran, as people would type them.
    pub checks: Vec<Said>,
    /// Test suites that ran.
    pub suites: Vec<SuiteReport>,
    /// Failing tests that say nothing about the code.
    #[serde(default)]
    pub set_aside: Vec<SetAside>,
    /// What linters, formatters and built-in rules say.
    pub findings: Vec<Finding>,
    /// Machine-applicable fixes, kept or taken back.
    pub fixes: Vec<Fix>,
    /// Tests whose result depends on something else than the code.
    pub flaky: Vec<Flaky>,
    /// Commits that broke a test.
    pub guilty: Vec<Guilty>,
    /// Lines that failing tests run and passing ones avoid.
    pub suspects: Vec<Suspect>,
    /// Edits that made a failing test pass and broke none.
    pub candidates: Vec<Candidate>,
    /// How many edits were tried.
    pub candidates_tried: u32,
    /// What was not looked at.
    pub not_looked_at: Vec<NotLooked>,
    /// What is to be known of the copy that was examined: ignored files that were left out, a history that is cut.
    #[serde(default)]
    pub notes: Vec<Said>,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeenProject {
    /// Its folder, empty for the root.
    pub dir: String,
    /// Its toolchain.
    pub toolchain: Toolchain,
    /// Its test runner.
    pub runner: Option<String>,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// Its id, as the log shows it.
    pub id: String,
    /// Its first line.
    pub subject: String,
    /// The commits that it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
}

/// Most failed tests of a suite that are named.
const FAILING_MAX: usize = 1_000;

/// A test suite that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteReport {
    /// Where.
    pub place: String,
    /// The command.
    pub command: String,
    /// How many passed at first.
    pub passed: u32,
    /// How many failed or could not be run.
    pub failed: u32,
    /// How many were left out.
    pub skipped: u32,
    /// The failed ones with the first line of their message, at most [`FAILING_MAX`].
    pub failing: Vec<FailedTest>,
    /// How the results were read; absent in older reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
}

/// Tests that failed for want of what the sandbox does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetAside {
    /// What they lack.
    pub why: Said,
    /// Their names.
    pub tests: Vec<String>,
}

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedTest {
    /// Its name.
    pub name: String,
    /// What it says.
    pub message: String,
}

impl SuiteReport {
    pub(super) fn new(place: &str, summary: &TestSummary, cases: &[TestCase]) -> SuiteReport {
        let failed = cases
            .iter()
            .filter(|case| super::is_red(case.status))
            .take(FAILING_MAX);
        SuiteReport {
            place: place.to_owned(),
            command: summary.command.clone(),
            passed: summary.passed,
            failed: summary.failed + summary.errors,
            skipped: summary.skipped,
            failing: failed
                .map(|case| FailedTest {
                    name: case.name.clone(),
                    message: last_words(case.message.as_deref().unwrap_or("")),
                })
                .collect(),
            channel: Some(summary.channel),
        }
    }
}

/// The line of a message that says what is wrong: the last one that names an error, else the first.
pub(super) fn last_words(message: &str) -> String {
    let telling = |line: &&str| {
        [
            "Error",
            "error",
            "Exception",
            "panicked",
            "assert",
            "expected",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let lines: Vec<&str> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let line = lines
        .iter()
        .rev()
        .find(|line| telling(line))
        .or(lines.first())
        .copied()
        .unwrap_or("");
    line.chars().take(200).collect()
}

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is broken.
    Error,
    /// It is probably wrong.
    Warning,
    /// It could be better.
    Note,
}

/// Something found at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// File, relative to the workspace.
    pub file: String,
    /// Line, from 1; 0 for the whole file.
    pub line: u32,
    /// The rule.
    pub rule: String,
    /// Who says so; `keiko` for built-in rules.
    pub tool: String,
    /// What is wrong.
    pub message: Said,
    /// The tool can fix it by itself.
    pub fixable: bool,
}

/// Fixes of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fix {
    /// The tool, with what it was asked.
    pub tool: Said,
    /// The change is in the workspace.
    pub kept: bool,
    /// Why, when it was taken back.
    pub why: Said,
    /// The change.
    pub diff: String,
}

/// A test that comes out differently for the same code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flaky {
    /// The test.
    pub test: String,
    /// Under which conditions it passed.
    pub passed: Vec<Said>,
    /// Under which it failed.
    pub failed: Vec<Said>,
    /// What decides.
    #[serde(default)]
    pub cause: Cause,
}

/// What decides how such a test comes out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Chance: it passed and failed under one and the same condition. Only this is called flaky.
    #[default]
    Chance,
    /// The tests that run beside it, or before it.
    Order,
    /// The time zone, the hash seed, how many tests run at once: under each condition it came out the same each time.
    Surroundings,
}

/// How a run is called in which nothing was changed.
pub(super) const USUAL_WORDS: &str = "the usual settings";
/// How a run is called in which a test ran alone.
pub(super) const ALONE_WORDS: &str = "it alone";
/// How one is called in which the order was another one.
pub(super) const REVERSED_WORDS: &str = "the order reversed";

impl Flaky {
    /// What decides, by the conditions seen so far.
    pub(super) fn cause_seen(&self) -> Cause {
        let others = |ways: &[Said]| {
            ways.iter()
                .all(|way| *way == ALONE_WORDS || *way == REVERSED_WORDS)
        };
        if self.passed.iter().any(|way| self.failed.contains(way)) {
            Cause::Chance
        } else if others(&self.passed) || others(&self.failed) {
            Cause::Order
        } else {
            Cause::Surroundings
        }
    }

    /// It came out the same wherever the time zone was the usual one.
    pub(super) fn depends_on_time_zone(&self) -> bool {
        let zoned = |ways: &[Said]| ways.iter().all(|way| way.contains("TZ="));
        self.cause == Cause::Surroundings && (zoned(&self.passed) || zoned(&self.failed))
    }

    /// The conditions, each once.
    pub(super) fn each(ways: &[Said]) -> Vec<&Said> {
        let mut each: Vec<&Said> = Vec::new();
        for way in ways {
            if !each.contains(&way) {
                each.push(way);
            }
        }
        each
    }
}

/// The commit that broke a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Guilty {
    /// The test that was traced back.
    pub test: String,
    /// All tests that it broke, that one first.
    #[serde(default)]
    pub tests: Vec<String>,
    /// The first commit at which it fails.
    pub commit: Commit,
    /// The one before, at which it passes.
    pub good: Commit,
    /// How many commits were tried.
    pub tried: u32,
    /// No commit: what is changed in the folder and not committed.
    #[serde(default)]
    pub uncommitted: bool,
    /// What the commit changed, cut.
    pub diff: String,
}

/// A suspect line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspect {
    /// The failing test it belongs to.
    pub test: String,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// The line's text.
    pub text: String,
    /// Ochiai score in thousandths: 1000 for a line that all failing tests run and no passing one.
    pub score: u32,
    /// The project itself raised the failure's error here.
    pub raised: bool,
    /// The guilty commit brought this line, or changed what stood here.
    #[serde(default)]
    pub changed: bool,
    /// What it rests on: `coverage`, `names` where lines could not be measured, or `commit` alone.
    pub basis: String,
}

/// An edit that survived all tests that were green, and turned a red one green.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The tests it turned green.
    pub tests: Vec<String>,
    /// File.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// The template: `<= for <`.
    pub template: Said,
    /// The change.
    pub diff: String,
}

/// Something that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotLooked {
    /// What.
    pub what: Said,
    /// Why.
    pub why: Said,
    /// What to type or install, if anything would help.
    pub enable: Said,
}

impl DoctorReport {
    /// A test suite or a check ran.
    #[must_use]
    pub fn examined_anything(&self) -> bool {
        !self.suites.is_empty() || !self.checks.is_empty()
    }

    /// Nothing is wrong, as far as was looked.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
            && self.flaky.is_empty()
            && self.suites.iter().all(|suite| suite.failed == 0)
    }

    /// A few sentences, in English: as they stand in the journal.
    #[must_use]
    pub fn summary(&self) -> String {
        self.summary_in(Language::English)
    }

    /// A few sentences.
    #[must_use]
    pub fn summary_in(&self, language: Language) -> String {
        if !self.examined_anything() {
            let nothing = [
                "Nothing could be examined; the report says why.",
                "Es ließ sich nichts untersuchen; der Bericht sagt, warum.",
            ];
            return language.pick(nothing[0], nothing[1]).to_owned();
        }
        let passed: u32 = self.suites.iter().map(|suite| suite.passed).sum();
        let failed: u32 = self.suites.iter().map(|suite| suite.failed).sum();
        let mut parts = Vec::new();
        if self.suites.is_empty() {
            parts.push(
                language
                    .pick("No tests ran", "Es liefen keine Tests")
                    .to_owned(),
            );
        } else {
            let passed = language.count(
                u64::from(passed),
                ["test passes", "tests pass"],
                ["Test besteht", "Tests bestehen"],
            );
            let failed = language.count(
                u64::from(failed),
                ["fails", "fail"],
                ["schlägt fehl", "schlagen fehl"],
            );
            parts.push(format!("{passed}, {failed}"));
        }
        parts.extend(self.counted(language));
        let clean = self.is_clean() && !self.suites.is_empty();
        let end = if clean {
            language.pick(
                " Nothing wrong was found.",
                " Es wurde kein Fehler gefunden.",
            )
        } else {
            ""
        };
        format!("{}.{end}", parts.join("; "))
    }

    /// What there is of each kind of thing that was found.
    fn counted(&self, language: Language) -> Vec<String> {
        let mut parts = Vec::new();
        let mut count = |n: usize, english, german| {
            if n > 0 {
                parts.push(language.count(n as u64, english, german));
            }
        };
        let kept = self.fixes.iter().filter(|fix| fix.kept).count();
        let caused = |cause: Cause| {
            self.flaky
                .iter()
                .filter(|flaky| flaky.cause == cause)
                .count()
        };
        count(
            caused(Cause::Chance),
            ["flaky test", "flaky tests"],
            ["unzuverlässiger Test", "unzuverlässige Tests"],
        );
        count(
            caused(Cause::Surroundings),
            [
                "test depends on its surroundings",
                "tests depend on their surroundings",
            ],
            [
                "Test hängt von seiner Umgebung ab",
                "Tests hängen von ihrer Umgebung ab",
            ],
        );
        count(
            caused(Cause::Order),
            [
                "test depends on those around it",
                "tests depend on those around them",
            ],
            [
                "Test hängt von denen um ihn herum ab",
                "Tests hängen von denen um sie herum ab",
            ],
        );
        count(
            self.findings.len(),
            ["finding", "findings"],
            ["Befund", "Befunde"],
        );
        count(
            kept,
            ["fix applied", "fixes applied"],
            ["Behebung übernommen", "Behebungen übernommen"],
        );
        count(
            self.guilty.len(),
            ["guilty commit", "guilty commits"],
            ["schuldiger Commit", "schuldige Commits"],
        );
        count(
            self.candidates.len(),
            ["repair candidate to review", "repair candidates to review"],
            [
                "Vorschlag zur Reparatur, bitte prüfen",
                "Vorschläge zur Reparatur, bitte prüfen",
            ],
        );
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_failure_is_what_it_says() {
        assert_eq!(
            last_words("Traceback:\n  File \"a.py\", line 3\nAssertionError: 1 != 2\n\n"),
            "AssertionError: 1 != 2"
        );
        assert_eq!(last_words("boom\nat somewhere\n"), "boom");
        assert_eq!(last_words(""), "");
    }
}
