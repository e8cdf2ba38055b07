//! Agents as files: YAML between two lines of `---`, then Markdown, which is the prompt.
//!
//! The first fields are those that other programs have in such files; what only Keiko knows stands under `keiko:`, so that they
//! leave it alone. A file says how an agent works and never what it may: rights come from the risk policy and from people.

mod fields;
mod foreign;
mod yaml;

use crate::digest::{Content, Digest};
use crate::id::{AgentName, SkillName, ToolName};
use crate::language::Language;
use crate::model::Effort;
use crate::money::Micros;
use crate::role::{FolderNeed, Role};
use crate::said::Said;
use crate::say;
use crate::start::ApprovalMode;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Largest file, bytes.
pub const FILE_MAX: usize = 256 << 10;
/// Largest front matter, bytes.
const FRONT_MAX: usize = 64 << 10;
/// Longest description, characters.
pub const DESCRIPTION_MAX: usize = 4_096;

/// An agent, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AgentDefinition {
    /// Its name: that of the file.
    pub name: AgentName,
    /// What it is for, and when to choose it.
    pub description: String,
    /// The same in other languages, by their codes of two letters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptions: BTreeMap<String, String>,
    /// Who works: a language model or an engine.
    pub engine: Engine,
    /// The model or profile that it wants; absent, the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How hard a model is to think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// The tools that it is offered; absent, all there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolName>>,
    /// Tools that it is not offered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_tools: Vec<ToolName>,
    /// Tasks that are its own, as people say them.
    pub examples: Vec<String>,
    /// Tasks that sound like its own and are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counter_examples: Vec<String>,
    /// Words that speak for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Languages that it works in, as codes of two letters; none named is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Who is asked; it can only ask for more care than what is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autonomy: Option<ApprovalMode>,
    /// The most that a run of it may spend; it can only lower what is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Micros>,
    /// The most steps of a run of it; it can only lower what is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u32>,
    /// Whether it works in a folder.
    pub folder: FolderNeed,
    /// The voice that speaks for it in a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
    /// Tasks with what their answers must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<AgentTest>,
    /// Its instructions for a small window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
    /// Its instructions.
    pub prompt: String,
}

/// Who works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// A language model.
    Model,
    /// Rules, without a language model.
    Native(SkillName),
}

/// A task with what its answer must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AgentTest {
    /// The task.
    pub task: String,
    /// What the answer holds, however it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// What it does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// The most words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words_max: Option<u32>,
}

impl AgentDefinition {
    /// What it is within a run.
    #[must_use]
    pub fn role(&self) -> Role {
        Role {
            prompt: self.prompt.as_str().into(),
            short: self.short.as_deref().map(Content::from),
            tools: self.tools.clone().map(|tools| {
                let wanted = tools.into_iter();
                wanted
                    .filter(|tool| !self.without_tools.contains(tool))
                    .collect()
            }),
            skill: match &self.engine {
                Engine::Model => None,
                Engine::Native(skill) => Some(skill.clone()),
            },
            folder: self.folder,
        }
    }

    /// What it is for, in a language if it says so in that, as its description stands otherwise.
    #[must_use]
    pub fn described(&self, language: Language) -> &str {
        let own = self.descriptions.get(language.code());
        own.unwrap_or(&self.description)
    }

    /// It works by rules.
    #[must_use]
    pub fn is_native(&self) -> bool {
        matches!(self.engine, Engine::Native(_))
    }

    /// The digest of all that it is: two versions of an agent differ in it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        Ok(Digest::of(&serde_json::to_vec(self)?))
    }
}

/// Something about an agent file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// The line, from 1.
    pub line: u32,
    /// Whether the file can be used all the same.
    pub weight: Weight,
    /// What it is.
    pub what: Said,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Said>,
}

/// How much a flaw weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// The agent works, and this is left out.
    Note,
    /// There is no agent.
    Error,
}

impl Flaw {
    fn error(line: u32, what: impl Into<Said>) -> Flaw {
        Flaw {
            line,
            weight: Weight::Error,
            what: what.into(),
            remedy: None,
        }
    }
    fn note(line: u32, what: impl Into<Said>) -> Flaw {
        Flaw {
            weight: Weight::Note,
            ..Flaw::error(line, what)
        }
    }
    fn remedy(mut self, remedy: impl Into<Said>) -> Flaw {
        self.remedy = Some(remedy.into());
        self
    }
}

/// What came of reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The agent, if nothing is wrong.
    pub agent: Option<AgentDefinition>,
    /// What is wrong, and what is left out, by line.
    pub flaws: Vec<Flaw>,
}

