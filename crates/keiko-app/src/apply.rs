//! Bringing a result into somebody's folder, and taking it back.

use crate::wiring::Keiko;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::TreeId;
use keiko_workspace::home::Home as Homeward;

pub use keiko_workspace::home::ApplyReport;

impl Keiko {
    /// Brings the result of a run home; with `check`, only says what would change.
    ///
    /// # Errors
    /// When the run changed nothing, or its change and the folder's conflict.
    pub async fn apply(&self, run: RunId, check: bool) -> Result<ApplyReport, Fault> {
        let tree = self.result_tree(run).await?;
        let parts = self.sandbox()?;
        parts.sandbox.export_tree(run, &tree).await?;
        let home = Homeward::new(parts.spaces);
        if check {
            home.plan(run, &tree)
        } else {
            home.apply(run, &tree)
        }
    }

    /// Takes back what [`Keiko::apply`] brought.
    ///
    /// # Errors
    /// When there is nothing to take back, or it has been changed since.
    pub fn undo(&self, run: RunId) -> Result<ApplyReport, Fault> {
        Homeward::new(self.sandbox()?.spaces).undo(run)
    }

    /// The tree that the run left behind, for bringing it home.
    async fn result_tree(&self, run: RunId) -> Result<TreeId, Fault> {
        let state = self.state(run).await?;
        match (&state.coding.workspace.opened, state.coding.workspace.tree) {
            (Some(opened), Some(tree)) if opened.tree != tree => Ok(tree),
            _ => Err(
                Fault::new(Code::NOTHING_CHANGED, "this run changed nothing")
                    .hint(format!("keiko runs show {run}")),
            ),
        }
    }
}
