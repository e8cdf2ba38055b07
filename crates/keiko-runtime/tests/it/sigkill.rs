//! Real processes that drive runs on one real journal are ended by SIGKILL, again and again: this test binary, started
//! again. A ledger in another process (this one, as they see it) counts what they did, one tool per recovery class.

use crate::scenarios::{PLAIN, Scenario, Stage, call, engine, finish};
use crate::storm::{Storm, tools};
use keiko_agent::state::Setup;
use keiko_contracts::action::{Action, Recovery};
use keiko_contracts::id::{EffectKey, RunId, WorkerId};
use keiko_contracts::journal::{Recorded, StreamId};
use keiko_contracts::model::{LiveFrame, Part};
use keiko_contracts::money::Micros;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{EndStatus, RunEvent, RunLimits, StartRun, Suspension};
use keiko_governance::class::ActionClass;
use keiko_governance::policy::Level;
use keiko_ports::journal::Journal as _;
use keiko_ports::shell::SystemClock;
use keiko_runtime::children::NoRuns;
use keiko_runtime::drive::{Driver, Order, Watch};
use keiko_runtime::fold;
use keiko_runtime::ports::{DriveOptions, Ports};
use keiko_store::SqliteJournal;
use keiko_testkit::crash::{CrashPoint, Fuse};
use keiko_testkit::ledger::{Ledger, LedgerTools};
use keiko_testkit::ports::Outside;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const FILE: &str = "KEIKO_SIGKILL_TEST_FILE";
const LEDGER: &str = "KEIKO_SIGKILL_TEST_LEDGER";
const RUN: &str = "KEIKO_SIGKILL_TEST_RUN";
const WORKER: &str = "KEIKO_SIGKILL_TEST_WORKER";
/// Runs that are stormed side by side, so that nobody waits for a dead process's lease.
const SIDE_BY_SIDE: u8 = 4;
const LEASE: Duration = Duration::from_millis(400);
/// How long a deed takes before and after it is done.
pub(crate) const PAUSE: Duration = Duration::from_millis(4);

fn answers(step: u32, _: &Stage) -> Vec<Part> {
    std::thread::sleep(PAUSE);
    match step {
        1 => vec![call("c", "ledger_same_key", json!({"step": step}))],
        2 => vec![call("c", "ledger_person", json!({"step": step}))],
        3 => vec![call("c", "ledger_probe", json!({"step": step}))],
        4 => vec![call("c", "ledger_repeat", json!({"step": step}))],
        5 => LedgerTools::TOOLS
            .iter()
            .map(|(tool, _)| call(tool, tool, json!({"step": step})))
            .collect(),
        6 => vec![call("c", "ledger_person", json!({"step": step}))],
        _ => finish(),
    }
}

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "killed",
    answers,
    workspace: false,
    levels: &[(ActionClass::ToolOther, Level::Run)],
    // Each request that a kill cuts off is booked at its reservation.
    limits: RunLimits {
        budget: Some(Micros(100_000_000)),
        ..PLAIN.limits
    },
    ends: EndStatus::Succeeded,
    ..PLAIN
};

/// Says each event after its commit, on a line of its own.
struct Speaker;

impl Watch for Speaker {
    fn event(&self, recorded: &Recorded, event: &RunEvent) {
        let what = match event {
            RunEvent::EffectIntended(intent) if matches!(intent.action, Action::Model(_)) => {
                "model".to_owned()
            }
            RunEvent::EffectIntended(intent) => format!("{:?}", intent.recovery),
            _ => recorded.kind.clone(),
        };
        println!("\nsaid {} {} {what}", recorded.seq, recorded.hash);
    }
    fn frame(&self, _: &EffectKey, _: LiveFrame) {}
}

