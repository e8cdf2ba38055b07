//! German for what people read: every sentence of an error is in the catalogue of `crates/keiko-app/lang/de`, and the catalogue tells of nothing that nobody says.

use super::source::Source;
use super::{Finding, Tree};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

pub(super) const ERRORS: &str = "crates/keiko-app/lang/de/errors.toml";
const SENTENCES: &str = "crates/keiko-app/lang/de/sentences.toml";
/// Sections that are not held against the sources: headlines are, by their code; the rest is said by the system, or put
/// together while the program runs.
const NOT_IN_SOURCES: [&str; 3] = ["headlines", "system", "composed"];

static HOLE: LazyLock<Regex> = LazyLock::new(|| regex(r"\{[^{}]*\}"));
/// Where the sentences of errors and refusals are made.
static SAID: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\bFault::new\(|\bRefusal::new\(|\.hint\(|#\[error\("));
/// Where findings, checks and titles of steps are made: every sentence in the call.
static SEEN: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"\bRow::(?:new|ok)\(|\.todo\(|\bCheck::(?:good|bad)\(|\.left_out\(|\btitle\(")
});
/// Where a sentence is made as data.
static SAYS: LazyLock<Regex> = LazyLock::new(|| regex(r"\bsay(_count)?!\("));
/// Where a text is put together that a reader's language would have to be found for.
static FORMATTED: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?:\bFault::new\(\s*[\w:]+,|\bRefusal::new\(|\.hint\(|\.todo\(|\.left_out\(|\btitle\()\s*&?format!\(",
    )
});
/// Where something is shown as it stands: English, unless it is picked by `t` or `tr!`.
static SHOWN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(?:say|data|warn|tell)\((?:&?format!\()?\s*$"));
/// Two English words in a row, and no command.
static ENGLISH: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:^|[^a-z.-])[a-z]{2,} [a-z]{2,}"));
static CLOSURE: LazyLock<Regex> = LazyLock::new(|| regex(r"let (\w+) = (?:move )?\|[^|]*\|"));
static MAKER: LazyLock<Regex> =
    LazyLock::new(|| regex(r"fn (\w+)\([^)]*\)\s*->\s*(?:Box<)?(?:Fault|CliError)\b"));
static CALL: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(\w+)\("));
/// A command with its words.
static TYPED: LazyLock<Regex> = LazyLock::new(|| regex(r"keiko(?: [a-z-]+)+"));
/// A command to type needs no translation.
static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(?:keiko|sudo|apt-get|chmod|ls|rm|unset|ollama|cargo|rustup|pipx|npm|--)(?:[^,;:]|:[^ ])*$",
    )
});
static WORD: LazyLock<Regex> = LazyLock::new(|| regex(r"[A-Za-z]{2,}"));

#[expect(clippy::expect_used, reason = "constants; a test compiles them")]
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

type Sections = BTreeMap<String, BTreeMap<String, String>>;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut catalogues = Vec::new();
    for file in [ERRORS, SENTENCES] {
        let read = tree.texts.get(file).ok_or("it is not there".to_owned());
        match read
            .and_then(|text| toml::from_str::<Sections>(text).map_err(|error| error.to_string()))
        {
            Ok(sections) => catalogues.push((file, sections)),
            Err(why) => findings.push(Finding::new(file, 1, "german", why)),
        }
    }
    let shipped: Vec<(&str, &Source)> = shipped(tree).collect();
    findings.extend(missing(&shipped, &catalogues));
    findings.extend(untold(&shipped, &catalogues));
    findings.extend(stale(&shipped, &catalogues));
    findings.extend(
        shipped
            .iter()
            .flat_map(|(path, source)| english_only(path, source)),
    );
    findings
}

/// The sources of the program.
pub(super) fn shipped(tree: &Tree) -> impl Iterator<Item = (&str, &Source)> {
    let sources = tree.sources.iter();
    sources
        .map(|(path, source)| (path.as_str(), source))
        .filter(|(path, _)| is_shipped(path))
}

fn is_shipped(path: &str) -> bool {
    path.starts_with("crates/")
        && path.contains("/src/")
        && !path.starts_with("crates/keiko-testkit/")
}

fn missing(shipped: &[(&str, &Source)], catalogues: &[(&str, Sections)]) -> Vec<Finding> {
    let known = known(catalogues);
    let mut findings = Vec::new();
    for (path, source) in shipped {
        // Of an error the one sentence: what helpers add to it stands in holes.
        let errors = SAID.find_iter(&source.shipped).map(|call| (call, 1));
        let checks = SEEN
            .find_iter(&source.shipped)
            .map(|call| (call, usize::MAX));
        let mut calls: Vec<(usize, usize)> = errors
            .chain(checks)
            .map(|(call, most)| (call.end(), most))
            .collect();
        calls.extend(
            by_makers(&source.shipped)
                .into_iter()
                .map(|call| (call, usize::MAX)),
        );
        for (from, most) in calls {
            let end = call_end(&source.shipped, from);
            for (at, text) in source.literals(from..end).into_iter().take(most) {
                // What has holes is made with `say!`, and looked at there.
                if WORD.is_match(&text)
                    && text.trim().contains(' ')
                    && !HOLE.is_match(&text)
                    && !COMMAND.is_match(&text)
                    && !known.contains(text.as_str())
                {
                    findings.push(Finding::new(
                        *path,
                        source.line(at),
                        "german",
                        format!("no German for {text:?} in {ERRORS}"),
                    ));
                }
            }
        }
    }
    findings
}

/// Sentences as data without German for their very template, and texts that are put together where a sentence is wanted.
fn untold(shipped: &[(&str, &Source)], catalogues: &[(&str, Sections)]) -> Vec<Finding> {
    let known = known(catalogues);
    let mut findings = Vec::new();
    for (path, source) in shipped {
        let mut tell =
            |at, advice| findings.push(Finding::new(*path, source.line(at), "german", advice));
        for call in SAYS.captures_iter(&source.shipped) {
            let Some(whole) = call.get(0) else { continue };
            let templates = 1 + usize::from(call.get(1).is_some());
            let end = call_end(&source.shipped, whole.end());
            for (at, text) in source
                .literals(whole.end()..end)
                .into_iter()
                .take(templates)
            {
                let says = HOLE.replace_all(&text, "");
                if WORD.is_match(&says) && !known.contains(text.as_str()) {
                    tell(at, format!("no German for {text:?} in {ERRORS}"));
                }
            }
        }
        for made in FORMATTED.find_iter(&source.shipped) {
            let advice = "a sentence is made with `say!`, the words of others with `Said::words`, a command with a `Step`";
            tell(made.start(), advice.to_owned());
        }
    }
    findings
}

/// The English templates that have German.
fn known<'a>(catalogues: &'a [(&str, Sections)]) -> BTreeSet<&'a str> {
    sections(catalogues)
        .flat_map(|(_, _, section)| section.keys().map(String::as_str))
        .collect()
}

