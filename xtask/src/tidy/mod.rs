//! `cargo xtask tidy`: what keeps the code base in shape and no compiler checks. No build, a second or two.

mod codes;
mod cycles;
mod dependencies;
mod german;
mod layers;
mod purity;
mod records;
mod share;
mod size;
mod source;
mod text;
mod words;

use anyhow::{Context, Result};
use source::Source;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// Something that is not as it should be, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    rule: &'static str,
    advice: String,
}

impl Finding {
    fn new(
        file: impl Into<String>,
        line: usize,
        rule: &'static str,
        advice: impl Into<String>,
    ) -> Finding {
        Finding {
            file: file.into(),
            line,
            rule,
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}:{}: {}: {}",
            self.file, self.line, self.rule, self.advice
        )
    }
}

/// The files that git tracks or would track, with their contents.
pub(crate) struct Tree {
    texts: BTreeMap<String, String>,
    sources: BTreeMap<String, Source>,
    /// Files that are not text, with their size in bytes.
    binaries: BTreeMap<String, usize>,
}

impl Tree {
    /// Reads the repository at `root`.
    fn read(root: &Path) -> Result<Tree> {
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()
            .context("git ls-files")?;
        anyhow::ensure!(
            listed.status.success(),
            "git ls-files failed: {}",
            String::from_utf8_lossy(&listed.stderr)
        );
        let mut files = Vec::new();
        let mut binaries = BTreeMap::new();
        for name in listed
            .stdout
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let name = String::from_utf8_lossy(name).into_owned();
            let path = root.join(&name);
            // Deleted but still listed, or a link: the target is checked where it is.
            if !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
                continue;
            }
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {name}"))?;
            match String::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => files.push((name, text)),
                Ok(text) => drop(binaries.insert(name, text.len())),
                Err(error) => drop(binaries.insert(name, error.as_bytes().len())),
            }
        }
        let mut tree = Tree::of(files);
        tree.binaries = binaries;
        Ok(tree)
    }

    /// A tree out of paths and contents.
    fn of(files: impl IntoIterator<Item = (String, String)>) -> Tree {
        let texts: BTreeMap<_, _> = files.into_iter().collect();
        let rust = texts
            .iter()
            .filter(|(path, _)| path.ends_with(".rs") && !text::is_material(path));
        let sources = rust
            .map(|(path, text)| (path.clone(), Source::new(text.clone())))
            .collect();
        Tree {
            texts,
            sources,
            binaries: BTreeMap::new(),
        }
    }

    fn files(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    fn source(&self, path: &str) -> Option<&Source> {
        self.sources.get(path)
    }
}

/// Runs all checks and prints what they found.
///
/// # Errors
/// When the repository cannot be read.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let tree = Tree::read(root)?;
    let workspace = layers::Workspace::read(root)?;
    let mut findings = Vec::new();
    findings.extend(layers::check(&workspace));
    findings.extend(cycles::check(&tree));
    findings.extend(purity::check(&tree));
    findings.extend(records::check(&tree));
    findings.extend(dependencies::check(&tree, &workspace));
    findings.extend(words::check(&tree));
    findings.extend(text::check(&tree));
    findings.extend(codes::check(&tree));
    findings.extend(german::check(&tree));
    findings.extend(share::check(&tree));
    let sizes = size::check(&tree);
    findings.extend(sizes.findings);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    eprintln!(
        "tidy: {} files, {} findings, {} of {} functions are longer than {} lines",
        tree.texts.len() + tree.binaries.len(),
        findings.len(),
        sizes.long,
        sizes.functions,
        size::FUNCTION_LINES_AIM
    );
    Ok(findings.is_empty())
}
