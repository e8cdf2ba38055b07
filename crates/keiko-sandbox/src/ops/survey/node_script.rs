//! What a project's own test script comes to: which runner it calls, with what, and what it builds before.
//!
//! Only what is plain is taken apart. A script that pipes, branches or calls several runners is left to `npm test` as a whole.

use keiko_contracts::jail::TestScript;
use std::collections::BTreeMap;

/// Scripts that call scripts are followed so far.
const DEPTH_MAX: usize = 6;
/// Longer scripts are left alone, and so are more steps.
const SCRIPT_MAX: usize = 4_000;
const STEPS_MAX: usize = 40;
/// Programs that measure something while they run another.
const WRAPPERS: [&str; 3] = ["nyc", "c8", "nyc@latest"];
/// Programs that check and build nothing.
const CHECKS: [&str; 38] = [
    "eslint",
    "xo",
    "standard",
    "semistandard",
    "ts-standard",
    "neostandard",
    "prettier",
    "biome",
    "oxlint",
    "oxfmt",
    "tslint",
    "tsd",
    "jshint",
    "jscs",
    "evalmd",
    "eclint",
    "publint",
    "attw",
    "dtslint",
    "tstyche",
    "tsgo",
    "vue-tsc",
    "size-limit",
    "bundlesize",
    "depcheck",
    "knip",
    "cspell",
    "markdownlint",
    "remark",
    "husky",
    "lefthook",
    "echo",
    "cost-of-modules",
    "npmignore",
    "ls-lint",
    "commitlint",
    "expect-type",
    "true",
];
/// Words in the name of a script that checks and builds nothing.
const CHECK_NAMES: [&str; 13] = [
    "lint",
    "format",
    "style",
    "check",
    "audit",
    "types",
    "typecheck",
    "size",
    "docs",
    "readme",
    "spell",
    "fmt",
    "changelog",
];
/// Options that take the next word.
const VALUED: [&str; 42] = [
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "-R",
    "--reporter",
    "-u",
    "--ui",
    "-t",
    "--timeout",
    "-c",
    "--config",
    "--env",
    "--extension",
    "--ext",
    "--file",
    "--spec",
    "-C",
    "--cwd",
    "-g",
    "--grep",
    "-f",
    "--fgrep",
    "--project",
    "-O",
    "--reporter-option",
    "--reporter-options",
    "--test-name-pattern",
    "--test-concurrency",
    "--test-timeout",
    "-w",
    "--maxWorkers",
    "--dir",
    "--root",
    "--environment",
    "--pool",
    "--testTimeout",
    "--package",
    "--slow",
    "--retries",
    "--conditions",
];
/// What is told to Keiko's reporter instead, or only costs time; with their values.
const DROPPED: [&str; 17] = [
    "--reporter",
    "-R",
    "--reporters",
    "--reporter-option",
    "--reporter-options",
    "-O",
    "--test-reporter",
    "--test-reporter-destination",
    "--coverage",
    "--experimental-test-coverage",
    "--parallel",
    "--watch",
    "--watchAll",
    "--watch=false",
    "--json",
    "--outputFile",
    "--verbose",
];

/// Scripts of a manifest, by name.
pub(super) type Scripts<'a> = BTreeMap<&'a str, &'a str>;

/// What a test script calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) runner: &'static str,
    pub(super) script: TestScript,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Tests(&'static str, TestScript),
    Check,
    /// Something else: what it makes may be needed.
    Other(String),
}

/// What the script `test` calls, if it plainly calls one runner.
pub(super) fn called(scripts: &Scripts<'_>) -> Option<Called> {
    let mut steps = Vec::new();
    for name in ["pretest", "test"] {
        if let Some(text) = scripts.get(name) {
            follow(scripts, text, 0, &mut steps)?;
        }
    }
    if !steps.iter().any(|step| matches!(step, Step::Tests(..)))
        && let Some(Step::Other(line)) = steps.iter().rfind(|step| **step != Step::Check).cloned()
        && let Some(script) = by_node(&line)
        && let Some(step) = steps.iter_mut().rfind(|step| **step != Step::Check)
    {
        *step = Step::Tests("npm", script);
    }
    let at = steps
        .iter()
        .position(|step| matches!(step, Step::Tests(..)))?;
    let Step::Tests(runner, mut script) = steps[at].clone() else {
        return None;
    };
    for step in &steps[at + 1..] {
        match step {
            Step::Tests(other, its) if *other != runner || its.program != script.program => {
                return None;
            }
            // It may hold further tests.
            Step::Other(line) if line.starts_with("node ") => return None,
            _ => {}
        }
    }
    script.before = steps[..at]
        .iter()
        .filter_map(|step| {
            if let Step::Other(line) = step {
                Some(line.clone())
            } else {
                None
            }
        })
        .collect();
    Some(Called { runner, script })
}

