//! The guilty commit: a test that fails now and passed before broke at one commit; which one, takes a few probes.
//!
//! Each probe checks a commit out, puts today's version of the failing test's file over it (the test may be younger
//! than the defect), and runs that one test. Probes of one step are spread so that few steps are needed.

use super::answer::{Answer, argv, restore, run, run_tests};
use super::fix::cut;
use super::report::{Commit, Guilty};
use super::series::{BISECT, CHECKOUT};
use super::source::{Sources, is_test_file};
use super::{Facts, NativeCall, Phase, Suite, is_red};
use crate::testing::{self, TestPlan};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::jail::{GitOp, JailOp, TreeId};
use std::collections::{BTreeMap, VecDeque};

/// How many failing tests are traced back.
const MAX_TARGETS: usize = 3;
/// How many commits are tried at once between a good and a bad one.
const FAN: usize = 3;

/// What a commit says about a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    /// The test cannot be run there.
    Unknown,
}

/// A failing test on its way back.
#[derive(Debug, Clone)]
struct Target {
    name: String,
    plan: TestPlan,
    /// Today's test file, put over each commit.
    overlay: Option<(String, String)>,
    /// By place in the log, 0 being the newest.
    verdicts: BTreeMap<usize, Verdict>,
    trees: BTreeMap<usize, TreeId>,
}

impl Target {
    /// The oldest commit known to be bad next to the newest good one behind it.
    fn bounds(&self) -> Option<(usize, usize)> {
        let good = *self.verdicts.iter().find(|(_, verdict)| **verdict == Verdict::Good)?.0;
        let bad = self.verdicts.range(..good).map(|(place, _)| *place).next_back().unwrap_or(0);
        Some((bad, good))
    }
}

/// Looks for guilty commits.
#[derive(Debug, Clone, Default)]
pub(super) struct Bisect {
    waiting: VecDeque<Target>,
    current: Option<Target>,
    probed: Vec<usize>,
    going_home: bool,
    started: bool,
}

impl Phase for Bisect {
    fn title(&self) -> &'static str {
        "the guilty commit"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let mut failing = 0;
        for suite in &facts.suites {
            for case in suite.failing() {
                failing += 1;
                if self.waiting.len() < MAX_TARGETS {
                    self.waiting.extend(target(suite, case, &facts.sources));
                }
            }
        }
        if failing == 0 {
            return Vec::new();
        }
        if facts.report.commits.len() < 2 || facts.tree.is_none() {
            facts.left_out("the guilty commit", "there is no history to look through", "");
            return Vec::new();
        }
        if failing > self.waiting.len() {
            facts.left_out("the guilty commit of further failing tests", format!("only {} tests are traced back", self.waiting.len()), "");
        }
        self.started = true;
        self.next_target(facts)
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        if self.going_home {
            self.conclude(facts, answers);
            return self.next_target(facts);
        }
        let Some(target) = self.current.as_mut() else { return Vec::new() };
        for place in std::mem::take(&mut self.probed) {
            let find = |what: &str| answers.iter().find(|answer| answer.id.ends_with(&format!("-{place}-{what}")));
            let checked_out = find(CHECKOUT).filter(|answer| answer.is_done());
            if let Some(tree) = checked_out.and_then(Answer::tree) {
                target.trees.insert(place, tree.clone());
            }
            let verdict = match (checked_out, find("test")) {
                (Some(_), Some(test)) => verdict(test, target),
                _ => Verdict::Unknown,
            };
            target.verdicts.insert(place, verdict);
        }
        let next = match target.bounds() {
            Some((bad, good)) => between(bad, good),
            None => Vec::new(),
        };
        if next.is_empty() { self.go_home(facts) } else { self.probe(facts, next) }
    }
}

impl Bisect {
    fn next_target(&mut self, facts: &Facts) -> Vec<NativeCall> {
        self.going_home = false;
        self.current = self.waiting.pop_front();
        if self.current.is_none() {
            return Vec::new();
        }
        // One step back, two, four, eight ... to the end of the log.
        let last = facts.report.commits.len() - 1;
        let mut places: Vec<usize> = std::iter::successors(Some(1usize), |n| n.checked_mul(2)).take_while(|n| *n < last).collect();
        places.push(last);
        self.probe(facts, places)
    }

    fn probe(&mut self, facts: &Facts, places: Vec<usize>) -> Vec<NativeCall> {
        let Some(target) = &self.current else { return Vec::new() };
        let number = facts.report.guilty.len() + self.waiting.len() * 100;
        let mut calls = Vec::new();
        for place in &places {
            let commit = &facts.report.commits[*place];
            let id = |what: &str| format!("{BISECT}-{number}-{place}-{what}");
            let checkout = JailOp::Git(GitOp::Checkout { revision: commit.id.clone() });
            calls.push(NativeCall { id: id(CHECKOUT), title: format!("go to {} {}", commit.id, commit.subject), op: checkout });
            if let Some((path, text)) = &target.overlay {
                calls.push(overlay(id("overlay"), path, text));
            }
            calls.push(run_tests(id("test"), format!("run {} there", target.name), &target.plan, &[]));
        }
        self.probed = places;
        calls
    }

