//! git switch --create.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{parse, spec_of},
    place, report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::{GitOp, JailOp};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Makes a branch at the current commit and switches to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Its name, such as `fix/leap-years`.
    name: String,
}

/// The tool `git_branch`.
#[derive(Debug)]
pub(super) struct GitBranch;

impl Tool for GitBranch {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("git_branch")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments { name } = parse(arguments)?;
        Ok(context.jail(JailOp::Git(GitOp::Branch {
            name: place::branch("name", &name)?,
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
    fn the_name_is_checked() {
        let Resolved::Action(action) = GitBranch
            .resolve(r#"{"name":"fix/leap"}"#, &fixture::context())
            .unwrap()
        else {
            panic!()
        };
        assert_eq!(
            fixture::op(&action),
            &JailOp::Git(GitOp::Branch {
                name: "fix/leap".into()
            })
        );
        assert!(
            GitBranch
                .resolve(r#"{"name":"--force"}"#, &fixture::context())
                .unwrap_err()
                .0
                .contains("must not begin with -")
        );
    }
}
