//! SIGKILLs of real processes that drive a run with a run of an agent below it, on one real journal, with a ledger in
//! another process: neither loses anything nor does anything twice, and each effect has one run below.

use crate::errand::{Errands, Event, Nothing};
use crate::scenarios::{Scenario, Stage, call, engine, finish};
use crate::sigkill::{self, PAUSE, read};
use crate::storm::{Storm, tools};
use futures_util::StreamExt as _;
use keiko_agent::state::Setup;
use keiko_contracts::action::{Action, Intent, Recovery, RunAction, ToolAction};
use keiko_contracts::envelope::StoredEvent;
use keiko_contracts::id::{RunId, WorkerId};
use keiko_contracts::journal::{Recorded, Seq, StreamId};
use keiko_contracts::model::Part;
use keiko_contracts::run::{RunEvent, StartRun};
use keiko_ports::journal::Journal as _;
use keiko_ports::shell::SystemClock;
use keiko_runtime::children::ChildRuns;
use keiko_runtime::drive::{Driver, Order, Unwatched};
use keiko_runtime::fold;
use keiko_runtime::ports::{DriveOptions, Ports};
use keiko_store::SqliteJournal;
use keiko_testkit::crash::{CrashPoint, Fuse};
use keiko_testkit::ledger::{Ledger, LedgerTools};
use keiko_testkit::ports::Outside;
use serde_json::json;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FILE: &str = "KEIKO_SIGKILL_BELOW_FILE";
const LEDGER: &str = "KEIKO_SIGKILL_BELOW_LEDGER";
const RUN: &str = "KEIKO_SIGKILL_BELOW_RUN";
const LEASE: Duration = Duration::from_millis(300);
/// More processes than any run here needs.
const PROCESSES_MAX: u32 = 200;

fn answers(step: u32, _: &Stage) -> Vec<Part> {
    std::thread::sleep(PAUSE);
    match step {
        1 => vec![call("c", "ledger_person", json!({"step": step}))],
        2 => LedgerTools::TOOLS
            .iter()
            .map(|(tool, _)| call(tool, tool, json!({"step": step})))
            .collect(),
        _ => finish(),
    }
}

const BELOW: Scenario = Scenario {
    name: "below",
    answers,
    ..sigkill::SCENARIO
};

fn run_id(n: u32) -> RunId {
    let [a, b, c, d] = n.to_be_bytes();
    RunId::from_bytes([8, 8, 8, 8, 8, 8, a, b, c, d])
}

fn errands(run: RunId) -> Errands {
    let tool = |name: &str, recovery| {
        let arguments = json!({"of": name}).to_string().into();
        Action::Tool(ToolAction {
            tool: name.parse().unwrap(),
            arguments,
            recovery,
            impact: keiko_testkit::ledger::impact_of(recovery),
        })
    };
    let below = |goal: &str| {
        Action::Run(RunAction {
            start: Box::new(StartRun {
                goal: goal.into(),
                ..BELOW.start()
            }),
        })
    };
    let todo = vec![
        tool("ledger_same_key", Recovery::SameKey),
        below("the first"),
        tool("ledger_person", Recovery::Person),
        below("the second"),
        tool("ledger_probe", Recovery::Probe),
    ];
    Errands {
        run,
        todo,
        asks: usize::MAX,
    }
}

/// Takes the run up, or begins it, and drives it until it rests.
#[tokio::test]
async fn child() {
    let (Some(file), Some(ledger), Some(n)) =
        (read::<PathBuf>(FILE), read(LEDGER), read::<u32>(RUN))
    else {
        return;
    };
    let journal = Arc::new(SqliteJournal::open(&file, keiko_store::Options::default()).unwrap());
    let storm = Storm::new(&BELOW, tools(), None);
    let stage = storm.stage();
    let outside = Outside::new(
        storm.world.clone(),
        Fuse::new(CrashPoint::Never),
        Arc::new(move |step, _| answers(step, &stage)),
    );
    let runs = ChildRuns::new(Setup {
        tools: storm.tools.clone(),
        engine,
    });
    let [a, b, c, d] = std::process::id().to_be_bytes();
    let ports = Ports {
        runs: runs.clone(),
        journal: journal.clone(),
        models: outside.clone(),
        sandbox: outside.clone(),
        host: outside,
        tools: Arc::new(LedgerTools::new(ledger).with_pause(PAUSE)),
        clock: Arc::new(SystemClock),
        policy: Arc::new(BELOW.policy()),
        worker: WorkerId::from_bytes([7, a, b, c, d]),
    };
    let driver = Driver::new(
        ports,
        DriveOptions {
            lease: LEASE,
            ..DriveOptions::default()
        },
    );
    runs.are_driven_by(&driver);
    let driver = driver.of(Nothing::default());
    let order = match driver.fold(run_id(n)).await {
        Ok(_) => Order::Resume {
            run: run_id(n),
            by: "child".into(),
            terms: Nothing::default(),
        },
        Err(_) => Order::Start(Box::new(errands(run_id(n)))),
    };
    let _ = driver
        .drive(order, Arc::new(Unwatched), keiko_ports::Cancel::new())
        .await;
    journal.close().await;
}

