//! No crate grows until it is the repository: what holds too large a part of all code is two things.

use super::{Finding, Tree};
use std::collections::BTreeMap;

/// What one crate may hold of all lines of Rust, percent.
const SHARE_MAX: usize = 20;

/// A finding for each crate with too large a share. Lines of tests count: they move with what they test.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, source) in &tree.sources {
        if let Some(folder) = folder_of(path) {
            *lines.entry(folder).or_default() += source.raw.lines().count();
        }
    }
    let all: usize = lines.values().sum();
    lines
        .into_iter()
        .filter(|(_, own)| own * 100 > all * SHARE_MAX)
        .map(|(folder, own)| too_large(folder, own, all))
        .collect()
}

/// The folder of the crate that a file belongs to.
fn folder_of(path: &str) -> Option<&str> {
    let depth = if path.starts_with("crates/") { 2 } else { 1 };
    path.match_indices('/')
        .nth(depth - 1)
        .map(|(end, _)| &path[..end])
}

fn too_large(folder: &str, own: usize, all: usize) -> Finding {
    // In tenths: 20.04 % is shown as it counts, as more than 20.
    let tenths = (own * 1000).div_ceil(all);
    let advice = format!(
        "{own} of {all} lines of Rust, {}.{} %, more than {SHARE_MAX} %: what is above and what is below in it become two crates",
        tenths / 10,
        tenths % 10
    );
    Finding::new(format!("{folder}/Cargo.toml"), 1, "crate-share", advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Crates of so many lines each, over two files.
    fn advice(crates: &[(&str, usize)]) -> Vec<(String, String)> {
        let files = crates.iter().flat_map(|(folder, lines)| {
            let of = |lines: usize| "// x\n".repeat(lines);
            [
                (format!("{folder}/src/lib.rs"), of(lines - lines / 3)),
                (format!("{folder}/tests/it/main.rs"), of(lines / 3)),
            ]
        });
        check(&Tree::of(files))
            .into_iter()
            .map(|finding| (finding.file, finding.advice))
            .collect()
    }

    #[test]
    fn a_fifth_is_allowed_and_more_is_told_with_number_and_share() {
        let fifths = [
            ("crates/a", 20),
            ("crates/b", 20),
            ("crates/c", 20),
            ("crates/d", 20),
            ("xtask", 20),
        ];
        assert_eq!(advice(&fifths), []);
        let more = advice(&[
            ("crates/a", 200),
            ("crates/b", 200),
            ("crates/c", 200),
            ("crates/d", 199),
            ("xtask", 201),
        ]);
        let [(file, advice)] = more.as_slice() else {
            panic!("{more:?}")
        };
        assert_eq!(file, "xtask/Cargo.toml");
        assert!(
            advice.starts_with("201 of 1000 lines of Rust, 20.1 %, more than 20 %"),
            "{advice}"
        );
    }

    #[test]
    fn crates_are_told_apart_by_their_folder() {
        assert_eq!(
            folder_of("crates/keiko-agent/src/lib.rs"),
            Some("crates/keiko-agent")
        );
        assert_eq!(folder_of("xtask/src/tidy/mod.rs"), Some("xtask"));
        assert_eq!(folder_of("build.rs"), None);
    }
}
