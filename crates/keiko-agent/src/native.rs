//! What a native engine is to the loop: rules and algorithms in the place of a language model, in the same journal, sandbox
//! and approvals. The engines themselves stand in `keiko-native`.

use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::digest::Content;
use keiko_contracts::evidence::TestSummary;
use keiko_contracts::jail::{JailOp, Opened};
use keiko_contracts::run::{EndStatus, StartRun};
use keiko_contracts::said::Said;

/// An engine without a model. Its state is a fold over [`NativeEngine::observe`]; [`NativeEngine::next`] is pure, so
/// that a restart continues exactly where the journal ends.
pub trait NativeEngine: std::fmt::Debug + Send + Sync {
    /// What to do now, given all that was observed. Asked again after each step; the calls of one step run one after
    /// another, and all have been observed before it is asked again.
    fn next(&self) -> NativeStep;

    /// The run begins.
    fn started(&mut self, _start: &StartRun) {}

    /// What the workspace was made of: told once, before anything that was asked for is answered.
    fn opened(&mut self, _: &Opened) {}

    /// A copy, with all that was observed.
    fn boxed(&self) -> Box<dyn NativeEngine>;

    /// What came of a call, by its id. `Err` holds what the policy or a person said when it was refused.
    fn observe(&mut self, id: &str, outcome: Result<&Outcome<Report>, &Said>);
}

impl Clone for Box<dyn NativeEngine> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

/// What an engine wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NativeStep {
    /// These operations, in order.
    Act(Vec<NativeCall>),
    /// It is done.
    Finish(Box<NativeFinish>),
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeCall {
    /// Unique within the run: `tests-1`, `lint-ruff`.
    pub id: String,
    /// One line for people: what this is for.
    pub title: Said,
    /// What to do.
    pub op: JailOp,
}

/// How an engine ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeFinish {
    /// How.
    pub status: EndStatus,
    /// A few sentences.
    pub summary: Said,
    /// The report in Markdown.
    pub report: Content,
    /// The same as data (JSON), if the engine has a schema for it.
    pub data: Option<Content>,
    /// The first and the last test run, for the evidence card.
    pub tests: Option<(TestSummary, TestSummary)>,
}
