//! What goes wrong while a run is driven: each ends in a coded error or a state, and nothing is lost.

use crate::check::{Left, calm, check};
use crate::scenarios::{PLAIN, Scenario, Stage, all, call, engine, finish};
use crate::storm::{Ending, LEASE, OPTIONS, Storm, block_on, tools};
use async_trait::async_trait;
use keiko_agent::prompt;
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_contracts::action::{Action, ModelAction, ModelReport, Outcome};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{ModelName, WorkerId};
use keiko_contracts::journal::{Epoch, KillScope, StreamId};
use keiko_contracts::model::{ChatRequest, Part};
use keiko_contracts::money::Micros;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{EndStatus, InboxMessage, RunEvent, RunLimits, Suspension};
use keiko_contracts::time::Timestamp;
use keiko_governance::class::ActionClass;
use keiko_governance::permit::Permit;
use keiko_governance::policy::Level;
use keiko_ports::Cancel;
use keiko_ports::journal::{CommitError, Journal as _};
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};
use keiko_runtime::drive::{DriveError, Driver, Order, Rest, Unwatched};
use keiko_runtime::effects::{self, Came, Job};
use keiko_runtime::ports::{DriveOptions, Ports};
use keiko_runtime::{gate, inbox, views};
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use keiko_testkit::flaw::Flaw;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const FREE: &[(ActionClass, Level)] = &[(ActionClass::ToolOther, Level::Run)];

fn named(name: &str) -> Scenario {
    all()
        .into_iter()
        .find(|scenario| scenario.name == name)
        .unwrap()
}

/// Begins the run in a process of its own, whose journal refuses commits.
async fn begin(
    storm: &Storm,
    scenario: &Scenario,
    refuse: Vec<CommitError>,
    stop: Cancel,
) -> Result<Rest, DriveError> {
    let fuse = Fuse::new(CrashPoint::Never);
    let journal = CrashJournal::new(storm.journal.clone(), fuse.clone());
    journal.refuse(refuse);
    let order = Order::Start(Box::new(scenario.start()));
    storm
        .driver(journal, &fuse, 99)
        .drive(order, Arc::new(Unwatched), stop)
        .await
}

async fn goes_on(storm: &Storm, scenario: &Scenario) -> Left {
    storm
        .to_the_end(&[])
        .await
        .unwrap_or_else(|why| panic!("{}: {why}", scenario.name))
}

