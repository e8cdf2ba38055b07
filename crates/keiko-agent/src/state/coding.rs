//! What the coding harness knows: the workspace, its tests, and what it has done of its own accord.

use super::talk::Talk;
use crate::evidence::Tests;
use crate::guard::LoopGuard;
use crate::protect::Change;
use keiko_contracts::action::{Action, Intent, Outcome, Report};
use keiko_contracts::asked::Chore;
use keiko_contracts::digest::Content;
use keiko_contracts::evidence::TestSummary;
use keiko_contracts::id::ApprovalId;
use keiko_contracts::jail::{
    CommitId, GitOp, JailAction, JailBody, JailOp, JailReport, Opened, Survey, TreeId, WriteReport,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the coding harness knows. All of it is empty in a run without a workspace.
#[derive(Debug, Clone, Default)]
pub struct Coding {
    /// The workspace.
    pub workspace: Workspace,
    /// The tests.
    pub tests: Tests,
    /// What it did of its own accord.
    pub chores: BTreeMap<Chore, Did>,
}

/// What became of a chore.
#[derive(Debug, Clone)]
pub enum Did {
    /// It came out like this.
    Came(Arc<Outcome<Report>>),
    /// It was refused, and why.
    Refused(Arc<str>),
}

/// What is known of the workspace.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// How it came to be.
    pub opened: Option<Arc<Opened>>,
    /// What it held at the start.
    pub survey: Option<Arc<Survey>>,
    /// Its tree now.
    pub tree: Option<TreeId>,
    /// The tree that the harness's newest run of the tests found.
    pub tested: Option<TreeId>,
    /// The newest commit made in it.
    pub head: Option<CommitId>,
    /// Files that this run created.
    pub created: BTreeSet<String>,
    /// The newest difference from the base: the tree it belongs to, and the diff.
    pub diff: Option<(TreeId, Content)>,
    /// That difference is not all of it.
    pub diff_cut: bool,
    /// What was installed: see [`crate::describe::declared`].
    pub installed: BTreeSet<String>,
    /// What edits that a person approved did to files, with the newest approval.
    pub allowed: BTreeMap<String, (ApprovalId, Change)>,
}

impl Coding {
    /// An effect is about to start.
    pub(super) fn intended(&mut self, intent: &Intent) {
        if let (Some(Chore::Tests { project: 0, .. }), Action::Jail(jail)) =
            (intent.asked.chore(), &intent.action)
        {
            self.workspace.tested = jail.tree.clone();
        }
    }

    /// A chore came out. What was stopped on request is not done: it is done when the run goes on.
    pub(super) fn came_out(&mut self, chore: &Chore, outcome: &Outcome<Report>) {
        if !matches!(outcome, Outcome::Cancelled) {
            let came = Did::Came(Arc::new(outcome.clone()));
            self.chores.insert(chore.clone(), came);
        }
    }

    /// A chore was refused.
    pub(super) fn refused(&mut self, chore: &Chore, why: &str) {
        self.chores.insert(chore.clone(), Did::Refused(why.into()));
    }

    /// Tests ran.
    pub(super) fn tested(&mut self, summary: Arc<TestSummary>) {
        self.tests.observe(summary);
    }

    /// What a person approved of an edit is what came of it.
    pub(super) fn allowed(&mut self, intent: &Intent, outcome: &Outcome<Report>) {
        let (
            Some(id),
            Outcome::Done(Report::Jail(JailReport {
                body: JailBody::Written(written),
                ..
            })),
        ) = (intent.approval, outcome)
        else {
            return;
        };
        let change = Change::of(written.diff.text_or_empty(), &self.tests.known());
        let allowed = &mut self.workspace.allowed;
        let allowed = allowed
            .entry(written.path.clone())
            .or_insert_with(|| (id, Change::default()));
        allowed.0 = id;
        allowed.1.then(&change);
    }

    /// How a chore came out; none while it has not, or when it was refused.
    #[must_use]
    pub fn came(&self, chore: &Chore) -> Option<&Outcome<Report>> {
        match self.chores.get(chore)? {
            Did::Came(outcome) => Some(outcome),
            Did::Refused(_) => None,
        }
    }

    /// Whether a chore is over with: it came out, or was refused.
    #[must_use]
    pub fn did(&self, chore: &Chore) -> bool {
        self.chores.contains_key(chore)
    }

    /// Whether a file that is no test by its path is part of the tests, because they alone use it.
    #[must_use]
    pub fn supports_tests(&self, path: &str) -> bool {
        let survey = self.workspace.survey.as_ref();
        survey.is_some_and(|survey| survey.test_support.iter().any(|support| support == path))
    }

    /// The approval of exactly this change of an existing test by the edits that made it.
    pub(super) fn approved(&self, path: &str, change: &Change) -> Option<ApprovalId> {
        let (id, allowed) = self.workspace.allowed.get(path)?;
        change.is_within(allowed).then_some(*id)
    }
}

impl Workspace {
    /// Something was done in it. The loop guard counts edits that miss, and what must survive goes into the ledger.
    pub(super) fn apply(
        &mut self,
        action: &JailAction,
        JailReport { body, tree }: &JailReport,
        guard: &mut LoopGuard,
        talk: &mut Talk,
    ) {
        if let Some(tree) = tree {
            self.tree = Some(tree.clone());
        }
        match (body, &action.op) {
            (JailBody::Opened(opened), _) => {
                self.tree = Some(opened.tree.clone());
                self.opened = Some(Arc::new(opened.clone()));
                talk.head_changed();
            }
            (JailBody::Surveyed(survey), _) => {
                self.survey.get_or_insert_with(|| Arc::new(survey.clone()));
                talk.head_changed();
            }
            (JailBody::Written(written), _) => self.written(written, guard, talk),
            (JailBody::Committed { commit, .. }, JailOp::Git(GitOp::Commit { .. })) => {
                self.head = Some(commit.clone());
                talk.ledger.committed();
            }
            (JailBody::Text(text), JailOp::Diff { from, to: Some(to) }) => {
                let opened = self.opened.as_ref();
                if opened.is_some_and(|opened| opened.tree == *from) {
                    self.diff = Some((to.clone(), text.text.clone()));
                    self.diff_cut = text.truncated;
                }
            }
            (JailBody::Prepared(prepared), JailOp::Prepare(prepare)) => {
                let sets = prepare.sets.iter().zip(&prepared.sets);
                let done = sets.filter(|(_, done)| done.exit_code == 0);
                self.installed
                    .extend(done.map(|(set, _)| crate::describe::declared(set)));
            }
            (JailBody::Refused { why, .. }, JailOp::EditFile { path, .. }) => {
                guard.edited(path, true);
                talk.ledger.failed(&format!("edit of {path}: {why}"));
            }
            _ => {}
        }
    }

    fn written(&mut self, written: &WriteReport, guard: &mut LoopGuard, talk: &mut Talk) {
        guard.edited(&written.path, false);
        let how = if written.created {
            self.created.insert(written.path.clone());
            "created"
        } else {
            "changed"
        };
        talk.ledger.touched(&written.path, how);
    }
}
