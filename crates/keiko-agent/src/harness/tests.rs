//! The tests of a workspace: which there are, running all of them, and what they came to.

use super::chore;
use crate::draft::{Draft, Poll, Reject};
use crate::resolve::resolve;
use crate::state::{Call, Made, RunState};
use crate::tools::{Means, Resolved};
use keiko_contracts::action::{Intent, Outcome, Report};
use keiko_contracts::asked::{Asked, Chore, Round};
use keiko_contracts::evidence::{TestCase, TestStatus, TestSummary};
use keiko_contracts::jail::{JailBody, JailOp, JailReport, Project};
use keiko_contracts::run::RunEvent;
use keiko_runners::{Observed, TestPlan};

/// The most projects whose tests one call runs.
const PROJECTS_MAX: usize = 8;

/// The projects whose tests can be run, with how.
pub(crate) fn plans(
    draft: &Draft<'_>,
    filter: Option<&str>,
    dir: Option<&str>,
) -> Vec<(Project, TestPlan)> {
    let Some(survey) = &draft.state.coding.workspace.survey else {
        return Vec::new();
    };
    survey
        .projects
        .iter()
        .filter(|project| dir.is_none_or(|dir| project.dir == dir))
        .filter_map(|project| {
            keiko_runners::plan(project, filter).map(|plan| (project.clone(), plan))
        })
        .take(PROJECTS_MAX)
        .collect()
}

pub(crate) fn shown(plans: &[(Project, TestPlan)], call: &Call) -> (String, bool) {
    let (mut text, mut red) = (String::new(), false);
    for ((_, plan), outcome) in plans.iter().zip(&call.done) {
        let Outcome::Done(Report::Jail(report)) = outcome.as_ref() else {
            text.push_str(&format!(
                "{}: {}\n",
                plan.shown,
                crate::describe::outcome(outcome)
            ));
            red = true;
            continue;
        };
        let JailBody::Exec(exec) = &report.body else {
            continue;
        };
        match keiko_runners::read(plan, exec) {
            Ok((summary, cases)) => {
                red |= !summary.is_green();
                text.push_str(&show_summary(&summary, &cases));
            }
            Err(why) => {
                red = true;
                text.push_str(&format!("{}: {why}\n", plan.shown));
            }
        }
    }
    (text, red)
}

fn show_summary(summary: &TestSummary, cases: &[TestCase]) -> String {
    let TestSummary {
        passed,
        failed,
        errors,
        skipped,
        ..
    } = summary;
    let mut text = format!(
        "{}: {passed} passed, {failed} failed, {errors} errors, {skipped} skipped\n",
        summary.command
    );
    for case in cases
        .iter()
        .filter(|case| matches!(case.status, TestStatus::Failed | TestStatus::Error))
        .take(12)
    {
        let place = case.file.as_ref().map_or(String::new(), |file| {
            format!(
                " ({file}{})",
                case.line.map_or(String::new(), |line| format!(":{line}"))
            )
        });
        text.push_str(&format!(
            "FAILED {}{place}\n{}\n",
            case.name,
            case.message.as_deref().unwrap_or("")
        ));
    }
    text
}

/// Writes down what tests came to, whoever asked for them: once, when those of all projects have run.
pub(crate) fn observe(draft: &mut Draft<'_>, intent: &Intent) {
    if !matches!(
        intent.asked,
        Asked::Model { .. } | Asked::Harness(Chore::Tests { .. })
    ) {
        return;
    }
    let plans = plans(draft, None, None);
    let state = &draft.state;
    let call = intent.asked.call().and_then(|id| state.step.call(id));
    let (outcomes, tree) = match (call, &intent.asked) {
        (Some(call), _) if runs_all(state, call) => {
            let done = call.done.iter().map(|did| Some(did.as_ref()));
            (done.collect(), &state.coding.workspace.tree)
        }
        // What the harness runs leaves nothing behind: the tests belong to the tree that they found.
        (_, Asked::Harness(Chore::Tests { round, .. })) => {
            let all = (0..plans.len()).map(|index| state.coding.came(&at(round, index)));
            (
                all.collect::<Option<Vec<_>>>(),
                &state.coding.workspace.tested,
            )
        }
        _ => return,
    };
    let Some(outcomes) = outcomes.filter(|all| all.len() == plans.len()) else {
        return;
    };
    let all = plans.iter().zip(outcomes);
    let seen = all.map(|((project, plan), outcome)| observed(project, plan, outcome));
    if let Some(mut summary) = keiko_runners::together(seen.collect()) {
        summary.tree = tree.clone();
        draft.emit(RunEvent::TestsObserved(Box::new(summary)));
    }
}

/// Part of the tests says nothing about the whole: it is shown to the agent, and is no evidence.
fn runs_all(state: &RunState, call: &Call) -> bool {
    let all = Resolved::RunTests {
        filter: None,
        dir: None,
    };
    call.made == Made::Model(Some(Means::Tests)) && resolve(state, call) == Ok(all)
}

fn observed(project: &Project, plan: &TestPlan, outcome: &Outcome<Report>) -> Observed {
    let read = match outcome {
        Outcome::Done(Report::Jail(JailReport {
            body: JailBody::Exec(exec),
            ..
        })) => keiko_runners::read(plan, exec).ok(),
        _ => None,
    };
    let command = match &read {
        Some((summary, _)) => summary.command.clone(),
        None => plan.shown.clone(),
    };
    Observed {
        dir: project.dir.clone(),
        command,
        read,
    }
}

/// Runs all tests for the harness itself, and puts back what they left in the workspace: a lock file or a report that a
/// test run writes is no work of the agent's. Ready when that is done.
pub(crate) fn run(draft: &mut Draft<'_>, round: &Round) -> Result<Poll, Reject> {
    for (index, (_, plan)) in plans(draft, None, None).into_iter().enumerate() {
        if chore(draft, at(round, index), JailOp::Exec(plan.spec))?.is_pending() {
            return Ok(Poll::Pending);
        }
    }
    let workspace = &draft.state.coding.workspace;
    match workspace.tested.clone() {
        Some(tree) if workspace.tree.as_ref() != Some(&tree) => {
            let round = round.clone();
            chore(draft, Chore::PutBack { round }, JailOp::Restore { tree })
        }
        _ => Ok(Poll::Ready),
    }
}

fn at(round: &Round, project: usize) -> Chore {
    Chore::Tests {
        round: round.clone(),
        project: u32::try_from(project).unwrap_or(u32::MAX),
    }
}
