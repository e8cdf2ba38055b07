//! The binary itself: how soon it asks its model, and what it holds while it waits.

use crate::many::memory;
use crate::model::{Kind, ModelServer};
use crate::report::{Report, Target, median};
use crate::rig::{Rig, WINDOW, goal, runtime};
use anyhow::{Context as _, Result, bail, ensure};
use futures_util::StreamExt as _;
use keiko_contracts::journal::{
    Append, Durability, Expect, NewEvent, Recorded, Seq, StreamId, ViewOp,
};
use keiko_contracts::run::RunEvent;
use keiko_ports::Cancel;
use keiko_ports::journal::Journal as _;
use keiko_runtime::drive::{Order, Unwatched};
use keiko_runtime::fold::hydrate;
use keiko_runtime::views;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many runs the journal holds.
const RUNS: u32 = 10_000;
/// How often the start is measured.
const TIMES: usize = 11;

pub(crate) fn measure(dir: &Path, report: &mut Report) -> Result<()> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_keiko"));
    let home = dir.join("home");
    let events = fill(&home.join("data"))?;
    let mut starts = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..TIMES {
        let (start, resident, peak) = once(&program, &home)?;
        starts.push(start);
        waiting.push((resident, peak));
    }
    let note = format!(
        "first {:.1}, worst {:.1}; {RUNS} runs, {events} events; no workspace",
        starts[0],
        starts.iter().copied().fold(0.0, f64::max)
    );
    report.held(
        "start of `keiko run` to its first model request",
        median(&starts),
        "ms",
        Target::AtMost(50.0),
        note,
    );
    let resident: Vec<f64> = waiting.iter().map(|(resident, _)| *resident).collect();
    let peak = waiting.iter().map(|(_, peak)| *peak).fold(0.0, f64::max);
    report.held(
        "`keiko run` waiting for its model, memory",
        median(&resident),
        "MiB",
        Target::AtMost(30.0),
        format!("peak {peak:.1}"),
    );
    Ok(())
}

/// From the start of the process to the arrival of its request; then what it holds, resident and at most, in MiB.
fn once(program: &Path, home: &Path) -> Result<(f64, f64, f64)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let began = Instant::now();
    let child = Command::new(program)
        .args([
            "run",
            "Say hello.",
            "--no-workspace",
            "--model",
            "openai/bench",
        ])
        .env_clear()
        .envs([("KEIKO_HOME", home.as_os_str()), ("HOME", home.as_os_str())])
        .envs([
            ("OPENAI_BASE_URL", url.as_str()),
            ("OPENAI_API_KEY", "none"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("{} does not start", program.display()))?;
    let mut child = Ends(child);
    listener.set_nonblocking(true)?;
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => {
                return Err(error.into());
            }
            Err(_) if began.elapsed() > Duration::from_secs(20) => {
                bail!("the binary does not ask its model")
            }
            Err(_) => {
                if let Some(status) = child.0.try_wait()? {
                    bail!("the binary ended with {status} before it asked its model");
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    };
    stream.set_nonblocking(false)?;
    let mut head = [0; 512];
    let read = stream.read(&mut head)?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    ensure!(
        head[..read].starts_with(b"POST /v1/chat/completions"),
        "the binary sent something else"
    );
    // The rest of the request, and whatever else the process still does before it waits.
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let process = child.0.id().to_string();
    Ok((took, memory(&process, "VmRSS")?, memory(&process, "VmHWM")?))
}

/// A process that ends with its owner.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes one real run and writes it again under other ids until there are enough. Returns the number of events.
fn fill(dir: &Path) -> Result<u64> {
    std::fs::create_dir_all(dir)?;
    let server = ModelServer::start(Kind::Ten)?;
    runtime()?.block_on(async {
        let rig = Rig::open(dir, &server.url())?;
        let first = goal(0, 60, WINDOW)?;
        let run = first.run;
        rig.driver
            .drive(
                Order::Start(Box::new(first)),
                Arc::new(Unwatched),
                Cancel::new(),
            )
            .await?;
        let mut events: Vec<(Recorded, &'static str)> = Vec::new();
        let mut read = rig.journal.read(&StreamId::run(run), Seq(0));
        while let Some(event) = read.next().await {
            let event = event?;
            let kind = hydrate::<RunEvent>(rig.journal.as_ref(), &event)
                .await?
                .kind();
            events.push((event, kind));
        }
        let row = rig
            .journal
            .view_get(views::RUNS, &run.to_string())
            .await?
            .context("the run has no row")?;
        let mut all = Vec::new();
        for number in 1..RUNS {
            let id = goal(number, 1, 1)?.run;
            let renamed = |bytes: &[u8]| {
                String::from_utf8_lossy(bytes)
                    .replace(&run.to_string(), &id.to_string())
                    .into_bytes()
            };
            let copy = |(event, kind): &(Recorded, &'static str)| NewEvent {
                kind,
                version: event.version,
                at: event.at,
                payload: renamed(&event.payload),
                head: event.head.clone(),
            };
            all.push(Append {
                stream: StreamId::run(id),
                expect: Expect::At(Seq(0)),
                fence: None,
                epoch: None,
                events: events.iter().map(copy).collect(),
                blobs: Vec::new(),
                views: vec![ViewOp::Put {
                    view: views::RUNS,
                    key: id.to_string(),
                    sort: row.sort + i64::from(number),
                    group: row.group.clone(),
                    body: renamed(&row.body),
                }],
            });
            if all.len() == 200 || number + 1 == RUNS {
                rig.journal
                    .commit(std::mem::take(&mut all), Durability::Lazy)
                    .await?;
            }
        }
        rig.journal.close().await;
        Ok(events.len() as u64 * u64::from(RUNS))
    })
}
