//! Dependencies of real registries: installed once after a person has approved, then used without network.

use crate::keiko::*;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether the registries answer their ordinary clients.
fn registries_answer(dir: &Path) -> bool {
    let ask = |program: &str, args: &[&str]| {
        let status = Command::new(program).args(args).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    ask("python3", &["-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check", "toolz==1.0.0"])
        && ask("npm", &["view", "is-number", "version"])
        && ask("cargo", &["info", "-q", "itoa", "--registry", "crates-io"])
}

#[test]
fn slow_dependencies_in_three_languages_are_prepared_and_tested_offline() {
    let test = "slow_dependencies_in_three_languages_are_prepared_and_tested_offline";
    let server = playing(vec![run_tests(), finish("All three are green.")]);
    let keiko = Keiko::chat(&server);
    if !ready(test) {
        return;
    }
    let downloads = keiko.root().join("downloads");
    std::fs::create_dir(&downloads).unwrap();
    if !registries_answer(&downloads) {
        eprintln!("SKIPPED: {test}: a registry does not answer: connect to pypi.org, registry.npmjs.org and crates.io");
        return;
    }
    let repo = keiko.root().join("three");
    put(&repo, "py/requirements.txt", "toolz==1.0.0\n");
    put(
        &repo,
        "py/test_it.py",
        "import unittest\nimport toolz\n\n\nclass It(unittest.TestCase):\n    def test_toolz(self):\n        self.assertEqual(toolz.first([7, 8]), 7)\n",
    );
    put(
        &repo,
        "js/package.json",
        r#"{"name":"js","version":"1.0.0","scripts":{"test":"node --test"},"dependencies":{"is-number":"7.0.0"}}"#,
    );
    put(
        &repo,
        "js/it.test.js",
        "const test = require('node:test');\nconst assert = require('node:assert');\ntest('is number', () => assert(require('is-number')(5)));\n",
    );
    put(&repo, "rs/Cargo.toml", "[package]\nname = \"rs\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"1\"\n");
    put(&repo, "rs/src/lib.rs", "#[test]\nfn writes() {\n    assert_eq!(itoa::Buffer::new().format(5), \"5\");\n}\n");
    commit_all(&repo);
    let mut done = keiko.goal(&repo, "Run the tests", &[]);
    let mut approved = 0;
    while done.code == 5 && approved < 4 {
        keiko.run(&["approvals", "approve", &keiko.approval()]).expect(0);
        approved += 1;
        done = keiko.run(&["resume", "last"]);
    }
    done.expect(0);
    assert_eq!(approved, 1, "one question for all three");
    let tests = keiko.end(&keiko.newest())["card"]["tests_after"].clone();
    assert_eq!((&tests["passed"], &tests["failed"], &tests["errors"]), (&json!(3), &json!(0), &json!(0)), "{tests:#}");
    server.assert_valid();
}
