//! Tries to get out: runs *inside* a jail, as the command, and prints what held. The other half is `selftest`.
//!
//! Each attempt has arguments with which the kernel, unfiltered, would answer differently or let it through.

use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// First argument of the probe.
pub(crate) const PROBE: &str = "jail-probe";

/// One attempt, and whether the jail held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTestResult {
    /// What was tried, in a few words.
    pub name: String,
    /// The jail held.
    pub held: bool,
    /// What happened: the refusal, or how far the attempt got.
    pub detail: String,
}

impl SelfTestResult {
    pub(crate) fn new(name: &str, held: bool, detail: impl Into<String>) -> Self {
        SelfTestResult {
            name: name.into(),
            held,
            detail: detail.into(),
        }
    }
}

/// Something of the host's that must not be reached, made for this one test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bait {
    pub(crate) file: String,
    pub(crate) abstract_name: String,
    pub(crate) tcp: SocketAddr,
}

/// Tries everything and prints a JSON list.
pub(crate) fn main(bait: &str) -> io::Result<()> {
    if !Path::new(crate::plan::SELF_INSIDE).exists() {
        // On the host some attempts would succeed.
        return Err(io::Error::other("this is not a jail"));
    }
    let bait: Bait = serde_json::from_str(bait)?;
    let mut results = vec![privileges(), terminal_injection()];
    results.extend(files(&bait));
    results.extend(sockets(&bait));
    results.extend(CALLS.iter().map(|(name, number, arguments, wanted)| {
        let error = attempt(*number, *arguments);
        SelfTestResult::new(name, error == Some(*wanted), describe(error))
    }));
    serde_json::to_writer(io::stdout().lock(), &results)?;
    Ok(())
}

fn describe(error: Option<i32>) -> String {
    error.map_or_else(
        || "it was permitted".into(),
        |e| io::Error::from_raw_os_error(e).to_string(),
    )
}

/// Name, number, first arguments, and the error that only the filter gives.
const CALLS: [(&str, i64, [i64; 3], i32); 14] = [
    (
        "ptrace of process 1",
        libc::SYS_ptrace,
        [16, 1, 0],
        libc::EPERM,
    ),
    (
        "read another process's memory",
        libc::SYS_process_vm_readv,
        [1, 0, 0],
        libc::EPERM,
    ),
    (
        "take another process's open file",
        libc::SYS_pidfd_getfd,
        [-1, 0, 0],
        libc::EPERM,
    ),
    ("io_uring", libc::SYS_io_uring_setup, [1, 0, 0], libc::EPERM),
    ("userfaultfd", libc::SYS_userfaultfd, [1, 0, 0], libc::EPERM),
    ("load a BPF program", libc::SYS_bpf, [0, 0, 0], libc::EPERM),
    ("kernel keyrings", libc::SYS_keyctl, [0, -3, 1], libc::EPERM),
    (
        "a nested user namespace",
        libc::SYS_unshare,
        [0x1000_0000, 0, 0],
        libc::EPERM,
    ),
    (
        "a nested user namespace by clone3",
        libc::SYS_clone3,
        [0, 0, 0],
        libc::ENOSYS,
    ),
    ("mount", libc::SYS_fsopen, [0, 0, 0], libc::EPERM),
    (
        "open a file by its handle",
        libc::SYS_open_by_handle_at,
        [-1, 0, 0],
        libc::EPERM,
    ),
    (
        "sockets of the virtual machine's host",
        libc::SYS_socket,
        [40, 1, 0],
        libc::EPERM,
    ),
    ("raw packets", libc::SYS_socket, [17, 3, 0], libc::EPERM),
    (
        "kernel cryptography sockets",
        libc::SYS_socket,
        [38, 5, 0],
        libc::EPERM,
    ),
];

