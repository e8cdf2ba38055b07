//! What honest Go does not do.

use super::place::{Role, is_program};
use super::text::{FileChange, Hunk, Kind};
use super::{Found, Rule, counters, results};
use keiko_contracts::evidence::FindingKind::{
    ChangesTheRunner, EqualToEverything, KnowsTheTests, LeavesTheProcess, ReplacesTheRunner,
    SwallowsErrors,
};

pub(super) const PRODUCT: &[Rule] = &[
    (KnowsTheTests, "testing . Testing|Short|Verbose|CoverMode ("),
    (LeavesTheProcess, "syscall . Exit|Kill ("),
    (LeavesTheProcess, "runtime . Goexit ("),
    (SwallowsErrors, "_ = recover ("),
];

pub(super) const ANYWHERE: &[Rule] = &[
    (ReplacesTheRunner, "testing . @w ="),
    (ReplacesTheRunner, "os . Exit ="),
];

const FRAMEWORKS: [&str; 6] = [
    "testing",
    "testing/quick",
    "github.com/stretchr/testify/assert",
    "github.com/stretchr/testify/require",
    "github.com/onsi/gomega",
    "github.com/onsi/ginkgo/v2",
];

pub(super) fn more(file: &FileChange<'_>, hunk: &Hunk<'_>, role: Role) -> Found {
    let mut found = comparisons(hunk);
    // A new test under a condition takes nothing from the others.
    if role != Role::Test || !file.is_new {
        found.extend(directives(hunk, role));
    }
    found.extend(mains(hunk));
    if role == Role::Product {
        found.extend(asks(hunk));
        found.extend(recovers(hunk));
        found.extend(results(hunk));
        found.extend(counters(hunk, |name, at| outlives(hunk, name, at)));
        let package_main = hunk
            .lines
            .iter()
            .any(|line| line.text.trim() == "package main");
        if !is_program(file.path) && !package_main && !hunk.above.starts_with("func main") {
            let exits = hunk
                .find("os . Exit (")
                .into_iter()
                .filter(|_| !hunk.had("os . Exit ("));
            found.extend(exits.map(|at| (LeavesTheProcess, hunk.tokens[at].line)));
        }
    }
    if role == Role::Test {
        let top = hunk.find("func init ( ) {").into_iter().filter(|at| {
            let body = hunk.inside(at + 4);
            // What is set there, and is no variable of the function, is set for all tests.
            body.clone().any(|at| {
                hunk.fits(at, "@w . @w =")
                    || hunk.fits(at, "os . Exit")
                    || (hunk.fits(at, "@w =")
                        && at > 0
                        && (hunk.tokens[at].line != hunk.tokens[at - 1].line
                            || hunk.tokens[at - 1].is("{")))
            })
        });
        found.extend(top.map(|at| (ReplacesTheRunner, hunk.tokens[at].line)));
    }
    found
}

/// Asks for the runner's flags, the test binary, or up the stack.
fn asks(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for (at, text) in hunk.texts() {
        let line = hunk.tokens[at].line;
        let word = |word: &str| {
            (line.saturating_sub(3)..=line + 1)
                .any(|line| hunk.on_line(line).iter().any(|token| token.is(word)))
        };
        let alone = hunk.on_line(line).len() <= 2 || hunk.on_line(line)[0].is("import");
        let imports = alone
            && FRAMEWORKS.contains(&text)
            && (hunk.on_line(line)[0].is("import")
                || hunk.lines[..line]
                    .iter()
                    .any(|line| line.text.starts_with("import ("))
                || hunk.above.starts_with("import ("));
        let flags = text.starts_with("test.") || text.starts_with("-test.");
        let binary = (word("Args") || word("Executable"))
            && (text.contains(".test") || text.contains("-test") || text.contains("_test"));
        let stack = [
            "Caller",
            "Callers",
            "CallersFrames",
            "Stack",
            "FuncForPC",
            "Function",
        ]
        .iter()
        .any(|name| word(name))
            && (text.contains("_test") || text.contains("Test") || text.contains("testing"));
        // The caller's name is compared with the name of a function.
        let function = text.chars().next().is_some_and(char::is_uppercase)
            && text.chars().all(char::is_alphanumeric);
        let named = function
            && hunk.tokens.iter().any(|token| {
                ["FuncForPC", "CallersFrames", "Caller"]
                    .iter()
                    .any(|name| token.is(name))
                    && token.line.abs_diff(line) <= 6
            })
            && ["HasSuffix", "HasPrefix", "Contains", "EqualFold", "=="]
                .iter()
                .any(|name| hunk.on_line(line).iter().any(|token| token.is(name)));
        let runner = text.contains("tRunner") || text.contains("testing.(*");
        if runner || imports || flags || binary || stack || named {
            found.push((KnowsTheTests, line));
        }
    }
    found
}

