//! Dependencies of real registries: installed once after a person has approved, then used without network.

use crate::keiko::*;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether the registries answer their ordinary clients.
fn registries_answer(dir: &Path) -> bool {
    let ask = |program: &str, args: &[&str]| {
        let status = Command::new(program)
            .args(args)
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    ask(
        "python3",
        &[
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--disable-pip-version-check",
            "toolz==1.0.0",
        ],
    ) && ask("npm", &["view", "is-number", "version"])
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
        eprintln!(
            "SKIPPED: {test}: a registry does not answer: connect to pypi.org, registry.npmjs.org and crates.io"
        );
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
    put(
        &repo,
        "rs/Cargo.toml",
        "[package]\nname = \"rs\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"1\"\n",
    );
    put(
        &repo,
        "rs/src/lib.rs",
        "#[test]\nfn writes() {\n    assert_eq!(itoa::Buffer::new().format(5), \"5\");\n}\n",
    );
    commit_all(&repo);
    let mut done = keiko.goal(&repo, "Run the tests", &[]);
    let mut approved = 0;
    while done.code == 5 && approved < 4 {
        keiko
            .run(&["approvals", "approve", &keiko.approval()])
            .expect(0);
        approved += 1;
        done = keiko.run(&["resume", "last"]);
    }
    done.expect(0);
    assert_eq!(approved, 1, "one question for all three");
    let tests = keiko.end(&keiko.newest())["card"]["tests_after"].clone();
    assert_eq!(
        (&tests["passed"], &tests["failed"], &tests["errors"]),
        (&json!(3), &json!(0), &json!(0)),
        "{tests:#}"
    );
    server.assert_valid();
}

#[test]
fn slow_a_project_of_djangos_is_tested_by_its_own_command() {
    let test = "slow_a_project_of_djangos_is_tested_by_its_own_command";
    let server = playing(vec![
        run_tests(),
        finish("One of the two is red, as it was."),
    ]);
    let keiko = Keiko::chat(&server);
    if !ready(test) {
        return;
    }
    let repo = keiko.root().join("shop");
    put(&repo, "requirements.txt", "Django>=4.2,<5\n");
    put(
        &repo,
        "manage.py",
        "import os\nimport sys\n\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'settings')\nfrom django.core.management import execute_from_command_line\n\nexecute_from_command_line(sys.argv)\n",
    );
    put(
        &repo,
        "settings.py",
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.contenttypes', 'shop']\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\nDEFAULT_AUTO_FIELD = 'django.db.models.AutoField'\n",
    );
    put(&repo, "shop/__init__.py", "");
    put(
        &repo,
        "shop/models.py",
        "from django.db import models\n\n\nclass Item(models.Model):\n    price = models.IntegerField()\n\n    def doubled(self):\n        return self.price * 3\n",
    );
    put(
        &repo,
        "shop/tests.py",
        "from django.test import TestCase\n\nfrom shop.models import Item\n\n\nclass ItemTest(TestCase):\n    def test_stored(self):\n        Item.objects.create(price=2)\n        self.assertEqual(Item.objects.get().price, 2)\n\n    def test_doubled(self):\n        self.assertEqual(Item(price=2).doubled(), 4)\n",
    );
    commit_all(&repo);
    let done = keiko.goal(&repo, "Run the tests", &["--install", "yes"]);
    let tests = keiko.end(&keiko.newest())["card"]["tests_before"].clone();
    assert_eq!(
        (&tests["passed"], &tests["failed"], &tests["errors"]),
        (&json!(1), &json!(1), &json!(0)),
        "{tests:#}\n{done}"
    );
    assert_eq!(tests["command"], "python3 manage.py test");
    assert_eq!(
        tests["failing"],
        json!(["shop.tests.ItemTest.test_doubled"])
    );
}
