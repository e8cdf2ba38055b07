use super::*;
use keiko_contracts::action::{Outcome, Recovery, Report};
use keiko_contracts::asked::Asked;
use keiko_contracts::id::TaskId;
use keiko_contracts::jail::{JailAction, JailBody, JailOp, JailReport};
use keiko_contracts::journal::Epoch;
use keiko_contracts::run::Ended;

fn key(step: u32) -> EffectKey {
    EffectKey {
        run: RunId::from_bytes([1; 10]),
        task: TaskId::main(),
        attempt: 1,
        step,
        ordinal: 0,
    }
}

fn intent(step: u32) -> Intent {
    let action = Action::Jail(JailAction {
        workspace: RunId::from_bytes([1; 10]),
        op: JailOp::Survey,
        tree: None,
    });
    let intent =
        keiko_governance::intent::intent(key(step), action, Asked::default(), Epoch(0)).unwrap();
    Intent {
        recovery: Recovery::Restore,
        ..intent
    }
}

fn ended(step: u32) -> RunEvent {
    let report = Report::Jail(JailReport {
        body: JailBody::Restored,
        tree: None,
    });
    RunEvent::EffectEnded(Box::new(Ended {
        key: key(step),
        outcome: Outcome::Done(report),
        tries: 1,
        recovered: false,
    }))
}

fn history(events: Vec<RunEvent>) -> History {
    History {
        events,
        sound: true,
    }
}

fn account(begun: &[(u32, u32)]) -> Account {
    Account {
        begun: begun
            .iter()
            .map(|(step, count)| (key(*step).to_string(), *count))
            .collect(),
        pushes: 1,
    }
}

#[test]
fn once_and_done_holds() {
    let history = history(vec![
        RunEvent::EffectIntended(Box::new(intent(1))),
        ended(1),
    ]);
    let verdict = count(&history, &account(&[(1, 1)]), &[]);
    assert_eq!(
        (
            verdict.without_outcome,
            verdict.unannounced,
            verdict.again,
            verdict.too_often
        ),
        (0, 0, 0, 0)
    );
}

#[test]
fn a_repetition_needs_a_kill_in_between() {
    let history = history(vec![
        RunEvent::EffectIntended(Box::new(intent(1))),
        ended(1),
    ]);
    let crash = Crash {
        killed: true,
        events: 1,
        open: vec![intent(1)],
    };
    let with = count(&history, &account(&[(1, 2)]), &[crash]);
    assert_eq!((with.again, with.too_often), (1, 0));
    let without = count(&history, &account(&[(1, 2)]), &[]);
    assert_eq!((without.again, without.too_often), (0, 1));
    assert!(!without.holds());
}

#[test]
fn what_is_lost_or_unknown_is_seen() {
    let history = history(vec![RunEvent::EffectIntended(Box::new(intent(1)))]);
    let verdict = count(&history, &account(&[(1, 1), (2, 1)]), &[]);
    assert_eq!((verdict.without_outcome, verdict.unannounced), (1, 1));
    assert_eq!(history.open().len(), 1);
    assert!(!verdict.holds());
}
