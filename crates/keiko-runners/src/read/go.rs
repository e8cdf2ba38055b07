//! The event lines of `go test -json` (see `go doc test2json`).

use super::{CASES_MAX, MESSAGE_MAX, Parsed};
use crate::lines::{cut, plain};
use keiko_contracts::evidence::{TestCase, TestStatus};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most output kept of one test or package, bytes.
const OUTPUT_MAX: usize = 8 << 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    #[serde(default)]
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    import_path: String,
    test: Option<String>,
    #[serde(default)]
    output: String,
}

#[derive(Debug, Default)]
struct Seen {
    status: Option<TestStatus>,
    output: String,
}

pub(super) fn parse(out: &str, err: &str) -> Parsed {
    let mut tests: BTreeMap<(String, String), Seen> = BTreeMap::new();
    let mut order: Vec<(String, String)> = Vec::new();
    let mut packages: BTreeMap<String, Seen> = BTreeMap::new();
    let mut odd = None;
    for line in out
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
    {
        let seen = match line.test {
            Some(test) => {
                let key = (line.package, test);
                if !tests.contains_key(&key) {
                    if order.len() >= CASES_MAX {
                        continue;
                    }
                    order.push(key.clone());
                }
                tests.entry(key).or_default()
            }
            None => {
                // Build output names the package as `path [path.test]`.
                let package = if line.package.is_empty() {
                    line.import_path.split(" [").next().unwrap_or("").to_owned()
                } else {
                    line.package
                };
                if packages.len() >= CASES_MAX && !packages.contains_key(&package) {
                    continue;
                }
                packages.entry(package).or_default()
            }
        };
        // A package that could not be built is told to fail twice.
        let again = seen
            .status
            .is_some_and(|before| before != TestStatus::Failed || line.action != "fail");
        if matches!(line.action.as_str(), "pass" | "fail" | "skip") && again && odd.is_none() {
            odd = Some("a test or a package has two results".into());
        }
        match line.action.as_str() {
            "pass" => seen.status = Some(TestStatus::Passed),
            "fail" | "build-fail" => seen.status = Some(TestStatus::Failed),
            "skip" => seen.status = Some(TestStatus::Skipped),
            "output" | "build-output" if seen.output.len() < OUTPUT_MAX => {
                seen.output.push_str(&plain(&line.output))
            }
            _ => {}
        }
    }
    // Before Go 1.24, what cannot be built is told in plain words.
    for package in out.lines().filter_map(not_built).take(CASES_MAX) {
        let seen = packages.entry(package.to_owned()).or_default();
        seen.status = Some(TestStatus::Failed);
        seen.output.push_str("[build failed]");
    }
    Parsed {
        odd,
        ..cases(&order, &tests, &packages, err)
    }
}

fn cases(
    order: &[(String, String)],
    tests: &BTreeMap<(String, String), Seen>,
    packages: &BTreeMap<String, Seen>,
    err: &str,
) -> Parsed {
    let mut parsed = Parsed::default();
    // A test with subtests says nothing that they do not say, unless it failed on its own.
    // The name of a subtest may hold a `/` itself, so each beginning may be a test of its own.
    let groups: BTreeSet<(&str, &str)> = order.iter().flat_map(above).collect();
    let failed_below: BTreeSet<(&str, &str)> = order
        .iter()
        .filter(|key| {
            tests
                .get(*key)
                .is_some_and(|seen| seen.status == Some(TestStatus::Failed))
        })
        .flat_map(above)
        .collect();
    for key in order {
        let (package, test) = key;
        let Some(seen) = tests.get(key) else { continue };
        let own_failure = seen.status == Some(TestStatus::Failed)
            && !failed_below.contains(&(package.as_str(), test.as_str()));
        if groups.contains(&(package.as_str(), test.as_str()))
            && !own_failure
            && seen.status.is_some()
        {
            continue;
        }
        parsed.cases.push(case(package, test, seen));
    }
    let with_tests: BTreeSet<&str> = order.iter().map(|(package, _)| package.as_str()).collect();
    for (package, seen) in packages {
        let explained = with_tests.contains(package.as_str());
        if seen.status == Some(TestStatus::Failed) && !explained {
            let said = if seen.output.contains("[build failed]") && seen.output.lines().count() <= 1
            {
                of_package(err, package)
            } else {
                &seen.output
            };
            let said: Vec<&str> = said
                .lines()
                .filter(|line| !line.starts_with("# ") && !line.starts_with("FAIL"))
                .collect();
            let message = Some(cut(said.join("\n").trim(), MESSAGE_MAX));
            parsed.broken.push(TestCase {
                name: package.clone(),
                status: TestStatus::Error,
                file: None,
                line: None,
                message,
                lacks: None,
            });
        }
    }
    parsed
}

/// The package of a line such as `FAIL example.com/a [build failed]`, with a tab between the first two words.
fn not_built(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("FAIL\t")?;
    rest.strip_suffix(" [build failed]")
        .or_else(|| rest.strip_suffix(" [setup failed]"))
}

/// What the compiler says of a package: below a line with its name. All of it, where no line names it.
fn of_package<'a>(err: &'a str, package: &str) -> &'a str {
    let heading = format!("# {package}");
    let is_own = |rest: &&str| {
        rest.strip_prefix(&heading)
            .is_some_and(|after| after.starts_with([' ', '\n']))
    };
    let starts = err
        .match_indices("# ")
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || err[..*at].ends_with('\n'));
    let Some(own) = starts.map(|at| &err[at..]).find(is_own) else {
        return err;
    };
    own.find("\n# ").map_or(own, |end| &own[..end])
}

