//! The words of a text.

use super::normal::fold;

/// Words of a text that are looked at.
pub const MOST_WORDS: usize = 1_000;
/// Letters of a word that count; longer ones are no words.
const LONGEST_WORD: usize = 40;

/// The words of a text, folded (see [`fold`]) and in their order. A number is `#`, so that one amount is as good as another;
/// an apostrophe parts what English runs together (`don't` is `don` and `t`).
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    fold(text)
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MOST_WORDS)
        .map(|word| {
            if word.chars().all(char::is_numeric) {
                "#".to_owned()
            } else {
                word.chars().take(LONGEST_WORD).collect()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_in_their_order() {
        assert_eq!(
            words("Prüf bitte die Rechnung 4711-A, 300€!"),
            ["pruef", "bitte", "die", "rechnung", "#", "a", "#"]
        );
        assert_eq!(words("don't"), ["don", "t"]);
        assert_eq!(words("  \t…!?"), [""; 0]);
        assert_eq!(words("مرحبا بالعالم").len(), 2);
    }

    #[test]
    fn there_is_an_end_to_words() {
        assert_eq!(words(&"wort ".repeat(100_000)).len(), MOST_WORDS);
        assert_eq!(words(&"x".repeat(100_000))[0].len(), LONGEST_WORD);
    }
}
