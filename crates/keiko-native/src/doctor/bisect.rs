//! The guilty commit: a test that fails now and passed before broke at one commit; which one, takes a few probes.
//!
//! Each probe checks a commit out, puts today's version of the failing test's file over it (the test may be younger
//! than the defect), and runs that one test. Probes of one step are spread so that few steps are needed. The commits are
//! those of the main line; where a merge is to blame, the line that it brought in is looked through as well. Before the
//! newest commit stands the workspace itself: changes that nobody committed can be guilty, too.

use super::answer::{Answer, argv, restore, run, run_tests};
use super::fix::cut;
use super::report::{Commit, Guilty};
use super::series::{BISECT, CHECKOUT};
use super::source::{Lang, Sources, is_test_file};
use super::survey::parse_history;
use super::{Change, Facts, NativeCall, Phase, Suite, is_red};
use keiko_contracts::evidence::{TestCase, TestStatus};
use keiko_contracts::jail::{Command, GitOp, JailOp, TreeId};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_runners::TestPlan;
use std::collections::{BTreeMap, VecDeque};

/// How many failing tests are traced back, each by probes of its own.
const MAX_TARGETS: usize = 4;
/// How many commits are tried at once between a good and a bad one.
const FAN: usize = 3;
/// A suite that takes longer is run at few commits only.
const SLOW_MS: u64 = 20_000;
/// A suite that takes longer is not run as a whole at the guilty commit and the one before.
const SWEEP_MS: u64 = 90_000;
/// How much of the time this phase may take, in hundredths.
const SHARE: u64 = 40;
/// How many files that a test needs are put over a commit with it.
const HELPERS: usize = 6;
/// How many test files are put over a commit for all failing tests.
const OVERLAYS: usize = 20;

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
    suite: usize,
    /// The test as it fails now.
    red: TestCase,
    plan: TestPlan,
    /// Today's test file and what it needs, put over each commit.
    overlay: Vec<(String, String)>,
    /// What is looked through, the newest first. Place 0 is known to be bad: the workspace, or a merge.
    line: Vec<Commit>,
    /// Place 0 is the workspace.
    from_workspace: bool,
    verdicts: BTreeMap<usize, Verdict>,
    trees: BTreeMap<usize, TreeId>,
    tried: u32,
}

impl Target {
    /// The oldest place known to be bad next to the newest good one behind it.
    fn bounds(&self) -> Option<(usize, usize)> {
        let good = *self
            .verdicts
            .iter()
            .find(|(_, verdict)| **verdict == Verdict::Good)?
            .0;
        let bad = self
            .verdicts
            .range(..good)
            .filter(|(_, verdict)| **verdict == Verdict::Bad)
            .map(|(place, _)| *place)
            .next_back()?;
        Some((bad, good))
    }

    /// Places to try next; none when the bounds cannot come closer.
    fn next(&self, fan: usize) -> Vec<usize> {
        let Some((bad, good)) = self.bounds() else {
            return self.further(fan);
        };
        let open: Vec<usize> = (bad + 1..good)
            .filter(|place| !self.verdicts.contains_key(place))
            .collect();
        let mut places: Vec<usize> = (1..=fan)
            .filter_map(|n| open.get(open.len() * n / (fan + 1)).copied())
            .collect();
        places.dedup();
        places
    }

    /// As long as no commit is good: further back than the oldest bad one, each time twice as far, and short of where
    /// the test cannot be run, which a project's first years often are.
    fn further(&self, fan: usize) -> Vec<usize> {
        let bad = self
            .verdicts
            .iter()
            .rev()
            .find(|(_, verdict)| **verdict == Verdict::Bad)
            .map(|(place, _)| *place);
        let Some(bad) = bad else { return Vec::new() };
        let end = self
            .verdicts
            .range(bad + 1..)
            .next()
            .map_or(self.line.len(), |(place, _)| *place);
        let doubled = std::iter::successors(Some(bad.max(1) * 2), |place| place.checked_mul(2));
        let places: Vec<usize> = doubled.take_while(|place| *place < end).take(fan).collect();
        if places.is_empty() && bad + 1 < end {
            vec![bad + (end - bad) / 2]
        } else {
            places
        }
    }

