//! Asking the operator.

use super::{
    BadCall, Means, Rendered, Resolved, Tool, ToolContext,
    arguments::{bounded, parse, spec_of},
    report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Asks the operator one question and waits for the answer. Use it only when the goal is ambiguous or a decision is not
/// yours to make; find out yourself what can be found out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The question, short, with the choices if there are any.
    question: String,
}

/// The tool `ask_operator`.
#[derive(Debug)]
pub(super) struct AskOperator;

impl Tool for AskOperator {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("ask_operator")
    }
    fn needs_workspace(&self) -> bool {
        false
    }
    fn means(&self) -> Means {
        Means::Ask
    }
    fn resolve(&self, arguments: &str, _context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments { question } = parse(arguments)?;
        bounded("question", &question, 4 << 10)?;
        Ok(Resolved::Ask { question })
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
    fn a_question_is_asked_as_it_is() {
        let asked = AskOperator
            .resolve(r#"{"question":"Which date format?"}"#, &fixture::context())
            .unwrap();
        assert_eq!(
            asked,
            Resolved::Ask {
                question: "Which date format?".into()
            }
        );
        assert_eq!(
            AskOperator.resolve(r#"{"question":" "}"#, &fixture::context()),
            Err(BadCall("`question` is empty".into()))
        );
    }
}
