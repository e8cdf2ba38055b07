//! What is kept of a run between its operations: its last tree, its worker, its Python kernel.

use super::Shared;
use crate::recording::LeftOut;
use crate::workspace::prepare::Prepared;
use crate::workspace::{Meta, Place, inside};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::RunId;
use keiko_contracts::jail::{JailBody, JailOp, Limits, TreeId};
use keiko_contracts::say;
use keiko_ports::Cancel;
use keiko_sandbox::jail::SELF_INSIDE;
use keiko_sandbox::kernel::Kernel;
use keiko_sandbox::run::JailProcess;
use keiko_sandbox::spec::{JailSpec, Network};
use keiko_sandbox::worker::{WORKER_ARG, WorkerClient, WorkerError};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::process::{ChildStdin, ChildStdout};

/// A worker that had nothing to do for so long is ended.
const WORKER_IDLE: Duration = Duration::from_secs(60);
/// A kernel holds variables, so it may rest longer.
const KERNEL_IDLE: Duration = Duration::from_secs(30 * 60);
/// Longest operation of a worker.
const WORKER_LIMIT: Duration = Duration::from_secs(120);

/// How much of what was told is remembered.
const TOLD_MAX: usize = 1024;

pub(super) struct Session {
    pub(super) place: Place,
    pub(super) meta: Meta,
    pub(super) prepared: Prepared,
    /// The tree of the workspace, while nothing can have changed it.
    pub(super) tree: Option<TreeId>,
    pub(super) kernel: Option<Kernel>,
    /// What the agent has heard of already.
    told: BTreeSet<LeftOut>,
    worker: Option<Worker>,
    used: Instant,
    watched: bool,
    /// Keeps the workspace from being given back meanwhile.
    _hold: Option<std::fs::File>,
}

struct Worker {
    client: WorkerClient<ChildStdout, ChildStdin>,
    /// Dropped, everything in its jail dies.
    process: JailProcess,
}

impl Session {
    pub(super) fn new(place: Place, meta: Meta) -> Session {
        let prepared = Prepared::read(&place);
        let hold = crate::space::in_use(&place.dir);
        Session {
            place,
            meta,
            prepared,
            tree: None,
            kernel: None,
            told: BTreeSet::new(),
            worker: None,
            used: Instant::now(),
            watched: false,
            _hold: hold,
        }
    }

    /// Those of which the agent has not heard yet: not the same with each command.
    pub(super) fn not_told(&mut self, left_out: Vec<LeftOut>) -> Vec<LeftOut> {
        if self.told.len() > TOLD_MAX {
            self.told.clear();
        }
        left_out
            .into_iter()
            .filter(|one| self.told.insert(one.clone()))
            .collect()
    }

    /// The file that says that the run has had a kernel.
    pub(super) fn kernel_mark(&self) -> PathBuf {
        self.place.dir.join("had-kernel")
    }

    pub(super) fn had_kernel(&self) -> bool {
        self.kernel_mark().exists()
    }

    /// Ends everything that lives in jails.
    pub(super) async fn end(&mut self) {
        self.end_worker().await;
        self.end_kernel().await;
    }

    /// Ends the worker, because it is out of step or because what it sees has changed.
    pub(super) async fn end_worker(&mut self) {
        if let Some(mut worker) = self.worker.take() {
            worker.process.kill().await;
        }
    }

    pub(super) async fn end_kernel(&mut self) {
        if let Some(kernel) = self.kernel.take() {
            kernel.shutdown().await;
        }
    }

    /// Ends what has rested long enough; true when nothing is left to watch.
    async fn rest(&mut self) -> bool {
        let idle = self.used.elapsed();
        if idle >= WORKER_IDLE {
            self.end_worker().await;
        }
        if idle >= KERNEL_IDLE {
            self.end_kernel().await;
        }
        self.watched = self.worker.is_some() || self.kernel.is_some();
        !self.watched
    }
}

/// The sessions of this process.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<RunId, Arc<tokio::sync::Mutex<Session>>>>);

