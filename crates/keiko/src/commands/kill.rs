//! `kill`: stops everything, or one run, at once and for every process.

use super::{Context, operator};
use crate::cli::KillArgs;
use crate::commands::doctor::holders;
use crate::error::CliError;
use crate::halt;
use crate::home::Home;
use crate::language::tr;
use crate::wiring::{Keiko, read_fault};
use futures_util::StreamExt as _;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{KillScope, Seq, StreamId};
use keiko_contracts::run::{RunRow, RunStatus};
use keiko_contracts::say;
use keiko_ports::journal::Journal as _;
use keiko_runtime::drive::DriveError;
use keiko_runtime::fold::FoldError;
use keiko_runtime::views;
use std::process::ExitCode;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &KillArgs,
) -> Result<ExitCode, CliError> {
    if !args.all && args.run.is_none() {
        return Err(nothing_named(context, keiko).await?.into());
    }
    let reason = reason(args);
    if reason.trim().is_empty() {
        return Err(
            Fault::new(Code::KILL_WITHOUT_REASON, "a kill needs a reason")
                .at("--reason")
                .hint("keiko kill --all --reason \"wrong branch\"")
                .into(),
        );
    }
    let scope = match &args.run {
        Some(run) => KillScope::Run(not_ended(keiko, keiko.run_id(run).await?).await?),
        None => KillScope::All,
    };
    let epoch = match keiko.journal.kill(scope, reason, &operator()).await {
        Err(error) if args.all => {
            return directly(context, &keiko.home, args, &error.fault()).await;
        }
        killed => killed.map_err(|error| error.fault())?,
    };
    if let KillScope::Run(run) = scope {
        // Those below have streams of their own. The one above can start no more of them by now.
        for below in views::below(keiko.journal.as_ref(), run)
            .await
            .map_err(read_fault)?
        {
            keiko
                .journal
                .kill(KillScope::Run(below), reason, &operator())
                .await
                .map_err(|error| error.fault())?;
        }
    }
    if context.output.json() {
        context.output.data(
            &serde_json::json!({"scope": scope, "epoch": epoch, "reason": reason}).to_string(),
        );
    } else {
        context.output.say(&tr!(
            context.output,
            "Killed (epoch {epoch}). Nothing starts any more under an older epoch; take runs up again with keiko resume.",
            "Notaus erfolgt (Epoche {epoch}). Unter einer älteren Epoche beginnt nichts mehr; setzen Sie Läufe mit keiko resume fort."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Why, as it was typed: clap wants it with whatever is to be stopped.
fn reason(args: &KillArgs) -> &str {
    args.reason.as_deref().unwrap_or_default()
}

/// Most live runs that are shown.
const SHOWN: u32 = 10;

/// Shows what could be stopped, and says how.
async fn nothing_named(context: &Context<'_>, keiko: &Keiko) -> Result<Fault, CliError> {
    let output = context.output;
    let rows = views::list(keiko.journal.as_ref(), Some(RunStatus::Running), SHOWN)
        .await
        .map_err(read_fault)?;
    if !output.json() {
        output.say(match rows.is_empty() {
            true => output.t(
                "No run is at work at this moment.",
                "Zurzeit arbeitet kein Lauf.",
            ),
            false => output.t("At work at this moment:", "Zurzeit arbeiten:"),
        });
        rows.iter()
            .for_each(|row| output.say(&super::runs::list_line(output, row)));
    }
    let run = rows
        .first()
        .map_or_else(|| "RUN".to_owned(), |row| row.run.to_string());
    Ok(Fault::new(Code::KILL_OF_NOTHING, "a kill needs to know what it stops: one run, or everything").hint(say!(r#"keiko kill --run {run} --reason "…" stops this run only; keiko kill --all --reason "…" stops every run of every process"#, run)))
}

/// Stops everything without the journal, which takes no kill, and looks whether everything has stopped.
pub(crate) async fn directly(
    context: &Context<'_>,
    home: &Home,
    args: &KillArgs,
    why: &Fault,
) -> Result<ExitCode, CliError> {
    context.output.fault(why);
    halt::order(home, reason(args))?;
    let journal = home.journal();
    let shared = journal.with_file_name("journal.db-shm");
    let began = std::time::Instant::now();
    let mut left = holders::of(&[&journal, &shared]);
    while !left.is_empty() && began.elapsed() < halt::GRACE * 2 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        left = holders::of(&[&journal, &shared]);
    }
    if let Some(first) = left.first() {
        let pid = first.split(' ').next().unwrap_or_default();
        let what = format!(
            "these processes were told to stop and still run: {}",
            left.join(", ")
        );
        return Err(Fault::new(Code::STILL_RUNNING, what)
            .hint(say!("kill -9 {pid}", pid))
            .into());
    }
    if context.output.json() {
        let told = serde_json::json!({"scope": KillScope::All, "epoch": null, "reason": reason(args), "recorded": false});
        context.output.data(&told.to_string());
    } else {
        context.output.say(context.output.t(
            "Stopped: every process at work was told directly. It is not recorded, because the journal does not take it.",
            "Angehalten: Jeder arbeitende Prozess hat es direkt erfahren. Festgehalten ist es nicht, denn das Protokoll nimmt es nicht an.",
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// A run that a kill can concern. Only what lists say is asked: a kill must not wait for a long run to be read, nor fail
/// because it cannot be.
async fn not_ended(keiko: &Keiko, run: RunId) -> Result<RunId, CliError> {
    let row = keiko
        .journal
        .view_get(views::RUNS, &run.to_string())
        .await
        .map_err(read_fault)?;
    let row = row.and_then(|row| serde_json::from_slice::<RunRow>(&row.body).ok());
    match row {
        Some(row) if ENDED.contains(&row.state) => Err(DriveError::HasEnded(run).fault().into()),
        Some(_) => Ok(run),
        None if keiko
            .journal
            .read(&StreamId::run(run), Seq(0))
            .next()
            .await
            .is_none() =>
        {
            Err(FoldError::NoSuchRun(run).fault().into())
        }
        None => Ok(run),
    }
}

/// Ends that no kill changes any more. One that was killed may go on, as far as its row says.
const ENDED: [RunStatus; 6] = [
    RunStatus::Succeeded,
    RunStatus::Examined,
    RunStatus::Unverified,
    RunStatus::Failed,
    RunStatus::Refused,
    RunStatus::Cancelled,
];
