//! `completion` and `man`: made from the command line's own definition.

use crate::cli::Cli;
use crate::error::CliError;
use clap::CommandFactory as _;
use keiko_contracts::code::{Code, Fault};
use std::io::Write as _;
use std::process::ExitCode;

pub(crate) fn run(shell: clap_complete::Shell) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keiko", &mut script);
    write(&script)
}

pub(crate) fn man() -> Result<ExitCode, CliError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Fault::new(Code(9009), format!("the manual page cannot be made: {error}")))?;
    write(&page)
}

/// A reader that has had enough is no error.
fn write(bytes: &[u8]) -> Result<ExitCode, CliError> {
    let _ = std::io::stdout().lock().write_all(bytes);
    Ok(ExitCode::SUCCESS)
}
