//! Which agents work without a model.

use crate::doctor::{Doctor, Options};
use crate::verifier::Verifier;
use keiko_agent::native::NativeEngine;
use keiko_contracts::agent::Agent;
use keiko_contracts::id::AgentName;

/// The native engine of an agent, by the agent's name; none of one that a model drives, or that nobody knows.
#[must_use]
pub fn engine(agent: &AgentName) -> Option<Box<dyn NativeEngine>> {
    match Agent::of(agent.as_str())? {
        Agent::Coder => None,
        Agent::Doctor => Some(Box::new(Doctor::new(Options::default()))),
        Agent::Verifier => Some(Box::new(Verifier::default())),
    }
}
