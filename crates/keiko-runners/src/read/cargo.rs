//! What `cargo test` prints, both streams in one, since the stable test harness has no machine-readable form.

use super::{CASES_MAX, MESSAGE_MAX, Parsed};
use crate::lines::cut;
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::collections::{BTreeMap, BTreeSet};

/// How a line begins that Keiko writes when it ends a test binary.
const ENDED: &str = "keiko: no test ended within ";
/// What stands in output whose middle is missing.
const LEFT_OUT: &str = "bytes left out";

/// Where in the output of a test binary a line stands. What tests themselves print comes only after `failures:`, so it is
/// never taken for a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Between two binaries, or in one that has a main function of its own.
    Between,
    /// After `running N tests`.
    Results,
    /// After `failures:`.
    Details,
}

pub(super) fn parse(out: &str) -> Parsed {
    let mut reader = CargoReader {
        part: Part::Between,
        target: Target::default(),
        cases: Vec::new(),
        known: BTreeMap::new(),
        section: None,
        unit: None,
        slow: BTreeSet::new(),
        odd: None,
    };
    out.lines().for_each(|line| reader.line(line));
    match reader.part {
        Part::Between => reader.end_unit(TestStatus::Passed),
        Part::Results | Part::Details => reader.end_binary(false),
    }
    Parsed {
        cases: reader.cases,
        odd: reader.odd,
        ..Parsed::default()
    }
}

/// A test binary.
#[derive(Debug, Default)]
struct Target {
    /// Its name for people: `tests/outer.rs`, `doc tests of dates`.
    name: String,
    /// Its root file, relative to its package.
    file: Option<String>,
}

struct CargoReader {
    part: Part,
    target: Target,
    cases: Vec<TestCase>,
    /// The cases of this binary by name.
    known: BTreeMap<String, usize>,
    /// The failure that is being explained: its case and the lines so far.
    section: Option<(usize, String)>,
    /// What a target has printed that did not say it runs tests: one with a main function of its own is one unit.
    unit: Option<String>,
    /// Tests of this binary that are said to run for long.
    slow: BTreeSet<String>,
    /// What cannot be: the output holds lines that are not the runner's.
    odd: Option<Said>,
}

impl CargoReader {
    fn line(&mut self, line: &str) {
        match self.part {
            Part::Between => {
                if let Some(target) = header(line) {
                    self.begin(target);
                } else if is_start(line) {
                    self.unit = None;
                    self.part = Part::Results;
                } else if line.starts_with("error: test failed, to rerun pass ") {
                    self.end_unit(TestStatus::Failed);
                } else if line.contains(LEFT_OUT) {
                    // It may have said there that it runs tests.
                    self.unit = None;
                } else if let Some(text) = &mut self.unit {
                    keep_last(text, line);
                }
            }
            Part::Results => {
                if line == "failures:" {
                    self.part = Part::Details;
                } else if line.starts_with("test result: ") {
                    self.hold_against(line);
                    self.end_binary(true);
                } else if is_start(line) {
                    self.odd(say!(
                        "{target} says twice that its tests begin",
                        target = self.target.name
                    ));
                } else if let Some(target) = header(line) {
                    // The next binary starts although this one did not finish: it crashed.
                    self.end_binary(false);
                    self.begin(target);
                } else if let Some((name, status, reason)) = result(line) {
                    self.slow.remove(name);
                    self.add(name, status, reason);
                } else if let Some(name) = line.strip_prefix("test ").and_then(runs_for_long) {
                    self.slow.insert(name.to_owned());
                } else if line.starts_with(ENDED) {
                    self.end_hanging(line);
                }
            }
            Part::Details => self.detail(line),
        }
    }

    /// The next target starts.
    fn begin(&mut self, target: Target) {
        self.end_unit(TestStatus::Passed);
        // Doc tests have no main function that anybody could have written.
        self.unit = target.file.is_some().then(String::new);
        self.target = target;
    }

