//! An outside world in memory: a workspace, a remote, tools and a model, which outlive the process that a test
//! pretends to end and count what was really done.

use crate::crash::Fuse;
use async_trait::async_trait;
use keiko_contracts::action::{
    HostAction, HostReport, ModelAction, ModelReport, Origin, Outcome, Probe, Recovery, ToolAction,
    ToolReport,
};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{EffectKey, ModelName};
use keiko_contracts::jail::{
    BaseKind, Command, CommitId, End, ExecReport, ExecSpec, GitOp, JailAction, JailBody, JailOp,
    JailReport, Opened, Packages, Preparation, Prepared, PreparedSet, Project, Survey, TextReport,
    Toolchain, TreeId, WriteReport,
};
use keiko_contracts::model::{ChatRequest, Message, Part, Stop, Usage};
use keiko_contracts::money::Micros;
use keiko_contracts::time::Timestamp;
use keiko_governance::permit::Permit;
use keiko_ports::Cancel;
use keiko_ports::live::LiveSink;
use keiko_ports::model::{ChatModel, Quote};
use keiko_ports::perform::Perform;
use keiko_ports::shell::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What one model request costs here.
pub const COST: Micros = Micros(1_000);

/// A clock that goes on by a millisecond whenever somebody looks at it, and further when a test says so.
#[derive(Debug)]
pub struct VirtualClock(AtomicI64);

impl VirtualClock {
    /// A clock in the year 2023.
    #[must_use]
    pub fn new() -> Arc<VirtualClock> {
        Arc::new(VirtualClock(AtomicI64::new(1_700_000_000_000)))
    }
    /// Another clock that shows the same time.
    #[must_use]
    pub fn fork(&self) -> Arc<VirtualClock> {
        Arc::new(VirtualClock(AtomicI64::new(self.0.load(Ordering::Relaxed))))
    }
    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(
            i64::try_from(by.as_millis()).unwrap_or(i64::MAX),
            Ordering::Relaxed,
        );
    }
}
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Something that was done outside, once for each time it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The effect.
    pub key: EffectKey,
    /// The tool, or the operation.
    pub what: String,
    /// Its recovery class.
    pub recovery: Recovery,
}

type Files = BTreeMap<String, String>;

#[derive(Debug, Clone, Default)]
struct Things {
    files: Files,
    opened: bool,
    trees: BTreeMap<TreeId, Arc<Files>>,
    head: Option<(CommitId, TreeId)>,
    remote: BTreeMap<String, String>,
    deeds: Vec<Deed>,
    applied: BTreeSet<EffectKey>,
    charged: u64,
    wrong: Vec<String>,
    flags: BTreeSet<String>,
}

/// The world. Survives every crash.
#[derive(Debug, Default)]
pub struct World(Mutex<Things>);

impl World {
    /// With these files in the operator's folder.
    #[must_use]
    pub fn new(files: &[(&str, &str)]) -> Arc<World> {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        Arc::new(World(Mutex::new(Things {
            files,
            ..Things::default()
        })))
    }
    fn lock(&self) -> MutexGuard<'_, Things> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What was done, in order, as often as it was done.
    #[must_use]
    pub fn deeds(&self) -> Vec<Deed> {
        self.lock().deeds.clone()
    }
    /// The files of the workspace.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, String> {
        self.lock().files.clone()
    }
    /// Branches of the remote with their commits.
    #[must_use]
    pub fn remote(&self) -> BTreeMap<String, String> {
        self.lock().remote.clone()
    }
    /// What the model's vendor has charged.
    #[must_use]
    pub fn charged(&self) -> Micros {
        Micros(self.lock().charged)
    }
    /// What was wrong with requests to the model.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        self.lock().wrong.clone()
    }
    /// Carries out an operation of a workspace directly, for tests that drive a core without ports.
    #[must_use]
    pub fn jail(&self, op: &JailOp) -> JailReport {
        self.lock().jail(op, false)
    }
    /// The same world once more, as it is now: what happens in one is not seen in the other.
    #[must_use]
    pub fn fork(&self) -> Arc<World> {
        Arc::new(World(Mutex::new(self.lock().clone())))
    }
    /// Does a half of an operation that nobody wants to find later.
    pub fn half_do(&self, op: &JailOp) {
        self.lock().jail(op, true);
    }
    /// True the first time that it is asked for a name: for what a scripted person does once.
    pub fn first_time(&self, name: &str) -> bool {
        self.lock().flags.insert(name.to_owned())
    }
}

