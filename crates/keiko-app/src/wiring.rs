//! Wires adapters to the runtime. The only place that sees them all.

use crate::agents::Agents;
use crate::config::{Config, SandboxConfig};
use crate::halt;
use crate::home::{Home, private_dir};
use crate::random::random;
use keiko_agent::native::NativeEngine;
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_agent::tools;
use keiko_contracts::action::{HostAction, HostReport, ModelAction, ModelReport, Outcome, Probe};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, ModelName, RunId, SkillName, WorkerId};
use keiko_contracts::jail::{JailAction, JailReport};
use keiko_contracts::model::ChatRequest;
use keiko_contracts::run::StartRun;
use keiko_contracts::say;
use keiko_governance::permit::Permit;
use keiko_models::Models;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};
use keiko_ports::perform::Perform;
use keiko_ports::shell::SystemClock;
use keiko_runtime::children::ChildRuns;
use keiko_runtime::drive::{Driver, DriverOf};
use keiko_runtime::fold;
use keiko_runtime::ports::{DriveOptions, NoTools, Ports};
use keiko_sandbox::jail::{Jail, JailOptions};
use keiko_store::SqliteJournal;
use keiko_workspace::push::Push;
use keiko_workspace::sandbox::Sandbox;
use keiko_workspace::workspace::Workspaces;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Keiko on this machine: where everything is, what holds, the journal, and the one driver of this process.
pub struct Keiko {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) journal: Arc<SqliteJournal>,
    pub(crate) agents: Agents,
    worker: WorkerId,
    driver: OnceLock<Driver>,
    leave: fn(),
}

impl Keiko {
    /// Opens the journal, making it if there is none. `leave` is what this process does when it must be gone at once, because
    /// everything was told to stop: it ends it.
    ///
    /// # Errors
    /// When a folder cannot be made, or the journal cannot be opened.
    pub fn open(home: Home, config: Config, leave: fn()) -> Result<Keiko, Fault> {
        private_dir(&home.data)?;
        let journal = SqliteJournal::open(home.journal(), keiko_store::Options::default())
            .map_err(|error| error.fault())?;
        Ok(Keiko {
            agents: Agents::of(&home),
            home,
            config,
            journal: Arc::new(journal),
            worker: WorkerId::from_bytes(random()?),
            driver: OnceLock::new(),
            leave,
        })
    }

    /// Where everything is.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The agents there are.
    #[must_use]
    pub fn agents(&self) -> &Agents {
        &self.agents
    }

    /// What holds.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What drives runs in this process, with the real sandbox: one for all of them, whatever models they have.
    pub(crate) fn driver(&self) -> DriverOf<RunState> {
        self.driver
            .get_or_init(|| {
                halt::obey(&self.home, self.leave);
                self.new_driver(lease())
            })
            .of(setup())
    }

    fn new_driver(&self, lease: Duration) -> Driver {
        let sandbox = Arc::new(LazySandbox {
            home: self.home.clone(),
            config: self.config.sandbox.clone(),
            cell: OnceCell::new(),
        });
        let runs = ChildRuns::new(setup());
        let ports = Ports {
            journal: self.journal.clone(),
            models: Arc::new(LazyModels {
                config: self.config.clone(),
                cell: OnceLock::new(),
            }),
            sandbox: sandbox.clone(),
            host: sandbox,
            tools: Arc::new(NoTools),
            runs: runs.clone(),
            clock: Arc::new(SystemClock),
            policy: Arc::new(self.config.policy.clone()),
            worker: self.worker,
        };
        let options = DriveOptions {
            lease,
            ..DriveOptions::default()
        };
        let driver = Driver::new(ports, options);
        runs.are_driven_by(&driver);
        driver
    }

    /// A run's state, read back. No model is needed for that.
    pub(crate) async fn state(&self, run: RunId) -> Result<RunState, Fault> {
        fold::fold(self.journal.as_ref(), run, &setup())
            .await
            .map_err(|error| error.fault())
    }

    /// The parts of the sandbox, or what is missing for it.
    pub(crate) fn sandbox(&self) -> Result<SandboxParts, Fault> {
        sandbox(&self.home, &self.config.sandbox)
    }

    /// Ends what this process holds: leases are given back by then, the journal is written out.
    pub async fn close(&self) {
        self.journal.close().await;
    }
}

/// How long a run waits after its process died. Tests that end processes shorten it with `KEIKO_LEASE_MS`.
fn lease() -> Duration {
    let said = std::env::var("KEIKO_LEASE_MS")
        .ok()
        .and_then(|text| text.parse().ok());
    said.map_or(DriveOptions::default().lease, |ms: u64| {
        Duration::from_millis(ms.clamp(200, 60_000))
    })
}

/// What runs of agents work with.
pub(crate) fn setup() -> Setup {
    Setup {
        tools: Arc::new(tools::standard()),
        engine,
    }
}

/// The engine of a skill.
fn engine(skill: &SkillName) -> Option<Box<dyn NativeEngine>> {
    keiko_native::engine(skill)
}

/// Whether an agent works on a run that needs no model.
#[must_use]
pub(crate) fn is_native(start: &StartRun) -> bool {
    start.skill().is_some_and(|skill| engine(&skill).is_some())
}

/// Options of the jail for this binary.
pub(crate) fn jail_options(config: &SandboxConfig) -> Result<JailOptions, Fault> {
    let own = std::env::current_exe().map_err(|error| {
        Fault::new(
            Code::OWN_FILE_MISSING,
            say!("this program's own file cannot be found: {error}", error),
        )
    })?;
    Ok(JailOptions {
        registries: config.registries.clone(),
        workspace_mib: config.workspace_mib,
        ..JailOptions::new(own)
    })
}