    /// A target that never said that it runs tests is one.
    fn end_unit(&mut self, status: TestStatus) {
        let Some(text) = self.unit.take() else { return };
        let name = self.target.name.clone();
        self.add(
            &name,
            status,
            Some(text.trim()).filter(|text| status != TestStatus::Passed && !text.is_empty()),
        );
        self.known.clear();
    }

    /// The binary was ended because none of its tests came to an end for too long.
    fn end_hanging(&mut self, why: &str) {
        let why = why.trim_start_matches("keiko: ");
        let hanging = std::mem::take(&mut self.slow);
        hanging.iter().for_each(|name| {
            self.add(name, TestStatus::Error, Some(why));
        });
        if !hanging.is_empty() {
            self.part = Part::Between;
            self.end_binary(true);
        }
    }

    fn detail(&mut self, line: &str) {
        if line.starts_with("test result: ") {
            self.hold_against(line);
            self.end_binary(true);
        } else if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.close_section();
            let name = bare(name);
            // Its result line may have been lost among what another process printed.
            let at = self
                .known
                .get(name)
                .copied()
                .or_else(|| self.add(name, TestStatus::Failed, None));
            self.section = at.map(|at| (at, String::new()));
        } else if line == "failures:" {
            self.close_section();
        } else if let Some((_, text)) = &mut self.section
            && text.len() < 16 << 10
        {
            text.push_str(line);
            text.push('\n');
        }
    }

    fn odd(&mut self, why: Said) {
        self.odd.get_or_insert(why);
    }

    /// The runner's own counts against the lines before them. Lines may be lost among what other processes print, and none can
    /// be too many.
    fn hold_against(&mut self, line: &str) {
        let number = |what: &str| {
            let before = line
                .split([';', '.'])
                .map(str::trim)
                .find_map(|part| part.strip_suffix(what))?;
            before.trim().parse::<usize>().ok()
        };
        let seen = |status| {
            self.known
                .values()
                .filter(|at| {
                    self.cases
                        .get(**at)
                        .is_some_and(|case| case.status == status)
                })
                .count()
        };
        for (what, status) in [
            (" passed", TestStatus::Passed),
            (" failed", TestStatus::Failed),
        ] {
            if number(what).is_some_and(|counted| counted < seen(status))
                && self.cases.len() < CASES_MAX
            {
                let (target, seen) = (&self.target.name, seen(status));
                let why = if status == TestStatus::Passed {
                    say!(
                        "{target}: {seen} tests passed by their lines, and fewer by the runner's own count",
                        target,
                        seen
                    )
                } else {
                    say!(
                        "{target}: {seen} tests failed by their lines, and fewer by the runner's own count",
                        target,
                        seen
                    )
                };
                return self.odd(why);
            }
        }
    }

    fn add(&mut self, name: &str, status: TestStatus, message: Option<&str>) -> Option<usize> {
        if self.cases.len() >= CASES_MAX {
            return None;
        }
        if self.known.contains_key(name) {
            self.odd(say!(
                "{target} has two results for {name}",
                target = self.target.name,
                name
            ));
        }
        let doc = doc_place(name);
        let file = doc
            .as_ref()
            .map(|(file, _)| (*file).to_owned())
            .or_else(|| self.target.file.clone());
        let message = message.map(|text| cut(text, MESSAGE_MAX));
        self.cases.push(TestCase {
            name: name.to_owned(),
            status,
            file,
            line: doc.map(|(_, line)| line),
            message,
            lacks: None,
        });
        self.known.insert(name.to_owned(), self.cases.len() - 1);
        Some(self.cases.len() - 1)
    }

    fn close_section(&mut self) {
        let Some((at, text)) = self.section.take() else {
            return;
        };
        let Some(case) = self.cases.get_mut(at) else {
            return;
        };
        let (message, line) = explain(&text, case.file.as_deref());
        case.message = Some(cut(&message, MESSAGE_MAX));
        case.line = line.or(case.line);
    }

    /// A binary without a result line did not come to its end: a signal, `process::exit`, an abort.
    fn end_binary(&mut self, finished: bool) {
        self.close_section();
        if self.part != Part::Between && !finished {
            let name = if self.target.name.is_empty() {
                "test binary".to_owned()
            } else {
                self.target.name.clone()
            };
            self.add(&name, TestStatus::Error, Some("the test binary ended before its tests did (a crash, an abort or process::exit)"));
        }
        self.part = Part::Between;
        self.target = Target::default();
        self.known.clear();
        self.slow.clear();
    }
}

