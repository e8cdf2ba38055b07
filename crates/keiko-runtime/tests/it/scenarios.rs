//! Runs of every kind, short enough to be crashed at every point.

use keiko_agent::native::{NativeCall, NativeEngine, NativeFinish, NativeStep};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::approval::Decision;
use keiko_contracts::id::{RunId, SkillName};
use keiko_contracts::jail::{Command, ExecSpec, JailOp, Limits, Source};
use keiko_contracts::model::{Part, Window};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{ApprovalMode, EndStatus, InboxMessage, RunLimits, StartRun};
use keiko_governance::class::ActionClass;
use keiko_governance::policy::{Level, RiskPolicy};
use keiko_testkit::memory_journal::MemoryJournal;
use keiko_testkit::ports::{VirtualClock, World};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a scripted model may look at, besides its request.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) run: RunId,
}

impl Stage {
    /// Somebody says something, once, whatever is repeated.
    fn say_once(&self, name: &str, message: &InboxMessage) {
        if self.world.first_time(name) {
            let said = keiko_runtime::inbox::say(
                self.journal.as_ref(),
                self.run,
                message,
                keiko_contracts::time::Timestamp(1),
            );
            futures_util::FutureExt::now_or_never(said)
                .unwrap()
                .unwrap();
        }
    }
}

/// A run and the people around it.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [(&'static str, &'static str)],
    pub(crate) workspace: bool,
    pub(crate) agent: &'static str,
    pub(crate) limits: RunLimits,
    /// Classes that differ from the default policy.
    pub(crate) levels: &'static [(ActionClass, Level)],
    pub(crate) decision: Decision,
    /// What the model answers in a step.
    pub(crate) answers: fn(u32, &Stage) -> Vec<Part>,
    /// Whether the order of the conversation is the same wherever the run is crashed.
    pub(crate) ordered: bool,
    pub(crate) ends: EndStatus,
}

impl Scenario {
    pub(crate) fn start(&self) -> StartRun {
        StartRun {
            parent: None,
            run: RunId::from_bytes([7; 10]),
            by: "me".into(),
            goal: "Make the code right".into(),
            agent: self.agent.parse().unwrap(),
            role: None,
            model: (self.agent == "coder").then(|| "fake/model".parse().unwrap()),
            source: self.workspace.then_some(Source::Empty),
            limits: self.limits,
            approval: ApprovalMode::Policy,
            install: None,
            effort: None,
            language: keiko_contracts::language::Language::English,
            demo: true,
            version: "0".into(),
            definition: None,
        }
    }
    pub(crate) fn policy(&self) -> RiskPolicy {
        RiskPolicy {
            classes: self.levels.iter().copied().collect(),
            ..RiskPolicy::default()
        }
    }
}

pub(crate) fn call(id: &str, name: &str, arguments: Value) -> Part {
    Part::Call {
        id: id.into(),
        name: name.into(),
        arguments: arguments.to_string(),
        signature: None,
    }
}
pub(crate) fn finish() -> Vec<Part> {
    vec![call("f", "finish", json!({"summary": "Done."}))]
}
fn read(id: &str, path: &str) -> Part {
    call(id, "read_file", json!({"path": path}))
}
fn write(id: &str, path: &str, text: &str) -> Part {
    call(id, "write_file", json!({"path": path, "text": text}))
}
fn run(id: &str, command: &str) -> Part {
    call(id, "execute", json!({"command": command}))
}

const LIMITS: RunLimits = RunLimits {
    max_steps: 12,
    budget: Some(Micros(200_000)),
    max_seconds: 100_000,
    max_output_tokens: 1_000,
    context_tokens: 96_000,
    window: UNKNOWN,
};
const UNKNOWN: Window = Window {
    context: None,
    output: None,
    asked: None,
};

pub(crate) const PLAIN: Scenario = Scenario {
    name: "",
    files: &[("code", "wrong"), ("a", "1"), ("b", "2")],
    workspace: true,
    agent: "coder",
    limits: LIMITS,
    levels: &[],
    decision: Decision::Approved,
    answers: |_, _| finish(),
    ordered: true,
    ends: EndStatus::Unverified,
};

const NEEDY: &[(&str, &str)] = &[
    ("pyproject.toml", ""),
    ("requirements.txt", "six"),
    ("code", "wrong"),
];
const TESTED: &[(&str, &str)] = &[("pyproject.toml", ""), ("code", "wrong")];