/// What a scripted model answers to the request of a step.
pub type Answers = Arc<dyn Fn(u32, &ChatRequest) -> Vec<Part> + Send + Sync>;

/// All ports to the world, as one process sees them.
pub struct Outside {
    world: Arc<World>,
    fuse: Arc<Fuse>,
    answers: Answers,
}

impl Outside {
    /// The ports of a process with this fuse.
    #[must_use]
    pub fn new(world: Arc<World>, fuse: Arc<Fuse>, answers: Answers) -> Arc<Outside> {
        Arc::new(Outside {
            world,
            fuse,
            answers,
        })
    }
}

/// Every call of the model is answered once, in the message after it, and with what really came of it.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn check_request(request: &ChatRequest) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for message in &request.messages {
        match &**message {
            Message::Results { results, .. } => {
                let answered: Vec<&str> = results.iter().map(|result| &*result.id).collect();
                if answered != std::mem::take(&mut open) {
                    return Err(format!(
                        "results {answered:?} do not answer the calls before them"
                    ));
                }
                if let Some(empty) = results
                    .iter()
                    .find(|result| &*result.text == "(not carried out)")
                {
                    return Err(format!("call {} has no answer", empty.id));
                }
            }
            _ if !open.is_empty() => return Err(format!("calls {open:?} are not answered")),
            Message::Assistant(parts) => {
                seen.clear();
                for part in parts.iter() {
                    if let Part::Call { id, .. } = part {
                        if !seen.insert(id) {
                            return Err(format!("call {id} stands twice in one answer"));
                        }
                        open.push(id);
                    }
                }
            }
            Message::User { .. } => {}
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("calls {open:?} are not answered"))
    }
}

#[async_trait]
impl ChatModel for Outside {
    async fn chat(
        &self,
        permit: Permit<ModelAction>,
        request: &ChatRequest,
        _live: LiveSink,
        _cancel: Cancel,
    ) -> Outcome<ModelReport> {
        let effect = self.fuse.effect_begins().await;
        self.fuse.effect_half_done(effect, None).await;
        let (key, _) = permit.consume();
        if let Err(why) = check_request(request) {
            self.world.lock().wrong.push(format!("{key}: {why}"));
        }
        self.world.lock().charged += COST.0;
        let parts = (self.answers)(key.step, request);
        let calls = parts.iter().any(|part| matches!(part, Part::Call { .. }));
        let report = ModelReport {
            reply: serde_json::to_string(&parts).unwrap_or_default().into(),
            stop: if calls { Stop::Calls } else { Stop::End },
            usage: Usage {
                input: 100,
                output: 10,
                ..Usage::default()
            },
            cost: COST,
            unpriced: false,
            served_by: Some("fake".into()),
            origin: Origin::Scripted,
            answered: None,
            first_token_ms: 0,
            duration_ms: 0,
        };
        self.fuse.effect_done(effect).await;
        Outcome::Done(report)
    }

    /// A token costs nothing to read and a hundredth of [`COST`] to write.
    fn quote(
        &self,
        _model: &ModelName,
        _input_tokens: u64,
        max_output_tokens: u32,
    ) -> Result<Quote, Fault> {
        Ok(Quote {
            at_most: Micros(u64::from(max_output_tokens) * COST.0 / 100),
            priced: true,
        })
    }
}

fn tree_of(files: &Files) -> TreeId {
    let pieces: Vec<&[u8]> = files
        .iter()
        .flat_map(|(path, text)| [path.as_bytes(), text.as_bytes()])
        .collect();
    TreeId(Digest::of_all(&pieces).to_string()[..40].to_owned())
}

