//! Counting lines: the example of `docs/howto/add-a-tool.md`.

use super::arguments::{parse, spec_of};
use super::{BadCall, Rendered, Resolved, Tool, ToolContext, place, report};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::{Command, ExecSpec, JailOp, Limits};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Counts the lines of a file. (This text is what the model reads.)
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The file. (So is this.)
    path: String,
}

/// The tool `count_lines`.
#[derive(Debug)]
pub(super) struct CountLines;

impl Tool for CountLines {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("count_lines")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments { path } = parse(arguments)?;
        // Refuses `..`, absolute paths elsewhere, and git's own files.
        let path = place::file("path", &path)?;
        Ok(context.jail(JailOp::Exec(ExecSpec {
            command: Command::Argv(vec!["wc".into(), "-l".into(), "--".into(), path]),
            cwd: String::new(),
            env: BTreeMap::new(),
            stdin: None,
            limits: Limits::default(),
            collect: Vec::new(),
            report: None,
        })))
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        report::render(outcome)
    }
}

#[test]
fn the_page_that_says_how_a_tool_is_added_shows_this_file() {
    let page = include_str!("../../../../docs/howto/add-a-tool.md");
    let shown = page.split("```rust\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let own = include_str!("count_lines.rs").split("\n#[test]").next();
    assert_eq!(Some(shown), own);
}

#[test]
fn it_counts_a_file_of_the_workspace_and_no_other() {
    let context = report::fixture::context();
    let counted = CountLines.resolve(r#"{"path":"a.txt"}"#, &context);
    assert!(matches!(counted, Ok(Resolved::Action(_))), "{counted:?}");
    assert!(
        CountLines
            .resolve(r#"{"path":"../a.txt"}"#, &context)
            .is_err()
    );
    assert!(CountLines.resolve(r#"{"file_name":1}"#, &context).is_err());
    assert!(
        CountLines
            .spec()
            .description
            .starts_with("Counts the lines")
    );
    let failed = CountLines.render(&Outcome::Cancelled);
    assert!(failed.is_error, "{failed:?}");
}
