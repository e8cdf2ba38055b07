//! One spelling for what reads alike.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a text that are looked at; what comes after says little about what is asked for.
pub const LONGEST: usize = 20_000;

/// The text in lower case and in one spelling: compatibility forms are resolved (NFKC), `ä ö ü ß` become `ae oe ue ss`,
/// other accents go, what is invisible or controls a terminal becomes a space. At most [`LONGEST`] characters are read.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(LONGEST));
    let lower = text
        .chars()
        .take(LONGEST)
        .nfkc()
        .flat_map(char::to_lowercase);
    for letter in lower {
        match letter {
            'ä' => folded.push_str("ae"),
            'ö' => folded.push_str("oe"),
            'ü' => folded.push_str("ue"),
            'ß' => folded.push_str("ss"),
            '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{feff}' => {}
            '’' | '‘' | 'ʼ' => folded.push('\''),
            letter if letter.is_ascii() && !letter.is_control() => folded.push(letter),
            letter if letter.is_control() => folded.push(' '),
            letter => folded.extend(
                std::iter::once(letter)
                    .nfkd()
                    .filter(|part| !is_combining_mark(*part)),
            ),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_alike_is_spelled_alike() {
        for (text, expected) in [
            ("Rechnungsprüfung", "rechnungspruefung"),
            ("RECHNUNGSPRU\u{308}FUNG", "rechnungspruefung"),
            ("STRASSE Straße", "strasse strasse"),
            ("Café naïve", "cafe naive"),
            ("ﬁle № ①", "file no 1"),
            ("zero\u{200b}width soft\u{ad}hyphen", "zerowidth softhyphen"),
            ("a\u{1b}[31mb\0c", "a [31mb c"),
            ("", ""),
        ] {
            assert_eq!(fold(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_read_to_its_limit() {
        assert!(fold(&"ä".repeat(1_000_000)).len() <= 2 * LONGEST);
    }
}