fn reads(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![read("c1", "a")],
        2 => vec![call("c2", "list_files", json!({}))],
        3 => vec![read("c3", "b")],
        _ => finish(),
    }
}

fn changes(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![write("c1", "code", "right")],
        2 => vec![run("c2", "append log x"), run("c3", "append log y")],
        3 => vec![write("c4", "new", "text"), run("c5", "append new z")],
        _ => finish(),
    }
}

fn parallel(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![
            read("c1", "a"),
            read("c2", "b"),
            read("c3", "code"),
            write("c4", "code", "right"),
            read("c5", "code"),
        ],
        _ => finish(),
    }
}

fn classes(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![call("c1", "ledger_same_key", json!({"n": 1}))],
        2 => vec![call("c1", "ledger_probe", json!({"n": 2}))],
        3 => vec![call("c1", "ledger_person", json!({"n": 3}))],
        4 => vec![
            call("c1", "ledger_repeat", json!({"n": 4})),
            call("c2", "ledger_same_key", json!({"n": 5})),
            call("c3", "ledger_person", json!({"n": 6})),
            call("c4", "ledger_probe", json!({"n": 7})),
        ],
        _ => finish(),
    }
}

fn push(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![write("c1", "code", "right")],
        2 => vec![call("c1", "git_commit", json!({"message": "Right"}))],
        3 => vec![call("c1", "git_push", json!({}))],
        _ => finish(),
    }
}

fn asked_tools(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![
            call("c1", "ledger_person", json!({"n": 1})),
            call("c2", "ledger_probe", json!({"n": 2})),
        ],
        _ => finish(),
    }
}

fn steered(step: u32, stage: &Stage) -> Vec<Part> {
    if step == 2 {
        let text = "also look at b".into();
        stage.say_once(
            "words",
            &InboxMessage::Words {
                by: "me".into(),
                text,
            },
        );
    }
    match step {
        1 => vec![read("c1", "a")],
        2 => vec![write("c2", "b", "3")],
        3 => vec![read("c3", "b")],
        _ => finish(),
    }
}

fn long(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1..=6 => vec![
            write(
                &format!("c{step}"),
                &format!("f{step}"),
                &"long ".repeat(400),
            ),
            read("r", "a"),
        ],
        _ => finish(),
    }
}

/// What was cut and has left the window is read from the journal, twice in one step.
fn looks_back(step: u32, _: &Stage) -> Vec<Part> {
    let more = |id: &str, line: u32| {
        call(
            id,
            "show_more",
            json!({"reference": "o2.0", "from_line": line, "lines": 2}),
        )
    };
    match step {
        1 => vec![write("c1", "big", &"a line of many\n".repeat(1_500))],
        2 => vec![read("c2", "big")],
        3..=6 => vec![write(
            &format!("c{step}"),
            &format!("f{step}"),
            &"long ".repeat(1_000),
        )],
        7 => vec![more("m1", 700), read("r", "a"), more("m2", 900)],
        _ => finish(),
    }
}

fn sent_back(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![
            write("c1", "other", "x"),
            call("f", "finish", json!({"summary": "Too early."})),
        ],
        2 => vec![write("c1", "code", "right")],
        _ => finish(),
    }
}

/// Red at the start and as red at the end: the first claim is sent back with a question, and the second answers it.
fn beside(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![
            write("c1", "other", "x"),
            call("f", "finish", json!({"summary": "Written."})),
        ],
        _ => vec![call(
            "f",
            "finish",
            json!({"summary": "Written.", "red_tests_in_goal": false}),
        )],
    }
}

/// Tools that fail are no finish that was sent back.
fn failing(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1..=4 => vec![call("c1", "ledger_repeat", json!({"fail": step}))],
        5 => vec![
            write("c1", "other", "x"),
            call("f", "finish", json!({"summary": "Too early."})),
        ],
        6 => vec![write("c1", "code", "right")],
        _ => finish(),
    }
}

fn question(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![
            read("c1", "a"),
            call("c2", "ask_operator", json!({"question": "Which?"})),
            read("c3", "b"),
        ],
        _ => finish(),
    }
}