    /// Nothing differs between the workspace and the newest commit.
    fn is_committed(&self) -> bool {
        self.from_workspace
            && self.trees.contains_key(&0)
            && self.trees.get(&0) == self.trees.get(&1)
    }
}

/// Looks for guilty commits.
#[derive(Debug, Clone, Default)]
pub(super) struct Bisect {
    waiting: VecDeque<Target>,
    current: Option<Target>,
    probed: Vec<usize>,
    going_home: bool,
    begun: usize,
    begun_ms: u64,
}

impl Phase for Bisect {
    fn title(&self) -> &'static str {
        "the guilty commit"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        self.begun_ms = facts.spent_ms;
        for (index, suite) in facts.suites.iter().enumerate() {
            for case in suite.failing() {
                self.waiting.extend(target(facts, index, suite, case));
            }
        }
        if self.waiting.is_empty() {
            return Vec::new();
        }
        if facts.report.commits.is_empty() || facts.tree.is_none() {
            facts.left_out(
                "the guilty commit",
                "there is no history to look through",
                "",
            );
            return Vec::new();
        }
        self.next_target(facts)
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        if self.going_home {
            self.conclude(facts, answers);
            return self.next_target(facts);
        }
        let Some(target) = self.current.as_mut() else {
            return Vec::new();
        };
        for place in std::mem::take(&mut self.probed) {
            let find = |what: &str| {
                answers
                    .iter()
                    .find(|answer| answer.id.ends_with(&format!("-{place}-{what}")))
            };
            let checked_out = find(CHECKOUT).filter(|answer| answer.is_done());
            if let Some(tree) = checked_out.and_then(Answer::tree) {
                target.trees.insert(place, tree.clone());
            }
            let verdict = match (checked_out, find("test")) {
                (Some(_), Some(test)) => verdict(test, target),
                _ => Verdict::Unknown,
            };
            target.tried += 1;
            target.verdicts.insert(place, verdict);
        }
        let fan = if is_slow(facts, target) { 1 } else { FAN };
        let next = if self.is_late(facts) {
            Vec::new()
        } else {
            self.current
                .as_ref()
                .map_or(Vec::new(), |target| target.next(fan))
        };
        if next.is_empty() {
            self.go_home(facts)
        } else {
            self.probe(next)
        }
    }
}

fn is_slow(facts: &Facts, target: &Target) -> bool {
    facts.suites[target.suite].duration_ms > SLOW_MS
}

impl Bisect {
    fn is_late(&self, facts: &Facts) -> bool {
        facts.spent_ms.saturating_sub(self.begun_ms) > facts.options.time_budget_ms * SHARE / 100
    }

    fn next_target(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        self.going_home = false;
        if self.begun >= MAX_TARGETS || self.is_late(facts) {
            if !self.waiting.is_empty() {
                let (count, late) = (self.waiting.len(), self.is_late(facts));
                let what = say!("the guilty commit of further failing tests: {n}", n = count);
                let why = if late {
                    "its share of the time was used up".into()
                } else {
                    say!("only {n} tests are traced back", n = MAX_TARGETS)
                };
                facts.left_out(what, why, "");
            }
            return Vec::new();
        }
        self.current = self.waiting.pop_front();
        let Some(target) = &self.current else {
            return Vec::new();
        };
        self.begun += 1;
        // The newest commit, one step back, two, four, eight ... to the end of the log.
        let last = target.line.len() - 1;
        let doubling = std::iter::successors(Some(1usize), |n| n.checked_mul(2))
            .map(|n| n + 1)
            .take_while(|n| *n < last);
        let mut places = vec![1];
        places.extend(doubling.filter(|n| !is_slow(facts, target) || *n < 3));
        places.extend((last > 1).then_some(last));
        self.probe(places)
    }

    fn probe(&mut self, places: Vec<usize>) -> Vec<NativeCall> {
        let Some(target) = &self.current else {
            return Vec::new();
        };
        let mut calls = Vec::new();
        for place in &places {
            self.visit(
                target,
                *place,
                &target.plan,
                &say!("run {test} there", test = target.red.name),
                &target.overlay,
                &mut calls,
            );
        }
        self.probed = places;
        calls
    }

