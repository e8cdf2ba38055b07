//! Repair candidates: one small edit of a suspect line at a time, kept only in the report.
//!
//! A candidate must make a failing test pass; those that do must then leave every green test green. The workspace is
//! put back after each.

use super::answer::{Answer, restore, run_tests};
use super::fix::broken_test;
use super::report::Candidate;
use super::series::{REPAIR, TRY};
use super::source::{Lang, mask};
use super::templates::{self, Line};
use super::{Facts, NativeCall, Phase};
use crate::testing::{self, TestPlan};
use keiko_contracts::evidence::TestStatus;
use keiko_contracts::jail::{Edit, JailOp};
use similar::TextDiff;
use std::collections::{BTreeSet, VecDeque};

/// How many candidates are tried in one step.
const BATCH: usize = 6;
/// How many survivors are shown for one test.
const SURVIVORS: usize = 3;
/// How many failing tests are worked on.
const MAX_TARGETS: usize = 4;

/// An edit to try.
#[derive(Debug, Clone)]
struct Trial {
    file: String,
    line: u32,
    template: String,
    text: String,
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
}

impl Phase for Repair {
    fn title(&self) -> &'static str {
        "repair candidates"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        if facts.tree.is_none() {
            return Vec::new();
        }
        for (index, suite) in facts.suites.iter().enumerate() {
            for case in suite.failing() {
                let trials = trials(facts, &case.name, case.message.as_deref().unwrap_or(""));
                if trials.is_empty() || self.targets.len() >= MAX_TARGETS {
                    continue;
                }
                let mut plan = testing::plan(&suite.project, Some(&case.name)).unwrap_or_else(|| suite.plan.clone());
                let wall = u32::try_from(suite.duration_ms.saturating_mul(3)).unwrap_or(u32::MAX).saturating_add(10_000);
                plan.spec.limits.wall_ms = plan.spec.limits.wall_ms.min(wall);
                self.targets.push_back(Target { suite: index, test: case.name.clone(), plan, trials, left: 0 });
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
                if passing.is_empty() { self.go_on(facts) } else { self.confirm(facts, passing) }
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
    /// Shares the budget that is left among the tests that are left.
    fn share(&mut self, facts: &Facts) {
        let left = facts.options.max_candidates.saturating_sub(facts.report.candidates_tried as usize);
        let tests = self.targets.len().max(1);
        if let Some(target) = self.targets.front_mut() {
            target.left = left / tests;
        }
    }

    fn next_target(&mut self, facts: &Facts) {
        self.targets.pop_front();
        self.confirmed = 0;
        // A test that a survivor already turns green needs no search of its own.
        let solved: BTreeSet<&String> = facts.report.candidates.iter().flat_map(|candidate| &candidate.tests).collect();
        self.targets.retain(|target| !solved.contains(&target.test));
        self.share(facts);
    }

    /// The next trials, for this test or the next.
    fn go_on(&mut self, facts: &Facts) -> Vec<NativeCall> {
        let Some(tree) = facts.tree.clone() else { return Vec::new() };
        while let Some(target) = self.targets.front_mut() {
            let out_of_time = facts.spent_ms > facts.options.time_budget_ms;
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
                let Some(edit) = edit(facts, trial, id(TRY)) else { continue };
                calls.push(edit);
                calls.push(run_tests(id("test"), format!("run {}", target.test), &target.plan, &[]));
                calls.push(restore(id("undo"), &tree));
            }
            self.asked = Asked::Try(trials);
            return calls;
        }
        Vec::new()
    }

    /// The trials after which the failing test passed.
    fn passing(&self, trials: &[Trial], answers: &[Answer]) -> Vec<Trial> {
        let Some(target) = self.targets.front() else { return Vec::new() };
        let passed = |n: usize| {
            let find = |what: &str| answers.iter().find(|answer| answer.id == format!("{REPAIR}-{}-{}-{what}", self.step, n + 1));
            let edited = find(TRY).is_some_and(Answer::is_done);
            let cases = find("test").and_then(|answer| answer.tests(&target.plan).ok()).map(|(_, cases)| cases).unwrap_or_default();
            edited && cases.iter().any(|case| case.name == target.test && case.status == TestStatus::Passed)
        };
        // Of one kind of edit in one line, one is enough to look at.
        let mut kinds = BTreeSet::new();
        let kind = |trial: &Trial| (trial.file.clone(), trial.line, trial.template.split(' ').next().map(str::to_owned));
        let good = trials.iter().enumerate().filter(|(n, _)| passed(*n)).map(|(_, trial)| trial.clone());
        good.filter(|trial| kinds.insert(kind(trial))).take(SURVIVORS).collect()
    }

    /// All tests, for each trial that passed the failing one.
    fn confirm(&mut self, facts: &Facts, trials: Vec<Trial>) -> Vec<NativeCall> {
        let (Some(target), Some(tree)) = (self.targets.front(), &facts.tree) else { return Vec::new() };
        self.step += 1;
        let mut calls = Vec::new();
        for (n, trial) in trials.iter().enumerate() {
            let id = |what: &str| format!("{REPAIR}-{}-{}-{what}", self.step, n + 1);
            let Some(edit) = edit(facts, trial, id("edit")) else { continue };
            calls.push(edit);
            calls.push(run_tests(id("test"), "run all tests with it", &facts.suites[target.suite].plan, &[]));
            calls.push(restore(id("undo"), tree));
        }
        self.asked = Asked::Confirm(trials);
        calls
    }

    fn judge(&mut self, facts: &mut Facts, trials: &[Trial], answers: &[Answer]) {
        let Some(target) = self.targets.front() else { return };
        let suite = &facts.suites[target.suite];
        let mut kept = Vec::new();
        for (n, trial) in trials.iter().enumerate() {
            let id = format!("{REPAIR}-{}-{}-test", self.step, n + 1);
            let Some(answer) = answers.iter().find(|answer| answer.id == id) else { continue };
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
            let tests: Vec<String> = suite.failing().iter().map(|case| case.name.clone()).filter(|name| green.contains(name)).collect();
            let Some((old, new)) = texts(facts, trial) else { continue };
            if tests.contains(&target.test) {
                let diff = diff(&trial.file, &old, &new);
                kept.push(Candidate { tests, file: trial.file.clone(), line: trial.line, template: trial.template.clone(), diff });
            }
        }
        self.confirmed += kept.len();
        facts.report.candidates.extend(kept);
    }
}

/// The edits for one test: those of the most suspect lines and the likeliest templates first.
fn trials(facts: &Facts, test: &str, message: &str) -> VecDeque<Trial> {
    let mut trials = Vec::new();
    let suspects = facts.report.suspects.iter().filter(|suspect| suspect.test == test);
    for (rank, suspect) in suspects.enumerate() {
        let Some((lang, text)) = Lang::of(&suspect.file).zip(facts.sources.files.get(&suspect.file)) else { continue };
        let code = mask(lang, text);
        let index = (suspect.line as usize).saturating_sub(1);
        let (Some(text), Some(code)) = (text.lines().nth(index), code.lines().nth(index)) else { continue };
        for variant in templates::variants(Line { lang, text, code, message }) {
            let cost = rank + variant.rank * 3;
            trials.push(Trial { file: suspect.file.clone(), line: suspect.line, template: variant.template, text: variant.text, cost });
        }
    }
    trials.sort_by_key(|trial| trial.cost);
    trials.into()
}

/// The file before and after.
fn texts(facts: &Facts, trial: &Trial) -> Option<(String, String)> {
    let old = facts.sources.files.get(&trial.file)?;
    let start = old.split_inclusive('\n').take((trial.line as usize).checked_sub(1)?).map(str::len).sum::<usize>();
    let line = old.get(start..)?.split('\n').next()?.trim_end_matches('\r');
    let new = format!("{}{}{}", &old[..start], trial.text, &old[start + line.len()..]);
    Some((old.clone(), new))
}

/// The edit with as many lines around it as it takes to be the only such place.
fn edit(facts: &Facts, trial: &Trial, id: String) -> Option<NativeCall> {
    let (old, new) = texts(facts, trial)?;
    let title = format!("try {} at {}:{}", trial.template, trial.file, trial.line);
    let lines: Vec<&str> = old.split_inclusive('\n').collect();
    let index = (trial.line as usize).checked_sub(1)?;
    for around in 0..12 {
        let (first, last) = (index.saturating_sub(around), (index + around + 1).min(lines.len()));
        let place = lines.get(first..last)?.concat();
        if old.matches(&place).count() == 1 {
            let start: usize = lines[..first].iter().map(|line| line.len()).sum();
            let shown = new.get(start..new.len() - (old.len() - start - place.len()))?;
            let edit = Edit { old: place.into(), new: shown.into(), all: false };
            return Some(NativeCall { id, title, op: JailOp::EditFile { path: trial.file.clone(), edits: vec![edit] } });
        }
    }
    Some(NativeCall { id, title, op: JailOp::WriteFile { path: trial.file.clone(), text: new.into() } })
}

fn diff(file: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    diff.unified_diff().context_radius(2).header(&format!("a/{file}"), &format!("b/{file}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{Doctor, Options};
    use super::*;

    #[test]
    fn an_edit_names_a_single_place_even_among_equal_lines() {
        let mut doctor = Doctor::new(Options::default());
        let text = "def a(x):\n    return x\n\ndef b(x):\n    return x\n";
        doctor.facts.sources.files.insert("m.py".to_owned(), text.to_owned());
        let trial = Trial { file: "m.py".into(), line: 5, template: String::new(), text: "    return x + 1".into(), cost: 0 };
        let call = edit(&doctor.facts, &trial, "e".into()).unwrap();
        let JailOp::EditFile { edits, .. } = call.op else { panic!("{call:?}") };
        let old = edits[0].old.text().unwrap();
        assert_eq!(text.matches(old).count(), 1);
        assert_eq!(text.replace(old, edits[0].new.text().unwrap()), "def a(x):\n    return x\n\ndef b(x):\n    return x + 1\n");
    }
}
