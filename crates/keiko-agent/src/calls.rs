//! Calls become actions: resolved, judged, and started one after another; independent reads side by side.

use crate::draft::{self, Asked, Draft, Reject};
use crate::install::{self, Said};
use crate::state::{Call, CallState, RunState, TESTS_AT};
use crate::tools::{Rendered, Resolved, ToolContext};
use keiko_contracts::action::{Action, ActionDigest, Intent, Outcome, Report};
use keiko_contracts::approval::Decision;
use keiko_contracts::evidence::{TestCase, TestStatus, TestSummary};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{BaseKind, JailAction, JailBody, JailOp, JailReport, Project};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{
    ApprovalMode, CallAnswered, CallRefused, RefusedBy, RunEvent, Suspension,
};
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_governance::class::ActionClass;
use keiko_governance::core::Wanted;
use keiko_governance::policy::{Level, Question};

/// The most projects whose tests one call runs.
const PROJECTS_MAX: usize = 8;

/// What is left to be done about the calls of a step, once all that can be started is.
pub(crate) enum Next {
    /// Nothing: something runs, or waits, or all is answered.
    Nothing,
    /// This call says that the goal is reached: see [`crate::ending`].
    Claim(Box<Call>),
}

/// Starts whatever can be started of the current step's calls, in order.
pub(crate) fn proceed(draft: &mut Draft<'_>) -> Result<Next, Reject> {
    for index in 0..draft.state.calls.len() {
        let call = draft.state.calls[index].clone();
        match call.state {
            CallState::Answered => {}
            CallState::Open => {
                if !reads(draft, &call.id) {
                    return Ok(Next::Nothing);
                }
            }
            CallState::Waiting => {
                let alone = draft.state.life.open.is_empty();
                match plan(draft, &call) {
                    Planned::Act(action) => {
                        if !alone && ActionClass::of(&action) != ActionClass::Read {
                            return Ok(Next::Nothing);
                        }
                        let is_read = ActionClass::of(&action) == ActionClass::Read;
                        if !start(draft, &call, *action)? || !is_read {
                            return Ok(Next::Nothing);
                        }
                    }
                    Planned::Nothing if !alone => return Ok(Next::Nothing),
                    Planned::Nothing => match claims_too_early(draft, index, &call) {
                        Early::No => return Ok(Next::Claim(Box::new(call))),
                        // What comes after it in the same answer is done first.
                        Early::Waits => {}
                        Early::Overtaken(why) => {
                            if let Planned::Event(event) =
                                refused(draft, &call, why, RefusedBy::Overtaken)
                            {
                                draft.emit(*event);
                            }
                        }
                    },
                    Planned::Later => return Ok(Next::Nothing),
                    // A question is put when everything before it is answered: the answer belongs to this call.
                    Planned::Event(event)
                        if !alone && matches!(*event, RunEvent::RunSuspended(_)) =>
                    {
                        return Ok(Next::Nothing);
                    }
                    Planned::Event(event) => {
                        draft.emit(*event);
                        if draft.state.life.waiting.is_some() {
                            return Ok(Next::Nothing);
                        }
                    }
                }
            }
        }
    }
    Ok(Next::Nothing)
}

/// Whether a claim stands beside calls that the agent has not seen the results of.
enum Early {
    /// It stands alone, or all went well.
    No,
    /// Something has not been done yet.
    Waits,
    /// Something failed, in these words.
    Overtaken(String),
}

fn claims_too_early(draft: &Draft<'_>, index: usize, call: &Call) -> Early {
    let declines = matches!(
        resolve(&draft.state, call),
        Ok(Resolved::Finish { refused: true, .. })
    );
    let others = || {
        draft
            .state
            .calls
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != index)
            .map(|(_, other)| other)
    };
    let failed: Vec<&str> = others()
        .filter(|other| other.failed)
        .map(|other| other.name.as_str())
        .collect();
    if !failed.is_empty() && !declines {
        let failed = failed.join(", ");
        return Early::Overtaken(format!(
            "Not accepted: of the calls in the same answer, {failed} failed, and you have not seen that yet. Look at the results above. Finish when they are as they should be."
        ));
    }
    let open = |other: &Call| other.state != CallState::Answered && other.name != call.name;
    if others().any(open) {
        Early::Waits
    } else {
        Early::No
    }
}

