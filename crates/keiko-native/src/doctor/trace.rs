//! Which lines each test runs: measured for Python, Node and Go, reached by names otherwise.

use super::answer::{argv, run};
use super::source::{Lang, Sources, is_test_file, mask};
use super::{NativeCall, Suite, is_red, join};
use keiko_contracts::jail::{Command, Toolchain};
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Runs tests one by one and records their lines, without coverage.py.
const PYTHON: &str = include_str!("trace.py");
/// Runs tests one by one under V8's own coverage.
const NODE: &str = include_str!("trace.mjs");
/// Stands before the JSON in what a tracer prints.
const MARK: &str = "@@@keiko-trace@@@";
/// How many tests are traced one by one where each is a process of its own.
const MAX_TESTS: usize = 60;
/// Time for a trace.
const WALL_MS: u32 = 240_000;

/// What the Python tracer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Record lines.
    Lines,
    /// Run in reverse order.
    Reverse,
    /// Run in the usual order, recording nothing.
    Forward,
}

/// A test and the lines it ran, as the workspace names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traced {
    pub(super) name: String,
    pub(super) failed: bool,
    pub(super) lines: BTreeSet<(String, u32)>,
    /// Where the project itself raised, when it did.
    pub(super) raised: BTreeSet<(String, u32)>,
}

/// The call that traces a Python suite; `None` for other suites and runners.
pub(super) fn python(suite: &Suite, mode: Mode, id: String) -> Option<NativeCall> {
    let runner = suite.project.runner.as_deref()?;
    if suite.project.toolchain != Toolchain::Python || !matches!(runner, "unittest" | "pytest") {
        return None;
    }
    let (word, title) = match mode {
        Mode::Lines => ("lines", "record which lines each test runs"),
        Mode::Reverse => ("reverse", "run the tests in reverse order"),
        Mode::Forward => ("forward", "run the tests in the usual order"),
    };
    Some(run(
        id,
        title,
        &suite.project.dir,
        argv(&["python3", "-c", PYTHON, runner, word]),
        WALL_MS,
    ))
}

/// The call that records lines per test; `None` where nothing can measure them.
pub(super) fn lines(suite: &Suite, sources: &Sources, id: String) -> Option<NativeCall> {
    let title = "record which lines each test runs";
    let dir = suite.project.dir.as_str();
    match suite.project.toolchain {
        Toolchain::Python => python(suite, Mode::Lines, id),
        Toolchain::Node if suite.project.runner.as_deref() == Some("node") => {
            let prefix = join(dir, "");
            let files = sources.files.keys().filter(|path| {
                path.starts_with(&prefix) && is_test_file(path) && !path.contains("fixtures/")
            });
            let files: Vec<&str> = files
                .map(|path| &path[prefix.len()..])
                .filter(|path| path.ends_with("js"))
                .take(MAX_TESTS)
                .collect();
            let mut words = vec!["node", "--input-type=module", "-e", NODE, "--"];
            words.extend(files);
            Some(run(id, title, dir, argv(&words), WALL_MS))
        }
        Toolchain::Go => {
            let plain = |name: &&str| {
                name.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            let mut cases: Vec<_> = suite.cases().iter().collect();
            cases.sort_by_key(|case| !is_red(case.status));
            let names: BTreeSet<&str> = cases
                .iter()
                .filter_map(|case| case.name.rsplit(['/', '.', ' ', ':']).next())
                .filter(plain)
                .take(MAX_TESTS)
                .collect();
            let names = names.into_iter().collect::<Vec<_>>().join(" ");
            let script = format!(
                "for t in {names}; do rm -f /tmp/keiko-cover; \
                 if go test -count=1 -run \"^$t$\" -coverpkg=./... -coverprofile=/tmp/keiko-cover ./... >/dev/null 2>&1; \
                 then s=passed; else s=failed; fi; echo \"{MARK} $t $s\"; cat /tmp/keiko-cover 2>/dev/null; done; true"
            );
            Some(run(id, title, dir, Command::Shell(script.into()), WALL_MS))
        }
        Toolchain::Node | Toolchain::Rust => None,
    }
}

/// Reads a trace; names become those of the suite's own cases where they can be matched.
pub(super) fn read(out: &str, suite: &Suite) -> Option<Vec<Traced>> {
    let traced = if suite.project.toolchain == Toolchain::Go {
        read_go(out, suite)
    } else {
        read_json(out, suite)?
    };
    let mut kept = Vec::new();
    for mut test in traced {
        let case = suite
            .cases()
            .iter()
            .find(|case| same_test(&case.name, &test.name));
        if let Some(case) = case {
            test.name.clone_from(&case.name);
        }
        kept.push(test);
    }
    Some(kept)
}

/// One name ends with the other at a boundary: runners differ in how much of the path they show.
pub(super) fn same_test(a: &str, b: &str) -> bool {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    long.strip_suffix(short)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', '/', ':', '>', ' ']))
}

fn read_json(out: &str, suite: &Suite) -> Option<Vec<Traced>> {
    let (_, json) = out.rsplit_once(MARK)?;
    let value: Value = serde_json::from_str(json.trim()).ok()?;
    let tests = value["tests"].as_array()?.iter().map(|test| {
        let mut lines = BTreeSet::new();
        for (file, numbers) in test["lines"].as_object().into_iter().flatten() {
            let path = suite.path(file);
            let numbers = numbers
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_u64);
            lines
                .extend(numbers.filter_map(|line| Some((path.clone(), u32::try_from(line).ok()?))));
        }
        let raised = test["raised"].as_array().into_iter().flatten();
        let raised = raised.filter_map(|place| {
            Some((
                suite.path(place[0].as_str()?),
                u32::try_from(place[1].as_u64()?).ok()?,
            ))
        });
        let name = test["name"].as_str().unwrap_or("").to_owned();
        Traced {
            name,
            failed: test["failed"].as_bool() == Some(true),
            lines,
            raised: raised.collect(),
        }
    });
    Some(tests.collect())
}

