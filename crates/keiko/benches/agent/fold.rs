//! How quickly a run is read back.

use crate::report::{Report, Target};
use crate::rig::{Rig, goal, runtime};
use anyhow::{Result, ensure};
use futures_util::StreamExt as _;
use keiko_contracts::journal::{Seq, StreamId};
use keiko_ports::journal::Journal as _;
use std::path::Path;
use std::time::Instant;

/// At least so many events are folded.
const EVENTS: u64 = 100_000;

/// Reads the long run back again and again: the steps must have been measured before.
pub(crate) fn measure(dir: &Path, report: &mut Report) -> Result<()> {
    let dir = dir.join("steps");
    ensure!(
        dir.is_dir(),
        "reading back needs the run of the steps: leave --only out"
    );
    runtime()?.block_on(async {
        let rig = Rig::open(&dir, "http://127.0.0.1:9/v1")?;
        let run = goal(1, 1, 1)?.run;
        let stored = rig.driver.fold(run).await?.life.head.0.0;
        let times = EVENTS.div_ceil(stored);
        let began = Instant::now();
        for _ in 0..times {
            rig.driver.fold(run).await?;
        }
        let folding = began.elapsed().as_secs_f64();
        let began = Instant::now();
        for _ in 0..times {
            let mut events = rig.journal.read(&StreamId::run(run), Seq(0));
            while let Some(event) = events.next().await {
                event?;
            }
        }
        let reading = began.elapsed().as_secs_f64();
        let events = (times * stored) as f64;
        let note = format!(
            "{times} times {stored} events; reading alone {:.0}/s",
            events / reading
        );
        report.held(
            "fold: read and apply",
            events / folding,
            "events/s",
            Target::AtLeast(200_000.0),
            note,
        );
        rig.journal.close().await;
        Ok(())
    })
}
