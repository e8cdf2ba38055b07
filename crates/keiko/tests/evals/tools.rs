//! Tools from outside: pytest, ruff and typos, each where it is installed; and what is said where it is not.

use crate::yard::{Yard, has, skipped};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A virtual environment with these programs: the one that `cargo xtask test` makes, or one made here once.
fn venv(test: &str, programs: &[&str]) -> Option<PathBuf> {
    let holds = |venv: &Path| {
        programs
            .iter()
            .all(|program| venv.join("bin").join(program).is_file())
    };
    let named = std::env::var_os("KEIKO_TEST_BIN")
        .and_then(|bin| PathBuf::from(bin).parent().map(Path::to_owned));
    if let Some(venv) = named.filter(|venv| holds(venv)) {
        return Some(venv);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = target.join("eval-tools");
    // Several tests start at once, each in a process of its own: one makes it, the others wait.
    let lock = std::fs::File::create(target.join("eval-tools.lock")).ok()?;
    lock.lock().ok()?;
    let enable = format!(
        "python3 -m venv {0} && {0}/bin/pip install pytest ruff typos",
        made.display()
    );
    if !holds(&made) {
        let system = if Path::new("/usr/bin/python3").is_file() {
            "/usr/bin/python3"
        } else {
            "python3"
        };
        let python = made.join("bin/python");
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--timeout",
            "15",
            "--retries",
            "1",
            "pytest",
            "ruff",
            "typos",
        ];
        let (folder, inside) = (made.to_str()?, python.to_str()?);
        // Without python3-venv an environment has no pip of its own; the system's can install into it.
        let outside = [&["-m", "pip", "--python", inside], &pip[2..]].concat();
        let _ = runs(Path::new(system), &["-m", "venv", folder]) && runs(&python, &pip)
            || runs(Path::new(system), &["-m", "venv", "--without-pip", folder])
                && runs(Path::new(system), &outside);
    }
    if !has("bwrap") || !holds(&made) {
        skipped(
            test,
            &format!(
                "no sandbox, or no virtual environment with {}",
                programs.join(", ")
            ),
            &enable,
        );
        return None;
    }
    Some(made)
}

