//! Repair candidates: one small edit of a suspect line at a time, kept only in the report.
//!
//! A candidate must make a failing test pass; those that do must then leave every green test green. The workspace is
//! put back after each.

use super::answer::{Answer, restore, run_tests};
use super::fix::broken_test;
use super::report::Candidate;
use super::revert::{self, Block};
use super::series::{REPAIR, TRY};
use super::source::{Lang, is_test_file, mask};
use super::suspects::to_be_explained;
use super::templates::{self, Line};
use super::{Change, Facts, NativeCall, Phase};
use keiko_contracts::evidence::TestStatus;
use keiko_contracts::jail::{Edit, JailOp};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_runners::TestPlan;
use similar::TextDiff;
use std::collections::{BTreeSet, VecDeque};

/// How many candidates are tried in one step.
const BATCH: usize = 6;
/// How many survivors are shown for one test.
const SURVIVORS: usize = 3;
/// How many failing tests are worked on.
const MAX_TARGETS: usize = 4;
/// How many ways to undo a guilty commit are tried, and how many single lines of one block.
const UNDOINGS: usize = 16;
const PIECES: usize = 6;
/// How many other edits are tried where the guilty commit is known.
const ELSEWHERE: usize = 24;
/// How much of the time this phase may take, in hundredths.
const SHARE: u64 = 35;

/// A change to try: files with their new texts.
#[derive(Debug, Clone)]
struct Trial {
    file: String,
    line: u32,
    template: Said,
    files: Vec<(String, String)>,
    cost: usize,
}

/// A failing test and the edits that may help.
#[derive(Debug, Clone)]
struct Target {
    suite: usize,
    test: String,
    plan: TestPlan,
    trials: VecDeque<Trial>,
    left: usize,
}

/// What was asked for last.
#[derive(Debug, Clone, Default)]
enum Asked {
    #[default]
    Nothing,
    Try(Vec<Trial>),
    Confirm(Vec<Trial>),
}

/// Tries edits.
#[derive(Debug, Clone, Default)]
pub(super) struct Repair {
    targets: VecDeque<Target>,
    asked: Asked,
    confirmed: usize,
    step: usize,
    begun_ms: u64,
}

impl Phase for Repair {
    fn title(&self) -> &'static str {
        "repair candidates"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        if facts.tree.is_none() {
            return Vec::new();
        }
        self.begun_ms = facts.spent_ms;
        for (index, suite) in facts.suites.iter().enumerate() {
            for case in to_be_explained(facts, index) {
                let trials = trials(facts, &case.name, case.message.as_deref().unwrap_or(""));
                if trials.is_empty() || self.targets.len() >= MAX_TARGETS {
                    continue;
                }
                let Some(mut plan) = suite.alone(case) else {
                    continue;
                };
                let wall = u32::try_from(suite.duration_ms.saturating_mul(3))
                    .unwrap_or(u32::MAX)
                    .saturating_add(10_000);
                plan.spec.limits.wall_ms = plan.spec.limits.wall_ms.min(wall);
                self.targets.push_back(Target {
                    suite: index,
                    test: case.name.clone(),
                    plan,
                    trials,
                    left: 0,
                });
            }
        }
        self.share(facts);
        self.go_on(facts)
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        match std::mem::take(&mut self.asked) {
            Asked::Try(trials) => {
                facts.report.candidates_tried += u32::try_from(trials.len()).unwrap_or(u32::MAX);
                let passing = self.passing(&trials, answers);
                if passing.is_empty() {
                    self.go_on(facts)
                } else {
                    self.confirm(facts, passing)
                }
            }
            Asked::Confirm(trials) => {
                self.judge(facts, &trials, answers);
                self.go_on(facts)
            }
            Asked::Nothing => Vec::new(),
        }
    }
}

impl Repair {
    fn is_late(&self, facts: &Facts) -> bool {
        facts.spent_ms.saturating_sub(self.begun_ms) > facts.options.time_budget_ms * SHARE / 100
    }

