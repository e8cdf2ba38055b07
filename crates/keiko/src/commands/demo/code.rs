//! `demo code`: a guided tour through one run.

use super::narrate::{Narrator, words};
use super::{Place, TOUR_MODEL, Yard, script_of};
use crate::commands::run::{Manner, drive_with};
use crate::commands::{Context, operator};
use crate::error::{CliError, Exit};
use crate::view::Tone;
use crate::wiring::{Keiko, random, read_fault};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::run::RunStatus;
use keiko_contracts::run::{EndStatus, RunRow};
use keiko_ports::journal::{Journal as _, ViewQuery};
use keiko_runtime::drive::Order;
use keiko_runtime::views;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    yes: bool,
) -> Result<ExitCode, CliError> {
    let language = keiko.config.language();
    let words = words(language);
    let needed = open_tours(keiko).await?;
    let place = Place::new(&keiko.home, "tour", |path| {
        needed.iter().any(|source| source.starts_with(path))
    })?;
    let yard = Yard::new(&place.path)?;
    let run = RunId::from_bytes(random()?);
    let start = yard.start(run, words.goal, TOUR_MODEL, language)?;
    let script = script_of(&start)
        .ok_or_else(|| Fault::new(Code::BUILT_IN_NAME, "the tour has no script"))??;
    let say = |text: &str| context.output.say(text);
    words.before.iter().for_each(|line| say(line));
    if yes {
        say(words.yes);
    }
    say("");
    let (output, journal) = (*context.output, keiko.journal.clone());
    let answers = yes.then(|| (journal, format!("{} (demo --yes)", operator())));
    let label = output.paint(Tone::Warn, &format!("{:>11}", words.label));
    let companion =
        Box::new(move |say| Arc::new(Narrator::new(run, words, label, say, answers)) as Arc<_>);
    let manner = Manner {
        answers: yes,
        companion: Some(companion),
        ..Manner::default()
    };
    let exit = drive_with(
        context,
        keiko,
        script,
        Order::Start(Box::new(start)),
        manner,
    )
    .await?;
    say("");
    if exit != Exit::Ok {
        say(&format!("{} {}", words.stopped, place.path.display()));
        return Ok(exit.into());
    }
    say(words.next);
    for (command, meaning) in words.commands {
        say(&format!(
            "  {:<44} {meaning}",
            command.replace("RUN", &run.to_string())
        ));
    }
    say(&format!("{} {}", words.folder, place.path.display()));
    Ok(exit.into())
}

/// The repositories of runs that have not ended: whoever takes one up again needs it, and its remote.
async fn open_tours(keiko: &Keiko) -> Result<Vec<PathBuf>, CliError> {
    let query = ViewQuery {
        newest_first: true,
        limit: 1_000,
        ..ViewQuery::default()
    };
    let rows = keiko
        .journal
        .view_list(views::RUNS, query)
        .await
        .map_err(read_fault)?;
    let rows = rows
        .iter()
        .filter_map(|row| serde_json::from_slice::<RunRow>(&row.body).ok());
    let ended = [
        EndStatus::Succeeded,
        EndStatus::Unverified,
        EndStatus::Failed,
        EndStatus::Refused,
        EndStatus::Cancelled,
    ]
    .map(RunStatus::from);
    Ok(rows
        .filter(|row| row.demo && !ended.contains(&row.state))
        .filter_map(|row| row.workspace.map(PathBuf::from))
        .collect())
}
