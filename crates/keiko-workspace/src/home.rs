//! Bringing a result home: the one place where Keiko writes into the user's folder, on request, and can take it back.
//!
//! Three-way per file: what the user left alone is replaced, what both changed is merged if it merges cleanly, and
//! anything else is a conflict. With one conflict nothing is written at all. `.git` is never touched. Everything replaced
//! is kept under the run's folder first, so that a crash in the middle, or `undo`, can put it back.

mod any_path;
mod ledger;
mod merge;
mod plan;
mod seen;
pub(crate) mod taken;

pub use plan::{ApplyReport, Change, ChangeKind};

use crate::workspace::{Workspaces, io_fault};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::TreeId;
use keiko_contracts::step::{OfRun, Step};
use ledger::{Ledger, Status};
use plan::Plan;
use std::path::{Path, PathBuf};

/// The tree without entries; git knows it without being given it.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// Applies results of runs to the folders that they came from. All functions block.
#[derive(Debug, Clone)]
pub struct Home {
    spaces: Workspaces,
}

impl Home {
    /// Over the workspaces of all runs.
    #[must_use]
    pub fn new(spaces: Workspaces) -> Home {
        Home { spaces }
    }

    /// What [`Home::apply`] would do; writes nothing. The tree must have been brought out with
    /// [`crate::sandbox::Sandbox::export_tree`].
    ///
    /// # Errors
    /// KEI-5111 without a workspace, KEI-5131 on conflicts (all are named), KEI-5132 when there is no folder to apply to.
    pub fn plan(&self, run: RunId, tree: &TreeId) -> Result<ApplyReport, Fault> {
        let (_, plan) = self.prepare(run, tree)?;
        plan.report()
    }

    /// Applies a tree to the user's folder: all of it or nothing. Applying the same tree again changes nothing.
    ///
    /// # Errors
    /// As [`Home::plan`]; KEI-5109 when writing fails, after everything was put back.
    pub fn apply(&self, run: RunId, tree: &TreeId) -> Result<ApplyReport, Fault> {
        let _hold = crate::space::in_use(&self.spaces.place(run).dir);
        self.settle(run)?;
        let (root, plan) = self.prepare(run, tree)?;
        let report = plan.report()?;
        if plan.is_empty() {
            taken::remember(&self.applied(run), tree)?;
            return Ok(report);
        }
        let mut ledger = Ledger::begin(&self.applied(run), root, tree.clone(), &plan)?;
        if let Err(fault) = ledger.carry_out(&plan) {
            ledger.take_back()?;
            return Err(fault);
        }
        ledger.set(Status::Applied)?;
        Ok(report)
    }

    /// Takes the last [`Home::apply`] back, if every file is still as it was applied, or is as before already.
    ///
    /// # Errors
    /// KEI-5133 naming the files that were changed since, KEI-5134 when nothing is applied, KEI-5165 when the workspace was
    /// given back.
    pub fn undo(&self, run: RunId) -> Result<ApplyReport, Fault> {
        let _hold = crate::space::in_use(&self.spaces.place(run).dir);
        self.settle(run)?;
        let last = Ledger::last(&self.applied(run))?.filter(|l| l.status() == Status::Applied);
        let gone = || {
            self.spaces
                .meta(run)
                .ok()
                .is_some_and(|meta| meta.is_none())
                .then(|| self.spaces.pruned(run))
                .flatten()
        };
        let nothing = || {
            gone().unwrap_or_else(|| {
                Fault::new(Code::NOTHING_APPLIED, "nothing of this run is applied")
                    .at(run)
                    .hint(Step::of_run(OfRun::Apply, run))
            })
        };
        let mut ledger = last.ok_or_else(nothing)?;
        ledger.check_untouched()?;
        let report = ledger.reversed()?;
        ledger.take_back()?;
        taken::forget(&self.applied(run))?;
        Ok(report)
    }

    /// Puts back what a crash left half applied.
    fn settle(&self, run: RunId) -> Result<(), Fault> {
        match Ledger::unfinished(&self.applied(run))? {
            Some(mut ledger) => ledger.take_back(),
            None => Ok(()),
        }
    }

    fn applied(&self, run: RunId) -> PathBuf {
        self.spaces.place(run).dir.join("applied")
    }

    /// Writes a tree that has been brought out into an empty folder, to look at it or to check it again.
    ///
    /// # Errors
    /// KEI-5111 without a workspace, KEI-5109 when writing fails.
    pub fn write_out(&self, run: RunId, tree: &TreeId, to: &Path) -> Result<(), Fault> {
        let (place, _) = self.spaces.must(run)?;
        let nothing = TreeId(EMPTY_TREE.into());
        let plan = Plan::make(&self.spaces.git, &place.repo(), to, (&nothing, None), tree)?;
        plan.report()?;
        let ledger =
            tempfile::tempdir().map_err(|e| io_fault("a folder cannot be made", to, &e))?;
        Ledger::begin(ledger.path(), to.to_owned(), tree.clone(), &plan)?.carry_out(&plan)
    }

    fn prepare(&self, run: RunId, tree: &TreeId) -> Result<(PathBuf, Plan), Fault> {
        let (place, meta) = self.spaces.must(run)?;
        let none = || {
            Fault::new(
                Code::NOWHERE_TO_APPLY,
                "this run did not start from a folder, so there is none to apply to",
            )
            .at(run)
        };
        let root = meta.root.clone().ok_or_else(none)?;
        if !root.is_dir() {
            return Err(Fault::new(
                Code::NOWHERE_TO_APPLY,
                "the folder that this run started from is gone",
            )
            .at(root.display()));
        }
        // What was applied before may be what the user has; undone applications do not count.
        let last = Ledger::last(&self.applied(run))?.filter(|l| l.status() == Status::Applied);
        let bases = (meta.first_tree(), last.as_ref().map(Ledger::tree));
        let plan = Plan::make(&self.spaces.git, &place.repo(), &root, bases, tree)?;
        Ok((root, plan))
    }
}
