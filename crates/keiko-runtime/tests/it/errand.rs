//! A second durable core, as small as can be: things to do one after another, one of which a person is asked about. It has
//! a state, a start and events of its own, and goes through every prefix that a crash leaves, as runs of agents do: leases,
//! gate, permits, recovery, inbox and kill are not theirs alone.

use crate::scenarios::{call, engine, finish};
use crate::storm::{Ending, LEASE, OPTIONS, block_on, on_all_cores, tools};
use futures_util::FutureExt as _;
use keiko_agent::state::Setup as SetupOfRuns;
use keiko_agent::tools::ToolBox;
use keiko_contracts::action::{
    Action, HostAction, Intent, ModelAction, Outcome, Recovery, Report, RunAction, ToolAction,
};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, Decision};
use keiko_contracts::digest::Digest;
use keiko_contracts::envelope::StoredEvent;
use keiko_contracts::id::{EffectKey, ModelName, RunId, TaskId, WorkerId};
use keiko_contracts::jail::{JailAction, JailBody, JailOp, Source, TreeId};
use keiko_contracts::journal::{Epoch, Head, Seq, StreamId};
use keiko_contracts::model::{ChatRequest, Part};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{
    Ended, InboxMessage, Parent, RunEvent, RunLimits, RunRow, StartRun, Suspension,
};
use keiko_contracts::time::Timestamp;
use keiko_governance::core::{Core, CoreEvent, Decided, Env, Input, Setup, Start, Terms};
use keiko_governance::life::{Life, Stamp};
use keiko_governance::policy::RiskPolicy;
use keiko_governance::{approval, class};
use keiko_ports::Cancel;
use keiko_runtime::children::ChildRuns;
use keiko_runtime::drive::{DriveError, Driver, Order, Rest, Unwatched};
use keiko_runtime::ports::Ports;
use keiko_runtime::{fold, inbox};
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use keiko_testkit::flaw::{Flaw, Flawed};
use keiko_testkit::memory_journal::MemoryJournal;
use keiko_testkit::ports::{Answers, Outside, VirtualClock, World};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What there is to do, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Errands {
    pub(crate) run: RunId,
    pub(crate) todo: Vec<Action>,
    /// Which of them a person is asked about first.
    pub(crate) asks: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TakenUp {
    epoch: Epoch,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Closes {
    inbox: Seq,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    done: usize,
}

/// Kinds that no run of an agent has, but for the intent: permits are made from that.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Begun(Errands),
    TakenUp(TakenUp),
    Intended(Box<Intent>),
    CameOut(Box<Ended>),
    Asked(Box<ApprovalRequest>),
    Answered(ApprovalAnswer),
    Waits(Suspension),
    Closes(Closes),
    Finished(Done),
}

macro_rules! events {
    ($($kind:expr => $variant:ident),* $(,)?) => {
        impl StoredEvent for Event {
            fn kind(&self) -> &'static str {
                match self { $(Event::$variant(_) => $kind,)* }
            }
            fn version(&self) -> u16 {
                1
            }
            fn body(&self) -> Result<String, serde_json::Error> {
                match self { $(Event::$variant(data) => serde_json::to_string(data),)* }
            }
            fn from_body(kind: &str, _: u16, body: &[u8]) -> Result<Option<Self>, serde_json::Error> {
                $(if kind == $kind {
                    return Ok(Some(Event::$variant(serde_json::from_slice(body)?)));
                })*
                Ok(None)
            }
        }
    };
}
events! {
    "errands_begun" => Begun, "errands_taken_up" => TakenUp, RunEvent::EFFECT_INTENDED => Intended, "errand_came_out" => CameOut,
    "errand_asked" => Asked, "errand_answered" => Answered, "errands_wait" => Waits, "errands_close" => Closes, "errands_finished" => Finished,
}

impl CoreEvent for Event {
    fn intent(&self) -> Option<&Intent> {
        if let Event::Intended(intent) = self {
            Some(intent)
        } else {
            None
        }
    }
    fn needs_barrier(&self) -> bool {
        !matches!(self, Event::TakenUp(_))
    }
    fn changes_row(&self) -> bool {
        false
    }
    fn asks(&self) -> Option<&ApprovalRequest> {
        if let Event::Asked(request) = self {
            Some(request)
        } else {
            None
        }
    }
    fn answers(&self) -> Option<&ApprovalAnswer> {
        if let Event::Answered(answer) = self {
            Some(answer)
        } else {
            None
        }
    }
    fn is_end(&self) -> bool {
        matches!(self, Event::Finished(_))
    }
}

