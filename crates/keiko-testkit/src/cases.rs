//! The cases of `evals/repo-doctor`: the one reader of `case.toml` and of a case's history, and the one judge of what was found.
//!
//! A report is judged as data, as `keiko runs report --json` prints it: the engine alone and the binary are held to the same, and
//! nothing here knows either.

use serde::Deserialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the cases lie.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../evals/repo-doctor");

/// What `case.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is wrong there, for people.
    pub title: String,
    /// `python`, `javascript`, `rust` or `go`.
    pub language: String,
    /// Programs without which the case cannot be examined.
    pub needs: Vec<String>,
    /// Nothing must be found.
    #[serde(default)]
    pub clean: bool,
    /// What must be found.
    #[serde(default)]
    pub expect: Vec<Expect>,
}

/// One thing that must be found.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// A test fails.
    FailingTest {
        /// A piece of its name.
        test: String,
    },
    /// A finding by rule and place.
    Rule {
        /// The rule.
        rule: String,
        /// The file, relative to the workspace.
        file: String,
        /// The line, from 1.
        line: u32,
    },
    /// A test comes out differently for the same code.
    Unsteady {
        /// A piece of its name.
        test: String,
        /// What decides how.
        cause: Cause,
    },
    /// A commit is blamed.
    Guilty {
        /// Its first line.
        subject: String,
    },
    /// A line is among the first suspects.
    Suspect {
        /// The file, relative to the workspace.
        file: String,
        /// The line, from 1.
        line: u32,
        /// Among so many.
        within: usize,
    },
    /// An edit of a file survives.
    Candidate {
        /// The file, relative to the workspace.
        file: String,
    },
    /// A tool's fix was kept.
    Fixed {
        /// A piece of what the tool is called.
        tool: String,
        /// The file, relative to the workspace.
        file: String,
    },
}

/// What decides how an unsteady test comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Chance.
    Chance,
    /// The tests that run beside it, or before it.
    Order,
    /// The time zone, the hash seed, how many tests run at once.
    Surroundings,
}

/// What of a report in JSON the cases speak of.
#[derive(Debug, Deserialize)]
pub struct Found {
    suites: Vec<Suite>,
    findings: Vec<Finding>,
    flaky: Vec<Unsteady>,
    guilty: Vec<Guilty>,
    suspects: Vec<Place>,
    candidates: Vec<Edited>,
    fixes: Vec<Fix>,
}

#[derive(Debug, Deserialize)]
struct Suite {
    failing: Vec<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Finding {
    rule: String,
    file: String,
    line: u32,
}

#[derive(Debug, Deserialize)]
struct Unsteady {
    test: String,
    cause: Cause,
}

#[derive(Debug, Deserialize)]
struct Guilty {
    commit: Commit,
}

#[derive(Debug, Deserialize)]
struct Commit {
    subject: String,
}

#[derive(Debug, Deserialize)]
struct Place {
    file: String,
    line: u32,
}

#[derive(Debug, Deserialize)]
struct Edited {
    file: String,
}

#[derive(Debug, Deserialize)]
struct Fix {
    tool: String,
    kept: bool,
    diff: String,
}

impl Case {
    /// Reads the `case.toml` of a folder.
    ///
    /// # Errors
    /// When it cannot be read, or says something that no case says; the file is named.
    pub fn read(folder: &Path) -> io::Result<Case> {
        let file = folder.join("case.toml");
        let told = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", file.display()))
        };
        let text = fs::read_to_string(&file).map_err(|error| told(&error))?;
        toml::from_str(&text).map_err(|error| told(&error))
    }
}

impl Expect {
    /// Whether a report says it.
    #[must_use]
    pub fn is_met(&self, found: &Found) -> bool {
        match self {
            Expect::FailingTest { test } => found
                .suites
                .iter()
                .flat_map(|suite| &suite.failing)
                .any(|failed| failed.name.contains(test)),
            Expect::Rule { rule, file, line } => found
                .findings
                .iter()
                .any(|found| found.rule == *rule && found.file == *file && found.line == *line),
            Expect::Unsteady { test, cause } => found
                .flaky
                .iter()
                .any(|flaky| flaky.test.contains(test) && flaky.cause == *cause),
            Expect::Guilty { subject } => found
                .guilty
                .iter()
                .any(|guilty| guilty.commit.subject == *subject),
            Expect::Suspect { file, line, within } => found
                .suspects
                .iter()
                .take(*within)
                .any(|suspect| suspect.file == *file && suspect.line == *line),
            Expect::Candidate { file } => found
                .candidates
                .iter()
                .any(|candidate| candidate.file == *file),
            Expect::Fixed { tool, file } => found
                .fixes
                .iter()
                .any(|fix| fix.kept && fix.tool.contains(tool) && fix.diff.contains(file)),
        }
    }
}

