//! What an agent is within a run: recorded when the run begins, so that it stays the same to its end.

use crate::digest::Content;
use crate::id::{SkillName, ToolName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an agent is, as far as its loop is concerned. It says how to work and never what is allowed: rights come from the
/// risk policy and the person who starts the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Role {
    /// Its instructions, Markdown. They stand behind the floor of all agents and cannot change it.
    pub prompt: Content,
    /// The same in short, for a model with a small window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Content>,
    /// The tools that it is offered, beside those of the conversation itself; absent, all there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolName>>,
    /// The engine without a model that it is; absent, a language model works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<SkillName>,
    /// Whether it works in a folder.
    #[serde(default, skip_serializing_if = "FolderNeed::is_optional")]
    pub folder: FolderNeed,
}

/// Whether an agent works in a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FolderNeed {
    /// It makes no sense without one; without one, its instructions are left out.
    Required,
    /// With or without.
    #[default]
    Optional,
    /// It works on words: no folder is opened, whatever lies around.
    None,
}

impl FolderNeed {
    fn is_optional(&self) -> bool {
        *self == FolderNeed::Optional
    }
}
