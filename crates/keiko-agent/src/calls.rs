//! Calls become actions: resolved, judged, and started one after another; independent reads side by side.

use crate::draft::{Draft, Reject};
use crate::harness::{jail, tests};
use crate::judge;
use crate::resolve::resolve;
use crate::state::{Call, CallState, Made, RunState};
use crate::tools::{Means, Rendered, Resolved};
use keiko_contracts::action::{Action, Outcome, Report};
use keiko_contracts::jail::{JailAction, JailBody, JailOp};
use keiko_contracts::run::{CallAnswered, CallRefused, RefusedBy, RunEvent, Suspension};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_governance::class::ActionClass;
use keiko_governance::core::Wanted;

/// What is left to be done about the calls of a step, once all that can be started is.
pub(crate) enum Next {
    /// Nothing: something runs, or waits, or all is answered.
    Nothing,
    /// This call says that the goal is reached: see [`crate::ending`].
    Claim(Box<Call>),
}

/// Starts whatever can be started of the current step's calls, in order.
pub(crate) fn proceed(draft: &mut Draft<'_>) -> Result<Next, Reject> {
    for index in 0..draft.state.step.calls.len() {
        let call = draft.state.step.calls[index].clone();
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
                        if judge::start(draft, &call.asked(), *action)?.is_pending() || !is_read {
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
    Overtaken(Said),
}

fn claims_too_early(draft: &Draft<'_>, index: usize, call: &Call) -> Early {
    let declines = matches!(
        resolve(&draft.state, call),
        Ok(Resolved::Finish { refused: true, .. })
    );
    let others = || {
        draft
            .state
            .step
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
        return Early::Overtaken(say!(
            "Not accepted: of the calls in the same answer, {failed} failed, and you have not seen that yet. Look at the results above. Finish when they are as they should be.",
            failed
        ));
    }
    let open = |other: &Call| other.state != CallState::Answered && !other.claims();
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
        .filter(|intent| intent.asked.call() == Some(call))
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
    if let Made::Engine { op, .. } = &call.made {
        return Planned::Act(Box::new(jail(draft, (**op).clone())));
    }
    let resolved = match resolve(&draft.state, call) {
        Ok(resolved) => resolved,
        Err(why) => return refused(draft, call, why, RefusedBy::Arguments),
    };
    match resolved {
        Resolved::Finish { .. } => Planned::Nothing,
        Resolved::Action(action) => plan_action(draft, call, action),
        Resolved::RunTests { filter, dir } => {
            plan_tests(draft, call, filter.as_deref(), dir.as_deref())
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
        } => match draft.state.talk.conversation.whole(&reference) {
            Some(text) => answered(
                draft,
                call,
                piece(text, &reference, from_line, lines),
                false,
            ),
            None if draft.state.talk.conversation.left(&reference).is_some() => Planned::Later,
            None => refused(
                draft,
                call,
                say!(
                    "Nothing is kept under {reference} any more. Run the action again.",
                    reference = format_args!("{reference:?}")
                ),
                RefusedBy::Arguments,
            ),
        },
    }
}

fn plan_action(draft: &Draft<'_>, call: &Call, action: Box<Action>) -> Planned {
    let state = &draft.state;
    let tree = state.coding.workspace.tree.as_ref();
    let guard = &state.patience.guard;
    match call.done.first() {
        None if guard.refuses(&call.name, &call.arguments, tree) => {
            let why = "This exact call has come out the same several times and nothing has changed since. Do something else: read more, change the code, or ask the operator.";
            refused(draft, call, why, RefusedBy::LoopGuard)
        }
        None => Planned::Act(action),
        Some(outcome) => {
            let mut rendered = state
                .setup
                .tools
                .get(&call.name)
                .map_or_else(Rendered::default, |tool| tool.render_for(&action, outcome));
            add_edit_advice(draft, &action, outcome, &mut rendered.text);
            answered(draft, call, rendered.text, rendered.is_error)
        }
    }
}

fn plan_tests(draft: &Draft<'_>, call: &Call, filter: Option<&str>, dir: Option<&str>) -> Planned {
    let plans = tests::plans(draft, filter, dir);
    match plans.get(call.done.len()) {
        Some((_, plan)) => Planned::Act(Box::new(jail(draft, JailOp::Exec(plan.spec.clone())))),
        None if plans.is_empty() => {
            let why = "No project with a known test runner was found here. Use `execute` to run what there is.";
            refused(draft, call, why, RefusedBy::Arguments)
        }
        None => {
            let (text, is_error) = tests::shown(&plans, call);
            answered(draft, call, text, is_error)
        }
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
        .step
        .calls
        .iter()
        .filter(|call| call.state == CallState::Waiting);
    waiting
        .filter(|call| call.made == Made::Model(Some(Means::Show)))
        .find_map(|call| {
            let Ok(Resolved::ShowMore { reference, .. }) = resolve(state, call) else {
                return None;
            };
            let conversation = &state.talk.conversation;
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
        .step
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

fn refused(draft: &Draft<'_>, call: &Call, why: impl Into<Said>, by: RefusedBy) -> Planned {
    let refused = CallRefused::new(draft.next_key(), call.asked(), why, by);
    Planned::Event(Box::new(RunEvent::CallRefused(refused)))
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
        && draft.state.patience.guard.misses(path)
    {
        text.push_str("\nThis file has been missed twice. Take another way: read the lines again with read_file, or write the whole file with write_file.");
    }
}
