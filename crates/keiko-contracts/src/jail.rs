//! What can be done inside the sandbox, and what comes of it.
//!
//! Paths are relative to the workspace root, with `/` between parts, without `..`; the jail checks them again.

use crate::digest::Content;
use crate::id::RunId;
use crate::note::OpenNote;
use crate::said::Said;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing to be done in a run's workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JailAction {
    /// The workspace: each run has one.
    pub workspace: RunId,
    /// What to do.
    pub op: JailOp,
    /// The tree that the workspace must have before it, when the state is known: what [`crate::action::Recovery::Restore`] goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeId>,
}

/// A git tree object's id: the state of all tracked and untracked, not ignored, files.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct TreeId(pub String);

/// A git commit's id.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct CommitId(pub String);

/// The operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum JailOp {
    /// Makes the private workspace. Idempotent.
    Open {
        /// Where the work comes from.
        source: Source,
    },
    /// Looks the workspace over: toolchains, manifests, instructions.
    Survey,
    /// Reads lines of a text file.
    ReadFile {
        /// The file.
        path: String,
        /// First line, from 1.
        from_line: u32,
        /// How many lines at most.
        lines: u32,
    },
    /// Writes a whole file, making its folders.
    WriteFile {
        /// The file.
        path: String,
        /// All of it.
        text: Content,
    },
    /// Replaces text in a file.
    EditFile {
        /// The file.
        path: String,
        /// The replacements, applied in order, all or none.
        edits: Vec<Edit>,
    },
    /// Lists files.
    ListFiles {
        /// The folder, empty for the root.
        path: String,
        /// Glob on the path, if any.
        glob: Option<String>,
        /// How deep; 0 is everything.
        depth: u32,
        /// How many entries at most.
        limit: u32,
    },
    /// Searches file contents.
    Search {
        /// A regular expression.
        pattern: String,
        /// The folder or file, empty for the root.
        path: String,
        /// Glob on the path, if any.
        glob: Option<String>,
        /// Lines around each hit.
        context: u32,
        /// How many hits at most.
        limit: u32,
        /// Upper and lower case are the same.
        ignore_case: bool,
    },
    /// A git command from a fixed set.
    Git(GitOp),
    /// Runs a command.
    Exec(ExecSpec),
    /// Runs a cell in the workspace's stateful Python kernel.
    Cell {
        /// The code.
        code: Content,
        /// Wall-clock limit in milliseconds.
        timeout_ms: u32,
    },
    /// Installs dependencies with network access into the workspace's caches. Needs an approval.
    Prepare(Prepare),
    /// Puts the workspace back to a recorded tree.
    Restore {
        /// The tree.
        tree: TreeId,
    },
    /// Puts the workspace to a recorded tree, but for some of its files, which are as they are in another: what a change comes
    /// to without them.
    Without {
        /// The tree.
        tree: TreeId,
        /// Where those files come from; what is not there goes.
        base: TreeId,
        /// Their paths.
        paths: Vec<String>,
    },
    /// The difference between two trees as a unified diff.
    Diff {
        /// From.
        from: TreeId,
        /// To; the workspace as it is if absent.
        to: Option<TreeId>,
    },
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    /// What stands there now.
    pub old: Content,
    /// What shall stand there.
    pub new: Content,
    /// Replace every occurrence; otherwise there must be exactly one.
    pub all: bool,
}

/// The git commands an agent can give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "git")]
pub enum GitOp {
    /// Short status.
    Status,
    /// The difference between the base commit, or a revision, and the workspace.
    Diff {
        /// A revision; the base commit if absent.
        against: Option<String>,
        /// Only below this path.
        path: Option<String>,
    },
    /// The newest commits.
    Log {
        /// How many.
        limit: u32,
    },
    /// Commits everything. Deterministic: author, committer and time are given.
    Commit {
        /// The message.
        message: Content,
        /// Author and committer time, seconds since 1970.
        at_seconds: i64,
    },
    /// Makes a branch at the current commit and switches to it.
    Branch {
        /// Its name.
        name: String,
    },
    /// Checks out a revision into the workspace, for bisection. Deterministic.
    Checkout {
        /// The revision.
        revision: String,
    },
}

