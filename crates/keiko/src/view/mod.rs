//! What people see: data on stdout, everything else on stderr.

pub(crate) mod clean;
pub(crate) mod live;
pub(crate) mod plain;
pub(crate) mod program;
pub(crate) mod question;
pub(crate) mod result;
pub(crate) mod steps;
pub(crate) mod table;

use crate::language::{self, Tell};
use clap::ValueEnum;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::EffectKey;
use keiko_contracts::journal::Recorded;
use keiko_contracts::language::Language;
use keiko_contracts::model::LiveFrame;
use keiko_contracts::run::RunEvent;
use keiko_contracts::time::Timestamp;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use table::{Column, table};

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// Where output goes and how it looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    color: bool,
    json: bool,
    quiet: bool,
    language: Language,
    /// Somebody looks at stdout, rather than a program.
    data_is_shown: bool,
    /// Diffs on stdout are in colours.
    diff_color: bool,
}

/// Shows a run while it goes on.
pub(crate) trait Watch: Send + Sync {
    /// An event has been committed.
    fn event(&self, recorded: &Recorded, event: &RunEvent);
    /// Something passes by, and is not stored.
    fn frame(&self, key: &EffectKey, frame: &LiveFrame);
}

/// What a piece of text is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Warn,
    Strong,
    Faint,
}

impl Output {
    pub(crate) fn new(color: Color, json: bool, quiet: bool) -> Output {
        let always = color == Color::Always;
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if set("NO_COLOR") => false,
            Color::Auto if set("CLICOLOR_FORCE") => true,
            Color::Auto => {
                std::io::stderr().is_terminal()
                    && std::env::var("TERM").is_ok_and(|term| term != "dumb")
                    && !set("CI")
            }
        };
        let data_is_shown = std::io::stdout().is_terminal();
        Output {
            color,
            json,
            quiet,
            language: Language::English,
            data_is_shown,
            diff_color: always || color && data_is_shown,
        }
    }
    pub(crate) fn json(&self) -> bool {
        self.json
    }
    /// The same, in a language.
    pub(crate) fn in_language(self, language: Language) -> Output {
        Output { language, ..self }
    }
    pub(crate) fn language(&self) -> Language {
        self.language
    }
    /// One text in two languages: each stands beside its translation, so that neither is forgotten.
    pub(crate) fn t<'a>(&self, english: &'a str, german: &'a str) -> &'a str {
        self.language.pick(english, german)
    }
    /// How sentences from below are told here.
    pub(crate) fn teller(&self) -> keiko_app::language::Typed<'static> {
        language::teller(self.language)
    }
    /// A sentence from below, which is English, in the language of whoever reads it.
    pub(crate) fn told<'a, T: Tell + ?Sized>(&self, english: &'a T) -> Cow<'a, str> {
        english.tell(self.language)
    }
    /// An instant to the minute, for lists, as the clocks here show it.
    pub(crate) fn minute(&self, at: Timestamp) -> String {
        local(at, self.t("%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M"))
    }
    /// An instant to the second, as the clocks here show it.
    pub(crate) fn instant(&self, at: Timestamp) -> String {
        local(at, self.t("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S"))
    }
    /// A list, on stdout.
    pub(crate) fn list<const N: usize>(&self, heads: [Column<'_>; N], rows: &[[String; N]]) {
        for line in table(heads, rows) {
            self.data(&line);
        }
    }
    /// A number as it is written in the language of the reader.
    pub(crate) fn decimal(&self, number: &str) -> String {
        match self.language {
            Language::English => number.to_owned(),
            Language::German => number.replace('.', ","),
        }
    }
    /// A diff, on stdout: in colours where a person sees them.
    pub(crate) fn diff(&self, text: &str) {
        if !self.diff_color {
            return self.data(text);
        }
        let painter = Output {
            color: true,
            ..*self
        };
        let text: Vec<String> = text
            .lines()
            .map(|line| question::colored(&painter, &clean::clean_data(line)))
            .collect();
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{}", text.join("\n"))
            .and_then(|()| out.flush())
            .is_err()
        {
            std::process::exit(0);
        }
    }
    /// Only warnings and errors are wanted.
    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }
    /// Colours a piece of text for stderr.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Warn => "33",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
    /// Data, on stdout: byte for byte into a file or a pipe; on a terminal, control characters are made visible. A closed
    /// pipe ends the program quietly, as other tools do.
    pub(crate) fn data(&self, text: &str) {
        let text = if self.data_is_shown {
            Cow::Owned(clean::clean_data(text))
        } else {
            Cow::Borrowed(text)
        };
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
            std::process::exit(0);
        }
    }
    /// Data for programs, on stdout.
    pub(crate) fn json_data(&self, data: &impl Serialize) -> Result<(), Fault> {
        let data = keiko_contracts::said::plainly(|| serde_json::to_value(data))
            .map_err(|error| Fault::new(Code::NO_JSON, error.to_string()))?;
        self.data(&data.to_string());
        Ok(())
    }
    /// Keiko's own words, on stderr; commands in them as they are typed here.
    pub(crate) fn say(&self, text: &str) {
        self.line(&program::as_typed(text));
    }
    /// Progress, on stderr: what others said stays as it is.
    pub(crate) fn line(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{}", clean::clean(text));
        }
    }
    /// A warning, on stderr, even when quiet.
    pub(crate) fn warn(&self, text: &str) {
        let _ = writeln!(
            std::io::stderr().lock(),
            "{} {}",
            self.paint(Tone::Warn, self.t("warning:", "Warnung:")),
            clean::clean(&program::as_typed(text))
        );
    }
    /// An error, on stderr.
    pub(crate) fn fault(&self, fault: &Fault) {
        let fault = &language::told_fault(fault, self.language);
        let word = self.t("error", "Fehler");
        let mut text = format!(
            "{} {}",
            self.paint(Tone::Bad, &format!("{word}[{}]:", fault.code)),
            fault.message
        );
        if let Some(place) = &fault.place {
            text.push_str(&format!("\n  --> {place}"));
        }
        if let Some(hint) = &fault.hint {
            text.push_str(&format!(
                "\n{} {}",
                self.paint(Tone::Strong, self.t("hint:", "Tipp:")),
                hint
            ));
        }
        let _ = writeln!(std::io::stderr().lock(), "{}", clean::clean(&text));
    }
}

/// An instant in the time zone of this machine, or in that of `TZ`.
fn local(at: Timestamp, format: &str) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(instant) => instant
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime(format)
            .to_string(),
        Err(_) => at.to_string(),
    }
}

/// Somebody sits at this terminal: reads what is asked and can answer.
pub(crate) fn attended() -> bool {
    std::io::stdin().is_terminal()
        && std::io::stderr().is_terminal()
        && std::env::var_os("CI").is_none()
}
