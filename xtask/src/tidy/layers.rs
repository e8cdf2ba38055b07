//! Which crate may use which, and what the cores must not reach by any way.

use super::Finding;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Every crate with the crates of this repository that it may use, from the ground up. Edges go down only, and
/// siblings do not see each other; `CONTRIBUTING.md` has the picture.
const ALLOWED: &[(&str, &[&str])] = &[
    ("keiko-contracts", &[]),
    ("keiko-governance", &["keiko-contracts"]),
    ("keiko-runners", &["keiko-contracts"]),
    (
        "keiko-agent",
        &["keiko-contracts", "keiko-governance", "keiko-runners"],
    ),
    (
        "keiko-native",
        &["keiko-contracts", "keiko-runners", "keiko-agent"],
    ),
    ("keiko-orchestrator", &["keiko-contracts"]),
    ("keiko-ports", &["keiko-contracts", "keiko-governance"]),
    (
        "keiko-store",
        &["keiko-contracts", "keiko-governance", "keiko-ports"],
    ),
    (
        "keiko-models",
        &["keiko-contracts", "keiko-governance", "keiko-ports"],
    ),
    ("keiko-sandbox", &["keiko-contracts", "keiko-ports"]),
    // The one adapter above another: it puts repositories into what the sandbox isolates.
    (
        "keiko-workspace",
        &[
            "keiko-contracts",
            "keiko-governance",
            "keiko-ports",
            "keiko-sandbox",
        ],
    ),
    (
        "keiko-runtime",
        &[
            "keiko-contracts",
            "keiko-governance",
            "keiko-ports",
            "keiko-agent",
        ],
    ),
    // Everything meets here; a face above it shows it.
    (
        "keiko-app",
        &[
            "keiko-contracts",
            "keiko-governance",
            "keiko-ports",
            "keiko-agent",
            "keiko-native",
            "keiko-orchestrator",
            "keiko-store",
            "keiko-models",
            "keiko-sandbox",
            "keiko-workspace",
            "keiko-runtime",
        ],
    ),
    // A face: of what is below it only words and data.
    (
        "keiko",
        &[
            "keiko-contracts",
            "keiko-ports",
            "keiko-agent",
            "keiko-native",
            "keiko-app",
        ],
    ),
    (
        "keiko-testkit",
        &["keiko-contracts", "keiko-governance", "keiko-ports"],
    ),
    // What it measures matching with.
    (
        "xtask",
        &["keiko-contracts", "keiko-governance", "keiko-orchestrator"],
    ),
];

/// Crates that never ship: they may turn on what tests need.
const NOT_SHIPPED: &[&str] = &["keiko-testkit", "xtask"];

/// The pure crates, and packages that none of them reaches through its dependencies.
pub(super) const PURE: &[&str] = &[
    "keiko-contracts",
    "keiko-governance",
    "keiko-runners",
    "keiko-agent",
    "keiko-native",
    "keiko-orchestrator",
];
const UNREACHABLE: &[&str] = &[
    "tokio",
    "reqwest",
    "hyper",
    "rusqlite",
    "rustix",
    "rand",
    "getrandom",
];

/// Permits without an intent, for tests of adapters.
const TEST_FEATURE: &str = "test-permits";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A crate of this repository, as its manifest says.
#[derive(Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
}

/// A line of its dependencies.
#[derive(Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Absent for an ordinary dependency.
    kind: Option<String>,
    #[serde(default)]
    features: Vec<String>,
    /// Set for the crates of this repository.
    path: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The manifests, and what third-party packages use.
pub(super) struct Workspace {
    pub(super) packages: Vec<Package>,
    third_party: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    pub(super) fn read(root: &Path) -> Result<Workspace> {
        let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
            .args([
                "metadata",
                "--no-deps",
                "--format-version",
                "1",
                "--offline",
            ])
            .current_dir(root)
            .output()
            .context("cargo metadata")?;
        anyhow::ensure!(
            output.status.success(),
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        let lock: Lock = toml::from_str(&std::fs::read_to_string(root.join("Cargo.lock"))?)
            .context("Cargo.lock")?;
        let mut third_party: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for package in lock.package {
            // "name" or "name version": several versions of a package are taken as one, which errs on the strict side.
            let uses = package
                .dependencies
                .iter()
                .filter_map(|entry| entry.split(' ').next().map(str::to_owned));
            third_party.entry(package.name).or_default().extend(uses);
        }
        Ok(Workspace {
            packages: metadata.packages,
            third_party,
        })
    }

    /// A way from a crate to a package over ordinary dependencies.
    fn way(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let mut open = vec![vec![from.to_owned()]];
        while let Some(way) = open.pop() {
            let here = way.last().cloned().unwrap_or_default();
            if here == to {
                return Some(way);
            }
            if seen.insert(here.clone()) {
                open.extend(
                    self.uses(&here)
                        .into_iter()
                        .map(|next| way.iter().cloned().chain([next]).collect()),
                );
            }
        }
        None
    }

    fn uses(&self, name: &str) -> Vec<String> {
        match self.packages.iter().find(|package| package.name == name) {
            // The lock file lists a member's development dependencies too; the manifest tells them apart.
            Some(package) => package
                .ordinary()
                .map(|dependency| dependency.name.clone())
                .collect(),
            None => self
                .third_party
                .get(name)
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        }
    }
}

impl Package {
    fn ordinary(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies
            .iter()
            .filter(|dependency| dependency.kind.is_none())
    }
    fn manifest(&self) -> String {
        if self.name == "xtask" {
            "xtask/Cargo.toml".to_owned()
        } else {
            format!("crates/{}/Cargo.toml", self.name)
        }
    }
}

/// Checks every crate against the table.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        findings.extend(edges(package));
        findings.extend(test_feature(package));
    }
    for core in PURE.iter().filter(|core| {
        workspace
            .packages
            .iter()
            .any(|package| package.name == **core)
    }) {
        for banned in UNREACHABLE {
            if let Some(way) = workspace.way(core, banned) {
                let advice = format!(
                    "a core reaches {banned}: {}; leave that dependency or its feature out",
                    way.join(" -> ")
                );
                findings.push(Finding::new(
                    format!("crates/{core}/Cargo.toml"),
                    1,
                    "core-reaches",
                    advice,
                ));
            }
        }
    }
    findings
}

