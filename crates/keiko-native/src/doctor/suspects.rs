//! Suspect lines: those that failing tests run and passing tests avoid, ranked by Ochiai's coefficient.

use super::answer::Answer;
use super::report::Suspect;
use super::source::{Lang, Sources, is_test_file};
use super::trace::{self, Traced};
use super::{Change, Facts, NativeCall, Phase, revert};
use keiko_contracts::evidence::TestCase;
use keiko_contracts::jail::Toolchain;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};

/// Suspects kept for each failing test.
pub(super) const PER_TEST: usize = 12;
/// How many failing tests are looked into.
const MAX_TESTS: usize = 6;

/// File and line.
type Place = (String, u32);

/// A line with its score in thousandths, whether the project raised the error there, and whether the guilty commit
/// brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ranked {
    place: Place,
    score: u32,
    raised: bool,
    changed: bool,
    measured: bool,
}

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
        let failing: Vec<usize> = (0..facts.suites.len())
            .filter(|index| !facts.suites[*index].failing().is_empty())
            .collect();
        for index in failing {
            match trace::lines(
                &facts.suites[index],
                &facts.sources,
                format!("trace-{}", index + 1),
            ) {
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
            let traced = answer.exec().ok().and_then(|report| {
                trace::read(report.stdout.text_or_empty(), &facts.suites[index])
            });
            match traced.filter(|tests| {
                tests
                    .iter()
                    .any(|test| test.failed && !test.lines.is_empty())
            }) {
                Some(mut tests) => {
                    trace::settle_paths(&mut tests, &facts.sources);
                    accuse(facts, index, &tests, "coverage");
                }
                None => {
                    facts.left_out(
                        "suspect lines",
                        "the failing tests ran no line of the project that could be recorded",
                        "",
                    );
                    accuse(facts, index, &[], "coverage");
                }
            }
        }
        Vec::new()
    }
}

fn by_names(facts: &mut Facts, index: usize) {
    let suite = &facts.suites[index];
    let what = if suite.project.toolchain == Toolchain::Rust {
        "Rust's"
    } else {
        "this runner's"
    };
    let what = Said::from(what);
    let tests = trace::by_names(suite, &facts.sources);
    let why = say!(
        "{what} lines cannot be measured per test here; functions reached by name stand in",
        what
    );
    facts.left_out("measured suspect lines", why, "");
    accuse(facts, index, &tests, "names");
}

fn accuse(facts: &mut Facts, index: usize, tests: &[Traced], basis: &str) {
    let mut suspects = Vec::new();
    for case in to_be_explained(facts, index).into_iter().take(MAX_TESTS) {
        let place = |s: &Ranked| {
            let (file, line) = s.place.clone();
            let text = facts.sources.line(&file, line).unwrap_or("").to_owned();
            let basis = if s.measured { basis } else { "commit" }.to_owned();
            Suspect {
                test: case.name.clone(),
                file,
                line,
                text,
                score: s.score,
                raised: s.raised,
                changed: s.changed,
                basis,
            }
        };
        let changed = facts
            .changes
            .iter()
            .find(|change| change.tests.contains(&case.name));
        let changed = changed
            .map(|change| changed_lines(change, &facts.sources))
            .unwrap_or_default();
        suspects.extend(
            rank(case, tests, &facts.sources, &changed)
                .iter()
                .take(PER_TEST)
                .map(place),
        );
    }
    facts.report.suspects.extend(suspects);
}

/// Failing tests that are looked into: of those that one commit broke, the first stands for all.
pub(super) fn to_be_explained(facts: &Facts, index: usize) -> Vec<&TestCase> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut wanted = Vec::new();
    for case in facts.suites[index].failing() {
        let change = facts
            .changes
            .iter()
            .find(|change| change.tests.contains(&case.name));
        if change.is_none_or(|change| known.insert(&change.commit)) {
            wanted.push(case);
        }
    }
    wanted
}

