//! What honest Rust does not do.

use super::place::{Role, is_program};
use super::text::{FileChange, Hunk};
use super::{Found, Rule, counters, results};
use crate::protect::{Names, names_in};
use keiko_contracts::evidence::FindingKind::{
    CountsCalls, EqualToEverything, KnowsTheTests, LeavesTheProcess, ReplacesTheRunner,
    SwallowsErrors,
};

pub(super) const PRODUCT: &[Rule] = &[
    (KnowsTheTests, "cfg ! ( test"),
    (KnowsTheTests, "cfg ! ( not ( test"),
    (KnowsTheTests, "cfg ! ( any ( test"),
    (KnowsTheTests, "cfg ! ( all ( test"),
    (KnowsTheTests, "[ cfg ( not ( test ) ) ]"),
    (KnowsTheTests, "# [ cfg ( not ( test ) ) ]"),
    (KnowsTheTests, "[ cfg_attr ( test , path"),
    (KnowsTheTests, "extern crate test"),
    (LeavesTheProcess, "libc :: _exit|exit|abort|kill ("),
    (LeavesTheProcess, "nix :: unistd :: _exit"),
    (SwallowsErrors, "panic :: set_hook ("),
    (SwallowsErrors, "set_hook ( Box :: new ( | _"),
    (SwallowsErrors, "panic :: resume_unwind"),
];

pub(super) const ANYWHERE: &[Rule] = &[
    (
        ReplacesTheRunner,
        "macro_rules ! assert|assert_eq|assert_ne|debug_assert|debug_assert_eq|panic|assert_matches|unreachable",
    ),
    (ReplacesTheRunner, "as assert|assert_eq|assert_ne|panic ;"),
    (ReplacesTheRunner, "as assert|assert_eq|assert_ne|panic ,"),
    (ReplacesTheRunner, "as assert|assert_eq|assert_ne|panic }"),
    (ReplacesTheRunner, "test_runner ("),
    (ReplacesTheRunner, "no_main ]"),
];

pub(super) fn more(file: &FileChange<'_>, hunk: &Hunk<'_>, role: Role) -> Found {
    let mut found = comparisons(hunk);
    let in_tests = |line: usize| {
        hunk.above.contains("mod tests")
            || hunk.lines[..line].iter().any(|line| {
                line.text.contains("#[cfg(test)]")
                    || line.text.contains("mod tests")
                    || line.text.contains("#[test]")
            })
    };
    if role == Role::Product {
        found.extend(asks(hunk));
        found.extend(
            results(hunk)
                .into_iter()
                .filter(|(_, line)| !in_tests(*line)),
        );
        let atomic = |name: &str, at: usize| {
            let fits = hunk.fits(at, "@w . fetch_add (");
            let is_static = hunk
                .lines
                .iter()
                .any(|line| line.text.contains("static ") && line.text.contains(name));
            let chosen = (0..hunk.tokens.len()).filter(|at| hunk.tokens[*at].is(name));
            is_static || (fits && chosen.count() > 0)
        };
        found.extend(counters(hunk, atomic));
        found.extend(counted(hunk));
        found.extend(unwinds(hunk));
        // Another answer where it is built for tests.
        for at in hunk.find("cfg ! ( debug_assertions ) {") {
            let line = hunk.tokens[at].line;
            if (line..line + 4)
                .any(|line| hunk.on_line(line).iter().any(|token| token.is("return")))
            {
                found.push((KnowsTheTests, line));
            }
        }
        if !is_program(file.path) {
            for pattern in ["process :: exit (", "process :: abort (", "exit ( 0 )"] {
                let exits = hunk
                    .find(pattern)
                    .into_iter()
                    .filter(|_| !hunk.had(pattern));
                found.extend(
                    exits
                        .filter(|_| !hunk.above.contains("fn main"))
                        .map(|at| (LeavesTheProcess, hunk.tokens[at].line)),
                );
            }
        }
        found.retain(|(kind, line)| {
            !matches!(kind, KnowsTheTests | LeavesTheProcess | SwallowsErrors) || !in_tests(*line)
        });
        found.extend(branches(hunk));
    }
    found
}

