//! Looks up the change that a person is asked about: what a push would publish, or what was done to tests.

use crate::config::SandboxConfig;
use crate::home::Home;
use crate::view::question::{self, Change};
use crate::wiring::{Keiko, sandbox};
use keiko_agent::state::RunState;
use keiko_contracts::action::Action;
use keiko_contracts::approval::ApprovalRequest;
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{JailOp, TreeId};

/// Where changes are looked up.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    home: Home,
    sandbox: SandboxConfig,
}

impl Changes {
    pub(crate) fn of(keiko: &Keiko) -> Changes {
        Changes {
            home: keiko.home.clone(),
            sandbox: keiko.config.sandbox.clone(),
        }
    }

    /// The change behind a question; nothing when it has none, or it cannot be looked up: then the action itself is shown.
    pub(crate) async fn about(&self, request: &ApprovalRequest) -> Option<Change> {
        if !question::has_change(&request.action) {
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
}
