//! What lists and checks say about a run.

use crate::scenarios::{PLAIN, Scenario, Stage, all, call, finish};
use crate::storm::{LEASE, Storm, block_on, tools};
use keiko_contracts::model::Part;
use keiko_contracts::run::RunStatus;
use keiko_contracts::run::{EndStatus, StartRun};
use keiko_ports::Cancel;
use keiko_runtime::drive::{Order, Rest, Unwatched};
use keiko_runtime::{verify, views};
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use serde_json::json;
use std::sync::Arc;

fn asks(step: u32, _: &Stage) -> Vec<Part> {
    if step == 1 {
        vec![call("c1", "ask_operator", json!({"question": "Which?"}))]
    } else {
        finish()
    }
}

const ASKS: Scenario = Scenario {
    name: "asks",
    answers: asks,
    workspace: false,
    ends: EndStatus::Succeeded,
    ..PLAIN
};

/// Drives the run until it rests, or until its process ends at the point.
async fn drive(storm: &Storm, start: StartRun, at: CrashPoint) -> Option<Rest> {
    let fuse = Fuse::new(at);
    let driver = storm.driver(
        CrashJournal::new(storm.journal.clone(), fuse.clone()),
        &fuse,
        1,
    );
    tokio::select! {
        biased;
        () = fuse.blown() => None,
        rest = driver.drive(Order::Start(Box::new(start)), Arc::new(Unwatched), Cancel::new()) => Some(rest.unwrap()),
    }
}

async fn states(storm: &Storm, state: Option<&str>) -> Vec<String> {
    let state = state.map(|word| RunStatus::of(word).unwrap());
    views::list(storm.journal.as_ref(), state, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.state.word().to_owned())
        .collect()
}

#[test]
fn a_run_whose_process_is_gone_is_interrupted_once_its_lease_is_over() {
    block_on(async {
        let scenario = all()
            .into_iter()
            .find(|scenario| scenario.name == "classes")
            .unwrap();
        let storm = Storm::new(&scenario, tools(), None);
        assert!(
            drive(&storm, scenario.start(), CrashPoint::AfterEffect(3))
                .await
                .is_none()
        );
        assert_eq!(
            states(&storm, None).await,
            ["running"],
            "nobody can tell yet"
        );
        assert!(states(&storm, Some("interrupted")).await.is_empty());
        storm.clock.advance(LEASE);
        assert_eq!(states(&storm, None).await, ["interrupted"]);
        assert_eq!(states(&storm, Some("interrupted")).await, ["interrupted"]);
        assert!(states(&storm, Some("running")).await.is_empty());
        let left = storm.to_the_end(&[]).await.unwrap();
        assert!(left.state.ended.is_some());
        assert_eq!(states(&storm, Some("succeeded")).await, ["succeeded"]);
    });
}

#[test]
fn a_run_that_waits_is_not_interrupted() {
    block_on(async {
        let storm = Storm::new(&ASKS, tools(), None);
        assert!(matches!(
            drive(&storm, ASKS.start(), CrashPoint::Never).await,
            Some(Rest::Waiting(_))
        ));
        storm.clock.advance(LEASE);
        assert_eq!(states(&storm, None).await, ["waiting-answer"]);
    });
}

#[test]
fn a_run_that_has_not_ended_has_nothing_to_verify() {
    block_on(async {
        let storm = Storm::new(&ASKS, tools(), None);
        drive(&storm, ASKS.start(), CrashPoint::Never).await;
        let refused = verify::journal(storm.journal.as_ref(), storm.run)
            .await
            .unwrap_err()
            .fault();
        assert_eq!(
            (refused.code.to_string().as_str(), refused.hint.is_some()),
            ("KEI-6205", true)
        );
        let so_far = verify::so_far(storm.journal.as_ref(), storm.run)
            .await
            .unwrap();
        assert!(so_far.len() == 1 && so_far[0].ok, "{so_far:?}");
        let other = keiko_contracts::id::RunId::from_bytes([8; 10]);
        assert_eq!(
            verify::journal(storm.journal.as_ref(), other)
                .await
                .unwrap_err()
                .fault()
                .code,
            "KEI-6001"
        );
    });
}

/// Without a model the run begins and ends in one commit: the card has nothing before it.
#[test]
fn a_run_that_begins_and_ends_at_once_can_be_verified() {
    block_on(async {
        let storm = Storm::new(&ASKS, tools(), None);
        let rest = drive(
            &storm,
            StartRun {
                model: None,
                ..ASKS.start()
            },
            CrashPoint::Never,
        )
        .await;
        assert!(matches!(rest, Some(Rest::Ended(_))), "{rest:?}");
        let verified = verify::journal(storm.journal.as_ref(), storm.run)
            .await
            .unwrap();
        assert_eq!(
            verified.card.journal,
            keiko_contracts::digest::Digest::default()
        );
        assert!(
            verified.checks.iter().all(|check| check.ok),
            "{:?}",
            verified.checks
        );
    });
}

/// The chain over changed events is made anew, so that the card's place in it is all that speaks.
#[test]
fn a_card_that_leaves_events_out_is_noticed() {
    use keiko_contracts::journal::StreamId;
    use keiko_contracts::run::RunEvent;
    block_on(async {
        let scenario = all()
            .into_iter()
            .find(|scenario| scenario.name == "reads")
            .unwrap();
        let storm = Storm::new(&scenario, tools(), None);
        let Some(Rest::Ended(end)) = drive(&storm, scenario.start(), CrashPoint::Never).await
        else {
            panic!("it ends")
        };
        let verified = verify::journal(storm.journal.as_ref(), storm.run)
            .await
            .unwrap();
        assert!(
            verified.checks.iter().all(|check| check.ok),
            "{:?}",
            verified.checks
        );
        let events = storm.journal.events(&StreamId::run(storm.run));
        for hash in [keiko_contracts::digest::Digest::default(), events[1].hash] {
            let other = Storm::new(&scenario, tools(), None);
            let mut forged = (*end).clone();
            forged.card.journal = hash;
            let mut append = keiko_contracts::journal::Append {
                stream: StreamId::run(storm.run),
                expect: keiko_contracts::journal::Expect::Any,
                fence: None,
                epoch: None,
                events: Vec::new(),
                blobs: Vec::new(),
                views: Vec::new(),
            };
            for recorded in &events {
                let event = keiko_runtime::fold::hydrate(storm.journal.as_ref(), recorded)
                    .await
                    .unwrap();
                let event = if let RunEvent::RunEnded(_) = event {
                    RunEvent::RunEnded(Box::new(forged.clone()))
                } else {
                    event
                };
                let packed =
                    keiko_contracts::envelope::pack(&event, recorded.at, recorded.head.clone())
                        .unwrap();
                append.events.push(packed.event);
                append.blobs.extend(packed.blobs);
            }
            use keiko_ports::journal::Journal as _;
            other
                .journal
                .commit(vec![append], keiko_contracts::journal::Durability::Lazy)
                .await
                .unwrap();
            let verified = verify::journal(other.journal.as_ref(), storm.run)
                .await
                .unwrap();
            let wrong: Vec<String> = verified
                .checks
                .iter()
                .filter(|check| !check.ok)
                .map(|check| check.what.to_string())
                .collect();
            assert_eq!(wrong, ["the card's journal hash"]);
        }
    });
}