/// Waits until the run has this many events of a kind.
async fn until(storm: &Storm, kind: &str, count: usize) {
    let stream = StreamId::run(storm.run);
    while storm
        .journal
        .events(&stream)
        .iter()
        .filter(|event| event.kind == kind)
        .count()
        < count
    {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn a_full_or_busy_journal_that_frees_itself_is_waited_for() {
    let (scenario, tools) = (named("changes"), tools());
    block_on(async {
        let calm = calm(&scenario, &tools).await;
        let storm = Storm::new(&scenario, tools.clone(), None);
        let rest = begin(
            &storm,
            &scenario,
            vec![CommitError::Full, CommitError::Busy],
            Cancel::new(),
        )
        .await;
        assert!(matches!(rest, Ok(Rest::Ended(_))));
        let left = storm.left().await.unwrap();
        check(&scenario, &calm, &left).unwrap();
    });
}

#[test]
fn a_journal_that_stays_full_is_a_coded_error_and_the_run_goes_on_later() {
    let (scenario, tools) = (named("classes"), tools());
    block_on(async {
        let calm = calm(&scenario, &tools).await;
        let storm = Storm::new(&scenario, tools.clone(), None);
        let error = begin(&storm, &scenario, vec![CommitError::Full; 5], Cancel::new())
            .await
            .unwrap_err();
        assert_eq!(error.fault().code, "KEI-3005");
        assert!(error.fault().hint.is_some());
        let left = goes_on(&storm, &scenario).await;
        check(&scenario, &calm, &left).unwrap();
    });
}

fn overtaken(step: u32, stage: &Stage) -> Vec<Part> {
    if step == 2 && stage.world.first_time("overtaken") {
        stage.clock.advance(LEASE);
        let stream = StreamId::run(stage.run);
        let lease = stage
            .journal
            .lease(&stream, WorkerId::from_bytes([77; 5]), Duration::ZERO);
        futures_util::FutureExt::now_or_never(lease)
            .unwrap()
            .unwrap();
    }
    if step <= 2 {
        vec![call("c1", "ledger_same_key", json!({"n": step}))]
    } else {
        finish()
    }
}

const OVERTAKEN: Scenario = Scenario {
    name: "overtaken",
    answers: overtaken,
    workspace: false,
    levels: FREE,
    ends: EndStatus::Succeeded,
    ..PLAIN
};

/// With a fault in the driver the test below must fail.
#[test]
fn a_driver_that_does_not_say_its_lease_is_caught() {
    block_on(async {
        let storm = Storm::new(&OVERTAKEN, tools(), Some(Flaw::Unfenced));
        let rest = begin(&storm, &OVERTAKEN, vec![], Cancel::new()).await;
        assert!(
            matches!(rest, Ok(Rest::Ended(_))),
            "it was told, and is no fault: {rest:?}"
        );
    });
}

#[test]
fn a_process_that_lost_its_lease_writes_nothing_more() {
    let scenario = OVERTAKEN;
    block_on(async {
        let tools = tools();
        let storm = Storm::new(&scenario, tools.clone(), None);
        let error = begin(&storm, &scenario, vec![], Cancel::new())
            .await
            .unwrap_err();
        assert_eq!(error.fault().code, "KEI-3002");
        let left = goes_on(&storm, &scenario).await;
        assert_eq!(
            left.state.ended.as_ref().map(|end| end.status),
            Some(EndStatus::Succeeded)
        );
        let keys: Vec<_> = left.deeds.iter().map(|deed| &deed.key).collect();
        assert_eq!(keys.len(), 2, "{keys:?}");
    });
}

fn waits(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![call("c1", "ledger_person", json!({"wait": 1}))],
        _ => finish(),
    }
}

const WAITS: Scenario = Scenario {
    name: "waits",
    answers: waits,
    workspace: false,
    levels: FREE,
    ends: EndStatus::Succeeded,
    ..PLAIN
};

#[test]
fn a_kill_stops_an_effect_on_its_way_at_once_and_is_shown() {
    block_on(async {
        let tools = tools();
        let storm = Storm::new(&WAITS, tools.clone(), None);
        let killed = async {
            until(&storm, "effect_intended", 2).await;
            storm
                .journal
                .kill(KillScope::All, "smoke in the server room", "me")
                .await
                .unwrap();
            Instant::now()
        };
        let (rest, at) = tokio::join!(begin(&storm, &WAITS, vec![], Cancel::new()), killed);
        assert!(at.elapsed() < Duration::from_secs(2), "{:?}", at.elapsed());
        assert!(
            matches!(&rest, Ok(Rest::Waiting(Suspension::Killed { reason })) if reason == "smoke in the server room"),
            "{rest:?}"
        );
        assert!(
            storm.fold().await.unwrap().life.open.is_empty(),
            "what the effect got to is recorded"
        );
        let row = storm
            .journal
            .view_get(views::RUNS, &storm.run.to_string())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.group, "killed");
        let left = goes_on(&storm, &WAITS).await;
        assert_eq!(
            left.state.ended.as_ref().map(|end| end.status),
            Some(EndStatus::Succeeded)
        );
        assert!(left.asked.is_empty());
    });
}

fn kills_itself(step: u32, stage: &Stage) -> Vec<Part> {
    if step == 2 && stage.world.first_time("kill") {
        let kill = stage
            .journal
            .kill(KillScope::Run(stage.run), "enough", "me");
        futures_util::FutureExt::now_or_never(kill)
            .unwrap()
            .unwrap();
    }
    if step <= 2 {
        vec![call("c1", "ledger_repeat", json!({"n": step}))]
    } else {
        finish()
    }
}

/// The kill comes while a request is answered: the commit of the answer is refused, the answer is not forgotten.
#[test]
fn an_outcome_that_meets_a_kill_is_kept() {
    let scenario = Scenario {
        name: "kills itself",
        answers: kills_itself,
        workspace: false,
        ends: EndStatus::Succeeded,
        ..PLAIN
    };
    block_on(async {
        let tools = tools();
        let storm = Storm::new(&scenario, tools.clone(), None);
        let rest = begin(&storm, &scenario, vec![], Cancel::new()).await;
        assert!(
            matches!(rest, Ok(Rest::Waiting(Suspension::Killed { .. }))),
            "{rest:?}"
        );
        let state = storm.fold().await.unwrap();
        assert!(state.life.open.is_empty());
        assert_eq!(
            state.life.budget.spent(),
            storm.world.charged(),
            "what was paid for is in the books"
        );
        let left = goes_on(&storm, &scenario).await;
        assert_eq!(
            left.charged,
            left.state.life.budget.spent(),
            "nothing is asked for twice"
        );
    });
}