/// A script that runs a file is one of tests where there is no other.
fn by_node(line: &str) -> Option<TestScript> {
    let words = words(line);
    let (env, words) = assignments(&words);
    let (&first, rest) = words.split_first()?;
    let plain = !line.contains(['|', ';', '>', '<', '`', '&']);
    (plain && matches!(first, "node" | "tsx" | "ts-node") && !rest.is_empty()).then(|| TestScript {
        program: first.to_owned(),
        env,
        options: rest.join(" "),
        ..TestScript::default()
    })
}

/// Adds the steps of a script; nothing when it is not to be followed.
fn follow(scripts: &Scripts<'_>, text: &str, depth: usize, steps: &mut Vec<Step>) -> Option<()> {
    if depth > DEPTH_MAX || text.len() > SCRIPT_MAX || text.contains('\n') {
        return None;
    }
    for line in text
        .split("&&")
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if steps.len() >= STEPS_MAX {
            return None;
        }
        step(scripts, line, depth, steps)?;
    }
    Some(())
}

fn step(scripts: &Scripts<'_>, line: &str, depth: usize, steps: &mut Vec<Step>) -> Option<()> {
    let all = words(line);
    let (env, mut words) = assignments(&all);
    if line.contains(['|', ';', '>', '<', '`', '&', '\\', '\n'])
        || line.contains("$(")
        || env.values().any(|value| value.contains('$'))
    {
        // No part of it can be taken out.
        let tests = all.iter().any(|word| runner_of(base(word), &[]).is_some());
        steps.push(Step::Other(line.to_owned()));
        return (!tests).then_some(());
    }
    words = without_wrappers(words);
    let Some((&first, rest)) = words.split_first() else {
        return Some(());
    };
    match base(first) {
        "npm" | "pnpm" | "yarn" | "bun" => {
            return by_name(scripts, line, base(first), rest, depth, steps);
        }
        "npm-run-all" | "run-s" | "run-p" => {
            for name in rest.iter().filter(|word| !word.starts_with('-')) {
                named(scripts, name, depth, steps)?;
            }
        }
        name => match runner_of(name, rest) {
            Some(runner) => steps.push(Step::Tests(runner, script(runner, name, env, rest))),
            None if is_check(name, rest) => steps.push(Step::Check),
            None => steps.push(Step::Other(line.to_owned())),
        },
    }
    Some(())
}

/// A script that is called by the name of another.
fn by_name(
    scripts: &Scripts<'_>,
    line: &str,
    manager: &str,
    rest: &[&str],
    depth: usize,
    steps: &mut Vec<Step>,
) -> Option<()> {
    let mut plain = rest.iter().copied().filter(|word| !word.starts_with('-'));
    let name = match plain.next() {
        Some("run" | "run-script") => plain.next(),
        Some("test" | "t" | "tst") => Some("test"),
        Some("exec") => {
            return step(
                scripts,
                &plain.collect::<Vec<_>>().join(" "),
                depth + 1,
                steps,
            );
        }
        Some(name) if manager != "npm" && scripts.contains_key(name) => Some(name),
        Some(_) if manager != "npm" => return step(scripts, &rest.join(" "), depth + 1, steps),
        _ => None,
    };
    match name {
        Some(name) if scripts.contains_key(name) => named(scripts, name, depth, steps),
        // `npm audit`, `npm pack`: nothing that tests need.
        _ if manager == "npm" => {
            steps.push(Step::Check);
            Some(())
        }
        _ => {
            steps.push(Step::Other(line.to_owned()));
            Some(())
        }
    }
}

fn named(scripts: &Scripts<'_>, name: &str, depth: usize, steps: &mut Vec<Step>) -> Option<()> {
    let Some(text) = scripts.get(name) else {
        return Some(());
    };
    let mut own = Vec::new();
    if let Some(before) = scripts.get(format!("pre{name}").as_str()) {
        follow(scripts, before, depth + 1, &mut own)?;
    }
    follow(scripts, text, depth + 1, &mut own)?;
    if own.iter().any(|step| matches!(step, Step::Tests(..))) {
        steps.extend(own);
    } else if own.iter().all(|step| *step == Step::Check) || is_check_name(name) {
        steps.push(Step::Check);
    } else {
        steps.push(Step::Other(format!("npm run {name}")));
    }
    Some(())
}

fn is_check_name(name: &str) -> bool {
    name.split([':', '-', '_'])
        .any(|part| CHECK_NAMES.contains(&part))
}

fn is_check(name: &str, rest: &[&str]) -> bool {
    CHECKS.contains(&name)
        || (name == "tsc"
            && rest
                .iter()
                .any(|word| word.eq_ignore_ascii_case("--noEmit")))
}

