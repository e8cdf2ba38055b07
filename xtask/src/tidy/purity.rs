//! Cores do no IO, read no clock and roll no dice: time, randomness and ids come in as arguments.

use super::layers::PURE;
use super::source::{paths_at, tokens};
use super::{Finding, Tree};

/// Paths that shipped code of a core must not name, with what to do instead.
const FORBIDDEN: &[(&[&str], &str)] = &[
    (&["std", "fs"], "let an adapter read and write files"),
    (&["std", "net"], "let an adapter talk to the network"),
    (&["std", "process"], "let the sandbox start processes"),
    (&["std", "env"], "take configuration as an argument"),
    (
        &["std", "thread"],
        "cores are single-threaded; the runtime schedules",
    ),
    (&["std", "time", "Instant"], "take the time as an argument"),
    (
        &["std", "time", "SystemTime"],
        "take the time as an argument",
    ),
    (
        &["jiff", "Timestamp", "now"],
        "take the time as an argument",
    ),
    (&["jiff", "Zoned", "now"], "take the time as an argument"),
    (&["tokio"], "cores are synchronous"),
    (&["rand"], "take a seed as an argument"),
    (&["getrandom"], "take a seed as an argument"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let cores = |path: &&str| {
        PURE.iter()
            .any(|core| path.starts_with(&format!("crates/{core}/src/")))
    };
    tree.files()
        .filter(cores)
        .flat_map(|path| check_file(tree, path))
        .collect()
}

fn check_file(tree: &Tree, path: &str) -> Vec<Finding> {
    let Some(source) = tree.source(path) else {
        return Vec::new();
    };
    let all = tokens(&source.shipped);
    let mut findings = Vec::new();
    for (at, token) in all.iter().enumerate() {
        // A path begins with a word that no other word's `::` leads to; `::std` begins one too.
        let led_to = at > 1 && all[at - 1].text == "::" && is_word(all[at - 2].text);
        let begins = is_word(token.text) && !led_to;
        let followed = all.get(at + 1).is_some_and(|next| next.text == "::");
        if !begins || !followed {
            continue;
        }
        for used in paths_at(&all, at) {
            let segments: Vec<_> = used.segments.iter().map(String::as_str).collect();
            if let Some((banned, instead)) = FORBIDDEN
                .iter()
                .find(|(banned, _)| segments.starts_with(banned))
            {
                let advice = format!("a core names {}: {instead}", banned.join("::"));
                findings.push(Finding::new(
                    path,
                    source.line(token.at),
                    "core-is-pure",
                    advice,
                ));
            }
        }
    }
    findings
}

fn is_word(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of([(path.to_owned(), text.to_owned())]))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn io_clock_and_threads_are_found_also_in_groups() {
        let text = "use std::{collections::BTreeMap, fs};\nuse std::time::{Duration, Instant};\nfn f() { ::std::process::exit(1) }";
        assert_eq!(lines("crates/keiko-agent/src/a.rs", text), [1, 2, 3]);
    }

    #[test]
    fn durations_tests_and_other_crates_are_fine() {
        assert_eq!(
            lines(
                "crates/keiko-agent/src/a.rs",
                "use std::time::Duration;\n#[cfg(test)]\nmod tests { use std::fs; }"
            ),
            Vec::<usize>::new()
        );
        assert_eq!(
            lines("crates/keiko-store/src/a.rs", "use std::fs;"),
            Vec::<usize>::new()
        );
    }
}
