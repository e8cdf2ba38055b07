//! Words without their endings, lightly: what remains need not be a word, but forms of one word share it.

/// Endings of German, longest first, with the letters that must remain before each.
const GERMAN: [(&str, usize); 27] = [
    ("ierungen", 4),
    ("ierung", 4),
    ("ierten", 4),
    ("ieren", 4),
    ("iert", 4),
    ("iere", 4),
    ("ungen", 4),
    ("keiten", 4),
    ("heiten", 4),
    ("ung", 4),
    ("keit", 4),
    ("heit", 4),
    ("enden", 4),
    ("ende", 4),
    ("erin", 4),
    ("ern", 4),
    ("est", 4),
    ("end", 4),
    ("em", 3),
    ("en", 3),
    ("er", 3),
    ("es", 3),
    ("st", 4),
    ("e", 3),
    ("n", 4),
    ("s", 4),
    ("t", 4),
];

/// Endings of English, longest first, with what stands in their place and the letters that must remain before each.
const ENGLISH: [(&str, &str, usize); 30] = [
    ("izations", "", 4),
    ("isations", "", 4),
    ("ization", "", 4),
    ("isation", "", 4),
    ("ations", "at", 3),
    ("ation", "at", 3),
    ("izing", "", 4),
    ("ising", "", 4),
    ("izes", "", 4),
    ("ises", "", 4),
    ("ized", "", 4),
    ("ised", "", 4),
    ("ize", "", 4),
    ("ise", "", 4),
    ("ments", "", 4),
    ("ment", "", 4),
    ("ness", "", 4),
    ("ators", "at", 3),
    ("ator", "at", 3),
    ("ions", "", 4),
    ("ion", "", 4),
    ("ings", "", 3),
    ("ing", "", 3),
    ("ies", "", 3),
    ("ied", "", 3),
    ("ers", "", 4),
    ("er", "", 4),
    ("ed", "", 3),
    ("es", "", 3),
    ("ly", "", 4),
];

/// The stem of a folded German word: `prüfen`, `prüft`, `Prüfung`, `geprüft` come to `pruef`.
#[must_use]
pub fn stem_german(word: &str) -> String {
    let mut stem = word;
    for _ in 0..2 {
        let Some(shorter) = GERMAN.iter().find_map(|(ending, least)| {
            stem.strip_suffix(ending)
                .filter(|rest| rest.chars().count() >= *least)
        }) else {
            break;
        };
        stem = shorter;
    }
    // A participle: `ge`, a verb, and an ending that went.
    match stem.strip_prefix("ge") {
        Some(rest) if rest.len() >= 4 && stem.len() < word.len() => rest.to_owned(),
        _ => stem.to_owned(),
    }
}

/// The stem of a folded English word: `translate`, `translating`, `translation`, `translator` come to `translat`.
#[must_use]
pub fn stem_english(word: &str) -> String {
    let found = ENGLISH.iter().find_map(|(ending, instead, least)| {
        let rest = word.strip_suffix(ending)?;
        (rest.chars().count() >= *least).then(|| format!("{rest}{instead}"))
    });
    let mut stem = found.unwrap_or_else(|| {
        let plural = word
            .strip_suffix('s')
            .filter(|rest| rest.len() >= 3 && !rest.ends_with('s'));
        plural.unwrap_or(word).to_owned()
    });
    let letters: Vec<char> = stem.chars().rev().take(2).collect();
    let doubled =
        letters.len() == 2 && letters[0] == letters[1] && !"aeiouls#".contains(letters[0]);
    if stem.len() > 4 && (doubled || stem.ends_with('e') || stem.ends_with('y')) {
        stem.pop();
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for forms in [
            ["pruefen", "prueft", "pruefung", "geprueft"],
            ["rechnung", "rechnungen", "rechnung", "rechnung"],
            ["uebersetzen", "uebersetzung", "uebersetze", "uebersetzt"],
            ["korrigieren", "korrigiert", "korrigiere", "korrigierung"],
        ] {
            let stems = forms.map(stem_german);
            assert!(
                stems.iter().all(|stem| *stem == stems[0]),
                "{forms:?}: {stems:?}"
            );
        }
        for forms in [
            ["translate", "translating", "translation", "translator"],
            ["plan", "plans", "planning", "planned"],
            ["summary", "summaries", "summarize", "summarise"],
            ["review", "reviews", "reviewing", "reviewed"],
        ] {
            let stems = forms.map(stem_english);
            assert!(
                stems.iter().all(|stem| *stem == stems[0]),
                "{forms:?}: {stems:?}"
            );
        }
    }

    #[test]
    fn short_words_stay() {
        for word in ["", "a", "#", "es", "ist", "bus", "sql", "red"] {
            assert_eq!(stem_german(word), word);
            assert_eq!(stem_english(word), word);
        }
    }
}
