//! `doctor`: looks at what Keiko needs on this machine, tries the sandbox for real, and says what to do.

use super::Context;
use crate::cli::DoctorArgs;
use crate::error::{CliError, Exit};
use crate::language::tr;
use crate::view::Output;
use keiko_app::doctor::{self, Meanwhile, Row, State};
use keiko_app::home::Home;
use std::process::ExitCode;

pub(crate) async fn run(context: &Context<'_>, args: &DoctorArgs) -> Result<ExitCode, CliError> {
    let output = context.output;
    let found = doctor::examine(Home::find(), args.fix, &mut |what| tell(output, what)).await?;
    if output.json() {
        output.json_data(&found)?;
    } else {
        found.mended.iter().for_each(|what| {
            output.say(&tr!(output, "mended: {}", "behoben: {}", output.told(what)));
        });
        found.checks.iter().for_each(|row| show(output, row));
        let is_broken = |row: &&Row| row.state == State::Broken;
        let word = match found.checks.iter().filter(is_broken).count() {
            0 => output
                .t("Nothing is broken.", "Es ist alles in Ordnung.")
                .to_owned(),
            n => tr!(
                output,
                "{n} broken. `keiko doctor --fix` mends what it can.",
                "{n}-mal defekt. `keiko doctor --fix` behebt, was sich beheben lässt."
            ),
        };
        output.say(&word);
    }
    Ok(if found.ok {
        Exit::Ok
    } else {
        Exit::CheckFailed
    }
    .into())
}

/// What happens meanwhile.
fn tell(output: &Output, what: Meanwhile) {
    match what {
        Meanwhile::Escaping => output.say(output.t(
            "Trying to break out of the sandbox …",
            "Ausbruchsversuche aus der Sandbox …",
        )),
        Meanwhile::Installing(packages) => output.say(&tr!(
            output,
            "Installing {packages} …",
            "{packages} wird installiert …"
        )),
        Meanwhile::NeedsRoot(command) => output.say(&tr!(
            output,
            "Packages need root. Type: {command}",
            "Pakete brauchen root. Tippen Sie: {command}"
        )),
        Meanwhile::NoApt(packages) => output.say(&tr!(
            output,
            "There is no apt-get here. Install with your package manager: {packages}",
            "Hier gibt es kein apt-get. Installieren Sie mit Ihrer Paketverwaltung: {packages}"
        )),
        Meanwhile::NotInstalled(command) => output.warn(&tr!(
            output,
            "the packages could not be installed. Try it yourself: {command}",
            "Die Pakete ließen sich nicht installieren. Versuchen Sie es selbst: {command}"
        )),
        Meanwhile::NotPrivate { path, why } => output.warn(&format!("{path}: {why}")),
    }
}

fn show(output: &Output, row: &Row) {
    let state = match row.state {
        State::Ok => "ok",
        State::Warn => output.t("warn", "Warnung"),
        State::Missing => output.t("missing", "fehlt"),
        State::Broken => output.t("BROKEN", "DEFEKT"),
    };
    output.data(&format!(
        "{state:<8} {:<22} {}",
        output.told(&row.name),
        output.told(&row.seen)
    ));
    if let Some(todo) = &row.todo {
        output.data(&format!(
            "{:8} {:<22} -> {}",
            "",
            "",
            crate::view::program::as_typed(&output.told(todo))
        ));
    }
}
