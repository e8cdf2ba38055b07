//! Looks up the change that a person is asked about: what a push would publish, or what was done to tests.

use crate::config::SandboxConfig;
use crate::home::Home;
use crate::wiring::{Keiko, sandbox};
use keiko_agent::state::RunState;
use keiko_contracts::action::{Action, HostAction};
use keiko_contracts::approval::ApprovalRequest;
use keiko_contracts::code::Fault;
use keiko_contracts::id::{ApprovalId, RunId};
use keiko_contracts::jail::{JailOp, TreeId};
use std::collections::BTreeMap;

/// The change that is decided about: a push, or changes to tests.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Commits, short id and subject, the newest first.
    pub subjects: Vec<String>,
    /// The unified diff.
    pub diff: String,
}

/// The changes that open questions are about.
pub type Asked = BTreeMap<ApprovalId, Change>;

/// The question is about a change that has to be looked up.
#[must_use]
pub fn has_change(action: &Action) -> bool {
    match action {
        Action::Host(HostAction::Push { .. }) => true,
        Action::Jail(jail) => matches!(jail.op, JailOp::Diff { .. }),
        _ => false,
    }
}

/// Where changes are looked up.
#[derive(Debug, Clone)]
pub struct Changes {
    home: Home,
    sandbox: SandboxConfig,
}

impl Changes {
    /// Those of the runs of this Keiko.
    #[must_use]
    pub fn of(keiko: &Keiko) -> Changes {
        Changes {
            home: keiko.home.clone(),
            sandbox: keiko.config.sandbox.clone(),
        }
    }

    /// The change behind a question; nothing when it has none, or it cannot be looked up: then the action itself is shown.
    pub async fn about(&self, request: &ApprovalRequest) -> Option<Change> {
        if !has_change(&request.action) {
            return None;
        }
        match self.look(request).await {
            Ok(change) => change,
            Err(fault) => {
                tracing::debug!(%fault, "the change cannot be looked up");
                None
            }
        }
    }

    async fn look(&self, request: &ApprovalRequest) -> Result<Option<Change>, Fault> {
        match &request.action {
            Action::Host(action) => {
                let published = sandbox(&self.home, &self.sandbox)?
                    .push
                    .published(action)
                    .await?;
                Ok(Some(Change {
                    subjects: published.subjects,
                    diff: published.diff,
                }))
            }
            Action::Jail(jail) => match &jail.op {
                JailOp::Diff { from, to: Some(to) } => Ok(Some(Change {
                    subjects: Vec::new(),
                    diff: self.between(jail.workspace, from, to).await?,
                })),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The difference between two states of a workspace.
    pub(crate) async fn between(
        &self,
        run: RunId,
        from: &TreeId,
        to: &TreeId,
    ) -> Result<String, Fault> {
        sandbox(&self.home, &self.sandbox)?
            .sandbox
            .difference(run, from, to)
            .await
    }

    /// What a run has changed so far.
    pub(crate) async fn so_far(
        &self,
        run: RunId,
        state: &RunState,
    ) -> Result<Option<String>, Fault> {
        match (&state.coding.workspace.opened, &state.coding.workspace.tree) {
            (Some(opened), Some(tree)) if opened.tree != *tree => {
                self.between(run, &opened.tree, tree).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The changes that the open questions of a run are about.
    pub async fn asked(&self, state: &RunState) -> Asked {
        let mut found = Asked::new();
        for approval in state.life.open_approvals() {
            if let Some(change) = self.about(&approval.request).await {
                found.insert(approval.request.id, change);
            }
        }
        found
    }
}
