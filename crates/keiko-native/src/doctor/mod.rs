//! `repo-doctor`: examines a repository by rules and measurements, without a language model.
//!
//! It is a row of phases. Each phase asks for operations, folds what came of them into [`Facts`], and may ask again;
//! when it has nothing more to ask, the next one begins. Everything is derived from observations, so that a restart
//! that replays them stands exactly where the journal ends.

mod answer;
mod bisect;
mod brief;
mod cause;
mod fix;
mod flaky;
mod lint;
mod lint_read;
mod markdown;
mod prepare;
mod repair;
mod report;
mod revert;
mod rules;
mod series;
mod source;
mod spaced;
mod survey;
mod suspects;
mod templates;
mod tests;
mod trace;

pub use report::{
    Candidate, Cause, Commit, DoctorReport, FailedTest, Finding, Fix, Flaky, Guilty, NotLooked,
    SeenProject, SetAside, Severity, SuiteReport, Suspect,
};

pub use series::{Series, series};

use answer::Answer;
use keiko_agent::native::{NativeCall, NativeEngine, NativeFinish, NativeStep};
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::evidence::{TestCase, TestStatus, TestSummary};
use keiko_contracts::jail::{Opened, Project, Source, Survey, TreeId};
use keiko_contracts::note::OpenNote;
use keiko_contracts::run::{EndStatus, StartRun};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use source::Sources;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the doctor may spend, and what it may leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Wall clock of all commands together, milliseconds. When it is used up, the remaining phases are left out and
    /// the report says so.
    pub time_budget_ms: u64,
    /// How many repair candidates are tried at most.
    pub max_candidates: usize,
    /// Machine-applicable fixes that kept all tests green stay in the workspace, as the run's diff.
    pub keep_fixes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            time_budget_ms: 15 * 60_000,
            max_candidates: 60,
            keep_fixes: true,
        }
    }
}

/// One phase of the examination.
trait Phase: std::fmt::Debug + Send + Sync + PhaseClone {
    /// Its first operations; none when there is nothing to do.
    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall>;
    /// Takes the answers to the operations asked for last, in their order. Returns further ones; none ends the phase.
    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall>;
    /// Runs even when the time is used up: it only reads, or puts things back.
    fn is_essential(&self) -> bool {
        false
    }
    /// What is missing from the report when this phase is left out.
    fn title(&self) -> &'static str;
}

/// Copies a phase behind its trait, for [`NativeEngine::boxed`].
trait PhaseClone {
    fn boxed_phase(&self) -> Box<dyn Phase>;
}

impl<P: Phase + Clone + 'static> PhaseClone for P {
    fn boxed_phase(&self) -> Box<dyn Phase> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Phase> {
    fn clone(&self) -> Self {
        self.as_ref().boxed_phase()
    }
}

/// A test suite: a project and how its tests are run.
#[derive(Debug, Clone)]
struct Suite {
    project: Project,
    plan: keiko_runners::TestPlan,
    /// The first run: counts and cases.
    first: Option<(TestSummary, Vec<TestCase>)>,
    /// The last run, after fixes.
    last: Option<(TestSummary, Vec<TestCase>)>,
    duration_ms: u64,
    flaky: BTreeSet<String>,
    /// Tests that fail for want of what the sandbox does not have.
    aside: BTreeSet<String>,
}

impl Suite {
    /// The newest results.
    fn cases(&self) -> &[TestCase] {
        self.last
            .as_ref()
            .or(self.first.as_ref())
            .map_or(&[], |(_, cases)| cases)
    }
    /// Tests that failed in the newest run, for a reason that lies in the code as far as is known.
    fn failing(&self) -> Vec<&TestCase> {
        self.cases()
            .iter()
            .filter(|case| {
                is_red(case.status)
                    && !self.flaky.contains(&case.name)
                    && !self.aside.contains(&case.name)
            })
            .collect()
    }
    /// How to run one test and nothing else; where its runner cannot do that, all of them: what comes of it is read by the
    /// test's name.
    fn alone(&self, case: &TestCase) -> Option<keiko_runners::TestPlan> {
        Some(keiko_runners::alone(&self.project, case).unwrap_or_else(|| self.plan.clone()))
    }
    /// A path inside the project as the workspace names it.
    fn path(&self, inside: &str) -> String {
        join(&self.project.dir, inside)
    }
}

