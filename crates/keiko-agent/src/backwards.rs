//! Red to green is proved backwards: what the change did to the product is taken out again, and the tests run once more. A
//! test that stays green without it owes it nothing. Ordinary actions of the harness, so a crash in the middle goes on where
//! it was; the tree is put back before anything else happens, at the end of a run too.

use crate::calls::{self, harness};
use crate::draft::{Draft, Reject};
use crate::honesty;
use crate::state::RunState;
use crate::testing;
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::jail::{Edit, JailBody, JailOp, JailReport, TreeId};
use keiko_contracts::run::ApprovalMode;
use keiko_governance::class::ActionClass;
use keiko_governance::policy::Level;
use std::collections::BTreeSet;

/// What the ids of these actions begin with; then the tree that they start from.
const BACK_AT: &str = "harness:back:";

/// Most files that are taken back: beyond that, the proof costs more than it says.
const FILES_MAX: usize = 10;

/// Makes the proof, once for a tree. True when it is made, or cannot be.
pub(crate) fn prove(draft: &mut Draft<'_>) -> Result<bool, Reject> {
    let Some(tree) = disturbed(&draft.state).or_else(|| draft.state.workspace.tree.clone()) else { return Ok(true) };
    if is_over(&draft.state, &tree) || !may(draft) {
        return Ok(true);
    }
    let edits = taken_back(&draft.state, &tree);
    if edits.is_empty() {
        return Ok(true);
    }
    for (index, op) in edits.into_iter().enumerate() {
        if !harness(draft, &format!("{BACK_AT}{}:take:{index}", tree.0), "take the change back, to see the tests fail without it", op)? {
            return Ok(false);
        }
    }
    if whole(&draft.state, &tree) {
        for (index, (_, plan)) in calls::test_plans(draft, None, None).into_iter().enumerate() {
            let id = format!("{BACK_AT}{}:tests:{index}", tree.0);
            if !harness(draft, &id, "run the tests without the change", JailOp::Exec(plan.spec))? {
                return Ok(false);
            }
        }
    }
    put_back(draft)
}

/// Puts the workspace back, if a proof was cut short or is done. True when it is as it was.
pub(crate) fn put_back(draft: &mut Draft<'_>) -> Result<bool, Reject> {
    let Some(tree) = disturbed(&draft.state) else { return Ok(true) };
    harness(draft, &over(&tree), "put the change in again", JailOp::Restore { tree })
}

/// Tests that are green without the change too, of these that turned from red to green.
pub(crate) fn unproven(draft: &Draft<'_>, red_to_green: &[String]) -> Vec<String> {
    let Some(tree) = draft.state.workspace.tree.clone().filter(|tree| is_over(&draft.state, tree) && whole(&draft.state, tree)) else {
        return Vec::new();
    };
    let mut seen = Vec::new();
    for (index, (project, plan)) in calls::test_plans(draft, None, None).into_iter().enumerate() {
        let Some(outcome) = draft.state.harness.get(&format!("{BACK_AT}{}:tests:{index}", tree.0)) else { return Vec::new() };
        let read = match outcome.as_ref() {
            Outcome::Done(Report::Jail(JailReport { body: JailBody::Exec(exec), .. })) => testing::read(&plan, exec).ok(),
            _ => None,
        };
        seen.push(testing::Observed { dir: project.dir, command: plan.shown, read });
    }
    let Some(summary) = testing::together(seen) else { return Vec::new() };
    let cases: Vec<TestCase> = serde_json::from_str(summary.cases.text_or_empty()).unwrap_or_default();
    let green: BTreeSet<String> = cases.into_iter().filter(|case| case.status == TestStatus::Passed).map(|case| case.name).collect();
    red_to_green.iter().filter(|name| green.contains(*name)).cloned().collect()
}

/// The tree that a proof started from, while the workspace is not put back.
pub(crate) fn disturbed(state: &RunState) -> Option<TreeId> {
    let open = state.open.values().filter_map(|intent| intent.call.as_deref());
    let ids = state.harness.keys().map(String::as_str).chain(open);
    let trees: BTreeSet<&str> = ids.filter_map(|id| id.strip_prefix(BACK_AT)?.split(':').next()).collect();
    trees.into_iter().map(|tree| TreeId(tree.to_owned())).find(|tree| !is_over(state, tree))
}

fn over(tree: &TreeId) -> String {
    format!("{BACK_AT}{}:put-back", tree.0)
}

fn is_over(state: &RunState, tree: &TreeId) -> bool {
    state.harness.contains_key(&over(tree)) || state.harness_refused.contains_key(&over(tree))
}

/// There is something to prove, and nobody has to be asked for it.
fn may(draft: &Draft<'_>) -> bool {
    let asks = draft.state.start.as_ref().is_none_or(|start| start.approval == ApprovalMode::Ask);
    let free = [ActionClass::Write, ActionClass::Execute].iter().all(|class| draft.env.policy.level(*class) < Level::Ask);
    !asks && free && draft.state.native.is_none() && !draft.state.tests.red_to_green().is_empty()
}

/// The edits that take out what the change did to everything but tests. None when it cannot be taken out as a whole.
fn taken_back(state: &RunState, tree: &TreeId) -> Vec<JailOp> {
    let diff = state.workspace.diff.as_ref().filter(|(of, _)| of == tree).map_or("", |(_, diff)| diff.text_or_empty());
    let changes = honesty::backwards(diff).unwrap_or_default();
    if changes.len() > FILES_MAX {
        return Vec::new();
    }
    let op = |change: honesty::Backwards| match change {
        honesty::Backwards::Empty { path } => JailOp::WriteFile { path, text: String::new().into() },
        honesty::Backwards::Edits { path, edits } => {
            let edits = edits.into_iter().map(|(old, new)| Edit { old: old.into(), new: new.into(), all: false }).collect();
            JailOp::EditFile { path, edits }
        }
    };
    changes.into_iter().map(op).collect()
}

/// All of it was taken out.
fn whole(state: &RunState, tree: &TreeId) -> bool {
    let count = taken_back(state, tree).len();
    (0..count).all(|index| {
        let outcome = state.harness.get(&format!("{BACK_AT}{}:take:{index}", tree.0));
        matches!(outcome.map(AsRef::as_ref), Some(Outcome::Done(Report::Jail(JailReport { body: JailBody::Written(_), .. }))))
    })
}
