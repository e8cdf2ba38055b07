//! How often in a row what a model does came to nothing: what the limits of patience count.

use crate::guard::LoopGuard;
use keiko_contracts::model::{Part, Stop};

/// What the limits of patience count.
#[derive(Debug, Clone, Default)]
pub struct Patience {
    /// The loop guard.
    pub guard: LoopGuard,
    /// How often a claim has been sent back.
    pub sent_back: u32,
    /// Answers of the model in a row that came to nothing.
    pub empty_answers: u32,
    /// Answers in a row without a call.
    pub in_words: u32,
    /// Answers in a row that the output limit cut off.
    pub cut_offs: u32,
    /// The output limit has cut an answer off.
    pub was_cut_off: bool,
}

impl Patience {
    /// The model has answered, with calls or without.
    pub(super) fn answered(&mut self, parts: &[Part], stop: Stop, calls: bool) {
        let cut_off = stop == Stop::MaxTokens;
        self.was_cut_off |= cut_off;
        self.cut_offs = if cut_off { self.cut_offs + 1 } else { 0 };
        self.in_words = if calls { 0 } else { self.in_words + 1 };
        if !calls {
            self.guard.said(&crate::words::text_of(parts));
        }
        let says = |part: &Part| matches!(part, Part::Text { text } if !text.trim().is_empty());
        let useful = calls || (stop == Stop::End && parts.iter().any(says));
        self.empty_answers = if useful { 0 } else { self.empty_answers + 1 };
    }
}