pub(crate) fn read<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Takes its run up, or begins it, and drives it until it rests.
#[tokio::test]
async fn child() {
    let (Some(file), Some(ledger), Some(n), Some(worker)) = (
        read::<PathBuf>(FILE),
        read(LEDGER),
        read(RUN),
        read::<u64>(WORKER),
    ) else {
        return;
    };
    let journal = Arc::new(SqliteJournal::open(&file, keiko_store::Options::default()).unwrap());
    let storm = Storm::new(&SCENARIO, tools(), None);
    let stage = storm.stage();
    let outside = Outside::new(
        storm.world.clone(),
        Fuse::new(CrashPoint::Never),
        Arc::new(move |step, _| answers(step, &stage)),
    );
    let [.., a, b, c, d, e] = worker.to_be_bytes();
    let ports = Ports {
        runs: Arc::new(NoRuns),
        journal: journal.clone(),
        models: outside.clone(),
        sandbox: outside.clone(),
        host: outside,
        tools: Arc::new(LedgerTools::new(ledger).with_pause(PAUSE)),
        clock: Arc::new(SystemClock),
        policy: Arc::new(SCENARIO.policy()),
        worker: WorkerId::from_bytes([a, b, c, d, e]),
    };
    let driver = Driver::new(
        ports,
        DriveOptions {
            lease: LEASE,
            ..DriveOptions::default()
        },
    )
    .of(Setup {
        tools: storm.tools.clone(),
        engine,
    });
    let run = run_id(n);
    let order = match driver.fold(run).await {
        Ok(_) => Order::Resume {
            run,
            by: "child".into(),
            terms: RunTerms::default(),
        },
        Err(_) => Order::Start(Box::new(StartRun {
            run,
            ..SCENARIO.start()
        })),
    };
    let rest = driver
        .drive(order, Arc::new(Speaker), keiko_ports::Cancel::new())
        .await;
    println!("\nrests {rest:?}");
    journal.close().await;
}

fn run_id(n: u32) -> RunId {
    let [a, b, c, d] = n.to_be_bytes();
    RunId::from_bytes([9, 9, 9, 9, 9, 9, a, b, c, d])
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }
}

/// When a process is ended.
enum When {
    /// When it has worked for a part of what a whole run takes.
    After(Duration),
    /// A little after it said that an effect of a class is intended.
    Intended(Recovery, Duration),
    Never,
}

/// What the storms of one test share.
struct Field {
    file: PathBuf,
    ledger: Ledger,
    journal: SqliteJournal,
    tally: Mutex<Tally>,
    kills: u32,
}

#[derive(Debug, Default)]
struct Tally {
    runs: u32,
    processes: u64,
    kills: u32,
    /// Where they fell: the classes of the effects that stood open, or a word.
    fell: BTreeMap<String, u32>,
    said: usize,
    asked: BTreeSet<EffectKey>,
    doubtful: BTreeSet<EffectKey>,
}

/// The events of a run; none when it has not begun.
async fn events(journal: &SqliteJournal, run: RunId) -> Vec<(Recorded, RunEvent)> {
    use futures_util::StreamExt as _;
    let mut events = Vec::new();
    let mut recorded = journal.read(&StreamId::run(run), Default::default());
    while let Some(recorded) = recorded.next().await {
        let recorded = recorded.unwrap();
        let event = fold::hydrate(journal, &recorded).await.unwrap();
        events.push((recorded, event));
    }
    events
}

/// The effects that stand open, with their classes; a model request is none of the four tools.
fn open(events: &[(Recorded, RunEvent)]) -> BTreeMap<EffectKey, (Recovery, bool)> {
    let mut open = BTreeMap::new();
    for (_, event) in events {
        match event {
            RunEvent::EffectIntended(intent) => {
                open.insert(
                    intent.key.clone(),
                    (intent.recovery, matches!(intent.action, Action::Model(_))),
                );
            }
            RunEvent::EffectEnded(ended) => {
                open.remove(&ended.key);
            }
            _ => {}
        }
    }
    open
}

fn has_ended(events: &[(Recorded, RunEvent)]) -> bool {
    matches!(events.last(), Some((_, RunEvent::RunEnded(_))))
}

impl Field {
    /// One process on a run: whether it was killed, and the lines that it said.
    fn process(&self, n: u32, when: &When) -> (bool, Vec<String>) {
        let worker = {
            let mut tally = self.tally.lock().unwrap();
            tally.processes += 1;
            tally.processes
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sigkill::child", "--nocapture"])
            .env(FILE, &self.file)
            .envs([
                (LEDGER, self.ledger.addr().to_string()),
                (RUN, n.to_string()),
                (WORKER, worker.to_string()),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            // A line that the kill cut off says nothing.
            while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
                let _ = sender.send(std::mem::take(&mut line).trim_end().to_owned());
            }
        });
        let mut heard = Vec::new();
        let far = Instant::now() + Duration::from_secs(60);
        let alive = match when {
            When::After(time) => wait(&lines, &mut heard, Instant::now() + *time, |_| false),
            When::Intended(recovery, rest) => {
                let word = format!(" {recovery:?}");
                wait(&lines, &mut heard, far, |line| {
                    line.starts_with("said ") && line.ends_with(&word)
                }) && wait(&lines, &mut heard, Instant::now() + *rest, |_| false)
            }
            When::Never => wait(&lines, &mut heard, far, |_| false),
        };
        if alive {
            child.kill().unwrap();
        }
        let killed = child.wait().unwrap().signal() == Some(9);
        reader.join().unwrap();
        heard.extend(lines.iter());
        (killed, heard)
    }