impl Sessions {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Arc<tokio::sync::Mutex<Session>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, run: RunId) -> Option<Arc<tokio::sync::Mutex<Session>>> {
        self.all().get(&run).cloned()
    }

    /// The first one stays: two sessions of a run would know nothing of each other.
    pub(super) fn insert(&self, run: RunId, session: Session) -> Arc<tokio::sync::Mutex<Session>> {
        self.all()
            .entry(run)
            .or_insert_with(|| Arc::new(tokio::sync::Mutex::new(session)))
            .clone()
    }

    pub(super) async fn close(&self, run: RunId) {
        let session = self.all().remove(&run);
        if let Some(session) = session {
            session.lock().await.end().await;
            // The watcher, if there is one, finds the session gone.
        }
    }

    /// Looks after a session until it rests.
    pub(super) fn watch(&self, run: RunId, session: &mut Session) {
        session.used = Instant::now();
        if std::mem::replace(&mut session.watched, true) {
            return;
        }
        let Some(watched) = self.get(run).as_ref().map(Arc::downgrade) else {
            return;
        };
        tokio::spawn(watch(watched));
    }
}

async fn watch(session: Weak<tokio::sync::Mutex<Session>>) {
    loop {
        tokio::time::sleep(WORKER_IDLE / 4).await;
        let Some(session) = session.upgrade() else {
            return;
        };
        if session.lock().await.rest().await {
            return;
        }
    }
}

impl Shared {
    /// Has the run's worker do an operation, starting one if there is none. A worker that died is replaced once.
    pub(super) async fn ask_worker(
        &self,
        session: &mut Session,
        request: JailOp,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, Fault> {
        let fresh = session.worker.is_none();
        match self.ask_once(session, request.clone(), cancel).await {
            Err(WorkerError::Gone(_)) if !fresh => {}
            other => return self.settle(session, other).await,
        }
        session.end_worker().await;
        let again = self.ask_once(session, request, cancel).await;
        self.settle(session, again).await
    }

    async fn settle(
        &self,
        session: &mut Session,
        answer: Result<Option<JailBody>, WorkerError>,
    ) -> Result<Option<JailBody>, Fault> {
        if !session
            .worker
            .as_ref()
            .is_some_and(|w| w.client.is_usable())
        {
            session.end_worker().await;
        }
        answer.map_err(|error| error.fault())
    }

    async fn ask_once(
        &self,
        session: &mut Session,
        request: JailOp,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, WorkerError> {
        if session.worker.is_none() {
            session.worker = Some(
                self.start_worker(session)
                    .await
                    .map_err(WorkerError::Failed)?,
            );
        }
        let run = session.place.run();
        if let Some(run) = run {
            self.sessions.watch(run, session);
        }
        let Some(worker) = session.worker.as_mut() else {
            return Err(WorkerError::OutOfStep);
        };
        tokio::select! {
            body = worker.client.call(request) => body.map(Some),
            () = cancel.cancelled() => Ok(None),
            () = tokio::time::sleep(WORKER_LIMIT) => {
                let what = say!("the operation took longer than {n} s", n = WORKER_LIMIT.as_secs());
                Err(WorkerError::Failed(Fault::new(Code::OPERATION_ANSWER_LOST, what).hint("narrow it down: a folder, a glob, fewer results")))
            }
        }
    }

    async fn start_worker(&self, session: &Session) -> Result<Worker, Fault> {
        let spec = JailSpec {
            argv: vec![SELF_INSIDE.to_owned(), WORKER_ARG.to_owned()],
            cwd: inside::WORKSPACE.to_owned(),
            env: self.env(session),
            mounts: inside::agent_mounts(
                &session.place,
                &session.meta,
                &session.prepared,
                &self.cache,
            ),
            limits: Limits {
                memory_mib: 1024,
                pids: 64,
                ..Limits::default()
            },
            network: Network::None,
            links: inside::agent_links(&session.meta),
            stdin: Vec::new(),
        };
        let mut process = self.jail.spawn(spec).await?;
        let (Some(stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Fault::new(
                Code::OPERATION_ANSWER_LOST,
                "the worker in the jail has no standard streams",
            ));
        };
        if let Some(mut stderr) = process.stderr.take() {
            // Read, so that a worker that complains cannot block.
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        }
        Ok(Worker {
            client: WorkerClient::new(stdout, stdin),
            process,
        })
    }
}
