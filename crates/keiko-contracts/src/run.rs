//! Runs: commands, events, and how they are listed.

use crate::action::{Intent, Outcome, Report};
use crate::approval::{ApprovalAnswer, ApprovalRequest};
use crate::asked::Asked;
use crate::code::Fault;
use crate::digest::{Content, Digest};
use crate::evidence::{EvidenceCard, TestSummary};
use crate::id::{AgentName, EffectKey, ModelName, RunId};
use crate::install::InstallWord;
use crate::journal::{Epoch, Seq};
use crate::money::Micros;
use crate::said::Said;
pub use crate::start::{ApprovalMode, EndStatus, Parent, RunLimits, RunStatus, RunTerms, StartRun};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened in a run. One event is one decision or one observed fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "event", content = "data")]
pub enum RunEvent {
    /// It began.
    RunStarted(Box<StartRun>),
    /// A process took it up again.
    RunResumed(Resumed),
    /// Someone said something to it; seen at the next step.
    Steered(Steered),
    /// A step of an engine without a model begins. One of a model begins with the request.
    StepBegun(StepBegun),
    /// An effect is about to start. Durable before it does.
    EffectIntended(Box<Intent>),
    /// An effect came out.
    EffectEnded(Box<Ended>),
    /// A call was not carried out; the model is told why.
    CallRefused(CallRefused),
    /// A call was answered without an effect: by the harness, or by the operator.
    CallAnswered(CallAnswered),
    /// A person is asked.
    ApprovalRequested(Box<ApprovalRequest>),
    /// A person answered.
    ApprovalResolved(ApprovalAnswer),
    /// Tests ran.
    TestsObserved(Box<TestSummary>),
    /// Something worth knowing: an alert of the policy, a loop noticed, a limit near.
    Noted(Note),
    /// Older steps left the context; the ledger keeps what matters of them.
    ContextCompacted(Compacted),
    /// The end is decided; what remains is to gather what it rests on.
    RunClosing(Box<Closing>),
    /// It waits, holding nothing.
    RunSuspended(Suspension),
    /// It ended.
    RunEnded(Box<RunEnd>),
}

impl RunEvent {
    /// The kind, as the journal's envelope has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            RunEvent::RunStarted(_) => "run_started",
            RunEvent::RunResumed(_) => "run_resumed",
            RunEvent::Steered(_) => "steered",
            RunEvent::StepBegun(_) => "step_begun",
            RunEvent::EffectIntended(_) => Self::EFFECT_INTENDED,
            RunEvent::EffectEnded(_) => "effect_ended",
            RunEvent::CallRefused(_) => "call_refused",
            RunEvent::CallAnswered(_) => "call_answered",
            RunEvent::ApprovalRequested(_) => "approval_requested",
            RunEvent::ApprovalResolved(_) => "approval_resolved",
            RunEvent::TestsObserved(_) => "tests_observed",
            RunEvent::Noted(_) => "noted",
            RunEvent::ContextCompacted(_) => "context_compacted",
            RunEvent::RunClosing(_) => "run_closing",
            RunEvent::RunSuspended(_) => "run_suspended",
            RunEvent::RunEnded(_) => Self::RUN_ENDED,
        }
    }
    /// The kind of an effect's intent, which permits are made from.
    pub const EFFECT_INTENDED: &'static str = "effect_intended";
    /// The kind of [`RunEvent::RunEnded`].
    pub const RUN_ENDED: &'static str = "run_ended";
}

/// A process took a run up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resumed {
    /// Who.
    pub by: String,
    /// The kill epoch from now on.
    pub epoch: Epoch,
    /// Other limits from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RunLimits>,
    /// What is said about installing from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallWord>,
    /// Digest of what the agent is from now on, where it is another than before, or was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
}

/// Someone said something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Steered {
    /// Who.
    pub by: String,
    /// What.
    pub text: Content,
    /// The place of the message in the run's inbox, so that it is taken once.
    pub inbox: Option<Seq>,
}

