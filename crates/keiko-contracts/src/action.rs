//! Actions, the effects they become, and how an effect recovers after a crash.

use crate::asked::Asked;
use crate::code::Fault;
use crate::digest::{Content, Digest};
use crate::id::{ApprovalId, EffectKey, ModelName, RunId, ToolName};
use crate::jail::{JailAction, JailReport, TreeId};
use crate::journal::Epoch;
use crate::model::{Stop, Usage};
use crate::money::Micros;
use crate::said::Said;
use crate::start::{EndStatus, StartRun};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an agent wants done, resolved: everything that policy, approval and audit see. Never a model's raw arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ask a language model.
    Model(ModelAction),
    /// Something inside the sandbox.
    Jail(JailAction),
    /// Something on the host or beyond, brokered: push, for example.
    Host(HostAction),
    /// A tool that someone else provides.
    Tool(ToolAction),
    /// A run of its own.
    Run(RunAction),
}

/// Start a run below this one and wait for its end. The child's id follows from the effect's key
/// ([`RunId::child_of`](crate::id::RunId::child_of)): begun twice, it is the same run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunAction {
    /// How it is started.
    pub start: Box<StartRun>,
}

/// A model request by reference: the request itself is rendered from the journal again whenever it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelAction {
    /// Which model.
    pub model: ModelName,
    /// The first item of the conversation that the request shows after its fixed head.
    pub from_item: u32,
    /// One past the last item that it shows.
    pub to_item: u32,
    /// Digest of the rendered request: differs when rendering has changed since.
    pub request: Digest,
    /// Output limit in tokens.
    pub max_output_tokens: u32,
    /// What the request was estimated at, in tokens; 0 in records of older versions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub estimate: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Something on the host, outside every jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum HostAction {
    /// Push one commit to one branch of a remote. Probed by looking at the remote branch.
    Push {
        /// The workspace whose objects are pushed.
        workspace: crate::id::RunId,
        /// URL or path of the remote, from the user's repository or configuration.
        remote: String,
        /// The branch on the remote, without `refs/heads/`.
        branch: String,
        /// The commit, 40 or 64 hexadecimal digits.
        commit: String,
        /// The remote branch as it was when this was resolved; the push is refused if it has moved. `None`: a new branch.
        expected: Option<String>,
    },
}

/// A tool behind the tool port, with the recovery class and the impact that its contract declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolAction {
    /// The tool.
    pub tool: ToolName,
    /// Its resolved arguments as canonical JSON.
    pub arguments: Content,
    /// What its contract says about recovery.
    pub recovery: Recovery,
    /// What its contract says about the harm that a call can do: decides whether a person is asked.
    #[serde(default, skip_serializing_if = "Impact::is_change")]
    pub impact: Impact,
}

/// What a call of a tool does to the world outside. It says nothing about recovery: a payment with an idempotency key is
/// safe to repeat, and is a payment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// Nothing: it reads.
    Read,
    /// It adds something that can be taken back, and takes nothing away: a draft, a row, a file of its own.
    Add,
    /// Anything else, such as sending, paying, overwriting and deleting; and what a contract does not tell.
    #[default]
    Change,
}

impl Impact {
    fn is_change(&self) -> bool {
        matches!(self, Impact::Change)
    }
}

/// What happens to an effect whose intent is in the journal and whose outcome is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Done again: it changes nothing, or comes out the same.
    Repeat,
    /// Done again with the same key: the other side recognises it.
    SameKey,
    /// The workspace is put back to the last recorded tree, then it is done again.
    Restore,
    /// The other side is asked whether it happened.
    Probe,
    /// A person is asked.
    Person,
}

/// The digest of an action: what an approval approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ActionDigest(pub Digest);

/// Where the money of an effect comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purse {
    /// Its intent reserves it, and is on the medium before anything starts.
    #[default]
    Own,
    /// It was set aside by an earlier event: the allowance. Its intent is written, and need not be synced first.
    Allowance,
}

impl Purse {
    fn is_own(&self) -> bool {
        matches!(self, Purse::Own)
    }
}

