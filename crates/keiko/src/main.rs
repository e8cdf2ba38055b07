//! Keiko: agents that write, test and repair code in a sandbox. The binary: command line, configuration, wiring.

mod cli;
mod commands;
mod config;
mod error;
mod halt;
mod holdings;
mod home;
mod language;
mod memory;
mod retention;
mod roles;
mod sample;
mod suggest;
mod usage;
mod view;
mod wiring;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // This same binary is the first process inside a jail; then it must do nothing else.
    if let Some(code) = roles::inner() {
        return code;
    }
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::told(&error),
    };
    let output = view::Output::new(cli.color, cli.json, cli.quiet);
    match commands::dispatch(cli, &output) {
        Ok(code) => code,
        Err(error) => error.report(&output.in_language(language::early())),
    }
}
