//! A row of `evals/repositories`: a project, where it comes from, and what people found by hand.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A public project at one state.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Project {
    /// Its name, that of the file.
    pub(super) name: String,
    /// What it is written in.
    pub(super) language: Language,
    /// What is special about it: layout, tools, lock file.
    pub(super) kinds: String,
    /// Where it comes from.
    pub(super) source: Source,
    /// What its own guide says, carried out without Keiko.
    pub(super) by_hand: ByHand,
    /// A bug to plant.
    pub(super) planted: Option<Planted>,
}

/// What a project is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    /// Python.
    Python,
    /// JavaScript or TypeScript.
    Javascript,
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// Several of them, with tests of their own.
    Mixed,
}

impl Language {
    /// As it stands in rows and options.
    pub(super) fn name(self) -> &'static str {
        match self {
            Language::Python => "python",
            Language::Javascript => "javascript",
            Language::Rust => "rust",
            Language::Go => "go",
            Language::Mixed => "mixed",
        }
    }
}

/// Where a project comes from, pinned.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Source {
    /// A public repository at a commit.
    Git { repository: String, commit: String },
    /// A source package of the Python registry.
    Pypi {
        package: String,
        version: String,
        sha256: String,
    },
    /// A package of the Rust registry.
    Crates {
        package: String,
        version: String,
        sha256: String,
    },
}

/// Commands of people, and what came of them: as an ordinary user, the tests without network.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByHand {
    /// Commands of a shell that install what the tests need.
    pub(super) install: Vec<String>,
    /// Commands of a shell that run the tests.
    pub(super) test: Vec<String>,
    /// Counts of the runners' own last lines, summed.
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) errors: u32,
    pub(super) skipped: u32,
    /// Tests that fail as their authors expect.
    #[serde(default)]
    pub(super) expected_failures: u32,
    /// Seconds, with nothing in any cache.
    pub(super) install_seconds: f64,
    pub(super) test_seconds: f64,
    /// What a reader has to know of these counts.
    #[serde(default)]
    pub(super) note: String,
}

/// A realistic bug: one place of one file, as it is and as it gets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Planted {
    /// The file.
    pub(super) file: String,
    /// Text that stands in it exactly once.
    pub(super) old: String,
    /// What stands there afterwards.
    pub(super) new: String,
    /// What its author says of the commit.
    pub(super) subject: String,
}

/// All rows of a folder, by name.
pub(super) fn load(folder: &Path) -> Result<Vec<Project>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut projects = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path)?;
            let project =
                read(&text).with_context(|| format!("{} is not a row", path.display()))?;
            let stem = path.file_stem().unwrap_or_default();
            ensure!(
                stem == project.name.as_str(),
                "{} is about {}",
                path.display(),
                project.name
            );
            projects.push(project);
        }
    }
    projects.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(projects)
}

/// One row, checked.
fn read(text: &str) -> Result<Project> {
    let project: Project = toml::from_str(text)?;
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            && !text.starts_with('.')
    };
    ensure!(
        !project.name.is_empty() && plain(&project.name),
        "a name is letters, digits, dots and dashes"
    );
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.chars().all(|c| c.is_ascii_hexdigit())
    };
    match &project.source {
        Source::Git { repository, commit } => {
            let parts: Vec<&str> = repository.split('/').collect();
            ensure!(
                parts.len() == 2 && parts.iter().all(|part| !part.is_empty() && plain(part)),
                "a repository is OWNER/NAME"
            );
            ensure!(hex(commit, 40), "a commit has 40 hex digits");
        }
        Source::Pypi {
            package,
            version,
            sha256,
        }
        | Source::Crates {
            package,
            version,
            sha256,
        } => {
            ensure!(
                plain(package) && plain(version) && hex(sha256, 64),
                "a package is pinned by version and SHA-256"
            );
        }
    }
    ensure!(
        !project.by_hand.test.is_empty(),
        "without a test command there is nothing to compare"
    );
    let hand = &project.by_hand;
    ensure!(
        hand.passed + hand.failed + hand.errors > 0,
        "a project whose tests do not run by hand is no reference"
    );
    if let Some(planted) = &project.planted {
        ensure!(
            !planted.old.is_empty() && planted.old != planted.new,
            "a planted bug changes something"
        );
        ensure!(
            !planted.file.starts_with('/') && !planted.file.split('/').any(|part| part == ".."),
            "a bug lies in the project"
        );
    }
    Ok(project)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::eval::repositories) const ROW: &str = r#"
name = "calc"
language = "python"
kinds = "flat"

[source]
from = "git"
repository = "someone/calc"
commit = "0123456789012345678901234567890123456789"

[by_hand]
install = ["python3 -m venv .venv"]
test = [".venv/bin/python -m pytest"]
passed = 10
failed = 1
errors = 1
skipped = 2
install_seconds = 20.0
test_seconds = 2.5

[planted]
file = "calc.py"
old = "a + b"
new = "a - b"
subject = "Tidy the sum"
"#;

    #[test]
    fn a_row_is_read_and_what_does_not_fit_is_refused() {
        let project = read(ROW).unwrap();
        assert_eq!(
            (project.language, project.by_hand.passed),
            (Language::Python, 10)
        );
        let spoilt = [
            ("commit = \"0123", "commit = \"x123"),
            ("someone/calc", "someone/../calc"),
            ("name = \"calc\"", "name = \"../calc\""),
            ("file = \"calc.py\"", "file = \"../calc.py\""),
            ("new = \"a - b\"", "new = \"a + b\""),
            ("skipped = 2", "skiped = 2"),
            (
                "passed = 10\nfailed = 1\nerrors = 1",
                "passed = 0\nfailed = 0\nerrors = 0",
            ),
        ];
        for (good, bad) in spoilt {
            assert!(ROW.contains(good), "{good}");
            assert!(read(&ROW.replace(good, bad)).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn all_rows_of_this_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evals/repositories");
        let projects = load(&folder).unwrap();
        let of = |language| {
            projects
                .iter()
                .filter(|project| project.language == language)
                .count()
        };
        assert!(projects.len() >= 40, "{}", projects.len());
        for (language, least) in [
            (Language::Python, 15),
            (Language::Javascript, 10),
            (Language::Rust, 8),
            (Language::Go, 4),
            (Language::Mixed, 3),
        ] {
            assert!(
                of(language) >= least,
                "{}: {}",
                language.name(),
                of(language)
            );
        }
        assert!(
            projects
                .iter()
                .filter(|project| project.planted.is_some())
                .count()
                >= 20
        );
    }
}