/// The parts of the sandbox.
pub(crate) struct SandboxParts {
    pub(crate) sandbox: Sandbox,
    pub(crate) push: Push,
    pub(crate) spaces: Workspaces,
}

/// Finds bubblewrap, git and the rest, or says what is missing.
pub(crate) fn sandbox(home: &Home, config: &SandboxConfig) -> Result<SandboxParts, Fault> {
    private_dir(&home.data)?;
    let jail = Jail::detect(jail_options(config)?)?;
    let spaces = Workspaces::new(&home.data)?.guarding(&[home.config.clone(), home.cache.clone()]);
    let push = Push::new(spaces.clone(), jail.clone());
    let sandbox = Sandbox::new(spaces.clone(), jail, &home.cache);
    Ok(SandboxParts {
        sandbox,
        push,
        spaces,
    })
}

/// The sandbox, looked for only when something needs it: a goal about text runs without bubblewrap.
struct LazySandbox {
    home: Home,
    config: SandboxConfig,
    cell: OnceCell<Result<SandboxParts, Fault>>,
}

impl LazySandbox {
    async fn get(&self) -> Result<&SandboxParts, Fault> {
        let found = self
            .cell
            .get_or_init(|| async {
                let (home, config) = (self.home.clone(), self.config.clone());
                tokio::task::spawn_blocking(move || sandbox(&home, &config))
                    .await
                    .unwrap_or_else(|error| {
                        Err(Fault::new(
                            Code::SANDBOX_SEARCH_FAILED,
                            say!("looking for the sandbox broke down: {error}", error),
                        ))
                    })
            })
            .await;
        found.as_ref().map_err(Clone::clone)
    }
}

#[async_trait::async_trait]
impl Perform<JailAction> for LazySandbox {
    async fn perform(
        &self,
        permit: Permit<JailAction>,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<JailReport> {
        match self.get().await {
            Ok(parts) => parts.sandbox.perform(permit, live, cancel).await,
            Err(fault) => Outcome::Failed(fault),
        }
    }
    async fn probe(&self, key: &EffectKey, action: &JailAction) -> Probe<JailReport> {
        match self.get().await {
            Ok(parts) => parts.sandbox.probe(key, action).await,
            Err(fault) => Probe::CannotTell { why: fault.said() },
        }
    }
}

#[async_trait::async_trait]
impl Perform<HostAction> for LazySandbox {
    async fn perform(
        &self,
        permit: Permit<HostAction>,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<HostReport> {
        match self.get().await {
            Ok(parts) => parts.push.perform(permit, live, cancel).await,
            Err(fault) => Outcome::Failed(fault),
        }
    }
    async fn probe(&self, key: &EffectKey, action: &HostAction) -> Probe<HostReport> {
        match self.get().await {
            Ok(parts) => parts.push.probe(key, action).await,
            Err(fault) => Probe::CannotTell { why: fault.said() },
        }
    }
}

/// The configured models, looked at only when a run needs one that brings none of its own.
struct LazyModels {
    config: Config,
    cell: OnceLock<Result<Models, Fault>>,
}

impl LazyModels {
    fn get(&self) -> Result<&Models, Fault> {
        let found = self.cell.get_or_init(|| self.config.models());
        found.as_ref().map_err(Clone::clone)
    }
}

#[async_trait::async_trait]
impl ChatModel for LazyModels {
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<ModelReport> {
        match self.get() {
            Ok(models) => models.chat(permit, request, live, cancel).await,
            Err(fault) => Outcome::Failed(fault),
        }
    }
    fn quote(
        &self,
        model: &ModelName,
        input_tokens: u64,
        max_output_tokens: u32,
    ) -> Result<Quote, Fault> {
        self.get()?.quote(model, input_tokens, max_output_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approvals::Answer;
    use crate::prune::Keep;
    use crate::resume::Again;
    use crate::start::Ask;
    use keiko_contracts::run::RunStatus;

    fn can_be_sent<T: Send>(_: T) {}

    /// Compiles: a server calls these from whatever thread it has.
    #[expect(dead_code, reason = "that it compiles is the test")]
    fn what_a_person_can_do_is_not_bound_to_a_thread(
        keiko: &Keiko,
        run: RunId,
        (ask, again, answer): (Ask, Again, Answer),
    ) {
        can_be_sent(keiko);
        can_be_sent(keiko.prepare(ask));
        can_be_sent(keiko.take_up(again, |_| {}));
        can_be_sent(keiko.runs(Some(RunStatus::Running), 1));
        can_be_sent(keiko.show(run));
        can_be_sent(
            keiko
                .events(run, keiko_contracts::journal::Seq(0), true)
                .next(),
        );
        can_be_sent(keiko.diff(run));
        can_be_sent(keiko.apply(run, String::new()));
        can_be_sent(keiko.undo(run, String::new()));
        can_be_sent(keiko.verify(run, true, "me"));
        can_be_sent(keiko.cancel(run, "me", "enough"));
        can_be_sent(keiko.kill_all("enough", "me"));
        can_be_sent(keiko.answer("last", answer));
        can_be_sent(keiko.prune(Keep::default()));
        can_be_sent(keiko.what_next());
        can_be_sent(crate::models::list(&keiko.config));
        can_be_sent(crate::doctor::examine(
            Ok(keiko.home.clone()),
            false,
            &mut |_| {},
        ));
    }
}
