//! What runs of ten actions leave on the disk.

use crate::model::{ACTIONS, Kind, ModelServer};
use crate::report::{Report, Target};
use crate::rig::{Rig, WINDOW, goal, runtime};
use anyhow::{Result, bail};
use keiko_ports::Cancel;
use keiko_runtime::drive::{Order, Rest, Unwatched};
use std::path::Path;
use std::sync::Arc;

/// Over how many runs the size is averaged.
const RUNS: u32 = 50;

pub(crate) fn measure(dir: &Path, report: &mut Report) -> Result<()> {
    let server = ModelServer::start(Kind::Ten)?;
    let dir = dir.join("store");
    std::fs::create_dir_all(&dir)?;
    let size = || std::fs::metadata(dir.join("journal.db")).map(|meta| meta.len());
    let run = |from: u32, to: u32| {
        runtime()?.block_on(async {
            let rig = Rig::open(&dir, &server.url())?;
            for number in from..to {
                let order = Order::Start(Box::new(goal(number, 60, WINDOW)?));
                let rest = rig
                    .driver
                    .drive(order, Arc::new(Unwatched), Cancel::new())
                    .await?;
                let Rest::Ended(_) = rest else {
                    bail!("a run of ten actions should end, not {rest:?}")
                };
            }
            rig.journal.close().await;
            Ok(())
        })
    };
    // The first runs make the tables and their first pages.
    run(0, 5)?;
    let before = size()?;
    run(5, 5 + RUNS)?;
    let each = (size()? - before) as f64 / f64::from(RUNS) / 1000.0;
    let note = format!(
        "{} model answers, {ACTIONS} actions, {RUNS} runs, file after its checkpoint",
        ACTIONS + 1
    );
    report.held(
        "a run of ten actions stores",
        each,
        "kB",
        Target::AtMost(30.0),
        note,
    );
    Ok(())
}
