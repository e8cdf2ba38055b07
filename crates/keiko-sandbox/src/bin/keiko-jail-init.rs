//! The parts of the binary that run in a jail, as a program of their own, for this crate's tests: `keiko` contains the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    keiko_sandbox::roles::play(std::env::args_os().skip(1)).unwrap_or(ExitCode::FAILURE)
}
