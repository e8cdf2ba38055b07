//! Names that models were trained on: arguments and tools under the names of other systems are taken where they can mean only
//! one thing.

use serde_json::{Map, Value};

/// A field of ours, and what other systems call it.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "path",
        &[
            "file_path",
            "filepath",
            "file",
            "filename",
            "file_name",
            "pathname",
            "target_file",
            "path_to_file",
            "absolute_path",
            "relative_path",
            "relative_workspace_path",
            "directory",
            "dir",
            "dir_path",
            "directory_path",
            "folder",
        ],
    ),
    (
        "text",
        &[
            "content",
            "contents",
            "file_text",
            "file_content",
            "file_contents",
            "new_content",
            "code_content",
            "data",
        ],
    ),
    (
        "old",
        &[
            "old_string",
            "old_str",
            "old_text",
            "search",
            "find",
            "original",
            "original_text",
        ],
    ),
    (
        "new",
        &[
            "new_string",
            "new_str",
            "new_text",
            "replace",
            "replacement",
            "replace_with",
            "updated_text",
        ],
    ),
    ("all", &["replace_all", "all_occurrences", "global"]),
    ("edits", &["replacements", "changes"]),
    (
        "command",
        &[
            "cmd",
            "script",
            "shell_command",
            "command_line",
            "commandline",
            "bash_command",
            "bash",
        ],
    ),
    (
        "cwd",
        &[
            "workdir",
            "work_dir",
            "working_directory",
            "working_dir",
            "directory",
            "dir",
            "folder",
        ],
    ),
    (
        "timeout_seconds",
        &[
            "timeout",
            "timeout_secs",
            "timeout_sec",
            "timeout_s",
            "time_limit",
            "timeout_ms",
            "timeout_milliseconds",
        ],
    ),
    ("stdin", &["input", "standard_input"]),
    (
        "pattern",
        &[
            "query",
            "regex",
            "regexp",
            "search_pattern",
            "search_term",
            "search_query",
            "q",
        ],
    ),
    (
        "glob",
        &[
            "include",
            "include_pattern",
            "file_pattern",
            "glob_pattern",
            "file_glob",
            "includes",
            "pattern",
        ],
    ),
    ("ignore_case", &["case_insensitive", "insensitive", "i"]),
    ("context", &["context_lines", "c"]),
    ("depth", &["max_depth", "level", "levels"]),
    (
        "from_line",
        &[
            "start_line",
            "line_start",
            "offset",
            "start",
            "first_line",
            "start_line_one_indexed",
            "line",
        ],
    ),
    (
        "lines",
        &["limit", "num_lines", "line_count", "max_lines", "count"],
    ),
    (
        "filter",
        &[
            "test",
            "test_name",
            "test_filter",
            "tests",
            "name",
            "pattern",
            "k",
            "target",
        ],
    ),
    (
        "dir",
        &[
            "directory",
            "folder",
            "project",
            "path",
            "cwd",
            "project_path",
        ],
    ),
    ("reference", &["ref", "id"]),
    (
        "code",
        &["python", "python_code", "script", "source", "source_code"],
    ),
    ("message", &["msg", "commit_message"]),
    ("question", &["text", "message", "prompt", "query"]),
    (
        "summary",
        &[
            "result",
            "message",
            "text",
            "answer",
            "final_answer",
            "response",
            "output",
            "content",
        ],
    ),
];

/// What other systems ask a model to say beside what it does: it changes nothing.
const REMARKS: &[&str] = &[
    "description",
    "explanation",
    "reason",
    "reasoning",
    "thought",
    "thoughts",
    "rationale",
    "tool_summary",
];