    /// Shares the budget that is left among the tests that are left.
    fn share(&mut self, facts: &Facts) {
        let left = facts
            .options
            .max_candidates
            .saturating_sub(facts.report.candidates_tried as usize);
        let tests = self.targets.len().max(1);
        if let Some(target) = self.targets.front_mut() {
            target.left = left / tests;
        }
    }

    fn next_target(&mut self, facts: &Facts) {
        self.targets.pop_front();
        self.confirmed = 0;
        // A test that a survivor already turns green needs no search of its own.
        let solved: BTreeSet<&String> = facts
            .report
            .candidates
            .iter()
            .flat_map(|candidate| &candidate.tests)
            .collect();
        self.targets.retain(|target| !solved.contains(&target.test));
        self.share(facts);
    }

    /// The next trials, for this test or the next.
    fn go_on(&mut self, facts: &Facts) -> Vec<NativeCall> {
        let Some(tree) = facts.tree.clone() else {
            return Vec::new();
        };
        let out_of_time = facts.spent_ms > facts.options.time_budget_ms || self.is_late(facts);
        while let Some(target) = self.targets.front_mut() {
            let count = target.left.min(BATCH).min(target.trials.len());
            if self.confirmed > 0 || count == 0 || out_of_time {
                self.next_target(facts);
                continue;
            }
            target.left -= count;
            let trials: Vec<Trial> = target.trials.drain(..count).collect();
            self.step += 1;
            let mut calls = Vec::new();
            for (n, trial) in trials.iter().enumerate() {
                let id = |what: &str| format!("{REPAIR}-{}-{}-{what}", self.step, n + 1);
                calls.extend(edits(facts, trial, TRY, &id));
                calls.push(run_tests(
                    id("test"),
                    say!("run {test}", test = target.test),
                    &target.plan,
                    &[],
                ));
                calls.push(restore(id("undo"), &tree));
            }
            self.asked = Asked::Try(trials);
            return calls;
        }
        Vec::new()
    }

    /// The trials after which the failing test passed.
    fn passing(&self, trials: &[Trial], answers: &[Answer]) -> Vec<Trial> {
        let Some(target) = self.targets.front() else {
            return Vec::new();
        };
        let passed = |n: usize| {
            let find = |what: &str| {
                answers
                    .iter()
                    .find(|answer| answer.id == format!("{REPAIR}-{}-{}-{what}", self.step, n + 1))
            };
            let edited = find(TRY).is_some_and(Answer::is_done);
            let cases = find("test")
                .and_then(|answer| answer.tests(&target.plan).ok())
                .map(|(_, cases)| cases)
                .unwrap_or_default();
            let mut same = cases
                .iter()
                .filter(|case| keiko_runners::is_same(&case.name, &target.test))
                .peekable();
            edited && same.peek().is_some() && same.all(|case| case.status == TestStatus::Passed)
        };
        // Of one kind of edit in one line, one is enough to look at.
        let mut kinds = BTreeSet::new();
        let kind = |trial: &Trial| {
            (
                trial.file.clone(),
                trial.line,
                trial
                    .template
                    .to_string()
                    .split(' ')
                    .next()
                    .map(str::to_owned),
            )
        };
        let good = trials
            .iter()
            .enumerate()
            .filter(|(n, _)| passed(*n))
            .map(|(_, trial)| trial.clone());
        good.filter(|trial| kinds.insert(kind(trial)))
            .take(SURVIVORS)
            .collect()
    }

    /// All tests, for each trial that passed the failing one.
    fn confirm(&mut self, facts: &Facts, trials: Vec<Trial>) -> Vec<NativeCall> {
        let (Some(target), Some(tree)) = (self.targets.front(), &facts.tree) else {
            return Vec::new();
        };
        self.step += 1;
        let mut calls = Vec::new();
        for (n, trial) in trials.iter().enumerate() {
            let id = |what: &str| format!("{REPAIR}-{}-{}-{what}", self.step, n + 1);
            calls.extend(edits(facts, trial, "edit", &id));
            calls.push(run_tests(
                id("test"),
                "run all tests with it",
                &facts.suites[target.suite].plan,
                &[],
            ));
            calls.push(restore(id("undo"), tree));
        }
        self.asked = Asked::Confirm(trials);
        calls
    }

