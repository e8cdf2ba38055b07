//! Installing what a project depends on.

use super::{
    BadCall, Rendered, Resolved, Tool, ToolContext,
    arguments::{parse, spec_of},
    place, report,
};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::jail::{JailOp, Prepare as Installation, Survey};
use keiko_contracts::tool::ToolSpec;
use schemars::JsonSchema;
use serde::Deserialize;

/// Installs the dependencies that a project declares, with network access. The operator is usually asked first. Use it when
/// a declared dependency is missing in the sandbox.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The project's folder; by default the one whose dependencies are missing.
    dir: Option<String>,
}

/// One installation of everything that the projects of a workspace lack; nothing when nothing is missing.
#[must_use]
pub fn what_is_missing(survey: &Survey) -> Option<JailOp> {
    let mut sets = Vec::new();
    for set in survey
        .projects
        .iter()
        .filter(|project| project.needs_prepare)
        .filter_map(|project| project.preparation.as_ref())
    {
        if !sets.contains(set) {
            sets.push(set.clone());
        }
    }
    (!sets.is_empty()).then_some(JailOp::Prepare(Installation { sets }))
}

/// The tool `prepare`.
#[derive(Debug)]
pub(super) struct Prepare;

impl Tool for Prepare {
    fn spec(&self) -> ToolSpec {
        spec_of::<Arguments>("prepare")
    }
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let Arguments { dir } = parse(arguments)?;
        let projects = context
            .survey
            .map(|survey| survey.projects.as_slice())
            .unwrap_or_default();
        if projects.is_empty() {
            return Err(BadCall("no project with a manifest was found in the workspace: there is nothing to install".to_owned()));
        }
        let project = match dir
            .as_deref()
            .map(|dir| place::folder("dir", Some(dir)))
            .transpose()?
        {
            Some(dir) => projects
                .iter()
                .filter(|project| project.dir == dir)
                .max_by_key(|project| project.needs_prepare),
            None => projects.iter().find(|project| project.needs_prepare),
        };
        let Some(project) = project else {
            let dirs: Vec<&str> = projects
                .iter()
                .map(|project| {
                    if project.dir.is_empty() {
                        "."
                    } else {
                        &project.dir
                    }
                })
                .collect();
            let why = if dir.is_some() {
                "there is no project in that folder"
            } else {
                "no dependencies are missing; to install anyway give `dir`"
            };
            return Err(BadCall(format!("{why}; projects: {}", dirs.join(", "))));
        };
        let Some(set) = &project.preparation else {
            return Err(BadCall("it is not known how the dependencies of this project are installed; see its manifest".to_owned()));
        };
        Ok(context.jail(JailOp::Prepare(Installation {
            sets: vec![set.clone()],
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
    use keiko_contracts::jail::{Packages, Preparation, Project, Survey, Toolchain};

    fn project(dir: &str, needs_prepare: bool) -> Project {
        Project {
            dir: dir.into(),
            toolchain: Toolchain::Node,
            manifests: vec!["package.json".into()],
            runner: None,
            needs_prepare,
            preparation: Some(Preparation {
                toolchain: Toolchain::Node,
                dirs: vec![dir.into()],
                commands: vec![vec!["npm".into(), "ci".into()]],
                cache_key: format!("key-{dir}"),
                packages: Packages::default(),
                registries: Vec::new(),
                cached: false,
            }),
            ..Project::default()
        }
    }

    #[test]
    fn the_commands_come_from_the_survey() {
        let survey = Survey {
            projects: vec![project("", false), project("web", true)],
            ..Survey::default()
        };
        let context = ToolContext {
            survey: Some(&survey),
            ..fixture::context()
        };
        let key = |raw: &str| match Prepare.resolve(raw, &context) {
            Ok(Resolved::Action(action)) => match fixture::op(&action) {
                JailOp::Prepare(prepare) => Ok(prepare.sets[0].cache_key.clone()),
                other => panic!("{other:?}"),
            },
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.0),
        };
        assert_eq!(key("{}"), Ok("key-web".into()));
        assert_eq!(key(r#"{"dir":"."}"#), Ok("key-".into()));
        assert_eq!(
            key(r#"{"dir":"x"}"#),
            Err("there is no project in that folder; projects: ., web".into())
        );
        assert!(
            Prepare
                .resolve("{}", &fixture::context())
                .unwrap_err()
                .0
                .contains("nothing to install")
        );
    }
}
