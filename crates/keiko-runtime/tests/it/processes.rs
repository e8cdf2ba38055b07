//! Eight processes take up the same runs at once: this test binary, started again.

use crate::scenarios::{PLAIN, Scenario, Stage, call, engine, finish};
use crate::storm::{Storm, tools};
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_contracts::id::{RunId, WorkerId};
use keiko_contracts::model::Part;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{EndStatus, InboxMessage, StartRun};
use keiko_contracts::time::Timestamp;
use keiko_governance::class::ActionClass;
use keiko_governance::policy::Level;
use keiko_ports::shell::SystemClock;
use keiko_runtime::children::NoRuns;
use keiko_runtime::drive::DriverOf;
use keiko_runtime::drive::{Driver, Order, Rest, Unwatched};
use keiko_runtime::inbox;
use keiko_runtime::ports::{DriveOptions, Ports};
use keiko_store::SqliteJournal;
use keiko_testkit::crash::{CrashPoint, Fuse};
use keiko_testkit::ledger::{Ledger, LedgerTools};
use keiko_testkit::ports::Outside;
use serde_json::json;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const FILE: &str = "KEIKO_RUNTIME_TEST_FILE";
const LEDGER: &str = "KEIKO_RUNTIME_TEST_LEDGER";
const WORKER: &str = "KEIKO_RUNTIME_TEST_WORKER";
const PROCESSES: u8 = 8;
const RUNS: u8 = 4;

fn answers(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![call("c", "ask_operator", json!({"question": "Now?"}))],
        2 => vec![call("c", "ledger_same_key", json!({}))],
        3 => vec![call("c", "ledger_person", json!({}))],
        4 => vec![call("c", "ledger_probe", json!({}))],
        _ => finish(),
    }
}

const SCENARIO: Scenario = Scenario {
    name: "eight processes",
    answers,
    workspace: false,
    levels: &[(ActionClass::ToolOther, Level::Run)],
    ends: EndStatus::Succeeded,
    ..PLAIN
};

fn driver(journal: &Arc<SqliteJournal>, ledger: SocketAddr, worker: u8) -> DriverOf<RunState> {
    let storm = Storm::new(&SCENARIO, tools(), None);
    let stage = storm.stage();
    let outside = Outside::new(
        storm.world.clone(),
        Fuse::new(CrashPoint::Never),
        Arc::new(move |step, _| answers(step, &stage)),
    );
    let ports = Ports {
        runs: Arc::new(NoRuns),
        journal: journal.clone(),
        models: outside.clone(),
        sandbox: outside.clone(),
        host: outside,
        tools: Arc::new(LedgerTools::new(ledger).with_pause(Duration::from_millis(300))),
        clock: Arc::new(SystemClock),
        policy: Arc::new(SCENARIO.policy()),
        worker: WorkerId::from_bytes([worker; 5]),
    };
    Driver::new(ports, DriveOptions::default()).of(Setup {
        tools: storm.tools.clone(),
        engine,
    })
}

fn run(n: u8) -> RunId {
    RunId::from_bytes([n; 10])
}

/// Takes up all runs at the word, and says what became of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Ok(file), Ok(ledger), Ok(worker)) = (
        std::env::var(FILE),
        std::env::var(LEDGER),
        std::env::var(WORKER),
    ) else {
        return;
    };
    let journal =
        Arc::new(SqliteJournal::open(Path::new(&file), keiko_store::Options::default()).unwrap());
    let driver = driver(&journal, ledger.parse().unwrap(), worker.parse().unwrap());
    println!("\nready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let runs = (0..RUNS).map(|n| {
        let driver = driver.clone();
        async move {
            let order = Order::Resume {
                run: run(n),
                by: "child".into(),
                terms: RunTerms::default(),
            };
            let said = match driver
                .drive(order, Arc::new(Unwatched), keiko_ports::Cancel::new())
                .await
            {
                Ok(Rest::Ended(end)) => format!("{:?}", end.status),
                Ok(Rest::Waiting(waiting)) => format!("{waiting:?}"),
                Err(error) => error.fault().code.to_string(),
            };
            println!("\nsaid {n} {said}");
        }
    });
    futures_util::future::join_all(runs).await;
    journal.close().await;
}

fn start(file: &Path, ledger: SocketAddr, worker: u8) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::child", "--nocapture"])
        .env(FILE, file)
        .envs([(LEDGER, ledger.to_string()), (WORKER, worker.to_string())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn eight_processes_take_up_the_same_runs_and_one_wins_each() {
    let dir = tempfile::tempdir().unwrap();
    let (file, ledger) = (
        dir.path().join("journal.db"),
        Ledger::start(&dir.path().join("ledger")).unwrap(),
    );
    let journal = Arc::new(SqliteJournal::open(&file, keiko_store::Options::default()).unwrap());
    let first = driver(&journal, ledger.addr(), 100);
    for n in 0..RUNS {
        let order = Order::Start(Box::new(StartRun {
            run: run(n),
            ..SCENARIO.start()
        }));
        let rest = first
            .drive(order, Arc::new(Unwatched), keiko_ports::Cancel::new())
            .await
            .unwrap();
        assert!(matches!(rest, Rest::Waiting(_)), "{rest:?}");
        let message = InboxMessage::Words {
            by: "me".into(),
            text: "Now.".into(),
        };
        inbox::say(journal.as_ref(), run(n), &message, Timestamp(1))
            .await
            .unwrap();
    }
    let mut children: Vec<Child> = (1..=PROCESSES)
        .map(|worker| start(&file, ledger.addr(), worker))
        .collect();
    let mut outputs: Vec<_> = children
        .iter_mut()
        .map(|child| BufReader::new(child.stdout.take().unwrap()).lines())
        .collect();
    for lines in &mut outputs {
        assert!(
            lines
                .by_ref()
                .map_while(Result::ok)
                .any(|line| line == "ready")
        );
    }
    for child in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    let said: Vec<String> = outputs
        .into_iter()
        .flat_map(|lines| lines.map_while(Result::ok))
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    for n in 0..RUNS {
        let of_run: Vec<&str> = said
            .iter()
            .filter_map(|line| line.strip_prefix(&format!("said {n} ")))
            .collect();
        let count = |what: &str| of_run.iter().filter(|said| **said == what).count();
        assert_eq!(
            (count("Succeeded"), count("KEI-6002")),
            (1, usize::from(PROCESSES) - 1),
            "{of_run:?}"
        );
    }
    let mut done = ledger.done().unwrap();
    let all = done.len();
    done.sort();
    done.dedup();
    assert_eq!(
        (done.len(), all),
        (3 * usize::from(RUNS), 3 * usize::from(RUNS)),
        "each effect once"
    );
    assert_eq!(journal.check().await, []);
}
