//! Drives a run to its end through crashes. A process really ends at a point, or every moment at which it could have
//! ended is kept while it goes on: a copy of all that would be left, from which others take the run up.

use crate::check::Left;
use crate::scenarios::{Scenario, Stage, engine};
use crate::toolbox;
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_agent::tools::ToolBox;
use keiko_contracts::action::Recovery;
use keiko_contracts::id::{EffectKey, RunId, WorkerId};
use keiko_contracts::journal::{Recorded, Seq, StreamId};
use keiko_contracts::model::LiveFrame;
use keiko_contracts::money::Micros;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{InboxMessage, RunEvent, RunLimits, Suspension};
use keiko_contracts::time::Timestamp;
use keiko_runtime::children::NoRuns;
use keiko_runtime::drive::DriverOf;
use keiko_runtime::drive::{DriveError, Driver, Order, Rest, Unwatched, Watch};
use keiko_runtime::ports::{DriveOptions, Ports};
use keiko_runtime::rebuild::{self, Thorough};
use keiko_runtime::{fold, inbox};
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use keiko_testkit::flaw::{Flaw, Flawed};
use keiko_testkit::memory_journal::MemoryJournal;
use keiko_testkit::ports::{Answers, Outside, VirtualClock, World};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) const LEASE: Duration = Duration::from_secs(1_000);
pub(crate) const OPTIONS: DriveOptions = DriveOptions {
    lease: LEASE,
    tries: 1,
    pause: Duration::ZERO,
};
/// More processes than any run here needs.
const PROCESSES_MAX: u8 = 60;

/// An event as it was committed.
pub(crate) type Event = Arc<(Recorded, RunEvent)>;

/// What goes from process to process.
#[derive(Debug, Clone, Default)]
struct Past {
    processes: u8,
    crashes: u32,
    /// What to take the run up with.
    limits: Option<RunLimits>,
    /// The effects of the class `person` that stood open when a process ended.
    doubtful: Vec<EffectKey>,
    /// What was seen to be committed, without a gap.
    events: Vec<Event>,
}

/// A world with a run in it. A clone is the same world; a fork is another.
#[derive(Clone)]
pub(crate) struct Storm {
    scenario: Arc<Scenario>,
    pub(crate) tools: Arc<ToolBox>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) world: Arc<World>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) run: RunId,
    flaw: Option<Flaw>,
    past: Arc<Mutex<Past>>,
}

/// A moment at which a process may end, and all that is left if it does.
pub(crate) struct Moment {
    pub(crate) point: CrashPoint,
    pub(crate) storm: Storm,
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It alone: what it has written is there.
    Killed,
    /// With the machine: what no barrier has synced is gone.
    PowerCut,
}

/// Sees the events of a process as it commits them.
struct Witness(Arc<Mutex<Past>>);