#[test]
fn a_stopped_process_records_what_it_got_to_and_the_run_goes_on() {
    block_on(async {
        let tools = tools();
        let storm = Storm::new(&WAITS, tools.clone(), None);
        let stop = Cancel::new();
        let stopped = async {
            until(&storm, "effect_intended", 2).await;
            stop.cancel();
        };
        let (rest, ()) = tokio::join!(begin(&storm, &WAITS, vec![], stop.clone()), stopped);
        assert!(
            matches!(&rest, Ok(Rest::Waiting(Suspension::Stopped { by, .. })) if by == "me"),
            "{rest:?}"
        );
        let state = storm.fold().await.unwrap();
        assert!(state.life.open.is_empty());
        assert!(
            matches!(state.life.waiting, Some(Suspension::Stopped { .. })),
            "that it was stopped is on record: {:?}",
            state.life.waiting
        );
        let row = storm
            .journal
            .view_get(views::RUNS, &storm.run.to_string())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.group, "stopped");
        goes_on(&storm, &WAITS).await;
    });
}

#[test]
fn the_time_limit_cancels_what_runs_and_more_time_goes_on() {
    block_on(async {
        let limits = RunLimits {
            max_seconds: 60,
            ..WAITS.limits
        };
        let scenario = Scenario { limits, ..WAITS };
        let storm = Storm::new(&scenario, tools(), None);
        let fuse = Fuse::new(CrashPoint::Never);
        let driver = storm.driver(
            CrashJournal::new(storm.journal.clone(), fuse.clone()),
            &fuse,
            99,
        );
        let options = DriveOptions {
            lease: Duration::from_millis(30),
            ..OPTIONS
        };
        let driver = Driver::new(driver.ports().clone(), options).of(Setup {
            tools: tools(),
            engine,
        });
        let late = async {
            until(&storm, "effect_intended", 2).await;
            storm.clock.advance(Duration::from_secs(61));
        };
        let order = Order::Start(Box::new(scenario.start()));
        let (rest, ()) = tokio::join!(
            driver.drive(order, Arc::new(Unwatched), Cancel::new()),
            late
        );
        assert!(
            matches!(&rest, Ok(Rest::Waiting(Suspension::Limit { fault })) if fault.code == Code::TIME_USED_UP),
            "{rest:?}"
        );
        let state = storm.fold().await.unwrap();
        assert!(
            state.life.open.is_empty(),
            "what the effect got to is recorded"
        );
        let row = storm
            .journal
            .view_get(views::RUNS, &storm.run.to_string())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.group, "limit");
        let left = goes_on(&storm, &scenario).await;
        assert_eq!(
            left.state.ended.as_ref().map(|end| end.status),
            Some(EndStatus::Succeeded)
        );
    });
}

/// Wherever the process ends: what was installed is found, and what was not is installed under the same approval.
#[test]
fn what_a_person_let_install_once_is_installed_once() {
    block_on(async {
        let scenario = named("installed");
        let (calm, moments) = Storm::new(&scenario, tools(), None)
            .moments()
            .await
            .unwrap();
        let installed = |left: &Left| {
            left.deeds
                .iter()
                .filter(|deed| deed.what == "prepare")
                .count()
        };
        assert_eq!((installed(&calm), calm.state.life.approvals.len()), (1, 1));
        for moment in moments.iter().filter(|moment| moment.ends(Ending::Killed)) {
            let left = moment.goes_on().await.unwrap();
            assert_eq!(
                (installed(&left), left.state.life.approvals.len()),
                (1, 1),
                "{:?}",
                moment.point
            );
        }
    });
}

/// A model that fails in passing, while somebody pulls the plug.
struct Smokes {
    storm: Storm,
    asked: AtomicU64,
}

#[async_trait]
impl ChatModel for Smokes {
    async fn chat(
        &self,
        _: Permit<ModelAction>,
        _: &ChatRequest,
        _: LiveSink,
        _: Cancel,
    ) -> Outcome<ModelReport> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.storm
            .journal
            .kill(KillScope::All, "smoke", "me")
            .await
            .unwrap();
        Outcome::Failed(Fault::new(Code::TOO_MANY_REQUESTS, "busy").transient(None))
    }
    fn quote(&self, _: &ModelName, _: u64, _: u32) -> Result<Quote, Fault> {
        Ok(Quote {
            at_most: Micros(0),
            priced: true,
        })
    }
}