fn same_ids(step: u32, _: &Stage) -> Vec<Part> {
    match step {
        1 => vec![
            read("x", "a"),
            read("x", "b"),
            read("harness:open", "code"),
            write("x", "code", "right"),
        ],
        _ => finish(),
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let small = RunLimits {
        context_tokens: 7_000,
        ..LIMITS
    };
    let poor = RunLimits {
        budget: Some(Micros(11_000)),
        ..LIMITS
    };
    let free = &[(ActionClass::ToolOther, Level::Run)];
    vec![
        Scenario {
            name: "reads",
            answers: reads,
            ..PLAIN
        },
        Scenario {
            name: "changes",
            files: TESTED,
            answers: changes,
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "parallel",
            answers: parallel,
            ..PLAIN
        },
        Scenario {
            name: "classes",
            answers: classes,
            workspace: false,
            levels: free,
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "approval granted",
            answers: asked_tools,
            workspace: false,
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "push approved",
            answers: push,
            ..PLAIN
        },
        Scenario {
            name: "push denied",
            answers: push,
            decision: Decision::Denied,
            ..PLAIN
        },
        Scenario {
            name: "push probed",
            answers: push,
            levels: &[(ActionClass::GitPush, Level::Run)],
            ..PLAIN
        },
        Scenario {
            name: "steered",
            answers: steered,
            ordered: false,
            ..PLAIN
        },
        Scenario {
            name: "compaction",
            answers: long,
            limits: small,
            ..PLAIN
        },
        Scenario {
            name: "looks back",
            answers: looks_back,
            limits: RunLimits {
                context_tokens: 9_000,
                ..LIMITS
            },
            ..PLAIN
        },
        Scenario {
            name: "sent back",
            files: TESTED,
            answers: sent_back,
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "failing tools",
            files: TESTED,
            answers: failing,
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "as red as before",
            files: TESTED,
            answers: beside,
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "model approved",
            answers: changes,
            levels: &[(ActionClass::Model, Level::Ask)],
            ..PLAIN
        },
        Scenario {
            name: "installed",
            files: NEEDY,
            answers: changes,
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "question",
            answers: question,
            ..PLAIN
        },
        Scenario {
            name: "same ids",
            answers: same_ids,
            ..PLAIN
        },
        Scenario {
            name: "poor",
            answers: reads,
            limits: poor,
            ..PLAIN
        },
        Scenario {
            name: "native",
            agent: "tester",
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "native, asked",
            agent: "tester",
            levels: &[(ActionClass::Execute, Level::Ask)],
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
        Scenario {
            name: "native, refused",
            agent: "tester",
            levels: &[(ActionClass::Execute, Level::Forbid)],
            ends: EndStatus::Succeeded,
            ..PLAIN
        },
    ]
}

/// An engine that examines, changes, examines again; it remembers what it saw.
#[derive(Debug, Clone, Default)]
struct Tester {
    seen: Vec<String>,
}

impl NativeEngine for Tester {
    fn next(&self) -> NativeStep {
        let exec = |id: &str, script: &str| {
            let spec = ExecSpec {
                command: Command::Shell(script.into()),
                cwd: String::new(),
                env: Default::default(),
                stdin: None,
                limits: Limits::default(),
                collect: Vec::new(),
                report: None,
            };
            NativeCall {
                id: id.into(),
                title: id.to_owned().into(),
                op: JailOp::Exec(spec),
            }
        };
        let put = NativeCall {
            id: "put".into(),
            title: "put".into(),
            op: JailOp::WriteFile {
                path: "code".into(),
                text: "right".into(),
            },
        };
        match self.seen.len() {
            0 => NativeStep::Act(vec![
                exec("one", "append log a"),
                exec("two", "append log b"),
            ]),
            2 => NativeStep::Act(vec![put]),
            3 => NativeStep::Act(vec![exec("three", "append log c")]),
            _ => NativeStep::Finish(Box::new(NativeFinish {
                status: EndStatus::Succeeded,
                summary: self.seen.join(" ").into(),
                report: "# Report".into(),
                data: None,
                tests: None,
            })),
        }
    }
    fn boxed(&self) -> Box<dyn NativeEngine> {
        Box::new(self.clone())
    }
    fn observe(
        &mut self,
        id: &str,
        outcome: Result<&Outcome<Report>, &keiko_contracts::said::Said>,
    ) {
        self.seen.push(format!(
            "{id}:{}",
            if outcome.is_ok() { "done" } else { "refused" }
        ));
    }
}

/// The native engines of these runs.
pub(crate) fn engine(agent: &SkillName) -> Option<Box<dyn NativeEngine>> {
    (agent.as_str() == "tester").then(|| Box::new(Tester::default()) as Box<dyn NativeEngine>)
}
