//! Keiko: agents that write, test and repair code in a sandbox. The binary: its command line.

mod cli;
mod commands;
mod error;
mod language;
mod operator;
mod overview;
mod suggest;
mod usage;
mod view;

use std::process::ExitCode;

fn main() -> ExitCode {
    // This same binary is the first process inside a jail; then it must do nothing else.
    if let Some(code) = keiko_app::inner() {
        return code;
    }
    let cli = match overview::parse() {
        Ok(cli) => cli,
        Err(error) => return usage::told(&error),
    };
    let output = view::Output::new(cli.color, cli.json, cli.quiet);
    match commands::dispatch(cli, &output) {
        Ok(code) => code,
        Err(error) => error.report(&output.in_language(language::early())),
    }
}
