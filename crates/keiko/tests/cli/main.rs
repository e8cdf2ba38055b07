//! The real binary, started as people start it: what it prints, where, and its exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]
#![expect(
    clippy::expect_used,
    reason = "in a test a panic is the message; clippy excepts only the test functions themselves"
)]

mod config;
mod doctor;
mod german;
mod models;
mod usage;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A home of its own, and nothing of the environment around.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Home {
        Home {
            dir: tempfile::tempdir().expect("a folder"),
        }
    }
    fn path(&self) -> &Path {
        self.dir.path()
    }
    fn config_file(&self) -> PathBuf {
        self.path().join("config/config.toml")
    }
    /// Writes a file below the home.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }
    /// The binary, run from an empty folder.
    fn keiko(&self, args: &[&str]) -> Command {
        let here = self.path().join("here");
        std::fs::create_dir_all(&here).expect("a folder");
        let mut command = bare(args);
        // No Ollama of this machine: nobody listens on port 9.
        command
            .env("KEIKO_HOME", self.path())
            .env("HOME", self.path())
            .env("OLLAMA_HOST", "127.0.0.1:9")
            .current_dir(here);
        command
    }
    fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.keiko(args))
    }
}

/// The binary without a home.
fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keiko"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .args(args)
        .env_clear()
        .env("PATH", path)
        .env("CI", "1")
        .stdin(Stdio::null());
    command
}

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn of(command: &mut Command) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let ran = Ran {
            code: status.code().expect("no signal"),
            out: text(stdout),
            err: text(stderr),
        };
        assert!(!ran.err.contains("panicked"), "{ran:?}");
        ran
    }
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
