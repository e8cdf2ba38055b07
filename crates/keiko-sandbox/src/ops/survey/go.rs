//! Go projects.

use super::{CACHE, Tree, argv, inside, packages};
use keiko_contracts::jail::{Preparation, Project, Toolchain};
use std::path::{Path, PathBuf};

/// A project in a folder, if there is a manifest.
pub(super) fn project(tree: &Tree<'_>, dir: &str) -> Option<Project> {
    if !tree.has(dir, "go.mod") {
        return None;
    }
    let manifests: Vec<String> = ["go.mod", "go.sum"].iter().filter(|name| tree.has(dir, name)).map(|name| (*name).to_owned()).collect();
    let sums = tree.read(dir, "go.sum").unwrap_or_default();
    let needs_prepare = !tree.exists(dir, "vendor/modules.txt") && modules(&sums).any(|(module, version)| !is_fetched(&module, version));
    let cache = format!("GOMODCACHE={CACHE}/go/mod");
    // `go -C` is younger than the go of some distributions.
    let download = argv(["env", &cache, "sh", "-c", "cd \"$1\" && exec go mod download", "sh", &inside(dir, "")]);
    let count = modules(&sums).count();
    let preparation = (count > 0).then(|| Preparation {
        toolchain: Toolchain::Go,
        dirs: vec![dir.to_owned()],
        commands: vec![download],
        cache_key: tree.cache_key("go", dir, &manifests),
        packages: packages(count, true),
        registries: vec!["proxy.golang.org".to_owned()],
        cached: false,
    });
    let runner = Some("go".to_owned());
    Some(Project { dir: dir.to_owned(), toolchain: Toolchain::Go, manifests, runner, needs_prepare, preparation, script: None })
}

/// Modules whose sources are needed, with the upper-case letters of their names escaped as in the cache.
fn modules(sums: &str) -> impl Iterator<Item = (String, &str)> {
    sums.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (module, version) = (words.next()?, words.next()?);
        let escaped = module.chars().fold(String::new(), |out, c| {
            if c.is_ascii_uppercase() { out + "!" + &c.to_ascii_lowercase().to_string() } else { out + &c.to_string() }
        });
        (!version.ends_with("/go.mod") && !module.contains("..")).then_some((escaped, version))
    })
}

fn is_fetched(module: &str, version: &str) -> bool {
    let own =
        std::env::var_os("GOMODCACHE").map(PathBuf::from).or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join("go/pkg/mod")));
    own.into_iter().chain([Path::new(CACHE).join("go/mod")]).any(|home| {
        home.join(format!("{module}@{version}")).exists() || home.join(format!("cache/download/{module}/@v/{version}.zip")).exists()
    })
}
