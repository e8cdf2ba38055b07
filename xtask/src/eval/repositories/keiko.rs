//! The real binary on a copy of a project, as a new user would, and what it says.

use super::fetch::call;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than the doctor's own limit and an installation.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The binary, and where it works.
pub(super) struct Bench {
    pub(super) binary: PathBuf,
    /// Copies of projects and homes of Keiko's.
    pub(super) folder: PathBuf,
}

/// Whether what an earlier run installed is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// As on a fresh machine.
    Fresh,
    /// As it was left.
    Kept,
}

/// What Keiko said of a workspace.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The report, in the parts that are judged.
    pub(super) report: Report,
    /// Seconds until everything had been installed and all tests had run once.
    pub(super) tested_seconds: f64,
    /// Seconds until the end.
    pub(super) seconds: f64,
    /// How it ended, when not with a report.
    pub(super) wrong: Option<String>,
}

/// The parts of a doctor's report that are judged.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Report {
    pub(super) suites: Vec<Suite>,
    pub(super) flaky: Vec<Flaky>,
    pub(super) guilty: Vec<Guilty>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) not_looked_at: Vec<NotLooked>,
}

/// A test suite.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Suite {
    pub(super) command: String,
    pub(super) passed: u32,
    /// Errors included.
    pub(super) failed: u32,
    pub(super) skipped: u32,
}

/// A test that is said to be flaky.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Flaky {
    pub(super) test: String,
    /// `chance`, or what else decides.
    pub(super) cause: String,
}

impl Flaky {
    /// Only this is called flaky; that a test depends on its surroundings or on its neighbours is another statement.
    pub(super) fn by_chance(&self) -> bool {
        self.cause == "chance"
    }
}

/// A commit that is named.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Guilty {
    pub(super) commit: Commit,
}

/// A commit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Commit {
    pub(super) subject: String,
}

/// An edit that is offered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Candidate {
    pub(super) diff: String,
}

/// What was left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct NotLooked {
    pub(super) what: String,
    pub(super) why: String,
}

impl Bench {
    /// A fresh copy of a project.
    pub(super) fn copy(&self, source: &Path, name: &str) -> Result<PathBuf> {
        let copy = self.folder.join(name);
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        fs::create_dir_all(&self.folder)?;
        call(Command::new("cp").arg("-a").arg(source).arg(&copy))?;
        Ok(copy)
    }

    /// Has a workspace examined.
    pub(super) fn examine(&self, workspace: &Path, name: &str, home: Home) -> Result<Said> {
        let place = self.folder.join(format!("{name}.home"));
        if home == Home::Fresh && place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::create_dir_all(&place)?;
        let (out, err) = (
            self.folder.join(format!("{name}.jsonl")),
            self.folder.join(format!("{name}.err")),
        );
        let mut keiko = self.command(&place);
        keiko
            .args(["up", "--jsonl", "--install", "yes", "--workspace"])
            .arg(workspace);
        keiko
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(&err)?);
        let started = Instant::now();
        let child = keiko.spawn().context("keiko could not be started")?;
        let ended = wait(child, PATIENCE)?;
        let seconds = started.elapsed().as_secs_f64();
        let mut said = Said {
            seconds,
            tested_seconds: tested(&fs::read_to_string(&out)?).unwrap_or(seconds),
            ..Said::default()
        };
        let words = fs::read_to_string(&err).unwrap_or_default();
        let last = words.trim().lines().last().unwrap_or_default();
        let Some(code) = ended else {
            said.wrong = Some(format!(
                "not finished after {} minutes: {last}",
                PATIENCE.as_secs() / 60
            ));
            return Ok(said);
        };
        match self.report(&place) {
            Ok(report) => said.report = report,
            Err(error) => said.wrong = Some(format!("exit code {code}: {last} ({error:#})")),
        }
        Ok(said)
    }

    fn report(&self, home: &Path) -> Result<Report> {
        let output = self
            .command(home)
            .args(["runs", "report", "last", "--json"])
            .output()?;
        ensure!(output.status.success(), "no report");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn command(&self, home: &Path) -> Command {
        let mut keiko = Command::new(&self.binary);
        keiko.env("KEIKO_HOME", home).stdin(Stdio::null());
        for name in ["VIRTUAL_ENV", "CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR"] {
            keiko.env_remove(name);
        }
        keiko
    }
}

/// The exit code, or nothing when it did not end in time.
fn wait(mut child: Child, patience: Duration) -> Result<Option<i32>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.code().unwrap_or(-1)));
        }
        if started.elapsed() > patience {
            // Keiko's own sandbox ends with it.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Seconds from a run's first event until its tests had run once, read from its events.
fn tested(events: &str) -> Option<f64> {
    let mut first = None;
    let mut keys = Vec::new();
    let mut last = None;
    for event in events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let at = clock(event["at"].as_str()?)?;
        let start = *first.get_or_insert(at);
        let data = &event["body"]["data"];
        match event["body"]["event"].as_str() {
            Some("effect_intended")
                if data["asked"]["call"]
                    .as_str()
                    .is_some_and(|call| call.starts_with("tests-")) =>
            {
                keys.push(data["key"].clone());
            }
            // Past midnight the clock begins anew.
            Some("effect_ended") if keys.contains(&data["key"]) => {
                last = Some((at - start).rem_euclid(86_400.0))
            }
            _ => {}
        }
    }
    last
}

/// Seconds of the day in `2026-11-27T22:09:55.384Z`.
fn clock(at: &str) -> Option<f64> {
    let (_, time) = at.trim_end_matches('Z').split_once('T')?;
    let parts: Vec<f64> = time
        .split(':')
        .filter_map(|part| part.parse().ok())
        .collect();
    match parts[..] {
        [hours, minutes, seconds] => Some(hours * 3600.0 + minutes * 60.0 + seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_until_tests_have_run_is_that_of_their_first_runs_alone() {
        let event = |at: &str, event: &str, key: &str, call: &str| {
            format!(
                r#"{{"at":"2026-11-27T{at}Z","body":{{"event":"{event}","data":{{"key":"{key}","asked":{{"call":"{call}"}}}}}}}}"#
            )
        };
        let events = [
            event("23:59:50.000", "run_started", "", ""),
            event("23:59:55.000", "effect_intended", "a", "prepare"),
            event("23:59:59.500", "effect_ended", "a", ""),
            event("23:59:59.500", "effect_intended", "b", "tests-1"),
            event("00:00:05.250", "effect_ended", "b", ""),
            event("00:00:05.250", "effect_intended", "c", "again-1"),
            event("00:01:00.000", "effect_ended", "c", ""),
        ];
        assert_eq!(tested(&events.join("\n")), Some(15.25));
        assert_eq!(tested(&events[..4].join("\n")), None);
    }
}
