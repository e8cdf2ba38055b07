//! What a model can read and write at once, as far as it is known: from earlier runs, and from what its server refuses.

use keiko_contracts::model::Window;
use keiko_contracts::run::RunLimits;

/// A context below this gets the short head, tokens.
const SMALL: u32 = 20_000;

/// How often in a row a request is made smaller before the run waits.
const REFUSED_MAX: u32 = 4;

/// The least that a model must be able to write, tokens.
const OUTPUT_MIN: u32 = 256;

/// What a small window must hold beside its head: the newest step and an answer, tokens.
const WORK: u64 = 2_000;

/// What is known of the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    context: Option<u32>,
    output: Option<u32>,
    /// The largest estimate that may be tried.
    most: Option<u32>,
    /// Real tokens of a thousand estimated ones, when that is known to be more.
    scale: Option<u32>,
    refused: u32,
}

impl Known {
    /// What was known before the run, or before it was taken up again: a server may be set up anew meanwhile.
    #[must_use]
    pub fn before(window: Window) -> Known {
        Known {
            context: window.context,
            output: window.output,
            ..Known::default()
        }
    }

    /// Learns from a request that was too large, and had been estimated at so many tokens.
    pub fn learn(&mut self, said: Window, estimate: u32) {
        self.refused += 1;
        if let Some(output) = said.output {
            self.output = Some(output);
        }
        if let Some(asked) = said.asked.filter(|_| estimate > 0) {
            let scale = u64::from(asked) * 1_000 / u64::from(estimate);
            self.scale = Some(
                u32::try_from(scale.clamp(700, 5_000))
                    .unwrap_or(1_000)
                    .max(self.scale.unwrap_or(0)),
            );
        }
        match said.context {
            Some(context) if self.context != Some(context) => self.context = Some(context),
            // It is no smaller than was known, or nobody knows: a quarter less is tried.
            _ if said.output.is_none() || said.context.is_some() => {
                let most = self.most.unwrap_or(u32::MAX).min(estimate);
                self.most = Some(most - most / 4);
            }
            _ => {}
        }
    }

    /// A request was answered.
    pub fn answered(&mut self) {
        self.refused = 0;
    }

    /// Whether a request that was too large is to be asked again, smaller.
    #[must_use]
    pub fn may_shrink(&self) -> bool {
        (1..=REFUSED_MAX).contains(&self.refused)
    }

    /// The most that is written at once, given what is asked for.
    #[must_use]
    pub fn output(&self, asked: u32) -> u32 {
        let share = self
            .context
            .map_or(u32::MAX, |context| (context / 4).max(OUTPUT_MIN));
        asked.min(self.output.unwrap_or(u32::MAX)).min(share).max(1)
    }

    /// The most that a request may be estimated at, when so much is to be written.
    #[must_use]
    pub fn room(&self, limits: &RunLimits, output: u32) -> u64 {
        let of_context = self.context.map_or(u64::MAX, |context| {
            let read = u64::from(context.saturating_sub(output));
            // A twentieth is left: estimates are estimates.
            self.estimated(read - read / 20)
        });
        u64::from(limits.context_tokens)
            .min(of_context)
            .min(self.most.map_or(u64::MAX, u64::from))
    }

    fn scale(&self) -> u64 {
        u64::from(self.scale.unwrap_or(1_000))
    }

    fn estimated(&self, real: u64) -> u64 {
        real.saturating_mul(1_000) / self.scale()
    }

    /// The context, if it is known to be small.
    #[must_use]
    pub fn is_small(&self, limits: &RunLimits) -> bool {
        self.holds(limits) < SMALL
    }

    /// The tokens that the context holds, as far as is known.
    #[must_use]
    pub fn holds(&self, limits: &RunLimits) -> u32 {
        self.context.unwrap_or(u32::MAX).min(limits.context_tokens)
    }

    /// The tokens that a run with such a head needs, if the context does not hold them.
    #[must_use]
    pub fn missing(&self, limits: &RunLimits, head: u64) -> Option<u32> {
        let needed = head.saturating_mul(self.scale()) / 1_000 + WORK;
        let needed = u32::try_from(needed.div_ceil(512) * 512).unwrap_or(u32::MAX);
        (self.holds(limits) < needed).then_some(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RunLimits {
        RunLimits::default()
    }

    #[test]
    fn a_server_that_says_its_size_is_believed() {
        let mut known = Known::default();
        assert_eq!(
            (
                known.room(&limits(), 8_192),
                known.output(8_192),
                known.is_small(&limits())
            ),
            (96_000, 8_192, false)
        );
        known.learn(
            Window {
                context: Some(8_192),
                asked: Some(12_000),
                output: None,
            },
            10_000,
        );
        assert!(known.may_shrink() && known.is_small(&limits()));
        assert_eq!(
            known.output(8_192),
            2_048,
            "a quarter of it is for the answer"
        );
        // 8192 - 2048, less a twentieth, in estimated tokens of which a thousand are 1200 real ones.
        assert_eq!(known.room(&limits(), 2_048), 4_864);
        known.answered();
        assert!(!known.may_shrink());
    }

    #[test]
    fn without_numbers_less_is_tried_and_not_for_ever() {
        let mut known = Known::default();
        let mut rooms = Vec::new();
        while rooms.is_empty() || known.may_shrink() {
            known.learn(
                Window::default(),
                u32::try_from(known.room(&limits(), 8_192)).unwrap(),
            );
            rooms.push(known.room(&limits(), 8_192));
        }
        assert_eq!(rooms, [72_000, 54_000, 40_500, 30_375, 22_782]);
    }

    #[test]
    fn an_output_limit_is_no_context() {
        let mut known = Known::default();
        known.learn(
            Window {
                output: Some(4_096),
                ..Window::default()
            },
            5_000,
        );
        assert_eq!(
            (known.output(8_192), known.room(&limits(), 4_096)),
            (4_096, 96_000)
        );
    }

    #[test]
    fn what_a_window_lacks_is_said_in_tokens() {
        let known = Known::before(Window {
            context: Some(4_096),
            ..Window::default()
        });
        assert_eq!(known.missing(&limits(), 1_500), None);
        assert_eq!(known.missing(&limits(), 3_000), Some(5_120));
        assert_eq!(Known::default().missing(&limits(), 3_000), None);
    }
}
