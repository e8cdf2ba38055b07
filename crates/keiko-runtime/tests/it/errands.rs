//! The second core in runs of its own: whatever ends their process, they go on to the same end, with a run below and without.

use crate::errand::{Done, Errand, Errands, Nothing};
use crate::no_models::NoModels;
use crate::scenarios::{call, engine, finish};
use crate::storm::{Ending, LEASE, OPTIONS, block_on, on_all_cores, tools};
use futures_util::FutureExt as _;
use keiko_agent::state::Setup as SetupOfRuns;
use keiko_agent::tools::ToolBox;
use keiko_contracts::action::{Action, HostAction, ModelAction, Recovery, RunAction, ToolAction};
use keiko_contracts::approval::Decision;
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{RunId, WorkerId};
use keiko_contracts::jail::{JailAction, JailOp, Source};
use keiko_contracts::journal::StreamId;
use keiko_contracts::model::Part;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{InboxMessage, RunLimits, StartRun, Suspension};
use keiko_contracts::time::Timestamp;
use keiko_governance::policy::RiskPolicy;
use keiko_ports::Cancel;
use keiko_runtime::children::ChildRuns;
use keiko_runtime::drive::{DriveError, Driver, Order, Rest, Unwatched};
use keiko_runtime::ports::{Ports, With};
use keiko_runtime::{fold, inbox};
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use keiko_testkit::flaw::{Flaw, Flawed};
use keiko_testkit::memory_journal::MemoryJournal;
use keiko_testkit::ports::{Answers, Outside, VirtualClock, World};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A world with errands in it.
#[derive(Clone)]
struct Yard {
    errands: fn() -> Errands,
    tools: Arc<ToolBox>,
    clock: Arc<VirtualClock>,
    world: Arc<World>,
    journal: Arc<MemoryJournal>,
    flaw: Option<Flaw>,
    setup: Nothing,
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
            impact: keiko_testkit::ledger::impact_of(recovery),
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

/// Errands with requests to a model in between, whose intents are not synced before they start.
fn with_quick_requests() -> Errands {
    let all = errands();
    let model = || {
        Action::Model(ModelAction {
            model: "fake/model".parse().unwrap(),
            from_item: 0,
            to_item: 0,
            request: Digest::default(),
            max_output_tokens: 100,
            estimate: 0,
        })
    };
    let todo = vec![
        model(),
        model(),
        all.todo[2].clone(),
        model(),
        model(),
        all.todo[3].clone(),
        model(),
        all.todo[4].clone(),
        model(),
        all.todo[5].clone(),
        model(),
    ];
    Errands {
        asks: 9,
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
            setup: Nothing::default(),
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
            models: Arc::new(NoModels),
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
        let driver = driver.of(self.setup.clone());
        let order = if self.journal.events(&StreamId::run(RUN)).is_empty() {
            Order::Start(Box::new((self.errands)()))
        } else {
            Order::Resume {
                run: RUN,
                by: "test".into(),
                terms: Nothing::default(),
            }
        };
        // Runs below have the models of the one above, which brings its own.
        let with = With {
            models: Some(outside),
            attended: false,
        };
        driver
            .drive_with(order, with, Arc::new(Unwatched), Cancel::new())
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
        fold::fold(self.journal.as_ref(), RUN, &self.setup)
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
            unpaid: self
                .world
                .charged()
                .minus(state.life.budget.spent())
                .minus(state.life.budget.cut_off()),
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
    /// What was charged and stands nowhere in the books.
    unpaid: Micros,
}

impl Left {
    /// As without a crash; of an effect in doubt, which a person was asked about, it may be that it did not happen.
    fn is_as(&self, calm: &Left) -> bool {
        let in_doubt = |what: &str| self.asked > 0 && what.contains("Person");
        let times = calm.times.iter().all(|(what, n)| {
            self.times.get(what) == Some(n) || (in_doubt(what) && !self.times.contains_key(what))
        });
        times
            && self.unpaid == Micros::ZERO
            && self.times.keys().all(|what| calm.times.contains_key(what))
            && (self.done, self.open, &self.files, &self.remote)
                == (calm.done, 0, &calm.files, &calm.remote)
    }
}

/// Ends a process at every moment, in this way; how many moments there were, and what went wrong.
fn sweep(errands: fn() -> Errands, how: Ending, flaw: Option<Flaw>) -> (usize, Vec<String>) {
    sweep_with(Nothing::default(), errands, how, flaw)
}

fn sweep_with(
    setup: Nothing,
    errands: fn() -> Errands,
    how: Ending,
    flaw: Option<Flaw>,
) -> (usize, Vec<String>) {
    let calm = block_on(Yard::new(errands, None).to_the_end(calmly)).unwrap();
    assert_eq!(
        (calm.done, calm.asked, calm.times.len()),
        (errands().todo.len(), 0, 4),
        "{calm:?}"
    );
    let yard = Yard {
        setup,
        ..Yard::new(errands, flaw)
    };
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

/// Their intents may be lost with the power, and with them what is known of their cost: all that was set aside is in the
/// books then. Everything else is as with any effect.
#[test]
fn every_prefix_of_quick_requests_goes_on_to_the_same_end_and_all_is_paid_for() {
    for how in [Ending::Killed, Ending::PowerCut] {
        let (moments, wrong) = sweep(with_quick_requests, how, None);
        assert_eq!(wrong, Vec::<String>::new(), "{how:?}");
        assert!(moments >= 40, "too few to tell: {moments}");
    }
    let keeps = Nothing {
        keeps_allowance: true,
    };
    let (_, wrong) = sweep_with(keeps, with_quick_requests, Ending::PowerCut, None);
    assert!(
        wrong
            .iter()
            .any(|what| what.contains("unpaid: Micros(1000)")),
        "a request whose intent was lost must be missed: {wrong:?}"
    );
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
