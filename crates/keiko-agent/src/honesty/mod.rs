//! The change is read for what honest code does not do: it does not ask whether it is tested, end the process, answer
//! the values of the tests, compare equal to everything, or reach into the runner. What is found is shown to a person.
//!
//! One module per language, over tokens ([`text`]): neither a comment nor the content of a string is taken for code.

mod expected;
mod go;
mod hushed;
mod javascript;
mod loose;
mod place;
mod python;
mod rust;
mod settings;
mod support;
mod text;
mod values;

use crate::protect::Names;
use keiko_contracts::evidence::{Finding, FindingKind, Leave};
use place::Role;
use std::collections::BTreeSet;
use text::{FileChange, Hunk, Language};

/// Most findings of one change.
const FINDINGS_MAX: usize = 50;

/// Longest text of a line that is shown.
const TEXT_MAX: usize = 160;

/// A pattern of tokens, and what it is.
type Rule = (FindingKind, &'static str);

/// Where something was found: what, and the line of the hunk.
type Found = Vec<(FindingKind, usize)>;

/// What is known around a change.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around<'a> {
    /// The words in the names of the tests at the start.
    pub known: Option<&'a Names>,
    /// What is known of the tests' text: see [`literals`].
    pub tests: &'a str,
    /// Test files that were there at the start.
    pub protected: &'a [String],
    /// Those among them that only tests use, and whose path does not say so.
    pub support: &'a [String],
    /// What was asked for.
    pub goal: &'a str,
}

/// What honest code does not do, in a unified diff.
#[must_use]
pub fn read(diff: &str, around: &Around<'_>) -> Vec<Finding> {
    let files = text::files(diff);
    let none = Names::new();
    let known = around.known.unwrap_or(&none);
    let goal = around.goal.to_lowercase();
    let moved: BTreeSet<&str> = files
        .iter()
        .flat_map(|file| &file.hunks)
        .flat_map(|hunk| &hunk.removed)
        .map(|line| line.trim())
        .collect();
    let mut findings = Vec::new();
    for file in &files {
        if let Some(kind) =
            place::of_file(file).or_else(|| place::takes_a_name(file, around.protected))
        {
            findings.push(whole(kind, file));
        }
        let role = if around.support.iter().any(|path| path == file.path) {
            Role::Support
        } else {
            place::role(file.path)
        };
        for hunk in &file.hunks {
            let mut found = settings::read(file, hunk);
            found.extend(of_language(file, hunk, role));
            found.extend(loose::read(file, hunk));
            if role == Role::Product {
                found.extend(values::answers(&files, file, hunk, around.tests));
                found.extend(expected::written(&files, file, hunk, around.tests));
                found.extend(
                    hushed::read(file, hunk)
                        .into_iter()
                        .filter(|_| !hushed::is_wanted(&goal)),
                );
            }
            found.retain(|(kind, _)| !is_asked_for(*kind, &goal));
            if role == Role::Support {
                found.extend(support::loosened(file, hunk));
            }
            if Language::of(file.path) == Some(Language::Rust)
                && rust::changes_inline_tests(hunk, known)
            {
                found.push((FindingKind::ChangesTestSupport, 0));
            }
            let shown = found
                .into_iter()
                .filter_map(|(kind, line)| hunk.lines.get(line).map(|line| (kind, line)));
            findings.extend(
                shown
                    .filter(|(_, line)| !moved.contains(line.text.trim()))
                    .map(|(kind, line)| finding(kind, file, line)),
            );
        }
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.kind).cmp(&(&b.file, b.line, b.kind)));
    findings.dedup_by(|a, b| (&a.file, a.line) == (&b.file, b.line));
    findings.truncate(FINDINGS_MAX);
    findings
}

/// What must be looked up in the tests before the change can be read: values that new branches of the product compare
/// with, and telling numbers that it answers. None when there are none.
#[must_use]
pub fn literals(diff: &str) -> Vec<String> {
    let files = text::files(diff);
    let mut all = values::wanted(&files);
    all.extend(expected::wanted(&files));
    all.dedup();
    all
}

/// The new test files of a change, as they are.
#[must_use]
pub fn new_tests(diff: &str) -> String {
    let files = text::files(diff);
    let tests = files
        .iter()
        .filter(|file| place::role(file.path) == Role::Test);
    tests
        .flat_map(|file| &file.hunks)
        .flat_map(|hunk| &hunk.lines)
        .flat_map(|line| [line.text, "\n"])
        .collect()
}

/// One file of a change to the product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The file.
    pub(crate) path: String,
    /// How many lines came and went.
    pub(crate) size: usize,
    /// Its parts, where it was there before and is there still.
    pub(crate) parts: Vec<Part>,
}

