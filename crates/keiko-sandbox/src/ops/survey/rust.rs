//! Rust projects: workspace roots only.

use super::{CACHE, Tree, argv, inside, packages, rust_ways};
use crate::plan::SELF_INSIDE;
use crate::watch::WATCH_ARG;
use keiko_contracts::jail::{Preparation, Project, Toolchain};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How long no test of a binary may come to an end, seconds.
const TEST_SECONDS: u32 = 120;

/// A project in a folder, if there is a manifest that no workspace above owns.
pub(super) fn project(tree: &Tree<'_>, dir: &str) -> Option<Project> {
    if !tree.has(dir, "Cargo.toml") || is_member(tree, dir) {
        return None;
    }
    let manifests: Vec<String> = ["Cargo.toml", "Cargo.lock"]
        .iter()
        .filter(|name| tree.has(dir, name))
        .map(|name| (*name).to_owned())
        .collect();
    let locked = tree.read(dir, "Cargo.lock");
    let vendored = tree.exists(dir, "vendor")
        && tree
            .read(dir, ".cargo/config.toml")
            .is_some_and(|text| text.contains("vendored-sources"));
    let missing = match &locked {
        Some(lock) => foreign(lock).any(|package| !is_fetched(&package)),
        None => declares_foreign(&tree.read(dir, "Cargo.toml").unwrap_or_default()),
    };
    let needs_prepare = missing && !vendored;
    let home = format!("CARGO_HOME={CACHE}/cargo");
    let manifest = inside(dir, "Cargo.toml");
    let mut fetch = argv(["env", &home, "cargo", "fetch", "--manifest-path", &manifest]);
    if locked.is_some() {
        fetch.push("--locked".to_owned());
    }
    let count = locked.as_deref().map_or(0, |lock| foreign(lock).count());
    let declares = locked
        .as_deref()
        .map_or(missing, |lock| foreign(lock).next().is_some());
    let preparation = (declares && !vendored).then(|| Preparation {
        toolchain: Toolchain::Rust,
        dirs: vec![dir.to_owned()],
        commands: vec![fetch],
        cache_key: tree.cache_key("rust", dir, &manifests),
        packages: packages(count, locked.is_some()),
        registries: vec!["crates.io".to_owned()],
        cached: false,
    });
    let runner = Some("cargo".to_owned());
    let (ways, env) = (rust_ways::ways(tree, dir), watched(tree, dir));
    Some(Project {
        dir: dir.to_owned(),
        toolchain: Toolchain::Rust,
        manifests,
        runner,
        needs_prepare,
        preparation,
        ways,
        env,
        script: None,
    })
}

/// Test binaries are started through a watch, which ends one whose tests hang; one that the project starts in its own way is not.
fn watched(tree: &Tree<'_>, dir: &str) -> BTreeMap<String, String> {
    let own = [".cargo/config.toml", ".cargo/config"].iter().any(|name| {
        tree.read(dir, name)
            .is_some_and(|text| text.contains("runner"))
    });
    let machine = std::env::consts::ARCH.to_ascii_uppercase();
    let runner = format!("{SELF_INSIDE} {WATCH_ARG} {TEST_SECONDS}");
    let named = |libc: &str| {
        (
            format!("CARGO_TARGET_{machine}_UNKNOWN_LINUX_{libc}_RUNNER"),
            runner.clone(),
        )
    };
    if own {
        BTreeMap::new()
    } else {
        ["GNU", "MUSL"].map(named).into()
    }
}

fn is_member(tree: &Tree<'_>, dir: &str) -> bool {
    let above = std::iter::successors(parent(dir), |dir| parent(dir));
    above.into_iter().any(|dir| {
        tree.read(dir, "Cargo.toml").is_some_and(|text| {
            text.lines()
                .any(|line| line.trim_start().starts_with("[workspace"))
        })
    })
}

fn parent(dir: &str) -> Option<&str> {
    if dir.is_empty() {
        None
    } else {
        Some(dir.rsplit_once('/').map_or("", |(above, _)| above))
    }
}

/// `name-version` of the packages in a lock file that come from elsewhere; those from git have no such file and count
/// by their name alone.
fn foreign(lock: &str) -> impl Iterator<Item = Package> {
    lock.split("[[package]]").skip(1).filter_map(|block| {
        let value = |key: &str| {
            block.lines().find_map(|line| {
                Some(
                    line.strip_prefix(key)?
                        .strip_prefix(" = \"")?
                        .strip_suffix('"')?
                        .to_owned(),
                )
            })
        };
        let source = value("source")?;
        let (name, version) = (value("name")?, value("version")?);
        Some(if source.starts_with("git+") {
            Package::Git
        } else {
            Package::Registry(format!("{name}-{version}"))
        })
    })
}

enum Package {
    Registry(String),
    Git,
}

fn is_fetched(package: &Package) -> bool {
    let own = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    own.into_iter()
        .chain([Path::new(CACHE).join("cargo")])
        .any(|home| match package {
            Package::Registry(file) => {
                !file.contains('/')
                    && folders(&home.join("registry/cache"))
                        .any(|index| index.join(format!("{file}.crate")).exists())
            }
            Package::Git => folders(&home.join("git/db")).next().is_some(),
        })
}

fn folders(path: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
}

/// Without a lock file: whether any dependency is more than a path in the same repository.
fn declares_foreign(manifest: &str) -> bool {
    let mut within = false;
    manifest.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            within = line.trim_end_matches(']').ends_with("dependencies");
            // `[dependencies.name]`, one table for each.
            return line.contains("dependencies.");
        }
        within
            && line.contains('=')
            && !line.starts_with('#')
            && !line.contains("path")
            && !line.contains("workspace")
    })
}
