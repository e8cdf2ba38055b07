//! pytest's JUnit XML (family `xunit1`), with names as node ids.

use super::junit::{self, JunitCase};
use super::lines::{cut, in_workspace};
use super::{MESSAGE_MAX, Parsed};
use keiko_contracts::evidence::{TestCase, TestStatus};

pub(super) fn parse(xml: Option<&str>) -> Result<Parsed, String> {
    let Some(xml) = xml else { return Ok(Parsed::default()) };
    let mut parsed = Parsed::default();
    for case in junit::parse(xml)? {
        let unloaded = case.message == "collection failure";
        let case = read(case);
        if unloaded { parsed.broken.push(case) } else { parsed.cases.push(case) }
    }
    Ok(parsed)
}

fn read(case: JunitCase) -> TestCase {
    let name = node_id(&case);
    let status = case.status.unwrap_or(TestStatus::Passed);
    let (place, line) = failure_place(&case.body, case.file.as_deref());
    let message = (!matches!(status, TestStatus::Passed)).then(|| {
        // What failed to load is explained by the last lines of its traceback, not by "collection failure".
        let said = if case.message == "collection failure" { errors(&case.body) } else { case.message.clone() };
        let at = place.filter(|_| status != TestStatus::Skipped).map(|place| format!("\nat {place}")).unwrap_or_default();
        format!("{}{at}", cut(&said, MESSAGE_MAX.saturating_sub(at.len().min(200))))
    });
    // The attribute counts from 0.
    let line = line.or_else(|| case.line.map(|line| line.saturating_add(1)));
    TestCase { name, status, file: case.file, line, message: message.map(|text| cut(&text, MESSAGE_MAX)).filter(|text| !text.is_empty()) }
}

/// `tests/test_dates.py::TestOld::test_in_class`: the class name is the module's path with dots and then classes.
fn node_id(case: &JunitCase) -> String {
    let Some(file) = &case.file else {
        return if case.class.is_empty() { case.name.clone() } else { format!("{}::{}", case.class, case.name) };
    };
    let module = file.strip_suffix(".py").unwrap_or(file).replace('/', ".");
    match case.class.strip_prefix(&module) {
        Some("") => format!("{file}::{}", case.name),
        Some(classes) => format!("{file}::{}::{}", classes.trim_start_matches('.').replace('.', "::"), case.name),
        // A module that could not be loaded stands for all of its tests.
        None if case.class.is_empty() => file.clone(),
        None => format!("{file}::{}", case.name),
    }
}

/// Where it failed (`dates.py:2`), and the line of the last frame in the test's own file.
fn failure_place(body: &str, file: Option<&str>) -> (Option<String>, Option<u32>) {
    let mut place = None;
    let mut line = None;
    for text in body.lines() {
        let mut parts = text.splitn(3, ':');
        let (Some(path), Some(number), Some(_)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (Ok(number), true) = (number.parse::<u32>(), path.ends_with(".py") && !path.starts_with(' ')) else { continue };
        let path = in_workspace(path);
        place = Some(format!("{path}:{number}"));
        if Some(path) == file {
            line = Some(number);
        }
    }
    (place, line)
}

/// The lines that pytest marks with `E`.
fn errors(body: &str) -> String {
    let marked: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("E ")).map(str::trim).collect();
    if marked.is_empty() { super::last(body, 5) } else { marked.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture::{case, counts, run};

    #[test]
    fn a_real_report_is_read_per_test() {
        let xml = include_str!("../../tests/fixtures/runners/pytest.xml");
        let (summary, cases) = run("pytest", 1, "", "", Some(xml)).unwrap();
        assert_eq!(counts(&summary), [3, 2, 1, 1]);
        assert_eq!(
            summary.failing,
            ["tests/test_dates.py::test_century", "tests/test_dates.py::test_many[x]", "tests/test_dates.py::test_with_fixture"]
        );
        let century = case(&cases, "tests/test_dates.py::test_century");
        assert_eq!((century.file.as_deref(), century.line), (Some("tests/test_dates.py"), Some(11)));
        assert!(century.message.as_ref().unwrap().starts_with("AssertionError: 1900 was <no> leap year & never will be"));
        let many = case(&cases, "tests/test_dates.py::test_many[x]");
        assert_eq!(many.line, Some(21), "the line of the test");
        assert!(many.message.as_ref().unwrap().ends_with("at dates.py:2"), "the line of the fault");
        assert_eq!(case(&cases, "tests/test_dates.py::TestOld::test_in_class").status, TestStatus::Passed);
        assert_eq!(case(&cases, "tests/test_dates.py::test_with_fixture").status, TestStatus::Error);
        assert_eq!(case(&cases, "tests/test_dates.py::test_later").message.as_deref(), Some("later"));
    }

    #[test]
    fn a_module_that_cannot_be_imported_is_explained() {
        let xml = include_str!("../../tests/fixtures/runners/pytest-broken.xml");
        let said = run("pytest", 2, "", "", Some(xml)).unwrap_err();
        assert!(
            said.contains("could not be loaded\ntest_x.py: ModuleNotFoundError: No module named 'nowhere_to_be_found'\nat test_x.py:1"),
            "{said}"
        );
    }

    #[test]
    fn without_a_report_the_output_is_shown() {
        let said = run("pytest", 1, "", "/usr/bin/python3: No module named pytest\n", None).unwrap_err();
        assert!(said.contains("pytest is not installed in the sandbox; `prepare`"), "{said}");
        let said = run("pytest", 4, "", "ERROR: file or directory not found: nope.py\n", None).unwrap_err();
        assert!(said.contains("no test ran (exit code 4)") && said.contains("not found: nope.py"), "{said}");
    }
}