impl Start for Errands {
    fn run(&self) -> RunId {
        self.run
    }
    fn by(&self) -> &str {
        "me"
    }
    fn agent(&self) -> &str {
        "errands"
    }
    fn model(&self) -> Option<&ModelName> {
        None
    }
    fn budget(&self) -> Option<Micros> {
        None
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Nothing;
impl Terms for Nothing {
    fn budget(&self) -> Option<Option<Micros>> {
        None
    }
}
impl Setup for Nothing {
    type Core = Errand;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it makes no sense here")]
pub(crate) struct NoSense;

impl keiko_contracts::said::ToValue for NoSense {
    fn to_value(&self) -> keiko_contracts::said::Value {
        self.to_string().into()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Errand {
    life: Life,
    begun: Option<Errands>,
    done: usize,
    ordinal: u16,
    tree: Option<TreeId>,
    closing: bool,
    finished: Option<Arc<Done>>,
}

/// A decision in the making.
struct Draft<'a> {
    next: Errand,
    events: Vec<Event>,
    env: &'a Env<'a>,
}

impl Draft<'_> {
    fn emit(&mut self, event: Event) {
        self.next.apply(
            &Stamp {
                at: self.env.now,
                ..Stamp::default()
            },
            &event,
        );
        self.events.push(event);
    }

    fn intend(&mut self, mut action: Action, approval: Option<keiko_contracts::id::ApprovalId>) {
        let run = self.next.begun.as_ref().unwrap().run;
        let key = EffectKey {
            run,
            task: TaskId::main(),
            attempt: 1,
            step: 1,
            ordinal: self.next.ordinal,
        };
        if let Action::Run(below) = &mut action {
            below.start.run = RunId::child_of(&key);
            below.start.parent = Some(Parent {
                run,
                effect: Some(key.clone()),
                task: TaskId::main(),
                attempt: 1,
            });
        }
        let (digest, recovery) = (
            approval::digest(&action).unwrap(),
            class::recovery_of(&action),
        );
        let (reserve, epoch) = (Micros::ZERO, self.env.epoch);
        let intent = Intent {
            key,
            action,
            digest,
            recovery,
            reserve,
            approval,
            epoch,
            call: None,
            tool: None,
            title: None,
        };
        self.emit(Event::Intended(Box::new(intent)));
    }

    /// The next thing to do, if nothing is being done.
    fn go_on(&mut self) {
        let next = &self.next;
        if next.finished.is_some() || next.life.waiting.is_some() || !next.life.open.is_empty() {
            return;
        }
        if next.closing {
            return self.emit(Event::Finished(Done { done: next.done }));
        }
        let Some(begun) = next.begun.clone() else {
            return;
        };
        let Some(mut action) = begun.todo.get(next.done).cloned() else {
            return self.emit(Event::Finished(Done { done: next.done }));
        };
        if let Action::Jail(jail) = &mut action {
            jail.tree.clone_from(&next.tree);
        }
        if next.done != begun.asks {
            return self.intend(action, None);
        }
        let digest = approval::digest(&action).unwrap();
        let asked = next
            .life
            .standing(digest)
            .next()
            .map(|(id, asked)| (id, asked.answer.as_ref().map(|answer| answer.decision)));
        match asked {
            Some((id, Some(Decision::Approved))) => self.intend(action, Some(id)),
            Some(_) => {}
            None => {
                let key = EffectKey {
                    run: begun.run,
                    task: TaskId::main(),
                    attempt: 1,
                    step: 1,
                    ordinal: self.next.ordinal,
                };
                let id = approval::approval_id(&key, digest);
                let (reason, summary) = ("it is asked about".into(), "push".into());
                self.emit(Event::Asked(Box::new(ApprovalRequest {
                    id,
                    key,
                    action,
                    digest,
                    reason,
                    summary,
                    expires: None,
                })));
            }
        }
    }
}

impl Core for Errand {
    type Setup = Nothing;
    type Start = Errands;
    type Terms = Nothing;
    type Event = Event;
    type End = Done;
    type Reject = NoSense;

    fn new(_: &Nothing) -> Self {
        Errand::default()
    }

    fn decide(&self, env: &Env<'_>, input: Input<Self>) -> Result<Decided<Self>, NoSense> {
        let mut draft = Draft {
            next: self.clone(),
            events: Vec::new(),
            env,
        };
        let mut goes_on = true;
        match input {
            Input::Start(begun) => {
                draft.emit(Event::Begun(*begun));
                draft.emit(Event::TakenUp(TakenUp { epoch: env.epoch }));
            }
            Input::Resume { heard, .. } => {
                for (seq, message) in heard {
                    draft.hear(seq, message);
                }
                draft.emit(Event::TakenUp(TakenUp { epoch: env.epoch }));
            }
            Input::Inbox { seq, message } => draft.hear(seq, message),
            Input::Restore { key } => {
                let Some(Action::Jail(jail)) =
                    self.life.open.get(&key).map(|intent| intent.action.clone())
                else {
                    return Err(NoSense);
                };
                let Some(tree) = jail.tree else {
                    return Ok(Decided {
                        events: Vec::new(),
                        at: env.now,
                        next: draft.next,
                    });
                };
                draft.intend(
                    Action::Jail(JailAction {
                        workspace: jail.workspace,
                        op: JailOp::Restore { tree },
                        tree: None,
                    }),
                    None,
                );
                goes_on = false;
            }
            Input::Ended(ended) | Input::EndedLate(ended) => {
                let unknown = if let Outcome::Unknown { why } = &ended.outcome {
                    Some((ended.key.clone(), why.clone()))
                } else {
                    None
                };
                draft.emit(Event::CameOut(ended));
                if let Some((key, why)) = unknown {
                    draft.emit(Event::Waits(Suspension::Unknown { key, why }));
                }
            }
            Input::Parked { run } => draft.emit(Event::Waits(Suspension::Child { run })),
            Input::Suspend => draft.emit(Event::Waits(Suspension::Approval { open: 1 })),
            Input::Stopped { by } => draft.emit(Event::Waits(Suspension::Stopped {
                by,
                inbox: self.life.inbox,
            })),
            Input::Killed { reason } => draft.emit(Event::Waits(Suspension::Killed { reason })),
            Input::Found { .. } | Input::Tick => {}
        }
        if goes_on {
            draft.go_on();
        }
        Ok(Decided {
            events: draft.events,
            at: env.now,
            next: draft.next,
        })
    }

    fn apply(&mut self, stamp: &Stamp, event: &Event) {
        self.life.stamped(stamp);
        match event {
            Event::Begun(begun) => {
                self.life.started(stamp.at, None);
                self.begun = Some(begun.clone());
            }
            Event::TakenUp(taken) => self.life.resumed(stamp.at, taken.epoch),
            Event::Intended(intent) => {
                self.ordinal = intent.key.ordinal + 1;
                self.life.intended(intent);
            }
            Event::CameOut(ended) => {
                let Some(intent) = self.life.ended(ended) else {
                    return;
                };
                if let Outcome::Done(Report::Jail(report)) = &ended.outcome {
                    let opened = if let JailBody::Opened(opened) = &report.body {
                        Some(opened.tree.clone())
                    } else {
                        None
                    };
                    self.tree = report.tree.clone().or(opened).or(self.tree.take());
                }
                let restores = matches!(
                    &intent.action,
                    Action::Jail(JailAction {
                        op: JailOp::Restore { .. },
                        ..
                    })
                );
                self.done += usize::from(!restores && !matches!(ended.outcome, Outcome::Cancelled));
            }
            Event::Asked(request) => self.life.asked(request),
            Event::Answered(answer) => self.life.resolved(answer),
            Event::Waits(why) => self.life.suspended(why),
            Event::Closes(closes) => {
                self.life.heard(Some(closes.inbox));
                self.life.waiting = None;
                self.closing = true;
            }
            Event::Finished(done) => self.finished = Some(Arc::new(done.clone())),
        }
        self.life.count_time(stamp.at);
    }

    fn life(&self) -> &Life {
        &self.life
    }
    fn committed(&mut self, seq: Seq, hash: Digest) {
        self.life.head = (seq, hash);
    }
    fn start(&self) -> Option<&Errands> {
        self.begun.as_ref()
    }
    fn ended(&self) -> Option<&Arc<Done>> {
        self.finished.as_ref()
    }
    fn is_closing(&self) -> bool {
        self.closing
    }
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }
    fn request(&self, _: &ModelAction) -> Option<Arc<ChatRequest>> {
        None
    }
    fn label(&self, _: &Event) -> Head {
        Head::default()
    }
    fn row(&self, _: Timestamp) -> Option<RunRow> {
        None
    }
}

impl Draft<'_> {
    fn hear(&mut self, inbox: Seq, message: InboxMessage) {
        match message {
            InboxMessage::Approval(answer) => {
                if let Some(answer) =
                    self.next
                        .life
                        .judge_answer(answer, self.env.now, self.env.epoch)
                {
                    self.emit(Event::Answered(answer));
                }
            }
            InboxMessage::Cancel { .. } if !self.next.closing => {
                self.emit(Event::Closes(Closes { inbox }))
            }
            InboxMessage::Cancel { .. }
            | InboxMessage::Words { .. }
            | InboxMessage::Stop { .. } => {}
        }
    }
}

/// A world with errands in it.
#[derive(Clone)]
struct Yard {
    errands: fn() -> Errands,
    tools: Arc<ToolBox>,
    clock: Arc<VirtualClock>,
    world: Arc<World>,
    journal: Arc<MemoryJournal>,
    flaw: Option<Flaw>,
    /// Somebody ends the run above while the model of the one below answers.
    cancels: bool,
}

const RUN: RunId = RunId::from_bytes([7; 10]);

fn errands() -> Errands {
    let tool = |name: &str, recovery| {
        Action::Tool(ToolAction {
            tool: name.parse().unwrap(),
            arguments: format!("{{\"of\":{name:?}}}").into(),
            recovery,
        })
    };
    let jail = |op| {
        Action::Jail(JailAction {
            workspace: RUN,
            op,
            tree: None,
        })
    };
    let write = |path: &str| {
        jail(JailOp::WriteFile {
            path: path.into(),
            text: "done".into(),
        })
    };
    let push = HostAction::Push {
        workspace: RUN,
        remote: "origin".into(),
        branch: "main".into(),
        commit: "c0ffee".into(),
        expected: None,
    };
    let todo = vec![
        jail(JailOp::Open {
            source: Source::Empty,
        }),
        write("one"),
        tool("ledger_same_key", Recovery::SameKey),
        tool("ledger_probe", Recovery::Probe),
        tool("ledger_person", Recovery::Person),
        Action::Host(push),
        write("two"),
    ];
    Errands {
        run: RUN,
        asks: 5,
        todo,
    }
}

/// What the model of the run below answers.
fn answers(step: u32) -> Vec<Part> {
    match step {
        1 => vec![call(
            "c1",
            "write_file",
            json!({"path": "below", "text": "done"}),
        )],
        2 => vec![call("c1", "ledger_person", json!({"n": 1}))],
        3 => vec![
            call("c1", "ledger_probe", json!({"n": 2})),
            call("c2", "read_file", json!({"path": "below"})),
        ],
        _ => finish(),
    }
}

/// Errands one of which is a run of an agent.
fn with_a_run_below() -> Errands {
    let start = StartRun {
        model: Some("fake/model".parse().unwrap()),
        source: Some(Source::Empty),
        limits: RunLimits {
            max_seconds: 100_000,
            ..RunLimits::default()
        },
        ..StartRun::new(RUN, "me".into(), "do it", "coder".parse().unwrap())
    };
    let all = errands();
    let todo = vec![
        all.todo[2].clone(),
        Action::Run(RunAction {
            start: Box::new(start),
        }),
        all.todo[5].clone(),
    ];
    Errands {
        asks: 2,
        todo,
        ..all
    }
}

impl Yard {
    fn new(errands: fn() -> Errands, flaw: Option<Flaw>) -> Yard {
        let clock = VirtualClock::new();
        Yard {
            errands,
            tools: tools(),
            journal: MemoryJournal::new(clock.clone()),
            world: World::new(&[]),
            clock,
            flaw,
            cancels: false,
        }
    }

