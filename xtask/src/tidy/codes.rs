//! Error codes: each one of the table in `keiko_contracts::codes` is used, has a German headline and stands in
//! `docs/errors.md` with the same meaning; and no source has a number that is not in the table.

use super::german::ERRORS;
use super::{Finding, Tree};
use keiko_contracts::codes::{Code, Known};
use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = "docs/errors.md";
const TABLE: &str = "crates/keiko-contracts/src/codes.rs";
/// How a code is made that the table does not have.
const FOREIGN: &str = "Code::foreign(";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_table(tree, Code::ALL)
}

fn check_table(tree: &Tree, table: &[Known]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut tell =
        |file: &str, line, advice| findings.push(Finding::new(file, line, "codes", advice));
    let documented = documented(tree);
    let headlines = headlines(tree);
    let used = used(tree);
    for known in table {
        let code = known.code.to_string();
        if !headlines.contains(&code) {
            tell(ERRORS, 1, format!("{code} has no German headline"));
        }
        match documented.get(code.as_str()) {
            None => tell(DOCUMENT, 1, format!("{code} is missing")),
            Some((line, meaning)) if *meaning != known.meaning => tell(
                DOCUMENT,
                *line,
                format!("{code} means {:?} in {TABLE}", known.meaning),
            ),
            Some(_) => {}
        }
        if !used.contains(known.name) {
            tell(TABLE, 1, format!("no source uses {}", known.name));
        }
    }
    let codes: BTreeSet<String> = table.iter().map(|known| known.code.to_string()).collect();
    for code in headlines.iter().filter(|code| !codes.contains(*code)) {
        tell(ERRORS, 1, format!("{code} is not in {TABLE}"));
    }
    for (code, (line, _)) in documented
        .iter()
        .filter(|(code, _)| !codes.contains(**code))
    {
        tell(DOCUMENT, *line, format!("{code} is not in {TABLE}"));
    }
    for (path, source) in super::german::shipped(tree).filter(|(path, _)| *path != TABLE) {
        for (at, _) in source.shipped.match_indices(FOREIGN) {
            let advice = format!("put the code into {TABLE}, and use its name");
            tell(path, source.line(at), advice);
        }
    }
    findings
}

/// Codes of the document, with their line and their meaning.
fn documented(tree: &Tree) -> BTreeMap<&str, (usize, &str)> {
    let document = tree.texts.get(DOCUMENT).map_or("", String::as_str);
    let rows = document.lines().enumerate().filter_map(|(line, text)| {
        let mut cells = text.strip_prefix("| KEI-")?.split(" | ");
        let code = text.get(2..2 + cells.next()?.len() + 4)?;
        let meaning = cells.next()?.trim_end_matches('|').trim_end();
        Some((code, (line + 1, meaning)))
    });
    rows.collect()
}

fn headlines(tree: &Tree) -> BTreeSet<String> {
    let text = tree.texts.get(ERRORS).map_or("", String::as_str);
    let sections: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(text).unwrap_or_default();
    let headlines = sections.get("headlines").into_iter();
    headlines.flat_map(BTreeMap::keys).cloned().collect()
}

/// The names of constants that shipped sources use.
fn used(tree: &Tree) -> BTreeSet<&str> {
    let sources = super::german::shipped(tree).filter(|(path, _)| *path != TABLE);
    let uses = sources.flat_map(|(_, source)| source.shipped.split("Code::").skip(1));
    uses.map(|rest| {
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(source: &str, errors: &str, document: &str) -> Vec<String> {
        let known = Known {
            code: Code::RUN_UNKNOWN,
            name: "RUN_UNKNOWN",
            meaning: "there is no such run",
        };
        let files = [
            ("crates/keiko/src/x.rs", source),
            (ERRORS, errors),
            (DOCUMENT, document),
        ];
        let tree = Tree::of(files.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let found = check_table(&tree, &[known]).into_iter();
        found.map(|finding| finding.advice).collect()
    }

    const USED: &str = "fn f() { Fault::new(Code::RUN_UNKNOWN, x) }";
    const TOLD: &str = "[headlines]\nKEI-6001 = 'x'\n";
    const LISTED: &str = "| KEI-6001 | there is no such run | `keiko runs list` |";

    #[test]
    fn a_code_is_used_told_and_listed() {
        assert_eq!(findings(USED, TOLD, LISTED), Vec::<String>::new());
        let found = findings("", "", "");
        assert_eq!(found.len(), 3, "{found:?}");
        for (found, part) in found.iter().zip(["headline", "missing", "no source"]) {
            assert!(found.contains(part), "{found}");
        }
    }

    #[test]
    fn codes_that_nobody_has_and_numbers_outside_of_the_table_are_found() {
        let told = format!("{TOLD}KEI-6009 = 'y'\n");
        let listed = format!("{LISTED}\n| KEI-6008 | gone |\n");
        let used = format!("{USED} fn g() {{ Code::foreign(6007) }}");
        let found = findings(&used, &told, &listed);
        assert_eq!(found.len(), 3, "{found:?}");
        let other = findings(USED, TOLD, "| KEI-6001 | something else |");
        assert!(
            other.len() == 1 && other[0].contains("no such run"),
            "{other:?}"
        );
    }
}
