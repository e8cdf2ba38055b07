//! A home of Keiko with a script, and the commands that a person would type.

use crate::process::Process;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Each run writes, appends twice with a command that must not run twice, and ends.
const WITH_FOLDER: &str = r#"
[[turn]]
pause_ms = 20
[[turn.call]]
tool = "write_file"
arguments = { path = "log", text = "begin\n" }
[[turn]]
pause_ms = 20
[[turn.call]]
tool = "execute"
arguments = { command = "echo one >> log" }
[[turn.call]]
tool = "execute"
arguments = { command = "echo two >> log" }
[[turn]]
pause_ms = 20
[[turn.call]]
tool = "finish"
arguments = { summary = "Done." }
"#;

/// Without a sandbox: steps that only the journal sees.
const WITHOUT_FOLDER: &str = r#"
[[turn]]
pause_ms = 30
text = "First."
[[turn.call]]
tool = "show_more"
arguments = { reference = "o1.0" }
[[turn]]
pause_ms = 30
text = "Second."
[[turn.call]]
tool = "show_more"
arguments = { reference = "o2.0" }
[[turn]]
pause_ms = 30
text = "Third."
[[turn.call]]
tool = "show_more"
arguments = { reference = "o3.0" }
[[turn]]
pause_ms = 30
[[turn.call]]
tool = "finish"
arguments = { summary = "Done." }
"#;

pub(crate) struct Home {
    dir: tempfile::TempDir,
    pub(crate) folder: bool,
}

impl Home {
    pub(crate) fn new(folder: bool) -> Home {
        let home = Home {
            dir: tempfile::tempdir().expect("a folder"),
            folder,
        };
        std::fs::create_dir(home.path("work")).expect("a folder");
        std::fs::write(home.path("work/readme"), "A folder.\n").expect("a file");
        std::fs::write(
            home.path("script.toml"),
            if folder { WITH_FOLDER } else { WITHOUT_FOLDER },
        )
        .expect("a file");
        home
    }
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    fn keiko(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keiko"));
        command
            .args(args)
            .env("KEIKO_HOME", self.dir.path().join("home"))
            .env("KEIKO_LEASE_MS", "300")
            .env("CI", "1");
        command
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.keiko(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .expect("the binary starts")
    }
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.output(args);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
    }
    /// Starts a run, or takes one up again.
    pub(crate) fn drive(&self, run: Option<&str>) -> Process {
        let script = self.path("script.toml");
        let script = [
            "--script",
            script.to_str().expect("text"),
            "--quiet",
            "--jsonl",
        ];
        let args = match run {
            Some(run) => vec!["resume", run],
            None if self.folder => vec!["run", "Write the log", "--workspace", "work"],
            None => vec!["run", "Write the log", "--no-workspace"],
        };
        Process::start(&mut self.keiko(&[args, script.to_vec()].concat()))
    }
    /// The ids of the newest runs with their states, newest first.
    pub(crate) fn runs(&self, limit: u32) -> Vec<(String, String)> {
        let list = self.json(&["runs", "list", "--json", "--limit", &limit.to_string()]);
        let text = |run: &Value, name: &str| run[name].as_str().unwrap_or_default().to_owned();
        list["runs"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|run| (text(run, "run"), text(run, "state")))
            .collect()
    }
    /// The newest run that has not ended.
    pub(crate) fn unfinished(&self) -> Option<String> {
        let (run, state) = self.runs(1).pop()?;
        (![
            "succeeded",
            "examined",
            "unverified",
            "failed",
            "refused",
            "cancelled",
        ]
        .contains(&state.as_str()))
        .then_some(run)
    }
    /// The lines of a run's events.
    pub(crate) fn events(&self, run: &str) -> Vec<String> {
        let output = self.output(&["runs", "events", run, "--json"]);
        assert!(output.status.success(), "{run}: {output:?}");
        String::from_utf8(output.stdout)
            .expect("text")
            .split_inclusive('\n')
            .map(str::to_owned)
            .collect()
    }
}
