//! A command whose output is watched, by this same binary inside the jail: when it says nothing for too long, it is ended.
//!
//! Rust's test harness has no time limit for a test, but it prints a line at the end of each. So cargo starts test binaries
//! through this, and one test that hangs costs the rest of its own binary, not the results of all others.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// The first argument that makes the binary watch: `jail-watch SECONDS PROGRAM ARGUMENTS...`.
pub(crate) const WATCH_ARG: &str = "jail-watch";
/// How often it is looked whether the program is still there.
const LOOK: Duration = Duration::from_millis(20);
/// How long output is waited for once the program is gone: a child of its own may hold the pipe for as long as it likes.
const REST: Duration = Duration::from_millis(200);
/// Exit code of a program that was ended.
const ENDED: u8 = 124;

/// Runs the program, and passes on what it prints.
#[must_use]
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut args = args;
    let seconds = args
        .next()
        .and_then(|seconds| seconds.to_str()?.parse::<u64>().ok());
    let (Some(seconds), Some(program)) = (seconds, args.next()) else {
        eprintln!("usage: {WATCH_ARG} SECONDS PROGRAM [ARGUMENT]...");
        return ExitCode::from(2);
    };
    // A group of its own, so that what it started ends with it.
    match Command::new(&program)
        .args(args)
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
    {
        Ok(child) => watch(child, seconds),
        Err(error) => {
            eprintln!("{}: {error}", program.to_string_lossy());
            ExitCode::from(127)
        }
    }
}

fn watch(mut child: Child, seconds: u64) -> ExitCode {
    let output = reader(&mut child);
    let (limit, mut said) = (Duration::from_secs(seconds), Instant::now());
    loop {
        match output.recv_timeout(LOOK) {
            Ok(bytes) => {
                said = Instant::now();
                pass_on(&bytes);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // It closed its output and may go on working.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
        }
        match child.try_wait() {
            Ok(Some(status)) => {
                while let Ok(bytes) = output.recv_timeout(REST) {
                    pass_on(&bytes);
                }
                return as_it_ended(status);
            }
            Ok(None) if said.elapsed() < limit => {}
            _ => {
                end(&mut child);
                while let Ok(bytes) = output.recv_timeout(REST) {
                    pass_on(&bytes);
                }
                pass_on(
                    format!(
                        "\nkeiko: no test ended within {seconds} s, so this binary was ended\n"
                    )
                    .as_bytes(),
                );
                return ExitCode::from(ENDED);
            }
        }
    }
}

/// Reads on a thread of its own, a few pieces ahead at most.
fn reader(child: &mut Child) -> Receiver<Vec<u8>> {
    let (sender, output) = sync_channel(4);
    if let Some(mut stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                let Some(piece) = buffer.get(..n) else { break };
                if sender.send(piece.to_vec()).is_err() {
                    break;
                }
            }
        });
    }
    output
}

fn pass_on(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Its exit code, or ended by the same signal, so that whoever started it says the same of it.
fn as_it_ended(status: ExitStatus) -> ExitCode {
    if let Some(signal) = status
        .signal()
        .and_then(rustix::process::Signal::from_named_raw)
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1))
}
