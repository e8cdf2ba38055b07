use super::*;
use keiko_contracts::jail::Project;

fn surveyed(files: &[(&str, &str)]) -> Survey {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let at = dir.path().join(name);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, text).unwrap();
    }
    look(&Root::open(dir.path()).unwrap(), Programs::new()).unwrap()
}

/// Everything about the only project that a workspace has.
fn only(files: &[(&str, &str)]) -> Project {
    let mut projects = surveyed(files).projects;
    assert_eq!(projects.len(), 1, "{projects:?}");
    projects.remove(0)
}

fn key(project: &Project) -> String {
    project.preparation.as_ref().unwrap().cache_key.clone()
}

fn commands(project: &Project) -> Vec<Vec<String>> {
    project.preparation.as_ref().unwrap().commands.clone()
}

#[test]
fn the_workspace_is_described() {
    let long = "x".repeat(20_000);
    let survey = surveyed(&[
        ("AGENTS.md", &long),
        ("src/main.c", ""),
        (".gitignore", "out/\n"),
        ("out/a.o", ""),
    ]);
    assert_eq!(survey.files, 3);
    assert_eq!(
        survey.listing.text(),
        Some(".gitignore\nAGENTS.md\nsrc/\nsrc/main.c\n")
    );
    assert!(
        survey
            .instructions
            .unwrap()
            .text()
            .unwrap()
            .ends_with("[3616 more bytes]\n")
    );
    assert!(survey.projects.is_empty());
}

#[test]
fn python_runners_are_told_apart() {
    let runner = |files: &[(&str, &str)]| only(files).runner.unwrap();
    let manifest = ("pyproject.toml", "[project]\nname = 'x'\n");
    assert_eq!(
        runner(&[
            manifest,
            (
                "tests/test_a.py",
                "import unittest\nclass T(unittest.TestCase):\n    def test_x(self): ...\n"
            )
        ]),
        "unittest"
    );
    assert_eq!(
        runner(&[manifest, ("tests/test_a.py", "def test_x(): pass\n")]),
        "pytest"
    );
    assert_eq!(
        runner(&[
            manifest,
            ("conftest.py", ""),
            ("test_a.py", "import unittest\n")
        ]),
        "pytest"
    );
    assert_eq!(
        runner(&[("app.py", ""), ("test_app.py", "import pytest\n")]),
        "pytest",
        "scripts without a manifest are a project"
    );
}

/// Prints one installed package with its version, if there is any.
const THERE: &str = "import importlib.metadata as m, re\nall = ((d.metadata['Name'], d.version) for d in m.distributions())\nprint(next((f'{n} {v}' for n, v in all if n and re.match(r'^[A-Za-z0-9._-]+$', n) and re.match(r'^[0-9.]+$', v)), ''))";

