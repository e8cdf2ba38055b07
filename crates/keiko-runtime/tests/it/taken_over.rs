//! Two who drive one run: the lease lets one of them write.

use crate::scenarios::{PLAIN, Scenario, Stage, call, engine, finish};
use crate::storm::{LEASE, OPTIONS, Storm, block_on, tools};
use async_trait::async_trait;
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_contracts::action::{Outcome, Probe};
use keiko_contracts::id::EffectKey;
use keiko_contracts::jail::{JailAction, JailOp, JailReport};
use keiko_contracts::journal::StreamId;
use keiko_contracts::model::Part;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{EndStatus, RunEvent};
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::perform::Perform;
use keiko_runtime::drive::DriverOf;
use keiko_runtime::drive::{Driver, Order, Rest, Unwatched};
use keiko_runtime::ports::Ports;
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Semaphore;

fn executes(step: u32, _: &Stage) -> Vec<Part> {
    if step == 1 {
        vec![call("c1", "execute", json!({"command": "append log x"}))]
    } else {
        finish()
    }
}

const SCENARIO: Scenario = Scenario {
    name: "taken over",
    answers: executes,
    ends: EndStatus::Unverified,
    ..PLAIN
};

/// A sandbox whose process stands still when a command has come to its end: its jail is done, and nobody has been told.
struct Paused {
    inner: Arc<dyn Perform<JailAction>>,
    done: Semaphore,
    goes_on: Semaphore,
}

#[async_trait]
impl Perform<JailAction> for Paused {
    async fn perform(
        &self,
        permit: Permit<JailAction>,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<JailReport> {
        let runs = matches!(permit.action().op, JailOp::Exec(_));
        let outcome = self.inner.perform(permit, live, cancel).await;
        if runs {
            self.done.add_permits(1);
            self.goes_on.acquire().await.unwrap().forget();
        }
        outcome
    }
    async fn probe(&self, key: &EffectKey, action: &JailAction) -> Probe<JailReport> {
        self.inner.probe(key, action).await
    }
}

fn driver(storm: &Storm, worker: u8) -> DriverOf<RunState> {
    let fuse = Fuse::new(CrashPoint::Never);
    storm.driver(
        CrashJournal::new(storm.journal.clone(), fuse.clone()),
        &fuse,
        worker,
    )
}

fn resume(storm: &Storm) -> Order<RunState> {
    Order::Resume {
        run: storm.run,
        by: "me".into(),
        terms: RunTerms::default(),
    }
}

#[test]
fn a_paused_process_that_was_overtaken_cannot_say_what_came_out() {
    block_on(async {
        let storm = Storm::new(&SCENARIO, tools(), None);
        let ports = driver(&storm, 1).ports().clone();
        let paused = Arc::new(Paused {
            inner: ports.sandbox.clone(),
            done: Semaphore::new(0),
            goes_on: Semaphore::new(0),
        });
        let first = Driver::new(
            Ports {
                sandbox: paused.clone(),
                ..ports
            },
            OPTIONS,
        )
        .of(Setup {
            tools: tools(),
            engine,
        });
        let overtakes = async {
            paused.done.acquire().await.unwrap().forget();
            storm.clock.advance(LEASE);
            let rest = driver(&storm, 2)
                .drive(resume(&storm), Arc::new(Unwatched), Cancel::new())
                .await
                .unwrap();
            assert!(matches!(rest, Rest::Ended(_)), "{rest:?}");
            let written = storm.journal.events(&StreamId::run(storm.run)).len();
            paused.goes_on.add_permits(1);
            written
        };
        let start = Order::Start(Box::new(SCENARIO.start()));
        let (rest, written) = tokio::join!(
            first.drive(start, Arc::new(Unwatched), Cancel::new()),
            overtakes
        );
        assert_eq!(rest.unwrap_err().fault().code, "KEI-3002");
        let events = storm.journal.events(&StreamId::run(storm.run));
        assert_eq!(
            events.len(),
            written,
            "nothing was written after the run was taken over"
        );
        let mut ended = 0;
        for recorded in &events {
            let event = keiko_runtime::fold::hydrate(storm.journal.as_ref(), recorded)
                .await
                .unwrap();
            ended += usize::from(matches!(event, RunEvent::EffectEnded(it) if it.recovered));
        }
        assert_eq!(
            ended, 1,
            "the command came out once, for the process that took over"
        );
        assert_eq!(
            storm.world.files().get("log").map(String::as_str),
            Some("x"),
            "its half was taken back before it was done again"
        );
    });
}

#[test]
fn a_process_that_drives_a_run_twice_is_told_so() {
    block_on(async {
        let storm = Storm::new(&SCENARIO, tools(), None);
        let ports = driver(&storm, 1).ports().clone();
        let paused = Arc::new(Paused {
            inner: ports.sandbox.clone(),
            done: Semaphore::new(0),
            goes_on: Semaphore::new(0),
        });
        let ports = Ports {
            sandbox: paused.clone(),
            ..ports
        };
        let first = Driver::new(ports.clone(), OPTIONS).of(Setup {
            tools: tools(),
            engine,
        });
        let second = async {
            paused.done.acquire().await.unwrap().forget();
            let error = first
                .drive(resume(&storm), Arc::new(Unwatched), Cancel::new())
                .await
                .unwrap_err();
            assert_eq!(error.fault().code, "KEI-6002", "{error}");
            paused.goes_on.add_permits(1);
        };
        let start = || Order::Start(Box::new(SCENARIO.start()));
        let (rest, ()) = tokio::join!(
            first.drive(start(), Arc::new(Unwatched), Cancel::new()),
            second
        );
        assert!(
            matches!(rest, Ok(Rest::Ended(_))),
            "the first is not disturbed: {rest:?}"
        );
        let again = Driver::new(ports, OPTIONS)
            .of(Setup {
                tools: tools(),
                engine,
            })
            .drive(start(), Arc::new(Unwatched), Cancel::new())
            .await
            .unwrap_err();
        assert_eq!(again.fault().code, "KEI-6011", "{again}");
    });
}

/// Two drivers that do not know of each other, under one worker's name: the lease cannot tell them apart, the order of the
/// stream can.
#[test]
fn two_drivers_of_one_worker_are_told_so() {
    block_on(async {
        let storm = Storm::new(&SCENARIO, tools(), None);
        let ports = driver(&storm, 1).ports().clone();
        let paused = Arc::new(Paused {
            inner: ports.sandbox.clone(),
            done: Semaphore::new(0),
            goes_on: Semaphore::new(0),
        });
        let first = Driver::new(
            Ports {
                sandbox: paused.clone(),
                ..ports
            },
            OPTIONS,
        )
        .of(Setup {
            tools: tools(),
            engine,
        });
        let second = async {
            paused.done.acquire().await.unwrap().forget();
            let rest = driver(&storm, 1)
                .drive(resume(&storm), Arc::new(Unwatched), Cancel::new())
                .await;
            paused.goes_on.add_permits(1);
            rest
        };
        let start = Order::Start(Box::new(SCENARIO.start()));
        let (one, two) = tokio::join!(
            first.drive(start, Arc::new(Unwatched), Cancel::new()),
            second
        );
        let codes: Vec<String> = [one, two]
            .into_iter()
            .filter_map(|rest| rest.err().map(|error| error.fault().code.to_string()))
            .collect();
        assert_eq!(codes.len(), 1, "one of them ends the run");
        assert!(
            ["KEI-6002", "KEI-6011", "KEI-3002"].contains(&codes[0].as_str()),
            "{codes:?}"
        );
    });
}
