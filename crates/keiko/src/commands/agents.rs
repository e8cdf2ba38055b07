//! `agents`: which there are, what each is, whether their files are right, and a new one.

use super::{Context, goal};
use crate::cli::AgentsCommand;
use crate::error::{CliError, Exit};
use crate::language::tr;
use crate::operator::operator;
use crate::view::{Output, Tone};
use keiko_app::Keiko;
use keiko_app::agents::{self, Agents, Band, Entry, Recording, Trial, Trials, Where};
use keiko_app::home::Home;
use keiko_contracts::agent_file::{AgentDefinition, Engine, Flaw, Weight};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::role::FolderNeed;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Columns of a description in the list.
const LISTED: usize = 72;

pub(crate) fn run(
    context: &Context<'_>,
    home: &Home,
    command: AgentsCommand,
) -> Result<ExitCode, CliError> {
    let (output, all) = (context.output, Agents::of(home));
    match command {
        AgentsCommand::List { workspace } => list(output, &all, &folder(workspace)?),
        AgentsCommand::Show { agent, workspace } => show(output, &all, &agent, &folder(workspace)?),
        AgentsCommand::Match { task, workspace } => find(output, &all, &task, &folder(workspace)?),
        AgentsCommand::New { agent, here } => new(output, &all, &agent, here),
        AgentsCommand::Validate { agents, workspace } => {
            validate(output, &all, &agents, &folder(workspace)?)
        }
        // It needs the journal, and is called with it.
        AgentsCommand::Test { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Tries agents on their tests.
pub(crate) async fn test(
    context: &Context<'_>,
    keiko: &Keiko,
    command: AgentsCommand,
) -> Result<ExitCode, CliError> {
    let AgentsCommand::Test {
        agents,
        model,
        budget,
        record,
        replay,
        workspace,
    } = command
    else {
        return Ok(ExitCode::SUCCESS);
    };
    let (output, workspace) = (context.output, folder(workspace)?);
    let how = Trials {
        by: operator(),
        model,
        recorded: record.map(Recording::Write).or(replay.map(Recording::Read)),
        budget: budget.as_deref().map(goal::budget).transpose()?,
    };
    let mut tried = Vec::new();
    for agent in &agents {
        if !output.json() {
            output.data(&output.paint(Tone::Strong, agent));
        }
        let each = |trial: &Trial| {
            if !output.json() {
                shown(output, trial);
            }
        };
        let one = keiko.try_agent(agent, Some(&workspace), &how, each).await?;
        if !output.json() && one.examples > 0 {
            output.data(&tr!(
                output,
                "  found by {} of {} examples, each looked for without itself",
                "  gefunden von {} der {} Beispiele, jedes ohne sich selbst gesucht",
                one.found,
                one.examples
            ));
        }
        tried.push(one);
    }
    let all = tried.iter().flat_map(|one| &one.tests);
    let (count, failed) = (all.clone().count(), all.filter(|one| !one.passed()).count());
    let exit = if failed > 0 {
        Exit::CheckFailed
    } else {
        Exit::Ok
    };
    if output.json() {
        output.json_data(&tried)?;
        return Ok(exit.into());
    }
    output.data(&tr!(
        output,
        "{count} tests, {failed} failed",
        "{count} Tests, {failed} fehlgeschlagen"
    ));
    Ok(exit.into())
}

fn shown(output: &Output, trial: &Trial) {
    let verdict = if trial.passed() {
        output.paint(Tone::Good, output.t("passed", "bestanden"))
    } else {
        output.paint(Tone::Bad, output.t("failed", "fehlgeschlagen"))
    };
    let task = trial.task.lines().next().unwrap_or_default();
    let task: String = task.chars().take(LISTED).collect();
    let run = trial.run.map(|run| format!(" ({run})")).unwrap_or_default();
    output.data(&format!("  {verdict}  {task}{run}"));
    for wrong in &trial.wrong {
        output.data(&format!("      {}", output.told(wrong)));
    }
    if !trial.passed() && !trial.answer.is_empty() {
        let answer = trial.answer.replace('\n', " ");
        output.data(&format!(
            "      {}: {answer}",
            output.t("answer", "Antwort")
        ));
    }
}

/// The folder whose agents count: the one that was named, or this one.
pub(super) fn folder(named: Option<PathBuf>) -> Result<PathBuf, Fault> {
    let here = named.map_or_else(std::env::current_dir, |dir| dir.canonicalize());
    here.map_err(|error| {
        Fault::new(
            Code::FOLDER_NOT_OPENED,
            keiko_contracts::say!("this folder cannot be opened: {error}", error),
        )
    })
}

fn list(output: &Output, all: &Agents, workspace: &Path) -> Result<ExitCode, CliError> {
    let entries = all.list(Some(workspace));
    if output.json() {
        output.json_data(&entries)?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.hidden_by.is_none())
        .collect();
    let name = shown
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or(0);
    output.data(&output.paint(
        Tone::Strong,
        &format!(
            "{:<name$}  {:<7}  {:<9}  {}",
            output.t("agent", "Agent"),
            output.t("works by", "durch"),
            output.t("from", "von"),
            output.t("for", "wofür")
        ),
    ));
    for entry in &shown {
        output.data(&format!(
            "{:<name$}  {:<7}  {:<9}  {}",
            entry.name,
            entry
                .agent
                .as_ref()
                .map_or("-", |agent| engine(output, agent)),
            origin(output, entry),
            about(output, entry),
        ));
    }
    for entry in entries.iter().filter(|entry| entry.is_broken()) {
        flaws(output, entry, Weight::Error);
    }
    output.say(output.t(
        "All about one: keiko agents show NAME. One of your own: keiko agents new NAME",
        "Alles über einen: keiko agents show NAME. Ein eigener: keiko agents new NAME",
    ));
    Ok(ExitCode::SUCCESS)
}

fn engine<'a>(output: &'a Output, agent: &AgentDefinition) -> &'a str {
    match agent.engine {
        Engine::Model => output.t("model", "Modell"),
        Engine::Native(_) => output.t("rules", "Regeln"),
    }
}

fn origin<'a>(output: &'a Output, entry: &Entry) -> std::borrow::Cow<'a, str> {
    match entry.origin {
        agents::Origin::Workspace => output.t("workspace", "Ordner"),
        agents::Origin::User => output.t("you", "Ihnen"),
        agents::Origin::Shipped => "Keiko",
    }
    .into()
}

