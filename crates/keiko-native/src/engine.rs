//! Which skills there are: engines that work without a model.

use crate::doctor::{Doctor, Options};
use crate::verifier::Verifier;
use keiko_agent::native::NativeEngine;
use keiko_contracts::agent::Agent;
use keiko_contracts::id::SkillName;

/// The skills, by name.
pub const SKILLS: [&str; 2] = [Agent::Doctor.as_str(), Agent::Verifier.as_str()];

/// The engine of a skill; none of one that nobody knows.
#[must_use]
pub fn engine(skill: &SkillName) -> Option<Box<dyn NativeEngine>> {
    match Agent::of(skill.as_str())? {
        Agent::Coder => None,
        Agent::Doctor => Some(Box::new(Doctor::new(Options::default()))),
        Agent::Verifier => Some(Box::new(Verifier::default())),
    }
}
