//! The harness's own command for each runner: quiet, offline, per test, nothing left in the workspace.

mod command;
mod scripts;
mod some;
mod ways;

pub use some::some;
pub(crate) use ways::taken;

use crate::names::lineless;
use command::{TEST_SECONDS, WALL_MS, in_folder};
use keiko_contracts::evidence::TestCase;
use keiko_contracts::jail::{Command, ExecSpec, Limits, Project, ReporterKind};
use keiko_contracts::step::quoted;
use std::collections::BTreeMap;

/// Keiko's reporter for Python, inside the jail.
const PYTHON: &str = "/harness/keiko_run.py";
/// How long the tests of one package of Go may take: then it is ended and those of the others still count.
const GO_PACKAGE: &str = "240s";

/// A test run that the harness can start and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPlan {
    /// Which runner.
    pub runner: String,
    /// The command, with what to collect. Reports go to [`keiko_contracts::jail::RESULTS`] inside the jail and are collected from
    /// there, so that they never become part of the workspace's tree.
    pub spec: ExecSpec,
    /// The command as people would type it.
    pub shown: String,
    /// The same in the ways that are taken where that one does not build.
    pub others: Vec<String>,
    /// What can be told apart.
    pub granularity: Granularity,
}

/// What of a runner's tests can be told apart and chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// Single tests have names, and a name runs that test.
    Tests,
    /// The whole is one unit: it is never filtered, and a name that its output shows selects nothing.
    Whole,
}

