//! `runs`: list, show, follow; bring results home and take them back; check the evidence.

use super::change::Changes;
use super::{Context, operator};
use crate::cli::RunsCommand;
use crate::error::{CliError, Exit};
use crate::holdings::pruned;
use crate::language::{plain_json, tr};
use crate::view::{Output, Tone, plain, result};
use crate::wiring::{Keiko, read_fault, sandbox};
use futures_util::StreamExt as _;
use keiko_agent::row;
use keiko_agent::state::RunState;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::TreeId;
use keiko_contracts::journal::{Seq, StreamId};
use keiko_contracts::run::RunStatus;
use keiko_contracts::run::RunTerms;
use keiko_contracts::run::{EndStatus, InboxMessage, RunEnd, RunEvent, RunRow};
use keiko_contracts::say;
use keiko_contracts::step::{OfRun, Step};
use keiko_ports::journal::Journal as _;
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_runtime::drive::{Order, Unwatched};
use keiko_runtime::fold::Partly;
use keiko_runtime::ports::DriveOptions;
use keiko_runtime::{fold, inbox, verify, views};
use keiko_workspace::home::{ApplyReport, Home as Homeward};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

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

/// A run's state, read back. No model is needed for that.
async fn state(keiko: &Keiko, run: RunId) -> Result<RunState, CliError> {
    fold::fold(keiko.journal.as_ref(), run, &crate::wiring::setup())
        .await
        .map_err(|error| error.fault().into())
}

/// A run as it was read: whole, or as far as this program can.
enum Read {
    Whole(Box<RunState>),
    /// A newer Keiko wrote some of its events.
    Partly(Box<Partly>),
}

/// A run for somebody who only looks: what a newer Keiko wrote keeps nobody from seeing the rest.
async fn look(keiko: &Keiko, run: RunId) -> Result<Read, CliError> {
    match fold::fold(keiko.journal.as_ref(), run, &crate::wiring::setup()).await {
        Ok(state) => Ok(Read::Whole(Box::new(state))),
        Err(error) if error.is_newer() => Ok(Read::Partly(Box::new(
            fold::partly(keiko.journal.as_ref(), run)
                .await
                .map_err(|error| error.fault())?,
        ))),
        Err(error) => Err(error.fault().into()),
    }
}

