//! The agents there are: files of the workspace, of the user, and those that come with the program, in this order.
//!
//! Nothing is registered: whoever asks gets what the folders hold at that moment. A file that broke is told with line and
//! remedy, and what it held before goes on to serve as long as the process lives.

mod check;
mod matching;
mod new;
mod shipped;
mod trial;

pub use check::{Checked, check};
pub use keiko_orchestrator::matching::Band;
pub use matching::{FALLBACK, Found};
pub use new::{Created, Where};
pub use trial::{Recording, Trial, Trials, Tried};

use crate::config::shape::nearest;
use crate::home::Home;
use keiko_agent::tools;
use keiko_contracts::agent_file::{self, AgentDefinition, Engine, FILE_MAX, Flaw, Weight};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{AgentName, ToolName};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_sandbox::foreign;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Where agents of a workspace lie in it.
pub const OF_WORKSPACE: &str = ".keiko/agents";
/// Most files of a folder that are read.
const FILES_MAX: usize = 2_000;
/// How far up from a workspace its repository's root is looked for.
const UP_MAX: usize = 40;

/// Where an agent comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// From the workspace: whoever wrote that repository wrote this.
    Workspace,
    /// From the user's own folder.
    User,
    /// It comes with the program.
    Shipped,
}

impl Origin {
    /// As lists have it.
    #[must_use]
    pub fn word(self) -> Said {
        match self {
            Origin::Workspace => "workspace".into(),
            Origin::User => "user".into(),
            Origin::Shipped => "shipped".into(),
        }
    }
}

/// An agent file, and what came of reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The name: that of the file.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its file; none of those that come with the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The agent, as it is or as it last was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentDefinition>,
    /// The file is broken now, and the agent is what it held before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_older: bool,
    /// Another of this name comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<Origin>,
    /// What is wrong with the file, and what is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<Flaw>,
    /// Tools that it names and that are not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<ToolName>,
}

impl Entry {
    /// It cannot be used as it stands.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.flaws.iter().any(|flaw| flaw.weight == Weight::Error)
    }

    /// Where it stands, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => format!("agents/{}.md", self.name),
        }
    }
}

/// The agents of this machine. Cheap to clone; clones share what they have read.
#[derive(Debug, Clone)]
pub struct Agents {
    user: PathBuf,
    tools: Arc<Vec<ToolName>>,
    known: Arc<Mutex<BTreeMap<PathBuf, Known>>>,
}

/// A file as it was last read.
#[derive(Debug)]
struct Known {
    stamp: Stamp,
    read: agent_file::Read,
    good: Option<AgentDefinition>,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed: (i64, i64),
    size: u64,
    file: u64,
}

impl Agents {
    /// Those of this home.
    #[must_use]
    pub fn of(home: &Home) -> Agents {
        Agents {
            user: home.config.join("agents"),
            tools: Arc::new(tools::standard().names()),
            known: Arc::default(),
        }
    }

    /// All files, by name and then in the order in which they are looked for. `workspace` is the folder that is worked on.
    #[must_use]
    pub fn list(&self, workspace: Option<&Path>) -> Vec<Entry> {
        let mut all = Vec::new();
        if let Some(folder) = workspace.and_then(of_workspace) {
            all.extend(self.folder(&folder, Origin::Workspace));
        }
        all.extend(self.folder(&self.user, Origin::User));
        all.extend(shipped::AGENTS.iter().map(|(name, text)| {
            let read = agent_file::read(name, text.as_bytes());
            self.entry(name, Origin::Shipped, None, read)
        }));
        all.sort_by(|a, b| (&a.name, a.origin).cmp(&(&b.name, b.origin)));
        let mut first: Option<(String, Origin)> = None;
        for entry in &mut all {
            match &first {
                Some((name, origin)) if *name == entry.name => entry.hidden_by = Some(*origin),
                _ => first = Some((entry.name.clone(), entry.origin)),
            }
        }
        all
    }

    /// The agent of a name, which can be used.
    ///
    /// # Errors
    /// KEI-1230 when there is none of that name, KEI-1231 when its file is broken.
    pub fn get(&self, name: &str, workspace: Option<&Path>) -> Result<Entry, Fault> {
        let all = self.list(workspace);
        let mut found = all.iter().filter(|entry| entry.name == name);
        let Some(entry) = found.find(|entry| entry.hidden_by.is_none()) else {
            return Err(unknown(name, &all));
        };
        if entry.agent.is_some() {
            return Ok(entry.clone());
        }
        let flaw = entry.flaws.iter().find(|flaw| flaw.weight == Weight::Error);
        let (line, what) = flaw.map_or((1, Said::default()), |flaw| (flaw.line, flaw.what.clone()));
        let fault = Fault::new(
            Code::AGENT_BROKEN,
            say!(
                "the file of agent {name} cannot be used: {what}",
                name,
                what
            ),
        )
        .at(format!("{}:{line}", entry.place()));
        Err(match flaw.and_then(|flaw| flaw.remedy.clone()) {
            Some(remedy) => fault.hint(remedy),
            None => fault,
        })
    }

