//! Which agent a task is for.

use super::{Agents, Entry};
use keiko_contracts::agent_file::{AgentDefinition, Engine};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::language::Language;
use keiko_orchestrator::matching::{Index, Match, Profile, Quality, Task};
use serde::Serialize;
use std::path::Path;

/// Who takes what no other agent is for. It is nobody's candidate.
pub const FALLBACK: &str = "generalist";

/// Whom a task is for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The task.
    pub task: String,
    /// Who may be right, how sure that is, and why.
    #[serde(flatten)]
    pub found: Match,
    /// How well these agents find their own examples, one held out at a time.
    pub quality: Quality,
}

impl Agents {
    /// Whom a task is for, by the built-in embedder, with the reasons. It says nothing of rights: whoever is chosen may do what the
    /// policy allows, and no more.
    ///
    /// # Errors
    /// When the task is empty.
    pub fn find(&self, task: &str, workspace: Option<&Path>) -> Result<Found, Fault> {
        if task.trim().is_empty() {
            return Err(Fault::new(Code::GOAL_EMPTY, "the goal is empty")
                .hint("say what is to be done: keiko agents match \"…\""));
        }
        let index = self.index(workspace)?;
        Ok(Found {
            task: task.to_owned(),
            found: index.find_lexical(&Task::new(task)),
            quality: index.quality(),
        })
    }

    /// All agents that can be used, to be searched.
    pub(crate) fn index(&self, workspace: Option<&Path>) -> Result<Index, Fault> {
        // Names are unique: those of the same name are hidden.
        Index::lexical(&self.profiles(workspace), &[])
            .map_err(|error| Fault::new(Code::AGENT_BROKEN, error.said()))
    }

    /// What those that can be used say of themselves.
    pub(super) fn profiles(&self, workspace: Option<&Path>) -> Vec<Profile> {
        let all = self.list(workspace);
        let usable = all.iter().filter(|entry| entry.hidden_by.is_none());
        usable
            .filter(|entry| entry.name != FALLBACK)
            .filter_map(|entry| Some(profile(entry, entry.agent.as_ref()?)))
            .collect()
    }
}

/// What an agent says of itself.
fn profile(entry: &Entry, agent: &AgentDefinition) -> Profile {
    let languages = agent.languages.iter();
    let languages = languages.filter_map(|code| match code.as_str() {
        "de" => Some(Language::German),
        "en" => Some(Language::English),
        _ => None,
    });
    let mut capabilities: std::collections::BTreeSet<String> = Default::default();
    let tools = agent.tools.iter().flatten();
    capabilities.extend(
        tools
            .filter(|tool| !entry.lacks.contains(tool))
            .map(ToString::to_string),
    );
    if let Engine::Native(skill) = &agent.engine {
        capabilities.insert(skill.to_string());
    }
    let descriptions: Vec<&str> = std::iter::once(&agent.description)
        .chain(agent.descriptions.values())
        .map(String::as_str)
        .collect();
    Profile {
        name: entry.name.clone(),
        description: descriptions.join(" "),
        examples: agent.examples.clone(),
        counter_examples: agent.counter_examples.clone(),
        keywords: agent.keywords.clone(),
        languages: languages.collect(),
        capabilities,
        needs_model: !agent.is_native(),
    }
}

#[cfg(test)]
mod tests {
    use crate::agents::Agents;
    use crate::home::Home;
    use keiko_orchestrator::matching::Band;

    #[test]
    fn the_agents_that_come_along_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let agents = Agents::of(&Home {
            config: dir.path().join("config"),
            data: dir.path().join("data"),
            cache: dir.path().join("cache"),
            user: None,
        });
        let mut first = Vec::new();
        for (task, agent) in [
            ("Translate the attached letter into Italian", "translator"),
            (
                "Bitte übersetzen Sie den Vertrag ins Französische",
                "translator",
            ),
            (
                "Fasse mir das Protokoll in fünf Sätzen zusammen",
                "summarizer",
            ),
            (
                "Repariere den Absturz beim Speichern und schreibe einen Test dazu",
                "coder",
            ),
            (
                "Make a bar chart of sales per month from sales.csv",
                "data-analyst",
            ),
            ("Recherchiere aktuelle KI-Trends", "researcher"),
            ("Look at my diff before I merge it", "code-reviewer"),
            (
                "Stimmt es, was in diesem Artikel über die Zahlen steht?",
                "fact-checker",
            ),
        ] {
            let found = agents.find(task, None).unwrap();
            let top = &found.found.candidates[0];
            assert!(!top.reasons.is_empty(), "{task}: unexplained");
            first.push((task, agent, top.agent.clone(), found.found.band));
        }
        let right = first
            .iter()
            .filter(|(_, agent, got, _)| agent == got)
            .count();
        assert!(right >= 7, "{first:#?}");
        let wrong = |(_, agent, got, band): &&(&str, &str, String, Band)| {
            *band == Band::Automatic && agent != got
        };
        assert_eq!(first.iter().find(wrong), None, "sure and wrong");
        assert_eq!(agents.find("  ", None).unwrap_err().code, "KEI-1204");
    }
}