    /// Drives run after run to its end through kills, until there were enough. Every process's end is looked at, killed
    /// or not: one that lost its lease on a busy machine has crashed too.
    async fn storm(&self, mut n: u32, calm: Duration, mut dice: Dice) {
        loop {
            let (mut said, run) = (BTreeSet::new(), run_id(n));
            for processes in 0.. {
                assert!(processes < 200, "run {n} does not come to its end");
                let number = self.tally.lock().unwrap().kills;
                let when = match number % 6 {
                    _ if number >= self.kills => When::Never,
                    aimed @ 0..=3 => {
                        // From the intent to some time after the outcome.
                        let rest = PAUSE.mul_f64(dice.up_to(300) as f64 / 100.0);
                        When::Intended(LedgerTools::TOOLS[aimed as usize].1, rest)
                    }
                    _ => When::After(calm.mul_f64(dice.up_to(700) as f64 / 1_000.0)),
                };
                let before = events(&self.journal, run).await.len();
                let (killed, lines) = self.process(n, &when);
                said.extend(
                    lines
                        .into_iter()
                        .filter_map(|line| line.strip_prefix("said ").map(str::to_owned)),
                );
                let events = events(&self.journal, run).await;
                self.count(killed, before, &events);
                if has_ended(&events) {
                    self.check(run, &events, &said);
                    break;
                }
                if let Ok(Some((_, for_ms))) = self.journal.holder(&StreamId::run(run)).await {
                    tokio::time::sleep(Duration::from_millis(for_ms)).await;
                }
            }
            let mut tally = self.tally.lock().unwrap();
            (tally.runs, tally.said) = (tally.runs + 1, tally.said + said.len());
            n += u32::from(SIDE_BY_SIDE);
            if tally.kills >= self.kills {
                return;
            }
        }
    }

    /// Notes where a kill fell, and what is in doubt since.
    fn count(&self, killed: bool, before: usize, events: &[(Recorded, RunEvent)]) {
        let (open, mut tally) = (open(events), self.tally.lock().unwrap());
        tally.doubtful.extend(
            open.iter()
                .filter(|(_, (recovery, _))| *recovery == Recovery::Person)
                .map(|(key, _)| key.clone()),
        );
        if !killed {
            return;
        }
        tally.kills += 1;
        let words: BTreeSet<String> = open
            .values()
            .map(|(recovery, model)| {
                if *model {
                    "model".into()
                } else {
                    format!("{recovery:?}")
                }
            })
            .collect();
        let place = if events.len() == before {
            "Starting".to_owned()
        } else if has_ended(events) {
            "Over".to_owned()
        } else if words.is_empty() {
            "Between".to_owned()
        } else {
            words.into_iter().collect::<Vec<_>>().join("+")
        };
        *tally.fell.entry(place).or_default() += 1;
    }

