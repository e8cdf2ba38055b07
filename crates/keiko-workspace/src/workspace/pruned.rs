//! What is remembered of folders that were given back: one line for each, in one file beside them.

use super::io_fault;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_contracts::time::Timestamp;
use keiko_sandbox::foreign;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::Path;

/// The file, in the folder of all workspaces.
const FILE: &str = "pruned.jsonl";
/// The most of it that is read, bytes: some hundred thousand runs.
const READ_MAX: u64 = 32 << 20;

/// A run's folder that was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
}

impl Pruned {
    /// Said by whatever would need the folder.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let (run, day) = (self.run, self.at.to_minute());
        Fault::new(
            Code::WORKSPACE_PRUNED,
            say!(
                "the workspace of this run was given back on {day} by `{step}`",
                day,
                step = Step::Prune
            ),
        )
        .at(run)
        .hint(say!(
            "its change is still on record: {step} (to go on from it, start a new run)",
            step = Step::of_run(OfRun::Diff, run)
        ))
    }
}

/// Adds a line. One write, at the end: two that do it at once do not mix.
pub(crate) fn remember(workspaces: &Path, run: RunId, at: Timestamp) -> Result<(), Fault> {
    let path = workspaces.join(FILE);
    let line = serde_json::to_string(&Pruned { run, at }).map_err(|e| {
        Fault::new(
            Code::WORKSPACE_RECORD,
            say!("the workspace's record cannot be written: {e}", e),
        )
    })?;
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)?;
        // A line that a crash cut off ends here.
        file.write_all(format!("\n{line}\n").as_bytes())?;
        file.sync_data()
    };
    write().map_err(|e| io_fault("write", &path, &e))
}

/// The last line about a run.
pub(crate) fn of(workspaces: &Path, run: RunId) -> Option<Pruned> {
    let text = foreign::read_text(&workspaces.join(FILE), READ_MAX)?;
    let (lines, name) = (text.lines().rev(), run.to_string());
    lines
        .filter(|line| line.contains(&name))
        .filter_map(|line| serde_json::from_str::<Pruned>(line).ok())
        .find(|known| known.run == run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_broken_lines_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let (run, other) = (RunId::from_bytes([1; 10]), RunId::from_bytes([2; 10]));
        assert_eq!(of(dir.path(), run), None);
        remember(dir.path(), run, Timestamp(1)).unwrap();
        std::fs::OpenOptions::new()
            .append(true)
            .open(dir.path().join(FILE))
            .unwrap()
            .write_all(b"{\"run\":")
            .unwrap();
        remember(dir.path(), run, Timestamp(2)).unwrap();
        remember(dir.path(), other, Timestamp(3)).unwrap();
        assert_eq!(
            of(dir.path(), run).map(|known| known.at),
            Some(Timestamp(2))
        );
        let fault = of(dir.path(), other).unwrap().fault();
        assert_eq!(fault.code, "KEI-5165");
        assert!(
            fault
                .hint
                .unwrap()
                .contains(&format!("keiko runs diff {other}"))
        );
    }
}
