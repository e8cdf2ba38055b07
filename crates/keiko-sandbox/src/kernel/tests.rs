//! With a real ipykernel, started without a jail, and with a hostile one.

use super::*;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// A python that has ipykernel: `KEIKO_TEST_PYTHON`, `python3`, or one made once below the target folder.
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let made = target.join("test-python/bin/python");
    let named = std::env::var_os("KEIKO_TEST_PYTHON").map(PathBuf::from);
    let known = named
        .into_iter()
        .chain([PathBuf::from("python3"), made.clone()])
        .find(|python| runs(python, &["-c", "import ipykernel"]));
    known.or_else(|| {
        make_python(&target)
            .filter(|()| runs(&made, &["-c", "import ipykernel"]))
            .map(|()| made)
    })
}

fn runs(program: &Path, args: &[&str]) -> bool {
    let mut command = std::process::Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Several tests start at once, each in a process of its own: one makes it, the others wait.
fn make_python(target: &Path) -> Option<()> {
    let lock = std::fs::File::create(target.join("test-python.lock")).ok()?;
    lock.lock().ok()?;
    let (place, system) = (target.join("test-python"), Path::new("/usr/bin/python3"));
    let (folder, python) = (place.to_str()?, place.join("bin/python"));
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--timeout",
        "15",
        "--retries",
        "1",
        "ipykernel",
    ];
    if runs(&python, &["-c", "import ipykernel"])
        || runs(system, &["-m", "venv", folder]) && runs(&python, &install)
    {
        return Some(());
    }
    // Without python3-venv an environment has no pip of its own; the system's can install into it.
    let from_outside = [
        &["-m", "pip", "--python", python.to_str()?][..],
        &install[2..],
    ]
    .concat();
    (runs(system, &["-m", "venv", "--without-pip", folder]) && runs(system, &from_outside))
        .then_some(())
}

struct Running {
    kernel: Kernel,
    pid: u32,
    _dir: tempfile::TempDir,
}

