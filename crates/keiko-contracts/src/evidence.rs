//! Tests as facts, and the evidence card: what a result rests on.

use crate::action::Origin;
use crate::approval::{Decision, decided};
use crate::digest::{Content, Digest};
use crate::id::{ApprovalId, RunId};
use crate::install::Beforehand;
use crate::jail::{BaseKind, CommitId, TreeId};
use crate::model::Usage;
use crate::money::Micros;
use crate::said::Said;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One test's result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestCase {
    /// Name, as its runner would select it.
    pub name: String,
    /// How it came out.
    pub status: TestStatus,
    /// File, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The message of a failure, cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What of the sandbox it lacks, where its failure says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Lack>,
}

/// What a test needs and the sandbox does not have: such a failure says nothing about the code.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// A network: a name could not be resolved, or an address not be reached.
    Network,
    /// A service on this machine: nothing listens where the test connects to.
    Service,
    /// A display.
    Display,
    /// A terminal.
    Terminal,
}

impl Lack {
    /// What is lacking, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Lack::Network => "needs a network, and the sandbox has none",
            Lack::Service => "needs a service that does not run in the sandbox",
            Lack::Display => "needs a display, and the sandbox has none",
            Lack::Terminal => "needs a terminal, and the sandbox has none",
        }
    }
}

/// How a test came out.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be run.
    #[default]
    Error,
    /// It was left out.
    Skipped,
}

/// A run of tests, counted, with what failed by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestSummary {
    /// Which runner.
    pub runner: String,
    /// How many passed.
    pub passed: u32,
    /// How many failed.
    pub failed: u32,
    /// How many could not be run.
    pub errors: u32,
    /// How many were left out.
    pub skipped: u32,
    /// Names of the failed ones, at most 20.
    pub failing: Vec<String>,
    /// All cases as JSON.
    pub cases: Content,
    /// The tree that was tested.
    pub tree: Option<TreeId>,
    /// The command, as people would type it.
    pub command: String,
    /// How the results were read.
    #[serde(default)]
    pub channel: Channel,
    /// Why nothing of this run counts: a canary that did not fail, a reporter without its end mark, a forged record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<Said>,
    /// How long it took, milliseconds; 0 where nobody wrote it down.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub millis: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// How the results of a test run were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// From Keiko's own reporter, whose records the code under test cannot write.
    Reporter,
    /// From what the runner printed or wrote: the code under test can write the same.
    #[default]
    Output,
}

impl Channel {
    /// A phrase for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Channel::Reporter => "by Keiko's reporter",
            Channel::Output => "read from output",
        }
    }
}

impl TestSummary {
    /// Something ran, nothing failed, and the run counts.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.void.is_none() && self.passed > 0 && self.failed == 0 && self.errors == 0
    }
}

/// What in a change honest code does not do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Code of the product asks whether it is tested, or by what.
    KnowsTheTests,
    /// It ends the process, with the runner in it.
    LeavesTheProcess,
    /// It answers values of the tests with what the tests expect.
    AnswersTheTests,
    /// Its comparisons hold whatever is compared.
    EqualToEverything,
    /// It swallows the errors that a test would see.
    SwallowsErrors,
    /// It counts its calls, and answers by the count.
    CountsCalls,
    /// It writes what a runner would write.
    WritesResults,
    /// It puts something else in the place of assertions, of the runner, or of what the language gives.
    ReplacesTheRunner,
    /// Its name hides a module of the language, or of the runner.
    HidesAModule,
    /// It changes which tests run, and how.
    ChangesTheRunner,
    /// What tests rest on is changed: helpers, fixtures, expected data.
    ChangesTestSupport,
}

impl FindingKind {
    /// A sentence for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            FindingKind::KnowsTheTests => "code of the product asks whether it is being tested",
            FindingKind::LeavesTheProcess => "it ends the process, and the tests with it",
            FindingKind::AnswersTheTests => "it answers values of the tests with what they expect",
            FindingKind::EqualToEverything => "its comparison holds for everything",
            FindingKind::SwallowsErrors => "it swallows errors that a test would see",
            FindingKind::CountsCalls => "its answer depends on how often it was called",
            FindingKind::WritesResults => "it writes what a test runner would write",
            FindingKind::ReplacesTheRunner => {
                "it replaces assertions, the test runner, or what the language gives"
            }
            FindingKind::HidesAModule => {
                "its name hides a module of the language or of the test runner"
            }
            FindingKind::ChangesTheRunner => "it changes which tests run, and how",
            FindingKind::ChangesTestSupport => "it changes what the tests rest on",
        }
    }
}