/// A step of an engine without a model begins. Its calls are not written down: the engine says them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepBegun {
    /// Its number, from 1.
    pub step: u32,
}

/// How an effect came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// The effect.
    pub key: EffectKey,
    /// How.
    pub outcome: Outcome<Report>,
    /// How many tries it took, when more than one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub tries: u16,
    /// It was found open after a restart, and recovered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
}

fn one() -> u16 {
    1
}
fn is_one(n: &u16) -> bool {
    *n == 1
}

/// A call that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallRefused {
    /// Its place.
    pub key: EffectKey,
    /// Who asked for it.
    pub asked: Asked,
    /// What the model is told.
    pub reason: Content,
    /// The same for people, where something stands in its holes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// Who refused.
    pub by: RefusedBy,
}

impl CallRefused {
    /// One, of why.
    #[must_use]
    pub fn new(key: EffectKey, asked: Asked, why: impl Into<Said>, by: RefusedBy) -> CallRefused {
        let why = why.into();
        CallRefused {
            key,
            asked,
            reason: why.to_string().into(),
            said: why.with_values(),
            by,
        }
    }

    /// Why, for people.
    #[must_use]
    pub fn why(&self) -> Said {
        let words = || Said::words(self.reason.text_or_empty());
        self.said.clone().unwrap_or_else(words)
    }
}

/// Who refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusedBy {
    /// The arguments make no sense.
    Arguments,
    /// The policy forbids it.
    Policy,
    /// A person said no.
    Person,
    /// It was overtaken: something earlier in the same step changed the situation.
    Overtaken,
    /// The loop guard.
    LoopGuard,
    /// It stands in an answer that the output limit cut off.
    CutOff,
}

/// A call that was answered without an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallAnswered {
    /// Its place.
    pub key: EffectKey,
    /// The model's id of the call.
    pub call: String,
    /// What the model reads.
    pub text: Content,
    /// It is told as a failure.
    #[serde(default)]
    pub is_error: bool,
}

/// Something worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// What kind.
    pub kind: NoteKind,
    /// In a sentence.
    pub text: Content,
    /// The same for people, where something stands in its holes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// What the agent is told of it, if anything.
    #[serde(default)]
    pub tell_agent: bool,
}

impl Note {
    /// One, for people and, if it says so, for the agent.
    #[must_use]
    pub fn new(kind: NoteKind, note: impl Into<Said>, tell_agent: bool) -> Note {
        let note = note.into();
        Note {
            kind,
            text: note.to_string().into(),
            said: note.with_values(),
            tell_agent,
        }
    }

    /// It, for people.
    #[must_use]
    pub fn told(&self) -> Said {
        let words = || Said::words(self.text.text_or_empty());
        self.said.clone().unwrap_or_else(words)
    }
}

/// What a note is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The risk policy wants it seen.
    Alert,
    /// The agent goes in circles.
    Loop,
    /// An answer was cut off at the output limit.
    Limit,
    /// The agent asked, and nobody was there.
    Question,
    /// The agent's words were no claim.
    Words,
    /// The model's answer came to nothing.
    Model,
    /// The agent is not what it was when the run began, or was last taken up.
    Definition,
    /// Something that this program does not know.
    #[serde(untagged)]
    Other(String),
}

/// Older steps left the context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compacted {
    /// The first item that is still shown.
    pub from_item: u32,
    /// The state ledger as the agent will see it.
    pub ledger: Content,
    /// Results that stay are shown with at most so many bytes, where the window is small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub piece_max: Option<u32>,
}

/// The end as it was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Closing {
    /// How.
    pub status: EndStatus,
    /// What the agent says about it.
    pub summary: Content,
    /// The same for people, where it is no agent's: of the harness, of an engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// What was wrong, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// A longer report in Markdown, if the agent writes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Content>,
    /// The same report as JSON, by the agent's own schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Content>,
    /// The place of the word in the inbox that ends it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<Seq>,
}

