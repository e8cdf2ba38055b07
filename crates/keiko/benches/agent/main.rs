//! `cargo xtask bench agent`: what a step of an agent costs besides its model and its tool.
//!
//! The journal is a real one on a real disk, the model a server in another process that answers at once, the client, the loop and the
//! runtime are those of the binary. The tool is answered in this process: a sandbox costs what it costs and is measured elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod baseline;
mod fold;
mod many;
mod model;
mod report;
mod rig;
mod start;
mod steps;
mod store;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use report::Report;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures the agent's loop against its targets.
#[derive(Parser)]
#[command(name = "cargo xtask bench agent")]
struct Arguments {
    /// The figures as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Exit with 8 when a target is missed
    #[arg(long)]
    strict: bool,
    /// Where journals are made; must be on a real disk
    #[arg(long, value_name = "DIR", default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Only the measurements whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// Parts that want a process of their own.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    /// The model server, until its standard input ends.
    Serve { addr: SocketAddr, kind: model::Kind },
    /// Many runs at once.
    Many { url: String, dir: PathBuf },
    /// A few steps, for looking at from outside: system calls, a profile.
    Few {
        url: String,
        dir: PathBuf,
        #[arg(default_value_t = steps::FEW)]
        steps: u32,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.part {
        Some(Part::Serve { addr, kind }) => model::serve(*addr, *kind),
        Some(Part::Many { url, dir }) => many::child(url, dir),
        Some(Part::Few { url, dir, steps }) => steps::few(url, dir, *steps),
        None => return measure(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn measure(arguments: &Arguments) -> ExitCode {
    let report = match all(arguments) {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.table());
    }
    if arguments.strict && report.missed() {
        ExitCode::from(8)
    } else {
        ExitCode::SUCCESS
    }
}

fn all(arguments: &Arguments) -> Result<Report> {
    refuse_memory(&arguments.dir)?;
    if cfg!(debug_assertions) {
        eprintln!(
            "this build is not optimised: the figures mean little (cargo xtask bench agent builds the right one)"
        );
    }
    let wanted = |name: &str| {
        arguments
            .only
            .as_deref()
            .is_none_or(|only| name.contains(only))
    };
    let dir = tempfile::Builder::new()
        .prefix("bench-agent-")
        .tempdir_in(&arguments.dir)
        .context("no folder for journals")?;
    let mut report = Report::default();
    let base = baseline::measure(dir.path(), &mut report)?;
    if wanted("steps") {
        steps::measure(dir.path(), &base, &mut report)?;
    }
    if wanted("storage") {
        store::measure(dir.path(), &mut report)?;
    }
    if wanted("fold") {
        fold::measure(dir.path(), &mut report)?;
    }
    if wanted("many") {
        many::measure(dir.path(), &mut report)?;
    }
    if wanted("start") {
        start::measure(dir.path(), &mut report)?;
    }
    Ok(report)
}

/// A sync that touches no medium measures nothing.
fn refuse_memory(dir: &Path) -> Result<()> {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    let kind = rustix::fs::statfs(dir)
        .with_context(|| format!("cannot look at {}", dir.display()))?
        .f_type;
    if [TMPFS, RAMFS].contains(&kind) {
        bail!(
            "{} is in memory (tmpfs), where a sync costs nothing: give a folder on a disk with --dir",
            dir.display()
        );
    }
    Ok(())
}