/// Reads an agent file. `name` is that of the file without its ending.
#[must_use]
pub fn read(name: &str, bytes: &[u8]) -> Read {
    let mut flaws = Vec::new();
    let agent = whole(name, bytes, &mut flaws).unwrap_or_else(|flaw| {
        flaws.push(flaw);
        None
    });
    flaws.sort_by_key(|flaw| flaw.line);
    let broken = flaws.iter().any(|flaw| flaw.weight == Weight::Error);
    Read {
        agent: agent.filter(|_| !broken),
        flaws,
    }
}

fn whole(name: &str, bytes: &[u8], flaws: &mut Vec<Flaw>) -> Result<Option<AgentDefinition>, Flaw> {
    if bytes.len() > FILE_MAX {
        return Err(Flaw::error(1, "an agent file has at most 256 KiB"));
    }
    let text = decoded(bytes)?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let Some(rest) = text.strip_prefix("---\n") else {
        return Err(
            Flaw::error(1, "the file does not begin with a line of three dashes").remedy(
                "begin it with its front matter: ---, then name: and description:, then ---",
            ),
        );
    };
    let Some((front, prompt)) = split(rest) else {
        return Err(Flaw::error(1, "the front matter does not end")
            .remedy("put a line of three dashes between the front matter and the prompt"));
    };
    if front.len() > FRONT_MAX {
        return Err(Flaw::error(1, "a front matter has at most 64 KiB"));
    }
    let (quoted, loose) = lenient(front);
    flaws.extend(loose);
    let table = yaml::read(&quoted, 2)?;
    let line_of_prompt = u32::try_from(front.lines().count())
        .unwrap_or(u32::MAX)
        .saturating_add(3);
    Ok(fields::agent(
        name,
        table,
        (prompt.trim(), line_of_prompt),
        flaws,
    ))
}

/// The front matter and what follows its end.
fn split(rest: &str) -> Option<(&str, &str)> {
    if let Some(prompt) = rest.strip_prefix("---\n") {
        return Some(("", prompt));
    }
    if let Some((front, prompt)) = rest.split_once("\n---\n") {
        return Some((front, prompt));
    }
    rest.strip_suffix("\n---").map(|front| (front, ""))
}

/// The text, whatever Unicode it is written in.
fn decoded(bytes: &[u8]) -> Result<String, Flaw> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .ok()
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    };
    let Some(text) = text else {
        let good = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let line = u32::try_from(good.matches('\n').count() + 1).unwrap_or(u32::MAX);
        return Err(Flaw::error(line, "this is not Unicode text").remedy("save the file as UTF-8"));
    };
    let odd = text.chars().position(|c| c == '\0');
    match odd {
        Some(at) => {
            let line = text.chars().take(at).filter(|c| *c == '\n').count() + 1;
            Err(Flaw::error(
                u32::try_from(line).unwrap_or(u32::MAX),
                "this is not Unicode text",
            )
            .remedy("save the file as UTF-8"))
        }
        None => Ok(text),
    }
}

/// Fields whose value other programs take as it stands on its line, although a colon or a `#` in it makes it other YAML: each such
/// value is put into quotes.
const AS_THEY_STAND: [&str; 2] = ["description", "name"];

fn lenient(front: &str) -> (String, Vec<Flaw>) {
    let mut flaws = Vec::new();
    let mut lines = Vec::new();
    for (n, line) in front.lines().enumerate() {
        let field = line
            .split_once(": ")
            .filter(|(key, value)| AS_THEY_STAND.contains(key) && is_loose(value.trim()));
        match field {
            Some((key, value)) => {
                let line = u32::try_from(n).unwrap_or(u32::MAX).saturating_add(2);
                let what = say!(
                    "`{key}` is taken as it stands: it holds a colon, a # or the like without quotes",
                    key
                );
                flaws.push(Flaw::note(line, what));
                lines.push(format!("{key}: '{}'", value.trim().replace('\'', "''")));
            }
            None => lines.push(line.to_owned()),
        }
    }
    (lines.join("\n"), flaws)
}

fn is_loose(value: &str) -> bool {
    let quoted =
        |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    let block = value.starts_with(['|', '>']);
    let odd = value.contains(": ")
        || value.ends_with(':')
        || value.contains(" #")
        || value.starts_with(['[', '{', '*', '&', '!', '%', '@', '`', '"', '\'']);
    odd && !block && !quoted('"') && !quoted('\'')
}

#[cfg(test)]
mod tests;
