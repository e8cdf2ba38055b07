//! What of a text is compared: stems, pairs of them, parts of compounds, and pieces of words.

use crate::text::{is_base, is_stop, parts, stem_english, stem_german, words};
use std::collections::BTreeMap;

/// The name of these rules; other rules, other vectors.
pub(super) const RULES: &str = "keiko-lexical-1";

/// Letters of the pieces of a word.
const PIECE: usize = 4;

/// What a stem weighs that says nothing about what a text is about, measured by one that does.
const STOP: f32 = 0.8;
const PAIR: f32 = 0.6;
const PART: f32 = 0.7;
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

/// What of the text is compared, each once, by id.
pub(super) fn terms(text: &str) -> Vec<Term> {
    let words = words(text);
    let mut found: BTreeMap<u32, (f32, bool, bool)> = BTreeMap::new();
    let mut add = |id: u32, weight: f32, stem: bool, telling: bool| {
        let entry = found.entry(id).or_insert((0.0, false, false));
        entry.0 += weight;
        entry.1 |= stem;
        entry.2 |= telling;
    };
    let mut before: Option<String> = None;
    for word in &words {
        let telling = !is_stop(word);
        let weight = if telling { 1.0 } else { STOP };
        let (english, german) = stems(word);
        match german {
            None => add(english, weight, true, telling),
            Some(german) => {
                add(english, weight * 0.7, true, telling);
                add(german, weight * 0.7, true, telling);
            }
        }
        let stem = stem_german(&stem_english(word));
        if let Some(before) = &before {
            add(hash(b'p', &format!("{before} {stem}")), PAIR, false, false);
        }
        before = Some(stem);
        if !telling {
            continue;
        }
        for part in parts(word, is_base) {
            add(hash(STEM, &part), PART, true, false);
        }
        let letters: Vec<char> = format!("^{word}$").chars().collect();
        let pieces = letters.windows(PIECE);
        #[expect(clippy::cast_precision_loss, reason = "a word has few pieces")]
        let each = PIECES / (pieces.len().max(1) as f32).sqrt();
        for piece in pieces {
            add(
                hash(b'g', &piece.iter().collect::<String>()),
                each,
                false,
                false,
            );
        }
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
        .into_iter()
        .map(|(id, (weight, stem, telling))| Term {
            id,
            weight: soft(weight),
            stem,
            telling,
        })
        .collect()
}