/// Which runner a program is: one that Keiko's reporter knows, or one whose output is read.
fn runner_of(name: &str, rest: &[&str]) -> Option<&'static str> {
    match name {
        "mocha" | "_mocha" => Some("mocha"),
        "jest" => Some("jest"),
        "vitest" => Some("vitest"),
        "node" if rest.contains(&"--test") => Some("node"),
        "ava" | "tape" | "uvu" | "tap" | "jasmine" | "qunit" | "borp" => Some("npm"),
        _ => None,
    }
}

fn script(runner: &str, name: &str, env: BTreeMap<String, String>, rest: &[&str]) -> TestScript {
    let mut script = TestScript {
        env,
        ..TestScript::default()
    };
    if runner == "npm" {
        name.clone_into(&mut script.program);
        script.options = rest.join(" ");
        return script;
    }
    let boolean = |word: &str| {
        matches!(
            (runner, word),
            ("jest", "-i" | "-u") | ("vitest", "-u") | ("node", "-C")
        )
    };
    let (mut options, mut files, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(&word) = rest.get(at) {
        let takes_next = VALUED.contains(&word) && !boolean(word);
        let value = rest
            .get(at + 1)
            .copied()
            .filter(|next| (takes_next || DROPPED.contains(&word)) && !next.starts_with('-'));
        let value = value.filter(|_| takes_next || word.starts_with("--test-reporter"));
        at += 1 + usize::from(value.is_some());
        let bare = word.split('=').next().unwrap_or(word);
        let of_vitest = runner == "vitest" && matches!(word, "run" | "watch" | "dev");
        if word == "--test"
            || of_vitest
            || DROPPED.contains(&bare)
            || (runner == "mocha" && matches!(word, "-p" | "-w"))
        {
            continue;
        }
        if word.starts_with('-') {
            options.extend([Some(word), value].into_iter().flatten());
        } else {
            files.push(word);
        }
    }
    (script.options, script.files) = (options.join(" "), files.join(" "));
    script
}

/// Without what measures, and without what only finds the program.
fn without_wrappers(mut words: Vec<&str>) -> Vec<&str> {
    loop {
        let first = words.first().copied().unwrap_or_default();
        let skip = match base(first) {
            name if WRAPPERS.contains(&name) => {
                1 + options(
                    &words[1..],
                    &[
                        "-r",
                        "--reporter",
                        "-x",
                        "--exclude",
                        "-n",
                        "--include",
                        "-e",
                        "--extension",
                        "--lines",
                        "--branches",
                        "--functions",
                        "--statements",
                        "-o",
                        "--report-dir",
                        "--temp-directory",
                        "-c",
                        "--config",
                        "--nycrc-path",
                        "--cwd",
                    ],
                )
            }
            "npx" => 1 + options(&words[1..], &[]),
            "node"
                if words
                    .get(1)
                    .is_some_and(|word| word.contains("node_modules/")) =>
            {
                1
            }
            _ => return words,
        };
        words.drain(..skip.min(words.len()));
    }
}

/// How many words are options, with their values.
fn options(words: &[&str], valued: &[&str]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += if valued.contains(word) { 2 } else { 1 };
    }
    at
}

/// The name of a program: without the folder that it lies in.
fn base(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    if word.contains("node_modules/") {
        name.trim_end_matches(".mjs")
            .trim_end_matches(".cjs")
            .trim_end_matches(".js")
    } else if word.contains('/') {
        word
    } else {
        name
    }
}

/// What is set before a program.
fn assignments<'a>(all: &[&'a str]) -> (BTreeMap<String, String>, Vec<&'a str>) {
    let mut env = BTreeMap::new();
    let mut words = all.to_vec();
    while let Some(&word) = words.first() {
        let sets = word.split_once('=').filter(|(name, _)| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !name.as_bytes()[0].is_ascii_digit()
        });
        if let Some((name, value)) = sets {
            env.insert(name.to_owned(), unquoted(value));
        } else if !matches!(word, "cross-env" | "cross-env-shell" | "env") {
            break;
        }
        words.remove(0);
    }
    // What the harness itself says is nobody else's.
    env.retain(|name, _| !name.starts_with("KEIKO_") && name != "PATH" && name != "NODE_PATH");
    (env, words)
}

fn unquoted(value: &str) -> String {
    value.replace(['"', '\''], "")
}

