//! A process of Keiko that is watched while it works, and ended when it has come to a place.

use crate::Dice;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A run without a kill: what the moments of kills are chosen from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calm {
    pub(crate) events: u32,
    pub(crate) took: Duration,
}

/// When a process is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// When it has worked for so long.
    After(Duration),
    /// When it has committed so many events, and a little later: as near to a commit as it can be.
    Events(u32, Duration),
}

impl When {
    /// Somewhere in the first three fifths of what a whole run takes. A run that is taken up again is killed further on,
    /// so that kills come everywhere in it, about three to a run.
    pub(crate) fn draw(calm: Calm, dice: &mut Dice) -> When {
        let part =
            |whole: Duration, dice: &mut Dice| whole.mul_f64(dice.up_to(1_000) as f64 / 1_000.0);
        if dice.up_to(2) == 0 {
            When::After(part(calm.took.mul_f64(0.6), dice))
        } else {
            let gap = calm.took / calm.events.max(1);
            When::Events(
                dice.up_to(u64::from(calm.events * 3 / 5)) as u32,
                part(gap * 2, dice),
            )
        }
    }
}

/// A process that says each event that it has committed, as a line of `--jsonl`.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut reader = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // A line that the kill cut off says nothing.
            while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
                let _ = sender.send(std::mem::take(&mut line));
            }
        });
        Process {
            child,
            lines,
            heard: Vec::new(),
        }
    }

    /// Ends it with SIGKILL at a moment: whether it was still alive then, and what it said.
    pub(crate) fn kill(mut self, when: When) -> (bool, Vec<String>) {
        let alive = match when {
            When::After(time) => self.wait(Instant::now() + time, usize::MAX),
            When::Events(events, rest) => {
                self.wait(Instant::now() + Duration::from_secs(60), events as usize)
                    && self.wait(Instant::now() + rest, usize::MAX)
            }
        };
        if alive {
            self.child.kill().expect("a child");
        }
        let killed = self.child.wait().expect("a child").signal() == Some(9);
        self.heard.extend(self.lines.iter());
        (killed, self.heard)
    }

    /// Lets it come to its end.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.heard.extend(self.lines.iter());
        self.child.wait().expect("a child");
        self.heard
    }

    /// Waits until a moment, or until it has said so much. False when it has ended.
    fn wait(&mut self, until: Instant, events: usize) -> bool {
        while self.heard.len() < events {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }
}
