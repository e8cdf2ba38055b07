//! Whether the tests of a JavaScript project need what its build makes, and which script that is.

use super::node_manifest::Manifest;
use super::{Tree, join};
use keiko_contracts::jail::{TestScript, is_test_path};

/// Test files that are opened.
const FILES_MAX: usize = 60;
/// Places in them that are looked at.
const PLACES_MAX: usize = 2_000;
/// What a file may be called that is imported without its ending.
const ENDINGS: [&str; 12] = [
    "",
    ".js",
    ".cjs",
    ".mjs",
    ".ts",
    ".mts",
    ".cts",
    ".tsx",
    ".jsx",
    ".json",
    "/index.js",
    "/index.ts",
];
/// Scripts that build, in the order in which they are believed.
const BUILDERS: [&str; 5] = ["build", "compile", "bundle", "prepare", "prepack"];

/// The command that makes what tests import and the repository does not hold, if there is one.
pub(super) fn missing(
    tree: &Tree<'_>,
    dir: &str,
    manifest: &Manifest,
    script: &TestScript,
) -> Option<String> {
    let scripts = manifest.scripts();
    // What only installs hooks builds nothing.
    let builds = |name: &&str| {
        scripts.get(name).is_some_and(|text| {
            !["husky", "lefthook", "simple-git-hooks", "npmignore"]
                .iter()
                .any(|hook| text.contains(hook))
        })
    };
    let builder = BUILDERS.into_iter().find(builds)?;
    let tests: Vec<&str> = tree
        .below(dir)
        .filter(|path| is_test_path(path) && is_script(path))
        .take(FILES_MAX)
        .collect();
    let package_is_missing = entries(manifest)
        .iter()
        .any(|entry| !stands(tree, dir, entry));
    let imported = tests.iter().any(|path| {
        let text = tree.read(dir, path).unwrap_or_default();
        imports(&text)
            .take(PLACES_MAX)
            .any(|name| needs(tree, dir, path, &name, manifest, package_is_missing))
    });
    let named = script
        .files
        .split_whitespace()
        .any(|word| is_made(tree, dir, word));
    (imported || named).then(|| format!("npm run {builder}"))
}

fn is_script(path: &str) -> bool {
    [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Whether an import needs something that is not there.
fn needs(
    tree: &Tree<'_>,
    dir: &str,
    from: &str,
    name: &str,
    manifest: &Manifest,
    package_is_missing: bool,
) -> bool {
    let own = manifest.name.as_deref().is_some_and(|own| {
        name == own
            || name
                .strip_prefix(own)
                .is_some_and(|rest| rest.starts_with('/'))
    });
    if own {
        return package_is_missing;
    }
    if !name.starts_with('.') {
        return false;
    }
    let Some(path) = resolved(from, name) else {
        return false;
    };
    if path.is_empty() {
        return package_is_missing;
    }
    // TypeScript imports `./x.js` and means `./x.ts`.
    let stem = [".js", ".mjs", ".cjs"]
        .iter()
        .find_map(|end| path.strip_suffix(end));
    let there = stands(tree, dir, &path) || stem.is_some_and(|stem| stands(tree, dir, stem));
    // A folder with a manifest of its own says itself what stands for it; one that only an ending is missing of is found.
    !there && !tree.has(dir, &format!("{path}/package.json"))
}

fn stands(tree: &Tree<'_>, dir: &str, path: &str) -> bool {
    ENDINGS
        .iter()
        .any(|ending| tree.has(dir, &format!("{path}{ending}")))
}

/// The files that the package itself is, as its manifest says.
fn entries(manifest: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    for value in [&manifest.main, &manifest.module] {
        found.extend(value.as_str().map(str::to_owned));
    }
    targets(
        manifest.exports.get(".").unwrap_or(&manifest.exports),
        &mut found,
        0,
    );
    let plain = |entry: String| entry.trim_start_matches("./").to_owned();
    found
        .into_iter()
        .map(plain)
        .filter(|entry| !entry.contains('*') && !entry.is_empty() && !entry.ends_with(".d.ts"))
        .collect()
}

fn targets(value: &serde_json::Value, found: &mut Vec<String>, depth: usize) {
    match value {
        serde_json::Value::String(path) if path.starts_with("./") => found.push(path.clone()),
        serde_json::Value::Object(map) if depth < 5 => {
            map.iter()
                .filter(|(key, _)| *key != "types" && !key.starts_with("./"))
                .for_each(|(_, value)| targets(value, found, depth + 1));
        }
        _ => {}
    }
}

/// A path relative to the project; nothing when it leaves it.
fn resolved(from: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in name.split(['?', '#']).next()?.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What a text imports: the words in quotes after `from`, `import` and `require`.
fn imports(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split_inclusive(['\'', '"', '`'])
        .zip(text.split_inclusive(['\'', '"', '`']).skip(1))
        .filter_map(|(before, quoted)| {
            let before = before.strip_suffix(['\'', '"', '`'])?.trim_end();
            let is_import = ["from", "import", "import(", "require("]
                .iter()
                .any(|word| before.ends_with(word));
            let name = quoted.strip_suffix(['\'', '"', '`'])?;
            (is_import && !name.contains(['\n', '$', '*'])).then(|| name.to_owned())
        })
}

/// Whether what a script runs lies in a folder that the repository does not hold.
fn is_made(tree: &Tree<'_>, dir: &str, word: &str) -> bool {
    let word = word.trim_matches(['"', '\'']).trim_start_matches("./");
    let folder = word.split('/').next().unwrap_or_default();
    let plain = !folder.is_empty()
        && !folder.contains(['*', '{', '(', '[', '!'])
        && !folder.starts_with(['-', '.']);
    plain
        && word.contains('/')
        && !tree.folders.contains(&join(dir, folder))
        && tree
            .below(dir)
            .all(|path| !path.starts_with(&format!("{folder}/")))
}
