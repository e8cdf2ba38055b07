//! Repositories and runs for tests.

use keiko_contracts::action::{Action, HostAction, HostReport, Outcome};
use keiko_contracts::asked::Asked;
use keiko_contracts::code::Fault;
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{EffectKey, RunId, TaskId};
use keiko_contracts::jail::{
    Command, ExecReport, ExecSpec, JailAction, JailBody, JailOp, JailReport, Opened, Source, TreeId,
};
use keiko_contracts::journal::{Epoch, Head, Position, Recorded, Seq, StreamId};
use keiko_contracts::time::Timestamp;
use keiko_governance::kept::Kept;
use keiko_governance::permit::{AnyPermit, DurableIntent};
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::perform::Perform;
use keiko_sandbox::jail::{Jail, JailOptions};
use keiko_workspace::home::Home;
use keiko_workspace::push::Push;
use keiko_workspace::sandbox::Sandbox;
use keiko_workspace::workspace::Workspaces;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The jail of this machine; without one, tests say so and end.
pub(crate) fn jail(test: &str) -> Option<Jail> {
    static JAIL: OnceLock<Result<Jail, Fault>> = OnceLock::new();
    match JAIL
        .get_or_init(|| Jail::detect(JailOptions::new(env!("CARGO_BIN_EXE_keiko-workspace-init"))))
    {
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

/// A machine with a data folder, a cache, and a user's folder.
pub(crate) struct Scene {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) user: PathBuf,
    pub(crate) spaces: Workspaces,
    pub(crate) sandbox: Sandbox,
    pub(crate) push: Push,
    pub(crate) home: Home,
    pub(crate) run: RunId,
}

impl Scene {
    /// `None` without a jail.
    pub(crate) fn new(test: &str) -> Option<Scene> {
        let jail = jail(test)?;
        let dir = tempfile::tempdir().unwrap();
        let user = dir.path().join("user ü");
        std::fs::create_dir(&user).unwrap();
        let spaces = Workspaces::new(&dir.path().join("data")).unwrap();
        let sandbox = Sandbox::new(spaces.clone(), jail.clone(), &dir.path().join("cache"));
        let push = Push::new(spaces.clone(), jail);
        let home = Home::new(spaces.clone());
        Some(Scene {
            dir,
            user,
            spaces,
            sandbox,
            push,
            home,
            run: RunId::from_bytes([7; 10]),
        })
    }

    /// The same machine after a restart: nothing is in memory.
    pub(crate) fn restarted(&mut self, test: &str) {
        let jail = jail(test).unwrap();
        self.sandbox = Sandbox::new(self.spaces.clone(), jail, &self.dir.path().join("cache"));
    }

    /// A repository with one commit of these files.
    pub(crate) fn repository(&self, files: &[(&str, &str)]) {
        self.git(&["init", "-q", "-b", "main"]);
        self.files(files);
        self.commit();
    }

    pub(crate) fn files(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.user.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&[
            "-c",
            "user.name=U",
            "-c",
            "user.email=u@x",
            "commit",
            "-q",
            "-m",
            "one",
        ]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.user, args)
    }

    pub(crate) fn tree_dir(&self) -> PathBuf {
        self.dir
            .path()
            .join("data/workspaces")
            .join(self.run.to_string())
            .join("tree")
    }

    pub(crate) fn source(&self, snapshot: bool) -> Source {
        Source::Folder {
            path: self.user.to_str().unwrap().to_owned(),
            snapshot,
        }
    }

    pub(crate) async fn open(&self, snapshot: bool) -> Opened {
        match self
            .done(JailOp::Open {
                source: self.source(snapshot),
            })
            .await
            .body
        {
            JailBody::Opened(opened) => opened,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn perform(
        &self,
        op: JailOp,
        tree: Option<TreeId>,
        cancel: Cancel,
    ) -> Outcome<JailReport> {
        let action = JailAction {
            workspace: self.run,
            op,
            tree,
        };
        let AnyPermit::Jail(permit) = permit(self.run, Action::Jail(action)) else {
            panic!()
        };
        self.sandbox.perform(permit, LiveSink::none(), cancel).await
    }

    pub(crate) async fn done(&self, op: JailOp) -> JailReport {
        match self.perform(op, None, Cancel::new()).await {
            Outcome::Done(report) => report,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn failed(&self, op: JailOp) -> Fault {
        match self.perform(op, None, Cancel::new()).await {
            Outcome::Failed(fault) => fault,
            other => panic!("{other:?}"),
        }
    }

    /// Runs a script and gives its report and the tree after it.
    pub(crate) async fn sh(&self, script: &str) -> (ExecReport, TreeId) {
        let report = self.done(JailOp::Exec(shell(script))).await;
        let JailBody::Exec(exec) = report.body else {
            panic!("{report:?}")
        };
        (exec, report.tree.unwrap())
    }

    pub(crate) async fn host(&self, action: HostAction) -> Outcome<HostReport> {
        let AnyPermit::Host(permit) = permit(self.run, Action::Host(action)) else {
            panic!()
        };
        self.push
            .perform(permit, LiveSink::none(), Cancel::new())
            .await
    }
}

pub(crate) fn shell(script: &str) -> ExecSpec {
    ExecSpec {
        command: Command::Shell(script.into()),
        cwd: String::new(),
        env: Default::default(),
        stdin: None,
        limits: Default::default(),
        collect: vec![],
        report: None,
    }
}

pub(crate) fn key(run: RunId) -> EffectKey {
    EffectKey {
        run,
        task: TaskId::main(),
        attempt: 1,
        step: 1,
        ordinal: 0,
    }
}

/// A permit the regular way: an intent, and a journal's record of it.
pub(crate) fn permit(run: RunId, action: Action) -> AnyPermit {
    let intent =
        keiko_governance::intent::intent(key(run), action, Asked::default(), Epoch(0)).unwrap();
    let recorded = Recorded {
        position: Position(1),
        stream: StreamId::run(run),
        seq: Seq(1),
        kind: "effect_intended".into(),
        version: 2,
        at: Timestamp(0),
        payload: serde_json::to_vec(&intent).unwrap(),
        head: Head::default(),
        previous: Digest::default(),
        hash: Digest::default(),
    };
    DurableIntent::of(&Kept::for_test(recorded), intent)
        .unwrap()
        .permit(Epoch(0), Epoch(0))
        .unwrap()
}

/// Git as a user has it, apart from this machine's settings.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(args)
        .current_dir(dir)
        .envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}
