//! Whether a result is in the user's folder, as far as what was written down here says. The folder itself is not looked at:
//! people go on working in it.

use super::ledger::{Ledger, Status};
use crate::workspace::{io_fault, write_atomically};
use keiko_contracts::code::Fault;
use keiko_contracts::jail::TreeId;
use keiko_sandbox::foreign;
use std::path::Path;

/// Beside the ledgers: the tree of which everything was in the user's folder already when it was to be applied.
const SAME: &str = "same";
/// Longest id of a tree, bytes.
const ID_BYTES_MAX: u64 = 128;

/// Writes down that the user's folder has all of a tree, where no ledger says so.
pub(super) fn remember(applied: &Path, tree: &TreeId) -> Result<(), Fault> {
    if holds(applied, tree) {
        return Ok(());
    }
    std::fs::create_dir_all(applied).map_err(|e| io_fault("make a folder", applied, &e))?;
    write_atomically(&applied.join(SAME), tree.0.as_bytes())
}

/// The user took a result back.
pub(super) fn forget(applied: &Path) -> Result<(), Fault> {
    let path = applied.join(SAME);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io_fault("remove", &path, &e)),
        _ => Ok(()),
    }
}

/// Whether a tree was applied and not taken back.
pub(crate) fn holds(applied: &Path, tree: &TreeId) -> bool {
    let last = Ledger::last(applied)
        .ok()
        .flatten()
        .filter(|ledger| ledger.status() == Status::Applied);
    last.is_some_and(|ledger| ledger.tree() == tree)
        || foreign::read_text(&applied.join(SAME), ID_BYTES_MAX).is_some_and(|same| same == tree.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_was_there_already_counts_until_it_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let (applied, tree) = (dir.path().join("applied"), TreeId("4b825dc".into()));
        assert!(!holds(&applied, &tree));
        remember(&applied, &tree).unwrap();
        assert!(holds(&applied, &tree) && !holds(&applied, &TreeId("other".into())));
        forget(&applied).unwrap();
        forget(&applied).unwrap();
        assert!(!holds(&applied, &tree));
    }
}
