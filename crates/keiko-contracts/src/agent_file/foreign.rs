//! Agent files of other programs: what they call their tools, models and limits.

use crate::id::ToolName;

/// Their names of tools (those of Claude Code's documentation) beside ours; an empty list is a tool that is not here.
const TOOLS: &[(&str, &[&str])] = &[
    ("Read", &["read_file", "show_more"]),
    ("NotebookRead", &["read_file"]),
    ("Write", &["write_file"]),
    ("Edit", &["edit_file"]),
    ("MultiEdit", &["edit_file"]),
    ("NotebookEdit", &["edit_file"]),
    ("Glob", &["list_files"]),
    ("LS", &["list_files"]),
    ("Grep", &["search"]),
    (
        "Bash",
        &[
            "execute",
            "execute_python",
            "prepare",
            "run_tests",
            "git_branch",
            "git_commit",
            "git_diff",
            "git_status",
        ],
    ),
    ("BashOutput", &["show_more"]),
    ("KillShell", &[]),
    ("KillBash", &[]),
    ("WebFetch", &["fetch_page"]),
    ("WebSearch", &["search_web"]),
    ("AskUserQuestion", &["ask_operator"]),
    ("TodoWrite", &[]),
    ("TodoRead", &[]),
    ("Task", &[]),
    ("Agent", &[]),
    ("Skill", &[]),
    ("SlashCommand", &[]),
    ("ExitPlanMode", &[]),
];

/// Their names of models beside our profiles.
const MODELS: &[(&str, &str)] = &[("haiku", "fast"), ("sonnet", "strong"), ("opus", "strong")];

/// Our tools of one of theirs. `Bash(git diff:*)` is `Bash` with a limit that is not kept here; the second value says so.
pub(super) fn tools(theirs: &str) -> Option<(Vec<ToolName>, bool)> {
    let (name, limited) = match theirs.split_once('(') {
        Some((name, _)) => (name.trim(), true),
        None => (theirs, false),
    };
    let (_, ours) = TOOLS.iter().find(|(known, _)| *known == name)?;
    let ours = ours.iter().filter_map(|name| name.parse().ok());
    Some((ours.collect(), limited))
}

/// Our profile of one of their models.
pub(super) fn model(theirs: &str) -> Option<&'static str> {
    let found = MODELS.iter().find(|(known, _)| *known == theirs);
    found.map(|(_, profile)| *profile)
}
