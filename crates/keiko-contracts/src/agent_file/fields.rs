//! From the table of a front matter to an agent: every field checked, every mistake with its line.

use super::yaml::{Is, Key, Node};
use super::{AgentDefinition, AgentTest, DESCRIPTION_MAX, Engine, Flaw, foreign};
use crate::id::{AgentName, ToolName};
use crate::model::Effort;
use crate::money::Micros;
use crate::role::FolderNeed;
use crate::said::Said;
use crate::say;
use crate::start::ApprovalMode;
use std::collections::BTreeMap;

/// What stands at the top: ours, and those of others that mean the same here.
const FIELDS: [&str; 9] = [
    "name",
    "description",
    "tools",
    "disallowedTools",
    "model",
    "effort",
    "maxTurns",
    "permissionMode",
    "keiko",
];
/// What others have at the top and is nothing here.
const OTHERS: [&str; 12] = [
    "color",
    "skills",
    "hooks",
    "mcpServers",
    "memory",
    "background",
    "isolation",
    "initialPrompt",
    "version",
    "author",
    "tags",
    "license",
];
/// What stands under `keiko:`.
const OWN: [&str; 13] = [
    "descriptions",
    "engine",
    "examples",
    "counter-examples",
    "keywords",
    "languages",
    "autonomy",
    "budget",
    "max-steps",
    "folder",
    "voice",
    "short",
    "tests",
];
/// What stands in a test.
const OF_TEST: [&str; 4] = ["task", "contains", "lacks", "words-max"];

/// Most entries of a list.
const ENTRIES_MAX: usize = 500;
/// Longest entry of a list, characters.
const ENTRY_MAX: usize = 2_000;
/// Most steps that can be asked for.
const STEPS_MAX: u32 = 10_000;

/// The agent, and what is wrong into `flaws`. None when there is too little of it.
pub(super) fn agent(
    file: &str,
    front: Node,
    (prompt, line): (&str, u32),
    flaws: &mut Vec<Flaw>,
) -> Option<AgentDefinition> {
    let name = file.parse::<AgentName>().ok();
    let mut reader = Reader {
        agent: AgentDefinition {
            name: name.clone().unwrap_or_else(|| AgentName::known("unnamed")),
            description: String::new(),
            descriptions: BTreeMap::new(),
            engine: Engine::Model,
            model: None,
            effort: None,
            tools: None,
            without_tools: Vec::new(),
            examples: Vec::new(),
            counter_examples: Vec::new(),
            keywords: Vec::new(),
            languages: Vec::new(),
            autonomy: None,
            budget: None,
            max_steps: None,
            folder: FolderNeed::default(),
            voice: None,
            tests: Vec::new(),
            short: None,
            prompt: prompt.to_owned(),
        },
        flaws,
    };
    if name.is_none() {
        reader.flaw(
            Flaw::error(1, say!("`{file}` is no name for an agent", file))
                .remedy("name the file with a-z, 0-9 and -, as in invoice-checker.md"),
        );
    }
    for (key, node) in reader.table("front matter", front) {
        reader.top(&key, node);
    }
    if reader.agent.description.is_empty() {
        let what = Flaw::error(2, "there is no description");
        reader.flaw(
            what.remedy("add a line: description: what the agent is for, and when to choose it"),
        );
    }
    if prompt.is_empty() && !reader.agent.is_native() {
        let what = Flaw::error(line, "there is no prompt");
        reader.flaw(what.remedy("write below the front matter what the agent is to do, and how"));
    }
    Some(reader.agent)
}

struct Reader<'a> {
    agent: AgentDefinition,
    flaws: &'a mut Vec<Flaw>,
}

