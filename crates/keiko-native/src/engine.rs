//! Which agents work without a model.

use crate::doctor::{Doctor, Options};
use crate::verifier::Verifier;
use keiko_agent::native::NativeEngine;

/// The native engine of an agent, by the agent's name.
#[must_use]
pub fn engine(agent: &str) -> Option<Box<dyn NativeEngine>> {
    match agent {
        "repo-doctor" => Some(Box::new(Doctor::new(Options::default()))),
        "verifier" => Some(Box::new(Verifier::default())),
        _ => None,
    }
}
