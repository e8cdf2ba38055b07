//! What linters and formatters print, read into findings.

use super::report::{Finding, Severity};
use super::{Facts, join};
use keiko_contracts::jail::End;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use serde_json::Value;

fn finding(
    severity: Severity,
    file: String,
    line: u64,
    rule: &str,
    tool: &str,
    message: impl Into<Said>,
    fixable: bool,
) -> Finding {
    let line = u32::try_from(line).unwrap_or(0);
    Finding {
        severity,
        file,
        line,
        rule: rule.to_owned(),
        tool: tool.to_owned(),
        message: message.into(),
        fixable,
    }
}

/// What a tool says, in one line that fits a report.
fn words(message: &str) -> Said {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    Said::words(line.chars().take(300).collect::<String>())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

/// JSON lines of `py_compile.py`.
pub(super) fn py_compile(out: &str, dir: &str) -> Vec<Finding> {
    let values = out
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let read = values.map(|value| {
        let severity = if text(&value, "severity") == "error" {
            Severity::Error
        } else {
            Severity::Warning
        };
        let file = join(dir, text(&value, "file"));
        finding(
            severity,
            file,
            value["line"].as_u64().unwrap_or(0),
            text(&value, "rule"),
            "python",
            words(text(&value, "message")),
            false,
        )
    });
    read.collect()
}

/// `ruff check --output-format json`: paths are absolute.
pub(super) fn ruff(out: &str, dir: &str) -> Option<Vec<Finding>> {
    let values: Vec<Value> = serde_json::from_str(out.trim()).ok()?;
    let read = values.iter().map(|value| {
        let code = if value["code"].is_null() {
            "syntax-error"
        } else {
            text(value, "code")
        };
        let severity = if code == "syntax-error" || code.starts_with("E9") {
            Severity::Error
        } else {
            Severity::Warning
        };
        let fixable = value["fix"]["applicability"].as_str() == Some("safe");
        let file = relative(text(value, "filename"), dir);
        finding(
            severity,
            file,
            value["location"]["row"].as_u64().unwrap_or(0),
            code,
            "ruff",
            words(text(value, "message")),
            fixable,
        )
    });
    Some(read.collect())
}

/// An absolute path as the workspace names it: what follows the project's folder, or the root that the jail uses.
fn relative(path: &str, dir: &str) -> String {
    let inside = match path.strip_prefix('/') {
        None => return join(dir, path),
        Some(_) if !dir.is_empty() => path
            .rsplit_once(&format!("/{dir}/"))
            .map(|(_, inside)| inside),
        Some(_) => path.strip_prefix("/workspace/"),
    };
    inside.map_or_else(|| path.to_owned(), |inside| join(dir, inside))
}

/// `eslint -f json`. Absolute paths are cut until they name a known file.
pub(super) fn eslint(
    out: &str,
    dir: &str,
    is_known: impl Fn(&str) -> bool,
) -> Option<Vec<Finding>> {
    let files: Vec<Value> = serde_json::from_str(out.trim()).ok()?;
    let mut found = Vec::new();
    for file in &files {
        let path = text(file, "filePath");
        let tail = std::iter::successors(Some(path), |rest| {
            rest.split_once('/').map(|(_, rest)| rest)
        })
        .find(|tail| is_known(tail));
        let path = tail.map_or_else(|| relative(path, dir), str::to_owned);
        for message in file["messages"].as_array().into_iter().flatten() {
            let severity = if message["severity"].as_u64() == Some(2) {
                Severity::Error
            } else {
                Severity::Warning
            };
            let rule = message["ruleId"].as_str().unwrap_or("parse");
            let fixable = message["fix"].is_object();
            found.push(finding(
                severity,
                path.clone(),
                message["line"].as_u64().unwrap_or(0),
                rule,
                "eslint",
                words(text(message, "message")),
                fixable,
            ));
        }
    }
    Some(found)
}

/// Cargo's JSON messages. `None` when nothing was compiled, for a missing dependency for example.
pub(super) fn cargo(out: &str, dir: &str, tool: &str, end: &End) -> Option<Vec<Finding>> {
    let mut found = Vec::new();
    let mut messages = 0;
    for value in out
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        messages += 1;
        let message = &value["message"];
        let severity = match text(message, "level") {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => continue,
        };
        let spans = message["spans"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let Some(span) = spans
            .iter()
            .find(|span| span["is_primary"].as_bool() == Some(true))
        else {
            continue;
        };
        let rule = message["code"]["code"].as_str().unwrap_or("compile");
        let children = message["children"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut suggestions = children
            .iter()
            .flat_map(|child| child["spans"].as_array().into_iter().flatten())
            .chain(spans);
        let fixable = suggestions
            .any(|span| span["suggestion_applicability"].as_str() == Some("MachineApplicable"));
        let file = join(dir, text(span, "file_name"));
        found.push(finding(
            severity,
            file,
            span["line_start"].as_u64().unwrap_or(0),
            rule,
            tool,
            words(text(message, "message")),
            fixable,
        ));
    }
    (messages > 0 || *end == End::Exit(0)).then_some(found)
}

/// One path a line, after a prefix.
pub(super) fn unformatted(out: &str, dir: &str, prefix: &str, tool: &str) -> Vec<Finding> {
    let paths = out
        .lines()
        .filter_map(|line| line.strip_prefix(prefix))
        .map(str::trim)
        .filter(|path| !path.is_empty());
    paths
        .map(|path| {
            finding(
                Severity::Note,
                join(dir, path),
                0,
                "unformatted",
                tool,
                "not formatted",
                tool == "gofmt",
            )
        })
        .collect()
}

/// `cargo fmt --check -- -l` prints absolute paths: known files are found by their tails.
pub(super) fn rustfmt(out: &str, dir: &str, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for path in out
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with(".rs"))
    {
        let mut tails = std::iter::successors(Some(path), |rest| {
            rest.split_once('/').map(|(_, rest)| rest)
        });
        let file = tails
            .find(|tail| facts.sources.files.contains_key(*tail))
            .map_or_else(|| relative(path, dir), str::to_owned);
        found.push(finding(
            Severity::Note,
            file,
            0,
            "unformatted",
            "rustfmt",
            "not formatted",
            false,
        ));
    }
    found
}

/// `go vet`: `./a/b.go:12:3: message` lines.
pub(super) fn go_vet(err: &str, dir: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for line in err.lines() {
        let line = line.strip_prefix("vet: ").unwrap_or(line);
        let mut parts = line.splitn(4, ':');
        if let (Some(file), Some(number), Some(_), Some(message)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
            && let (true, Ok(number)) = (file.ends_with(".go"), number.parse())
        {
            found.push(finding(
                Severity::Warning,
                join(dir, file),
                number,
                "vet",
                "go vet",
                words(message),
                false,
            ));
        }
    }
    found
}

/// `node --check`: the place stands on the first line, the error further down.
pub(super) fn node_check(out: &str, dir: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut place: Option<(String, u64)> = None;
    for line in out.lines() {
        if let Some((path, number)) = line.rsplit_once(':')
            && let (true, Ok(number)) = (path.ends_with("js"), number.parse())
        {
            place = Some((join(dir, path), number));
        } else if let Some(message) = line.strip_prefix("SyntaxError: ")
            && let Some((file, number)) = place.take()
        {
            found.push(finding(
                Severity::Error,
                file,
                number,
                "syntax-error",
                "node",
                words(message),
                false,
            ));
        }
    }
    found
}

/// `typos --format json`: a JSON value a line.
pub(super) fn typos(out: &str, dir: &str) -> Vec<Finding> {
    let values = out
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found = values
        .filter(|value| text(value, "type") == "typo")
        .map(|value| {
            let corrections: Vec<&str> = value["corrections"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let message = say!(
                "`{word}` should be {words}",
                word = text(&value, "typo"),
                words = corrections.join(" or ")
            );
            let line = value["line_num"].as_u64().unwrap_or(0);
            finding(
                Severity::Note,
                join(dir, text(&value, "path")),
                line,
                "typo",
                "typos",
                message,
                corrections.len() == 1,
            )
        });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clippy_messages_become_findings() {
        let line = r#"{"reason":"compiler-message","message":{"level":"warning","message":"len is\nzero","code":{"code":"clippy::len_zero"},"spans":[{"file_name":"src/a.rs","line_start":4,"is_primary":true}],"children":[{"spans":[{"suggestion_applicability":"MachineApplicable"}]}]}}"#;
        let found = cargo(line, "sub", "clippy", &End::Exit(0)).unwrap();
        assert_eq!(
            (found[0].file.as_str(), found[0].line, found[0].fixable),
            ("sub/src/a.rs", 4, true)
        );
        assert_eq!(found[0].message, "len is zero");
        assert_eq!(
            cargo("no such package", "", "clippy", &End::Exit(101)),
            None
        );
    }

    #[test]
    fn ruff_paths_become_relative_and_only_safe_fixes_count() {
        let out = r#"[{"code":"F401","filename":"/workspace/a/b.py","location":{"row":1},"message":"unused","fix":{"applicability":"safe"}},
            {"code":"B006","filename":"/workspace/c.py","location":{"row":9},"message":"default","fix":{"applicability":"unsafe"}}]"#;
        let found = ruff(out, "").unwrap();
        assert_eq!(found[0].file, "a/b.py");
        assert_eq!((found[0].fixable, found[1].fixable), (true, false));
        assert_eq!(ruff("error: no", ""), None);
    }

    #[test]
    fn syntax_errors_of_node_have_their_place() {
        let out = "src/a.js:3\n  if (x {\n        ^\n\nSyntaxError: Unexpected token '{'\n    at wrapSafe (node:internal)\n";
        let found = node_check(out, "web");
        assert_eq!((found[0].file.as_str(), found[0].line), ("web/src/a.js", 3));
    }

    #[test]
    fn vet_and_typos_and_gofmt_are_read() {
        assert_eq!(
            go_vet(
                "# pkg\n./a.go:7:2: Printf format %d has arg x of wrong type\n",
                ""
            )[0]
            .line,
            7
        );
        let word = r#"{"type":"typo","path":"./README.md","line_num":2,"typo":"teh","corrections":["the"]}"#;
        assert!(typos(word, "")[0].fixable);
        assert_eq!(unformatted("a.go\n\nb.go\n", "x", "", "gofmt").len(), 2);
    }
}
