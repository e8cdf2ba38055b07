//! Runs commands in jails: time limit, output, measured use, and an end for everything in them.

use crate::capture::capture;
use crate::disk::{Full, Space};
use crate::jail::Jail;
use crate::limits::Group;
use crate::plan::{Ask, Done, Locked, Notice};
use crate::remedy;
use crate::spec::{Captured, JailOutput, JailSpec, Mount};
use crate::start::{self, Started, next_notice};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::End;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long the end of everything may take; a fork bomb of hundreds needs about two seconds.
const END: Duration = Duration::from_secs(10);
/// Longest start.
const START: Duration = Duration::from_secs(30);

/// What the stages said until they had no more to say.
#[derive(Debug, Default)]
struct Said {
    locked: Option<Locked>,
    failed: Option<String>,
    not_started: Option<String>,
    done: Option<Done>,
}

/// Takes notices until the stages are gone. May be dropped and called again: what was said stays in `said`.
async fn listen(control: &mut OwnedReadHalf, said: &mut Said) {
    while let Some(notice) = next_notice(control).await {
        match notice {
            Notice::Locked(locked) => said.locked = Some(locked),
            Notice::Failed { what } => said.failed = Some(what),
            Notice::NotStarted { why } => said.not_started = Some(why),
            Notice::Done(done) => said.done = Some(done),
        }
    }
}

/// Why a command was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Deadline,
    Cancelled,
    Full(Full),
}

impl Jail {
    /// Runs a command to its end. Everything it started is gone when this returns, and soon when it is dropped.
    ///
    /// # Errors
    /// KEI-5010 a command that cannot be; KEI-5002 and KEI-5005 when no jail could be made. How the command itself ended
    /// is in the output.
    pub async fn run(
        &self,
        spec: JailSpec,
        live: LiveSink,
        cancel: Cancel,
    ) -> Result<JailOutput, Fault> {
        let began = Instant::now();
        let Started {
            mut child,
            control,
            group,
            serving: _serving,
        } = start::start(self.0.prepare(&spec)?).await?;
        let (mut reader, mut writer) = control.into_split();
        let missing = || Fault::new(Code::JAIL_NOT_MADE, "a jail has no standard streams");
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(missing());
        };
        let feeding = tokio::spawn(feed(stdin, spec.stdin.clone()));
        let bytes = spec.limits.output_bytes;
        let (out, err) = (
            tokio::spawn(capture(stdout, bytes, live.clone())),
            tokio::spawn(capture(stderr, bytes, live)),
        );
        let mut said = Said::default();
        let stopped = {
            let mut listening = std::pin::pin!(listen(&mut reader, &mut said));
            let deadline = began + Duration::from_millis(spec.limits.wall_ms.into());
            let stopped = tokio::select! {
                () = &mut listening => None,
                () = sleep_until(deadline) => Some(Stopped::Deadline),
                () = cancel.cancelled() => Some(Stopped::Cancelled),
                full = self.0.space.runs_full(&spec.mounts) => Some(Stopped::Full(full)),
            };
            if stopped.is_some() {
                end(&mut writer, listening, &group).await;
            }
            stopped
        };
        finish(&mut child, &group).await;
        feeding.abort();
        let (stdout, stderr) = (collect(out).await, collect(err).await);
        let mut output = judge(&said, stopped, &group, &stderr)?;
        output.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        (output.stdout, output.stderr) = (stdout, stderr);
        Ok(output)
    }

    /// Starts a process that lives until it ends, is killed or dropped. The time limit is the caller's to keep;
    /// `spec.stdin` is written first. Returns when all layers stand.
    ///
    /// # Errors
    /// As for [`Jail::run`].
    pub async fn spawn(&self, spec: JailSpec) -> Result<JailProcess, Fault> {
        let Started {
            mut child,
            control,
            group,
            serving,
        } = start::start(self.0.prepare(&spec)?).await?;
        let (mut reader, writer) = control.into_split();
        let first = timeout(START, next_notice(&mut reader))
            .await
            .ok()
            .flatten();
        let Some(Notice::Locked(locked)) = first else {
            group.kill();
            let _ = child.start_kill();
            let said = Said {
                failed: if let Some(Notice::Failed { what }) = first {
                    Some(what)
                } else {
                    None
                },
                ..Said::default()
            };
            let stderr = match child.stderr.take() {
                Some(stderr) => capture(stderr, 4096, LiveSink::none()).await,
                None => Captured::default(),
            };
            return Err(no_jail(&said, &stderr));
        };
        let said = Said {
            locked: Some(locked),
            ..Said::default()
        };
        let (mut stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        if let (Some(pipe), false) = (&mut stdin, spec.stdin.is_empty()) {
            // A command that does not read is no fault of the jail, and must not hold up the caller.
            let _ = timeout(START, pipe.write_all(&spec.stdin)).await;
        }
        let (writer, full) = (
            Arc::new(tokio::sync::Mutex::new(writer)),
            Arc::new(OnceLock::new()),
        );
        let ending = end_when_full(
            self.0.space.clone(),
            spec.mounts,
            writer.clone(),
            group.clone(),
            full.clone(),
        );
        let watch = AbortOnDropHandle::new(tokio::spawn(ending));
        let life = Life {
            child,
            reader,
            writer,
            group,
            said,
            full,
            _watch: watch,
            _serving: serving,
        };
        Ok(JailProcess {
            stdin,
            stdout,
            stderr,
            began: Instant::now(),
            life,
        })
    }
}

