//! `kill`: stops everything, or one run, at once and for every process.

use super::{Context, operator};
use crate::cli::KillArgs;
use crate::error::CliError;
use crate::language::tr;
use crate::wiring::Keiko;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::journal::KillScope;
use keiko_ports::journal::Journal as _;
use std::process::ExitCode;

pub(crate) async fn run(context: &Context<'_>, keiko: &Keiko, args: &KillArgs) -> Result<ExitCode, CliError> {
    if args.reason.trim().is_empty() {
        return Err(Fault::new(Code(1240), "a kill needs a reason")
            .at("--reason")
            .hint("keiko kill --all --reason \"wrong branch\"")
            .into());
    }
    let scope = match &args.run {
        Some(run) => KillScope::Run(keiko.run_id(run).await?),
        None => KillScope::All,
    };
    let epoch = keiko.journal.kill(scope, &args.reason, &operator()).await.map_err(|error| error.fault())?;
    if context.output.json() {
        context.output.data(&serde_json::json!({"scope": scope, "epoch": epoch, "reason": args.reason}).to_string());
    } else {
        context.output.say(&tr!(
            context.output,
            "Killed (epoch {epoch}). Nothing starts any more under an older epoch; take runs up again with keiko resume.",
            "Notaus erfolgt (Epoche {epoch}). Unter einer älteren Epoche beginnt nichts mehr; setzen Sie Läufe mit keiko resume fort."
        ));
    }
    Ok(ExitCode::SUCCESS)
}
