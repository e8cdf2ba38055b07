//! What an agent says of itself, and what it is held against.

use keiko_contracts::language::Language;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an agent says of itself, for whoever looks for one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, unique among those of one index.
    pub name: String,
    /// What it does, in a sentence or two.
    #[serde(default)]
    pub description: String,
    /// Tasks as people give them that are for it.
    #[serde(default)]
    pub examples: Vec<String>,
    /// Tasks that look as if they were for it, and are not.
    #[serde(default)]
    pub counter_examples: Vec<String>,
    /// Words that tasks for it contain.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Languages that it works in; none stands for any.
    #[serde(default)]
    pub languages: BTreeSet<Language>,
    /// Names of the tools and skills that it has.
    #[serde(default)]
    pub capabilities: BTreeSet<String>,
    /// True when it asks a language model; false for an engine without one.
    #[serde(default)]
    pub needs_model: bool,
}

impl Profile {
    /// What it says of itself beside its examples, in one text.
    #[must_use]
    pub fn card(&self) -> String {
        format!(
            "{}. {}. {}",
            self.name.replace(['-', '_'], " "),
            self.description,
            self.keywords.join(", ")
        )
    }

    /// All its texts that have a vector: the card, the examples, the counter-examples.
    pub fn texts(&self) -> impl Iterator<Item = String> + '_ {
        let examples = self.examples.iter().chain(&self.counter_examples).cloned();
        std::iter::once(self.card()).chain(examples)
    }
}

/// What an agent is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// In the words of whoever gave it.
    pub text: String,
    /// Tools and skills that it cannot be done without.
    #[serde(default)]
    pub wanted: BTreeSet<String>,
    /// The language of the answer; `None` asks for none.
    #[serde(default)]
    pub language: Option<Language>,
}

impl Task {
    /// A task that wants nothing but what its words say.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Task {
        Task {
            text: text.into(),
            ..Task::default()
        }
    }
}

/// A task that somebody has said the right agent of: what calibration learns from besides examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The task's words.
    pub text: String,
    /// The agent that it was right for; `None` when none was.
    pub agent: Option<String>,
}
