//! `cargo xtask soak …` and `cargo xtask bench …`: long runs and measurements, by name.

use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Command, ExitCode};

/// A long run or a measurement: a test binary or an example of a crate, started with the release profile.
pub(crate) struct Long {
    name: &'static str,
    what: &'static str,
    /// Arguments of cargo; what the user adds follows them.
    cargo: &'static [&'static str],
    /// A variable and its value, unless the user has set it.
    env: Option<(&'static str, &'static str)>,
}

/// Crash storms, fuzzing, endurance. One line each; keep the newest result under `docs/results/`.
pub(crate) const SOAKS: &[Long] = &[Long {
    name: "crash",
    what: "1,000 SIGKILLs of the real binary at random times; KEIKO_CRASH_KILLS says how many",
    cargo: &["test", "--release", "--package", "keiko", "--test", "crash", "--", "--nocapture"],
    env: Some(("KEIKO_CRASH_KILLS", "1000")),
}];

/// Measurements with limits.
pub(crate) const BENCHES: &[Long] =
    &[Long { name: "agent", what: "what a step costs besides model and tool", cargo: &["bench", "--bench", "agent", "--"], env: None }];

/// Runs the named entry of a registry, or says what there is.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(root: &Path, group: &str, registry: &[Long], name: Option<&str>, arguments: &[String]) -> Result<ExitCode> {
    let Some(found) = registry.iter().find(|long| Some(long.name) == name) else {
        if let Some(name) = name {
            eprintln!("there is no `cargo xtask {group} {name}`");
        }
        eprint!("{}", list(group, registry));
        return Ok(if name.is_some() { ExitCode::from(2) } else { ExitCode::SUCCESS });
    };
    eprintln!("{group} {}: {}", found.name, found.what);
    let mut cargo = Command::new("cargo");
    cargo.args(found.cargo).args(arguments).current_dir(root);
    if let Some((name, value)) = found.env.filter(|(name, _)| std::env::var_os(name).is_none()) {
        cargo.env(name, value);
    }
    let status = cargo.status().context("cannot start cargo")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn list(group: &str, registry: &[Long]) -> String {
    if registry.is_empty() {
        return format!("cargo xtask {group}: nothing is registered yet\n");
    }
    let lines = registry.iter().map(|long| format!("cargo xtask {group} {:<12} {}\n", long.name, long.what));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[Long] = &[Long { name: "version", what: "asks cargo for its version", cargo: &["--version"], env: None }];

    fn code(name: Option<&str>) -> String {
        format!("{:?}", run(Path::new("."), "soak", SAMPLE, name, &[]).unwrap())
    }

    #[test]
    fn an_unknown_name_is_a_usage_error_and_a_known_one_runs() {
        assert_eq!(code(Some("version")), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(Some("nothing")), format!("{:?}", ExitCode::from(2)));
        assert_eq!(code(None), format!("{:?}", ExitCode::SUCCESS));
    }

    #[test]
    fn the_list_names_every_entry() {
        assert_eq!(list("soak", SAMPLE), "cargo xtask soak version      asks cargo for its version\n");
    }
}