    fn judge(&mut self, facts: &mut Facts, trials: &[Trial], answers: &[Answer]) {
        let Some(target) = self.targets.front() else {
            return;
        };
        let suite = &facts.suites[target.suite];
        let mut kept = Vec::new();
        for (n, trial) in trials.iter().enumerate() {
            let id = format!("{REPAIR}-{}-{}-test", self.step, n + 1);
            let Some(answer) = answers.iter().find(|answer| answer.id == id) else {
                continue;
            };
            let after = answer.tests(&suite.plan);
            if broken_test(suite.cases(), &suite.flaky, &after).is_some() {
                continue;
            }
            let green: BTreeSet<String> = after
                .iter()
                .flat_map(|(_, cases)| cases)
                .filter(|case| case.status == TestStatus::Passed)
                .map(|case| case.name.clone())
                .collect();
            let tests: Vec<String> = suite
                .failing()
                .iter()
                .map(|case| case.name.clone())
                .filter(|name| green.contains(name))
                .collect();
            if tests.contains(&target.test) {
                let old = |file: &str| facts.sources.files.get(file).map_or("", String::as_str);
                let diff: String = trial
                    .files
                    .iter()
                    .map(|(file, new)| diff(file, old(file), new))
                    .collect();
                kept.push(Candidate {
                    tests,
                    file: trial.file.clone(),
                    line: trial.line,
                    template: trial.template.clone(),
                    diff,
                });
            }
        }
        self.confirmed += kept.len();
        facts.report.candidates.extend(kept);
    }
}

/// The edits for one test. What a guilty commit changed is undone first, piece by piece; then come edits of its lines,
/// then of others, those of the most suspect lines and the likeliest templates first.
fn trials(facts: &Facts, test: &str, message: &str) -> VecDeque<Trial> {
    let change = facts
        .changes
        .iter()
        .find(|change| change.tests.contains(test));
    let mut trials = change
        .map(|change| undoings(change, facts))
        .unwrap_or_default();
    let first = trials.len();
    let suspects = facts
        .report
        .suspects
        .iter()
        .filter(|suspect| suspect.test == test);
    for (rank, suspect) in suspects.enumerate() {
        let Some((lang, whole)) =
            Lang::of(&suspect.file).zip(facts.sources.files.get(&suspect.file))
        else {
            continue;
        };
        let code = mask(lang, whole);
        let index = (suspect.line as usize).saturating_sub(1);
        let (Some(text), Some(code)) = (whole.lines().nth(index), code.lines().nth(index)) else {
            continue;
        };
        for variant in templates::variants(Line {
            lang,
            text,
            code,
            message,
        }) {
            let Some(new) = replaced(whole, suspect.line, &variant.text) else {
                continue;
            };
            // A line that the guilty commit left alone is not worth as much as one that it changed.
            let cost = first
                + rank
                + variant.rank * 3
                + if change.is_some() && !suspect.changed {
                    40
                } else {
                    0
                };
            let files = vec![(suspect.file.clone(), new)];
            trials.push(Trial {
                file: suspect.file.clone(),
                line: suspect.line,
                template: variant.template,
                files,
                cost,
            });
        }
    }
    trials.sort_by_key(|trial| trial.cost);
    if change.is_some() {
        trials.truncate(first + ELSEWHERE);
    }
    trials.into()
}

