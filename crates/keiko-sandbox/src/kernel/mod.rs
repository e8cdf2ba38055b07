//! A stateful Python kernel: the client of an ipykernel that someone else starts in a jail.
//!
//! It speaks the Jupyter protocol over Unix sockets in a private folder. The kernel is hostile ground: a cell owns the
//! process, knows the key and can write anything to the sockets. So nothing that comes can cost more than a fixed amount
//! of memory, nothing is believed beyond what it says about its own cell, and the clock is ours.

use keiko_contracts::said::Said;
use keiko_contracts::say;
mod cell;
mod channel;
mod connection;
mod process;
mod wire;
mod zmtp;

pub use connection::{CONNECTION_FILE, Connection, INSIDE, command};
pub use process::Process;

use cell::Cell;
use channel::{Brought, Channel};
use connection::Port;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use jupyter_protocol::messaging::{
    ExecuteRequest, InterruptRequest, JupyterMessage, JupyterMessageContent, KernelInfoRequest,
    ShutdownRequest,
};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::{CellError, CellReport};
use keiko_contracts::model::LiveFrame;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// An interrupt that comes before the cell has begun, or that the cell swallows, is without effect: it is repeated.
const INTERRUPT_EVERY: Duration = Duration::from_secs(1);
/// After so many the kernel is killed.
const INTERRUPTS_MAX: u8 = 5;
/// How long a killed process may take to be gone.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// How long output may still come after the reply when the kernel does not say that it is idle.
const LATE_OUTPUT: Duration = Duration::from_secs(2);
/// A kernel that takes a request no faster is lost.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// Between two attempts to connect, and between two questions whether it is ready.
const RETRY_EVERY: Duration = Duration::from_millis(25);
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Why there is no kernel.
#[derive(Debug, Clone)]
pub enum KernelError {
    /// The folder could not be made, or a socket failed.
    Io {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: std::sync::Arc<io::Error>,
    },
    /// It ended before it was ready.
    Died(Said),
    /// It was not ready in time.
    NotReady(Duration),
    /// It was lost in an earlier cell: another must be started, and its variables are gone.
    Lost,
    /// The caller gave up.
    Cancelled,
}

impl KernelError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            KernelError::Io { what, source } => {
                say!("cannot {what}: {source}", what = Said::from(*what), source)
            }
            KernelError::Died(inner) => say!(
                "the Python kernel ended before it was ready: {why}",
                why = inner
            ),
            KernelError::NotReady(inner) => say!(
                "the Python kernel was not ready after {n} s",
                n = inner.as_secs()
            ),
            KernelError::Lost => say!("the Python kernel is lost"),
            KernelError::Cancelled => say!("cancelled"),
        }
    }
}

keiko_contracts::said_is_error!(KernelError);

impl KernelError {
    /// For the user.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let code = match self {
            KernelError::Io { .. } => Code::KERNEL_UNREACHABLE,
            KernelError::Died(_) => Code::KERNEL_ENDED,
            KernelError::NotReady(_) => Code::KERNEL_NOT_READY,
            KernelError::Lost => Code::KERNEL_LOST,
            KernelError::Cancelled => Code::CELL_CANCELLED,
        };
        let fault = Fault::new(code, self.said());
        match self {
            KernelError::Died(_) => fault.hint(
                "the kernel needs the Python package ipykernel: apt-get install python3-ipykernel",
            ),
            KernelError::NotReady(_) | KernelError::Lost => fault.transient(None),
            KernelError::Io { .. } | KernelError::Cancelled => fault,
        }
    }
}

/// A kernel that is ready.
pub struct Kernel {
    shell: Channel,
    iopub: Channel,
    control: Channel,
    session: String,
    died: Shared<BoxFuture<'static, String>>,
    kill: Cancel,
    lost: bool,
    /// A cell is under way, or its future was dropped.
    busy: bool,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("lost", &self.lost)
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

impl Kernel {
    /// Connects to a kernel that has just been started, and waits until it answers on all channels.
    ///
    /// # Errors
    /// When it dies, does not answer within `patience`, or the caller gives up; the process is then told to end.
    pub async fn connect(
        connection: Connection,
        process: Process,
        patience: Duration,
        cancel: &Cancel,
    ) -> Result<Kernel, KernelError> {
        let died = process.died.shared();
        let kill = process.kill.clone();
        let ready = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(KernelError::Cancelled),
            why = died.clone() => Err(KernelError::Died(why.into())),
            () = sleep(patience) => Err(KernelError::NotReady(patience)),
            channels = ready_channels(&connection) => channels,
        };
        match ready {
            Ok((shell, iopub, control, session)) => Ok(Kernel {
                shell,
                iopub,
                control,
                session,
                died,
                kill,
                lost: false,
                busy: false,
            }),
            Err(error) => {
                kill.cancel();
                Err(error)
            }
        }
    }

