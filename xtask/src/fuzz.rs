//! `cargo xtask soak fuzz`: the property tests over what hostile input reaches, round after round with other numbers.

use anyhow::{Context, Result, bail};
use clap::Parser;
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

/// Words in the names of the tests: for each there must be one.
const TESTS: &[&str] = &[
    // Streams of models: any bytes, real ones garbled and cut.
    "sse::tests::never_panics",
    "the_same_events_however_it_is_cut",
    "arbitrary_bytes_never_panic",
    "garbled_streams_never_panic",
    "any_cut_of_the_bytes",
    "a_stream_cut_short_never",
    // Reports of test runners, JUnit XML, arguments of tools, paths.
    "any_output_is_read_or_refused",
    "mutilated_real_reports_never_panic",
    "any_text_is_read_or_refused",
    "no_path_leaves_the_workspace",
    // The kernel's wire, output of commands, paths in a jail, edits.
    "any_bytes_are_harmless",
    "nothing_is_lost_below_the_cap",
    "pieces_of_text_come_out_whole",
    "no_text_leaves_the_root",
    "an_edit_is_never_applied_wrongly",
    // Keys, stored events, configuration, risk policy.
    "any_text_is_a_key",
    "any_text_is_an_event",
    "any_text_is_a_configuration",
    "any_text_is_a_policy",
];

/// Property tests over hostile input, again and again
#[derive(Parser)]
#[command(name = "cargo xtask soak fuzz", bin_name = "cargo xtask soak fuzz")]
struct Arguments {
    /// How long, in seconds; a round that has begun is finished
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// The first round's seed; each round takes the next. A failure is told with its seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases each test tries in a round
    #[arg(long, default_value_t = 20_000)]
    cases: u32,
    /// The profile of cargo that the tests are built with
    #[arg(long, default_value = "release")]
    profile: String,
}

/// Runs it.
///
/// # Errors
/// When cargo cannot be started, or finds none of the tests.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let words =
        std::iter::once("cargo xtask soak fuzz".to_owned()).chain(arguments.iter().cloned());
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let listed = cargo(root, &arguments, arguments.seed, &["--list"])?;
    if let Some(missing) = TESTS
        .iter()
        .find(|test| !String::from_utf8_lossy(&listed.stdout).contains(*test))
    {
        bail!(
            "there is no test {missing:?}: correct the names in xtask/src/fuzz.rs\n{}",
            String::from_utf8_lossy(&listed.stderr)
        );
    }
    let (begin, mut round, mut tests) = (Instant::now(), 0, 0);
    while round == 0 || begin.elapsed() < Duration::from_secs(arguments.seconds) {
        let seed = arguments.seed.wrapping_add(round);
        let output = cargo(root, &arguments, seed, &[])?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
            eprintln!(
                "again: cargo xtask soak fuzz --seconds 0 --seed {seed} --cases {}",
                arguments.cases
            );
            return Ok(ExitCode::FAILURE);
        }
        tests += passed(&text);
        round += 1;
        eprintln!(
            "seed {seed}: {} tests passed, {:.0} s",
            passed(&text),
            begin.elapsed().as_secs_f32()
        );
    }
    eprintln!(
        "{round} rounds of up to {} cases a test: {tests} passed, none failed, {:.0} s, seeds {} to {}",
        arguments.cases,
        begin.elapsed().as_secs_f32(),
        arguments.seed,
        arguments.seed.wrapping_add(round - 1)
    );
    Ok(ExitCode::SUCCESS)
}

/// One round, or a list of its tests.
fn cargo(root: &Path, arguments: &Arguments, seed: u64, more: &[&str]) -> Result<Output> {
    Command::new("cargo")
        .args([
            "test",
            "--quiet",
            "--profile",
            &arguments.profile,
            "--workspace",
            "--lib",
            "--bins",
            "--test",
            "decode",
            "--",
        ])
        .args(more)
        .args(TESTS)
        .env("PROPTEST_CASES", arguments.cases.to_string())
        .env("PROPTEST_RNG_SEED", seed.to_string())
        .current_dir(root)
        .output()
        .context("cannot start cargo")
}

/// The sum over `test result: ok. 3 passed; …` of all test binaries.
fn passed(output: &str) -> u64 {
    let counts = output.lines().filter_map(|line| {
        line.trim()
            .strip_prefix("test result: ok. ")?
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_is_counted_over_all_binaries() {
        let output = "running 2 tests\n..\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.1s\n\n\
                      test result: ok. 0 passed; 0 failed; 0 ignored\ntest result: ok. 13 passed; 0 failed\n";
        assert_eq!(passed(output), 15);
    }
}
