//! The stages of a jail, started by this same binary: [`inner_main`] is what `keiko jail-launch` and `keiko jail-init` run.
//!
//! The inner stage is process 1 of the jail: it locks itself in (`lockdown`), starts the command, reaps what dies, passes
//! signals on and says how it all ended. When it exits, the kernel kills everything else in the jail.

use crate::plan::{Ask, Done, INIT, InitPlan, LAUNCH, Notice};
use crate::probe::{self, PROBE};
use crate::{launch, lockdown, plan};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group};
use std::ffi::OsString;
use std::io::Read as _;
use std::os::fd::{FromRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The first arguments for which a binary must call [`inner_main`], before it does anything else.
pub(crate) const STAGES: [&str; 4] = [LAUNCH, INIT, NOTHING, PROBE];

/// Does nothing: what the first jail on a machine runs.
pub(crate) const NOTHING: &str = "jail-nothing";
/// How often memory is looked at where no control group limits it.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// Exit code of a stage that was started by hand or whose supervisor is gone.
const USAGE: u8 = 64;

/// Runs a stage: `jail-launch FD` or `jail-init FD FD`. Only the sandbox starts it, with descriptors that it inherits.
pub(crate) fn inner_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<String> = args
        .into_iter()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        [LAUNCH, control] => control.parse().ok().and_then(launch_stage),
        [INIT, control, plan] => control
            .parse()
            .ok()
            .zip(plan.parse().ok())
            .and_then(|(control, plan)| init_stage(control, plan)),
        [NOTHING] => Some(ExitCode::SUCCESS),
        [PROBE, bait] => Some(if probe::main(bait).is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }),
        _ => None,
    };
    ended.unwrap_or_else(|| {
        eprintln!("keiko: this is a part of the sandbox and cannot be started by hand");
        ExitCode::from(USAGE)
    })
}

/// Takes over an inherited descriptor; standard streams and closed ones are refused.
fn inherit(fd: RawFd) -> Option<std::os::fd::OwnedFd> {
    if fd <= 2 || std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_err() {
        return None;
    }
    #[expect(
        unsafe_code,
        reason = "open, above the standard streams, named by the parent that left it open for this process alone"
    )]
    Some(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) })
}

fn launch_stage(control: RawFd) -> Option<ExitCode> {
    let mut socket = UnixStream::from(inherit(control)?);
    let plan = plan::read(&mut socket).ok()?;
    let what = launch::launch(plan, control);
    let _ = plan::write(&mut socket, &Notice::Failed { what });
    Some(ExitCode::FAILURE)
}

fn init_stage(control: RawFd, plan: RawFd) -> Option<ExitCode> {
    let mut socket = UnixStream::from(inherit(control)?);
    let plan: InitPlan = plan::read(&mut std::fs::File::from(inherit(plan)?)).ok()?;
    let opened = plan.gate.map_or(Ok(()), |gate| {
        inherit(gate)
            .ok_or_else(|| "there is no gate".to_owned())
            .and_then(open_gate)
    });
    let notice = match opened.and_then(|()| lockdown::lock(&plan)) {
        Ok(locked) => {
            plan::write(&mut socket, &Notice::Locked(locked)).ok()?;
            run(&plan, &socket)
        }
        Err(what) => Notice::Failed { what },
    };
    let _ = plan::write(&mut socket, &notice);
    Some(ExitCode::SUCCESS)
}

/// The descriptor is closed after it, so that nobody can hand over another socket.
fn open_gate(gate: std::os::fd::OwnedFd) -> Result<(), String> {
    crate::egress::open_gate(&UnixStream::from(gate))
        .map_err(|e| format!("cannot open the way to the proxy: {e}"))
}

fn run(plan: &InitPlan, socket: &UnixStream) -> Notice {
    let out_of_memory = Arc::new(AtomicBool::new(false));
    if let Err(e) = listen(socket).and_then(|()| watch_memory(plan.watch_memory, &out_of_memory)) {
        return Notice::Failed {
            what: format!("cannot start a thread: {e}"),
        };
    }
    let Some((program, arguments)) = plan.argv.split_first() else {
        return Notice::NotStarted {
            why: "the command is empty".into(),
        };
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&plan.env)
        .current_dir(&plan.cwd)
        .process_group(0);
    let child = match command.spawn() {
        Ok(child) => child.id(),
        Err(e) => {
            return Notice::NotStarted {
                why: why_not_started(plan, program, &e),
            };
        }
    };
    // Nothing here may hold the command's streams open.
    drop(command);
    let (code, signal) = reap(child);
    let (cpu_ms, peak_kib) = used();
    Notice::Done(Done {
        code,
        signal,
        cpu_ms,
        peak_kib,
        out_of_memory: out_of_memory.load(Ordering::SeqCst),
    })
}

