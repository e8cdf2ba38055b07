//! How a run is started, and how it can end.

use crate::digest::{Content, Digest};
use crate::id::{AgentName, EffectKey, ModelName, RunId, SkillName, TaskId};
use crate::install::InstallWord;
use crate::jail::Source;
use crate::language::Language;
use crate::model::{Effort, Window};
use crate::money::Micros;
use crate::role::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Starts a run. Everything that decides how it goes is in here, so that it goes on the same way after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartRun {
    /// The run.
    pub run: RunId,
    /// The run above it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// Who wants it: the name of the operator. Empty in records of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// What a person asked for.
    pub goal: Content,
    /// Who works on it.
    pub agent: AgentName,
    /// What that agent is, as its file said when the run began. None in records of older versions, where the name alone says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The model, for agents that need one.
    pub model: Option<ModelName>,
    /// Where the work is.
    pub source: Option<Source>,
    /// Limits.
    pub limits: RunLimits,
    /// Who answers approvals.
    pub approval: ApprovalMode,
    /// What was said about installing before it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallWord>,
    /// How hard the model is to think, where it can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// Language of what people read.
    pub language: Language,
    /// A scripted model plays, or this is a demonstration.
    #[serde(default)]
    pub demo: bool,
    /// Version of the program.
    pub version: String,
    /// Digest of what the agent was when the run began: its instructions and tools, or the rules it works by. The core fills it
    /// in; none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
}

impl StartRun {
    /// A run on its own, without a model and a workspace, with limits and policy as they are by default and English for
    /// those who read it. The version is that of the program.
    #[must_use]
    pub fn new(run: RunId, by: String, goal: impl Into<Content>, agent: AgentName) -> StartRun {
        StartRun {
            run,
            parent: None,
            by,
            goal: goal.into(),
            agent,
            role: None,
            model: None,
            source: None,
            limits: RunLimits::default(),
            approval: ApprovalMode::default(),
            install: None,
            effort: None,
            language: Language::English,
            demo: false,
            version: env!("CARGO_PKG_VERSION").into(),
            definition: None,
        }
    }

    /// The engine without a model that works on it, if it is one; what there is of that name, for records without a role.
    #[must_use]
    pub fn skill(&self) -> Option<SkillName> {
        match &self.role {
            Some(role) => role.skill.clone(),
            None => Some(SkillName::of_agent(&self.agent)),
        }
    }

    /// The task of the run above it that it works on; that of a run on its own is the main one.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.parent
            .as_ref()
            .map_or_else(TaskId::main, |parent| parent.task.clone())
    }
    /// Which attempt at that task it is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.parent.as_ref().map_or(1, |parent| parent.attempt)
    }
}

/// What a run belongs to that another one wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parent {
    /// The run above.
    pub run: RunId,
    /// The effect of that run by which it was started; none if a person had it started for that run, as a check of its
    /// evidence is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectKey>,
    /// Which of its tasks.
    pub task: TaskId,
    /// Which attempt at it, from 1.
    pub attempt: u32,
}

/// What may be different from when a run is taken up again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunTerms {
    /// Other limits.
    pub limits: Option<RunLimits>,
    /// What is said about installing.
    pub install: Option<InstallWord>,
}

/// Limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunLimits {
    /// Steps.
    pub max_steps: u32,
    /// Money; absent is no limit.
    pub budget: Option<Micros>,
    /// Wall clock while working, seconds.
    pub max_seconds: u32,
    /// Output of one model request, tokens.
    pub max_output_tokens: u32,
    /// Context given to the model, tokens (estimated).
    pub context_tokens: u32,
    /// What is known of the model from earlier runs.
    #[serde(default, skip_serializing_if = "Window::is_unknown")]
    pub window: Window,
}

impl Default for RunLimits {
    fn default() -> Self {
        RunLimits {
            max_steps: 60,
            budget: None,
            max_seconds: 3600,
            max_output_tokens: 8192,
            context_tokens: 96_000,
            window: Window::default(),
        }
    }
}

/// Who answers approvals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalMode {
    /// Every change outside the sandbox, and every command, is asked for.
    Ask,
    /// The risk policy says what is asked for.
    #[default]
    Policy,
    /// Nobody is asked: what would need an approval is refused.
    Never,
}

impl ApprovalMode {
    /// The more careful of two.
    #[must_use]
    pub fn or_stricter(self, other: ApprovalMode) -> ApprovalMode {
        let care = |mode| match mode {
            ApprovalMode::Policy => 0,
            ApprovalMode::Ask => 1,
            ApprovalMode::Never => 2,
        };
        if care(other) > care(self) {
            other
        } else {
            self
        }
    }
}

