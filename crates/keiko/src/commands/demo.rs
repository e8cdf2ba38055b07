//! `demo`: Keiko at work with a scripted model. Everything but the model is real, and every record says so.

mod code;
mod crash;
mod narrate;

use super::Context;
use crate::cli::DemoCommand;
use crate::error::CliError;
use crate::operator::operator;
use crate::view::live;
use keiko_app::Keiko;
use keiko_app::config::Config;
use keiko_app::demo::crash::life;
use keiko_app::home::Home;
use std::process::ExitCode;

pub(crate) async fn run(
    context: &Context<'_>,
    home: Home,
    config: Config,
    command: DemoCommand,
) -> Result<ExitCode, CliError> {
    // The demonstration shows what Keiko does by itself, whatever this machine's policy says.
    let config = config.under_the_default_policy();
    match command {
        DemoCommand::Code { yes } => {
            let keiko = Keiko::open(home, config, live::leave)?;
            let done = code::run(context, &keiko, yes).await;
            keiko.close().await;
            done
        }
        DemoCommand::Crash { rounds } => crash::run(context, &home, config, rounds).await,
        DemoCommand::Life { place, run } => {
            let end = life(&home, config, &place, &run, live::leave, &operator()).await?;
            Ok(ExitCode::from(end as u8))
        }
    }
}
