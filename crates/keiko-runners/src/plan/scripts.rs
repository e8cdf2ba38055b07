//! Runners of JavaScript: by Keiko's own reporter where it knows the runner, and from what is printed where not.

use super::command::{TEST_SECONDS, WALL_MS, in_folder};
use super::{Granularity, TestPlan};
use keiko_contracts::jail::{Command, ExecSpec, Limits, Project, ReporterKind, TestScript};
use keiko_contracts::step::quoted;
use std::collections::BTreeMap;

/// Where runners write JUnit XML when they are only read from output, inside the jail.
const JUNIT: &str = "/results/junit.xml";
/// Where jest writes its JSON then.
const JEST: &str = "/results/jest.json";
/// Loaded before everything else.
const PRELOAD: &str = "/harness/keiko_node.cjs";
/// What starts a runner that is a package.
const MAIN: &str = "/harness/keiko_main.cjs";

/// How the tests of a JavaScript project are run.
pub(super) fn plan(project: &Project, runner: &str, filter: Option<&str>) -> TestPlan {
    let script = project.script.clone().unwrap_or_default();
    let mut filters = filter_words(runner, filter);
    if !script.program.is_empty() {
        filters.retain(|word| word != "--");
    }
    let of_file = filter.is_some_and(is_script);
    // A file that is asked for takes the place of those that the script names.
    let files = if of_file { "" } else { script.files.as_str() };
    let own: Vec<&str> = [script.options.as_str(), files]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let own = own.join(" ");
    let (head, shown) = head_of(runner, &script);
    let reported = runner != "npm";
    let mut argv = command(&head, &script, &own, reported);
    argv.extend(filters.iter().cloned());
    let words: Vec<String> = std::iter::once(shown)
        .chain((!own.is_empty()).then(|| own.clone()))
        .chain(filters.iter().map(|word| quoted(word)))
        .collect();
    let shown = in_folder(project, words.join(" ").trim_end());
    let limits = Limits {
        wall_ms: WALL_MS,
        output_bytes: 4 << 20,
        ..Limits::default()
    };
    let collect = match runner {
        "jest" => vec![JEST.to_owned()],
        "vitest" => vec![JUNIT.to_owned()],
        _ => Vec::new(),
    };
    let spec = ExecSpec {
        command: Command::Argv(argv),
        cwd: project.dir.clone(),
        env: environment(runner, &script),
        stdin: None,
        limits,
        collect,
        report: reported.then_some(ReporterKind::Node),
    };
    TestPlan {
        runner: runner.to_owned(),
        spec,
        shown,
        others: Vec::new(),
        granularity: if reported {
            Granularity::Tests
        } else {
            Granularity::Whole
        },
    }
}

/// What a runner's command begins with, and how it is shown.
fn head_of(runner: &str, script: &TestScript) -> (Vec<&'static str>, String) {
    match runner {
        "node" => (
            vec!["node", "--require", PRELOAD, "--test"],
            "node --test".to_owned(),
        ),
        "vitest" => (vec!["node", MAIN, "run"], "npx vitest run".to_owned()),
        "npm" if script.program.is_empty() => {
            (vec!["npm", "test", "--silent"], "npm test".to_owned())
        }
        "npm" => (Vec::new(), by_program(&script.program)),
        other => (vec!["node", MAIN], format!("npx {other}")),
    }
}

/// The command, without the names of tests.
fn command(head: &[&str], script: &TestScript, own: &str, reported: bool) -> Vec<String> {
    if own.is_empty()
        && (reported || script.program.is_empty())
        && (reported || script.before.is_empty())
    {
        return head.iter().map(|word| (*word).to_owned()).collect();
    }
    // The project's own words, for the shell that they were written for.
    let call = match (reported, script.program.as_str()) {
        (false, "") => head.join(" "),
        (false, program) => format!("{program} {own}"),
        (true, _) => format!("{} {own}", head.join(" ")),
    };
    // What is built first is not there yet when a shell would look for it.
    let globs = if script.before.is_empty() {
        ""
    } else {
        "set -f; "
    };
    let lines = if reported {
        format!("{globs}exec {call} \"$@\"")
    } else {
        whole(script, &call)
    };
    vec!["sh".to_owned(), "-c".to_owned(), lines, "sh".to_owned()]
}

/// A script without a reporter: what it needs is built first, and its failure hides no test.
fn whole(script: &TestScript, call: &str) -> String {
    let mut lines = vec!["PATH=\"$PWD/node_modules/.bin:$PATH\"; export PATH".to_owned()];
    lines.extend(script.before.iter().map(|line| {
        format!(
            "{{ {line}\n}} </dev/null 1>&2 || echo 'keiko: this failed before the tests:' {} 1>&2",
            quoted(line)
        )
    }));
    lines.push(format!("exec {call} \"$@\""));
    lines.join("\n")
}

fn by_program(program: &str) -> String {
    if program == "node" {
        program.to_owned()
    } else {
        format!("npx {program}")
    }
}

/// No watching, and no word on colours: tests of programs that use them look at these variables, and what they print is stripped
/// anyway; what the project's script sets; and for Keiko's reporter what it is to start.
fn environment(runner: &str, script: &TestScript) -> BTreeMap<String, String> {
    let mut env = script.env.clone();
    let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
    if matches!(runner, "vitest" | "jest") {
        // New snapshots are no result. Others have tests that ask for it, and for colours: they get what a person would have.
        set("CI", "1");
    }
    set("TERM", "xterm");
    if runner == "npm" {
        return env;
    }
    set("KEIKO_TEST_RUNNER", runner);
    set("KEIKO_TEST_SECONDS", TEST_SECONDS);
    if !script.before.is_empty() {
        set("KEIKO_TEST_BEFORE", &script.before.join("\n"));
    }
    // What a project loads into Node comes after what must be there first.
    if let Some(options) = env.get_mut("NODE_OPTIONS") {
        *options = format!("--require {PRELOAD} {options}");
    }
    env
}

