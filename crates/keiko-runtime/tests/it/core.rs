//! The core alone, under whatever comes in whatever order.

use crate::scenarios::{Scenario, all, engine};
use crate::storm::{Storm, tools};
use keiko_agent::decide::{Input, Reject, decide};
use keiko_agent::prompt;
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_agent::tools::ToolBox;
use keiko_contracts::action::{
    Action, HostAction, Intent, ModelReport, Origin, Outcome, Report, ToolReport,
};
use keiko_contracts::approval::Decision;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{ApprovalId, EffectKey};
use keiko_contracts::jail::{JailAction, JailOp};
use keiko_contracts::journal::{Epoch, Seq};
use keiko_contracts::model::{Part, Stop, Usage};
use keiko_contracts::money::Micros;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{Ended, InboxMessage, RunEvent};
use keiko_contracts::time::Timestamp;
use keiko_governance::core::{Env, Price};
use keiko_governance::life::Stamp;
use keiko_governance::policy::{Level, Question, RiskPolicy};
use keiko_testkit::ports::{COST, check_request};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One run under test: the live state, and the events that a journal would hold.
struct Bench<'a> {
    scenario: &'a Scenario,
    storm: Storm,
    policy: RiskPolicy,
    live: RunState,
    events: Vec<(Stamp, RunEvent)>,
    now: i64,
    inbox: u64,
    used: BTreeSet<ApprovalId>,
}

