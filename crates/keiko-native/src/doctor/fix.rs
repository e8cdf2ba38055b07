//! Machine-applicable fixes: what a tool itself calls safe, kept only while every green test stays green.

use super::answer::{Answer, argv, first_words, restore, run, run_tests};
use super::report::Fix;
use super::{Facts, NativeCall, Phase, survey};
use keiko_agent::protect;
use keiko_contracts::evidence::{TestCase, TestStatus, TestSummary};
use keiko_contracts::jail::{Command, End, JailOp, Project, Toolchain, TreeId};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_runners::Unread;
use std::collections::VecDeque;

/// Bytes of a fix's diff in the report.
const DIFF_MAX: usize = 16 << 10;
/// Time for a fix.
const WALL_MS: u32 = 180_000;

/// A tool that can fix what it found.
#[derive(Debug, Clone)]
struct Job {
    /// As findings name it.
    tool: &'static str,
    /// As people would type it.
    shown: &'static str,
    command: Command,
    dir: String,
}

/// What was asked for last.
#[derive(Debug, Clone, Default)]
enum Asked {
    #[default]
    Nothing,
    Fix(Box<Job>),
    Undo,
    Sources,
}

/// Applies fixes, one tool at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Mend {
    jobs: VecDeque<Job>,
    asked: Asked,
    changed: bool,
    count: usize,
}

impl Phase for Mend {
    fn title(&self) -> &'static str {
        "machine-applicable fixes"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        if !facts.options.keep_fixes || facts.tree.is_none() {
            if facts.report.findings.iter().any(|finding| finding.fixable) {
                facts.left_out(
                    "machine-applicable fixes",
                    "they were not asked for, or the state to go back to is not known",
                    "",
                );
            }
            return Vec::new();
        }
        for project in &facts.survey.projects {
            self.jobs.extend(jobs(project, |tool| {
                facts.report.findings.iter().any(|f| {
                    f.fixable
                        && f.tool == tool
                        && f.file.starts_with(&super::join(&project.dir, ""))
                })
            }));
        }
        if facts
            .report
            .findings
            .iter()
            .any(|finding| finding.fixable && finding.tool == "typos")
        {
            self.jobs
                .push_back(job("typos", "typos -w", &["typos", "-w", "."], ""));
        }
        self.next_job(facts)
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        match std::mem::take(&mut self.asked) {
            Asked::Fix(job) => self.judge(facts, &job, answers),
            Asked::Undo | Asked::Nothing => self.next_job(facts),
            Asked::Sources => {
                if let Some(answer) = answers.first() {
                    survey::take_sources(facts, answer);
                }
                Vec::new()
            }
        }
    }
}

impl Mend {
    fn next_job(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let (Some(job), Some(tree)) = (self.jobs.pop_front(), facts.tree.clone()) else {
            if !std::mem::take(&mut self.changed) {
                return Vec::new();
            }
            self.asked = Asked::Sources;
            return vec![survey::read_sources("sources-fixed")];
        };
        self.count += 1;
        let n = self.count;
        let mut calls = vec![
            run(
                format!("fix-{n}"),
                say!("let {tool} fix what is safe", tool = job.tool),
                &job.dir,
                job.command.clone(),
                WALL_MS,
            ),
            NativeCall {
                id: format!("fix-{n}-diff"),
                title: "see what it changed".into(),
                op: JailOp::Diff {
                    from: tree,
                    to: None,
                },
            },
        ];
        for (index, suite) in facts.suites.iter().enumerate() {
            calls.push(run_tests(
                format!("fix-{n}-tests-{}", index + 1),
                "run the tests again",
                &suite.plan,
                &[],
            ));
        }
        self.asked = Asked::Fix(Box::new(job));
        calls
    }

    /// Keeps a fix, or takes it back.
    fn judge(&mut self, facts: &mut Facts, job: &Job, answers: &[Answer]) -> Vec<NativeCall> {
        let shown = match job.dir.as_str() {
            "" => Said::words(job.shown),
            place => say!("{program} in {place}", program = job.shown, place),
        };
        let (Some(fix), Some(diff)) = (answers.first(), answers.get(1)) else {
            return self.next_job(facts);
        };
        let whole = diff.text().unwrap_or("");
        let touched = weakened_tests(facts, whole);
        let diff = cut(whole);
        if let Err(why) = fix.exec().and_then(|report| match &report.end {
            End::NotStarted(why) => Err(first_words(why)),
            _ => Ok(()),
        }) {
            facts.left_out(say!("fixes by {tool}", tool = shown), why, "");
        }
        if diff.is_empty() {
            return self.next_job(facts);
        }
        let results: Vec<_> = facts
            .suites
            .iter()
            .zip(&answers[2..])
            .map(|(suite, answer)| answer.tests(&suite.plan))
            .collect();
        let broken = facts
            .suites
            .iter()
            .zip(&results)
            .find_map(|(suite, result)| broken_test(suite.cases(), &suite.flaky, result));
        if let Some(why) = touched.or(broken) {
            facts.report.fixes.push(Fix {
                tool: shown,
                kept: false,
                why,
                diff,
            });
            self.asked = Asked::Undo;
            let n = self.count;
            return facts
                .tree
                .iter()
                .map(|tree: &TreeId| restore(format!("fix-{n}-undo"), tree))
                .collect();
        }
        for (suite, result) in facts.suites.iter_mut().zip(results) {
            suite.last = result.ok();
        }
        facts.tree = fix.tree().cloned().or(facts.tree.take());
        facts.report.fixes.push(Fix {
            tool: shown,
            kept: true,
            why: Said::default(),
            diff,
        });
        self.changed = true;
        self.next_job(facts)
    }
}

