//! The loop guard: the same action on the same workspace with the same result is a loop.

use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::digest::Digest;
use keiko_contracts::jail::{JailBody, TreeId};
use std::collections::BTreeMap;

/// How often the same thing may come out the same before it is refused.
pub const REPEATS: u32 = 2;

/// How often an edit may miss in one file before another way is suggested.
pub const MISSES: u32 = 2;

/// Remembers what was done and what came of it. Bounded: forgets everything when the workspace changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoopGuard {
    tree: Option<TreeId>,
    seen: BTreeMap<Digest, (Digest, u32)>,
    misses: BTreeMap<String, u32>,
}

impl LoopGuard {
    /// Whether this call has come out the same too often on this very workspace.
    #[must_use]
    pub fn refuses(&self, tool: &str, arguments: &str, tree: Option<&TreeId>) -> bool {
        tree == self.tree.as_ref() && self.seen.get(&key(tool, arguments)).is_some_and(|(_, times)| *times >= REPEATS)
    }

    /// Takes note of a call and what came of it.
    pub fn note(&mut self, tool: &str, arguments: &str, outcome: &Outcome<Report>, tree: Option<&TreeId>) {
        if tree != self.tree.as_ref() || self.seen.len() > 512 {
            self.tree = tree.cloned();
            self.seen.clear();
        }
        let result = signature(outcome);
        let entry = self.seen.entry(key(tool, arguments)).or_insert((result, 0));
        *entry = if entry.0 == result { (result, entry.1 + 1) } else { (result, 1) };
    }

    /// Counts an edit of a file that missed, or forgets its misses.
    pub fn edited(&mut self, path: &str, missed: bool) {
        if !missed {
            self.misses.remove(path);
            return;
        }
        if self.misses.len() > 256 {
            self.misses.clear();
        }
        *self.misses.entry(path.to_owned()).or_insert(0) += 1;
    }

    /// Edits of this file have missed too often in a row.
    #[must_use]
    pub fn misses(&self, path: &str) -> bool {
        self.misses.get(path).is_some_and(|count| *count >= MISSES)
    }
}

fn key(tool: &str, arguments: &str) -> Digest {
    Digest::of_all(&[tool.as_bytes(), arguments.as_bytes()])
}

/// What came out, without what differs each time, such as durations.
fn signature(outcome: &Outcome<Report>) -> Digest {
    match outcome {
        Outcome::Done(Report::Jail(report)) => match &report.body {
            JailBody::Exec(exec) => {
                Digest::of_all(&[format!("{:?}", exec.end).as_bytes(), &exec.stdout.digest().0, &exec.stderr.digest().0])
            }
            JailBody::Cell(cell) => Digest::of_all(&[&cell.output.digest().0, format!("{:?}{:?}", cell.value, cell.error).as_bytes()]),
            other => Digest::of(format!("{other:?}").as_bytes()),
        },
        other => Digest::of(format!("{other:?}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::jail::{ExecReport, JailReport};

    fn exec(out: &str, ms: u64) -> Outcome<Report> {
        let body = JailBody::Exec(ExecReport { stdout: out.into(), duration_ms: ms, ..ExecReport::default() });
        Outcome::Done(Report::Jail(JailReport { body, tree: None }))
    }

    #[test]
    fn the_same_result_on_the_same_workspace_is_a_loop() {
        let tree = TreeId("a".into());
        let mut guard = LoopGuard::default();
        for ms in [5, 9] {
            assert!(!guard.refuses("execute", "{}", Some(&tree)));
            guard.note("execute", "{}", &exec("same", ms), Some(&tree));
        }
        assert!(guard.refuses("execute", "{}", Some(&tree)));
        assert!(!guard.refuses("execute", "{\"x\":1}", Some(&tree)));
        assert!(!guard.refuses("execute", "{}", Some(&TreeId("b".into()))), "the workspace has changed");
        guard.note("execute", "{}", &exec("other", 5), Some(&tree));
        assert!(!guard.refuses("execute", "{}", Some(&tree)), "the result has changed");
    }

    #[test]
    fn two_misses_call_for_another_way() {
        let mut guard = LoopGuard::default();
        guard.edited("a.py", true);
        assert!(!guard.misses("a.py"));
        guard.edited("a.py", true);
        assert!(guard.misses("a.py") && !guard.misses("b.py"));
        guard.edited("a.py", false);
        guard.edited("a.py", true);
        assert!(!guard.misses("a.py"), "only misses in a row count");
    }
}
