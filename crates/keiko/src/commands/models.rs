//! `models`: what is configured and found, and whether it works. Looking around calls nobody but this machine.

use super::Context;
use crate::cli::ModelsCommand;
use crate::error::{CliError, Exit, exit_of};
use crate::language::tr;
use crate::view::Output;
use keiko_app::config::Config;
use keiko_app::home::Home;
use keiko_app::models::{self, Listing, Probe, Trial, failed};
use std::process::ExitCode;

pub(crate) async fn run(
    context: &Context<'_>,
    home: &Home,
    config: &Config,
    command: ModelsCommand,
) -> Result<ExitCode, CliError> {
    match command {
        ModelsCommand::List => list(context, config).await,
        ModelsCommand::Probe { model } => try_out(context, Probe::of(config, home, &model)?).await,
    }
}

async fn list(context: &Context<'_>, config: &Config) -> Result<ExitCode, CliError> {
    let found = models::list(config).await?;
    let output = context.output;
    if output.json() {
        output.json_data(&found)?;
        return Ok(found
            .wrong
            .map_or(Exit::Ok, |fault| exit_of(fault.code))
            .into());
    }
    rows(output, &found);
    if let Some(fault) = found.wrong {
        output.fault(&fault);
        return Ok(exit_of(fault.code).into());
    }
    next(output, &found);
    Ok(ExitCode::SUCCESS)
}

/// Vendors, what was found, profiles, and of which day the prices are.
fn rows(output: &Output, found: &Listing) {
    for row in &found.vendors {
        let state = if row.ready {
            output.t("ready", "bereit")
        } else {
            "-"
        };
        output.data(&format!(
            "{:<12} {state:<6} {}  {}",
            row.vendor,
            row.place,
            output.told(&row.seen)
        ));
        if row.ready && !row.models.is_empty() {
            let with_price = output.t("with a price", "mit Preis");
            output.data(&format!(
                "{:19} {with_price}: {}",
                "",
                row.models.join(", ")
            ));
        }
    }
    if !found.ollama.is_empty() {
        output.data(&tr!(
            output,
            "found in Ollama: {}",
            "in Ollama gefunden: {}",
            found.ollama.join(", ")
        ));
    }
    for (name, model) in &found.profiles {
        output.data(&tr!(
            output,
            "profile {name} = {model}",
            "Profil {name} = {model}"
        ));
    }
    output.data(&tr!(
        output,
        "prices as of {}",
        "Preise vom {}",
        found.prices_as_of
    ));
}

/// Which model runs use, or how they get one.
fn next(output: &Output, found: &Listing) {
    match &found.chosen {
        Some(model) => output.say(&tr!(
            output,
            "Runs use {model}. Check it: keiko models probe {model}",
            "Läufe verwenden {model}. Prüfen Sie es: keiko models probe {model}"
        )),
        None if found.vendors.iter().all(|row| !row.ready) => {
            output.say(output.t(
                "No model is configured. Three ways:",
                "Es ist kein Modell eingerichtet. Drei Wege:",
            ));
            found
                .ways
                .iter()
                .for_each(|way| output.say(&format!("  {}", output.told(way))));
        }
        None => {
            let hint = models::no_model().hint.unwrap_or_default();
            output.say(&tr!(
                output,
                "No model is chosen yet. {}",
                "Es ist noch kein Modell gewählt. {}",
                output.told(&hint)
            ));
        }
    }
}

async fn try_out(context: &Context<'_>, probe: Probe) -> Result<ExitCode, CliError> {
    let output = context.output;
    if probe.asks() {
        let model = &probe.model;
        output.say(&tr!(
            output,
            "Asking {model} twice; that costs a few tokens …",
            "{model} wird zweimal gefragt; das kostet ein paar Token …"
        ));
    }
    let trial = probe.ask().await;
    if output.json() {
        output.json_data(&trial)?;
    } else {
        for check in &trial.checks {
            let state = if check.ok {
                "ok"
            } else if failed(check) {
                output.t("FAILED", "FEHLER")
            } else {
                output.t("note", "Notiz")
            };
            let code = check
                .code
                .as_ref()
                .map(|code| format!("[{code}] "))
                .unwrap_or_default();
            output.data(&format!(
                "{state:<7} {:<13} {code}{}",
                output.told(check.name),
                output.told(&check.seen)
            ));
            if let Some(hint) = &check.hint {
                output.data(&format!(
                    "{:8}{:<13} {} {}",
                    "",
                    "",
                    output.t("hint:", "Tipp:"),
                    output.told(hint)
                ));
            }
        }
    }
    Ok(outcome(&trial).into())
}

/// What a script reads: why it does not work, by the code of what failed.
fn outcome(trial: &Trial) -> Exit {
    let failed = trial.checks.iter().find(|check| failed(check));
    match failed.and_then(|check| check.code) {
        _ if trial.works => Exit::Ok,
        Some(code) => exit_of(code),
        None => Exit::Unavailable,
    }
}
