//! Red to green is proved backwards: what the change did to the product is taken out again, whole and then piece by piece, and
//! the tests that turned green run once more. One that stays green without the change owes it nothing. Ordinary actions of
//! the harness, so a crash in the middle goes on where it was; the tree is put back before anything else happens, at the
//! end of a run too.
//!
//! All of it takes no longer than one more run of the tests, and what was not looked at is named.

use super::{chore, tests};
use crate::draft::{Draft, Poll, Reject};
use crate::honesty::{self, Changed, Part};
use crate::state::RunState;
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::asked::Chore;
use keiko_contracts::evidence::{Backwards, Piece, TestCase, TestStatus};
use keiko_contracts::jail::{Edit, End, JailBody, JailOp, JailReport, Project, TreeId};
use keiko_contracts::run::ApprovalMode;
use keiko_contracts::said::{Said, Value, shown};
use keiko_contracts::say;
use keiko_governance::class::ActionClass;
use keiko_governance::policy::Level;
use keiko_runners::TestPlan;
use std::collections::BTreeSet;

/// Most pieces that are taken out one by one.
const PIECES_MAX: usize = 10;

/// Most files that are taken out at all.
const FILES_MAX: usize = 2_000;

/// What the proof may always take, milliseconds: a suite of a second has room for a few pieces.
const LEAST_MS: u64 = 5_000;

/// What starting a runner may take beyond that, milliseconds.
const SLACK_MS: u64 = 10_000;

/// Most names in a sentence.
const SHOWN_MAX: usize = 5;

/// Makes the proof, once for a tree. Ready when it is made, or cannot be.
pub(crate) fn prove(draft: &mut Draft<'_>) -> Result<Poll, Reject> {
    let Some(tree) = disturbed(&draft.state).or_else(|| draft.state.coding.workspace.tree.clone())
    else {
        return Ok(Poll::Ready);
    };
    if is_over(&draft.state, &tree)
        || draft.state.coding.tests.red_to_green().is_empty()
        || hindered(draft).is_some()
    {
        return Ok(Poll::Ready);
    }
    let (steps, _) = steps(&draft.state, &tree);
    let proof = look(draft, &tree, &steps);
    if let (Some(at), true) = (proof.next, proof.has_room()) {
        let step = &steps[at];
        for (index, op) in step.ops.iter().enumerate() {
            if chore(draft, take(&tree, at, index), op.clone())?.is_pending() {
                return Ok(Poll::Pending);
            }
        }
        if is_taken(&draft.state, &tree, at, step) {
            let wall = u32::try_from(proof.room() + SLACK_MS).unwrap_or(u32::MAX);
            for (index, (_, mut plan)) in chosen(draft).into_iter().enumerate() {
                plan.spec.limits.wall_ms = plan.spec.limits.wall_ms.min(wall);
                if chore(draft, without(&tree, at, index), JailOp::Exec(plan.spec))?.is_pending() {
                    return Ok(Poll::Pending);
                }
            }
        }
        // All of it is there, so the next look goes further.
        return prove(draft);
    }
    put_back(draft)
}

/// Puts the workspace back, if a proof was cut short or is done. Ready when it is as it was.
pub(crate) fn put_back(draft: &mut Draft<'_>) -> Result<Poll, Reject> {
    let Some(tree) = disturbed(&draft.state) else {
        return Ok(Poll::Ready);
    };
    chore(
        draft,
        Chore::PutIn { tree: tree.clone() },
        JailOp::Restore { tree },
    )
}

/// Tests that are green without the change too, of these that turned from red to green.
pub(crate) fn unproven(draft: &Draft<'_>) -> Vec<String> {
    let Some(tree) = draft
        .state
        .coding
        .workspace
        .tree
        .clone()
        .filter(|tree| is_over(&draft.state, tree))
    else {
        return Vec::new();
    };
    let (steps, _) = steps(&draft.state, &tree);
    match look(draft, &tree, &steps).seen.into_iter().next() {
        Some(Seen::Ran(ran)) => draft
            .state
            .coding
            .tests
            .red_to_green()
            .into_iter()
            .filter(|test| ran.green.contains(test))
            .collect(),
        _ => Vec::new(),
    }
}