    fn fork(&self) -> Yard {
        let clock = self.clock.fork();
        Yard {
            journal: self.journal.fork(clock.clone()),
            world: self.world.fork(),
            clock,
            ..self.clone()
        }
    }

    fn answers(&self) -> Answers {
        let yard = self.clone();
        Arc::new(move |step, _| {
            if yard.cancels && yard.world.first_time("cancel") {
                let word = InboxMessage::Cancel {
                    by: "me".into(),
                    reason: "enough".into(),
                };
                inbox::say(yard.journal.as_ref(), RUN, &word, Timestamp(1))
                    .now_or_never()
                    .unwrap()
                    .unwrap();
            }
            answers(step)
        })
    }

    /// What runs of agents below work with.
    fn below(&self) -> SetupOfRuns {
        SetupOfRuns {
            tools: self.tools.clone(),
            engine,
        }
    }

    /// One process's part.
    async fn process(&self, fuse: &Arc<Fuse>, worker: u8) -> Result<Rest<Done>, DriveError> {
        let outside = Outside::new(self.world.clone(), fuse.clone(), self.answers());
        let journal = CrashJournal::new(self.journal.clone(), fuse.clone());
        let flawed = Flawed::new(self.flaw, journal, outside.clone());
        let runs = ChildRuns::new(self.below());
        let ports = Ports {
            journal: flawed.clone(),
            models: outside,
            sandbox: flawed.clone(),
            host: flawed.clone(),
            tools: flawed,
            runs: runs.clone(),
            clock: self.clock.clone(),
            policy: Arc::new(RiskPolicy::default()),
            worker: WorkerId::from_bytes([worker; 5]),
        };
        let driver = Driver::new(ports, OPTIONS);
        runs.are_driven_by(&driver);
        let driver = driver.of(Nothing);
        let order = if self.journal.events(&StreamId::run(RUN)).is_empty() {
            Order::Start(Box::new((self.errands)()))
        } else {
            Order::Resume {
                run: RUN,
                by: "test".into(),
                terms: Nothing,
            }
        };
        driver
            .drive(order, Arc::new(Unwatched), Cancel::new())
            .await
    }

