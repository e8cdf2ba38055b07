//! `demo code`: a guided tour through one run.

use super::narrate::{Narrator, words};
use crate::commands::Context;
use crate::commands::run::{Manner, drive_with};
use crate::error::{CliError, Exit};
use crate::operator::operator;
use crate::view::Tone;
use keiko_app::Keiko;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) async fn run(
    context: &Context<'_>,
    keiko: &Keiko,
    yes: bool,
) -> Result<ExitCode, CliError> {
    let words = words(keiko.config().language());
    let tour = keiko.tour(&operator(), words.goal).await?;
    let (run, folder) = (tour.errand.run, tour.place.path().display());
    let say = |text: &str| context.output.say(text);
    words.before.iter().for_each(|line| say(line));
    if yes {
        say(words.yes);
    }
    say("");
    let output = *context.output;
    let answers = yes.then(|| (keiko.inbox(run), format!("{} (demo --yes)", operator())));
    let label = output.paint(Tone::Warn, &format!("{:>11}", words.label));
    let companion =
        Box::new(move |say| Arc::new(Narrator::new(words, label, say, answers)) as Arc<_>);
    let manner = Manner {
        answers: yes,
        companion: Some(companion),
        ..Manner::default()
    };
    let exit = drive_with(context, keiko, tour.errand, manner).await?;
    say("");
    if exit != Exit::Ok {
        say(&format!("{} {}", words.stopped, folder));
        return Ok(exit.into());
    }
    say(words.next);
    for (command, meaning) in words.commands {
        say(&format!(
            "  {:<44} {meaning}",
            command.replace("RUN", &run.to_string())
        ));
    }
    say(&format!("{} {}", words.folder, folder));
    Ok(exit.into())
}