#[test]
fn python_needs_what_is_declared_and_not_installed() {
    if programs::run(
        "python3",
        &["--version"],
        "",
        std::time::Duration::from_secs(30),
        100,
    )
    .said()
    .is_none()
    {
        eprintln!("SKIPPED: python_needs: no python3: apt-get install python3");
        return;
    }
    let manifest = "[project]\nname = 'x'\ndependencies = ['no-such-package-of-ours>=1; python_version >= \"3.0\"', 'other; sys_platform == \"win32\"']\n[project.optional-dependencies]\ntest = ['pytest']\ndocs = ['sphinx']\n";
    let project = only(&[
        ("lib/pyproject.toml", manifest),
        ("lib/test_x.py", "import unittest\n"),
        (
            "lib/requirements.txt",
            "# none\n--index-url x\nanother-missing==2 --hash=a\n",
        ),
    ]);
    assert!(project.needs_prepare);
    assert_eq!(
        (
            project.dir.as_str(),
            project.manifests.len(),
            key(&project).len()
        ),
        ("lib", 2, 16)
    );
    let venv = format!("/cache/python/{}/venv", key(&project));
    assert_eq!(commands(&project)[0], ["python3", "-m", "venv", &venv]);
    let pip = commands(&project)[1].join(" ");
    assert!(
        pip.contains(&format!("try {venv}/bin/python -m pip install --no-input")),
        "{pip}"
    );
    assert!(
        pip.contains(" -r /workspace/lib/requirements.txt") && !pip.contains("sphinx"),
        "{pip}"
    );
    assert!(
        pip.contains("'no-such-package-of-ours>=1; python_version >= \"3.0\"'"),
        "{pip}"
    );
    let nothing = only(&[
        (
            "setup.py",
            "from setuptools import setup\nsetup(name='x')\n",
        ),
        ("test_x.py", "import unittest\n"),
    ]);
    assert_eq!(
        (nothing.needs_prepare, nothing.preparation.is_some()),
        (false, true)
    );
    let there = programs::run(
        "python3",
        &["-c", THERE],
        "",
        std::time::Duration::from_secs(30),
        200,
    )
    .said();
    if let Some((name, version)) = there
        .as_deref()
        .and_then(|said| said.trim().split_once(' '))
    {
        let needs =
            |wanted: &str| only(&[("requirements.txt", wanted), ("app.py", "")]).needs_prepare;
        assert!(
            !needs(&format!("{name}=={version}\n")) && !needs(&format!("{name}\n")),
            "{name} {version} is there"
        );
        assert!(
            needs(&format!("{name}=={version}.post9999\n")),
            "another version of {name} than is there"
        );
    }
    let hostile = only(&[
        (
            "pyproject.toml",
            "[project]\ndependencies = ['-rx', '--index-url=http://x', 'ok-but-missing-pkg']\n",
        ),
        ("test_x.py", "import unittest\n"),
    ]);
    assert!(
        commands(&hostile)
            .concat()
            .iter()
            .all(|word| !word.starts_with("-r") && !word.contains("index-url")),
        "{:?}",
        commands(&hostile)
    );
}

#[test]
fn a_plugin_is_not_brought_in_beside_another_that_does_the_same() {
    if programs::run(
        "python3",
        &["--version"],
        "",
        std::time::Duration::from_secs(30),
        100,
    )
    .said()
    .is_none()
    {
        eprintln!("SKIPPED: a_plugin_is_not_brought_in: no python3: apt-get install python3");
        return;
    }
    let test =
        "import pytest\n@pytest.mark.benchmark\ndef test_x(benchmark):\n    benchmark(len, [])\n";
    let installed = |declared: &str| {
        let manifest = format!(
            "[project]\nname = 'x'\n[dependency-groups]\ndev = ['no-such-package-of-ours'{declared}]\n"
        );
        commands(&only(&[
            ("pyproject.toml", &manifest),
            ("tests/test_x.py", test),
        ]))
        .concat()
        .join(" ")
    };
    assert!(installed("").contains("pytest-benchmark"));
    let other = installed(", 'pytest-speed'");
    assert!(
        other.contains("pytest-speed") && !other.contains("pytest-benchmark"),
        "{other}"
    );
}

