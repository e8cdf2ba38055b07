//! What is wrong with the driver on purpose: tests of crashes must notice each of these, else they prove nothing.

/// A fault in the driver itself. Never set outside tests.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Effects are carried out before their intent is committed.
    ActsFirst,
    /// The commit of an intent is not synced before the effect.
    LazyIntents,
    /// An effect that is found open is done again, whatever its recovery class says.
    IgnoresClass,
    /// Commits do not say under which lease they were made.
    Unfenced,
}