/// What came of it, and what was left out, for the card. None where there was nothing to prove.
pub(crate) fn told(draft: &Draft<'_>) -> Option<Backwards> {
    let turned = draft.state.coding.tests.red_to_green();
    if turned.is_empty() || draft.state.native.is_some() {
        return None;
    }
    let only = |why: &'static str| {
        Some(Backwards {
            pieces: Vec::new(),
            left: vec![why.into()],
        })
    };
    if let Some(why) = hindered(draft) {
        return only(why);
    }
    let tree = draft.state.coding.workspace.tree.clone()?;
    let (steps, mut left) = steps(&draft.state, &tree);
    if !is_over(&draft.state, &tree) {
        return if steps.is_empty() {
            Some(Backwards {
                pieces: Vec::new(),
                left,
            })
        } else {
            only("the run ended before the proof")
        };
    }
    let proof = look(draft, &tree, &steps);
    let mut pieces = Vec::new();
    for (step, seen) in steps.iter().zip(&proof.seen) {
        match seen {
            Seen::Ran(ran) => {
                let gone: Vec<String> = turned
                    .iter()
                    .filter(|test| ran.is_gone(test))
                    .cloned()
                    .collect();
                if !gone.is_empty() {
                    let gone: Vec<Value> = gone.into_iter().map(Value::from).collect();
                    left.push(say!(
                        "{names}: it goes with the change, and stands in the same file",
                        names = listed(gone)
                    ));
                }
                let red = turned
                    .iter()
                    .filter(|test| !ran.green.contains(*test) && !ran.is_gone(test))
                    .count();
                pieces.push(Piece {
                    file: step.file.clone(),
                    line: step.line,
                    red: nth(red),
                    of: nth(turned.len()),
                });
            }
            Seen::Nothing(why) => left.push(why.of(step.name())),
        }
    }
    if let Some(at) = proof.next {
        let names = listed(steps[at..].iter().map(Step::name).collect());
        left.push(if proof.has_room() {
            say!("{names}: the run ended before the proof", names)
        } else {
            say!(
                "{names}: the proof may take no longer than one run of the tests",
                names
            )
        });
    }
    left.dedup();
    Some(Backwards { pieces, left })
}

/// The first names, and how many more there are.
fn listed(mut names: Vec<Value>) -> Value {
    let n = names.len().saturating_sub(SHOWN_MAX);
    names.truncate(SHOWN_MAX);
    if n == 0 {
        return Value::List(names);
    }
    say!("{names} and {n} more", names, n).into()
}

/// The tree that a proof started from, while the workspace is not put back.
pub(crate) fn disturbed(state: &RunState) -> Option<TreeId> {
    let open = state.life.open.values();
    let open = open.filter_map(|intent| intent.asked.chore());
    let trees: BTreeSet<&TreeId> = state
        .coding
        .chores
        .keys()
        .chain(open)
        .filter_map(Chore::proves)
        .collect();
    trees
        .into_iter()
        .find(|tree| !is_over(state, tree))
        .cloned()
}

fn take(tree: &TreeId, piece: usize, op: usize) -> Chore {
    Chore::Take {
        tree: tree.clone(),
        piece: nth(piece),
        op: nth(op),
    }
}

fn without(tree: &TreeId, piece: usize, project: usize) -> Chore {
    Chore::Without {
        tree: tree.clone(),
        piece: nth(piece),
        project: nth(project),
    }
}