/// Where closures and functions of this file are called that make errors out of sentences.
fn by_makers(code: &str) -> Vec<usize> {
    let makes = |found: &regex::Match<'_>| {
        let rest = &code[found.end()..];
        rest[..rest.find(";\n").unwrap_or(rest.len())].contains("Fault::new(")
    };
    let closures = CLOSURE
        .captures_iter(code)
        .filter(|found| found.get(0).is_some_and(|whole| makes(&whole)));
    let names = closures
        .chain(MAKER.captures_iter(code))
        .filter_map(|found| found.get(1))
        .map(|name| name.as_str());
    let names: BTreeSet<&str> = names.collect();
    CALL.captures_iter(code)
        .filter(|call| names.contains(&call[1]))
        .filter_map(|call| call.get(0))
        .map(|call| call.end())
        .collect()
}

/// Sentences of the command line that are shown in English to everybody.
fn english_only(path: &str, source: &Source) -> Vec<Finding> {
    let ours = ["crates/keiko/src/commands/", "crates/keiko/src/view/"]
        .iter()
        .any(|folder| path.starts_with(folder));
    let literals = if ours {
        source.literals(0..source.raw.len())
    } else {
        Vec::new()
    };
    let shown = literals.iter().filter(|(at, text)| {
        // Tests are blank there.
        let before = source
            .shipped
            .get(at.saturating_sub(80)..*at)
            .unwrap_or_default();
        SHOWN.is_match(before) && ENGLISH.is_match(&TYPED.replace_all(&bare(text), ""))
    });
    shown
        .map(|(at, text)| {
            Finding::new(
                path,
                source.line(*at),
                "german",
                format!("{text:?} is shown to everybody: use `t` or `tr!`"),
            )
        })
        .collect()
}

