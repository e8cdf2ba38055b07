//! Python projects.

use super::programs::run;
use super::{CACHE, Programs, TEST_FILES_READ_MAX, Tree, argv, inside, packages};
use keiko_contracts::jail::{Preparation, Project, Toolchain};
use serde::Deserialize;
use std::time::Duration;

/// Reads manifests as Python itself does, and says what is declared and which of it is not installed.
const ASK: &str = include_str!("python_needs.py");
const ASK_LIMIT: Duration = Duration::from_secs(10);
const REQUIREMENTS_MAX: usize = 500;

/// A project in a folder, if there is a manifest.
pub(super) fn project(tree: &Tree<'_>, dir: &str, programs: &Programs) -> Option<Project> {
    let is_manifest = |name: &&str| {
        matches!(*name, "pyproject.toml" | "setup.py" | "setup.cfg" | "Pipfile" | "Pipfile.lock" | "uv.lock" | "poetry.lock")
            || is_requirements(name)
    };
    let manifests: Vec<String> = tree.names(dir).filter(is_manifest).map(str::to_owned).collect();
    // A lone setup.cfg or pyproject.toml may only configure a linter, which is still Python's business.
    (!manifests.is_empty()).then(|| describe(tree, dir, manifests, programs))
}

/// A workspace with Python files and no manifest is a project too.
pub(super) fn loose_scripts(tree: &Tree<'_>, programs: &Programs) -> Option<Project> {
    let any = tree.below("").any(|path| path.ends_with(".py"));
    any.then(|| describe(tree, "", Vec::new(), programs))
}

fn is_requirements(name: &str) -> bool {
    name.starts_with("requirements") && name.ends_with(".txt")
}

fn describe(tree: &Tree<'_>, dir: &str, manifests: Vec<String>, programs: &Programs) -> Project {
    let runner = runner(tree, dir, programs);
    let cache_key = tree.cache_key("python", dir, &manifests);
    let venv = format!("{CACHE}/python/{cache_key}/venv");
    let needs = needs(tree, dir, &manifests, &venv, runner);
    let needs_prepare = needs.as_ref().is_some_and(|needs| !needs.missing.is_empty());
    let preparation = needs.filter(Needs::wants_anything).map(|needs| Preparation {
        toolchain: Toolchain::Python,
        dirs: vec![dir.to_owned()],
        commands: commands(dir, &manifests, &venv, &needs, programs),
        cache_key,
        packages: packages(needs.requirements.len().max(needs.missing.len()), false),
        registries: vec!["pypi.org".to_owned()],
        cached: false,
    });
    Project { dir: dir.to_owned(), toolchain: Toolchain::Python, manifests, runner: Some(runner.to_owned()), needs_prepare, preparation }
}

fn runner(tree: &Tree<'_>, dir: &str, programs: &Programs) -> &'static str {
    let configured = ["pytest.ini", "conftest.py", "tests/conftest.py"].iter().any(|name| tree.has(dir, name))
        || [("pyproject.toml", "[tool.pytest"), ("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")]
            .iter()
            .any(|(name, section)| tree.read(dir, name).is_some_and(|text| text.contains(section)));
    if configured {
        return "pytest";
    }
    let is_test = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"))
    };
    let texts: Vec<String> = tree.below(dir).filter(is_test).take(TEST_FILES_READ_MAX).filter_map(|path| tree.read(dir, path)).collect();
    let wants_pytest = |text: &String| {
        text.lines().any(|line| line.starts_with("import pytest") || line.starts_with("from pytest") || line.starts_with("def test_"))
    };
    match (texts.is_empty(), texts.iter().any(wants_pytest)) {
        (false, true) => "pytest",
        (false, false) => "unittest",
        (true, _) if programs.contains_key("pytest") => "pytest",
        (true, _) => "unittest",
    }
}

/// What Python says of the manifests.
#[derive(Debug, Default, Deserialize)]
struct Needs {
    /// Requirements that can be given to pip as they are.
    requirements: Vec<String>,
    /// Names of those that are not installed.
    missing: Vec<String>,
    /// The requirements stand only in code that must be run.
    dynamic: bool,
}

impl Needs {
    fn wants_anything(&self) -> bool {
        self.dynamic || !self.requirements.is_empty() || !self.missing.is_empty()
    }
}

fn needs(tree: &Tree<'_>, dir: &str, manifests: &[String], venv: &str, runner: &str) -> Option<Needs> {
    let files: Vec<(&str, String)> = manifests.iter().filter_map(|name| Some((name.as_str(), tree.read(dir, name)?))).collect();
    let extra: &[&str] = if runner == "pytest" { &["pytest"] } else { &[] };
    let question = serde_json::json!({ "files": files, "extra": extra }).to_string();
    let in_venv = format!("{venv}/bin/python");
    let ask = |python: &str| run(python, &["-I", "-c", ASK], &question, ASK_LIMIT, 1 << 20).said();
    let answer = ask(&in_venv).or_else(|| ask("python3"))?;
    let mut needs: Needs = serde_json::from_str(&answer).ok()?;
    // It came out of other people's files and goes on a command line.
    needs
        .requirements
        .retain(|text| text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() < 500 && !text.contains(char::is_control));
    needs.requirements.truncate(REQUIREMENTS_MAX);
    Some(needs)
}

fn commands(dir: &str, manifests: &[String], venv: &str, needs: &Needs, programs: &Programs) -> Vec<Vec<String>> {
    let has = |name: &str| manifests.iter().any(|manifest| manifest == name);
    if has("uv.lock") && programs.contains_key("uv") {
        let environment = format!("UV_PROJECT_ENVIRONMENT={venv}");
        return vec![argv(["env", &environment, "uv", "sync", "--frozen", "--no-install-project", "--project", &inside(dir, "")])];
    }
    let python = format!("{venv}/bin/python");
    let pip = [&python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"];
    let mut commands = vec![argv(["python3", "-m", "venv", venv])];
    let files: Vec<String> =
        manifests.iter().filter(|name| is_requirements(name)).flat_map(|name| ["-r".to_owned(), inside(dir, name)]).collect();
    let wanted: Vec<String> = files.into_iter().chain(needs.requirements.iter().cloned()).collect();
    if !wanted.is_empty() {
        commands.push(pip.iter().map(|word| (*word).to_owned()).chain(wanted).collect());
    }
    if needs.dynamic {
        commands.push(pip.iter().map(|word| (*word).to_owned()).chain(["-e".to_owned(), inside(dir, "")]).collect());
    }
    commands
}