    /// True when no further cell can run here.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost || self.busy || self.died.clone().now_or_never().is_some()
    }

    /// Runs a cell. At the limit, or when `cancel` is called, it is interrupted; if that does not end it, the kernel is
    /// killed. A kernel that dies is told in the report (`state_lost`, and an error), never started again here: what the
    /// cell had done by then is unknown, so it must not be repeated.
    ///
    /// # Errors
    /// [`KernelError::Lost`] when the kernel was lost before; the cell was then not sent.
    pub async fn execute(
        &mut self,
        code: &str,
        limit: Duration,
        live: &LiveSink,
        cancel: &Cancel,
    ) -> Result<CellReport, KernelError> {
        if self.is_lost() {
            self.lost = true;
            return Err(KernelError::Lost);
        }
        self.busy = true;
        let started = Instant::now();
        let mut cell = Cell::new();
        let end = self.run(code, limit, live, cancel, &mut cell).await;
        let mut report = cell.report();
        report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        report.interrupted = end.interrupted;
        if let Some(why) = end.lost {
            self.lost = true;
            self.kill.cancel();
            report.state_lost = true;
            report.error = Some(CellError {
                name: "KernelDied".to_owned(),
                message: why,
                traceback: Default::default(),
            });
        }
        self.busy = false;
        Ok(report)
    }

    /// Asks the kernel to end, waits a moment, and has the process ended in any case.
    pub async fn shutdown(mut self) {
        let request = self.message(ShutdownRequest { restart: false });
        let _ = timeout(SEND_LIMIT, self.control.send(&request)).await;
        let _ = timeout(Duration::from_secs(1), self.died.clone()).await;
        self.kill.cancel();
        let _ = timeout(KILL_GRACE, self.died.clone()).await;
    }

    fn message(&self, content: impl Into<JupyterMessageContent>) -> JupyterMessage {
        JupyterMessage::new(content, None).with_session(&self.session)
    }

    async fn run(
        &mut self,
        code: &str,
        limit: Duration,
        live: &LiveSink,
        cancel: &Cancel,
        cell: &mut Cell,
    ) -> CellEnd {
        let request = ExecuteRequest {
            stop_on_error: true,
            store_history: true,
            allow_stdin: false,
            ..ExecuteRequest::new(code.to_owned())
        };
        let request = self.message(request);
        if !matches!(
            timeout(SEND_LIMIT, self.shell.send(&request)).await,
            Ok(Ok(()))
        ) {
            return CellEnd {
                lost: Some("the kernel took no request".to_owned()),
                interrupted: false,
            };
        }
        let id = request.header.msg_id.as_str();
        let mut phase = Phase::Running;
        let mut deadline = Instant::now() + limit;
        let mut quiet_until: Option<Instant> = None;
        while !cell.is_done() {
            let wake = quiet_until.map_or(deadline, |quiet| quiet.min(deadline));
            let event = tokio::select! {
                biased;
                why = self.died.clone() => Event::Died(why),
                () = cancel.cancelled(), if phase == Phase::Running => Event::TimeIsUp,
                () = sleep_until(wake) => if quiet_until.is_some_and(|quiet| quiet <= wake) { Event::Quiet } else { Event::TimeIsUp },
                brought = self.iopub.next() => brought.map_or_else(|error| Event::Broken(error.to_string()), Event::Brought),
                brought = self.shell.next() => brought.map_or_else(|error| Event::Broken(error.to_string()), Event::Brought),
            };
            match event {
                Event::Brought(brought) => {
                    take(cell, id, brought, live);
                    quiet_until = cell.is_replied().then(|| Instant::now() + LATE_OUTPUT);
                }
                Event::Quiet => break,
                Event::TimeIsUp if phase == Phase::Interrupted(INTERRUPTS_MAX) => {
                    let why = format!(
                        "the cell did not end when it was interrupted after {} s; the kernel was killed",
                        limit.as_secs()
                    );
                    return CellEnd {
                        lost: Some(self.kill_it(why).await),
                        interrupted: true,
                    };
                }
                Event::TimeIsUp => {
                    phase = Phase::Interrupted(if let Phase::Interrupted(times) = phase {
                        times + 1
                    } else {
                        1
                    });
                    deadline = Instant::now() + INTERRUPT_EVERY;
                    self.interrupt().await;
                }
                Event::Died(why) => {
                    return CellEnd {
                        lost: Some(why),
                        interrupted: phase != Phase::Running,
                    };
                }
                Event::Broken(why) => {
                    // The process goes before its sockets' end is seen, or soon after: its own reason is the better one.
                    let why = timeout(Duration::from_millis(500), self.died.clone())
                        .await
                        .unwrap_or(format!("its sockets failed: {why}"));
                    return CellEnd {
                        lost: Some(why),
                        interrupted: phase != Phase::Running,
                    };
                }
            }
        }
        CellEnd {
            lost: None,
            interrupted: phase != Phase::Running,
        }
    }

    async fn interrupt(&mut self) {
        let request = self.message(InterruptRequest {});
        // If it cannot be sent, the grace period ends the kernel.
        let _ = timeout(Duration::from_secs(1), self.control.send(&request)).await;
    }

    async fn kill_it(&mut self, why: String) -> String {
        self.kill.cancel();
        let _ = timeout(KILL_GRACE, self.died.clone()).await;
        why
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// So many times.
    Interrupted(u8),
}

