//! Drives a run to its end through crashes, and looks at what is left.

use crate::scenarios::{Scenario, Stage, engine};
use crate::toolbox;
use keiko_agent::state::RunState;
use keiko_agent::tools::ToolBox;
use keiko_contracts::action::{Action, Outcome, Recovery, Report as EffectReport};
use keiko_contracts::id::{EffectKey, RunId, WorkerId};
use keiko_contracts::journal::{Recorded, StreamId};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{InboxMessage, RunEvent, Suspension};
use keiko_contracts::time::Timestamp;
use keiko_governance::chain::ChainCheck;
use keiko_runtime::drive::{DriveError, Driver, Order, Rest, Unwatched};
use keiko_runtime::ports::{DriveOptions, Ports};
use keiko_runtime::{fold, inbox};
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use keiko_testkit::memory_journal::MemoryJournal;
use keiko_testkit::ports::{Answers, COST, Deed, Outside, VirtualClock, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const LEASE: Duration = Duration::from_secs(1_000);
/// More processes than any run here needs.
const PROCESSES_MAX: u8 = 60;

pub(crate) const OPTIONS: DriveOptions = DriveOptions { lease: LEASE, attended: false, tries: 1, pause: Duration::ZERO };

/// A world with a run in it.
pub(crate) struct Storm<'a> {
    scenario: &'a Scenario,
    pub(crate) tools: Arc<ToolBox>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) world: Arc<World>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) run: RunId,
    /// The journal loses an intent that a crash follows: what must never be.
    forgets: bool,
}

/// What is left at the end.
pub(crate) struct Left {
    pub(crate) state: RunState,
    pub(crate) events: Vec<(Recorded, RunEvent)>,
    pub(crate) deeds: Vec<Deed>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) remote: BTreeMap<String, String>,
    pub(crate) wrong: Vec<String>,
    pub(crate) charged: Micros,
    /// The effects that a person was asked about.
    pub(crate) asked: BTreeSet<EffectKey>,
    /// The effects of the class `person` that stood open when a process ended.
    pub(crate) doubtful: BTreeSet<EffectKey>,
    pub(crate) crashes: u32,
    /// Commits and effects of the first process.
    pub(crate) counts: (u32, u32),
}

