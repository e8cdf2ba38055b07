//! The first test run: what holds, and what does not.

use super::answer::{Answer, run_tests};
use super::report::SuiteReport;
use super::source::{Sources, is_test_file};
use super::{Facts, NativeCall, Phase, Suite, join};
use keiko_contracts::jail::{Project, Toolchain};
use keiko_contracts::said::{Said, Value};
use keiko_contracts::say;
use keiko_runners::Unread;
use regex::Regex;
use std::collections::BTreeSet;

/// Why the tests of a folder without any did not run.
pub(super) const NO_TESTS: &str = "no test file is there";

/// Runs each project's tests once.
#[derive(Debug, Clone)]
pub(super) struct FirstRun;

impl Phase for FirstRun {
    fn title(&self) -> &'static str {
        "tests"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let mut calls = Vec::new();
        for project in facts.survey.projects.clone() {
            let program = program(project.toolchain);
            if !facts.has(program) {
                facts.left_out(
                    tests_of(&project),
                    say!("{program} is not there in the sandbox", program),
                    say!("install {program}", program),
                );
                continue;
            }
            let Some(plan) = keiko_runners::plan(&project, None) else {
                facts.left_out(
                    tests_of(&project),
                    "no test runner that is known was found",
                    "",
                );
                continue;
            };
            let id = format!("tests-{}", facts.suites.len() + 1);
            calls.push(run_tests(id, running(&project, &plan.shown), &plan, &[]));
            facts.suites.push(Suite {
                project,
                plan,
                first: None,
                last: None,
                duration_ms: 0,
                flaky: BTreeSet::new(),
                aside: BTreeSet::new(),
            });
        }
        calls
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        for (index, answer) in answers.iter().enumerate() {
            let Some(suite) = facts.suites.get_mut(index) else {
                break;
            };
            suite.duration_ms = answer.duration_ms();
            let place = place(&suite.project);
            match answer.tests(&suite.plan) {
                Ok((summary, cases)) => {
                    facts
                        .report
                        .suites
                        .push(SuiteReport::new(&place, &summary, &cases));
                    suite.first = Some((summary, cases));
                }
                Err(why) => {
                    let suite = suite.clone();
                    let (why, by_hand) = explain(&suite.project, &why, &facts.sources);
                    let declared =
                        suite.project.needs_prepare && suite.project.preparation.is_some();
                    // What was tried and failed a moment ago is no advice; its reason stands beside.
                    let failed = facts.not_installable.contains(&suite.project.dir);
                    let enable = match declared && !by_hand.is_empty() {
                        true if failed => Said::default(),
                        true => facts.install_command().into(),
                        false => Said::words(by_hand),
                    };
                    facts.left_out(tests_of(&suite.project), why, enable);
                }
            }
        }
        facts.suites.retain(|suite| suite.first.is_some());
        Vec::new()
    }
}

/// Why no test of a project could be counted, and what people type so that they can.
fn explain(project: &Project, unread: &Unread, sources: &Sources) -> (Said, String) {
    let why = &unread.to_string();
    let prefix = join(&project.dir, "");
    let is_test = |path: &&String| {
        path.starts_with(&prefix)
            && (is_test_file(path)
                || path
                    .rsplit('/')
                    .next()
                    .is_some_and(|name| name.contains("test")))
    };
    if project.toolchain == Toolchain::Python
        && !sources.cut
        && !sources.files.keys().any(|path| is_test(&path))
    {
        return (NO_TESTS.into(), String::new());
    }
    if let Some(program) = missing_program(why) {
        return (
            say!(
                "its test script calls {program}, which is not there in the sandbox",
                program
            ),
            enable(project, why),
        );
    }
    let signs = [
        "is not installed",
        "No module named",
        "Cannot find module",
        "Cannot find package",
        "no matching package",
        "missing go.sum",
        "cannot find module",
        "no required module",
    ];
    let lacks = signs.iter().any(|sign| why.contains(sign));
    let said = match unloaded(why) {
        Some(unloaded) => say!("{why}: {unloaded}", why = unread.said(), unloaded),
        None => unread.said(),
    };
    if project.needs_prepare && lacks {
        (
            say!("dependencies are missing ({why})", why = said),
            enable(project, why),
        )
    } else {
        (said, enable_if(project, why, lacks))
    }
}

fn enable_if(project: &Project, why: &str, lacks: bool) -> String {
    if lacks {
        enable(project, why)
    } else {
        String::new()
    }
}

/// The program that a shell did not find.
fn missing_program(why: &str) -> Option<String> {
    let sign = Regex::new(r"(?m)^(?:/bin/)?(?:sh|bash|dash): (?:(?:line )?\d+: )?([\w@./+-]+): (?:command )?not found").ok()?;
    Some(sign.captures(why)?[1].to_owned())
}

