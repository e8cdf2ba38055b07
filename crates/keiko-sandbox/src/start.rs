//! Starts the outer stage and listens to the stages.

use crate::egress::Egress;
use crate::limits::Group;
use crate::plan::{self, LAUNCH, LaunchPlan, Locked, Notice, body_length};
use crate::remedy;
use crate::spec::JailSpec;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::jail::End;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

/// How long a stage may take for reading its plan.
const PATIENCE: Duration = Duration::from_secs(10);

/// The command that starts the outer stage, and the supervisor's end of the socket. `gate` is left open for it as well.
fn command(
    binary: &Path,
    gate: Option<&UnixStream>,
) -> io::Result<(Command, UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let fd = theirs.as_raw_fd();
    let fds = [Some(fd), gate.map(UnixStream::as_raw_fd)];
    let mut command = Command::new(binary);
    command
        .arg(LAUNCH)
        .arg(fd.to_string())
        .env_clear()
        .current_dir("/");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let keep_open = move || {
        fds.into_iter().flatten().try_for_each(|fd| {
            #[expect(unsafe_code, reason = "the sockets are open in the parent until the child has been started, so also in the child")]
            let socket = unsafe { BorrowedFd::borrow_raw(fd) };
            rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty()).map_err(io::Error::from)
        })
    };
    #[expect(
        unsafe_code,
        reason = "fcntl calls, which are allowed between fork and exec; every other descriptor keeps closing itself"
    )]
    unsafe {
        command.pre_exec(keep_open);
    }
    Ok((command, ours, theirs))
}

fn cannot_start(e: &io::Error) -> Fault {
    Fault::new(
        Code::JAIL_NOT_MADE,
        say!("the sandbox cannot be started: {e}", e),
    )
    .hint(Step::Doctor)
}

/// A jail that is to be started: the binary with the stages, what they are told, and the control group.
pub(crate) struct Prepared {
    pub(crate) binary: PathBuf,
    pub(crate) plan: LaunchPlan,
    pub(crate) group: Group,
    /// What serves its way to the network, if it has one.
    pub(crate) egress: Option<Egress>,
}

/// A started jail.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) control: tokio::net::UnixStream,
    pub(crate) group: Group,
    /// Dropped, the way to the network is closed.
    pub(crate) serving: Option<AbortOnDropHandle<()>>,
}

/// Starts a jail. Its command may not run yet, or never: [`next_notice`] tells.
pub(crate) async fn start(prepared: Prepared) -> Result<Started, Fault> {
    let Prepared {
        binary,
        mut plan,
        group,
        egress,
    } = prepared;
    let (our_gate, gate) = match &egress {
        Some(_) => UnixStream::pair()
            .map(|(ours, theirs)| (Some(ours), Some(theirs)))
            .map_err(|e| cannot_start(&e))?,
        None => (None, None),
    };
    plan.init.gate = gate.as_ref().map(UnixStream::as_raw_fd);
    let message =
        plan::encode(&plan).map_err(|e| Fault::new(Code::COMMAND_CANNOT_RUN, e.to_string()))?;
    let (command, mut ours, theirs) =
        command(&binary, gate.as_ref()).map_err(|e| cannot_start(&e))?;
    let (answer, started) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let job = move || {
        let _inside = runtime.enter();
        let mut command = tokio::process::Command::from(command);
        let child = command.kill_on_drop(true).spawn();
        drop((theirs, gate));
        let sent = child.and_then(|child| {
            ours.set_write_timeout(Some(PATIENCE))?;
            ours.write_all(&message)?;
            ours.set_nonblocking(true)?;
            Ok((child, tokio::net::UnixStream::from_std(ours)?))
        });
        let _ = answer.send(sent);
    };
    let gone = || cannot_start(&io::Error::other("the thread that starts jails is gone"));
    starter()
        .map_err(|e| cannot_start(&e))?
        .send(Box::new(job))
        .map_err(|_| gone())?;
    let (child, control) = started
        .await
        .map_err(|_| gone())?
        .map_err(|e| cannot_start(&e))?;
    let serving = egress
        .zip(our_gate)
        .map(|(egress, gate)| AbortOnDropHandle::new(tokio::spawn(egress.serve(gate))));
    Ok(Started {
        child,
        control,
        group,
        serving,
    })
}

type Job = Box<dyn FnOnce() + Send>;

/// One thread starts all jails: bubblewrap dies with the *thread* that started it, and a runtime's threads come and go.
fn starter() -> io::Result<&'static mpsc::SyncSender<Job>> {
    static STARTER: OnceLock<mpsc::SyncSender<Job>> = OnceLock::new();
    if let Some(sender) = STARTER.get() {
        return Ok(sender);
    }
    let (sender, jobs) = mpsc::sync_channel::<Job>(1024);
    std::thread::Builder::new()
        .name("keiko-jails".into())
        .spawn(move || jobs.into_iter().for_each(|job| job()))?;
    // When two race here, the loser's thread ends as its channel closes.
    Ok(STARTER.get_or_init(|| sender))
}

/// Reads the next notice of the stages, `None` when they are gone.
pub(crate) async fn next_notice(control: &mut (impl AsyncRead + Unpin)) -> Option<Notice> {
    let mut header = [0; 4];
    control.read_exact(&mut header).await.ok()?;
    let mut body = vec![0; body_length(header).ok()?];
    control.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// Runs a jail to its end without a runtime: the probe. Output of a failed start is explained.
pub(crate) fn blocking(
    prepared: Prepared,
    spec: &JailSpec,
) -> Result<(Option<Locked>, End), Fault> {
    let Prepared {
        binary,
        plan,
        group: _group,
        egress: _,
    } = prepared;
    let message = plan::encode(&plan).map_err(|e| cannot_start(&e))?;
    let (mut command, mut ours, theirs) = command(&binary, None).map_err(|e| cannot_start(&e))?;
    let mut child = command.spawn().map_err(|e| cannot_start(&e))?;
    drop((theirs, command));
    drop(child.stdin.take());
    let timeout = Some(Duration::from_millis(spec.limits.wall_ms.into()));
    let sent = ours
        .set_write_timeout(Some(PATIENCE))
        .and_then(|()| ours.set_read_timeout(timeout))
        .and_then(|()| ours.write_all(&message));
    let (mut locked, mut last) = (None, None);
    if sent.is_ok() {
        while let Ok(notice) = plan::read::<Notice>(&mut ours) {
            match notice {
                Notice::Locked(now) => locked = Some(now),
                other => last = Some(other),
            }
        }
    }
    let _ = child.kill();
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(4096).read_to_string(&mut said);
    }
    let _ = child.wait();
    match last {
        Some(Notice::Done(done)) => Ok((
            locked,
            done.code
                .map_or(End::Signal(done.signal.unwrap_or(9)), End::Exit),
        )),
        Some(Notice::NotStarted { why }) => Ok((locked, End::NotStarted(why))),
        Some(Notice::Failed { what }) => Err(remedy::explain(&what, remedy::Settings::read())),
        Some(Notice::Locked(_)) | None => Err(remedy::explain(&said, remedy::Settings::read())),
    }
}