/// Where a workspace comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Source {
    /// A folder of the user's: a git repository, or a plain folder that gets a shadow repository.
    Folder {
        /// Absolute path.
        path: String,
        /// Take tracked and untracked changes along; otherwise the base is HEAD.
        snapshot: bool,
    },
    /// A fresh copy of a run's result, to check it: with the dependencies that the run had.
    Copy {
        /// Absolute path of the copy.
        path: String,
        /// The run.
        of: RunId,
    },
    /// A recorded state of another run's workspace, to go on from there: its files, its history below them, its remotes and
    /// the dependencies that it had. What is made of it is compared with that state.
    Result {
        /// The run.
        of: RunId,
        /// The state.
        tree: TreeId,
    },
    /// An empty workspace.
    Empty,
}

/// A command and everything it runs under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExecSpec {
    /// What to run.
    pub command: Command,
    /// Folder relative to the workspace.
    #[serde(default)]
    pub cwd: String,
    /// Environment on top of the cleared default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Content>,
    /// Limits.
    pub limits: Limits,
    /// Files to bring back afterwards (JUnit XML, coverage), relative to the workspace, or a plain name below [`RESULTS`].
    /// Missing ones are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collect: Vec<String>,
    /// Keiko's own reporter of tests: laid beside the workspace, given a secret of this execution on its standard input, and
    /// what it wrote to [`REPORT`] is checked. The secret is made where the jail is, and stands nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReporterKind>,
}

/// Where Keiko's reporters lie in the jail, read-only.
pub const HARNESS: &str = "/harness";
/// Where Keiko's reporters write, in the jail. Of what stands there only checked records are brought back, under this name.
pub const REPORT: &str = "/results/keiko.report";

/// Which of Keiko's reporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReporterKind {
    /// For pytest and unittest.
    Python,
    /// For the runners of Node.
    Node,
}

/// What came of checking a reporter's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reported {
    /// How many records hold.
    pub records: u32,
    /// The last of them is the end mark.
    pub ended: bool,
    /// Lines that the reporter did not write.
    pub forged: u32,
}

/// A folder of the jail, empty before each command that collects something from it: for reports that must not stand in
/// the workspace.
pub const RESULTS: &str = "/results";

/// A program with arguments, or a shell script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A program and its arguments.
    Argv(Vec<String>),
    /// A script for `/bin/sh`, or `/bin/bash` where there is one.
    Shell(Content),
}

/// Limits of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Wall clock, milliseconds.
    pub wall_ms: u32,
    /// Memory, mebibytes.
    pub memory_mib: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes kept of each output stream: the first and the last half of it.
    pub output_bytes: u32,
    /// Largest file, mebibytes.
    pub file_mib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            wall_ms: 120_000,
            memory_mib: 4096,
            pids: 512,
            output_bytes: 64 << 10,
            file_mib: 1024,
        }
    }
}

/// Toolchains that `prepare` knows.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Toolchain {
    /// Python: pip or uv.
    #[default]
    Python,
    /// JavaScript and TypeScript: npm.
    Node,
    /// Rust: cargo.
    Rust,
    /// Go.
    Go,
}

impl Toolchain {
    /// The name, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Toolchain::Python => "Python",
            Toolchain::Node => "Node",
            Toolchain::Rust => "Rust",
            Toolchain::Go => "Go",
        }
    }
}

/// One installation: everything that the projects of a workspace need, so that a person is asked once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "PrepareAsWritten")]
pub struct Prepare {
    /// What to install, in order. One set that fails leaves the others as they are.
    pub sets: Vec<Preparation>,
}

/// [`Prepare`] as journals have it: the first ones held one set without a list.
#[derive(Deserialize, JsonSchema)]
struct PrepareAsWritten {
    #[serde(default)]
    sets: Vec<Preparation>,
    #[serde(default)]
    toolchain: Option<Toolchain>,
    #[serde(default)]
    commands: Vec<Vec<String>>,
    #[serde(default)]
    cache_key: String,
}

impl From<PrepareAsWritten> for Prepare {
    fn from(written: PrepareAsWritten) -> Prepare {
        let PrepareAsWritten {
            mut sets,
            toolchain,
            commands,
            cache_key,
        } = written;
        sets.extend(toolchain.map(|toolchain| Preparation {
            toolchain,
            dirs: vec![String::new()],
            commands,
            cache_key,
            packages: Packages::default(),
            registries: Vec::new(),
            cached: false,
        }));
        Prepare { sets }
    }
}

/// What came of a [`Prepare`], a row for each of its sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "PreparedAsWritten")]
pub struct Prepared {
    /// The rows, in the order of the operation.
    pub sets: Vec<PreparedSet>,
}

