//! Showing what was cut.

use super::{
    BadCall, Means, Rendered, Resolved, Tool, ToolContext,
    arguments::{bounded, parse, spec_of},
    report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Shows lines of an earlier result that was cut when it was first shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The reference that stands at the cut.
    reference: String,
    /// First line, from 1; by default 1.
    #[schemars(range(min = 1, max = 10_000_000))]
    from_line: Option<u32>,
    /// How many lines; by default 200.
    #[schemars(range(min = 1, max = 2000))]
    lines: Option<u32>,
}

/// The tool `show_more`.
#[derive(Debug)]
pub(super) struct ShowMore;

impl Tool for ShowMore {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("show_more")
    }
    fn needs_workspace(&self) -> bool {
        false
    }
    fn means(&self) -> Means {
        Means::Show
    }
    fn resolve(&self, arguments: &str, _context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments {
            reference,
            from_line,
            lines,
        } = parse(arguments)?;
        bounded("reference", &reference, 200)?;
        Ok(Resolved::ShowMore {
            reference,
            from_line: from_line.unwrap_or(1),
            lines: lines.unwrap_or(200),
        })
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
    fn it_starts_at_the_first_line_unless_told() {
        let more = ShowMore
            .resolve(r#"{"reference":"r7","lines":"20"}"#, &fixture::context())
            .unwrap();
        assert_eq!(
            more,
            Resolved::ShowMore {
                reference: "r7".into(),
                from_line: 1,
                lines: 20
            }
        );
        assert!(
            ShowMore
                .resolve(r#"{"reference":"r7","from_line":0}"#, &fixture::context())
                .is_err()
        );
    }
}