#[test]
fn no_try_is_made_after_a_kill_that_nobody_has_heard_of_yet() {
    use keiko_agent::decide::{Input, decide};
    use keiko_governance::core::Env;
    block_on(async {
        let storm = Storm::new(&WAITS, tools(), None);
        let fuse = Fuse::new(CrashPoint::Never);
        let model = Arc::new(Smokes {
            storm: storm.clone(),
            asked: AtomicU64::new(0),
        });
        let calm = storm
            .driver(
                CrashJournal::new(storm.journal.clone(), fuse.clone()),
                &fuse,
                9,
            )
            .ports()
            .clone();
        let ports = Ports {
            models: model.clone(),
            ..calm
        };
        let fence = ports
            .journal
            .lease(&StreamId::run(storm.run), ports.worker, LEASE)
            .await
            .unwrap();
        let state = RunState::new(&Setup {
            tools: tools(),
            engine: |_| None,
        });
        let env = Env {
            now: Timestamp(5),
            epoch: Epoch(0),
            policy: &ports.policy,
            price: None,
            attended: false,
        };
        let decided = decide(&state, &env, Input::Start(Box::new(WAITS.start()))).unwrap();
        let passed = gate::pass(&ports, storm.run, &state, fence, Epoch(0), decided)
            .await
            .unwrap();
        let standing = passed.intents[0].clone();
        let Action::Model(action) = &standing.intent().action else {
            panic!("{standing:?}")
        };
        let request = Arc::new(prompt::render_action(&passed.state, &WAITS.start(), action));
        let options = DriveOptions {
            tries: 3,
            ..OPTIONS
        };
        let tried = async |newest: u64| {
            let newest = Arc::new(AtomicU64::new(newest));
            let (standing, request) = (standing.clone(), Some(request.clone()));
            let (live, cancel) = (LiveSink::none(), Cancel::new());
            let job = Job {
                standing,
                request,
                under: Epoch(0),
                newest,
                recovered: false,
                closing: false,
                live,
                cancel,
            };
            let Came::Out(ended) = effects::carry_out(ports.clone(), options, job).await else {
                panic!("no run waits below")
            };
            (ended.outcome, model.asked.load(Ordering::Relaxed))
        };
        assert_eq!(
            tried(0).await,
            (Outcome::Cancelled, 1),
            "the second try is not made"
        );
        assert_eq!(
            tried(1).await,
            (Outcome::Cancelled, 1),
            "of this kill the process has heard"
        );
    });
}

fn changes_and_waits(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![call(
            "c1",
            "write_file",
            json!({"path": "new", "text": "text"}),
        )],
        _ => vec![call("c1", "ledger_person", json!({"wait": 1}))],
    }
}

#[test]
fn a_cancelled_run_ends_with_what_it_changed() {
    let scenario = Scenario {
        answers: changes_and_waits,
        workspace: true,
        ends: EndStatus::Cancelled,
        ..WAITS
    };
    block_on(async {
        let tools = tools();
        let storm = Storm::new(&scenario, tools.clone(), None);
        let cancelled = async {
            until(&storm, "effect_ended", 5).await;
            let message = InboxMessage::Cancel {
                by: "me".into(),
                reason: "no longer needed".into(),
            };
            inbox::say(storm.journal.as_ref(), storm.run, &message, Timestamp(1))
                .await
                .unwrap();
        };
        let (rest, ()) = tokio::join!(begin(&storm, &scenario, vec![], Cancel::new()), cancelled);
        let Ok(Rest::Ended(end)) = rest else {
            panic!("{rest:?}")
        };
        assert_eq!(end.status, EndStatus::Cancelled);
        assert!(
            end.diff.is_some(),
            "the difference is made after the word, and is not cancelled with the rest"
        );
    });
}

/// Somebody stops the run while its workspace is being opened: that is done again, and is no failure.
#[test]
fn what_was_stopped_while_the_run_began_is_done_again() {
    use keiko_agent::decide::{Input, decide};
    use keiko_contracts::run::Ended;
    use keiko_governance::core::Env;
    let (scenario, policy) = (named("changes"), named("changes").policy());
    let env = Env {
        now: Timestamp(5),
        epoch: Default::default(),
        policy: &policy,
        price: None,
        attended: false,
    };
    let state = keiko_agent::state::RunState::new(&Setup {
        tools: tools(),
        engine,
    });
    let begun = decide(&state, &env, Input::Start(Box::new(scenario.start()))).unwrap();
    let key = begun.next.life.open.keys().next().unwrap().clone();
    let ended = Ended {
        key,
        outcome: Outcome::Cancelled,
        tries: 1,
        recovered: false,
    };
    let stopped = decide(&begun.next, &env, Input::EndedLate(Box::new(ended))).unwrap();
    let resumed = decide(
        &stopped.next,
        &env,
        Input::Resume {
            by: "me".into(),
            terms: RunTerms::default(),
            heard: Vec::new(),
        },
    )
    .unwrap();
    assert!(resumed.next.closing.is_none());
    assert!(
        resumed
            .events
            .iter()
            .any(|event| matches!(event, RunEvent::EffectIntended(_))),
        "{:?}",
        resumed.events
    );
}
