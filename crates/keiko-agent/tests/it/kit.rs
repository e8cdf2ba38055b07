//! One run, played on data alone.

use keiko_agent::decide::{Input, decide};
use keiko_agent::describe;
use keiko_agent::ledger::one_line;
use keiko_agent::native::NativeEngine;
use keiko_agent::state::{RunState, Setup};
use keiko_agent::tools;
use keiko_contracts::action::{Action, HostReport, ModelReport, Origin, Outcome, Report};
use keiko_contracts::agent::Agent;
use keiko_contracts::approval::Decision;
use keiko_contracts::asked::Asked;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{RunId, SkillName};
use keiko_contracts::jail::{End, JailBody, Source};
use keiko_contracts::journal::{Epoch, Seq};
use keiko_contracts::model::{Part, Stop, Usage};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{
    Ended, InboxMessage, RunEvent, RunLimits, RunTerms, StartRun, Suspension,
};
use keiko_contracts::time::Timestamp;
use keiko_governance::class::ActionClass;
use keiko_governance::core::{Env, Price};
use keiko_governance::life::Stamp;
use keiko_governance::policy::{Level, RiskPolicy};
use keiko_testkit::ports::World;
use serde_json::Value;
use std::sync::Arc;

/// What a model answers.
#[derive(Clone)]
pub(crate) enum Turn {
    /// Words alone.
    Says(&'static str),
    /// Calls of tools.
    Calls(Vec<(&'static str, Value)>),
    /// The same, cut off at the output limit.
    CutOff(Vec<(&'static str, Value)>),
    /// Nothing at all.
    Nothing,
    /// It declines.
    Declines,
    /// It cannot be reached.
    Fails,
}

/// What a person does when the run waits.
#[derive(Clone, Copy)]
pub(crate) enum Person {
    /// Approves, or denies, the first question that is open.
    Answers(Decision),
    /// Says something.
    Says(&'static str),
    /// Ends the run.
    Cancels,
}

/// A run and the people around it. When there are no more turns the last is played again.
pub(crate) struct Case {
    pub(crate) goal: &'static str,
    /// The files of the workspace; none for a run without one. The tests pass when `code` says `right`; what lies in `tests/`
    /// are tests.
    pub(crate) files: Option<&'static [(&'static str, &'static str)]>,
    pub(crate) turns: Vec<Turn>,
    pub(crate) people: Vec<Person>,
    pub(crate) limits: RunLimits,
    pub(crate) levels: &'static [(ActionClass, Level)],
    /// What a token costs.
    pub(crate) price: Micros,
    pub(crate) engine: fn(&SkillName) -> Option<Box<dyn NativeEngine>>,
    /// How long each thing takes, milliseconds.
    pub(crate) takes: i64,
}

impl Default for Case {
    fn default() -> Case {
        Case {
            goal: "Make the code right",
            files: Some(PROJECT),
            turns: Vec::new(),
            people: Vec::new(),
            limits: RunLimits::default(),
            levels: &[],
            price: Micros(1),
            engine: |_| None,
            takes: 1,
        }
    }
}

/// A project with one red test.
pub(crate) const PROJECT: &[(&str, &str)] = &[
    ("pyproject.toml", ""),
    ("code", "wrong"),
    ("tests/test_it.py", "assert it\nassert more\n"),
];

pub(crate) const RUN: RunId = RunId::from_bytes([7; 10]);

impl Case {
    pub(crate) fn start(&self) -> StartRun {
        let agent = Agent::Coder.into();
        StartRun {
            model: Some("fake/model".parse().unwrap()),
            source: self.files.map(|_| Source::Empty),
            limits: self.limits,
            version: "0".into(),
            ..StartRun::new(RUN, "me".into(), self.goal, agent)
        }
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup {
            tools: Arc::new(tools::standard()),
            engine: self.engine,
        }
    }
}

/// A run that is being played.
pub(crate) struct Played<'a> {
    case: &'a Case,
    world: Arc<World>,
    policy: RiskPolicy,
    pub(crate) state: RunState,
    events: Vec<(Stamp, RunEvent)>,
    pub(crate) lines: Vec<String>,
    now: i64,
    turn: usize,
    person: usize,
}

/// Plays a run until it ends, or waits and nobody comes: one line per event that somebody would want to know of.
pub(crate) fn check(case: &Case) -> String {
    let mut played = Played::new(case);
    played.play();
    played.lines.join("\n")
}

impl<'a> Played<'a> {
    pub(crate) fn new(case: &'a Case) -> Played<'a> {
        let mut played = Played {
            case,
            world: World::new(case.files.unwrap_or_default()),
            policy: RiskPolicy {
                classes: case.levels.iter().copied().collect(),
                ..RiskPolicy::default()
            },
            state: RunState::new(&case.setup()),
            events: Vec::new(),
            lines: Vec::new(),
            now: 0,
            turn: 0,
            person: 0,
        };
        played.input(Input::Start(Box::new(case.start())));
        played
    }

    /// A run whose beginning an older program wrote down: it did not say what its agent was.
    pub(crate) fn of_an_older_program(case: &'a Case) -> Played<'a> {
        let mut played = Played::new(case);
        for (_, event) in &mut played.events {
            if let RunEvent::RunStarted(start) = event {
                start.definition = None;
            }
        }
        played
    }

    pub(crate) fn play(&mut self) {
        for _ in 0..2_000 {
            if self.state.ended.is_some() {
                return;
            }
            let open = self.state.life.open.values().next().cloned();
            let waits = self.state.life.waiting.is_some();
            match open {
                Some(intent) if !waits => {
                    let outcome = self.outcome(&intent.action);
                    self.input(Input::Ended(Box::new(Ended {
                        key: intent.key.clone(),
                        outcome,
                        tries: 1,
                        recovered: false,
                    })));
                }
                _ => {
                    if !waits {
                        self.input(Input::Suspend);
                    }
                    let Some(person) = self.case.people.get(self.person).copied() else {
                        return;
                    };
                    self.person += 1;
                    self.act(person);
                }
            }
        }
        panic!("it goes on without end:\n{}", self.lines.join("\n"));
    }

    fn act(&mut self, person: Person) {
        let by = || "me".to_owned();
        let message = match person {
            Person::Says(text) => InboxMessage::Words {
                by: by(),
                text: text.into(),
            },
            Person::Cancels => InboxMessage::Cancel {
                by: by(),
                reason: "enough".into(),
            },
            Person::Answers(decision) => {
                let approval = self.state.life.open_approvals().next();
                let request = approval.expect("an open question").request.clone();
                InboxMessage::Approval(request.answer(decision, "me", None))
            }
        };
        let seq = Seq(self.person as u64);
        self.input(Input::Inbox { seq, message });
    }

    /// Takes the run up, as a process does that works with this setup.
    pub(crate) fn resume(&mut self, setup: &Setup) {
        self.state = self.folded(setup);
        self.input(Input::Resume {
            by: "next".into(),
            terms: RunTerms::default(),
            heard: Vec::new(),
        });
    }

    fn folded(&self, setup: &Setup) -> RunState {
        let mut state = RunState::new(setup);
        for (stamp, event) in &self.events {
            state.apply(stamp, event);
        }
        state
    }

    /// Decides, and commits.
    pub(crate) fn input(&mut self, input: Input) {
        self.now += self.case.takes;
        let price = Some(Price {
            input: Micros::ZERO,
            output: Micros(self.case.price.0 * 1_000_000),
        });
        let env = Env {
            now: Timestamp(self.now),
            epoch: Epoch(0),
            policy: &self.policy,
            price,
            attended: !self.case.people.is_empty(),
        };
        let decided = decide(&self.state, &env, input).unwrap();
        for event in decided.events {
            let seq = Seq(self.events.len() as u64 + 1);
            let stamp = Stamp {
                at: decided.at,
                seq,
                hash: Digest::of(&seq.0.to_le_bytes()),
            };
            self.lines.extend(line(&event));
            self.events.push((stamp, event));
        }
        self.state = decided.next;
        if let Some((stamp, _)) = self.events.last() {
            self.state.life.head = (stamp.seq, stamp.hash);
        }
        let folded = self.folded(&self.state.setup);
        assert_eq!(format!("{:?}", self.state), format!("{folded:?}"));
    }

    fn outcome(&mut self, action: &Action) -> Outcome<Report> {
        match action {
            Action::Model(_) => self.answer(),
            Action::Jail(jail) => {
                let mut report = self.world.jail(&jail.op);
                if let JailBody::Surveyed(survey) = &mut report.body {
                    let files = self.world.files();
                    let tests = files.keys().filter(|path| path.starts_with("tests/"));
                    survey.tests = tests.cloned().collect();
                }
                Outcome::Done(Report::Jail(report))
            }
            Action::Host(keiko_contracts::action::HostAction::Push {
                remote,
                branch,
                commit,
                ..
            }) => Outcome::Done(Report::Host(HostReport::Pushed {
                remote: remote.clone(),
                branch: branch.clone(),
                commit: commit.clone(),
            })),
            Action::Tool(_) | Action::Run(_) => Outcome::Cancelled,
        }
    }

    fn answer(&mut self) -> Outcome<Report> {
        let turns = &self.case.turns;
        let turn = turns.get(self.turn).or(turns.last());
        self.turn += 1;
        let calls = |calls: &[(&'static str, Value)]| -> Vec<Part> {
            let part = |(n, (name, arguments)): (usize, &(&str, Value))| Part::Call {
                id: format!("c{n}"),
                name: (*name).into(),
                arguments: arguments.to_string(),
                signature: None,
            };
            calls.iter().enumerate().map(part).collect()
        };
        let says = |text: &str| vec![Part::Text { text: text.into() }];
        let (parts, stop) = match turn.expect("a turn") {
            Turn::Says(text) => (says(text), Stop::End),
            Turn::Calls(all) => (calls(all), Stop::Calls),
            Turn::CutOff(all) => (calls(all), Stop::MaxTokens),
            Turn::Nothing => (Vec::new(), Stop::End),
            Turn::Declines => (says("No."), Stop::Refusal),
            Turn::Fails => {
                return Outcome::Failed(Fault::new(Code::MODEL_UNKNOWN, "nobody answers"));
            }
        };
        Outcome::Done(Report::Model(ModelReport {
            reply: serde_json::to_string(&parts).unwrap().into(),
            stop,
            usage: Usage::default(),
            cost: Micros(self.case.price.0 * ANSWER),
            unpriced: false,
            served_by: None,
            origin: Origin::Scripted,
            answered: None,
            first_token_ms: 0,
            duration_ms: 0,
        }))
    }
}

/// The tokens of an answer.
const ANSWER: u64 = 400;

const WIDTH: usize = 110;

/// What an event says, shortly; nothing for those that follow from others.
fn line(event: &RunEvent) -> Option<String> {
    let text = match event {
        RunEvent::RunStarted(_) | RunEvent::RunClosing(_) | RunEvent::RunResumed(_) => return None,
        RunEvent::Steered(steered) => format!("operator: {}", steered.text.text_or_empty()),
        RunEvent::StepBegun(begun) => format!("step {}", begun.step),
        RunEvent::EffectIntended(intent) => match &intent.asked {
            Asked::Loop => format!("{}.{} asks the model", intent.key.step, intent.key.ordinal),
            Asked::Model { tool, .. } => format!("{tool}: {}", describe::action(&intent.action)),
            Asked::Engine { title, .. } => format!("engine: {title}"),
            Asked::Harness(chore) => format!("harness: {}", chore.title()),
        },
        RunEvent::EffectEnded(ended) => match &ended.outcome {
            Outcome::Failed(fault) => format!("  failed [{}]", fault.code),
            Outcome::Done(Report::Jail(report)) => match &report.body {
                JailBody::Exec(exec) if exec.end != End::Exit(0) => format!("  {:?}", exec.end),
                JailBody::Refused { why, .. } => format!("  refused: {why}"),
                _ => return None,
            },
            _ => return None,
        },
        RunEvent::CallRefused(refused) => {
            let (by, why) = (refused.by, refused.reason.text_or_empty());
            format!(
                "  {:?} refuses {}: {why}",
                by,
                refused
                    .asked
                    .tool()
                    .map(str::to_owned)
                    .or(refused.asked.title().map(|title| title.to_string()))
                    .unwrap_or_default()
            )
        }
        RunEvent::CallAnswered(answered) if answered.is_error => {
            format!("  sent back: {}", answered.text.text_or_empty())
        }
        RunEvent::CallAnswered(_) => return None,
        RunEvent::ApprovalRequested(request) => format!("may it {}?", request.summary),
        RunEvent::ApprovalResolved(answer) => format!("{:?} by {}", answer.decision, answer.by),
        RunEvent::TestsObserved(tests) => {
            format!(
                "tests: {} passed, {} failed",
                tests.passed,
                tests.failed + tests.errors
            )
        }
        RunEvent::Noted(note) => format!("note, {:?}: {}", note.kind, note.text.text_or_empty()),
        RunEvent::ContextCompacted(compacted) => format!("compacted from {}", compacted.from_item),
        RunEvent::RunSuspended(why) => match why {
            Suspension::Approval { .. } => "waits for a person".to_owned(),
            Suspension::Question { question, .. } => {
                format!("waits for an answer: {}", question.text_or_empty())
            }
            Suspension::Limit { fault } | Suspension::Unavailable { fault } => {
                format!("waits [{}]", fault.code)
            }
            other => format!("waits: {other:?}"),
        },
        RunEvent::RunEnded(end) => {
            let (status, summary) = (end.status.word(), end.summary.text_or_empty());
            match &end.fault {
                // The words of a fault are its own affair.
                Some(fault) if summary == fault.to_string() => {
                    format!("ends {status} [{}]", fault.code)
                }
                Some(fault) => format!("ends {status} [{}]: {summary}", fault.code),
                None => format!("ends {status}: {summary}"),
            }
        }
    };
    Some(one_line(&text, WIDTH).trim_end().to_owned()).map(|line| {
        let indent = text.len() - text.trim_start().len();
        format!("{}{line}", " ".repeat(indent))
    })
}
