//! Installs what projects declare and the sandbox lacks, before any test runs: nothing else says so much about a
//! repository. What is refused or fails is left out, and the report says which command allows it.

use super::answer::{Answer, last_line};
use super::tests::place;
use super::{Facts, NativeCall, Phase};
use keiko_contracts::jail::{JailBody, JailOp};

/// What the ids of these operations begin with.
const PREPARE: &str = "prepare-";

/// Installs once.
#[derive(Debug, Clone, Default)]
pub(super) struct Prepare {
    /// The projects, by their place among those of the survey.
    wanted: Vec<usize>,
}

impl Phase for Prepare {
    fn title(&self) -> &'static str {
        "installing packages"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let projects = &facts.survey.projects;
        let lacks = |index: &usize| projects[*index].needs_prepare && !projects[*index].prepare.is_empty();
        self.wanted = (0..projects.len()).filter(lacks).collect();
        let op = |index: &usize| {
            let project = &projects[*index];
            JailOp::Prepare { toolchain: project.toolchain, commands: project.prepare.clone(), cache_key: project.cache_key.clone() }
        };
        let call = |index: &usize| NativeCall {
            id: format!("{PREPARE}{index}"),
            title: format!("install what {} needs", place(&projects[*index])),
            op: op(index),
        };
        self.wanted.iter().map(call).collect()
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        for (index, answer) in self.wanted.iter().zip(answers) {
            let project = &mut facts.survey.projects[*index];
            let failed = match &answer.result {
                Ok(report) => match &report.body {
                    JailBody::Prepared { exit_code: 0, .. } => {
                        project.needs_prepare = false;
                        continue;
                    }
                    JailBody::Prepared { log, exit_code, .. } => {
                        format!("installing failed with exit code {exit_code}: {}", last_line(log.text_or_empty()))
                    }
                    _ => "the sandbox answered something else than what was asked".to_owned(),
                },
                Err(why) => why.clone(),
            };
            let what = format!("packages of {}", place(project));
            let enable = if matches!(answer.result, Err(_)) { facts.install_command() } else { String::new() };
            facts.left_out(what, failed, enable);
        }
        Vec::new()
    }
}
