//! Errors that came out before and do not any more: what was called plainly is called where nobody hears what it raises. Whether
//! that was wanted stands in the goal.

use super::Found;
use super::text::{FileChange, Hunk, Kind, Language};
use keiko_contracts::evidence::FindingKind::SwallowsErrors;

/// Longest line of a source that people write.
const LINE_MAX: usize = 1_000;

/// How words of goals begin that speak of errors, or of doing things aside.
const ABOUT: [&str; 28] = [
    "error",
    "exception",
    "raise",
    "fail",
    "catch",
    "swallow",
    "crash",
    "panic",
    "throw",
    "reject",
    "ignor",
    "robust",
    "toler",
    "resilien",
    "thread",
    "background",
    "parallel",
    "concurren",
    "async",
    "recover",
    "retry",
    "retries",
    "fehler",
    "ausnahme",
    "absturz",
    "abstürz",
    "hintergrund",
    "gleichzeitig",
];

/// Whether a goal, in small letters, speaks of errors. That tests fail says nothing of them.
pub(super) fn is_wanted(goal: &str) -> bool {
    let words: Vec<&str> = goal
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let of_tests = |at: usize| {
        let near = words
            .get(at.saturating_sub(3)..(at + 3).min(words.len()))
            .unwrap_or_default();
        words[at].starts_with("fail") && near.iter().any(|word| word.starts_with("test"))
    };
    let about = |at: &usize| {
        let word = words[*at];
        matches!(word, "log" | "logs" | "logged" | "logging")
            || ABOUT.iter().any(|begins| word.starts_with(begins)) && !of_tests(*at)
    };
    (0..words.len()).any(|at| about(&at))
}

/// Reads a hunk, for a goal that says nothing of errors.
pub(super) fn read(file: &FileChange<'_>, hunk: &Hunk<'_>) -> Found {
    // What a program put together is read by nobody.
    if hunk.lines.iter().any(|line| line.text.len() > LINE_MAX) {
        return Found::new();
    }
    let mut found = match Language::of(file.path) {
        Some(Language::Python) => python(hunk),
        Some(Language::JavaScript) => javascript(hunk),
        Some(Language::Go) => {
            let before = called_before(hunk);
            let aside = hunk
                .find("go @w (")
                .into_iter()
                .filter(|at| before(&hunk.tokens[at + 1].text));
            aside
                .map(|at| (SwallowsErrors, hunk.tokens[at].line))
                .collect()
        }
        Some(Language::Rust) => hunk
            .find("catch_unwind (")
            .into_iter()
            .map(|at| (SwallowsErrors, hunk.tokens[at].line))
            .collect(),
        _ => Found::new(),
    };
    found.extend(never_called(file, hunk));
    found.retain(|(_, line)| hunk.lines.get(*line).is_some_and(|line| line.added));
    found
}

