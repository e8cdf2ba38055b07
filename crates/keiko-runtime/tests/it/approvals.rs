//! What a person's answer is good for: one action, once, in time, and not across a kill.

use crate::scenarios::{PLAIN, Scenario, Stage, call, engine, finish};
use crate::storm::{OPTIONS, Storm, block_on, tools};
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_contracts::action::{Action, ActionDigest};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, ApprovalRow, Decision};
use keiko_contracts::code::Code;
use keiko_contracts::digest::Digest;
use keiko_contracts::id::EffectKey;
use keiko_contracts::journal::{KillScope, Recorded, StreamId};
use keiko_contracts::model::{LiveFrame, Part};
use keiko_contracts::run::{
    EndStatus, InboxMessage, NoteKind, RefusedBy, RunEvent, RunLimits, RunTerms, Suspension,
};
use keiko_governance::class::ActionClass;
use keiko_governance::policy::{Level, RiskPolicy};
use keiko_ports::Cancel;
use keiko_ports::journal::{Journal as _, ViewQuery};
use keiko_ports::shell::Clock as _;
use keiko_runtime::drive::DriverOf;
use keiko_runtime::drive::{DriveError, Driver, Order, Rest, Unwatched, Watch};
use keiko_runtime::ports::{DriveOptions, Ports, With};
use keiko_runtime::{inbox, views};
use keiko_testkit::crash::{CrashJournal, CrashPoint, Fuse};
use keiko_testkit::memory_journal::MemoryJournal;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

fn one_tool(step: u32, _: &Stage) -> Vec<Part> {
    if step == 1 {
        vec![call("c1", "ledger_person", json!({"n": 1}))]
    } else {
        finish()
    }
}

/// The same tool, with other arguments in the second step.
fn changed(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 | 2 => vec![call("c1", "ledger_person", json!({"n": step}))],
        _ => finish(),
    }
}

const ONE: Scenario = Scenario {
    name: "one",
    answers: one_tool,
    workspace: false,
    ends: EndStatus::Succeeded,
    ..PLAIN
};
const MODEL: Scenario = Scenario {
    name: "model asked",
    levels: &[(ActionClass::Model, Level::Ask)],
    ..ONE
};
const ALERTED: Scenario = Scenario {
    name: "model told",
    levels: &[(ActionClass::Model, Level::Alert)],
    ..ONE
};
const FORBIDDEN: Scenario = Scenario {
    name: "model forbidden",
    levels: &[(ActionClass::Model, Level::Forbid)],
    ..ONE
};

/// A world in which one process after another takes the run up.
struct Bench<'a> {
    storm: Storm,
    scenario: &'a Scenario,
    workers: std::cell::Cell<u8>,
}

