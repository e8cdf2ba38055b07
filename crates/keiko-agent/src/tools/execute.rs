//! Running a shell command.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext, aliases,
    arguments::{at_most, bounded, parse_with, spec_of},
    place, report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::{Command, ExecSpec, JailOp, Limits};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
/// Runs a shell command in the sandbox: no network, a fresh process each time, files of the workspace stay. Do not start
/// servers or anything interactive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The command or script.
    command: String,
    /// The folder; by default the root of the workspace.
    cwd: Option<String>,
    /// Time limit in seconds; by default 120.
    #[schemars(range(min = 1, max = 1800))]
    timeout_seconds: Option<u32>,
    /// Standard input.
    stdin: Option<String>,
}

/// The tool `execute`.
#[derive(Debug)]
pub(super) struct Execute;

impl Tool for Execute {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("execute")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let given: Arguments = parse_with(arguments, aliases::join_command)?;
        bounded("command", &given.command, 32 << 10)?;
        if given.command.contains('\0') {
            return Err(BadCall("`command` contains a NUL character".to_owned()));
        }
        at_most(
            "stdin",
            given.stdin.as_deref().unwrap_or_default(),
            256 << 10,
        )?;
        let mut limits = Limits::default();
        if let Some(seconds) = given.timeout_seconds {
            limits.wall_ms = seconds.saturating_mul(1_000);
        }
        Ok(context.jail(JailOp::Exec(ExecSpec {
            command: Command::Shell(given.command.into()),
            cwd: place::folder("cwd", given.cwd.as_deref())?,
            env: BTreeMap::new(),
            stdin: given.stdin.map(Into::into),
            limits,
            collect: Vec::new(),
            report: None,
        })))
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
    fn a_command_runs_under_limits() {
        let Resolved::Action(action) = Execute
            .resolve(
                r#"{"command":"make","cwd":"/workspace/sub","timeout_seconds":"5"}"#,
                &fixture::context(),
            )
            .unwrap()
        else {
            panic!()
        };
        let JailOp::Exec(spec) = fixture::op(&action) else {
            panic!()
        };
        assert_eq!((spec.cwd.as_str(), spec.limits.wall_ms), ("sub", 5_000));
        assert_eq!(spec.command, Command::Shell("make".into()));
        for bad in [
            r#"{"command":""}"#,
            r#"{"command":"a\u0000"}"#,
            r#"{"command":"a","timeout_seconds":9999}"#,
            r#"{"command":"a","cwd":"/"}"#,
        ] {
            assert!(Execute.resolve(bad, &fixture::context()).is_err(), "{bad}");
        }
    }
}
