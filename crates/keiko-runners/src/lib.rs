//! The runners of tests: how each is called so that its result can be read per test, and how that is read.
//!
//! Synchronous; no IO, no clock, no randomness: a plan is data for a sandbox, and what is read is its report. It does not
//! know who asks, an agent's loop or an engine without a model.
//!
//! Reading order: [`plan()`] is the command of each runner, [`read()`] reads what came of it, [`together`] makes one run of
//! those of several projects, [`alone`] and [`some`] run tests of an earlier run by their names.

#[cfg(test)]
mod fixture;
pub mod lines;
mod names;
mod plan;
mod read;

pub use names::{is_same, lineless};
pub use plan::{Granularity, TestPlan, alone, plan, some};
pub use read::{Observed, Unread, read, summary_line, together};
