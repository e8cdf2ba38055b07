//! The files in which a project says to its own automation how it is tested.

use super::Tree;

/// How many are read.
const WITNESSES_MAX: usize = 24;

/// Their texts.
pub(super) fn of(tree: &Tree<'_>) -> Vec<String> {
    tree.files
        .iter()
        .filter(|path| is_one(path))
        .take(WITNESSES_MAX)
        .filter_map(|path| tree.read("", path))
        .collect()
}

fn is_one(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let script = |extensions: [&str; 2]| {
        lower
            .rsplit_once('.')
            .is_some_and(|(_, extension)| extensions.contains(&extension))
    };
    matches!(
        lower.as_str(),
        "makefile"
            | "gnumakefile"
            | "justfile"
            | ".justfile"
            | ".travis.yml"
            | ".gitlab-ci.yml"
            | ".cirrus.yml"
    ) || ((lower.starts_with(".github/workflows/") || lower.starts_with(".circleci/"))
        && script(["yml", "yaml"]))
        || (lower.starts_with("ci/") && script(["sh", "bash"]))
}
