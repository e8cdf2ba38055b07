//! Classes of actions: what the risk policy speaks about.

use keiko_contracts::action::{Action, HostAction, Impact, Recovery};
use keiko_contracts::jail::{GitOp, JailOp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of thing an action does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ActionClass {
    /// Sends the conversation to a language model.
    Model,
    /// Reads inside the sandbox.
    Read,
    /// Changes files of the private workspace.
    Write,
    /// Changes an existing test of the workspace.
    TestChange,
    /// Runs a command inside the sandbox, without network.
    Execute,
    /// Commits in the private workspace.
    Commit,
    /// Uses the network from a sandbox (installing dependencies).
    Network,
    /// Sends commits to a remote repository.
    GitPush,
    /// A tool of others that only reads, by its contract.
    ToolRead,
    /// A tool of others that adds something and takes nothing away, by its contract.
    ToolAdd,
    /// Any other tool of others.
    ToolOther,
    /// Starts a run of its own, which is judged by the same policy.
    Run,
}

impl ActionClass {
    /// All of them, in the order of the policy file.
    pub const ALL: [ActionClass; 12] = [
        ActionClass::Model,
        ActionClass::Read,
        ActionClass::Write,
        ActionClass::TestChange,
        ActionClass::Execute,
        ActionClass::Commit,
        ActionClass::Network,
        ActionClass::GitPush,
        ActionClass::ToolRead,
        ActionClass::ToolAdd,
        ActionClass::ToolOther,
        ActionClass::Run,
    ];

    /// The name in the policy file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ActionClass::Model => "model",
            ActionClass::Read => "read",
            ActionClass::Write => "write",
            ActionClass::TestChange => "test_change",
            ActionClass::Execute => "execute",
            ActionClass::Commit => "commit",
            ActionClass::Network => "network",
            ActionClass::GitPush => "git_push",
            ActionClass::ToolRead => "tool_read",
            ActionClass::ToolAdd => "tool_add",
            ActionClass::ToolOther => "tool_other",
            ActionClass::Run => "run",
        }
    }

    /// The class of an action. Whether a write touches a protected test is known to the agent alone, see
    /// [`crate::policy::Question::changes_protected_test`].
    #[must_use]
    pub fn of(action: &Action) -> ActionClass {
        match action {
            Action::Model(_) => ActionClass::Model,
            Action::Run(_) => ActionClass::Run,
            Action::Host(HostAction::Push { .. }) => ActionClass::GitPush,
            Action::Tool(tool) => match tool.impact {
                Impact::Read => ActionClass::ToolRead,
                Impact::Add => ActionClass::ToolAdd,
                Impact::Change => ActionClass::ToolOther,
            },
            Action::Jail(jail) => match &jail.op {
                JailOp::Open { .. }
                | JailOp::Survey
                | JailOp::ReadFile { .. }
                | JailOp::ListFiles { .. }
                | JailOp::Search { .. }
                | JailOp::Diff { .. }
                | JailOp::Git(GitOp::Status | GitOp::Diff { .. } | GitOp::Log { .. }) => {
                    ActionClass::Read
                }
                JailOp::WriteFile { .. }
                | JailOp::EditFile { .. }
                | JailOp::Restore { .. }
                | JailOp::Without { .. } => ActionClass::Write,
                JailOp::Git(
                    GitOp::Commit { .. } | GitOp::Branch { .. } | GitOp::Checkout { .. },
                ) => ActionClass::Commit,
                JailOp::Exec(_) | JailOp::Cell { .. } => ActionClass::Execute,
                JailOp::Prepare { .. } => ActionClass::Network,
            },
        }
    }
}

/// The recovery class of an action.
#[must_use]
pub fn recovery_of(action: &Action) -> Recovery {
    match action {
        Action::Model(_) => Recovery::Repeat,
        Action::Host(HostAction::Push { .. }) => Recovery::Probe,
        Action::Tool(tool) => tool.recovery,
        Action::Run(_) => Recovery::SameKey,
        Action::Jail(jail) => match &jail.op {
            JailOp::Exec(_) | JailOp::WriteFile { .. } | JailOp::EditFile { .. } => {
                Recovery::Restore
            }
            // The kernel's variables are gone with its process: the cell is not repeated, the loss is told.
            JailOp::Cell { .. } => Recovery::Restore,
            JailOp::Open { .. }
            | JailOp::Survey
            | JailOp::ReadFile { .. }
            | JailOp::ListFiles { .. }
            | JailOp::Search { .. }
            | JailOp::Diff { .. }
            | JailOp::Git(_)
            | JailOp::Restore { .. }
            | JailOp::Without { .. } => Recovery::Repeat,
            // Scripts of strangers, with network, approved for once: only what is not complete is done again.
            JailOp::Prepare { .. } => Recovery::Probe,
        },
    }
}
