//! Runs the tests and counts them: by nextest's JUnit report, or by the words of `cargo test` where nextest is missing.

use super::prepare::Environment;
use super::skips::{self, Skip};
use super::stage::{Counts, Stage, timed_with_skips};
use super::{Options, cargo};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// All tests of the workspace.
pub(super) fn all(root: &Path, environment: &Environment, options: &Options) -> Stage {
    timed_with_skips("tests", || {
        if has_nextest(root) {
            nextest(root, environment, options)
        } else {
            cargo_test(root, environment, options)
        }
    })
}

/// The examples in the documentation.
pub(super) fn documentation(root: &Path, environment: &Environment) -> Stage {
    timed_with_skips("doc tests", || {
        let mut command = cargo(root);
        command.args(["test", "--workspace", "--doc", "--quiet", "--no-fail-fast"]);
        let heard = listen(environment, command, Show::OnFailure);
        (counts_of_cargo(&heard), Vec::new())
    })
}

fn has_nextest(root: &Path) -> bool {
    let version = cargo(root)
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

fn nextest(root: &Path, environment: &Environment, options: &Options) -> (Counts, Vec<Skip>) {
    let profile = if options.quick { "quick" } else { "default" };
    let report = environment
        .target
        .join("nextest")
        .join(profile)
        .join("junit.xml");
    // An old report must not speak for a run that never came to tests.
    let _ = std::fs::remove_file(&report);
    let mut command = cargo(root);
    command.args([
        "nextest",
        "run",
        "--workspace",
        "--no-fail-fast",
        "--profile",
        profile,
    ]);
    // A word that no test has in its name is a slip; an empty workspace is none.
    command
        .arg(if options.filter.is_some() {
            "--no-tests=fail"
        } else {
            "--no-tests=pass"
        })
        .args(&options.filter);
    environment.apply(&mut command);
    let good = command.status().is_ok_and(|status| status.success());
    let report = std::fs::read_to_string(&report).unwrap_or_default();
    let noted = std::fs::read_to_string(&environment.skips).unwrap_or_default();
    counted(
        junit(&report),
        good,
        skips::find([noted.as_str(), unescape(&report).as_str()]),
    )
}

fn cargo_test(root: &Path, environment: &Environment, options: &Options) -> (Counts, Vec<Skip>) {
    eprintln!(
        "cargo-nextest is not installed: using cargo test (slower). To install it: cargo install --locked cargo-nextest"
    );
    let mut command = cargo(root);
    command.args([
        "test",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--no-fail-fast",
    ]);
    command.args(&options.filter).args(["--", "--show-output"]);
    if options.quick {
        command.args(["--skip", "slow_", "--skip", "slow::"]);
    }
    let heard = listen(environment, command, Show::AsItComes);
    let noted = std::fs::read_to_string(&environment.skips).unwrap_or_default();
    let skips = skips::find([noted.as_str(), heard.text.as_str()]);
    counted(counts_of_cargo(&heard), heard.good, skips)
}

/// Takes the skipped out of the passed, and a run that broke without a failed test as one failure.
fn counted(counts: Counts, good: bool, skips: Vec<Skip>) -> (Counts, Vec<Skip>) {
    let skipped = skips.len();
    let failed = if good {
        counts.failed
    } else {
        counts.failed.max(1)
    };
    (
        Counts {
            passed: counts.passed.saturating_sub(skipped),
            failed,
            skipped,
        },
        skips,
    )
}

/// When the user sees the standard output of a command that we listen to.
#[derive(PartialEq, Eq)]
enum Show {
    AsItComes,
    OnFailure,
}

/// What a command wrote to its standard output, and how it ended.
struct Heard {
    text: String,
    good: bool,
}

fn listen(environment: &Environment, mut command: Command, show: Show) -> Heard {
    environment.apply(&mut command);
    let mut heard = Heard {
        text: String::new(),
        good: false,
    };
    let Ok(mut child) = command.stdout(Stdio::piped()).spawn() else {
        return heard;
    };
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
        .map_while(Result::ok)
    {
        if show == Show::AsItComes {
            eprintln!("{line}");
        }
        heard.text.push_str(&line);
        heard.text.push('\n');
    }
    heard.good = child.wait().is_ok_and(|status| status.success());
    if show == Show::OnFailure && !heard.good {
        eprintln!("{}", heard.text);
    }
    heard
}

/// Sums the lines `test result: ok. 5 passed; 0 failed; …`.
fn counts_of_cargo(heard: &Heard) -> Counts {
    let mut counts = Counts::default();
    for line in heard
        .text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("test result: "))
    {
        let number = |word: &str| {
            let before = line
                .split([';', '.'])
                .map(str::trim)
                .find_map(|part| part.strip_suffix(word))?;
            before.trim().parse::<usize>().ok()
        };
        counts.passed += number("passed").unwrap_or(0);
        counts.failed += number("failed").unwrap_or(0);
    }
    if !heard.good {
        counts.failed = counts.failed.max(1);
    }
    counts
}

/// Counts the cases of a JUnit report. Text in it is escaped, so a tag is a tag.
fn junit(report: &str) -> Counts {
    let mut counts = Counts::default();
    for case in report.split("<testcase ").skip(1) {
        let case = case.split("</testcase>").next().unwrap_or_default();
        if case.contains("<failure") || case.contains("<error") {
            counts.failed += 1;
        } else {
            counts.passed += 1;
        }
    }
    counts
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_junit_report_is_counted() {
        let report = "<testsuite><testcase name=\"a\" time=\"1\"/><testcase name=\"b\"><failure type=\"x\">&lt;error</failure></testcase>\
                      <testcase name=\"c\"><system-err>said &lt;failure&gt;</system-err></testcase></testsuite>";
        assert_eq!(
            junit(report),
            Counts {
                passed: 2,
                failed: 1,
                skipped: 0
            }
        );
    }

    #[test]
    fn the_words_of_cargo_test_are_counted() {
        let text =
            "test result: ok. 5 passed; 0 failed; 0 ignored; finished\ntest result: FAILED. 7 passed; 2 failed; 0 ignored".to_owned();
        assert_eq!(
            counts_of_cargo(&Heard { text, good: false }),
            Counts {
                passed: 12,
                failed: 2,
                skipped: 0
            }
        );
        assert_eq!(
            counts_of_cargo(&Heard {
                text: String::new(),
                good: false
            }),
            Counts {
                passed: 0,
                failed: 1,
                skipped: 0
            }
        );
    }

    #[test]
    fn a_skipped_test_has_not_passed_and_a_broken_build_has_failed() {
        let skip = Skip::new("a", "b", "c");
        let passed = Counts {
            passed: 3,
            failed: 0,
            skipped: 0,
        };
        assert_eq!(
            counted(passed, true, vec![skip]).0,
            Counts {
                passed: 2,
                failed: 0,
                skipped: 1
            }
        );
        assert_eq!(
            counted(Counts::default(), false, vec![]).0,
            Counts {
                passed: 0,
                failed: 1,
                skipped: 0
            }
        );
    }
}
