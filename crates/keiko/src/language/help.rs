//! The command line's help and its errors in German. English is clap's own.

use super::Tell as _;
use clap::builder::{PossibleValue, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory as _};
use keiko_contracts::language::Language;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

const FILE: &str = include_str!("../../lang/de/help.toml");

/// The tables of the file.
struct Texts(BTreeMap<String, BTreeMap<String, String>>);

impl Texts {
    fn read() -> Texts {
        // Part of the program; a test reads it, too.
        Texts(toml::from_str(FILE).unwrap_or_default())
    }
    fn get(&self, table: &str, key: &str) -> Option<&str> {
        self.0.get(table)?.get(key).map(String::as_str)
    }
    fn about(&self, path: &str) -> Option<&str> {
        self.get(path, "about")
    }
    fn argument(&self, path: &str, id: &str) -> Option<&str> {
        self.get(path, id).or_else(|| self.get("arguments", id))
    }
    /// Clap's own words.
    fn fixed(&self, text: &str) -> String {
        let table = self.0.get("fixed").into_iter().flatten();
        table.fold(text.to_owned(), |text, (english, german)| {
            text.replace(english.as_str(), german)
        })
    }
}

/// What an error of the command line says, in German: the command line is read again with German texts.
pub(crate) fn german(english: &clap::Error) -> String {
    let texts = Texts::read();
    let mut command = command(&texts);
    let error = match command.try_get_matches_from_mut(std::env::args_os()) {
        Err(error) => error,
        // It was understood this time, which the same words cannot be; then the English error stands.
        Ok(_) => return styled(english),
    };
    match error.kind() {
        ErrorKind::DisplayVersion => styled(english),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            texts.fixed(&styled(&error))
        }
        _ => sentence(&texts, &error),
    }
}

/// The text of an error, with colours only where they belong.
pub(crate) fn styled(error: &clap::Error) -> String {
    let terminal = if error.use_stderr() {
        std::io::stderr().is_terminal()
    } else {
        std::io::stdout().is_terminal()
    };
    let plain = !terminal || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let text = error.render();
    if plain {
        text.to_string()
    } else {
        text.ansi().to_string()
    }
}

/// The command line with German texts.
fn command(texts: &Texts) -> Command {
    let mut command = crate::cli::Cli::command();
    command.build();
    crate::overview::grouped(localised(command, "keiko", texts), Language::German)
}

fn localised(command: Command, path: &str, texts: &Texts) -> Command {
    // `keiko help run` tells about `keiko run`.
    let about = if command.get_name() == "help" {
        texts.about("keiko help")
    } else {
        texts.about(&path.replacen(" help ", " ", 1))
    };
    let command = match about {
        Some(about) => command.about(about.to_owned()).long_about(None),
        None => command,
    };
    let command = command.mut_args(|arg| argument(arg, path, texts));
    command.mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name());
        localised(sub, &path, texts)
    })
}

fn argument(arg: Arg, path: &str, texts: &Texts) -> Arg {
    let names: Vec<String> = arg
        .get_value_names()
        .into_iter()
        .flatten()
        .map(|name| value_name(texts, name))
        .collect();
    let Some(help) = texts.argument(path, arg.get_id().as_str()) else {
        return arg;
    };
    if !arg.get_action().takes_values() {
        return arg.help(help.to_owned()).long_help(None);
    }
    // What clap would add in English, and break over lines.
    let default: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().tell(Language::German).into_owned())
        .collect();
    let default = if default.is_empty() {
        String::new()
    } else {
        format!(" [Vorgabe: {}]", default.join(" "))
    };
    let possible = arg.get_possible_values();
    let shown: Vec<&str> = possible
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(PossibleValue::get_name)
        .collect();
    let listed = if shown.is_empty() {
        String::new()
    } else {
        format!(" [möglich: {}]", shown.join(", "))
    };
    let mut long = format!("{help}{default}");
    let meanings = shown
        .iter()
        .filter_map(|word| Some((word, texts.get("possible", word)?)));
    let meanings: String = meanings
        .map(|(word, meaning)| format!("\n- {word}: {meaning}"))
        .collect();
    let explained = possible.iter().any(|value| value.get_help().is_some());
    long.push_str(&if explained {
        format!("\n\nMögliche Werte:{meanings}")
    } else {
        listed.clone()
    });
    let arg = arg
        .help(format!("{help}{default}{listed}"))
        .hide_default_value(true)
        .hide_possible_values(true);
    let arg = if explained { arg.long_help(long) } else { arg };
    if names.is_empty() {
        arg
    } else {
        arg.value_names(names)
    }
}

fn value_name(texts: &Texts, english: &str) -> String {
    texts.get("values", english).unwrap_or(english).to_owned()
}

