//! Records of Keiko's own reporters, as the sandbox has checked them: who wrote them is certain, what they say is still
//! hostile input.

use super::{CASES_MAX, MESSAGE_MAX, Parsed};
use crate::lines::{cut, in_workspace};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::jail::{End, ExecReport, REPORT, Reported};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    kind: String,
    name: String,
    file: Option<String>,
    line: Option<u32>,
    status: String,
    message: Option<String>,
    at_file: Option<String>,
    at_line: Option<u32>,
    why: String,
    code: i32,
    cases: u64,
}

/// What the records of a run come to.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) parsed: Parsed,
    /// Why nothing of it counts.
    pub(super) void: Option<Said>,
    /// The exit code that stands in the end mark.
    pub(super) code: Option<i32>,
    /// The reporter could not be given to this runner, or not to all of it: what it prints has to be believed.
    pub(super) output: bool,
}

/// Reads what a reporter told. `None` when it said nothing at all, and the runner failed: then there was no run of tests.
pub(super) fn read(report: &ExecReport, reported: Reported) -> Option<Told> {
    let text = report
        .artifacts
        .iter()
        .find(|(name, _)| name == REPORT)
        .map_or("", |(_, text)| text.text_or_empty());
    let (mut told, mut open, mut counted) = (Told::default(), None, None);
    for record in text
        .lines()
        .filter_map(|line| serde_json::from_str::<Record>(line).ok())
    {
        match record.kind.as_str() {
            "start" => open = Some(record.name),
            "case" | "broken" => {
                if open.as_ref() == Some(&record.name) {
                    open = None;
                }
                note(&mut told.parsed, record);
            }
            "output" => told.output = true,
            "void" => told.void = Some(cut(&record.why, MESSAGE_MAX).into()),
            "end" => (told.code, counted) = (Some(record.code), Some(record.cases)),
            _ => {}
        }
    }
    let seen = (told.parsed.cases.len() + told.parsed.broken.len()) as u64;
    if reported.forged > 0 {
        told.void = Some(say!(
            "{n} lines of the test report are not the reporter's: something else wrote to it",
            n = reported.forged
        ));
    } else if reported.ended {
        let lost = counted.is_some_and(|counted| counted > seen) && seen < CASES_MAX as u64;
        told.void = told
            .void
            .or_else(|| lost.then(|| "the test report is not complete".into()));
    } else {
        return unended(told, open, &report.end);
    }
    Some(told)
}

fn note(parsed: &mut Parsed, record: Record) {
    if parsed.cases.len() + parsed.broken.len() >= CASES_MAX {
        return;
    }
    let broken = record.kind == "broken";
    let status = match record.status.as_str() {
        _ if broken => TestStatus::Error,
        "passed" => TestStatus::Passed,
        "failed" => TestStatus::Failed,
        "skipped" => TestStatus::Skipped,
        _ => TestStatus::Error,
    };
    let place = |path: &String| cut(in_workspace(path), MESSAGE_MAX);
    let file = record.file.as_ref().map(place);
    let at_file = record.at_file.as_ref().map(place);
    let at = match (&at_file, record.at_line) {
        (Some(file), Some(line)) => format!("\nat {file}:{line}"),
        _ => String::new(),
    };
    let said = record
        .message
        .as_deref()
        .map(crate::lines::plain)
        .unwrap_or_default();
    let message = format!(
        "{}{at}",
        cut(said.trim(), MESSAGE_MAX.saturating_sub(at.len().min(200)))
    );
    // The line of the last frame in the test's own file says more than the line that the test begins at.
    let line = if at_file.is_some() && at_file == file {
        record.at_line
    } else {
        record.line
    };
    let message = Some(cut(&message, MESSAGE_MAX))
        .filter(|text| status != TestStatus::Passed && !text.is_empty());
    let name = cut(&crate::lines::plain(&record.name), 2 * MESSAGE_MAX);
    let case = TestCase {
        name,
        status,
        file: file.or(at_file.filter(|_| broken)),
        line,
        message,
        lacks: None,
    };
    if broken {
        parsed.broken.push(case)
    } else {
        parsed.cases.push(case)
    }
}

