//! git diff.

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

/// Shows the change of the workspace against the commit that the work started from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Only this file or folder.
    path: Option<String>,
    /// Another revision to compare with, such as `HEAD`.
    against: Option<String>,
}

/// The tool `git_diff`.
#[derive(Debug)]
pub(super) struct GitDiff;

impl Tool for GitDiff {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("git_diff")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments { path, against } = parse(arguments)?;
        let path = place::folder("path", path.as_deref())?;
        let against = against
            .as_deref()
            .map(|revision| place::revision("against", revision))
            .transpose()?;
        Ok(context.look(JailOp::Git(GitOp::Diff {
            against,
            path: Some(path).filter(|path| !path.is_empty()),
        })))
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        report::listing(outcome, "lines", "No difference.", "narrow it with path")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::fixture;

    #[test]
    fn a_revision_is_no_option() {
        let Resolved::Action(action) = GitDiff
            .resolve(r#"{"path":".","against":"HEAD~1"}"#, &fixture::context())
            .unwrap()
        else {
            panic!()
        };
        assert_eq!(
            fixture::op(&action),
            &JailOp::Git(GitOp::Diff {
                against: Some("HEAD~1".into()),
                path: None
            })
        );
        assert!(
            GitDiff
                .resolve(r#"{"against":"--no-index"}"#, &fixture::context())
                .is_err()
        );
    }
}
