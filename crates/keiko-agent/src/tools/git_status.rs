//! git status.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{parse, spec_of},
    report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::{GitOp, JailOp};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Shows which files differ from the last commit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {}

/// The tool `git_status`.
#[derive(Debug)]
pub(super) struct GitStatus;

impl Tool for GitStatus {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("git_status")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments {} = parse(arguments)?;
        Ok(context.look(JailOp::Git(GitOp::Status)))
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        report::listing(
            outcome,
            "files",
            "Nothing has changed since the last commit.",
            "see git_diff with a path",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::fixture;

    #[test]
    fn it_takes_no_arguments() {
        let Resolved::Action(action) = GitStatus.resolve("", &fixture::context()).unwrap() else {
            panic!()
        };
        assert_eq!(fixture::op(&action), &JailOp::Git(GitOp::Status));
        assert_eq!(
            GitStatus.resolve(r#"{"short":true}"#, &fixture::context()),
            Err(BadCall("`short` is not known; known fields: none".into()))
        );
    }
}
