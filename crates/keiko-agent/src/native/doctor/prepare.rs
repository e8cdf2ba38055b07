//! Installs what projects declare and the sandbox lacks, before any test runs: nothing else says so much about a
//! repository. What is refused or fails is left out, and the report says which command allows it.

use super::answer::{Answer, last_line};
use super::tests::place;
use super::{Facts, NativeCall, Phase};
use crate::tools;
use keiko_contracts::jail::{JailBody, JailOp, Preparation};

/// The id of the operation.
const PREPARE: &str = "prepare";

/// Installs once.
#[derive(Debug, Clone, Default)]
pub(super) struct Prepare {
    sets: Vec<Preparation>,
}

impl Phase for Prepare {
    fn title(&self) -> &'static str {
        "installing packages"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let Some(op) = tools::what_is_missing(&facts.survey) else { return Vec::new() };
        if let JailOp::Prepare(prepare) = &op {
            self.sets = prepare.sets.clone();
        }
        vec![NativeCall { id: PREPARE.into(), title: "install what the projects depend on".into(), op }]
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        let Some(answer) = answers.first() else { return Vec::new() };
        for (index, set) in self.sets.iter().enumerate() {
            let failed = match &answer.result {
                Ok(report) => match &report.body {
                    JailBody::Prepared(prepared) => match prepared.sets.get(index) {
                        Some(done) if done.exit_code == 0 => None,
                        Some(done) => {
                            let line = last_line(done.log.text_or_empty());
                            Some(format!("installing failed with exit code {}: {line}", done.exit_code))
                        }
                        None => Some("they were not installed".to_owned()),
                    },
                    _ => Some("the sandbox answered something else than what was asked".to_owned()),
                },
                Err(why) => Some(why.clone()),
            };
            let ours = facts.survey.projects.iter_mut().filter(|project| project.preparation.as_ref() == Some(set));
            let Some(why) = failed else {
                ours.for_each(|project| project.needs_prepare = false);
                continue;
            };
            let places: Vec<String> = ours.map(|project| place(project)).collect();
            let enable = if answer.result.is_err() { facts.install_command() } else { String::new() };
            facts.left_out(format!("packages of {}", places.join(", ")), why, enable);
        }
        Vec::new()
    }
}