impl<'a> Bench<'a> {
    fn new(scenario: &'a Scenario, tools: Arc<ToolBox>) -> Bench<'a> {
        let live = RunState::new(&Setup {
            tools: tools.clone(),
            engine,
        });
        let storm = Storm::new(scenario, tools, None);
        Bench {
            scenario,
            storm,
            policy: scenario.policy(),
            live,
            events: vec![],
            now: 1_000,
            inbox: 0,
            used: BTreeSet::new(),
        }
    }

    fn folded(&self) -> RunState {
        let mut state = RunState::new(&self.storm.setup());
        self.events
            .iter()
            .for_each(|(stamp, event)| state.apply(stamp, event));
        state
    }

    /// Decides, commits, and looks whether everything that must hold holds.
    fn step(&mut self, input: Input) -> Result<(), TestCaseError> {
        self.now += 7;
        let price = Some(Price {
            input: Micros::ZERO,
            output: Micros(COST.0 * 10_000),
        });
        let env = Env {
            now: Timestamp(self.now),
            epoch: Epoch(0),
            policy: &self.policy,
            price,
            attended: false,
        };
        let decided = match decide(&self.live, &env, input) {
            Ok(decided) => decided,
            Err(Reject::HasEnded | Reject::NotOpen(_)) => return Ok(()),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        for event in &decided.events {
            let seq = Seq(self.events.len() as u64 + 1);
            let stamp = Stamp {
                at: decided.at,
                seq,
                hash: Digest::of(&seq.0.to_le_bytes()),
            };
            if let RunEvent::EffectIntended(intent) = event {
                self.check_verdict(intent)?;
            }
            self.events.push((stamp, event.clone()));
        }
        self.live = decided.next;
        if let Some((stamp, _)) = self.events.last() {
            self.live.life.head = (stamp.seq, stamp.hash);
        }
        self.check()
    }

    /// Nothing is intended that the policy or a person has not allowed.
    fn check_verdict(&mut self, intent: &Intent) -> Result<(), TestCaseError> {
        if matches!(
            &intent.action,
            Action::Model(_)
                | Action::Jail(JailAction {
                    op: JailOp::Restore { .. },
                    ..
                })
        ) {
            return Ok(());
        }
        let mode = self
            .live
            .start
            .as_ref()
            .map(|start| start.approval)
            .unwrap_or_default();
        let level = self
            .policy
            .judge(Question {
                action: &intent.action,
                changes_protected_test: false,
                mode,
            })
            .level;
        let approved = intent.approval.is_some_and(|id| {
            let approval = self.live.life.approvals.get(&id);
            self.used.insert(id)
                && approval.is_some_and(|approval| {
                    let answer = approval.answer.as_ref().map(|answer| answer.decision);
                    approval.request.digest == intent.digest
                        && answer.is_none_or(|decision| decision == Decision::Approved)
                })
        });
        prop_assert!(
            level < Level::Ask || (level == Level::Ask && approved),
            "not allowed: {intent:?}"
        );
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let folded = self.folded();
        prop_assert_eq!(
            format!("{:?}", self.live),
            format!("{folded:?}"),
            "what is read back differs from what was live"
        );
        let mut open: BTreeSet<&EffectKey> = BTreeSet::new();
        for (_, event) in &self.events {
            match event {
                RunEvent::EffectIntended(intent) => {
                    prop_assert!(open.insert(&intent.key), "{} is intended twice", intent.key)
                }
                RunEvent::EffectEnded(ended) => {
                    prop_assert!(open.remove(&ended.key), "{} came out twice", ended.key)
                }
                _ => {}
            }
        }
        prop_assert!(
            self.live.life.open.keys().eq(open),
            "open effects are intents without outcomes"
        );
        let limit = self
            .live
            .start
            .as_ref()
            .and_then(|start| start.limits.budget)
            .unwrap_or_default();
        prop_assert!(self.live.life.budget.spent() <= limit);
        for intent in self.live.life.open.values() {
            if let (Action::Model(model), Some(start)) =
                (&intent.action, self.live.start.as_deref())
            {
                let request = prompt::render_action(&self.live, start, model);
                prop_assert_eq!(check_request(&request), Ok(()));
            }
        }
        Ok(())
    }

    fn outcome(&self, intent: &Intent, how: u8) -> Outcome<Report> {
        match how {
            0..=9 => {}
            10 => return Outcome::Failed(Fault::new(Code::foreign(9999), "it failed")),
            11 => return Outcome::Cancelled,
            _ => {
                return Outcome::Unknown {
                    why: "nobody saw it".into(),
                };
            }
        }
        Outcome::Done(match &intent.action {
            Action::Model(_) => {
                let parts = (self.scenario.answers)(intent.key.step, &self.storm.stage());
                let calls = parts.iter().any(|part| matches!(part, Part::Call { .. }));
                Report::Model(ModelReport {
                    reply: serde_json::to_string(&parts).unwrap().into(),
                    stop: if calls { Stop::Calls } else { Stop::End },
                    usage: Usage::default(),
                    cost: COST,
                    unpriced: false,
                    served_by: None,
                    origin: Origin::Scripted,
                    answered: None,
                    first_token_ms: 0,
                    duration_ms: 0,
                })
            }
            Action::Jail(jail) => Report::Jail(self.storm.world.jail(&jail.op)),
            Action::Host(HostAction::Push {
                remote,
                branch,
                commit,
                ..
            }) => Report::Host(keiko_contracts::action::HostReport::Pushed {
                remote: remote.clone(),
                branch: branch.clone(),
                commit: commit.clone(),
            }),
            Action::Run(_) => return Outcome::Cancelled,
            Action::Tool(_) => Report::Tool(ToolReport {
                output: "done".into(),
                is_error: false,
            }),
        })
    }

    /// Something happens.
    fn happen(&mut self, what: u8, how: u8) -> Result<(), TestCaseError> {
        let at = usize::from(how) % self.live.life.open.len().max(1);
        let open = self.live.life.open.values().nth(at).cloned();
        match (what, open) {
            (0..=5, Some(intent)) => {
                let ended = Ended {
                    key: intent.key.clone(),
                    outcome: self.outcome(&intent, how % 14),
                    tries: 1,
                    recovered: false,
                };
                let ended = Box::new(ended);
                if self.live.life.waiting.is_some() {
                    self.step(Input::EndedLate(ended))
                } else {
                    self.step(Input::Ended(ended))
                }
            }
            (6, _) => self.say(InboxMessage::Words {
                by: "me".into(),
                text: "look again".into(),
            }),
            (7, _) => {
                let Some(approval) = self.live.life.open_approvals().next() else {
                    return self.step(Input::Suspend);
                };
                let decision = if how.is_multiple_of(3) {
                    Decision::Denied
                } else {
                    Decision::Approved
                };
                let answer = approval.request.answer(decision, "me", None);
                self.say(InboxMessage::Approval(answer))
            }
            (8, _) if how < 20 => self.say(InboxMessage::Cancel {
                by: "me".into(),
                reason: "enough".into(),
            }),
            (8, _) => self.say(InboxMessage::Stop { by: "me".into() }),
            (9, _) if how < 128 => self.step(Input::Killed {
                reason: "smoke".into(),
            }),
            // The process ends here, and another takes the run up from the journal.
            (9, _) => {
                self.live = self.folded();
                self.step(Input::Resume {
                    by: "next".into(),
                    terms: RunTerms::default(),
                    heard: Vec::new(),
                })
            }
            _ if self.live.life.waiting.is_some() => self.step(Input::Resume {
                by: "me".into(),
                terms: RunTerms::default(),
                heard: Vec::new(),
            }),
            _ => self.step(Input::Tick),
        }
    }

    fn say(&mut self, message: InboxMessage) -> Result<(), TestCaseError> {
        self.inbox += 1;
        self.step(Input::Inbox {
            seq: Seq(self.inbox),
            message,
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_in_whatever_order(which in 0usize..1000, happenings in prop::collection::vec((0u8..11, any::<u8>()), 1..60)) {
        let scenarios = all();
        let mut bench = Bench::new(&scenarios[which % scenarios.len()], tools());
        bench.step(Input::Start(Box::new(bench.scenario.start())))?;
        for (what, how) in happenings {
            bench.happen(what, how)?;
        }
    }
}