async fn kernel(test: &str) -> Option<Running> {
    let Some(python) = python() else {
        let enable =
            "python3 -m venv target/test-python && target/test-python/bin/pip install ipykernel";
        eprintln!("SKIPPED: {test}: no python with ipykernel: {enable}");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("k");
    let connection = Connection::prepare(&folder, folder.to_str().unwrap(), None).unwrap();
    let argv = command(
        python.to_str().unwrap(),
        None,
        folder.join(CONNECTION_FILE).to_str().unwrap(),
    );
    let mut child = Command::new(&argv[0]);
    child
        .args(&argv[1..])
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .env("IPYTHONDIR", dir.path())
        .env("MPLBACKEND", "Agg");
    let child: Child = child
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = child.id().unwrap();
    let kernel = Kernel::connect(
        connection,
        process(child),
        Duration::from_secs(60),
        &Cancel::new(),
    )
    .await
    .unwrap();
    Some(Running {
        kernel,
        pid,
        _dir: dir,
    })
}

/// What a jail does for its caller.
fn process(mut child: Child) -> Process {
    let kill = Cancel::new();
    let killed = kill.clone();
    let died = async move {
        let ended = tokio::select! {
            status = child.wait() => Some(status),
            () = killed.cancelled() => None,
        };
        if ended.is_none() {
            let _ = child.kill().await;
        }
        "it ended".to_owned()
    };
    Process::new(died, kill)
}

impl Running {
    async fn cell(&mut self, code: &str) -> CellReport {
        self.cell_for(code, Duration::from_secs(60)).await
    }
    async fn cell_for(&mut self, code: &str, limit: Duration) -> CellReport {
        self.kernel
            .execute(code, limit, &LiveSink::none(), &Cancel::new())
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn cells_share_state_and_report_text_values_errors_tables_and_images() {
    let Some(mut running) = kernel("cells_share_state").await else {
        return;
    };
    let report = running
        .cell("x = 20\nprint('hello')\nimport sys; print('warn', file=sys.stderr)")
        .await;
    assert!(
        report.output.text().unwrap().contains("hello\n")
            && report.output.text().unwrap().contains("warn\n"),
        "{report:?}"
    );
    assert_eq!(
        (
            report.count,
            report.error.clone(),
            report.state_lost,
            report.interrupted
        ),
        (1, None, false, false)
    );
    let report = running.cell("x + 1").await;
    assert_eq!(report.value.unwrap().text(), Some("21"));
    let report = running.cell("1/0").await;
    let error = report.error.unwrap();
    assert_eq!(error.name, "ZeroDivisionError");
    assert!(
        error.traceback.text().unwrap().contains("1/0")
            && !error.traceback.text().unwrap().contains('\u{1b}')
    );
    let report = running.cell("from IPython.display import display, HTML, Image\ndisplay(HTML('<table></table>'))\nImage(data=b'\\x89PNG\\r\\n\\x1a\\n' + bytes(20), format='png')").await;
    let kinds: Vec<&str> = report
        .displays
        .iter()
        .map(|(kind, _)| kind.as_str())
        .collect();
    assert_eq!(kinds, ["text/html", "image/png"], "{report:?}");
    let report = running.cell("input('?')").await;
    assert_eq!(report.error.unwrap().name, "StdinNotImplementedError");
    running.kernel.shutdown().await;
}

#[tokio::test]
async fn a_cell_is_interrupted_at_its_limit_and_the_state_stays() {
    let Some(mut running) = kernel("a_cell_is_interrupted").await else {
        return;
    };
    running.cell("x = 7").await;
    let report = running
        .cell_for("while True: pass", Duration::from_millis(300))
        .await;
    assert!(
        report.interrupted && !report.state_lost && report.duration_ms < 4000,
        "{report:?}"
    );
    assert_eq!(report.error.unwrap().name, "KeyboardInterrupt");
    assert_eq!(running.cell("x").await.value.unwrap().text(), Some("7"));
    let cancel = Cancel::new();
    cancel.cancel();
    let report = running
        .kernel
        .execute(
            "import time; time.sleep(60)",
            Duration::from_secs(60),
            &LiveSink::none(),
            &cancel,
        )
        .await
        .unwrap();
    assert!(report.interrupted && !report.state_lost);
}

#[tokio::test]
async fn a_cell_that_ignores_the_interrupt_costs_the_kernel() {
    let Some(mut running) = kernel("a_cell_that_ignores").await else {
        return;
    };
    let code = "import time, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('deaf', flush=True)\nwhile True: time.sleep(1)";
    let report = running.cell_for(code, Duration::from_millis(500)).await;
    assert!(report.interrupted && report.state_lost, "{report:?}");
    assert!(
        report.output.text().unwrap().contains("deaf")
            && report.error.unwrap().message.contains("killed")
    );
    assert!(running.kernel.is_lost());
    let again = running
        .kernel
        .execute(
            "1",
            Duration::from_secs(1),
            &LiveSink::none(),
            &Cancel::new(),
        )
        .await;
    assert!(matches!(again, Err(KernelError::Lost)));
}

#[tokio::test]
async fn a_kernel_that_dies_is_told_once() {
    let Some(mut running) = kernel("a_kernel_that_dies").await else {
        return;
    };
    let report = running
        .cell("print('last', flush=True)\nimport os, time; time.sleep(0.5); os._exit(3)")
        .await;
    assert!(
        report.state_lost && report.output.text().unwrap().contains("last"),
        "{report:?}"
    );
    assert_eq!(report.error.unwrap().message, "it ended");
    let Some(mut running) = kernel("a_kernel_that_dies").await else {
        return;
    };
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(running.pid as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    sleep(Duration::from_millis(200)).await;
    let lost = running
        .kernel
        .execute(
            "1",
            Duration::from_secs(5),
            &LiveSink::none(),
            &Cancel::new(),
        )
        .await;
    assert!(matches!(lost, Err(KernelError::Lost)), "{lost:?}");
}

#[tokio::test]
async fn a_flood_of_output_is_capped_and_its_end_is_kept() {
    let Some(mut running) = kernel("a_flood_of_output").await else {
        return;
    };
    let report = running
        .cell("for i in range(200000): print('line', i)\nprint('the end')")
        .await;
    let text = report.output.text().unwrap();
    assert!(
        text.len() < 70_000 && text.starts_with("line 0\n") && text.ends_with("the end\n"),
        "{}",
        &text[text.len() - 200..]
    );
    // One message of 40 MB is passed over, not kept.
    let report = running.cell("print('x' * 40_000_000)").await;
    assert!(report.output.text().unwrap().len() < 70_000 && report.error.is_none());
    assert_eq!(running.cell("1 + 1").await.value.unwrap().text(), Some("2"));
}

/// A cell that takes over the kernel's sockets and writes what would break a client that believes it.
#[tokio::test]
async fn a_cell_that_writes_to_the_sockets_itself_harms_only_itself() {
    let Some(mut running) = kernel("a_cell_that_writes").await else {
        return;
    };
    let code = r"
import os, stat
for fd in range(3, 200):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.set_blocking(fd, False)
            os.write(fd, b'\x02\x7f\xff\xff\xff\xff\xff\xff\xff' + b'A' * 1000)
    except OSError:
        pass
";
    let report = running.cell_for(code, Duration::from_secs(3)).await;
    assert!(report.duration_ms < 15_000);
}

/// Whoever stands at the sockets and does not know the key is not heard, however much it says.
#[tokio::test]
async fn an_impostor_is_not_heard() {
    let dir = tempfile::tempdir().unwrap();
    let connection = Connection::prepare(dir.path(), INSIDE, None).unwrap();
    let other = wire::Key::random().unwrap();
    let message = JupyterMessage::new(jupyter_protocol::messaging::Status::idle(), None);
    let frames = wire::seal(&other, &message).unwrap();
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let noise = zmtp::message(&frames).repeat(50);
    for port in [1, 2, 4] {
        let listener =
            tokio::net::UnixListener::bind(dir.path().join(format!("k-{port}"))).unwrap();
        let noise = noise.clone();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let (mut stream, _) = listener.accept().await.unwrap();
            stream
                .write_all(&[&zmtp::greeting()[..], &zmtp::ready("ROUTER")].concat())
                .await
                .unwrap();
            while stream.write_all(&noise).await.is_ok() {}
        });
    }
    let kill = Cancel::new();
    let process = Process::new(std::future::pending(), kill.clone());
    let connected = Kernel::connect(
        connection,
        process,
        Duration::from_millis(700),
        &Cancel::new(),
    )
    .await;
    assert!(
        matches!(connected, Err(KernelError::NotReady(_))),
        "{connected:?}"
    );
    assert!(kill.is_cancelled());
}

#[tokio::test]
async fn a_python_without_ipykernel_is_told_with_its_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let connection = Connection::prepare(dir.path(), INSIDE, None).unwrap();
    let process = Process::new(
        async { "No module named ipykernel_launcher".to_owned() },
        Cancel::new(),
    );
    let fault = Kernel::connect(connection, process, Duration::from_secs(5), &Cancel::new())
        .await
        .unwrap_err()
        .fault();
    assert!(
        fault.message.contains("No module named")
            && fault.hint.unwrap().contains("python3-ipykernel")
    );
}
