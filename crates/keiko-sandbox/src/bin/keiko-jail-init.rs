//! The parts of the binary that run in a jail, as a program of their own, for this crate's tests: `keiko` contains the same.

use keiko_sandbox::{recording, watch, worker};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == worker::WORKER_ARG).is_some() {
        return worker::main(args);
    }
    if args.next_if(|first| first == recording::LOOK_ARG).is_some() {
        return recording::main(args);
    }
    if args.next_if(|first| first == watch::WATCH_ARG).is_some() {
        return watch::main(args);
    }
    keiko_sandbox::inner::inner_main(args)
}
