//! jest's `--json` report, where Keiko's reporter cannot be given to it.

use super::vitest::frame;
use super::{CASES_MAX, MESSAGE_MAX, Parsed};
use crate::lines::{cut, in_workspace, plain};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use serde::Deserialize;

/// Largest report, bytes.
const REPORT_MAX: usize = 64 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    test_results: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    assertion_results: Vec<Assertion>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assertion {
    #[serde(default)]
    ancestor_titles: Vec<String>,
    #[serde(default)]
    title: String,
    #[serde(default)]
    status: String,
    failure_messages: Option<Vec<String>>,
}

pub(super) fn parse(json: Option<&str>) -> Result<Parsed, Said> {
    let Some(json) = json else {
        return Ok(Parsed::default());
    };
    if json.len() > REPORT_MAX {
        return Err(say!(
            "jest's report is {n} bytes long; at most {most} are read",
            n = json.len(),
            most = REPORT_MAX
        ));
    }
    let document: Document = serde_json::from_str(json)
        .map_err(|error| say!("jest's report is broken: {error}", error))?;
    let mut parsed = Parsed::default();
    for file in document.test_results {
        let path = in_workspace(&file.name).to_owned();
        if file.assertion_results.is_empty() && file.status == "failed" {
            let message = plain(&file.message);
            let (said, line) = explain(
                message
                    .trim()
                    .trim_start_matches("● Test suite failed to run")
                    .trim_start(),
                &path,
            );
            parsed.broken.push(TestCase {
                name: path.clone(),
                status: TestStatus::Error,
                file: Some(path),
                line,
                message: Some(said),
                lacks: None,
            });
            continue;
        }
        let room = CASES_MAX.saturating_sub(parsed.cases.len());
        parsed.cases.extend(
            file.assertion_results
                .into_iter()
                .take(room)
                .map(|test| read(test, &path)),
        );
    }
    Ok(parsed)
}

fn read(test: Assertion, path: &str) -> TestCase {
    let name = test
        .ancestor_titles
        .iter()
        .map(String::as_str)
        .chain([test.title.as_str()])
        .collect::<Vec<_>>()
        .join(" > ");
    let status = match test.status.as_str() {
        "passed" => TestStatus::Passed,
        "pending" | "skipped" | "todo" | "disabled" => TestStatus::Skipped,
        "failed" => TestStatus::Failed,
        _ => TestStatus::Error,
    };
    let said = test
        .failure_messages
        .unwrap_or_default()
        .into_iter()
        .next()
        .map(|text| explain(&plain(&text), path));
    let (message, line) = said.unzip();
    TestCase {
        name,
        status,
        file: Some(path.to_owned()),
        line: line.flatten(),
        message,
        lacks: None,
    }
}

/// The message without its stack, and the place of the frame in the test's own file.
fn explain(text: &str, path: &str) -> (String, Option<u32>) {
    let place = frame(text, Some(path));
    let said: Vec<&str> = text
        .lines()
        .take_while(|line| !line.trim_start().starts_with("at "))
        .collect();
    let at = place
        .as_ref()
        .map(|(file, line)| format!("\nat {file}:{line}"))
        .unwrap_or_default();
    let said = cut(
        &format!(
            "{}{at}",
            cut(said.join("\n").trim(), MESSAGE_MAX - at.len().min(200))
        ),
        MESSAGE_MAX,
    );
    (
        said,
        place.filter(|(file, _)| file == path).map(|(_, line)| line),
    )
}

#[cfg(test)]
mod tests {
    use crate::fixture::{case, counts, run};

    #[test]
    fn a_real_report_is_read_per_test() {
        let json = include_str!("../../tests/fixtures/runners/jest.json");
        let (summary, cases) = run("jest", 1, "", "", Some(json)).unwrap();
        assert_eq!(counts(&summary), [1, 2, 0, 1]);
        let century = case(&cases, "leap years > leaves out centuries");
        assert_eq!(
            (century.file.as_deref(), century.line),
            (Some("date.test.js"), Some(6))
        );
        let message = century.message.as_ref().unwrap();
        assert!(
            message.starts_with("Error: expect(received).toBe(expected)")
                && message.ends_with("at date.test.js:6"),
            "{message}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_loaded_is_explained() {
        let json = include_str!("../../tests/fixtures/runners/jest-broken.json");
        let said = run("jest", 1, "", "", Some(json)).unwrap_err();
        assert!(
            said.contains(
                "could not be loaded\nx.test.js: Cannot find module './nowhere' from 'x.test.js'"
            ),
            "{said}"
        );
        assert!(
            run("jest", 1, "", "", Some("{"))
                .unwrap_err()
                .contains("jest's report is broken")
        );
    }
}