/// A tool of ours, and what other systems call it.
const TOOLS: &[(&str, &[&str])] = &[
    (
        "execute",
        &[
            "bash",
            "shell",
            "sh",
            "terminal",
            "exec",
            "run_command",
            "execute_command",
            "run_shell_command",
            "run_terminal_cmd",
            "run_in_terminal",
            "shell_command",
            "exec_command",
            "local_shell",
            "execute_bash",
        ],
    ),
    (
        "read_file",
        &[
            "read",
            "view",
            "cat",
            "open_file",
            "view_file",
            "file_read",
            "read_text_file",
            "get_file_contents",
        ],
    ),
    (
        "write_file",
        &[
            "write",
            "create",
            "create_file",
            "save_file",
            "write_to_file",
            "file_write",
            "insert_file",
        ],
    ),
    (
        "edit_file",
        &[
            "edit",
            "str_replace",
            "replace_in_file",
            "search_replace",
            "search_and_replace",
            "file_edit",
            "replace",
        ],
    ),
    (
        "list_files",
        &[
            "ls",
            "list",
            "list_dir",
            "list_directory",
            "glob",
            "find_files",
            "glob_file_search",
            "list_folder",
        ],
    ),
    (
        "search",
        &[
            "grep",
            "ripgrep",
            "rg",
            "grep_search",
            "search_files",
            "search_file_content",
            "find_in_files",
            "search_code",
        ],
    ),
    ("run_tests", &["run_test", "test", "execute_tests"]),
    (
        "execute_python",
        &[
            "python",
            "ipython",
            "run_python",
            "python_execute",
            "execute_ipython_cell",
        ],
    ),
    (
        "finish",
        &[
            "attempt_completion",
            "task_complete",
            "complete_task",
            "submit",
            "final_answer",
            "done",
        ],
    ),
    (
        "ask_operator",
        &[
            "ask_followup_question",
            "ask_user",
            "ask_user_question",
            "ask_human",
            "ask",
        ],
    ),
];

/// Tools of other systems that do several things, told apart by `command`.
const EDITORS: &[&str] = &[
    "str_replace_editor",
    "str_replace_based_edit_tool",
    "str_replace_based_edit",
    "text_editor",
];

/// What their commands are here.
const EDITOR_COMMANDS: &[(&str, &str)] = &[
    ("view", "read_file"),
    ("create", "write_file"),
    ("str_replace", "edit_file"),
];

/// The tool of ours that is meant by a name, which is none of ours.
pub(super) fn tool(name: &str, arguments: &str) -> Option<&'static str> {
    let name = snake(name);
    if EDITORS.contains(&name.as_str()) {
        let given: Value = serde_json::from_str(arguments).ok()?;
        let command = given["command"].as_str()?;
        return EDITOR_COMMANDS
            .iter()
            .find(|(theirs, _)| *theirs == command)
            .map(|(_, ours)| *ours);
    }
    TOOLS
        .iter()
        .find(|(ours, theirs)| *ours == name || theirs.contains(&name.as_str()))
        .map(|(ours, _)| *ours)
}

/// Gives fields the names that a schema knows. What is said twice must be the same.
pub(super) fn rename(
    map: &mut Map<String, Value>,
    known: &Map<String, Value>,
) -> Result<(), String> {
    let theirs: Vec<String> = map
        .keys()
        .filter(|key| !known.contains_key(*key))
        .cloned()
        .collect();
    for key in theirs {
        let name = snake(&key);
        if is_remark(&name, map.get(&key)) {
            map.remove(&key);
            continue;
        }
        let Some(ours) = field(&name, known) else {
            continue;
        };
        let Some(value) = map.remove(&key) else {
            continue;
        };
        let value = if name.contains("timeout") {
            seconds(&name, value, known.get(ours))
        } else {
            value
        };
        match map.get(ours) {
            Some(other) if *other != value && !value.is_null() && !other.is_null() => {
                return Err(format!(
                    "`{ours}` and `{key}` mean the same and differ; send only `{ours}`"
                ));
            }
            Some(other) if !other.is_null() => {}
            _ => {
                map.insert(ours.to_owned(), value);
            }
        }
    }
    Ok(())
}

/// The one field of a schema that a name can mean.
fn field<'a>(name: &str, known: &'a Map<String, Value>) -> Option<&'a str> {
    if let Some((ours, _)) = known.get_key_value(name) {
        return Some(ours);
    }
    let mut meant = FIELDS
        .iter()
        .filter(|(_, theirs)| theirs.contains(&name))
        .filter_map(|(ours, _)| known.get_key_value(*ours));
    let first = meant.next()?;
    meant.next().is_none().then_some(first.0.as_str())
}