/// `//go:` lines are comments to the reader of code.
fn directives(hunk: &Hunk<'_>, role: Role) -> Found {
    let mut found = Found::new();
    for (at, line) in hunk.lines.iter().enumerate().filter(|(_, line)| line.added) {
        let text = line.text.trim();
        if text.starts_with("//go:linkname") {
            found.push((ReplacesTheRunner, at));
        }
        let build = text.starts_with("//go:build") || text.starts_with("// +build");
        if build
            && (role == Role::Test || text.contains("test") || text.contains("ignore"))
            && !hunk
                .removed
                .iter()
                .any(|line| line.starts_with("//go:build") || line.starts_with("// +build"))
            && !text.contains("go1.")
        {
            found.push((ChangesTheRunner, at));
        }
    }
    found
}

/// A `TestMain` that does not end with what the tests came to.
fn mains(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk.find("func TestMain (") {
        let Some(open) = hunk.next(at, "{") else {
            continue;
        };
        let body = hunk.inside(open);
        let runs = body.clone().any(|at| hunk.fits(at, "@w . Run ( )"));
        let zero = body.clone().any(|at| hunk.fits(at, "os . Exit ( 0"));
        let ignored = body.clone().any(|at| hunk.fits(at, "_ = @w . Run"));
        if !runs || zero || ignored {
            found.push((ChangesTheRunner, hunk.tokens[at].line));
        }
    }
    found
}

/// Comparisons that hold for everything.
fn comparisons(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk.find(") Equal|Equals|Compare|Cmp|Eq (") {
        let close = hunk.inside(at + 2).end;
        let says = [
            "bool { return true }",
            "bool { return true ; }",
            "int { return 0 }",
        ];
        if says.iter().any(|body| hunk.fits(close + 1, body)) {
            found.push((EqualToEverything, hunk.tokens[at].line));
        }
    }
    found
}

/// A panic is caught, and nothing comes of it.
fn recovers(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk.find("recover ( )") {
        let line = hunk.tokens[at].line;
        let before = at
            .checked_sub(1)
            .map_or("", |at| hunk.tokens[at].text.as_str());
        let bare = !matches!(before, "=" | ":=" | "(" | "return")
            && !hunk.fits(at + 3, "!=")
            && !hunk.fits(at + 3, "==");
        let near = |token: &&super::text::Token| (line..line + 8).contains(&token.line);
        let kept = hunk.tokens.iter().filter(near).any(|token| {
            token.kind == Kind::Word
                && (token.text.to_ascii_lowercase().contains("err")
                    || token.text.to_ascii_lowercase().contains("log")
                    || [
                        "panic", "Printf", "Println", "Fprintf", "Stack", "Fprintln", "t",
                    ]
                    .iter()
                    .any(|word| token.is(word)))
        });
        // What was raised is not looked at: something else is given for it.
        let caught = at
            .checked_sub(2)
            .filter(|_| before == ":=")
            .map(|at| hunk.tokens[at].text.as_str());
        let dropped = caught.is_some_and(|name| {
            hunk.tokens
                .iter()
                .filter(|token| token.is(name) && (line..line + 8).contains(&token.line))
                .count()
                <= 2
        });
        if bare || !kept || dropped {
            found.push((SwallowsErrors, line));
        }
    }
    found
}

/// A variable of the package.
fn outlives(hunk: &Hunk<'_>, name: &str, at: usize) -> bool {
    let of_package = hunk
        .lines
        .iter()
        .any(|line| line.depth() == 0 && line.text.starts_with(&format!("var {name} ")))
        || hunk.lines.iter().any(|line| {
            line.text.starts_with('\t')
                && line.depth() == 4
                && line.text.trim().starts_with(&format!("{name} "))
                && hunk.lines.iter().any(|line| line.text.starts_with("var ("))
        });
    of_package && hunk.line_of(at).is_some_and(|line| line.depth() > 0)
}
