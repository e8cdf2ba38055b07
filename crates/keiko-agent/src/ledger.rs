//! The state ledger: what must survive when older steps leave the context.

use keiko_contracts::evidence::TestSummary;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

const FILES_MAX: usize = 60;
const FAILED_MAX: usize = 12;
const WORDS_MAX: usize = 12;
const LINE_MAX: usize = 300;

/// Facts, folded from events; rendered for the model after a compaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    files: BTreeMap<String, &'static str>,
    failed: VecDeque<String>,
    words: VecDeque<String>,
    tests: Option<Arc<TestSummary>>,
    first_tests: Option<Arc<TestSummary>>,
    commits: u32,
}

/// Cuts a text to its first line and a length.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    let line = text.trim().lines().next().unwrap_or("");
    if line.len() <= max {
        return line.to_owned();
    }
    let mut end = max;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &line[..end])
}

impl Ledger {
    /// A file was created or changed.
    pub fn touched(&mut self, path: &str, how: &'static str) {
        if self.files.len() < FILES_MAX || self.files.contains_key(path) {
            let entry = self.files.entry(path.to_owned()).or_insert(how);
            if *entry != "created" {
                *entry = how;
            }
        }
    }
    /// Something was tried and did not work.
    pub fn failed(&mut self, what: &str) {
        if self.failed.len() == FAILED_MAX {
            self.failed.pop_front();
        }
        self.failed.push_back(one_line(what, LINE_MAX));
    }
    /// The operator said something.
    pub fn said(&mut self, text: &str) {
        if self.words.len() == WORDS_MAX {
            self.words.pop_front();
        }
        self.words.push_back(one_line(text, LINE_MAX * 3));
    }
    /// Tests ran.
    pub fn tested(&mut self, summary: Arc<TestSummary>) {
        self.first_tests.get_or_insert_with(|| summary.clone());
        self.tests = Some(summary);
    }
    /// A commit was made.
    pub fn committed(&mut self) {
        self.commits += 1;
    }
    /// For the model. `cut` are references of results that were cut.
    #[must_use]
    pub fn render(&self, open_approvals: &[String], cut: &[String], steps: u32) -> String {
        let mut out = format!(
            "State ledger after {steps} steps (older steps have left the context; this is what they came to):\n"
        );
        if !self.files.is_empty() {
            out.push_str("Files touched:\n");
            for (path, how) in &self.files {
                let _ = writeln!(out, "- {path} ({how})");
            }
        }
        if let Some(first) = &self.first_tests {
            let _ = writeln!(out, "Tests at the start: {}", counts(first));
        }
        if let Some(last) = &self.tests {
            let _ = writeln!(out, "Tests at the last run: {}", counts(last));
        }
        if !self.failed.is_empty() {
            out.push_str("Tried, did not work (do not repeat as it was):\n");
            self.failed.iter().for_each(|line| {
                let _ = writeln!(out, "- {line}");
            });
        }
        if !self.words.is_empty() {
            out.push_str("The operator said:\n");
            self.words.iter().for_each(|line| {
                let _ = writeln!(out, "- {line}");
            });
        }
        if self.commits > 0 {
            let _ = writeln!(out, "Commits made: {}", self.commits);
        }
        if !cut.is_empty() {
            let _ = writeln!(
                out,
                "Long results that were cut, which show_more still reads by their references: {}",
                cut.join(", ")
            );
        }
        if !open_approvals.is_empty() {
            out.push_str("Open approvals:\n");
            open_approvals.iter().for_each(|line| {
                let _ = writeln!(out, "- {line}");
            });
        }
        out
    }
}

fn counts(summary: &TestSummary) -> String {
    let mut text = format!(
        "{} passed, {} failed, {} errors",
        summary.passed, summary.failed, summary.errors
    );
    if !summary.failing.is_empty() {
        let names: Vec<&str> = summary.failing.iter().take(8).map(String::as_str).collect();
        let _ = write!(text, " ({})", names.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_small_whatever_happens() {
        let mut ledger = Ledger::default();
        for i in 0..500 {
            ledger.touched(&format!("src/{i}.py"), "changed");
            ledger.failed(&"x".repeat(5_000));
            ledger.said(&"y".repeat(5_000));
        }
        let text = ledger.render(
            &["push to main".into()],
            &["o1.0 (execute, 20000 bytes)".into()],
            500,
        );
        assert!(text.len() < 24_000, "{}", text.len());
        assert!(text.contains("push to main") && text.contains("o1.0 (execute"));
    }

    #[test]
    fn a_created_file_stays_created() {
        let mut ledger = Ledger::default();
        ledger.touched("a", "created");
        ledger.touched("a", "changed");
        assert!(ledger.render(&[], &[], 1).contains("a (created)"));
    }
}