/// A call that stood there before, by the name that is called.
fn called_before<'h>(hunk: &'h Hunk<'_>) -> impl Fn(&str) -> bool + 'h {
    |name: &str| {
        let call = format!("{name}(");
        hunk.removed.iter().any(|line| {
            line.match_indices(&call)
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    }
}

fn python(hunk: &Hunk<'_>) -> Found {
    let mut found = excepts(hunk);
    // What is returned at last takes the place of what was raised.
    for at in hunk.find("finally :") {
        let block = hunk.block(hunk.tokens[at].line);
        if let Some(line) = block.into_iter().find(|line| {
            hunk.on_line(*line)
                .first()
                .is_some_and(|token| token.is("return"))
        }) {
            found.push((SwallowsErrors, line));
        }
    }
    found.extend(in_the_background(hunk));
    found
}

/// Something is called where whatever it raises is caught.
fn excepts(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    let before = called_before(hunk);
    let calls = |lines: std::ops::Range<usize>| {
        let tokens: Vec<_> = hunk
            .tokens
            .iter()
            .filter(|token| lines.contains(&token.line))
            .collect();
        tokens
            .windows(2)
            .any(|two| two[0].kind == Kind::Word && two[1].is("(") && before(&two[0].text))
    };
    for at in hunk.find("except") {
        let line = hunk.tokens[at].line;
        let depth = hunk.lines[line].depth();
        let head: Vec<&str> = hunk
            .on_line(line)
            .iter()
            .map(|token| token.text.as_str())
            .collect();
        let wide = matches!(head.get(1), Some(&":"))
            || head
                .iter()
                .any(|word| matches!(*word, "Exception" | "BaseException" | "LookupError"));
        let tried = (0..line).rev().find(|above| {
            hunk.lines[*above].depth() == depth && hunk.lines[*above].text.trim() == "try:"
        });
        let raises = hunk
            .lines
            .iter()
            .any(|line| line.added && line.text.trim_start().starts_with("raise"));
        if wide
            && !raises
            && tried.is_some_and(|tried| hunk.lines[tried].added && calls(tried..line))
        {
            found.push((SwallowsErrors, line));
        }
    }
    for at in hunk.find("suppress (") {
        let line = hunk.tokens[at].line;
        if calls(hunk.block(line)) {
            found.push((SwallowsErrors, line));
        }
    }
    found
}

/// What a thread or a pool raises does not come back by itself.
fn in_the_background(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    let before = called_before(hunk);
    for pattern in [
        "target = @w",
        "submit ( @w",
        "call_soon ( @w",
        "start_new_thread ( @w",
        "create_task ( @w",
        "run_in_executor ( @w , @w",
    ] {
        let last = pattern.split(' ').count() - 1;
        for at in hunk.find(pattern) {
            let asked = hunk
                .tokens
                .iter()
                .any(|token| token.is("result") || token.is("gather"));
            if before(&hunk.tokens[at + last].text) && !asked {
                found.push((SwallowsErrors, hunk.tokens[at].line));
            }
        }
    }
    found
}

fn javascript(hunk: &Hunk<'_>) -> Found {
    let before = called_before(hunk);
    let said = |word: &str| hunk.tokens.iter().any(|token| token.text == word);
    let settled = hunk.find("allSettled (").into_iter().filter(|_| {
        !["reason", "rejected", "status"]
            .iter()
            .any(|word| said(word))
    });
    let mut found: Found = settled
        .map(|at| (SwallowsErrors, hunk.tokens[at].line))
        .collect();
    for at in hunk.find("try {") {
        let tried = hunk.inside(at + 1);
        let calls = hunk.tokens[tried.clone()]
            .windows(2)
            .any(|two| two[0].kind == Kind::Word && two[1].is("(") && before(&two[0].text));
        let Some(caught) = (tried.end..hunk.tokens.len().min(tried.end + 2))
            .find(|at| hunk.tokens[*at].is("catch"))
        else {
            continue;
        };
        let body = hunk
            .next(caught, "{")
            .map_or(caught..caught, |open| hunk.inside(open));
        let heard = hunk.tokens[body].iter().any(|token| {
            ["throw", "reject", "push", "emit", "errors"]
                .iter()
                .any(|word| token.is(word))
        });
        if calls && !heard {
            found.push((SwallowsErrors, hunk.tokens[caught].line));
        }
    }
    // Called later, where nobody waits for it.
    for at in hunk.find("setTimeout|setImmediate|queueMicrotask|nextTick ( @w") {
        if before(&hunk.tokens[at + 2].text) && !hunk.had("setTimeout (") {
            found.push((SwallowsErrors, hunk.tokens[at].line));
        }
    }
    found
}

/// Among the lines one calls what another goes through: `for handler in handlers: handler(event)`.
fn calls_each(lines: &[&str]) -> bool {
    let variables = lines.iter().filter_map(|line| {
        let rest = line
            .trim_start()
            .strip_prefix("for ")?
            .trim_start_matches(['(', ' ']);
        let rest = rest
            .strip_prefix("const ")
            .or_else(|| rest.strip_prefix("let "))
            .unwrap_or(rest);
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .filter(|name| !name.is_empty())
    });
    let calls = |name: &str, line: &&str| {
        line.contains(&format!(" {name}("))
            || line.contains(&format!("({name}("))
            || line.trim_start().starts_with(&format!("{name}("))
    };
    variables
        .into_iter()
        .any(|name| lines.iter().any(|line| calls(name, line)))
}

/// What was handed over was called for each, and is called no more: `for handler in handlers: handler(event)`.
fn never_called(file: &FileChange<'_>, hunk: &Hunk<'_>) -> Found {
    // The head of a loop may stand unchanged.
    let old: Vec<&str> = hunk
        .lines
        .iter()
        .filter(|line| !line.added)
        .map(|line| line.text)
        .chain(hunk.removed.iter().copied())
        .collect();
    let kept: Vec<&str> = hunk
        .lines
        .iter()
        .filter(|line| !line.added)
        .map(|line| line.text)
        .collect();
    let new: Vec<&str> = file
        .hunks
        .iter()
        .flat_map(|hunk| &hunk.lines)
        .map(|line| line.text)
        .collect();
    let deferred = hunk
        .lines
        .iter()
        .any(|line| line.added && line.text.trim_start().starts_with("yield "));
    let handed_on = new.iter().any(|line| {
        [
            "target=",
            "submit(",
            "map(",
            "gather(",
            "setTimeout(",
            "forEach(",
            "queueMicrotask(",
        ]
        .iter()
        .any(|word| line.contains(word))
    });
    let gone =
        calls_each(&old) && !calls_each(&kept) && (deferred || !calls_each(&new)) && !handed_on;
    let first = hunk.lines.iter().position(|line| {
        line.added
            && !hunk
                .removed
                .iter()
                .any(|old| old.trim() == line.text.trim())
    });
    first
        .filter(|_| gone)
        .map(|line| (SwallowsErrors, line))
        .into_iter()
        .collect()
}
