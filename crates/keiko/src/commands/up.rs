//! `up`: for now, the main job. Without a model it examines a repository; with one it also says what to try.

use super::{Context, goal, installing, run};
use crate::cli::UpArgs;
use crate::error::CliError;
use crate::language::tr;
use crate::wiring::{Keiko, random};
use keiko_contracts::agent::Agent;
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::run::StartRun;
use keiko_runtime::drive::Order;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    args: &UpArgs,
) -> Result<ExitCode, CliError> {
    let around = || goal::project(keiko.home.user.as_deref()).filter(|dir| !is_own(dir));
    let found = args
        .workspace
        .clone()
        .or_else(|| if args.sample { None } else { around() });
    let dir = match &found {
        Some(dir) => dir.clone(),
        None => sample(&keiko.home.data)?,
    };
    let source = goal::folder(&dir, keiko.home.user.as_deref(), true)?;
    if found.is_none() {
        context.output.say(context.output.t(
            "Examining the sample that comes with Keiko. For a repository of yours: keiko up --workspace DIR",
            "Das mitgelieferte Beispiel wird untersucht. Für ein eigenes Repository: keiko up --workspace ORDNER",
        ));
    } else if args.workspace.is_none() {
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
    let goal = context.output.t(
        "Examine this repository: tests, linters, suspects, repairs.",
        "Dieses Repository untersuchen: Tests, Linter, verdächtige Zeilen, Reparaturen.",
    );
    let start = StartRun {
        install: installing::at_start(keiko, &args.install, Some(&source)),
        source: Some(source),
        limits: keiko.config.run.limits()?,
        approval: keiko.config.run.approval,
        language: keiko.config.language(),
        ..StartRun::new(
            RunId::from_bytes(random()?),
            super::operator(),
            goal,
            Agent::Doctor.into(),
        )
    };
    let models = Arc::new(keiko.config.models()?);
    let code = run::drive(
        context,
        keiko,
        models,
        Order::Start(Box::new(start)),
        args.jsonl,
    )
    .await?;
    // What to try next is advice: a model that is set up badly must not make a good run look failed.
    if code == ExitCode::SUCCESS
        && let Err(error) = what_next(context, keiko).await
    {
        context.output.fault(&error.fault);
    }
    Ok(code)
}

async fn what_next(context: &Context<'_>, keiko: &Keiko) -> Result<(), CliError> {
    let found = super::models::found(&keiko.config).await?;
    let say = |text: &str| context.output.say(text);
    let t = |english, german| context.output.t(english, german);
    say("");
    match found {
        Some(model) => {
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
        None => {
            say(t(
                "That was done by rules, without a language model. With one, Keiko writes and repairs code.",
                "Das geschah nach Regeln, ohne Sprachmodell. Mit einem schreibt und repariert Keiko Code.",
            ));
            // Whoever has a key already lacks a model's name only.
            match super::models::named_by_key() {
                Some(hint) => say(&tr!(
                    context.output,
                    "No model is chosen yet. {}",
                    "Es ist noch kein Modell gewählt. {}",
                    context.output.told(&hint)
                )),
                None if told_before(&keiko.home.data) => {
                    say(t(
                        "How to configure one: keiko models list",
                        "So richten Sie eines ein: keiko models list",
                    ));
                }
                None => {
                    say(t(
                        "Three ways to configure one:",
                        "Drei Wege, eines einzurichten:",
                    ));
                    super::models::three_ways()
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
    Ok(())
}

/// The ways to a model were told before; from now on they were. Where that cannot be noted, they are told again.
fn told_before(data: &Path) -> bool {
    let mark = data.join("ways-told");
    mark.exists() || {
        drop(std::fs::write(mark, ""));
        false
    }
}

/// Keiko's own sources: who builds Keiko there wants to see it at work, and its tests take long.
fn is_own(dir: &Path) -> bool {
    let manifest = keiko_workspace::workspace::read_small(&dir.join("crates/keiko/Cargo.toml"))
        .unwrap_or_default();
    manifest
        .lines()
        .any(|line| line.trim() == "name = \"keiko\"")
}

/// Unpacks the sample with its history, once.
fn sample(data: &Path) -> Result<PathBuf, Fault> {
    crate::sample::unpack(&data.join("sample"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_sources_are_ours() {
        assert!(is_own(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")));
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_own(dir.path()));
        std::fs::create_dir_all(dir.path().join("crates/keiko")).unwrap();
        std::fs::write(
            dir.path().join("crates/keiko/Cargo.toml"),
            "[package]\nname = \"keiko-client\"\n",
        )
        .unwrap();
        assert!(!is_own(dir.path()));
    }
}