fn nth(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn is_over(state: &RunState, tree: &TreeId) -> bool {
    state
        .coding
        .chores
        .contains_key(&Chore::PutIn { tree: tree.clone() })
}

/// Why no proof is made, though there is something to prove: nobody is asked for it.
fn hindered(draft: &Draft<'_>) -> Option<&'static str> {
    if draft.state.native.is_some() {
        return Some("rules made the change");
    }
    if draft
        .state
        .start
        .as_ref()
        .is_none_or(|start| start.approval == ApprovalMode::Ask)
    {
        return Some("each command would have to be approved");
    }
    let free = [ActionClass::Write, ActionClass::Execute]
        .iter()
        .all(|class| draft.env.policy.level(*class) < Level::Ask);
    (!free).then_some("the risk policy asks about each command")
}

/// A piece of the change, and how it is taken out.
struct Step {
    /// The file; empty for all of them.
    file: String,
    /// The line, where the piece is a part of a file.
    line: u32,
    ops: Vec<JailOp>,
}

impl Step {
    /// That takes out whole files.
    fn of(file: &str, without: JailOp) -> Step {
        Step {
            file: file.to_owned(),
            line: 0,
            ops: vec![without],
        }
    }

    fn name(&self) -> Value {
        match (self.file.as_str(), self.line) {
            ("", _) => Said::from("the change").into(),
            (file, 0) => file.into(),
            (file, line) => shown(format_args!("{file}:{line}")),
        }
    }
}

/// The pieces in their order, the whole first; with what is left out, in words.
fn steps(state: &RunState, tree: &TreeId) -> (Vec<Step>, Vec<Said>) {
    let (mut steps, mut left) = (Vec::new(), Vec::new());
    let Some(base) = state
        .coding
        .workspace
        .opened
        .as_ref()
        .map(|opened| opened.tree.clone())
    else {
        return (steps, left);
    };
    let Some((_, diff)) = state
        .coding
        .workspace
        .diff
        .as_ref()
        .filter(|(of, _)| of == tree)
    else {
        return (steps, left);
    };
    let mut files = honesty::changed(diff.text_or_empty());
    files.retain(|file| !state.coding.supports_tests(&file.path));
    if state.coding.workspace.diff_cut || files.len() > FILES_MAX {
        left.push("the change is too large to be taken out as a whole".into());
        return (steps, left);
    }
    let without = |paths: Vec<String>| JailOp::Without {
        tree: tree.clone(),
        base: base.clone(),
        paths,
    };
    let mut rest = match files.as_slice() {
        [] => {
            left.push("nothing but tests was changed".into());
            Vec::new()
        }
        [only] => {
            steps.push(Step::of(&only.path, without(vec![only.path.clone()])));
            parts(only, tree)
        }
        all => {
            let paths = all.iter().map(|file| file.path.clone()).collect();
            steps.push(Step::of("", without(paths)));
            files.sort_by_key(|file| std::cmp::Reverse(file.size));
            files
                .iter()
                .map(|file| Step::of(&file.path, without(vec![file.path.clone()])))
                .collect()
        }
    };
    left.extend(too_many(&mut rest));
    steps.extend(rest);
    (steps, left)
}

/// Leaves the largest, and tells what is left out.
fn too_many(rest: &mut Vec<Step>) -> Option<Said> {
    if rest.len() <= PIECES_MAX {
        return None;
    }
    let names: BTreeSet<String> = rest
        .split_off(PIECES_MAX)
        .into_iter()
        .map(|step| step.file)
        .collect();
    Some(say!(
        "{names}: smaller than the ten largest pieces",
        names = listed(names.into_iter().map(Value::from).collect())
    ))
}

/// The parts of the one file that was changed, the largest first.
fn parts(file: &Changed, tree: &TreeId) -> Vec<Step> {
    if file.parts.len() < 2 {
        return Vec::new();
    }
    let mut parts: Vec<&Part> = file
        .parts
        .iter()
        .filter(|part| part.old != part.new)
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.size));
    let ops = |part: &Part| {
        let edit = Edit {
            old: part.new.clone().into(),
            new: part.old.clone().into(),
            all: false,
        };
        vec![
            JailOp::Restore { tree: tree.clone() },
            JailOp::EditFile {
                path: file.path.clone(),
                edits: vec![edit],
            },
        ]
    };
    parts
        .into_iter()
        .map(|part| Step {
            file: file.path.clone(),
            line: part.line,
            ops: ops(part),
        })
        .collect()
}

/// The piece was taken out.
fn is_taken(state: &RunState, tree: &TreeId, at: usize, step: &Step) -> bool {
    (0..step.ops.len()).all(|index| {
        let outcome = state.coding.came(&take(tree, at, index));
        let done = |body: &JailBody| matches!(body, JailBody::Written(_) | JailBody::Restored);
        matches!(outcome, Some(Outcome::Done(Report::Jail(JailReport { body, .. }))) if done(body))
    })
}

/// The tests that turned green, by project: by name where that can be, else all of the project.
fn chosen(draft: &Draft<'_>) -> Vec<(Project, TestPlan)> {
    let plans = tests::plans(draft, None, None);
    let turned: BTreeSet<String> = draft
        .state
        .coding
        .tests
        .red_to_green()
        .into_iter()
        .collect();
    let last = draft
        .state
        .coding
        .tests
        .last
        .as_deref()
        .map_or("", |last| last.cases.text_or_empty());
    let cases: Vec<TestCase> = serde_json::from_str(last).unwrap_or_default();
    let several = plans.len() > 1;
    let mut chosen = Vec::new();
    for (project, whole) in plans {
        let place = place(&project, several);
        let foreign = |name: &str| several && place.is_empty() && is_of_another(draft, name);
        let own = |case: &TestCase| {
            let name = case
                .name
                .strip_prefix(&place)
                .filter(|_| turned.contains(&case.name) && !foreign(&case.name))?;
            Some(TestCase {
                name: name.to_owned(),
                ..case.clone()
            })
        };
        let own: Vec<TestCase> = cases.iter().filter_map(own).collect();
        if !own.is_empty() {
            let plan = keiko_runners::some(&project, &own).unwrap_or(whole);
            chosen.push((project, plan));
        }
    }
    chosen
}

/// What names of a project begin with where there are several.
fn place(project: &Project, several: bool) -> String {
    if several && !project.dir.is_empty() {
        format!("{}: ", project.dir)
    } else {
        String::new()
    }
}

fn is_of_another(draft: &Draft<'_>, name: &str) -> bool {
    tests::plans(draft, None, None)
        .iter()
        .any(|(project, _)| !project.dir.is_empty() && name.starts_with(&place(project, true)))
}

