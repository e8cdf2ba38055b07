//! Engines without a model: rules and algorithms that work in the loop of `keiko-agent`, in the place of a language model.
//!
//! Synchronous; no IO, no clock, no randomness: an engine is a fold over what came of its calls. What it is to the loop
//! stands in [`keiko_agent::native`].
//!
//! Reading order: [`engine()`] knows each by its agent's name, [`verifier`] is the smallest, [`doctor`] the large one.

pub mod doctor;
mod engine;
pub mod verifier;

pub use engine::{engine, skills};

/// The page that says how an engine is added: its code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/howto/add-a-native-agent.md")]
struct HowTo;
