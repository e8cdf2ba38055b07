//! The adapters that the runtime works with, as trait objects.

use keiko_contracts::action::{HostAction, RunAction, ToolAction};
use keiko_contracts::id::WorkerId;
use keiko_contracts::jail::JailAction;
use keiko_contracts::say;
use keiko_governance::policy::RiskPolicy;
use keiko_ports::journal::Journal;
use keiko_ports::model::ChatModel;
use keiko_ports::perform::Perform;
use keiko_ports::shell::Clock;
use std::sync::Arc;
use std::time::Duration;

/// Everything outside.
#[derive(Clone)]
pub struct Ports {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// Language models, for runs that bring none of their own.
    pub models: Arc<dyn ChatModel>,
    /// The sandbox.
    pub sandbox: Arc<dyn Perform<JailAction>>,
    /// What is brokered on the host.
    pub host: Arc<dyn Perform<HostAction>>,
    /// Tools that someone else provides.
    pub tools: Arc<dyn Perform<ToolAction>>,
    /// Runs below a run.
    pub runs: Arc<dyn Perform<RunAction>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The risk policy.
    pub policy: Arc<RiskPolicy>,
    /// Who this process is, in leases.
    pub worker: WorkerId,
}

/// How runs are driven here.
#[derive(Debug, Clone, Copy)]
pub struct DriveOptions {
    /// How long a lease holds without being renewed: how long a run waits after its process died.
    pub lease: Duration,
    /// How often a request that failed for a passing reason is tried, in all.
    pub tries: u16,
    /// The first pause between tries; it doubles.
    pub pause: Duration,
}

impl Default for DriveOptions {
    fn default() -> Self {
        DriveOptions {
            lease: Duration::from_secs(10),
            tries: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// What one run is driven with, beside what all that a process drives share. Runs below it are driven with the same.
#[derive(Clone, Default)]
pub struct With {
    /// Its models, if they are others than those of the ports.
    pub models: Option<Arc<dyn ChatModel>>,
    /// Somebody is there who can answer approvals and questions; otherwise a run that needs one is suspended.
    pub attended: bool,
}

impl With {
    /// The ports for this run.
    pub(crate) fn over(&self, ports: &Ports) -> Ports {
        let mut ports = ports.clone();
        if let Some(models) = &self.models {
            ports.models = models.clone();
        }
        ports
    }
}

/// No tools of others are configured: every call fails with a clear word.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTools;

#[async_trait::async_trait]
impl Perform<ToolAction> for NoTools {
    async fn perform(
        &self,
        permit: keiko_governance::permit::Permit<ToolAction>,
        _live: keiko_ports::live::LiveSink,
        _cancel: keiko_ports::Cancel,
    ) -> keiko_contracts::action::Outcome<keiko_contracts::action::ToolReport> {
        let (_, action) = permit.consume();
        let code = keiko_contracts::code::Code::TOOL_UNKNOWN;
        keiko_contracts::action::Outcome::Failed(keiko_contracts::code::Fault::new(
            code,
            say!("no tool {tool} is configured", tool = action.tool),
        ))
    }
    async fn probe(
        &self,
        _key: &keiko_contracts::id::EffectKey,
        _action: &ToolAction,
    ) -> keiko_contracts::action::Probe<keiko_contracts::action::ToolReport> {
        keiko_contracts::action::Probe::DidNot
    }
}
