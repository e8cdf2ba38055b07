//! The end of a run: the harness looks for evidence before it believes a claim, then writes the card.

use crate::draft::{Draft, Poll, Reject};
use crate::harness::{backwards, chore, tests};
use crate::ledger::one_line;
use crate::protect::{self, Change};
use crate::state::{Call, RunState};
use crate::suspicion;
use crate::tools::{Resolved, ToolContext};
use crate::words;
use keiko_contracts::action::{Action, ModelReport};
use keiko_contracts::approval::Decision;
use keiko_contracts::asked::{Chore, Round};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Content;
use keiko_contracts::evidence::{
    Answered, Answerer, ChangedTest, EvidenceCard, Finding, Leave, TestSummary,
};
use keiko_contracts::jail::{JailAction, JailOp, TreeId};
use keiko_contracts::model::Stop;
use keiko_contracts::run::{CallAnswered, EndStatus, NoteKind, RunEnd, RunEvent};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::say_count;
use keiko_contracts::step::{OfRun, Step};
use keiko_governance::class::ActionClass;
use keiko_governance::life::Approval;
use keiko_governance::policy::{Level, Question};
use std::collections::BTreeMap;

/// How often a claim without evidence is sent back before the run ends without success.
const SENT_BACK_MAX: u32 = 3;

/// Most names of tests in a message to the agent.
const SHOWN_MAX: usize = 20;

/// How many answers in a row may come to nothing.
const EMPTY_MAX: u32 = 3;

/// An answer that neither does nor says anything. One in words is a claim: see [`crate::words`].
pub(crate) fn answer_without_calls(draft: &mut Draft<'_>, report: &ModelReport) {
    if draft.state.patience.empty_answers >= EMPTY_MAX {
        let fault = Fault::new(
            Code::NOTHING_ANSWERED,
            "the model answered several times without saying or doing anything",
        )
        .hint(say!("try another model: {step}", step = Step::Models));
        draft.close(EndStatus::Failed, fault.said(), Some(fault));
        return;
    }
    match report.stop {
        Stop::Paused => draft.note(NoteKind::Model, "Go on.", true),
        _ => draft.note(
            NoteKind::Model,
            "Your answer was empty. Call a tool, or `finish`.",
            true,
        ),
    }
}

/// The agent says that it is done. Runs what is needed to know, then believes it, or sends it back.
pub(crate) fn evaluate(draft: &mut Draft<'_>, call: &Call) -> Result<(), Reject> {
    let Some(claim) = claim(draft, call) else {
        return Ok(());
    };
    // A proof that is under way is ended before anything else is looked at.
    if backwards::disturbed(&draft.state).is_some() && backwards::prove(draft)?.is_pending() {
        return Ok(());
    }
    if claim.refused {
        draft.close(EndStatus::Refused, claim.summary, None);
        return Ok(());
    }
    if !changed(draft) {
        evaluate_unchanged(draft, call, claim.summary);
        return Ok(());
    }
    if tests_are_current(draft)?.is_pending() {
        return Ok(());
    }
    let as_red_as_before = match red(draft) {
        // The goal says which tests it is about: what the agent says of them does not count.
        None | Some(Red::AsBefore(_)) if let Some(why) = red_by_name(draft) => {
            send_back(draft, call, why, claim.summary);
            return Ok(());
        }
        None => false,
        Some(Red::AsBefore(what)) if claim.red_tests_in_goal != Some(false) => {
            send_back(
                draft,
                call,
                whose(&what, claim.red_tests_in_goal),
                claim.summary,
            );
            return Ok(());
        }
        Some(Red::AsBefore(_)) => true,
        Some(Red::Worse(why)) => {
            send_back(draft, call, why, claim.summary);
            return Ok(());
        }
    };
    if let Some(verdict) = weakened_tests(draft)? {
        if let Some(why) = verdict.why() {
            send_back(draft, call, why, claim.summary);
        }
        return Ok(());
    }
    if backwards::prove(draft)?.is_pending() {
        return Ok(());
    }
    let goal = draft
        .state
        .start
        .as_ref()
        .map_or("", |start| start.goal.text_or_empty());
    let beside_the_goal = as_red_as_before && !crate::goal::repairs(goal);
    let status = if has_evidence(draft) || beside_the_goal {
        EndStatus::Succeeded
    } else {
        EndStatus::Unverified
    };
    draft.close(status, claim.summary, None);
    Ok(())
}

