//! What `python3 -m unittest -v` prints to stderr.

use super::{CASES_MAX, MESSAGE_MAX, Parsed};
use crate::lines::{cut, in_workspace};
use keiko_contracts::evidence::{TestCase, TestStatus};
use std::collections::BTreeMap;

pub(super) fn parse(err: &str) -> Parsed {
    let mut names: Vec<String> = Vec::new();
    let mut found: BTreeMap<String, TestCase> = BTreeMap::new();
    let mut pending: Option<String> = None;
    let mut lines = err.lines();
    for line in lines.by_ref() {
        if line.starts_with("======") {
            break;
        }
        let id = test_id(line);
        // Subtests stand indented under their test, which then has no status of its own.
        let subject = id.or_else(|| pending.clone());
        let status = status_of(line);
        if let (Some(name), Some(status)) = (&subject, status) {
            record(&mut names, &mut found, name, status);
            pending = None;
        } else if subject.is_some() {
            pending = subject;
        }
    }
    let rest: Vec<&str> = lines.collect();
    for block in rest.split(|line| line.starts_with("======")) {
        explain(block, &mut names, &mut found);
    }
    let mut parsed = Parsed::default();
    for name in names {
        let Some(case) = found.remove(&name) else {
            continue;
        };
        if name.contains("_FailedTest") {
            parsed.broken.push(case)
        } else {
            parsed.cases.push(case)
        }
    }
    parsed
}

/// Notes a status; the worst of several counts.
fn record(
    names: &mut Vec<String>,
    found: &mut BTreeMap<String, TestCase>,
    name: &str,
    status: TestStatus,
) {
    if let Some(case) = found.get_mut(name) {
        if matches!(status, TestStatus::Failed | TestStatus::Error) {
            case.status = status;
        }
    } else if names.len() < CASES_MAX {
        names.push(name.to_owned());
        found.insert(
            name.to_owned(),
            TestCase {
                name: name.to_owned(),
                status,
                file: None,
                line: None,
                message: None,
                lacks: None,
            },
        );
    }
}

/// The dotted name in `test_x (pkg.mod.Class.test_x) ... ok`; Python before 3.11 leaves the last part out of the brackets.
fn test_id(line: &str) -> Option<String> {
    let (name, rest) = line.trim_start().split_once(" (")?;
    let (id, _) = rest.split_once(')')?;
    let word = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '.' || c == '<' || c == '>')
    };
    if !word(name) || !word(id) || !id.contains('.') {
        return None;
    }
    let full = id.rsplit('.').next() == Some(name) || !name.starts_with("test");
    Some(if full {
        id.to_owned()
    } else {
        format!("{id}.{name}")
    })
}

/// The status at the end of a line. A test that logs to stderr pushes it to a line of its own.
fn status_of(line: &str) -> Option<TestStatus> {
    let word = line
        .rsplit_once(" ... ")
        .map_or(line, |(_, status)| status)
        .trim();
    match word {
        "ok" | "expected failure" => Some(TestStatus::Passed),
        "FAIL" | "unexpected success" => Some(TestStatus::Failed),
        "ERROR" => Some(TestStatus::Error),
        _ if word.starts_with("skipped ") => Some(TestStatus::Skipped),
        _ => None,
    }
}

/// Reads one `FAIL: ...` or `ERROR: ...` block with its traceback.
fn explain(block: &[&str], names: &mut Vec<String>, found: &mut BTreeMap<String, TestCase>) {
    let Some((status, subject)) = block.iter().find_map(|line| {
        let failed = line
            .strip_prefix("FAIL: ")
            .map(|rest| (TestStatus::Failed, rest));
        failed.or_else(|| {
            line.strip_prefix("ERROR: ")
                .map(|rest| (TestStatus::Error, rest))
        })
    }) else {
        return;
    };
    let name = test_id(subject).unwrap_or_else(|| subject.to_owned());
    record(names, found, &name, status);
    let Some(case) = found.get_mut(&name).filter(|case| case.message.is_none()) else {
        return;
    };
    let traceback = block
        .iter()
        .skip_while(|line| !line.starts_with("------"))
        .skip(1);
    let traceback: Vec<&str> = traceback
        .take_while(|line| !line.starts_with("------"))
        .copied()
        .collect();
    let frames = || traceback.iter().filter_map(|line| frame(line));
    let Some(last) = traceback.iter().rposition(|line| line.starts_with("  ")) else {
        case.message = Some(cut(traceback.join("\n").trim(), MESSAGE_MAX));
        return;
    };
    let said = traceback[last + 1..].join("\n");
    if let Some((file, line)) = frames().rfind(|(file, _)| !file.contains("/lib/python")) {
        case.message = Some(cut(
            &format!("{}\nat {file}:{line}", cut(said.trim(), MESSAGE_MAX / 2)),
            MESSAGE_MAX,
        ));
        case.file = Some(file.to_owned());
        case.line = Some(line);
    } else {
        case.message = Some(cut(said.trim(), MESSAGE_MAX));
    }
}

/// `File "/workspace/a.py", line 7, in f`.
fn frame(line: &str) -> Option<(&str, u32)> {
    let (path, rest) = line
        .trim_start()
        .strip_prefix("File \"")?
        .split_once("\", line ")?;
    let number = rest
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()?;
    Some((in_workspace(path), number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{case, counts, run};

    #[test]
    fn real_output_is_read_per_test() {
        let err = include_str!("../../tests/fixtures/runners/unittest.txt");
        let (summary, cases) = run("unittest", 1, "", err, None).unwrap();
        assert_eq!(counts(&summary), [2, 2, 1, 1]);
        let century = case(&cases, "test_dates.Dates.test_century");
        assert_eq!(
            (century.status, century.file.as_deref(), century.line),
            (TestStatus::Failed, Some("test_dates.py"), Some(10))
        );
        assert_eq!(
            century.message.as_deref(),
            Some("AssertionError: 0 != 1 : 1900 is not a leap year\nat test_dates.py:10")
        );
        assert_eq!(
            case(&cases, "test_dates.Dates.test_sub").status,
            TestStatus::Failed,
            "a failed subtest fails its test"
        );
        assert_eq!(
            case(&cases, "test_dates.Dates.test_broken").status,
            TestStatus::Error
        );
        assert_eq!(
            case(&cases, "test_dates.Dates.test_known").status,
            TestStatus::Passed
        );
    }

    #[test]
    fn a_module_that_cannot_be_imported_is_explained() {
        let err = include_str!("../../tests/fixtures/runners/unittest-broken.txt");
        let said = run("unittest", 1, "", err, None).unwrap_err();
        assert!(
            said.contains("could not be loaded")
                && said.contains("No module named 'nowhere_to_be_found'"),
            "{said}"
        );
    }

    #[test]
    fn older_pythons_and_noise_are_understood() {
        let parsed = parse(
            "test_a (mod.Case) ... log line\nok\ntest_b (mod.Case)\nSays so. ... FAIL\nERROR: not a block (yet)\n",
        );
        let got: Vec<_> = parsed
            .cases
            .iter()
            .map(|case| (case.name.as_str(), case.status))
            .collect();
        assert_eq!(
            got,
            [
                ("mod.Case.test_a", TestStatus::Passed),
                ("mod.Case.test_b", TestStatus::Failed)
            ]
        );
    }
}