/// A run without an end mark. Stopped from outside, what it told so far stands, and the test that ran is named; one that left
/// by itself has no result.
fn unended(mut told: Told, open: Option<String>, end: &End) -> Option<Told> {
    let nothing = told.parsed.cases.is_empty() && told.parsed.broken.is_empty() && open.is_none();
    let why = match end {
        End::Exit(0) => {
            told.void = Some(match &open {
                Some(name) => say!(
                    "the runner left without coming to the end of the tests, while {name} ran",
                    name
                ),
                None => "the runner left without coming to the end of the tests".into(),
            });
            return Some(told);
        }
        _ if nothing => return None,
        End::Exit(code) => {
            told.void = Some(match &open {
                Some(name) => say!(
                    "the runner left with exit code {code} without coming to the end of the tests, while {name} ran",
                    code,
                    name
                ),
                None => say!(
                    "the runner left with exit code {code} without coming to the end of the tests",
                    code
                ),
            });
            return Some(told);
        }
        End::TimedOut => {
            "it did not end before the time limit of the whole run; the tests after it did not run"
        }
        End::OutOfMemory => {
            "the memory limit was reached while it ran; the tests after it did not run"
        }
        End::Signal(_) | End::NotStarted(_) => {
            "the runner was ended by a signal while it ran; the tests after it did not run"
        }
    };
    let name = open.unwrap_or_else(|| "the runner, between two tests".to_owned());
    let message = Some(why.to_owned());
    told.parsed.cases.push(TestCase {
        name,
        status: TestStatus::Error,
        file: None,
        line: None,
        message,
        lacks: None,
    });
    told.code = Some(1);
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::fixture::{case, counts, run};
    use crate::plan::plan;
    use crate::read::read;

    const RECORDS: &str = include_str!("../../tests/fixtures/runners/pytest.records");

    fn report(text: &str, end: End, reported: Reported) -> ExecReport {
        ExecReport {
            end,
            artifacts: vec![(REPORT.into(), text.into())],
            reported: Some(reported),
            ..ExecReport::default()
        }
    }

    #[test]
    fn real_records_are_read_per_test() {
        let (summary, cases) = run("pytest", 1, "", "", Some(RECORDS)).unwrap();
        assert_eq!(counts(&summary), [3, 5, 2, 4]);
        assert_eq!(
            summary.channel,
            keiko_contracts::evidence::Channel::Reporter
        );
        let inherited = case(&cases, "test_a.py::TestB::test_x");
        assert_eq!(
            (inherited.status, inherited.file.as_deref(), inherited.line),
            (TestStatus::Failed, Some("test_a.py"), Some(3))
        );
        assert_eq!(
            case(&cases, "test_a.py::TestA::test_x").status,
            TestStatus::Passed,
            "an inherited test keeps its own name"
        );
        let broken = case(&cases, "test_broken.py");
        assert_eq!(
            broken.message.as_deref(),
            Some("ModuleNotFoundError: No module named 'nowhere'\nat test_broken.py:1")
        );
        assert!(
            case(&cases, "test_a.py::test_hang")
                .message
                .as_ref()
                .unwrap()
                .contains("this test hangs")
        );
        assert_eq!(
            case(&cases, "test_a.py::test_raise").lacks,
            Some(keiko_contracts::evidence::Lack::Service)
        );
    }

    #[test]
    fn a_run_that_left_early_or_was_tampered_with_has_no_result() {
        let plan = plan(&fixture::project("pytest"), None).unwrap();
        let whole = Reported {
            records: 9,
            ended: true,
            forged: 0,
        };
        let early: String = RECORDS
            .lines()
            .take(6)
            .map(|line| format!("{line}\n"))
            .collect();
        let void = RECORDS.replace(
            "{\"kind\":\"end\"",
            "{\"kind\":\"void\",\"why\":\"assertEqual holds\"}\n{\"kind\":\"end\"",
        );
        for (text, end, reported, sign) in [
            (
                "",
                End::Exit(0),
                Reported::default(),
                "left without coming to the end",
            ),
            (
                early.as_str(),
                End::Exit(0),
                Reported {
                    ended: false,
                    ..whole
                },
                "left without coming to the end",
            ),
            (
                RECORDS,
                End::Exit(0),
                Reported { forged: 1, ..whole },
                "not the reporter's",
            ),
            (void.as_str(), End::Exit(0), whole, "assertEqual holds"),
            (
                RECORDS.replace("\"cases\":13", "\"cases\":99").as_str(),
                End::Exit(1),
                whole,
                "not complete",
            ),
        ] {
            let (summary, cases) = read(&plan, &report(text, end, reported)).unwrap();
            assert!(summary.void.as_ref().unwrap().contains(sign), "{summary:?}");
            assert_eq!(
                (counts(&summary), cases.len(), summary.is_green()),
                ([0, 0, 1, 0], 1, false)
            );
        }
    }

    #[test]
    fn a_hanging_test_is_named_and_the_others_keep_their_results() {
        let plan = plan(&fixture::project("pytest"), None).unwrap();
        let text = "{\"kind\":\"start\",\"name\":\"a\"}\n{\"kind\":\"case\",\"name\":\"a\",\"status\":\"passed\"}\n{\"kind\":\"start\",\"name\":\"b\"}\n";
        let reported = Reported {
            records: 3,
            ended: false,
            forged: 0,
        };
        let (summary, cases) = read(&plan, &report(text, End::TimedOut, reported)).unwrap();
        assert_eq!((counts(&summary), summary.void), ([1, 0, 1, 0], None));
        assert!(
            case(&cases, "b")
                .message
                .as_ref()
                .unwrap()
                .contains("time limit")
        );
    }
}
