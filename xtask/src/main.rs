//! All automation of the project: `cargo xtask --help`.

mod codegen;
mod eval;
mod fuzz;
mod long;
mod suite;
mod tidy;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// All automation of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Formatting, clippy, tidy, schemas, all tests; ends with a table of what passed, failed and was skipped
    Test {
        /// Leave out slow tests: about 3 minutes on a warm build
        #[arg(long)]
        quick: bool,
        /// Run only the tests whose name contains this, and nothing else
        filter: Option<String>,
    },
    /// Check layers, import cycles, sizes, names and links
    Tidy,
    /// Write the JSON Schemas under `schemas/`
    Codegen {
        /// Only compare them with the types
        #[arg(long)]
        check: bool,
    },
    /// What CI runs: everything, where a skipped test is a failure
    Ci,
    /// Long runs: crash storms, fuzzing, endurance
    Soak {
        /// Which one; without it, they are listed
        name: Option<String>,
        /// Passed on to it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measurements with limits
    Bench {
        /// Which one; without it, they are listed
        name: Option<String>,
        /// Passed on to it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Keiko on material from outside, against what people find by hand
    Eval {
        /// What is measured
        #[command(subcommand)]
        what: eval::Eval,
    },
}

fn main() -> Result<ExitCode> {
    let root = repository()?;
    let good = match Arguments::parse().command {
        Task::Test { quick, filter } => suite::run(
            &root,
            &suite::Options {
                quick,
                filter,
                strict: suite::strict_by_environment(),
            },
        )?,
        Task::Tidy => tidy::run(&root)?,
        Task::Codegen { check } => codegen::run(&root, check)?,
        Task::Ci => suite::ci(&root)?,
        Task::Eval { what } => eval::run(&root, &what)?,
        Task::Soak { name, arguments } => {
            return long::run(&root, "soak", long::SOAKS, name.as_deref(), &arguments);
        }
        Task::Bench { name, arguments } => {
            return long::run(&root, "bench", long::BENCHES, name.as_deref(), &arguments);
        }
    };
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The root of the repository: above this crate when cargo started us, else above the current folder.
fn repository() -> Result<PathBuf> {
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_dir()?,
    };
    let root = start
        .ancestors()
        .find(|folder| folder.join("xtask/Cargo.toml").is_file());
    root.map(PathBuf::from)
        .context("this is not Keiko's repository: change into it first")
}
