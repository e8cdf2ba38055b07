//! Every third-party dependency says what it is for, and is used.

use super::layers::Workspace;
use super::{Finding, Tree};
use std::collections::BTreeSet;

const MANIFEST: &str = "Cargo.toml";

pub(super) fn check(tree: &Tree, workspace: &Workspace) -> Vec<Finding> {
    let manifest = tree.texts.get(MANIFEST).map_or("", String::as_str);
    let used: BTreeSet<_> = workspace
        .packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|d| d.name.as_str())
        .collect();
    check_manifest(manifest, &used)
}

fn check_manifest(manifest: &str, used: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim() == "[workspace.dependencies]";
            continue;
        }
        let Some((name, value)) = line
            .split_once('=')
            .filter(|_| inside && !line.starts_with('#'))
        else {
            continue;
        };
        let name = name.trim();
        if !value.contains("path =")
            && value
                .split_once('#')
                .is_none_or(|(_, purpose)| purpose.trim().len() <= 3)
        {
            let advice = format!("say what {name} is for, in a comment at the end of the line");
            findings.push(Finding::new(
                MANIFEST,
                index + 1,
                "dependency-purpose",
                advice,
            ));
        }
        if !used.contains(name) {
            let advice = format!("no crate uses {name}: remove the line");
            findings.push(Finding::new(
                MANIFEST,
                index + 1,
                "dependency-unused",
                advice,
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_purpose_and_an_unused_line_are_found() {
        let manifest = "[workspace.dependencies]\n# -- group\na = \"1\" # parsing\nb = \"1\"\nc = \"1\" # unused\n[profile.dev]\nd = 1\n";
        let found: Vec<_> = check_manifest(manifest, &BTreeSet::from(["a", "b"]))
            .into_iter()
            .map(|f| (f.line, f.rule))
            .collect();
        assert_eq!(found, [(4, "dependency-purpose"), (5, "dependency-unused")]);
    }
}