    /// Goes to a commit and runs tests there.
    fn visit(
        &self,
        target: &Target,
        place: usize,
        plan: &TestPlan,
        title: &Said,
        files: &[(String, String)],
        calls: &mut Vec<NativeCall>,
    ) {
        let commit = &target.line[place];
        let id = |what: &str| format!("{BISECT}-{}-{place}-{what}", self.begun);
        let checkout = JailOp::Git(GitOp::Checkout {
            revision: commit.id.clone(),
        });
        calls.push(NativeCall {
            id: id(CHECKOUT),
            title: say!(
                "go to {commit} {subject}",
                commit = commit.id,
                subject = commit.subject
            ),
            op: checkout,
        });
        for (n, (path, text)) in files.iter().enumerate() {
            calls.push(overlay(id(&format!("overlay-{n}")), path, text));
        }
        calls.push(run_tests(id("test"), title.clone(), plan, &[]));
    }

    /// What the commit did to all other failing tests; back to the start; and the difference that it made.
    fn go_home(&mut self, facts: &Facts) -> Vec<NativeCall> {
        self.going_home = true;
        let (Some(target), Some(tree), Some(head)) =
            (&self.current, &facts.tree, facts.report.commits.first())
        else {
            return Vec::new();
        };
        let bounds = target
            .bounds()
            .filter(|(bad, good)| bad + 1 == *good && !(*bad == 0 && target.is_committed()));
        let mut calls = Vec::new();
        let suite = &facts.suites[target.suite];
        let others = self.waiting.iter().any(|other| other.suite == target.suite);
        if let (Some((bad, good)), true) = (bounds, others && suite.duration_ms < SWEEP_MS) {
            let mut files: BTreeMap<String, String> = target.overlay.iter().cloned().collect();
            files.extend(
                self.waiting
                    .iter()
                    .filter(|other| other.suite == target.suite)
                    .flat_map(|other| other.overlay.clone()),
            );
            let files: Vec<(String, String)> = files.into_iter().take(OVERLAYS).collect();
            for place in [good, bad].into_iter().filter(|place| *place > 0) {
                self.visit(
                    target,
                    place,
                    &suite.plan,
                    &"run all tests there".into(),
                    &files,
                    &mut calls,
                );
            }
        }
        let id = |what: &str| format!("{BISECT}-{}-{what}", self.begun);
        // The branch rather than the commit: HEAD must not stay detached.
        let revision = facts.branch.clone().unwrap_or_else(|| head.id.clone());
        let op = JailOp::Git(GitOp::Checkout { revision });
        calls.push(NativeCall {
            id: id("home"),
            title: "go back to the newest commit".into(),
            op,
        });
        calls.push(restore(id("restore"), tree));
        if let Some((bad, good)) = bounds {
            if let (Some(to), Some(from)) = (target.trees.get(&bad), target.trees.get(&good)) {
                let op = JailOp::Diff {
                    from: from.clone(),
                    to: Some(to.clone()),
                };
                calls.push(NativeCall {
                    id: id("diff"),
                    title: "see what the commit changed".into(),
                    op,
                });
            }
            if let [first, second] = target.line[bad].parents.as_slice() {
                let script = format!(
                    "git log --first-parent -n 100 --format='%h%x09%p%x09%s' {second} ^{first}"
                );
                calls.push(run(
                    id("side"),
                    "see what was merged",
                    "",
                    Command::Shell(script.into()),
                    30_000,
                ));
            }
        }
        calls
    }