enum Event {
    Brought(Brought),
    Quiet,
    TimeIsUp,
    Died(String),
    Broken(String),
}

struct CellEnd {
    /// Why the kernel is lost, if it is.
    lost: Option<String>,
    interrupted: bool,
}

fn take(cell: &mut Cell, id: &str, brought: Brought, live: &LiveSink) {
    match brought {
        Brought::TooLarge(bytes) => cell.lost_message(bytes),
        // Late output of an earlier cell is not this one's.
        Brought::Heard(heard) if heard.parent.as_deref() == Some(id) => {
            if let Some(delta) = cell.hear(heard.content) {
                live.send(LiveFrame::Output { delta });
            }
        }
        Brought::Heard(_) => {}
    }
}

/// Connects, and asks until an answer has come on the shell channel *and* its echo on the publishing channel: a
/// subscription takes effect some time after it is sent, and what is published before is lost.
async fn ready_channels(
    connection: &Connection,
) -> Result<(Channel, Channel, Channel, String), KernelError> {
    let mut iopub = opened(connection, Port::Iopub).await;
    let mut shell = opened(connection, Port::Shell).await;
    let control = opened(connection, Port::Control).await;
    let failed = |source: io::Error| KernelError::Io {
        what: "talk to the Python kernel",
        source: source.into(),
    };
    let first = JupyterMessage::new(KernelInfoRequest {}, None);
    let session = first.header.session.clone();
    let mut asked: Vec<String> = Vec::new();
    let (mut answered, mut echoed) = (false, false);
    while !(answered && echoed) {
        let question = JupyterMessage::new(KernelInfoRequest {}, None).with_session(&session);
        asked.push(question.header.msg_id.clone());
        shell.send(&question).await.map_err(failed)?;
        let until = Instant::now() + ASK_EVERY;
        while !(answered && echoed) {
            let (brought, seen) = tokio::select! {
                () = sleep_until(until) => break,
                brought = shell.next() => (brought, &mut answered),
                brought = iopub.next() => (brought, &mut echoed),
            };
            if let Brought::Heard(heard) = brought.map_err(failed)? {
                *seen |= heard.parent.is_some_and(|parent| asked.contains(&parent));
            }
        }
    }
    Ok((shell, iopub, control, session))
}

/// Connects as soon as the kernel listens. Only the caller's patience ends this.
async fn opened(connection: &Connection, port: Port) -> Channel {
    loop {
        match Channel::open(connection, port).await {
            Ok(channel) => return channel,
            Err(_) => sleep(RETRY_EVERY).await,
        }
    }
}

#[cfg(test)]
mod tests;