fn reads(draft: &Draft<'_>, call: &str) -> bool {
    draft
        .state
        .life
        .open
        .values()
        .filter(|intent| intent.call.as_deref() == Some(call))
        .all(|intent| ActionClass::of(&intent.action) == ActionClass::Read)
}

enum Planned {
    /// The next action of the call.
    Act(Box<Action>),
    /// The agent wants to end: see [`crate::ending`].
    Nothing,
    /// The call comes to this.
    Event(Box<RunEvent>),
    /// The call waits for a text of the journal: see [`wanted`].
    Later,
}

fn plan(draft: &Draft<'_>, call: &Call) -> Planned {
    if let Some(op) = &call.op {
        return Planned::Act(Box::new(jail(draft, op.clone())));
    }
    let resolved = match resolve(&draft.state, call) {
        Ok(resolved) => resolved,
        Err(why) => return refused(draft, call, why, RefusedBy::Arguments),
    };
    match resolved {
        Resolved::Finish { .. } => Planned::Nothing,
        Resolved::Action(action) => match call.done.first() {
            None if draft.state.guard.refuses(
                &call.name,
                &call.arguments,
                draft.state.workspace.tree.as_ref(),
            ) =>
            {
                let why = "This exact call has come out the same several times and nothing has changed since. Do something else: read more, change the code, or ask the operator.";
                refused(draft, call, why.into(), RefusedBy::LoopGuard)
            }
            None => Planned::Act(action),
            Some(outcome) => {
                let mut rendered = draft
                    .state
                    .tools
                    .get(&call.name)
                    .map_or_else(Rendered::default, |tool| tool.render_for(&action, outcome));
                add_edit_advice(draft, &action, outcome, &mut rendered.text);
                answered(draft, call, rendered.text, rendered.is_error)
            }
        },
        Resolved::RunTests { filter, dir } => {
            let plans = test_plans(draft, filter.as_deref(), dir.as_deref());
            match plans.get(call.done.len()) {
                Some((_, plan)) => Planned::Act(Box::new(jail(draft, JailOp::Exec(plan.spec.clone())))),
                None if plans.is_empty() => refused(
                    draft,
                    call,
                    "No project with a known test runner was found here. Use `execute` to run what there is.".into(),
                    RefusedBy::Arguments,
                ),
                None => {
                    let (text, is_error) = show_tests(&plans, call);
                    answered(draft, call, text, is_error)
                }
            }
        }
        Resolved::Ask { question } => {
            let waits = Suspension::Question {
                call: call.id.clone(),
                question: question.into(),
            };
            Planned::Event(Box::new(RunEvent::RunSuspended(waits)))
        }
        Resolved::ShowMore {
            reference,
            from_line,
            lines,
        } => match draft.state.conversation.whole(&reference) {
            Some(text) => answered(
                draft,
                call,
                piece(text, &reference, from_line, lines),
                false,
            ),
            None if draft.state.conversation.left(&reference).is_some() => Planned::Later,
            None => refused(
                draft,
                call,
                format!("Nothing is kept under {reference:?} any more. Run the action again."),
                RefusedBy::Arguments,
            ),
        },
    }
}

fn piece(text: &str, reference: &str, from_line: u32, lines: u32) -> String {
    let total = text.lines().count();
    let shown = text
        .lines()
        .skip(from_line.saturating_sub(1) as usize)
        .take(lines as usize);
    let shown: String = shown.flat_map(|line| [line, "\n"]).collect();
    format!("{reference}, lines {from_line} on, of {total}:\n{shown}")
}