/// Cover profiles, one after each mark: `module/pkg/file.go:12.3,15.4 2 1`.
fn read_go(out: &str, suite: &Suite) -> Vec<Traced> {
    let mut tests = Vec::new();
    for piece in out.split(MARK).skip(1) {
        let (head, profile) = piece.split_once('\n').unwrap_or((piece, ""));
        let mut words = head.split_whitespace();
        let mut test = Traced {
            name: words.next().unwrap_or("").to_owned(),
            failed: words.next() == Some("failed"),
            ..Traced::default()
        };
        for line in profile.lines().filter(|line| !line.ends_with(" 0")) {
            let Some((path, span)) = line.split_once(':') else {
                continue;
            };
            let number = |text: &str| text.split('.').next().and_then(|n| n.parse::<u32>().ok());
            let mut ends = span.split([',', ' ']);
            let (Some(from), Some(to)) =
                (ends.next().and_then(number), ends.next().and_then(number))
            else {
                continue;
            };
            // The module's name stands before the folder; it is at least one part long.
            let inside = path.split_once('/').map_or(path, |(_, rest)| rest);
            test.lines.extend(
                (from..=to.min(from.saturating_add(2_000))).map(|line| (suite.path(inside), line)),
            );
        }
        tests.push(test);
    }
    tests
}

/// Go's profile names files by module; cut leading parts until the file is known.
pub(super) fn settle_paths(tests: &mut [Traced], sources: &Sources) {
    for test in tests {
        let lines = std::mem::take(&mut test.lines);
        for (path, line) in lines {
            let mut tails = std::iter::successors(Some(path.as_str()), |rest| {
                rest.split_once('/').map(|(_, rest)| rest)
            });
            if let Some(known) = tails.find(|tail| sources.files.contains_key(*tail)) {
                test.lines.insert((known.to_owned(), line));
            }
        }
    }
}

