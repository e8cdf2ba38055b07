//! The roles that this same binary plays inside a jail, chosen by its first argument.

use crate::{inner, watch, worker};
use std::ffi::OsString;
use std::process::ExitCode;

/// Plays a role, if the first argument names one; `args` are those after the program's name. A binary that makes jails calls
/// it before anything else.
pub fn play(args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.peekable();
    if args.next_if(|first| first == worker::WORKER_ARG).is_some() {
        return Some(worker::main(args));
    }
    if args.next_if(|first| first == watch::WATCH_ARG).is_some() {
        return Some(watch::main(args));
    }
    let names_a_stage = args
        .peek()
        .and_then(|first| first.to_str())
        .is_some_and(|first| inner::STAGES.contains(&first));
    names_a_stage.then(|| inner::inner_main(args))
}
