//! What of a text is compared: stems, pairs of them, parts of compounds, and pieces of words.

use crate::text::{THESAURUS, concepts, is_base, is_stop, parts, stem_english, stem_german, words};
use keiko_contracts::digest::Digest;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The name of these rules and the digest of the thesaurus; other ones, other vectors.
pub(super) static RULES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "keiko-lexical-1-{}",
        Digest::of(THESAURUS.as_bytes()).short()
    )
});

/// Letters of the pieces of a word.
const PIECE: usize = 4;

/// What a stem weighs that says nothing about what a text is about, measured by one that does.
const STOP: f32 = 0.8;
const PAIR: f32 = 0.6;
const PART: f32 = 0.7;
/// A meaning of a word, when it has one.
const CONCEPT: f32 = 0.5;
/// All pieces of a word together.
const PIECES: f32 = 0.8;

/// Something that two texts can have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Term {
    /// Which one: a hash of its kind and its letters.
    pub(super) id: u32,
    /// What it weighs in its text, before it is known how rare it is.
    pub(super) weight: f32,
    /// True for the stem of a word, or of a part of one; false for pairs and pieces.
    pub(super) stem: bool,
    /// True for the stem of a word that says what a text is about.
    pub(super) telling: bool,
}

/// FNV-1a: the same on every machine and in every version, since ids stand in vectors that are kept.
fn hash(kind: u8, letters: &str) -> u32 {
    let bytes = std::iter::once(kind).chain(letters.bytes());
    let wide = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both halves, folded into one"
    )]
    let folded = (wide ^ (wide >> 32)) as u32;
    folded
}

const STEM: u8 = b's';

/// The stems of a folded word: one when both languages agree.
pub(super) fn stems(word: &str) -> (u32, Option<u32>) {
    let english = hash(STEM, &stem_english(word));
    let german = hash(STEM, &stem_german(word));
    (english, (german != english).then_some(german))
}

/// What of a text is compared, while it is read.
#[derive(Default)]
struct Found {
    /// By id: weight, whether a stem, whether telling.
    of: BTreeMap<u32, (f32, bool, bool)>,
}

/// What of the text is compared, each once, by id.
pub(super) fn terms(text: &str) -> Vec<Term> {
    let mut found = Found::default();
    let mut before: Option<String> = None;
    for word in words(text) {
        let stem = stem_german(&stem_english(&word));
        if let Some(before) = &before {
            found.add(hash(b'p', &format!("{before} {stem}")), PAIR, false, false);
        }
        before = Some(stem);
        found.word(&word);
    }
    // Said twice is no more than said louder.
    let soft = |weight: f32| {
        if weight > 1.0 {
            1.0 + weight.ln()
        } else {
            weight
        }
    };
    found
        .of
        .into_iter()
        .map(|(id, (weight, stem, telling))| Term {
            id,
            weight: soft(weight),
            stem,
            telling,
        })
        .collect()
}

impl Found {
    fn add(&mut self, id: u32, weight: f32, stem: bool, telling: bool) {
        let entry = self.of.entry(id).or_insert((0.0, false, false));
        entry.0 += weight;
        entry.1 |= stem;
        entry.2 |= telling;
    }

    /// A word: its stems, its parts, its meanings, its pieces.
    fn word(&mut self, word: &str) {
        let telling = !is_stop(word);
        let weight = if telling { 1.0 } else { STOP };
        match stems(word) {
            (stem, None) => self.add(stem, weight, true, telling),
            (english, Some(german)) => {
                self.add(english, weight * 0.7, true, telling);
                self.add(german, weight * 0.7, true, telling);
            }
        }
        let mut about = concepts(word);
        if telling {
            for part in parts(word, is_base) {
                self.add(hash(STEM, &part), PART, true, false);
                about.extend(concepts(&part));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a word has few meanings")]
        let concept = CONCEPT / (about.len().max(1) as f32).sqrt();
        for number in about {
            self.add(hash(b'c', &number.to_string()), concept, false, false);
        }
        if telling {
            self.pieces(word);
        }
    }

    fn pieces(&mut self, word: &str) {
        let letters: Vec<char> = format!("^{word}$").chars().collect();
        let pieces = letters.windows(PIECE);
        #[expect(clippy::cast_precision_loss, reason = "a word has few pieces")]
        let each = PIECES / (pieces.len().max(1) as f32).sqrt();
        for piece in pieces {
            self.add(
                hash(b'g', &piece.iter().collect::<String>()),
                each,
                false,
                false,
            );
        }
    }
}
