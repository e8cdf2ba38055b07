//! Bringing a result into somebody's folder, and taking it back.

use crate::wiring::Keiko;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::home::{
    HomeBegun, HomeChange, HomeChangeKind, HomeEnded, HomeEvent, Homeward,
};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::TreeId;
use keiko_contracts::journal::Seq;
use keiko_contracts::step::{OfRun, Step};
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::homeward;
use keiko_workspace::home::{ChangeKind, Home as Folder};

pub use keiko_runtime::homeward::Told;
pub use keiko_workspace::home::ApplyReport;

impl Keiko {
    /// Says what bringing the result of a run home would change.
    ///
    /// # Errors
    /// When the run changed nothing, or its change and the folder's conflict.
    pub async fn apply_plan(&self, run: RunId) -> Result<ApplyReport, Fault> {
        let (tree, folder) = self.ready(run).await?;
        folder.plan(run, &tree)
    }

    /// Brings the result of a run home, for somebody. It is on record before the folder is touched.
    ///
    /// # Errors
    /// When the run changed nothing, or its change and the folder's conflict.
    pub async fn apply(&self, run: RunId, by: String) -> Result<ApplyReport, Fault> {
        let (tree, folder) = self.ready(run).await?;
        let begun = HomeBegun {
            what: Homeward::Apply,
            by,
            tree: Some(tree.clone()),
        };
        self.on_record(run, begun, || folder.apply(run, &tree))
            .await
    }

    /// The result's tree, taken out of its jail, and the folder that it goes to.
    async fn ready(&self, run: RunId) -> Result<(TreeId, Folder), Fault> {
        let tree = self.result_tree(run).await?;
        let parts = self.sandbox()?;
        parts.sandbox.export_tree(run, &tree).await?;
        Ok((tree, Folder::new(parts.spaces)))
    }

    /// Takes back what [`Keiko::apply`] brought, for somebody.
    ///
    /// # Errors
    /// When there is nothing to take back, or it has been changed since.
    pub async fn undo(&self, run: RunId, by: String) -> Result<ApplyReport, Fault> {
        let folder = Folder::new(self.sandbox()?.spaces);
        let begun = HomeBegun {
            what: Homeward::Undo,
            by,
            tree: None,
        };
        self.on_record(run, begun, || folder.undo(run)).await
    }

    async fn on_record(
        &self,
        run: RunId,
        begun: HomeBegun,
        work: impl FnOnce() -> Result<ApplyReport, Fault>,
    ) -> Result<ApplyReport, Fault> {
        let said = async |event: HomeEvent| {
            homeward::say(self.journal.as_ref(), run, &event, SystemClock.now()).await
        };
        let begun = said(HomeEvent::Begun(begun))
            .await
            .map_err(|error| error.fault())?;
        let came = work();
        let ended = HomeEvent::Ended(ended(begun, &came));
        // The folder is as it is, whether this can be written or not; what has begun stands there.
        if let Err(error) = said(ended).await {
            tracing::warn!(%run, %error, "what became of the folder is not on record");
        }
        came
    }

    /// The tree that the run left behind, for bringing it home.
    async fn result_tree(&self, run: RunId) -> Result<TreeId, Fault> {
        let state = self.state(run).await?;
        match (&state.coding.workspace.opened, state.coding.workspace.tree) {
            (Some(opened), Some(tree)) if opened.tree != tree => Ok(tree),
            _ => Err(
                Fault::new(Code::NOTHING_CHANGED, "this run changed nothing")
                    .hint(Step::of_run(OfRun::Show, run)),
            ),
        }
    }
}

fn ended(begun: Seq, came: &Result<ApplyReport, Fault>) -> HomeEnded {
    let (changes, fault) = match came {
        Ok(report) => (report.changes.as_slice(), None),
        Err(fault) => (&[][..], Some(fault.clone())),
    };
    let named = changes
        .iter()
        .take(HomeEnded::NAMED)
        .map(|change| HomeChange {
            path: change.path.to_string_lossy().into_owned(),
            kind: match change.kind {
                ChangeKind::Added => HomeChangeKind::Added,
                ChangeKind::Modified => HomeChangeKind::Modified,
                ChangeKind::Merged => HomeChangeKind::Merged,
                ChangeKind::Deleted => HomeChangeKind::Deleted,
            },
        });
    HomeEnded {
        begun,
        changes: named.collect(),
        more: u32::try_from(changes.len().saturating_sub(HomeEnded::NAMED)).unwrap_or(u32::MAX),
        fault,
    }
}
