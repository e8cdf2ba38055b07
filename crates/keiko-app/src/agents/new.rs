//! A new agent's file.

use super::{Agents, OF_WORKSPACE, agent_name};
use crate::home::private_dir;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::language::Language;
use keiko_contracts::say;
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where a new agent is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where<'a> {
    /// Into the user's own folder: it is there for every workspace.
    User,
    /// Into a workspace: it is there for all who work on that.
    Workspace(&'a Path),
}

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created {
    /// The agent.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

impl Agents {
    /// Makes a file to begin with; it is a valid agent from the start.
    ///
    /// # Errors
    /// When the name is none, or such a file is there already.
    pub fn create(&self, name: &str, at: Where<'_>, language: Language) -> Result<Created, Fault> {
        let name = agent_name(name)?;
        let folder = match at {
            Where::User => self.user.clone(),
            Where::Workspace(workspace) => workspace.join(OF_WORKSPACE),
        };
        let path = folder.join(format!("{name}.md"));
        let unwritable = |error: std::io::Error| {
            let what = say!("the agent's file cannot be written: {error}", error);
            Fault::new(Code::AGENT_UNWRITABLE, what).at(path.display())
        };
        match at {
            Where::User => private_dir(&folder)?,
            Where::Workspace(_) => std::fs::create_dir_all(&folder).map_err(unwritable)?,
        }
        let mut file = std::fs::File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(unwritable)?;
        file.write_all(template(name.as_str(), language).as_bytes())
            .map_err(unwritable)?;
        Ok(Created {
            name: name.to_string(),
            path,
        })
    }
}

fn template(name: &str, language: Language) -> String {
    let english = format!(
        "---
name: {name}
description: Say in a sentence or two what this agent is for, and when to choose it.
# Tools that it may use; without this line, all there are (see: keiko agents show coder).
# tools: [read_file, search]
# A profile (fast, strong, code) or vendor/model; without this line, the configured model.
# model: strong
keiko:
  # Tasks as people say them: the more, the better it is found. Ten are good.
  examples:
    - An example of a task for {name}
  keywords: []
  languages: [de, en]
  # required, optional or none: whether it works in a folder.
  folder: optional
  # tests:
  #   - task: A task
  #     contains: [what the answer must hold]
---
You are {name}. Say here what to do, in which order, how the answer looks, and what to leave alone.
"
    );
    let german = format!(
        "---
name: {name}
description: Ein, zwei Sätze, wofür dieser Agent da ist und wann man ihn wählt.
# Werkzeuge, die er verwenden darf; ohne diese Zeile alle (siehe: keiko agents show coder).
# tools: [read_file, search]
# Ein Profil (fast, strong, code) oder Anbieter/Modell; ohne diese Zeile das eingestellte Modell.
# model: strong
keiko:
  # Aufgaben, wie man sie sagt: je mehr, desto besser wird er gefunden. Zehn sind gut.
  examples:
    - Ein Beispiel einer Aufgabe für {name}
  keywords: []
  languages: [de, en]
  # required, optional oder none: ob er in einem Ordner arbeitet.
  folder: optional
  # tests:
  #   - task: Eine Aufgabe
  #     contains: [was die Antwort enthalten muss]
---
Sie sind {name}. Schreiben Sie hier, was zu tun ist, in welcher Reihenfolge, wie die Antwort aussieht und was unberührt bleibt.
"
    );
    language.pick(english, german)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::agent_file;

    #[test]
    fn what_it_begins_with_is_an_agent() {
        for language in [Language::English, Language::German] {
            let read = agent_file::read("a-b", template("a-b", language).as_bytes());
            assert_eq!(read.flaws, []);
            assert!(read.agent.is_some());
        }
    }
}
