//! git commit.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{bounded, parse, spec_of},
    report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::{GitOp, JailOp};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Commits everything in the workspace that git does not ignore. Nothing leaves the workspace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The message: a title of at most 72 characters, then a blank line and the reason if it is not obvious.
    message: String,
}

/// The tool `git_commit`.
#[derive(Debug)]
pub(super) struct GitCommit;

impl Tool for GitCommit {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("git_commit")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments { message } = parse(arguments)?;
        bounded("message", &message, 16 << 10)?;
        if message.contains('\0') {
            return Err(BadCall("`message` contains a NUL character".to_owned()));
        }
        // The time is the event's, not the clock's: the same commit comes out when it is made again after a crash.
        Ok(context.jail(JailOp::Git(GitOp::Commit {
            message: message.into(),
            at_seconds: context.now.0.div_euclid(1_000),
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
    fn the_time_is_that_of_the_event() {
        let Resolved::Action(action) = GitCommit
            .resolve(r#"{"message":"Fix leap years"}"#, &fixture::context())
            .unwrap()
        else {
            panic!()
        };
        assert_eq!(
            fixture::op(&action),
            &JailOp::Git(GitOp::Commit {
                message: "Fix leap years".into(),
                at_seconds: 1_700_000_000
            })
        );
    }
}