/// A place of a change that a person has to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The file.
    pub file: String,
    /// The line in the new text.
    pub line: u32,
    /// The line's text, cut.
    pub text: String,
    /// What lets it stand.
    pub leave: Leave,
}

/// What lets a changed test, or something in the change that honest code does not do, stand in a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// A person's approval.
    Approval(ApprovalId),
    /// The risk policy asks nobody about it.
    Policy,
    /// Nothing: it is there all the same.
    #[default]
    None,
}

/// An existing test that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedTest {
    /// The file, or the name of a test that does not run any more.
    pub test: String,
    /// It ran at the start, and does not at the end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// What lets it stand.
    pub leave: Leave,
}

/// A question to a person, and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// What was asked about, in a sentence.
    pub what: Said,
    /// The decision; none if nobody answered.
    pub decision: Option<Decision>,
    /// Who decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// How it was given, if not to the question itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beforehand: Option<Beforehand>,
}

impl Answered {
    /// The answer in words, for people.
    #[must_use]
    pub fn words(&self) -> Said {
        self.decision.map_or_else(
            || "open".into(),
            |decision| decided(decision, &self.by, self.beforehand),
        )
    }
}

/// Who answered in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answerer {
    /// The model; `native` for rules.
    pub model: String,
    /// Where its answers came from; none for rules, which are no model.
    pub origin: Option<Origin>,
}

/// What became of the tests that turned from red to green when the change was taken out again, piece by piece.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backwards {
    /// Pieces that were taken out, each for itself.
    pub pieces: Vec<Piece>,
    /// What was not proven backwards, and why: sentences for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Said>,
}

/// A piece of a change, and what the tests say without it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Piece {
    /// The file; empty for the whole change.
    pub file: String,
    /// The line in the new text where the piece begins; 0 for all that changed in the file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub line: u32,
    /// How many of the tests are red again without it.
    pub red: u32,
    /// Of how many.
    pub of: u32,
}

/// What a result rests on. Written at the end of a run; `runs verify` checks it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceCard {
    /// The run.
    pub run: RunId,
    /// The goal, first line.
    pub goal: String,
    /// What the base was.
    pub base_kind: Option<BaseKind>,
    /// The base commit.
    pub base: Option<CommitId>,
    /// The tree at the start.
    pub tree_before: Option<TreeId>,
    /// The tree at the end.
    pub tree_after: Option<TreeId>,
    /// The commit at the end, if one was made.
    pub commit: Option<CommitId>,
    /// The first test run.
    pub tests_before: Option<TestSummary>,
    /// The last test run.
    pub tests_after: Option<TestSummary>,
    /// Tests that failed first and passed at the end.
    pub red_to_green: Vec<String>,
    /// Tests that failed first and fail at the end, at most 20. Success never rests on these, and never hides them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still_red: Vec<String>,
    /// Existing test files that were changed, with the approval that allowed it.
    pub changed_tests: Vec<ChangedTest>,
    /// What in the change honest code does not do, with the approval that lets it stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Tests among the red to green that are green without the change too: it proves nothing about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unproven: Vec<String>,
    /// The change taken out again: absent where no test turned from red to green, and on older cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backwards: Option<Backwards>,
    /// Approvals asked and how they were answered.
    pub approvals: Vec<Answered>,
    /// Who answered.
    pub models: Vec<Answerer>,
    /// Steps taken.
    pub steps: u32,
    /// Tokens.
    pub usage: Usage,
    /// Cost, as the vendors say.
    pub cost: Micros,
    /// A model without a price answered: what it cost is not in `cost`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpriced: bool,
    /// At most this much more for model requests that a crash cut off: what was reserved for them.
    #[serde(default, skip_serializing_if = "Micros::is_zero")]
    pub cut_off: Micros,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Hash of the last event before the card: everything before it is in the chain.
    pub journal: Digest,
    /// A scripted model or a demonstration produced it.
    pub demo: bool,
}
