//! Installing from registries that are down, broken, or serve what they should not.

use crate::keiko::*;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A registry on the loopback, until dropped.
struct Registry(Child, u16);

impl Registry {
    fn new(mode: &str, home: &Path) -> Registry {
        let mut python = Command::new("python3");
        let mut child = python
            .args(["-c", include_str!("registry.py"), mode])
            .arg(home)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Registry(child, line.trim().parse().unwrap())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const CALC: &str = "def add(a, b):\n    return a + b\n";
const TESTS: &str = "import unittest\nfrom calc import add\n\n\nclass Calc(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(add(1, 1), 2)\n";
const USES: &str = "import unittest\nimport leftpadder\n\n\nclass Uses(unittest.TestCase):\n    def test_value(self):\n        self.assertEqual(leftpadder.VALUE, 1)\n";

fn project(keiko: &Keiko, requirement: &str) -> std::path::PathBuf {
    let dir = keiko.user().join("calc");
    let files = [
        ("requirements.txt", requirement),
        ("calc.py", CALC),
        ("tests/__init__.py", ""),
        ("tests/test_calc.py", TESTS),
    ];
    for (name, text) in files.into_iter().chain([("tests/test_uses.py", USES)]) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    git(&dir, &["init", "-q"]);
    git(&dir, &["add", "-A"]);
    git(
        &dir,
        &[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "commit",
            "-qm",
            "all",
        ],
    );
    dir
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(dir)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Examines the project with such a registry, and gives the whole report; with none, at a port where nobody listens.
fn examined(mode: &str, requirement: &str) -> String {
    let mut keiko = Keiko::new();
    std::fs::create_dir_all(keiko.home()).unwrap();
    let registry = (mode != "down").then(|| Registry::new(mode, &keiko.home()));
    let nobody = || {
        std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    };
    let port = registry.as_ref().map_or_else(nobody, |registry| registry.1);
    keiko.set("PIP_INDEX_URL", format!("http://127.0.0.1:{port}/simple"));
    let dir = project(&keiko, requirement);
    let before = std::fs::read_to_string(dir.join("calc.py")).unwrap();
    let up = keiko.run(&[
        "up",
        "--workspace",
        dir.to_str().unwrap(),
        "--install",
        "yes",
    ]);
    up.expect(0);
    assert_eq!(
        git(&dir, &["status", "--porcelain"]),
        "",
        "{mode}: the user's folder is as it was"
    );
    assert_eq!(
        std::fs::read_to_string(dir.join("calc.py")).unwrap(),
        before,
        "{mode}"
    );
    assert!(!keiko.home().join("owned").exists(), "{mode}");
    let report = keiko.run(&["runs", "report", "last"]).stdout;
    // What was tried a moment ago is no advice.
    assert!(!report.contains("--install yes"), "{mode}: {report}");
    // What does not need the package was tested all the same, as it stands in the repository.
    assert!(
        report.contains("1 test passes")
            || report.contains("1 passed")
            || report.contains("2 passed"),
        "{mode}: {report}"
    );
    report
}

#[test]
fn slow_registries_that_do_not_do_what_they_should_are_named_and_harm_nothing() {
    if !ready("slow_registries_that_do_not_do_what_they_should_are_named_and_harm_nothing") {
        return;
    }
    let plain = "leftpadder==1.0\n";
    let served = [
        ("good", plain, ""),
        ("elsewhere", plain, "leftpadder"),
        ("unbuildable", plain, "the compiler is on strike"),
        ("garbage", plain, "leftpadder"),
        ("garbled", plain, "decode"),
        ("broken", plain, "leftpadder"),
        ("attack", plain, ""),
        // A lock file that lies: the package is not the one that was written down.
        (
            "good",
            "leftpadder==1.0 --hash=sha256:1111111111111111111111111111111111111111111111111111111111111111\n",
            "DO NOT MATCH",
        ),
    ];
    for (mode, requirement, why) in served {
        let report = examined(mode, requirement);
        if why.is_empty() {
            assert!(
                report.contains("2 tests pass") && !report.contains("packages of"),
                "{mode}: {report}"
            );
        } else {
            let said = report
                .lines()
                .find(|line| line.starts_with("- packages of the root: "))
                .unwrap_or_else(|| panic!("{mode}: {report}"));
            assert!(
                said.contains("nstall") && said.contains(why),
                "{mode}: {said}"
            );
            assert!(
                report.contains("leftpadder"),
                "{mode}: the missing module is named: {report}"
            );
        }
    }
    let report = examined("down", plain);
    assert!(
        report.contains(": the server cannot be reached"),
        "{report}"
    );
}
