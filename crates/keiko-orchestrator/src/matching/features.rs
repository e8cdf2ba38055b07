//! What speaks for an agent, as numbers.

use serde::{Deserialize, Serialize};

/// How many of the features the order is learned from.
pub(super) const LEARNED: usize = 6;

/// What speaks for an agent and against it, as numbers: what a match is explained with and calibration learns from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// How alike the task is to the nearest example (cosine; 1 is the same).
    pub best: f64,
    /// The mean of the nearest three.
    pub near: f64,
    /// How alike it is to the mean of all examples.
    pub centroid: f64,
    /// How alike it is to what the agent says of itself.
    pub card: f64,
    /// How much likelier its words are in this agent's examples than in those of all.
    pub likely: f64,
    /// BM25, as a share of the most that is possible.
    pub bm25: f64,
    /// The share of the wanted capabilities that it has.
    pub capability: f64,
    /// 1 when it works in the language that is asked for, else 0.
    pub language: f64,
    /// How alike the task is to the nearest counter-example.
    pub counter: f64,
}

/// What a wanted capability that is not there costs, all of them missing.
const LACKING: f64 = 6.0;
/// What another language costs.
const FOREIGN: f64 = 2.0;
/// What a counter-example costs that is nearer than every example, by how much nearer it is.
const AGAINST: f64 = 8.0;

impl Features {
    pub(super) fn learned(&self) -> [f64; LEARNED] {
        [
            self.best,
            self.near,
            self.centroid,
            self.card,
            self.likely,
            self.bm25,
        ]
    }

    /// What no example teaches: it only ever takes away.
    pub(super) fn taken(&self) -> f64 {
        let against = (self.counter - self.best).max(0.0);
        LACKING * (1.0 - self.capability) + FOREIGN * (1.0 - self.language) + AGAINST * against
    }
}
