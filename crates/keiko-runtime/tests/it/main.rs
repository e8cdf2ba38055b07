//! Runs survive whatever ends their process: one binary for the runtime's integration tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod approvals;
mod check;
mod core;
mod errand;
mod errands;
mod faults;
mod no_models;
mod prefixes;
mod processes;
mod records;
mod reply;
mod scenarios;
mod sigkill;
mod sigkill_below;
mod storm;
mod taken_over;
mod toolbox;