fn filter_words(runner: &str, filter: Option<&str>) -> Vec<String> {
    match (runner, filter) {
        ("node", filter) => node_filter(filter),
        // A script takes its arguments as it likes: only a file is likely to mean the same to it as to us.
        ("npm", filter) => filter
            .filter(|filter| is_script(filter))
            .map(|file| vec!["--".to_owned(), file.to_owned()])
            .unwrap_or_default(),
        ("mocha", filter) => mocha_filter(filter),
        (_, filter) => script_filter(filter),
    }
}

/// mocha: a file by its path, tests by a pattern over their full name.
fn mocha_filter(filter: Option<&str>) -> Vec<String> {
    match filter {
        None => Vec::new(),
        Some(file) if is_script(file) => vec![file.to_owned()],
        Some(name) if name.contains(" > ") => vec![
            "--grep".to_owned(),
            format!("^{}$", regex::escape(&name.replace(" > ", " "))),
        ],
        Some(pattern) => vec!["--grep".to_owned(), pattern.to_owned()],
    }
}

fn is_script(filter: &str) -> bool {
    let extension = filter.rsplit_once('.').map(|(_, extension)| extension);
    matches!(
        extension,
        Some("js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts")
    )
}

/// vitest and jest: a file by its path, tests by a pattern over their full name. A name from a report, with its groups
/// parted by ` > `, is taken literally.
fn script_filter(filter: Option<&str>) -> Vec<String> {
    match filter {
        None => Vec::new(),
        Some(file) if is_script(file) => vec![file.to_owned()],
        Some(name) if name.contains(" > ") => {
            vec!["-t".to_owned(), regex::escape(&name.replace(" > ", " "))]
        }
        Some(pattern) => vec!["-t".to_owned(), pattern.to_owned()],
    }
}

/// Node: a file by its path, tests by a pattern over their own name. A test runs only if its groups match as well, so each
/// part of a name from a report becomes a pattern.
fn node_filter(filter: Option<&str>) -> Vec<String> {
    match filter {
        None => Vec::new(),
        Some(file) if is_script(file) => vec![file.to_owned()],
        Some(name) if name.contains(" > ") => name
            .split(" > ")
            .map(|part| format!("--test-name-pattern=^{}$", regex::escape(part)))
            .collect(),
        Some(pattern) => vec![format!("--test-name-pattern={pattern}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::project;

    fn planned(runner: &str, script: TestScript, filter: Option<&str>) -> (Vec<String>, TestPlan) {
        let plan = plan(
            &Project {
                script: Some(script),
                ..project(runner)
            },
            runner,
            filter,
        );
        let Command::Argv(argv) = plan.spec.command.clone() else {
            panic!()
        };
        (argv, plan)
    }

    #[test]
    fn the_words_of_a_script_go_along() {
        let script = TestScript {
            options: "--require a".into(),
            files: "test/*.js".into(),
            ..TestScript::default()
        };
        let (argv, plan) = planned("mocha", script.clone(), None);
        assert_eq!(
            argv,
            [
                "sh",
                "-c",
                "exec node /harness/keiko_main.cjs --require a test/*.js \"$@\"",
                "sh"
            ]
        );
        assert_eq!(
            (plan.shown.as_str(), plan.granularity),
            ("npx mocha --require a test/*.js", Granularity::Tests)
        );
        let (argv, plan) = planned("mocha", script, Some("test/one.js"));
        assert_eq!(
            argv[2..],
            [
                "exec node /harness/keiko_main.cjs --require a \"$@\"",
                "sh",
                "test/one.js"
            ]
        );
        assert_eq!(plan.shown, "npx mocha --require a test/one.js");
    }

    #[test]
    fn what_a_script_loads_into_node_comes_after_the_reporter() {
        let env = [("NODE_OPTIONS".to_owned(), "--require ./x.js".to_owned())].into();
        let (_, plan) = planned(
            "jest",
            TestScript {
                env,
                before: vec!["npm run build".into()],
                ..TestScript::default()
            },
            None,
        );
        let files = TestScript {
            files: "dist/*.js".into(),
            before: vec!["npm run build".into()],
            ..TestScript::default()
        };
        assert_eq!(
            planned("node", files, None).0[2],
            "set -f; exec node --require /harness/keiko_node.cjs --test dist/*.js \"$@\""
        );
        assert_eq!(
            plan.spec.env["NODE_OPTIONS"],
            "--require /harness/keiko_node.cjs --require ./x.js"
        );
        assert_eq!(
            (
                plan.spec.env["KEIKO_TEST_RUNNER"].as_str(),
                plan.spec.env["KEIKO_TEST_BEFORE"].as_str()
            ),
            ("jest", "npm run build")
        );
    }

    #[test]
    fn a_program_without_a_reporter_is_called_as_its_script_does() {
        let script = TestScript {
            program: "uvu".into(),
            options: "-r esm test".into(),
            before: vec!["npm run build".into()],
            ..TestScript::default()
        };
        let (argv, plan) = planned("npm", script, None);
        assert!(
            argv[2].ends_with("exec uvu -r esm test \"$@\"")
                && argv[2].contains("{ npm run build\n} </dev/null 1>&2"),
            "{argv:?}"
        );
        assert_eq!(
            (plan.shown.as_str(), plan.spec.report, plan.granularity),
            ("npx uvu -r esm test", None, Granularity::Whole)
        );
    }
}
