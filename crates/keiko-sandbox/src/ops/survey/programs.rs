//! Which programs there are, in which version.

use super::Programs;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Each with the argument that makes it say its version.
const KNOWN: [(&str, &str); 17] = [
    ("python3", "--version"),
    ("pytest", "--version"),
    ("ruff", "--version"),
    ("mypy", "--version"),
    ("uv", "--version"),
    ("node", "--version"),
    ("npm", "--version"),
    ("npx", "--version"),
    ("eslint", "--version"),
    ("cargo", "--version"),
    ("cargo-clippy", "--version"),
    ("rustfmt", "--version"),
    ("go", "version"),
    ("gofmt", ""),
    ("typos", "--version"),
    ("git", "--version"),
    ("bash", "--version"),
];
const ASK_LIMIT: Duration = Duration::from_secs(3);
const LINE_CHARS_MAX: usize = 120;

/// Asks all of them at once.
pub(super) fn versions() -> Programs {
    std::thread::scope(|scope| {
        let asked: Vec<_> = KNOWN
            .iter()
            .map(|(name, argument)| {
                scope.spawn(move || Some(((*name).to_owned(), version(name, argument)?)))
            })
            .collect();
        asked
            .into_iter()
            .filter_map(|thread| thread.join().ok().flatten())
            .collect()
    })
}

fn version(name: &str, argument: &str) -> Option<String> {
    if argument.is_empty() {
        // It has no version of its own and would wait for input: that it is there must do.
        return on_path(name).then(String::new);
    }
    let output = match run(name, &[argument], "", ASK_LIMIT, 4096) {
        Ran::Said(output) => output,
        // On a busy machine it is still there.
        Ran::TooSlow => return Some(String::new()),
        Ran::Failed => return None,
    };
    output
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(|line| line.chars().take(LINE_CHARS_MAX).collect())
}

fn on_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// What came of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// It succeeded, and said this.
    Said(String),
    /// It is not there, or failed.
    Failed,
    /// It was ended at the limit.
    TooSlow,
}

impl Ran {
    /// What it said.
    pub(super) fn said(self) -> Option<String> {
        if let Ran::Said(text) = self {
            Some(text)
        } else {
            None
        }
    }
}

/// Runs a program, and takes its standard output up to `bytes_max`.
pub(super) fn run(
    program: &str,
    args: &[&str],
    input: &str,
    limit: Duration,
    bytes_max: u64,
) -> Ran {
    let until = Instant::now() + limit;
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let Ok(mut child) = command.spawn() else {
        return Ran::Failed;
    };
    let (sender, read) = mpsc::channel();
    let (stdin, stdout, input) = (child.stdin.take(), child.stdout.take(), input.to_owned());
    // Neither thread is waited for: a program's child may hold the pipes for as long as it likes.
    std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if stdout.is_some_and(|stdout| stdout.take(bytes_max).read_to_end(&mut bytes).is_ok()) {
            let _ = sender.send(bytes);
        }
    });
    match ends_well(&mut child, until) {
        None => Ran::TooSlow,
        Some(false) => Ran::Failed,
        Some(true) => match read.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(bytes) => Ran::Said(String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) => Ran::TooSlow,
        },
    }
}

/// Whether it succeeds; nothing when it had to be ended.
fn ends_well(child: &mut Child, until: Instant) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_or_floods_is_ended() {
        let started = Instant::now();
        assert_eq!(
            run("sleep", &["30"], "", Duration::from_millis(100), 10),
            Ran::TooSlow
        );
        // A child that outlives it and holds its output.
        let _ = run(
            "sh",
            &["-c", "setsid sleep 20 & exit 0"],
            "",
            Duration::from_millis(300),
            10,
        );
        assert_eq!(
            run("yes", &[], "", Duration::from_secs(5), 10),
            Ran::Failed,
            "it wrote on after nobody read"
        );
        assert!(started.elapsed() < Duration::from_secs(10));
        assert_eq!(
            run("cat", &[], "hello", Duration::from_secs(5), 4),
            Ran::Said("hell".into())
        );
        assert_eq!(
            run("no-such-program-here", &[], "", ASK_LIMIT, 10),
            Ran::Failed
        );
    }

    #[test]
    fn what_is_there_says_its_version() {
        assert!(versions()["bash"].contains("bash"));
    }
}
