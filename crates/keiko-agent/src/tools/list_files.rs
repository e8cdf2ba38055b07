//! Listing files.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{parse, spec_of},
    place, report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::JailOp;
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Lists files and folders, leaving out what git ignores.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The folder; by default the root of the workspace.
    path: Option<String>,
    /// Only paths matching this glob, such as `src/**/*.py`.
    glob: Option<String>,
    /// How many levels deep, 0 for all; by default 2, or all with a glob.
    #[schemars(range(min = 0, max = 64))]
    depth: Option<u32>,
}

/// The tool `list_files`.
#[derive(Debug)]
pub(super) struct ListFiles;

impl Tool for ListFiles {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("list_files")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let given: Arguments = parse(arguments)?;
        let glob = place::glob("glob", given.glob.as_deref())?;
        let depth = given.depth.unwrap_or(if glob.is_some() { 0 } else { 2 });
        let path = place::folder("path", given.path.as_deref())?;
        Ok(context.look(JailOp::ListFiles {
            path,
            glob,
            depth,
            limit: 500,
        }))
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        report::listing(
            outcome,
            "entries",
            "No files.",
            "narrow it with path, glob or depth",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::report::fixture;

    #[test]
    fn a_glob_looks_all_the_way_down() {
        let list = |raw: &str| match ListFiles.resolve(raw, &fixture::context()) {
            Ok(Resolved::Action(action)) => fixture::op(&action).clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            list("{}"),
            JailOp::ListFiles {
                path: String::new(),
                glob: None,
                depth: 2,
                limit: 500
            }
        );
        let globbed = list(r#"{"path":"src","glob":"*.rs"}"#);
        assert_eq!(
            globbed,
            JailOp::ListFiles {
                path: "src".into(),
                glob: Some("*.rs".into()),
                depth: 0,
                limit: 500
            }
        );
    }
}