/// Two trees compared as git does it, but for lines in common.
fn diff_of(from: &Files, to: &Files) -> String {
    let paths: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let mut diff = String::new();
    for path in paths
        .into_iter()
        .filter(|path| from.get(*path) != to.get(*path))
    {
        let (old, new) = (from.get(path), to.get(path));
        let mode = match (old, new) {
            (None, _) => "new file mode 100644\n",
            (_, None) => "deleted file mode 100644\n",
            _ => "",
        };
        let name = |text: Option<&String>, side: &str| {
            text.map_or_else(|| "/dev/null".to_owned(), |_| format!("{side}/{path}"))
        };
        let lines = |text: Option<&String>| text.map_or(0, |text| text.lines().count());
        let (before, after) = (lines(old), lines(new));
        let place = format!(
            "@@ -{},{before} +{},{after} @@",
            before.min(1),
            after.min(1)
        );
        diff.push_str(&format!(
            "diff --git a/{path} b/{path}\n{mode}--- {}\n+++ {}\n{place}\n",
            name(old, "a"),
            name(new, "b")
        ));
        let sides = [('-', old), ('+', new)];
        let lines = sides.iter().flat_map(|(sign, text)| {
            text.iter()
                .flat_map(|text| text.lines())
                .map(move |line| format!("{sign}{line}\n"))
        });
        diff.extend(lines);
    }
    diff
}

impl Things {
    /// Does it, or a half of it that nobody wants to find later.
    fn jail(&mut self, op: &JailOp, half: bool) -> JailReport {
        let changes = matches!(
            op,
            JailOp::WriteFile { .. }
                | JailOp::EditFile { .. }
                | JailOp::Exec(_)
                | JailOp::Restore { .. }
                | JailOp::Without { .. }
        );
        if half && changes {
            self.files
                .insert("half-done".into(), "left behind by a crash".into());
            return JailReport {
                body: JailBody::Restored,
                tree: None,
            };
        }
        let body = self.body(op);
        let tree = tree_of(&self.files);
        self.trees
            .entry(tree.clone())
            .or_insert_with(|| Arc::new(self.files.clone()));
        JailReport {
            body,
            tree: changes.then_some(tree),
        }
    }

    fn body(&mut self, op: &JailOp) -> JailBody {
        let text = |text: String| {
            JailBody::Text(TextReport {
                text: text.into(),
                total: 1,
                truncated: false,
            })
        };
        match op {
            JailOp::Open { .. } => self.open(),
            JailOp::Survey => self.survey(),
            JailOp::ReadFile { path, .. } => {
                text(self.files.get(path).cloned().unwrap_or_default())
            }
            JailOp::ListFiles { .. } => {
                text(self.files.keys().cloned().collect::<Vec<_>>().join("\n"))
            }
            JailOp::WriteFile { path, text } => {
                let created = self
                    .files
                    .insert(path.clone(), text.text_or_empty().to_owned())
                    .is_none();
                JailBody::Written(WriteReport {
                    path: path.clone(),
                    created,
                    diff: "".into(),
                    matched: None,
                })
            }
            JailOp::Exec(spec) => JailBody::Exec(self.exec(spec)),
            JailOp::Git(GitOp::Commit {
                message,
                at_seconds,
            }) => self.commit(message.text_or_empty(), *at_seconds),
            JailOp::Prepare(prepare) => JailBody::Prepared(Prepared {
                sets: prepare
                    .sets
                    .iter()
                    .map(|set| PreparedSet {
                        toolchain: Some(set.toolchain),
                        dirs: set.dirs.clone(),
                        cached: false,
                        log: "installed".into(),
                        exit_code: 0,
                    })
                    .collect(),
            }),
            JailOp::Restore { tree } => match self.trees.get(tree).cloned() {
                Some(files) => {
                    self.files = (*files).clone();
                    JailBody::Restored
                }
                None => JailBody::Refused {
                    why: "no such tree".into(),
                    nearest: "".into(),
                },
            },
            JailOp::Without { tree, base, paths } => {
                match (self.trees.get(tree).cloned(), self.trees.get(base)) {
                    (Some(files), Some(base)) => {
                        let mut files = (*files).clone();
                        for path in paths {
                            match base.get(path) {
                                Some(text) => files.insert(path.clone(), text.clone()),
                                None => files.remove(path),
                            };
                        }
                        self.files = files;
                        JailBody::Restored
                    }
                    _ => JailBody::Refused {
                        why: "no such tree".into(),
                        nearest: "".into(),
                    },
                }
            }
            JailOp::Diff { from, to } => {
                let (none, to) = (Files::new(), to.as_ref().and_then(|to| self.trees.get(to)));
                let (from, to) = (
                    self.trees.get(from).map_or(&none, |files| files),
                    to.map_or(&self.files, |files| files),
                );
                text(diff_of(from, to))
            }
            _ => text(String::new()),
        }
    }

