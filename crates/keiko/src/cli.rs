//! The command line. Help texts are part of the product: each says what happens and what it needs.

use crate::view::Color;
use clap::{Args, Parser, Subcommand, ValueEnum};
use keiko_contracts::language::Language;
use std::path::PathBuf;

/// Keiko: agents that write, test and repair code in a sandbox, with one operator in control.
#[derive(Debug, Parser)]
#[command(
    name = "keiko",
    version,
    about = "Self-hosted AI agents that write, test and repair code in a sandbox, with one operator in control",
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Machine-readable output: one JSON object on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Nothing on stderr but warnings and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: Color,
    /// The language for people [default: the configuration's, then the environment's]
    #[arg(long, global = true, value_enum)]
    pub(crate) lang: Option<Lang>,
    /// Never ask: what needs a person waits, and the command that answers is printed
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Do something useful now: without a model, examine a repository; with one, say what to try
    Up(UpArgs),
    /// Give Keiko a goal: "Fix the failing date parser", or @goal.md
    Run(RunArgs),
    /// Take up a run that waits, was stopped, or whose process died
    Resume(ResumeArgs),
    /// Look at runs (alone: a list), bring results home, take them back, check them
    Runs {
        /// What to do with them; without it, they are listed
        #[command(subcommand)]
        command: Option<RunsCommand>,
    },
    /// Decide about actions that wait for a person (alone: a list)
    Approvals {
        /// What to do; without it, what waits is listed
        #[command(subcommand)]
        command: Option<ApprovalsCommand>,
    },
    /// Stop everything at once, or one run
    Kill(KillArgs),
    /// Cut a goal into tasks, each with its agent; nothing is run
    Plan {
        /// The goal in plain words, or @FILE to read it from a file, or - for standard input
        #[arg(value_name = "GOAL", allow_hyphen_values = true)]
        goal: String,
        /// The rest of a goal that was typed without quotes
        #[arg(hide = true)]
        more: Vec<String>,
        /// Whose agents count too [default: this folder]
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
    },
    /// Agents: which there are (alone: a list), what each is, a new one
    Agents {
        /// What to do; without it, those there are are listed
        #[command(subcommand)]
        command: Option<AgentsCommand>,
    },
    /// Language models: what is configured (alone: a list), and whether it works
    Models {
        /// What to do; without it, what there is is listed
        #[command(subcommand)]
        command: Option<ModelsCommand>,
    },
    /// Settings: alone, those that hold and where each comes from
    Config {
        /// What to do; without it, the settings that hold are shown
        #[command(subcommand)]
        command: Option<ConfigCommand>,
    },
    /// Check this machine: sandbox, journal, models, programs
    Doctor(DoctorArgs),
    /// See it at work, with a scripted model and a real sandbox (alone: the tour)
    Demo {
        /// Which; without it, the tour
        #[command(subcommand)]
        command: Option<DemoCommand>,
    },
    /// Shell completions: keiko completion bash > /etc/bash_completion.d/keiko
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The manual page of Keiko or of one command, in roff: keiko man runs apply
    Man {
        /// The command
        command: Vec<String>,
        /// Write all pages into a folder, such as /usr/local/share/man/man1
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        dir: Option<PathBuf>,
    },
    /// Version, and what this binary was built from
    Version,
}

/// A language for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    En,
    De,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Language {
        match lang {
            Lang::En => Language::English,
            Lang::De => Language::German,
        }
    }
}

/// How the agent's questions about risky actions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Approval {
    /// Ask before every change and every command
    Ask,
    /// Ask where the risk policy says so (push and network, by default)
    Policy,
    /// Never ask: what would need an approval is refused
    Never,
}

/// Whether what the project declares is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Install {
    /// Install what is missing without a question
    Yes,
    /// Ask first, even if an answer is remembered
    Ask,
    /// Install nothing, and go on without
    No,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Whether to install missing packages that the project declares, in the sandbox [default: the configuration's, or ask]
    #[arg(long, value_enum, value_name = "ANSWER")]
    pub(crate) install: Option<Install>,
}

/// What the work is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Base {
    /// The files as they are, with uncommitted and untracked ones
    Snapshot,
    /// The last commit
    Head,
}

#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// The most to spend, in dollars: 0.50
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    pub(crate) budget: Option<String>,
    /// The most steps (1 to 10000)
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) max_steps: Option<String>,
    /// The most seconds of work
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub(crate) max_seconds: Option<String>,
}