impl<'a> Bench<'a> {
    fn new(scenario: &'a Scenario) -> Bench<'a> {
        Bench {
            storm: Storm::new(scenario, tools(), None),
            scenario,
            workers: std::cell::Cell::new(0),
        }
    }

    fn driver(&self) -> DriverOf<RunState> {
        self.workers.set(self.workers.get() + 1);
        let fuse = Fuse::new(CrashPoint::Never);
        self.storm.driver(
            CrashJournal::new(self.storm.journal.clone(), fuse.clone()),
            &fuse,
            self.workers.get(),
        )
    }

    async fn begin(&self) -> Rest {
        let order = Order::Start(Box::new(self.scenario.start()));
        self.driver()
            .drive(order, Arc::new(Unwatched), Cancel::new())
            .await
            .unwrap()
    }

    async fn resume_with(&self, driver: DriverOf<RunState>) -> Result<Rest, DriveError> {
        let order = Order::Resume {
            run: self.storm.run,
            by: "me".into(),
            terms: RunTerms::default(),
        };
        driver
            .drive(order, Arc::new(Unwatched), Cancel::new())
            .await
    }

    async fn resume(&self) -> Rest {
        self.resume_with(self.driver()).await.unwrap()
    }

    async fn rows(&self) -> Vec<ApprovalRow> {
        let rows = self
            .storm
            .journal
            .view_list(views::APPROVALS, ViewQuery::default())
            .await
            .unwrap();
        rows.iter()
            .map(|row| serde_json::from_slice(&row.body).unwrap())
            .collect()
    }

    async fn open(&self) -> ApprovalRow {
        let mut open: Vec<ApprovalRow> = self
            .rows()
            .await
            .into_iter()
            .filter(|row| row.answer.is_none())
            .collect();
        assert_eq!(open.len(), 1, "{open:#?}");
        open.remove(0)
    }

    async fn say(&self, answer: ApprovalAnswer) {
        let now = self.storm.clock.now();
        inbox::say(
            self.storm.journal.as_ref(),
            self.storm.run,
            &InboxMessage::Approval(answer),
            now,
        )
        .await
        .unwrap();
    }

    async fn kill(&self) {
        self.storm
            .journal
            .kill(KillScope::Run(self.storm.run), "smoke", "me")
            .await
            .unwrap();
    }

    async fn answer(&self, row: &ApprovalRow, decision: Decision) -> Result<(), String> {
        let answer = row.request.answer(decision, "maria", None);
        let said = inbox::answer(
            self.storm.journal.as_ref(),
            row,
            answer,
            self.storm.clock.now(),
        )
        .await;
        said.map(|_| ())
            .map_err(|error| error.fault(row.run).code.to_string())
    }

    fn deeds(&self) -> usize {
        self.storm.world.deeds().len()
    }

    async fn events(&self) -> Vec<RunEvent> {
        let mut events = Vec::new();
        for recorded in self.storm.journal.events(&StreamId::run(self.storm.run)) {
            events.push(
                keiko_runtime::fold::hydrate(self.storm.journal.as_ref(), &recorded)
                    .await
                    .unwrap(),
            );
        }
        events
    }

    async fn resolved(&self) -> Vec<(Decision, String)> {
        let resolved = |event| {
            if let RunEvent::ApprovalResolved(answer) = event {
                Some((answer.decision, answer.by))
            } else {
                None
            }
        };
        self.events()
            .await
            .into_iter()
            .filter_map(resolved)
            .collect()
    }
}

fn waits_for_approval(rest: &Rest) {
    assert!(
        matches!(rest, Rest::Waiting(Suspension::Approval { open: 1 })),
        "{rest:?}"
    );
}

fn ended(rest: &Rest) -> EndStatus {
    let Rest::Ended(end) = rest else {
        panic!("{rest:?}")
    };
    end.status
}

#[test]
fn an_approval_that_nobody_answers_in_time_counts_as_denied() {
    block_on(async {
        let bench = Bench::new(&ONE);
        waits_for_approval(&bench.begin().await);
        let row = bench.open().await;
        waits_for_approval(&bench.resume().await);
        bench.storm.clock.advance(73 * HOUR);
        assert_eq!(
            bench.answer(&row, Decision::Approved).await,
            Err("KEI-2105".into())
        );
        assert_eq!(
            ended(&bench.resume().await),
            EndStatus::Succeeded,
            "the agent is told, and goes on without it"
        );
        assert_eq!(
            (bench.deeds(), bench.resolved().await),
            (0, vec![(Decision::Expired, "nobody".into())])
        );
        let refused =
            bench.events().await.iter().any(
                |event| matches!(event, RunEvent::CallRefused(it) if it.by == RefusedBy::Person),
            );
        assert!(refused);
    });
}

#[test]
fn an_answer_that_comes_too_late_is_no_yes() {
    block_on(async {
        let bench = Bench::new(&ONE);
        bench.begin().await;
        let row = bench.open().await;
        bench.storm.clock.advance(73 * HOUR);
        // Past whatever looks first: straight into the inbox.
        bench
            .say(row.request.answer(Decision::Approved, "maria", None))
            .await;
        assert_eq!(ended(&bench.resume().await), EndStatus::Succeeded);
        assert_eq!(
            (bench.deeds(), bench.resolved().await),
            (0, vec![(Decision::Expired, "maria".into())])
        );
    });
}

#[test]
fn a_live_run_notices_by_itself_that_nobody_answers() {
    block_on(async {
        // The time for which it waits for a person is no time of work.
        let scenario = Scenario {
            limits: RunLimits {
                max_seconds: 60,
                ..ONE.limits
            },
            ..ONE
        };
        let bench = Bench::new(&scenario);
        let options = DriveOptions {
            lease: Duration::from_millis(30),
            ..OPTIONS
        };
        let driver = Driver::new(bench.driver().ports().clone(), options).of(Setup {
            tools: tools(),
            engine,
        });
        let order = Order::Start(Box::new(scenario.start()));
        let clock = async {
            while bench.rows().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            bench.storm.clock.advance(73 * HOUR);
        };
        let attended = With {
            attended: true,
            ..With::default()
        };
        let (rest, ()) = tokio::join!(
            driver.drive_with(order, attended, Arc::new(Unwatched), Cancel::new()),
            clock
        );
        assert_eq!(ended(&rest.unwrap()), EndStatus::Succeeded);
        assert_eq!(
            (bench.deeds(), bench.resolved().await),
            (0, vec![(Decision::Expired, "nobody".into())])
        );
    });
}

#[test]
fn an_answer_holds_for_the_action_that_was_shown() {
    block_on(async {
        let scenario = Scenario {
            answers: changed,
            ..ONE
        };
        let bench = Bench::new(&scenario);
        bench.begin().await;
        let first = bench.open().await;
        assert_eq!(bench.answer(&first, Decision::Approved).await, Ok(()));
        waits_for_approval(&bench.resume().await);
        let second = bench.open().await;
        assert_ne!(
            (first.request.id, first.request.digest),
            (second.request.id, second.request.digest)
        );
        // The old answer once more, as it was, and bent to fit the new question.
        bench
            .say(first.request.answer(Decision::Approved, "maria", None))
            .await;
        waits_for_approval(&bench.resume().await);
        assert_eq!(bench.deeds(), 1);
        let bent = ApprovalAnswer {
            digest: first.request.digest,
            ..second.request.answer(Decision::Approved, "maria", None)
        };
        bench.say(bent).await;
        assert_eq!(ended(&bench.resume().await), EndStatus::Succeeded);
        assert_eq!(
            bench.deeds(),
            1,
            "an answer to another action allows nothing"
        );
        assert_eq!(
            bench.answer(&first, Decision::Denied).await,
            Err("KEI-2103".into()),
            "though the row that was read is old"
        );
        let again = bench
            .rows()
            .await
            .into_iter()
            .find(|row| row.request.id == first.request.id)
            .unwrap();
        assert_eq!(
            bench.answer(&again, Decision::Denied).await,
            Err("KEI-2103".into())
        );
    });
}

#[test]
fn the_same_action_is_asked_for_again_when_it_is_wanted_again() {
    block_on(async {
        let twice: fn(u32, &Stage) -> Vec<Part> = |step, _| match step {
            1 | 2 => vec![call("c1", "ledger_person", json!({"n": 1}))],
            _ => finish(),
        };
        let scenario = Scenario {
            answers: twice,
            ..ONE
        };
        let bench = Bench::new(&scenario);
        bench.begin().await;
        let first = bench.open().await;
        bench.answer(&first, Decision::Approved).await.unwrap();
        waits_for_approval(&bench.resume().await);
        let second = bench.open().await;
        assert_eq!(first.request.digest, second.request.digest);
        assert_ne!(first.request.id, second.request.id);
        assert_eq!(bench.deeds(), 1, "a yes is used up");
    });
}

#[test]
fn a_yes_from_before_a_kill_does_not_count_after_it() {
    block_on(async {
        let bench = Bench::new(&ONE);
        bench.begin().await;
        let row = bench.open().await;
        bench.answer(&row, Decision::Approved).await.unwrap();
        bench.kill().await;
        waits_for_approval(&bench.resume().await);
        assert_eq!(bench.deeds(), 0, "given, and not heard before the kill");
        let row = bench.open().await;
        bench.answer(&row, Decision::Approved).await.unwrap();
        assert_eq!(ended(&bench.resume().await), EndStatus::Succeeded);
        assert_eq!(bench.deeds(), 1, "an answer after the kill counts, once");
    });
}

/// Kills the run in the moment between the commit of an intent and the effect, before anybody can have told its process.
struct KillsInBetween(Arc<MemoryJournal>);

impl Watch for KillsInBetween {
    fn event(&self, recorded: &Recorded, event: &RunEvent) {
        if let RunEvent::EffectIntended(intent) = event
            && matches!(intent.action, Action::Tool(_))
            && let Some(run) = recorded.stream.0.strip_prefix("run/")
        {
            let kill = self
                .0
                .kill(KillScope::Run(run.parse().unwrap()), "smoke", "me");
            futures_util::FutureExt::now_or_never(kill)
                .unwrap()
                .unwrap();
        }
    }
    fn frame(&self, _: &EffectKey, _: LiveFrame) {}
}

#[test]
fn a_kill_between_the_commit_and_the_effect_comes_in_time() {
    block_on(async {
        let scenario = Scenario {
            levels: &[(ActionClass::ToolOther, Level::Run)],
            ..ONE
        };
        let bench = Bench::new(&scenario);
        let watch = Arc::new(KillsInBetween(bench.storm.journal.clone()));
        let start = Order::Start(Box::new(scenario.start()));
        let rest = bench
            .driver()
            .drive(start, watch, Cancel::new())
            .await
            .unwrap();
        assert!(
            matches!(rest, Rest::Waiting(Suspension::Killed { .. })),
            "{rest:?}"
        );
        assert_eq!(bench.deeds(), 0);
        assert_eq!(ended(&bench.resume().await), EndStatus::Succeeded);
        assert_eq!(
            bench.deeds(),
            0,
            "the agent is told that it was not done, and does not ask for it again"
        );
    });
}

/// The yes is in the run's own record, and the process ends before anything rests on it; then comes the kill.
#[test]
fn a_yes_that_was_recorded_is_asked_for_again_after_a_kill() {
    use keiko_agent::decide::{Input, decide};
    use keiko_agent::state::RunState;
    use keiko_contracts::journal::{Epoch, Seq};
    use keiko_contracts::time::Timestamp;
    use keiko_governance::core::Env;
    block_on(async {
        let bench = Bench::new(&ONE);
        bench.begin().await;
        let state: RunState = bench.storm.fold().await.unwrap();
        let request = state.life.open_approvals().next().unwrap().request.clone();
        let policy = ONE.policy();
        let env = |epoch| Env {
            now: Timestamp(1_700_000_001_000),
            epoch: Epoch(epoch),
            policy: &policy,
            price: None,
            attended: false,
        };
        // It is taken while the run is being stopped, so that nothing follows from it yet.
        let stop = decide(
            &state,
            &env(0),
            Input::Inbox {
                seq: Seq(1),
                message: InboxMessage::Stop { by: "me".into() },
            },
        )
        .unwrap();
        let yes = InboxMessage::Approval(request.answer(Decision::Approved, "maria", None));
        let heard = decide(
            &stop.next,
            &env(0),
            Input::Inbox {
                seq: Seq(2),
                message: yes,
            },
        )
        .unwrap();
        assert!(
            matches!(heard.events[..], [RunEvent::ApprovalResolved(_)]),
            "{:?}",
            heard.events
        );
        let calm = decide(
            &heard.next,
            &env(0),
            Input::Resume {
                by: "me".into(),
                terms: RunTerms::default(),
                heard: Vec::new(),
            },
        )
        .unwrap();
        assert!(calm.events.iter().any(
            |event| matches!(event, RunEvent::EffectIntended(it) if it.approval == Some(request.id))
        ));
        let killed = decide(
            &heard.next,
            &env(1),
            Input::Resume {
                by: "me".into(),
                terms: RunTerms::default(),
                heard: Vec::new(),
            },
        )
        .unwrap();
        let intends = killed
            .events
            .iter()
            .any(|event| matches!(event, RunEvent::EffectIntended(_)));
        let asks = killed.events.iter().find_map(|event| {
            if let RunEvent::ApprovalRequested(it) = event {
                Some(it.id)
            } else {
                None
            }
        });
        assert!(
            !intends && asks.is_some_and(|id| id != request.id),
            "{:?}",
            killed.events
        );
    });
}

#[test]
fn what_a_run_asked_for_is_withdrawn_when_it_is_cancelled() {
    block_on(async {
        let bench = Bench::new(&ONE);
        bench.begin().await;
        let row = bench.open().await;
        let cancel = InboxMessage::Cancel {
            by: "me".into(),
            reason: "enough".into(),
        };
        inbox::say(
            bench.storm.journal.as_ref(),
            bench.storm.run,
            &cancel,
            bench.storm.clock.now(),
        )
        .await
        .unwrap();
        // The answer comes after the word that ends the run.
        assert_eq!(bench.answer(&row, Decision::Approved).await, Ok(()));
        assert_eq!(ended(&bench.resume().await), EndStatus::Cancelled);
        assert_eq!(bench.deeds(), 0);
        let row = bench.rows().await.remove(0);
        let answered = row.answer.as_ref().map(|answer| answer.decision);
        assert!(
            matches!(answered, Some(Decision::Withdrawn | Decision::Approved)),
            "{row:?}"
        );
        assert_eq!(
            bench.answer(&row, Decision::Approved).await,
            Err("KEI-2103".into())
        );
        let error = bench.resume_with(bench.driver()).await.unwrap_err();
        assert_eq!(error.fault().code, "KEI-6003");
    });
}

#[test]
fn what_nobody_answered_before_the_end_is_withdrawn() {
    block_on(async {
        let bench = Bench::new(&ONE);
        bench.begin().await;
        let cancel = InboxMessage::Cancel {
            by: "me".into(),
            reason: "enough".into(),
        };
        inbox::say(
            bench.storm.journal.as_ref(),
            bench.storm.run,
            &cancel,
            bench.storm.clock.now(),
        )
        .await
        .unwrap();
        assert_eq!(ended(&bench.resume().await), EndStatus::Cancelled);
        let row = bench.rows().await.remove(0);
        assert_eq!(
            row.answer.as_ref().map(|answer| answer.decision),
            Some(Decision::Withdrawn)
        );
        assert_eq!(
            bench.answer(&row, Decision::Approved).await,
            Err("KEI-2103".into())
        );
    });
}

#[test]
fn what_the_policy_came_to_forbid_stays_undone_after_a_yes() {
    block_on(async {
        let bench = Bench::new(&ONE);
        bench.begin().await;
        let row = bench.open().await;
        bench.answer(&row, Decision::Approved).await.unwrap();
        let stricter = RiskPolicy {
            classes: [(ActionClass::ToolOther, Level::Forbid)].into(),
            ..RiskPolicy::default()
        };
        let ports = Ports {
            policy: Arc::new(stricter),
            ..bench.driver().ports().clone()
        };
        let rest = bench
            .resume_with(Driver::new(ports, OPTIONS).of(Setup {
                tools: tools(),
                engine,
            }))
            .await
            .unwrap();
        assert_eq!((ended(&rest), bench.deeds()), (EndStatus::Succeeded, 0));
        let refused =
            bench.events().await.iter().any(
                |event| matches!(event, RunEvent::CallRefused(it) if it.by == RefusedBy::Policy),
            );
        assert!(refused);
    });
}

#[test]
fn who_answered_stands_in_the_record_and_on_the_card() {
    block_on(async {
        let bench = Bench::new(&ONE);
        bench.begin().await;
        let row = bench.open().await;
        bench.answer(&row, Decision::Approved).await.unwrap();
        let Rest::Ended(end) = bench.resume().await else {
            panic!("it goes on")
        };
        assert_eq!(
            bench.resolved().await,
            [(Decision::Approved, "maria".into())]
        );
        assert!(
            end.card
                .approvals
                .iter()
                .any(|answer| answer.words() == "approved by maria"),
            "{:?}",
            end.card.approvals
        );
        let head = |kind: &str| {
            let events = bench.storm.journal.events(&StreamId::run(bench.storm.run));
            events
                .into_iter()
                .find(|event| event.kind == kind)
                .map(|event| (event.head.subject.clone(), event.head.labels.clone()))
        };
        assert_eq!(
            head("run_started"),
            Some((Some("operator/me".into()), vec!["operator".into()]))
        );
        assert_eq!(
            head("approval_resolved").map(|(_, labels)| labels),
            Some(vec!["operator".into()])
        );
        let said = bench
            .storm
            .journal
            .events(&StreamId::inbox(bench.storm.run))
            .remove(0);
        assert_eq!(said.head.subject.as_deref(), Some("operator/maria"));
    });
}

fn models(events: &[RunEvent]) -> Vec<Option<keiko_contracts::id::ApprovalId>> {
    let of = |event: &RunEvent| match event {
        RunEvent::EffectIntended(intent) if matches!(intent.action, Action::Model(_)) => {
            Some(intent.approval)
        }
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn request_of_model(events: &[RunEvent]) -> ApprovalRequest {
    let of = |event: &RunEvent| match event {
        RunEvent::ApprovalRequested(request) if matches!(request.action, Action::Model(_)) => {
            Some((**request).clone())
        }
        _ => None,
    };
    let mut all: Vec<ApprovalRequest> = events.iter().filter_map(of).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_model_that_must_be_asked_for_is_approved_once_for_the_run() {
    block_on(async {
        let bench = Bench::new(&MODEL);
        waits_for_approval(&bench.begin().await);
        assert!(
            models(&bench.events().await).is_empty(),
            "nothing has gone to the model"
        );
        let row = bench.open().await;
        assert!(
            row.request.summary.contains("fake/model"),
            "{}",
            row.request.summary
        );
        bench.answer(&row, Decision::Approved).await.unwrap();
        // The tool of the first step asks for its own approval.
        waits_for_approval(&bench.resume().await);
        let tool = bench.open().await;
        bench.answer(&tool, Decision::Approved).await.unwrap();
        assert_eq!(ended(&bench.resume().await), EndStatus::Succeeded);
        let events = bench.events().await;
        assert_eq!(
            models(&events),
            [Some(row.request.id), Some(row.request.id)],
            "each request rests on the one approval"
        );
        assert_eq!(request_of_model(&events).id, row.request.id);
    });
}

#[test]
fn a_model_that_a_person_does_not_allow_is_not_asked() {
    block_on(async {
        for late in [false, true] {
            let bench = Bench::new(&MODEL);
            bench.begin().await;
            let row = bench.open().await;
            if late {
                bench.storm.clock.advance(73 * HOUR);
            } else {
                bench.answer(&row, Decision::Denied).await.unwrap();
            }
            let Rest::Ended(end) = bench.resume().await else {
                panic!("it ends")
            };
            assert_eq!(
                (end.status, end.fault.as_ref().map(|fault| fault.code)),
                (EndStatus::Failed, Some(Code::MODEL_DENIED))
            );
            assert!(models(&bench.events().await).is_empty());
            assert_eq!(bench.storm.world.charged().0, 0);
        }
    });
}

#[test]
fn leave_for_a_model_ends_with_a_kill() {
    block_on(async {
        let bench = Bench::new(&MODEL);
        bench.begin().await;
        let row = bench.open().await;
        bench.answer(&row, Decision::Approved).await.unwrap();
        waits_for_approval(&bench.resume().await);
        bench.kill().await;
        let tool = bench.open().await;
        bench.answer(&tool, Decision::Approved).await.unwrap();
        // The tool is done; before the next request a person is asked again.
        waits_for_approval(&bench.resume().await);
        assert_eq!(bench.deeds(), 1);
        let again = bench.open().await;
        assert_eq!(again.request.digest, row.request.digest);
        assert_ne!(again.request.id, row.request.id);
    });
}

#[test]
fn an_alert_about_a_model_is_given_once_and_a_forbidden_one_is_never_asked() {
    block_on(async {
        let bench = Bench::new(&ALERTED);
        waits_for_approval(&bench.begin().await);
        let row = bench.open().await;
        bench.answer(&row, Decision::Approved).await.unwrap();
        assert_eq!(ended(&bench.resume().await), EndStatus::Succeeded);
        let events = bench.events().await;
        let alerts = events
            .iter()
            .filter(|event| matches!(event, RunEvent::Noted(note) if note.kind == NoteKind::Alert))
            .count();
        assert_eq!((alerts, models(&events)), (1, vec![None, None]));

        let bench = Bench::new(&FORBIDDEN);
        let Rest::Ended(end) = bench.begin().await else {
            panic!("it ends")
        };
        assert_eq!(
            (end.status, end.fault.as_ref().map(|fault| fault.code)),
            (EndStatus::Failed, Some(Code::MODEL_NOT_ALLOWED))
        );
        assert!(models(&bench.events().await).is_empty());
    });
}

#[test]
fn an_answer_to_nothing_is_passed_over() {
    block_on(async {
        let bench = Bench::new(&ONE);
        bench.begin().await;
        let row = bench.open().await;
        let id = keiko_contracts::id::ApprovalId::from_bytes(
            [9; keiko_contracts::id::ApprovalId::BYTES],
        );
        let digest = ActionDigest(Digest::of(b"x"));
        bench
            .say(ApprovalAnswer {
                id,
                digest,
                ..row.request.answer(Decision::Approved, "maria", None)
            })
            .await;
        waits_for_approval(&bench.resume().await);
        assert_eq!(bench.deeds(), 0);
    });
}

/// Many short texts make a record that is too long for an event and moves to a blob as a whole: it is as good as any.
#[test]
fn an_intent_that_stands_in_a_blob_is_permitted() {
    let many: fn(u32, &Stage) -> Vec<Part> = |step, _| {
        let edits: Vec<_> = (0..16)
            .map(|n| json!({"old": format!("{n} {}", "o".repeat(180)), "new": "n".repeat(180)}))
            .collect();
        if step == 1 {
            vec![call(
                "c1",
                "edit_file",
                json!({"path": "code", "edits": edits}),
            )]
        } else {
            finish()
        }
    };
    block_on(async {
        let scenario = Scenario {
            answers: many,
            workspace: true,
            ends: EndStatus::Unverified,
            ..ONE
        };
        let bench = Bench::new(&scenario);
        assert_eq!(ended(&bench.begin().await), EndStatus::Unverified);
        let whole = bench
            .storm
            .journal
            .events(&StreamId::run(bench.storm.run))
            .into_iter()
            .any(|event| {
                event.kind == RunEvent::EFFECT_INTENDED
                    && keiko_contracts::envelope::unpack::<RunEvent>(&event).is_err()
            });
        assert!(whole, "an intent has moved to a blob as a whole");
        for event in bench.events().await {
            if let RunEvent::EffectEnded(ended) = event {
                assert!(
                    matches!(ended.outcome, keiko_contracts::action::Outcome::Done(_)),
                    "{:?}",
                    ended.outcome
                );
            }
        }
    });
}
