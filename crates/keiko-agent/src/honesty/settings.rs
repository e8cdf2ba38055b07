//! Settings that say which tests run, and how: in files that say other things too.

use super::Found;
use super::text::{FileChange, Hunk};
use keiko_contracts::evidence::FindingKind::ChangesTheRunner;

const PYTEST: [&str; 12] = [
    "addopts",
    "testpaths",
    "python_files",
    "python_functions",
    "python_classes",
    "norecursedirs",
    "collect_ignore",
    "pythonpath",
    "usefixtures",
    "xfail_strict",
    "required_plugins",
    "confcutdir",
];

const NODE: [&str; 20] = [
    "testMatch",
    "testPathIgnorePatterns",
    "setupFiles",
    "setupFilesAfterEnv",
    "moduleNameMapper",
    "globalSetup",
    "testRunner",
    "testRegex",
    "testNamePattern",
    "modulePathIgnorePatterns",
    "snapshotResolver",
    "testEnvironment",
    "passWithNoTests",
    "spec",
    "require",
    "bail",
    "retries",
    "testSequencer",
    "resolver",
    "test",
];

/// What a runner is called by: a script named `test` that names none runs nothing.
const RUNNERS: [&str; 20] = [
    "jest",
    "vitest",
    "mocha",
    "ava",
    "tap",
    "node --test",
    "tape",
    "uvu",
    "playwright",
    "karma",
    "cypress",
    "npm run",
    "pnpm",
    "yarn",
    "turbo",
    "nx ",
    "lerna",
    "react-scripts",
    "bun test",
    "node test",
];

pub(super) fn read(file: &FileChange<'_>, hunk: &Hunk<'_>) -> Found {
    let name = file.path.rsplit('/').next().unwrap_or(file.path);
    // What shows how something is used has tests of its own.
    if file.path.split('/').rev().skip(1).any(|part| {
        matches!(
            part,
            "example" | "examples" | "benchmark" | "benchmarks" | "docs"
        )
    }) {
        return Found::new();
    }
    let judge: fn(&Hunk<'_>, usize, &str) -> bool = match name {
        "pyproject.toml" | "setup.cfg" | "tox.ini" => python,
        "package.json" => node,
        "Cargo.toml" => cargo,
        "go.mod" | "go.work" => go,
        "build.rs" => build,
        "config.toml" if file.path.contains(".cargo/") => |_, _, text| {
            ["runner", "rustflags", "rustc-wrapper", "linker", "test ="]
                .iter()
                .any(|word| text.starts_with(word))
        },
        ".npmrc" => |_, _, text| {
            text.contains("node-options")
                || text.contains("script-shell")
                || text.contains("ignore-scripts")
        },
        _ => return Found::new(),
    };
    let added = hunk.lines.iter().enumerate().filter(|(_, line)| line.added);
    let mut found: Found = added
        .filter(|(at, line)| judge(hunk, *at, line.text.trim()))
        .map(|(at, _)| (ChangesTheRunner, at))
        .collect();
    // What went is said at the first line of what stays.
    let gone = |line: &&str| {
        let key = line
            .trim()
            .split(['=', ':'])
            .next()
            .unwrap_or_default()
            .trim()
            .trim_matches('"');
        let again = hunk
            .lines
            .iter()
            .any(|new| new.text.trim().trim_start_matches('"').starts_with(key));
        !key.is_empty() && !again && PYTEST.contains(&key) && name != "package.json"
    };
    if hunk.removed.iter().any(gone) {
        found.push((ChangesTheRunner, 0));
    }
    found
}

/// The section that a line of an INI or TOML file stands in.
fn section<'a>(hunk: &Hunk<'a>, at: usize) -> &'a str {
    let heads = hunk.lines[..at].iter().rev().map(|line| line.text.trim());
    let found = heads
        .filter(|text| text.starts_with('['))
        .map(|text| text.trim_matches(['[', ']']))
        .next();
    found.unwrap_or(hunk.above.trim_matches(['[', ']']))
}

