//! The end of a run: the harness looks for evidence before it believes a claim, then writes the card.

use crate::calls::{self, harness};
use crate::draft::{Draft, Reject};
use crate::ledger::one_line;
use crate::protect;
use crate::state::Call;
use crate::tools::{Resolved, ToolContext};
use keiko_contracts::action::{Action, ModelReport, Origin};
use keiko_contracts::approval::{ApprovalRequest, Decision};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Content;
use keiko_contracts::evidence::{EvidenceCard, TestSummary};
use keiko_contracts::jail::{JailAction, JailOp, TreeId};
use keiko_contracts::model::{Part, Stop};
use keiko_contracts::run::{ApprovalMode, CallAnswered, EndStatus, RunEnd, RunEvent};

/// How often a claim without evidence is sent back before the run ends without success.
const SENT_BACK_MAX: u32 = 3;

/// Most names of tests in a message to the agent.
const SHOWN_MAX: usize = 20;

/// How many answers in a row may come to nothing.
const EMPTY_MAX: u32 = 3;

/// An answer in words only: it counts as a claim to be done, once it says something.
pub(crate) fn answer_without_calls(draft: &mut Draft<'_>, report: &ModelReport) {
    let parts: Vec<Part> = serde_json::from_str(report.reply.text_or_empty()).unwrap_or_default();
    let text: Vec<&str> = parts.iter().filter_map(|part| if let Part::Text { text } = part { Some(text.as_str()) } else { None }).collect();
    let text = text.join("\n");
    if draft.state.empty_answers >= EMPTY_MAX {
        let fault = Fault::new(Code(6204), "the model answered several times without saying or doing anything")
            .hint("try another model: keiko models list");
        draft.close(EndStatus::Failed, fault.to_string(), Some(fault));
        return;
    }
    match report.stop {
        Stop::MaxTokens => draft.note("limit", "Your answer was cut at the output limit. Go on in smaller steps.".into(), true),
        Stop::Paused => draft.note("model", "Go on.".into(), true),
        _ if text.trim().is_empty() => draft.note("model", "Your answer was empty. Call a tool, or `finish`.".into(), true),
        _ if draft.state.workspace.opened.is_none() => draft.close(EndStatus::Succeeded, text, None),
        _ => draft.note("model", "If you are done, call `finish` with a summary. If not, go on with the next action.".into(), true),
    }
}

/// The agent says that it is done. Runs what is needed to know, then believes it, or sends it back.
pub(crate) fn evaluate(draft: &mut Draft<'_>, call: &Call) -> Result<(), Reject> {
    let Some((summary, refused)) = claim(draft, call) else { return Ok(()) };
    if refused {
        draft.close(EndStatus::Refused, summary, None);
        return Ok(());
    }
    if !changed(draft) {
        let status = if draft.state.workspace.opened.is_none() { EndStatus::Succeeded } else { EndStatus::Unverified };
        draft.close(status, summary, None);
        return Ok(());
    }
    if !tests_are_current(draft)? {
        return Ok(());
    }
    if let Some(why) = red(draft) {
        send_back(draft, call, why, summary);
        return Ok(());
    }
    if let Some(verdict) = weakened_tests(draft)? {
        match verdict {
            Weakened::Wait => {}
            Weakened::Denied(paths) => {
                let why = format!(
                    "These existing tests lose lines or are switched off, which the operator does not allow: {}. Restore them, then finish again.",
                    paths.join(", ")
                );
                send_back(draft, call, why, summary);
            }
        }
        return Ok(());
    }
    let status = if has_evidence(draft) { EndStatus::Succeeded } else { EndStatus::Unverified };
    draft.close(status, summary, None);
    Ok(())
}

fn claim(draft: &Draft<'_>, call: &Call) -> Option<(String, bool)> {
    let context = ToolContext { run: draft.next_key().run, opened: None, survey: None, tree: None, head: None, now: draft.state.replied };
    match draft.state.tools.get(&call.name)?.resolve(&call.arguments, &context) {
        Ok(Resolved::Finish { summary, refused }) => Some((summary, refused)),
        _ => None,
    }
}

fn trees(draft: &Draft<'_>) -> Option<(TreeId, TreeId)> {
    let opened = draft.state.workspace.opened.as_ref()?;
    Some((opened.tree.clone(), draft.state.workspace.tree.clone()?))
}

