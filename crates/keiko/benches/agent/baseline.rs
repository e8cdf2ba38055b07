//! What the machine takes for the same things done bare: a sync, a commit, a request over HTTP.

use crate::model::{Kind, ModelServer};
use crate::report::{Report, median};
use crate::rig::{cpu_ns, runtime};
use anyhow::{Context as _, Result};
use keiko_contracts::journal::{Append, Durability, Expect, Head, NewEvent, StreamId};
use keiko_contracts::time::Timestamp;
use keiko_ports::journal::Journal as _;
use keiko_store::{Options, SqliteJournal};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

/// How often each is measured.
const TIMES: u64 = 300;
/// The size of the request that is sent bare, in bytes: about what a step sends.
const REQUEST: usize = 40 << 10;

/// The machine's own times, in milliseconds.
pub(crate) struct Baseline {
    pub(crate) fdatasync: f64,
    pub(crate) commit: Bare,
    pub(crate) http: Bare,
}

/// What a thing done bare takes, in milliseconds.
pub(crate) struct Bare {
    /// Wall, median.
    pub(crate) wall: f64,
    /// CPU of this process, mean.
    pub(crate) cpu: f64,
}

impl Bare {
    fn of(wall: &[f64], cpu_ns: u64) -> Bare {
        Bare {
            wall: median(wall),
            cpu: cpu_ns as f64 / 1e6 / wall.len() as f64,
        }
    }
}

pub(crate) fn measure(dir: &Path, report: &mut Report) -> Result<Baseline> {
    let base = Baseline {
        fdatasync: fdatasync(dir)?,
        commit: commit(dir)?,
        http: http()?,
    };
    report.figure(
        "bare fdatasync of a 4 KiB page, p50",
        base.fdatasync,
        "ms",
        "",
    );
    report.figure(
        "bare journal commit with sync, p50",
        base.commit.wall,
        "ms",
        format!("CPU {:.3} ms; one event of 400 bytes", base.commit.cpu),
    );
    let note = format!(
        "CPU {:.3} ms; reqwest, {} KiB out, the same answer",
        base.http.cpu,
        REQUEST >> 10
    );
    report.figure("bare HTTP round trip, p50", base.http.wall, "ms", note);
    Ok(base)
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Pages of a file that has its size already, as a write-ahead log in use has.
fn fdatasync(dir: &Path) -> Result<f64> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(dir.join("bare"))?;
    file.write_all_at(&vec![0; 4096 * TIMES as usize], 0)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for page in 0..TIMES {
        file.write_all_at(&[1; 4096], page * 4096)?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(millis(began));
    }
    Ok(median(&times))
}

fn commit(dir: &Path) -> Result<Bare> {
    let journal = SqliteJournal::open(dir.join("bare.db"), Options::default())?;
    runtime()?.block_on(async {
        let (mut times, cpu) = (Vec::new(), cpu_ns());
        for number in 0..TIMES {
            let event = NewEvent {
                kind: "bare",
                version: 1,
                at: Timestamp(number as i64),
                payload: vec![b'x'; 400],
                head: Head::default(),
            };
            let append = Append {
                stream: StreamId("bare".into()),
                expect: Expect::Any,
                fence: None,
                epoch: None,
                events: vec![event],
                blobs: Vec::new(),
                views: Vec::new(),
            };
            let began = Instant::now();
            journal.commit(vec![append], Durability::Barrier).await?;
            times.push(millis(began));
        }
        let cpu = cpu_ns() - cpu;
        journal.close().await;
        Ok(Bare::of(&times, cpu))
    })
}

fn http() -> Result<Bare> {
    let server = ModelServer::start(Kind::Endless)?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .tcp_nodelay(true)
        .build()
        .context("no HTTP client")?;
    let url = format!("{}/chat/completions", server.url());
    runtime()?.block_on(async {
        let (mut times, cpu) = (Vec::new(), cpu_ns());
        for _ in 0..TIMES {
            let began = Instant::now();
            client
                .post(&url)
                .body(vec![b' '; REQUEST])
                .send()
                .await?
                .bytes()
                .await?;
            times.push(millis(began));
        }
        Ok(Bare::of(&times, cpu_ns() - cpu))
    })
}
