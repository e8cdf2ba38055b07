//! JavaScript and TypeScript projects.

use super::node_manifest::Manifest;
use super::node_script::{self, Called};
use super::{CACHE, Tree, argv, inside, join, node_built, packages};
use keiko_contracts::jail::{Preparation, Project, TestScript, Toolchain};
use keiko_contracts::step::quoted;
use std::path::Path;

/// In the order in which they are believed.
const LOCKS: [&str; 6] = [
    "pnpm-lock.yaml",
    "yarn.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "bun.lock",
    "bun.lockb",
];
/// How one thing is tried after another.
const TRY: &str = include_str!("node_install.sh");
/// npm says nothing that nobody asked for.
const QUIET: &str = "--no-audit --no-fund --no-progress";
/// Members of a workspace whose own modules are shown.
const MEMBERS_MAX: usize = 60;

/// A project in a folder, if there is a manifest.
pub(super) fn project(tree: &Tree<'_>, dir: &str) -> Option<Project> {
    if !tree.has(dir, "package.json") {
        return None;
    }
    let manifest = Manifest::read(tree, dir);
    let root = workspace_above(tree, dir);
    // What the script at the top of a workspace runs is not run again.
    if root
        .as_ref()
        .is_some_and(|root| Manifest::read(tree, root).test_script().is_some())
    {
        return None;
    }
    let home = root.unwrap_or_else(|| dir.to_owned());
    let manifests: Vec<String> = ["package.json"]
        .iter()
        .chain(&LOCKS)
        .filter(|name| tree.has(dir, name))
        .map(|name| (*name).to_owned())
        .collect();
    let (preparation, folder) = preparation(tree, &home);
    let (runner, script) = runner(tree, dir, &manifest);
    let runner = runner.map(str::to_owned);
    let missing = manifest
        .dependencies
        .keys()
        .chain(manifest.dev.keys())
        .any(|name| !is_installed(tree, dir, &folder, name));
    // A folder without tests is left alone; the root is where tests will be written.
    let needs_prepare = missing && (dir.is_empty() || runner.is_some());
    Some(Project {
        dir: dir.to_owned(),
        toolchain: Toolchain::Node,
        manifests,
        runner,
        needs_prepare,
        preparation,
        script,
        ..Project::default()
    })
}

/// How the modules of a project, or of all members of a workspace, are installed, and where they are in the cache.
fn preparation(tree: &Tree<'_>, home: &str) -> (Option<Preparation>, String) {
    let manifest = Manifest::read(tree, home);
    let mut dirs = vec![home.to_owned()];
    dirs.extend(members(tree, home).into_iter().take(MEMBERS_MAX));
    let named: Vec<String> = dirs.iter().map(|dir| join(dir, "package.json")).collect();
    let further =
        LOCKS
            .iter()
            .copied()
            .chain([".npmrc", ".yarnrc.yml", ".yarnrc", "pnpm-workspace.yaml"]);
    let manifests: Vec<String> = named
        .into_iter()
        .chain(
            further
                .filter(|name| tree.has(home, name))
                .map(|name| join(home, name)),
        )
        .collect();
    let cache_key = tree.cache_key(&format!("node 2 {home}"), "", &manifests);
    let folder = format!("{CACHE}/node/{cache_key}");
    let lock = LOCKS.into_iter().find(|name| tree.has(home, name));
    let text = lock
        .and_then(|name| tree.read(home, name))
        .unwrap_or_default();
    let declared: usize = dirs
        .iter()
        .map(|dir| Manifest::read(tree, dir))
        .map(|one| one.dependencies.len() + one.dev.len())
        .sum();
    let locked = lock.map_or(0, |name| count(name, &text));
    let manager = Installer::of(manifest.manager.as_deref(), lock, &text);
    let preparation = (declared > 0).then(|| Preparation {
        toolchain: Toolchain::Node,
        dirs,
        commands: commands(home, &folder, &manager, lock.is_some()),
        cache_key,
        packages: packages(if locked > 0 { locked } else { declared }, locked > 0),
        registries: vec!["registry.npmjs.org".to_owned()],
        cached: false,
    });
    (preparation, folder)
}

/// The folder of the workspace that a folder is a member of.
fn workspace_above(tree: &Tree<'_>, dir: &str) -> Option<String> {
    let above = |dir: &str| {
        (!dir.is_empty()).then(|| {
            dir.rsplit_once('/')
                .map_or("", |(above, _)| above)
                .to_owned()
        })
    };
    std::iter::successors(above(dir), |dir| above(dir))
        .find(|root| is_member(&patterns(tree, root), root, dir))
}