    fn conclude(&mut self, facts: &mut Facts, answers: &[Answer]) {
        let Some(target) = self.current.take() else {
            return;
        };
        let what = || say!("the guilty commit of {test}", test = target.red.name);
        let (bad, good) = match self.found(facts, &target) {
            Ok(bounds) => bounds,
            Err(why) => {
                facts.left_out(what(), why, "");
                return;
            }
        };
        let find = |end: &str| {
            answers
                .iter()
                .find(|answer| answer.id == format!("{BISECT}-{}-{end}", self.begun))
        };
        if let Some(side) = find("side")
            .and_then(|answer| answer.exec().ok())
            .map(|report| parse_history(report.stdout.text_or_empty()))
            && !side.is_empty()
            && target.line[bad].parents.len() == 2
        {
            self.waiting.push_front(into_merge(target, bad, good, side));
            self.begun -= 1;
            return;
        }
        let diff = find("diff")
            .and_then(|answer| answer.text().ok())
            .unwrap_or("")
            .to_owned();
        let mut tests = vec![target.red.name.clone()];
        tests.extend(self.also_guilty(facts, &target, bad, good, answers));
        self.waiting
            .retain(|other| other.suite != target.suite || !tests.contains(&other.red.name));
        let guilty = Guilty {
            test: target.red.name.clone(),
            tests: tests.clone(),
            commit: target.line[bad].clone(),
            good: target.line[good].clone(),
            tried: target.tried,
            uncommitted: bad == 0 && target.from_workspace,
            diff: cut(&diff),
        };
        tell(facts, guilty, tests, diff);
    }

    /// The commit that fails and the one before it that passes, by their places; or why they are not known.
    fn found(&self, facts: &Facts, target: &Target) -> Result<(usize, usize), Said> {
        let Some((bad, good)) = target.bounds() else {
            let passed = target
                .verdicts
                .values()
                .any(|verdict| *verdict != Verdict::Unknown);
            let oldest = target.line.last();
            let oldest = oldest.map(|commit| commit.id.clone()).unwrap_or_default();
            return Err(if passed {
                say!(
                    "it passes at none of the commits tried, back to {oldest}",
                    oldest
                )
            } else {
                say!(
                    "it can be run at none of the commits tried, back to {oldest}",
                    oldest
                )
            });
        };
        if bad + 1 < good {
            let at_workspace = bad == 0;
            let (good, bad) = (&target.line[good].id, &target.line[bad].id);
            return Err(if self.is_late(facts) {
                say!(
                    "its share of the time was used up between {good} and {bad}",
                    good,
                    bad
                )
            } else if at_workspace {
                say!(
                    "it passes at {good}, and cannot be run at the commits after it",
                    good
                )
            } else {
                say!(
                    "it passes at {good}, fails at {bad}, and cannot be run at the commits between",
                    good,
                    bad
                )
            });
        }
        if bad == 0 && target.is_committed() {
            return Err("run alone in a fresh copy of the newest commit it passes: what runs before it, or a file that git ignores, decides".into());
        }
        Ok((bad, good))
    }

    /// The other failing tests of the suite that pass before the commit and fail from it on.
    fn also_guilty(
        &self,
        facts: &Facts,
        target: &Target,
        bad: usize,
        good: usize,
        answers: &[Answer],
    ) -> Vec<String> {
        let suite = &facts.suites[target.suite];
        let cases = |place: usize| {
            let id = format!("{BISECT}-{}-{place}-test", self.begun);
            answers
                .iter()
                .find(|answer| answer.id == id)
                .and_then(|answer| answer.tests(&suite.plan).ok())
                .map(|(_, cases)| cases)
        };
        let Some(before) = cases(good) else {
            return Vec::new();
        };
        let after = if bad == 0 {
            suite.cases().to_vec()
        } else {
            cases(bad).unwrap_or_default()
        };
        let is = |cases: &[TestCase], name: &str, wanted: fn(TestStatus) -> bool| {
            let mut same = cases
                .iter()
                .filter(|case| keiko_runners::is_same(&case.name, name))
                .peekable();
            same.peek().is_some() && same.all(|case| wanted(case.status))
        };
        let others = self
            .waiting
            .iter()
            .filter(|other| other.suite == target.suite)
            .map(|other| other.red.name.clone());
        others
            .filter(|name| {
                is(&before, name, |status| status == TestStatus::Passed) && is(&after, name, is_red)
            })
            .collect()
    }
}

/// The same search along the line that a merge brought in: the merge is bad, the end of the main line before it good.
fn into_merge(target: Target, bad: usize, good: usize, side: Vec<Commit>) -> Target {
    let mut line = vec![target.line[bad].clone()];
    line.extend(side);
    line.push(target.line[good].clone());
    let last = line.len() - 1;
    let mut trees = BTreeMap::new();
    trees.extend(target.trees.get(&bad).map(|tree| (0, tree.clone())));
    trees.extend(target.trees.get(&good).map(|tree| (last, tree.clone())));
    // A merge of a merge is not looked into again.
    line[0].parents.clear();
    let verdicts = [(0, Verdict::Bad), (last, Verdict::Good)].into();
    Target {
        line,
        verdicts,
        trees,
        from_workspace: false,
        ..target
    }
}