/// What the tests say without a piece.
enum Seen {
    Ran(Ran),
    /// Nothing can be said.
    Nothing(Why),
}

/// Why nothing can be said of a piece.
#[derive(Clone, Copy)]
enum Why {
    NotTaken,
    NotRun,
    TooLong,
    Void,
}

impl Why {
    fn of(self, names: Value) -> Said {
        match self {
            Why::NotTaken => say!("{names}: it could not be taken out by itself", names),
            Why::NotRun => say!("{names}: the tests could not be run", names),
            Why::TooLong => say!(
                "{names}: the tests took longer without it, and were stopped",
                names
            ),
            Why::Void => say!("{names}: nothing counts of the tests without it", names),
        }
    }
}

#[derive(Default)]
struct Ran {
    green: BTreeSet<String>,
    other: BTreeSet<String>,
    /// Something could not be built or loaded: what did not run is red.
    broken: bool,
}

impl Ran {
    fn is_gone(&self, test: &str) -> bool {
        !self.broken && !self.green.contains(test) && !self.other.contains(test)
    }
}

/// What there is of a proof.
struct Proof {
    /// One for each step that is done.
    seen: Vec<Seen>,
    /// The first step that is not.
    next: Option<usize>,
    /// How long all of it may take, what it took, and the longest of the steps.
    budget: u64,
    spent: u64,
    longest: u64,
}

impl Proof {
    fn room(&self) -> u64 {
        self.budget.saturating_sub(self.spent)
    }

    /// The whole is always taken out; a piece only if it takes no longer than what was, and there is something to part.
    fn has_room(&self) -> bool {
        let parts = match self.seen.first() {
            None => true,
            Some(Seen::Ran(_)) => self.longest <= self.room(),
            Some(Seen::Nothing(_)) => false,
        };
        parts && (self.seen.is_empty() || self.spent <= self.budget)
    }
}

/// Reads what there is.
fn look(draft: &Draft<'_>, tree: &TreeId, steps: &[Step]) -> Proof {
    let last = draft
        .state
        .coding
        .tests
        .last
        .as_deref()
        .map_or(0, |last| u64::from(last.millis));
    let mut proof = Proof {
        seen: Vec::new(),
        next: None,
        budget: last.max(LEAST_MS),
        spent: 0,
        longest: 0,
    };
    let (plans, several) = (chosen(draft), tests::plans(draft, None, None).len() > 1);
    for (at, step) in steps.iter().enumerate() {
        let taken = (0..step.ops.len()).all(|index| draft.state.coding.did(&take(tree, at, index)));
        let seen = if !taken {
            None
        } else if !is_taken(&draft.state, tree, at, step) {
            Some((Seen::Nothing(Why::NotTaken), 0))
        } else {
            read(draft, tree, at, &plans, several)
        };
        let Some((seen, millis)) = seen else {
            proof.next = Some(at);
            break;
        };
        proof.spent += millis;
        proof.longest = proof.longest.max(millis);
        proof.seen.push(seen);
    }
    proof
}

/// What the tests of one step came to, and how long they took. None while they are not all run.
fn read(
    draft: &Draft<'_>,
    tree: &TreeId,
    at: usize,
    plans: &[(Project, TestPlan)],
    several: bool,
) -> Option<(Seen, u64)> {
    let (mut ran, mut millis, mut nothing) = (Ran::default(), 0, None);
    for (index, (project, plan)) in plans.iter().enumerate() {
        let run = without(tree, at, index);
        if !draft.state.coding.did(&run) {
            return None;
        }
        let outcome = draft.state.coding.came(&run);
        let Some(Outcome::Done(Report::Jail(JailReport {
            body: JailBody::Exec(exec),
            ..
        }))) = outcome
        else {
            nothing = Some(Why::NotRun);
            continue;
        };
        millis += exec.duration_ms;
        match (keiko_runners::read(plan, exec), &exec.end) {
            (_, End::TimedOut) => nothing = Some(Why::TooLong),
            (Ok((summary, _)), _) if summary.void.is_some() => nothing = Some(Why::Void),
            (Ok((_, cases)), _) => {
                let place = place(project, several);
                for case in cases {
                    ran.broken |= case.status == TestStatus::Error;
                    let into = if case.status == TestStatus::Passed {
                        &mut ran.green
                    } else {
                        &mut ran.other
                    };
                    into.insert(format!("{place}{}", case.name));
                }
            }
            // What cannot be built or loaded without the piece needs it.
            (Err(_), End::Exit(code)) if *code != 127 => ran.broken = true,
            (Err(_), _) => nothing = Some(Why::NotRun),
        }
    }
    Some((nothing.map_or(Seen::Ran(ran), Seen::Nothing), millis))
}
