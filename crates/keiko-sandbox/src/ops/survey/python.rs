//! Python projects.

use super::programs::run;
use super::python_kernel;
use super::python_words::{imports, needs_installing};
use super::{CACHE, Programs, TEST_FILES_READ_MAX, Tree, argv, inside, packages, python_ways};
use keiko_contracts::digest::Digest;
use keiko_contracts::jail::{Preparation, Project, Toolchain};
use keiko_contracts::step::quoted;
use serde::Deserialize;
use std::time::Duration;

/// Reads manifests as Python itself does, and says what is declared and which of it is not installed.
const ASK: &str = include_str!("python_needs.py");
/// Turns a lock file into constraints.
const PINS: &str = include_str!("python_pins.py");
/// How one thing is tried after another.
const TRY: &str = include_str!("python_install.sh");
/// Keeps what was built in the workspace and git ignores.
const BUILT: &str = include_str!("python_built.py");
const ASK_LIMIT: Duration = Duration::from_secs(20);
const REQUIREMENTS_MAX: usize = 500;

/// A project in a folder, if there is a manifest.
pub(super) fn project(tree: &Tree<'_>, dir: &str, programs: &Programs) -> Option<Project> {
    let is_manifest = |name: &&str| {
        matches!(
            *name,
            "pyproject.toml"
                | "setup.py"
                | "setup.cfg"
                | "Pipfile"
                | "Pipfile.lock"
                | "uv.lock"
                | "poetry.lock"
                | "pdm.lock"
        ) || is_requirements(name)
    };
    let own: Vec<&str> = tree.names(dir).filter(is_manifest).collect();
    let code = tree.below(dir).any(|path| path.ends_with(".py"));
    // What only configures a linter in a repository without any Python is none.
    if own.is_empty()
        || !code
        || (!dir.is_empty()
            && own
                .iter()
                .all(|name| is_requirements(name) && !tests_below(tree, dir)))
    {
        return None;
    }
    Some(describe(tree, dir, manifests(tree, dir), programs))
}

/// Everything in which dependencies and environments for tests are declared, the most important first.
fn manifests(tree: &Tree<'_>, dir: &str) -> Vec<String> {
    let rank = |path: &str| match path {
        "pyproject.toml" => 0,
        "setup.cfg" => 1,
        "setup.py" => 2,
        "Pipfile" | "Pipfile.lock" | "uv.lock" | "poetry.lock" | "pdm.lock" => 3,
        "tox.ini" | "noxfile.py" | "pytest.ini" | ".pytest.ini" | ".python-version" => 4,
        path if is_requirements(path) => 5,
        path => match path.rsplit_once('/') {
            Some(("requirements" | "reqs", name))
                if name.ends_with(".txt") || name.ends_with(".in") =>
            {
                6
            }
            Some(("tests" | "test", name)) if is_requirements(name) => 6,
            _ => usize::MAX,
        },
    };
    let mut found: Vec<(usize, String)> = tree
        .below(dir)
        .map(|path| (rank(path), path.to_owned()))
        .filter(|(rank, _)| *rank < 9)
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).take(64).collect()
}

/// A workspace with Python files and no manifest is a project too.
pub(super) fn loose_scripts(tree: &Tree<'_>, programs: &Programs) -> Option<Project> {
    let any = tree.below("").any(|path| path.ends_with(".py"));
    any.then(|| describe(tree, "", manifests(tree, ""), programs))
}

fn is_requirements(name: &str) -> bool {
    let about = |stem: &str| {
        stem.starts_with("requirements")
            || stem.ends_with("requirements")
            || stem.ends_with("-reqs")
    };
    !name.contains('/')
        && (name.strip_suffix(".txt").is_some_and(about)
            || name.strip_suffix(".in").is_some_and(about))
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".py")
        && (name.starts_with("test_")
            || name.ends_with("_test.py")
            || matches!(name, "tests.py" | "test.py"))
}

fn tests_below(tree: &Tree<'_>, dir: &str) -> bool {
    tree.below(dir).any(is_test)
}

