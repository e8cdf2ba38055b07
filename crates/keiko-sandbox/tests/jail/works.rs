//! What ordinary tools need, and other sandboxes broke.

use crate::kit::{Workspace, err, good, jail, out, python, run, sh, spec};
use keiko_contracts::jail::{End, Limits};
use keiko_contracts::model::LiveFrame;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_sandbox::spec::JailSpec;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gives_its_output_code_and_use() {
    let Some(jail) = jail("a_command_gives_its_output_code_and_use") else {
        return;
    };
    let output = run(
        &jail,
        JailSpec {
            stdin: b"abc".to_vec(),
            ..sh("cat; echo wrong >&2; exit 3")
        },
    )
    .await;
    assert_eq!(
        (
            output.end.clone(),
            out(&output).as_str(),
            err(&output).as_str()
        ),
        (End::Exit(3), "abc", "wrong\n")
    );
    assert!(
        output.cpu_ms.is_some() && output.peak_kib.is_some_and(|kib| kib > 100),
        "{output:?}"
    );
    assert_eq!(output.violations, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_told_from_an_exit_code() {
    let Some(jail) = jail("a_signal_is_told_from_an_exit_code") else {
        return;
    };
    assert_eq!(run(&jail, sh("kill -SEGV $$")).await.end, End::Signal(11));
    assert_eq!(run(&jail, sh("exit 139")).await.end, End::Exit(139));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_is_said() {
    let Some(jail) = jail("what_cannot_be_started_is_said") else {
        return;
    };
    let End::NotStarted(why) = run(&jail, spec(&["no-such-program"])).await.end else {
        panic!("it started")
    };
    assert!(why.contains("no-such-program"), "{why}");
    let End::NotStarted(why) = run(
        &jail,
        JailSpec {
            cwd: "/workspace/nowhere".into(),
            ..sh("true")
        },
    )
    .await
    .end
    else {
        panic!("it started")
    };
    assert!(why.contains("/workspace/nowhere"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_the_fixed_base_and_what_is_given() {
    let Some(jail) = jail("the_environment_is_the_fixed_base_and_what_is_given") else {
        return;
    };
    let env = [("GIVEN".to_owned(), "ü b".to_owned())].into();
    let text = good(
        &jail,
        JailSpec {
            env,
            ..spec(&["/usr/bin/env"])
        },
    )
    .await;
    let names: std::collections::BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    let fixed = [
        "HOME",
        "LANG",
        "TERM",
        "TMPDIR",
        "USER",
        "LOGNAME",
        "PATH",
        "GIVEN",
        "RUSTUP_HOME",
        "RUSTUP_AUTO_INSTALL",
        "CARGO_HOME",
    ];
    assert!(names.iter().all(|name| fixed.contains(name)), "{text}");
    assert!(
        text.contains("GIVEN=ü b\n") && text.contains("HOME=/home/keiko\n"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_written_in_the_workspace_belong_to_its_owner() {
    use std::os::unix::fs::MetadataExt as _;
    let Some(jail) = jail("files_written_in_the_workspace_belong_to_its_owner") else {
        return;
    };
    let workspace = Workspace::new(&jail);
    let mounts = vec![workspace.mount()];
    good(
        &jail,
        JailSpec {
            mounts,
            cwd: "/workspace".into(),
            ..sh("mkdir a && echo x > a/b && ln a/b a/c && ln -s b a/d && mv a/c a/../e")
        },
    )
    .await;
    assert_eq!(
        std::fs::read_to_string(workspace.path().join("e")).unwrap(),
        "x\n"
    );
    assert_eq!(
        std::fs::metadata(workspace.path().join("a/b"))
            .unwrap()
            .uid(),
        jail.identity().uid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_shown_while_it_comes() {
    let Some(jail) = jail("output_is_shown_while_it_comes") else {
        return;
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let seen = Arc::clone(&seen);
        LiveSink::to(move |frame| {
            if let LiveFrame::Output { delta } = frame {
                seen.lock().unwrap().push((delta, Instant::now()))
            }
        })
    };
    jail.run(sh("echo one; sleep 0.5; echo two"), sink, Cancel::new())
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    let texts: Vec<&str> = seen.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["one\n", "two\n"]);
    assert!(seen[1].1 - seen[0].1 > Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncio_serves_on_the_private_loopback() {
    let Some(jail) = jail("asyncio_serves_on_the_private_loopback") else {
        return;
    };
    let script = "
import asyncio
async def main():
    async def serve(r, w):
        w.write(b'got ' + await r.readline()); await w.drain(); w.close()
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    r, w = await asyncio.open_connection('localhost', server.sockets[0].getsockname()[1])
    w.write(b'hello\\n'); print((await r.read()).decode(), end='')
    p = await asyncio.create_subprocess_exec('echo', 'child'); await p.wait()
asyncio.run(main())";
    let text = good(&jail, python(script)).await;
    assert!(
        text.contains("got hello") && text.contains("child"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_pipes_sockets_and_devices_work() {
    let Some(jail) = jail("threads_pipes_sockets_and_devices_work") else {
        return;
    };
    let script = "
import threading, os, socket, multiprocessing, subprocess, tempfile
ts = [threading.Thread(target=lambda: None) for _ in range(50)]; [t.start() for t in ts]; [t.join() for t in ts]
open('/dev/null','w').write('x'); assert len(open('/dev/urandom','rb').read(8)) == 8
a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'
d = tempfile.mkdtemp(); s = socket.socket(socket.AF_UNIX); s.bind(d + '/s'); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect(d + '/s')
os.memfd_create('x'); m, t = os.openpty()
with multiprocessing.Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]
assert subprocess.run(['sort'], input=b'b\\na\\n', stdout=-1).stdout == b'a\\nb\\n'
print(os.getpid() > 1, os.getuid())";
    assert_eq!(good(&jail, python(script)).await, "True 1000\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn git_commits_in_the_workspace() {
    let Some(jail) = jail("git_commits_in_the_workspace") else {
        return;
    };
    let workspace = Workspace::new(&jail);
    let script = "git init -q . && echo x > f && git add . && git -c user.name=n -c user.email=e commit -qm first && git log --format=%s";
    let spec = JailSpec {
        mounts: vec![workspace.mount()],
        cwd: "/workspace".into(),
        ..sh(script)
    };
    assert_eq!(good(&jail, spec).await, "first\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn toolchains_on_the_search_path_work() {
    let Some(jail) = jail("toolchains_on_the_search_path_work") else {
        return;
    };
    let workspace = Workspace::new(&jail);
    let limits = Limits {
        wall_ms: 120_000,
        ..Limits::default()
    };
    for (program, script) in [
        (
            "cargo",
            "cargo --version && cargo init -q --name x . && cargo run -q --offline",
        ),
        (
            "node",
            "node -e 'new Promise(r => setTimeout(r, 10)).then(() => console.log(1 + 1))'",
        ),
        (
            "python3",
            "python3 -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix)'",
        ),
    ] {
        if std::process::Command::new(program)
            .arg("--version")
            .output()
            .is_err()
        {
            eprintln!(
                "SKIPPED: toolchains_on_the_search_path_work: no {program}: install {program}"
            );
            continue;
        }
        let spec = JailSpec {
            mounts: vec![workspace.mount()],
            cwd: "/workspace".into(),
            limits,
            ..sh(script)
        };
        let text = good(&jail, spec).await;
        assert!(!text.is_empty(), "{program}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_process_answers_and_dies_when_dropped() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let Some(jail) = jail("a_living_process_answers_and_dies_when_dropped") else {
        return;
    };
    let workspace = Workspace::new(&jail);
    let script = "setsid sh -c 'while :; do date +%s%N > /workspace/beat; sleep 0.05; done' & while read l; do echo \"re: $l\"; done";
    let mut process = jail
        .spawn(JailSpec {
            mounts: vec![workspace.mount()],
            ..sh(script)
        })
        .await
        .unwrap();
    process
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"hello\n")
        .await
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "re: hello");
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(process);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let beat = std::fs::read(workspace.path().join("beat")).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        beat,
        std::fs::read(workspace.path().join("beat")).unwrap(),
        "something still lives"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_process_that_ends_says_how() {
    let Some(jail) = jail("a_living_process_that_ends_says_how") else {
        return;
    };
    let mut process = jail.spawn(sh("read x; exit 7")).await.unwrap();
    drop(process.stdin.take());
    assert_eq!(process.wait().await.unwrap().end, End::Exit(7));
    let mut process = jail.spawn(sh("sleep 60")).await.unwrap();
    process.kill().await;
    assert_eq!(process.wait().await.unwrap().end, End::Signal(9));
}

/// A crate that was downloaded before, if any: name and version.
fn downloaded_crate() -> Option<String> {
    let home = std::env::var_os("CARGO_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let caches = std::fs::read_dir(home.join("registry/cache"))
        .ok()?
        .flatten();
    let names = caches.flat_map(|cache| {
        std::fs::read_dir(cache.path())
            .into_iter()
            .flatten()
            .flatten()
    });
    names
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .find_map(|name| {
            Some(
                name.strip_prefix("cfg-if-")?
                    .strip_suffix(".crate")?
                    .to_owned(),
            )
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn downloaded_crates_are_lent_for_building_without_network() {
    let test = "downloaded_crates_are_lent_for_building_without_network";
    let Some(jail) = jail(test) else { return };
    let Some(version) = downloaded_crate() else {
        eprintln!("SKIPPED: {test}: the crate cfg-if was never downloaded: cargo fetch");
        return;
    };
    let workspace = Workspace::new(&jail);
    let limits = Limits {
        wall_ms: 120_000,
        ..Limits::default()
    };
    let script = format!(
        "cargo init -q --lib --name x . && echo 'cfg-if = \"={version}\"' >> Cargo.toml && cargo build -q --offline && ls target/debug && touch $CARGO_HOME/mine && ! touch $CARGO_HOME/registry/theirs 2>/dev/null"
    );
    let text = good(
        &jail,
        JailSpec {
            mounts: vec![workspace.mount()],
            cwd: "/workspace".into(),
            limits,
            ..sh(&script)
        },
    )
    .await;
    assert!(text.contains("libx.rlib"), "{text}");
}