impl Prepared {
    /// The exit code of the first set that failed; 0 when everything is there.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        self.sets
            .iter()
            .map(|set| set.exit_code)
            .find(|code| *code != 0)
            .unwrap_or(0)
    }

    /// Whether nothing had to be installed.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.sets.iter().all(|set| set.cached)
    }
}

/// [`Prepared`] as journals have it: the first ones held one row without a list.
#[derive(Deserialize, JsonSchema)]
struct PreparedAsWritten {
    #[serde(default)]
    sets: Vec<PreparedSet>,
    #[serde(default)]
    cached: bool,
    #[serde(default)]
    log: Option<Content>,
    #[serde(default)]
    exit_code: i32,
}

impl From<PreparedAsWritten> for Prepared {
    fn from(written: PreparedAsWritten) -> Prepared {
        let PreparedAsWritten {
            mut sets,
            cached,
            log,
            exit_code,
        } = written;
        sets.extend(log.map(|log| PreparedSet {
            toolchain: None,
            dirs: Vec::new(),
            cached,
            log,
            exit_code,
        }));
        Prepared { sets }
    }
}

/// What is installed for the projects that share one declaration of dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preparation {
    /// Whose installer it is.
    pub toolchain: Toolchain,
    /// Folders of the projects that it is for, relative to the workspace, empty for the root.
    pub dirs: Vec<String>,
    /// The commands, in order.
    pub commands: Vec<Vec<String>>,
    /// Digest of manifests and lock files: the key of the cache.
    pub cache_key: String,
    /// How much is installed, as far as it is known before.
    #[serde(default)]
    pub packages: Packages,
    /// Where from, as people know these hosts: `pypi.org`, or the mirror that is configured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<String>,
    /// It was installed before for the very same declarations of this workspace's source, and is in use: nothing needs to be
    /// asked. Said by the sandbox, outside of the jail, when it answers [`JailOp::Survey`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

/// The folder of a Python set that holds the kernel for cells, beside the project's environment.
pub const PYTHON_KERNEL: &str = "kernel";

/// How much an installation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Packages {
    /// How many packages are named.
    pub count: u32,
    /// They come from a lock file, so that these are all. Otherwise they are what is declared, and bring others along.
    pub complete: bool,
    /// How large the downloads are together, bytes, where the lock file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// What came of installing one [`Preparation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreparedSet {
    /// Whose installer it was; unknown in the oldest journals.
    #[serde(default)]
    pub toolchain: Option<Toolchain>,
    /// Folders of the projects that it is for.
    #[serde(default)]
    pub dirs: Vec<String>,
    /// It was there already.
    pub cached: bool,
    /// What the installer said, or what was wrong.
    pub log: Content,
    /// Exit code of the last command: 0 when everything is there.
    pub exit_code: i32,
}

/// What came of a [`JailAction`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JailReport {
    /// The result.
    pub body: JailBody,
    /// The workspace's tree afterwards; absent when the operation cannot change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeId>,
}

/// The result of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JailBody {
    /// The workspace is there.
    Opened(Opened),
    /// What it holds.
    Surveyed(Survey),
    /// Text: file lines, a listing, hits, git's output.
    Text(TextReport),
    /// A file was written or edited.
    Written(WriteReport),
    /// The operation makes no sense here; the model is told why and what stands there instead. Nothing changed.
    Refused {
        /// Why, in a sentence.
        why: Said,
        /// The lines that do stand there, or the names that do exist.
        nearest: Content,
    },
    /// A command ended.
    Exec(ExecReport),
    /// A cell ended.
    Cell(CellReport),
    /// A commit was made, or there was nothing to commit.
    Committed {
        /// The commit.
        commit: CommitId,
        /// What changed, one line a file.
        summary: Content,
    },
    /// What came of installing.
    Prepared(Prepared),
    /// The workspace was put back.
    Restored,
}

/// How a workspace came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opened {
    /// The commit that all work is compared with.
    pub base: CommitId,
    /// Its tree, with uncommitted files if they were taken along.
    pub tree: TreeId,
    /// What the base is.
    pub kind: BaseKind,
    /// The branch the user is on, if any.
    pub branch: Option<String>,
    /// Remotes of the user's repository: name and URL.
    pub remotes: Vec<(String, String)>,
    /// The part of the repository that was asked for, relative to its root; empty for all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// What people, and the agent, should know of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<OpenNote>,
}

/// What the base of a workspace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaseKind {
    /// The user's HEAD commit.
    Head,
    /// HEAD plus tracked and untracked changes.
    Snapshot,
    /// A plain folder with a repository that only Keiko sees.
    Shadow,
    /// What another run made.
    Result,
    /// Nothing.
    Empty,
}