/// A number of calls that is put aside: `let n = CALLS.fetch_add(1, …)`, `let n = c.get(); c.set(n + 1)`; then asked.
fn counted(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    let binds = hunk
        .find("let @w = @w . fetch_add (")
        .into_iter()
        .chain(hunk.find("let @w = @w . get ( )"))
        .chain(hunk.find("let @w = @w . with ("));
    for at in binds {
        let name = hunk.tokens[at + 1].text.clone();
        let is_counter = hunk.fits(at + 5, "fetch_add")
            || hunk
                .tokens
                .windows(3)
                .any(|three| three[0].is(&name) && three[1].is("+") && three[2].is("1"));
        let asked = (at + 2..hunk.tokens.len()).find(|at| {
            let next = |n: usize| {
                hunk.tokens
                    .get(at + n)
                    .map_or("", |token| token.text.as_str())
            };
            let before = hunk.tokens[at - 1].text.as_str();
            hunk.tokens[*at].is(&name)
                && (matches!(next(1), "==" | "<" | ">" | "%" | "!=" | ">=" | "<=")
                    || (before == "match" && next(1) == "{")
                    || before == "[")
        });
        if let Some(asked) = asked.filter(|_| is_counter) {
            found.push((CountsCalls, hunk.tokens[asked].line));
        }
    }
    for at in hunk
        .find("match @w . fetch_add (")
        .into_iter()
        .chain(hunk.find("if @w . fetch_add ("))
    {
        found.push((CountsCalls, hunk.tokens[at].line));
    }
    found
}

/// Asks for the test's own thread, the test binary or the environment of the runner.
fn asks(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for (at, text) in hunk.texts() {
        let line = hunk.tokens[at].line;
        let word = |word: &str| {
            (line.saturating_sub(2)..=line + 1)
                .any(|line| hunk.on_line(line).iter().any(|token| token.is(word)))
        };
        let environment = matches!(
            text,
            "RUST_TEST_THREADS"
                | "NEXTEST"
                | "NEXTEST_RUN_ID"
                | "RUST_TEST_NOCAPTURE"
                | "CARGO_TARGET_TMPDIR"
                | "RUST_TEST_SHUFFLE"
                | "NEXTEST_EXECUTION_MODE"
        );
        let lower = text.to_ascii_lowercase();
        let about = lower.contains("test")
            || lower.contains("deps")
            || lower == "--nocapture"
            || lower == "main";
        let binary = (word("current_exe") || (word("env") && word("args")))
            && (lower.contains("test") || lower.contains("deps") || lower == "--nocapture");
        let thread = word("thread") && word("current") && word("name") && about;
        if environment || binary || thread {
            found.push((KnowsTheTests, line));
        }
    }
    for at in hunk.find("thread :: current ( ) . name ( )") {
        let near = hunk.tokens[at].line..hunk.tokens[at].line + 3;
        let asked = hunk
            .tokens
            .iter()
            .filter(|token| near.contains(&token.line))
            .any(|token| {
                [
                    "==",
                    "!=",
                    "contains",
                    "starts_with",
                    "ends_with",
                    "map_or",
                    "is_some_and",
                    "match",
                ]
                .iter()
                .any(|word| token.is(word))
            });
        if asked {
            found.push((KnowsTheTests, hunk.tokens[at].line));
        }
    }
    found.extend(looks_up_the_stack(hunk));
    found
}

/// Looks at a backtrace, and asks what is in it.
fn looks_up_the_stack(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    found.extend(
        hunk.find("Backtrace :: force_capture|capture|new (")
            .into_iter()
            .filter(|at| {
                let line = hunk.tokens[*at].line;
                let near = |at: usize| hunk.tokens[at].line.abs_diff(line) < 6;
                let asks = |at: usize| {
                    ["contains", "starts_with", "ends_with", "find"]
                        .iter()
                        .any(|word| hunk.tokens[at].is(word))
                };
                hunk.texts()
                    .any(|(at, text)| near(at) && text.contains("test"))
                    || (0..hunk.tokens.len()).any(|at| near(at) && asks(at))
            })
            .map(|at| (KnowsTheTests, hunk.tokens[at].line)),
    );
    found
}