fn runs(program: &Path, words: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A shop whose reduction begins one article too late, with tests in pytest's own style.
fn pytest_shop() -> Yard {
    let yard = Yard::new();
    yard.write("shop/__init__.py", "");
    yard.write(
        "shop/price.py",
        "\"\"\"Prices.\"\"\"\n\n\ndef reduction(pieces):\n    if pieces > 10:\n        return 20\n    return 0\n\n\ndef total(cents, pieces):\n    return cents * pieces * (100 - reduction(pieces)) // 100\n",
    );
    yard.write(
        "tests/test_price.py",
        "import pytest\n\nfrom shop.price import total\n\n\n@pytest.mark.parametrize(\"pieces\", [1, 9])\ndef test_few(pieces):\n    assert total(100, pieces) == 100 * pieces\n\n\ndef test_ten_are_cheaper():\n    assert total(100, 10) == 800\n",
    );
    yard.write("conftest.py", "");
    yard.write(
        "pyproject.toml",
        "[project]\nname = \"shop\"\nversion = \"1.0.0\"\n",
    );
    yard.commit("A shop");
    yard
}

#[test]
fn pytest_is_traced_and_its_test_repaired() {
    let Some(venv) = venv("pytest_is_traced_and_its_test_repaired", &["pytest"]) else {
        return;
    };
    let mut yard = pytest_shop();
    yard.venv = Some(venv);
    let examined = yard.examine();
    let shown = format!("{}\n{}", examined.markdown, examined.seen);
    let report = &examined.report;
    assert_eq!(
        report.suites[0].failing[0].name, "tests/test_price.py::test_ten_are_cheaper",
        "{shown}"
    );
    assert_eq!(
        (report.suites[0].passed, report.suites[0].failed),
        (2, 1),
        "{shown}"
    );
    let suspect = report
        .suspects
        .iter()
        .find(|suspect| suspect.file == "shop/price.py" && suspect.line == 5);
    assert_eq!(
        suspect.map(|suspect| suspect.basis.as_str()),
        Some("coverage"),
        "{shown}"
    );
    assert!(
        report
            .candidates
            .iter()
            .any(|candidate| candidate.file == "shop/price.py" && candidate.line == 5),
        "{shown}"
    );
    assert_eq!(report.flaky, [], "{shown}");

    // The same, alone, and readable by machines.
    let alone = yard.keiko(&["runs", "report", &examined.run]);
    assert_eq!(
        String::from_utf8(alone.stdout).unwrap().trim_end(),
        examined.markdown.trim_end()
    );
    let data = yard.keiko(&["runs", "report", &examined.run, "--json"]);
    let data: keiko_native::doctor::DoctorReport = serde_json::from_slice(&data.stdout).unwrap();
    assert_eq!(data, examined.report);
}

#[test]
fn without_pytest_it_says_so() {
    if !has("bwrap") || !has("python3") {
        return skipped(
            "without_pytest_it_says_so",
            "no sandbox or no python3",
            "apt-get install bubblewrap python3",
        );
    }
    if Command::new("python3")
        .args(["-c", "import pytest"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        return skipped(
            "without_pytest_it_says_so",
            "python3 has pytest",
            "run it where pytest is in a virtual environment only",
        );
    }
    let examined = pytest_shop().examine();
    let left = examined
        .report
        .not_looked_at
        .iter()
        .find(|left| left.what == "tests of the root");
    let left = left.unwrap_or_else(|| panic!("{}", examined.markdown));
    assert!(
        left.why.contains("pytest is not installed in the sandbox"),
        "{left:?}"
    );
    assert!(
        left.enable.contains("keiko up --workspace")
            && left.enable.to_string().ends_with("--install yes"),
        "{left:?}"
    );
    assert!(
        examined.report.suites.is_empty() && !examined.report.checks.is_empty(),
        "the rest is examined all the same"
    );
}

#[test]
fn ruff_and_typos_are_read_and_their_safe_fixes_kept() {
    let Some(venv) = venv(
        "ruff_and_typos_are_read_and_their_safe_fixes_kept",
        &["ruff", "typos"],
    ) else {
        return;
    };
    let mut yard = Yard::new();
    yard.venv = Some(venv);
    yard.write("words/__init__.py", "");
    yard.write(
        "words/count.py",
        "\"\"\"Counts words; recieve a text first.\"\"\"\n\nimport os\n\n\ndef count(text):\n    return len(text.split())\n",
    );
    yard.write("tests/__init__.py", "");
    yard.write(
        "tests/test_count.py",
        "import unittest\n\nfrom words.count import count\n\n\nclass Counts(unittest.TestCase):\n    def test_two(self):\n        self.assertEqual(count(\"a b\"), 2)\n",
    );
    yard.write(
        "pyproject.toml",
        "[project]\nname = \"words\"\nversion = \"1.0.0\"\n",
    );
    yard.commit("Count words");
    let examined = yard.examine();
    let shown = format!("{}\n{}", examined.markdown, examined.seen);
    let report = &examined.report;
    let found = |tool: &str, line| {
        report.findings.iter().any(|found| {
            found.tool.contains(tool) && found.file == "words/count.py" && found.line == line
        })
    };
    assert!(found("ruff", 3) && found("typos", 1), "{shown}");
    let kept = |tool: &str| {
        report
            .fixes
            .iter()
            .any(|fix| fix.kept && fix.tool.contains(tool))
    };
    assert!(kept("ruff"), "{shown}");
    assert!(
        examined.diff.contains("-import os"),
        "{}\n{shown}",
        examined.diff
    );
    assert_eq!(
        kept("typos"),
        examined.diff.contains("+\"\"\"Counts words; receive"),
        "{}\n{shown}",
        examined.diff
    );
}

/// A folder that holds `node_modules` with eslint, made once.
fn eslint() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = target.join("eval-eslint");
    let lock = std::fs::File::create(target.join("eval-eslint.lock")).ok()?;
    lock.lock().ok()?;
    let is_there = || made.join("node_modules/.bin/eslint").exists();
    if !is_there() {
        let quiet = [
            "install",
            "--no-audit",
            "--no-fund",
            "--no-progress",
            "--fetch-retries=1",
            "--prefix",
            made.to_str()?,
            "eslint@9",
        ];
        let _ = std::fs::create_dir_all(&made).is_ok() && runs(Path::new("npm"), &quiet);
    }
    is_there().then_some(made)
}

/// An uncommitted package with tests of Node's own and eslint installed.
fn yard_with_eslint(test: &str) -> Option<Yard> {
    let made = if has("bwrap") { eslint() } else { None };
    let Some(made) = made else {
        skipped(
            test,
            "no sandbox, or npm cannot install eslint",
            "npm install eslint@9",
        );
        return None;
    };
    let yard = Yard::new();
    yard.write(".gitignore", "node_modules/\n");
    yard.write(
        "package.json",
        "{\"name\":\"sum\",\"version\":\"1.0.0\",\"scripts\":{\"test\":\"node --test\"},\"devDependencies\":{\"eslint\":\"^9\"}}\n",
    );
    assert!(runs(
        Path::new("cp"),
        &[
            "-r",
            &made.join("node_modules").to_string_lossy(),
            &yard.repo().to_string_lossy()
        ]
    ));
    Some(yard)
}

#[test]
fn eslint_is_read_and_its_safe_fix_kept() {
    let Some(yard) = yard_with_eslint("eslint_is_read_and_its_safe_fix_kept") else {
        return;
    };
    yard.write("eslint.config.js", "module.exports = [{ rules: { \"prefer-const\": \"error\", \"no-self-compare\": \"warn\" } }];\n");
    yard.write(
        "lib/sum.js",
        "exports.sum = (all) => {\n  let zero = 0;\n  return all.reduce((a, b) => a + b, zero);\n};\n\nexports.same = (a) => a === a;\n",
    );
    yard.write(
        "lib/sum.test.js",
        "const test = require(\"node:test\");\nconst assert = require(\"node:assert\");\nconst { sum } = require(\"./sum.js\");\ntest(\"adds\", () => assert.equal(sum([1, 2]), 3));\n",
    );
    yard.commit("Sums");
    let examined = yard.examine();
    let shown = format!("{}\n{}", examined.markdown, examined.seen);
    let found: Vec<(&str, &str, u32)> = examined
        .report
        .findings
        .iter()
        .map(|found| (found.rule.as_str(), found.file.as_str(), found.line))
        .collect();
    assert!(
        found.contains(&("prefer-const", "lib/sum.js", 2))
            && found.contains(&("no-self-compare", "lib/sum.js", 6)),
        "{found:?}\n{shown}"
    );
    assert!(
        examined
            .report
            .fixes
            .iter()
            .any(|fix| fix.kept && fix.tool.contains("eslint")),
        "{shown}"
    );
    assert!(
        examined.diff.contains("+  const zero = 0;"),
        "{}\n{shown}",
        examined.diff
    );
    assert!(!examined.diff.contains("node_modules"), "{}", examined.diff);
}

#[test]
fn a_fix_that_rewrites_tests_is_taken_back() {
    let Some(yard) = yard_with_eslint("a_fix_that_rewrites_tests_is_taken_back") else {
        return;
    };
    yard.write(
        "eslint.config.js",
        "module.exports = [{ rules: { \"prefer-const\": \"error\" } }];\n",
    );
    yard.write("lib/sum.js", "exports.sum = (all) => {\n  let zero = 0;\n  return all.reduce((a, b) => a + b, zero);\n};\n");
    yard.write(
        "lib/sum.test.js",
        "const test = require(\"node:test\");\nconst assert = require(\"node:assert\");\nconst { sum } = require(\"./sum.js\");\ntest(\"adds\", () => {\n  let three = 3;\n  assert.equal(sum([1, 2]), three);\n});\n",
    );
    yard.commit("Sums");
    // It ends, without waiting for anybody.
    let examined = yard.examine();
    let shown = format!("{}\n{}", examined.markdown, examined.seen);
    let fix = examined
        .report
        .fixes
        .iter()
        .find(|fix| fix.tool.contains("eslint"));
    assert!(
        fix.is_some_and(|fix| !fix.kept && fix.why.contains("lib/sum.test.js")),
        "{shown}"
    );
    assert!(examined.diff.is_empty(), "{}\n{shown}", examined.diff);
}

/// A function on one line of the root folder: the line runs although the module's body stands around it.
#[test]
fn lines_of_one_line_functions_are_recorded() {
    if !has("bwrap") || !has("node") {
        return skipped(
            "lines_of_one_line_functions_are_recorded",
            "no sandbox or no node",
            "apt-get install bubblewrap nodejs",
        );
    }
    let yard = Yard::new();
    yard.write(
        "a.js",
        "exports.add = (a, b) => a - b;\nexports.twice = (a) => a * 2;\n",
    );
    yard.write(
        "a.test.js",
        "const test = require(\"node:test\");\nconst assert = require(\"node:assert\");\nconst { add, twice } = require(\"./a.js\");\ntest(\"adds\", () => assert.equal(add(1, 2), 3));\ntest(\"doubles\", () => assert.equal(twice(2), 4));\n",
    );
    yard.write(
        "package.json",
        "{\"name\":\"a\",\"version\":\"1.0.0\",\"scripts\":{\"test\":\"node --test\"}}\n",
    );
    yard.commit("Add");
    let examined = yard.examine();
    let shown = format!("{}\n{}", examined.markdown, examined.seen);
    let first = examined
        .report
        .suspects
        .first()
        .map(|suspect| (suspect.file.as_str(), suspect.line, suspect.score));
    assert_eq!(first, Some(("a.js", 1, 1000)), "{shown}");
    assert_eq!(
        examined
            .report
            .candidates
            .first()
            .map(|candidate| candidate.line),
        Some(1),
        "{shown}"
    );
}
