//! What the sources of a Python project say about what its tests need.

use super::Tree;
use std::collections::BTreeSet;

/// Words that are passed on.
const WORDS_MAX: usize = 500;

/// Modules that tests import, fixtures they ask for and marks they carry, as far as the repository does not hold them itself.
pub(super) fn imports(tests: &[String], has: impl Fn(&str) -> bool) -> Vec<String> {
    let (mut found, mut arguments) = (BTreeSet::new(), BTreeSet::new());
    for text in tests {
        let names = text.lines().filter_map(|line| {
            let line = line.trim_start();
            let rest = line
                .strip_prefix("import ")
                .or_else(|| line.strip_prefix("from "))?;
            Some(word(rest).to_owned())
        });
        found.extend(names.filter(|name| !name.is_empty() && !has(name)));
        for part in text.split("def test").skip(1) {
            let list = part.split_once('(').map_or("", |(_, rest)| {
                rest.split([')', ':']).next().unwrap_or_default()
            });
            arguments.extend(
                list.split(',')
                    .map(|argument| word(argument.trim()))
                    .filter(|name| !name.is_empty()),
            );
        }
        found.extend(
            text.split("pytest.mark.")
                .skip(1)
                .map(|rest| format!("mark:{}", word(rest))),
        );
    }
    // Each name once: all tests are searched for it.
    found.extend(
        arguments
            .into_iter()
            .filter(|name| !is_local(tests, name))
            .map(|name| format!("fixture:{name}")),
    );
    found
        .into_iter()
        .filter(|word| word.len() < 60)
        .take(WORDS_MAX)
        .collect()
}

/// A fixture of the project's own, or an argument that gets its values from a list.
fn is_local(tests: &[String], name: &str) -> bool {
    let shapes = [
        format!("def {name}("),
        format!("\"{name}\""),
        format!("'{name}'"),
        format!("\"{name},"),
        format!("'{name},"),
        format!(" {name}\""),
        format!(" {name}'"),
    ];
    tests
        .iter()
        .any(|text| shapes.iter().any(|shape| text.contains(shape)))
}

fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

/// Whether the tests see nothing of the project, or not all of it, unless it is installed: it lies below `src`, or asks
/// for its own version.
pub(super) fn needs_installing(tree: &Tree<'_>, dir: &str) -> bool {
    let asks = |text: String| {
        [
            "importlib.metadata",
            "importlib_metadata",
            "pkg_resources",
            "._version import",
        ]
        .iter()
        .any(|word| text.contains(word))
    };
    let mut packages = tree
        .below(dir)
        .filter(|path| path.ends_with("__init__.py") && path.matches('/').count() <= 2);
    tree.below(dir)
        .any(|path| path.starts_with("src/") && path.ends_with(".py"))
        || packages
            .by_ref()
            .take(8)
            .filter_map(|path| tree.read(dir, path))
            .any(asks)
}