/// How the tests of a project are run; `None` when it has no runner that is known. A filter is given in the runner's own
/// syntax or as a name from an earlier report; leading dashes are dropped, so that it cannot become an option.
#[must_use]
pub fn plan(project: &Project, filter: Option<&str>) -> Option<TestPlan> {
    let runner = project.runner.as_deref()?;
    let filter = filter
        .map(|filter| filter.trim().trim_start_matches('-'))
        .filter(|filter| !filter.is_empty());
    let (argv, reporter) = match runner {
        "pytest" => (of_pytest(project, filter), Some(ReporterKind::Python)),
        "unittest" => (of_unittest(project, filter), Some(ReporterKind::Python)),
        "cargo" => {
            let mut argv = words(&["sh", "-c", &ways::of_cargo(project), "sh"]);
            argv.extend(filter.map(str::to_owned));
            (argv, None)
        }
        "vitest" | "jest" | "mocha" | "node" | "npm" => {
            return Some(scripts::plan(project, runner, filter));
        }
        "go" => {
            let mut argv = words(&["go", "test", "-json", "-timeout", GO_PACKAGE]);
            argv.extend(ways::best(project).iter().cloned());
            argv.extend(go_filter(filter));
            (argv, None)
        }
        _ => return None,
    };
    let shown_in = |way: &[String]| shown(runner, &argv, project, way);
    let shown = shown_in(ways::best(project));
    let others = ways::others(project)
        .iter()
        .map(|way| shown_in(way))
        .collect();
    let limits = Limits {
        wall_ms: WALL_MS,
        output_bytes: 4 << 20,
        ..Limits::default()
    };
    let spec = ExecSpec {
        command: Command::Argv(argv),
        cwd: project.dir.clone(),
        env: environment(runner)
            .into_iter()
            .chain(project.env.clone())
            .collect(),
        stdin: None,
        limits,
        collect: Vec::new(),
        report: reporter,
    };
    Some(TestPlan {
        runner: runner.to_owned(),
        spec,
        shown,
        others,
        granularity: Granularity::Tests,
    })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn of_pytest(project: &Project, filter: Option<&str>) -> Vec<String> {
    let mut argv = words(&[
        "python3",
        PYTHON,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--continue-on-collection-errors",
    ]);
    // What is named is run instead of what the project names.
    let by_place = filter.is_some_and(is_place);
    let own = ways::best(project)
        .iter()
        .filter(|word| !by_place || word.starts_with('-'));
    argv.extend(own.cloned());
    argv.extend(filter.map(pytest_filter).unwrap_or_default());
    argv
}

fn of_unittest(project: &Project, filter: Option<&str>) -> Vec<String> {
    let script = ways::best(project);
    let what = if script.is_empty() {
        "unittest"
    } else {
        "script"
    };
    let mut argv = words(&["python3", PYTHON, what]);
    argv.extend(script.iter().cloned());
    argv.extend(match filter {
        None if script.is_empty() => words(&["-v"]),
        Some(name) if script.is_empty() && name.contains('.') && !name.contains('*') => {
            words(&["-v", name])
        }
        Some(pattern) if script.is_empty() => words(&["-v", "-k", pattern]),
        Some(name) if takes_names(script) => words(&[name]),
        _ => Vec::new(),
    });
    argv
}

/// How one test of an earlier run is run alone, in the same way as among the others. `None` where its runner's tests cannot be
/// told apart or chosen, and for what is no test: a file that could not be loaded, a run that failed as a whole.
#[must_use]
pub fn alone(project: &Project, case: &TestCase) -> Option<TestPlan> {
    let whole = plan(project, None)?;
    if whole.granularity == Granularity::Whole || case.name == whole.shown {
        return None;
    }
    let selects = match whole.runner.as_str() {
        "pytest" => case.name.contains(".py"),
        "unittest" => {
            case.name.contains('.')
                && !case.name.contains([' ', '*'])
                && (project.ways.is_empty() || takes_names(ways::best(project)))
        }
        // A target that crashed is named by its file, a package that does not build by its path.
        "cargo" => !case.name.ends_with(".rs") && case.file.as_deref() != Some(case.name.as_str()),
        "go" => {
            case.name.contains(".Test")
                || case.name.contains(".Example")
                || case.name.contains(".Fuzz")
        }
        _ => true,
    };
    let words = |one: &mut TestPlan, words: &[&str]| {
        if let Command::Argv(argv) = &mut one.spec.command {
            argv.extend(words.iter().map(|word| (*word).to_owned()));
        }
        let added = format!(" {}", words.join(" "));
        one.shown.push_str(&added);
        one.others
            .iter_mut()
            .for_each(|other| other.push_str(&added));
    };
    let only =
        |name: &str| plan(project, Some(name)).filter(|one| selects && one.spec != whole.spec);
    if whole.runner != "cargo" {
        return only(&case.name);
    }
    let item = lineless(&case.name);
    if item == case.name {
        let mut one = only(item)?;
        words(&mut one, &["--", "--exact"]);
        return Some(one);
    }
    // A test in documentation is called by its item, in whatever line it stands: by one word, since rustdoc parts them.
    let mut one = only(item.split_whitespace().rfind(|word| *word != "-")?)?;
    words(&mut one, &["--doc"]);
    Some(one)
}

/// No colours, no watching, no byte code beside the sources.
fn environment(runner: &str) -> BTreeMap<String, String> {
    let pairs: &[(&str, &str)] = match runner {
        "pytest" | "unittest" => &[
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("PY_COLORS", "0"),
            ("KEIKO_TEST_SECONDS", TEST_SECONDS),
        ],
        "cargo" => &[("RUST_BACKTRACE", "0")],
        "go" => &[("GOPROXY", "off")],
        _ => &[],
    };
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// A node id or a path selects by place, anything else by an expression over names.
fn pytest_filter(filter: &str) -> Vec<String> {
    if is_place(filter) {
        vec![filter.to_owned()]
    } else {
        vec!["-k".to_owned(), filter.to_owned()]
    }
}

fn is_place(filter: &str) -> bool {
    filter.contains("::")
        || filter.ends_with(".py")
        || (filter.contains('/') && !filter.contains(' '))
}

/// Django's own command takes names of tests; a script of a project's own takes what it likes.
fn takes_names(script: &[String]) -> bool {
    script.iter().any(|word| word == "test")
}

/// go: a package by its path, a test by `-run`, both when the name comes from a report (`example.com/dates.TestLeap`).
fn go_filter(filter: Option<&str>) -> Vec<String> {
    let run = |pattern: &str, package: &str| {
        vec!["-run".to_owned(), pattern.to_owned(), package.to_owned()]
    };
    match filter {
        None => vec!["./...".to_owned()],
        Some(package) if package.starts_with("./") => vec![package.to_owned()],
        Some(name) => match name.rsplit_once(".Test") {
            Some((package, test)) if !package.is_empty() => {
                let exact: Vec<String> = format!("Test{test}")
                    .split('/')
                    .map(|part| format!("^{}$", regex::escape(part)))
                    .collect();
                run(&exact.join("/"), package)
            }
            _ => run(name, "./..."),
        },
    }
}

/// Arguments that serve reading the result, not running the tests.
const HARNESS_ONLY: [&str; 3] = ["-p", "no:cacheprovider", "--continue-on-collection-errors"];

/// What a person would type: without what only the harness needs.
fn shown(runner: &str, argv: &[String], project: &Project, way: &[String]) -> String {
    let of_cargo: Vec<String>;
    let argv = match runner {
        "cargo" => {
            let plain = ["cargo", "test", "--offline", "--no-fail-fast"].map(str::to_owned);
            of_cargo = plain
                .into_iter()
                .chain(way.iter().cloned())
                .chain(argv.iter().skip(4).cloned())
                .collect();
            &of_cargo
        }
        _ => argv,
    };
    let mut words: Vec<String> = argv
        .iter()
        .filter(|word| !HARNESS_ONLY.contains(&word.as_str()))
        .map(|word| quoted(word))
        .collect();
    if words.get(2).is_some_and(|word| word == "script") {
        words.drain(1..3);
    }
    words
        .iter_mut()
        .filter(|word| *word == PYTHON)
        .for_each(|word| "-m".clone_into(word));
    in_folder(project, &words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::project;

    fn argv(runner: &str, filter: Option<&str>) -> Vec<String> {
        match plan(&project(runner), filter).unwrap().spec.command {
            Command::Argv(argv) => argv,
            Command::Shell(script) => panic!("{script:?}"),
        }
    }

    fn ends(runner: &str, filter: &str, end: &[&str]) {
        let argv = argv(runner, Some(filter));
        assert_eq!(&argv[argv.len() - end.len()..], end, "{runner} {filter}");
    }

    #[test]
    fn filters_speak_the_language_of_their_runner() {
        ends("pytest", "leap and not slow", &["-k", "leap and not slow"]);
        ends(
            "pytest",
            "tests/test_a.py::test_x[1]",
            &[
                "--continue-on-collection-errors",
                "tests/test_a.py::test_x[1]",
            ],
        );
        ends(
            "unittest",
            "test_dates.Dates.test_x",
            &["-v", "test_dates.Dates.test_x"],
        );
        ends("unittest", "leap", &["-k", "leap"]);
        ends("cargo", "tests::fourth", &["sh", "tests::fourth"]);
        ends(
            "vitest",
            "leap > century (1900)",
            &["-t", r"leap century \(1900\)"],
        );
        ends(
            "jest",
            "src/date.test.js",
            &["/harness/keiko_main.cjs", "src/date.test.js"],
        );
        ends(
            "node",
            "leap > century",
            &[
                "--test-name-pattern=^leap$",
                "--test-name-pattern=^century$",
            ],
        );
        ends("go", "TestLeap", &["-run", "TestLeap", "./..."]);
        ends(
            "go",
            "example.com/dates.TestLeap/a.b",
            &["-run", r"^TestLeap$/^a\.b$", "example.com/dates"],
        );
        ends("mocha", "leap > century", &["--grep", "^leap century$"]);
        ends("npm", "leap", &["test", "--silent"]);
        ends("npm", "test/leap.js", &["--", "test/leap.js"]);
    }

    #[test]
    fn one_test_is_run_alone_only_where_its_name_selects_it() {
        let named = |name: &str| TestCase {
            name: name.into(),
            ..TestCase::default()
        };
        for (runner, name) in [
            ("npm", "npm test"),
            ("npm", "adds"),
            ("cargo", "tests/a.rs"),
            ("go", "example.com/zone"),
            ("pytest", "python3 -m pytest -q"),
            ("unittest", "test_broken"),
        ] {
            assert_eq!(
                alone(&project(runner), &named(name)),
                None,
                "{runner} {name}"
            );
        }
        let cargo = alone(&project("cargo"), &named("tests::a")).unwrap();
        assert_eq!(
            cargo.shown,
            "cargo test --offline --no-fail-fast tests::a -- --exact"
        );
        let documented = alone(
            &project("cargo"),
            &named("src/lib.rs - Either<L,R>::is_left (line 251)"),
        )
        .unwrap();
        assert_eq!(
            documented.shown,
            "cargo test --offline --no-fail-fast 'Either<L,R>::is_left' --doc"
        );
        assert!(alone(&project("go"), &named("example.com/dates.TestLeap/a")).is_some());
        assert!(alone(&project("unittest"), &named("test_dates.Dates.test_x")).is_some());
    }

    #[test]
    fn a_filter_never_becomes_an_option() {
        for runner in [
            "pytest", "cargo", "vitest", "jest", "mocha", "node", "npm", "go", "unittest",
        ] {
            let all = argv(runner, None);
            assert_eq!(argv(runner, Some(" -- ")), all, "{runner}");
            assert!(
                !argv(runner, Some("--rootdir=/x.py")).contains(&"--rootdir=/x.py".to_owned()),
                "{runner}"
            );
        }
    }

    #[test]
    fn what_a_project_says_of_its_tests_is_what_is_run() {
        let told = |runner: &str, words: &[&str]| Project {
            ways: vec![words.iter().map(|word| (*word).to_owned()).collect()],
            env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            ..project(runner)
        };
        let shown = |project: &Project, filter| plan(project, filter).unwrap().shown;
        let documented = told("pytest", &["--doctest-modules", "calc", "tests"]);
        assert_eq!(
            shown(&documented, None),
            "python3 -m pytest -q --doctest-modules calc tests"
        );
        assert_eq!(
            shown(&documented, Some("tests/test_a.py::test_x")),
            "python3 -m pytest -q --doctest-modules tests/test_a.py::test_x"
        );
        assert_eq!(plan(&documented, None).unwrap().spec.env["A"], "b");
        let django = told("unittest", &["manage.py", "test"]);
        assert_eq!(
            shown(&django, Some("app.tests.T.test_x")),
            "python3 manage.py test app.tests.T.test_x"
        );
        let own = told("unittest", &["runtests.py"]);
        assert_eq!(
            shown(&own, Some("app.tests.T.test_x")),
            "python3 runtests.py"
        );
        let case = TestCase {
            name: "app.tests.T.test_x".into(),
            ..TestCase::default()
        };
        assert!(alone(&django, &case).is_some() && alone(&own, &case).is_none());
        assert_eq!(
            shown(&told("go", &["-tags", "integration"]), None),
            "go test -json -timeout 240s -tags integration ./..."
        );
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        let shown = |runner: &str, filter| plan(&project(runner), filter).unwrap().shown;
        assert_eq!(
            shown("pytest", Some("a or b")),
            "python3 -m pytest -q -k 'a or b'"
        );
        assert_eq!(shown("cargo", None), "cargo test --offline --no-fail-fast");
        let ways = vec![
            vec!["--all-features".to_owned()],
            vec!["--workspace".to_owned()],
        ];
        let of_cargo = plan(
            &Project {
                ways,
                ..project("cargo")
            },
            Some("a"),
        )
        .unwrap();
        assert_eq!(
            of_cargo.shown,
            "cargo test --offline --no-fail-fast --all-features a"
        );
        assert_eq!(
            of_cargo.others,
            ["cargo test --offline --no-fail-fast --workspace a"]
        );
        assert_eq!(shown("vitest", None), "npx vitest run");
        assert_eq!(shown("node", None), "node --test");
        let sub = keiko_contracts::jail::Project {
            dir: "my app".into(),
            ..project("go")
        };
        assert_eq!(
            plan(&sub, None).unwrap().shown,
            "cd 'my app' && go test -json -timeout 240s ./..."
        );
        assert_eq!(plan(&project("karma"), None), None);
        assert_eq!(
            plan(
                &keiko_contracts::jail::Project {
                    runner: None,
                    ..sub
                },
                None
            ),
            None
        );
    }
}
