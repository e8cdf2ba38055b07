//! The commands by what they are for, as `keiko --help` lists them: clap knows one list only.

use crate::cli::Cli;
use crate::view::clean::wrapped;
use clap::builder::StyledStr;
use clap::{Command, CommandFactory as _, FromArgMatches as _};
use keiko_contracts::language::Language;
use std::fmt::Write as _;

/// What commands are for, in English and German, and which they are. A test holds them against the command line.
const GROUPS: [(&str, &str, &[&str]); 4] = [
    (
        "Work:",
        "Arbeiten:",
        &["up", "run", "plan", "resume", "demo"],
    ),
    ("Results:", "Ergebnisse:", &["runs"]),
    ("Control:", "Steuern:", &["approvals", "kill"]),
    (
        "Set-up:",
        "Einrichten:",
        &[
            "agents",
            "models",
            "config",
            "doctor",
            "completion",
            "man",
            "version",
            "help",
        ],
    ),
];
/// The width of a help text where no terminal says one, in columns, as clap has it.
const WIDTH: usize = 100;

/// Reads the command line.
///
/// # Errors
/// When it cannot be read, or asks for help.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    command.build();
    let mut command = grouped(command, Language::English);
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The command line, built, with a help that lists its commands by what they are for.
pub(crate) fn grouped(command: Command, language: Language) -> Command {
    let template = template(&command, language);
    command.help_template(template)
}

fn template(command: &Command, language: Language) -> StyledStr {
    let (head, word) = (
        command.get_styles().get_header(),
        command.get_styles().get_literal(),
    );
    let widest = command
        .get_subcommands()
        .map(|sub| sub.get_name().len())
        .max()
        .unwrap_or(0);
    let mut text = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    for (english, german, names) in GROUPS {
        let _ = writeln!(text, "\n{head}{}{head:#}", language.pick(english, german));
        for name in names {
            let Some(sub) = command.find_subcommand(name) else {
                continue;
            };
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let room = width().saturating_sub(widest + 4).max(20);
            let about = wrapped(&about, room, 0).join(&format!("\n{:1$}", "", widest + 4));
            let _ = writeln!(text, "  {word}{name:<widest$}{word:#}  {about}");
        }
    }
    let _ = write!(
        text,
        "\n{head}{}{head:#}\n{{options}}",
        language.pick("Options:", "Optionen:")
    );
    text.into()
}

/// Columns of the terminal, no more than are well read.
fn width() -> usize {
    crossterm::terminal::size().map_or(WIDTH, |(columns, _)| usize::from(columns).min(WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_in_one_group() {
        let mut command = Cli::command();
        command.build();
        let mut there: Vec<&str> = command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set())
            .map(Command::get_name)
            .collect();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|group| group.2).copied().collect();
        there.sort_unstable();
        listed.sort_unstable();
        assert_eq!(there, listed);
        let help = grouped(command, Language::English)
            .render_help()
            .to_string();
        for (english, _, names) in GROUPS {
            let after = help.split(&format!("\n{english}\n")).nth(1).unwrap();
            assert!(
                after.starts_with(&format!("  {} ", names[0])),
                "{english}: {help}"
            );
        }
    }
}
