//! The roles that this binary plays inside a jail, chosen by its first argument.

use std::process::ExitCode;

/// Plays an inner role, if the first argument names one.
pub(crate) fn inner() -> Option<ExitCode> {
    let first = std::env::args_os().nth(1)?;
    let first = first.to_str()?;
    if first == keiko_sandbox::worker::WORKER_ARG {
        return Some(keiko_sandbox::worker::main(std::env::args_os().skip(2)));
    }
    if first == keiko_sandbox::recording::LOOK_ARG {
        return Some(keiko_sandbox::recording::main(std::env::args_os().skip(2)));
    }
    if first == keiko_sandbox::watch::WATCH_ARG {
        return Some(keiko_sandbox::watch::main(std::env::args_os().skip(2)));
    }
    keiko_sandbox::inner::STAGES.contains(&first).then(|| keiko_sandbox::inner::inner_main(std::env::args_os().skip(1)))
}