/// How hard a model is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Effort {
    /// Little
    Low,
    /// Some
    Medium,
    /// Much
    High,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The goal in plain words, or @FILE to read it from a file, or - for standard input
    #[arg(value_name = "GOAL", allow_hyphen_values = true)]
    pub(crate) goal: String,
    /// The rest of a goal that was typed without quotes
    #[arg(hide = true)]
    pub(crate) more: Vec<String>,
    /// The repository or folder to work on [default: this one, if it holds a project]
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Work without any folder: a goal about text
    #[arg(long, conflicts_with = "workspace")]
    pub(crate) no_workspace: bool,
    /// What the work is based on
    #[arg(long, value_enum, default_value = "snapshot")]
    pub(crate) base: Base,
    /// The agent: see `keiko agents` [default: coder in a folder, generalist without one]
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// The model: VENDOR/MODEL, or a profile (fast, strong, code)
    #[arg(long, value_name = "VENDOR/MODEL")]
    pub(crate) model: Option<String>,
    /// How hard the model is to think, where it can be told
    #[arg(long, value_enum)]
    pub(crate) effort: Option<Effort>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Who answers when something risky is about to happen
    #[arg(long, value_enum)]
    pub(crate) approval: Option<Approval>,
    #[command(flatten)]
    pub(crate) install: InstallArgs,
    /// Write the run's events to stdout, one JSON object a line
    #[arg(long)]
    pub(crate) jsonl: bool,
    /// Record the model's answers into a folder
    #[arg(long, value_name = "DIR", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,
    /// Replay answers recorded before; a request that differs is shown as a diff
    #[arg(long, value_name = "DIR")]
    pub(crate) replay: Option<PathBuf>,
    /// Play a scripted model from a file; every record says so
    #[arg(long, value_name = "FILE", hide = true, conflicts_with_all = ["record", "replay"])]
    pub(crate) script: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// The repository to examine [default: the one around you; a small sample if there is none]
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Examine the sample that comes with Keiko, wherever you are
    #[arg(long, conflicts_with = "workspace")]
    pub(crate) sample: bool,
    #[command(flatten)]
    pub(crate) install: InstallArgs,
    /// Write the run's events to stdout, one JSON object a line
    #[arg(long)]
    pub(crate) jsonl: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The run: its id, or the beginning of it; `last` is the newest
    pub(crate) run: String,
    /// Further words for the agent
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) install: InstallArgs,
    /// Write the run's events to stdout, one JSON object a line
    #[arg(long)]
    pub(crate) jsonl: bool,
    /// The script that the run was started with
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) script: Option<PathBuf>,
}

/// How many runs a list has, unless it is told otherwise.
const LISTED: u32 = 20;

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List runs, the newest first
    #[command(visible_alias = "ls")]
    List {
        /// How many
        #[arg(long, default_value_t = LISTED)]
        limit: u32,
        /// Only in this state: running, waiting-approval, succeeded, failed, …
        #[arg(long)]
        state: Option<String>,
    },
    /// One run: goal, state, evidence
    Show {
        /// The run
        run: String,
    },
    /// What a run found, alone: Markdown, or its data with --json
    Report {
        /// The run
        run: String,
    },
    /// A run's events
    Events {
        /// The run
        run: String,
        /// Go on as new ones come
        #[arg(long)]
        follow: bool,
    },
    /// The change against the base
    Diff {
        /// The run
        run: String,
    },
    /// Bring a run's result into your folder: three-way, stops on a conflict
    Apply {
        /// The run
        run: String,
        /// Only say what would change
        #[arg(long)]
        check: bool,
    },
    /// Take back what `apply` brought
    Undo {
        /// The run
        run: String,
    },
    /// Check a run's evidence: journal chain, trees, tests run again
    Verify {
        /// The run
        run: String,
        /// Do not run the tests again
        #[arg(long)]
        no_tests: bool,
    },
    /// Give back the space that ended runs took, and installed dependencies that nothing used
    Prune(PruneArgs),
    /// End a run
    Cancel {
        /// The run
        run: String,
        /// Why
        #[arg(long, default_value = "cancelled by the operator")]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// What was of no use for so long: 14d, 12h [default: the configuration's, or 14d]
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    pub(crate) older_than: Option<String>,
    /// The most that may stay, the newest: 20GiB [default: the configuration's, or no limit]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) keep: Option<String>,
    /// Also runs whose change was never applied nor pushed
    #[arg(long)]
    pub(crate) unapplied: bool,
    /// Only say what would be given back
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before unapplied changes are deleted
    #[arg(long)]
    pub(crate) yes: bool,
}

