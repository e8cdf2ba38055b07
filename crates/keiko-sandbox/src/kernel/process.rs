//! The process behind a kernel, in its jail.

use crate::capture::capture;
use crate::run::JailProcess;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use std::future::Future;

/// Bytes that are kept of each stream.
const WORDS: u32 = 4096;

/// The process behind a kernel, which the caller started.
pub struct Process {
    /// Ends when the process has ended, with what is known of why: its last words, or that memory ran out.
    pub(super) died: BoxFuture<'static, String>,
    /// Ends the process and all its children when cancelled.
    pub(super) kill: Cancel,
}

impl Process {
    /// From the two.
    pub(super) fn new(
        died: impl Future<Output = String> + Send + 'static,
        kill: Cancel,
    ) -> Process {
        Process {
            died: died.boxed(),
            kill,
        }
    }

    /// Takes over a process that runs a kernel in a jail, with the last words that it says.
    #[must_use]
    pub fn in_jail(mut process: JailProcess) -> Process {
        let kill = Cancel::new();
        let killed = kill.clone();
        if let Some(stdout) = process.stdout.take() {
            tokio::spawn(capture(stdout, WORDS, LiveSink::none()));
        }
        let words = process
            .stderr
            .take()
            .map(|stderr| tokio::spawn(capture(stderr, WORDS, LiveSink::none())));
        let died = async move {
            let end = tokio::select! {
                end = process.wait() => end.map_or_else(|fault| fault.to_string(), |output| format!("{:?}", output.end)),
                () = killed.cancelled() => {
                    process.kill().await;
                    return "it was ended".to_owned();
                }
            };
            let words = match words {
                Some(words) => words.await.map(|w| w.text()).unwrap_or_default(),
                None => String::new(),
            };
            match words.lines().rev().find(|l| !l.trim().is_empty()) {
                Some(last) => format!("{end}: {}", last.chars().take(300).collect::<String>()),
                None => end,
            }
        };
        Process::new(died, kill)
    }
}
