//! Plain files: white space, size, paths of one machine, and links in the documentation that lead somewhere.

use super::{Finding, Tree};
use regex::Regex;
use std::path::{Component, Path, PathBuf};

const BYTES_MAX: usize = 1 << 20;

/// Folders of test material: it is as it is, also when that is ugly.
const MATERIAL: &[&str] = &[
    "fixtures",
    "testdata",
    "corpus",
    "snapshots",
    "samples",
    "evals",
    "demos",
];
/// File types in which white space has a meaning of its own.
const WHITE_SPACE_COUNTS: &[&str] = &[".diff", ".patch", ".snap", ".golden"];
/// Where paths of a machine are the subject.
const NAMES_MACHINE_PATHS: &[&str] = &["xtask/src/tidy/text.rs"];

/// Whether a file is test material.
pub(super) fn is_material(path: &str) -> bool {
    path.split('/').any(|part| MATERIAL.contains(&part))
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let links = Regex::new(r"\]\(([^)\s]+)\)").ok();
    let machine = Regex::new(r"(?m)(?:^|[\s`'\x22(=:])(/(?:work|root)/)").ok();
    for (path, text) in &tree.texts {
        findings.extend(too_big(path, text.len()));
        if is_material(path) {
            continue;
        }
        findings.extend(white_space(path, text));
        if !NAMES_MACHINE_PATHS.contains(&path.as_str()) {
            findings.extend(machine_paths(path, text, machine.as_ref()));
        }
        if path.ends_with(".md") {
            findings.extend(dead_links(tree, path, text, links.as_ref()));
        }
    }
    for (path, bytes) in &tree.binaries {
        findings.extend(too_big(path, *bytes));
        if let Some(kind) = [".deb", ".rpm", ".whl", ".o", ".so", ".rlib", ".pyc"]
            .into_iter()
            .find(|kind| path.ends_with(kind))
        {
            findings.push(Finding::new(
                path,
                1,
                "built-file",
                format!("a {kind} file is not source: git rm it"),
            ));
        }
    }
    findings
}

fn too_big(path: &str, bytes: usize) -> Option<Finding> {
    let advice = || {
        format!("{bytes} bytes, more than {BYTES_MAX}: generate it, or fetch it where it is needed")
    };
    (bytes > BYTES_MAX).then(|| Finding::new(path, 1, "file-size", advice()))
}

fn white_space(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if WHITE_SPACE_COUNTS.iter().any(|kind| path.ends_with(kind)) {
        return findings;
    }
    let mut found =
        |line, advice: &str| findings.push(Finding::new(path, line, "white-space", advice));
    for (index, line) in text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            found(index + 1, "remove the white space at the end of the line");
        }
        if path.ends_with(".rs") && line.contains('\t') {
            found(index + 1, "use spaces, or \\t in a literal");
        }
    }
    if text.contains('\r') {
        found(1, "use plain line ends (LF)");
    }
    if !text.is_empty() && !text.ends_with('\n') {
        found(text.lines().count(), "end the file with a line break");
    }
    findings
}

fn machine_paths(path: &str, text: &str, machine: Option<&Regex>) -> Vec<Finding> {
    let hits = machine
        .into_iter()
        .flat_map(|regex| regex.captures_iter(text))
        .filter_map(|hit| hit.get(1));
    hits.map(|hit| {
        let line = super::source::line_of(text, hit.start());
        Finding::new(
            path,
            line,
            "machine-path",
            format!(
                "{} exists on one machine only: use a path relative to the repository",
                hit.as_str()
            ),
        )
    })
    .collect()
}

fn dead_links(tree: &Tree, path: &str, text: &str, links: Option<&Regex>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        for target in links
            .into_iter()
            .flat_map(|regex| regex.captures_iter(line))
            .filter_map(|hit| hit.get(1))
        {
            let target = target.as_str().split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let wanted = normal(
                &Path::new(path)
                    .parent()
                    .unwrap_or(Path::new(""))
                    .join(target),
            );
            let folder = format!("{wanted}/");
            let exists = |name: &String| *name == wanted || name.starts_with(&folder);
            if !tree.texts.keys().chain(tree.binaries.keys()).any(exists) {
                findings.push(Finding::new(
                    path,
                    index + 1,
                    "dead-link",
                    format!("{target} is not in the repository"),
                ));
            }
        }
    }
    findings
}

/// A relative path without `.` and `..`.
fn normal(path: &Path) -> String {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    plain.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<(usize, &'static str)> {
        let findings = check(&Tree::of(
            files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned())),
        ));
        findings
            .into_iter()
            .map(|finding| (finding.line, finding.rule))
            .collect()
    }

    #[test]
    fn white_space_is_checked_but_not_in_material() {
        assert_eq!(
            found(&[("a.md", "x \ny")]),
            [(1, "white-space"), (2, "white-space")]
        );
        assert_eq!(found(&[("a.rs", "\tx\n")]), [(1, "white-space")]);
        assert_eq!(found(&[("tests/fixtures/a.py", "x \ny")]), []);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let text = format!("see `/{}/x` and /root/y\n", "work");
        assert_eq!(
            found(&[("a.md", &text)]),
            [(1, "machine-path"), (1, "machine-path")]
        );
        assert_eq!(
            found(&[("a.md", "target/work/x /workspace/ /rooted/\n")]),
            []
        );
    }

    #[test]
    fn links_lead_to_files_and_folders_that_exist() {
        let text = "[a](../b.md#part) [c](missing.md) [d](https://example.org/x) [e](#here) [f](..)\n```\n[g](gone.md)\n```\n";
        assert_eq!(
            found(&[("docs/a.md", text), ("b.md", "b\n")]),
            [(1, "dead-link"), (1, "dead-link")]
        );
    }

    #[test]
    fn a_big_file_is_found_also_in_material() {
        assert_eq!(
            found(&[("samples/a", &"x\n".repeat(BYTES_MAX))]),
            [(1, "file-size")]
        );
    }
}