impl Watch for Witness {
    fn event(&self, recorded: &Recorded, event: &RunEvent) {
        let mut past = lock(&self.0);
        if recorded.seq.0 == past.events.len() as u64 + 1 {
            past.events
                .push(Arc::new((recorded.clone(), event.clone())));
        }
    }
    fn frame(&self, _: &EffectKey, _: LiveFrame) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storm {
    pub(crate) fn new(scenario: &Scenario, tools: Arc<ToolBox>, flaw: Option<Flaw>) -> Storm {
        let clock = VirtualClock::new();
        let journal = MemoryJournal::new(clock.clone());
        let (world, run) = (World::new(scenario.files), scenario.start().run);
        Storm {
            scenario: Arc::new(scenario.clone()),
            tools,
            world,
            journal,
            clock,
            run,
            flaw,
            past: Arc::default(),
        }
    }

    pub(crate) fn fork(&self) -> Storm {
        let clock = self.clock.fork();
        let journal = self.journal.fork(clock.clone());
        let past = Arc::new(Mutex::new(lock(&self.past).clone()));
        Storm {
            clock,
            journal,
            world: self.world.fork(),
            past,
            ..self.clone()
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage {
            world: self.world.clone(),
            journal: self.journal.clone(),
            clock: self.clock.clone(),
            run: self.run,
        }
    }

    fn answers(&self) -> Answers {
        let stage = self.stage();
        let answers = self.scenario.answers;
        Arc::new(move |step, _| answers(step, &stage))
    }

    /// What runs of agents work with.
    pub(crate) fn setup(&self) -> Setup {
        Setup {
            tools: self.tools.clone(),
            engine,
        }
    }

    pub(crate) fn driver(
        &self,
        journal: Arc<CrashJournal>,
        fuse: &Arc<Fuse>,
        worker: u8,
    ) -> DriverOf<RunState> {
        let outside = Outside::new(self.world.clone(), fuse.clone(), self.answers());
        let flawed = Flawed::new(self.flaw, journal, outside.clone());
        let ports = Ports {
            journal: flawed.clone(),
            models: outside,
            sandbox: flawed.clone(),
            host: flawed.clone(),
            tools: flawed,
            runs: Arc::new(NoRuns),
            clock: self.clock.clone(),
            policy: Arc::new(self.scenario.policy()),
            worker: WorkerId::from_bytes([worker; 5]),
        };
        Driver::new(ports, OPTIONS).of(self.setup())
    }

    pub(crate) async fn fold(&self) -> Option<RunState> {
        fold::fold(self.journal.as_ref(), self.run, &self.setup())
            .await
            .ok()
    }

    /// Drives the run to its end; each process ends at the next of `points`, and after the last none does.
    pub(crate) async fn to_the_end(&self, points: &[CrashPoint]) -> Result<Left, String> {
        self.go_on(points.iter().map(|point| Fuse::new(*point)).collect())
            .await
    }

    /// Drives the run to its end, and keeps every moment at which its process could have ended.
    pub(crate) async fn moments(&self) -> Result<(Left, Vec<Moment>), String> {
        let moments = Arc::new(Mutex::new(Vec::new()));
        let (storm, kept) = (self.clone(), moments.clone());
        let fuse = Fuse::shown(Box::new(move |point, half| {
            let storm = storm.fork();
            if let Some(op) = half {
                storm.world.half_do(op);
            }
            lock(&kept).push(Moment { point, storm });
        }));
        let left = self.go_on(vec![fuse]).await?;
        let moments = std::mem::take(&mut *lock(&moments));
        Ok((left, moments))
    }

    async fn go_on(&self, fuses: Vec<Arc<Fuse>>) -> Result<Left, String> {
        let mut fuses = fuses.into_iter();
        let mut fuse = fuses.next().unwrap_or_else(|| Fuse::new(CrashPoint::Never));
        loop {
            match self.process(&fuse).await? {
                None => {
                    self.crashed().await?;
                    fuse = fuses.next().unwrap_or_else(|| Fuse::new(CrashPoint::Never));
                }
                // The process may have ended with the last commit: then there is nothing to take up.
                Some(Ok(Rest::Ended(_)) | Err(DriveError::HasEnded(_))) => {
                    return self.left().await;
                }
                Some(Ok(Rest::Waiting(waiting))) => {
                    if let Suspension::Limit { .. } = waiting {
                        let more = RunLimits {
                            budget: Some(Micros(100_000)),
                            ..self.scenario.limits
                        };
                        lock(&self.past).limits = Some(more);
                    }
                    self.answer(&waiting).await;
                }
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
    }

    /// One process's part in the run; `None` when its fuse blew.
    async fn process(&self, fuse: &Arc<Fuse>) -> Result<Option<Result<Rest, DriveError>>, String> {
        let (worker, limits) = {
            let mut past = lock(&self.past);
            past.processes += 1;
            (past.processes, past.limits.take())
        };
        if worker > PROCESSES_MAX {
            return Err("the run does not come to its end".into());
        }
        let driver = self.driver(
            CrashJournal::new(self.journal.clone(), fuse.clone()),
            fuse,
            worker,
        );
        let order = if self.journal.events(&StreamId::run(self.run)).is_empty() {
            Order::Start(Box::new(self.scenario.start()))
        } else {
            Order::Resume {
                run: self.run,
                by: "test".into(),
                terms: RunTerms {
                    limits,
                    install: None,
                },
            }
        };
        Ok(tokio::select! {
            biased;
            () = fuse.blown() => None,
            rest = driver.drive(order, Arc::new(Witness(self.past.clone())), keiko_ports::Cancel::new()) => Some(rest),
        })
    }

    /// A process has ended. While its lease holds nobody else is let in.
    pub(crate) async fn crashed(&self) -> Result<(), String> {
        self.catch_up().await?;
        let worker = {
            let mut past = lock(&self.past);
            past.crashes += 1;
            let mut open = BTreeMap::new();
            for event in &past.events {
                match &event.1 {
                    RunEvent::EffectIntended(intent) => {
                        open.insert(&intent.key, intent.recovery);
                    }
                    RunEvent::EffectEnded(ended) => {
                        open.remove(&ended.key);
                    }
                    _ => {}
                }
            }
            let person = open
                .into_iter()
                .filter(|(_, recovery)| *recovery == Recovery::Person)
                .map(|(key, _)| key.clone());
            let person: Vec<EffectKey> = person.collect();
            past.doubtful.extend(person);
            past.processes
        };
        self.live_elsewhere(worker + 100).await?;
        self.clock.advance(LEASE);
        Ok(())
    }

    /// Reads what the journal has and nobody saw; forgets what was seen and is gone.
    async fn catch_up(&self) -> Result<(), String> {
        let there = self.journal.events(&StreamId::run(self.run));
        let seen = {
            let mut past = lock(&self.past);
            let same = there
                .iter()
                .zip(&past.events)
                .take_while(|(there, seen)| there.hash == seen.0.hash)
                .count();
            past.events.truncate(same);
            same
        };
        for recorded in &there[seen..] {
            let event = fold::hydrate(self.journal.as_ref(), recorded)
                .await
                .map_err(|error| error.to_string())?;
            lock(&self.past)
                .events
                .push(Arc::new(((**recorded).clone(), event)));
        }
        Ok(())
    }

    async fn live_elsewhere(&self, worker: u8) -> Result<(), String> {
        let fuse = Fuse::new(CrashPoint::Never);
        let driver = self.driver(
            CrashJournal::new(self.journal.clone(), fuse.clone()),
            &fuse,
            worker,
        );
        let order = Order::Resume {
            run: self.run,
            by: "too early".into(),
            terms: RunTerms::default(),
        };
        match driver
            .drive(order, Arc::new(Unwatched), keiko_ports::Cancel::new())
            .await
        {
            Err(error @ DriveError::Live { .. }) if error.fault().code == "KEI-6002" => Ok(()),
            other => Err(format!("a second process was let in: {other:?}")),
        }
    }

    /// A person answers whatever the run waits for.
    async fn answer(&self, waiting: &Suspension) {
        let say = async |message: InboxMessage| {
            inbox::say(self.journal.as_ref(), self.run, &message, Timestamp(1))
                .await
                .unwrap();
        };
        match waiting {
            Suspension::Question { .. } => {
                say(InboxMessage::Words {
                    by: "me".into(),
                    text: "The second.".into(),
                })
                .await
            }
            Suspension::Approval { .. } => {}
            _ => return,
        }
        let Some(state) = self.fold().await else {
            return;
        };
        for approval in state.life.open_approvals() {
            say(InboxMessage::Approval(approval.request.answer(
                self.scenario.decision,
                "me",
                None,
            )))
            .await;
        }
    }

    /// What is left now.
    pub(crate) async fn left(&self) -> Result<Left, String> {
        self.catch_up().await?;
        let past = lock(&self.past).clone();
        if past.crashes == 0 {
            self.views_are_right(&past.events).await?;
        }
        let state = RunState::new(&self.setup());
        Left::new(
            state,
            past.events,
            &self.world,
            past.doubtful.into_iter().collect(),
            past.crashes,
        )
    }

    /// The views say what the events do, and the row of a run that has ended goes with its last event alone.
    async fn views_are_right(&self, events: &[Event]) -> Result<(), String> {
        let journal = self.journal.as_ref();
        let last = Seq(events.len() as u64);
        let every = Thorough::EveryRun;
        let stale = rebuild::stale(journal, &[(self.run, last)], every, &self.setup())
            .await
            .map_err(|error| error.to_string())?;
        if !stale.is_empty() {
            return Err(format!("the views are not what the events say: {stale:?}"));
        }
        let ended = events
            .last()
            .is_some_and(|event| matches!(event.1, RunEvent::RunEnded(_)));
        let settled = rebuild::goes_with_its_end(journal, self.run, last)
            .await
            .map_err(|error| error.to_string())?;
        if settled == ended {
            Ok(())
        } else {
            Err(format!("ended: {ended}, but its row says {settled}"))
        }
    }

    /// What is read back from the journal is what was seen when it was committed.
    pub(crate) async fn reads_back_as_seen(&self) -> Result<(), String> {
        let seen = lock(&self.past).events.clone();
        for event in seen {
            let (recorded, event) = &*event;
            let read: RunEvent = fold::hydrate(self.journal.as_ref(), recorded)
                .await
                .map_err(|error| error.to_string())?;
            if read != *event {
                return Err(format!(
                    "event {} is read back as {read:?} instead of {event:?}",
                    recorded.seq
                ));
            }
        }
        Ok(())
    }
}

impl Moment {
    /// The process ends at this moment. False when a power cut leaves just what a kill leaves.
    pub(crate) fn ends(&self, how: Ending) -> bool {
        how == Ending::Killed || self.storm.journal.cut_power()
    }

    /// Others take the run up, and come to its end.
    pub(crate) async fn goes_on(&self) -> Result<Left, String> {
        self.storm.crashed().await?;
        self.storm.go_on(Vec::new()).await
    }

    /// As [`Moment::goes_on`], with every moment of the first that takes it up.
    pub(crate) async fn next_moments(&self) -> Result<Vec<Moment>, String> {
        self.storm.crashed().await?;
        Ok(self.storm.moments().await?.1)
    }
}

/// A runtime on this thread, as a test wants it.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Does all jobs on as many threads as there are cores.
pub(crate) fn on_all_cores<T: Send, R: Send>(
    jobs: Vec<T>,
    work: impl AsyncFn(T) -> R + Sync,
) -> Vec<R> {
    let (jobs, done) = (Mutex::new(jobs.into_iter()), Mutex::new(Vec::new()));
    let next = || lock(&jobs).next();
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                block_on(async {
                    while let Some(job) = next() {
                        let result = work(job).await;
                        lock(&done).push(result);
                    }
                });
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The tools of all runs here.
pub(crate) fn tools() -> Arc<ToolBox> {
    toolbox::tools()
}
