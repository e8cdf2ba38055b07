//! `demo crash`: a process that works on a run is killed with SIGKILL, again and again, and started anew. At the end
//! the journal is held against an account that was kept outside it.

use crate::commands::Context;
use crate::error::{CliError, Exit};
use crate::language::tr;
use crate::view::{Output, Tone, live};
use keiko_agent::describe;
use keiko_app::config::Config;
use keiko_app::demo::crash::{self, Crash, Meanwhile, Verdict};
use keiko_app::home::Home;
use keiko_contracts::action::Recovery;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Kills and resumes, and shows what the counts came to.
pub(super) async fn run(
    context: &Context<'_>,
    home: &Home,
    config: Config,
    rounds: u32,
) -> Result<ExitCode, CliError> {
    let say = |text: &str| context.output.say(text);
    let t = |english, german| context.output.t(english, german);
    say(t(
        "A scripted model works on a small repository. Its process is killed with SIGKILL at random points and started again.",
        "Ein Modell nach Drehbuch arbeitet an einem kleinen Repository. Sein Prozess wird an zufälligen Stellen mit SIGKILL beendet und neu gestartet.",
    ));
    say(t(
        "What was really done is counted outside Keiko: by the ports as they begin, and by a hook of the git remote.",
        "Was wirklich geschah, wird außerhalb von Keiko gezählt: an den Anschlüssen, bevor sie beginnen, und von einem Hook des Git-Remotes.",
    ));
    let mut number = 0;
    let verdict = crash::run(home, config, rounds, live::leave, |what| match what {
        Meanwhile::Begins(run) => {
            say("");
            say(&format!("{} {run}", t("Run", "Lauf")));
        }
        Meanwhile::Killed(crash) => {
            number += 1;
            say(&row(context.output, crash, number));
        }
        Meanwhile::Kept(place) => say(&tr!(
            context.output,
            "  kept in {}",
            "  aufbewahrt in {}",
            place.display()
        )),
    })
    .await?;
    say("");
    context.output.data(&table(context.output, &verdict));
    let exit = if verdict.holds() {
        Exit::Ok
    } else {
        Exit::CheckFailed
    };
    let (tone, word) = if verdict.holds() {
        (
            Tone::Good,
            t(
                "Nothing was lost, and nothing was done twice that may be done only once.",
                "Nichts ging verloren, und nichts geschah zweimal, was nur einmal geschehen darf.",
            ),
        )
    } else {
        (
            Tone::Bad,
            t(
                "The counts do not hold. Please report this, with the folder above.",
                "Die Zahlen stimmen nicht. Bitte melden Sie das mit dem oben genannten Ordner.",
            ),
        )
    };
    say(&context.output.paint(tone, word));
    Ok(exit.into())
}

/// As a row of the table that grows while the demonstration runs.
fn row(output: &Output, crash: &Crash, number: u32) -> String {
    let open = match crash.open.as_slice() {
        [] => output
            .t("nothing was under way", "nichts war unterwegs")
            .to_owned(),
        intents => {
            let each: Vec<String> = intents
                .iter()
                .map(|intent| {
                    format!(
                        "{} -> {}",
                        output.told(&describe::action(&intent.action)),
                        recovered(output, intent.recovery)
                    )
                })
                .collect();
            each.join("; ")
        }
    };
    tr!(
        output,
        "  kill {number:>3}  after {:>2} events  {open}",
        "  Kill {number:>3}  nach {:>2} Ereignissen  {open}",
        crash.events
    )
}

fn recovered(output: &Output, recovery: Recovery) -> &'static str {
    match recovery {
        Recovery::Repeat | Recovery::SameKey => output.t("done again", "noch einmal getan"),
        Recovery::Restore => output.t(
            "files put back, done again",
            "Dateien zurückgesetzt, noch einmal getan",
        ),
        Recovery::Probe => output.t("the remote is asked", "das Remote wird gefragt"),
        Recovery::Person => output.t("a person is asked", "ein Mensch wird gefragt"),
    }
}

/// The counts as a table.
fn table(output: &Output, verdict: &Verdict) -> String {
    let count = |n: u32, english, german| output.language().count(u64::from(n), english, german);
    let kills = count(verdict.kills, ["kill", "kills"], ["Kill", "Kills"]);
    let runs = count(verdict.runs, ["run", "runs"], ["Lauf", "Läufe"]);
    let effects = count(
        verdict.effects,
        ["effect", "effects"],
        ["Wirkung", "Wirkungen"],
    );
    let requests = count(
        verdict.requests,
        ["model request", "model requests"],
        ["Modellanfrage", "Modellanfragen"],
    );
    let mut out = tr!(
        output,
        "{kills}, {runs}, {effects}, of them {requests}; begun again because a kill fell between intent and outcome: {}\n",
        "{kills}, {runs}, {effects}, davon {requests}; neu begonnen, weil ein Kill zwischen Absicht und Ergebnis fiel: {}\n",
        verdict.again
    );
    let _ = writeln!(
        out,
        "  {:<42} {:>6} {:>9}",
        "",
        output.t("seen", "gezählt"),
        output.t("expected", "erwartet")
    );
    for (what, seen, due) in verdict.rows() {
        let mark = if seen == due {
            ""
        } else {
            output.t("   <- does not hold", "   <- stimmt nicht")
        };
        let _ = writeln!(out, "  {:<42} {seen:>6} {due:>9}{mark}", output.told(what));
    }
    for question in &verdict.asked {
        let _ = writeln!(
            out,
            "  {}: {}",
            output.t("asked", "gefragt"),
            output.told(question)
        );
    }
    out.trim_end().to_owned()
}
