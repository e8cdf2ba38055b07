//! Judging what is asked for: an action is started, asked about, or refused. Whoever asks, it is the same judge.

use crate::draft::{self, Draft, Poll, Reject};
use crate::install::{self, Foretold};
use keiko_contracts::action::{Action, ActionDigest};
use keiko_contracts::approval::{ApprovalAnswer, Decision};
use keiko_contracts::asked::Asked;
use keiko_contracts::id::{ApprovalId, EffectKey};
use keiko_contracts::jail::{BaseKind, JailOp};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{ApprovalMode, CallRefused, NoteKind, RefusedBy, RunEvent};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_governance::class::ActionClass;
use keiko_governance::policy::{Level, Question, Verdict};

/// Judges an action and starts it, asks about it, or refuses it. Pending: nothing may follow in this step yet.
pub(crate) fn start(draft: &mut Draft<'_>, asked: &Asked, action: Action) -> Result<Poll, Reject> {
    let digest = draft::digest(&action)?;
    let Some(mode) = draft.state.start.as_ref().map(|start| start.approval) else {
        return Ok(Poll::Pending);
    };
    let said = install::said(&draft.state, &action);
    if let Foretold::No(word) = &said {
        withdraw(draft, digest, &word.by);
        let key = draft.next_key();
        refuse(
            draft,
            asked,
            key,
            install::declined(word),
            RefusedBy::Person,
        );
        return Ok(Poll::Ready);
    }
    let verdict = verdict(draft, asked, &action, &said, mode);
    // What has come to be forbidden since a person was asked stays undone, whatever was answered.
    if verdict.level < Level::Forbid
        && let Some((id, approval)) = draft.state.approval_for(digest)
    {
        let (key, answer) = (approval.request.key.clone(), approval.answer.clone());
        return match (answer, said) {
            (Some(answer), _) => {
                take_answer(draft, asked, key, (action, digest), (id, &answer));
                Ok(Poll::Ready)
            }
            (None, Foretold::Yes(word)) => {
                draft.answer_beforehand(id, digest, word);
                start(draft, asked, action)
            }
            (None, _) => Ok(Poll::Pending),
        };
    }
    let key = draft.next_key();
    match verdict.level {
        Level::Forbid => {
            withdraw(draft, digest, "the risk policy");
            let why = say!(
                "The policy does not allow this: {why}.",
                why = verdict.reason
            );
            refuse(draft, asked, key, why, RefusedBy::Policy);
            Ok(Poll::Ready)
        }
        Level::Ask => {
            let summary = summary(draft, &action);
            let id = draft.request(action.clone(), digest, verdict.reason, summary);
            match said {
                Foretold::Yes(word) => {
                    draft.answer_beforehand(id, digest, word);
                    start(draft, asked, action)
                }
                _ => Ok(Poll::Pending),
            }
        }
        Level::Alert | Level::Run => {
            if verdict.level == Level::Alert {
                let what = crate::describe::action(&action);
                let note = say!("{what} ({reason})", what, reason = verdict.reason);
                draft.note(NoteKind::Alert, note, false);
            }
            draft.intend_judged(key, (action, digest), Micros::ZERO, asked.clone(), None);
            Ok(Poll::Ready)
        }
    }
}

/// What the policy says, given what was said about installing beforehand.
fn verdict(
    draft: &Draft<'_>,
    asked: &Asked,
    action: &Action,
    said: &Foretold,
    mode: ApprovalMode,
) -> Verdict {
    // A native engine tries things out and puts them back, test files of older commits too: what it leaves behind is
    // looked at when it ends.
    let changes_protected_test =
        matches!(asked, Asked::Model { .. }) && changes_test(draft, action);
    // Somebody has answered: nobody need be there.
    let mode = match (said, mode) {
        (Foretold::Yes(_), ApprovalMode::Never) => ApprovalMode::Policy,
        (_, mode) => mode,
    };
    let mut verdict = draft.env.policy.judge(Question {
        action,
        changes_protected_test,
        mode,
    });
    if matches!(said, Foretold::IsThere) && verdict.level == Level::Ask {
        verdict.level = Level::Run;
    }
    verdict
}

/// Does what a person has answered.
fn take_answer(
    draft: &mut Draft<'_>,
    asked: &Asked,
    key: EffectKey,
    judged: (Action, ActionDigest),
    (id, answer): (ApprovalId, &ApprovalAnswer),
) {
    if answer.decision == Decision::Approved {
        draft.intend_judged(key, judged, Micros::ZERO, asked.clone(), Some(id));
        return;
    }
    let why = answer
        .reason
        .as_deref()
        .map_or(String::new(), |reason| format!(": {reason}"));
    let expired = answer.decision == Decision::Expired;
    // Rules find no other way.
    let reason = match asked {
        Asked::Engine { .. } | Asked::Harness(_) if expired => {
            say!("Nobody approved this in time{why}.", why)
        }
        Asked::Engine { .. } | Asked::Harness(_) => {
            say!("The operator does not allow this{why}.", why)
        }
        Asked::Model { .. } | Asked::Loop if expired => say!(
            "Nobody approved this in time{why}. Find another way, or finish and say what is missing.",
            why
        ),
        Asked::Model { .. } | Asked::Loop => say!(
            "The operator does not allow this{why}. Find another way, or finish and say what is missing.",
            why
        ),
    };
    refuse(draft, asked, key, reason, RefusedBy::Person);
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
fn summary(draft: &Draft<'_>, action: &Action) -> Said {
    let text = crate::describe::action(action);
    if ActionClass::of(action) != ActionClass::GitPush {
        return text;
    }
    match draft.state.coding.workspace.opened.as_ref().map(|o| o.kind) {
        Some(BaseKind::Snapshot) => say!(
            "{what} (it rests on your uncommitted files too, and would publish them)",
            what = text
        ),
        Some(BaseKind::Result) => say!(
            "{what} (it rests on what another run made, and would publish that too)",
            what = text
        ),
        _ => text,
    }
}

fn refuse(draft: &mut Draft<'_>, asked: &Asked, key: EffectKey, why: Said, by: RefusedBy) {
    let refused = CallRefused::new(key, asked.clone(), why, by);
    draft.emit(RunEvent::CallRefused(refused));
}

/// An existing test that an edit would weaken: text is taken out of it, or it is written anew.
fn changes_test(draft: &Draft<'_>, action: &Action) -> bool {
    let Action::Jail(jail) = action else {
        return false;
    };
    let existing = |path: &str| {
        let known = draft
            .state
            .coding
            .workspace
            .survey
            .as_ref()
            .is_some_and(|survey| survey.tests.iter().any(|test| test == path));
        known && !draft.state.coding.workspace.created.contains(path)
    };
    match &jail.op {
        JailOp::WriteFile { path, .. } => existing(path),
        JailOp::EditFile { path, edits } => {
            existing(path) && {
                let known = draft.state.coding.tests.known();
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