/// What is wrong with a command line, and what helps.
fn sentence(texts: &Texts, error: &clap::Error) -> String {
    let said = |kind| error.get(kind).map(words).unwrap_or_default();
    let list = |kind| said(kind).join(", ");
    let argument = list(ContextKind::InvalidArg);
    let what = match error.kind() {
        ErrorKind::UnknownArgument => format!("Das Argument »{argument}« ist unbekannt"),
        ErrorKind::InvalidSubcommand => format!(
            "Den Befehl »{}« gibt es nicht",
            list(ContextKind::InvalidSubcommand)
        ),
        ErrorKind::InvalidValue if list(ContextKind::InvalidValue).is_empty() => {
            format!("Für »{argument}« fehlt ein Wert")
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error)
                .map(|why| format!(": {}", wrong_value(why)))
                .unwrap_or_default();
            format!(
                "Der Wert »{}« passt nicht zu »{argument}«{why}",
                list(ContextKind::InvalidValue)
            )
        }
        ErrorKind::MissingRequiredArgument => format!("Es fehlt: {argument}"),
        ErrorKind::MissingSubcommand => "Es fehlt ein Befehl".to_owned(),
        ErrorKind::ArgumentConflict
            if list(ContextKind::PriorArg).is_empty()
                || list(ContextKind::PriorArg) == argument =>
        {
            format!("»{argument}« steht mehr als einmal da oder verträgt sich nicht mit anderem")
        }
        ErrorKind::ArgumentConflict => format!(
            "»{argument}« verträgt sich nicht mit »{}«",
            list(ContextKind::PriorArg)
        ),
        ErrorKind::NoEquals => format!("Bei »{argument}« fehlt ein Gleichheitszeichen"),
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("»{argument}« hat die falsche Anzahl von Werten")
        }
        ErrorKind::InvalidUtf8 => "Ein Argument ist kein UTF-8-Text".to_owned(),
        _ => format!("Die Befehlszeile ist nicht verständlich: {}", error.kind()),
    };
    let mut out = format!("Fehler: {what}\n");
    let valid = list(ContextKind::ValidValue);
    if !valid.is_empty() {
        let _ = writeln!(out, "  [möglich: {valid}]");
    }
    let meant = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ]
    .map(said)
    .concat();
    if !meant.is_empty() {
        let meant: Vec<String> = meant.iter().map(|word| format!("»{word}«")).collect();
        let _ = writeln!(out, "\n  Tipp: Meinten Sie {}?", meant.join(" oder "));
    } else if error.kind() == ErrorKind::UnknownArgument
        && error.get(ContextKind::Suggested).is_some()
    {
        let _ = writeln!(
            out,
            "\n  Tipp: Ein Wert, der mit einem Strich beginnt, steht nach »--«: »-- {argument}«"
        );
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let _ = writeln!(out, "\n{}", texts.fixed(&usage.to_string()));
    }
    out.push_str("\nMehr dazu sagt »--help«.\n");
    out
}

/// What clap knows about an error, as words.
fn words(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::String(word) => vec![word.clone()],
        ContextValue::Strings(words) => words.clone(),
        ContextValue::StyledStr(text) => vec![text.to_string()],
        ContextValue::StyledStrs(texts) => texts.iter().map(StyledStr::to_string).collect(),
        ContextValue::Number(number) => vec![number.to_string()],
        _ => Vec::new(),
    }
}

/// Why a value does not fit: in the words of ours, or of clap, of which one is known.
fn wrong_value(why: &(dyn std::error::Error + 'static)) -> String {
    if let Some(id) = why.downcast_ref::<keiko_contracts::id::InvalidId>() {
        return id.said().told(&super::teller(Language::German));
    }
    let words = why.to_string();
    match words.split_once(" is not in ") {
        Some((n, range)) => format!("{n} liegt nicht in {range}"),
        None => words.tell(Language::German).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command that people see, with its path, `help` and what is below it left out.
    fn each(command: &Command, path: &str, see: &mut dyn FnMut(&Command, &str)) {
        see(command, path);
        for sub in command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
        {
            each(sub, &format!("{path} {}", sub.get_name()), see);
        }
    }

    #[test]
    fn every_command_and_argument_has_german() {
        let texts = Texts::read();
        let (mut missing, mut known) = (
            Vec::new(),
            vec!["values", "possible", "fixed", "arguments", "keiko help"]
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        );
        let mut command = crate::cli::Cli::command();
        command.build();
        each(&command, "keiko", &mut |command, path| {
            known.push(path.to_owned());
            if texts.about(path).is_none() {
                missing.push(path.to_owned());
            }
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                if texts.argument(path, arg.get_id().as_str()).is_none() {
                    missing.push(format!("{path}: {}", arg.get_id()));
                }
                for name in arg
                    .get_value_names()
                    .into_iter()
                    .flatten()
                    .filter(|_| arg.get_action().takes_values())
                {
                    if texts.get("values", name).is_none() {
                        missing.push(format!("[values] {name}"));
                    }
                }
                for value in arg
                    .get_possible_values()
                    .iter()
                    .filter(|value| value.get_help().is_some())
                {
                    if texts.get("possible", value.get_name()).is_none() {
                        missing.push(format!("[possible] {}", value.get_name()));
                    }
                }
            }
        });
        assert_eq!(
            missing,
            Vec::<String>::new(),
            "lang/de/help.toml lacks these"
        );
        let stale: Vec<&String> = texts
            .0
            .keys()
            .filter(|table| !known.contains(table))
            .collect();
        assert!(
            stale.is_empty(),
            "lang/de/help.toml tells of commands that there are not: {stale:?}"
        );
    }

    #[test]
    fn nothing_english_is_left_in_the_german_help() {
        let texts = Texts::read();
        let mut command = command(&texts);
        let mut paths = Vec::new();
        each(&command, "keiko", &mut |_, path| {
            paths.push(path.to_owned())
        });
        for path in paths {
            for flag in ["-h", "--help"] {
                let error = command
                    .try_get_matches_from_mut(path.split(' ').chain([flag]))
                    .unwrap_err();
                let text = texts.fixed(&error.render().to_string());
                for english in [
                    "Usage",
                    "Options",
                    "Commands:",
                    "Arguments",
                    "default:",
                    "possible",
                    "Print",
                    "aliases",
                    "see more",
                    " the ",
                ] {
                    assert!(!text.contains(english), "{path} {flag}: {english}\n{text}");
                }
            }
        }
    }
}