    fn open(&mut self) -> JailBody {
        self.opened = true;
        let tree = tree_of(&self.files);
        let base = CommitId("0".repeat(40));
        self.head.get_or_insert((base.clone(), tree.clone()));
        let remotes = vec![("origin".to_owned(), "/srv/remote.git".to_owned())];
        JailBody::Opened(Opened {
            base,
            tree,
            kind: BaseKind::Head,
            branch: Some("main".into()),
            remotes,
            part: String::new(),
            notes: vec![],
        })
    }

    fn survey(&self) -> JailBody {
        let project = Project {
            dir: String::new(),
            toolchain: Toolchain::Python,
            manifests: vec!["pyproject.toml".into()],
            runner: Some("unittest".into()),
            needs_prepare: self.files.contains_key("requirements.txt"),
            preparation: Some(Preparation {
                toolchain: Toolchain::Python,
                dirs: vec![String::new()],
                commands: vec![vec!["pip".into(), "install".into()]],
                cache_key: "k1".into(),
                packages: Packages::default(),
                registries: Vec::new(),
                cached: false,
            }),
            ..Project::default()
        };
        let projects = if self.files.contains_key("pyproject.toml") {
            vec![project]
        } else {
            Vec::new()
        };
        JailBody::Surveyed(Survey {
            files: 1,
            projects,
            ..Survey::default()
        })
    }

    /// Two commands: `append FILE WORD`, which must not run twice, and the tests, which pass when `code` says `right`.
    fn exec(&mut self, spec: &ExecSpec) -> ExecReport {
        match &spec.command {
            Command::Shell(script) => {
                let mut words = script.text_or_empty().split(' ').skip(1);
                let (file, word) = (words.next().unwrap_or("x"), words.next().unwrap_or(""));
                self.files
                    .entry(file.to_owned())
                    .or_default()
                    .push_str(word);
                ExecReport {
                    stdout: "appended".into(),
                    ..ExecReport::default()
                }
            }
            Command::Argv(_) => {
                let right = self
                    .files
                    .get("code")
                    .is_some_and(|code| code.contains("right"));
                let (word, last) = if right {
                    ("ok", "OK")
                } else {
                    ("FAIL", "FAILED (failures=1)")
                };
                let told = if right {
                    ""
                } else {
                    "FAIL: test_it (t.T.test_it)\n----\nAssertionError: no\n\n"
                };
                let line = "-".repeat(70);
                let err = format!(
                    "test_it (t.T.test_it) ... {word}\n\n{}{told}{line}\nRan 1 test in 0.001s\n\n{last}\n",
                    if right {
                        ""
                    } else {
                        "======================================================================\n"
                    }
                );
                ExecReport {
                    end: End::Exit(i32::from(!right)),
                    stderr: err.into(),
                    ..ExecReport::default()
                }
            }
        }
    }

    /// As git does it: nothing to commit leaves the head where it is.
    fn commit(&mut self, message: &str, at_seconds: i64) -> JailBody {
        let tree = tree_of(&self.files);
        let parent = self
            .head
            .clone()
            .map_or_else(String::new, |(commit, _)| commit.0);
        if self
            .head
            .as_ref()
            .is_none_or(|(_, committed)| *committed != tree)
        {
            let id = Digest::of_all(&[
                parent.as_bytes(),
                tree.0.as_bytes(),
                message.as_bytes(),
                &at_seconds.to_le_bytes(),
            ]);
            self.head = Some((CommitId(id.to_string()[..40].to_owned()), tree));
        }
        let commit = self
            .head
            .clone()
            .map_or_else(|| CommitId(String::new()), |(commit, _)| commit);
        JailBody::Committed {
            commit,
            summary: "".into(),
        }
    }
}

fn op_name(op: &JailOp) -> String {
    let value = serde_json::to_value(op).unwrap_or_default();
    value
        .get("op")
        .and_then(|op| op.as_str())
        .unwrap_or("?")
        .to_owned()
}

