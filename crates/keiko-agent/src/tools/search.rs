//! Searching file contents.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{bounded, parse, spec_of},
    place, report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::JailOp;
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Searches file contents with a regular expression (Rust syntax: no look-around, no back-references), leaving out what git
/// ignores.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The regular expression.
    pattern: String,
    /// A folder or file; by default the whole workspace.
    path: Option<String>,
    /// Only files matching this glob, such as `*.py`.
    glob: Option<String>,
    /// Lines around each hit; by default 0.
    #[schemars(range(min = 0, max = 20))]
    context: Option<u32>,
    /// Upper and lower case are the same.
    ignore_case: Option<bool>,
}

/// The tool `search`.
#[derive(Debug)]
pub(super) struct Search;

impl Tool for Search {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("search")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let given: Arguments = parse(arguments)?;
        bounded("pattern", &given.pattern, 4 << 10)?;
        if let Err(error) = regex::RegexBuilder::new(&given.pattern)
            .size_limit(1 << 20)
            .build()
        {
            return Err(BadCall(format!(
                "`pattern` is not a regular expression: {error}; to search for the text itself put \\ before . * + ? ( ) [ ] {{ }} | ^ $"
            )));
        }
        Ok(context.look(JailOp::Search {
            pattern: given.pattern,
            path: place::folder("path", given.path.as_deref())?,
            glob: place::glob("glob", given.glob.as_deref())?,
            context: given.context.unwrap_or(0),
            limit: 100,
            ignore_case: given.ignore_case.unwrap_or(false),
        }))
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        report::listing(
            outcome,
            "hits",
            "No hits.",
            "narrow the pattern, path or glob",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::fixture;

    #[test]
    fn a_bad_expression_is_explained() {
        let said = Search
            .resolve(r#"{"pattern":"foo("}"#, &fixture::context())
            .unwrap_err()
            .0;
        assert!(
            said.contains("unclosed group") && said.contains("to search for the text itself"),
            "{said}"
        );
        let Resolved::Action(action) = Search
            .resolve(
                r#"{"pattern":"fn \\w+","context":"2"}"#,
                &fixture::context(),
            )
            .unwrap()
        else {
            panic!()
        };
        assert!(matches!(
            fixture::op(&action),
            JailOp::Search {
                context: 2,
                limit: 100,
                ignore_case: false,
                ..
            }
        ));
    }
}
