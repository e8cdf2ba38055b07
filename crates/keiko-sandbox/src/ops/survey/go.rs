//! Go projects.

use super::{CACHE, Tree, argv, inside, packages, witnesses};
use keiko_contracts::jail::{Preparation, Project, Toolchain};
use std::path::{Path, PathBuf};

/// A project in a folder, if there is a manifest.
pub(super) fn project(tree: &Tree<'_>, dir: &str) -> Option<Project> {
    if !tree.has(dir, "go.mod") {
        return None;
    }
    let manifests: Vec<String> = ["go.mod", "go.sum"]
        .iter()
        .filter(|name| tree.has(dir, name))
        .map(|name| (*name).to_owned())
        .collect();
    let sums = tree.read(dir, "go.sum").unwrap_or_default();
    let needs_prepare = !tree.exists(dir, "vendor/modules.txt")
        && modules(&sums).any(|(module, version)| !is_fetched(&module, version));
    let cache = format!("GOMODCACHE={CACHE}/go/mod");
    // `go -C` is younger than the go of some distributions.
    let download = argv([
        "env",
        &cache,
        "sh",
        "-c",
        "cd \"$1\" && exec go mod download",
        "sh",
        &inside(dir, ""),
    ]);
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
    let ways = tags(&witnesses::of(tree))
        .map(|tags| vec!["-tags".to_owned(), tags])
        .into_iter()
        .collect();
    Some(Project {
        dir: dir.to_owned(),
        toolchain: Toolchain::Go,
        manifests,
        runner,
        needs_prepare,
        preparation,
        ways,
        ..Project::default()
    })
}

/// The build tags that the project's own automation never tests without.
fn tags(texts: &[String]) -> Option<String> {
    let mut first = None;
    for line in texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let mut words = line
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '\'', '@']));
        if !words
            .by_ref()
            .zip(line.split_whitespace().skip(1))
            .any(|(one, next)| (one == "go" || one == "$(GO)") && next == "test")
        {
            continue;
        }
        let named = words
            .clone()
            .find_map(|word| word.trim_start_matches('-').strip_prefix("tags="));
        let named = named.or_else(|| {
            words
                .skip_while(|word| *word != "-tags" && *word != "--tags")
                .nth(1)
        });
        // Without any once, or with some that only somebody else knows: the plain way.
        let plain = |tags: &&str| {
            !tags.is_empty()
                && tags
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_,.".contains(c))
        };
        let tags = named.filter(plain)?.to_owned();
        first.get_or_insert(tags);
    }
    first
}

/// Modules whose sources are needed, with the upper-case letters of their names escaped as in the cache.
fn modules(sums: &str) -> impl Iterator<Item = (String, &str)> {
    sums.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (module, version) = (words.next()?, words.next()?);
        let escaped = module.chars().fold(String::new(), |out, c| {
            if c.is_ascii_uppercase() {
                out + "!" + &c.to_ascii_lowercase().to_string()
            } else {
                out + &c.to_string()
            }
        });
        (!version.ends_with("/go.mod") && !module.contains("..")).then_some((escaped, version))
    })
}

fn is_fetched(module: &str, version: &str) -> bool {
    let own = std::env::var_os("GOMODCACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join("go/pkg/mod")));
    own.into_iter()
        .chain([Path::new(CACHE).join("go/mod")])
        .any(|home| {
            home.join(format!("{module}@{version}")).exists()
                || home
                    .join(format!("cache/download/{module}/@v/{version}.zip"))
                    .exists()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_without_which_nobody_tests() {
        let of = |text: &str| tags(&[text.to_owned()]);
        assert_eq!(
            of("      - run: go test -race -tags=sqlite ./...\n").as_deref(),
            Some("sqlite")
        );
        assert_eq!(
            of("test:\n\tgo test -tags \"a,b\" ./...\n").as_deref(),
            Some("a,b")
        );
        for text in [
            "go test ./...\ngo test -tags x ./...\n",
            "go test -tags $(TAGS) ./...",
            "go build -tags x",
            "go test",
            "",
            "go",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
