//! End to end: the real binary, the real sandbox, and a model server that speaks the real wire formats and holds every
//! request to their rules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod agents;
mod any_model;
mod approvals;
mod backwards;
mod bad_days;
mod bad_input;
mod context;
mod endings;
mod german;
mod goal;
mod hostile;
mod interrupted;
mod journal;
mod keiko;
mod log;
mod older;
mod prune;
mod registries;
mod replay;
mod slow;
mod up;