/// One process, ended after a time; whether it was.
fn process(file: &Path, ledger: &Ledger, n: u32, after: Option<Duration>) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sigkill_below::child", "--nocapture"])
        .env(FILE, file)
        .envs([(LEDGER, ledger.addr().to_string()), (RUN, n.to_string())])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if let Some(after) = after {
        let until = Instant::now() + after;
        while Instant::now() < until {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
    }
    child.wait().unwrap().signal() == Some(9)
}

async fn events<E: StoredEvent>(journal: &SqliteJournal, run: RunId) -> Vec<(Recorded, E)> {
    let mut events = Vec::new();
    let mut recorded = journal.read(&StreamId::run(run), Seq(0));
    while let Some(recorded) = recorded.next().await {
        let recorded = recorded.unwrap();
        let event = fold::hydrate(journal, &recorded).await.unwrap();
        events.push((recorded, event));
    }
    events
}

/// What may happen once has happened once, or a person was told that nobody knows.
fn check_deeds(ledger: &Ledger, intents: &[Intent], in_doubt: usize) {
    let mut missing = 0;
    for intent in intents.iter().filter(|intent| {
        matches!(intent.action, Action::Tool(_)) && intent.recovery != Recovery::Repeat
    }) {
        let done = ledger.count(&intent.key.to_string()).unwrap();
        assert!(done <= 1, "{} was done {done} times", intent.key);
        missing += usize::from(done == 0);
        assert!(
            done == 1 || intent.recovery == Recovery::Person,
            "{} was not done",
            intent.key
        );
    }
    assert!(
        missing <= in_doubt,
        "{missing} effects did not happen, and {in_doubt} were in doubt"
    );
}

/// Thirty, or as many as `cargo xtask soak crash` asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_kills_of_a_run_with_runs_below_lose_and_repeat_nothing() {
    let kills = read("KEIKO_CRASH_KILLS").unwrap_or(30_u32);
    let mut seed =
        read("KEIKO_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 16) | 1;
    eprintln!("seed {seed}");
    let (begin, dir) = (Instant::now(), tempfile::tempdir().unwrap());
    let file = dir.path().join("journal.db");
    let journal = SqliteJournal::open(&file, keiko_store::Options::default()).unwrap();
    let ledger = Ledger::start(&dir.path().join("ledger")).unwrap();
    assert!(!process(&file, &ledger, 0, None));
    let calm = begin.elapsed();
    let (mut killed, mut runs, mut doubts) = (0, 0, 0);
    for n in 1.. {
        for processes in 0.. {
            assert!(
                processes < PROCESSES_MAX,
                "run {n} does not come to its end"
            );
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let part = (seed >> 40) as f64 / f64::from(1 << 24);
            let after = (killed < kills).then(|| calm.mul_f64(part * 0.8));
            killed += u32::from(process(&file, &ledger, n, after));
            let above = events::<Event>(&journal, run_id(n)).await;
            if matches!(above.last(), Some((_, Event::Finished(_)))) {
                break;
            }
            if let Ok(Some((_, for_ms))) = journal.holder(&StreamId::run(run_id(n))).await {
                tokio::time::sleep(Duration::from_millis(for_ms)).await;
            }
        }
        doubts += check(&journal, &ledger, run_id(n)).await;
        runs += 1;
        if killed >= kills {
            break;
        }
    }
    assert_eq!(journal.check().await, []);
    eprintln!(
        "| above and below | {killed} kills | {runs} runs | {doubts} in doubt | {:.0} s |",
        begin.elapsed().as_secs_f32()
    );
    assert!(
        killed >= kills && runs > kills / 20,
        "{killed} kills, {runs} runs"
    );
}

/// What must hold of a run that is over, and of those below it; how many effects were in doubt.
async fn check(journal: &SqliteJournal, ledger: &Ledger, run: RunId) -> usize {
    let above = events::<Event>(journal, run).await;
    let (mut intents, mut below, mut in_doubt) = (Vec::new(), Vec::new(), 0);
    let mut ended = 0;
    for (_, event) in above {
        match event {
            Event::Intended(intent) => {
                if let Action::Run(action) = &intent.action {
                    below.push(action.start.run);
                }
                intents.push(*intent);
            }
            Event::CameOut(_) => ended += 1,
            Event::Waits(keiko_contracts::run::Suspension::Unknown { .. }) => in_doubt += 1,
            _ => {}
        }
    }
    assert_eq!(
        (intents.len(), ended, below.len()),
        (5, 5, 2),
        "{run}: each errand once"
    );
    for run in below {
        let events = events::<RunEvent>(journal, run).await;
        let mut open = 0_i32;
        for (recorded, event) in &events {
            match event {
                RunEvent::RunStarted(_) => {
                    assert_eq!(recorded.seq, Seq(1), "{run} was begun twice")
                }
                RunEvent::EffectIntended(intent) => {
                    open += 1;
                    intents.push((**intent).clone());
                }
                RunEvent::EffectEnded(_) => open -= 1,
                RunEvent::RunSuspended(keiko_contracts::run::Suspension::Unknown { .. }) => {
                    in_doubt += 1
                }
                _ => {}
            }
        }
        assert!(
            matches!(events.last(), Some((_, RunEvent::RunEnded(_)))) && open == 0,
            "{run} is not over"
        );
    }
    check_deeds(ledger, &intents, in_doubt);
    in_doubt
}