/// The words of a line, as they stand there.
fn words(line: &str) -> Vec<&str> {
    let (mut found, mut from, mut quote) = (Vec::new(), None, None);
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                from.get_or_insert(at);
            }
            (None, c) if c.is_whitespace() => found.extend(from.take().map(|from| &line[from..at])),
            _ => {
                from.get_or_insert(at);
            }
        }
    }
    found.extend(from.map(|from| &line[from..]));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> Option<Called> {
        called(&pairs.iter().copied().collect())
    }

    fn seen(pairs: &[(&'static str, &'static str)]) -> (String, String, String, Vec<String>) {
        let called = of(pairs).unwrap();
        let script = called.script;
        let name = if script.program.is_empty() {
            called.runner.to_owned()
        } else {
            format!("{} {}", called.runner, script.program)
        };
        (name, script.options, script.files, script.before)
    }

    fn are(
        pairs: &[(&'static str, &'static str)],
        name: &str,
        options: &str,
        files: &str,
        before: &[&str],
    ) {
        let before: Vec<String> = before.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(
            seen(pairs),
            (
                name.to_owned(),
                options.to_owned(),
                files.to_owned(),
                before
            ),
            "{pairs:?}"
        );
    }

    #[test]
    fn scripts_of_public_projects_are_taken_apart() {
        are(
            &[("test", "mocha --reporter spec test/test.js")],
            "mocha",
            "",
            "test/test.js",
            &[],
        );
        are(
            &[(
                "test",
                "mocha --require test/support/env --reporter spec --check-leaks test/ test/acceptance/",
            )],
            "mocha",
            "--require test/support/env --check-leaks",
            "test/ test/acceptance/",
            &[],
        );
        are(
            &[("test", "uvu -r esm test")],
            "npm uvu",
            "-r esm test",
            "",
            &[],
        );
        are(&[("test", "xo && c8 ava && tsd")], "npm ava", "", "", &[]);
        are(
            &[
                ("pretest", "rimraf build && tsc -p tsconfig.test.json"),
                (
                    "test",
                    "c8 --reporter=text --reporter=html mocha test/*.mjs",
                ),
            ],
            "mocha",
            "",
            "test/*.mjs",
            &["rimraf build", "tsc -p tsconfig.test.json"],
        );
        are(
            &[
                (
                    "pretest",
                    "npm run --silent readme && npm run --silent lint",
                ),
                ("readme", "evalmd README.md"),
                ("lint", "eslint ."),
                ("test", "npm run tests-only"),
                ("tests-only", "nyc tape 'test/**/*.js'"),
                ("posttest", "npx npm@'>=10.2' audit"),
            ],
            "npm tape",
            "'test/**/*.js'",
            "",
            &[],
        );
        are(
            &[
                ("pretest", "npm run build"),
                ("build", "./scripts/build.sh"),
                (
                    "test",
                    "node --test --enable-source-maps dist-node/test/*.js",
                ),
            ],
            "node",
            "--enable-source-maps",
            "dist-node/test/*.js",
            &["npm run build"],
        );
        are(
            &[
                ("lint", "oxlint src"),
                ("test:types", "tsgo --noEmit"),
                ("test", "pnpm lint && pnpm test:types && pnpm vitest run"),
            ],
            "vitest",
            "",
            "",
            &[],
        );
        are(
            &[
                ("test", "pnpm run test:nodejs && pnpm run test:edge"),
                ("test:nodejs", "jest --env node"),
                ("test:edge", "jest --env @edge-runtime/x --no-coverage"),
            ],
            "jest",
            "--env node",
            "",
            &[],
        );
        are(
            &[
                ("test", "npm-run-all --silent typecheck lint mocha"),
                ("mocha", "mocha test"),
                ("typecheck", "tsc --noEmit"),
                ("lint", "eslint src"),
            ],
            "mocha",
            "",
            "test",
            &[],
        );
        are(
            &[
                ("lint", "eslint"),
                (
                    "unit",
                    "nyc --lines 100 --branches 100 tape test/test.js test/promise.js",
                ),
                ("test", "npm run lint && npm run unit"),
            ],
            "npm tape",
            "test/test.js test/promise.js",
            "",
            &[],
        );
        are(&[("test", "node run.js")], "npm node", "run.js", "", &[]);
    }

    #[test]
    fn what_is_set_before_a_runner_goes_along() {
        let script = of(&[(
            "test",
            "cross-env NODE_ENV=test NODE_OPTIONS=\"--experimental-vm-modules --no-warnings\" KEIKO_X=1 jest --coverage -i",
        )])
        .unwrap()
        .script;
        assert_eq!((script.options.as_str(), script.env.len()), ("-i", 2));
        assert_eq!(
            script.env["NODE_OPTIONS"],
            "--experimental-vm-modules --no-warnings"
        );
    }

    #[test]
    fn what_is_not_plain_stays_whole() {
        for test in [
            "tape test/*.js | tap-spec",
            "mocha && ava",
            "mocha || true",
            "jest; echo ok",
            "make test",
            "mocha && node more.js",
            "echo ok",
        ] {
            let found = called(&[("test", test)].into_iter().collect());
            assert_eq!(found, None, "{test}");
        }
        // A script that calls itself ends.
        assert_eq!(
            called(&[("test", "npm run test")].into_iter().collect()),
            None
        );
    }
}
