//! The languages that Keiko speaks to people.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// A language. The journal, events and JSON are in English; what people read is written in theirs at the edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German, with the formal "Sie".
    German,
}

impl Language {
    /// The language of a code such as `de`, or of a locale such as `de_AT.UTF-8`; English for all but German.
    #[must_use]
    pub fn of(code: &str) -> Language {
        let mut parts = code.split(['_', '.', '@', '-']);
        if parts.next() == Some("de") {
            Language::German
        } else {
            Language::English
        }
    }
    /// Its code: `en` or `de`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }
    /// One text in two languages: each stands beside its translation, so that neither is forgotten.
    #[must_use]
    pub fn pick<T>(self, english: T, german: T) -> T {
        match self {
            Language::English => english,
            Language::German => german,
        }
    }
    /// A number with its noun, in the singular or the plural: both languages have the singular for one only.
    #[must_use]
    pub fn count(self, n: u64, english: [&str; 2], german: [&str; 2]) -> String {
        let [one, many] = self.pick(english, german);
        format!("{n} {}", if n == 1 { one } else { many })
    }
}

/// A formatted text in a [`Language`]: `tr!(language, "{n} left", "noch {n}")`.
#[macro_export]
macro_rules! tr {
    ($language:expr, $english:literal, $german:literal $(, $($argument:tt)*)?) => {
        match $language {
            $crate::language::Language::English => ::std::format!($english $(, $($argument)*)?),
            $crate::language::Language::German => ::std::format!($german $(, $($argument)*)?),
        }
    };
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// A code that is not known is English, as everywhere.
impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Language::of(&Cow::<str>::deserialize(deserializer)?))
    }
}

impl JsonSchema for Language {
    fn schema_name() -> Cow<'static, str> {
        "Language".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "enum": ["en", "de"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_have_a_language() {
        for code in [
            "de",
            "de_DE.UTF-8",
            "de_AT",
            "de.UTF-8",
            "de-CH",
            "de_DE@euro",
        ] {
            assert_eq!(Language::of(code), Language::German, "{code}");
        }
        for code in ["en", "C", "", "den", "POSIX", "fr_FR.UTF-8"] {
            assert_eq!(Language::of(code), Language::English, "{code}");
        }
    }

    #[test]
    fn one_is_not_many() {
        let tests = |language: Language, n| language.count(n, ["test", "tests"], ["Test", "Tests"]);
        assert_eq!(
            [0, 1, 2].map(|n| tests(Language::English, n)),
            ["0 tests", "1 test", "2 tests"]
        );
        assert_eq!(tests(Language::German, 1), "1 Test");
    }
}
