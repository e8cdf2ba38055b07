//! Saying that the work is done.

use super::{
    BadCall, Means, Rendered, Resolved, Tool, ToolContext,
    arguments::{bounded, parse, spec_of},
    report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Ends the run. The harness then runs the tests itself and reports success only on evidence. Say honestly what was not
/// done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// What was done and how it was checked, in a few sentences.
    summary: String,
    /// True only when you decline the goal, with the reason in the summary.
    refused: Option<bool>,
    /// Only when tests that failed at the start still fail: true when making them pass is part of the goal.
    red_tests_in_goal: Option<bool>,
}

/// Its name: a claim in words alone is taken for a call of it.
pub(crate) const NAME: &str = "finish";

/// The tool `finish`.
#[derive(Debug)]
pub(super) struct Finish;

impl Tool for Finish {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>(NAME)
    }
    fn means(&self) -> Means {
        Means::Claim
    }
    fn needs_workspace(&self) -> bool {
        false
    }
    fn resolve(&self, arguments: &str, _context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments {
            summary,
            refused,
            red_tests_in_goal,
        } = parse(arguments)?;
        bounded("summary", &summary, 16 << 10)?;
        Ok(Resolved::Finish {
            summary,
            refused: refused.unwrap_or(false),
            red_tests_in_goal,
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
    fn refusing_must_be_said() {
        let done = Finish
            .resolve(r#"{"summary":"Fixed."}"#, &fixture::context())
            .unwrap();
        assert_eq!(
            done,
            Resolved::Finish {
                summary: "Fixed.".into(),
                refused: false,
                red_tests_in_goal: None
            }
        );
        let declined = Finish
            .resolve(r#"{"summary":"No.","refused":true}"#, &fixture::context())
            .unwrap();
        assert_eq!(
            declined,
            Resolved::Finish {
                summary: "No.".into(),
                refused: true,
                red_tests_in_goal: None
            }
        );
    }

    #[test]
    fn a_word_about_red_tests_is_yes_or_no() {
        let said = Finish
            .resolve(
                r#"{"summary":"Written.","red_tests_in_goal":false}"#,
                &fixture::context(),
            )
            .unwrap();
        assert!(matches!(
            said,
            Resolved::Finish {
                red_tests_in_goal: Some(false),
                ..
            }
        ));
        assert!(
            Finish
                .resolve(
                    r#"{"summary":"Written.","red_tests_in_goal":"none of my business"}"#,
                    &fixture::context()
                )
                .is_err()
        );
    }
}