fn is_remark(name: &str, value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(text)) => {
            REMARKS.contains(&name)
                || name == "command" && EDITOR_COMMANDS.iter().any(|(theirs, _)| theirs == text)
        }
        Some(Value::Bool(false) | Value::Null) => [
            "run_in_background",
            "is_background",
            "background",
            "require_user_approval",
        ]
        .contains(&name),
        _ => false,
    }
}

/// A time limit of another system: more than the most seconds that are allowed can only be milliseconds.
fn seconds(name: &str, value: Value, schema: Option<&Value>) -> Value {
    let most = schema
        .and_then(|schema| schema["maximum"].as_u64())
        .unwrap_or(u64::MAX);
    let number = value
        .as_u64()
        .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    match number {
        Some(ms) if name.contains("ms") || name.contains("milli") || ms > most => {
            ms.div_ceil(1_000).into()
        }
        _ => value,
    }
}

/// The edits of a call that names one replacement beside the path, as other systems have it.
pub(super) fn gather_edit(value: &mut Value) {
    let Value::Object(map) = value else { return };
    let is = |key: &str, ours: &str| {
        let name = snake(key);
        name == ours
            || FIELDS
                .iter()
                .any(|(field, theirs)| *field == ours && theirs.contains(&name.as_str()))
    };
    if map.keys().any(|key| is(key, "edits"))
        || !["old", "new"]
            .iter()
            .all(|ours| map.keys().any(|key| is(key, ours)))
    {
        return;
    }
    let parts: Vec<String> = map
        .keys()
        .filter(|key| ["old", "new", "all"].iter().any(|ours| is(key, ours)))
        .cloned()
        .collect();
    let edit: Map<String, Value> = parts
        .into_iter()
        .filter_map(|key| map.remove_entry(&key))
        .collect();
    map.insert("edits".into(), Value::Array(vec![Value::Object(edit)]));
}

/// A range of lines, as two numbers or as first and last, becomes a first line and how many.
pub(super) fn gather_range(value: &mut Value) {
    let Value::Object(map) = value else { return };
    let number = |value: &Value| {
        value
            .as_i64()
            .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
    };
    let key = |names: &[&str]| {
        map.keys()
            .find(|key| names.contains(&snake(key).as_str()))
            .cloned()
    };
    let range = key(&["view_range", "line_range", "range"]);
    let last = key(&[
        "end_line",
        "line_end",
        "to_line",
        "last_line",
        "end",
        "end_line_one_indexed",
        "end_line_one_indexed_inclusive",
    ]);
    let first = key(&[
        "from_line",
        "start_line",
        "line_start",
        "start",
        "first_line",
        "start_line_one_indexed",
    ]);
    let (from, to) = match (&range, &last) {
        (Some(range), None) => match map.get(range).and_then(Value::as_array).map(Vec::as_slice) {
            Some([from, to]) => (number(from), number(to)),
            _ => return,
        },
        (None, Some(last)) if !map.contains_key("lines") => (
            first.as_ref().and_then(|key| number(&map[key])).or(Some(1)),
            number(&map[last]),
        ),
        _ => return,
    };
    let (Some(from), Some(to)) = (from, to) else {
        return;
    };
    for key in [range, last, first].into_iter().flatten() {
        map.remove(&key);
    }
    map.insert("from_line".into(), from.into());
    // -1 stands for the end of the file.
    if to >= from {
        map.insert("lines".into(), (to - from + 1).min(2_000).into());
    }
}

/// A command as a list of words, as other systems have it: a shell with a script, or a program with its arguments.
pub(super) fn join_command(value: &mut Value) {
    let Value::Object(map) = value else { return };
    for value in map.values_mut() {
        let Value::Array(words) = value else { continue };
        let Some(words) = words.iter().map(Value::as_str).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let script = match words.as_slice() {
            [shell, flag, script]
                if ["bash", "sh", "/bin/bash", "/bin/sh"].contains(shell)
                    && ["-c", "-lc"].contains(flag) =>
            {
                (*script).to_owned()
            }
            words => words
                .iter()
                .map(|word| keiko_contracts::step::quoted(word))
                .collect::<Vec<_>>()
                .join(" "),
        };
        *value = Value::String(script);
    }
}