    fn folder(&self, folder: &Path, origin: Origin) -> Vec<Entry> {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
            .take(FILES_MAX)
            .collect();
        files.sort();
        files
            .into_iter()
            .filter_map(|path| self.file(path, origin))
            .collect()
    }

    fn file(&self, path: PathBuf, origin: Origin) -> Option<Entry> {
        let name = path.file_stem()?.to_str()?.to_owned();
        // A README beside agents is none.
        if name.eq_ignore_ascii_case("readme") {
            return None;
        }
        let stamp = stamp(&path);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let same = known.get(&path).filter(|known| Some(known.stamp) == stamp);
        if same.is_none() {
            let read = match foreign::read_regular(&path, FILE_MAX as u64 + 1) {
                Some(bytes) => agent_file::read(&name, &bytes),
                None => unreadable(),
            };
            let before = known.remove(&path).and_then(|known| known.good);
            let good = read.agent.clone().or(before);
            if let Some(stamp) = stamp {
                known.insert(path.clone(), Known { stamp, read, good });
            }
        }
        let held = known.get(&path);
        let (read, good) = match held {
            Some(held) => (held.read.clone(), held.good.clone()),
            None => (unreadable(), None),
        };
        drop(known);
        let mut entry = self.entry(&name, origin, Some(path), read);
        if entry.agent.is_none() && good.is_some() {
            (entry.agent, entry.is_older) = (good, true);
        }
        Some(entry)
    }

    fn entry(
        &self,
        name: &str,
        origin: Origin,
        path: Option<PathBuf>,
        mut read: agent_file::Read,
    ) -> Entry {
        let mut lacks = Vec::new();
        if let Some(agent) = &read.agent {
            let named = agent.tools.iter().flatten();
            lacks.extend(named.filter(|tool| !self.tools.contains(tool)).cloned());
            if let Engine::Native(skill) = &agent.engine
                && keiko_native::engine(skill).is_none()
            {
                read.flaws.push(no_skill(skill.as_str()));
                read.agent = None;
            }
        }
        Entry {
            name: name.to_owned(),
            origin,
            path,
            agent: read.agent,
            is_older: false,
            hidden_by: None,
            flaws: read.flaws,
            lacks,
        }
    }
}

fn no_skill(skill: &str) -> Flaw {
    let known = keiko_native::skills();
    let known: Vec<String> = known.map(|skill| format!("native/{skill}")).collect();
    Flaw {
        line: 1,
        weight: Weight::Error,
        what: say!("there is no engine native/{skill}", skill),
        remedy: Some(say!("there are: {names}", names = known.join(", "))),
    }
}

fn unreadable() -> agent_file::Read {
    agent_file::Read {
        agent: None,
        flaws: vec![Flaw {
            line: 1,
            weight: Weight::Error,
            what: "this is no plain file that can be read".into(),
            remedy: None,
        }],
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some(Stamp {
        changed: (meta.ctime(), meta.ctime_nsec()),
        size: meta.len(),
        file: meta.ino(),
    })
}

/// The folder of agents of a workspace: in it, or in the repository around it.
fn of_workspace(workspace: &Path) -> Option<PathBuf> {
    for dir in workspace.ancestors().take(UP_MAX) {
        let agents = dir.join(OF_WORKSPACE);
        if agents.is_dir() {
            return Some(agents);
        }
        if dir.join(".git").exists() {
            return None;
        }
    }
    None
}

fn unknown(name: &str, all: &[Entry]) -> Fault {
    let names = || all.iter().filter(|entry| entry.hidden_by.is_none());
    let fault = Fault::new(
        Code::AGENT_UNKNOWN,
        say!("there is no agent {name}", name = format_args!("{name:?}")),
    )
    .at("--agent");
    let near = nearest(name, names().map(|entry| entry.name.clone()));
    match near {
        Some(near) => fault.hint(say!("do you mean `{near}`?", near)),
        None => {
            let names: Vec<&str> = names().map(|entry| entry.name.as_str()).collect();
            fault.hint(say!("there are: {names}", names = names.join(", ")))
        }
    }
}

/// The name of an agent, or what is wrong with it.
fn agent_name(name: &str) -> Result<AgentName, Fault> {
    name.parse().map_err(|_| {
        Fault::new(
            Code::AGENT_UNKNOWN,
            say!("`{file}` is no name for an agent", file = name),
        )
        .hint("name it with a-z, 0-9 and -, as in invoice-checker")
    })
}