/// The folders of all cases, sorted.
///
/// # Errors
/// When they cannot be listed.
pub fn folders() -> io::Result<Vec<PathBuf>> {
    let mut folders = entries(Path::new(ROOT))?;
    folders.retain(|folder| folder.join("case.toml").is_file());
    Ok(folders)
}

/// Lays the files of a case into a folder, state after state as its history tells, and has `commit` record each under its
/// subject.
///
/// # Errors
/// When a file cannot be read or written.
pub fn lay_out(case: &Path, into: &Path, mut commit: impl FnMut(&str)) -> io::Result<()> {
    let history = case.join("history");
    let steps = if history.is_dir() {
        entries(&history)?
    } else {
        Vec::new()
    };
    for step in &steps {
        copy(&case.join("repo"), into)?;
        copy(step, into)?;
        let name = step
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        commit(
            name.split_once('-')
                .map_or(name.as_str(), |(_, subject)| subject),
        );
    }
    copy(&case.join("repo"), into)?;
    commit(if steps.is_empty() {
        "Everything"
    } else {
        "Prepare the next version"
    });
    Ok(())
}

/// What a folder holds, sorted.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            fs::copy(entry.path(), target)?;
        } else if entry.file_name() != "target" {
            // `target` was built by hand while working on a case.
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_expects_something_or_nothing_at_all() {
        let folders = folders().unwrap();
        assert!(folders.len() > 20, "{folders:?}");
        for folder in folders {
            let case = Case::read(&folder).unwrap();
            assert_eq!(case.clean, case.expect.is_empty(), "{}", folder.display());
            assert!(
                ["python", "javascript", "rust", "go"].contains(&case.language.as_str())
                    && !case.needs.is_empty(),
                "{}",
                case.title
            );
        }
    }

    #[test]
    fn what_no_case_says_is_refused() {
        let read = |text: &str| toml::from_str::<Case>(text);
        let head = "title = \"t\"\nlanguage = \"go\"\nneeds = []\n";
        assert!(read(head).is_ok() && read(&format!("{head}celan = true\n")).is_err());
        assert!(
            read(&format!(
                "{head}[[expect]]\nkind = \"unsteady\"\ntest = \"t\"\ncause = \"luck\"\n"
            ))
            .is_err()
        );
    }

    #[test]
    fn each_expectation_is_met_by_what_it_names_only() {
        let report = r#"{"suites": [{"failing": [{"name": "tests.test_a"}]}], "findings": [{"rule": "r", "file": "a.py", "line": 3}],
            "flaky": [{"test": "tests.test_b", "cause": "order"}], "guilty": [{"commit": {"subject": "Cut"}}],
            "suspects": [{"file": "a.py", "line": 1}, {"file": "a.py", "line": 2}], "candidates": [{"file": "a.py"}],
            "fixes": [{"tool": "ruff", "kept": true, "diff": "+++ b/a.py"}, {"tool": "typos", "kept": false, "diff": "+++ b/a.py"}]}"#;
        let found: Found = serde_json::from_str(report).unwrap();
        let is_met = |expect: &str| toml::from_str::<Expect>(expect).unwrap().is_met(&found);
        for (met, not) in [
            (
                "kind = 'failing_test'\ntest = 'test_a'",
                "kind = 'failing_test'\ntest = 'test_b'",
            ),
            (
                "kind = 'rule'\nrule = 'r'\nfile = 'a.py'\nline = 3",
                "kind = 'rule'\nrule = 'r'\nfile = 'a.py'\nline = 4",
            ),
            (
                "kind = 'unsteady'\ntest = 'test_b'\ncause = 'order'",
                "kind = 'unsteady'\ntest = 'test_b'\ncause = 'chance'",
            ),
            (
                "kind = 'guilty'\nsubject = 'Cut'",
                "kind = 'guilty'\nsubject = 'Cu'",
            ),
            (
                "kind = 'suspect'\nfile = 'a.py'\nline = 2\nwithin = 2",
                "kind = 'suspect'\nfile = 'a.py'\nline = 2\nwithin = 1",
            ),
            (
                "kind = 'candidate'\nfile = 'a.py'",
                "kind = 'candidate'\nfile = 'b.py'",
            ),
            (
                "kind = 'fixed'\ntool = 'ruff'\nfile = 'a.py'",
                "kind = 'fixed'\ntool = 'typos'\nfile = 'a.py'",
            ),
        ] {
            assert!(is_met(met) && !is_met(not), "{met}");
        }
    }
}
