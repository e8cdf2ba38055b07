//! Many runs at once in one process, with a model that takes its time.

use crate::model::{ACTIONS, Kind, ModelServer, PACE};
use crate::report::{Report, Target};
use crate::rig::{Rig, WINDOW, goal, runtime};
use anyhow::{Context as _, Result, ensure};
use keiko_ports::Cancel;
use keiko_runtime::drive::{Order, Rest, Unwatched};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

/// How many.
const RUNS: u32 = 200;

pub(crate) fn measure(dir: &Path, report: &mut Report) -> Result<()> {
    let server = ModelServer::start(Kind::Paced)?;
    let dir = dir.join("many");
    std::fs::create_dir_all(&dir)?;
    let output = Command::new(std::env::current_exe()?)
        .args(["many", &server.url()])
        .arg(&dir)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("the process with many runs does not start")?;
    ensure!(
        output.status.success(),
        "the process with many runs ended with {}",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || {
        words
            .next()
            .context("a figure is missing")?
            .context("a figure is none")
    };
    let (seconds, peak) = (next()?, next()?);
    let ideal = PACE.as_secs_f64() * f64::from(ACTIONS + 1);
    let note = format!(
        "{seconds:.3} s against {ideal:.3} s; {RUNS} runs of {ACTIONS} actions, a model of {} ms",
        PACE.as_millis()
    );
    report.held(
        "200 runs at once, wall against ideal",
        seconds / ideal,
        "x",
        Target::AtMost(1.15),
        note,
    );
    report.held(
        "200 runs at once, peak memory",
        peak,
        "MiB",
        Target::AtMost(100.0),
        "",
    );
    Ok(())
}

/// The process with many runs: prints the seconds they took and the most memory it had, in MiB.
pub(crate) fn child(url: &str, dir: &Path) -> Result<()> {
    let seconds = runtime()?.block_on(async {
        let rig = Rig::open(dir, url)?;
        let began = Instant::now();
        let mut runs = JoinSet::new();
        for number in 0..RUNS {
            let order = Order::Start(Box::new(goal(number, 60, WINDOW)?));
            let driver = rig.driver.clone();
            runs.spawn(async move {
                driver
                    .drive(order, Arc::new(Unwatched), Cancel::new())
                    .await
            });
        }
        while let Some(rest) = runs.join_next().await {
            let rest = rest??;
            ensure!(
                matches!(rest, Rest::Ended(_)),
                "a run should end, not {rest:?}"
            );
        }
        let seconds = began.elapsed().as_secs_f64();
        rig.journal.close().await;
        Ok(seconds)
    })?;
    println!("{seconds} {}", memory("self", "VmHWM")?);
    Ok(())
}

/// A line of `/proc/PID/status`, in MiB.
pub(crate) fn memory(process: &str, line: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let value = status.lines().find_map(|l| {
        l.strip_prefix(line)?
            .strip_prefix(':')?
            .split_whitespace()
            .next()?
            .parse::<f64>()
            .ok()
    });
    Ok(value.with_context(|| format!("/proc/{process}/status has no {line}"))? / 1024.0)
}
