//! The verifier: runs the tests of a workspace once, and says what they came to. `runs verify` uses it on a fresh copy
//! of a result, so that a claim is checked by the same loop, sandbox and journal that made it.

use keiko_agent::native::{NativeCall, NativeEngine, NativeFinish, NativeStep};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::evidence::TestSummary;
use keiko_contracts::jail::{JailBody, JailOp, Survey};
use keiko_contracts::run::EndStatus;
use keiko_contracts::said::Said;
use keiko_runners::{TestPlan, Unread};

/// The id of the operation that installs.
const INSTALL: &str = "prepare";

/// The engine.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    plans: Option<Vec<TestPlan>>,
    /// What is to be installed first.
    missing: Option<JailOp>,
    results: Vec<Result<TestSummary, Unread>>,
    failed: Option<Said>,
}

impl Verifier {
    fn plan(&mut self, survey: &Survey) {
        self.missing = keiko_agent::tools::what_is_missing(survey);
        self.plans = Some(
            survey
                .projects
                .iter()
                .filter_map(|project| keiko_runners::plan(project, None))
                .collect(),
        );
    }
}

impl NativeEngine for Verifier {
    fn boxed(&self) -> Box<dyn NativeEngine> {
        Box::new(self.clone())
    }

    fn next(&self) -> NativeStep {
        let call = |id: String, title: &'static str, op| NativeCall {
            id,
            title: title.into(),
            op,
        };
        match &self.plans {
            _ if self.failed.is_some() => {}
            None => return NativeStep::Act(vec![call("survey".into(), "survey", JailOp::Survey)]),
            Some(_) if self.missing.is_some() => {
                let install = |op: &JailOp| {
                    call(
                        INSTALL.into(),
                        "install what the projects depend on",
                        op.clone(),
                    )
                };
                return NativeStep::Act(self.missing.iter().map(install).collect());
            }
            Some(plans) if self.results.len() < plans.len() => {
                let calls = plans.iter().enumerate().map(|(i, plan)| {
                    call(
                        format!("tests-{i}"),
                        "tests",
                        JailOp::Exec(plan.spec.clone()),
                    )
                });
                return NativeStep::Act(calls.collect());
            }
            Some(_) => {}
        }
        let last = self
            .results
            .iter()
            .filter_map(|result| result.as_ref().ok())
            .next_back()
            .cloned();
        let wrong = self.failed.clone().or_else(|| {
            self.results
                .iter()
                .find_map(|result| result.as_ref().err().map(Unread::said))
        });
        let summary = match (&wrong, &last) {
            (Some(why), _) => why.clone(),
            (None, Some(tests)) => keiko_runners::summary_line(tests),
            (None, None) => "There are no tests.".into(),
        };
        let status = if wrong.is_some() {
            EndStatus::Failed
        } else {
            EndStatus::Succeeded
        };
        NativeStep::Finish(Box::new(NativeFinish {
            status,
            report: summary.to_string().into(),
            data: None,
            summary,
            tests: last.map(|tests| (tests.clone(), tests)),
        }))
    }

    fn observe(&mut self, id: &str, outcome: Result<&Outcome<Report>, &Said>) {
        if id == INSTALL {
            // What is missing all the same shows in the tests.
            self.missing = None;
            return;
        }
        match outcome {
            Ok(Outcome::Done(Report::Jail(report))) => match (&report.body, &self.plans) {
                (JailBody::Surveyed(survey), None) => self.plan(survey),
                (JailBody::Exec(exec), Some(plans)) => {
                    if let Some(plan) = plans.get(self.results.len()) {
                        let tree = report.tree.clone();
                        self.results.push(
                            keiko_runners::read(plan, exec)
                                .map(|(summary, _)| TestSummary { tree, ..summary }),
                        );
                    }
                }
                _ => {
                    self.failed =
                        Some("the sandbox answered something else than what was asked".into())
                }
            },
            Ok(other) => self.failed = Some(keiko_agent::describe::outcome(other)),
            Err(why) => self.failed = Some(why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_without_tests_is_said_to_have_none() {
        let mut engine = Verifier::default();
        assert!(matches!(engine.next(), NativeStep::Act(calls) if calls[0].op == JailOp::Survey));
        engine.plan(&Survey::default());
        let NativeStep::Finish(finish) = engine.next() else {
            panic!("expected the end")
        };
        assert_eq!(
            (finish.status, finish.summary.key()),
            (EndStatus::Succeeded, "There are no tests.")
        );
    }

    #[test]
    fn a_refusal_is_the_result() {
        let mut engine = Verifier::default();
        engine.observe("survey", Err(&"the policy says no".into()));
        let NativeStep::Finish(finish) = engine.next() else {
            panic!("expected the end")
        };
        assert_eq!(
            (finish.status, finish.summary.key()),
            (EndStatus::Failed, "the policy says no")
        );
    }
}