/// A guilty change, whole.
#[derive(Debug, Clone)]
struct Change {
    /// The tests that it broke.
    tests: BTreeSet<String>,
    /// The commit; empty for what nobody committed.
    commit: String,
    diff: String,
}

/// What is known so far.
#[derive(Debug, Clone)]
struct Facts {
    options: Options,
    survey: Survey,
    /// Folders of projects whose packages were to be installed, and could not be.
    not_installable: BTreeSet<String>,
    programs: BTreeSet<String>,
    /// Files with conflict markers that are committed.
    conflicts: BTreeSet<String>,
    /// The part of the repository that was asked for; empty for all of it.
    part: String,
    sources: Sources,
    /// The state as it was opened.
    start: Option<TreeId>,
    /// The state to go back to: that of the start, with the fixes that were kept.
    tree: Option<TreeId>,
    /// What the guilty commits changed.
    changes: Vec<Change>,
    /// The branch that the workspace was on.
    branch: Option<String>,
    suites: Vec<Suite>,
    report: DoctorReport,
    spent_ms: u64,
    /// The folder that is examined.
    folder: Option<String>,
}

impl Facts {
    /// What people type so that what the projects declare is installed: as it stands, from wherever they are.
    fn install_command(&self) -> Step {
        Step::Up {
            workspace: self.folder.clone(),
            install: true,
        }
    }
    fn has(&self, program: &str) -> bool {
        self.programs.contains(program)
    }
    /// A file is in the part of the repository that was asked for.
    fn is_asked_for(&self, path: &str) -> bool {
        path.strip_prefix(self.part.trim_end_matches('/'))
            .is_some_and(|rest| self.part.is_empty() || rest.is_empty() || rest.starts_with('/'))
    }
    fn left_out(&mut self, what: impl Into<Said>, why: impl Into<Said>, enable: impl Into<Said>) {
        let entry = NotLooked {
            what: what.into(),
            why: why.into(),
            enable: enable.into(),
        };
        if !self.report.not_looked_at.contains(&entry) {
            self.report.not_looked_at.push(entry);
        }
    }
}

/// The engine.
#[derive(Debug, Clone)]
pub struct Doctor {
    facts: Facts,
    phases: VecDeque<Box<dyn Phase>>,
    batch: Vec<NativeCall>,
    answers: BTreeMap<String, Answer>,
    failed: Option<Said>,
}

