//! Replacing text in a file.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext, aliases,
    arguments::{at_most, parse_with, spec_of},
    place, report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::{Edit, JailOp};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// One replacement.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Replacement {
    /// The text as it stands in the file, without line numbers, long enough to be unique.
    old: String,
    /// What shall stand there.
    new: String,
    /// Replace every occurrence; otherwise there must be exactly one.
    all: Option<bool>,
}

/// Replaces text in a file. The replacements are applied in order, all or none. When `old` is not found, the answer shows
/// the lines that do stand there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The file.
    path: String,
    /// The replacements.
    #[schemars(length(min = 1, max = 50))]
    edits: Vec<Replacement>,
}

/// The tool `edit_file`.
#[derive(Debug)]
pub(super) struct EditFile;

impl Tool for EditFile {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("edit_file")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let given: Arguments = parse_with(arguments, aliases::gather_edit)?;
        let path = place::writable_file("path", &given.path)?;
        let mut edits = Vec::with_capacity(given.edits.len());
        for (i, edit) in given.edits.into_iter().enumerate() {
            at_most(&format!("edits[{i}].old"), &edit.old, 256 << 10)?;
            at_most(&format!("edits[{i}].new"), &edit.new, 256 << 10)?;
            if edit.old.is_empty() {
                return Err(BadCall(format!(
                    "`edits[{i}].old` is empty; give text that stands in the file, or use write_file for a new file"
                )));
            }
            if edit.old == edit.new {
                return Err(BadCall(format!(
                    "`edits[{i}]` changes nothing: old and new are the same"
                )));
            }
            edits.push(Edit {
                old: edit.old.into(),
                new: edit.new.into(),
                all: edit.all.unwrap_or(false),
            });
        }
        Ok(context.jail(JailOp::EditFile { path, edits }))
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
    fn edits_that_cannot_be_meant_are_refused() {
        let said = |raw: &str| EditFile.resolve(raw, &fixture::context()).unwrap_err().0;
        assert!(
            said(r#"{"path":"a","edits":[{"old":"","new":"x"}]}"#)
                .starts_with("`edits[0].old` is empty; give")
        );
        assert!(
            said(r#"{"path":"a","edits":[{"old":"x","new":"x"}]}"#)
                .starts_with("`edits[0]` changes nothing")
        );
        assert!(
            said(r#"{"path":"a","edits":[{"new":"x"}]}"#)
                .starts_with("`edits[0].old` is missing; expected text: The text as it stands")
        );
        assert!(
            said(r#"{"path":"a","edits":{"old":"x"}}"#).starts_with("`edits[0].new` is missing"),
            "one where a list is expected"
        );
        assert!(said(r#"{"path":"a","edits":"old"}"#).starts_with("`edits` is the text"));
    }

    #[test]
    fn edits_keep_their_order() {
        let raw = r#"{"path":"a","edits":[{"old":"1","new":"2"},{"old":"3","new":"","all":true}]}"#;
        let Resolved::Action(action) = EditFile.resolve(raw, &fixture::context()).unwrap() else {
            panic!()
        };
        let edit = |old: &str, new: &str, all| Edit {
            old: old.into(),
            new: new.into(),
            all,
        };
        assert_eq!(
            fixture::op(&action),
            &JailOp::EditFile {
                path: "a".into(),
                edits: vec![edit("1", "2", false), edit("3", "", true)]
            }
        );
    }
}
