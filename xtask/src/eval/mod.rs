//! `cargo xtask eval …`: Keiko against the world outside, measured. Takes minutes to hours; no part of the tests.

mod repositories;

use anyhow::Result;
use clap::Subcommand;
use std::path::Path;

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Eval {
    /// Public projects: what their tests come to by hand, and what Keiko makes of them
    Repositories(repositories::Options),
}

/// Measures; true when every target that was asked for is met.
pub(crate) fn run(root: &Path, what: &Eval) -> Result<bool> {
    match what {
        Eval::Repositories(options) => repositories::run(root, options),
    }
}