    /// To the end, with a person who says yes.
    async fn to_the_end(&self, fuse: impl Fn() -> Arc<Fuse>) -> Result<Left, String> {
        let mut asked = 0;
        for worker in 1..30 {
            match self.process(&fuse(), worker).await {
                Ok(Rest::Ended(_)) | Err(DriveError::HasEnded(_)) => return self.left(asked).await,
                Ok(Rest::Waiting(waiting)) => {
                    asked += u32::from(self.answer(&waiting).await?);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("they do not come to an end".into())
    }

    /// A person answers whatever is waited for, here or below; true when it was an effect that nobody knows about.
    async fn answer(&self, waiting: &Suspension) -> Result<bool, String> {
        let (run, life) = match waiting {
            Suspension::Child { run } => {
                let state = fold::fold(self.journal.as_ref(), *run, &self.below())
                    .await
                    .map_err(|error| error.to_string())?;
                (*run, state.life)
            }
            _ => (RUN, self.fold().await?.life),
        };
        for approval in life.open_approvals() {
            let yes =
                InboxMessage::Approval(approval.request.answer(Decision::Approved, "me", None));
            inbox::say(self.journal.as_ref(), run, &yes, Timestamp(1))
                .await
                .unwrap();
        }
        Ok(matches!(life.waiting, Some(Suspension::Unknown { .. })))
    }

    async fn fold(&self) -> Result<Errand, String> {
        fold::fold(self.journal.as_ref(), RUN, &Nothing)
            .await
            .map_err(|error| error.to_string())
    }

    async fn left(&self, asked: u32) -> Result<Left, String> {
        let state = self.fold().await?;
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for deed in self
            .world
            .deeds()
            .iter()
            .filter(|deed| !matches!(deed.recovery, Recovery::Repeat | Recovery::Restore))
        {
            *times
                .entry(format!("{} {:?}", deed.what, deed.recovery))
                .or_default() += 1;
        }
        Ok(Left {
            done: state.done,
            open: state.life.open.len(),
            files: self.world.files(),
            remote: self.world.remote(),
            times,
            asked,
        })
    }
}

fn calmly() -> Arc<Fuse> {
    Fuse::new(CrashPoint::Never)
}

/// What is left at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    done: usize,
    open: usize,
    files: BTreeMap<String, String>,
    remote: BTreeMap<String, String>,
    /// How often what may happen once has happened.
    times: BTreeMap<String, u32>,
    asked: u32,
}

impl Left {
    /// As without a crash; of an effect in doubt, which a person was asked about, it may be that it did not happen.
    fn is_as(&self, calm: &Left) -> bool {
        let in_doubt = |what: &str| self.asked > 0 && what.contains("Person");
        let times = calm.times.iter().all(|(what, n)| {
            self.times.get(what) == Some(n) || (in_doubt(what) && !self.times.contains_key(what))
        });
        times
            && self.times.keys().all(|what| calm.times.contains_key(what))
            && (self.done, self.open, &self.files, &self.remote)
                == (calm.done, 0, &calm.files, &calm.remote)
    }
}

/// Ends a process at every moment, in this way; how many moments there were, and what went wrong.
fn sweep(errands: fn() -> Errands, how: Ending, flaw: Option<Flaw>) -> (usize, Vec<String>) {
    let calm = block_on(Yard::new(errands, None).to_the_end(calmly)).unwrap();
    assert_eq!(
        (calm.done, calm.asked, calm.times.len()),
        (errands().todo.len(), 0, 4),
        "{calm:?}"
    );
    let yard = Yard::new(errands, flaw);
    let moments = Arc::new(Mutex::new(Vec::new()));
    let (there, kept) = (yard.clone(), moments.clone());
    let fuse = || {
        let (there, kept) = (there.clone(), kept.clone());
        Fuse::shown(Box::new(move |point, half| {
            let yard = there.fork();
            if let Some(op) = half {
                yard.world.half_do(op);
            }
            kept.lock().unwrap().push((point, yard));
        }))
    };
    block_on(yard.to_the_end(fuse)).unwrap();
    let moments = std::mem::take(&mut *moments.lock().unwrap());
    let count = moments.len();
    let wrong = on_all_cores(moments, async |(point, yard)| {
        if how == Ending::PowerCut && !yard.journal.cut_power() {
            return None;
        }
        yard.clock.advance(LEASE);
        match yard.to_the_end(calmly).await {
            Ok(left) if left.is_as(&calm) => None,
            Ok(left) => Some(format!("{point:?}: {left:?}")),
            Err(why) => Some(format!("{point:?}: {why}")),
        }
    });
    (count, wrong.into_iter().flatten().collect())
}

#[test]
fn every_prefix_of_another_core_goes_on_to_the_same_end() {
    for how in [Ending::Killed, Ending::PowerCut] {
        let (moments, wrong) = sweep(errands, how, None);
        assert_eq!(wrong, Vec::<String>::new(), "{how:?}");
        assert!(moments >= 20, "too few to tell: {moments}");
    }
}

/// The process that ends drives both the run above and the one below.
#[test]
fn every_prefix_of_a_run_with_a_run_below_goes_on_to_the_same_end() {
    for how in [Ending::Killed, Ending::PowerCut] {
        let (moments, wrong) = sweep(with_a_run_below, how, None);
        assert_eq!(wrong, Vec::<String>::new(), "{how:?}");
        assert!(moments >= 50, "too few to tell: {moments}");
    }
    let (flaw, how) = (Flaw::ActsFirst, Ending::Killed);
    assert_ne!(
        sweep(with_a_run_below, how, Some(flaw)).1,
        Vec::<String>::new(),
        "{flaw:?} was not noticed"
    );
}

#[test]
fn a_run_below_that_waits_lets_the_one_above_wait_and_goes_on_with_it() {
    block_on(async {
        let yard = Yard::new(with_a_run_below, None);
        let fuse = Fuse::new(CrashPoint::Never);
        let rest = yard.process(&fuse, 1).await.unwrap();
        let Rest::Waiting(Suspension::Child { run }) = rest else {
            panic!("{rest:?}")
        };
        let below = fold::fold(yard.journal.as_ref(), run, &yard.below())
            .await
            .unwrap();
        let above = below.start.as_ref().unwrap().parent.clone().unwrap();
        assert_eq!(
            (above.run, RunId::child_of(&above.effect.unwrap())),
            (RUN, run)
        );
        assert!(
            matches!(below.life.waiting, Some(Suspension::Approval { open: 1 })),
            "{:?}",
            below.life.waiting
        );
        // Taken up without an answer, it waits again, and nothing was begun for the second time.
        let again = yard.process(&fuse, 2).await.unwrap();
        assert!(
            matches!(again, Rest::Waiting(Suspension::Child { run: same }) if same == run),
            "{again:?}"
        );
        let left = yard.to_the_end(calmly).await.unwrap();
        assert_eq!(
            (left.done, left.times.values().copied().max()),
            (3, Some(1)),
            "{left:?}"
        );
    });
}

/// Ended while a run below waits: that run is not waited for, and nothing more is done.
#[test]
fn a_run_that_ends_does_not_wait_for_the_one_below() {
    block_on(async {
        let yard = Yard::new(with_a_run_below, None);
        let fuse = Fuse::new(CrashPoint::Never);
        let Ok(Rest::Waiting(Suspension::Child { .. })) = yard.process(&fuse, 1).await else {
            panic!("the run below waits")
        };
        let word = InboxMessage::Cancel {
            by: "me".into(),
            reason: "enough".into(),
        };
        inbox::say(yard.journal.as_ref(), RUN, &word, Timestamp(1))
            .await
            .unwrap();
        let rest = yard.process(&fuse, 2).await.unwrap();
        assert!(
            matches!(&rest, Rest::Ended(done) if done.done == 1),
            "{rest:?}"
        );
        let left = yard.left(0).await.unwrap();
        assert_eq!((left.open, left.remote.len()), (0, 0), "{left:?}");
        // The word comes while one process drives both.
        let yard = Yard {
            cancels: true,
            ..Yard::new(with_a_run_below, None)
        };
        let rest = yard.process(&fuse, 1).await.unwrap();
        assert!(
            matches!(&rest, Rest::Ended(done) if done.done == 1),
            "{rest:?}"
        );
        let left = yard.left(0).await.unwrap();
        assert_eq!((left.open, left.remote.len()), (0, 0), "{left:?}");
    });
}

#[test]
fn a_driver_with_a_fault_is_caught_by_another_core_too() {
    for (flaw, how) in [
        (Flaw::ActsFirst, Ending::Killed),
        (Flaw::LazyIntents, Ending::PowerCut),
        (Flaw::IgnoresClass, Ending::Killed),
    ] {
        assert_ne!(
            sweep(errands, how, Some(flaw)).1,
            Vec::<String>::new(),
            "{flaw:?} was not noticed"
        );
    }
}

#[test]
fn a_kill_reaches_another_core() {
    block_on(async {
        let yard = Yard::new(errands, None);
        let fuse = Fuse::new(CrashPoint::Never);
        let Ok(Rest::Waiting(Suspension::Approval { .. })) = yard.process(&fuse, 1).await else {
            panic!("it waits for a person")
        };
        let state = yard.fold().await.unwrap();
        let yes =
            InboxMessage::Approval(state.life.open_approvals().next().unwrap().request.answer(
                Decision::Approved,
                "me",
                None,
            ));
        inbox::say(yard.journal.as_ref(), RUN, &yes, Timestamp(1))
            .await
            .unwrap();
        use keiko_contracts::journal::KillScope;
        use keiko_ports::journal::Journal as _;
        yard.journal
            .kill(KillScope::All, "smoke", "me")
            .await
            .unwrap();
        let rest = yard.process(&fuse, 2).await.unwrap();
        assert!(
            matches!(rest, Rest::Waiting(Suspension::Approval { .. })),
            "a yes from before the kill does not count: {rest:?}"
        );
        assert!(yard.world.remote().is_empty());
    });
}