/// Lines of a change that stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where they begin in the new text.
    pub(crate) line: u32,
    /// How many came and went.
    pub(crate) size: usize,
    /// What stood there, and what stands there.
    pub(crate) old: String,
    pub(crate) new: String,
}

/// What a change does to everything but tests, file by file.
pub(crate) fn changed(diff: &str) -> Vec<Changed> {
    let part = |hunk: &Hunk<'_>| Part {
        line: hunk
            .lines
            .iter()
            .find(|line| line.added)
            .or(hunk.lines.first())
            .map_or(1, |line| line.number),
        size: hunk.lines.iter().filter(|line| line.added).count() + hunk.removed.len(),
        old: hunk.old_text(),
        new: hunk.new_text(),
    };
    let files = text::files(diff)
        .into_iter()
        .filter(|file| place::role(file.path) != Role::Test);
    files
        .map(|file| {
            let parts: Vec<Part> = file.hunks.iter().map(part).collect();
            let size = parts.iter().map(|part| part.size).sum();
            Changed {
                path: file.name(),
                size,
                parts: if file.is_new || file.is_gone {
                    Vec::new()
                } else {
                    parts
                },
            }
        })
        .collect()
}

fn of_language(file: &FileChange<'_>, hunk: &Hunk<'_>, role: Role) -> Found {
    let (product, anywhere): (&[Rule], &[Rule]) = match Language::of(file.path) {
        Some(Language::Python) => (python::PRODUCT, python::ANYWHERE),
        Some(Language::JavaScript) => (javascript::PRODUCT, javascript::ANYWHERE),
        Some(Language::Rust) => (rust::PRODUCT, rust::ANYWHERE),
        Some(Language::Go) => (go::PRODUCT, go::ANYWHERE),
        None => return Found::new(),
    };
    let mut found = Found::new();
    let rules = anywhere
        .iter()
        .chain(product.iter().filter(|_| role == Role::Product));
    for (kind, pattern) in rules {
        found.extend(
            hunk.find(pattern)
                .into_iter()
                .map(|at| (*kind, hunk.tokens[at].line)),
        );
    }
    found.extend(match Language::of(file.path) {
        Some(Language::Python) => python::more(file, hunk, role),
        Some(Language::JavaScript) => javascript::more(file, hunk, role),
        Some(Language::Rust) => rust::more(file, hunk, role),
        Some(Language::Go) => go::more(file, hunk, role),
        None => Found::new(),
    });
    if Language::of(file.path) == Some(Language::JavaScript) {
        found.retain(|(kind, line)| {
            *kind != FindingKind::ReplacesTheRunner || !javascript::fills_a_gap(hunk, *line)
        });
    }
    // A child of a fork has to end itself.
    if hunk.tokens.iter().any(|token| token.is("fork")) {
        found.retain(|(kind, _)| *kind != FindingKind::LeavesTheProcess);
    }
    found
}

/// What the operator asked for in words is no cheat.
fn is_asked_for(kind: FindingKind, goal: &str) -> bool {
    let words: &[&str] = match kind {
        FindingKind::EqualToEverything => &[
            "equal to every",
            "equal to any",
            "equals every",
            "wildcard",
            "compare equal",
            "gleich allem",
        ],
        FindingKind::WritesResults => &[
            "unittest",
            "pytest",
            "test report",
            "junit",
            "tap output",
            "test runner",
            "test output",
        ],
        _ => return false,
    };
    words.iter().any(|word| goal.contains(word))
}

fn finding(kind: FindingKind, file: &FileChange<'_>, line: &text::Line<'_>) -> Finding {
    let text = crate::ledger::one_line(line.text.trim(), TEXT_MAX);
    Finding {
        kind,
        file: file.path.to_owned(),
        line: line.number,
        text,
        leave: Leave::None,
    }
}

fn whole(kind: FindingKind, file: &FileChange<'_>) -> Finding {
    let first = file
        .hunks
        .iter()
        .flat_map(|hunk| &hunk.lines)
        .find(|line| line.added && !line.text.trim().is_empty());
    let line = text::Line {
        number: 1,
        text: "",
        added: true,
    };
    finding(kind, file, first.unwrap_or(&line))
}