/// What tests can reach by the names they call, three calls deep: for languages in braces where no line can be
/// measured here. Weaker than a measurement, and the report says so.
pub(super) fn by_names(suite: &Suite, sources: &Sources) -> Vec<Traced> {
    let functions = functions(suite, sources);
    let mut tests = Vec::new();
    for case in suite.cases() {
        let own = case
            .name
            .rsplit([':', '/', '.', ' '])
            .next()
            .unwrap_or(&case.name);
        let mut reached: BTreeSet<usize> = BTreeSet::new();
        let mut edge: Vec<usize> = functions
            .iter()
            .flat_map(|(name, all)| all.iter().filter(move |f| f.is_test && name == own))
            .map(|f| f.index)
            .collect();
        let by_index: BTreeMap<usize, &Function> =
            functions.values().flatten().map(|f| (f.index, f)).collect();
        for _ in 0..4 {
            let next: Vec<usize> = edge
                .iter()
                .filter(|index| reached.insert(**index))
                .filter_map(|index| by_index.get(index))
                .flat_map(|f| {
                    f.calls
                        .iter()
                        .filter_map(|name| functions.get(name))
                        .flatten()
                        .map(|f| f.index)
                })
                .collect();
            edge = next;
        }
        let bodies = reached
            .iter()
            .filter_map(|index| by_index.get(index))
            .filter(|f| !f.is_test);
        let lines = bodies
            .flat_map(|f| f.lines.clone().map(|line| (f.file.clone(), line)))
            .collect();
        tests.push(Traced {
            name: case.name.clone(),
            failed: is_red(case.status),
            lines,
            ..Traced::default()
        });
    }
    tests
}

struct Function {
    index: usize,
    file: String,
    lines: std::ops::RangeInclusive<u32>,
    calls: BTreeSet<String>,
    is_test: bool,
}

/// All functions of the suite's project by name.
fn functions(suite: &Suite, sources: &Sources) -> BTreeMap<String, Vec<Function>> {
    let mut all: BTreeMap<String, Vec<Function>> = BTreeMap::new();
    let (Ok(header), Ok(call)) = (
        Regex::new(r"\b(?:fn|func|function)\s+(?:\([^)]*\)\s*)?(\w+)"),
        Regex::new(r"\b(\w+)\s*(?:::<[^>]*>)?\("),
    ) else {
        return all;
    };
    let mut index = 0;
    let prefix = join(&suite.project.dir, "");
    for (path, text) in sources
        .files
        .iter()
        .filter(|(path, _)| path.starts_with(&prefix))
    {
        let Some(lang) = Lang::of(path).filter(|lang| *lang != Lang::Python) else {
            continue;
        };
        let code = mask(lang, text);
        let tests_from = code.find("#[cfg(test)]").unwrap_or(code.len());
        for found in header.captures_iter(&code) {
            let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else {
                continue;
            };
            let Some((open, close)) = braces(&code, whole.end()) else {
                continue;
            };
            let line =
                |at: usize| u32::try_from(code[..at].matches('\n').count() + 1).unwrap_or(u32::MAX);
            let calls = call
                .captures_iter(&code[open..close])
                .map(|call| call[1].to_owned())
                .collect();
            let is_test = is_test_file(path) || whole.start() > tests_from;
            // The header line holds no statement; a body on the same line does.
            let from = if line(open) == line(close) {
                line(open)
            } else {
                line(open) + 1
            };
            let lines = from..=line(close).saturating_sub(u32::from(from != line(close)));
            all.entry(name.as_str().to_owned())
                .or_default()
                .push(Function {
                    index,
                    file: path.clone(),
                    lines,
                    calls,
                    is_test,
                });
            index += 1;
        }
    }
    all
}

/// The next pair of braces, unless a semicolon comes first.
fn braces(code: &str, from: usize) -> Option<(usize, usize)> {
    let open = from + code[from..].find(['{', ';'])?;
    if code.as_bytes()[open] == b';' {
        return None;
    }
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return Some((open, at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_at_boundaries_only() {
        assert!(same_test("tests.test_a.A.test_x", "test_a.A.test_x"));
        assert!(same_test("cart > adds up", "adds up"));
        assert!(!same_test("test_max", "max"));
    }

    #[test]
    fn braces_are_paired() {
        assert_eq!(braces("fn a() { { } }", 6), Some((7, 13)));
        assert_eq!(braces("fn a(); fn b() {}", 6), None);
        assert_eq!(braces("fn a() { {", 6), None);
    }
}
