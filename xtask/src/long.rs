//! `cargo xtask soak …` and `cargo xtask bench …`: long runs and measurements, by name.

use crate::fuzz;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Command, ExitCode};

/// A long run or a measurement.
pub(crate) struct Long {
    name: &'static str,
    what: &'static str,
    how: How,
}

/// How it is run.
enum How {
    /// A test binary or an example of a crate, started with the release profile.
    Cargo {
        /// Arguments of cargo; what the user adds follows them.
        arguments: &'static [&'static str],
        /// A variable and its value, unless the user has set it.
        env: Option<(&'static str, &'static str)>,
    },
    /// A part of this program, with what the user adds.
    Own(fn(&Path, &[String]) -> Result<ExitCode>),
}

/// Crash storms, fuzzing, endurance. One entry each; the newest results stand in `docs/measurements.md`.
pub(crate) const SOAKS: &[Long] = &[
    Long {
        name: "crash",
        what: "1,000 SIGKILLs of the real binary, 1,000 of drivers with a ledger, 1,000 of runs with runs below; KEIKO_CRASH_KILLS",
        how: How::Cargo {
            arguments: &[
                "test",
                "--release",
                "--workspace",
                "--test",
                "crash",
                "--test",
                "it",
                "--",
                "--nocapture",
                "kills_",
                "every_prefix",
            ],
            env: Some(("KEIKO_CRASH_KILLS", "1000")),
        },
    },
    Long {
        name: "fuzz",
        what: "property tests over what hostile input reaches, for five minutes; --seconds, --seed, --cases",
        how: How::Own(fuzz::run),
    },
];

/// Measurements with limits.
pub(crate) const BENCHES: &[Long] = &[
    Long {
        name: "agent",
        what: "what a step costs besides model and tool",
        how: How::Cargo {
            arguments: &["bench", "--bench", "agent", "--"],
            env: None,
        },
    },
    Long {
        name: "matching",
        what: "what finding an agent among 1,000 costs, besides the task's vector",
        how: How::Cargo {
            arguments: &["bench", "--bench", "matching", "--"],
            env: None,
        },
    },
];

/// Runs the named entry of a registry, or says what there is.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(
    root: &Path,
    group: &str,
    registry: &[Long],
    name: Option<&str>,
    arguments: &[String],
) -> Result<ExitCode> {
    let Some(found) = registry.iter().find(|long| Some(long.name) == name) else {
        if let Some(name) = name {
            eprintln!("there is no `cargo xtask {group} {name}`");
        }
        eprint!("{}", list(group, registry));
        return Ok(if name.is_some() {
            ExitCode::from(2)
        } else {
            ExitCode::SUCCESS
        });
    };
    eprintln!("{group} {}: {}", found.name, found.what);
    let (given, env) = match found.how {
        How::Own(run) => return run(root, arguments),
        How::Cargo { arguments, env } => (arguments, env),
    };
    let mut cargo = Command::new("cargo");
    cargo.args(given).args(arguments).current_dir(root);
    if let Some((name, value)) = env.filter(|(name, _)| std::env::var_os(name).is_none()) {
        cargo.env(name, value);
    }
    let status = cargo.status().context("cannot start cargo")?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn list(group: &str, registry: &[Long]) -> String {
    if registry.is_empty() {
        return format!("cargo xtask {group}: nothing is registered yet\n");
    }
    let lines = registry
        .iter()
        .map(|long| format!("cargo xtask {group} {:<12} {}\n", long.name, long.what));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[Long] = &[Long {
        name: "version",
        what: "asks cargo for its version",
        how: How::Cargo {
            arguments: &["--version"],
            env: None,
        },
    }];

    fn code(name: Option<&str>) -> String {
        format!(
            "{:?}",
            run(Path::new("."), "soak", SAMPLE, name, &[]).unwrap()
        )
    }

    #[test]
    fn an_unknown_name_is_a_usage_error_and_a_known_one_runs() {
        assert_eq!(code(Some("version")), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(Some("nothing")), format!("{:?}", ExitCode::from(2)));
        assert_eq!(code(None), format!("{:?}", ExitCode::SUCCESS));
    }

    #[test]
    fn the_list_names_every_entry() {
        assert_eq!(
            list("soak", SAMPLE),
            "cargo xtask soak version      asks cargo for its version\n"
        );
    }
}