fn describe(tree: &Tree<'_>, dir: &str, manifests: Vec<String>, programs: &Programs) -> Project {
    let read = |path: &str| tree.read(dir, path);
    let tests: Vec<String> = tree
        .below(dir)
        .filter(|path| is_test(path))
        .take(TEST_FILES_READ_MAX)
        .filter_map(read)
        .collect();
    let conftests = tree
        .below(dir)
        .filter(|path| path.ends_with("conftest.py"))
        .take(8)
        .filter_map(read);
    let mut runner = runner(tree, dir, &tests, programs);
    let way = python_ways::way(tree, dir, runner, &tests);
    runner = way.runner.unwrap_or(runner);
    let has = |module: &str| {
        tree.below(dir).any(|path| {
            path == format!("{module}.py") || path.ends_with(&format!("/{module}/__init__.py"))
        })
    };
    let words = imports(
        &tests.iter().cloned().chain(conftests).collect::<Vec<_>>(),
        has,
    );
    let first = Digest::of(words.join(" ").as_bytes()).to_string();
    let kernel = python_kernel::is_missing(programs);
    let about = if kernel {
        "python 2 with a kernel"
    } else {
        "python 2"
    };
    let cache_key = tree.cache_key(&format!("{about} {dir} {first}"), dir, &manifests);
    let venv = format!("{CACHE}/python/{cache_key}/venv");
    let itself = needs_installing(tree, dir);
    let needs = needs(
        tree,
        dir,
        &manifests,
        &Question {
            venv: &venv,
            runner,
            imports: &words,
            itself,
        },
    );
    if needs.as_ref().is_some_and(|needs| needs.pytest) && !tests.is_empty() && way.runner.is_none()
    {
        runner = "pytest";
    }
    // A folder without tests is left alone; the root is where tests will be written.
    let tested = dir.is_empty() || !tests.is_empty();
    let needs_prepare = tested
        && needs
            .as_ref()
            .is_some_and(|needs| !needs.missing.is_empty());
    let preparation = needs.and_then(|needs| preparation(dir, cache_key, &needs, kernel, programs));
    let runner = tested.then(|| runner.to_owned());
    let ways = if way.words.is_empty() {
        Vec::new()
    } else {
        vec![way.words]
    };
    Project {
        dir: dir.to_owned(),
        toolchain: Toolchain::Python,
        manifests,
        runner,
        needs_prepare,
        preparation,
        ways,
        env: way.env,
        script: None,
    }
}

/// What is installed, if anything is: what the project wants, and the kernel for cells beside it.
fn preparation(
    dir: &str,
    cache_key: String,
    needs: &Needs,
    kernel: bool,
    programs: &Programs,
) -> Option<Preparation> {
    let home = format!("{CACHE}/python/{cache_key}");
    let kernel = kernel && !needs.kernel;
    let wanted = needs.wants_anything();
    let mut packages = keiko_contracts::jail::Packages {
        bytes: needs.bytes,
        ..packages(needs.count, needs.complete)
    };
    let mut commands = if wanted {
        commands(dir, &format!("{home}/venv"), needs, programs)
    } else {
        Vec::new()
    };
    if kernel {
        commands.extend(python_kernel::commands(&home, wanted, programs));
        // No lock file tells what the kernel needs.
        packages = super::packages(needs.count + 1, false);
    }
    let (toolchain, dirs) = (Toolchain::Python, vec![dir.to_owned()]);
    let registries = registries(needs.rust);
    (wanted || kernel).then_some(Preparation {
        toolchain,
        dirs,
        commands,
        packages,
        cache_key,
        registries,
        cached: false,
    })
}