/// A guilty change undone: each block of it and, where a block was rewritten line by line, each line; then all blocks of
/// a file; then all of it. Blocks with lines that the failing test runs come first.
fn undoings(change: &Change, facts: &Facts) -> Vec<Trial> {
    let is_code = |block: &&Block| {
        Lang::of(&block.file).is_some() && !is_test_file(&block.file) && !block.is_idle()
    };
    let blocks = revert::blocks(&change.diff);
    let mut blocks: Vec<&Block> = blocks.iter().filter(is_code).collect();
    let is_suspect = |block: &&Block| {
        let lines = block.lines_today(&facts.sources);
        facts.report.suspects.iter().any(|s| {
            s.changed && s.basis != "commit" && s.file == block.file && lines.contains(&s.line)
        })
    };
    blocks.sort_by_key(|block| !is_suspect(block));
    let here = if change.commit.is_empty() {
        Said::from("undo the uncommitted change here")
    } else {
        say!("undo commit {commit} here", commit = change.commit)
    };
    let all = if change.commit.is_empty() {
        Said::from("undo all uncommitted changes")
    } else {
        say!("undo all of commit {commit}", commit = change.commit)
    };
    let mut trials: Vec<Trial> = Vec::new();
    let mut put = |template: &Said, files: Vec<(String, String)>, line: u32| {
        let Some((file, _)) = files.first().cloned() else {
            return;
        };
        if !trials.iter().any(|trial| trial.files == files) {
            trials.push(Trial {
                file,
                line,
                template: template.clone(),
                files,
                cost: trials.len(),
            });
        }
    };
    for block in &blocks {
        let Some(text) = facts.sources.files.get(&block.file) else {
            continue;
        };
        for piece in block.pairs().iter().take(PIECES).chain([*block]) {
            if let Some(undone) = piece.undo(text) {
                put(&here, vec![(block.file.clone(), undone.text)], undone.line);
            }
        }
    }
    let whole = undone(&blocks, facts);
    for one in &whole {
        put(&here, vec![one.clone()], 0);
    }
    put(&all, whole, 0);
    let keep = trials.len().min(UNDOINGS);
    // The whole of it is tried in any case.
    let last = trials.len().saturating_sub(1);
    trials
        .into_iter()
        .enumerate()
        .filter(|(n, _)| *n + 1 < keep || *n == last)
        .map(|(_, trial)| trial)
        .collect()
}

/// The files without any of these blocks.
fn undone(blocks: &[&Block], facts: &Facts) -> Vec<(String, String)> {
    let mut whole: Vec<(String, String)> = Vec::new();
    for block in blocks {
        let Some(text) = facts.sources.files.get(&block.file) else {
            continue;
        };
        let known = whole.iter_mut().find(|(file, _)| *file == block.file);
        let before = known
            .as_ref()
            .map_or(text.as_str(), |(_, text)| text.as_str());
        let Some(undone) = block.undo(before) else {
            continue;
        };
        match known {
            Some(entry) => entry.1 = undone.text,
            None => whole.push((block.file.clone(), undone.text)),
        }
    }
    whole
}

/// A text with one of its lines replaced.
fn replaced(old: &str, line: u32, text: &str) -> Option<String> {
    let start = old
        .split_inclusive('\n')
        .take((line as usize).checked_sub(1)?)
        .map(str::len)
        .sum::<usize>();
    let own = old.get(start..)?.split('\n').next()?.trim_end_matches('\r');
    Some(format!(
        "{}{text}{}",
        &old[..start],
        &old[start + own.len()..]
    ))
}

/// The calls that make a change.
fn edits(facts: &Facts, trial: &Trial, what: &str, id: &dyn Fn(&str) -> String) -> Vec<NativeCall> {
    let mut calls = Vec::new();
    for (n, (file, new)) in trial.files.iter().enumerate() {
        let Some(old) = facts.sources.files.get(file) else {
            continue;
        };
        // Only one call of a change counts as a try.
        let id = if n == 0 {
            id(what)
        } else {
            id(&format!("file{n}"))
        };
        let title = say!(
            "try {template} at {file}:{line}",
            template = trial.template,
            file,
            line = trial.line
        );
        calls.push(NativeCall {
            id,
            title,
            op: operation(file, old, new),
        });
    }
    calls
}

