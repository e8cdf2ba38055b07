//! How the tests of a Rust project are run: what its own automation does is the best witness, what its tests declare the next.

use super::{Tree, witnesses};
use std::collections::BTreeSet;

/// Test files that are looked into for the features that they ask for.
const TESTS_MAX: usize = 60;
/// Longest list of features.
const FEATURES_MAX: usize = 300;
/// Options of `cargo test` that choose nothing.
const PLAIN: [&str; 13] = [
    "--verbose",
    "-v",
    "-vv",
    "--quiet",
    "-q",
    "--locked",
    "--frozen",
    "--offline",
    "--no-fail-fast",
    "--release",
    "-r",
    "--all-targets",
    "--keep-going",
];
/// The same with a value after them.
const PLAIN_VALUES: [&str; 6] = [
    "--color",
    "-j",
    "--jobs",
    "--message-format",
    "--target-dir",
    "--config",
];

/// A command of the project's own that runs its tests.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Said {
    workspace: bool,
    all_features: bool,
    features: Vec<String>,
    exclude: Vec<String>,
}

impl Said {
    fn is_plain(&self) -> bool {
        !self.all_features && self.features.is_empty()
    }
}

/// What cargo is told, the best first: all members, and the features that the tests need.
pub(super) fn ways(tree: &Tree<'_>, dir: &str) -> Vec<Vec<String>> {
    let manifest: toml::Table = tree
        .read(dir, "Cargo.toml")
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let said: Vec<Said> = witnesses::of(tree)
        .iter()
        .flat_map(|text| commands(text))
        .collect();
    let workspace = members(&manifest, &said);
    let features = features(tree, dir, &manifest, &said);
    let both = |one: &[String], other: &[String]| [one, other].concat();
    let mut ways: Vec<Vec<String>> = Vec::new();
    for way in [both(&workspace, &features), features, workspace, Vec::new()] {
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    if ways.len() == 1 { Vec::new() } else { ways }
}

/// Without them, cargo leaves members out: a root that is a package itself stands for no other.
fn members(manifest: &toml::Table, said: &[Said]) -> Vec<String> {
    let Some(workspace) = manifest.get("workspace").and_then(toml::Value::as_table) else {
        return Vec::new();
    };
    let exclude = said
        .iter()
        .find(|said| said.workspace && !said.exclude.is_empty())
        .map(|said| said.exclude.clone())
        .unwrap_or_default();
    let all = !manifest.contains_key("package") && !workspace.contains_key("default-members");
    if all && exclude.is_empty() {
        return Vec::new();
    }
    std::iter::once("--workspace".to_owned())
        .chain(
            exclude
                .into_iter()
                .flat_map(|name| ["--exclude".to_owned(), name]),
        )
        .collect()
}

fn features(tree: &Tree<'_>, dir: &str, manifest: &toml::Table, said: &[Said]) -> Vec<String> {
    if said.iter().any(|said| said.all_features) {
        return vec!["--all-features".to_owned()];
    }
    let named = if said.is_empty() {
        let declared = Declared::of(manifest);
        declared.asked_for(tree, dir, manifest)
    } else if said.iter().any(Said::is_plain) {
        Vec::new()
    } else {
        said.iter()
            .map(|said| said.features.clone())
            .max_by_key(Vec::len)
            .unwrap_or_default()
    };
    if named.is_empty() {
        Vec::new()
    } else {
        vec!["--features".to_owned(), named.join(",")]
    }
}

/// The features of a package.
struct Declared {
    /// All that can be named.
    all: BTreeSet<String>,
    /// Those that are on without being named.
    default: BTreeSet<String>,
}

impl Declared {
    fn of(manifest: &toml::Table) -> Declared {
        let table = |name: &str| manifest.get(name).and_then(toml::Value::as_table);
        let features = table("features");
        let optional = table("dependencies")
            .into_iter()
            .flatten()
            .filter(|(_, about)| {
                about.get("optional").and_then(toml::Value::as_bool) == Some(true)
            });
        let all = features
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .chain(optional.map(|(name, _)| name.clone()))
            .collect();
        let (mut default, mut open) = (BTreeSet::new(), vec!["default".to_owned()]);
        while let Some(name) = open.pop() {
            if default.len() < FEATURES_MAX && default.insert(name.clone()) {
                open.extend(
                    features
                        .and_then(|features| features.get(&name))
                        .map(strings)
                        .unwrap_or_default(),
                );
            }
        }
        Declared { all, default }
    }

    /// Features without which test targets are passed over, or are empty.
    fn asked_for(&self, tree: &Tree<'_>, dir: &str, manifest: &toml::Table) -> Vec<String> {
        let targets = manifest
            .get("test")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten();
        let required = targets
            .filter_map(|target| target.get("required-features"))
            .flat_map(strings);
        let files = tree
            .below(dir)
            .filter(|path| path.starts_with("tests/") && path.ends_with(".rs"))
            .take(TESTS_MAX);
        let gated = files
            .filter_map(|path| tree.read(dir, path))
            .flat_map(|text| gates(&text));
        let named: BTreeSet<String> = required
            .chain(gated)
            .filter(|name| self.all.contains(name) && !self.default.contains(name))
            .collect();
        named.into_iter().take(FEATURES_MAX).collect()
    }
}

fn strings(value: &toml::Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Features that a whole file is there for.
fn gates(text: &str) -> Vec<String> {
    let gates = text
        .lines()
        .take(80)
        .map(str::trim)
        .filter(|line| line.starts_with("#![cfg(") && !line.contains("not("));
    gates
        .flat_map(|line| {
            line.split("feature = \"")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        })
        .collect()
}

/// The commands of a text that run all tests on this machine.
fn commands(text: &str) -> Vec<Said> {
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .flat_map(|line| line.split("&&").flat_map(|part| part.split([';', '|'])))
        .filter_map(command)
        .collect()
}

fn command(text: &str) -> Option<Said> {
    if text.trim_start().starts_with('#') {
        return None;
    }
    let text = unfilled(text);
    let mut words = text
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '\'', '`', '@', '[', ']', ',']))
        .filter(|word| !word.is_empty());
    words
        .by_ref()
        .find(|word| *word == "cargo" || *word == "cross" || *word == "$VALUE")?;
    let mut words = words.peekable();
    // A toolchain that is asked for may be here under another name; what only the unstable one can do is not for it.
    if let Some(toolchain) = words.next_if(|word| word.starts_with('+'))
        && toolchain.contains("nightly")
    {
        return None;
    }
    match words.next()? {
        "test" | "t" => {}
        "nextest" if words.next() == Some("run") => {}
        "hack" if words.next() == Some("test") => {}
        _ => return None,
    }
    let mut said = Said::default();
    while let Some(word) = words.next() {
        let (name, value) = word
            .split_once('=')
            .map_or((word, None), |(name, value)| (name, Some(value)));
        match name {
            "--" | "#" => break,
            "--workspace" | "--all" => said.workspace = true,
            "--all-features" => said.all_features = true,
            "--each-feature" | "--feature-powerset" => {}
            "--features" | "-F" => {
                let listed = value
                    .or_else(|| words.next_if(|word| !word.starts_with('-')))
                    .unwrap_or_default();
                said.features.extend(
                    listed
                        .trim_matches(['"', '\''])
                        .split(',')
                        .filter(|name| is_feature(name))
                        .map(str::to_owned),
                );
                // A list in quotation marks may be parted by spaces.
                while let Some(more) = words.next_if(|word| is_feature(word)) {
                    said.features.push(more.to_owned());
                }
            }
            "--exclude" => said.exclude.extend(
                value
                    .or_else(|| words.next())
                    .filter(|name| is_feature(name))
                    .map(str::to_owned),
            ),
            name if PLAIN.contains(&name) || name.contains("$VALUE") => {}
            name if PLAIN_VALUES.contains(&name) => drop(value.or_else(|| words.next())),
            // A part of the tests, or another machine.
            _ => return None,
        }
    }
    Some(said)
}

