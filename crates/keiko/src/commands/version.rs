//! `version`.

use crate::error::CliError;
use crate::view::Output;
use std::process::ExitCode;

pub(crate) fn run(output: &Output) -> Result<ExitCode, CliError> {
    let version = env!("CARGO_PKG_VERSION");
    let profile = if cfg!(debug_assertions) { "debug" } else { "optimised" };
    if output.json() {
        let events = keiko_contracts::run::RunEvent::VERSION;
        output.data(&serde_json::json!({"version": version, "profile": profile, "events": events}).to_string());
    } else {
        output.data(&format!("keiko {version} ({profile})"));
    }
    Ok(ExitCode::SUCCESS)
}
