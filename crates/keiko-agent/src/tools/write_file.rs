//! Writing a whole file.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{at_most, parse, spec_of},
    place, report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::JailOp;
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Writes a whole file, making its folders; what stood there is replaced. To change part of a file use `edit_file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The file.
    path: String,
    /// All of its text.
    text: String,
}

/// The tool `write_file`.
#[derive(Debug)]
pub(super) struct WriteFile;

impl Tool for WriteFile {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("write_file")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments { path, text } = parse(arguments)?;
        at_most("text", &text, 256 << 10)?;
        let path = place::writable_file("path", &path)?;
        Ok(context.jail(JailOp::WriteFile {
            path,
            text: text.into(),
        }))
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
    fn text_of_any_kind_is_written_up_to_the_cap() {
        let Resolved::Action(action) = WriteFile
            .resolve(
                r#"{"path":"/workspace/a.txt","text":""}"#,
                &fixture::context(),
            )
            .unwrap()
        else {
            panic!()
        };
        assert_eq!(
            fixture::op(&action),
            &JailOp::WriteFile {
                path: "a.txt".into(),
                text: "".into()
            }
        );
        let long =
            serde_json::json!({"path": "a", "text": "x".repeat((256 << 10) + 1)}).to_string();
        assert_eq!(
            WriteFile.resolve(&long, &fixture::context()),
            Err(BadCall(
                "`text` is 262145 bytes long; at most 262144".into()
            ))
        );
        assert!(
            WriteFile
                .resolve(
                    r#"{"path":".git/hooks/pre-commit","text":"x"}"#,
                    &fixture::context()
                )
                .is_err()
        );
    }
}
