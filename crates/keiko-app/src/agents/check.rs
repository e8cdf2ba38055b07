//! Looking files of agents over.

use super::{Agents, Entry};
use keiko_contracts::agent_file::{self, FILE_MAX};
use keiko_contracts::code::{Code, Fault};
use keiko_sandbox::foreign;
use serde::Serialize;
use std::path::Path;

/// What came of looking agents over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Each that was looked at.
    pub agents: Vec<Entry>,
    /// How many cannot be used.
    pub broken: usize,
}

/// Looks over the named ones, which are agents or files, or all there are.
///
/// # Errors
/// When a named one is not there.
pub fn check(
    agents: &Agents,
    named: &[String],
    workspace: Option<&Path>,
) -> Result<Checked, Fault> {
    let all = agents.list(workspace);
    let mut looked = Vec::new();
    for name in named {
        let path = Path::new(name);
        if path.extension().is_some_and(|ending| ending == "md") {
            looked.push(one_file(agents, path)?);
            continue;
        }
        let found: Vec<Entry> = all
            .iter()
            .filter(|entry| entry.name == *name)
            .cloned()
            .collect();
        if found.is_empty() {
            return Err(super::unknown(name, &all));
        }
        looked.extend(found);
    }
    if named.is_empty() {
        looked = all;
    }
    let broken = looked.iter().filter(|entry| entry.is_broken()).count();
    Ok(Checked {
        agents: looked,
        broken,
    })
}

/// A file wherever it lies.
fn one_file(agents: &Agents, path: &Path) -> Result<Entry, Fault> {
    let bytes = foreign::read_regular(path, FILE_MAX as u64 + 1).ok_or_else(|| {
        Fault::new(
            Code::AGENT_UNKNOWN,
            "there is no plain file that can be read",
        )
        .at(path.display())
    })?;
    let name = path
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let read = agent_file::read(name, &bytes);
    Ok(agents.entry(name, super::Origin::User, Some(path.to_owned()), read))
}