/// The first sentence of what it is for, or that it is broken.
fn about(output: &Output, entry: &Entry) -> String {
    let Some(agent) = &entry.agent else {
        return output.paint(Tone::Bad, output.t("cannot be used", "nicht verwendbar"));
    };
    let text = agent
        .described(output.language())
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let sentence = text
        .split_once(". ")
        .map_or(text.as_str(), |(first, _)| first);
    let sentence = sentence.trim_end_matches('.');
    if sentence.chars().count() <= LISTED {
        return sentence.to_owned();
    }
    let cut: String = sentence.chars().take(LISTED).collect();
    let cut = cut
        .rsplit_once(' ')
        .map_or(cut.as_str(), |(whole, _)| whole);
    format!("{cut} …")
}

fn show(output: &Output, all: &Agents, name: &str, workspace: &Path) -> Result<ExitCode, CliError> {
    let entry = all.get(name, Some(workspace))?;
    if output.json() {
        output.json_data(&entry)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(agent) = &entry.agent else {
        return Ok(Exit::Failed.into());
    };
    let mut rows = vec![
        (output.t("agent", "Agent"), agent.name.to_string()),
        (
            output.t("for", "wofür"),
            agent.described(output.language()).to_owned(),
        ),
        (
            output.t("works by", "durch"),
            engine(output, agent).to_owned(),
        ),
        (
            output.t("file", "Datei"),
            match entry.path {
                Some(_) => entry.place(),
                None => output.t("comes with Keiko", "kommt mit Keiko").to_owned(),
            },
        ),
    ];
    let folder = match agent.folder {
        FolderNeed::Required => output.t("needed", "nötig"),
        FolderNeed::Optional => output.t("if there is one", "wenn es einen gibt"),
        FolderNeed::None => output.t("none", "keiner"),
    };
    rows.push((output.t("folder", "Ordner"), folder.to_owned()));
    let listed = |words: &[String]| words.join(", ");
    if let Some(model) = &agent.model {
        rows.push((output.t("model", "Modell"), model.clone()));
    }
    if !agent.is_native() {
        let tools = match &agent.tools {
            None => output.t("all", "alle").to_owned(),
            Some(tools) if tools.is_empty() => output.t("none", "keine").to_owned(),
            Some(tools) => listed(&tools.iter().map(ToString::to_string).collect::<Vec<_>>()),
        };
        rows.push((output.t("tools", "Werkzeuge"), tools));
    }
    if !entry.lacks.is_empty() {
        let lacks: Vec<String> = entry.lacks.iter().map(ToString::to_string).collect();
        rows.push((output.t("not there", "nicht da"), listed(&lacks)));
    }
    if !agent.languages.is_empty() {
        rows.push((output.t("languages", "Sprachen"), listed(&agent.languages)));
    }
    rows.extend(limits(output, agent));
    for (name, value) in rows {
        output.data(&format!("{name:<12} {value}"));
    }
    for example in &agent.examples {
        output.data(&format!("{:<12} {example}", output.t("e.g.", "z. B.")));
    }
    for example in &agent.counter_examples {
        output.data(&format!(
            "{:<12} {example}",
            output.t("but not", "aber nicht")
        ));
    }
    if !agent.prompt.is_empty() {
        output.data(&format!("\n{}", agent.prompt));
    }
    flaws(output, &entry, Weight::Note);
    Ok(ExitCode::SUCCESS)
}

/// Whom a task is for.
fn find(output: &Output, all: &Agents, task: &str, workspace: &Path) -> Result<ExitCode, CliError> {
    let found = all.find(task, Some(workspace))?;
    if output.json() {
        output.json_data(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    for reason in &found.found.reasons {
        output.data(&output.told(reason));
    }
    for candidate in &found.found.candidates {
        let sure = (candidate.probability * 100.0).round();
        output.data(&format!(
            "{sure:>4} %  {}",
            output.paint(Tone::Strong, &candidate.agent)
        ));
        for reason in &candidate.reasons {
            output.data(&format!("        {}", output.told(reason)));
        }
    }
    if found.found.band == Band::Nobody {
        output.say(&tr!(
            output,
            "What is for nobody goes to {}, which has no tools.",
            "Was für keinen ist, bekommt {}, der keine Werkzeuge hat.",
            agents::FALLBACK
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a run of it may use up, as far as its file says.
fn limits<'a>(output: &'a Output, agent: &AgentDefinition) -> Vec<(&'a str, String)> {
    let mut rows = Vec::new();
    if let Some(budget) = agent.budget {
        rows.push((output.t("budget", "Budget"), budget.to_string()));
    }
    if let Some(steps) = agent.max_steps {
        rows.push((
            output.t("steps", "Schritte"),
            tr!(output, "at most {steps}", "höchstens {steps}"),
        ));
    }
    if agent.autonomy.is_some() {
        let more = output.t("asks more than is configured", "fragt mehr als eingestellt");
        rows.push((output.t("approvals", "Freigaben"), more.to_owned()));
    }
    rows
}

fn new(
    output: &Output,
    all: &Agents,
    name: &str,
    here: Option<PathBuf>,
) -> Result<ExitCode, CliError> {
    let at = match &here {
        Some(workspace) => Where::Workspace(workspace),
        None => Where::User,
    };
    let created = all.create(name, at, output.language())?;
    if output.json() {
        output.json_data(&created)?;
        return Ok(ExitCode::SUCCESS);
    }
    output.data(&created.path.display().to_string());
    output.say(&tr!(
        output,
        "Write there what it is for, then: keiko agents validate {name}, and keiko run --agent {name} \"…\"",
        "Schreiben Sie dort, wofür er da ist, dann: keiko agents validate {name} und keiko run --agent {name} \"…\"",
        name = created.name
    ));
    Ok(ExitCode::SUCCESS)
}

fn validate(
    output: &Output,
    all: &Agents,
    named: &[String],
    workspace: &Path,
) -> Result<ExitCode, CliError> {
    let checked = agents::check(all, named, Some(workspace))?;
    let exit = if checked.broken > 0 {
        Exit::CheckFailed
    } else {
        Exit::Ok
    };
    if output.json() {
        output.json_data(&checked)?;
        return Ok(exit.into());
    }
    for entry in &checked.agents {
        flaws(output, entry, Weight::Note);
    }
    output.data(&tr!(
        output,
        "{} looked at, {} cannot be used",
        "{} angesehen, {} nicht verwendbar",
        checked.agents.len(),
        checked.broken
    ));
    Ok(exit.into())
}

/// What is wrong with a file, from this weight on, as `FILE:LINE: …`.
fn flaws(output: &Output, entry: &Entry, from: Weight) {
    for flaw in entry.flaws.iter().filter(|flaw| flaw.weight >= from) {
        let Flaw {
            line,
            weight,
            what,
            remedy,
        } = flaw;
        let word = match weight {
            Weight::Error => output.paint(Tone::Bad, output.t("error", "Fehler")),
            Weight::Note => output.t("note", "Hinweis").to_owned(),
        };
        output.line(&format!(
            "{}:{line}: {word}: {}",
            entry.place(),
            output.told(what)
        ));
        if let Some(remedy) = remedy {
            output.line(&format!("    {}", output.told(remedy)));
        }
    }
    if entry.is_older {
        output.line(&tr!(
            output,
            "    until then it is what it was before",
            "    bis dahin ist er, was er vorher war"
        ));
    }
}