/// Nothing was changed, so that no test can tell.
fn evaluate_unchanged(draft: &mut Draft<'_>, call: &Call, summary: String) {
    if let Some(why) = red_by_name(draft) {
        send_back(draft, call, why, summary);
        return;
    }
    let status = if draft.state.coding.workspace.opened.is_none() {
        EndStatus::Succeeded
    } else {
        EndStatus::Unverified
    };
    draft.close(status, summary, None);
}

/// What the agent says when it is done.
pub(crate) struct Claim {
    pub(crate) summary: String,
    refused: bool,
    red_tests_in_goal: Option<bool>,
}

pub(crate) fn claim(draft: &Draft<'_>, call: &Call) -> Option<Claim> {
    let context = ToolContext {
        run: draft.next_key().run,
        opened: None,
        survey: None,
        tree: None,
        head: None,
        now: draft.state.step.replied,
    };
    match draft
        .state
        .setup
        .tools
        .get(&call.name)?
        .resolve(&call.arguments, &context)
    {
        Ok(Resolved::Finish {
            summary,
            refused,
            red_tests_in_goal,
        }) => Some(Claim {
            summary,
            refused,
            red_tests_in_goal,
        }),
        _ => None,
    }
}

/// What the agent is told about tests that are as red as they were: the harness cannot know whether they are the goal, and
/// takes no silence for an answer.
fn whose(what: &Said, said: Option<bool>) -> Said {
    match said {
        Some(true) => say!(
            "{what} By your own word they are part of the goal: make them pass.",
            what
        ),
        _ => say!(
            "{what} If making them pass is part of the goal, go on. If the goal is about something else, call `finish` again with red_tests_in_goal = false; the operator is told that they fail.",
            what
        ),
    }
}

fn trees(draft: &Draft<'_>) -> Option<(TreeId, TreeId)> {
    let opened = draft.state.coding.workspace.opened.as_ref()?;
    Some((
        opened.tree.clone(),
        draft.state.coding.workspace.tree.clone()?,
    ))
}

pub(crate) fn changed(draft: &Draft<'_>) -> bool {
    trees(draft).is_some_and(|(base, now)| base != now)
}

/// Makes sure that the last test run saw the workspace as it is. Pending while it is at it.
fn tests_are_current(draft: &mut Draft<'_>) -> Result<Poll, Reject> {
    let plans = tests::plans(draft, None, None);
    let current = draft
        .state
        .coding
        .tests
        .last
        .as_ref()
        .is_some_and(|tests| tests.tree == draft.state.coding.workspace.tree);
    if plans.is_empty() || current {
        return Ok(Poll::Ready);
    }
    let round = Round::End {
        step: draft.state.step.number,
        refused: draft.state.patience.sent_back,
    };
    tests::run(draft, &round)
}

/// Why the tests do not carry the claim.
enum Red {
    /// Something fails or cannot be read that was not so before.
    Worse(Said),
    /// The same tests fail as at the start, and nothing else has changed.
    AsBefore(Said),
}

fn red(draft: &Draft<'_>) -> Option<Red> {
    let plans = tests::plans(draft, None, None);
    if plans.is_empty() {
        return None;
    }
    let Some(last) = &draft.state.coding.tests.last else {
        // Nothing could be read at the start either: it is said once, then the result stands without evidence.
        return (draft.state.patience.sent_back == 0).then(|| {
            Red::Worse(
                "The harness ran the tests and could not read a result. Run `run_tests` and look."
                    .into(),
            )
        });
    };
    if last.tree != draft.state.coding.workspace.tree {
        let why = "The harness ran the tests on the workspace as it is and could not read a result (a syntax error, perhaps). Run `run_tests` and look.";
        return Some(Red::Worse(why.into()));
    }
    let tests = &draft.state.coding.tests;
    let new = tests.newly_red();
    if !new.is_empty() {
        return Some(Red::Worse(say!(
            "The harness ran the tests: these fail now and did not fail at the start: {tests}. Make them pass.",
            tests = listed(&new)
        )));
    }
    if last.is_green() || tests.first.is_none() || !tests.red_to_green().is_empty() {
        return None;
    }
    let count = last.failed + last.errors;
    Some(Red::AsBefore(say!(
        "The harness ran the tests: {n} still fail, as at the start: {tests}.",
        n = count,
        tests = listed(&tests.still_red())
    )))
}