/// The next call that is to show something which has left the window, with the digest by which the journal has the text.
/// What is found there comes back as [`Input::Found`](keiko_governance::core::Input::Found).
#[must_use]
pub(crate) fn wanted(state: &RunState) -> Option<Wanted> {
    if state.life.waiting.is_some() || state.closing.is_some() {
        return None;
    }
    let waiting = state
        .calls
        .iter()
        .filter(|call| call.state == CallState::Waiting && call.op.is_none());
    waiting
        .filter(|call| call.name == "show_more")
        .find_map(|call| {
            let Ok(Resolved::ShowMore { reference, .. }) = resolve(state, call) else {
                return None;
            };
            let conversation = &state.conversation;
            let left = conversation
                .left(&reference)
                .filter(|_| conversation.whole(&reference).is_none())?;
            Some(Wanted {
                call: call.id.clone(),
                digest: left.digest,
            })
        })
}

/// Answers a call with a piece of a text of the journal.
pub(crate) fn found(draft: &mut Draft<'_>, id: &str, text: &str) {
    let call = draft
        .state
        .calls
        .iter()
        .find(|call| call.id == id && call.state == CallState::Waiting)
        .cloned();
    let Some(call) = call else { return };
    let Ok(Resolved::ShowMore {
        reference,
        from_line,
        lines,
    }) = resolve(&draft.state, &call)
    else {
        return;
    };
    if let Planned::Event(event) = answered(
        draft,
        &call,
        piece(text, &reference, from_line, lines),
        false,
    ) {
        draft.emit(*event);
    }
}

fn resolve(state: &RunState, call: &Call) -> Result<Resolved, String> {
    let tools = &state.tools;
    let tool = tools
        .find(&call.name, state.has_workspace())
        .map_err(|bad| bad.to_string())?;
    let workspace = &state.workspace;
    let context = ToolContext {
        run: state
            .start
            .as_ref()
            .map_or(RunId::from_bytes([0; 10]), |start| start.run),
        opened: workspace.opened.as_deref(),
        survey: workspace.survey.as_deref(),
        tree: workspace.tree.as_ref(),
        head: workspace.head.as_ref(),
        now: state.replied,
    };
    tool.resolve(&call.arguments, &context)
        .map_err(|bad| bad.to_string())
}

fn refused(draft: &Draft<'_>, call: &Call, reason: String, by: RefusedBy) -> Planned {
    let (key, reason) = (draft.next_key(), reason.into());
    Planned::Event(Box::new(RunEvent::CallRefused(CallRefused {
        key,
        call: call.id.clone(),
        tool: call.name.clone(),
        reason,
        by,
    })))
}

fn answered(draft: &Draft<'_>, call: &Call, text: String, is_error: bool) -> Planned {
    let key = draft.next_key();
    Planned::Event(Box::new(RunEvent::CallAnswered(CallAnswered {
        key,
        call: call.id.clone(),
        text: text.into(),
        is_error,
    })))
}

/// A call with an operation of its own was made by an engine or the harness: its name is a title.
fn asked(call: &Call) -> Asked<'_> {
    let (id, name) = (call.id.as_str(), call.name.as_str());
    if call.op.is_some() {
        Asked::Step {
            call: id,
            title: name,
        }
    } else {
        Asked::Tool { call: id, name }
    }
}