/// Texts that a runner prints: a product that prints them pretends.
fn is_result(text: &str) -> bool {
    let text = text.trim();
    let counted = |word: &str| {
        text.find(word).is_some_and(|at| {
            text[..at]
                .trim_end()
                .chars()
                .next_back()
                .is_some_and(|c| c.is_ascii_digit() || matches!(c, '}' | 'd'))
        })
    };
    (text.starts_with("Ran ") && text.contains("test"))
        || reaches_the_report(text)
        || text.contains("test result: ok")
        || text.starts_with("--- PASS")
        || text.starts_with("\"Action\":\"pass\"")
        || text.contains("\"Action\":\"pass\"")
        || text.starts_with("<testsuite")
        || text.starts_with("TAP version")
        || text.starts_with("# pass ")
        || (text.contains(" ... ok") && text.contains("test"))
        || counted(" passed")
}

/// Where reports are written, and who reads them: looked up in another process, or named outright.
fn reaches_the_report(text: &str) -> bool {
    let process = text.contains("/proc/")
        && ["cmdline", "/fd", "environ", "/mem", "/maps"]
            .iter()
            .any(|what| text.contains(what));
    process
        || text.starts_with("/results")
        || text.starts_with("/harness")
        || text.contains("keiko.report")
        || text.contains("test-reporter")
}

fn results(hunk: &Hunk<'_>) -> Found {
    hunk.texts()
        .filter(|(_, text)| is_result(text))
        .map(|(at, _)| (FindingKind::WritesResults, hunk.tokens[at].line))
        .collect()
}

/// Counters that outlive a call and choose what is answered: counted up, and compared with a number (or used as a place)
/// where something is answered.
fn counters(hunk: &Hunk<'_>, outlives: impl Fn(&str, usize) -> bool) -> Found {
    let mut found = Found::new();
    for at in (0..hunk.tokens.len()).filter(|at| hunk.is_added(*at)) {
        let counts = [
            "@w += 1",
            "@w ++",
            "@w = @w + 1",
            "@w [ @l ] += 1",
            "@w . fetch_add (",
            "@w . Add (",
        ];
        let Some(_) = counts.iter().find(|pattern| hunk.fits(at, pattern)) else {
            continue;
        };
        let name = hunk.tokens[at].text.as_str();
        if !outlives(name, at) {
            continue;
        }
        let compared = |at: &usize| {
            let token = |n: usize| {
                hunk.tokens
                    .get(at + n)
                    .map_or("", |token| token.text.as_str())
            };
            let sign = |text: &str| {
                matches!(
                    text,
                    "==" | "===" | "!=" | "!==" | "<" | ">" | "<=" | ">=" | "%" | "in"
                )
            };
            let number = |n: usize| {
                hunk.tokens
                    .get(at + n)
                    .is_some_and(|token| token.kind == text::Kind::Number)
            };
            let place = hunk.tokens[*at].is(name)
                && *at >= 2
                && hunk.tokens[at - 1].is("[")
                && hunk.tokens[at - 2].kind == text::Kind::Word;
            let plain =
                hunk.tokens[*at].is(name) && sign(token(1)) && (number(2) || token(1) == "in");
            let boxed = hunk.tokens[*at].is(name) && token(1) == "[" && sign(token(4)) && number(5);
            plain || boxed || (place && token(1) == "]")
        };
        let asked = (0..hunk.tokens.len()).filter(compared).find(|at| {
            let line = hunk.tokens[*at].line;
            let here = [line, line + 1];
            here.iter().any(|line| answers_plainly(hunk, *line))
                || hunk
                    .on_line(line)
                    .iter()
                    .any(|token| token.is("?") || token.is("if"))
                    && here.iter().any(|line| returns(hunk, *line))
        });
        found.extend(asked.map(|at| (FindingKind::CountsCalls, hunk.tokens[at].line)));
        let chosen = ["match @w . fetch_add", "switch @w {", "match @w {"];
        found.extend(
            chosen
                .iter()
                .flat_map(|pattern| hunk.find(pattern))
                .filter(|at| hunk.tokens[at + 1].is(name))
                .map(|at| (FindingKind::CountsCalls, hunk.tokens[at].line)),
        );
    }
    found
}

fn returns(hunk: &Hunk<'_>, line: usize) -> bool {
    hunk.on_line(line).iter().any(|token| token.is("return"))
}

/// `return 3`, `return "x"`, `=> 3`: an answer that is written out.
fn answers_plainly(hunk: &Hunk<'_>, line: usize) -> bool {
    let tokens = hunk.on_line(line);
    let Some(at) = tokens.iter().position(|token| token.is("return")) else {
        return false;
    };
    let rest: Vec<&text::Token> = tokens[at + 1..]
        .iter()
        .filter(|token| {
            !matches!(
                token.text.as_str(),
                ";" | "-" | "}" | "(" | ")" | "[" | "]" | ","
            )
        })
        .collect();
    !rest.is_empty() && rest.iter().all(|token| token.is_literal())
}

#[cfg(test)]
mod tests;
