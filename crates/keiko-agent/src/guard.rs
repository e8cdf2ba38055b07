//! The loop guard: the same action on the same workspace with the same result is a loop, and so is whatever else brings
//! nothing new answer after answer: refused calls, unknown tools, arguments that make no sense, repeated words.

use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::digest::Digest;
use keiko_contracts::jail::{JailBody, TreeId};
use std::collections::{BTreeMap, BTreeSet};

/// How often the same thing may come out the same before it is refused.
pub const REPEATS: u32 = 2;

/// After how many answers in a row that brought nothing new the agent is told: the third that comes to the same.
const TOLD_AT: u32 = 2;

/// After how many the run ends: the fifth.
const ENDED_AT: u32 = 4;

/// Most outcomes that are remembered on one tree.
const KNOWN_MAX: usize = 512;

/// How often an edit may miss in one file before another way is suggested.
pub const MISSES: u32 = 2;

/// Remembers what was done and what came of it. Bounded: forgets everything when the workspace changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoopGuard {
    tree: Option<TreeId>,
    seen: BTreeMap<Digest, (Digest, u32)>,
    misses: BTreeMap<String, u32>,
    known: BTreeSet<Digest>,
    /// Whether this step has brought something new; nothing, while nothing has come of it.
    step: Option<bool>,
    stale: u32,
    told: bool,
}

/// What is to be done about answers that bring nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circles {
    /// Nothing.
    No,
    /// The agent is told.
    Tell,
    /// The run ends, after so many answers that came to the same.
    End(u32),
}

impl LoopGuard {
    /// Whether this call has come out the same too often on this very workspace.
    #[must_use]
    pub fn refuses(&self, tool: &str, arguments: &str, tree: Option<&TreeId>) -> bool {
        tree == self.tree.as_ref()
            && self
                .seen
                .get(&key(tool, arguments))
                .is_some_and(|(_, times)| *times >= REPEATS)
    }

    /// Takes note of a call and what came of it.
    pub fn note(
        &mut self,
        tool: &str,
        arguments: &str,
        outcome: &Outcome<Report>,
        tree: Option<&TreeId>,
    ) {
        let result = signature(outcome);
        self.came(
            Digest::of_all(&[b"did", &key(tool, arguments).0, &result.0]),
            tree,
        );
        let entry = self.seen.entry(key(tool, arguments)).or_insert((result, 0));
        *entry = if entry.0 == result {
            (result, entry.1 + 1)
        } else {
            (result, 1)
        };
    }

    /// A call was answered without an effect.
    pub fn answered(&mut self, tool: &str, arguments: &str, text: &str, tree: Option<&TreeId>) {
        self.came(
            Digest::of_all(&[b"answered", &key(tool, arguments).0, text.as_bytes()]),
            tree,
        );
    }

    /// A call was refused: for the same reason it is the same, whatever its arguments.
    pub fn refused(&mut self, tool: &str, reason: &str, tree: Option<&TreeId>) {
        self.came(Digest::of_all(&[b"refused", &key(tool, reason).0]), tree);
    }

    /// A call was refused because it had come out the same before.
    pub fn again(&mut self) {
        self.step = Some(self.step == Some(true));
    }

    /// An answer without calls, in these words or in none.
    pub fn said(&mut self, text: &str) {
        let tree = self.tree.clone();
        self.came(
            Digest::of_all(&[b"said", text.trim().as_bytes()]),
            tree.as_ref(),
        );
    }

    /// A claim was sent back: how often that may be has a limit of its own.
    pub fn claimed(&mut self) {
        self.step = None;
    }

    /// The agent was told that it goes in circles.
    pub fn told(&mut self) {
        self.told = true;
    }

    /// The next request is made.
    pub fn next_step(&mut self) {
        match self.step.take() {
            Some(true) => (self.stale, self.told) = (0, false),
            Some(false) => self.stale += 1,
            None => {}
        }
    }

    /// Whether the agent goes in circles, now that its newest answer is dealt with.
    #[must_use]
    pub fn circles(&self) -> Circles {
        match (self.step, self.stale + u32::from(self.step == Some(false))) {
            (Some(true), _) => Circles::No,
            (_, stale) if stale >= ENDED_AT => Circles::End(stale + 1),
            (_, stale) if stale >= TOLD_AT && !self.told => Circles::Tell,
            _ => Circles::No,
        }
    }

    fn came(&mut self, what: Digest, tree: Option<&TreeId>) {
        if tree != self.tree.as_ref() || self.seen.len() > KNOWN_MAX || self.known.len() > KNOWN_MAX
        {
            self.tree = tree.cloned();
            self.seen.clear();
            self.known.clear();
        }
        let new = self.known.insert(what);
        self.step = Some(new || self.step == Some(true));
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
            JailBody::Exec(exec) => Digest::of_all(&[
                format!("{:?}", exec.end).as_bytes(),
                &exec.stdout.digest().0,
                &exec.stderr.digest().0,
            ]),
            JailBody::Cell(cell) => Digest::of_all(&[
                &cell.output.digest().0,
                format!("{:?}{:?}", cell.value, cell.error).as_bytes(),
            ]),
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
        let body = JailBody::Exec(ExecReport {
            stdout: out.into(),
            duration_ms: ms,
            ..ExecReport::default()
        });
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
        assert!(
            !guard.refuses("execute", "{}", Some(&TreeId("b".into()))),
            "the workspace has changed"
        );
        guard.note("execute", "{}", &exec("other", 5), Some(&tree));
        assert!(
            !guard.refuses("execute", "{}", Some(&tree)),
            "the result has changed"
        );
    }

    #[test]
    fn the_third_answer_that_comes_to_the_same_is_seen_whatever_it_is() {
        type Did = fn(&mut LoopGuard, u32);
        let all: [Did; 4] = [
            |guard, n| {
                guard.refused(
                    "write_file",
                    "`path` is missing",
                    Some(&TreeId(format!("{}", n / 100))),
                )
            },
            |guard, n| {
                guard.answered(
                    "show_more",
                    "{}",
                    "the same",
                    Some(&TreeId(format!("{}", n / 100))),
                )
            },
            |guard, _| guard.said("Let me look."),
            |guard, n| {
                guard.note(
                    "execute",
                    "{}",
                    &exec("same", u64::from(n)),
                    Some(&TreeId("a".into())),
                )
            },
        ];
        for did in all {
            let mut guard = LoopGuard::default();
            let mut seen = Vec::new();
            for n in 0..5 {
                did(&mut guard, n);
                seen.push(guard.circles());
                if seen.last() == Some(&Circles::Tell) {
                    guard.told();
                }
                guard.next_step();
            }
            assert_eq!(
                seen,
                [
                    Circles::No,
                    Circles::No,
                    Circles::Tell,
                    Circles::No,
                    Circles::End(5)
                ]
            );
            did(&mut guard, 200);
            guard.answered(
                "read_file",
                "{}",
                "something new",
                Some(&TreeId("b".into())),
            );
            assert_eq!(
                guard.circles(),
                Circles::No,
                "one thing that is new among them ends the row"
            );
            guard.next_step();
            assert_eq!(guard.circles(), Circles::No);
        }
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