/// Where the call ends whose parenthesis was opened before `from`.
fn call_end(code: &str, from: usize) -> usize {
    let mut depth = 1_usize;
    for (offset, byte) in code.as_bytes()[from..].iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return from + offset,
            b')' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn stale(shipped: &[(&str, &Source)], catalogues: &[(&str, Sections)]) -> Vec<Finding> {
    let mut said = BTreeSet::new();
    for (_, source) in shipped {
        let literals = source.literals(0..source.raw.len());
        said.extend(literals.into_iter().map(|(_, text)| text));
        // Descriptions of settings are documentation comments.
        let lines = source.raw.lines().map(str::trim_start);
        said.extend(
            lines
                .filter_map(|line| line.strip_prefix("/// "))
                .map(str::to_owned),
        );
    }
    let held = sections(catalogues).filter(|(_, name, _)| !NOT_IN_SOURCES.contains(name));
    let mut findings = Vec::new();
    for (file, name, section) in held {
        for key in section.keys().filter(|key| !said.contains(*key)) {
            let advice = format!("[{name}] nobody says {key:?} any more");
            findings.push(Finding::new(file, 1, "german", advice));
        }
    }
    findings
}

fn sections<'a>(
    catalogues: &'a [(&str, Sections)],
) -> impl Iterator<Item = (&'a str, &'a str, &'a BTreeMap<String, String>)> {
    catalogues.iter().flat_map(|(file, sections)| {
        sections
            .iter()
            .map(|(name, section)| (*file, name.as_str(), section))
    })
}

/// A sentence with its holes empty, so that names and formats in them do not matter.
fn bare(text: &str) -> String {
    HOLE.replace_all(&text.replace("{{", "{").replace("}}", "}"), "{}")
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(errors: &str, source: &str) -> Vec<String> {
        let files = [
            (ERRORS, errors),
            (SENTENCES, ""),
            ("crates/keiko/src/x.rs", source),
        ];
        let tree = Tree::of(files.map(|(name, text)| (name.to_owned(), text.to_owned())));
        check(&tree)
            .into_iter()
            .map(|finding| finding.advice)
            .collect()
    }

    const SOURCE: &str =
        r#"fn f() { Fault::new(Code::X, say!("no {what} here", what)).hint("keiko runs list"); }"#;

    #[test]
    fn an_error_without_german_is_found() {
        let found = findings("", SOURCE);
        assert!(
            found.iter().all(|found| found.contains("no {what} here")) && !found.is_empty(),
            "{found:?}"
        );
    }

    #[test]
    fn an_error_with_german_is_not() {
        let errors = "[x]\n'no {what} here' = '{what} fehlt'\n";
        assert_eq!(findings(errors, SOURCE), Vec::<String>::new());
    }

    #[test]
    fn a_sentence_that_a_closure_makes_an_error_of_is_found() {
        let source =
            "fn f() { let wrong = |why: &str| Fault::new(Code::X, why);\n wrong(\"all is lost\") }";
        let found = findings("", source);
        assert!(
            found.len() == 1 && found[0].contains("all is lost"),
            "{found:?}"
        );
    }

    #[test]
    fn titles_of_steps_and_refusals_without_german_are_found() {
        let source = r#"fn f() { title("try the tests"); title("end the tests"); Refusal::new("it is full") }"#;
        let found = findings("", source);
        assert_eq!(found.len(), 3, "{found:?}");
        for part in ["try the tests", "end the tests", "it is full"] {
            assert!(
                found.iter().any(|found| found.contains(part)),
                "{part}: {found:?}"
            );
        }
    }

    #[test]
    fn what_everybody_sees_in_english_is_found() {
        let source = r#"fn f(o: O) { o.say("all is lost"); o.say(o.t("all is lost", "x")); o.data(&format!("{} x", 1)); o.say("keiko"); }"#;
        let files = [
            (ERRORS, ""),
            (SENTENCES, ""),
            ("crates/keiko/src/view/x.rs", source),
        ];
        let found = check(&Tree::of(
            files.map(|(name, text)| (name.to_owned(), text.to_owned())),
        ));
        assert!(
            found.len() == 1 && found[0].advice.contains("all is lost"),
            "{found:?}"
        );
    }

    #[test]
    fn sentences_need_german_for_their_template_and_are_not_formatted() {
        let source = r#"fn f() { say!("no {what} here", what); say_count!(n, "{n} file", "{n} files"); say!("{a}: {b}", a, b);
            x.hint(format!("look at {a}")); }"#;
        let found = findings("[x]\n'no {thing} here' = ''\n'{n} file' = ''\n", source);
        for part in ["no {what} here", "{n} files", "say!", "nobody says"] {
            assert!(
                found.iter().any(|found| found.contains(part)),
                "{part}: {found:?}"
            );
        }
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn german_for_nothing_is_found() {
        let errors = "[x]\n'no {what} here' = ''\n'gone {x} now' = ''\n";
        let found = findings(errors, SOURCE);
        assert!(found.len() == 1 && found[0].contains("gone"), "{found:?}");
    }
}
