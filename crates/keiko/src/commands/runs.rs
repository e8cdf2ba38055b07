//! `runs`: list, show, follow; bring results home and take them back; check the evidence.

use super::Context;
use crate::cli::RunsCommand;
use crate::error::{CliError, Exit};
use crate::language::{plain_json, tr};
use crate::operator::operator;
use crate::view::clean::clean;
use crate::view::table::{Column, table};
use crate::view::{Output, Tone, plain, result};
use keiko_app::Keiko;
use keiko_app::apply::{ApplyReport, Told};
use keiko_app::change::Changes;
use keiko_app::events::Happened;
use keiko_app::runs::{Part, Shown, Whole, data_of};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::home::Homeward;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::Seq;
use keiko_contracts::run::{RunEnd, RunRow, RunStatus};
use keiko_contracts::say;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    command: RunsCommand,
) -> Result<ExitCode, CliError> {
    match command {
        RunsCommand::List { limit, state } => list(context, keiko, limit, state).await,
        RunsCommand::Show { run } => show(context, keiko, keiko.run_id(&run).await?).await,
        RunsCommand::Report { run } => report(context, keiko, keiko.run_id(&run).await?).await,
        RunsCommand::Events { run, follow } => {
            events(context, keiko, keiko.run_id(&run).await?, follow).await
        }
        RunsCommand::Diff { run } => diff(context, keiko, keiko.run_id(&run).await?).await,
        RunsCommand::Apply { run, check } => {
            apply(context, keiko, keiko.run_id(&run).await?, check).await
        }
        RunsCommand::Undo { run } => undo(context, keiko, keiko.run_id(&run).await?).await,
        RunsCommand::Verify { run, no_tests } => {
            check(context, keiko, keiko.run_id(&run).await?, !no_tests).await
        }
        RunsCommand::Prune(args) => super::prune::run(context, keiko, &args).await,
        RunsCommand::Cancel { run, reason } => {
            cancel(context, keiko, keiko.run_id(&run).await?, reason).await
        }
    }
}