/// The first file that could not be loaded, and what it lacks.
fn unloaded(why: &str) -> Option<String> {
    let lack = Regex::new(r#"No module named ['"][\w.]+['"]|Cannot find (?:module|package) ['"][^'"]+['"]|cannot import name ['"]\w+['"] from ['"][\w.]+['"]|SyntaxError: .{1,120}"#).ok()?;
    let lack = lack.find(why)?.as_str();
    let (_, rest) = why.split_once("could not be loaded\n")?;
    let file = rest.lines().next()?.split(": ").next()?;
    Some(format!("{file}: {lack}"))
}

/// What people type so that the tests can run: the sandbox sees dependencies of the user's own folder, and the virtual
/// environment that is active when Keiko starts.
fn enable(project: &Project, why: &str) -> String {
    if !project.needs_prepare && !why.contains("is not installed in the sandbox") {
        return String::new();
    }
    let has = |name: &str| project.manifests.iter().any(|manifest| manifest == name);
    let install = match project.toolchain {
        Toolchain::Python => {
            let mut wanted: Vec<String> = project
                .manifests
                .iter()
                .filter(|name| name.ends_with(".txt"))
                .map(|name| format!("-r {name}"))
                .collect();
            if project.runner.as_deref() == Some("pytest") {
                wanted.push("pytest".to_owned());
            }
            if wanted.is_empty() || has("setup.py") {
                wanted.push(".".to_owned());
            }
            format!(
                "python3 -m venv .venv && . .venv/bin/activate && pip install {}",
                wanted.join(" ")
            )
        }
        Toolchain::Node => "npm install".to_owned(),
        Toolchain::Rust => "cargo fetch".to_owned(),
        Toolchain::Go => "go mod download".to_owned(),
    };
    if project.dir.is_empty() {
        install
    } else {
        format!("cd {} && {install}", project.dir)
    }
}

/// The project's folder, for people.
pub(super) fn place(project: &Project) -> String {
    if project.dir.is_empty() {
        "the root".to_owned()
    } else {
        project.dir.clone()
    }
}

/// The same where several are named.
pub(super) fn place_in_list(project: &Project) -> Value {
    if project.dir.is_empty() {
        Said::from("the root").into()
    } else {
        project.dir.as_str().into()
    }
}

/// The tests of a project, as what was not looked at.
fn tests_of(project: &Project) -> Said {
    match project.dir.as_str() {
        "" => "tests of the root".into(),
        place => say!("tests of {place}", place),
    }
}

fn running(project: &Project, command: &str) -> Said {
    match project.dir.as_str() {
        "" => say!("run the tests of the root: {command}", command),
        place => say!("run the tests of {place}: {command}", place, command),
    }
}

/// A program in a project.
pub(super) fn in_project(program: &str, project: &Project) -> Said {
    match project.dir.as_str() {
        "" => say!("{program} in the root", program),
        place => say!("{program} in {place}", program, place),
    }
}

/// What a toolchain cannot do without.
pub(super) fn program(toolchain: Toolchain) -> &'static str {
    match toolchain {
        Toolchain::Python => "python3",
        Toolchain::Node => "node",
        Toolchain::Rust => "cargo",
        Toolchain::Go => "go",
    }
}

#[cfg(test)]
mod shown {
    use super::*;

    fn project(dir: &str, toolchain: Toolchain, needs_prepare: bool) -> Project {
        let runner = Some(
            if toolchain == Toolchain::Node {
                "npm"
            } else {
                "pytest"
            }
            .to_owned(),
        );
        Project {
            dir: dir.to_owned(),
            toolchain,
            manifests: Vec::new(),
            runner,
            needs_prepare,
            ..Project::default()
        }
    }

    fn unread(why: &'static str, shown: &str) -> Unread {
        Unread {
            command: "python3 -m pytest -q".to_owned(),
            why: why.into(),
            shown: shown.to_owned(),
        }
    }

    fn with(path: &str) -> Sources {
        Sources {
            files: [(path.to_owned(), String::new())].into(),
            cut: false,
        }
    }

    #[test]
    fn a_folder_without_tests_lacks_no_dependencies() {
        let docs = project("docs", Toolchain::Python, true);
        let (why, enable) = explain(
            &docs,
            &unread("pytest is not installed in the sandbox", ""),
            &with("docs/conf.py"),
        );
        assert_eq!(
            (why.to_string().as_str(), enable.as_str()),
            ("no test file is there", "")
        );
        let (why, enable) = explain(
            &docs,
            &unread("pytest is not installed in the sandbox", ""),
            &with("docs/test_a.py"),
        );
        assert!(
            why.key().starts_with("dependencies are missing") && enable.contains("pip install"),
            "{why} {enable}"
        );
    }

    #[test]
    fn a_script_is_told_with_the_program_it_misses() {
        let shown = "> a@1.0.0 test\n> mocha -R dot\n\nsh: 1: mocha: not found";
        let (said, _) = explain(
            &project("", Toolchain::Node, false),
            &unread("the runner is not there in the sandbox", shown),
            &Sources::default(),
        );
        assert_eq!(
            said,
            "its test script calls mocha, which is not there in the sandbox"
        );
    }

    #[test]
    fn what_cannot_be_loaded_is_told_with_file_and_module() {
        let shown =
            "tests/test_a.py: collection failure\nE   ModuleNotFoundError: No module named 'attr'";
        let (said, _) = explain(
            &project("", Toolchain::Python, true),
            &unread("the tests could not be loaded", shown),
            &with("tests/test_a.py"),
        );
        assert_eq!(
            said,
            "dependencies are missing (python3 -m pytest -q: the tests could not be loaded: tests/test_a.py: No module named 'attr')"
        );
    }

    #[test]
    fn a_hanging_test_is_no_missing_dependency() {
        let why = unread(
            "the tests were stopped at the time limit after 600 s; a test may hang",
            "",
        );
        let (said, enable) = explain(
            &project("", Toolchain::Python, true),
            &why,
            &with("test_a.py"),
        );
        assert_eq!((said, enable.as_str()), (why.said(), ""));
    }
}