/// `filePath`, `file-path` and `FilePath` are `file_path`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars().take(64) {
        if c.is_ascii_uppercase() {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(if c == '-' || c == ' ' { '_' } else { c });
        }
    }
    out.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use crate::tools::report::fixture;
    use crate::tools::{Resolved, standard};
    use keiko_contracts::jail::{Command, JailOp};
    use serde_json::{Value, json};

    fn resolved(tool: &str, arguments: &Value) -> Result<String, String> {
        let tools = standard();
        let name = tools.canonical(tool, &arguments.to_string());
        let tool = tools.find(&name, true).map_err(|bad| bad.0)?;
        match tool
            .resolve(&arguments.to_string(), &fixture::context())
            .map_err(|bad| bad.0)?
        {
            Resolved::Action(action) => Ok(match fixture::op(&action) {
                JailOp::WriteFile { path, text } => {
                    format!("write {path}: {}", text.text_or_empty())
                }
                JailOp::EditFile { path, edits } => {
                    let edits: Vec<String> = edits
                        .iter()
                        .map(|e| {
                            format!(
                                "{}>{}{}",
                                e.old.text_or_empty(),
                                e.new.text_or_empty(),
                                if e.all { "*" } else { "" }
                            )
                        })
                        .collect();
                    format!("edit {path}: {}", edits.join(" "))
                }
                JailOp::ReadFile {
                    path,
                    from_line,
                    lines,
                } => format!("read {path} {from_line}+{lines}"),
                JailOp::ListFiles { path, glob, .. } => {
                    format!("list {path:?} {}", glob.as_deref().unwrap_or("-"))
                }
                JailOp::Search {
                    pattern,
                    path,
                    glob,
                    ..
                } => format!(
                    "search {pattern} in {path:?} {}",
                    glob.as_deref().unwrap_or("-")
                ),
                JailOp::Exec(spec) => match &spec.command {
                    Command::Shell(script) => format!(
                        "run {} in {:?} {}",
                        script.text_or_empty(),
                        spec.cwd,
                        spec.limits.wall_ms
                    ),
                    other => format!("{other:?}"),
                },
                other => format!("{other:?}"),
            }),
            other => Ok(format!("{other:?}")),
        }
    }

    #[test]
    fn names_that_models_were_trained_on_are_taken_where_they_mean_one_thing() {
        let same = |all: &[(&str, Value)], want: &str| {
            for (tool, arguments) in all {
                assert_eq!(
                    resolved(tool, arguments).as_deref(),
                    Ok(want),
                    "{tool} {arguments}"
                );
            }
        };
        same(
            &[
                ("write_file", json!({"path": "a.py", "text": "x"})),
                ("write_file", json!({"path": "a.py", "content": "x"})),
                (
                    "Write",
                    json!({"file_path": "/workspace/a.py", "content": "x"}),
                ),
                (
                    "create_file",
                    json!({"filePath": "a.py", "content": "x", "explanation": "a new file"}),
                ),
                (
                    "str_replace_editor",
                    json!({"command": "create", "path": "a.py", "file_text": "x"}),
                ),
                (
                    "write_file",
                    json!({"filename": "a.py", "contents": "x", "path": "a.py"}),
                ),
                (
                    "write_file",
                    json!("{\"path\": \"a.py\", \"content\": \"x\"}"),
                ),
            ],
            "write a.py: x",
        );
        same(
            &[
                (
                    "edit_file",
                    json!({"path": "a.py", "edits": [{"old": "x", "new": "y"}]}),
                ),
                (
                    "edit_file",
                    json!({"path": "a.py", "edits": {"old_string": "x", "new_string": "y"}}),
                ),
                (
                    "edit_file",
                    json!({"path": "a.py", "edits": "[{\"old\": \"x\", \"new\": \"y\"}]"}),
                ),
                (
                    "Edit",
                    json!({"file_path": "a.py", "old_string": "x", "new_string": "y", "replace_all": false}),
                ),
                (
                    "edit_file",
                    json!({"path": "a.py", "old_str": "x", "new_str": "y"}),
                ),
                (
                    "str_replace_based_edit_tool",
                    json!({"command": "str_replace", "path": "a.py", "old_str": "x", "new_str": "y"}),
                ),
                (
                    "replace_in_file",
                    json!({"filePath": "a.py", "oldString": "x", "newString": "y"}),
                ),
                (
                    "edit_file",
                    json!({"file": "a.py", "search": "x", "replace": "y"}),
                ),
            ],
            "edit a.py: x>y",
        );
        same(
            &[
                (
                    "read_file",
                    json!({"path": "a.py", "from_line": 3, "lines": 8}),
                ),
                (
                    "Read",
                    json!({"file_path": "a.py", "offset": 3, "limit": 8}),
                ),
                ("view", json!({"path": "a.py", "view_range": [3, 10]})),
                (
                    "read_file",
                    json!({"target_file": "a.py", "start_line": "3", "end_line": "10"}),
                ),
                (
                    "str_replace_editor",
                    json!({"command": "view", "path": "a.py", "view_range": [3, 10]}),
                ),
            ],
            "read a.py 3+8",
        );
        same(
            &[
                (
                    "execute",
                    json!({"command": "ls -l", "cwd": "src", "timeout_seconds": 5}),
                ),
                (
                    "bash",
                    json!({"cmd": "ls -l", "workdir": "src", "timeout": "5"}),
                ),
                (
                    "Bash",
                    json!({"command": "ls -l", "cwd": "src", "timeout": 5000, "description": "lists", "run_in_background": false}),
                ),
                (
                    "shell",
                    json!({"command": ["bash", "-lc", "ls -l"], "workdir": "src", "timeout_ms": 5000}),
                ),
                (
                    "exec",
                    json!({"command": ["ls", "-l"], "working_directory": "src", "timeout": 5}),
                ),
            ],
            "run ls -l in \"src\" 5000",
        );
        same(
            &[
                (
                    "search",
                    json!({"pattern": "x", "path": "src", "glob": "*.py"}),
                ),
                (
                    "grep",
                    json!({"query": "x", "path": "src", "include": "*.py"}),
                ),
                (
                    "search",
                    json!({"regex": "x", "directory": "src", "file_pattern": "*.py"}),
                ),
            ],
            "search x in \"src\" *.py",
        );
        same(
            &[
                ("Glob", json!({"pattern": "*.py", "path": "src"})),
                ("list_files", json!({"dir": "src", "glob": "*.py"})),
            ],
            "list \"src\" *.py",
        );
    }

    #[test]
    fn what_can_mean_two_things_is_refused_with_what_would_be_right() {
        let said = |tool: &str, arguments: Value| resolved(tool, &arguments).unwrap_err();
        let both = said(
            "write_file",
            json!({"path": "a.py", "text": "x", "content": "y"}),
        );
        assert_eq!(
            both,
            "`text` and `content` mean the same and differ; send only `text`"
        );
        let two = said(
            "write_file",
            json!({"file_path": "a.py", "filename": "b.py", "text": "x"}),
        );
        assert!(two.contains("mean the same and differ"), "{two}");
        assert!(
            said(
                "bash",
                json!({"command": "sleep 9", "run_in_background": true})
            )
            .contains("`run_in_background` is not known")
        );
        assert!(
            said("write_file", json!({"path": "a.py", "text": {"a": 1}}))
                .contains("`text` is the object")
        );
        assert!(
            said(
                "str_replace_editor",
                json!({"command": "insert", "path": "a.py"})
            )
            .contains("there is no tool `str_replace_editor`")
        );
        assert!(
            said("write_file", json!({"path": "a.py", "body": "x"}))
                .contains("`body` is not known")
        );
    }
}
