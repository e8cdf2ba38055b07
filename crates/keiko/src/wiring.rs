//! Wires adapters to the runtime. The only place that sees them all.

use crate::config::{Config, SandboxConfig};
use crate::error::CliError;
use crate::home::{Home, private_dir};
use keiko_agent::native::NativeEngine;
use keiko_agent::state::RunState;
use keiko_agent::state::Setup;
use keiko_agent::tools;
use keiko_contracts::action::{HostAction, HostReport, Outcome, Probe};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, RunId, WorkerId};
use keiko_contracts::jail::{JailAction, JailReport};
use keiko_contracts::run::RunRow;
use keiko_contracts::say;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::journal::{Journal, ViewQuery};
use keiko_ports::live::LiveSink;
use keiko_ports::model::ChatModel;
use keiko_ports::perform::Perform;
use keiko_ports::shell::SystemClock;
use keiko_runtime::children::ChildRuns;
use keiko_runtime::drive::{Driver, DriverOf};
use keiko_runtime::ports::{DriveOptions, NoTools, Ports};
use keiko_runtime::views;
use keiko_sandbox::jail::{Jail, JailOptions};
use keiko_store::SqliteJournal;
use keiko_workspace::push::Push;
use keiko_workspace::sandbox::Sandbox;
use keiko_workspace::workspace::Workspaces;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Everything a command may need, opened when it is needed.
pub(crate) struct Keiko {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) journal: Arc<SqliteJournal>,
    pub(crate) worker: WorkerId,
}

impl Keiko {
    /// Opens the journal, making it if there is none.
    pub(crate) fn open(home: Home, config: Config) -> Result<Keiko, CliError> {
        private_dir(&home.data)?;
        let journal = SqliteJournal::open(home.journal(), keiko_store::Options::default())
            .map_err(|error| error.fault())?;
        Ok(Keiko {
            home,
            config,
            journal: Arc::new(journal),
            worker: WorkerId::from_bytes(random()?),
        })
    }

    /// The run that a text means: an id, the beginning of one, or `last`.
    pub(crate) async fn run_id(&self, text: &str) -> Result<RunId, CliError> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let limit = 3;
        if text == "last" {
            return self.last_run().await;
        }
        let query = match text {
            prefix if !prefix.is_empty() => ViewQuery {
                key_prefix: Some(prefix.into()),
                limit,
                ..ViewQuery::default()
            },
            _ => return Err(no_run(text)),
        };
        let rows = self
            .journal
            .view_list(views::RUNS, query)
            .await
            .map_err(read_fault)?;
        match rows.as_slice() {
            [row] => row.key.parse().map_err(|_| no_run(text)),
            [] => Err(no_run(text)),
            more => {
                let names: Vec<&str> = more.iter().map(|row| row.key.as_str()).collect();
                Err(Fault::new(
                    Code::RUN_AMBIGUOUS,
                    say!(
                        "{text} could be {names}",
                        text = format_args!("{text:?}"),
                        names = names.join(" or ")
                    ),
                )
                .hint("write more of the id: keiko runs list")
                .into())
            }
        }
    }

    /// The newest run that is not a check of another one.
    async fn last_run(&self) -> Result<RunId, CliError> {
        let query = ViewQuery {
            newest_first: true,
            limit: 100,
            ..ViewQuery::default()
        };
        let rows = self
            .journal
            .view_list(views::RUNS, query)
            .await
            .map_err(read_fault)?;
        let rows = rows
            .iter()
            .filter_map(|row| serde_json::from_slice::<RunRow>(&row.body).ok());
        rows.into_iter()
            .find(|row| row.parent.is_none())
            .map(|row| row.run)
            .ok_or_else(|| no_run("last"))
    }

    /// A driver with this model and the real sandbox.
    pub(crate) fn driver(
        &self,
        models: Arc<dyn ChatModel>,
        options: DriveOptions,
    ) -> Result<DriverOf<RunState>, CliError> {
        crate::halt::obey(&self.home);
        let sandbox = Arc::new(LazySandbox {
            home: self.home.clone(),
            config: self.config.sandbox.clone(),
            cell: OnceCell::new(),
        });
        let runs = ChildRuns::new(setup());
        let ports = Ports {
            journal: self.journal.clone(),
            models,
            sandbox: sandbox.clone(),
            host: sandbox,
            tools: Arc::new(NoTools),
            runs: runs.clone(),
            clock: Arc::new(SystemClock),
            policy: Arc::new(self.config.policy.clone()),
            worker: self.worker,
        };
        let driver = Driver::new(ports, options);
        runs.are_driven_by(&driver);
        Ok(driver.of(setup()))
    }

    /// Ends what this process holds: leases are given back by then, the journal is written out.
    pub(crate) async fn close(&self) {
        self.journal.close().await;
    }
}

/// What runs of agents work with.
pub(crate) fn setup() -> Setup {
    Setup {
        tools: Arc::new(tools::standard()),
        engine,
    }
}

/// The native engine of an agent, by its name.
pub(crate) fn engine(agent: &str) -> Option<Box<dyn NativeEngine>> {
    keiko_native::engine(agent)
}

pub(crate) fn read_fault(error: keiko_ports::journal::ReadError) -> CliError {
    Fault::new(Code::JOURNAL_UNREADABLE, error.to_string())
        .hint("keiko doctor")
        .into()
}

fn no_run(text: &str) -> CliError {
    let shown: String = text.chars().take(64).collect();
    Fault::new(
        Code::RUN_UNKNOWN,
        say!("there is no run {run}", run = format_args!("{shown:?}")),
    )
    .hint("keiko runs list")
    .into()
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Fault::new(
            Code::NO_RANDOMNESS,
            say!("the system gives no randomness: {error}", error),
        )
    })?;
    Ok(bytes)
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
