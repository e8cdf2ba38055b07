//! A bug in one of five commits on top of a project, and what the doctor says of it.

use super::compare::Counts;
use super::fetch::{Sources, call};
use super::keiko::{Bench, Candidate, Home, Report, Said};
use super::project::{Planted, Project};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Command;

/// How many commits are laid on top.
const COMMITS: usize = 5;
/// Candidates beyond these are not tried.
const CANDIDATES: usize = 3;

/// What was said of a planted bug.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Judged {
    pub(super) project: String,
    /// Which of the five commits it is in, from 1.
    pub(super) place: usize,
    /// Tests failed that do not fail by hand without the bug.
    pub(super) seen: bool,
    /// The commit was named.
    pub(super) named: bool,
    /// A candidate is the repair.
    pub(super) repaired: bool,
    /// What was said and is not true.
    pub(super) wrong: Vec<String>,
    pub(super) seconds: f64,
    /// It could not be judged, and why.
    pub(super) impossible: Option<String>,
}

impl Judged {
    pub(super) fn impossible(project: &Project, why: String) -> Judged {
        let (place, impossible) = (place(&project.name), Some(why));
        let name = project.name.clone();
        Judged {
            project: name,
            place,
            seen: false,
            named: false,
            repaired: false,
            wrong: Vec::new(),
            seconds: 0.0,
            impossible,
        }
    }
}

/// Plants a project's bug, has it examined, and checks each statement.
pub(super) fn judge(project: &Project, sources: &Sources, bench: &Bench) -> Result<Judged> {
    let planted = project
        .planted
        .as_ref()
        .context("no bug is written down for it")?;
    let source = sources.get(project)?;
    let tree = bench.copy(&source, &format!("{}-planted", project.name))?;
    let place = place(&project.name);
    lay(&tree, planted, place)?;
    // What is installed is the same as without the bug, and has its time elsewhere.
    let said = bench.examine(&tree, &project.name, Home::Kept)?;
    ensure!(said.wrong.is_none(), "{}", said.wrong.unwrap_or_default());
    let by_hand = Counts::by_hand(&project.by_hand);
    let counts = Counts::of(&said);
    let (named, mut wrong) = statements(planted, &said.report);
    let mut repaired = false;
    let mut tried_again = false;
    for candidate in said.report.candidates.iter().take(CANDIDATES) {
        let copy = bench.copy(&tree, &format!("{}-candidate", project.name))?;
        if let Err(error) = apply(&copy, candidate) {
            wrong.push(format!("a candidate does not apply: {error:#}"));
            continue;
        }
        if same_code(&copy.join(&planted.file), &source.join(&planted.file))? {
            repaired = true;
        } else if !repaired && !tried_again {
            tried_again = true;
            let again: Said = bench.examine(&copy, &project.name, Home::Kept)?;
            let now = Counts::of(&again);
            repaired = now.agrees(by_hand);
            if now.failed >= counts.failed {
                wrong.push(format!(
                    "a candidate leaves {} failing: {}",
                    now.failed, candidate.diff
                ));
            }
        }
    }
    let seen = counts.failed > by_hand.failed;
    Ok(Judged {
        project: project.name.clone(),
        place,
        seen,
        named,
        repaired,
        wrong,
        seconds: said.seconds,
        impossible: None,
    })
}

/// Whether the guilty commit is named, and what is not true: another commit, or a steady test that is called flaky.
fn statements(planted: &Planted, report: &Report) -> (bool, Vec<String>) {
    let is_guilty = |subject: &str| subject == planted.subject;
    let named = report
        .guilty
        .iter()
        .any(|guilty| is_guilty(&guilty.commit.subject));
    let mut wrong: Vec<String> = Vec::new();
    for guilty in report
        .guilty
        .iter()
        .filter(|guilty| !is_guilty(&guilty.commit.subject))
    {
        let statement = format!("blames {:?}", guilty.commit.subject);
        if !wrong.contains(&statement) {
            wrong.push(statement);
        }
    }
    wrong.extend(
        report
            .flaky
            .iter()
            .filter(|flaky| flaky.by_chance())
            .map(|flaky| format!("calls {} flaky", flaky.test)),
    );
    (named, wrong)
}

/// Which of the commits has the bug: the same at every run, spread over the projects.
fn place(name: &str) -> usize {
    name.bytes().fold(7_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    }) % COMMITS
        + 1
}

/// Five commits: four that change nothing a test could see, and the guilty one.
fn lay(tree: &Path, planted: &Planted, place: usize) -> Result<()> {
    if !tree.join(".git").exists() {
        git(tree, &["init", "--quiet", "-b", "main"])?;
        git(tree, &["add", "--all", "--force"])?;
        commit(tree, "The project as it is published")?;
    }
    let file = tree.join(&planted.file);
    let original =
        fs::read_to_string(&file).with_context(|| format!("{} is not there", planted.file))?;
    let broken = broken(&original, planted)?;
    let mut harmless = harmless(tree, &planted.file).into_iter();
    for number in 1..=COMMITS {
        if number == place {
            // The harmless commit before may have put a line at its end.
            let now = fs::read_to_string(&file)?;
            let rest = now
                .strip_prefix(&original)
                .context("a harmless commit changed the code")?;
            fs::write(&file, format!("{broken}{rest}"))?;
            commit(tree, &planted.subject)?;
        } else if let Some((subject, path, addition)) = harmless.next() {
            let old = if path.exists() {
                fs::read_to_string(&path)?
            } else {
                String::new()
            };
            let gap = if old.is_empty() || old.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            fs::write(&path, format!("{old}{gap}{addition}"))?;
            commit(tree, subject)?;
        }
    }
    Ok(())
}

