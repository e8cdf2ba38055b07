//! One long run: what a step costs, and whether the thousandth costs what the tenth did.

use crate::baseline::Baseline;
use crate::model::{Kind, ModelServer};
use crate::report::{Report, Target, median, percentile};
use crate::rig::{Rig, WINDOW, cpu_ns, goal, runtime};
use anyhow::{Context as _, Result, bail, ensure};
use keiko_contracts::action::Action;
use keiko_contracts::id::EffectKey;
use keiko_contracts::journal::Recorded;
use keiko_contracts::model::LiveFrame;
use keiko_contracts::run::{RunEvent, RunLimits, Suspension};
use keiko_ports::Cancel;
use keiko_runtime::drive::{Order, Rest, Watch};
use keiko_store::Stats;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How long the long run is.
const STEPS: u32 = 1000;
/// Steps under `strace`, for counting system calls.
pub(crate) const FEW: u32 = 100;

/// When each step began: wall, and CPU of this process in nanoseconds.
#[derive(Default)]
struct Marks(Mutex<Vec<(Instant, u64)>>);

impl Watch for Marks {
    fn event(&self, _: &Recorded, event: &RunEvent) {
        if let RunEvent::EffectIntended(intent) = event
            && matches!(intent.action, Action::Model(_))
        {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((Instant::now(), cpu_ns()));
        }
    }
    fn frame(&self, _: &EffectKey, _: LiveFrame) {}
}

/// What a long run came to.
struct Walk {
    /// Of each step, in milliseconds.
    wall: Vec<f64>,
    cpu: Vec<f64>,
    stats: Stats,
}

/// Drives one run for so many steps.
fn walk(dir: &Path, url: &str, steps: u32, window: u32) -> Result<Walk> {
    std::fs::create_dir_all(dir)?;
    runtime()?.block_on(async {
        let rig = Rig::open(dir, url)?;
        let marks = Arc::new(Marks::default());
        let before = rig.journal.stats();
        let order = Order::Start(Box::new(goal(1, steps, window)?));
        let rest = rig
            .driver
            .drive(order, marks.clone(), Cancel::new())
            .await?;
        let after = rig.journal.stats();
        let Rest::Waiting(Suspension::Limit { .. }) = rest else {
            bail!("the run should end at its limit of steps, not with {rest:?}")
        };
        rig.journal.close().await;
        let marks = marks.0.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(
            marks.len() == steps as usize,
            "{} model requests in {steps} steps",
            marks.len()
        );
        let pairs = || marks.windows(2);
        let stats = Stats {
            groups: after.groups - before.groups,
            barriers: after.barriers - before.barriers,
            requests: after.requests - before.requests,
            events: after.events - before.events,
            bytes: after.bytes - before.bytes,
        };
        Ok(Walk {
            wall: pairs()
                .map(|pair| (pair[1].0 - pair[0].0).as_secs_f64() * 1000.0)
                .collect(),
            cpu: pairs()
                .map(|pair| (pair[1].1 - pair[0].1) as f64 / 1e6)
                .collect(),
            stats,
        })
    })
}

pub(crate) fn measure(dir: &Path, base: &Baseline, report: &mut Report) -> Result<()> {
    let server = ModelServer::start(Kind::Endless)?;
    let walked = walk(&dir.join("steps"), &server.url(), STEPS, WINDOW)?;
    let (wall, cpu) = (&walked.wall, &walked.cpu);
    let limit = if base.fdatasync <= 0.2 {
        1.5
    } else {
        1.2 + 2.0 * base.commit.wall
    };
    let (middle, bare) = (median(wall), 2.0 * base.commit.wall + base.http.wall);
    report.held(
        "step, wall, median",
        middle,
        "ms",
        Target::AtMost(limit),
        "",
    );
    let note = format!(
        "{middle:.3} ms, p95 {:.3}; bare {bare:.3}; tool without sandbox",
        percentile(wall, 0.95)
    );
    report.held(
        "step, wall, against two bare commits and the bare request",
        middle / bare,
        "x",
        Target::AtMost(1.15),
        note,
    );
    let mean = cpu.iter().sum::<f64>() / cpu.len() as f64;
    report.held(
        "step, CPU of this process, mean",
        mean,
        "ms",
        Target::AtMost(0.5),
        "",
    );
    let bare = 2.0 * base.commit.cpu + base.http.cpu;
    let note = format!("{mean:.3} ms, median {:.3}; bare {bare:.3}", median(cpu));
    report.held(
        "step, CPU of this process, against the same",
        mean / bare,
        "x",
        Target::AtMost(1.4),
        note,
    );
    let per_step = |count: u64| count as f64 / f64::from(STEPS);
    report.figure(
        "commits per step",
        per_step(walked.stats.groups),
        "",
        format!("{:.2} events", per_step(walked.stats.events)),
    );
    report.held(
        "commits with sync per step",
        per_step(walked.stats.barriers),
        "",
        Target::AtMost(2.05),
        "",
    );
    let (early, late) = (median(&wall[..100]), median(&wall[wall.len() - 100..]));
    let (cpu_early, cpu_late) = (median(&cpu[..100]), median(&cpu[cpu.len() - 100..]));
    let note = format!(
        "wall {early:.3} and {late:.3} ms; CPU {cpu_early:.3} and {cpu_late:.3} ms; window {WINDOW} tokens"
    );
    report.held(
        "steps 901-1000 against 1-100, wall",
        late / early,
        "x",
        Target::AtMost(1.25),
        note,
    );
    let wide = walk(
        &dir.join("wide"),
        &server.url(),
        STEPS,
        RunLimits::default().context_tokens,
    )?;
    let late = &wide.cpu[wide.cpu.len() - 100..];
    let note = format!(
        "CPU {:.3} ms; {} tokens, not yet sliding",
        median(late),
        RunLimits::default().context_tokens
    );
    report.figure(
        "steps 901-1000 with the default window",
        median(&wide.wall[wide.wall.len() - 100..]),
        "ms",
        note,
    );
    count_syncs(&dir.join("few"), &server.url(), report)
}

/// A few steps in a process of their own.
pub(crate) fn few(url: &str, dir: &Path, steps: u32) -> Result<()> {
    walk(dir, url, steps, WINDOW).map(drop)
}

/// Counts the syncs from outside, as the kernel sees them.
fn count_syncs(dir: &Path, url: &str, report: &mut Report) -> Result<()> {
    let trace = dir.with_extension("strace");
    let run = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fdatasync,fsync", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe()?)
        .args(["few", url])
        .arg(dir)
        .stdin(Stdio::null())
        .status();
    match run {
        Ok(status) if status.success() => {
            let trace = std::fs::read_to_string(&trace).context("strace left nothing")?;
            let count = |call: &str| {
                trace
                    .lines()
                    .filter(|line| line.contains(&format!("{call}(")))
                    .count()
            };
            let syncs = count("fdatasync") as f64 / f64::from(FEW);
            let note = format!(
                "strace over {FEW} steps, start and checkpoint included; {} fsync",
                count("fsync")
            );
            report.figure("fdatasync per step, as the kernel counts", syncs, "", note);
        }
        _ => eprintln!(
            "SKIPPED: fdatasync as the kernel counts: strace does not run here: apt-get install strace"
        ),
    }
    Ok(())
}