/// Judges an action and starts it, asks about it, or refuses it. False: nothing may follow in this step yet.
fn start(draft: &mut Draft<'_>, call: &Call, action: Action) -> Result<bool, Reject> {
    let digest = draft::digest(&action)?;
    let Some(run) = draft.state.start.clone() else {
        return Ok(false);
    };
    // A native engine tries things out and puts them back, test files of older commits too: what it leaves behind is
    // looked at when it ends.
    let changes_protected_test = call.op.is_none() && changes_test(draft, &action);
    let said = install::said(&draft.state, &action);
    if let Said::No(word) = &said {
        withdraw(draft, digest, &word.by);
        let key = draft.next_key();
        refuse(
            draft,
            call,
            key,
            format!("{}.", install::declined(word)),
            RefusedBy::Person,
        );
        return Ok(true);
    }
    // Somebody has answered: nobody need be there.
    let mode = if let (Said::Yes(_), ApprovalMode::Never) = (&said, run.approval) {
        ApprovalMode::Policy
    } else {
        run.approval
    };
    let mut verdict = draft.env.policy.judge(Question {
        action: &action,
        changes_protected_test,
        mode,
    });
    if matches!(said, Said::IsThere) && verdict.level == Level::Ask {
        verdict.level = Level::Run;
    }
    // What has come to be forbidden since a person was asked stays undone, whatever was answered.
    if verdict.level < Level::Forbid
        && let Some((id, approval)) = draft.state.approval_for(digest)
    {
        let key = approval.request.key.clone();
        return match &approval.answer {
            None if let Said::Yes(word) = said => {
                draft.answer_beforehand(id, digest, word);
                start(draft, call, action)
            }
            None => Ok(false),
            Some(answer) if answer.decision == Decision::Approved => {
                draft.intend_judged(key, (action, digest), Micros::ZERO, asked(call), Some(id));
                Ok(true)
            }
            Some(answer) => {
                let why = answer
                    .reason
                    .as_deref()
                    .map_or(String::new(), |reason| format!(": {reason}"));
                let expired = answer.decision == Decision::Expired;
                // Rules find no other way.
                let reason = match call.op {
                    Some(_) if expired => format!("Nobody approved this in time{why}."),
                    Some(_) => format!("The operator does not allow this{why}."),
                    None if expired => format!(
                        "Nobody approved this in time{why}. Find another way, or finish and say what is missing."
                    ),
                    None => format!(
                        "The operator does not allow this{why}. Find another way, or finish and say what is missing."
                    ),
                };
                refuse(draft, call, key, reason, RefusedBy::Person);
                Ok(true)
            }
        };
    }
    let key = draft.next_key();
    match verdict.level {
        Level::Forbid => {
            withdraw(draft, digest, "the risk policy");
            refuse(
                draft,
                call,
                key,
                format!("The policy does not allow this: {}.", verdict.reason),
                RefusedBy::Policy,
            );
            Ok(true)
        }
        Level::Ask => {
            let summary = summary(draft, &action);
            let id = draft.request(action.clone(), digest, verdict.reason, summary);
            match said {
                Said::Yes(word) => {
                    draft.answer_beforehand(id, digest, word);
                    start(draft, call, action)
                }
                _ => Ok(false),
            }
        }
        Level::Alert | Level::Run => {
            if verdict.level == Level::Alert {
                draft.note(
                    "alert",
                    format!("{} ({})", crate::describe::action(&action), verdict.reason),
                    false,
                );
            }
            draft.intend_judged(key, (action, digest), Micros::ZERO, asked(call), None);
            Ok(true)
        }
    }
}

/// Takes an open question back.
fn withdraw(draft: &mut Draft<'_>, digest: ActionDigest, by: &str) {
    if let Some(id) = draft
        .state
        .approval_for(digest)
        .filter(|(_, approval)| approval.answer.is_none())
        .map(|(id, _)| id)
    {
        draft.resolve(id, digest, Decision::Withdrawn, by);
    }
}

/// What would happen, with what a person must know to decide.
fn summary(draft: &Draft<'_>, action: &Action) -> keiko_contracts::said::Said {
    let text = crate::describe::action(action);
    let snapshot = draft
        .state
        .workspace
        .opened
        .as_ref()
        .is_some_and(|opened| opened.kind == BaseKind::Snapshot);
    if snapshot && ActionClass::of(action) == ActionClass::GitPush {
        return say!(
            "{what} (it rests on your uncommitted files too, and would publish them)",
            what = text
        );
    }
    text
}

fn refuse(
    draft: &mut Draft<'_>,
    call: &Call,
    key: keiko_contracts::id::EffectKey,
    reason: String,
    by: RefusedBy,
) {
    draft.emit(RunEvent::CallRefused(CallRefused {
        key,
        call: call.id.clone(),
        tool: call.name.clone(),
        reason: reason.into(),
        by,
    }));
}

