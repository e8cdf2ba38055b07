//! `kill`: stops everything, or one run, at once and for every process.

use super::Context;
use crate::cli::KillArgs;
use crate::error::CliError;
use crate::language::tr;
use crate::operator::operator;
use keiko_app::Keiko;
use keiko_app::home::Home;
use keiko_app::kill;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::run::RunStatus;
use keiko_contracts::say;
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
    let killed = match &args.run {
        Some(run) => {
            let run = keiko.run_id(run).await?;
            keiko.kill_run(run, reason, &operator()).await?
        }
        None => match keiko.kill_all(reason, &operator()).await {
            Err(fault) => return directly(context, keiko.home(), args, &fault).await,
            Ok(killed) => killed,
        },
    };
    if context.output.json() {
        context.output.json_data(&killed)?;
    } else {
        let epoch = killed.epoch;
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
    let rows = keiko.runs(Some(RunStatus::Running), SHOWN).await?;
    if !output.json() {
        output.say(match rows.is_empty() {
            true => output.t(
                "No run is at work at this moment.",
                "Zurzeit arbeitet kein Lauf.",
            ),
            false => output.t("At work at this moment:", "Zurzeit arbeiten:"),
        });
        super::runs::lines(output, &rows)
            .iter()
            .for_each(|line| output.say(line));
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
    let halted = kill::directly(home, reason(args)).await?;
    if context.output.json() {
        context.output.json_data(&halted)?;
    } else {
        context.output.say(context.output.t(
            "Stopped: every process at work was told directly. It is not recorded, because the journal does not take it.",
            "Angehalten: Jeder arbeitende Prozess hat es direkt erfahren. Festgehalten ist es nicht, denn das Protokoll nimmt es nicht an.",
        ));
    }
    Ok(ExitCode::SUCCESS)
}
