//! Which skills there are: engines that work without a model.

use crate::doctor::{Doctor, Options};
use crate::verifier::Verifier;
use keiko_agent::native::NativeEngine;
use keiko_contracts::agent::Agent;
use keiko_contracts::id::SkillName;

/// Makes an engine.
type Make = fn() -> Box<dyn NativeEngine>;

/// Each skill, and how its engine is made. An agent's file names it: `engine: native/…`.
const ENGINES: &[(&str, Make)] = &[
    (Agent::Doctor.as_str(), || {
        Box::new(Doctor::new(Options::default()))
    }),
    (Agent::Verifier.as_str(), || Box::<Verifier>::default()),
];

/// The skills, by name.
pub fn skills() -> impl Iterator<Item = &'static str> {
    ENGINES.iter().map(|(skill, _)| *skill)
}

/// The engine of a skill; none of one that nobody knows.
#[must_use]
pub fn engine(skill: &SkillName) -> Option<Box<dyn NativeEngine>> {
    let found = ENGINES.iter().find(|(known, _)| *known == skill.as_str());
    found.map(|(_, make)| make())
}