/// The error number of a system call, `None` if it was permitted.
fn attempt(number: i64, [a, b, c]: [i64; 3]) -> Option<i32> {
    #[expect(
        unsafe_code,
        reason = "all arguments are numbers or null: a permitted call fails or makes a descriptor, and touches no memory of ours"
    )]
    let result = unsafe { libc::syscall(number, a, b, c, 0_i64, 0_i64, 0_i64) };
    (result == -1).then(|| io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn privileges() -> SelfTestResult {
    let held = rustix::thread::capabilities(None)
        .is_ok_and(|c| c.effective.is_empty() && c.permitted.is_empty());
    let uid = rustix::process::getuid();
    let bound = rustix::thread::no_new_privs().unwrap_or(false);
    SelfTestResult::new(
        "root or capabilities inside",
        held && !uid.is_root() && bound,
        format!(
            "user {}, capabilities: {}",
            uid.as_raw(),
            if held { "none" } else { "some" }
        ),
    )
}

/// Both request numbers, and the same with bits above the 32 that the kernel looks at.
fn terminal_injection() -> SelfTestResult {
    let requests = [0x5412, 0x541c, 0x1_0000_5412, 0x1_0000_541c];
    let errors: Vec<_> = requests
        .iter()
        .map(|request| attempt(libc::SYS_ioctl, [0, *request, 0]))
        .collect();
    let held = errors.iter().all(|e| *e == Some(libc::EPERM));
    SelfTestResult::new(
        "type into the terminal of the host",
        held,
        describe(
            errors
                .into_iter()
                .find(|e| *e != Some(libc::EPERM))
                .unwrap_or(Some(libc::EPERM)),
        ),
    )
}

fn files(bait: &Bait) -> Vec<SelfTestResult> {
    let refusal = |result: io::Result<std::fs::File>| result.err().map(|e| e.to_string());
    let reads = [
        ("read a file of the host", bait.file.as_str()),
        ("read it through process 1", "/proc/1/root/etc/shadow"),
        ("read process 1's memory", "/proc/1/mem"),
    ];
    let writes = [
        (
            "make the kernel run a program of ours",
            "/proc/sys/kernel/core_pattern",
        ),
        ("write to the system", "/usr/bin/keiko-canary"),
        ("write to the root folder", "/keiko-canary"),
        ("write to Keiko itself", crate::plan::SELF_INSIDE),
    ];
    let read = reads
        .into_iter()
        .map(|(name, path)| (name, refusal(std::fs::File::open(path))));
    let write = writes.into_iter().map(|(name, path)| {
        (
            name,
            refusal(
                OpenOptions::new()
                    .append(true)
                    .create(!Path::new(path).exists())
                    .open(path),
            ),
        )
    });
    let mut results: Vec<_> = read
        .chain(write)
        .map(|(name, e)| {
            SelfTestResult::new(name, e.is_some(), e.unwrap_or("it was permitted".into()))
        })
        .collect();
    let there: Vec<_> = [
        "/sys/kernel",
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/dbus",
        "/run/user",
    ]
    .into_iter()
    .filter(|p| Path::new(p).exists())
    .collect();
    results.push(SelfTestResult::new(
        "find sockets and settings of the host",
        there.is_empty(),
        if there.is_empty() {
            "none is there".into()
        } else {
            there.join(" ")
        },
    ));
    results
}

fn sockets(bait: &Bait) -> Vec<SelfTestResult> {
    let tcp = TcpStream::connect_timeout(&bait.tcp, Duration::from_secs(2)).err();
    let name = std::os::unix::net::SocketAddr::from_abstract_name(&bait.abstract_name);
    let abstract_socket = name
        .and_then(|address| UnixStream::connect_addr(&address))
        .err();
    let result = |name, error: Option<io::Error>| {
        SelfTestResult::new(
            name,
            error.is_some(),
            error.map_or("it was permitted".into(), |e| e.to_string()),
        )
    };
    vec![
        result("reach a server on the host", tcp),
        result("reach a socket of the host by name", abstract_socket),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permitted_call_is_told_from_a_filtered_one() {
        assert_eq!(attempt(libc::SYS_getpid, [0, 0, 0]), None);
        assert_ne!(
            attempt(libc::SYS_clone3, [0, 0, 0]),
            Some(libc::ENOSYS),
            "no filter is in force here"
        );
        assert!(!terminal_injection().held, "no filter is in force here");
    }

    #[test]
    fn what_can_be_reached_is_reported() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let bait = Bait {
            file: "/etc/passwd".into(),
            abstract_name: "keiko-nobody".into(),
            tcp: tcp.local_addr().unwrap(),
        };
        let held: Vec<bool> = sockets(&bait).iter().map(|r| r.held).collect();
        assert_eq!(held, [false, true]);
    }
}
