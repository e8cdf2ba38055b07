//! `keiko doctor`'s proof that jails hold here: attempts from inside, and limits that really end what exceeds them.

use crate::jail::{Jail, LimitedBy};
use crate::plan::SELF_INSIDE;
pub use crate::probe::SelfTestResult;
use crate::probe::{Bait, PROBE};
use crate::spec::{JailOutput, JailSpec, Network};
use keiko_contracts::code::Fault;
use keiko_contracts::jail::{End, Limits};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use std::collections::BTreeMap;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;

impl Jail {
    /// Really tries escapes and excesses, each in a jail of its own kind. Takes about two seconds; harmless.
    pub async fn self_test(&self) -> Vec<SelfTestResult> {
        let mut results = self
            .escapes()
            .await
            .unwrap_or_else(|why| vec![SelfTestResult::new("try escapes", false, why)]);
        results.push(self.past_the_deadline().await);
        results.push(self.flood().await);
        results.push(self.memory_bomb().await);
        if self.report().processes != LimitedBy::Nothing {
            results.push(self.many_processes().await);
        }
        results
    }

    async fn try_out(&self, argv: &[&str], limits: Limits) -> Result<JailOutput, Fault> {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        let spec = JailSpec {
            argv,
            cwd: "/tmp".into(),
            env: BTreeMap::new(),
            mounts: vec![],
            links: vec![],
            limits,
            network: Network::None,
            stdin: vec![],
        };
        self.run(spec, LiveSink::none(), Cancel::new()).await
    }

    async fn escapes(&self) -> Result<Vec<SelfTestResult>, String> {
        let set = Set::new().map_err(|e| e.to_string())?;
        let bait = serde_json::to_string(&set.bait).map_err(|e| e.to_string())?;
        let limits = Limits {
            wall_ms: 20_000,
            ..Limits::default()
        };
        let output = self
            .try_out(&[SELF_INSIDE, PROBE, &bait], limits)
            .await
            .map_err(|e| e.to_string())?;
        serde_json::from_slice(&output.stdout.head)
            .map_err(|_| format!("the probe ended without a result: {:?}", output.end))
    }

    async fn past_the_deadline(&self) -> SelfTestResult {
        let limits = Limits {
            wall_ms: 200,
            ..Limits::default()
        };
        let output = self
            .try_out(&["/bin/sh", "-c", "sleep 60 & sleep 60"], limits)
            .await;
        judge("outlive the time limit", output, |o| {
            o.end == End::TimedOut && o.duration_ms < 10_000
        })
    }

    async fn flood(&self) -> SelfTestResult {
        let limits = Limits {
            wall_ms: 20_000,
            output_bytes: 1000,
            ..Limits::default()
        };
        let output = self
            .try_out(&["/usr/bin/head", "-c", "10000000", "/dev/zero"], limits)
            .await;
        judge("flood the output", output, |o| {
            o.stdout.omitted == 10_000_000 - 1000
        })
    }

    async fn memory_bomb(&self) -> SelfTestResult {
        let limits = Limits {
            wall_ms: 20_000,
            memory_mib: 64,
            ..Limits::default()
        };
        // `tail` keeps a line, however long, in memory.
        let output = self
            .try_out(&["/usr/bin/tail", "-n", "1", "/dev/zero"], limits)
            .await;
        judge("use more memory than permitted", output, |o| {
            o.end == End::OutOfMemory
        })
    }

    async fn many_processes(&self) -> SelfTestResult {
        let limits = Limits {
            wall_ms: 5_000,
            pids: 20,
            ..Limits::default()
        };
        let script = "i=0; while [ $i -lt 100 ]; do sleep 5 & i=$((i+1)); done; echo unlimited";
        let output = self.try_out(&["/bin/sh", "-c", script], limits).await;
        judge("start more processes than permitted", output, |o| {
            o.stdout.head.is_empty()
        })
    }
}

fn judge(
    name: &str,
    output: Result<JailOutput, Fault>,
    held: impl FnOnce(&JailOutput) -> bool,
) -> SelfTestResult {
    match output {
        Ok(output) => {
            let detail = format!("{:?} after {} ms", output.end, output.duration_ms);
            SelfTestResult::new(name, held(&output), detail)
        }
        Err(fault) => SelfTestResult::new(name, false, fault.to_string()),
    }
}

/// What is laid out on the host for the time of the test.
struct Set {
    bait: Bait,
    _file: tempfile::NamedTempFile,
    _tcp: std::net::TcpListener,
    _abstract: std::os::unix::net::UnixListener,
}

impl Set {
    fn new() -> io::Result<Set> {
        let file = tempfile::Builder::new()
            .prefix("keiko-canary-")
            .tempfile()?;
        // Readable for everybody: only the jail may be what hides it.
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(0o644))?;
        let tcp = std::net::TcpListener::bind("127.0.0.1:0")?;
        let path = file.path().to_string_lossy().into_owned();
        let abstract_name = path.clone();
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&abstract_name)?;
        let listener = std::os::unix::net::UnixListener::bind_addr(&address)?;
        Ok(Set {
            bait: Bait {
                file: path,
                abstract_name,
                tcp: tcp.local_addr()?,
            },
            _file: file,
            _tcp: tcp,
            _abstract: listener,
        })
    }
}