/// The last lines of what a unit printed.
fn keep_last(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
    if text.len() > 2 * MESSAGE_MAX {
        let cut = text.ceil_char_boundary(text.len() - MESSAGE_MAX);
        text.replace_range(..cut, "");
    }
}

/// `tests::a has been running for over 60 seconds`, or `tests::a ... ` where tests run one by one and this one has no end.
fn runs_for_long(rest: &str) -> Option<&str> {
    rest.split_once(" has been running for over ")
        .map(|(name, _)| name)
        .or_else(|| rest.trim_end().strip_suffix(" ..."))
        .map(bare)
}

fn is_start(line: &str) -> bool {
    line.strip_prefix("running ")
        .and_then(|rest| {
            rest.strip_suffix(" tests")
                .or_else(|| rest.strip_suffix(" test"))
        })
        .is_some_and(|n| n.parse::<u32>().is_ok())
}

/// `     Running unittests src/lib.rs (target/...)`, `   Doc-tests dates`.
fn header(line: &str) -> Option<Target> {
    if let Some(name) = line.strip_prefix("   Doc-tests ") {
        return Some(Target {
            name: format!("doc tests of {name}"),
            file: None,
        });
    }
    let rest = line.strip_prefix("     Running ")?;
    let file = rest
        .strip_prefix("unittests ")
        .unwrap_or(rest)
        .split(" (")
        .next()
        .unwrap_or(rest);
    Some(Target {
        name: file.to_owned(),
        file: Some(file.to_owned()),
    })
}

/// `test tests::fourth ... ok`, with the reason of an ignored one.
fn result(line: &str) -> Option<(&str, TestStatus, Option<&str>)> {
    let (name, status) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let (status, reason) = match status.split_once(", ") {
        Some((status, reason)) => (status, Some(reason)),
        None => (status, None),
    };
    let status = match status {
        "ok" => TestStatus::Passed,
        "FAILED" => TestStatus::Failed,
        "ignored" => TestStatus::Skipped,
        _ => return None,
    };
    Some((bare(name), status, reason))
}

