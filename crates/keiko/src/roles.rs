//! The roles that this binary plays inside a jail, chosen by its first argument.

use std::process::ExitCode;

/// Plays an inner role, if the first argument names one.
pub(crate) fn inner() -> Option<ExitCode> {
    keiko_workspace::roles::play(std::env::args_os().skip(1))
}
