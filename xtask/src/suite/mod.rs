//! `cargo xtask test`: every check and every test, one after the other, to the end, then a table.
//!
//! Reading order: [`stage`] is what a stage reports, `prepare` gets what tests need, `cases` runs the tests and counts them,
//! `skips` finds the tests that could not run here, `table` shows it all.

mod cases;
mod prepare;
mod skips;
mod stage;
mod table;

use crate::{codegen, tidy};
use anyhow::Result;
use skips::Skip;
use stage::{Counts, Stage, timed};
use std::path::Path;
use std::process::Command;

/// What is asked for.
pub(crate) struct Options {
    /// Without slow tests.
    pub(crate) quick: bool,
    /// Only tests whose name contains this.
    pub(crate) filter: Option<String>,
    /// A skip is a failure.
    pub(crate) strict: bool,
}

/// Whether `KEIKO_TEST_STRICT` asks for it.
pub(crate) fn strict_by_environment() -> bool {
    std::env::var_os("KEIKO_TEST_STRICT").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Runs the stages and prints the table. True when all is well.
///
/// # Errors
/// When the machine gets in the way: cargo cannot be started, the disk is full.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    Ok(finish(&stages(root, options)?, options))
}

/// What CI runs: all of the above with skips as failures, and the script that users start.
///
/// # Errors
/// As [`run`].
pub(crate) fn ci(root: &Path) -> Result<bool> {
    let options = Options {
        quick: false,
        filter: None,
        strict: true,
    };
    let mut stages = stages(root, &options)?;
    stages.push(command(
        "./keiko version",
        Command::new("./keiko").arg("version").current_dir(root),
    ));
    Ok(finish(&stages, &options))
}

fn stages(root: &Path, options: &Options) -> Result<Vec<Stage>> {
    let environment = prepare::run(root)?;
    if options.filter.is_some() {
        return Ok(vec![cases::all(root, &environment, options)]);
    }
    let mut stages = checks(root);
    stages.push(cases::all(root, &environment, options));
    stages.push(cases::documentation(root, &environment));
    stages.push(scripts(root));
    Ok(stages)
}

fn finish(stages: &[Stage], options: &Options) -> bool {
    let total = table::total(stages, options.strict);
    print!("{}", table::render(stages, options));
    println!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    );
    total.failed == 0
}

fn checks(root: &Path) -> Vec<Stage> {
    vec![
        command("formatting", cargo(root).args(["fmt", "--all", "--check"])),
        command(
            "clippy",
            cargo(root).args([
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        timed("tidy", || tidy::run(root).into()),
        timed("schemas", || codegen::run(root, true).into()),
    ]
}

fn scripts(root: &Path) -> Stage {
    if prepare::on_path("shellcheck").is_none() {
        let skip = Skip::new(
            "shellcheck",
            "shellcheck is not installed",
            "apt-get install -y shellcheck",
        );
        return Stage::skipped("scripts", skip);
    }
    command(
        "scripts",
        Command::new("shellcheck")
            .args(["keiko", ".ci/run"])
            .current_dir(root),
    )
}

/// Cargo at the root of the repository.
fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root);
    cargo
}

/// A stage that is one command, whose output the user sees as it comes.
fn command(name: &'static str, command: &mut Command) -> Stage {
    timed(name, || match command.status() {
        Ok(status) => Counts::one(status.success()),
        Err(error) => {
            eprintln!(
                "{name}: cannot start {}: {error}",
                command.get_program().display()
            );
            Counts::one(false)
        }
    })
}