    /// Back to the start, and the difference that the guilty commit made.
    fn go_home(&mut self, facts: &Facts) -> Vec<NativeCall> {
        self.going_home = true;
        let (Some(target), Some(tree), Some(head)) = (&self.current, &facts.tree, facts.report.commits.first()) else { return Vec::new() };
        let number = facts.report.guilty.len() + self.waiting.len() * 100;
        // The branch rather than the commit: HEAD must not stay detached.
        let revision = facts.branch.clone().unwrap_or_else(|| head.id.clone());
        let op = JailOp::Git(GitOp::Checkout { revision });
        let mut calls = vec![
            NativeCall { id: format!("{BISECT}-{number}-home"), title: "go back to the newest commit".into(), op },
            restore(format!("{BISECT}-{number}-restore"), tree),
        ];
        if let Some((bad, good)) = target.bounds()
            && let (Some(to), Some(from)) = (target.trees.get(&bad), target.trees.get(&good))
        {
            let op = JailOp::Diff { from: from.clone(), to: Some(to.clone()) };
            calls.push(NativeCall { id: format!("{BISECT}-{number}-diff"), title: "see what the commit changed".into(), op });
        }
        calls
    }

    fn conclude(&mut self, facts: &mut Facts, answers: &[Answer]) {
        let Some(target) = self.current.take() else { return };
        let commits: &[Commit] = &facts.report.commits;
        let diff = answers.iter().find(|answer| answer.id.ends_with("-diff")).and_then(|answer| answer.text().ok()).map(cut);
        let Some((bad, good)) = target.bounds() else {
            let oldest = commits.last().map(|commit| commit.id.clone()).unwrap_or_default();
            let why = format!("it passes at none of the commits tried, back to {oldest}");
            facts.left_out(format!("the guilty commit of {}", target.name), why, "");
            return;
        };
        if bad != 0 && target.verdicts.get(&bad) == Some(&Verdict::Unknown) {
            let why = format!("it passes at {}, and cannot be run at {}", commits[good].id, commits[bad].id);
            facts.left_out(format!("the guilty commit of {}", target.name), why, "");
            return;
        }
        let guilty = Guilty {
            test: target.name,
            commit: commits[bad].clone(),
            good: commits[good].clone(),
            tried: u32::try_from(target.verdicts.len()).unwrap_or(u32::MAX),
            diff: diff.unwrap_or_default(),
        };
        facts.report.guilty.push(guilty);
    }
}

/// Puts today's test over what is checked out. It goes through a command, since writing a test as a file counts as a
/// change of it, which a person must allow; here the whole workspace is put back afterwards.
fn overlay(id: String, path: &str, text: &str) -> NativeCall {
    let script = "mkdir -p \"$(dirname \"$1\")\" && cat >\"$1\"";
    let mut call = run(id, "put the present test over it", "", argv(&["sh", "-c", script, "sh", path]), 30_000);
    if let JailOp::Exec(spec) = &mut call.op {
        spec.stdin = Some(text.into());
    }
    call
}

/// Places to try between a bad and a good one; none when they are neighbours.
fn between(bad: usize, good: usize) -> Vec<usize> {
    let gap = good - bad;
    let mut places: Vec<usize> = (1..=FAN).map(|n| bad + gap * n / (FAN + 1)).filter(|place| *place > bad && *place < good).collect();
    places.dedup();
    if places.is_empty() && gap > 1 {
        places.push(bad + 1);
    }
    places
}

fn verdict(answer: &Answer, target: &Target) -> Verdict {
    let Ok((_, cases)) = answer.tests(&target.plan) else { return Verdict::Unknown };
    match cases.iter().find(|case| case.name == target.name).map(|case| case.status) {
        Some(TestStatus::Passed) => Verdict::Good,
        Some(TestStatus::Failed) => Verdict::Bad,
        Some(status) if is_red(status) => Verdict::Unknown,
        _ => Verdict::Unknown,
    }
}

fn target(suite: &Suite, case: &TestCase, sources: &Sources) -> Option<Target> {
    let plan = testing::plan(&suite.project, Some(&case.name))?;
    let overlay = test_file(suite, case, sources).and_then(|path| Some((path.clone(), sources.files.get(&path)?.clone())));
    Some(Target { name: case.name.clone(), plan, overlay, verdicts: BTreeMap::new(), trees: BTreeMap::new() })
}

/// The file that holds a test: what the runner says, else what its name says.
fn test_file(suite: &Suite, case: &TestCase, sources: &Sources) -> Option<String> {
    let said = case.file.as_deref().map(|file| suite.path(file));
    let named = || {
        let dotted = |path: &str| path.strip_suffix(".py").map(|path| path.replace('/', "."));
        sources.files.keys().find(|path| {
            let inside = path.strip_prefix(&suite.path("")).unwrap_or(path);
            case.name.starts_with(&format!("{inside}::"))
                || dotted(inside).is_some_and(|module| case.name.starts_with(&format!("{module}.")))
        })
    };
    let path = said.filter(|path| sources.files.contains_key(path)).or_else(|| named().cloned())?;
    is_test_file(&path).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_shrinks_until_neighbours_remain() {
        for good in 1..200 {
            for guilty in 0..good {
                let (mut low, mut high, mut steps) = (0, good, 0);
                while high - low > 1 {
                    let places = between(low, high);
                    assert!(places.iter().all(|place| *place > low && *place < high), "{low} {high} {places:?}");
                    assert!(!places.is_empty());
                    low = places.iter().copied().filter(|place| *place <= guilty).max().unwrap_or(low);
                    high = places.iter().copied().filter(|place| *place > guilty).min().unwrap_or(high);
                    steps += 1;
                }
                assert_eq!((low, high), (guilty, guilty + 1));
                assert!(steps <= 5);
            }
        }
    }
}