fn why_not_started(plan: &InitPlan, program: &str, e: &std::io::Error) -> String {
    if std::fs::metadata(&plan.cwd).is_ok_and(|m| m.is_dir()) {
        format!("{program}: {e}")
    } else {
        format!("there is no folder {}", plan.cwd)
    }
}

/// Waits for every process that dies, until the command itself did.
fn reap(child: u32) -> (Option<i32>, Option<i32>) {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().cast_unsigned() == child => {
                return (status.exit_status(), status.terminating_signal());
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return (None, None),
        }
    }
}

/// Kills or terminates everything in the jail but this process. From process 1, `kill(-1)` reaches the whole namespace.
fn signal_all(signal: Signal) {
    let _ = kill_process_group(Pid::INIT, signal);
}

/// Obeys the supervisor. When it is gone, so is the jail.
fn listen(socket: &UnixStream) -> std::io::Result<()> {
    let mut socket = socket.try_clone()?;
    let obey = move || {
        let mut byte = [0];
        while matches!(socket.read(&mut byte), Ok(1)) {
            match Ask::from_byte(byte[0]) {
                Some(Ask::Terminate) => signal_all(Signal::TERM),
                Some(Ask::Kill) => signal_all(Signal::KILL),
                None => {}
            }
        }
        std::process::exit(i32::from(USAGE));
    };
    std::thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(obey)
        .map(drop)
}

fn watch_memory(limit: Option<u64>, out_of_memory: &Arc<AtomicBool>) -> std::io::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let flag = Arc::clone(out_of_memory);
    let watch = move || loop {
        // What nobody has to map. The first sum is cheap and counts shared pages many times; the second is exact and slow.
        let apart = in_file_systems().saturating_add(in_segments());
        if resident().saturating_add(apart) > limit && proportional().saturating_add(apart) > limit
        {
            flag.store(true, Ordering::SeqCst);
            signal_all(Signal::KILL);
        }
        std::thread::sleep(WATCH_EVERY);
    };
    std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(watch)
        .map(drop)
}

/// A line in a file of `/proc/PID`, bytes.
fn line_of(process: &Path, file: &str, label: &str) -> Option<u64> {
    let text = std::fs::read_to_string(process.join(file)).ok()?;
    let kib = text.lines().find_map(|line| {
        line.strip_prefix(label)?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    })?;
    Some(kib.saturating_mul(1024))
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|e| {
            e.file_name()
                .as_encoded_bytes()
                .iter()
                .all(u8::is_ascii_digit)
        })
        .map(|e| e.path())
}

/// What all processes in the jail have mapped and touched, bytes.
fn resident() -> u64 {
    processes()
        .filter_map(|process| line_of(&process, "status", "VmRSS:"))
        .fold(0, u64::saturating_add)
}

/// The same, each page once. A process may keep others from looking that closely: it bears all of its pages.
fn proportional() -> u64 {
    let of = |process: PathBuf| {
        line_of(&process, "smaps_rollup", "Pss:").or_else(|| line_of(&process, "status", "VmRSS:"))
    };
    processes().filter_map(of).fold(0, u64::saturating_add)
}

/// What the file systems in memory hold, names or none, bytes.
fn in_file_systems() -> u64 {
    let used = |path: &str| {
        rustix::fs::statvfs(path).map_or(0, |about| {
            about
                .f_blocks
                .saturating_sub(about.f_bfree)
                .saturating_mul(about.f_frsize)
        })
    };
    ["/tmp", "/dev/shm", crate::allowlist::HOME]
        .into_iter()
        .map(used)
        .fold(0, u64::saturating_add)
}

/// What shared segments (System V) hold, attached or not, bytes.
fn in_segments() -> u64 {
    let text = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let mut lines = text.lines();
    let columns: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let Some(rss) = columns.iter().position(|name| *name == "rss") else {
        return 0;
    };
    lines
        .filter_map(|line| line.split_whitespace().nth(rss)?.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

/// Processor milliseconds of all reaped processes, and the largest resident set among them in KiB.
fn used() -> (u64, u64) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    #[expect(
        unsafe_code,
        reason = "getrusage fills the zeroed structure it is given; all-zero is a valid value of it"
    )]
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let ms =
        |time: libc::timeval| u64::try_from(time.tv_sec * 1000 + time.tv_usec / 1000).unwrap_or(0);
    (
        ms(usage.ru_utime) + ms(usage.ru_stime),
        u64::try_from(usage.ru_maxrss).unwrap_or(0),
    )
}
