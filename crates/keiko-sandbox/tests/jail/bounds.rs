//! Limits: time, memory, processes, disk, output; and that nothing is left over.

use crate::kit::{Workspace, good, jail, out, python, run, sh, spec};
use keiko_contracts::jail::{End, Limits};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_sandbox::jail::{Jail, JailOptions, LimitedBy};
use keiko_sandbox::spec::JailSpec;
use std::time::{Duration, Instant};

fn limits() -> Limits {
    Limits {
        wall_ms: 30_000,
        memory_mib: 256,
        pids: 64,
        output_bytes: 10_000,
        file_mib: 16,
    }
}

/// Processes on the host that belong to jails' user and carry a mark in their arguments.
fn alive(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|e| {
            std::fs::read(e.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
        })
        .count()
}

/// Unique in this process, and no test's own argument.
fn mark(test: &str) -> String {
    format!("mark-{test}-{}", std::process::id())
}

async fn gone(mark: &str, within: Duration) {
    let began = Instant::now();
    while alive(mark) > 0 {
        assert!(
            began.elapsed() < within,
            "{} processes live after {within:?}",
            alive(mark)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sleep_past_the_deadline_is_ended() {
    let Some(jail) = jail("sleep_past_the_deadline_is_ended") else {
        return;
    };
    let mark = mark("sleep");
    let output = run(
        &jail,
        JailSpec {
            limits: Limits {
                wall_ms: 300,
                ..limits()
            },
            ..sh(&format!("echo before; sleep 60; : {mark}"))
        },
    )
    .await;
    assert_eq!(
        (output.end.clone(), out(&output).as_str()),
        (End::TimedOut, "before\n")
    );
    assert!(
        (300..1500).contains(&output.duration_ms),
        "{}",
        output.duration_ms
    );
    gone(&mark, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ignores_sigterm_is_killed_after_a_grace() {
    let Some(jail) = jail("who_ignores_sigterm_is_killed_after_a_grace") else {
        return;
    };
    let output = run(
        &jail,
        JailSpec {
            limits: Limits {
                wall_ms: 300,
                ..limits()
            },
            ..sh("trap 'echo asked' TERM; while :; do sleep 0.1; done")
        },
    )
    .await;
    assert_eq!(output.end, End::TimedOut);
    assert!(
        out(&output).contains("asked") && (2000..4500).contains(&output.duration_ms),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_ends_soon() {
    let Some(jail) = jail("a_cancelled_command_ends_soon") else {
        return;
    };
    let cancel = Cancel::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.cancel();
    });
    let output = jail
        .run(sh("sleep 60"), LiveSink::none(), cancel)
        .await
        .unwrap();
    assert!(output.cancelled && output.duration_ms < 1500, "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_run_leaves_nothing() {
    let Some(jail) = jail("a_dropped_run_leaves_nothing") else {
        return;
    };
    let mark = mark("dropped");
    let running = jail.run(
        sh(&format!("sleep 60; : {mark}")),
        LiveSink::none(),
        Cancel::new(),
    );
    let _ = tokio::time::timeout(Duration::from_millis(500), running).await;
    gone(&mark, Duration::from_secs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_daemon_dies_with_its_command() {
    let Some(jail) = jail("a_detached_daemon_dies_with_its_command") else {
        return;
    };
    let mark = mark("daemon");
    let script = format!(
        "setsid nohup sh -c 'trap \"\" TERM HUP; while :; do sleep 0.1; done; : {mark}' >/dev/null 2>&1 & sleep 0.2; echo done"
    );
    let output = run(&jail, sh(&script)).await;
    assert_eq!(
        (output.end, output.duration_ms < 2000),
        (End::Exit(0), true)
    );
    gone(&mark, Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_keeps_the_output_open_holds_up_nothing() {
    let Some(jail) = jail("a_daemon_that_keeps_the_output_open_holds_up_nothing") else {
        return;
    };
    let output = run(&jail, sh("setsid sleep 60 & echo done")).await;
    assert_eq!(
        (output.end.clone(), out(&output).as_str()),
        (End::Exit(0), "done\n")
    );
    assert!(output.duration_ms < 2000, "{}", output.duration_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_is_out_of_memory() {
    let Some(jail) = jail("a_memory_bomb_is_out_of_memory") else {
        return;
    };
    let output = run(
        &jail,
        JailSpec {
            limits: limits(),
            ..python("x = []\nwhile True: x.append(bytearray(8 << 20))")
        },
    )
    .await;
    assert_eq!(output.end, End::OutOfMemory);
    assert!(
        output.duration_ms < 10_000 && output.peak_kib.is_none_or(|kib| kib <= 300 << 10),
        "{output:?}"
    );
    assert_eq!(output.violations.len(), 1);
}

/// Memory that no process has mapped, each way that there is to hold some.
const UNMAPPED: [(&str, &str); 4] = [
    (
        "memfd",
        "import os\nkeep = []\nfor i in range(128):\n  f = os.memfd_create('x'); keep.append(f)\n  os.write(f, b'x' * (8 << 20))",
    ),
    (
        "segments",
        "import ctypes\nc = ctypes.CDLL(None)\nc.shmat.restype = ctypes.c_void_p\nfor i in range(128):\n  s = c.shmget(0, 8 << 20, 0o1600)\n  \
         a = c.shmat(s, None, 0)\n  ctypes.memset(a, 1, 8 << 20)\n  c.shmdt(ctypes.c_void_p(a))",
    ),
    (
        "nameless files",
        "import os\nkeep = []\nfor d in ['/tmp', '/dev/shm', '/home/keiko']:\n  for i in range(28):\n    f = os.open(d + '/x', os.O_RDWR | \
         os.O_CREAT); os.unlink(d + '/x'); keep.append(f)\n    os.write(f, b'x' * (8 << 20))",
    ),
    (
        "a process that hides",
        "import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\nx = []\nfor i in range(128): x.append(bytearray(8 << 20))",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_nobody_maps_counts_with_control_groups_and_without() {
    let Some(grouped) = jail("memory_that_nobody_maps_counts") else {
        return;
    };
    let options = JailOptions {
        control_groups: false,
        ..JailOptions::new(env!("CARGO_BIN_EXE_keiko-jail-init"))
    };
    let watched = Jail::detect(options).unwrap();
    assert_eq!(watched.report().memory, LimitedBy::Watching);
    for jail in [&grouped, &watched] {
        for (name, script) in UNMAPPED {
            let script = format!("{script}\nimport time; time.sleep(2); print('all of it')");
            let output = run(
                jail,
                JailSpec {
                    limits: limits(),
                    ..python(&script)
                },
            )
            .await;
            let by = jail.report().memory;
            assert!(
                !out(&output).contains("all of it"),
                "{name} {by:?}: {output:?}"
            );
            // Without control groups there are no files without a name at all.
            let refused = by == LimitedBy::Watching && name == "memfd";
            assert_eq!(
                output.end == End::OutOfMemory,
                !refused,
                "{name} {by:?}: {output:?}"
            );
        }
    }
    // What programs do in its place still works.
    let named = "open('/dev/shm/x', 'w').write('y' * 1000); print(open('/dev/shm/x').read(3))";
    assert_eq!(
        good(
            &watched,
            JailSpec {
                limits: limits(),
                ..python(named)
            }
        )
        .await,
        "yyy\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_in_a_file_system_is_bounded() {
    let Some(jail) = jail("a_memory_bomb_in_a_file_system_is_bounded") else {
        return;
    };
    for folder in ["/tmp", "/dev/shm", "/home/keiko"] {
        let script = format!(
            "cd {folder}; i=0; while head -c 8000000 /dev/zero > f$i 2>/dev/null; do i=$((i+1)); [ $i -lt 200 ] || {{ echo unbounded; break; }}; done; echo end"
        );
        let output = run(
            &jail,
            JailSpec {
                limits: limits(),
                ..sh(&script)
            },
        )
        .await;
        assert!(!out(&output).contains("unbounded"), "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_is_held_and_cleaned_up() {
    let Some(jail) = jail("a_fork_bomb_is_held_and_cleaned_up") else {
        return;
    };
    if jail.report().processes == LimitedBy::Nothing {
        eprintln!(
            "SKIPPED: a_fork_bomb_is_held_and_cleaned_up: nothing limits processes here: run as root or on Linux 5.14"
        );
        return;
    }
    let mark = mark("fork");
    let script = format!(
        "import os, time\n# {mark}\nend = time.time() + 60\nwhile time.time() < end:\n  try: os.fork()\n  except OSError: time.sleep(0.01)"
    );
    let bomb = JailSpec {
        limits: Limits {
            wall_ms: 1500,
            pids: 200,
            ..limits()
        },
        ..python(&script)
    };
    // A thread of its own: looking at many processes blocks, and would hold up the runtime's clock.
    let seen = mark.clone();
    let watch = std::thread::spawn(move || {
        let look = |_| {
            std::thread::sleep(Duration::from_millis(50));
            alive(&seen)
        };
        (0..20).map(look).max()
    });
    let began = Instant::now();
    let output = run(&jail, bomb).await;
    assert_eq!(output.end, End::TimedOut);
    gone(&mark, Duration::from_secs(3)).await;
    assert!(
        began.elapsed() < Duration::from_millis(1500 + 3000),
        "{:?}",
        began.elapsed()
    );
    let most = watch.join().unwrap().unwrap();
    assert!((10..=206).contains(&most), "{most} processes");
    if jail.report().processes != LimitedBy::Rlimit {
        assert_eq!(output.violations, ["the limit of processes was reached"]);
    }
    assert_eq!(good(&jail, sh("echo fine")).await, "fine\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cannot_grow_past_its_limit() {
    let Some(jail) = jail("a_file_cannot_grow_past_its_limit") else {
        return;
    };
    let workspace = Workspace::new(&jail);
    let spec = JailSpec {
        mounts: vec![workspace.mount()],
        limits: limits(),
        ..spec(&["head", "-c", "100000000", "/dev/zero"])
    };
    let output = run(
        &jail,
        JailSpec {
            argv: vec![
                "sh".into(),
                "-c".into(),
                "exec head -c 100000000 /dev/zero > /workspace/f".into(),
            ],
            ..spec
        },
    )
    .await;
    assert_eq!(output.end, End::Signal(25));
    assert_eq!(
        output.violations,
        ["the limit of the file size was reached"]
    );
    assert_eq!(
        std::fs::metadata(workspace.path().join("f")).unwrap().len(),
        16 << 20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_is_bounded_and_its_end_kept() {
    let Some(jail) = jail("a_flood_of_output_is_bounded_and_its_end_kept") else {
        return;
    };
    let output = run(
        &jail,
        JailSpec {
            limits: limits(),
            ..sh("echo start; head -c 50000000 /dev/zero; echo; echo end")
        },
    )
    .await;
    assert_eq!(output.end, End::Exit(0));
    assert!(output.stdout.head.starts_with(b"start\n") && output.stdout.tail.ends_with(b"end\n"));
    let kept = (output.stdout.head.len() + output.stdout.tail.len()) as u64;
    assert!(
        kept <= 10_000 && kept + output.stdout.omitted == 50_000_011,
        "{kept} {}",
        output.stdout.omitted
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn large_input_and_output_do_not_block_each_other() {
    let Some(jail) = jail("large_input_and_output_do_not_block_each_other") else {
        return;
    };
    let stdin = vec![b'x'; 4 << 20];
    let output = run(
        &jail,
        JailSpec {
            stdin: stdin.clone(),
            limits: Limits {
                output_bytes: 8 << 20,
                ..limits()
            },
            ..spec(&["cat"])
        },
    )
    .await;
    assert!(output.stdout.head == stdin);
    assert_eq!(
        run(
            &jail,
            JailSpec {
                stdin,
                ..spec(&["true"])
            }
        )
        .await
        .end,
        End::Exit(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_command_line_is_no_obstacle() {
    let Some(jail) = jail("a_long_command_line_is_no_obstacle") else {
        return;
    };
    let env = (0..200)
        .map(|i| (format!("V{i}"), "x".repeat(5000)))
        .collect();
    let words = (0..10).map(|_| "y".repeat(100_000));
    let argv = [
        "sh".to_owned(),
        "-c".into(),
        "echo ${#1} ${#V199}".into(),
        "sh".into(),
    ]
    .into_iter()
    .chain(words)
    .collect();
    assert_eq!(
        good(
            &jail,
            JailSpec {
                env,
                argv,
                ..spec(&["x"])
            }
        )
        .await,
        "100000 5000\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn control_groups_go_with_their_jails() {
    let Some(jail) = jail("control_groups_go_with_their_jails") else {
        return;
    };
    for _ in 0..5 {
        good(&jail, sh("true")).await;
    }
    let own = format!("keiko-jail-{}-", std::process::id());
    let began = Instant::now();
    while count_groups(std::path::Path::new("/sys/fs/cgroup"), &own, 0) > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "groups are left over"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn count_groups(folder: &std::path::Path, prefix: &str, depth: u32) -> usize {
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    entries
        .map(|e| {
            usize::from(e.file_name().to_string_lossy().starts_with(prefix))
                + if depth < 5 {
                    count_groups(&e.path(), prefix, depth + 1)
                } else {
                    0
                }
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jails_at_once_each_get_their_own() {
    let Some(jail) = jail("many_jails_at_once_each_get_their_own") else {
        return;
    };
    let runs = (0..16).map(|i| {
        let jail: Jail = jail.clone();
        tokio::spawn(async move {
            good(
                &jail,
                sh(&format!("echo {i} > /tmp/x; cat /tmp/x; ls /tmp")),
            )
            .await
        })
    });
    for (i, run) in runs.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(run.await.unwrap(), format!("{i}\nx\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn start_latency_is_printed() {
    let Some(jail) = jail("start_latency_is_printed") else {
        return;
    };
    let mut times = Vec::new();
    for _ in 0..30 {
        let began = Instant::now();
        good(&jail, spec(&["true"])).await;
        times.push(began.elapsed());
    }
    times.sort();
    eprintln!(
        "start to end of `true`: min {:?}, median {:?}, p95 {:?}",
        times[0], times[15], times[28]
    );
    assert!(times[0] < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn filling_the_disk_is_stopped() {
    let test = "filling_the_disk_is_stopped";
    let Some(default) = jail(test) else { return };
    let workspace = Workspace::new(&default);
    let about = rustix::fs::statvfs(workspace.path()).unwrap();
    let free_mib = (about.f_bavail * about.f_frsize) >> 20;
    if free_mib < 6000 {
        eprintln!(
            "SKIPPED: {test}: less than 6 GB are free: TMPDIR=/a/larger/disk cargo xtask test"
        );
        return;
    }
    // A wide margin, for others write to the same disk meanwhile.
    let disk_reserve_mib = u32::try_from(free_mib - 2000).unwrap();
    let jail = Jail::detect(JailOptions {
        disk_reserve_mib,
        ..JailOptions::new(env!("CARGO_BIN_EXE_keiko-jail-init"))
    })
    .unwrap();
    let limits = Limits {
        file_mib: 8000,
        ..limits()
    };
    let output = run(
        &jail,
        JailSpec {
            mounts: vec![workspace.mount()],
            limits,
            ..sh("fallocate -l 4G /workspace/f; sleep 20")
        },
    )
    .await;
    assert_eq!(
        output.violations,
        ["the disk is nearly full and the command was stopped"]
    );
    assert!(
        output.duration_ms < 8000 && matches!(output.end, End::Signal(_) | End::Exit(1..)),
        "{output:?}"
    );
}

/// A jail whose workspaces may hold 20 MiB.
fn small() -> Jail {
    Jail::detect(JailOptions {
        workspace_mib: 20,
        ..JailOptions::new(env!("CARGO_BIN_EXE_keiko-jail-init"))
    })
    .unwrap()
}

/// Writes many small files, forever, over sub-folders, hard links and hidden names.
const FILL: &str = "cd /workspace; i=0; while :; do mkdir -p .d/$i; head -c 1000000 /dev/zero > .d/$i/f || exit 9; i=$((i+1)); sleep 0.02; done";

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_cannot_grow_without_end() {
    if jail("a_workspace_cannot_grow_without_end").is_none() {
        return;
    }
    let jail = small();
    let workspace = Workspace::new(&jail);
    let in_it = |script: &str| JailSpec {
        mounts: vec![workspace.mount()],
        limits: limits(),
        ..sh(script)
    };
    let output = run(&jail, in_it(FILL)).await;
    assert!(
        output.violations.len() == 1 && output.violations[0].contains("larger than it may be"),
        "{output:?}"
    );
    assert!(
        matches!(output.end, End::Signal(_) | End::Exit(_)) && output.duration_ms < 20_000,
        "{output:?}"
    );
    // What is too large already can be made smaller, and only that.
    let output = run(&jail, in_it("sleep 3; rm -rf /workspace/.d; echo removed")).await;
    assert_eq!(
        (output.end.clone(), out(&output).as_str()),
        (End::Exit(0), "removed\n"),
        "{output:?}"
    );
    assert_eq!(
        good(
            &jail,
            in_it("head -c 1000000 /dev/zero > /workspace/f; sleep 3; echo fits")
        )
        .await,
        "fits\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lives_on_is_held_to_the_size_as_well() {
    if jail("what_lives_on_is_held_to_the_size_as_well").is_none() {
        return;
    }
    let jail = small();
    let workspace = Workspace::new(&jail);
    let mut process = jail
        .spawn(JailSpec {
            mounts: vec![workspace.mount()],
            limits: limits(),
            ..sh(FILL)
        })
        .await
        .unwrap();
    let output = tokio::time::timeout(Duration::from_secs(30), process.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(
        output.violations.len() == 1 && output.violations[0].contains("larger than it may be"),
        "{output:?}"
    );
}
