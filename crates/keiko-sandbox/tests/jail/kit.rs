//! Makes jails for tests.

use keiko_contracts::jail::{End, Limits};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_sandbox::jail::{Jail, JailOptions};
use keiko_sandbox::spec::{JailOutput, JailSpec, Mount, Network};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// The jail of this machine; a machine that cannot make one fails loudly where it matters and skips elsewhere.
pub(crate) fn jail(test: &str) -> Option<Jail> {
    static JAIL: OnceLock<Result<Jail, keiko_contracts::code::Fault>> = OnceLock::new();
    let found =
        JAIL.get_or_init(|| Jail::detect(JailOptions::new(env!("CARGO_BIN_EXE_keiko-jail-init"))));
    match found {
        Ok(jail) => Some(jail.clone()),
        Err(fault) => {
            eprintln!(
                "SKIPPED: {test}: {fault}: {}",
                fault.hint.clone().unwrap_or_default()
            );
            None
        }
    }
}

/// A folder that belongs to whom jails belong to, seen as `/workspace`.
pub(crate) struct Workspace(tempfile::TempDir);

impl Workspace {
    pub(crate) fn new(jail: &Jail) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = jail.identity();
        std::os::unix::fs::chown(folder.path(), Some(identity.uid), Some(identity.gid)).unwrap();
        Workspace(folder)
    }
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
    pub(crate) fn mount(&self) -> Mount {
        Mount {
            host: self.0.path().into(),
            inside: "/workspace".into(),
            writable: true,
        }
    }
}

pub(crate) fn spec(argv: &[&str]) -> JailSpec {
    JailSpec {
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        cwd: "/tmp".into(),
        env: BTreeMap::new(),
        mounts: vec![],
        limits: Limits {
            wall_ms: 60_000,
            ..Limits::default()
        },
        network: Network::None,
        links: vec![],
        stdin: vec![],
    }
}

pub(crate) fn sh(script: &str) -> JailSpec {
    spec(&["/bin/sh", "-c", script])
}

pub(crate) fn python(script: &str) -> JailSpec {
    spec(&["/usr/bin/python3", "-c", script])
}

pub(crate) async fn run(jail: &Jail, spec: JailSpec) -> JailOutput {
    jail.run(spec, LiveSink::none(), Cancel::new())
        .await
        .unwrap()
}

pub(crate) fn out(output: &JailOutput) -> String {
    String::from_utf8_lossy(&output.stdout.head).into_owned()
}

pub(crate) fn err(output: &JailOutput) -> String {
    String::from_utf8_lossy(&output.stderr.head).into_owned()
}

/// Runs something that must succeed and gives what it printed.
pub(crate) async fn good(jail: &Jail, spec: JailSpec) -> String {
    let output = run(jail, spec).await;
    assert_eq!(
        output.end,
        End::Exit(0),
        "out: {} err: {}",
        out(&output),
        err(&output)
    );
    out(&output)
}
