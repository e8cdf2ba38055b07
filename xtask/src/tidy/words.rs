//! Names that say nothing, and marks of unfinished work.

use super::source::{Source, tokens};
use super::{Finding, Tree};
use std::path::Path;

/// Names under which anything could hide. In files, modules and types.
const SAYS_NOTHING: &[&str] = &["manager", "utils", "util", "helpers", "helper", "common"];

/// Code that must not be committed, with what to do.
const UNFINISHED: &[(&str, &str)] = &[
    ("todo!(", "finish it, or leave it out"),
    ("unimplemented!(", "finish it, or return a typed error"),
    ("dbg!(", "remove it, or use tracing"),
    (
        "#[ignore",
        "a test runs, or says why it is skipped: print `SKIPPED: <test>: <why>: <command>` and return",
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in tree.files().filter(|path| !super::text::is_material(path)) {
        findings.extend(in_path(path));
    }
    for (path, source) in &tree.sources {
        findings.extend(in_types(path, source));
        findings.extend(unfinished(path, source));
        findings.extend(allows(path, source));
    }
    findings
}

fn in_path(path: &str) -> Option<Finding> {
    let parts = Path::new(path).iter().filter_map(|part| part.to_str());
    let mut words = parts
        .flat_map(|part| part.split(['.', '_', '-']))
        .map(str::to_lowercase);
    let word = words.find(|word| SAYS_NOTHING.contains(&word.as_str()))?;
    Some(Finding::new(
        path,
        1,
        "says-nothing",
        format!("`{word}` in a file name: name it for what is in it"),
    ))
}

fn in_types(path: &str, source: &Source) -> Vec<Finding> {
    let all = tokens(&source.code);
    let declares = |text: &str| matches!(text, "struct" | "enum" | "trait" | "type" | "mod");
    let mut findings = Vec::new();
    for pair in all.windows(2).filter(|pair| declares(pair[0].text)) {
        let name = pair[1].text;
        if let Some(word) = words_of(name)
            .into_iter()
            .find(|word| SAYS_NOTHING.contains(&word.as_str()))
        {
            let advice = format!("`{word}` in `{name}`: name it for what it does");
            findings.push(Finding::new(
                path,
                source.line(pair[1].at),
                "says-nothing",
                advice,
            ));
        }
    }
    findings
}

/// The words of a name in snake or camel case, in small letters.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter.is_uppercase() {
            words.push(String::new());
        }
        if letter != '_'
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

fn unfinished(path: &str, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (mark, advice) in UNFINISHED {
        for (at, _) in source.code.match_indices(mark) {
            findings.push(Finding::new(
                path,
                source.line(at),
                "unfinished",
                format!("`{mark}`: {advice}"),
            ));
        }
    }
    findings
}

fn allows(path: &str, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for attribute in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for (at, _) in source.code.match_indices(attribute) {
            let end = source.code[at..]
                .find(']')
                .map_or(source.code.len(), |len| at + len);
            if !source.code[at..end].contains("reason =") {
                let advice = "give it a `reason = \"…\"`, and prefer `expect` to `allow`";
                findings.push(Finding::new(path, source.line(at), "allow-reason", advice));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let findings = check(&Tree::of([(path.to_owned(), text.to_owned())]));
        findings
            .into_iter()
            .map(|finding| (finding.line, finding.rule))
            .collect()
    }

    #[test]
    fn empty_names_are_found_in_files_and_types() {
        assert_eq!(found("src/string_utils.rs", ""), [(1, "says-nothing")]);
        assert_eq!(
            found("src/a.rs", "\nstruct RunManager;\nmod common;"),
            [(2, "says-nothing"), (3, "says-nothing")]
        );
        assert_eq!(
            found("src/a.rs", "struct Uncommon; // the Manager of utils"),
            []
        );
    }

    #[test]
    fn unfinished_work_is_found_but_not_in_words_about_it() {
        assert_eq!(
            found("src/a.rs", "fn f() { todo!() }\n#[ignore]\nfn g() {}"),
            [(1, "unfinished"), (2, "unfinished")]
        );
        assert_eq!(
            found("src/a.rs", "// todo!()\nconst A: &str = \"dbg!(x)\";"),
            []
        );
    }

    #[test]
    fn a_lint_is_switched_off_with_a_reason_only() {
        assert_eq!(
            found("src/a.rs", "#[allow(dead_code)]\nfn f() {}"),
            [(1, "allow-reason")]
        );
        assert_eq!(
            found(
                "src/a.rs",
                "#[expect(dead_code, reason = \"kept for x\")]\nfn f() {}"
            ),
            []
        );
    }
}
