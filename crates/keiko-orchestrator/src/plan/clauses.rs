//! The parts of a goal: what is quoted stays whole, and a word counts where it stands.

use super::words::{AFTER_VERB, BEFORE_VERB, VERBS};
use serde::Serialize;

/// What somebody wants with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// Something is to be known.
    Question,
    /// Something is to be done.
    Task,
    /// It is for the program that reads it: `/help`.
    Command,
    /// A greeting, thanks: nothing is wanted.
    Chat,
}

/// Words that a question begins with.
const ASKS: &[&str] = &[
    "was", "wer", "wie", "wo", "wann", "warum", "wieso", "weshalb", "welche", "welcher", "welches",
    "welchen", "wieviel", "wozu", "ist", "sind", "hat", "haben", "gibt", "stimmt", "what", "who",
    "how", "where", "when", "why", "which", "whose", "is", "are", "does", "do", "did", "has",
    "have", "was", "were",
];

/// What is said without wanting anything.
const CHAT: &[&str] = &[
    "hallo",
    "hi",
    "hey",
    "hello",
    "moin",
    "servus",
    "danke",
    "dankeschön",
    "thanks",
    "thank",
    "guten",
    "good",
    "tschüss",
    "bye",
    "ok",
    "okay",
    "morgen",
    "tag",
    "abend",
    "morning",
    "evening",
    "afternoon",
    "you",
    "dir",
    "ihnen",
    "schön",
    "vielen",
    "super",
    "prima",
    "great",
    "there",
    "keiko",
];

/// What somebody wants, by how it is said.
#[must_use]
pub fn intent(text: &str) -> Intent {
    let text = text.trim();
    if text.starts_with('/')
        && text[1..].starts_with(|c: char| c.is_alphabetic())
        && !text.contains(['\n', '.'])
    {
        return Intent::Command;
    }
    let words = lower(text);
    if !words.is_empty()
        && words.len() <= 4
        && words.iter().all(|word| CHAT.contains(&word.as_str()))
    {
        return Intent::Chat;
    }
    let asks = words
        .first()
        .is_some_and(|word| ASKS.contains(&word.as_str()));
    if verb_at(&words) == Some(0) || !(asks || text.ends_with('?')) {
        return Intent::Task;
    }
    // Somebody who is asked whether he can do something is asked to do it.
    let politely = [
        "kannst",
        "können",
        "könntest",
        "könnten",
        "can",
        "could",
        "would",
        "würden",
        "würdest",
    ];
    match words.first() {
        Some(first) if politely.contains(&first.as_str()) => Intent::Task,
        _ => Intent::Question,
    }
}

/// The words of a text in small letters, without what stands around them but for the `@` of a name.
pub(super) fn lower(text: &str) -> Vec<String> {
    let edge = |c: char| !c.is_alphanumeric();
    text.split_whitespace()
        .map(|word| {
            word.trim_start_matches(|c| edge(c) && c != '@')
                .trim_end_matches(edge)
        })
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Where the word stands that says what to do, if the part begins with one.
pub(super) fn verb_at(words: &[String]) -> Option<usize> {
    for (at, word) in words.iter().enumerate().take(5) {
        if VERBS.contains(&word.as_str()) {
            return Some(at);
        }
        // `@agent` names who does it.
        if !word.starts_with('@') && !BEFORE_VERB.contains(&word.as_str()) {
            return None;
        }
    }
    None
}

/// How many words at the beginning say what to do, with what belongs to that.
pub(super) fn verb_length(words: &[String]) -> usize {
    let Some(verb) = verb_at(words) else { return 0 };
    let rest = words.iter().skip(verb + 1);
    verb + 1
        + rest
            .take_while(|word| AFTER_VERB.contains(&word.as_str()))
            .count()
}

/// The places in a text at which it may be cut: outside of quotes, brackets and code.
pub(super) fn open(text: &str) -> Vec<bool> {
    let mut open = vec![true; text.len()];
    let (mut inside, mut depth) = (None::<char>, 0u32);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match (inside, c) {
            (Some(end), c) if c == end => inside = None,
            (Some(_), _) => {}
            (None, '"') => inside = Some('"'),
            (None, '„') => inside = Some('“'),
            (None, '“') => inside = Some('”'),
            (None, '»') => inside = Some('«'),
            (None, '`') => inside = Some('`'),
            // An apostrophe stands in a word, a quote before one.
            (None, '\'') if before.is_whitespace() => inside = Some('\''),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
        let free = inside.is_none() && depth == 0;
        open[at..at + c.len_utf8()].fill(free);
        before = c;
    }
    // What never ends is no quote.
    if inside.is_some() || depth > 0 {
        return vec![true; text.len()];
    }
    open
}
