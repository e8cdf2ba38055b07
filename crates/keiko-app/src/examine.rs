//! Examining a repository by rules, without a model; and what could be done next.

use crate::folder;
use crate::going::Errand;
use crate::models;
use crate::sample;
use crate::wiring::Keiko;
use crate::{config::Config, installing};
use keiko_contracts::agent::Agent;
use keiko_contracts::approval::Installing;
use keiko_contracts::code::Fault;
use keiko_contracts::id::ModelName;
use keiko_contracts::run::StartRun;
use keiko_contracts::said::Said;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A repository that is examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// The one that was named.
    Named(PathBuf),
    /// The one around the current folder.
    Around(PathBuf),
    /// The sample that comes with Keiko.
    Sample(PathBuf),
}

impl Examined {
    fn dir(&self) -> &Path {
        match self {
            Examined::Named(dir) | Examined::Around(dir) | Examined::Sample(dir) => dir,
        }
    }
}

/// What could be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A model is there.
    Model(ModelName),
    /// A key is there, and this says how to name a model.
    Name(Said),
    /// No model is there.
    NoModel {
        /// How to get one was told before.
        told: bool,
    },
}

impl Keiko {
    /// The repository to examine: the one that is named, the one around the current folder, or the sample.
    ///
    /// # Errors
    /// When the sample cannot be unpacked.
    pub fn to_examine(&self, named: Option<PathBuf>, sample: bool) -> Result<Examined, Fault> {
        if let Some(dir) = named {
            return Ok(Examined::Named(dir));
        }
        let around = || folder::project(self.home.user.as_deref()).filter(|dir| !is_own(dir));
        match if sample { None } else { around() } {
            Some(dir) => Ok(Examined::Around(dir)),
            None => sample::unpack(&self.home.data.join("sample")).map(Examined::Sample),
        }
    }

    /// Makes the examination ready.
    ///
    /// # Errors
    /// When the folder is no workspace.
    pub fn examine(
        &self,
        what: &Examined,
        by: &str,
        install: Option<Installing>,
    ) -> Result<Errand, Fault> {
        let source = folder::folder(what.dir(), self.home.user.as_deref(), true)?;
        let goal = self.config.language().pick(
            "Examine this repository: tests, linters, suspects, repairs.",
            "Dieses Repository untersuchen: Tests, Linter, verdächtige Zeilen, Reparaturen.",
        );
        let start = StartRun {
            install: installing::at_start(self, install, by, Some(&source)),
            source: Some(source),
            ..self.configured(by, goal, Agent::Doctor)?
        };
        Ok(Errand::begin(start, Arc::new(self.config.models()?)))
    }

    /// What could be done next.
    ///
    /// # Errors
    /// When the configured model is none.
    pub async fn what_next(&self) -> Result<Next, Fault> {
        next(&self.config, &self.home.data).await
    }
}

async fn next(config: &Config, data: &Path) -> Result<Next, Fault> {
    if let Some(model) = models::found(config).await? {
        return Ok(Next::Model(model));
    }
    // Whoever has a key already lacks a model's name only.
    Ok(match models::named_by_key() {
        Some(hint) => Next::Name(hint),
        None => Next::NoModel {
            told: told_before(data),
        },
    })
}

/// The ways to a model were told before; from now on they were. Where that cannot be noted, they are told again.
fn told_before(data: &Path) -> bool {
    let mark = data.join("ways-told");
    mark.exists() || {
        drop(std::fs::write(mark, ""));
        false
    }
}

/// Keiko's own sources: who builds Keiko there wants to see it at work, and its tests take long.
fn is_own(dir: &Path) -> bool {
    let manifest = keiko_workspace::workspace::read_small(&dir.join("crates/keiko/Cargo.toml"))
        .unwrap_or_default();
    manifest
        .lines()
        .any(|line| line.trim() == "name = \"keiko\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_sources_are_ours() {
        assert!(is_own(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")));
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_own(dir.path()));
        std::fs::create_dir_all(dir.path().join("crates/keiko")).unwrap();
        std::fs::write(
            dir.path().join("crates/keiko/Cargo.toml"),
            "[package]\nname = \"keiko-client\"\n",
        )
        .unwrap();
        assert!(!is_own(dir.path()));
    }
}