impl Reader<'_> {
    fn flaw(&mut self, flaw: Flaw) {
        self.flaws.push(flaw);
    }

    /// A field at the top.
    fn top(&mut self, key: &Key, node: Node) {
        match key.name.as_str() {
            "name" => self.name(node),
            "description" => {
                let text = self.text(key, node).unwrap_or_default();
                if text.chars().count() > DESCRIPTION_MAX {
                    let what = say!(
                        "a description has at most {n} characters",
                        n = DESCRIPTION_MAX
                    );
                    self.flaw(Flaw::error(key.line, what));
                }
                self.agent.description = text;
            }
            "tools" => {
                let all = matches!(&node.is, Is::Text(text) if text.trim() == "*");
                let tools = self.tools(key, node);
                self.agent.tools = tools.filter(|_| !all);
            }
            "disallowedTools" => {
                self.agent.without_tools = self.tools(key, node).unwrap_or_default()
            }
            "model" => self.model(key, node),
            "effort" => self.effort(key, node),
            "maxTurns" => self.agent.max_steps = self.number(key, node, STEPS_MAX),
            "permissionMode" => self.permission_mode(key, node),
            "keiko" => {
                for (key, node) in self.table("keiko", node) {
                    self.own(&key, node);
                }
            }
            other if OTHERS.contains(&other) => {
                self.flaw(Flaw::note(
                    key.line,
                    say!("`{other}` is for other programs", other),
                ));
            }
            other => {
                // What is near one of ours is a slip; anything else may be another program's.
                let near = nearest(other, &FIELDS);
                let belongs = OWN
                    .contains(&other)
                    .then(|| say!("put `{other}` under `keiko:`", other));
                let meant = near.map(|near| say!("do you mean `{near}`?", near));
                let known = belongs.or(meant);
                let what = say!("there is no field `{other}`", other);
                self.flaw(match known {
                    Some(remedy) => Flaw::error(key.line, what).remedy(remedy),
                    None => Flaw::note(key.line, what),
                });
            }
        }
    }

    /// A field under `keiko:`.
    fn own(&mut self, key: &Key, node: Node) {
        match key.name.as_str() {
            "descriptions" => {
                for (key, node) in self.table("descriptions", node) {
                    if let Some(text) = self.text(&key, node) {
                        self.agent.descriptions.insert(key.name, text);
                    }
                }
            }
            "engine" => self.engine(key, node),
            "examples" => self.agent.examples = self.list(key, node),
            "counter-examples" => self.agent.counter_examples = self.list(key, node),
            "keywords" => self.agent.keywords = self.list(key, node),
            "languages" => self.languages(key, node),
            "autonomy" => {
                let modes = [
                    ("ask", ApprovalMode::Ask),
                    ("policy", ApprovalMode::Policy),
                    ("never", ApprovalMode::Never),
                ];
                self.agent.autonomy = self.one_of(key, node, &modes);
            }
            "budget" => self.budget(key, node),
            "max-steps" => self.agent.max_steps = self.number(key, node, STEPS_MAX),
            "folder" => {
                let needs = [
                    ("required", FolderNeed::Required),
                    ("optional", FolderNeed::Optional),
                    ("none", FolderNeed::None),
                ];
                self.agent.folder = self.one_of(key, node, &needs).unwrap_or_default();
            }
            "voice" => self.agent.voice = self.text(key, node),
            "short" => self.agent.short = self.text(key, node),
            "tests" => self.tests(key, node),
            other => self.unknown(key.line, other, &OWN),
        }
    }

    fn unknown(&mut self, line: u32, name: &str, known: &[&str]) {
        let flaw = Flaw::error(line, say!("there is no field `{name}`", name));
        self.flaw(match nearest(name, known) {
            Some(near) => flaw.remedy(say!("do you mean `{near}`?", near)),
            None => flaw.remedy(say!("there are: {names}", names = known.join(", "))),
        });
    }

    /// A name that a file gives itself is its own, or it is two agents.
    fn name(&mut self, node: Node) {
        let is = self.agent.name.as_str().to_owned();
        if let Is::Text(text) = &node.is
            && text.trim() != is
            && is != "unnamed"
        {
            let what = say!(
                "the agent is called `{name}` and its file `{file}`",
                name = text.trim(),
                file = is
            );
            self.flaw(Flaw::error(node.line, what).remedy("give both the same name"));
        }
    }

    fn model(&mut self, key: &Key, node: Node) {
        let Some(text) = self.text(key, node) else {
            return;
        };
        let text = text.trim();
        self.agent.model = match foreign::model(text) {
            Some(profile) => Some(profile.to_owned()),
            None if text == "inherit" => None,
            None => Some(text.to_owned()),
        };
    }

    fn effort(&mut self, key: &Key, node: Node) {
        let efforts = [
            ("low", Effort::Low),
            ("medium", Effort::Medium),
            ("high", Effort::High),
            ("xhigh", Effort::High),
            ("max", Effort::High),
        ];
        self.agent.effort = self.one_of(key, node, &efforts);
    }

    /// What others let a file allow itself. Here it can only ask for more care.
    fn permission_mode(&mut self, key: &Key, node: Node) {
        match self.text(key, node).as_deref().map(str::trim) {
            Some("plan") => self.agent.autonomy = Some(ApprovalMode::Ask),
            Some("dontAsk") => self.agent.autonomy = Some(ApprovalMode::Never),
            Some("default") | None => {}
            Some(mode) => {
                let what = say!(
                    "`{mode}` is left out: what an agent may do is not said by its file",
                    mode
                );
                self.flaw(Flaw::note(key.line, what).remedy("it stands in risk.toml"));
            }
        }
    }

    fn engine(&mut self, key: &Key, node: Node) {
        let Some(text) = self.text(key, node) else {
            return;
        };
        let skill = text
            .strip_prefix("native/")
            .and_then(|skill| skill.parse().ok());
        self.agent.engine = match (text.as_str(), skill) {
            ("model", _) => Engine::Model,
            (_, Some(skill)) => Engine::Native(skill),
            _ => {
                let what = say!("`{text}` is no engine", text);
                self.flaw(
                    Flaw::error(key.line, what)
                        .remedy("write model, or native/ and a skill, as in native/repo-doctor"),
                );
                return;
            }
        };
    }

    fn languages(&mut self, key: &Key, node: Node) {
        let mut codes = self.list(key, node);
        for code in &mut codes {
            code.make_ascii_lowercase();
            if code.len() != 2 || !code.bytes().all(|b| b.is_ascii_lowercase()) {
                let what = say!("`{code}` is no code of a language", code = code.as_str());
                self.flaw(Flaw::error(key.line, what).remedy("write two letters, as in [de, en]"));
            }
        }
        self.agent.languages = codes;
    }

    fn budget(&mut self, key: &Key, node: Node) {
        let Some(text) = self.text(key, node) else {
            return;
        };
        match text.trim().parse::<Micros>() {
            Ok(budget) => self.agent.budget = Some(budget),
            Err(error) => self.flaw(Flaw::error(key.line, error.to_string())),
        }
    }

    /// Names of tools: a list, or one line with commas.
    fn tools(&mut self, key: &Key, node: Node) -> Option<Vec<ToolName>> {
        let names: Vec<(u32, String)> = match node.is {
            Is::Text(text) => split_outside(&text)
                .map(|name| (node.line, name.to_owned()))
                .collect(),
            Is::List(list) => {
                let entries = list
                    .into_iter()
                    .filter_map(|entry| Some((entry.line, self.text(key, entry)?)));
                entries.collect()
            }
            Is::Nothing => Vec::new(),
            Is::Table(_) => {
                self.wrong(key, &node, "a list");
                return None;
            }
        };
        let mut tools: Vec<ToolName> = Vec::new();
        for (line, name) in names {
            let name = name.trim();
            if name.is_empty() || name == "*" {
                continue;
            }
            if let Some((ours, limited)) = foreign::tools(name) {
                if ours.is_empty() {
                    self.flaw(Flaw::note(
                        line,
                        say!("there is no tool like `{name}` here", name),
                    ));
                }
                if limited {
                    let what = say!(
                        "the limit of `{name}` is left out: the risk policy says what is allowed",
                        name
                    );
                    self.flaw(Flaw::note(line, what));
                }
                tools.extend(ours);
                continue;
            }
            match name.parse() {
                Ok(name) => tools.push(name),
                Err(_) => {
                    let what = say!("`{name}` is no name of a tool", name);
                    self.flaw(
                        Flaw::error(line, what)
                            .remedy("see what there is: keiko agents show coder"),
                    );
                }
            }
        }
        tools.sort();
        tools.dedup();
        Some(tools)
    }

    fn tests(&mut self, key: &Key, node: Node) {
        let Is::List(list) = node.is else {
            self.wrong(key, &node, "a list");
            return;
        };
        for entry in list.into_iter().take(ENTRIES_MAX) {
            let line = entry.line;
            let mut test = AgentTest {
                task: String::new(),
                contains: Vec::new(),
                lacks: Vec::new(),
                words_max: None,
            };
            for (key, node) in self.table("tests", entry) {
                match key.name.as_str() {
                    "task" => test.task = self.text(&key, node).unwrap_or_default(),
                    "contains" => test.contains = self.list(&key, node),
                    "lacks" => test.lacks = self.list(&key, node),
                    "words-max" => test.words_max = self.number(&key, node, 100_000),
                    other => self.unknown(key.line, other, &OF_TEST),
                }
            }
            if test.task.is_empty() {
                self.flaw(Flaw::error(line, "a test has no task"));
            }
            let asks =
                !(test.contains.is_empty() && test.lacks.is_empty()) || test.words_max.is_some();
            if !asks {
                let what = Flaw::error(line, "this test cannot fail");
                self.flaw(
                    what.remedy("say what the answer must hold: contains, lacks or words-max"),
                );
            }
            self.agent.tests.push(test);
        }
    }

    fn table(&mut self, name: &'static str, node: Node) -> Vec<(Key, Node)> {
        match node.is {
            Is::Table(table) => table,
            Is::Nothing => Vec::new(),
            _ => {
                let what = say!(
                    "`{name}` must be a table of fields, not {kind}",
                    name,
                    kind = node.kind()
                );
                self.flaw(Flaw::error(node.line, what));
                Vec::new()
            }
        }
    }

    fn text(&mut self, key: &Key, node: Node) -> Option<String> {
        match node.is {
            Is::Text(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Is::Nothing => None,
            _ => {
                self.wrong(key, &node, "text");
                None
            }
        }
    }

    /// A list of texts; one text is a list of one.
    fn list(&mut self, key: &Key, node: Node) -> Vec<String> {
        let line = node.line;
        let entries = match node.is {
            Is::List(list) => list,
            Is::Nothing => Vec::new(),
            Is::Text(text) => {
                return vec![text.trim().to_owned()];
            }
            Is::Table(_) => {
                self.wrong(key, &node, "a list");
                Vec::new()
            }
        };
        if entries.len() > ENTRIES_MAX {
            let what = say!(
                "`{key}` has more than {n} entries",
                key = key.name,
                n = ENTRIES_MAX
            );
            self.flaw(Flaw::error(line, what));
        }
        let texts = entries.into_iter().take(ENTRIES_MAX);
        let texts: Vec<(u32, String)> = texts
            .filter_map(|entry| Some((entry.line, self.text(key, entry)?)))
            .collect();
        for (line, text) in &texts {
            if text.chars().count() > ENTRY_MAX {
                let what = say!(
                    "an entry of `{key}` is longer than {n} characters",
                    key = key.name,
                    n = ENTRY_MAX
                );
                self.flaw(Flaw::error(*line, what));
            }
        }
        texts.into_iter().map(|(_, text)| text).collect()
    }

    fn number(&mut self, key: &Key, node: Node, max: u32) -> Option<u32> {
        let text = self.text(key, node)?;
        let number = text.parse::<u32>().ok().filter(|n| (1..=max).contains(n));
        if number.is_none() {
            let what = say!(
                "`{key}` must be a number from 1 to {max}, not `{text}`",
                key = key.name,
                max,
                text
            );
            self.flaw(Flaw::error(key.line, what));
        }
        number
    }

    fn one_of<T: Copy>(&mut self, key: &Key, node: Node, values: &[(&str, T)]) -> Option<T> {
        let text = self.text(key, node)?;
        let found = values.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
            let what = say!(
                "`{text}` is nothing that `{key}` can be",
                text,
                key = key.name
            );
            self.flaw(
                Flaw::error(key.line, what)
                    .remedy(say!("there are: {names}", names = names.join(", "))),
            );
        }
        found.map(|(_, value)| *value)
    }

    fn wrong(&mut self, key: &Key, node: &Node, wanted: &'static str) {
        let what = say!(
            "`{key}` must be {wanted}, not {kind}",
            key = key.name,
            wanted = Said::from(wanted),
            kind = node.kind()
        );
        self.flaw(Flaw::error(key.line, what));
    }
}

/// Splits at commas, but not inside brackets: `Bash(git diff, git log), Read`.
fn split_outside(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0i32;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth <= 0
    })
}

/// The one that was probably meant.
fn nearest<'a>(word: &str, among: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let far = |name: &str| strsim::damerau_levenshtein(&word, &name.to_lowercase());
    let near = among.iter().map(|name| (far(name), *name)).min()?;
    let far_enough = (word.chars().count() / 3).clamp(1, 3);
    (near.0 <= far_enough).then_some(near.1)
}