/// Lines of today's files that a guilty change brought, in code that is no test.
pub(super) fn changed_lines(change: &Change, sources: &Sources) -> Vec<Place> {
    let blocks = revert::blocks(&change.diff);
    let code = blocks.iter().filter(|block| {
        Lang::of(&block.file).is_some() && !is_test_file(&block.file) && !block.is_idle()
    });
    code.flat_map(|block| {
        block
            .lines_today(sources)
            .into_iter()
            .map(|line| (block.file.clone(), line))
    })
    .collect()
}

/// Lines with their score, the most suspect first. What the guilty commit brought stands before all, run by the failing
/// test or, like a constant, before it; then where the project itself raised the error. Of lines with one score comes
/// first what more failing tests run, then what decides or counts.
fn rank(case: &TestCase, tests: &[Traced], sources: &Sources, changed: &[Place]) -> Vec<Ranked> {
    let own = tests.iter().filter(|test| test.name == case.name);
    let mut lines: BTreeSet<&Place> = own.clone().flat_map(|test| &test.lines).collect();
    let run: BTreeSet<&Place> = lines.clone();
    lines.extend(changed);
    let raised: BTreeSet<&Place> = own.flat_map(|test| &test.raised).collect();
    let decides =
        Regex::new(r"[\w)\]] (?:<=?|>=?|[!=]==?|[-+*/%]=?|//|and|or|in|&&|\|\|) |^(?:\} else )?(?:if|while|elif)\b|\.\.|\[\w").ok();
    let mut ranked: BTreeMap<_, Ranked> = BTreeMap::new();
    for place in lines {
        let (file, line) = place;
        let Some(text) = sources
            .line(file, *line)
            .map(str::trim)
            .filter(|text| text.len() > 2)
        else {
            continue;
        };
        let runs = |failed: bool| {
            tests
                .iter()
                .filter(|test| test.failed == failed && test.lines.contains(place))
                .count()
        };
        let measured = run.contains(place);
        let score = if measured {
            ochiai(1, 0, runs(false))
        } else {
            0
        };
        let changed = changed.contains(place);
        let elsewhere = !raised.contains(place);
        let plain = !decides.as_ref().is_some_and(|regex| regex.is_match(text));
        let key = (
            !changed,
            !measured,
            elsewhere,
            u32::MAX - score,
            usize::MAX - runs(true),
            plain,
            file.clone(),
            *line,
        );
        ranked.insert(
            key,
            Ranked {
                place: place.clone(),
                score,
                raised: !elsewhere,
                changed,
                measured,
            },
        );
    }
    ranked.into_values().collect()
}

/// Ochiai's coefficient in thousandths: failing tests that run the line, those that do not, passing ones that do.
fn ochiai(failed_with: usize, failed_without: usize, passed_with: usize) -> u32 {
    let below = ((failed_with + failed_without) * (failed_with + passed_with)) as f64;
    if below == 0.0 {
        0
    } else {
        (failed_with as f64 / below.sqrt() * 1000.0).round() as u32
    }
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
        let sources = Sources {
            files: [("a.py".to_owned(), "x = 1\ny = 2\nz = 3\n".to_owned())].into(),
            cut: false,
        };
        let test = |name: &str, failed, lines: &[u32]| Traced {
            name: name.to_owned(),
            failed,
            lines: lines
                .iter()
                .map(|line| ("a.py".to_owned(), *line))
                .collect(),
            ..Traced::default()
        };
        let tests = [test("bad", true, &[1, 3]), test("good", false, &[1, 2])];
        let case = TestCase {
            name: "bad".to_owned(),
            status: TestStatus::Failed,
            file: None,
            line: None,
            message: None,
            lacks: None,
        };
        let ranked = |changed: &[Place]| -> Vec<(u32, u32)> {
            rank(&case, &tests, &sources, changed)
                .iter()
                .map(|ranked| (ranked.place.1, ranked.score))
                .collect()
        };
        assert_eq!(ranked(&[]), [(3, 1000), (1, 707)]);
        // What the guilty commit brought comes first, even when passing tests run it, too, or no test does.
        assert_eq!(ranked(&[("a.py".to_owned(), 1)]), [(1, 707), (3, 1000)]);
        assert_eq!(
            ranked(&[("a.py".to_owned(), 2)]),
            [(2, 0), (3, 1000), (1, 707)]
        );
    }
}
