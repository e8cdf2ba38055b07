//! Some tests of an earlier run in one run: all of the named ones, and few others.

use super::{Granularity, TestPlan, plan};
use keiko_contracts::evidence::TestCase;
use keiko_contracts::jail::{Command, Project};
use std::collections::BTreeSet;

/// Most names that are put on a command line.
const NAMES_MAX: usize = 50;

/// How these tests of a project are run together. `None` where its runner cannot be asked for them by name: then all of its
/// tests are the way.
#[must_use]
pub fn some(project: &Project, cases: &[TestCase]) -> Option<TestPlan> {
    let mut whole = plan(project, None)?;
    if whole.granularity == Granularity::Whole
        || cases.is_empty()
        || cases.iter().any(|case| case.name == whole.shown)
    {
        return None;
    }
    let words = match whole.runner.as_str() {
        "pytest" => pytest(cases),
        "unittest" => names(cases, |case| {
            case.name.contains('.') && !case.name.contains([' ', '*'])
        }),
        "cargo" => names(cases, |case| {
            !case.name.ends_with(".rs") && case.file.as_deref() != Some(case.name.as_str())
        })
        .map(|names| {
            ["--".to_owned(), "--exact".to_owned()]
                .into_iter()
                .chain(names)
                .collect()
        }),
        "go" => go(cases),
        "node" => files(cases, project),
        "vitest" | "jest" => script(cases, project),
        _ => None,
    }?;
    let Command::Argv(argv) = &mut whole.spec.command else {
        return None;
    };
    if whole.runner == "go" {
        // What is run is named instead of everything.
        argv.retain(|word| word != "./...");
    }
    whole.shown = format!(
        "{} {}",
        whole.shown.trim_end_matches(" ./..."),
        words.join(" ")
    );
    argv.extend(words);
    Some(whole)
}

fn bounded(words: BTreeSet<String>) -> Option<Vec<String>> {
    (!words.is_empty()
        && words.len() <= NAMES_MAX
        && !words.iter().any(|word| word.starts_with('-')))
    .then(|| words.into_iter().collect())
}

fn names(cases: &[TestCase], selects: fn(&TestCase) -> bool) -> Option<Vec<String>> {
    cases
        .iter()
        .all(selects)
        .then(|| cases.iter().map(|case| case.name.clone()).collect())
        .and_then(bounded)
}

/// By function where all stand in one file: pytest runs nothing at all when one of several files cannot be loaded and its
/// tests are asked for by name. Values of a parameter may come from the product, so they are left out.
fn pytest(cases: &[TestCase]) -> Option<Vec<String>> {
    let named = |case: &TestCase| {
        Some(
            case.name
                .split_once("::")
                .filter(|(file, _)| file.ends_with(".py"))?
                .0
                .to_owned(),
        )
    };
    let files: BTreeSet<String> = cases.iter().map(named).collect::<Option<_>>()?;
    if files.len() > 1 {
        return bounded(files);
    }
    let functions: BTreeSet<String> = cases
        .iter()
        .map(|case| case.name.split('[').next().unwrap_or_default().to_owned())
        .collect();
    bounded(functions).or_else(|| bounded(files))
}

/// The functions, in the packages that have them.
fn go(cases: &[TestCase]) -> Option<Vec<String>> {
    let (mut functions, mut packages) = (BTreeSet::new(), BTreeSet::new());
    for case in cases {
        let at = [".Test", ".Example", ".Fuzz"]
            .iter()
            .filter_map(|kind| case.name.rfind(kind))
            .max()?;
        let function = case.name.get(at + 1..)?.split('/').next()?;
        functions.insert(regex::escape(function));
        packages.insert(
            case.name
                .get(..at)
                .filter(|package| !package.is_empty())?
                .to_owned(),
        );
    }
    let functions = bounded(functions)?;
    Some(
        ["-run".to_owned(), format!("^({})$", functions.join("|"))]
            .into_iter()
            .chain(bounded(packages)?)
            .collect(),
    )
}

