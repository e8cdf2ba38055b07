//! Ways out that were published for comparable sandboxes, each really tried. Written in Python and shell: what an agent
//! would use, and independent of the code under test.

use crate::kit::{Workspace, good, jail, out, python, run, sh, spec};
use keiko_contracts::jail::End;
use keiko_sandbox::egress::{Destinations, Egress, Upstream};
use keiko_sandbox::jail::{Jail, JailOptions};
use keiko_sandbox::spec::{JailSpec, Mount, Network};
use std::io::Write as _;

/// Defines `call(number, ...)`: the name of the error, or `ok` and the result.
const CALLS: &str = "
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(n, *a):
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(n), *[x if isinstance(x, bytes) else ctypes.c_long(x) for x in a])
    return 'ok %d' % r if r != -1 else errno.errorcode[ctypes.get_errno()]
def opens(path, flags):
    try: os.close(os.open(path, flags)); return 'ok'
    except OSError as e: return errno.errorcode[e.errno]
";

async fn tried(jail: &Jail, spec: JailSpec, script: &str) -> Vec<String> {
    let argv = vec![
        "/usr/bin/python3".into(),
        "-c".into(),
        format!("{CALLS}{script}"),
    ];
    good(jail, JailSpec { argv, ..spec })
        .await
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Both ways of running: what holds without network holds with it.
fn both() -> [JailSpec; 2] {
    let through = Network::Through(Egress::new(Destinations::default(), Upstream::default()));
    [
        spec(&["x"]),
        JailSpec {
            network: through,
            ..spec(&["x"])
        },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_inside_is_root_or_has_capabilities() {
    let Some(jail) = jail("nobody_inside_is_root_or_has_capabilities") else {
        return;
    };
    for spec in both() {
        let script = "print(os.getresuid(), os.getresgid(), os.getgroups())\nprint(*[l.split()[1] for l in open('/proc/self/status') if l.startswith(('Cap', 'NoNewPrivs', 'Seccomp:'))])";
        let lines = tried(&jail, spec, script).await;
        assert!(
            lines[0].starts_with("(1000, 1000, 1000) (1000, 1000, 1000)"),
            "{lines:?}"
        );
        assert_eq!(
            lines[1],
            "0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 1 2"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn root_outside_is_an_unprivileged_user_inside() {
    let Some(jail) = jail("root_outside_is_an_unprivileged_user_inside") else {
        return;
    };
    assert!(jail.identity().uid != 0 && jail.identity().gid != 0);
    let workspace = Workspace::new(&jail);
    good(
        &jail,
        JailSpec {
            mounts: vec![workspace.mount()],
            ..sh("touch /workspace/f; chmod u+s /workspace/f || true")
        },
    )
    .await;
    use std::os::unix::fs::MetadataExt as _;
    assert_ne!(
        std::fs::metadata(workspace.path().join("f")).unwrap().uid(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kernel_settings_cannot_be_written() {
    let Some(jail) = jail("kernel_settings_cannot_be_written") else {
        return;
    };
    let script = "
for p in ['/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger']: print(opens(p, os.O_WRONLY))
bad = []
for d, _, fs in os.walk('/proc/sys'):
    bad += [d + '/' + f for f in fs if opens(d + '/' + f, os.O_WRONLY) == 'ok']
print(bad)";
    for spec in both() {
        let lines = tried(&jail, spec, script).await;
        assert!(
            lines[..2]
                .iter()
                .all(|l| ["EACCES", "EROFS", "EPERM", "ENOENT"].contains(&l.as_str())),
            "{lines:?}"
        );
        assert_eq!(lines[2], "[]");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_given_folders_can_be_written() {
    let Some(jail) = jail("nothing_but_the_given_folders_can_be_written") else {
        return;
    };
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("f"), "x").unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    for path in [host.path().to_owned(), host.path().join("f")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let mount = Mount {
        host: host.path().into(),
        inside: "/lent".into(),
        writable: false,
    };
    let script = "for f in /x /etc/x /usr/x /bin/x /dev/x /lent/x /.keiko/x /proc/x /var/x /home/x /lent/f /.keiko/keiko /etc/passwd; do (echo y > $f) 2>/dev/null && echo $f; done; mount -o remount,rw /lent 2>/dev/null && echo remounted; chmod 0 /lent/f 2>/dev/null && echo chmod; ln /lent/f /tmp/f 2>/dev/null && echo linked; mv /lent/f /tmp/ 2>/dev/null; true";
    assert_eq!(
        good(
            &jail,
            JailSpec {
                mounts: vec![mount],
                ..sh(script)
            }
        )
        .await,
        ""
    );
    assert_eq!(std::fs::read_to_string(host.path().join("f")).unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_host_are_not_there() {
    let Some(jail) = jail("files_of_the_host_are_not_there") else {
        return;
    };
    let mut canary = tempfile::Builder::new()
        .prefix("keiko-canary")
        .tempfile()
        .unwrap();
    canary.write_all(b"secret").unwrap();
    let path = canary.path().display();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/nowhere".into());
    let workspace = Workspace::new(&jail);
    std::os::unix::fs::symlink(canary.path(), workspace.path().join("way-out")).unwrap();
    let script = format!(
        "cat {path} /proc/self/root{path} /proc/1/root{path} /proc/1/cwd{path} /workspace/way-out /workspace/../..{path} 2>/dev/null; ls /sys /run /boot /mnt /srv /var/lib {home}/.ssh {home}/.npmrc /etc/shadow /etc/ssh /etc/ssl/private 2>/dev/null; ls -d /home/*; ls /; true"
    );
    let text = good(
        &jail,
        JailSpec {
            mounts: vec![workspace.mount()],
            ..sh(&script)
        },
    )
    .await;
    assert!(!text.contains("secret"), "{text}");
    let allowed = "/home/keiko bin dev etc home lib lib32 lib64 libx32 opt proc root sbin tmp usr var workspace work";
    assert!(
        text.lines()
            .all(|line| allowed.split(' ').any(|a| a == line)),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_the_host_cannot_be_reached() {
    let Some(jail) = jail("sockets_of_the_host_cannot_be_reached") else {
        return;
    };
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("keiko-canary-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let script = format!(
        "
import socket
def connect(family, to):
    try: socket.socket(family).connect(to); return 'ok'
    except OSError as e: return errno.errorcode[e.errno]
print(connect(socket.AF_UNIX, '\\0{name}'))
print(connect(socket.AF_INET, ('127.0.0.1', {port})))
print([p for p in ['/var/run/docker.sock', '/run/docker.sock', '/run/dbus/system_bus_socket', '/run/user', '/tmp/.X11-unix'] if os.path.exists(p)])
print([k for k in os.environ if k in ('SSH_AUTH_SOCK', 'DOCKER_HOST', 'DBUS_SESSION_BUS_ADDRESS', 'GPG_AGENT_INFO')])"
    );
    for spec in both() {
        assert_eq!(
            tried(&jail, spec, &script).await,
            ["ECONNREFUSED", "ECONNREFUSED", "[]", "[]"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_network_but_an_own_loopback() {
    let Some(jail) = jail("there_is_no_network_but_an_own_loopback") else {
        return;
    };
    let script = "
import socket
print([n for _, n in socket.if_nameindex()])
s = socket.socket()
try: s.settimeout(2); s.connect(('169.254.169.254', 80)); print('ok')
except OSError as e: print(errno.errorcode[e.errno])";
    for spec in both() {
        assert_eq!(tried(&jail, spec, script).await, ["['lo']", "ENETUNREACH"]);
    }
}

#[cfg(target_arch = "x86_64")]
#[tokio::test(flavor = "multi_thread")]
async fn dangerous_system_calls_are_refused() {
    let Some(jail) = jail("dangerous_system_calls_are_refused") else {
        return;
    };
    // Each with arguments for which the kernel itself would answer differently, or succeed, where that is possible.
    let attempts = [
        ("ptrace attach 1", "call(101, 16, 1, 0, 0)", "EPERM"),
        (
            "process_vm_readv",
            "call(310, os.getpid(), 0, 0, 0, 0, 0)",
            "EPERM",
        ),
        ("pidfd_getfd", "call(438, -1, 0, 0)", "EPERM"),
        ("io_uring_setup", "call(425, 1, 0)", "EPERM"),
        ("io_uring_enter", "call(426, -1, 0, 0, 0, 0)", "EPERM"),
        ("io_uring_register", "call(427, -1, 0, 0, 0)", "EPERM"),
        ("userfaultfd", "call(323, 1)", "EPERM"),
        ("bpf", "call(321, 0, 0, 0)", "EPERM"),
        ("perf_event_open", "call(298, 0, 0, -1, -1, 0)", "EPERM"),
        ("keyctl session", "call(250, 0, -3, 1)", "EPERM"),
        ("add_key", "call(248, 0, 0, 0, 0, -3)", "EPERM"),
        ("request_key", "call(249, 0, 0, 0, -3)", "EPERM"),
        ("unshare user", "call(272, 0x10000000)", "EPERM"),
        ("unshare nothing", "call(272, 0)", "EPERM"),
        ("setns", "call(308, -1, 0)", "EPERM"),
        (
            "clone new user",
            "call(56, 0x10000011, 0, 0, 0, 0)",
            "EPERM",
        ),
        ("clone3", "call(435, 0, 0)", "ENOSYS"),
        ("mount", "call(165, 0, 0, 0, 0, 0)", "EPERM"),
        ("open_tree", "call(428, -100, b'/', 1)", "EPERM"),
        ("open_tree_attr", "call(467, -100, b'/', 1, 0, 0)", "EPERM"),
        (
            "move_mount",
            "call(429, -1, b'', -100, b'/tmp', 4)",
            "EPERM",
        ),
        ("pivot_root", "call(155, b'/', b'/')", "EPERM"),
        ("chroot", "call(161, b'/tmp')", "EPERM"),
        ("quotactl_fd", "call(443, -1, 0, 0, 0)", "EPERM"),
        ("move_pages", "call(279, 0, 0, 0, 0, 0, 0)", "EPERM"),
        ("fsopen", "call(430, b'tmpfs', 0)", "EPERM"),
        ("mount_setattr", "call(442, -1, b'', 0, 0, 0)", "EPERM"),
        (
            "name_to_handle_at",
            "call(303, -100, b'/', 0, 0, 0)",
            "EPERM",
        ),
        ("open_by_handle_at", "call(304, -1, 0, 0)", "EPERM"),
        ("personality", "call(135, 8)", "EPERM"),
        ("vsock", "call(41, 40, 1, 0)", "EPERM"),
        ("packet", "call(41, 17, 3, 0)", "EPERM"),
        ("alg", "call(41, 38, 5, 0)", "EPERM"),
        ("bluetooth", "call(41, 31, 3, 1)", "EPERM"),
        ("xdp", "call(41, 44, 3, 0)", "EPERM"),
        ("sctp", "call(41, 2, 1, 132)", "EPERM"),
        ("sctp over IPv6", "call(41, 10, 5, 0)", "EPERM"),
        ("dccp", "call(41, 2, 6, 33)", "EPERM"),
        ("udp-lite", "call(41, 2, 2, 136)", "EPERM"),
        ("raw", "call(41, 2, 3, 1)", "EPERM"),
        ("tcp, not blocking", "call(41, 2, 0x801, 6)[:2]", "ok"),
        ("udp over IPv6", "call(41, 10, 0x80002, 17)[:2]", "ok"),
        ("unix", "call(41, 1, 5, 0)[:2]", "ok"),
        ("netlink audit", "call(41, 16, 3, 9)", "EPERM"),
        ("netlink route", "call(41, 16, 3, 0)[:2]", "ok"),
        ("TIOCSTI", "call(16, 0, 0x5412, b'x')", "EPERM"),
        (
            "TIOCSTI, 64 bits",
            "call(16, 0, 0x100005412, b'x')",
            "EPERM",
        ),
        ("TIOCLINUX", "call(16, 0, 0x541c, b'x')", "EPERM"),
        (
            "TIOCLINUX, 64 bits",
            "call(16, 0, 0x7f0000000000541c, b'x')",
            "EPERM",
        ),
        ("TIOCSETD", "call(16, 0, 0x5423, b'x')", "EPERM"),
        ("another ioctl", "call(16, 0, 0x5413, 0)", "ENOTTY"),
        ("x32 getpid", "call(0x40000027)", "ENOSYS"),
        ("memfd_create", "call(319, b'x', 0)[:2]", "ok"),
    ];
    let script = attempts
        .iter()
        .map(|(_, code, _)| format!("print({code})\n"))
        .collect::<String>();
    let wanted: Vec<_> = attempts
        .iter()
        .map(|(name, _, wanted)| format!("{name}: {wanted}"))
        .collect();
    for spec in both() {
        let got = tried(&jail, spec, &script).await;
        let got: Vec<_> = attempts
            .iter()
            .zip(got)
            .map(|((name, _, _), got)| format!("{name}: {got}"))
            .collect();
        assert_eq!(got, wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_do_not_nest() {
    let Some(jail) = jail("namespaces_do_not_nest") else {
        return;
    };
    let script = "unshare -Ur true 2>/dev/null && echo unshare; bwrap --ro-bind / / true 2>/dev/null && echo bwrap; /.keiko/keiko jail-launch 3 2>/dev/null && echo launch; true";
    assert_eq!(good(&jail, sh(script)).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn process_1_cannot_be_looked_into() {
    let Some(jail) = jail("process_1_cannot_be_looked_into") else {
        return;
    };
    let script = "
print(opens('/proc/1/mem', os.O_RDWR), opens('/proc/1/environ', os.O_RDONLY), opens('/proc/1/maps', os.O_RDONLY))
try: print(os.listdir('/proc/1/fd'))
except OSError as e: print(errno.errorcode[e.errno])
print(b'secret' in open('/proc/1/cmdline', 'rb').read())
print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[:2] == [1, os.getpid()])";
    let env = [("TOKEN".to_owned(), "secret".to_owned())].into();
    assert_eq!(
        tried(
            &jail,
            JailSpec {
                env,
                ..spec(&["x"])
            },
            script
        )
        .await,
        ["EACCES EACCES EACCES", "EACCES", "False", "True"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_open_file_of_the_host_leaks() {
    let Some(jail) = jail("no_open_file_of_the_host_leaks") else {
        return;
    };
    let open = std::fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let text = good(
        &jail,
        sh("ls /proc/self/fd; readlink /proc/$$/fd/* | grep -v pipe: | grep -v /proc; true"),
    )
    .await;
    // `ls` itself has the folder open.
    assert_eq!(text, "0\n1\n2\n3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_terminal_to_type_into() {
    let Some(jail) = jail("there_is_no_terminal_to_type_into") else {
        return;
    };
    let script = "print(opens('/dev/tty', os.O_RDWR), opens('/dev/console', os.O_RDWR), os.getsid(0) in (0, 1))";
    assert_eq!(
        tried(&jail, spec(&["x"]), script).await,
        ["ENXIO ENOENT True"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_the_host_cannot_be_seen_or_signalled() {
    let Some(jail) = jail("processes_of_the_host_cannot_be_seen_or_signalled") else {
        return;
    };
    // A process of the very user that jails run as: only the namespace is what hides it.
    let mut bystander = std::process::Command::new("sleep");
    let identity = jail.identity();
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt as _;
        bystander.uid(identity.uid).gid(identity.gid);
    }
    let mut bystander = bystander.arg("60").spawn().unwrap();
    let script = format!(
        "ls -d /proc/[0-9]* | wc -l; kill -9 {} 2>/dev/null && echo signalled; kill -9 -1; true",
        bystander.id()
    );
    let output = run(&jail, sh(&script)).await;
    let count: u32 = out(&output).lines().next().unwrap().trim().parse().unwrap();
    assert!(
        count <= 5 && !out(&output).contains("signalled"),
        "{output:?}"
    );
    assert_eq!(
        bystander.try_wait().unwrap(),
        None,
        "it was killed from inside"
    );
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_cannot_be_made() {
    let Some(jail) = jail("devices_cannot_be_made") else {
        return;
    };
    let text = good(
        &jail,
        sh("cd /tmp; mknod b b 8 0 2>/dev/null && echo block; mknod c c 1 1 2>/dev/null && echo char; mkfifo p && echo fifo; ls /dev"),
    )
    .await;
    assert!(
        text.starts_with("fifo\n")
            && !text.contains("sda")
            && !text.contains("mem")
            && !text.contains("kvm"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn setuid_programs_gain_nothing() {
    let Some(jail) = jail("setuid_programs_gain_nothing") else {
        return;
    };
    let text = good(&jail, sh("for p in su mount newuidmap passwd sudo; do p=$(command -v $p) && $p --version >/dev/null 2>&1; done; id -u; cp /usr/bin/id /tmp/i; chmod 6755 /tmp/i; /tmp/i -u")).await;
    assert_eq!(text, "1000\n1000\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_workspace_cannot_move_a_mount() {
    let Some(jail) = jail("a_prepared_workspace_cannot_move_a_mount") else {
        return;
    };
    let workspace = Workspace::new(&jail);
    let target = Workspace::new(&jail);
    let lent = Workspace::new(&jail);
    // The next jail mounts something at a place where the last one left a link; `/oldroot` is the host while bubblewrap works.
    for (name, prefix) in [
        ("cache", ""),
        ("trap", "/oldroot"),
        ("self", "/proc/self/root/oldroot"),
    ] {
        let link = format!("{prefix}{}", target.path().display());
        std::os::unix::fs::symlink(link, workspace.path().join(name)).unwrap();
        for below in ["", "/deep", "/deep/deeper"] {
            let mounts = vec![
                workspace.mount(),
                Mount {
                    host: lent.path().into(),
                    inside: format!("/workspace/{name}{below}"),
                    writable: true,
                },
            ];
            let result = jail
                .run(
                    JailSpec {
                        mounts,
                        ..sh("true")
                    },
                    keiko_ports::live::LiveSink::none(),
                    keiko_ports::Cancel::new(),
                )
                .await;
            assert_eq!(result.unwrap_err().code, "KEI-5010", "{name}{below}");
        }
    }
    assert_eq!(
        std::fs::read_dir(target.path()).unwrap().count(),
        0,
        "a folder was made on the host"
    );
    let mounts = vec![
        workspace.mount(),
        Mount {
            host: lent.path().into(),
            inside: "/workspace/target/new".into(),
            writable: true,
        },
    ];
    good(
        &jail,
        JailSpec {
            mounts,
            ..sh("echo x > /workspace/target/new/f")
        },
    )
    .await;
    assert!(lent.path().join("f").exists());
}

#[cfg(target_arch = "x86_64")]
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_another_architecture_kill() {
    let Some(jail) = jail("calls_of_another_architecture_kill") else {
        return;
    };
    // mov eax, 20 (getpid); int 0x80; ret
    let script = "
import mmap
m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
m.write(bytes.fromhex('b814000000cd80c3'))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()";
    let output = run(&jail, python(&format!("{CALLS}{script}"))).await;
    assert!(
        matches!(output.end, End::Signal(31 | 11)),
        "{:?} {}",
        output.end,
        out(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_self_test_of_the_doctor_holds() {
    let Some(jail) = jail("the_self_test_of_the_doctor_holds") else {
        return;
    };
    let results = jail.self_test().await;
    assert!(results.len() > 25, "{results:#?}");
    let broken: Vec<_> = results.iter().filter(|r| !r.held).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let report = serde_json::to_value(jail.report()).unwrap();
    assert_eq!(report["seccomp"], true);
}

#[test]
fn the_probe_does_nothing_outside_a_jail() {
    let bait = r#"{"file": "/etc/passwd", "abstract_name": "none", "tcp": "127.0.0.1:1"}"#;
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_keiko-jail-init"))
        .args(["jail-probe", bait])
        .output()
        .unwrap();
    assert!(
        !output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
}

/// Between the check and bubblewrap, a process of the agent's that still lives can put a link in the way: here that happens
/// for sure, as a stand-in for bubblewrap does it before it starts the real one.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_comes_between_the_check_and_the_mount_gets_no_jail() {
    let test = "a_link_that_comes_between_the_check_and_the_mount_gets_no_jail";
    let Some(default) = jail(test) else { return };
    use std::os::unix::fs::PermissionsExt as _;
    let (workspace, target, lent, stand_in) = (
        Workspace::new(&default),
        Workspace::new(&default),
        Workspace::new(&default),
        Workspace::new(&default),
    );
    let program = stand_in.path().join("bwrap");
    for (prefix, below) in [
        ("/oldroot", ""),
        ("/oldroot", "/new"),
        ("", ""),
        ("/newroot/workspace/other", ""),
    ] {
        let web = workspace.path().join("web");
        let _ = std::fs::remove_file(&web);
        std::fs::create_dir_all(web.join("modules")).unwrap();
        std::fs::create_dir_all(workspace.path().join("other")).unwrap();
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in *--version*) ;; *) /bin/rm -rf {web}; /bin/ln -s {prefix}{target} {web} ;; esac\nexec /usr/bin/bwrap \"$@\"\n",
            web = web.display(),
            target = target.path().display(),
        );
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        // The first jail, which finds out whether jails work, swaps as well: the folder is made again after it.
        let options = JailOptions {
            bwrap: Some(program.clone()),
            ..JailOptions::new(env!("CARGO_BIN_EXE_keiko-jail-init"))
        };
        let jail = Jail::detect(options).unwrap();
        let _ = std::fs::remove_file(&web);
        std::fs::create_dir_all(web.join("modules")).unwrap();
        for folder in [
            web.clone(),
            web.join("modules"),
            workspace.path().join("other"),
        ] {
            std::os::unix::fs::chown(folder, Some(jail.identity().uid), Some(jail.identity().gid))
                .unwrap();
        }
        let inside = format!("/workspace/web/modules{below}");
        let mounts = vec![
            workspace.mount(),
            Mount {
                host: lent.path().into(),
                inside,
                writable: true,
            },
        ];
        let spec = JailSpec {
            mounts,
            ..sh("echo ran; touch /workspace/web/modules/mark")
        };
        let fault = jail
            .run(
                spec,
                keiko_ports::live::LiveSink::none(),
                keiko_ports::Cancel::new(),
            )
            .await
            .unwrap_err();
        assert!(
            matches!(fault.code.to_string().as_str(), "KEI-5005" | "KEI-5002"),
            "{prefix}: {fault:?}"
        );
        assert!(web.is_symlink(), "the stand-in did its part");
        let files = |folder: &std::path::Path| {
            std::fs::read_dir(folder)
                .unwrap()
                .flatten()
                .filter(|e| e.path().is_file())
                .count()
        };
        assert_eq!(files(target.path()), 0, "{prefix}: something ran");
    }
}

/// Runs a test of this program again, in a process with another home and search path.
fn again_with(test: &str, home: &std::path::Path, path: &str) {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again
        .args(["--exact", test, "--nocapture"])
        .env("HOME", home)
        .env("PATH", format!("{path}:/usr/bin:/bin"))
        .env("KEIKO_TEST_AGAIN", "1");
    let output = again
        .env_remove("CARGO_HOME")
        .env_remove("RUSTUP_HOME")
        .env_remove("PYENV_ROOT")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_people_keep_beside_their_programs_are_not_there() {
    let test = "scripts_that_people_keep_beside_their_programs_are_not_there";
    if std::env::var_os("KEIKO_TEST_AGAIN").is_none() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let bins = [".local/bin", ".cargo/bin", "go/bin"].map(|bin| home.path().join(bin));
        for bin in &bins {
            std::fs::create_dir_all(bin).unwrap();
            std::fs::write(
                bin.join("wrapper"),
                "#!/bin/sh\nAPI_KEY=canary-key exec true\n",
            )
            .unwrap();
            std::fs::set_permissions(bin.join("wrapper"), std::fs::Permissions::from_mode(0o755))
                .unwrap();
            std::fs::copy("/usr/bin/true", bin.join("compiled")).unwrap();
        }
        again_with(
            &format!("escapes::{test}"),
            home.path(),
            &bins.each_ref().map(|b| b.display().to_string()).join(":"),
        );
        return;
    }
    let Some(jail) = jail(test) else { return };
    let home = std::env::var("HOME").unwrap();
    let script = format!(
        "cat {home}/.local/bin/* {home}/.cargo/bin/* {home}/go/bin/* | grep -c canary-key; ls {home}/*/bin {home}/.local/bin; command -v wrapper; compiled && echo runs"
    );
    let output = run(&jail, sh(&script)).await;
    assert!(
        out(&output).starts_with("0\n")
            && !out(&output).contains("wrapper")
            && out(&output).ends_with("runs\n"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_is_not_described() {
    let Some(jail) = jail("the_machine_is_not_described") else {
        return;
    };
    let host = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = host
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned();
    let script = "
print(open('/proc/meminfo').readline().split()[1])
print([l for l in open('/proc/cpuinfo') if 'model name' in l or 'microcode' in l or 'MHz' in l])
print([f for f in ('cmdline', 'keys', 'timer_list', 'kallsyms') if os.path.exists('/proc/' + f) and open('/proc/' + f).read(1)])
print(os.cpu_count(), open('/proc/cpuinfo').read().count('processor'))";
    let limits = keiko_contracts::jail::Limits {
        memory_mib: 256,
        ..Default::default()
    };
    let lines = tried(
        &jail,
        JailSpec {
            limits,
            ..spec(&["x"])
        },
        script,
    )
    .await;
    assert_eq!(lines[..3], ["262144", "[]", "[]"]);
    assert_ne!(lines[0], total);
    #[cfg(target_arch = "x86_64")]
    {
        let (count, listed) = lines[3].split_once(' ').unwrap();
        assert_eq!(count, listed, "programs still count the processors");
    }
}