    /// What must hold of a run that is over.
    fn check(&self, run: RunId, events: &[(Recorded, RunEvent)], said: &BTreeSet<String>) {
        let mut tally = self.tally.lock().unwrap();
        let there: BTreeSet<String> = events
            .iter()
            .map(|(recorded, _)| format!("{} {}", recorded.seq, recorded.hash))
            .collect();
        let lost: Vec<&String> = said
            .iter()
            .filter(|said| {
                said.rsplit_once(' ')
                    .is_none_or(|(said, _)| !there.contains(said))
            })
            .collect();
        assert!(lost.is_empty(), "{run}: lost {lost:?}");
        let (mut intents, mut ends, mut asked) =
            (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for (_, event) in events {
            match event {
                RunEvent::EffectIntended(intent) => {
                    assert!(
                        intents
                            .insert(
                                intent.key.clone(),
                                (intent.recovery, intent.asked.tool().is_some())
                            )
                            .is_none(),
                        "{}",
                        intent.key
                    );
                }
                RunEvent::EffectEnded(ended) => assert!(
                    ends.insert(ended.key.clone()),
                    "{} came out twice",
                    ended.key
                ),
                RunEvent::RunSuspended(Suspension::Unknown { key, .. }) => {
                    assert!(asked.insert(key.clone()), "asked twice about {key}");
                }
                RunEvent::RunSuspended(other) => panic!("{run}: waits for {other:?}"),
                _ => {}
            }
        }
        assert!(
            intents.keys().eq(&ends),
            "{run}: each effect has one outcome"
        );
        let classes = |wanted: Recovery| {
            intents
                .iter()
                .filter(move |(_, (recovery, tool))| *recovery == wanted && *tool)
        };
        let tools = [
            Recovery::Repeat,
            Recovery::SameKey,
            Recovery::Probe,
            Recovery::Person,
        ]
        .map(|class| classes(class).count());
        assert_eq!(tools, [2, 2, 2, 3], "{run}: its tools, each once");
        for (key, (recovery, _)) in classes(Recovery::SameKey)
            .chain(classes(Recovery::Probe))
            .chain(classes(Recovery::Person))
        {
            let done = self.ledger.count(&key.to_string()).unwrap();
            let unknown = asked.contains(key);
            assert!(
                done == 1 || (done == 0 && unknown),
                "{run}: {recovery:?} effect {key} was done {done} times, asked: {unknown}"
            );
        }
        tally.asked.extend(asked);
    }
}

/// Hears what is said until a moment, or until a line comes that is waited for. False when the process has ended.
fn wait(
    lines: &Receiver<String>,
    heard: &mut Vec<String>,
    until: Instant,
    stop: impl Fn(&str) -> bool,
) -> bool {
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let found = stop(&line);
                heard.push(line);
                if found {
                    return true;
                }
            }
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Sixty, or as many as `cargo xtask soak crash` asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slow_kills_repeat_nothing_that_may_happen_once() {
    let kills = read("KEIKO_CRASH_KILLS").unwrap_or(60);
    let seed = read("KEIKO_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 16);
    eprintln!("seed {seed}");
    let (begin, dir) = (Instant::now(), tempfile::tempdir().unwrap());
    let file = dir.path().join("journal.db");
    let journal = SqliteJournal::open(&file, keiko_store::Options::default()).unwrap();
    let ledger = Ledger::start(&dir.path().join("ledger")).unwrap();
    let field = Arc::new(Field {
        file,
        ledger,
        journal,
        tally: Mutex::default(),
        kills,
    });
    let (_, lines) = field.process(u32::MAX, &When::Never);
    assert!(
        lines.iter().any(|line| line.starts_with("rests Ok(Ended")),
        "without a kill: {lines:?}"
    );
    let calm = begin.elapsed();
    let storms = (1..=SIDE_BY_SIDE).map(|n| {
        let field = field.clone();
        let dice = Dice((seed + u64::from(n)) | 1 << 32);
        tokio::spawn(async move { field.storm(u32::from(n), calm, dice).await })
    });
    for storm in futures_util::future::join_all(storms).await {
        storm.unwrap();
    }
    assert_eq!(field.journal.check().await, []);
    let tally = field.tally.lock().unwrap();
    eprintln!(
        "| ledger | {} kills | {} runs, {} processes | {} events said, lost 0, repeated 0, asked {} | {:.0} s | {:?} |",
        tally.kills,
        tally.runs,
        tally.processes,
        tally.said,
        tally.asked.len(),
        begin.elapsed().as_secs_f32(),
        tally.fell
    );
    assert_eq!(
        tally.asked, tally.doubtful,
        "a person is asked where a kill fell between intent and outcome, and nowhere else"
    );
    // The storm was one: it fell on every class, and runs came to their end between the kills.
    assert!(tally.kills >= kills && tally.runs > kills / 20, "{tally:?}");
    for class in ["Repeat", "SameKey", "Probe", "Person"] {
        let fell: u32 = tally
            .fell
            .iter()
            .filter(|(place, _)| place.split('+').any(|word| word == class))
            .map(|(_, n)| n)
            .sum();
        assert!(fell >= kills / 20, "{class}: {tally:?}");
    }
    assert!(tally.asked.len() >= kills as usize / 20, "{tally:?}");
}