/// The tests that a subtest may stand below.
fn above((package, test): &(String, String)) -> impl Iterator<Item = (&str, &str)> {
    test.match_indices('/')
        .map(move |(at, _)| (package.as_str(), &test[..at]))
}

fn case(package: &str, test: &str, seen: &Seen) -> TestCase {
    // A test that began and has no end: the package panicked or exited under it.
    let status = seen.status.unwrap_or(TestStatus::Error);
    let lines = seen
        .output
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("=== ") && !line.starts_with("--- "));
    let said = lines.collect::<Vec<_>>().join("\n");
    let place = said.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (file, number) = (parts.next()?, parts.next()?.parse().ok()?);
        parts
            .next()
            .filter(|_| file.ends_with(".go") && !file.contains(' '))
            .map(|_| (file.to_owned(), number))
    });
    let message = (status != TestStatus::Passed)
        .then(|| cut(said.trim(), MESSAGE_MAX))
        .filter(|text| !text.is_empty());
    // The file is told without its folder, and only where something was logged: too little to identify a test by.
    let (_, line) = place
        .clone()
        .filter(|_| status != TestStatus::Passed)
        .unzip();
    let file = place
        .map(|(file, _)| file)
        .filter(|_| status != TestStatus::Passed);
    TestCase {
        name: format!("{package}.{test}"),
        status,
        file,
        line,
        message,
        lacks: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{case, counts, run};

    #[test]
    fn events_are_read_per_test() {
        let out = include_str!("../../tests/fixtures/runners/go.jsonl");
        let (summary, cases) = run("go", 1, out, "", None).unwrap();
        assert_eq!(
            counts(&summary),
            [2, 1, 1, 1],
            "the group TestLeap is not counted besides its subtests"
        );
        let century = case(&cases, "example.com/dates.TestLeap/century");
        assert_eq!(
            (century.file.as_deref(), century.line),
            (Some("dates_test.go"), Some(14))
        );
        assert_eq!(
            century.message.as_deref(),
            Some("dates_test.go:14: IsLeap(1900) = true, want false")
        );
        assert_eq!(
            case(&cases, "example.com/dates/zone").message.as_deref(),
            Some("zone/zone.go:5:2: undefined: x")
        );
    }

    #[test]
    fn a_package_that_does_not_build_is_explained() {
        let out = "{\"Action\":\"output\",\"Package\":\"x\",\"Output\":\"FAIL\\tx [build failed]\\n\"}\n{\"Action\":\"fail\",\"Package\":\"x\"}\n";
        let said = run("go", 1, out, "# x\n./x.go:3:2: undefined: y\n", None).unwrap_err();
        assert!(
            said.contains("could not be loaded\nx: ./x.go:3:2: undefined: y"),
            "{said}"
        );
    }

    #[test]
    fn a_package_that_an_older_go_cannot_build_is_one_of_many() {
        let out = "{\"Action\":\"run\",\"Package\":\"m/b\",\"Test\":\"TestB\"}\n{\"Action\":\"pass\",\"Package\":\"m/b\",\"Test\":\"TestB\"}\nFAIL\tm/a [build failed]\n";
        let err =
            "# m/c\nc.go:1:1: other\n# m/a [m/a.test]\na/x_test.go:3:2: y.Compare undefined\n";
        let (summary, cases) = run("go", 1, out, err, None).unwrap();
        assert_eq!(counts(&summary), [1, 0, 1, 0]);
        let broken = cases.iter().find(|case| case.name == "m/a").unwrap();
        let message = broken.message.as_deref().unwrap();
        assert!(
            message.contains("y.Compare undefined") && !message.contains("other"),
            "{message}"
        );
    }

    #[test]
    fn two_results_of_one_test_void_the_run() {
        let line = |action: &str| {
            format!("{{\"Action\":\"{action}\",\"Package\":\"x\",\"Test\":\"TestA\"}}\n")
        };
        let (summary, _) = run(
            "go",
            0,
            &[line("run"), line("fail"), line("pass")].concat(),
            "",
            None,
        )
        .unwrap();
        assert!(summary.void.is_some() && !summary.is_green());
        assert_eq!(
            run("go", 0, &[line("run"), line("pass")].concat(), "", None)
                .unwrap()
                .0
                .void,
            None
        );
    }

    #[test]
    fn the_name_of_a_subtest_may_hold_a_slash() {
        let line = |action: &str, test: &str| {
            format!("{{\"Action\":\"{action}\",\"Package\":\"x\",\"Test\":\"{test}\"}}\n")
        };
        let lines = ["TestPath", "TestPath//a/{id", "TestPath/b"]
            .map(|test| line("run", test) + &line("pass", test))
            .concat();
        let (summary, _) = run("go", 0, &lines, "", None).unwrap();
        assert_eq!(
            counts(&summary),
            [2, 0, 0, 0],
            "the test above them is not counted besides"
        );
    }

    #[test]
    fn a_test_without_an_end_is_an_error() {
        let out = "{\"Action\":\"run\",\"Package\":\"x\",\"Test\":\"TestA\"}\n{\"Action\":\"output\",\"Package\":\"x\",\"Test\":\"TestA\",\"Output\":\"panic: boom\\n\"}\n{\"Action\":\"fail\",\"Package\":\"x\"}\n";
        let (summary, cases) = run("go", 2, out, "", None).unwrap();
        assert_eq!(counts(&summary), [0, 0, 1, 0]);
        assert_eq!(cases[0].message.as_deref(), Some("panic: boom"));
    }
}