#[test]
fn node_needs_modules_that_do_not_resolve() {
    let manifest = r#"{"scripts": {"test": "vitest run"}, "dependencies": {"left": "1"}, "devDependencies": {"@a/b": "2"}}"#;
    let project = only(&[
        ("web/package.json", manifest),
        ("web/package-lock.json", "{}"),
        ("node_modules/left/package.json", "{}"),
        (".gitignore", "node_modules\n"),
    ]);
    assert_eq!(
        (project.runner.as_deref(), project.needs_prepare),
        (Some("vitest"), true)
    );
    let script = &commands(&project)[0][2];
    assert!(
        script.starts_with("cd /workspace/web || exit\n")
            && script.contains("\ntry npm ci --no-audit"),
        "{script}"
    );
    assert_eq!(
        commands(&project)[0][4],
        format!("/cache/node/{}/.tmp", key(&project))
    );
    let installed = [
        ("package.json", manifest),
        ("node_modules/left/x", ""),
        ("node_modules/@a/b/x", ""),
        (".gitignore", "node_modules\n"),
    ];
    assert!(!only(&installed).needs_prepare);
    for (script, wanted) in [
        ("jest --ci", Some("jest")),
        ("node --test", Some("node")),
        ("mocha", Some("mocha")),
        ("gulp test", Some("npm")),
        ("echo \\\"Error: no test specified\\\"", None),
    ] {
        let text = format!(r#"{{"scripts": {{"test": "{script}"}}}}"#);
        assert_eq!(
            only(&[("package.json", &text)]).runner.as_deref(),
            wanted,
            "{script}"
        );
    }
    assert_eq!(only(&[("package.json", "{broken")]).runner, None);
}

#[test]
fn rust_and_go_look_into_their_caches() {
    let lock = "[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"no-such-crate-of-ours\"\nversion = \"9.9.9\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    let workspace = [
        ("Cargo.toml", "[workspace]\nmembers = ['a']\n"),
        ("a/Cargo.toml", "[package]\n"),
        ("Cargo.lock", lock),
    ];
    let project = only(&workspace);
    assert_eq!((project.dir.as_str(), project.needs_prepare), ("", true));
    assert_eq!(
        commands(&project)[0],
        [
            "env",
            "CARGO_HOME=/cache/cargo",
            "cargo",
            "fetch",
            "--manifest-path",
            "/workspace/Cargo.toml",
            "--locked"
        ]
    );
    assert!(
        !only(&[(
            "Cargo.toml",
            "[package]\nname = 'x'\n[dependencies]\nown = { path = 'own' }\n"
        )])
        .needs_prepare
    );
    assert!(
        only(&[(
            "Cargo.toml",
            "[package]\nname = 'x'\n[dev-dependencies]\nserde = '1'\n"
        )])
        .needs_prepare
    );
    let project = only(&[
        ("go.mod", "module x\n"),
        (
            "go.sum",
            "github.com/No/Such v1.0.0 h1:x=\ngithub.com/No/Such v1.0.0/go.mod h1:y=\n",
        ),
    ]);
    assert!(
        project.needs_prepare
            && commands(&project)[0].ends_with(&["sh".to_owned(), "/workspace".to_owned()])
    );
    assert!(!only(&[("go.mod", "module x\n"), ("go.sum", "")]).needs_prepare);
}

#[test]
fn the_key_follows_the_manifests_only() {
    const MANIFEST: &str = r#"{"dependencies": {"left": "1"}}"#;
    let of = |lock: &str, code: &str| {
        key(&only(&[
            ("package.json", MANIFEST),
            ("package-lock.json", lock),
            ("a.js", code),
        ]))
    };
    assert_eq!(of("{}", "1"), of("{}", "2"));
    assert_ne!(of("{}", "1"), of("{ }", "1"));
}

