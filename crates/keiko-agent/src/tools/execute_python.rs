//! Running a cell in the Python kernel.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{bounded, parse, spec_of},
    report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::JailOp;
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Runs a cell in a Python kernel (Jupyter) that keeps its variables between calls. Good for exploring data and trying code;
/// the value of the last expression is shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The code.
    code: String,
    /// Time limit in seconds; by default 60.
    #[schemars(range(min = 1, max = 1800))]
    timeout_seconds: Option<u32>,
}

/// The tool `execute_python`.
#[derive(Debug)]
pub(super) struct ExecutePython;

impl Tool for ExecutePython {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("execute_python")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments {
            code,
            timeout_seconds,
        } = parse(arguments)?;
        bounded("code", &code, 64 << 10)?;
        Ok(context.jail(JailOp::Cell {
            code: code.into(),
            timeout_ms: timeout_seconds.unwrap_or(60).saturating_mul(1_000),
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
    fn a_cell_has_a_time_limit() {
        let Resolved::Action(action) = ExecutePython
            .resolve(r#"{"code":"1+1"}"#, &fixture::context())
            .unwrap()
        else {
            panic!()
        };
        assert_eq!(
            fixture::op(&action),
            &JailOp::Cell {
                code: "1+1".into(),
                timeout_ms: 60_000
            }
        );
    }
}
