//! JUnit XML of vitest, where Keiko's reporter cannot be given to it.

use super::junit::{self, JunitCase};
use super::{MESSAGE_MAX, Parsed};
use crate::lines::{cut, in_workspace};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::said::Said;

/// vitest: the class is the file, the name has its groups parted by ` > `.
pub(super) fn parse_vitest(xml: Option<&str>) -> Result<Parsed, Said> {
    let Some(xml) = xml else {
        return Ok(Parsed::default());
    };
    let mut parsed = Parsed::default();
    for case in junit::parse(xml)? {
        // A file that cannot be loaded is reported as a test of its own name.
        let unloaded = case.name == case.class
            && case
                .status
                .is_some_and(|status| status != TestStatus::Skipped);
        let file = Some(case.class.clone()).filter(|file| !file.is_empty());
        let mut read = read(&case, case.name.clone(), file);
        if unloaded {
            read.status = TestStatus::Error;
            parsed.broken.push(read);
        } else {
            parsed.cases.push(read);
        }
    }
    Ok(parsed)
}

fn read(case: &JunitCase, name: String, file: Option<String>) -> TestCase {
    let status = case.status.unwrap_or(TestStatus::Passed);
    let place = if matches!(status, TestStatus::Failed | TestStatus::Error) {
        frame(&case.body, file.as_deref())
    } else {
        None
    };
    let at = place
        .as_ref()
        .map(|(path, line)| format!("\nat {path}:{line}"))
        .unwrap_or_default();
    let said = if case.message.is_empty() {
        case.body.trim()
    } else {
        case.message.trim()
    };
    let message = Some(cut(
        &format!("{}{at}", cut(said, MESSAGE_MAX - at.len().min(200))),
        MESSAGE_MAX,
    ))
    .filter(|text| !text.is_empty());
    let line = place
        .as_ref()
        .filter(|(path, _)| file.as_deref().is_none_or(|file| file == path))
        .map(|(_, line)| *line);
    TestCase {
        name,
        status,
        file: file.or(place.map(|(path, _)| path)),
        line,
        message,
        lacks: None,
    }
}

/// The innermost frame of a JavaScript stack in the user's own files; one in the test's file is preferred.
pub(super) fn frame(stack: &str, file: Option<&str>) -> Option<(String, u32)> {
    let mut first = None;
    for line in stack.lines().map(str::trim) {
        // `at name (/workspace/a.js:6:11)`, `at /workspace/a.js:6:11`, or vitest's `❯ a.test.ts:6:22`.
        let Some(rest) = line.strip_prefix("at ").or_else(|| line.strip_prefix("❯ ")) else {
            continue;
        };
        let place = rest
            .rsplit_once('(')
            .map_or(rest, |(_, place)| place)
            .split(')')
            .next()
            .unwrap_or(rest);
        let place = place.rsplit(' ').next().unwrap_or(place);
        let mut parts = place.rsplitn(3, ':');
        let (_column, number, path) = (parts.next(), parts.next(), parts.next());
        let (Some(path), Some(Ok(number))) = (path, number.map(str::parse::<u32>)) else {
            continue;
        };
        let path = in_workspace(path.trim_start_matches("file://"));
        if path.is_empty() || path.starts_with("node:") || path.contains("node_modules/") {
            continue;
        }
        if file == Some(path) {
            return Some((path.to_owned(), number));
        }
        first = first.or_else(|| Some((path.to_owned(), number)));
    }
    first
}

#[cfg(test)]
mod tests {
    use crate::fixture::{case, counts, run};

    #[test]
    fn a_real_vitest_report_is_read_per_test() {
        let xml = include_str!("../../tests/fixtures/runners/vitest.xml");
        let (summary, cases) = run("vitest", 1, "", "", Some(xml)).unwrap();
        assert_eq!(counts(&summary), [1, 2, 0, 1]);
        let century = case(&cases, "leap years > leaves out centuries");
        assert_eq!(
            (century.file.as_deref(), century.line),
            (Some("date.test.ts"), Some(6))
        );
        assert_eq!(
            century.message.as_deref(),
            Some("expected +0 to be 1 // Object.is equality\nat date.test.ts:6")
        );
        assert!(
            case(&cases, "throws")
                .message
                .as_ref()
                .unwrap()
                .starts_with("no <database> & nothing")
        );
    }

    #[test]
    fn a_file_that_cannot_be_loaded_is_explained() {
        let xml = include_str!("../../tests/fixtures/runners/vitest-broken.xml");
        let said = run("vitest", 1, "", "", Some(xml)).unwrap_err();
        assert!(
            said.contains("could not be loaded\nx.test.ts: Cannot find module './nowhere'"),
            "{said}"
        );
    }
}