#[test]
fn groups_lock_files_and_environments_for_tests_are_read() {
    if programs::run(
        "python3",
        &["--version"],
        "",
        std::time::Duration::from_secs(30),
        100,
    )
    .said()
    .is_none()
    {
        eprintln!("SKIPPED: groups_lock_files: no python3: apt-get install python3");
        return;
    }
    let script = |files: &[(&str, &str)]| {
        let files: Vec<(&str, &str)> = files
            .iter()
            .copied()
            .chain([("tests/test_x.py", "def test_x(mocker): pass\n")])
            .collect();
        commands(&only(&files))
            .into_iter()
            .find(|command| command[0] == "sh")
            .unwrap()[2]
            .clone()
    };
    let build = "[build-system]\nrequires = ['setuptools']\n[project]\nname = 'x'\n";
    for (manifest, wanted) in [
        (
            "[project.optional-dependencies]\ntests = ['aa-bb']\nall = ['cc-dd']\n",
            "-e '/workspace[tests]'",
        ),
        (
            "[dependency-groups]\ntest = [{include-group = 'a'}]\na = ['aa-bb']\n",
            " aa-bb",
        ),
        ("[dependency-groups]\ndev = ['aa-bb']\n", " aa-bb"),
        (
            "[tool.hatch.envs.test]\ndependencies = ['aa-bb']\n",
            " aa-bb",
        ),
        (
            "[tool.poetry.group.dev.dependencies]\naa-bb = '^1.2'\n",
            "'aa-bb>=1.2,<2'",
        ),
        (
            "[tool.pytest.ini_options]\naddopts = '-n auto --cov=x'\nasyncio_mode = 'auto'\n",
            " pytest pytest-cov pytest-xdist pytest-asyncio pytest-mock",
        ),
    ] {
        let text = script(&[("pyproject.toml", &format!("{build}{manifest}"))]);
        let first = text
            .lines()
            .find(|line| line.starts_with("try /cache"))
            .unwrap();
        assert!(
            first.contains(wanted) && first.contains("pytest") && !first.contains("cc-dd"),
            "{wanted}: {first}"
        );
    }
    let text = script(&[
        (
            "setup.py",
            "from setuptools import setup\nsetup(name='x')\n",
        ),
        (
            "tox.ini",
            "[testenv]\ndeps =\n  aa-bb\n  py27: cc-dd\n  -r{toxinidir}/requirements/test.txt\n",
        ),
        ("requirements/test.txt", "ee\n"),
    ]);
    assert!(
        text.contains(" aa-bb")
            && !text.contains("cc-dd")
            && text.contains("-r /workspace/requirements/test.txt"),
        "{text}"
    );
    let lock = "[[package]]\nname = 'a'\nversion = '1'\nsource = {registry = 'x'}\nwheels = [{url = 'a-py3-none-any.whl', size = 7}]\n[[package]]\nname = 'pytest'\nversion = '8'\nwheels = [{url = 'a-none-any.whl', size = 5}]\ndependencies = [{name = 'a'}]\n[[package]]\nname = 'docs'\nversion = '1'\n[[package]]\nname = 'pytest-mock'\nversion = '8'\nwheels = [{url = 'none-any', size = 1}]\n";
    let project = only(&[
        ("pyproject.toml", build),
        ("uv.lock", lock),
        ("tests/test_x.py", "def test_x(mocker): pass\n"),
    ]);
    let packages = project.preparation.as_ref().unwrap().packages;
    assert_eq!(
        (packages.count, packages.complete, packages.bytes),
        (3, true, Some(13)),
        "{project:?}"
    );
    assert!(
        commands(&project)[2][2].contains("try /cache/python/")
            && commands(&project)[2][2].contains(" -c /cache/python/"),
        "{project:?}"
    );
}

#[test]
fn manifests_in_fixtures_and_members_of_workspaces_are_no_projects_of_their_own() {
    let package = r#"{"dependencies": {"left": "1"}}"#;
    let tested = r#"{"scripts": {"test": "vitest"}, "devDependencies": {"vitest": "1"}}"#;
    let root = r#"{"workspaces": ["packages/*"], "packageManager": "yarn@3.2.1+sha224.x"}"#;
    let files = [
        ("package.json", root),
        (
            "yarn.lock",
            "# yarn\n\n__metadata:\n  version: 6\n\n\"left@npm:1\":\n  version: 1\n",
        ),
        ("packages/a/package.json", tested),
        ("packages/b/package.json", package),
        ("tests/data/x/package.json", package),
        ("docs/requirements.txt", "sphinx\n"),
        ("docs/conf.py", ""),
        ("fuzz/Cargo.toml", "[package]\n[dependencies]\nx = '1'\n"),
        ("Cargo.toml", "[package]\n[dependencies]\nx = '1'\n"),
    ];
    let projects = surveyed(&files).projects;
    let shown: Vec<_> = projects
        .iter()
        .map(|project| (project.dir.as_str(), project.needs_prepare))
        .collect();
    // The root is a package without dependencies and a crate.
    assert_eq!(
        shown,
        [
            ("", false),
            ("", true),
            ("fuzz", true),
            ("packages/a", true),
            ("packages/b", false)
        ]
    );
    let set = projects
        .iter()
        .find(|project| project.dir == "packages/a")
        .unwrap()
        .preparation
        .clone()
        .unwrap();
    assert_eq!(set.dirs, ["", "packages/a", "packages/b"]);
    assert_eq!((set.packages.count, set.packages.complete), (1, true));
    assert!(
        set.commands[0].contains(&"@yarnpkg/cli-dist@3.2.1".to_owned())
            && set.commands[1][2].contains("/.bin/yarn install --immutable"),
        "{set:?}"
    );
    let fetched = projects
        .iter()
        .find(|project| project.dir == "fuzz")
        .unwrap()
        .preparation
        .clone()
        .unwrap();
    assert_eq!((fetched.dirs.len(), fetched.commands.len()), (2, 2));
}

