//! Words that mean about the same, in both languages: a small thesaurus, so that a task meets an example in other words.

use super::normal::fold;
use super::stem::{stem_english, stem_german};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The thesaurus as it is written.
pub const THESAURUS: &str = include_str!("concepts.txt");

/// The lines that each stem stands in.
static BY_STEM: LazyLock<BTreeMap<String, BTreeSet<u16>>> = LazyLock::new(|| {
    let mut by_stem: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    let lines = THESAURUS.lines().filter(|line| !line.starts_with('#'));
    for (number, line) in (0_u16..).zip(lines) {
        for word in line.split_whitespace().map(fold) {
            for stem in [stem_english(&word), stem_german(&word)] {
                by_stem.entry(stem).or_default().insert(number);
            }
        }
    }
    by_stem
});

/// What a folded word is about, as numbers of meanings: words with a number in common mean about the same. Nothing for a
/// word that is not in the thesaurus. The numbers change when the thesaurus does.
#[must_use]
pub fn concepts(word: &str) -> BTreeSet<u16> {
    let stems = [stem_english(word), stem_german(word)];
    stems
        .iter()
        .filter_map(|stem| BY_STEM.get(stem))
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both_languages_meet() {
        for (left, right) in [
            ("invoices", "rechnung"),
            ("translating", "uebersetze"),
            ("flights", "fliegen"),
            ("repariert", "fix"),
            ("guenstiger", "cheap"),
        ] {
            assert!(
                !concepts(left).is_disjoint(&concepts(right)),
                "{left} {right}"
            );
        }
        assert!(concepts("invoice").is_disjoint(&concepts("weather")));
        assert!(concepts("xyzzy").is_empty());
    }
}