/// What the manifest of a workspace says of its members.
fn patterns(tree: &Tree<'_>, root: &str) -> Vec<String> {
    let listed = Manifest::read(tree, root).workspaces;
    let listed = listed.get("packages").cloned().unwrap_or(listed);
    let mut all: Vec<String> = listed
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| Some(one.as_str()?.to_owned()))
        .collect();
    let text = tree.read(root, "pnpm-workspace.yaml").unwrap_or_default();
    let within = text
        .lines()
        .skip_while(|line| !line.starts_with("packages:"))
        .skip(1);
    let items =
        within.take_while(|line| line.starts_with([' ', '-', '#']) || line.trim().is_empty());
    all.extend(items.filter_map(|line| {
        Some(
            line.trim()
                .strip_prefix('-')?
                .trim()
                .trim_matches(['"', '\''])
                .to_owned(),
        )
    }));
    all.into_iter()
        .map(|one| {
            one.trim_start_matches("./")
                .trim_end_matches('/')
                .to_owned()
        })
        .collect()
}

fn is_member(patterns: &[String], root: &str, dir: &str) -> bool {
    let Some(below) = (if root.is_empty() {
        Some(dir)
    } else {
        dir.strip_prefix(root)
            .and_then(|rest| rest.strip_prefix('/'))
    }) else {
        return false;
    };
    let glob = |pattern: &str| {
        globset::GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
    };
    let fits =
        |pattern: &str| glob(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(below));
    let (not, yes): (Vec<&String>, Vec<&String>) = patterns
        .iter()
        .partition(|pattern| pattern.starts_with('!'));
    yes.iter().any(|pattern| fits(pattern)) && !not.iter().any(|pattern| fits(&pattern[1..]))
}

fn members(tree: &Tree<'_>, root: &str) -> Vec<String> {
    let patterns = patterns(tree, root);
    if patterns.is_empty() {
        return Vec::new();
    }
    let folders = tree
        .folders
        .iter()
        .filter(|dir| tree.has(dir, "package.json") && dir.as_str() != root);
    folders
        .filter(|dir| is_member(&patterns, root, dir))
        .cloned()
        .collect()
}

/// Who installs: a name, and a version of it if one is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Installer {
    Npm,
    Pnpm(String),
    Yarn(String),
    /// The yarn that came after the first.
    Berry(String),
}

impl Installer {
    fn of(named: Option<&str>, lock: Option<&str>, text: &str) -> Installer {
        let sound = |version: &str| {
            version
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
                .then(|| version.to_owned())
        };
        let named = named
            .and_then(|named| named.split_once('@'))
            .map(|(name, version)| (name, version.split('+').next().unwrap_or(version)));
        let version = named
            .and_then(|(_, version)| sound(version))
            .filter(|version| !version.is_empty() && version.len() < 40);
        let berry = text.contains("\n__metadata:")
            || version
                .as_deref()
                .is_some_and(|version| !version.starts_with("1."));
        match (named.map(|(name, _)| name), lock) {
            (Some("pnpm"), _) => Installer::Pnpm(version.unwrap_or_else(|| "9".to_owned())),
            (Some("yarn"), _) if berry => {
                Installer::Berry(version.unwrap_or_else(|| "4.5.0".to_owned()))
            }
            (Some("yarn"), _) => Installer::Yarn(version.unwrap_or_else(|| "1.22.22".to_owned())),
            (_, Some("pnpm-lock.yaml")) => Installer::Pnpm(
                if text.contains("lockfileVersion: '9") {
                    "9"
                } else {
                    "8"
                }
                .to_owned(),
            ),
            (_, Some("yarn.lock")) if text.contains("\n__metadata:") => {
                Installer::Berry("4.5.0".to_owned())
            }
            (_, Some("yarn.lock")) => Installer::Yarn("1.22.22".to_owned()),
            _ => Installer::Npm,
        }
    }
    /// The package on the registry that it is.
    fn package(&self) -> Option<String> {
        match self {
            Installer::Npm => None,
            Installer::Pnpm(version) => Some(format!("pnpm@{version}")),
            Installer::Yarn(version) => Some(format!("yarn@{version}")),
            Installer::Berry(version) => Some(format!("@yarnpkg/cli-dist@{version}")),
        }
    }
}