/// How a run can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndStatus {
    /// The goal is reached, on evidence.
    Succeeded,
    /// The goal was to examine, and that is done: what was found stands in the report, be it good or bad.
    Examined,
    /// The agent says so, without evidence such as a green test run.
    Unverified,
    /// It is not reached.
    Failed,
    /// The agent declines the goal.
    Refused,
    /// The operator ended it.
    Cancelled,
    /// A kill ended it.
    Killed,
}

impl EndStatus {
    /// In a word, as lists have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        RunStatus::from(self).word()
    }
}

/// Where a run stands, as lists have it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Somebody drives it.
    Running,
    /// It should be driven, and its process is gone. No row holds that, since nobody was left to write one: it follows from
    /// a lease that nobody has.
    Interrupted,
    /// It waits for an approval.
    WaitingApproval,
    /// It waits for an answer.
    WaitingAnswer,
    /// It waits for a person to say whether something happened.
    WaitingPerson,
    /// It waits for a run below it.
    WaitingRun,
    /// It waits for its model.
    WaitingModel,
    /// It waits for a higher limit.
    Limit,
    /// It was stopped.
    Stopped,
    /// A kill stopped or ended it.
    Killed,
    /// It ended: the goal is reached, on evidence.
    Succeeded,
    /// It ended: what there was to examine was.
    Examined,
    /// It ended: without evidence.
    Unverified,
    /// It ended: the goal is not reached.
    Failed,
    /// It ended: the agent declined.
    Refused,
    /// It ended: somebody wanted that.
    Cancelled,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [RunStatus; 16] = [
        RunStatus::Running,
        RunStatus::Interrupted,
        RunStatus::WaitingApproval,
        RunStatus::WaitingAnswer,
        RunStatus::WaitingPerson,
        RunStatus::WaitingRun,
        RunStatus::WaitingModel,
        RunStatus::Limit,
        RunStatus::Stopped,
        RunStatus::Killed,
        RunStatus::Succeeded,
        RunStatus::Examined,
        RunStatus::Unverified,
        RunStatus::Failed,
        RunStatus::Refused,
        RunStatus::Cancelled,
    ];

    /// In a word: what lists filter by, and what JSON has.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Interrupted => "interrupted",
            RunStatus::WaitingApproval => "waiting-approval",
            RunStatus::WaitingAnswer => "waiting-answer",
            RunStatus::WaitingPerson => "waiting-person",
            RunStatus::WaitingRun => "waiting-run",
            RunStatus::WaitingModel => "waiting-model",
            RunStatus::Limit => "limit",
            RunStatus::Stopped => "stopped",
            RunStatus::Killed => "killed",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Examined => "examined",
            RunStatus::Unverified => "unverified",
            RunStatus::Failed => "failed",
            RunStatus::Refused => "refused",
            RunStatus::Cancelled => "cancelled",
        }
    }

    /// Whether a run in this state could go on. A killed one is taken for one that ended: a kill may be either.
    #[must_use]
    pub fn may_go_on(self) -> bool {
        match self {
            RunStatus::Running
            | RunStatus::Interrupted
            | RunStatus::WaitingApproval
            | RunStatus::WaitingAnswer
            | RunStatus::WaitingPerson
            | RunStatus::WaitingRun
            | RunStatus::WaitingModel
            | RunStatus::Limit
            | RunStatus::Stopped => true,
            RunStatus::Killed
            | RunStatus::Succeeded
            | RunStatus::Examined
            | RunStatus::Unverified
            | RunStatus::Failed
            | RunStatus::Refused
            | RunStatus::Cancelled => false,
        }
    }

    /// The one of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<RunStatus> {
        RunStatus::ALL
            .into_iter()
            .find(|status| status.word() == word)
    }
}

impl From<EndStatus> for RunStatus {
    fn from(end: EndStatus) -> RunStatus {
        match end {
            EndStatus::Succeeded => RunStatus::Succeeded,
            EndStatus::Examined => RunStatus::Examined,
            EndStatus::Unverified => RunStatus::Unverified,
            EndStatus::Failed => RunStatus::Failed,
            EndStatus::Refused => RunStatus::Refused,
            EndStatus::Cancelled => RunStatus::Cancelled,
            EndStatus::Killed => RunStatus::Killed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_status_is_what_json_has() {
        for status in RunStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.word());
            assert_eq!(RunStatus::of(status.word()), Some(status));
        }
    }
}
