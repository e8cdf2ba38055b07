//! Which language people are spoken to in, and German for what is made in English.
//!
//! Texts of this crate stand beside their translation, in [`Output::t`](crate::view::Output::t) and `tr!`. Sentences from
//! the crates below are data, and are told when they are shown, by the catalogue of `keiko_app::language`.

pub(crate) mod help;

use keiko_app::config;
use keiko_app::home::Home;
use keiko_app::language::{self, Typed};
use keiko_contracts::code::Fault;
use keiko_contracts::language::Language;
use keiko_contracts::said::Said;
use std::borrow::Cow;

/// How this command line tells sentences in a language.
pub(crate) fn teller(language: Language) -> Typed<'static> {
    let program = crate::view::program::program();
    Typed { language, program }
}

/// An error as it is told here: what, where and what to do next. Its code stays.
pub(crate) fn told_fault(fault: &Fault, language: Language) -> Fault {
    let told = language::fault(fault, language, &teller(language));
    let typed = |hint: Said| {
        crate::view::program::as_typed(&hint.to_string())
            .into_owned()
            .into()
    };
    Fault {
        hint: told.hint.clone().map(typed),
        ..told
    }
}

/// What can be told in the reader's language.
pub(crate) trait Tell {
    fn tell(&self, language: Language) -> Cow<'_, str>;
}

impl Tell for str {
    fn tell(&self, language: Language) -> Cow<'_, str> {
        language::template(language, self).unwrap_or(self).into()
    }
}

impl Tell for Said {
    fn tell(&self, language: Language) -> Cow<'_, str> {
        self.told(&teller(language)).into()
    }
}

/// A formatted text in the language of an [`Output`](crate::view::Output): `tr!(output, "{n} left", "noch {n}")`.
macro_rules! tr {
    ($output:expr, $english:literal, $german:literal $(, $($argument:tt)*)?) => {
        keiko_contracts::tr!($output.language(), $english, $german $(, $($argument)*)?)
    };
}
pub(crate) use tr;

/// JSON for scripts: sentences in it are their English text.
macro_rules! plain_json {
    ($($json:tt)+) => {
        keiko_contracts::said::plainly(|| serde_json::json!($($json)+))
    };
}
pub(crate) use plain_json;

/// The language before, or without, a valid configuration: `--lang` as typed, then whatever the configuration says even
/// if something else in it is wrong, then the environment.
pub(crate) fn early() -> Language {
    let mut words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let value = if word == "--lang" {
            words.next()
        } else {
            word.strip_prefix("--lang=").map(str::to_owned)
        };
        if let Some(value) = value.filter(|value| ["en", "de"].contains(&value.as_str())) {
            return Language::of(&value);
        }
    }
    let configured = Home::find()
        .ok()
        .and_then(|home| config::configured_language(&home));
    configured.unwrap_or_else(config::language_of_environment)
}