fn runner(tree: &Tree<'_>, dir: &str, tests: &[String], programs: &Programs) -> &'static str {
    let configured = [
        "pytest.ini",
        ".pytest.ini",
        "conftest.py",
        "tests/conftest.py",
    ]
    .iter()
    .any(|name| tree.has(dir, name))
        || [
            ("pyproject.toml", "[tool.pytest"),
            ("setup.cfg", "[tool:pytest]"),
            ("tox.ini", "[pytest]"),
        ]
        .iter()
        .any(|(name, section)| {
            tree.read(dir, name)
                .is_some_and(|text| text.contains(section))
        });
    if configured {
        return "pytest";
    }
    let wants_pytest = |text: &String| {
        text.lines().any(|line| {
            line.starts_with("import pytest")
                || line.starts_with("from pytest")
                || line.starts_with("def test_")
        })
    };
    match (tests.is_empty(), tests.iter().any(wants_pytest)) {
        (false, true) => "pytest",
        (false, false) => "unittest",
        (true, _) if programs.contains_key("pytest") => "pytest",
        (true, _) => "unittest",
    }
}

/// Where the packages come from; what is built with Rust fetches its own.
fn registries(rust: bool) -> Vec<String> {
    let crates = rust.then_some("crates.io");
    ["pypi.org"]
        .into_iter()
        .chain(crates)
        .map(str::to_owned)
        .collect()
}

struct Question<'a> {
    venv: &'a str,
    runner: &'a str,
    imports: &'a [String],
    /// Without being installed, its tests see nothing of it.
    itself: bool,
}

/// What Python says of the manifests.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Needs {
    /// What the project itself needs.
    base: Vec<String>,
    /// What its tests need.
    wanted: Vec<String>,
    /// What tests use without its being declared.
    found: Vec<String>,
    extras: Vec<String>,
    /// Requirement files.
    lists: Vec<String>,
    /// Names of those that are not installed.
    missing: Vec<String>,
    /// The project can be installed itself.
    builds: bool,
    /// pytest is declared.
    pytest: bool,
    /// ipykernel is wanted by the project itself.
    kernel: bool,
    /// Parts of it are written in Rust.
    rust: bool,
    lock: Option<String>,
    complete: bool,
    count: usize,
    bytes: Option<u64>,
    /// The version of Python, if it is not to be the usual one.
    python: Option<String>,
}

impl Needs {
    fn wants_anything(&self) -> bool {
        self.builds
            || ![
                &self.base,
                &self.wanted,
                &self.found,
                &self.lists,
                &self.missing,
            ]
            .iter()
            .all(|list| list.is_empty())
    }
    /// It came out of other people's files and goes on a command line.
    fn sound(mut self, manifests: &[String]) -> Needs {
        for list in [
            &mut self.base,
            &mut self.wanted,
            &mut self.found,
            &mut self.extras,
        ] {
            list.retain(|text| {
                text.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && text.len() < 500
                    && !text.contains(char::is_control)
            });
            list.truncate(REQUIREMENTS_MAX);
        }
        self.lists.retain(|path| manifests.contains(path));
        self.lock = self.lock.filter(|path| manifests.contains(path));
        self.python = self.python.filter(|version| {
            version.len() < 8 && version.chars().all(|c| c.is_ascii_digit() || c == '.')
        });
        self
    }
}

fn needs(tree: &Tree<'_>, dir: &str, manifests: &[String], about: &Question<'_>) -> Option<Needs> {
    let files: Vec<(&str, String)> = manifests
        .iter()
        .filter_map(|name| Some((name.as_str(), tree.read(dir, name)?)))
        .collect();
    let Question {
        runner,
        imports,
        itself,
        ..
    } = about;
    let pythons = pythons();
    let question =
        serde_json::json!({ "files": files, "imports": imports, "runner": runner, "pythons": pythons, "itself": itself }).to_string();
    let in_venv = format!("{}/bin/python", about.venv);
    let ask = |python: &str| run(python, &["-I", "-c", ASK], &question, ASK_LIMIT, 1 << 20).said();
    let answer = ask(&in_venv).or_else(|| ask("python3"))?;
    serde_json::from_str::<Needs>(&answer)
        .ok()
        .map(|needs| needs.sound(manifests))
}

/// Versions of Python on the search path, the newest first.
fn pythons() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |minor: &u32| {
        std::env::split_paths(&path).any(|dir| dir.join(format!("python3.{minor}")).is_file())
    };
    (6..=20)
        .rev()
        .filter(there)
        .map(|minor| format!("3.{minor}"))
        .collect()
}

