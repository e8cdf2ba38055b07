//! `plan`: a goal as tasks, each with its agent. Nothing is run.

use super::{Context, agents, goal};
use crate::error::CliError;
use crate::language::tr;
use crate::view::{Output, Tone};
use keiko_app::agents::{Agents, Band};
use keiko_app::home::Home;
use keiko_app::plan::{Assigned, Planned};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) fn run(
    context: &Context<'_>,
    home: &Home,
    (first, more): (&str, &[String]),
    workspace: Option<PathBuf>,
) -> Result<ExitCode, CliError> {
    let output = context.output;
    let text = goal::words(first, more)?;
    let planned = Agents::of(home).plan(&text, Some(&agents::folder(workspace)?))?;
    if output.json() {
        output.json_data(&planned)?;
        return Ok(ExitCode::SUCCESS);
    }
    shown(output, &planned);
    Ok(ExitCode::SUCCESS)
}

fn shown(output: &Output, planned: &Planned) {
    let count = planned.tasks.len();
    let title = output
        .language()
        .count(count as u64, ["task", "tasks"], ["Aufgabe", "Aufgaben"]);
    output.data(&tr!(
        output,
        "{title}, by rules, no language model",
        "{title}, nach Regeln, ohne Sprachmodell"
    ));
    for reason in &planned.reasons {
        output.data(&format!("  {}", output.told(reason)));
    }
    let ids = planned.tasks.iter().map(|task| task.task.id.as_str().len());
    let agents = planned.tasks.iter().map(|task| task.agent.len());
    let widths = (ids.max().unwrap_or(0), agents.max().unwrap_or(0));
    for task in &planned.tasks {
        row(output, task, widths);
    }
    if planned.with_model > 0 {
        let n = planned.with_model;
        output.say(&tr!(
            output,
            "{n} of them need a language model (keiko models).",
            "{n} davon brauchen ein Sprachmodell (keiko models)."
        ));
    }
}

fn row(output: &Output, assigned: &Assigned, (id, agent): (usize, usize)) {
    let task = &assigned.task;
    let needs: Vec<&str> = task.needs.iter().map(|needs| needs.as_str()).collect();
    let after = if needs.is_empty() {
        String::new()
    } else {
        let needs = needs.join(", ");
        tr!(output, " (after {needs})", " (nach {needs})")
    };
    let sure = match (assigned.pinned, assigned.band) {
        (true, _) => output.t("named", "genannt"),
        (false, Band::Automatic) => output.t("sure", "sicher"),
        (false, Band::Choose) => output.t("likely", "wohl"),
        (false, Band::Nobody) => output.t("for nobody", "für keinen"),
    };
    output.data(&format!(
        "{:<id$}  {}  {sure}  {}{after}",
        task.id.as_str(),
        output.paint(Tone::Strong, &format!("{:<agent$}", assigned.agent)),
        task.text,
    ));
}