#[async_trait]
impl Perform<JailAction> for Outside {
    async fn perform(
        &self,
        permit: Permit<JailAction>,
        _live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<JailReport> {
        let effect = self.fuse.effect_begins().await;
        let (key, action) = permit.consume();
        if cancel.is_cancelled() {
            return Outcome::Cancelled;
        }
        if self.fuse.ends_amid(effect) {
            self.world.half_do(&action.op);
        }
        self.fuse.effect_half_done(effect, Some(&action.op)).await;
        let report = {
            let mut things = self.world.lock();
            let recovery = keiko_governance::class::recovery_of(
                &keiko_contracts::action::Action::Jail(action.clone()),
            );
            things.deeds.push(Deed {
                key,
                what: op_name(&action.op),
                recovery,
            });
            if let (
                Some(expected),
                JailOp::WriteFile { .. } | JailOp::EditFile { .. } | JailOp::Exec(_),
            ) = (&action.tree, &action.op)
            {
                let found = tree_of(&things.files);
                if *expected != found {
                    things.wrong.push(format!(
                        "{} began on tree {} instead of {}",
                        op_name(&action.op),
                        found.0,
                        expected.0
                    ));
                }
            }
            things.jail(&action.op, false)
        };
        self.fuse.effect_done(effect).await;
        Outcome::Done(report)
    }
    async fn probe(&self, key: &EffectKey, action: &JailAction) -> Probe<JailReport> {
        let mut things = self.world.lock();
        match &action.op {
            JailOp::Prepare { .. } if things.deeds.iter().any(|deed| deed.key == *key) => {
                Probe::Happened(things.jail(&action.op, false))
            }
            JailOp::Prepare { .. } => Probe::DidNot,
            _ => Probe::CannotTell {
                why: "a jail cannot be asked".into(),
            },
        }
    }
}

#[async_trait]
impl Perform<HostAction> for Outside {
    async fn perform(
        &self,
        permit: Permit<HostAction>,
        _live: LiveSink,
        _cancel: Cancel,
    ) -> Outcome<HostReport> {
        let effect = self.fuse.effect_begins().await;
        self.fuse.effect_half_done(effect, None).await;
        let (
            key,
            HostAction::Push {
                remote,
                branch,
                commit,
                ..
            },
        ) = permit.consume();
        {
            let mut things = self.world.lock();
            things.deeds.push(Deed {
                key,
                what: "push".into(),
                recovery: Recovery::Probe,
            });
            things.remote.insert(branch.clone(), commit.clone());
        }
        self.fuse.effect_done(effect).await;
        Outcome::Done(HostReport::Pushed {
            remote,
            branch,
            commit,
        })
    }
    async fn probe(&self, _key: &EffectKey, action: &HostAction) -> Probe<HostReport> {
        let HostAction::Push {
            remote,
            branch,
            commit,
            ..
        } = action.clone();
        if self.world.lock().remote.get(&branch) == Some(&commit) {
            Probe::Happened(HostReport::Pushed {
                remote,
                branch,
                commit,
            })
        } else {
            Probe::DidNot
        }
    }
}

#[async_trait]
impl Perform<ToolAction> for Outside {
    async fn perform(
        &self,
        permit: Permit<ToolAction>,
        _live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<ToolReport> {
        let effect = self.fuse.effect_begins().await;
        self.fuse.effect_half_done(effect, None).await;
        let (key, action) = permit.consume();
        if action.arguments.text_or_empty().contains("wait") {
            // For tests that stop an effect on its way.
            cancel.cancelled().await;
            return Outcome::Cancelled;
        }
        if action.arguments.text_or_empty().contains("fail") {
            self.fuse.effect_done(effect).await;
            return Outcome::Failed(Fault::new(
                Code::foreign(9902),
                "the tool fails, as it was asked to",
            ));
        }
        {
            let mut things = self.world.lock();
            // The other side of `same_key` recognises a key that it has seen.
            if action.recovery != Recovery::SameKey || things.applied.insert(key.clone()) {
                things.deeds.push(Deed {
                    key,
                    what: action.tool.to_string(),
                    recovery: action.recovery,
                });
            }
        }
        self.fuse.effect_done(effect).await;
        Outcome::Done(ToolReport {
            output: "done".into(),
            is_error: false,
        })
    }
    async fn probe(&self, key: &EffectKey, action: &ToolAction) -> Probe<ToolReport> {
        if action.recovery != Recovery::Probe {
            return Probe::CannotTell {
                why: "this tool cannot be asked".into(),
            };
        }
        if self.world.lock().deeds.iter().any(|deed| deed.key == *key) {
            Probe::Happened(ToolReport {
                output: "done".into(),
                is_error: false,
            })
        } else {
            Probe::DidNot
        }
    }
}
