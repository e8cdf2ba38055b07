//! `demo code`: a guided tour through one run.

use super::narrate::{Narrator, words};
use super::{TOUR_MODEL, Yard, place, script_of};
use crate::commands::run::{Manner, drive_with};
use crate::commands::{Context, operator};
use crate::error::{CliError, Exit};
use crate::view::Tone;
use crate::wiring::{Keiko, random};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_runtime::drive::Order;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) async fn run(context: &Context<'_>, keiko: &Keiko, yes: bool) -> Result<ExitCode, CliError> {
    let language = keiko.config.language();
    let words = words(language);
    let place = place(&keiko.home, "tour")?;
    let yard = Yard::new(&place)?;
    let run = RunId::from_bytes(random()?);
    let start = yard.start(run, words.goal, TOUR_MODEL, language)?;
    let script = script_of(&start).ok_or_else(|| Fault::new(Code(9007), "the tour has no script"))??;
    let say = |text: &str| context.output.say(text);
    words.before.iter().for_each(|line| say(line));
    if yes {
        say(words.yes);
    }
    say("");
    let (output, journal) = (*context.output, keiko.journal.clone());
    let answers = yes.then(|| (journal, format!("{} (demo --yes)", operator())));
    let label = output.paint(Tone::Warn, &format!("{:>11}", words.label));
    let companion = Box::new(move |say| Arc::new(Narrator::new(run, words, label, say, answers)) as Arc<_>);
    let manner = Manner { answers: yes, companion: Some(companion), ..Manner::default() };
    let exit = drive_with(context, keiko, script, Order::Start(Box::new(start)), manner).await?;
    say("");
    if exit != Exit::Ok {
        say(&format!("{} {}", words.stopped, place.display()));
        return Ok(exit.into());
    }
    say(words.next);
    for (command, meaning) in words.commands {
        say(&format!("  {:<44} {meaning}", command.replace("RUN", &run.to_string())));
    }
    say(&format!("{} {}", words.folder, place.display()));
    Ok(exit.into())
}
