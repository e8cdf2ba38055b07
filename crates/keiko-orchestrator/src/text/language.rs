//! Which language a text is in, as far as it shows.

use super::stop::{ENGLISH, GERMAN};
use super::words::words;
use keiko_contracts::language::Language;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Small words of one language that are none of the other.
static ONLY_GERMAN: LazyLock<BTreeSet<&str>> = LazyLock::new(|| only(GERMAN, ENGLISH));
static ONLY_ENGLISH: LazyLock<BTreeSet<&str>> = LazyLock::new(|| only(ENGLISH, GERMAN));

fn only(these: &'static str, those: &str) -> BTreeSet<&'static str> {
    let those: BTreeSet<_> = those.split_whitespace().collect();
    these
        .split_whitespace()
        .filter(|word| !those.contains(word))
        .collect()
}

const GERMAN_PIECES: [&str; 12] = [
    "sch", "ung", "ein", "ich", "tz", "ie", "ver", "eit", "uer", "aus", "cht", "pf",
];
const ENGLISH_PIECES: [&str; 12] = [
    "th", "ing", "ou", "ea", "ow", "ty", "wh", "ck", "ee", "tion", "ay", "ly",
];

/// The language of a text, from its small words first and its letters second; `None` when nothing tells, or both tell as much.
#[must_use]
pub fn guess(text: &str) -> Option<Language> {
    let mut german = text
        .chars()
        .take(1_000)
        .filter(|letter| "äöüßÄÖÜ".contains(*letter))
        .count()
        * 3;
    let mut english = 0;
    for word in words(text).iter().take(100) {
        let count = |pieces: &[&str]| pieces.iter().filter(|piece| word.contains(**piece)).count();
        german += if ONLY_GERMAN.contains(word.as_str()) {
            4
        } else {
            count(&GERMAN_PIECES)
        };
        english += if ONLY_ENGLISH.contains(word.as_str()) {
            4
        } else {
            count(&ENGLISH_PIECES)
        };
    }
    match german.cmp(&english) {
        std::cmp::Ordering::Greater => Some(Language::German),
        std::cmp::Ordering::Less => Some(Language::English),
        std::cmp::Ordering::Equal => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_in_short_texts() {
        for text in [
            "Prüf die Rechnung",
            "fass das mal zusammen",
            "Übersetzung",
            "schreib mir ne mail an den chef",
        ] {
            assert_eq!(guess(text), Some(Language::German), "{text}");
        }
        for text in [
            "check the invoice",
            "sum this up",
            "write an email to my boss",
            "translation",
        ] {
            assert_eq!(guess(text), Some(Language::English), "{text}");
        }
    }

    #[test]
    fn nothing_tells_nothing() {
        assert_eq!(guess(""), None);
        assert_eq!(guess("4711 🙂"), None);
    }
}
