//! Tools: what a model can ask for. One tool, one file, two halves: `resolve` turns raw arguments into an action that
//! policy, approval and audit can judge; `render` turns the report into what the model reads.

mod aliases;
mod arguments;
mod ask_operator;
#[cfg(test)]
mod count_lines;
mod edit_file;
mod execute;
mod execute_python;
mod finish;
mod git_branch;
mod git_commit;
mod git_diff;
mod git_push;
mod git_status;
mod list_files;
mod place;
mod prepare;
mod read_file;
mod report;
mod run_tests;
mod search;
mod show_more;
mod write_file;

pub(crate) use finish::NAME as FINISH;
pub use prepare::what_is_missing;

use keiko_contracts::action::{Action, Outcome, Report};
use keiko_contracts::id::{RunId, ToolName};
use keiko_contracts::jail::{CommitId, JailAction, JailOp, Opened, Survey, TreeId};
use keiko_contracts::stable::Stable;
use keiko_contracts::time::Timestamp;
use keiko_contracts::tool::ToolSpec;
use std::fmt;
use std::sync::Arc;

/// What a tool may know when it resolves a call. All of it is folded from the journal.
#[derive(Debug, Clone, Copy)]
pub struct ToolContext<'a> {
    /// The run, and its workspace.
    pub run: RunId,
    /// How the workspace came to be.
    pub opened: Option<&'a Opened>,
    /// What it holds.
    pub survey: Option<&'a Survey>,
    /// Its tree now.
    pub tree: Option<&'a TreeId>,
    /// The newest commit that the agent made; absent while there is none on top of the base.
    pub head: Option<&'a CommitId>,
    /// The time of the event that led here.
    pub now: Timestamp,
}

impl ToolContext<'_> {
    /// An operation in the run's workspace, tied to its tree as it is now: that is what an approval approves and what
    /// a crash goes back to.
    fn jail(&self, op: JailOp) -> Resolved {
        Resolved::Action(Box::new(Action::Jail(JailAction {
            workspace: self.run,
            op,
            tree: self.tree.cloned(),
        })))
    }
    /// An operation that changes nothing: it means the same on any tree.
    fn look(&self, op: JailOp) -> Resolved {
        Resolved::Action(Box::new(Action::Jail(JailAction {
            workspace: self.run,
            op,
            tree: None,
        })))
    }
}

/// What a call comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// An action, to be judged and carried out.
    Action(Box<Action>),
    /// The harness runs the project's tests itself: several actions may follow.
    RunTests {
        /// Only tests matching this, in the runner's own selection syntax.
        filter: Option<String>,
        /// Only the project in this folder.
        dir: Option<String>,
    },
    /// Asks the operator, and waits.
    Ask {
        /// The question.
        question: String,
    },
    /// The agent says that it is done. The harness looks for evidence before it believes that.
    Finish {
        /// What was done.
        summary: String,
        /// It declines the goal.
        refused: bool,
        /// What it says about tests that were red at the start and still are: whether the goal is to make them pass.
        red_tests_in_goal: Option<bool>,
    },
    /// Shows a piece of something that was cut when it was first shown.
    ShowMore {
        /// The reference that stood at the cut.
        reference: String,
        /// From which line, from 1.
        from_line: u32,
        /// How many lines.
        lines: u32,
    },
}

/// What calls of a tool come to, as far as that is known before their arguments are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Means {
    /// An action.
    #[default]
    Act,
    /// Running the project's tests.
    Tests,
    /// A question to the operator.
    Ask,
    /// The claim to be done.
    Claim,
    /// A look at something that was cut.
    Show,
}

/// A call that makes no sense, in words that a model can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCall(pub String);

/// A tool.
pub trait Tool: std::fmt::Debug + Send + Sync {
    /// Name, purpose, schema of the arguments.
    fn spec(&self) -> ToolSpec;
    /// What its calls come to; an action, if it does not say otherwise.
    fn means(&self) -> Means {
        Means::default()
    }
    /// Turns raw arguments (text that should be JSON) into what they come to.
    ///
    /// # Errors
    /// [`BadCall`] with what is wrong and what would be right.
    fn resolve(&self, arguments: &str, context: &ToolContext<'_>) -> Result<Resolved, BadCall>;
    /// It makes no sense without a workspace: it is not offered then.
    fn needs_workspace(&self) -> bool {
        true
    }
    /// What the model reads of the outcome. Cut to its cap by the caller, who keeps the whole readable on demand.
    fn render(&self, outcome: &Outcome<Report>) -> Rendered;
    /// The same, given the action that came out: it knows what the report does not repeat, such as the path.
    fn render_for(&self, _action: &Action, outcome: &Outcome<Report>) -> Rendered {
        self.render(outcome)
    }
}

/// What a model reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// It failed.
    pub is_error: bool,
}