/// With a mark where a value is filled in only when it is run: `${{ matrix.features }}`, `$(CARGO)`, `$FLAGS`.
fn unfilled(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        out.push_str("$VALUE");
        let after = &rest[at + 1..];
        let closed = |end: &str| after.find(end).map_or(after.len(), |at| at + end.len());
        let length = if after.starts_with("{{") {
            closed("}}")
        } else if after.starts_with('{') {
            closed("}")
        } else if after.starts_with('(') {
            closed(")")
        } else {
            after
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(after.len())
        };
        rest = after.get(length..).unwrap_or_default();
    }
    out + rest
}

/// A name that can stand on a command line; a value that is filled in later is none.
fn is_feature(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 100
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-/?+.:".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(names: &[&str]) -> Said {
        Said {
            features: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Said::default()
        }
    }

    #[test]
    fn commands_that_run_all_tests_are_read() {
        let all = Said {
            all_features: true,
            ..Said::default()
        };
        let whole = Said {
            workspace: true,
            ..Said::default()
        };
        for (text, said) in [
            ("        run: cargo test", Said::default()),
            ("\t@cargo test --all-features", all.clone()),
            (
                "- run: cargo +stable test --verbose --locked -- --nocapture",
                Said::default(),
            ),
            (
                "run: cargo test --features \"${{ matrix.features }}\"",
                Said::default(),
            ),
            (
                "run: cargo test --features \"url/serde,url/expose_internals\"",
                features(&["url/serde", "url/expose_internals"]),
            ),
            (
                "cargo test --features 'a b' --release",
                features(&["a", "b"]),
            ),
            (
                "run: ${{ env.CARGO }} test --workspace ${{ env.TARGET_FLAGS }}",
                whole.clone(),
            ),
            (
                "run: cargo fmt && cargo nextest run --workspace",
                whole.clone(),
            ),
            (
                "run: cargo hack test --each-feature --workspace",
                whole.clone(),
            ),
            (
                "cargo test --workspace --exclude py-thing --color=always",
                Said {
                    exclude: vec!["py-thing".into()],
                    ..whole
                },
            ),
        ] {
            assert_eq!(commands(text), [said], "{text}");
        }
        for text in [
            "run: cargo test --no-run",
            "run: cargo test --no-default-features",
            "run: cargo test --target wasm32-wasip1",
            "run: cargo test -p one",
            "run: cargo test --doc",
            "run: cargo +nightly test --all-features",
            "run: cargo miri test",
            "run: cargo build --all-features",
            "run: cargo test some_name",
            "  # cargo test --all-features",
        ] {
            assert_eq!(
                commands(text)
                    .iter()
                    .filter(|said| !said.is_plain())
                    .count(),
                0,
                "{text}"
            );
        }
        assert_eq!(commands("cargo test \\\n  --all-features"), [all]);
    }

    #[test]
    fn hostile_text_is_read_to_its_end() {
        for text in [
            "$",
            "${{",
            "cargo test $(",
            "cargo test --features",
            "cargo test --features=",
            "cargo",
            "ü$ü{ü cargo test ü",
        ] {
            let _ = commands(text);
        }
        assert!(
            commands("cargo test --features \"$(rm -rf x)\" --exclude ';'")
                .iter()
                .all(Said::is_plain)
        );
    }

    #[test]
    fn whole_files_ask_for_features() {
        assert_eq!(
            gates("// x\n#![cfg(all(feature = \"serde\", feature = \"std\"))]\n"),
            ["serde", "std"]
        );
        assert!(gates("#![cfg(not(feature = \"a\"))]\n#[cfg(feature = \"b\")]\n").is_empty());
    }
}