/// `#[cfg(test)]` before a statement, or before a second definition of the product's own function.
fn branches(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for (at, line) in hunk.lines.iter().enumerate().filter(|(_, line)| line.added) {
        let text = line.text.trim();
        let Some(rest) = text.strip_prefix("#[cfg(test)]") else {
            continue;
        };
        let below = hunk.lines[at + 1..]
            .iter()
            .map(|line| line.text.trim())
            .find(|text| !text.is_empty() && !text.starts_with("#[") && !text.starts_with("//"));
        let item = if rest.trim().is_empty() {
            below.unwrap_or_default()
        } else {
            rest.trim()
        };
        let statement = [
            "return",
            "{",
            "if ",
            "let ",
            "match ",
            "for ",
            "std::process",
            "panic!",
            "use super::fake",
            "loop",
        ]
        .iter()
        .any(|word| item.starts_with(word));
        if statement {
            found.push((KnowsTheTests, at));
        }
    }
    found
}

/// Comparisons that hold for everything.
fn comparisons(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk
        .find("fn eq|ne|cmp|partial_cmp (")
        .into_iter()
        .chain(hunk.find("fn eq|ne <"))
    {
        let Some(open) = hunk.next(at, "(") else {
            continue;
        };
        let parameters = hunk.inside(open);
        let Some(brace) = hunk.next(parameters.end, "{") else {
            continue;
        };
        let body = &hunk.tokens[hunk.inside(brace)];
        let words: Vec<&str> = body.iter().map(|token| token.text.as_str()).collect();
        let constant = matches!(
            words[..],
            ["true"] | ["return", "true", ";"] | ["return", "true"]
        ) || (hunk.tokens[at + 1].is("ne") && matches!(words[..], ["false"]))
            || matches!(
                words[..],
                ["Ordering", "::", "Equal"]
                    | ["Some", "(", "Ordering", "::", "Equal", ")"]
                    | ["std", "::", "cmp", "::", "Ordering", "::", "Equal"]
            );
        let anyway = body
            .windows(2)
            .any(|two| two[0].is("||") && two[1].is("true"));
        // The second parameter is not looked at.
        let other = hunk.tokens[parameters]
            .iter()
            .filter(|token| {
                token.kind == super::text::Kind::Word
                    && !matches!(token.text.as_str(), "self" | "mut")
            })
            .map(|token| token.text.as_str())
            .next()
            .unwrap_or_default();
        let blind =
            !body.is_empty() && !other.is_empty() && !body.iter().any(|token| token.is(other));
        if constant || anyway || blind {
            found.push((EqualToEverything, hunk.tokens[at].line));
        }
    }
    found
}

/// Panics that a test would see are caught, and nothing is said of them.
fn unwinds(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk.find("catch_unwind (") {
        let line = hunk.tokens[at].line;
        let kept = hunk
            .tokens
            .iter()
            .filter(|token| (line..line + 8).contains(&token.line))
            .any(|token| {
                [
                    "resume_unwind",
                    "Err",
                    "map_err",
                    "is_err",
                    "downcast_ref",
                    "downcast",
                    "error",
                ]
                .iter()
                .any(|word| token.is(word))
            });
        if !kept {
            found.push((SwallowsErrors, line));
        }
    }
    found
}

/// Tests that stand in the file of the product: lines of theirs are taken away.
pub(super) fn changes_inline_tests(hunk: &Hunk<'_>, known: &Names) -> bool {
    let asserts = |line: &&&str| {
        let text = line.trim_start();
        [
            "assert!(",
            "assert_eq!(",
            "assert_ne!(",
            "#[test]",
            "#[should_panic",
        ]
        .iter()
        .any(|word| text.starts_with(word))
    };
    let of_test = |text: &str| {
        text.contains("mod tests")
            || text.contains("#[test]")
            || text.split_once("fn ").is_some_and(|(_, rest)| {
                names_in(rest)
                    .next()
                    .is_some_and(|name| known.contains(name))
            })
    };
    let inside = of_test(hunk.above)
        || hunk.lines.iter().any(|line| of_test(line.text))
        || hunk.removed.iter().any(|line| of_test(line));
    let kept = |line: &&&str| hunk.lines.iter().any(|new| new.text.trim() == line.trim());
    inside && hunk.removed.iter().filter(asserts).any(|line| !kept(&line))
}