/// The tools of an agent, in a stable order.
pub struct ToolBox {
    tools: Vec<(ToolName, Arc<dyn Tool>)>,
    all: Offer,
    /// To a run without a workspace.
    bare: Offer,
    /// To a model with a small window.
    short: Offer,
}

/// What a model is shown. One run shows one offer, from its first request to its last.
#[derive(Debug)]
pub struct Offer {
    specs: Stable<Vec<ToolSpec>>,
    tokens: u64,
}

impl Offer {
    fn new(specs: Vec<ToolSpec>) -> Offer {
        let bytes: usize = specs
            .iter()
            .map(|spec| spec.description.len() + spec.schema.to_string().len())
            .sum();
        Offer {
            specs: specs.into(),
            tokens: bytes as u64 / 4,
        }
    }
    /// What the model is shown.
    #[must_use]
    pub fn specs(&self) -> Stable<Vec<ToolSpec>> {
        self.specs.clone()
    }
    /// Estimated tokens of that.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }
}

impl fmt::Debug for ToolBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl ToolBox {
    /// From tools, sorted by name so that the prompt prefix is stable. Specs are made once, here. Of two tools of one
    /// name the first counts.
    #[must_use]
    pub fn new(tools: Vec<Box<dyn Tool>>) -> Self {
        ToolBox::of(tools.into_iter().map(Arc::from).collect())
    }

    fn of(tools: Vec<Arc<dyn Tool>>) -> Self {
        let mut tools: Vec<_> = tools.into_iter().map(|tool| (tool.spec(), tool)).collect();
        tools.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        tools.dedup_by(|(later, _), (earlier, _)| later.name == earlier.name);
        let all = Offer::new(tools.iter().map(|(spec, _)| spec.clone()).collect());
        let bare = Offer::new(
            tools
                .iter()
                .filter(|(_, tool)| !tool.needs_workspace())
                .map(|(spec, _)| spec.clone())
                .collect(),
        );
        let few = |spec: &ToolSpec| !LEFT_OUT.contains(&spec.name.as_str());
        let short = Offer::new(
            tools
                .iter()
                .filter(|(spec, _)| few(spec))
                .map(|(spec, _)| arguments::shortened(spec))
                .collect(),
        );
        ToolBox {
            tools: tools
                .into_iter()
                .map(|(spec, tool)| (spec.name, tool))
                .collect(),
            all,
            bare,
            short,
        }
    }
    /// What is offered to a run with or without a workspace; in short to a model whose window is small.
    #[must_use]
    pub fn offer(&self, workspace: bool, short: bool) -> &Offer {
        match (workspace, short) {
            (false, _) => &self.bare,
            (true, false) => &self.all,
            (true, true) => &self.short,
        }
    }
    /// These tools alone, with those of the conversation itself: asking, claiming to be done, reading on.
    #[must_use]
    pub fn only(&self, names: &[ToolName]) -> ToolBox {
        let talks =
            |tool: &Arc<dyn Tool>| matches!(tool.means(), Means::Ask | Means::Claim | Means::Show);
        let kept = self.tools.iter();
        let kept = kept.filter(|(name, tool)| talks(tool) || names.contains(name));
        ToolBox::of(kept.map(|(_, tool)| tool.clone()).collect())
    }
    /// Finds a tool.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&dyn Tool> {
        let at = self
            .tools
            .binary_search_by(|(known, _)| known.as_str().cmp(name))
            .ok()?;
        self.tools.get(at).map(|(_, tool)| tool.as_ref())
    }
    /// The name of the tool that is meant: one of ours, or what other systems call it.
    #[must_use]
    pub fn canonical(&self, name: &str, arguments: &str) -> String {
        let meant = if self.get(name).is_some() {
            None
        } else {
            aliases::tool(name, arguments).filter(|ours| self.get(ours).is_some())
        };
        meant.unwrap_or(name).to_owned()
    }
    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<ToolName> {
        self.tools.iter().map(|(name, _)| name.clone()).collect()
    }
    /// Finds a tool of what is offered, or says which name was probably meant.
    ///
    /// # Errors
    /// [`BadCall`] with the nearest name and all others.
    pub fn find(&self, name: &str, workspace: bool) -> Result<&dyn Tool, BadCall> {
        self.get(name)
            .filter(|tool| workspace || !tool.needs_workspace())
            .ok_or_else(|| {
                let names: Vec<&str> = self
                    .offer(workspace, false)
                    .specs
                    .iter()
                    .map(|spec| spec.name.as_str())
                    .collect();
                let shown: String = name.chars().take(64).collect();
                BadCall(format!(
                    "there is no tool `{shown}`{}; there are: {}",
                    arguments::did_you_mean(name, &names),
                    names.join(", ")
                ))
            })
    }
}

/// The tools that a small window is not shown. They can be called all the same.
const LEFT_OUT: &[&str] = &[
    "execute_python",
    "git_branch",
    "git_commit",
    "git_diff",
    "git_push",
    "git_status",
    "prepare",
];