/// The end of a run; a run that cannot be read whole and whose end is not there cannot be told from one that goes on.
async fn end_of(keiko: &Keiko, run: RunId) -> Result<Option<Arc<RunEnd>>, CliError> {
    match look(keiko, run).await? {
        Read::Whole(state) => Ok(state.ended.clone()),
        Read::Partly(partly) => match partly.end {
            Some(end) => Ok(Some(Arc::new(end))),
            // Says why.
            None => state(keiko, run).await.map(|state| state.ended),
        },
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
    let rows = views::list(keiko.journal.as_ref(), group, limit.clamp(1, 10_000))
        .await
        .map_err(read_fault)?;
    if context.output.json() {
        context
            .output
            .data(&plain_json!({ "runs": rows }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    for row in &rows {
        context.output.data(&list_line(context.output, row));
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

/// A run in one line: what it is, when it began, where it works, what it cost and what it is for.
pub(super) fn list_line(output: &Output, row: &RunRow) -> String {
    let demo = if row.demo {
        output.t(" (demo)", " (Vorführung)")
    } else {
        ""
    };
    let state = result::state_word(output, row.state);
    let folder = row
        .workspace
        .as_deref()
        .and_then(|path| Path::new(path).file_name())
        .map_or_else(|| "-".into(), OsStr::to_string_lossy);
    let steps =
        output
            .language()
            .count(row.steps.into(), ["step", "steps"], ["Schritt", "Schritte"]);
    let (started, cost) = (output.minute(row.started), list_cost(output, row));
    format!(
        "{}  {state:<16}  {started}  {folder:<14}  {steps:>11}  {cost:>8}  {}{demo}",
        row.run, row.goal
    )
}

/// What a run cost, in the width of a column.
fn list_cost(output: &Output, row: &RunRow) -> String {
    if row.unpriced && row.cost.is_zero() {
        output.t("no price", "o. Preis").to_owned()
    } else {
        output.decimal(&row.cost.to_string())
    }
}

async fn show(context: &Context<'_>, keiko: &Keiko, run: RunId) -> Result<ExitCode, CliError> {
    match look(keiko, run).await? {
        Read::Whole(state) => show_whole(context, keiko, run, &state).await,
        Read::Partly(partly) => show_partly(context, keiko, run, &partly).await,
    }
}

async fn show_whole(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    state: &RunState,
) -> Result<ExitCode, CliError> {
    let mut row = row::row(state, SystemClock.now());
    if let Some(row) = &mut row {
        views::look_at_lease(keiko.journal.as_ref(), row)
            .await
            .map_err(read_fault)?;
    }
    if context.output.json() {
        let approvals: Vec<_> = state
            .life
            .open_approvals()
            .map(|approval| approval.request.as_ref().clone())
            .collect();
        let end = state.ended.as_deref();
        let pruned = pruned(&keiko.home, run).map(|pruned| pruned.at);
        let next = row
            .as_ref()
            .filter(|row| row.state == RunStatus::Interrupted)
            .map(|row| format!("keiko resume {}", row.run));
        context.output.data(
            &plain_json!({"run": row, "waiting": state.life.waiting, "approvals": approvals, "end": end, "next": next, "pruned": pruned}).to_string(),
        );
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(row) = &row {
        show_row(context.output, row);
    }
    match (&state.ended, &state.life.waiting) {
        (Some(end), _) => {
            show_ending(context.output, end);
            if let Some(pruned) = pruned(&keiko.home, run) {
                let at = context.output.minute(pruned.at);
                context.output.say(&tr!(
                    context.output,
                    "Its workspace was given back on {at} (keiko runs prune).",
                    "Sein Arbeitsbereich wurde am {at} freigegeben (keiko runs prune)."
                ));
            }
        }
        (None, Some(why)) => {
            let changes = super::run::asked_changes(&Changes::of(keiko), state).await;
            result::show_waiting(context.output, (run, why, state), &changes, false);
        }
        (None, None) if row.is_some_and(|row| row.state == RunStatus::Interrupted) => {
            let t = |english, german| context.output.t(english, german);
            let why = t(
                "The process that drove it is gone. It goes on with",
                "Der Prozess, der ihn ausführte, ist nicht mehr da. Weiter mit",
            );
            context.output.say(&format!("{why}: keiko resume {run}"));
        }
        (None, None) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// What lists know of a run, and its end, if that can be read.
async fn show_partly(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    partly: &Partly,
) -> Result<ExitCode, CliError> {
    let found = keiko
        .journal
        .view_get(views::RUNS, &run.to_string())
        .await
        .map_err(read_fault)?;
    let row = found.and_then(|row| serde_json::from_slice::<RunRow>(&row.body).ok());
    if context.output.json() {
        let shown = plain_json!({
            "run": row, "waiting": null, "approvals": [], "end": partly.end, "next": null, "opaque_events": partly.opaque,
        });
        context.output.data(&shown.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(row) = &row {
        show_row(context.output, row);
    }
    if let Some(end) = &partly.end {
        show_ending(context.output, end);
    }
    let output = context.output;
    let events = output.language().count(
        partly.opaque,
        ["event", "events"],
        ["Ereignis", "Ereignisse"],
    );
    output.warn(&tr!(
        output,
        "a newer Keiko wrote {events} of this run, which this one cannot read: what is shown is as lists have it, and the run cannot be resumed here. All events: keiko runs events {run}",
        "Ein neueres Keiko hat in diesem Lauf {events} geschrieben, was dieses nicht lesen kann: Gezeigt wird, was in Listen steht, und fortsetzen lässt er sich hier nicht. Alle Ereignisse: keiko runs events {run}"
    ));
    Ok(ExitCode::SUCCESS)
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
    let Some(end) = &end_of(keiko, run).await? else {
        return Err(
            Fault::new(Code::NO_REPORT_YET, "this run has no report yet")
                .at(run)
                .hint(Step::resume(run))
                .into(),
        );
    };
    if !context.output.json() {
        context
            .output
            .data(result::report(context.output, end).trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(data) = &end.data else {
        let hint = format!("keiko runs report {run}");
        return Err(Fault::new(
            Code::REPORT_IN_WORDS,
            "this run's agent reports in words only",
        )
        .at(run)
        .hint(hint)
        .into());
    };
    context.output.data(data.text_or_empty().trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn events(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    follow: bool,
) -> Result<ExitCode, CliError> {
    let stream = StreamId::run(run);
    let journal = keiko.journal.as_ref();
    let mut open = BTreeMap::new();
    let mut last = Seq(0);
    loop {
        let mut page = journal.read(&stream, last);
        let mut ended = false;
        while let Some(recorded) = page.next().await {
            let recorded = recorded.map_err(read_fault)?;
            last = recorded.seq;
            let event = match fold::hydrate(journal, &recorded).await {
                Ok(event) => event,
                Err(error) if error.is_newer() => {
                    context.output.data(&match context.output.json() {
                        true => plain::opaque_json_line(run, &recorded),
                        false => format!(
                            "{}  {}",
                            context.output.instant(recorded.at),
                            plain::opaque_line(context.output, &recorded)
                        ),
                    });
                    continue;
                }
                Err(error) => return Err(error.fault().into()),
            };
            ended |= matches!(event, RunEvent::RunEnded(_));
            if context.output.json() {
                context
                    .output
                    .data(&plain::json_line(run, &recorded, &event));
            } else {
                for line in plain::lines(context.output, &mut open, &event) {
                    context
                        .output
                        .data(&format!("{}  {line}", context.output.instant(recorded.at)));
                }
            }
        }
        if last == Seq(0) {
            return Err(fold::FoldError::NoSuchRun(run).fault().into());
        }
        if !follow || ended {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn diff(context: &Context<'_>, keiko: &Keiko, run: RunId) -> Result<ExitCode, CliError> {
    let diff = match look(keiko, run).await? {
        Read::Whole(state) => match &state.ended {
            Some(end) => end.diff.clone(),
            // As it stands: a run that waits has no result yet, and still a change.
            None => Changes::of(keiko)
                .so_far(run, &state)
                .await?
                .map(Into::into),
        },
        Read::Partly(_) => end_of(keiko, run).await?.and_then(|end| end.diff.clone()),
    };
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

/// The tree that the run left behind, for bringing it home.
async fn result_tree(keiko: &Keiko, run: RunId) -> Result<TreeId, CliError> {
    let state = state(keiko, run).await?;
    match (&state.workspace.opened, state.workspace.tree) {
        (Some(opened), Some(tree)) if opened.tree != tree => Ok(tree),
        _ => Err(
            Fault::new(Code::NOTHING_CHANGED, "this run changed nothing")
                .hint(Step::of_run(OfRun::Show, run))
                .into(),
        ),
    }
}

async fn apply(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    check: bool,
) -> Result<ExitCode, CliError> {
    let tree = result_tree(keiko, run).await?;
    let parts = sandbox(&keiko.home, &keiko.config.sandbox)?;
    parts.sandbox.export_tree(run, &tree).await?;
    let home = Homeward::new(parts.spaces);
    let report = if check {
        home.plan(run, &tree)
    } else {
        home.apply(run, &tree)
    }?;
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
    let report = homeward(keiko)?.undo(run)?;
    let (verb, nothing) = (
        context.output.t("put back", "zurückgesetzt"),
        context
            .output
            .t("Nothing to put back.", "Nichts zurückzusetzen."),
    );
    show_apply(context, &report, verb, nothing)?;
    Ok(ExitCode::SUCCESS)
}

fn homeward(keiko: &Keiko) -> Result<Homeward, CliError> {
    Ok(Homeward::new(
        sandbox(&keiko.home, &keiko.config.sandbox)?.spaces,
    ))
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
                context.output.told(&kind),
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

/// Checks the card: journal first, then the trees and the tests, in the sandbox, on a fresh copy of the result.
async fn check(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    tests: bool,
) -> Result<ExitCode, CliError> {
    let mut verified = verify::journal(keiko.journal.as_ref(), run)
        .await
        .map_err(|error| error.fault())?;
    let pruned = pruned(&keiko.home, run);
    if let (Some(pruned), true) = (pruned, tests) {
        let fault = pruned.fault();
        return Err(fault
            .hint(say!(
                "the journal alone can still be checked: keiko runs verify {run} --no-tests",
                run
            ))
            .into());
    }
    if pruned.is_none() && verified.card.tree_after.is_some() {
        verified
            .checks
            .extend(super::again::check(keiko, &verified.card, tests).await?);
    }
    let ok = verified.checks.iter().all(|check| check.ok);
    if context.output.json() {
        context.output.data(
            &plain_json!({"run": run, "ok": ok, "checks": verified.checks, "card": verified.card})
                .to_string(),
        );
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
    Ok(if ok { Exit::Ok } else { Exit::CheckFailed }.into())
}

/// Ends a run: a live one hears it in its inbox; one that nobody drives is ended here.
/// Tells a run to end, and sees to it where nobody drives it.
async fn end(keiko: &Keiko, run: RunId, reason: &str) -> Result<(), CliError> {
    let message = InboxMessage::Cancel {
        by: operator(),
        reason: reason.to_owned(),
    };
    inbox::say(keiko.journal.as_ref(), run, &message, SystemClock.now())
        .await
        .map_err(|error| error.fault())?;
    if keiko
        .journal
        .holder(&StreamId::run(run))
        .await
        .map_err(read_fault)?
        .is_none()
    {
        let driver = keiko.driver(Arc::new(keiko.config.models()?), DriveOptions::default())?;
        let order = Order::Resume {
            run,
            by: operator(),
            terms: RunTerms::default(),
        };
        driver
            .drive(order, Arc::new(Unwatched), keiko_ports::Cancel::new())
            .await
            .map_err(|error| error.fault())?;
    }
    Ok(())
}

async fn cancel(
    context: &Context<'_>,
    keiko: &Keiko,
    run: RunId,
    reason: String,
) -> Result<ExitCode, CliError> {
    let before = state(keiko, run).await?;
    if before.ended.is_some() {
        return Err(keiko_runtime::drive::DriveError::HasEnded(run)
            .fault()
            .into());
    }
    end(keiko, run, &reason).await?;
    for below in views::below(keiko.journal.as_ref(), run)
        .await
        .map_err(read_fault)?
    {
        if state(keiko, below).await?.ended.is_none() {
            end(keiko, below, &reason).await?;
        }
    }
    let after = state(keiko, run).await?;
    let status = row::status(&after);
    if context.output.json() {
        context
            .output
            .data(&plain_json!({"run": run, "state": status}).to_string());
    } else if after
        .ended
        .as_ref()
        .is_some_and(|end| end.status == EndStatus::Cancelled)
    {
        context.output.say(&tr!(
            context.output,
            "Run {run} is cancelled.",
            "Lauf {run} ist beendet."
        ));
    } else {
        let word = result::state_word(context.output, status);
        context.output.say(&tr!(
            context.output,
            "Run {run} is told to end; it is {word} now.",
            "Lauf {run} soll enden; sein Zustand ist jetzt: {word}."
        ));
    }
    Ok(ExitCode::SUCCESS)
}
