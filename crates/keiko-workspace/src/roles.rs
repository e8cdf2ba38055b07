//! The roles that this same binary plays inside a jail, chosen by its first argument.

use crate::recording::{self, LOOK_ARG};
use std::ffi::OsString;
use std::process::ExitCode;

/// Plays a role of this crate or of the sandbox, if the first argument names one; `args` are those after the program's name.
/// A binary that makes jails calls it before anything else.
pub fn play(args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.peekable();
    if args.next_if(|first| first == LOOK_ARG).is_some() {
        return Some(recording::main(args));
    }
    keiko_sandbox::roles::play(args)
}
