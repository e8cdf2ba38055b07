//! What was found for a task.

use super::features::Features;
use keiko_contracts::said::Said;
use serde::Serialize;

/// What is done with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// The first candidate, without asking.
    Automatic,
    /// A small model or a person picks from the candidates.
    Choose,
    /// None of the agents: one without privileges that does anything, or nobody.
    Nobody,
}

/// An agent that may be right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub agent: String,
    /// How likely it is the right one, from 0 to 1.
    pub probability: f64,
    /// What that follows from.
    pub features: Features,
    /// The same in words.
    pub reasons: Vec<Said>,
}

/// What was found for a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Match {
    /// The likeliest first; at most three.
    pub candidates: Vec<Candidate>,
    /// What is done.
    pub band: Band,
    /// How likely the right one is among the candidates, from 0 to 1.
    pub somebody: f64,
    /// False when there were too few examples to fit probabilities to: then they are starting values and say little.
    pub calibrated: bool,
    /// Why it is this band.
    pub reasons: Vec<Said>,
}
