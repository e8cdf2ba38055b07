//! Reading lines of a file.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext, aliases,
    arguments::{parse_with, spec_of},
    place, report,
};
use keiko_contracts::action::{Action, Outcome, Report};
use keiko_contracts::jail::{JailAction, JailBody, JailOp, TextReport};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Reads lines of a text file, with line numbers. Paths are relative to the root of the workspace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The file.
    path: String,
    /// First line, from 1; by default 1.
    #[schemars(range(min = 1, max = 10_000_000))]
    from_line: Option<u32>,
    /// How many lines; by default 400.
    #[schemars(range(min = 1, max = 2000))]
    lines: Option<u32>,
}

/// The tool `read_file`.
#[derive(Debug)]
pub(super) struct ReadFile;

impl Tool for ReadFile {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("read_file")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let given: Arguments = parse_with(arguments, aliases::gather_range)?;
        let path = place::file("path", &given.path)?;
        Ok(context.look(JailOp::ReadFile {
            path,
            from_line: given.from_line.unwrap_or(1),
            lines: given.lines.unwrap_or(400),
        }))
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        report::render(outcome)
    }
    fn render_for(&self, action: &Action, outcome: &Outcome<Report>) -> Rendered {
        match (action, report::body(outcome)) {
            (
                Action::Jail(JailAction {
                    op:
                        JailOp::ReadFile {
                            path, from_line, ..
                        },
                    ..
                }),
                Some(JailBody::Text(text)),
            ) => Rendered {
                text: numbered(path, *from_line, text),
                is_error: false,
            },
            _ => self.render(outcome),
        }
    }
}

/// The lines with their numbers, under a line that says which they are.
fn numbered(path: &str, from: u32, report: &TextReport) -> String {
    let text = report::text(&report.text);
    let shown = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    let total = report.total;
    if shown == 0 {
        return if total == 0 {
            format!("{path} is empty")
        } else {
            format!("{path} has {total} lines; none from line {from}")
        };
    }
    let last = from.saturating_add(shown - 1);
    let mut out = format!("{path} lines {from}-{last} of {total}");
    let width = last.to_string().len();
    for (number, line) in (from..).zip(text.lines()) {
        out.push_str(&format!("\n{number:>width$}  {line}"));
    }
    if report.truncated && last < total {
        out.push_str(&format!(
            "\n[go on with from_line {}]",
            last.saturating_add(1)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::fixture;

    #[test]
    fn a_file_is_read_with_numbers() {
        let Resolved::Action(action) = ReadFile
            .resolve(r#"{"path":"./a.py","from_line":9}"#, &fixture::context())
            .unwrap()
        else {
            panic!()
        };
        let done = fixture::done(JailBody::Text(TextReport {
            text: "x = 1\n\ny = 2\n".into(),
            total: 213,
            truncated: true,
        }));
        let shown = ReadFile.render_for(&action, &done);
        assert_eq!(
            shown.text,
            "a.py lines 9-11 of 213\n 9  x = 1\n10  \n11  y = 2\n[go on with from_line 12]"
        );
        assert!(!shown.is_error);
    }

    #[test]
    fn nothing_to_show_is_said() {
        let Resolved::Action(action) = ReadFile
            .resolve(r#"{"path":"a.py","from_line":9}"#, &fixture::context())
            .unwrap()
        else {
            panic!()
        };
        let text = |total| {
            fixture::done(JailBody::Text(TextReport {
                text: "".into(),
                total,
                truncated: false,
            }))
        };
        assert_eq!(ReadFile.render_for(&action, &text(0)).text, "a.py is empty");
        assert_eq!(
            ReadFile.render_for(&action, &text(3)).text,
            "a.py has 3 lines; none from line 9"
        );
    }
}