impl BaseKind {
    /// What it is, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            BaseKind::Head => "HEAD",
            BaseKind::Snapshot => "HEAD with uncommitted changes",
            BaseKind::Shadow => "the folder as it was",
            BaseKind::Result => "the result of another run",
            BaseKind::Empty => "nothing",
        }
    }
}

/// What a workspace holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Survey {
    /// How many files git sees.
    pub files: u32,
    /// Projects found: a folder with a manifest.
    pub projects: Vec<Project>,
    /// `AGENTS.md` of the root, cut to 16 KiB.
    pub instructions: Option<Content>,
    /// Programs found inside the jail, with the first line of their version.
    pub programs: BTreeMap<String, String>,
    /// The root listing, two levels, cut.
    pub listing: Content,
    /// Files that look like tests and exist at the start: these are protected from being weakened. At most 2,000.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Those among the tests that only tests import or read, and whose own path does not say so: helpers, fakes, data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_support: Vec<String>,
}

/// Whether a file is a test by its path alone.
#[must_use]
pub fn is_test_path(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_test_folder = folders
        .split('/')
        .any(|folder| matches!(folder, "tests" | "test" | "__tests__" | "spec" | "testdata"));
    let stem = name.split('.').next().unwrap_or(name);
    let by_name = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("py") => {
            name == "conftest.py"
                || stem.starts_with("test_")
                || stem.ends_with("_test")
                || stem == "tests"
        }
        Some("go") => name.ends_with("_test.go"),
        Some("js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts" | "snap") => {
            name.split('.').any(|part| part == "test" || part == "spec")
        }
        Some("rs") => {
            matches!(stem, "tests" | "test") || stem.ends_with("_test") || stem.ends_with("_tests")
        }
        _ => false,
    };
    // What configures the runner decides which tests count at all.
    let runner = matches!(name, "pytest.ini" | "tox.ini")
        || name.starts_with("jest.config.")
        || name.starts_with("vitest.config.")
        || name.starts_with(".mocharc");
    in_test_folder || by_name || runner
}

/// A folder with a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Project {
    /// Folder relative to the workspace, empty for the root.
    pub dir: String,
    /// Its toolchain.
    pub toolchain: Toolchain,
    /// Manifest and lock files, relative to the folder.
    pub manifests: Vec<String>,
    /// Test runner: `pytest`, `unittest`, `cargo`, `npm`, `vitest`, `jest`, `mocha`, `node`, `go`.
    pub runner: Option<String>,
    /// Dependencies that are declared but cannot be found in the jail.
    pub needs_prepare: bool,
    /// How they are installed, for [`JailOp::Prepare`]; absent when there is nothing to install, or nobody knows how. Also
    /// there when nothing is missing.
    #[serde(default)]
    pub preparation: Option<Preparation>,
    /// What the runner is told beyond its plain way, as the project itself says: features, tags. The best first; a later one counts
    /// where one before does not build. Empty for the plain way.
    #[serde(default)]
    pub ways: Vec<Vec<String>>,
    /// Variables that its tests are run with.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How its own script calls the runner, where it does so plainly, and what has to be built before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<TestScript>,
}

/// How the script of a project calls a test runner. Everything in it is the project's own text, for a shell in the jail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TestScript {
    /// The program, where it is none of those that have a name of their own: `ava`, `tape`, `uvu`. Empty otherwise.
    pub program: String,
    /// What is set before it: `NODE_ENV=test`.
    pub env: BTreeMap<String, String>,
    /// Options of the runner, as the script has them.
    pub options: String,
    /// What is to be tested, as the script has it: files, folders, patterns.
    pub files: String,
    /// Commands that make what the tests need, such as `npm run build`: run before the tests each time, without network.
    pub before: Vec<String>,
}

/// Text, and whether it is all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextReport {
    /// The text.
    pub text: Content,
    /// How many lines, hits or entries there are in all.
    pub total: u32,
    /// True when the text is cut.
    pub truncated: bool,
}

/// A change to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WriteReport {
    /// The file.
    pub path: String,
    /// The file did not exist.
    pub created: bool,
    /// The change as a unified diff, cut to 8 KiB.
    pub diff: Content,
    /// How the text was found, when not letter by letter: `whitespace`, for example.
    pub matched: Option<String>,
}

