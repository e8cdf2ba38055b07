//! The roles that this same program plays inside a jail, chosen by its first argument.

use std::process::ExitCode;

/// Plays an inner role, if the first argument names one. A program that starts jails asks this before anything else.
#[must_use]
pub fn inner() -> Option<ExitCode> {
    keiko_workspace::roles::play(std::env::args_os().skip(1))
}