fn changed(draft: &Draft<'_>) -> bool {
    trees(draft).is_some_and(|(base, now)| base != now)
}

/// Makes sure that the last test run saw the workspace as it is. False while it is at it.
fn tests_are_current(draft: &mut Draft<'_>) -> Result<bool, Reject> {
    let plans = calls::test_plans(draft, None, None);
    let current = draft.state.tests.last.as_ref().is_some_and(|tests| tests.tree == draft.state.workspace.tree);
    if plans.is_empty() || current {
        return Ok(true);
    }
    let round = format!("{}.{}", draft.state.step, draft.state.finish_refusals);
    for (index, (_, plan)) in plans.into_iter().enumerate() {
        if !harness(draft, &format!("harness:tests-at-end:{round}:{index}"), "tests at the end", JailOp::Exec(plan.spec))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Why the tests do not carry the claim: something fails now that did not fail before, or nothing got better.
fn red(draft: &Draft<'_>) -> Option<String> {
    let plans = calls::test_plans(draft, None, None);
    if plans.is_empty() {
        return None;
    }
    let Some(last) = &draft.state.tests.last else {
        // Nothing could be read at the start either: it is said once, then the result stands without evidence.
        return (draft.state.finish_refusals == 0)
            .then(|| "The harness ran the tests and could not read a result. Run `run_tests` and look.".into());
    };
    if last.tree != draft.state.workspace.tree {
        return Some("The harness ran the tests on the workspace as it is and could not read a result (a syntax error, perhaps). Run `run_tests` and look.".into());
    }
    let new = draft.state.tests.newly_red();
    if !new.is_empty() {
        return Some(format!(
            "The harness ran the tests: these fail now and did not fail at the start: {}. Make them pass.",
            new.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(", ")
        ));
    }
    let nothing_better = draft.state.tests.red_to_green().is_empty() && draft.state.tests.first.is_some();
    (!last.is_green() && nothing_better).then(|| {
        format!("The harness ran the tests: {} still fail, as at the start: {}.", last.failed + last.errors, last.failing.join(", "))
    })
}

/// What stands in the way of a change to existing tests.
pub(crate) enum Weakened {
    /// A person is asked, or the difference is being made.
    Wait,
    /// A person, or the approval mode, does not allow it.
    Denied(Vec<String>),
}

/// Existing tests that the whole change weakens need an approval of that very change.
pub(crate) fn weakened_tests(draft: &mut Draft<'_>) -> Result<Option<Weakened>, Reject> {
    let Some((base, now)) = trees(draft) else { return Ok(None) };
    if !have_diff(draft)? {
        return Ok(Some(Weakened::Wait));
    }
    let protected: Vec<String> = draft.state.workspace.survey.as_ref().map_or_else(Vec::new, |survey| survey.tests.clone());
    let diff = draft.state.workspace.diff.as_ref().map_or("", |(_, diff)| diff.text_or_empty());
    let mut paths = protect::weakened_in(diff, &protected);
    paths.retain(|path| draft.state.approved_test_change(path).is_none());
    if paths.is_empty() {
        return Ok(None);
    }
    let Some(start) = draft.state.start.clone() else { return Ok(None) };
    if start.approval == ApprovalMode::Never {
        return Ok(Some(Weakened::Denied(paths)));
    }
    let action = Action::Jail(JailAction { workspace: start.run, op: JailOp::Diff { from: base, to: Some(now) }, tree: None });
    let digest = keiko_governance::approval::digest(&action).map_err(|error| Reject::Unwritable(error.to_string()))?;
    match draft.state.approval_for(digest).map(|(_, approval)| approval.answer.as_ref().map(|answer| answer.decision)) {
        Some(Some(Decision::Approved)) => Ok(None),
        Some(Some(Decision::Denied | Decision::Expired)) => Ok(Some(Weakened::Denied(paths))),
        Some(None) => Ok(Some(Weakened::Wait)),
        None => {
            let key = draft.next_key();
            let hours = u64::from(draft.env.policy.approval_expires_hours);
            let request = ApprovalRequest {
                id: keiko_governance::approval::approval_id(&key, digest),
                key,
                action,
                digest,
                reason: "existing tests are protected (class `test_change`)".into(),
                summary: format!("keep changes to existing tests: {}", paths.join(", ")),
                expires: Some(draft.env.now.plus_ms(hours * 3_600_000)),
            };
            draft.emit(RunEvent::ApprovalRequested(Box::new(request)));
            Ok(Some(Weakened::Wait))
        }
    }
}

/// The difference of the workspace from its base, as it is now. False while it is being made.
fn have_diff(draft: &mut Draft<'_>) -> Result<bool, Reject> {
    let Some((base, now)) = trees(draft) else { return Ok(true) };
    if base == now || draft.state.workspace.diff.as_ref().is_some_and(|(tree, _)| *tree == now) {
        return Ok(true);
    }
    let id = format!("harness:diff:{}", now.0);
    harness(draft, &id, "difference", JailOp::Diff { from: base, to: Some(now) })
}

fn send_back(draft: &mut Draft<'_>, call: &Call, why: String, summary: String) {
    if draft.state.finish_refusals >= SENT_BACK_MAX {
        let fault = Fault::new(Code(6201), one_line(&why, 400)).hint("look at the diff and the tests: keiko runs show");
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
    let tests = &draft.state.tests;
    let Some(last) = tests.last.as_ref().filter(|last| last.tree == draft.state.workspace.tree) else { return false };
    last.is_green() || !tests.red_to_green().is_empty()
}

/// Writes the end, with its evidence card. Makes the difference first, if there is one to make.
pub(crate) fn finish(draft: &mut Draft<'_>) -> Result<(), Reject> {
    if !have_diff(draft)? {
        return Ok(());
    }
    let (Some(start), Some(closing)) = (draft.state.start.clone(), draft.state.closing.clone()) else { return Ok(()) };
    let diff: Option<Content> = trees(draft)
        .filter(|(base, now)| base != now)
        .and_then(|(_, now)| draft.state.workspace.diff.as_ref().filter(|(tree, _)| *tree == now).map(|(_, diff)| diff.clone()));
    let end = RunEnd {
        status: closing.status,
        summary: closing.summary.clone(),
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
    let opened = state.workspace.opened.as_deref();
    let tests = |of: &Option<std::sync::Arc<TestSummary>>| of.as_deref().cloned();
    let approvals = state
        .approvals
        .values()
        .map(|approval| {
            let answer = approval
                .answer
                .as_ref()
                .map_or_else(|| "open".into(), |answer| format!("{:?} by {}", answer.decision, answer.by).to_lowercase());
            (approval.request.summary.clone(), answer)
        })
        .collect();
    let mut models: Vec<(String, String)> =
        state.models.iter().map(|(model, origin)| (model.clone(), origin_name(*origin).to_owned())).collect();
    if state.native.is_some() {
        models.push(("native".into(), "rules, no language model".into()));
    }
    let changed_tests = state
        .workspace
        .diff
        .as_ref()
        .map(|(_, diff)| protect::weakened_in(diff.text_or_empty(), state.workspace.survey.as_ref().map_or(&[], |survey| &survey.tests)))
        .unwrap_or_default()
        .into_iter()
        .map(|path| {
            let approval = state.approved_test_change(&path).map_or_else(|| "not approved".to_owned(), |id| id.to_string());
            (path, approval)
        })
        .collect();
    EvidenceCard {
        run: draft.next_key().run,
        goal: one_line(goal, 200),
        base_kind: opened.map(|opened| opened.kind),
        base: opened.map(|opened| opened.base.clone()),
        tree_before: opened.map(|opened| opened.tree.clone()),
        tree_after: state.workspace.tree.clone(),
        commit: state.workspace.head.clone(),
        tests_before: tests(&state.tests.first),
        tests_after: tests(&state.tests.last),
        red_to_green: state.tests.red_to_green(),
        changed_tests,
        approvals,
        models,
        steps: state.step,
        usage: state.usage,
        cost: state.budget.spent(),
        cut_off: state.budget.cut_off(),
        started: state.started,
        ended: draft.env.now,
        journal: state.head.1,
        demo: start.is_some_and(|start| start.demo),
    }
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Live => "live",
        Origin::Recorded => "recorded",
        Origin::Scripted => "scripted",
    }
}