/// What came of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExecReport {
    /// How it ended.
    pub end: End,
    /// Standard output: first and last part when cut.
    pub stdout: Content,
    /// Standard error: first and last part when cut.
    pub stderr: Content,
    /// Bytes left out of both.
    pub truncated_bytes: u64,
    /// Wall clock, milliseconds.
    pub duration_ms: u64,
    /// Processor time, milliseconds, if it could be measured.
    pub cpu_ms: Option<u64>,
    /// Peak memory, KiB, if it could be measured.
    pub peak_kib: Option<u64>,
    /// What the jail refused, as far as it was noticed.
    pub violations: Vec<String>,
    /// The workspace's tree before; the one after stands beside the report.
    pub tree_before: Option<TreeId>,
    /// The files asked for: path and text.
    pub artifacts: Vec<(String, Content)>,
    /// What came of Keiko's own reporter, when one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
}

impl Default for Content {
    fn default() -> Self {
        Content::new("")
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It exited.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// The wall-clock limit ended it.
    TimedOut,
    /// The memory limit ended it.
    OutOfMemory,
    /// It could not be started.
    NotStarted(String),
}

impl Default for End {
    fn default() -> Self {
        End::Exit(0)
    }
}

/// What came of a cell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellReport {
    /// Printed text, both streams in order of arrival.
    pub output: Content,
    /// The value of the last expression as text.
    pub value: Option<Content>,
    /// The error, if one was raised: name, message, traceback without colours.
    pub error: Option<CellError>,
    /// Rich displays: media type, and data (text, or base64 for images), capped.
    pub displays: Vec<(String, Content)>,
    /// The kernel was lost, or restarted, and with it all variables.
    pub state_lost: bool,
    /// The cell was interrupted at its time limit.
    pub interrupted: bool,
    /// Execution count.
    pub count: u32,
    /// Wall clock, milliseconds.
    pub duration_ms: u64,
}

/// An exception in a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellError {
    /// Class name.
    pub name: String,
    /// Message.
    pub message: String,
    /// Traceback.
    pub traceback: Content,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installations_of_the_first_journals_are_read() {
        let op = r#"{"op":"prepare","toolchain":"node","commands":[["npm","ci"]],"cache_key":"k"}"#;
        let Ok(JailOp::Prepare(prepare)) = serde_json::from_str(op) else {
            panic!("{op}")
        };
        assert_eq!(
            (
                prepare.sets[0].toolchain,
                prepare.sets[0].cache_key.as_str()
            ),
            (Toolchain::Node, "k")
        );
        assert_eq!(prepare.sets[0].commands, [["npm", "ci"]]);
        let log = serde_json::to_string(&Content::from("said")).unwrap();
        let body = format!(r#"{{"prepared":{{"cached":true,"log":{log},"exit_code":3}}}}"#);
        let Ok(JailBody::Prepared(prepared)) = serde_json::from_str(&body) else {
            panic!("{body}")
        };
        assert_eq!(
            (
                prepared.exit_code(),
                prepared.is_cached(),
                prepared.sets[0].log.text()
            ),
            (3, true, Some("said"))
        );
        let project = r#"{"dir":"","toolchain":"go","manifests":["go.mod"],"runner":"go","needs_prepare":true,"prepare":[["x"]],"cache_key":"k"}"#;
        assert_eq!(
            serde_json::from_str::<Project>(project)
                .unwrap()
                .preparation,
            None
        );
        for new in [
            JailOp::Prepare(prepare.clone()),
            JailOp::Prepare(Prepare { sets: vec![] }),
        ] {
            assert_eq!(
                serde_json::from_str::<JailOp>(&serde_json::to_string(&new).unwrap()).unwrap(),
                new
            );
        }
    }

    #[test]
    fn tests_are_known_by_their_paths() {
        for path in [
            "tests/test_date.py",
            "test_date.py",
            "src/date_test.py",
            "a/conftest.py",
            "tests/data/x.json",
            "pkg/date_test.go",
            "src/date.test.ts",
            "src/date.spec.tsx",
            "src/__tests__/date.js",
            "tests/date.rs",
            "src/tests.rs",
            "pytest.ini",
            "jest.config.js",
        ] {
            assert!(is_test_path(path), "{path}");
        }
        for path in [
            "src/date.py",
            "latest.py",
            "src/contest.rs",
            "attest/x.go",
            "src/testing.rs",
            "README.md",
            "protest_go.go",
            "src/spec.ts.md",
        ] {
            assert!(!is_test_path(path), "{path}");
        }
    }
}