/// Without what the harness adds to a name.
fn bare(name: &str) -> &str {
    [" - should panic", " - compile fail", " - compile"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}

/// `src/lib.rs - is_leap (line 9)`.
fn doc_place(name: &str) -> Option<(&str, u32)> {
    let (file, rest) = name.split_once(" - ")?;
    let line = rest
        .rsplit_once("(line ")?
        .1
        .strip_suffix(')')?
        .parse()
        .ok()?;
    file.ends_with(".rs").then_some((file, line))
}

/// Message and line of a failure: of the panic where there is one, otherwise what the test printed.
fn explain(section: &str, file: Option<&str>) -> (String, Option<u32>) {
    let lines: Vec<&str> = section
        .lines()
        .filter(|line| !line.starts_with("note: run with `RUST_BACKTRACE"))
        .collect();
    let Some(at) = lines
        .iter()
        .position(|line| line.starts_with("thread '") && line.contains(" panicked at "))
    else {
        return (lines.join("\n").trim().to_owned(), None);
    };
    let place = lines[at]
        .rsplit_once(" panicked at ")
        .map_or("", |(_, place)| place.trim_end_matches(':'));
    let said = lines[at + 1..]
        .iter()
        .take_while(|line| **line != "stack backtrace:")
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    let mut parts = place.rsplitn(3, ':');
    let (_column, line, path) = (parts.next(), parts.next(), parts.next());
    // A doc test panics in a file that exists only while it runs.
    if place.contains("rustdoctest") || path.is_none() {
        return (said.trim().to_owned(), None);
    }
    let same = path.is_some_and(|path| file.is_some_and(|file| path.ends_with(file)));
    let line = line.and_then(|line| line.parse().ok()).filter(|_| same);
    (
        format!("{}\nat {place}", cut(said.trim(), MESSAGE_MAX - 120)),
        line,
    )
}

/// The errors of the compiler or of cargo itself, when no test ran because of them.
pub(super) fn compile_errors(output: &str) -> Option<String> {
    let mut shown: Vec<&str> = Vec::new();
    let mut inside = false;
    for line in output.lines() {
        if line.starts_with("error") {
            inside = true;
        } else if line.starts_with("warning") || line.trim().is_empty() {
            inside = false;
        }
        if inside
            && !line.starts_with("error: could not compile")
            && shown.len() < super::SHOWN_LINES
        {
            shown.push(line);
        }
    }
    (!shown.is_empty()).then(|| shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{case, counts, run};

    #[test]
    fn real_output_is_read_per_test_and_target() {
        let out = include_str!("../../tests/fixtures/runners/cargo.txt");
        let (summary, cases) = run("cargo", 101, out, "", None).unwrap();
        assert_eq!(counts(&summary), [3, 4, 0, 1]);
        let century = case(&cases, "tests::century");
        assert_eq!(
            (century.file.as_deref(), century.line),
            (Some("src/lib.rs"), Some(27))
        );
        assert_eq!(
            century.message.as_deref(),
            Some("1900 was no leap year\nat src/lib.rs:27:9")
        );
        assert_eq!(
            case(&cases, "tests::panics").message.as_deref(),
            Some("note: test did not panic as expected at src/lib.rs:34:8")
        );
        assert_eq!(
            case(&cases, "fails").message.as_deref(),
            Some("Error: \"no database\"")
        );
        assert_eq!(
            case(&cases, "fails").file.as_deref(),
            Some("tests/outer.rs")
        );
        assert_eq!(
            case(&cases, "tests::later").message.as_deref(),
            Some("later")
        );
        let doc = case(&cases, "src/lib.rs - is_leap (line 9)");
        assert_eq!(
            (doc.status, doc.file.as_deref(), doc.line),
            (TestStatus::Failed, Some("src/lib.rs"), Some(9))
        );
        assert_eq!(
            doc.message.as_deref(),
            Some("assertion failed: !dates::is_leap(1900)")
        );
    }

    #[test]
    fn a_compile_error_is_shown_as_the_compiler_wrote_it() {
        let out = include_str!("../../tests/fixtures/runners/cargo-broken.txt");
        let said = run("cargo", 101, out, "", None).unwrap_err();
        assert!(said.contains("no test ran (exit code 101)\nerror[E0308]: mismatched types\n  --> src/lib.rs:36:22"), "{said}");
        assert!(!said.contains("could not compile"));
    }

    #[test]
    fn a_binary_that_crashes_is_an_error() {
        let out = "     Running tests/a.rs (x)\n\nrunning 2 tests\ntest one ... ok\n     Running tests/b.rs (y)\n\nrunning 1 test\ntest two ... ok\n\ntest result: ok. 1 passed\n";
        let parsed = parse(out);
        let got: Vec<_> = parsed
            .cases
            .iter()
            .map(|case| (case.name.as_str(), case.status))
            .collect();
        assert_eq!(
            got,
            [
                ("one", TestStatus::Passed),
                ("tests/a.rs", TestStatus::Error),
                ("two", TestStatus::Passed)
            ]
        );
    }

    #[test]
    fn a_target_with_its_own_main_function_is_one_unit() {
        let out = "     Running unittests src/lib.rs (x)\n\nrunning 1 test\ntest one ... ok\n\ntest result: ok. 1 passed; 0 failed\n\n\
            \x20    Running tests/own.rs (y)\nchecking\n     Running tests/red.rs (z)\n2 of 3 wrong\nerror: test failed, to rerun pass `--test red`\n\n\
            Caused by:\n  process didn't exit successfully\n   Doc-tests dates\n\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed\n";
        let parsed = parse(out);
        let got: Vec<_> = parsed
            .cases
            .iter()
            .map(|case| (case.name.as_str(), case.status))
            .collect();
        assert_eq!(
            got,
            [
                ("one", TestStatus::Passed),
                ("tests/own.rs", TestStatus::Passed),
                ("tests/red.rs", TestStatus::Failed)
            ]
        );
        assert_eq!(parsed.cases[2].message.as_deref(), Some("2 of 3 wrong"));
        let cut = "     Running tests/own.rs (y)\nchecking\n[900 bytes left out]\ntest x ... ok\n";
        assert!(parse(cut).cases.is_empty(), "what it was is not known");
    }

    #[test]
    fn a_test_that_hangs_is_named_and_the_other_binaries_count() {
        let ended = "keiko: no test ended within 120 s, so this binary was ended";
        let next = "error: test failed, to rerun pass `--test a`\n     Running tests/b.rs (y)\n\nrunning 1 test\ntest three ... ok\n\ntest result: ok. 1 passed\n";
        for (line, hanging) in [
            ("test two has been running for over 60 seconds\n", "two"),
            (
                "test slow has been running for over 60 seconds\ntest slow ... ok\ntest two ... \n",
                "two",
            ),
            ("", "tests/a.rs"),
        ] {
            let out = format!(
                "     Running tests/a.rs (x)\n\nrunning 2 tests\ntest one ... ok\n{line}{ended}\n{next}"
            );
            let parsed = parse(&out);
            let wrong: Vec<_> = parsed
                .cases
                .iter()
                .filter(|case| case.status == TestStatus::Error)
                .map(|case| case.name.as_str())
                .collect();
            assert_eq!(wrong, [hanging], "{parsed:?}");
            assert!(
                parsed
                    .cases
                    .iter()
                    .any(|case| case.name == "three" && case.status == TestStatus::Passed),
                "{parsed:?}"
            );
        }
    }

    #[test]
    fn lines_that_the_runner_cannot_have_written_void_the_run() {
        let end = "test result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        for lines in [
            "test a ... ok\ntest a ... FAILED\n",
            "test a ... ok\ntest b ... FAILED\n",
            "running 1 test\ntest a ... FAILED\n",
        ] {
            let out = format!("     Running tests/a.rs (x)\n\nrunning 1 test\n{lines}\n{end}");
            let (summary, _) = run("cargo", 0, &out, "", None).unwrap();
            assert!(
                summary
                    .void
                    .as_ref()
                    .is_some_and(|why| why.contains("tests/a.rs"))
                    && !summary.is_green(),
                "{out}{summary:?}"
            );
        }
        let honest = format!("running 1 test\ntest a ... FAILED\n\n{end}");
        assert_eq!(run("cargo", 101, &honest, "", None).unwrap().0.void, None);
    }

    #[test]
    fn what_a_failing_test_prints_is_no_result() {
        let out = "running 1 test\ntest a ... FAILED\n\nfailures:\n\n---- a stdout ----\ntest fake ... ok\nrunning 9 tests\n\nfailures:\n    a\n\ntest result: FAILED. 0 passed; 1 failed\n";
        let parsed = parse(out);
        assert_eq!(parsed.cases.len(), 1);
        assert_eq!(
            parsed.cases[0].message.as_deref(),
            Some("test fake ... ok\nrunning 9 tests")
        );
    }
}
