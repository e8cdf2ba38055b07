//! Suspect lines: those that failing tests run and passing tests avoid, ranked by Ochiai's coefficient.

use super::answer::Answer;
use super::report::Suspect;
use super::source::Sources;
use super::trace::{self, Traced};
use super::{Facts, NativeCall, Phase};
use keiko_contracts::evidence::TestCase;
use keiko_contracts::jail::Toolchain;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// Suspects kept for each failing test.
pub(super) const PER_TEST: usize = 12;
/// How many failing tests are looked into.
const MAX_TESTS: usize = 6;

/// File, line, score in thousandths, whether the project raised the error there.
type Ranked = (String, u32, u32, bool);

/// Ranks lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Rank {
    asked: Vec<usize>,
}

impl Phase for Rank {
    fn title(&self) -> &'static str {
        "suspect lines"
    }

    fn start(&mut self, facts: &mut Facts) -> Vec<NativeCall> {
        let mut calls = Vec::new();
        let failing: Vec<usize> = (0..facts.suites.len()).filter(|index| !facts.suites[*index].failing().is_empty()).collect();
        for index in failing {
            match trace::lines(&facts.suites[index], &facts.sources, format!("trace-{}", index + 1)) {
                Some(call) => {
                    calls.push(call);
                    self.asked.push(index);
                }
                None => by_names(facts, index),
            }
        }
        calls
    }

    fn fold(&mut self, facts: &mut Facts, answers: &[Answer]) -> Vec<NativeCall> {
        for (index, answer) in std::mem::take(&mut self.asked).into_iter().zip(answers) {
            let traced = answer.exec().ok().and_then(|report| trace::read(report.stdout.text_or_empty(), &facts.suites[index]));
            match traced.filter(|tests| tests.iter().any(|test| test.failed && !test.lines.is_empty())) {
                Some(mut tests) => {
                    trace::settle_paths(&mut tests, &facts.sources);
                    accuse(facts, index, &tests, "coverage");
                }
                None => facts.left_out("suspect lines", "the failing tests ran no line of the project that could be recorded", ""),
            }
        }
        Vec::new()
    }
}

fn by_names(facts: &mut Facts, index: usize) {
    let suite = &facts.suites[index];
    let what = if suite.project.toolchain == Toolchain::Rust { "Rust's" } else { "this runner's" };
    let tests = trace::by_names(suite, &facts.sources);
    let why = format!("{what} lines cannot be measured per test here; functions reached by name stand in");
    facts.left_out("measured suspect lines", why, "");
    accuse(facts, index, &tests, "names");
}

fn accuse(facts: &mut Facts, index: usize, tests: &[Traced], basis: &str) {
    let suite = &facts.suites[index];
    let failing = suite.failing();
    let mut suspects = Vec::new();
    for case in failing.iter().take(MAX_TESTS) {
        let place = |s: &Ranked| {
            let text = facts.sources.line(&s.0, s.1).unwrap_or("").to_owned();
            Suspect { test: case.name.clone(), file: s.0.clone(), line: s.1, text, score: s.2, raised: s.3, basis: basis.to_owned() }
        };
        suspects.extend(rank(case, tests, &facts.sources, &changed_lines(facts, &case.name)).iter().take(PER_TEST).map(place));
    }
    facts.report.suspects.extend(suspects);
}

/// Lines of today's files that the guilty commit of a test brought.
fn changed_lines(facts: &Facts, test: &str) -> BTreeSet<String> {
    let diff = facts.report.guilty.iter().find(|guilty| guilty.test == test).map_or("", |guilty| guilty.diff.as_str());
    diff.lines()
        .filter(|line| line.starts_with('+') && !line.starts_with("+++"))
        .map(|line| line[1..].trim().to_owned())
        .filter(|line| line.len() > 3)
        .collect()
}

/// Lines with their score in thousandths, the most suspect first. Where the project itself raised the error stands
/// before all. Of lines with one score, what the guilty commit brought comes first, then what more failing tests run,
/// then what decides or counts.
fn rank(case: &TestCase, tests: &[Traced], sources: &Sources, changed: &BTreeSet<String>) -> Vec<Ranked> {
    let own = tests.iter().filter(|test| test.name == case.name);
    let lines: BTreeSet<&(String, u32)> = own.clone().flat_map(|test| &test.lines).collect();
    let raised: BTreeSet<&(String, u32)> = own.flat_map(|test| &test.raised).collect();
    let decides =
        Regex::new(r"[\w)\]] (?:<=?|>=?|[!=]==?|[-+*/%]=?|//|and|or|in|&&|\|\|) |^(?:\} else )?(?:if|while|elif)\b|\.\.|\[\w").ok();
    let mut ranked: BTreeMap<_, Ranked> = BTreeMap::new();
    for (file, line) in lines {
        let Some(text) = sources.line(file, *line).map(str::trim).filter(|text| text.len() > 2) else { continue };
        let runs = |failed: bool| tests.iter().filter(|test| test.failed == failed && test.lines.contains(&(file.clone(), *line))).count();
        let score = ochiai(1, 0, runs(false));
        let quiet = !changed.contains(text);
        let elsewhere = !raised.contains(&(file.clone(), *line));
        let plain = !decides.as_ref().is_some_and(|regex| regex.is_match(text));
        let key = (elsewhere, u32::MAX - score, quiet, usize::MAX - runs(true), plain, file.clone(), *line);
        ranked.insert(key, (file.clone(), *line, score, !elsewhere));
    }
    ranked.into_values().collect()
}

/// Ochiai's coefficient in thousandths: failing tests that run the line, those that do not, passing ones that do.
fn ochiai(failed_with: usize, failed_without: usize, passed_with: usize) -> u32 {
    let below = ((failed_with + failed_without) * (failed_with + passed_with)) as f64;
    if below == 0.0 { 0 } else { (failed_with as f64 / below.sqrt() * 1000.0).round() as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::evidence::TestStatus;

    #[test]
    fn ochiai_is_one_for_a_line_of_failing_tests_only() {
        assert_eq!(ochiai(1, 0, 0), 1000);
        assert_eq!(ochiai(1, 0, 3), 500);
        assert_eq!(ochiai(0, 0, 0), 0);
    }

    #[test]
    fn lines_of_the_failing_test_alone_come_first() {
        let sources = Sources { files: [("a.py".to_owned(), "x = 1\ny = 2\nz = 3\n".to_owned())].into(), cut: false };
        let test = |name: &str, failed, lines: &[u32]| Traced {
            name: name.to_owned(),
            failed,
            lines: lines.iter().map(|line| ("a.py".to_owned(), *line)).collect(),
            ..Traced::default()
        };
        let tests = [test("bad", true, &[1, 3]), test("good", false, &[1, 2])];
        let case = TestCase { name: "bad".to_owned(), status: TestStatus::Failed, file: None, line: None, message: None };
        let ranked = rank(&case, &tests, &sources, &BTreeSet::new());
        assert_eq!(ranked, [("a.py".to_owned(), 3, 1000, false), ("a.py".to_owned(), 1, 707, false)]);
    }
}