impl Default for RunsCommand {
    fn default() -> Self {
        RunsCommand::List {
            limit: LISTED,
            state: None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// What waits for a person
    #[command(visible_alias = "ls")]
    List {
        /// Answered ones too
        #[arg(long)]
        all: bool,
    },
    /// One approval: what would be done, why it is asked about, what it touches
    Show {
        /// The approval
        id: String,
        /// The exact action as data too, and the digest that an answer is bound to
        #[arg(long)]
        details: bool,
    },
    /// Allow exactly this action, once
    Approve {
        /// The approval
        id: String,
        /// Remember the answer for this repository; for installing packages only
        #[arg(long)]
        remember: bool,
        /// Why, for the record
        #[arg(long)]
        reason: Option<String>,
    },
    /// Refuse it; the agent is told why
    Deny {
        /// The approval
        id: String,
        /// Remember the answer for this repository; for installing packages only
        #[arg(long)]
        remember: bool,
        /// Why: the agent reads it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Answers that are remembered for repositories
    Remembered,
    /// Forget what is remembered for a repository; it is asked again from then on
    Forget {
        /// The repository's folder
        #[arg(required_unless_present = "all")]
        dir: Option<PathBuf>,
        /// For all repositories
        #[arg(long, conflicts_with = "dir")]
        all: bool,
    },
}

impl Default for ApprovalsCommand {
    fn default() -> Self {
        ApprovalsCommand::List { all: false }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// Every run of every process, and what would start under the same epoch
    #[arg(long, conflicts_with = "run", requires = "reason")]
    pub(crate) all: bool,
    /// This run only; others go on
    #[arg(long, requires = "reason")]
    pub(crate) run: Option<String>,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// Those there are: of the workspace, of yours, and those that come with Keiko
    #[command(visible_alias = "ls")]
    List {
        /// Whose agents count too [default: this folder]
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
    },
    /// All about one: what it is for, its tools, its prompt
    Show {
        /// Its name
        agent: String,
        /// Whose agents count too [default: this folder]
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
    },
    /// Make the file of a new agent
    New {
        /// Its name: a-z, 0-9 and -
        agent: String,
        /// Into this workspace instead of your own folder
        #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".")]
        here: Option<PathBuf>,
    },
    /// Which agent a task is for, how sure that is, and why
    Match {
        /// The task, in plain words
        #[arg(value_name = "GOAL")]
        task: String,
        /// Whose agents count too [default: this folder]
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
    },
    /// Try agents on the tests in their files: each a run of its own, by a model
    Test {
        /// The agents
        #[arg(required = true)]
        agents: Vec<String>,
        /// The model: VENDOR/MODEL, or a profile [default: that of each agent]
        #[arg(long, value_name = "VENDOR/MODEL")]
        model: Option<String>,
        /// The most that one test may spend, in dollars: 0.50
        #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
        budget: Option<String>,
        /// Record the model's answers into a folder
        #[arg(long, value_name = "DIR", conflicts_with = "replay")]
        record: Option<PathBuf>,
        /// Replay answers recorded before; a request that differs is shown as a diff
        #[arg(long, value_name = "DIR")]
        replay: Option<PathBuf>,
        /// Whose agents count too [default: this folder]
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
    },
    /// Look files of agents over: each mistake with its line
    Validate {
        /// Agents or files; without one, all there are
        agents: Vec<String>,
        /// Whose agents count too [default: this folder]
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
    },
}

impl Default for AgentsCommand {
    fn default() -> Self {
        AgentsCommand::List { workspace: None }
    }
}

#[derive(Debug, Default, Subcommand)]
pub(crate) enum ModelsCommand {
    /// What is configured and found
    #[default]
    #[command(visible_alias = "ls")]
    List,
    /// Really call a model: text, streaming, an action; explains what fails
    Probe {
        /// VENDOR/MODEL, or a profile
        model: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a commented configuration file, if there is none
    Init,
    /// The value of a key
    Get {
        /// The key: run.max_steps
        key: String,
    },
    /// Set a key in your own file
    Set {
        /// The key
        key: String,
        /// The value
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Where a value comes from: layer, file, line
    Explain {
        /// The key
        key: String,
    },
    /// Check all files
    Validate,
    /// JSON Schema of the file, for editors
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Mend what can be mended: install packages, repair permissions, make lists anew
    #[arg(long)]
    pub(crate) fix: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// A guided tour: a bug, a failing test, a fix, a push that waits for you
    Code {
        /// Answer the approval with yes without asking, for machines
        #[arg(long)]
        yes: bool,
    },
    /// The run kills itself at random points; nothing is lost or done twice
    Crash {
        /// How often
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
        rounds: u32,
    },
    /// One life of the process that `crash` kills
    #[command(hide = true)]
    Life {
        /// The folder of the demonstration
        #[arg(long)]
        place: PathBuf,
        /// The run
        #[arg(long)]
        run: String,
    },
}

impl Default for DemoCommand {
    fn default() -> Self {
        DemoCommand::Code { yes: false }
    }
}