/// A process that lives on is ended for the space that it takes as well.
async fn end_when_full(
    space: Space,
    mounts: Vec<Mount>,
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    group: Group,
    why: Arc<OnceLock<Full>>,
) {
    let full = space.runs_full(&mounts).await;
    let _ = why.set(full);
    ask_to_kill(&writer).await;
    group.kill();
}

async fn ask_to_kill(writer: &tokio::sync::Mutex<OwnedWriteHalf>) {
    let _ = timeout(GRACE / 4, async {
        writer.lock().await.write_all(&[Ask::Kill.byte()]).await
    })
    .await;
}

async fn feed(mut stdin: ChildStdin, bytes: Vec<u8>) {
    let _ = stdin.write_all(&bytes).await;
    let _ = stdin.shutdown().await;
}

/// Asks for an end, then insists, then does it from outside.
async fn end(
    writer: &mut OwnedWriteHalf,
    mut listening: Pin<&mut impl Future<Output = ()>>,
    group: &Group,
) {
    let asks = [(Ask::Terminate, GRACE), (Ask::Kill, GRACE / 4)];
    // Where every process tries to start two, a grace only helps them.
    let skipped = usize::from(group.out_of_processes());
    for (ask, patience) in asks.into_iter().skip(skipped) {
        // The socket holds many such bytes: this cannot block for long, and must not.
        let _ = timeout(GRACE / 4, writer.write_all(&[ask.byte()])).await;
        if timeout(patience, &mut listening).await.is_ok() {
            return;
        }
    }
    group.kill();
}

/// Waits for bubblewrap, which ends after process 1 of the jail, and with it everything inside.
async fn finish(child: &mut Child, group: &Group) {
    if timeout(GRACE / 4, child.wait()).await.is_ok() {
        return;
    }
    group.kill();
    let _ = child.start_kill();
    let _ = timeout(END, child.wait()).await;
}

async fn collect(capturing: tokio::task::JoinHandle<Captured>) -> Captured {
    let abort = capturing.abort_handle();
    let captured = timeout(END, capturing).await;
    abort.abort();
    captured.ok().and_then(Result::ok).unwrap_or_default()
}

fn no_jail(said: &Said, stderr: &Captured) -> Fault {
    let text = said
        .failed
        .clone()
        .unwrap_or_else(|| String::from_utf8_lossy(&stderr.head).into_owned());
    remedy::explain(&text, remedy::Settings::read())
}