fn jail(draft: &Draft<'_>, op: JailOp) -> Action {
    Action::Jail(JailAction {
        workspace: draft.next_key().run,
        op,
        tree: draft.state.workspace.tree.clone(),
    })
}

/// An existing test that an edit would weaken: text is taken out of it, or it is written anew.
fn changes_test(draft: &Draft<'_>, action: &Action) -> bool {
    let Action::Jail(jail) = action else {
        return false;
    };
    let existing = |path: &str| {
        let known = draft
            .state
            .workspace
            .survey
            .as_ref()
            .is_some_and(|survey| survey.tests.iter().any(|test| test == path));
        known && !draft.state.workspace.created.contains(path)
    };
    match &jail.op {
        JailOp::WriteFile { path, .. } => existing(path),
        JailOp::EditFile { path, edits } => {
            existing(path) && {
                let known = draft.state.tests.known();
                edits.iter().any(|edit| {
                    crate::protect::weakens(
                        edit.old.text_or_empty(),
                        edit.new.text_or_empty(),
                        &known,
                    )
                })
            }
        }
        _ => false,
    }
}

fn add_edit_advice(
    draft: &Draft<'_>,
    action: &Action,
    outcome: &Outcome<Report>,
    text: &mut String,
) {
    if let (
        Action::Jail(JailAction {
            op: JailOp::EditFile { path, .. },
            ..
        }),
        Outcome::Done(Report::Jail(report)),
    ) = (action, outcome)
        && matches!(report.body, JailBody::Refused { .. })
        && draft.state.guard.misses(path)
    {
        text.push_str("\nThis file has been missed twice. Take another way: read the lines again with read_file, or write the whole file with write_file.");
    }
}

