//! One command, one file.

mod agents;
mod approvals;
mod completion;
mod config;
mod demo;
mod doctor;
mod goal;
mod kill;
mod models;
mod plan;
mod prune;
mod run;
mod runs;
mod up;
mod version;

use crate::cli::{AgentsCommand, Cli, Command};
use crate::error::CliError;
use crate::language;
use crate::view::{Output, attended, live};
use keiko_app::Keiko;
use keiko_app::config::Config;
use keiko_app::home::Home;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::language::Language;
use keiko_contracts::say;
use std::process::ExitCode;

/// What every command gets.
pub(crate) struct Context<'a> {
    pub(crate) output: &'a Output,
    pub(crate) attended: bool,
}

/// Carries out a command.
pub(crate) fn dispatch(cli: Cli, output: &Output) -> Result<ExitCode, CliError> {
    let lang = cli.lang.map(Language::from);
    let context = Context {
        output,
        attended: attended() && !cli.no_input && !cli.json,
    };
    match cli.command {
        Command::Version => version::run(output),
        Command::Completion { shell } => completion::run(shell),
        Command::Man { command, dir } => completion::man(&command, dir.as_deref()),
        Command::Config { command } => config::run(
            &Context {
                output: &output.in_language(language::early()),
                ..context
            },
            command,
        ),
        // Without a home or with a broken configuration, this is what people turn to.
        Command::Doctor(args) => {
            let context = Context {
                output: &output.in_language(language::early()),
                ..context
            };
            runtime()?.block_on(doctor::run(&context, &args))
        }
        command => {
            let home = Home::find()?;
            let mut config = match Config::load(&home) {
                // Stopping must work whatever somebody wrote into a file, a repository's keiko.toml above all.
                Err(fault) if matches!(command, Command::Kill(_)) => {
                    output.in_language(language::early()).fault(&fault);
                    Config::default()
                }
                loaded => loaded?,
            };
            start_log(&config);
            config.speak(lang);
            let output = output.in_language(config.language());
            let context = Context {
                output: &output,
                ..context
            };
            runtime()?.block_on(with_home(&context, home, config, command))
        }
    }
}

async fn with_home(
    context: &Context<'_>,
    home: Home,
    config: Config,
    command: Command,
) -> Result<ExitCode, CliError> {
    match command {
        Command::Plan {
            goal,
            more,
            workspace,
        } => plan::run(context, &home, (&goal, &more), workspace),
        Command::Agents { command } if !matches!(command, Some(AgentsCommand::Test { .. })) => {
            agents::run(context, &home, command.unwrap_or_default())
        }
        Command::Models { command } => {
            models::run(context, &home, &config, command.unwrap_or_default()).await
        }
        Command::Demo { command } => {
            demo::run(context, home, config, command.unwrap_or_default()).await
        }
        command => {
            let keiko = match (Keiko::open(home.clone(), config, live::leave), &command) {
                // Stopping must work whatever became of the journal.
                (Err(error), Command::Kill(args)) if args.all => {
                    return kill::directly(context, &home, args, &error).await;
                }
                (opened, _) => opened?,
            };
            let done = with_journal(context, &keiko, command).await;
            keiko.close().await;
            done
        }
    }
}

async fn with_journal(
    context: &Context<'_>,
    keiko: &Keiko,
    command: Command,
) -> Result<ExitCode, CliError> {
    match command {
        Command::Up(args) => up::run(context, keiko, &args).await,
        Command::Run(args) => run::start(context, keiko, &args).await,
        Command::Resume(args) => run::resume(context, keiko, &args).await,
        Command::Runs { command } => runs::run(context, keiko, command.unwrap_or_default()).await,
        Command::Approvals { command } => {
            approvals::run(context, keiko, command.unwrap_or_default()).await
        }
        Command::Kill(args) => kill::run(context, keiko, &args).await,
        Command::Agents { command } => {
            agents::test(context, keiko, command.unwrap_or_default()).await
        }
        Command::Doctor(_)
        | Command::Plan { .. }
        | Command::Models { .. }
        | Command::Config { .. }
        | Command::Demo { .. }
        | Command::Completion { .. }
        | Command::Man { .. }
        | Command::Version => Ok(ExitCode::SUCCESS),
    }
}

/// One thread: everything here waits for others. Blocking work has threads of its own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Fault::new(Code::CANNOT_START, say!("cannot start: {error}", error)).into()
        })
}

/// Logs go to stderr, and only when asked for: `KEIKO_LOG=info`, `log.format = "json"`.
fn start_log(config: &Config) {
    let filter = std::env::var("KEIKO_LOG").unwrap_or_else(|_| config.log.level.clone());
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_default();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE);
    let started = if config.log.json {
        builder.json().try_init()
    } else {
        builder.with_ansi(false).try_init()
    };
    drop(started);
}
