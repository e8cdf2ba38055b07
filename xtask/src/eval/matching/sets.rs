//! Sets of tasks and of profiles, in our own form and in those of public sets.

use anyhow::{Context, Result};
use keiko_orchestrator::matching::Profile;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A task with its right answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Labelled {
    pub(super) text: String,
    /// `de` or `en`.
    #[serde(default)]
    pub(super) lang: Option<String>,
    /// Nobody when it is null.
    pub(super) agent: Option<String>,
}

/// `{"train": [["what's up", "greeting"], …], …}`, as CLINC150 has it.
type Splits = BTreeMap<String, Vec<(String, String)>>;
/// `{"greeting": ["what's up", …], …}`.
type Classes = BTreeMap<String, Vec<String>>;

/// The class of what is for nobody.
const NOBODY: &str = "oos";

/// Profiles, or classes with their utterances as profiles that say nothing else of themselves.
pub(super) fn profiles(path: &Path) -> Result<Vec<Profile>> {
    let text = read(path)?;
    if let Ok(splits) = serde_json::from_str::<Splits>(&text) {
        let train = splits
            .get("train")
            .with_context(|| format!("{}: no `train`", path.display()))?;
        let mut classes = Classes::new();
        for (utterance, class) in train {
            classes
                .entry(class.clone())
                .or_default()
                .push(utterance.clone());
        }
        return Ok(of_classes(classes));
    }
    match serde_json::from_str::<Classes>(&text) {
        Ok(classes) => Ok(of_classes(classes)),
        Err(_) => serde_json::from_str(&text).with_context(|| path.display().to_string()),
    }
}

fn of_classes(classes: Classes) -> Vec<Profile> {
    let profile = |(name, examples)| Profile {
        name,
        examples,
        ..Profile::default()
    };
    classes.into_iter().map(profile).collect()
}

/// Tasks: lines of our own form, or a split with what is for nobody beside it.
pub(super) fn tasks(path: &Path, split: &str) -> Result<Vec<Labelled>> {
    let text = read(path)?;
    if let Ok(splits) = serde_json::from_str::<Splits>(&text) {
        let known = splits
            .get(split)
            .with_context(|| format!("{}: no `{split}`", path.display()))?;
        let unknown = splits.get(&format!("oos_{split}")).into_iter().flatten();
        let labelled = known.iter().chain(unknown).map(|(text, class)| Labelled {
            text: text.clone(),
            lang: None,
            agent: Some(class.clone()).filter(|class| class != NOBODY),
        });
        return Ok(labelled.collect());
    }
    let lines = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            serde_json::from_str(line).with_context(|| format!("{}:{number}", path.display()))
        })
        .collect()
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_sets_are_read_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.json");
        let splits = r#"{"train": [["hi", "greeting"], ["hello", "greeting"], ["bye", "parting"]], "test": [["hey", "greeting"]],
            "oos_test": [["what is love", "oos"]]}"#;
        std::fs::write(&path, splits).unwrap();
        let found = profiles(&path).unwrap();
        assert_eq!((found.len(), found[0].examples.len()), (2, 2));
        let asked = tasks(&path, "test").unwrap();
        let agents: Vec<_> = asked.iter().map(|task| task.agent.as_deref()).collect();
        assert_eq!(agents, [Some("greeting"), None]);
        assert!(tasks(&path, "val").is_err());
        std::fs::write(&path, r#"{"greeting": ["hi"]}"#).unwrap();
        assert_eq!(profiles(&path).unwrap()[0].examples, ["hi"]);
    }

    #[test]
    fn our_own_set_is_whole() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evals/matching");
        let agents = profiles(&own.join("profiles.json")).unwrap();
        assert!(
            agents
                .iter()
                .all(|agent| agent.examples.len() >= 16 && !agent.keywords.is_empty())
        );
        let asked = tasks(&own.join("tasks.jsonl"), "test").unwrap();
        let of = |lang| {
            asked
                .iter()
                .filter(|task| task.lang.as_deref() == Some(lang) && task.agent.is_some())
                .count()
        };
        assert!(
            of("de") >= 300
                && of("en") >= 300
                && asked.iter().filter(|task| task.agent.is_none()).count() >= 100
        );
        for task in &asked {
            assert!(
                task.agent
                    .as_ref()
                    .is_none_or(|name| agents.iter().any(|agent| agent.name == *name)),
                "{task:?}"
            );
            assert!(
                !agents
                    .iter()
                    .any(|agent| agent.examples.contains(&task.text)),
                "an example as a task: {}",
                task.text
            );
        }
    }
}