/// The lines that differ, with as many around them as it takes to be the only such place.
fn operation(file: &str, old: &str, new: &str) -> JailOp {
    let (before, after): (Vec<&str>, Vec<&str>) = (
        old.split_inclusive('\n').collect(),
        new.split_inclusive('\n').collect(),
    );
    let head = before
        .iter()
        .zip(&after)
        .take_while(|(a, b)| a == b)
        .count();
    let rest = before.len().min(after.len()) - head;
    let tail = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take(rest)
        .take_while(|(a, b)| a == b)
        .count();
    for around in 0..12 {
        let first = head.saturating_sub(around);
        let keep = tail.saturating_sub(around);
        let place = before[first..before.len() - keep].concat();
        if !place.is_empty() && old.find(&place) == old.rfind(&place) {
            let shown = after[first..after.len() - keep].concat();
            let edit = Edit {
                old: place.into(),
                new: shown.into(),
                all: false,
            };
            return JailOp::EditFile {
                path: file.to_owned(),
                edits: vec![edit],
            };
        }
    }
    JailOp::WriteFile {
        path: file.to_owned(),
        text: new.into(),
    }
}

fn diff(file: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    diff.unified_diff()
        .context_radius(2)
        .header(&format!("a/{file}"), &format!("b/{file}"))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{Doctor, Options};
    use super::*;

    #[test]
    fn an_edit_names_a_single_place_even_among_equal_lines() {
        let text = "def a(x):\n    return x\n\ndef b(x):\n    return x\n";
        let new = replaced(text, 5, "    return x + 1").unwrap();
        let JailOp::EditFile { edits, .. } = operation("m.py", text, &new) else {
            panic!("{new}")
        };
        let old = edits[0].old.text().unwrap();
        assert_eq!(text.matches(old).count(), 1);
        assert_eq!(text.replace(old, edits[0].new.text().unwrap()), new);
        assert_eq!(
            new,
            "def a(x):\n    return x\n\ndef b(x):\n    return x + 1\n"
        );
    }

    #[test]
    fn every_change_becomes_an_edit_that_makes_it() {
        let texts = [
            "",
            "a\n",
            "a\nb\n",
            "a\na\na\n",
            "b\na\nb\na",
            "a\nb\nc\nb\na\n",
        ];
        for old in texts {
            for new in texts.iter().filter(|new| **new != old) {
                match operation("x", old, new) {
                    JailOp::EditFile { edits, .. } => {
                        assert_eq!(
                            &old.replacen(
                                edits[0].old.text().unwrap(),
                                edits[0].new.text().unwrap(),
                                1
                            ),
                            new
                        );
                    }
                    JailOp::WriteFile { text, .. } => assert_eq!(text.text().unwrap(), *new),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_guilty_commit_is_undone_before_anything_else_is_tried() {
        let mut doctor = Doctor::new(Options::default());
        let facts = &mut doctor.facts;
        facts.sources.files.insert(
            "m.py".to_owned(),
            "def shared(x):\n    return x - 1\n\n\ndef b(x):\n    return 2\n".to_owned(),
        );
        let diff = "diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -1,6 +1,6 @@\n def shared(x):\n-    return x + 1\n+    return x - 1\n \n \n def b(x):\n-    return 1\n+    return 2\n";
        facts.changes.push(Change {
            tests: ["t".to_owned()].into(),
            commit: "abc".to_owned(),
            diff: diff.to_owned(),
        });
        let trials = trials(facts, "t", "");
        let shown: Vec<(u32, &Said)> = trials
            .iter()
            .map(|trial| (trial.line, &trial.template))
            .collect();
        let undone = &say!("undo commit {commit} here", commit = "abc");
        assert_eq!(shown, [(2, undone), (6, undone), (0, undone)]);
        assert_eq!(
            trials[2].files[0].1,
            "def shared(x):\n    return x + 1\n\n\ndef b(x):\n    return 1\n"
        );
    }
}
