//! The port that the runtime sees: every operation of a run in its workspace, inside the jail.
//!
//! Operations of one run go one after the other; runs do not wait for each other. After whatever may have changed files
//! the tree is recorded, so that the next operation, or the next process after a crash, knows what it starts from.

mod cell;
mod exec;
mod install;
mod report;
mod session;

use crate::recording::LeftOut;
use crate::workspace::copy::Watch;
use crate::workspace::export::Wanted;
use crate::workspace::{Workspaces, gitops, tree};
use async_trait::async_trait;
use keiko_contracts::action::{Outcome, Probe};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::jail::{GitOp, JailAction, JailBody, JailOp, JailReport, Source, TreeId};
use keiko_contracts::say;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::perform::Perform;
use keiko_sandbox::jail::Jail;
use keiko_sandbox::ops::is_for_worker;
use session::{Session, Sessions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a diff that are reported.
const DIFF_CAP: usize = 1 << 20;

/// Performs [`JailAction`]s. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    spaces: Workspaces,
    jail: Jail,
    cache: PathBuf,
    sessions: Sessions,
}

impl Sandbox {
    /// Over the workspaces of all runs; dependency caches are kept below `cache`, which is made when needed.
    #[must_use]
    pub fn new(spaces: Workspaces, jail: Jail, cache: &Path) -> Sandbox {
        Sandbox {
            shared: Arc::new(Shared {
                spaces,
                jail,
                cache: cache.to_owned(),
                sessions: Sessions::default(),
            }),
        }
    }

    /// Ends what still runs for a run: its worker and its Python kernel. The workspace stays.
    pub async fn close(&self, run: RunId) {
        self.shared.sessions.close(run).await;
    }

    /// Brings a tree out of the jail, for [`crate::home::Home`] to apply.
    ///
    /// # Errors
    /// KEI-5111 without a workspace, KEI-5120 when the jail does not have the tree, KEI-5123 when what comes out is odd.
    pub async fn export_tree(&self, run: RunId, tree: &TreeId) -> Result<(), Fault> {
        let session = self.session(run).await?;
        let session = session.lock().await;
        let shared = &self.shared;
        shared
            .spaces
            .export(
                &shared.jail,
                &session.place,
                &session.meta,
                &Wanted::Tree(tree.clone()),
            )
            .await
    }

    /// The difference between two recorded trees of a run, as a unified diff.
    ///
    /// # Errors
    /// KEI-5111 without a workspace, KEI-5122 when a tree is none.
    pub async fn difference(
        &self,
        run: RunId,
        from: &TreeId,
        to: &TreeId,
    ) -> Result<String, Fault> {
        let session = self.session(run).await?;
        let session = session.lock().await;
        let report =
            tree::diff(&self.shared.jail, &session.place, from, Some(to), DIFF_CAP).await?;
        Ok(report.text.text_or_empty().to_owned())
    }

    /// What people should know of how a workspace was made: files left out, submodules.
    ///
    /// # Errors
    /// KEI-5111 without a workspace.
    pub fn notes(&self, run: RunId) -> Result<Vec<String>, Fault> {
        let meta = self.shared.spaces.must(run)?.1;
        Ok(meta
            .notes
            .into_iter()
            .chain(meta.opened.notes.iter().map(ToString::to_string))
            .collect())
    }

    async fn session(&self, run: RunId) -> Result<Arc<tokio::sync::Mutex<Session>>, Fault> {
        if let Some(session) = self.shared.sessions.get(run) {
            return Ok(session);
        }
        let (place, meta) = self.shared.spaces.must(run)?;
        Ok(self.shared.sessions.insert(run, Session::new(place, meta)))
    }

    async fn act(
        &self,
        action: JailAction,
        live: LiveSink,
        cancel: &Cancel,
    ) -> Result<Option<JailReport>, Fault> {
        let run = action.workspace;
        if let JailOp::Open { source } = &action.op {
            return self
                .open(run, source.clone(), &live, cancel)
                .await
                .map(Some);
        }
        // Whatever acts in a workspace has opened it before.
        let session =
            self.session(run)
                .await
                .map_err(|fault| match self.shared.spaces.meta(run) {
                    Ok(None) => tree::gone(&self.shared.spaces.place(run)),
                    _ => fault,
                })?;
        let mut session = tokio::select! {
            session = session.lock() => session,
            () = cancel.cancelled() => return Ok(None),
        };
        tree::there(&session.place)?;
        let changes = may_change(&action.op);
        if changes && let Some(expected) = &action.tree {
            self.ensure(&mut session, expected).await?;
        }
        let before = if changes {
            session.tree.take()
        } else {
            session.tree.clone()
        };
        let mut body = match self
            .dispatch(&mut session, before.clone(), run, action.op, live, cancel)
            .await?
        {
            Some(body) => body,
            None => return Ok(None),
        };
        if !changes {
            return Ok(Some(JailReport { body, tree: None }));
        }
        // A refusal changed nothing.
        let known = before.filter(|_| matches!(body, JailBody::Refused { .. }));
        let tree = match (known, session.tree.take()) {
            (Some(tree), _) | (None, Some(tree)) => tree,
            (None, None) => {
                let recorded = tree::record(&self.shared.jail, &session.place, cancel).await?;
                tell(&mut body, session.not_told(recorded.left_out));
                recorded.tree
            }
        };
        session.tree = Some(tree.clone());
        Ok(Some(JailReport {
            body,
            tree: Some(tree),
        }))
    }

