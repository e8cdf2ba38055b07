//! A driver as the binary wires it, with a tool that needs no sandbox.

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_agent::tools::{self, BadCall, Means, Rendered, Resolved, Tool, ToolBox, ToolContext};
use keiko_contracts::action::{
    Action, HostAction, HostReport, Impact, Outcome, Probe, Recovery, Report, ToolAction,
    ToolReport,
};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, RunId, WorkerId};
use keiko_contracts::jail::{JailAction, JailReport};
use keiko_contracts::run::{ApprovalMode, RunLimits, StartRun};
use keiko_contracts::tool::ToolSpec;
use keiko_governance::permit::Permit;
use keiko_governance::policy::RiskPolicy;
use keiko_models::config::VendorConfig;
use keiko_models::{Models, ModelsConfig};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::perform::Perform;
use keiko_ports::shell::SystemClock;
use keiko_runtime::children::NoRuns;
use keiko_runtime::drive::Driver;
use keiko_runtime::drive::DriverOf;
use keiko_runtime::ports::{DriveOptions, Ports};
use keiko_store::{Options, SqliteJournal};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The window in which the conversation slides, in tokens: large enough for a real prompt, small enough that it slides within 1,000 steps.
pub(crate) const WINDOW: u32 = 16_000;

/// A journal and a driver over it.
pub(crate) struct Rig {
    pub(crate) journal: Arc<SqliteJournal>,
    pub(crate) driver: DriverOf<RunState>,
}

impl Rig {
    /// Over a journal in a folder, with the model at a base URL.
    pub(crate) fn open(dir: &Path, url: &str) -> Result<Rig> {
        let journal = SqliteJournal::open(dir.join("journal.db"), Options::default())
            .context("the journal cannot be opened")?;
        let journal = Arc::new(journal);
        let vendor = VendorConfig {
            base_url: Some(url.to_owned()),
            ..VendorConfig::default()
        };
        let config = ModelsConfig {
            vendors: [("bench".to_owned(), vendor)].into(),
            ..ModelsConfig::default()
        };
        let models =
            Models::new(&config, Arc::new(|_| None)).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let ports = Ports {
            runs: Arc::new(NoRuns),
            journal: journal.clone(),
            models: Arc::new(models),
            sandbox: Arc::new(Nothing),
            host: Arc::new(Nothing),
            tools: Arc::new(Answers::default()),
            clock: Arc::new(SystemClock),
            policy: Arc::new(RiskPolicy::default()),
            worker: WorkerId::from_bytes([7; 5]),
        };
        let driver = Driver::new(ports, DriveOptions::default()).of(Setup {
            tools: Arc::new(toolbox()?),
            engine: |_| None,
        });
        Ok(Rig { journal, driver })
    }
}

/// The CPU time that this process has used.
pub(crate) fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// One thread, as the binary has it.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// A run without a workspace.
pub(crate) fn goal(number: u32, max_steps: u32, window: u32) -> Result<StartRun> {
    let mut id = [0; RunId::BYTES];
    id[..4].copy_from_slice(&number.to_be_bytes());
    Ok(StartRun {
        parent: None,
        run: RunId::from_bytes(id),
        by: "bench".into(),
        goal: "Fix the failing date parser and add a test for leap years.".into(),
        agent: "coder".parse()?,
        role: None,
        model: Some("bench/fake".parse()?),
        source: None,
        limits: RunLimits {
            max_steps,
            context_tokens: window,
            ..RunLimits::default()
        },
        approval: ApprovalMode::Policy,
        install: None,
        effort: None,
        language: keiko_contracts::language::Language::English,
        demo: false,
        version: env!("CARGO_PKG_VERSION").into(),
        definition: None,
    })
}