/// All tools that Keiko comes with.
#[must_use]
pub fn standard() -> ToolBox {
    ToolBox::new(vec![
        Box::new(ask_operator::AskOperator),
        Box::new(edit_file::EditFile),
        Box::new(execute::Execute),
        Box::new(execute_python::ExecutePython),
        Box::new(finish::Finish),
        Box::new(git_branch::GitBranch),
        Box::new(git_commit::GitCommit),
        Box::new(git_diff::GitDiff),
        Box::new(git_push::GitPush),
        Box::new(git_status::GitStatus),
        Box::new(list_files::ListFiles),
        Box::new(prepare::Prepare),
        Box::new(read_file::ReadFile),
        Box::new(run_tests::RunTests),
        Box::new(search::Search),
        Box::new(show_more::ShowMore),
        Box::new(write_file::WriteFile),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A change here changes the prompt prefix of every run: caches miss, recorded answers no longer match.
    #[test]
    fn the_tool_list_is_what_it_was() {
        insta::assert_snapshot!(
            serde_json::to_string_pretty(&standard().offer(true, false).specs()).unwrap()
        );
    }

    #[test]
    fn without_a_workspace_only_words_are_offered() {
        let tools = standard();
        let names: Vec<String> = tools
            .offer(false, false)
            .specs()
            .iter()
            .map(|spec| spec.name.to_string())
            .collect();
        assert_eq!(names, ["ask_operator", "finish", "show_more"]);
        assert!(tools.offer(false, false).tokens() < tools.offer(true, false).tokens() / 3);
        let said = tools.find("execute", false).map(|_| ()).unwrap_err().0;
        assert!(
            said.starts_with("there is no tool `execute`")
                && said.ends_with("ask_operator, finish, show_more"),
            "{said}"
        );
        assert!(tools.find("execute", true).is_ok() && tools.find("finish", false).is_ok());
    }

    #[test]
    fn a_small_window_is_shown_a_third() {
        let tools = standard();
        let (all, short) = (tools.offer(true, false), tools.offer(true, true));
        assert_eq!((all.tokens(), short.tokens()), (1_777, 515));
        assert_eq!(short.specs().len() + LEFT_OUT.len(), all.specs().len());
        for spec in short.specs().iter() {
            assert!(
                spec.schema["type"] == "object" && !spec.description.is_empty(),
                "{spec:?}"
            );
            let whole = all
                .specs()
                .iter()
                .find(|other| other.name == spec.name)
                .cloned()
                .unwrap();
            assert_eq!(spec.schema["required"], whole.schema["required"]);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let tools = standard();
        assert!(tools.get("read_file").is_some());
        let said = tools.find("read_files", true).map(|_| ()).unwrap_err().0;
        assert!(
            said.starts_with("there is no tool `read_files`; did you mean `read_file`?"),
            "{said}"
        );
        let said = tools.find("zzzzzz", true).map(|_| ()).unwrap_err().0;
        assert!(
            said.starts_with("there is no tool `zzzzzz`; there are: ask_operator,"),
            "{said}"
        );
    }

    #[test]
    fn no_tool_panics_on_what_is_not_meant_for_it() {
        let tools = standard();
        let context = ToolContext {
            run: RunId::from_bytes([1; 10]),
            opened: None,
            survey: None,
            tree: None,
            head: None,
            now: Timestamp(0),
        };
        for name in tools.names() {
            let tool = tools.get(name.as_str()).unwrap();
            for bad in [
                "",
                "{",
                "[]",
                "nul",
                "\"x\"",
                "{\"a\":1}",
                "{\"path\":5}",
                "```json\n{\"path\":\n```",
                "\u{0}",
            ] {
                if let Err(error) = tool.resolve(bad, &context) {
                    assert!(!error.0.is_empty());
                }
            }
            let cancelled = tool.render(&Outcome::Cancelled);
            assert!(cancelled.is_error && !cancelled.text.is_empty());
        }
    }
    proptest! {
        #[test]
        fn whatever_a_model_writes_stays_in_the_workspace(
            fields in proptest::collection::btree_map("path|text|command|cwd|dir|pattern|glob|filter|name|message", "[a-z./~* -]{0,12}", 0..4)
        ) {
            let raw = serde_json::to_string(&fields).unwrap();
            let context = report::fixture::context();
            let tools = standard();
            for name in tools.names() {
                let Ok(Resolved::Action(action)) = tools.get(name.as_str()).unwrap().resolve(&raw, &context) else { continue };
                let place = match report::fixture::op(&action) {
                    JailOp::ReadFile { path, .. } | JailOp::WriteFile { path, .. } | JailOp::ListFiles { path, .. } | JailOp::Search { path, .. } => path,
                    JailOp::Exec(spec) => &spec.cwd,
                    _ => continue,
                };
                prop_assert!(!place.starts_with('/') && place.split('/').all(|part| part != ".."), "{place}");
            }
        }
    }
}
