//! What the commands of all runners share.

use keiko_contracts::jail::Project;
use keiko_contracts::step::quoted;

/// How long one test may take where the reporter can end it, seconds.
pub(super) const TEST_SECONDS: &str = "120";
/// Longest test run, milliseconds.
pub(super) const WALL_MS: u32 = 600_000;

/// The command, from the workspace's root.
pub(super) fn in_folder(project: &Project, command: &str) -> String {
    if project.dir.is_empty() {
        command.to_owned()
    } else {
        format!("cd {} && {command}", quoted(&project.dir))
    }
}