/// The binary's tools as the model sees them, and `look`, which is answered in this process.
fn toolbox() -> Result<ToolBox> {
    let mut tools: Vec<Box<dyn Tool>> = vec![Box::new(Look(ToolSpec {
        name: "look".parse()?,
        description: "Shows lines of a file.".into(),
        schema: serde_json::json!({"type": "object", "properties": {"path": {"type": "string"}}}),
    }))];
    tools.extend(
        tools::standard()
            .offer(true, false)
            .specs()
            .iter()
            .map(|spec| Box::new(Listed(spec.clone())) as Box<dyn Tool>),
    );
    Ok(ToolBox::new(tools))
}

#[derive(Debug)]
struct Look(ToolSpec);

impl Tool for Look {
    fn spec(&self) -> ToolSpec {
        self.0.clone()
    }
    fn needs_workspace(&self) -> bool {
        false
    }
    fn resolve(&self, arguments: &str, _: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        let action = ToolAction {
            tool: self.0.name.clone(),
            arguments: arguments.into(),
            recovery: Recovery::Repeat,
            impact: Impact::Read,
        };
        Ok(Resolved::Action(Box::new(Action::Tool(action))))
    }
    fn render(&self, outcome: &Outcome<Report>) -> Rendered {
        match outcome {
            Outcome::Done(Report::Tool(report)) => Rendered {
                text: report.output.text_or_empty().to_owned(),
                is_error: report.is_error,
            },
            _ => Rendered {
                text: "nothing came of it".into(),
                is_error: true,
            },
        }
    }
}

/// A tool that is only listed, so that the prompt has its real size; `finish` ends the run.
#[derive(Debug)]
struct Listed(ToolSpec);

impl Tool for Listed {
    fn spec(&self) -> ToolSpec {
        self.0.clone()
    }
    fn means(&self) -> Means {
        match self.0.name.as_str() {
            "finish" => Means::Claim,
            _ => Means::Act,
        }
    }
    fn needs_workspace(&self) -> bool {
        false
    }
    fn resolve(&self, _: &str, _: &ToolContext<'_>) -> Result<Resolved, BadCall> {
        match self.0.name.as_str() {
            "finish" => Ok(Resolved::Finish {
                summary: "done".into(),
                refused: false,
                red_tests_in_goal: None,
            }),
            other => Err(BadCall(format!("{other} is not part of this measurement"))),
        }
    }
    fn render(&self, _: &Outcome<Report>) -> Rendered {
        Rendered::default()
    }
}

/// Answers every action at once, each time with another text of about ten lines: the same answer twice would be a loop.
#[derive(Default)]
struct Answers(AtomicU64);

#[async_trait]
impl Perform<ToolAction> for Answers {
    async fn perform(
        &self,
        permit: Permit<ToolAction>,
        _: LiveSink,
        _: Cancel,
    ) -> Outcome<ToolReport> {
        drop(permit.consume());
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let text: String = (0..8)
            .map(|line| format!("{}: if day > days_in(month, {number}):\n", 120 + line))
            .collect();
        Outcome::Done(ToolReport {
            output: text.into(),
            is_error: false,
        })
    }
    async fn probe(&self, _: &EffectKey, _: &ToolAction) -> Probe<ToolReport> {
        Probe::DidNot
    }
}

/// What this measurement does without.
struct Nothing;

fn absent<R>() -> Outcome<R> {
    Outcome::Failed(Fault::new(
        Code::REQUEST_NOT_RENDERED,
        "not part of this measurement",
    ))
}

#[async_trait]
impl Perform<JailAction> for Nothing {
    async fn perform(&self, _: Permit<JailAction>, _: LiveSink, _: Cancel) -> Outcome<JailReport> {
        absent()
    }
    async fn probe(&self, _: &EffectKey, _: &JailAction) -> Probe<JailReport> {
        Probe::DidNot
    }
}

#[async_trait]
impl Perform<HostAction> for Nothing {
    async fn perform(&self, _: Permit<HostAction>, _: LiveSink, _: Cancel) -> Outcome<HostReport> {
        absent()
    }
    async fn probe(&self, _: &EffectKey, _: &HostAction) -> Probe<HostReport> {
        Probe::DidNot
    }
}