async fn list(
    context: &Context<'_>,
    keiko: &Keiko,
    limit: u32,
    group: Option<String>,
) -> Result<ExitCode, CliError> {
    let status = |word: String| {
        RunStatus::of(&word).ok_or_else(|| {
            let fault = Fault::new(
                Code::STATE_UNKNOWN,
                say!(
                    "{word} is no state of a run",
                    word = format_args!("{word:?}")
                ),
            )
            .at("--state");
            fault.hint(say!(
                "one of {names}",
                names = RunStatus::ALL.map(RunStatus::word).join(", ")
            ))
        })
    };
    let group = group.map(status).transpose()?;
    let filtered = group.is_some();
    let rows = keiko.runs(group, limit).await?;
    if context.output.json() {
        context.output.json_data(&plain_json!({ "runs": rows }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in lines(context.output, &rows) {
        context.output.data(&line);
    }
    if rows.is_empty() && filtered {
        context.output.say(context.output.t(
            "No run is in this state.",
            "Kein Lauf ist in diesem Zustand.",
        ));
    } else if rows.is_empty() {
        context.output.say(context.output.t(
            "No runs yet. Begin with: keiko up",
            "Noch keine Läufe. Beginnen Sie mit: keiko up",
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs, one a line: what each is, when it began, where it works, what it cost and what it is for.
pub(super) fn lines(output: &Output, rows: &[RunRow]) -> Vec<String> {
    let heads = [
        Column::Left(output.t("run", "Lauf")),
        Column::Left(output.t("state", "Zustand")),
        Column::Left(output.t("started", "Beginn")),
        Column::Left(output.t("folder", "Ordner")),
        Column::Right(output.t("steps", "Schritte")),
        Column::Right(output.t("cost", "Kosten")),
        Column::Left(output.t("goal", "Auftrag")),
    ];
    let rows: Vec<_> = rows.iter().map(|row| cells(output, row)).collect();
    table(heads, &rows)
}

fn cells(output: &Output, row: &RunRow) -> [String; 7] {
    let demo = if row.demo {
        output.t(" (demo)", " (Vorführung)")
    } else {
        ""
    };
    let folder = row
        .workspace
        .as_deref()
        .and_then(|path| Path::new(path).file_name())
        .map_or_else(|| "-".into(), OsStr::to_string_lossy);
    [
        row.run.to_string(),
        result::state_word(output, row.state).to_owned(),
        output.minute(row.started),
        folder.into_owned(),
        row.steps.to_string(),
        list_cost(output, row),
        format!("{}{demo}", row.goal),
    ]
}

/// What a run cost, for a column.
fn list_cost(output: &Output, row: &RunRow) -> String {
    if row.unpriced && row.cost.is_zero() {
        output.t("no price", "o. Preis").to_owned()
    } else {
        output.decimal(&row.cost.to_string())
    }
}

async fn show(context: &Context<'_>, keiko: &Keiko, run: RunId) -> Result<ExitCode, CliError> {
    let shown = keiko.show(run).await?;
    if context.output.json() {
        context.output.json_data(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    match shown {
        Shown::Whole(whole) => show_whole(context.output, keiko, run, &whole).await,
        Shown::Partly(part) => show_part(context.output, run, &part),
    }
    Ok(ExitCode::SUCCESS)
}

async fn show_whole(output: &Output, keiko: &Keiko, run: RunId, whole: &Whole) {
    if let Some(row) = &whole.run {
        show_row(output, row);
    }
    match (&whole.end, &whole.waiting) {
        (Some(end), _) => {
            show_ending(output, end);
            if let Some(last) = whole.home.iter().rfind(|told| told.is_done()) {
                output.say(&at_home(output, last));
            }
            if let Some(at) = whole.pruned {
                let at = output.minute(at);
                output.say(&tr!(
                    output,
                    "Its workspace was given back on {at} (keiko runs prune).",
                    "Sein Arbeitsbereich wurde am {at} freigegeben (keiko runs prune)."
                ));
            }
        }
        (None, Some(why)) => {
            let changes = Changes::of(keiko).asked(&whole.state).await;
            result::show_waiting(output, (run, why, &whole.state), &changes, false);
        }
        (None, None) if whole.next.is_some() => {
            let why = output.t(
                "The process that drove it is gone. It goes on with",
                "Der Prozess, der ihn ausführte, ist nicht mehr da. Weiter mit",
            );
            output.say(&format!("{why}: keiko resume {run}"));
        }
        (None, None) => {}
    }
}

/// What lists know of a run, and its end, if that can be read.
fn show_part(output: &Output, run: RunId, part: &Part) {
    if let Some(row) = &part.run {
        show_row(output, row);
    }
    if let Some(end) = &part.end {
        show_ending(output, end);
    }
    let events = output.language().count(
        part.opaque_events,
        ["event", "events"],
        ["Ereignis", "Ereignisse"],
    );
    output.warn(&tr!(
        output,
        "a newer Keiko wrote {events} of this run, which this one cannot read: what is shown is as lists have it, and the run cannot be resumed here. All events: keiko runs events {run}",
        "Ein neueres Keiko hat in diesem Lauf {events} geschrieben, was dieses nicht lesen kann: Gezeigt wird, was in Listen steht, und fortsetzen lässt er sich hier nicht. Alle Ereignisse: keiko runs events {run}"
    ));
}

fn show_row(output: &Output, row: &RunRow) {
    let who = row.model.as_ref().map_or_else(
        || {
            output
                .t("rules, no language model", "Regeln, kein Sprachmodell")
                .to_owned()
        },
        ToString::to_string,
    );
    output.data(&tr!(
        output,
        "run        {}\ngoal       {}\nagent      {} ({who})\nworkspace  {}\nstate      {}\nstarted    {}\nsteps      {}\ncost       {}",
        "Lauf           {}\nAuftrag        {}\nAgent          {} ({who})\nArbeitsbereich {}\nZustand        {}\nBeginn         {}\nSchritte       {}\nKosten         {}",
        row.run,
        row.goal,
        row.agent,
        row.workspace.as_deref().unwrap_or(output.t("none", "keiner")),
        result::state_word(output, row.state),
        output.instant(row.started),
        row.steps,
        result::spent(output, row.cost, row.unpriced)
    ));
    if !row.cut_off.is_zero() {
        let label = output.t("cut off   ", "Abbruch       ");
        output.data(&format!("{label} {}", result::cut_off(output, row.cut_off)));
    }
}

fn show_ending(output: &Output, end: &RunEnd) {
    output.data(&result::card(output, end));
    output.data(&format!("\n{}", result::report(output, end)));
}

/// The report alone, so that it can go into a file.
async fn report(context: &Context<'_>, keiko: &Keiko, run: RunId) -> Result<ExitCode, CliError> {
    let end = keiko.report(run).await?;
    if context.output.json() {
        let data = data_of(&end, run)?;
        let data = result::plain(&end).unwrap_or_else(|| data.text_or_empty().to_owned());
        context.output.data(data.trim_end());
    } else {
        context
            .output
            .data(result::report(context.output, &end).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

async fn events(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    follow: bool,
) -> Result<ExitCode, CliError> {
    let output = context.output;
    let mut events = keiko.events(run, Seq(0), follow);
    let mut open = BTreeMap::new();
    while let Some(happened) = events.next().await? {
        match happened {
            Happened::Opaque(recorded) => output.data(&match output.json() {
                true => plain::opaque_json_line(run, &recorded),
                false => format!(
                    "{}  {}",
                    output.instant(recorded.at),
                    plain::opaque_line(output, &recorded)
                ),
            }),
            Happened::Known(recorded, event) if output.json() => {
                output.data(&plain::json_line(run, &recorded, &event));
            }
            Happened::Known(recorded, event) => {
                for line in plain::lines(output, &mut open, &event) {
                    output.data(&format!("{}  {line}", output.instant(recorded.at)));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn diff(context: &Context<'_>, keiko: &Keiko, run: RunId) -> Result<ExitCode, CliError> {
    let diff = keiko.diff(run).await?;
    if context.output.json() {
        context.output.data(
            &plain_json!({"run": run, "diff": diff.as_ref().map(|diff| diff.text_or_empty())})
                .to_string(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    match diff {
        Some(diff) => context.output.diff(diff.text_or_empty().trim_end()),
        None => context.output.say(context.output.t(
            "There is no change against the base.",
            "Gegenüber der Grundlage hat sich nichts geändert.",
        )),
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the result is: in its user's folder, or not any more.
fn at_home(output: &Output, last: &Told) -> String {
    let (at, by) = (output.minute(last.at), clean(&last.begun.by));
    match last.begun.what {
        Homeward::Apply => tr!(
            output,
            "Brought into its folder on {at} by {by}.",
            "In seinen Ordner übernommen am {at} von {by}."
        ),
        Homeward::Undo => tr!(
            output,
            "Taken back out of its folder on {at} by {by}.",
            "Aus seinem Ordner zurückgenommen am {at} von {by}."
        ),
    }
}

async fn apply(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    check: bool,
) -> Result<ExitCode, CliError> {
    let report = match check {
        true => keiko.apply_plan(run).await?,
        false => keiko.apply(run, operator()).await?,
    };
    let output = context.output;
    let (verb, nothing) = match check {
        true => (
            output.t("would change", "würde ändern"),
            output.t("Nothing would change", "Nichts würde sich ändern"),
        ),
        false => (
            output.t("changed", "geändert"),
            output.t("Already applied", "Schon übernommen"),
        ),
    };
    let why = output.t(
        "your folder has all of this result",
        "Ihr Ordner enthält dieses Ergebnis ganz",
    );
    show_apply(context, &report, verb, &format!("{nothing}: {why}."))?;
    if !check && !context.output.json() {
        context.output.say(&tr!(
            output,
            "Take it back with: keiko runs undo {run}",
            "Zurücknehmen mit: keiko runs undo {run}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn undo(context: &Context<'_>, keiko: &Keiko, run: RunId) -> Result<ExitCode, CliError> {
    let report = keiko.undo(run, operator()).await?;
    let (verb, nothing) = (
        context.output.t("put back", "zurückgesetzt"),
        context
            .output
            .t("Nothing to put back.", "Nichts zurückzusetzen."),
    );
    show_apply(context, &report, verb, nothing)?;
    Ok(ExitCode::SUCCESS)
}

/// What was done to the user's folder; `nothing` is said when nothing had to be.
fn show_apply(
    context: &Context<'_>,
    report: &ApplyReport,
    verb: &str,
    nothing: &str,
) -> Result<(), CliError> {
    let json = serde_json::to_value(report)
        .map_err(|error| Fault::new(Code::NO_JSON, error.to_string()))?;
    if context.output.json() {
        context.output.data(&json.to_string());
    } else if report.changes.is_empty() {
        context.output.say(nothing);
    } else {
        context.output.data(&format!("{verb}:"));
        for change in &report.changes {
            let kind = format!("{:?}", change.kind).to_lowercase();
            context.output.data(&format!(
                "  {:<10} {}",
                context.output.told(kind.as_str()),
                change.path.display()
            ));
        }
        if report.already > 0 {
            context.output.data(&match report.already {
                1 => context
                    .output
                    .t(
                        "  1 file is as the result has it already",
                        "  1 Datei ist schon so wie im Ergebnis",
                    )
                    .to_owned(),
                n => tr!(
                    context.output,
                    "  {n} files are as the result has them already",
                    "  {n} Dateien sind schon so wie im Ergebnis"
                ),
            });
        }
    }
    Ok(())
}

/// Checks the card.
async fn check(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    tests: bool,
) -> Result<ExitCode, CliError> {
    let verified = keiko.verify(run, tests, &operator()).await?;
    if context.output.json() {
        context.output.json_data(&verified)?;
    } else {
        for check in &verified.checks {
            let (tone, mark) = if check.ok {
                (Tone::Good, "ok")
            } else {
                (Tone::Bad, context.output.t("FAILED", "FALSCH"))
            };
            let (what, seen) = (
                context.output.told(&check.what),
                context.output.told(&check.seen),
            );
            context.output.data(&format!(
                "{:<8} {what:<28} {seen}",
                context.output.paint(tone, mark)
            ));
        }
    }
    Ok(if verified.ok {
        Exit::Ok
    } else {
        Exit::CheckFailed
    }
    .into())
}

async fn cancel(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    reason: String,
) -> Result<ExitCode, CliError> {
    let told = keiko.cancel(run, &operator(), &reason).await?;
    if context.output.json() {
        context.output.json_data(&told)?;
    } else if told.done {
        context.output.say(&tr!(
            context.output,
            "Run {run} is cancelled.",
            "Lauf {run} ist beendet."
        ));
    } else {
        let word = result::state_word(context.output, told.state);
        context.output.say(&tr!(
            context.output,
            "Run {run} is told to end; it is {word} now.",
            "Lauf {run} soll enden; sein Zustand ist jetzt: {word}."
        ));
    }
    Ok(ExitCode::SUCCESS)
}
