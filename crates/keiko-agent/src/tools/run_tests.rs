//! Running the project's tests: the harness does it itself, so that it knows what came of each.

use super::{
    BadCall, Means, Rendered, Resolved, Tool, ToolContext,
    arguments::{bounded, parse, spec_of},
    place, report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Runs the project's tests and reports each failure with its place. Prefer it to running tests with `execute`: only these
/// results count as evidence.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Only tests matching this, in the runner's own selection syntax (pytest -k or a node id, a cargo or go test name, a jest or vitest name).
    filter: Option<String>,
    /// The project's folder, when there are several.
    dir: Option<String>,
}

/// The tool `run_tests`.
#[derive(Debug)]
pub(super) struct RunTests;

impl Tool for RunTests {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("run_tests")
    }
    fn means(&self) -> Means {
        Means::Tests
    }
    fn resolve(&self, arguments: &str, _context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments { filter, dir } = parse(arguments)?;
        let filter = filter.filter(|filter| !filter.trim().is_empty());
        if let Some(filter) = &filter {
            bounded("filter", filter, 1_000)?;
            // It becomes one argument of the runner and must not turn into one of its options.
            if filter.starts_with('-') || filter.chars().any(char::is_control) {
                return Err(BadCall(format!(
                    "`filter` is {filter:?}; expected names of tests, not options or control characters"
                )));
            }
        }
        let dir = dir
            .as_deref()
            .map(|dir| place::folder("dir", Some(dir)))
            .transpose()?;
        Ok(Resolved::RunTests { filter, dir })
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        report::render(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::fixture;

    #[test]
    fn a_filter_is_no_option() {
        let all = RunTests.resolve("{}", &fixture::context()).unwrap();
        assert_eq!(
            all,
            Resolved::RunTests {
                filter: None,
                dir: None
            }
        );
        let some = RunTests
            .resolve(
                r#"{"filter":"test_leap","dir":"./sub/"}"#,
                &fixture::context(),
            )
            .unwrap();
        assert_eq!(
            some,
            Resolved::RunTests {
                filter: Some("test_leap".into()),
                dir: Some("sub".into())
            }
        );
        assert!(
            RunTests
                .resolve(r#"{"filter":"--rootdir=/"}"#, &fixture::context())
                .is_err()
        );
    }
}