/// Puts today's test over what is checked out. It goes through a command, since writing a test as a file counts as a
/// change of it, which a person must allow; here the whole workspace is put back afterwards.
fn overlay(id: String, path: &str, text: &str) -> NativeCall {
    let script = "mkdir -p \"$(dirname \"$1\")\" && cat >\"$1\"";
    let mut call = run(
        id,
        "put the present test over it",
        "",
        argv(&["sh", "-c", script, "sh", path]),
        30_000,
    );
    if let JailOp::Exec(spec) = &mut call.op {
        spec.stdin = Some(text.into());
    }
    call
}

fn verdict(answer: &Answer, target: &Target) -> Verdict {
    let Ok((_, cases)) = answer.tests(&target.plan) else {
        return Verdict::Unknown;
    };
    let same: Vec<&TestCase> = cases
        .iter()
        .filter(|case| keiko_runners::is_same(&case.name, &target.red.name))
        .collect();
    let all =
        |wanted: TestStatus| !same.is_empty() && same.iter().all(|case| case.status == wanted);
    if all(TestStatus::Passed) {
        return Verdict::Good;
    }
    let says = |case: &TestCase| super::report::last_words(case.message.as_deref().unwrap_or(""));
    match same.first().map(|case| case.status) {
        Some(TestStatus::Failed) => Verdict::Bad,
        // What cannot be loaded today may be so for the same reason there; for any other, nothing is known.
        Some(TestStatus::Error)
            if target.red.status == TestStatus::Error && says(same[0]) == says(&target.red) =>
        {
            Verdict::Bad
        }
        _ => Verdict::Unknown,
    }
}

fn target(facts: &Facts, index: usize, suite: &Suite, case: &TestCase) -> Option<Target> {
    let plan = suite.alone(case)?;
    let mut line = vec![Commit {
        id: "uncommitted".to_owned(),
        subject: "uncommitted changes".to_owned(),
        parents: Vec::new(),
    }];
    line.extend(facts.report.commits.iter().cloned());
    let trees = facts.start.iter().map(|tree| (0, tree.clone())).collect();
    Some(Target {
        suite: index,
        red: case.clone(),
        plan,
        overlay: overlays(suite, case, &facts.sources),
        line,
        from_workspace: true,
        verdicts: [(0, Verdict::Bad)].into(),
        trees,
        tried: 0,
    })
}

/// The test's file, and what stands beside it to help it.
fn overlays(suite: &Suite, case: &TestCase, sources: &Sources) -> Vec<(String, String)> {
    let Some(own) = test_file(suite, case, sources) else {
        return Vec::new();
    };
    let folder = own.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is_helper = |path: &&String| {
        let (place, name) = path.rsplit_once('/').unwrap_or(("", path));
        let near = place == folder || folder.starts_with(&format!("{place}/")) || place.is_empty();
        let helps =
            name == "conftest.py" || !folder.is_empty() && place == folder && !names_a_test(name);
        **path != own && near && helps && is_test_file(path) && Lang::of(path) == Lang::of(&own)
    };
    let helpers = sources.files.keys().filter(is_helper).take(HELPERS);
    helpers
        .chain([&own])
        .filter_map(|path| Some((path.clone(), sources.files.get(path)?.clone())))
        .collect()
}

fn names_a_test(name: &str) -> bool {
    name.starts_with("test_")
        || ["_test.", ".test.", ".spec."]
            .iter()
            .any(|mark| name.contains(mark))
}

/// The file that holds a test: what the runner says, else what its name says.
fn test_file(suite: &Suite, case: &TestCase, sources: &Sources) -> Option<String> {
    let said = || {
        let file = case.file.as_deref()?;
        [file.to_owned(), suite.path(file)]
            .into_iter()
            .find(|path| sources.files.contains_key(path))
    };
    let named = || {
        let dotted = |path: &str| path.strip_suffix(".py").map(|path| path.replace('/', "."));
        sources.files.keys().find(|path| {
            let inside = path.strip_prefix(&suite.path("")).unwrap_or(path);
            case.name.starts_with(&format!("{inside}::"))
                || dotted(inside).is_some_and(|module| case.name.starts_with(&format!("{module}.")))
        })
    };
    let path = said().or_else(|| named().cloned())?;
    is_test_file(&path).then_some(path)
}