fn edges(package: &Package) -> Vec<Finding> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
        let advice = format!(
            "{} is not in the layer table; add it in xtask/src/tidy/layers.rs with a reason in the commit",
            package.name
        );
        return vec![Finding::new(package.manifest(), 1, "layers", advice)];
    };
    let ours = package
        .ordinary()
        .filter(|dependency| dependency.path.is_some());
    ours.filter(|dependency| !allowed.contains(&dependency.name.as_str()))
        .map(|dependency| {
            let advice = format!(
                "{} must not use {}: edges go down the layers only",
                package.name, dependency.name
            );
            Finding::new(package.manifest(), 1, "layers", advice)
        })
        .collect()
}

fn test_feature(package: &Package) -> Option<Finding> {
    if NOT_SHIPPED.contains(&package.name.as_str()) {
        return None;
    }
    let by_dependency = package.ordinary().any(|dependency| {
        dependency
            .features
            .iter()
            .any(|feature| feature == TEST_FEATURE)
    });
    let forwarded = format!("/{TEST_FEATURE}");
    let by_feature = package
        .features
        .values()
        .flatten()
        .any(|feature| feature.ends_with(&forwarded));
    let by_default = package
        .features
        .get("default")
        .is_some_and(|all| all.iter().any(|feature| feature == TEST_FEATURE));
    (by_dependency || by_feature || by_default).then(|| {
        let advice = format!(
            "{} turns on `{TEST_FEATURE}`; only dev-dependencies may",
            package.name
        );
        Finding::new(package.manifest(), 1, "test-permits", advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, kind: Option<&str>, features: &[&str]) -> Dependency {
        let features = features
            .iter()
            .map(|feature| (*feature).to_owned())
            .collect();
        let path = name.starts_with("keiko").then(|| format!("crates/{name}"));
        Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            features,
            path,
        }
    }

    fn rules(
        name: &str,
        dependencies: Vec<Dependency>,
        lock: &[(&str, &str)],
    ) -> Vec<&'static str> {
        let package = Package {
            name: name.to_owned(),
            dependencies,
            features: BTreeMap::new(),
        };
        let third_party = lock
            .iter()
            .map(|(from, to)| ((*from).to_owned(), BTreeSet::from([(*to).to_owned()])))
            .collect();
        check(&Workspace {
            packages: vec![package],
            third_party,
        })
        .into_iter()
        .map(|finding| finding.rule)
        .collect()
    }

    #[test]
    fn an_edge_upwards_and_an_unknown_crate_are_found() {
        assert_eq!(
            rules(
                "keiko-agent",
                vec![dependency("keiko-ports", None, &[])],
                &[]
            ),
            ["layers"]
        );
        assert_eq!(rules("keiko-new", vec![], &[]), ["layers"]);
        assert_eq!(
            rules(
                "keiko-agent",
                vec![dependency("keiko-contracts", None, &[])],
                &[]
            ),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn development_dependencies_are_free() {
        assert_eq!(
            rules(
                "keiko-agent",
                vec![dependency("keiko-testkit", Some("dev"), &["test-permits"])],
                &[]
            ),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn shipped_crates_do_not_forge_permits() {
        assert_eq!(
            rules(
                "keiko-store",
                vec![dependency("keiko-governance", None, &["test-permits"])],
                &[]
            ),
            ["test-permits"]
        );
        assert_eq!(
            rules(
                "keiko-testkit",
                vec![dependency("keiko-governance", None, &["test-permits"])],
                &[]
            ),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn a_core_that_reaches_tokio_by_a_detour_is_found() {
        assert_eq!(
            rules(
                "keiko-agent",
                vec![dependency("innocent", None, &[])],
                &[("innocent", "tokio")]
            ),
            ["core-reaches"]
        );
    }
}