impl Doctor {
    /// A doctor that has seen nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Doctor {
        let facts = Facts {
            options,
            survey: Survey::default(),
            not_installable: BTreeSet::new(),
            programs: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            part: String::new(),
            sources: Sources::default(),
            start: None,
            tree: None,
            changes: Vec::new(),
            branch: None,
            suites: Vec::new(),
            report: DoctorReport::default(),
            spent_ms: 0,
            folder: None,
        };
        let phases: Vec<Box<dyn Phase>> = vec![
            Box::new(survey::Look::default()),
            Box::new(prepare::Prepare::default()),
            Box::new(tests::FirstRun),
            Box::new(cause::Causes::default()),
            Box::new(lint::Lint::default()),
            Box::new(flaky::Rerun::default()),
            Box::new(fix::Mend::default()),
            Box::new(bisect::Bisect::default()),
            Box::new(suspects::Rank::default()),
            Box::new(repair::Repair::default()),
        ];
        let mut doctor = Doctor {
            facts,
            phases: phases.into(),
            batch: Vec::new(),
            answers: BTreeMap::new(),
            failed: None,
        };
        doctor.begin();
        doctor
    }

    /// What was found so far, as data.
    #[must_use]
    pub fn report(&self) -> &DoctorReport {
        &self.facts.report
    }

    /// Starts phases until one asks for something.
    fn begin(&mut self) {
        while self.batch.is_empty()
            && let Some(phase) = self.phases.front_mut()
        {
            if self.facts.spent_ms > self.facts.options.time_budget_ms && !phase.is_essential() {
                let minutes = self.facts.options.time_budget_ms / 60_000;
                let why = say!("the {n} minutes for commands were used up", n = minutes);
                self.facts.left_out(phase.title(), why, "");
            } else {
                self.batch = phase.start(&mut self.facts);
            }
            if self.batch.is_empty() {
                self.phases.pop_front();
            }
        }
    }

    /// Hands the answers of a whole step to the phase that asked.
    fn advance(&mut self) {
        let answers: Vec<Answer> = self
            .batch
            .iter()
            .filter_map(|call| self.answers.remove(&call.id))
            .collect();
        self.answers.clear();
        self.batch.clear();
        for answer in &answers {
            self.facts.spent_ms += answer.duration_ms();
        }
        if let Some(phase) = self.phases.front_mut() {
            self.batch = phase.fold(&mut self.facts, &answers);
            if self.batch.is_empty() {
                self.phases.pop_front();
            }
        }
        self.begin();
    }

    fn finish(&self) -> NativeFinish {
        let report = &self.facts.report;
        let status = match (&self.failed, report.examined_anything()) {
            (Some(_), _) => EndStatus::Failed,
            (None, true) => EndStatus::Examined,
            (None, false) => EndStatus::Unverified,
        };
        let summary = self.failed.clone();
        let summary = summary.unwrap_or_else(|| report.summary().into());
        NativeFinish {
            status,
            summary,
            report: report.markdown().into(),
            data: serde_json::to_string_pretty(report).ok().map(Into::into),
            tests: self.evidence(),
        }
    }

    /// The first and the last run of the first suite that has failures, or of the first suite.
    fn evidence(&self) -> Option<(TestSummary, TestSummary)> {
        let read = self
            .facts
            .suites
            .iter()
            .filter(|suite| suite.first.is_some());
        let suite = read
            .clone()
            .find(|suite| suite.first.as_ref().is_some_and(|(s, _)| !s.is_green()))
            .or(read.clone().next())?;
        let (first, _) = suite.first.as_ref()?;
        let last = suite.last.as_ref().map_or(first, |(summary, _)| summary);
        Some((first.clone(), last.clone()))
    }
}

impl NativeEngine for Doctor {
    fn boxed(&self) -> Box<dyn NativeEngine> {
        Box::new(self.clone())
    }

    fn started(&mut self, start: &StartRun) {
        if let Some(Source::Folder { path, .. }) = &start.source {
            self.facts.folder = Some(path.clone());
        }
    }

    fn opened(&mut self, opened: &Opened) {
        self.facts.part.clone_from(&opened.part);
        self.facts.report.notes = opened.notes.iter().map(OpenNote::said).collect();
    }

    fn next(&self) -> NativeStep {
        if self.batch.is_empty() {
            NativeStep::Finish(Box::new(self.finish()))
        } else {
            NativeStep::Act(self.batch.clone())
        }
    }

    fn observe(&mut self, id: &str, outcome: Result<&Outcome<Report>, &Said>) {
        if !self.batch.iter().any(|call| call.id == id) {
            return;
        }
        let answer = Answer::new(id, outcome);
        if let (true, Err(why)) = (id == survey::SURVEY, &answer.result) {
            self.failed = Some(say!("The workspace could not be looked over: {why}", why));
            self.phases.clear();
        }
        self.answers.insert(id.to_owned(), answer);
        if self.answers.len() == self.batch.len() {
            self.advance();
        }
    }
}

/// Did not hold, or could not be run.
fn is_red(status: TestStatus) -> bool {
    matches!(status, TestStatus::Failed | TestStatus::Error)
}

/// Joins two relative paths; `./` is dropped.
fn join(dir: &str, inside: &str) -> String {
    let inside = inside.trim_start_matches("./");
    if dir.is_empty() {
        inside.to_owned()
    } else {
        format!("{}/{inside}", dir.trim_end_matches('/'))
    }
}
