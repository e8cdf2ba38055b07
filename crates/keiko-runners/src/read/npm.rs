//! Any other script: TAP and ava's lines test by test, the totals that others print, and else its exit code.

use super::{CASES_MAX, MESSAGE_MAX, Parsed, totals};
use crate::lines::{cut, last};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::jail::End;
use keiko_contracts::say;

pub(super) fn parse(program: &str, out: &str, err: &str, end: &End) -> Parsed {
    if out.contains("no test specified")
        || err.contains("no test specified")
        || err.contains("Missing script: \"test\"")
    {
        return Parsed::default();
    }
    let cases = tap(out);
    if !cases.is_empty() {
        return Parsed {
            cases,
            ..Parsed::default()
        };
    }
    let both = format!("{}\n{}", out.trim_end(), err.trim_end());
    let (cases, broken) = if program == "ava" {
        totals::ava(&both)
    } else {
        Default::default()
    };
    // What is named is all of it only when the runner itself counts as many.
    let read = totals::read(&both);
    let passed = cases
        .iter()
        .filter(|case| case.status == TestStatus::Passed)
        .count();
    let is_all = read.as_ref().is_some_and(|read| {
        read.passed as usize == passed || (read.passed == 0 && read.failed > 0)
    });
    if !cases.is_empty() && is_all {
        return Parsed {
            cases,
            broken,
            ..Parsed::default()
        };
    }
    let green = *end == End::Exit(0);
    if let Some(failed) = read
        .as_ref()
        .map(|read| read.failed)
        .filter(|failed| *failed > 0 && green)
    {
        return Parsed {
            odd: Some(say!(
                "it says that {failed} tests failed, and ends as if none had",
                failed
            )),
            ..Parsed::default()
        };
    }
    let status = if green {
        TestStatus::Passed
    } else {
        TestStatus::Failed
    };
    let message = (!green).then(|| cut(&last(&both, 15), MESSAGE_MAX));
    // The script as a whole is the one test that can be told from outside.
    let whole = TestCase {
        name: "npm test".to_owned(),
        status,
        message,
        ..TestCase::default()
    };
    Parsed {
        cases: vec![whole],
        totals: read,
        ..Parsed::default()
    }
}

/// Test Anything Protocol, top level, when the output announces it or a plan.
fn tap(out: &str) -> Vec<TestCase> {
    let announced = out.lines().any(|line| {
        line.starts_with("TAP version ")
            || line
                .strip_prefix("1..")
                .is_some_and(|n| n.trim().parse::<u32>().is_ok())
    });
    if !announced {
        return Vec::new();
    }
    let mut cases: Vec<TestCase> = Vec::new();
    for line in out.lines() {
        if let Some(case) = tap_line(line) {
            cases.push(case);
        } else if let Some(case) = cases
            .last_mut()
            .filter(|case| case.status == TestStatus::Failed)
            && (line.starts_with(' ') || line.starts_with('#'))
        {
            let message = case.message.get_or_insert_default();
            if message.len() < MESSAGE_MAX {
                message.push_str(line.trim());
                message.push('\n');
            }
        }
        if cases.len() >= CASES_MAX {
            break;
        }
    }
    cases.iter_mut().for_each(|case| {
        case.message = case
            .message
            .take()
            .map(|text| cut(text.trim(), MESSAGE_MAX))
    });
    cases
}

fn tap_line(line: &str) -> Option<TestCase> {
    let (ok, rest) = match line.strip_prefix("not ok ") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok ")?),
    };
    let rest = rest
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .trim_start()
        .trim_start_matches("- ");
    let (name, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
    let directive = directive.get(..4).unwrap_or("").to_ascii_uppercase();
    let status = match (ok, directive.as_str()) {
        (_, "SKIP" | "TODO") => TestStatus::Skipped,
        (true, _) => TestStatus::Passed,
        (false, _) => TestStatus::Failed,
    };
    Some(TestCase {
        name: cut(name.trim(), MESSAGE_MAX),
        status,
        file: None,
        line: None,
        message: None,
        lacks: None,
    })
}

#[cfg(test)]
mod tests {
    use crate::fixture::{counts, run};

    #[test]
    fn an_exit_code_is_one_test() {
        assert_eq!(
            counts(&run("npm", 0, "fine\n", "", None).unwrap().0),
            [1, 0, 0, 0]
        );
        let (summary, cases) = run("npm", 1, "3 specs, 1 failure\n", "", None).unwrap();
        assert_eq!(counts(&summary), [0, 1, 0, 0]);
        assert_eq!(cases[0].message.as_deref(), Some("3 specs, 1 failure"));
    }

    #[test]
    fn tap_is_read_per_test() {
        let out = "TAP version 13\nok 1 - adds\nnot ok 2 - divides\n  ---\n  at: a.js:3\n  ...\nok 3 - later # SKIP no time\n    ok 1 - nested\n1..3\n";
        let (summary, cases) = run("npm", 1, out, "", None).unwrap();
        assert_eq!(counts(&summary), [1, 1, 0, 1]);
        assert_eq!(
            (cases[1].name.as_str(), cases[1].message.as_deref()),
            ("divides", Some("---\nat: a.js:3\n..."))
        );
    }
}