/// The projects whose tests can be run, with how.
pub(crate) fn test_plans(
    draft: &Draft<'_>,
    filter: Option<&str>,
    dir: Option<&str>,
) -> Vec<(Project, keiko_runners::TestPlan)> {
    let Some(survey) = &draft.state.workspace.survey else {
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

fn show_tests(plans: &[(Project, keiko_runners::TestPlan)], call: &Call) -> (String, bool) {
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
pub(crate) fn observe_tests(draft: &mut Draft<'_>, intent: &Intent) {
    let Some(id) = &intent.call else { return };
    let of_model = draft
        .state
        .calls
        .iter()
        .find(|call| call.id == *id && call.op.is_none());
    match of_model.map(|call| resolve(&draft.state, call)) {
        // Part of the tests says nothing about the whole: it is shown to the agent, and is no evidence.
        Some(Ok(Resolved::RunTests {
            filter: None,
            dir: None,
        })) => {}
        None if id.starts_with(TESTS_AT) => {}
        _ => return,
    }
    let plans = test_plans(draft, None, None);
    let outcomes: Vec<_> = match (of_model, id.rsplit_once(':')) {
        (Some(call), _) => call.done.iter().map(Some).collect(),
        (None, Some((round, _))) => (0..plans.len())
            .map(|index| draft.state.harness.get(&format!("{round}:{index}")))
            .collect(),
        (None, None) => return,
    };
    let Some(outcomes) = outcomes
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .filter(|all| all.len() == plans.len())
    else {
        return;
    };
    let mut seen = Vec::new();
    for ((project, plan), outcome) in plans.iter().zip(outcomes) {
        let read = match outcome.as_ref() {
            Outcome::Done(Report::Jail(JailReport {
                body: JailBody::Exec(exec),
                ..
            })) => keiko_runners::read(plan, exec).ok(),
            _ => None,
        };
        let command = read.as_ref().map_or_else(
            || plan.shown.clone(),
            |(summary, _)| summary.command.clone(),
        );
        seen.push(keiko_runners::Observed {
            dir: project.dir.clone(),
            command,
            read,
        });
    }
    if let Some(mut summary) = keiko_runners::together(seen) {
        // What the harness runs leaves nothing behind: the tests belong to the tree that they found.
        let workspace = &draft.state.workspace;
        summary.tree = if of_model.is_some() {
            workspace.tree.clone()
        } else {
            workspace.tested.clone()
        };
        draft.emit(RunEvent::TestsObserved(Box::new(summary)));
    }
}

/// What the harness does before the first step: workspace, survey, dependencies, tests as they are. True while it is
/// at it.
pub(crate) fn opening(draft: &mut Draft<'_>) -> Result<bool, Reject> {
    let Some(start) = draft.state.start.clone() else {
        return Ok(false);
    };
    let Some(source) = start.source.clone() else {
        return Ok(false);
    };
    if draft.state.step > 0 {
        return Ok(false);
    }
    if !harness(
        draft,
        "harness:open",
        "make a private copy",
        JailOp::Open { source },
    )? {
        return Ok(true);
    }
    if draft.state.workspace.opened.is_none() {
        let fault = failed(draft, "harness:open");
        draft.close(
            keiko_contracts::run::EndStatus::Failed,
            fault.to_string(),
            Some(fault),
        );
        return Ok(true);
    }
    if draft.state.native.is_some() {
        return Ok(false);
    }
    if !harness(
        draft,
        "harness:survey",
        "look the workspace over",
        JailOp::Survey,
    )? {
        return Ok(true);
    }
    let Some(survey) = draft.state.workspace.survey.clone() else {
        return Ok(false);
    };
    if let Some(op) = crate::tools::what_is_missing(&survey)
        && !harness(
            draft,
            "harness:prepare",
            "install what the projects depend on",
            op,
        )?
    {
        return Ok(true);
    }
    Ok(!run_tests(draft, "start", "run the tests as they are")?)
}

/// Runs all tests for the harness itself, and puts back what they left in the workspace: a lock file or a report that a
/// test run writes is no work of the agent's. True when that is done.
pub(crate) fn run_tests(draft: &mut Draft<'_>, round: &str, title: &str) -> Result<bool, Reject> {
    for (index, (_, plan)) in test_plans(draft, None, None).into_iter().enumerate() {
        if !harness(
            draft,
            &format!("{TESTS_AT}{round}:{index}"),
            title,
            JailOp::Exec(plan.spec),
        )? {
            return Ok(false);
        }
    }
    match draft.state.workspace.tested.clone() {
        Some(tree) if draft.state.workspace.tree.as_ref() != Some(&tree) => harness(
            draft,
            &format!("harness:put-back:{round}"),
            "put back what the tests left",
            JailOp::Restore { tree },
        ),
        _ => Ok(true),
    }
}

fn failed(draft: &Draft<'_>, id: &str) -> keiko_contracts::code::Fault {
    match draft.state.harness.get(id).map(AsRef::as_ref) {
        Some(Outcome::Failed(fault)) => fault.clone(),
        _ => keiko_contracts::code::Fault::new(
            keiko_contracts::code::Code::WORKSPACE_NOT_OPENED,
            "the workspace could not be opened",
        )
        .hint(Step::Doctor),
    }
}

/// Does one thing for the harness itself, once. True when it is done, or was refused.
pub(crate) fn harness(
    draft: &mut Draft<'_>,
    id: &str,
    title: &str,
    op: JailOp,
) -> Result<bool, Reject> {
    if draft.state.harness.contains_key(id) || draft.state.harness_refused.contains_key(id) {
        return Ok(true);
    }
    if draft
        .state
        .life
        .open
        .values()
        .any(|intent| intent.call.as_deref() == Some(id))
    {
        return Ok(false);
    }
    let action = jail(draft, op.clone());
    let call = Call {
        id: id.into(),
        name: title.into(),
        arguments: String::new(),
        op: Some(op),
        done: Vec::new(),
        state: CallState::Waiting,
        failed: false,
    };
    start(draft, &call, action)?;
    Ok(draft.state.harness_refused.contains_key(id))
}