/// Puts a guilty commit into the report, with those that are known already, and what it changed among what may be undone.
fn tell(facts: &mut Facts, guilty: Guilty, tests: Vec<String>, diff: String) {
    let label = if guilty.uncommitted {
        String::new()
    } else {
        guilty.commit.id.clone()
    };
    match facts
        .report
        .guilty
        .iter_mut()
        .find(|known| known.commit == guilty.commit)
    {
        Some(known) => known.tests.extend(guilty.tests),
        None => facts.report.guilty.push(guilty),
    }
    match facts
        .changes
        .iter_mut()
        .find(|change| change.commit == label)
    {
        Some(change) => change.tests.extend(tests),
        None => facts.changes.push(Change {
            tests: tests.into_iter().collect(),
            commit: label,
            diff,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target_of(length: usize) -> Target {
        let project = keiko_contracts::jail::Project {
            dir: String::new(),
            toolchain: keiko_contracts::jail::Toolchain::Python,
            manifests: Vec::new(),
            runner: Some("pytest".to_owned()),
            ..keiko_contracts::jail::Project::default()
        };
        Target {
            suite: 0,
            red: TestCase {
                name: "t".to_owned(),
                status: TestStatus::Failed,
                file: None,
                line: None,
                message: None,
                lacks: None,
            },
            plan: keiko_runners::plan(&project, None).unwrap(),
            overlay: Vec::new(),
            line: vec![
                Commit {
                    id: String::new(),
                    subject: String::new(),
                    parents: Vec::new()
                };
                length
            ],
            from_workspace: true,
            verdicts: [(0, Verdict::Bad)].into(),
            trees: BTreeMap::new(),
            tried: 0,
        }
    }

    /// Probes until nothing is open, as the phase does.
    fn search(length: usize, says: impl Fn(usize) -> Verdict) -> (Option<(usize, usize)>, usize) {
        let mut target = target_of(length);
        target.verdicts.insert(length - 1, says(length - 1));
        for step in 0..length {
            let places = target.next(FAN);
            if places.is_empty() {
                return (target.bounds(), step);
            }
            for place in places {
                assert_eq!(target.verdicts.insert(place, says(place)), None);
            }
        }
        panic!("no end");
    }

    #[test]
    fn years_in_which_the_test_cannot_be_run_hide_no_commit() {
        for (length, runs) in [(900, 40), (900, 7), (30, 29), (400, 250)] {
            for guilty in 0..runs - 1 {
                let says = |place| match place {
                    place if place >= runs => Verdict::Unknown,
                    place if place > guilty => Verdict::Good,
                    _ => Verdict::Bad,
                };
                let (bounds, steps) = search(length, says);
                assert_eq!(bounds, Some((guilty, guilty + 1)), "{length} {runs}");
                assert!(steps <= 20, "{steps}");
            }
        }
    }

    #[test]
    fn the_first_bad_commit_is_found_in_few_steps() {
        for length in 2..200 {
            for guilty in 0..length - 1 {
                let (bounds, steps) = search(length, |place| {
                    if place > guilty {
                        Verdict::Good
                    } else {
                        Verdict::Bad
                    }
                });
                assert_eq!(bounds, Some((guilty, guilty + 1)), "{length}");
                assert!(steps <= 5);
            }
        }
    }

    #[test]
    fn commits_that_cannot_be_tested_are_passed_over() {
        for broken in 1..20 {
            let says = |place| match place {
                _ if place == broken => Verdict::Unknown,
                _ if place > 8 => Verdict::Good,
                _ => Verdict::Bad,
            };
            let wanted = match broken {
                8 => (7, 9),
                9 => (8, 10),
                _ => (8, 9),
            };
            assert_eq!(search(30, says).0, Some(wanted), "{broken}");
        }
        assert_eq!(search(5, |_| Verdict::Unknown).0, None);
    }
}