/// The file's text with the bug in it; the old text must stand there once.
fn broken(original: &str, planted: &Planted) -> Result<String> {
    let times = original.matches(&planted.old).count();
    ensure!(
        times == 1,
        "{:?} stands {times} times in {}",
        planted.old,
        planted.file
    );
    Ok(original.replacen(&planted.old, &planted.new, 1))
}

/// Subject, file and addition of commits without consequence; one of them touches the guilty file.
fn harmless(tree: &Path, file: &str) -> Vec<(&'static str, std::path::PathBuf, String)> {
    let comment = if file.ends_with(".py") { "#" } else { "//" };
    vec![
        (
            "Note how releases are made",
            tree.join("NOTES.md"),
            "# Notes\n\nReleases are made from the main branch.\n".to_owned(),
        ),
        (
            "Say who looks after this file",
            tree.join(file),
            format!("{comment} Looked after by the maintainers.\n"),
        ),
        (
            "Leave editors' files out",
            tree.join(".gitignore"),
            "\n*.swp\n".to_owned(),
        ),
        (
            "Note where to ask",
            tree.join("NOTES.md"),
            "\nQuestions are welcome as issues.\n".to_owned(),
        ),
    ]
}

fn commit(tree: &Path, subject: &str) -> Result<()> {
    git(tree, &["add", "--all"])?;
    git(tree, &["commit", "--quiet", "--no-verify", "-m", subject])
}

fn git(tree: &Path, words: &[&str]) -> Result<()> {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree).args([
        "-c",
        "user.name=Eval",
        "-c",
        "user.email=eval@example.invalid",
        "-c",
        "commit.gpgsign=false",
    ]);
    call(git.args(words))
}

fn apply(tree: &Path, candidate: &Candidate) -> Result<()> {
    let patch = tree.with_extension("diff");
    fs::write(&patch, &candidate.diff)?;
    call(
        Command::new("git")
            .arg("-C")
            .arg(tree)
            .args(["apply", "--whitespace=nowarn"])
            .arg(&patch),
    )
}

/// The same lines but for space and the harmless comment.
fn same_code(one: &Path, other: &Path) -> Result<bool> {
    let lines = |path: &Path| -> Result<Vec<String>> {
        let text = fs::read_to_string(path)?;
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.ends_with("Looked after by the maintainers."));
        Ok(lines.map(str::to_owned).collect())
    };
    Ok(lines(one)? == lines(other)?)
}

#[cfg(test)]
mod tests {
    use super::super::keiko::{Commit, Flaky, Guilty};
    use super::super::project;
    use super::*;

    fn row() -> Planted {
        let project: Project = toml::from_str(project::tests::ROW).unwrap();
        project.planted.unwrap()
    }

    #[test]
    fn a_bug_is_planted_where_its_text_stands_once_and_nowhere_else() {
        let planted = row();
        assert_eq!(
            broken("return a + b\n", &planted).unwrap(),
            "return a - b\n"
        );
        assert!(broken("return b\n", &planted).is_err());
        assert!(broken("a + b; a + b\n", &planted).is_err());
    }

    #[test]
    fn the_bug_lies_in_one_of_five_commits_and_the_file_is_touched_by_another() {
        for place in 1..=COMMITS {
            let folder = tempfile::tempdir().unwrap();
            fs::write(
                folder.path().join("calc.py"),
                "def add(a, b):\n    return a + b\n",
            )
            .unwrap();
            lay(folder.path(), &row(), place).unwrap();
            let log = Command::new("git")
                .args(["log", "--format=%s"])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let log = String::from_utf8(log.stdout).unwrap();
            let subjects: Vec<&str> = log.lines().collect();
            assert_eq!(
                (subjects.len(), subjects[COMMITS - place]),
                (COMMITS + 1, "Tidy the sum"),
                "{log}"
            );
            let text = fs::read_to_string(folder.path().join("calc.py")).unwrap();
            assert_eq!(
                text,
                "def add(a, b):\n    return a - b\n# Looked after by the maintainers.\n"
            );
        }
    }

    #[test]
    fn another_commit_and_a_steady_test_called_flaky_are_wrong_statements() {
        let blame = |subject: &str| Guilty {
            commit: Commit {
                subject: subject.to_owned(),
            },
        };
        let mut report = Report {
            guilty: vec![blame("Tidy the sum"), blame("Tidy the sum")],
            ..Report::default()
        };
        assert_eq!(statements(&row(), &report), (true, Vec::new()));
        report.guilty = vec![blame("Note where to ask"), blame("Note where to ask")];
        report.flaky = vec![Flaky {
            test: "test_add".to_owned(),
            cause: "chance".to_owned(),
        }];
        let (named, wrong) = statements(&row(), &report);
        assert_eq!((named, wrong.len()), (false, 2), "{wrong:?}");
    }
}
