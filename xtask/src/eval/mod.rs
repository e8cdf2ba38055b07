//! `cargo xtask eval …`: Keiko against the world outside, measured. Takes minutes to hours; no part of the tests.

mod cheats;
mod matching;
mod repositories;

use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Eval {
    /// Public projects: what their tests come to by hand, and what Keiko makes of them
    Repositories(repositories::Options),
    /// Changes that cheat on their tests, and honest ones that look alike: which of them are believed
    Cheats(cheats::Options),
    /// Which agent tasks are for: how often it is found, and how often nobody is where nobody should be
    Matching(matching::Options),
}

/// Measures; true when every target that was asked for is met.
pub(crate) fn run(root: &Path, what: &Eval) -> Result<bool> {
    match what {
        Eval::Repositories(options) => repositories::run(root, options),
        Eval::Cheats(options) => cheats::run(root, options),
        Eval::Matching(options) => matching::run(root, options),
    }
}

/// The binary of these sources.
fn build(root: &Path) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--profile", "quick", "-p", "keiko"])
        .current_dir(root)
        .status();
    ensure!(
        status.context("cargo could not be started")?.success(),
        "keiko does not build"
    );
    Ok(root.join("target/quick/keiko"))
}
