//! A command line that cannot be read: told to people in their language, with its code, and to programs as data.

use crate::error::{CliError, Exit};
use crate::language::{self, Tell as _, help};
use crate::suggest;
use crate::view::program::as_typed;
use crate::view::{Color, Output};
use clap::error::ErrorKind;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::language::Language;
use std::io::Write as _;
use std::process::ExitCode;

/// The code of a command line that cannot be read.
const USAGE: Code = Code::COMMAND_LINE;

/// A command line that cannot be read: clap says why. Help and version are no errors.
pub(crate) fn told(error: &clap::Error) -> ExitCode {
    let meant = suggest::instead(error);
    if error.use_stderr() && asks_for_json() {
        let output = Output::new(Color::Never, true, false);
        return CliError::from(usage_fault(error, meant)).report(&output);
    }
    let language = language::early();
    let text = match language {
        Language::English => help::styled(error),
        Language::German => help::german(error),
    };
    // A closed pipe is no reason to complain.
    if error.use_stderr() {
        let text = coded(&text, language.pick("error", "Fehler"));
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    } else {
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
    if let Some(meant) = meant {
        let hint = language.pick("hint", "Tipp");
        let meant = meant.tell(language);
        let _ = writeln!(std::io::stderr().lock(), "\n  {hint}: {}", as_typed(&meant));
    }
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Ok.into()
    }
}

/// The code, behind the word that an error begins with. A help text, shown because a command is missing, begins otherwise.
fn coded(text: &str, word: &str) -> String {
    let place = text
        .lines()
        .next()
        .and_then(|line| line.find(&format!("{word}:")));
    match place {
        Some(at) => format!(
            "{}[{USAGE}]{}",
            &text[..at + word.len()],
            &text[at + word.len()..]
        ),
        None => text.to_owned(),
    }
}

/// Whether `--json` is among the words that could not be read.
fn asks_for_json() -> bool {
    std::env::args_os()
        .skip(1)
        .take_while(|word| word != "--")
        .any(|word| word == "--json")
}

/// A command line that cannot be read, as data: what clap says in its first lines, and what would be right.
fn usage_fault(error: &clap::Error, meant: Option<String>) -> Fault {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let said = words.join(" ");
    let message = match said.strip_prefix("error: ") {
        Some(said) if error.kind() != ErrorKind::MissingSubcommand => said.to_owned(),
        // Clap shows the help then, or lists all commands.
        _ => "a command is missing".to_owned(),
    };
    let usage = || {
        text.lines()
            .find_map(|line| line.strip_prefix("Usage: "))
            .map(str::to_owned)
    };
    let tip = || {
        text.lines()
            .find_map(|line| line.trim_start().strip_prefix("tip: "))
            .map(str::to_owned)
    };
    let hint = meant
        .or_else(tip)
        .or_else(usage)
        .unwrap_or_else(|| "keiko --help".to_owned());
    Fault::new(USAGE, message).hint(hint)
}