impl<'a> Storm<'a> {
    pub(crate) fn new(scenario: &'a Scenario, tools: Arc<ToolBox>, forgets: bool) -> Storm<'a> {
        let clock = VirtualClock::new();
        let journal = MemoryJournal::new(clock.clone());
        Storm { scenario, tools, world: World::new(scenario.files), journal, clock, run: scenario.start().run, forgets }
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage { world: self.world.clone(), journal: self.journal.clone(), clock: self.clock.clone(), run: self.run }
    }

    fn answers(&self) -> Answers {
        let stage = self.stage();
        let answers = self.scenario.answers;
        Arc::new(move |step, _| answers(step, &stage))
    }

    pub(crate) fn driver(&self, journal: Arc<CrashJournal>, fuse: &Arc<Fuse>, worker: u8) -> Driver {
        let outside = Outside::new(self.world.clone(), fuse.clone(), self.answers());
        let ports = Ports {
            journal,
            models: outside.clone(),
            sandbox: outside.clone(),
            host: outside.clone(),
            tools: outside,
            clock: self.clock.clone(),
            policy: Arc::new(self.scenario.policy()),
            worker: WorkerId::from_bytes([worker; 5]),
        };
        Driver::new(ports, OPTIONS, self.tools.clone(), engine)
    }

    pub(crate) async fn fold(&self) -> Option<RunState> {
        fold::fold(self.journal.as_ref(), self.run, self.tools.clone(), engine).await.ok()
    }

    /// Drives the run to its end; each process ends at the next of `points`, and after the last none does.
    pub(crate) async fn to_the_end(&self, points: &[CrashPoint]) -> Result<Left, String> {
        let mut points = points.iter().copied();
        let mut fuse = Fuse::new(points.next().unwrap_or(CrashPoint::Never));
        let first = fuse.clone();
        let (mut crashes, mut doubtful, mut limits) = (0, BTreeSet::new(), None);
        for worker in 1..PROCESSES_MAX {
            let journal = CrashJournal::new(self.journal.clone(), fuse.clone());
            let driver = self.driver(journal.clone(), &fuse, worker);
            let order = if self.journal.events(&StreamId::run(self.run)).is_empty() {
                Order::Start(Box::new(self.scenario.start()))
            } else {
                Order::Resume { run: self.run, by: "test".into(), limits: limits.take() }
            };
            let rest = tokio::select! {
                biased;
                () = fuse.blown() => None,
                rest = driver.drive(order, Arc::new(Unwatched), keiko_ports::Cancel::new()) => Some(rest),
            };
            drop(driver);
            match rest {
                None => {
                    crashes += 1;
                    if self.forgets {
                        journal.lose_newest_intent();
                    }
                    let open = self.fold().await.map(|state| state.open).unwrap_or_default();
                    let person = open.into_values().filter(|intent| intent.recovery == Recovery::Person);
                    doubtful.extend(person.map(|intent| intent.key.clone()));
                    self.live_elsewhere(worker + 100).await?;
                    self.clock.advance(LEASE);
                    fuse = Fuse::new(points.next().unwrap_or(CrashPoint::Never));
                }
                // The process may have ended with the last commit: then there is nothing to take up.
                Some(Ok(Rest::Ended(_)) | Err(DriveError::HasEnded(_))) => return self.left(first.counts(), crashes, doubtful).await,
                Some(Ok(Rest::Waiting(waiting))) => {
                    if let Suspension::Limit { .. } = waiting {
                        let mut more = self.scenario.limits;
                        more.budget = Some(Micros(100_000));
                        limits = Some(more);
                    }
                    self.answer(&waiting).await;
                }
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
        Err("the run does not come to its end".into())
    }

    /// While the dead process's lease holds, nobody else may take the run up.
    async fn live_elsewhere(&self, worker: u8) -> Result<(), String> {
        let fuse = Fuse::new(CrashPoint::Never);
        let driver = self.driver(CrashJournal::new(self.journal.clone(), fuse.clone()), &fuse, worker);
        let order = Order::Resume { run: self.run, by: "too early".into(), limits: None };
        match driver.drive(order, Arc::new(Unwatched), keiko_ports::Cancel::new()).await {
            Err(error @ DriveError::Live { .. }) if error.fault().code == "KEI-6002" => Ok(()),
            other => Err(format!("a second process was let in: {other:?}")),
        }
    }

    /// A person answers whatever the run waits for.
    async fn answer(&self, waiting: &Suspension) {
        let say = async |message: InboxMessage| {
            inbox::say(self.journal.as_ref(), self.run, &message, Timestamp(1)).await.unwrap();
        };
        if let Suspension::Question { .. } = waiting {
            say(InboxMessage::Words { by: "me".into(), text: "The second.".into() }).await;
        }
        let Some(state) = self.fold().await else { return };
        for approval in state.open_approvals() {
            say(InboxMessage::Approval(approval.request.answer(self.scenario.decision, "me", None))).await;
        }
    }

    pub(crate) async fn left(&self, counts: (u32, u32), crashes: u32, doubtful: BTreeSet<EffectKey>) -> Result<Left, String> {
        let (mut events, mut asked) = (Vec::new(), BTreeSet::new());
        for recorded in self.journal.events(&StreamId::run(self.run)) {
            let event = fold::hydrate(self.journal.as_ref(), &recorded).await.map_err(|error| error.to_string())?;
            if let RunEvent::RunSuspended(Suspension::Unknown { key, .. }) = &event
                && !asked.insert(key.clone())
            {
                return Err(format!("a person was asked twice about {key}"));
            }
            events.push((recorded, event));
        }
        Ok(Left {
            state: self.fold().await.ok_or("there is no run")?,
            events,
            deeds: self.world.deeds(),
            files: self.world.files(),
            remote: self.world.remote(),
            wrong: self.world.wrong(),
            charged: self.world.charged(),
            asked,
            doubtful,
            crashes,
            counts,
        })
    }
}

/// What must be the same however often a run was crashed: no times, no places, no hashes.
fn essence(state: &RunState, ordered: bool) -> String {
    let mut messages: Vec<String> =
        state.conversation.messages().iter().map(|message| format!("{message:?}").replace("cache: true", "cache: false")).collect();
    if !ordered {
        messages.sort();
    }
    let end = state.ended.as_deref().map(|end| {
        let mut approvals = end.card.approvals.clone();
        approvals.sort();
        (end.status, &end.summary, &end.diff, &end.card.tests_after, approvals)
    });
    let commit_there = state.workspace.head.is_some();
    // A commit's id follows from the time; its place in the text does not.
    let id = state.workspace.head.as_ref().map_or("none", |commit| commit.0.as_str());
    let short = id.get(..10).unwrap_or(id);
    let text = format!(
        "{end:#?}\n{:?}\n{:?}\n{commit_there}\n{:?}\n{}\n{}\n{messages:#?}\n{:?}",
        state.workspace.tree,
        state.workspace.created,
        state.usage,
        state.step,
        state.finish_refusals,
        state.ledger.render(&[], 0),
    );
    text.replace(id, "COMMIT").replace(short, "COMMIT")
}

/// Everything that a crashed run promises, against the same run without a crash.
pub(crate) fn check(scenario: &Scenario, calm: &Left, left: &Left) -> Result<(), String> {
    if let Some(wrong) = left.wrong.first() {
        return Err(wrong.clone());
    }
    check_journal(left)?;
    check_deeds(calm, left)?;
    check_money(left)?;
    let status = left.state.ended.as_ref().map(|end| end.status);
    if status != Some(scenario.ends) {
        return Err(format!("it ended as {status:?}"));
    }
    if left.asked != left.doubtful {
        return Err(format!("a person was asked about {:?}; in doubt were {:?}", left.asked, left.doubtful));
    }
    if !left.asked.is_empty() {
        return Ok(());
    }
    if left.files != calm.files {
        return Err(format!("the workspace holds {:?}", left.files));
    }
    if left.remote.keys().ne(calm.remote.keys()) {
        return Err(format!("the remote holds {:?}", left.remote));
    }
    let (before, after) = (essence(&calm.state, scenario.ordered), essence(&left.state, scenario.ordered));
    match before.lines().zip(after.lines()).find(|(before, after)| before != after) {
        Some((before, after)) => Err(format!("the state differs: {after} instead of {before}")),
        None if before.len() != after.len() => Err("the state has another size".into()),
        None => Ok(()),
    }
}

/// The chain holds; each effect has one intent and one outcome; each approval is asked once and used once.
fn check_journal(left: &Left) -> Result<(), String> {
    let mut chain = ChainCheck::default();
    let (mut intended, mut open) = (BTreeSet::new(), BTreeSet::new());
    let (mut asked, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (recorded, event) in &left.events {
        chain.next(recorded).map_err(|fault| fault.to_string())?;
        let fresh = match event {
            RunEvent::EffectIntended(intent) => {
                // Leave for a model holds for all requests.
                let once = intent.approval.filter(|_| !matches!(intent.action, Action::Model(_)));
                let twice = once.is_some_and(|id| !used.insert(id));
                !twice && open.insert(intent.key.clone()) && intended.insert(intent.key.clone())
            }
            RunEvent::EffectEnded(ended) => open.remove(&ended.key),
            RunEvent::ApprovalRequested(request) => asked.insert(request.id),
            _ => true,
        };
        if !fresh {
            return Err(format!("event {} says a thing for the second time: {event:?}", recorded.seq));
        }
    }
    if open.is_empty() && left.state.open.is_empty() { Ok(()) } else { Err(format!("left open: {open:?}")) }
}

/// Exact counts by recovery class.
fn check_deeds(calm: &Left, left: &Left) -> Result<(), String> {
    let counts = |left: &Left, recovery: Recovery| {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        left.deeds.iter().filter(|deed| deed.recovery == recovery).for_each(|deed| *counts.entry(deed.key.to_string()).or_default() += 1);
        counts
    };
    for recovery in [Recovery::SameKey, Recovery::Probe, Recovery::Person] {
        let (before, after) = (counts(calm, recovery), counts(left, recovery));
        if let Some((key, n)) = after.iter().find(|(_, n)| **n != 1) {
            return Err(format!("{recovery:?} effect {key} was done {n} times"));
        }
        // An effect in doubt may not have happened; all others have.
        let missing = before.len() as i64 - after.len() as i64;
        if missing < 0 || missing > if recovery == Recovery::Person { left.asked.len() as i64 } else { 0 } {
            return Err(format!("{recovery:?}: {} effects instead of {}", after.len(), before.len()));
        }
    }
    let (before, after) = (counts(calm, Recovery::Repeat), counts(left, Recovery::Repeat));
    let kept = before.keys().filter(|key| after.contains_key(*key)).count();
    if left.crashes == 0 && kept != before.len() {
        return Err("a look was left out".into());
    }
    Ok(())
}

/// No more is spent than was allowed; what was charged and is not in the books was charged by a request that a crash
/// cut off.
fn check_money(left: &Left) -> Result<(), String> {
    let mut spent = Micros::ZERO;
    for (_, event) in &left.events {
        if let RunEvent::EffectEnded(ended) = event
            && let Outcome::Done(EffectReport::Model(report)) = &ended.outcome
        {
            spent = spent.plus(report.cost);
        }
    }
    let lost = Micros(COST.0 * u64::from(left.crashes));
    let budget = left.state.start.as_ref().and_then(|start| start.limits.budget).unwrap_or(Micros(u64::MAX));
    let good = spent == left.state.budget.spent()
        && spent <= budget
        && left.charged >= spent
        && left.charged <= spent.plus(lost)
        && left.state.budget.left() == Some(budget.minus(spent));
    if good { Ok(()) } else { Err(format!("spent {spent} of {budget}, charged {}", left.charged)) }
}

/// A runtime on this thread, as a test wants it.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A scenario without any crash: what the crashed ones are compared with.
pub(crate) async fn calm(scenario: &Scenario, tools: &Arc<ToolBox>) -> Left {
    let left = Storm::new(scenario, tools.clone(), false).to_the_end(&[]).await.unwrap_or_else(|why| panic!("{}: {why}", scenario.name));
    if let Err(why) = check(scenario, &left, &left) {
        panic!("{}, without a crash: {why}", scenario.name);
    }
    left
}

/// Every point at which a run with so many commits and effects can be crashed.
pub(crate) fn points((commits, effects): (u32, u32)) -> Vec<CrashPoint> {
    let at_commits = (1..=commits).flat_map(|n| [CrashPoint::BeforeCommit(n), CrashPoint::AfterCommit(n)]);
    let at_effects = (1..=effects).flat_map(|n| [CrashPoint::AmidEffect(n), CrashPoint::AfterEffect(n)]);
    at_commits.chain(at_effects).collect()
}

/// The tools of all runs here.
pub(crate) fn tools() -> Arc<ToolBox> {
    toolbox::tools()
}