/// Puts together what the stages said, what was done from outside, and what the control groups counted.
fn judge(
    said: &Said,
    stopped: Option<Stopped>,
    group: &Group,
    stderr: &Captured,
) -> Result<JailOutput, Fault> {
    let mut output = JailOutput {
        cancelled: stopped == Some(Stopped::Cancelled),
        ..JailOutput::default()
    };
    if let Some(why) = &said.not_started {
        output.end = End::NotStarted(why.clone());
        return Ok(output);
    }
    if said.failed.is_some() || (said.locked.is_none() && stopped.is_none()) {
        return Err(no_jail(said, stderr));
    }
    let killed_for_memory = group.out_of_memory() || said.done.is_some_and(|d| d.out_of_memory);
    let plain = match said.done {
        Some(Done {
            code: Some(code), ..
        }) => End::Exit(code),
        Some(Done {
            signal: Some(signal),
            ..
        }) => End::Signal(signal),
        _ => End::Signal(libc::SIGKILL),
    };
    output.end = match (stopped, killed_for_memory, &plain) {
        (Some(Stopped::Deadline), _, _) => End::TimedOut,
        // A command that lived on after one of its processes was killed has its own result.
        (None, true, End::Signal(_) | End::Exit(1..)) => End::OutOfMemory,
        _ => plain,
    };
    output.cpu_ms = said.done.map(|d| d.cpu_ms).max(group.cpu_ms());
    output.peak_kib = said
        .done
        .map(|d| d.peak_kib)
        .filter(|kib| *kib > 0 && !killed_for_memory)
        .or_else(|| group.peak_kib());
    let noticed = [
        (
            killed_for_memory,
            "the memory limit was reached and a process was killed",
        ),
        (
            stopped == Some(Stopped::Full(Full::Disk)),
            "the disk is nearly full and the command was stopped",
        ),
        (
            stopped == Some(Stopped::Full(Full::Folders)),
            "the workspace is larger than it may be and the command was stopped: remove something",
        ),
        (
            group.out_of_processes(),
            "the limit of processes was reached",
        ),
        (
            output.end == End::Signal(libc::SIGXFSZ),
            "the limit of the file size was reached",
        ),
        (
            output.end == End::Signal(libc::SIGSYS),
            "a system call of another architecture was tried",
        ),
    ];
    output.violations = noticed
        .iter()
        .filter(|(yes, _)| *yes)
        .map(|(_, what)| (*what).to_owned())
        .collect();
    Ok(output)
}

/// A living process in a jail. Dropped or killed, everything in the jail dies.
#[derive(Debug)]
pub struct JailProcess {
    /// Its standard input.
    pub stdin: Option<ChildStdin>,
    /// Its standard output.
    pub stdout: Option<ChildStdout>,
    /// Its standard error.
    pub stderr: Option<ChildStderr>,
    began: Instant,
    life: Life,
}

/// Holds the jail: the closed socket ends process 1, the control group the rest.
#[derive(Debug)]
struct Life {
    child: Child,
    reader: OwnedReadHalf,
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    group: Group,
    said: Said,
    /// Why it was ended, if it was for the space that it took.
    full: Arc<OnceLock<Full>>,
    _watch: AbortOnDropHandle<()>,
    _serving: Option<AbortOnDropHandle<()>>,
}

impl JailProcess {
    /// Kills everything in the jail and waits for its end.
    pub async fn kill(&mut self) {
        ask_to_kill(&self.life.writer).await;
        finish(&mut self.life.child, &self.life.group).await;
    }

    /// Waits for the end, and may be dropped and called again; how it ended and what was used. The streams are the caller's, so none is captured here.
    ///
    /// # Errors
    /// KEI-5005 if the jail broke down.
    pub async fn wait(&mut self) -> Result<JailOutput, Fault> {
        listen(&mut self.life.reader, &mut self.life.said).await;
        finish(&mut self.life.child, &self.life.group).await;
        let stopped = self.life.full.get().copied().map(Stopped::Full);
        let mut output = judge(
            &self.life.said,
            stopped,
            &self.life.group,
            &Captured::default(),
        )?;
        output.duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(output)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.group.kill();
        let _ = self.child.start_kill();
    }
}