/// Packages that a lock file names.
fn count(lock: &str, text: &str) -> usize {
    match lock {
        "package-lock.json" | "npm-shrinkwrap.json" => {
            text.matches("\n    \"node_modules/").count()
        }
        "yarn.lock" => text
            .lines()
            .filter(|line| line.ends_with(':') && !line.starts_with([' ', '#', '_']))
            .count(),
        "pnpm-lock.yaml" => {
            let within = text
                .lines()
                .skip_while(|line| !line.starts_with("packages:"))
                .skip(1);
            within
                .take_while(|line| line.is_empty() || line.starts_with(' '))
                .filter(|line| line.ends_with(':') && !line.starts_with("   "))
                .count()
        }
        _ => 0,
    }
}

/// Which runner, and how its script calls it.
fn runner(
    tree: &Tree<'_>,
    dir: &str,
    manifest: &Manifest,
) -> (Option<&'static str>, Option<TestScript>) {
    let has =
        |name: &str| manifest.dev.contains_key(name) || manifest.dependencies.contains_key(name);
    let is_test = |path: &str| {
        [".test.js", ".test.mjs", ".test.cjs"]
            .iter()
            .any(|end| path.ends_with(end))
    };
    let scripts = manifest.scripts();
    let called = manifest
        .test_script()
        .and_then(|_| node_script::called(&scripts));
    let (runner, mut script) = match (called, manifest.test_script()) {
        (Some(Called { runner, script }), _) => (Some(runner), script),
        (None, Some(_)) => return (Some("npm"), None),
        (None, None) => {
            let known = ["vitest", "jest", "mocha"]
                .into_iter()
                .find(|name| has(name));
            (
                known.or_else(|| tree.below(dir).any(is_test).then_some("node")),
                TestScript::default(),
            )
        }
    };
    if runner.is_some() && script.before.is_empty() {
        script
            .before
            .extend(node_built::missing(tree, dir, manifest, &script));
    }
    let script = Some(script).filter(|script| runner.is_some() && *script != TestScript::default());
    (runner, script)
}

/// As node looks: here, in the folders above, and in the cache.
fn is_installed(tree: &Tree<'_>, dir: &str, home: &str, name: &str) -> bool {
    let place = format!("node_modules/{name}");
    let above = std::iter::successors(Some(dir), |dir| {
        (!dir.is_empty()).then(|| dir.rsplit_once('/').map_or("", |(above, _)| above))
    });
    above.into_iter().any(|dir| tree.exists(dir, &place))
        || (!name.contains("..") && Path::new(home).join(&place).exists())
}

/// Where the project is: its folders of modules are those of the set while it is installed.
fn commands(dir: &str, folder: &str, manager: &Installer, locked: bool) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let tools = format!("{folder}/tools");
    if let Some(package) = manager.package() {
        commands.push(argv([
            "npm",
            "install",
            "--prefix",
            &tools,
            "--no-audit",
            "--no-fund",
            "--no-progress",
            &package,
        ]));
    }
    let program = |name: &str| format!("{tools}/node_modules/.bin/{name}");
    let either = |yes: &'static str, no: &'static str| if locked { yes } else { no };
    let (first, no_scripts) = match manager {
        Installer::Npm => (
            format!("npm {} {QUIET}", either("ci", "install --no-package-lock")),
            "--ignore-scripts",
        ),
        Installer::Pnpm(_) => (
            format!(
                "{} install {}",
                program("pnpm"),
                either("--frozen-lockfile", "--no-lockfile")
            ),
            "--ignore-scripts",
        ),
        Installer::Yarn(_) => (
            format!(
                "{} install --non-interactive {}",
                program("yarn"),
                either("--frozen-lockfile", "--no-lockfile")
            ),
            "--ignore-scripts",
        ),
        Installer::Berry(_) => (
            format!(
                "{} install {}",
                program("yarn"),
                either("--immutable", "--no-immutable")
            ),
            "--mode=skip-build",
        ),
    };
    let mut script = format!(
        "cd {} || exit\n{TRY}try {first}\n",
        quoted(&inside(dir, ""))
    );
    if locked && *manager == Installer::Npm {
        script += "grep -q 'code EUSAGE' \"$said\" && echo 'keiko: the lock file does not fit the manifest; now without it' && ";
        script += &format!("try npm install --no-package-lock {QUIET}\n");
    }
    script += &format!(
        "echo 'keiko: a script of a package failed; now without these scripts'\ntry {first} {no_scripts}\nexit \"$code\"\n"
    );
    commands.push(argv(["sh", "-c", &script, "sh", &format!("{folder}/.tmp")]));
    commands
}
