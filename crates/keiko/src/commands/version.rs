//! `version`: what this program was built from. `build.rs` says where it knows that from.

use crate::error::CliError;
use crate::view::Output;
use std::process::ExitCode;

pub(crate) fn run(output: &Output) -> Result<ExitCode, CliError> {
    let version = env!("CARGO_PKG_VERSION");
    let (commit, profile) = (env!("KEIKO_BUILD_COMMIT"), env!("KEIKO_BUILD_PROFILE"));
    if output.json() {
        let events = keiko_contracts::upcast::NEWEST;
        output.data(&serde_json::json!({"version": version, "commit": commit, "profile": profile, "events": events}).to_string());
    } else {
        output.data(&format!(
            "keiko {version} (commit {commit}, profile {profile})"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