/// What a fix does to existing tests that a person would have to allow, in words: an examination does not wait for that.
fn weakened_tests(facts: &Facts, diff: &str) -> Option<Said> {
    let cases = facts.suites.iter().flat_map(|suite| suite.cases());
    let known = cases
        .flat_map(|case| protect::names_in(&case.name).map(str::to_owned))
        .collect();
    let weakened = protect::weakened_in(diff, &facts.survey.tests, &known);
    let (first, _) = weakened.first_key_value()?;
    Some(match weakened.len() {
        1 => say!(
            "it rewrites existing tests in {file}, which needs a person's word",
            file = first
        ),
        n => say!(
            "it rewrites existing tests in {file} and {n} more, which needs a person's word",
            file = first,
            n = n - 1
        ),
    })
}

/// A test that was green and is no longer, in words.
pub(super) fn broken_test(
    before: &[TestCase],
    flaky: &std::collections::BTreeSet<String>,
    after: &Result<(TestSummary, Vec<TestCase>), Unread>,
) -> Option<Said> {
    let mut green = before
        .iter()
        .filter(|case| case.status == TestStatus::Passed && !flaky.contains(&case.name))
        .peekable();
    match after {
        Err(why) => green
            .peek()
            .map(|_| say!("the tests no longer run ({why})", why = why.said())),
        Ok((_, cases)) => {
            let is_lost = |old: &&TestCase| {
                !cases
                    .iter()
                    .any(|new| new.name == old.name && new.status == TestStatus::Passed)
            };
            green
                .find(is_lost)
                .map(|case| say!("{test} no longer passes", test = case.name))
        }
    }
}

fn jobs(project: &Project, is_wanted: impl Fn(&str) -> bool) -> Vec<Job> {
    let dir = project.dir.as_str();
    let all = match project.toolchain {
        Toolchain::Python => vec![job(
            "ruff",
            "ruff check --fix",
            &["ruff", "check", "--no-cache", "--fix", "."],
            dir,
        )],
        Toolchain::Node => vec![job(
            "eslint",
            "npx eslint --fix .",
            &["node_modules/.bin/eslint", "--fix", "."],
            dir,
        )],
        Toolchain::Rust => {
            let words = [
                "cargo",
                "clippy",
                "--fix",
                "--allow-dirty",
                "--allow-staged",
                "--allow-no-vcs",
                "--offline",
                "--all-targets",
            ];
            vec![job("clippy", "cargo clippy --fix", &words, dir)]
        }
        Toolchain::Go => vec![job("gofmt", "gofmt -w .", &["gofmt", "-w", "."], dir)],
    };
    all.into_iter().filter(|job| is_wanted(job.tool)).collect()
}

fn job(tool: &'static str, shown: &'static str, words: &[&str], dir: &str) -> Job {
    Job {
        tool,
        shown,
        command: argv(words),
        dir: dir.to_owned(),
    }
}

/// A diff that fits the report.
pub(super) fn cut(diff: &str) -> String {
    if diff.len() <= DIFF_MAX {
        return diff.trim_end().to_owned();
    }
    let end = diff
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= DIFF_MAX)
        .last()
        .unwrap_or(0);
    let end = diff[..end].rfind('\n').unwrap_or(end);
    format!("{}\n(cut; {} bytes in all)", &diff[..end], diff.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, status: TestStatus) -> TestCase {
        TestCase {
            name: name.to_owned(),
            status,
            file: None,
            line: None,
            message: None,
            lacks: None,
        }
    }

    #[test]
    fn a_lost_green_test_counts_as_broken_and_a_flaky_one_does_not() {
        let before = [
            case("a", TestStatus::Passed),
            case("b", TestStatus::Failed),
            case("c", TestStatus::Passed),
        ];
        let flaky = ["c".to_owned()].into();
        let after = |cases| Ok((TestSummary::default(), cases));
        assert_eq!(
            broken_test(&before, &flaky, &after(vec![case("a", TestStatus::Passed)])),
            None
        );
        assert_eq!(
            broken_test(&before, &flaky, &after(vec![])),
            Some(say!("{test} no longer passes", test = "a"))
        );
        assert!(
            broken_test(
                &before,
                &flaky,
                &Err(Unread::from(Said::from("SyntaxError")))
            )
            .is_some()
        );
        assert_eq!(
            broken_test(
                &before[1..],
                &flaky,
                &Err(Unread::from(Said::from("SyntaxError")))
            ),
            None
        );
    }

    #[test]
    fn a_long_diff_is_cut_at_a_line() {
        let long = "+ä\n".repeat(9_000);
        let short = cut(&long);
        assert!(short.len() <= DIFF_MAX + 40 && short.ends_with("bytes in all)"));
        assert_eq!(cut("a\n"), "a");
    }
}
