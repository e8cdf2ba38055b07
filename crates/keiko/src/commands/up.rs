//! `up`: for now, the main job. Without a model it examines a repository; with one it also says what to try.

use super::{Context, goal, run};
use crate::cli::UpArgs;
use crate::error::{CliError, Exit};
use crate::language::tr;
use crate::operator::operator;
use keiko_app::Keiko;
use keiko_app::examine::{Examined, Next};
use keiko_app::models;
use std::process::ExitCode;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &UpArgs,
) -> Result<ExitCode, CliError> {
    let what = keiko.to_examine(args.workspace.clone(), args.sample)?;
    let errand = keiko.examine(&what, &operator(), goal::install(&args.install))?;
    say_what(context, &what);
    let exit = run::drive(context, keiko, errand, args.jsonl).await?;
    // What to try next is advice: a model that is set up badly must not make a good run look failed.
    if exit == Exit::Ok {
        match keiko.what_next().await {
            Ok(next) => say_next(context, &next),
            Err(fault) => context.output.fault(&fault),
        }
    }
    Ok(exit.into())
}

fn say_what(context: &Context<'_>, what: &Examined) {
    match what {
        Examined::Sample(_) => context.output.say(context.output.t(
            "Examining the sample that comes with Keiko. For a repository of yours: keiko up --workspace DIR",
            "Das mitgelieferte Beispiel wird untersucht. Für ein eigenes Repository: keiko up --workspace ORDNER",
        )),
        Examined::Around(dir) => {
            let (examining, sample) = (
                context.output.t(
                    "Examining the project around you",
                    "Untersucht wird das Projekt, in dem Sie stehen",
                ),
                context.output.t(
                    "The sample instead: keiko up --sample",
                    "Stattdessen das Beispiel: keiko up --sample",
                ),
            );
            context
                .output
                .say(&format!("{examining}: {}. {sample}", dir.display()));
        }
        Examined::Named(_) => {}
    }
}

fn say_next(context: &Context<'_>, next: &Next) {
    let say = |text: &str| context.output.say(text);
    let t = |english, german| context.output.t(english, german);
    say("");
    match next {
        Next::Model(model) => {
            say(&tr!(
                context.output,
                "A model is there: {model}. Try:",
                "Ein Modell ist da: {model}. Versuchen Sie:"
            ));
            say(t(
                "  keiko run \"Fix the failing tests and add a test for leap years\" --workspace DIR --budget 0.50",
                "  keiko run \"Repariere die roten Tests und ergänze einen Test für Schaltjahre\" --workspace ORDNER --budget 0.50",
            ));
        }
        Next::Name(_) | Next::NoModel { .. } => {
            say(t(
                "That was done by rules, without a language model. With one, Keiko writes and repairs code.",
                "Das geschah nach Regeln, ohne Sprachmodell. Mit einem schreibt und repariert Keiko Code.",
            ));
            match next {
                Next::Name(hint) => say(&tr!(
                    context.output,
                    "No model is chosen yet. {}",
                    "Es ist noch kein Modell gewählt. {}",
                    context.output.told(hint)
                )),
                Next::NoModel { told: true } => say(t(
                    "How to configure one: keiko models list",
                    "So richten Sie eines ein: keiko models list",
                )),
                _ => {
                    say(t(
                        "Three ways to configure one:",
                        "Drei Wege, eines einzurichten:",
                    ));
                    models::three_ways()
                        .iter()
                        .for_each(|way| say(&format!("  {}", context.output.told(way))));
                }
            }
        }
    }
    say(t(
        "Also: keiko demo code (a guided tour), keiko runs list, keiko doctor, keiko --help",
        "Außerdem: keiko demo code (ein Rundgang), keiko runs list, keiko doctor, keiko --help",
    ));
}
