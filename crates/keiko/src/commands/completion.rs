//! `completion` and `man`: made from the command line's own definition.

use crate::cli::Cli;
use crate::error::CliError;
use clap::CommandFactory as _;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::say;
use keiko_contracts::step::Step;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(shell: clap_complete::Shell) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keiko", &mut script);
    write(&script)
}

/// The page of a command, or all pages into a folder.
pub(crate) fn man(words: &[String], dir: Option<&Path>) -> Result<ExitCode, CliError> {
    if let Some(dir) = dir {
        let unwritten = |error: std::io::Error| {
            Fault::new(
                Code::MANUAL_PAGE_NOT_MADE,
                say!("the manual pages cannot be written: {error}", error),
            )
            .at(dir.display())
            .hint(Step::shell(format!("ls -ld {}", dir.display())))
        };
        std::fs::create_dir_all(dir).map_err(unwritten)?;
        clap_mangen::generate_to(Cli::command(), dir).map_err(unwritten)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = Cli::command();
    command.build();
    for word in words {
        let names: Vec<&str> = command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set())
            .map(clap::Command::get_name)
            .collect();
        let found = command.find_subcommand(word).cloned();
        let missing = || {
            Fault::new(
                Code::NO_MANUAL_PAGE,
                say!(
                    "there is no command {word} to have a page",
                    word = format_args!("{word:?}")
                ),
            )
            .hint(say!("one of {names}", names = names.join(", ")))
        };
        command = found.ok_or_else(missing)?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| {
            Fault::new(
                Code::MANUAL_PAGE_NOT_MADE,
                say!("the manual page cannot be made: {error}", error),
            )
        })?;
    write(&page)
}

/// A reader that has had enough is no error.
fn write(bytes: &[u8]) -> Result<ExitCode, CliError> {
    let _ = std::io::stdout().lock().write_all(bytes);
    Ok(ExitCode::SUCCESS)
}