/// Why a goal that names tests is missed while they are red.
fn red_by_name(draft: &Draft<'_>) -> Option<Said> {
    let goal = draft
        .state
        .start
        .as_ref()
        .map_or("", |start| start.goal.text_or_empty());
    let red: Vec<String> = draft
        .state
        .coding
        .tests
        .still_red()
        .into_iter()
        .filter(|test| crate::goal::asks_for(goal, test))
        .collect();
    (!red.is_empty()).then(|| {
        say!(
            "The goal asks for tests that fail still: {tests}. Make them pass.",
            tests = listed(&red)
        )
    })
}

fn listed(names: &[String]) -> String {
    names
        .iter()
        .take(SHOWN_MAX)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What stands in the way of a change to existing tests.
pub(crate) enum Weakened {
    /// A person is asked, or the difference is being made.
    Wait,
    /// A person, or the approval mode, does not allow it.
    Denied(Vec<String>),
    /// The same, of a change that does what honest code does not do.
    Suspected(Vec<String>),
}

impl Weakened {
    /// What the agent is told; nothing while somebody is asked.
    fn why(&self) -> Option<Said> {
        match self {
            Weakened::Wait => None,
            Weakened::Denied(paths) => Some(say!(
                "These existing tests are changed, switched off or do not run any more, which is not allowed: {tests}. Restore them, then finish again.",
                tests = paths
            )),
            Weakened::Suspected(findings) => Some(say!(
                "Honest code does not do this, and nobody has allowed it: {findings}. Take it out and solve the goal itself, then finish again.",
                findings = findings.join("; ")
            )),
        }
    }
}

/// What a person would have to allow.
struct Asked {
    /// In a sentence.
    what: Said,
    /// The tests, by file or by name.
    named: Vec<String>,
    /// What honest code does not do.
    suspected: Vec<String>,
}

impl Asked {
    fn denied(&self) -> Weakened {
        if self.named.is_empty() {
            Weakened::Suspected(self.suspected.clone())
        } else {
            Weakened::Denied(self.named.clone())
        }
    }
}

/// What of the change nobody has allowed; none if there is nothing.
fn not_allowed(state: &RunState) -> Option<Asked> {
    let mut weakened = losses(state);
    weakened.retain(|path, change| state.approved_test_change(path, change).is_none());
    let gone = gone(state);
    let mut findings = suspicion::findings(state);
    if state.approved_whole_change().is_some() {
        findings.clear();
    }
    if weakened.is_empty() && gone.is_empty() && findings.is_empty() {
        return None;
    }
    let mut asked = Vec::new();
    let mut named: Vec<String> = weakened.into_keys().collect();
    if !named.is_empty() {
        asked.push(say!(
            "keep changes to existing tests: {tests}",
            tests = named
        ));
    }
    if !gone.is_empty() {
        asked.push(say_count!(
            gone.len(),
            "do without {n} test that ran at the start: {gone}",
            "do without {n} tests that ran at the start: {gone}",
            gone = listed(&gone)
        ));
    }
    let suspected: Vec<String> = findings
        .iter()
        .take(SHOWN_MAX)
        .map(suspicion::shown)
        .collect();
    if !suspected.is_empty() {
        asked.push(say!(
            "let stand what honest code does not do: {findings}",
            findings = suspected
        ));
    }
    named.extend(gone.into_iter().take(SHOWN_MAX));
    Some(Asked {
        what: all_of(asked),
        named,
        suspected,
    })
}

/// Several things that are asked at once.
fn all_of(asked: Vec<Said>) -> Said {
    let mut asked = asked.into_iter();
    let first = asked.next().unwrap_or_default();
    asked.fold(first, |all, next| say!("{all}; {next}", all, next))
}

/// Existing tests that the whole change weakens, or that ran at the start and do not run any more, need an approval of
/// that very change.
pub(crate) fn weakened_tests(draft: &mut Draft<'_>) -> Result<Option<Weakened>, Reject> {
    let Some((base, now)) = trees(draft) else {
        return Ok(None);
    };
    if have_diff(draft)?.is_pending() {
        return Ok(Some(Weakened::Wait));
    }
    if suspicion::looked_up(draft)?.is_pending() {
        return Ok(Some(Weakened::Wait));
    }
    let Some(asked) = not_allowed(&draft.state) else {
        return Ok(None);
    };
    let Some(start) = draft.state.start.clone() else {
        return Ok(None);
    };
    let action = Action::Jail(JailAction {
        workspace: start.run,
        op: JailOp::Diff {
            from: base,
            to: Some(now),
        },
        tree: None,
    });
    let verdict = draft.env.policy.judge(Question {
        action: &action,
        changes_protected_test: true,
        mode: start.approval,
    });
    match verdict.level {
        Level::Run | Level::Alert => return Ok(None),
        Level::Forbid => return Ok(Some(asked.denied())),
        Level::Ask => {}
    }
    let digest = keiko_governance::approval::digest(&action)
        .map_err(|error| Reject::Unwritable(error.to_string()))?;
    match draft
        .state
        .approval_for(digest)
        .map(|(_, approval)| approval.answer.as_ref().map(|answer| answer.decision))
    {
        Some(Some(Decision::Approved)) => Ok(None),
        Some(Some(Decision::Denied | Decision::Expired | Decision::Withdrawn)) => {
            Ok(Some(asked.denied()))
        }
        Some(None) => Ok(Some(Weakened::Wait)),
        None => {
            draft.request(action, digest, verdict.reason, asked.what);
            Ok(Some(Weakened::Wait))
        }
    }
}

/// Existing tests that the change as a whole weakens, with what it does to them.
fn losses(state: &RunState) -> BTreeMap<String, Change> {
    let protected = state
        .coding
        .workspace
        .survey
        .as_ref()
        .map_or(&[][..], |survey| &survey.tests);
    let diff = state
        .coding
        .workspace
        .diff
        .as_ref()
        .map_or("", |(_, diff)| diff.text_or_empty());
    protect::weakened_in(diff, protected, &state.coding.tests.known())
}

/// Tests that ran at the start and do not run any more, but for those that a person allowed to take out of their file.
fn gone(state: &RunState) -> Vec<String> {
    let allowed = |test: &String| {
        let name = protect::names_in(test).last().unwrap_or_default();
        state
            .coding
            .workspace
            .allowed
            .values()
            .any(|(_, change)| change.removes(name))
    };
    state
        .coding
        .tests
        .lost()
        .into_iter()
        .filter(|test| !allowed(test))
        .collect()
}

/// The difference of the workspace from its base, as it is now. Pending while it is being made.
fn have_diff(draft: &mut Draft<'_>) -> Result<Poll, Reject> {
    let Some((base, now)) = trees(draft) else {
        return Ok(Poll::Ready);
    };
    if base == now
        || draft
            .state
            .coding
            .workspace
            .diff
            .as_ref()
            .is_some_and(|(tree, _)| *tree == now)
    {
        return Ok(Poll::Ready);
    }
    chore(
        draft,
        Chore::Diff { tree: now.clone() },
        JailOp::Diff {
            from: base,
            to: Some(now),
        },
    )
}

fn send_back(draft: &mut Draft<'_>, call: &Call, why: Said, summary: String) {
    let most = if call.is_in_words() {
        words::SENT_BACK_MAX
    } else {
        SENT_BACK_MAX
    };
    if draft.state.patience.sent_back >= most {
        let fault = Fault::new(Code::DONE_WITHOUT_EVIDENCE, why.in_one_line(400)).hint(say!(
            "look at the diff and the tests: {step}",
            step = Step::OfRun {
                what: OfRun::Show,
                run: None
            }
        ));
        draft.close(EndStatus::Failed, summary, Some(fault));
        return;
    }
    let key = draft.next_key();
    draft.emit(RunEvent::CallAnswered(CallAnswered {
        key,
        call: call.id.clone(),
        text: format!("Not accepted. {why}").into(),
        is_error: true,
    }));
}

fn has_evidence(draft: &Draft<'_>) -> bool {
    let tests = &draft.state.coding.tests;
    let Some(last) = tests
        .last
        .as_ref()
        .filter(|last| last.tree == draft.state.coding.workspace.tree)
    else {
        return false;
    };
    let turned = tests.red_to_green();
    // What is green without the change too is no merit of it.
    let proven = turned.is_empty() || backwards::unproven(draft).len() < turned.len();
    proven && (last.is_green() || !turned.is_empty())
}

/// Writes the end, with its evidence card. Makes the difference first, if there is one to make.
pub(crate) fn finish(draft: &mut Draft<'_>) -> Result<(), Reject> {
    if backwards::put_back(draft)?.is_pending()
        || have_diff(draft)?.is_pending()
        || suspicion::looked_up(draft)?.is_pending()
    {
        return Ok(());
    }
    let (Some(start), Some(closing)) = (draft.state.start.clone(), draft.state.closing.clone())
    else {
        return Ok(());
    };
    let diff: Option<Content> =
        trees(draft)
            .filter(|(base, now)| base != now)
            .and_then(|(_, now)| {
                draft
                    .state
                    .coding
                    .workspace
                    .diff
                    .as_ref()
                    .filter(|(tree, _)| *tree == now)
                    .map(|(_, diff)| diff.clone())
            });
    let end = RunEnd {
        status: closing.status,
        summary: closing.summary.clone(),
        said: closing.said.clone(),
        card: card(draft, start.goal.text_or_empty()),
        fault: closing.fault.clone(),
        report: closing.report.clone(),
        data: closing.data.clone(),
        diff,
    };
    draft.emit(RunEvent::RunEnded(Box::new(end)));
    Ok(())
}

fn card(draft: &Draft<'_>, goal: &str) -> EvidenceCard {
    let state = &draft.state;
    let start = state.start.as_deref();
    let opened = state.coding.workspace.opened.as_deref();
    let tests = |of: &Option<std::sync::Arc<TestSummary>>| of.as_deref().cloned();
    let approvals = state.life.approvals.values().map(answered).collect();
    let mut models: Vec<Answerer> = state
        .account
        .models
        .iter()
        .map(|(model, origin)| Answerer {
            model: model.clone(),
            origin: Some(*origin),
        })
        .collect();
    if state.native.is_some() {
        models.push(Answerer {
            model: "native".into(),
            origin: None,
        });
    }
    let stands = leave_of_all(draft);
    let findings = suspicion::findings(state)
        .into_iter()
        .map(|finding| Finding {
            leave: stands,
            ..finding
        })
        .collect();
    let mut red_to_green = state.coding.tests.red_to_green();
    let unproven = backwards::unproven(draft);
    red_to_green.retain(|test| !unproven.contains(test));
    EvidenceCard {
        run: draft.next_key().run,
        goal: one_line(goal, 200),
        base_kind: opened.map(|opened| opened.kind),
        base: opened.map(|opened| opened.base.clone()),
        tree_before: opened.map(|opened| opened.tree.clone()),
        tree_after: state.coding.workspace.tree.clone(),
        commit: state.coding.workspace.head.clone(),
        tests_before: tests(&state.coding.tests.first),
        tests_after: tests(&state.coding.tests.last),
        red_to_green,
        still_red: state
            .coding
            .tests
            .still_red()
            .into_iter()
            .take(SHOWN_MAX)
            .collect(),
        changed_tests: changed_tests(draft),
        findings,
        unproven,
        backwards: backwards::told(draft),
        approvals,
        models,
        steps: state.step.number,
        usage: state.account.usage,
        cost: state.life.budget.spent(),
        unpriced: state.account.unpriced,
        cut_off: state.life.budget.cut_off(),
        started: state.life.started,
        ended: draft.env.now,
        journal: state.life.head.1,
        demo: start.is_some_and(|start| start.demo),
    }
}

/// By whose leave changes to existing tests stand that nobody was asked about.
fn leave_unasked(draft: &Draft<'_>) -> Leave {
    if draft.env.policy.level(ActionClass::TestChange) < Level::Ask {
        Leave::Policy
    } else {
        Leave::None
    }
}

/// By whose leave the change as a whole stands.
fn leave_of_all(draft: &Draft<'_>) -> Leave {
    let approval = draft.state.approved_whole_change();
    approval.map_or(leave_unasked(draft), Leave::Approval)
}

/// Existing tests that were changed or do not run any more, and by whose leave.
fn changed_tests(draft: &Draft<'_>) -> Vec<ChangedTest> {
    let (state, unasked, stands) = (&draft.state, leave_unasked(draft), leave_of_all(draft));
    let changed = losses(state).into_iter().map(|(test, change)| {
        let approval = state.approved_test_change(&test, &change);
        ChangedTest {
            test,
            gone: false,
            leave: approval.map_or(unasked, Leave::Approval),
        }
    });
    let lost = gone(state).into_iter().take(SHOWN_MAX);
    let lost = lost.map(|test| ChangedTest {
        test,
        gone: true,
        leave: stands,
    });
    changed.chain(lost).collect()
}

/// A question and its answer, as the card has them.
fn answered(approval: &Approval) -> Answered {
    let what = approval.request.summary.clone();
    match &approval.answer {
        Some(answer) => Answered {
            what,
            decision: Some(answer.decision),
            by: answer.by.clone(),
            beforehand: answer.beforehand,
        },
        None => Answered {
            what,
            decision: None,
            by: String::new(),
            beforehand: None,
        },
    }
}