fn python(hunk: &Hunk<'_>, at: usize, text: &str) -> bool {
    let key = text
        .split(['=', ':'])
        .next()
        .unwrap_or_default()
        .trim()
        .trim_matches('"');
    let within = section(hunk, at);
    let value = text.split_once('=').map_or("", |(_, value)| value);
    let named = PYTEST.contains(&key)
        && !is_harmless(key, value)
        && (within.contains("pytest") || !within.starts_with("tool."));
    // A value that goes on over lines.
    let goes_on = within.contains("pytest")
        && [
            "-k",
            "-p ",
            "--ignore",
            "--deselect",
            "-m ",
            "\"-k",
            "\"--ignore",
            "\"--deselect",
            "\"-p",
            "'-k",
        ]
        .iter()
        .any(|flag| text.starts_with(flag));
    // A plugin that every run of the tests loads.
    let plugin = within.contains("pytest11") && text.contains('=');
    named || goes_on || plugin || text.contains("\"pytest11\"")
}

/// What leaves no test out: the usual folder, options that only say more, a stricter reading.
fn is_harmless(key: &str, value: &str) -> bool {
    let mut words = value
        .split(|c: char| c.is_whitespace() || "[],\"'".contains(c))
        .filter(|word| !word.is_empty());
    match key {
        "testpaths" => words.all(|word| matches!(word.trim_matches('/'), "tests" | "test" | ".")),
        "xfail_strict" => value.trim() == "true",
        "addopts" => {
            let says = [
                "-ra",
                "-q",
                "-v",
                "-vv",
                "-rA",
                "-rs",
                "-rf",
                "-l",
                "--strict-markers",
                "--strict-config",
                "--showlocals",
                "--strict",
                "--durations",
                "--tb",
                "--color",
                "--verbose",
            ];
            let mut some = false;
            let all = words.all(|word| {
                some = true;
                says.contains(&word.split('=').next().unwrap_or(word))
            });
            some && all
        }
        _ => false,
    }
}

fn node(hunk: &Hunk<'_>, at: usize, text: &str) -> bool {
    let Some((key, value)) = text.split_once("\":") else {
        return false;
    };
    let (key, value) = (
        key.trim().trim_matches('"'),
        value.trim().trim_end_matches(',').trim_matches('"'),
    );
    let runs = RUNNERS.iter().any(|word| value.contains(word));
    if matches!(key, "test" | "pretest" | "posttest") {
        let before = hunk.removed.iter().any(|line| {
            line.trim()
                .trim_start_matches('"')
                .starts_with(&format!("{key}\""))
        });
        // An option more than before is looked at as well: it may leave tests out.
        return before
            || !runs
            || value.contains("||")
            || value.contains("exit 0")
            || key != "test";
    }
    let nested = hunk.lines[..at].iter().any(|line| {
        ["\"jest\"", "\"vitest\"", "\"mocha\"", "\"ava\"", "\"tap\""]
            .iter()
            .any(|name| line.text.trim().starts_with(name))
    });
    (matches!(key, "jest" | "mocha" | "ava" | "tap" | "vitest") && value.starts_with('{'))
        || (NODE.contains(&key)
            && key != "test"
            && (nested
                || matches!(
                    key,
                    "testMatch"
                        | "setupFiles"
                        | "setupFilesAfterEnv"
                        | "moduleNameMapper"
                        | "testPathIgnorePatterns"
                        | "globalSetup"
                        | "testRunner"
                        | "testRegex"
                )))
        || (key == "imports" && value.starts_with('{'))
}

fn cargo(hunk: &Hunk<'_>, at: usize, text: &str) -> bool {
    let flat: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let within = section(hunk, at);
    let switch = flat.starts_with("test=false")
        || flat.starts_with("doctest=false")
        || flat.starts_with("harness=false")
        || flat.starts_with("autotests=false");
    let profile = within.starts_with("profile.test")
        || (within.starts_with("profile.dev")
            && (flat.starts_with("debug-assertions=false")
                || flat.starts_with("overflow-checks=false")));
    (switch && !within.starts_with("bench")) || profile || text == "[profile.test]"
}

fn go(_: &Hunk<'_>, _: usize, text: &str) -> bool {
    text.contains("=>")
        && ["testify", "go-cmp", "gomega", "ginkgo", "gotest.tools"]
            .iter()
            .any(|name| text.contains(name))
}

fn build(_: &Hunk<'_>, _: usize, text: &str) -> bool {
    text.contains("rustc-cfg")
        || text.contains("tests/")
        || text.contains("CARGO_MANIFEST_DIR") && text.contains("write")
}
