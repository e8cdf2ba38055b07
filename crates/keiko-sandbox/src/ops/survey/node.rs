//! JavaScript and TypeScript projects.

use super::{CACHE, Tree, argv, inside, join, packages};
use keiko_contracts::jail::{Preparation, Project, Toolchain};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

const LOCKS: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Manifest {
    scripts: BTreeMap<String, serde_json::Value>,
    dependencies: BTreeMap<String, serde_json::Value>,
    #[serde(rename = "devDependencies")]
    dev: BTreeMap<String, serde_json::Value>,
}

/// A project in a folder, if there is a manifest.
pub(super) fn project(tree: &Tree<'_>, dir: &str) -> Option<Project> {
    if !tree.has(dir, "package.json") {
        return None;
    }
    // A broken manifest is still one; npm will say what is wrong with it.
    let manifest: Manifest = tree.read(dir, "package.json").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let manifests: Vec<String> =
        ["package.json"].iter().chain(&LOCKS).filter(|name| tree.has(dir, name)).map(|name| (*name).to_owned()).collect();
    let cache_key = tree.cache_key("node", dir, &manifests);
    let home = format!("{CACHE}/node/{cache_key}");
    let needs_prepare = manifest.dependencies.keys().chain(manifest.dev.keys()).any(|name| !is_installed(tree, dir, &home, name));
    let declared = manifest.dependencies.len() + manifest.dev.len();
    let preparation = (declared > 0).then(|| Preparation {
        toolchain: Toolchain::Node,
        dirs: vec![dir.to_owned()],
        commands: commands(dir, &manifests, &home),
        cache_key,
        packages: packages(declared, false),
        registries: vec!["registry.npmjs.org".to_owned()],
        cached: false,
    });
    let runner = runner(tree, dir, &manifest).map(str::to_owned);
    Some(Project { dir: dir.to_owned(), toolchain: Toolchain::Node, manifests, runner, needs_prepare, preparation })
}

fn runner(tree: &Tree<'_>, dir: &str, manifest: &Manifest) -> Option<&'static str> {
    let script = manifest.scripts.get("test").and_then(|script| script.as_str()).filter(|script| !script.contains("no test specified"));
    let has = |name: &str| manifest.dev.contains_key(name) || manifest.dependencies.contains_key(name);
    let is_test = |path: &str| [".test.js", ".test.mjs", ".test.cjs"].iter().any(|end| path.ends_with(end));
    match script {
        Some(script) if script.contains("vitest") => Some("vitest"),
        Some(script) if script.contains("jest") => Some("jest"),
        Some(script) if script.contains("node --test") => Some("node"),
        Some(_) => Some("npm"),
        None if has("vitest") => Some("vitest"),
        None if has("jest") => Some("jest"),
        None => tree.below(dir).any(is_test).then_some("node"),
    }
}

/// As node looks: here, in the folders above, and in the cache.
fn is_installed(tree: &Tree<'_>, dir: &str, home: &str, name: &str) -> bool {
    let place = format!("node_modules/{name}");
    let above = std::iter::successors(Some(dir), |dir| (!dir.is_empty()).then(|| dir.rsplit_once('/').map_or("", |(above, _)| above)));
    above.into_iter().any(|dir| tree.exists(dir, &place)) || (!name.contains("..") && Path::new(home).join(&place).exists())
}

fn commands(dir: &str, manifests: &[String], home: &str) -> Vec<Vec<String>> {
    let sources = manifests.iter().map(|name| inside("", &join(dir, name)));
    let copy: Vec<String> = ["cp".to_owned(), "--".to_owned()].into_iter().chain(sources).chain([home.to_owned()]).collect();
    let install = if manifests.iter().any(|name| LOCKS.contains(&name.as_str())) { "ci" } else { "install" };
    vec![argv(["mkdir", "-p", home]), copy, argv(["npm", install, "--prefix", home, "--no-audit", "--no-fund", "--no-progress"])]
}
