//! What a person says about installing before a run asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a person can have answered before anybody asked.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Beforehand {
    /// On the command line.
    Flag,
    /// In the configuration.
    Configuration,
    /// In an earlier run, with the wish that it be remembered for this repository.
    Memory,
}

impl Beforehand {
    /// In a few words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Beforehand::Flag => "said with --install",
            Beforehand::Configuration => "set as run.install",
            Beforehand::Memory => "remembered for this repository",
        }
    }
}

/// Whether what projects declare is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Installing {
    /// A person is asked, unless an answer is remembered for the repository.
    #[default]
    Ask,
    /// Without a question.
    Yes,
    /// Not at all.
    No,
}

/// What a person said about installing before a run asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstallWord {
    /// What.
    pub answer: Installing,
    /// Who.
    pub by: String,
    /// How.
    pub beforehand: Beforehand,
    /// A yes holds for these registries only; absent, for whatever the policy lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registries: Option<Vec<String>>,
}