/// An action that is about to become an effect. Durable before it starts, but for a request to a model that spends from
/// an allowance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    /// The effect's identity.
    pub key: EffectKey,
    /// What is to be done.
    pub action: Action,
    /// Digest of the action.
    pub digest: ActionDigest,
    /// What happens after a crash.
    pub recovery: Recovery,
    /// Money reserved until the outcome settles it.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub reserve: Micros,
    /// Where that money comes from.
    #[serde(default, skip_serializing_if = "Purse::is_own")]
    pub purse: Purse,
    /// The approval that this consumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// The kill epoch under which it was permitted.
    pub epoch: Epoch,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Asked::is_loop")]
    pub asked: Asked,
}

fn is_nothing(amount: &Micros) -> bool {
    *amount == Micros::ZERO
}

/// How an effect came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<R> {
    /// It was carried out, and this is what came of it. A command that fails is carried out.
    Done(R),
    /// It was not carried out, or not to its end.
    Failed(Fault),
    /// Nobody can tell whether it happened; a person decides.
    Unknown {
        /// Why nobody can tell.
        why: Said,
    },
    /// It was stopped on request.
    Cancelled,
}

impl<R> Outcome<R> {
    /// Changes the report.
    pub fn map<S>(self, f: impl FnOnce(R) -> S) -> Outcome<S> {
        match self {
            Outcome::Done(report) => Outcome::Done(f(report)),
            Outcome::Failed(fault) => Outcome::Failed(fault),
            Outcome::Unknown { why } => Outcome::Unknown { why },
            Outcome::Cancelled => Outcome::Cancelled,
        }
    }
}

/// What the other side says when asked whether an effect happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe<R> {
    /// It happened, with this report.
    Happened(R),
    /// It did not happen.
    DidNot,
    /// It cannot be found out.
    CannotTell {
        /// Why.
        why: Said,
    },
}

/// The report of an action of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Of a model request.
    Model(ModelReport),
    /// Of something inside the sandbox.
    Jail(JailReport),
    /// Of something on the host.
    Host(HostReport),
    /// Of a tool.
    Tool(ToolReport),
    /// Of a run of its own.
    Run(RunReport),
}

/// What came of a run below this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub status: EndStatus,
    /// What its agent says about it.
    pub summary: Content,
    /// The tree of its result, if it had a workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeId>,
    /// What it cost, with the runs below it.
    pub cost: Micros,
    /// At most this much more was charged for requests that a crash cut off.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub cut_off: Micros,
}

/// Where a run below stands when it is let go. A run that waits has no outcome: its effect stays open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunRest {
    /// It ended.
    Ended(RunReport),
    /// It waits, or was stopped, and can be taken up again.
    Waits(RunId),
}

/// Where a model's answer came from. Shown on every screen and kept in every record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A model answered now.
    #[default]
    Live,
    /// An answer captured earlier from a real model.
    Recorded,
    /// A script plays the model.
    Scripted,
}

/// What came of a model request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelReport {
    /// The parts of the answer as JSON: [`crate::model::Part`] in wire order.
    pub reply: Content,
    /// Why it stopped.
    pub stop: Stop,
    /// Tokens.
    pub usage: Usage,
    /// What it cost.
    pub cost: Micros,
    /// The model has no price: what it cost is not known, and `cost` is 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpriced: bool,
    /// Who answered, in the vendor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_by: Option<String>,
    /// Live, recorded or scripted.
    #[serde(default)]
    pub origin: Origin,
    /// When it was answered, where that is kept with the answer: a recorded answer and its replay have one time, from
    /// which follow the dates of commits. Without it the time of the event counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    /// Milliseconds to the first token.
    pub first_token_ms: u32,
    /// Milliseconds in all.
    pub duration_ms: u32,
}

/// What came of an action on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "did")]
pub enum HostReport {
    /// The remote branch now stands at the commit.
    Pushed {
        /// URL or path of the remote.
        remote: String,
        /// The branch.
        branch: String,
        /// The commit.
        commit: String,
    },
}

/// What came of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolReport {
    /// What it answered.
    pub output: Content,
    /// True when the tool itself says that it failed.
    #[serde(default)]
    pub is_error: bool,
}
