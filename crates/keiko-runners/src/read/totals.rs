//! Totals that runners without a reporter of Keiko's print: how many passed, failed and were left out, with the names of failing
//! tests where they stand there. Never more than what is printed.

use super::{CASES_MAX, FAILING_MAX, MESSAGE_MAX};
use crate::lines::cut;
use keiko_contracts::evidence::{TestCase, TestStatus};

/// Lines at the end that may be a summary.
const LINES_MAX: usize = 80;

/// What a runner says at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
    /// Names of failing tests, as they are printed.
    pub(super) failing: Vec<String>,
}

/// Reads the summary at the end of an output without terminal control.
pub(super) fn read(out: &str) -> Option<Totals> {
    let lines: Vec<&str> = out.lines().collect();
    let end = &lines[lines.len().saturating_sub(LINES_MAX)..];
    let (mut passed, mut failed, mut skipped, mut total) = (None, None, None, None);
    // Of mocha's and others', what fails stands after the summary: the first line of each kind from the summary on counts.
    let from = end
        .iter()
        .rposition(|line| facts(line).iter().any(|(kind, _)| *kind == Kind::Passed))
        .unwrap_or(0)
        .saturating_sub(3);
    for (kind, count) in end[from..].iter().flat_map(|line| facts(line)) {
        match kind {
            Kind::Passed => passed = Some(count),
            Kind::Failed => failed = failed.or(Some(count)),
            Kind::Skipped => skipped = Some(skipped.unwrap_or(0) + count),
            Kind::Total => total = total.or(Some(count)),
        }
    }
    let failed = match (failed, total, passed) {
        (Some(failed), ..) => failed,
        (None, Some(total), Some(passed)) => u32::saturating_sub(total, passed),
        _ => 0,
    };
    (passed.is_some() || failed > 0).then(|| Totals {
        passed: passed.unwrap_or(0),
        failed,
        skipped: skipped.unwrap_or(0),
        failing: if failed > 0 {
            failing(&lines)
        } else {
            Vec::new()
        },
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Passed,
    Failed,
    Skipped,
    Total,
}

/// What a line counts: `12 passing (3s)`, `Tests: 1 failed, 2 passed, 3 total`, `Passed: 31`, `# pass  3`, `5 specs, 1 failure`.
fn facts(line: &str) -> Vec<(Kind, u32)> {
    let line = line
        .trim()
        .trim_start_matches(['#', 'ℹ', '✔', '✖', '✓', '✗', '•', '*', '-', '|', '='])
        .trim();
    if line.len() > 120 || line.starts_with(['"', '\'', '+', '>']) {
        return Vec::new();
    }
    let line = line.strip_prefix("Tests:").unwrap_or(line);
    let parts: Vec<&str> = line.split(',').map(str::trim).collect();
    let found: Vec<Option<(Kind, u32)>> = parts.iter().map(|part| fact(part)).collect();
    // A sentence that happens to begin with a number is no summary.
    if found.iter().all(Option::is_some) {
        found.into_iter().flatten().collect()
    } else {
        Vec::new()
    }
}

fn fact(part: &str) -> Option<(Kind, u32)> {
    let words: Vec<&str> = part
        .split([' ', ':', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    let number = |word: &&str| word.parse::<u32>().ok();
    let unit = |word: &str| {
        matches!(
            word,
            "test" | "tests" | "spec" | "specs" | "assertion" | "assertions" | "check" | "checks"
        )
    };
    let timing = |words: &[&str]| {
        words
            .iter()
            .all(|word| word.starts_with('(') || word.ends_with(')'))
    };
    match words.as_slice() {
        [word, count, rest @ ..]
            if number(count).is_some() && (rest.is_empty() || timing(rest)) =>
        {
            Some((
                if unit(&word.to_lowercase()) {
                    Kind::Total
                } else {
                    kind(word)?
                },
                number(count)?,
            ))
        }
        [count, what, word, rest @ ..]
            if number(count).is_some() && unit(what) && (rest.is_empty() || timing(rest)) =>
        {
            Some((kind(word)?, number(count)?))
        }
        [count, "pending", "spec" | "specs"] => Some((Kind::Skipped, number(count)?)),
        [count, "known", _] => Some((Kind::Skipped, number(count)?)),
        [count, word, rest @ ..]
            if number(count).is_some() && (rest.is_empty() || timing(rest)) =>
        {
            Some((
                if unit(word) || *word == "total" {
                    Kind::Total
                } else {
                    kind(word)?
                },
                number(count)?,
            ))
        }
        _ => None,
    }
}

fn kind(word: &str) -> Option<Kind> {
    match word.to_lowercase().trim_end_matches('.') {
        "passing" | "passed" | "pass" | "passes" | "ok" | "succeeded" => Some(Kind::Passed),
        "failing" | "failed" | "fail" | "fails" | "failure" | "failures" => Some(Kind::Failed),
        "pending" | "skipped" | "skip" | "todo" | "skips" => Some(Kind::Skipped),
        "total" => Some(Kind::Total),
        _ => None,
    }
}

/// Names of failing tests: uvu's `FAIL  "name"`, mocha's numbered ones.
fn failing(lines: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut at = 0;
    while at < lines.len() && found.len() < FAILING_MAX {
        let line = lines[at].trim();
        let numbered = line
            .split_once(") ")
            .filter(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        if let Some(rest) = line
            .strip_prefix("FAIL ")
            .map(str::trim)
            .filter(|rest| rest.ends_with('"'))
        {
            found.push(
                rest.replace('"', " ")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
            );
        } else if let Some((_, first)) = numbered {
            // The name goes on, deeper, up to a colon; what stands there without one is the same in the list above.
            let mut parts = vec![first.trim()];
            let mut next = at + 1;
            while next < lines.len()
                && next < at + 8
                && !parts.last().is_some_and(|part| part.ends_with(':'))
                && !lines[next].trim().is_empty()
            {
                parts.push(lines[next].trim());
                next += 1;
            }
            if parts.last().is_some_and(|part| part.ends_with(':')) {
                found.push(cut(parts.join(" > ").trim_end_matches(':'), MESSAGE_MAX));
                at = next;
                continue;
            }
        }
        at += 1;
    }
    found
}

/// ava names each test: `✔ file › name (3ms)`, `✘ [fail]: file › name`, `- [skip] name`.
pub(super) fn ava(out: &str) -> (Vec<TestCase>, Vec<TestCase>) {
    let (mut cases, mut broken) = (Vec::new(), Vec::new());
    for line in out.lines().map(str::trim) {
        if cases.len() + broken.len() >= CASES_MAX {
            break;
        }
        let unloaded = line
            .strip_prefix("Uncaught exception in ")
            .or_else(|| line.strip_prefix("No tests found in "));
        if let Some(file) = unloaded {
            let message = Some("it could not be loaded, or left".to_owned());
            broken.push(TestCase {
                name: file.to_owned(),
                status: TestStatus::Error,
                file: Some(file.to_owned()),
                message,
                ..TestCase::default()
            });
            continue;
        }
        let failed = ["✘ [fail]: ", "✖ [fail]: "]
            .iter()
            .find_map(|mark| line.strip_prefix(mark));
        let skipped = ["- [skip] ", "- [todo] ", "✔ [expected fail] "]
            .iter()
            .find_map(|mark| line.strip_prefix(mark));
        let passed = ["✔ ", "✓ "].iter().find_map(|mark| line.strip_prefix(mark));
        let (name, status) = match (failed, skipped, passed) {
            (Some(name), ..) => (name, TestStatus::Failed),
            (_, Some(name), _) => (name, TestStatus::Skipped),
            (.., Some(name)) => (name, TestStatus::Passed),
            _ => continue,
        };
        let name = name
            .rsplit_once(" (")
            .filter(|(_, time)| {
                time.ends_with("s)") && time.starts_with(|c: char| c.is_ascii_digit())
            })
            .map_or(name, |(name, _)| name);
        let name = cut(&name.replace(" › ", " > "), MESSAGE_MAX);
        cases.push(TestCase {
            name,
            status,
            ..TestCase::default()
        });
    }
    (cases, broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{counts, project};
    use crate::plan::plan;
    use crate::read::read as read_run;
    use keiko_contracts::evidence::TestSummary;
    use keiko_contracts::jail::{End, ExecReport, Project, TestScript};

    fn totals(text: &str) -> Option<(u32, u32, u32)> {
        read(&crate::lines::plain(text))
            .map(|totals| (totals.passed, totals.failed, totals.skipped))
    }

    #[test]
    fn summaries_of_many_runners_are_read() {
        assert_eq!(
            totals(include_str!("../../tests/fixtures/runners/uvu.txt")),
            Some((1, 2, 1))
        );
        assert_eq!(
            totals(include_str!("../../tests/fixtures/runners/mocha.txt")),
            Some((3, 3, 1))
        );
        assert_eq!(
            totals("Tests:       1 failed, 1 skipped, 2 passed, 4 total\nTime: 3 s\n"),
            Some((2, 1, 1))
        );
        assert_eq!(
            totals("5 specs, 1 failure, 2 pending specs\n"),
            Some((0, 1, 2))
        );
        assert_eq!(totals("  20 tests passed\n"), Some((20, 0, 0)));
        assert_eq!(totals("all is well\n"), None);
        assert_eq!(
            totals("3 passed the gate of the city\n12 failed attempts were made\n"),
            None
        );
    }

    fn run(program: &str, code: i32, out: &str) -> (TestSummary, Vec<TestCase>) {
        let script = TestScript {
            program: program.into(),
            ..TestScript::default()
        };
        let plan = plan(
            &Project {
                script: Some(script),
                ..project("npm")
            },
            None,
        )
        .unwrap();
        read_run(
            &plan,
            &ExecReport {
                end: End::Exit(code),
                stdout: out.into(),
                ..ExecReport::default()
            },
        )
        .unwrap()
    }

    #[test]
    fn real_outputs_count_what_they_print() {
        let (summary, cases) = run(
            "uvu",
            1,
            include_str!("../../tests/fixtures/runners/uvu.txt"),
        );
        assert_eq!(
            (summary.runner.as_str(), counts(&summary), cases.len()),
            ("uvu", [1, 2, 0, 1], 1)
        );
        assert_eq!(summary.failing, ["two words", "named x"]);
        let (summary, _) = run(
            "ava",
            1,
            include_str!("../../tests/fixtures/runners/ava.txt"),
        );
        assert_eq!(
            (counts(&summary), summary.failing),
            (
                [1, 1, 1, 3],
                vec!["a > two words".to_owned(), "ava/b.mjs".to_owned()]
            )
        );
        let (summary, _) = run(
            "tape",
            1,
            include_str!("../../tests/fixtures/runners/tape.txt"),
        );
        assert_eq!(
            (counts(&summary), summary.failing),
            ([3, 1, 0, 0], vec!["bad equal".to_owned()])
        );
        let (summary, _) = run(
            "mocha",
            3,
            include_str!("../../tests/fixtures/runners/mocha.txt"),
        );
        assert_eq!((counts(&summary), summary.failing.len()), ([3, 3, 0, 1], 3));
    }

    #[test]
    fn totals_and_the_exit_code_must_agree() {
        let (summary, _) = run("uvu", 1, "  Total:     3\n  Passed:    3\n  Skipped:   0\n");
        assert_eq!(
            (counts(&summary), summary.is_green()),
            ([3, 0, 1, 0], false)
        );
        let (summary, _) = run("uvu", 0, "  Total:     3\n  Passed:    2\n  Skipped:   0\n");
        assert!(summary.void.is_some_and(|why| why.contains("failed")));
    }
}