fn commands(dir: &str, venv: &str, needs: &Needs, programs: &Programs) -> Vec<Vec<String>> {
    let python = format!("{venv}/bin/python");
    let base = needs.python.as_ref().map_or_else(
        || "python3".to_owned(),
        |version| format!("python{version}"),
    );
    let uv = programs.contains_key("uv");
    let home = venv.trim_end_matches("/venv");
    let pins = format!("{home}/constraints.txt");
    let mut commands = vec![if uv {
        argv(["uv", "venv", "--quiet", "--seed", "--python", &base, venv])
    } else {
        argv([base.as_str(), "-m", "venv", venv])
    }];
    match &needs.lock {
        Some(lock) if lock == "uv.lock" && uv => {
            let about = [
                "--quiet",
                "--frozen",
                "--no-hashes",
                "--all-extras",
                "--all-groups",
                "--no-emit-workspace",
            ];
            let project = inside(dir, "");
            let to = [
                "--project",
                project.as_str(),
                "--output-file",
                pins.as_str(),
            ];
            commands.push(argv(["uv", "export"].into_iter().chain(about).chain(to)));
        }
        Some(lock) => commands.push(argv([
            python.as_str(),
            "-I",
            "-c",
            PINS,
            &inside(dir, lock),
            &pins,
        ])),
        None => {}
    }
    commands.push(argv([
        "sh",
        "-c",
        &script(dir, home, &python, needs, uv),
        "sh",
        &format!("{home}/.tmp"),
    ]));
    if needs.builds {
        commands.push(argv([python.as_str(), "-I", "-c", BUILT, home]));
    }
    commands
}

/// All that is wanted as the lock file says, without it, and only what can be had.
fn script(dir: &str, home: &str, python: &str, needs: &Needs, uv: bool) -> String {
    let pip: Vec<String> = if uv {
        argv(["uv", "pip", "install", "--python", python])
    } else {
        argv([
            python,
            "-m",
            "pip",
            "install",
            "--no-input",
            "--disable-pip-version-check",
        ])
    };
    let line = |before: &str, words: Vec<String>| {
        let all: Vec<String> = pip
            .iter()
            .cloned()
            .chain(words)
            .map(|word| quoted(&word))
            .collect();
        format!("{before} {}\n", all.join(" "))
    };
    let extras = if needs.extras.is_empty() {
        String::new()
    } else {
        format!("[{}]", needs.extras.join(","))
    };
    let itself = |extras: &str| {
        if needs.builds {
            argv(["-e", &format!("{}{extras}", inside(dir, ""))])
        } else {
            Vec::new()
        }
    };
    let lists = needs
        .lists
        .iter()
        .flat_map(|name| ["-r".to_owned(), inside(dir, name)]);
    let base = if needs.builds {
        Vec::new()
    } else {
        needs.base.clone()
    };
    let rest: Vec<String> = needs.found.iter().chain(&needs.wanted).cloned().collect();
    let all: Vec<String> = itself(&extras)
        .into_iter()
        .chain(base)
        .chain(lists)
        .chain(rest.clone())
        .collect();
    let mut script = TRY.to_owned();
    if all.is_empty() {
        return "true".to_owned();
    }
    if needs.lock.is_some() {
        let pins = argv(["-c", &format!("{home}/constraints.txt")]);
        script += &line("try", pins.into_iter().chain(all.iter().cloned()).collect());
        script += "echo 'keiko: what the lock file says cannot be installed; now without it'\n";
    }
    script += &line("try", all);
    script += "echo 'keiko: not all of it can be installed; now one after the other'\n";
    let runner = rest
        .iter()
        .filter(|item| item.starts_with("pytest"))
        .cloned();
    let least: Vec<String> = needs.base.iter().cloned().chain(runner).collect();
    if !least.is_empty() {
        script += &line("", least).replace('\n', " || exit\n");
    }
    for one in [itself(&extras), itself("")]
        .into_iter()
        .filter(|words| !words.is_empty())
    {
        script += &line("perhaps", one);
        if extras.is_empty() {
            break;
        }
    }
    for file in &needs.lists {
        script += &line("perhaps", argv(["-r", &inside(dir, file)]));
    }
    for one in rest {
        script += &line("perhaps", vec![one]);
    }
    script + "exit 0\n"
}