/// The files of the tests, as the project sees them.
fn files(cases: &[TestCase], project: &Project) -> Option<Vec<String>> {
    let own = |file: &String| match project.dir.as_str() {
        "" => Some(file.clone()),
        dir => file.strip_prefix(dir)?.strip_prefix('/').map(str::to_owned),
    };
    let file = |case: &TestCase| {
        case.file
            .as_ref()
            .and_then(own)
            .filter(|file| !file.starts_with(['/', '.']))
    };
    cases
        .iter()
        .map(file)
        .collect::<Option<BTreeSet<String>>>()
        .and_then(bounded)
}

/// vitest and jest: a pattern over full names, in the files where they are known.
fn script(cases: &[TestCase], project: &Project) -> Option<Vec<String>> {
    let names = bounded(
        cases
            .iter()
            .map(|case| regex::escape(&case.name.replace(" > ", " ")))
            .collect(),
    )?;
    let files = files(cases, project).unwrap_or_default();
    Some(
        ["-t".to_owned(), format!("^(?:{})$", names.join("|"))]
            .into_iter()
            .chain(files)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::project;

    fn ends(runner: &str, tests: &[(&str, &str)], end: &str) {
        let case = |(name, file): &(&str, &str)| TestCase {
            name: (*name).into(),
            file: Some((*file).to_owned()).filter(|file| !file.is_empty()),
            ..TestCase::default()
        };
        let plan = some(
            &project(runner),
            &tests.iter().map(case).collect::<Vec<_>>(),
        );
        let argv = plan.map(|plan| match plan.spec.command {
            Command::Argv(argv) => argv.join(" "),
            Command::Shell(_) => unreachable!(),
        });
        match end {
            "" => assert_eq!(argv, None, "{runner}"),
            end => assert!(
                argv.as_ref().is_some_and(|argv| argv.ends_with(end)),
                "{runner}: {argv:?}"
            ),
        }
    }

    #[test]
    fn several_tests_are_asked_for_at_once() {
        ends(
            "pytest",
            &[
                ("t/test_a.py::test_x[1]", ""),
                ("t/test_a.py::A::test_y", ""),
            ],
            " t/test_a.py::A::test_y t/test_a.py::test_x",
        );
        ends(
            "pytest",
            &[("t/test_a.py::test_x", ""), ("t/test_b.py::test_x", "")],
            "-collection-errors t/test_a.py t/test_b.py",
        );
        ends(
            "unittest",
            &[("tests.test_a.A.test_x", ""), ("tests.test_a.A.test_y", "")],
            "-v tests.test_a.A.test_x tests.test_a.A.test_y",
        );
        ends(
            "cargo",
            &[("tests::a", ""), ("tests::b", "")],
            "2>&1 sh -- --exact tests::a tests::b",
        );
        ends(
            "go",
            &[("ex.com/a.TestX/one", ""), ("ex.com/b.TestY", "")],
            "240s -run ^(TestX|TestY)$ ex.com/a ex.com/b",
        );
        ends(
            "vitest",
            &[("a > b (c)", "src/a.test.ts")],
            r"-t ^(?:a b \(c\))$ src/a.test.ts",
        );
        ends("node", &[("a > b", "test/a.js")], " test/a.js");
    }

    #[test]
    fn where_names_select_nothing_all_tests_are_the_way() {
        ends("npm", &[("adds", "")], "");
        ends("node", &[("a", "")], "");
        ends("pytest", &[("python3 -m pytest -q", "")], "");
        ends("unittest", &[("test_broken", "")], "");
        ends("cargo", &[("tests/a.rs", "")], "");
        ends("pytest", &[], "");
        let many: Vec<String> = (0..60).map(|n| format!("tests::t{n}")).collect();
        ends(
            "cargo",
            &many
                .iter()
                .map(|name| (name.as_str(), ""))
                .collect::<Vec<_>>(),
            "",
        );
    }
}