    /// What an installation left that may have been interrupted, if it is complete; the workspace uses it then.
    async fn installed(&self, action: &JailAction) -> Result<Option<JailReport>, Fault> {
        let JailOp::Prepare(prepare) = &action.op else {
            return Ok(None);
        };
        let session = self.session(action.workspace).await?;
        let mut session = session.lock().await;
        if let Some(expected) = &action.tree {
            self.ensure(&mut session, expected).await?;
        }
        let found = self
            .shared
            .installed(&mut session, action.workspace, &prepare.sets)
            .await?;
        let Some(body) = found else { return Ok(None) };
        let tree = tree::record(&self.shared.jail, &session.place, &Cancel::new())
            .await?
            .tree;
        session.tree = Some(tree.clone());
        Ok(Some(JailReport {
            body,
            tree: Some(tree),
        }))
    }

    /// Nothing when it was stopped.
    async fn dispatch(
        &self,
        session: &mut Session,
        before: Option<TreeId>,
        run: RunId,
        op: JailOp,
        live: LiveSink,
        cancel: &Cancel,
    ) -> Result<Option<JailBody>, Fault> {
        let shared = &*self.shared;
        if matches!(op, JailOp::Survey) {
            let body = shared.survey(session, run, cancel).await?;
            return Ok(body.map(|body| of_part(body, &session.meta.opened.part)));
        }
        if is_for_worker(&op) {
            let body = shared.ask_worker(session, op, cancel).await?;
            return Ok(body.map(|body| of_part(body, &session.meta.opened.part)));
        }
        let body = match op {
            JailOp::Git(op) => {
                gitops::run(
                    &shared.jail,
                    &session.place,
                    &session.meta,
                    &op,
                    cancel.clone(),
                )
                .await?
            }
            JailOp::Cell { code, timeout_ms } => {
                return shared.cell(session, &code, timeout_ms, live, cancel).await;
            }
            JailOp::Exec(spec) => return shared.exec(session, before, spec, live, cancel).await,
            JailOp::Prepare(prepare) => {
                return shared
                    .install(session, run, prepare.sets, live, cancel)
                    .await;
            }
            JailOp::Restore { tree } => {
                session.tree = Some(tree::restore(&shared.jail, &session.place, &tree).await?);
                JailBody::Restored
            }
            JailOp::Without { tree, base, paths } => {
                session.tree =
                    Some(tree::without(&shared.jail, &session.place, &tree, &base, &paths).await?);
                JailBody::Restored
            }
            JailOp::Diff { from, to } => JailBody::Text(
                tree::diff(&shared.jail, &session.place, &from, to.as_ref(), DIFF_CAP).await?,
            ),
            _ => {
                return Err(Fault::new(
                    Code::OPERATION_UNKNOWN,
                    "the sandbox does not know this operation",
                ));
            }
        };
        Ok(if cancel.is_cancelled() {
            None
        } else {
            Some(body)
        })
    }

    /// Sees to it that our repository of another run holds a state of its workspace.
    async fn bring_out(&self, of: RunId, tree: &TreeId) -> Result<(), Fault> {
        let (place, meta) = self.shared.spaces.must(of)?;
        self.shared
            .spaces
            .export(
                &self.shared.jail,
                &place,
                &meta,
                &Wanted::Tree(tree.clone()),
            )
            .await
    }