#[test]
fn what_tests_import_and_the_repository_does_not_hold_is_built() {
    let manifest = |scripts: &str| {
        format!(r#"{{"name": "own", "main": "dist/own.js", "scripts": {{{scripts}}}}}"#)
    };
    let before = |files: &[(&str, &str)]| {
        only(files)
            .script
            .map(|script| script.before)
            .unwrap_or_default()
    };
    let uvu = manifest(r#""build": "node bin", "test": "uvu test""#);
    for text in [
        "import own from '../';",
        "const own = require('own');",
        "import { x } from '../dist/other.js';",
        "await import(\"../dist/own\")",
    ] {
        assert_eq!(
            before(&[("package.json", &uvu), ("test/index.js", text)]),
            ["npm run build"],
            "{text}"
        );
    }
    for text in [
        "import own from '../src/own';",
        "import own from '../src/own.js';",
        "import other from 'other';",
        "// from '${x}'",
    ] {
        assert!(
            before(&[
                ("package.json", &uvu),
                ("src/own.ts", ""),
                ("test/index.js", text)
            ])
            .is_empty(),
            "{text}"
        );
    }
    assert!(
        before(&[
            ("package.json", &uvu),
            ("dist/own.js", ""),
            ("test/index.js", "import own from '../';")
        ])
        .is_empty()
    );
    let hooks = manifest(r#""prepare": "husky", "test": "uvu test""#);
    assert!(
        before(&[
            ("package.json", &hooks),
            ("test/index.js", "import own from '../';")
        ])
        .is_empty()
    );
    let made = manifest(r#""compile": "tsc", "test": "mocha build/test/*.js""#);
    assert_eq!(before(&[("package.json", &made)]), ["npm run compile"]);
    let own = manifest(r#""pretest": "npm run build", "build": "tsc", "test": "mocha build/test""#);
    assert_eq!(before(&[("package.json", &own)]), ["npm run build"]);
}

#[test]
fn rust_is_tested_as_the_project_says() {
    let root = "[package]\nname = 'x'\n[workspace]\nmembers = ['a']\n[features]\nextra = []\n[[test]]\nname = 'gated'\nrequired-features = ['extra']\n";
    let ci = |run: &str| format!("jobs:\n  test:\n    steps:\n      - run: {run}\n");
    let ways = |manifest: &str, run: &str| {
        let ci = ci(run);
        let files = [
            ("Cargo.toml", manifest),
            ("tests/gated.rs", ""),
            (".github/workflows/ci.yml", ci.as_str()),
        ];
        only(&files)
            .ways
            .into_iter()
            .map(|way| way.join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(ways("[package]\nname = 'x'\n", "cargo test"), [""; 0]);
    assert_eq!(
        ways(root, "cargo test"),
        ["--workspace", ""],
        "its own automation does without the feature"
    );
    assert_eq!(
        ways(root, "make lint"),
        [
            "--workspace --features extra",
            "--features extra",
            "--workspace",
            ""
        ]
    );
    assert_eq!(
        ways(root, "cargo test --all-features"),
        [
            "--workspace --all-features",
            "--all-features",
            "--workspace",
            ""
        ]
    );
    assert_eq!(
        ways(
            "[workspace]\nmembers = ['a']\n",
            "cargo test --workspace --exclude py"
        ),
        ["--workspace --exclude py", ""]
    );
    let plain = only(&[("Cargo.toml", root)]);
    let runners: Vec<_> = plain.env.values().collect();
    assert!(
        runners.len() == 2
            && runners
                .iter()
                .all(|runner| runner.starts_with("/.keiko/keiko jail-watch ")),
        "{plain:?}"
    );
    let own = [
        ("Cargo.toml", root),
        (
            ".cargo/config.toml",
            "[target.x86_64-unknown-linux-gnu]\nrunner = 'qemu'\n",
        ),
    ];
    assert!(
        only(&own).env.is_empty(),
        "what the project starts its tests with stays"
    );
}

#[test]
fn python_is_tested_as_the_project_says() {
    let of = |files: &[(&str, &str)]| {
        let project = only(files);
        (
            project.runner.unwrap(),
            project.ways.concat().join(" "),
            project.env,
        )
    };
    let (test, package) = (
        ("tests/test_a.py", "def test_x(): pass\n"),
        ("calc/__init__.py", ""),
    );
    for (name, text) in [
        (
            "tox.ini",
            "[testenv]\ncommands = pytest --doctest-modules {envsitepackagesdir}/calc {toxinidir}/tests {posargs}\n",
        ),
        (
            "noxfile.py",
            "session.run('pytest', '--doctest-modules', 'calc', 'tests', *session.posargs)\n",
        ),
        (
            "Makefile",
            "test:\n\tpython -m pytest --doctest-modules calc tests/\n",
        ),
    ] {
        assert_eq!(
            of(&[test, package, (name, text)]).1,
            "--doctest-modules calc tests",
            "{name}"
        );
    }
    for text in [
        "test:\n\tpytest --doctest-modules -k slow\n",
        "test:\n\tpytest --cov calc\n",
        "test:\n\tpytest ../../etc\n",
        "# TODO: pytest --doctest-modules\n",
    ] {
        assert_eq!(of(&[test, package, ("Makefile", text)]).1, "", "{text}");
    }
    let django = (
        "app/tests.py",
        "from django.test import TestCase\nclass T(TestCase):\n    def test_x(self): ...\n",
    );
    let manage = (
        "manage.py",
        "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n",
    );
    let (runner, words, _) = of(&[django, manage, ("requirements.txt", "django\npytest\n")]);
    assert_eq!(
        (runner.as_str(), words.as_str()),
        ("unittest", "manage.py test")
    );
    let (runner, words, _) = of(&[
        django,
        manage,
        (
            "pytest.ini",
            "[pytest]\nDJANGO_SETTINGS_MODULE = site.settings\n",
        ),
    ]);
    assert_eq!((runner.as_str(), words.as_str()), ("pytest", ""));
    let tox = "[testenv]\nsetenv =\n    DJANGO_SETTINGS_MODULE = tests.settings\ncommands = django-admin test app\n";
    let (_, words, env) = of(&[django, ("tox.ini", tox), ("setup.py", "")]);
    assert_eq!(
        (words.as_str(), env["DJANGO_SETTINGS_MODULE"].as_str()),
        ("-m django test app", "tests.settings")
    );
    assert_eq!(
        of(&[django, ("setup.py", ""), ("runtests.py", "")]).1,
        "runtests.py"
    );
}

#[test]
fn python_that_is_built_with_rust_fetches_from_both_registries() {
    if programs::run(
        "python3",
        &["--version"],
        "",
        std::time::Duration::from_secs(30),
        100,
    )
    .said()
    .is_none()
    {
        eprintln!("SKIPPED: python_that_is_built_with_rust: no python3: apt-get install python3");
        return;
    }
    let of = |backend: &str| {
        let text = format!("[build-system]\nrequires = ['{backend}']\n[project]\nname = 'x'\n");
        only(&[
            ("pyproject.toml", &text),
            ("tests/test_x.py", "def test_x(): pass\n"),
        ])
        .preparation
        .unwrap()
        .registries
    };
    assert_eq!(of("maturin>=1"), ["pypi.org", "crates.io"]);
    assert_eq!(of("setuptools"), ["pypi.org"]);
}