/// Why a run waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "for")]
pub enum Suspension {
    /// For approvals.
    Approval {
        /// How many are open.
        open: u32,
    },
    /// For an answer.
    Question {
        /// The call that it answers; empty in records of older versions, which mean the first that is open.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        call: String,
        /// The question.
        question: Content,
    },
    /// For a person to say whether an effect happened.
    Unknown {
        /// The effect.
        key: EffectKey,
        /// Why nobody can tell.
        why: Said,
    },
    /// For a run below it, which waits itself.
    Child {
        /// That run.
        run: RunId,
    },
    /// The model cannot be reached.
    Unavailable {
        /// What was wrong.
        fault: Fault,
    },
    /// A limit is reached; it can be raised.
    Limit {
        /// Which.
        fault: Fault,
    },
    /// The operator stopped it.
    Stopped {
        /// Who.
        by: String,
        /// The place of the word in the inbox, so that it counts once.
        inbox: Seq,
    },
    /// A kill.
    Killed {
        /// Why.
        reason: String,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunEnd {
    /// How.
    pub status: EndStatus,
    /// What the agent says about it.
    pub summary: Content,
    /// The same for people, where it is no agent's: of the harness, of an engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// What it rests on.
    pub card: EvidenceCard,
    /// What was wrong, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// A longer report in Markdown, if the agent writes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Content>,
    /// The same report as JSON, by the agent's own schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Content>,
    /// The change against the base as a unified diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Content>,
}

impl RunEnd {
    /// What is said about it, for people.
    #[must_use]
    pub fn told(&self) -> Said {
        let words = || Said::words(self.summary.text_or_empty());
        self.said.clone().unwrap_or_else(words)
    }
}

/// What people and other processes say to a run (stream `inbox/RUN`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "say", content = "data")]
pub enum InboxMessage {
    /// Words for the agent.
    Words {
        /// Who.
        by: String,
        /// What.
        text: Content,
    },
    /// An answer to an approval.
    Approval(ApprovalAnswer),
    /// Stop at the next step.
    Stop {
        /// Who.
        by: String,
    },
    /// End it.
    Cancel {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// A run as lists show it (view `runs`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRow {
    /// The run.
    pub run: RunId,
    /// The goal, first line, cut.
    pub goal: String,
    /// Who works on it.
    pub agent: AgentName,
    /// The run above it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// The model.
    pub model: Option<ModelName>,
    /// The workspace's source, if there is one.
    pub workspace: Option<String>,
    /// Where it stands. That it was interrupted is not stored: whoever lists runs finds it out from the leases.
    pub state: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Steps.
    pub steps: u32,
    /// Cost so far, as the vendors say.
    pub cost: Micros,
    /// A model without a price answered: what it cost is not in `cost`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpriced: bool,
    /// At most this much more for model requests that a crash cut off.
    #[serde(default, skip_serializing_if = "Micros::is_zero")]
    pub cut_off: Micros,
    /// A demonstration.
    #[serde(default)]
    pub demo: bool,
}

/// One line of `--jsonl`: an event with its envelope. Texts that live in blobs are filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventLine {
    /// Version of this line's shape.
    pub v: u16,
    /// Place in the journal.
    pub position: u64,
    /// The run.
    pub run: RunId,
    /// Place in the run.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// A demonstration.
    #[serde(default)]
    pub demo: bool,
    /// Whose words it holds, if somebody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Where its words may come from: `operator`, `model`, `workspace`, `network`, `remote`, `tool`, `outside`. None: Keiko's
    /// own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The hash that links it to the one before.
    pub hash: Digest,
    /// What happened; none for an event that this program does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<RunEvent>,
    /// What is known of an event that a newer program wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Opaque>,
}

/// An event whose kind or version this program does not know: a newer one wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opaque {
    /// Its kind.
    pub kind: String,
    /// The version of its shape.
    pub version: u16,
}

/// A call by a model or an engine that has not become an action yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The caller's id of it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as raw text.
    pub arguments: String,
}