    async fn open(
        &self,
        run: RunId,
        source: Source,
        live: &LiveSink,
        cancel: &Cancel,
    ) -> Result<JailReport, Fault> {
        if let Source::Result { of, tree } = &source {
            self.bring_out(*of, tree).await?;
        }
        let (shared, cancel, heard) = (self.shared.clone(), cancel.clone(), live.clone());
        let making = move || {
            let say = |note| heard.send(keiko_contracts::model::LiveFrame::Progress { note });
            shared.spaces.open(
                run,
                &source,
                shared.jail.identity(),
                &Watch {
                    cancel: &cancel,
                    say: &say,
                },
            )
        };
        let made = tokio::task::spawn_blocking(making).await;
        let meta = made.map_err(|e| {
            Fault::new(
                Code::WORKSPACE_IO,
                say!("making the workspace was interrupted: {e}", e),
            )
        })??;
        for note in &meta.opened.notes {
            live.send(keiko_contracts::model::LiveFrame::Progress { note: note.said() });
        }
        let opened = meta.opened.clone();
        let tree = opened.tree.clone();
        self.session(run).await?;
        Ok(JailReport {
            body: JailBody::Opened(opened),
            tree: Some(tree),
        })
    }

    /// Makes the workspace be at a tree: after a crash it may be anywhere.
    async fn ensure(&self, session: &mut Session, expected: &TreeId) -> Result<(), Fault> {
        if session.tree.as_ref() == Some(expected) {
            return Ok(());
        }
        let now = tree::record(&self.shared.jail, &session.place, &Cancel::new())
            .await?
            .tree;
        session.tree = Some(if now == *expected {
            now
        } else {
            tree::restore(&self.shared.jail, &session.place, expected).await?
        });
        Ok(())
    }
}

/// Where a part of a repository was asked for, its projects are those that count: those in it, else the one around it.
fn of_part(mut body: JailBody, part: &str) -> JailBody {
    if let JailBody::Surveyed(survey) = &mut body
        && !part.is_empty()
    {
        let within = |inner: &str, outer: &str| Path::new(inner).starts_with(outer);
        let around = survey
            .projects
            .iter()
            .map(|p| p.dir.clone())
            .filter(|dir| within(part, dir))
            .max_by_key(String::len);
        let some_within = survey.projects.iter().any(|p| within(&p.dir, part));
        survey.projects.retain(|p| {
            if some_within {
                within(&p.dir, part)
            } else {
                Some(&p.dir) == around.as_ref()
            }
        });
    }
    body
}

/// Adds what the agent must hear of what it left behind to the report of the command that left it.
fn tell(body: &mut JailBody, left_out: Vec<LeftOut>) {
    let sentences = left_out.iter().map(ToString::to_string);
    match body {
        JailBody::Exec(report) => report.violations.extend(sentences),
        JailBody::Cell(report) => {
            let said: Vec<String> = sentences.collect();
            if !said.is_empty() {
                report.output =
                    format!("{}\n{}", report.output.text_or_empty(), said.join("\n")).into();
            }
        }
        _ => {}
    }
}

/// Whether an operation may leave other files behind than it found.
fn may_change(op: &JailOp) -> bool {
    match op {
        JailOp::WriteFile { .. }
        | JailOp::EditFile { .. }
        | JailOp::Exec(_)
        | JailOp::Cell { .. }
        | JailOp::Prepare { .. }
        | JailOp::Restore { .. }
        | JailOp::Without { .. } => true,
        JailOp::Git(GitOp::Commit { .. } | GitOp::Checkout { .. } | GitOp::Branch { .. }) => true,
        JailOp::Git(GitOp::Status | GitOp::Diff { .. } | GitOp::Log { .. }) => false,
        JailOp::Open { .. }
        | JailOp::Survey
        | JailOp::ReadFile { .. }
        | JailOp::ListFiles { .. }
        | JailOp::Search { .. }
        | JailOp::Diff { .. } => false,
    }
}

#[async_trait]
impl Perform<JailAction> for Sandbox {
    async fn perform(
        &self,
        permit: Permit<JailAction>,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<JailReport> {
        let (_, action) = permit.consume();
        if cancel.is_cancelled() {
            return Outcome::Cancelled;
        }
        match self.act(action, live, &cancel).await {
            Ok(Some(report)) => Outcome::Done(report),
            Ok(None) => Outcome::Cancelled,
            Err(_) if cancel.is_cancelled() => Outcome::Cancelled,
            Err(fault) => Outcome::Failed(fault),
        }
    }

    /// An installation happened when its cache is complete. Nobody needs to be asked about the rest: what happens in a
    /// workspace is repeated from its recorded tree.
    async fn probe(&self, _key: &EffectKey, action: &JailAction) -> Probe<JailReport> {
        if !matches!(action.op, JailOp::Prepare { .. }) {
            return Probe::CannotTell {
                why: "operations in a workspace are repeated from its recorded state".into(),
            };
        }
        match self.installed(action).await {
            Ok(Some(report)) => Probe::Happened(report),
            Ok(None) => Probe::DidNot,
            Err(fault) => Probe::CannotTell { why: fault.said() },
        }
    }
}
