//! Permits are made from what a journal hands out, and by types from nothing else. Who is a journal types cannot say: in
//! shipped code that is the store, behind the port.

use super::source::tokens;
use super::{Finding, Tree};

/// What permits are made from, and where it is: the trait, and the folder of those that may be it.
const JOURNALS: [(&str, &str); 2] = [
    ("Journal", "crates/keiko-store/src/"),
    ("Keeps", "crates/keiko-ports/src/"),
];
const NOT_SHIPPED: [&str; 2] = ["crates/keiko-testkit/", "xtask/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let shipped = |path: &&str| {
        path.contains("/src/")
            && NOT_SHIPPED
                .iter()
                .all(|elsewhere| !path.starts_with(elsewhere))
    };
    tree.files()
        .filter(shipped)
        .flat_map(|path| check_file(tree, path))
        .collect()
}

fn check_file(tree: &Tree, path: &str) -> Vec<Finding> {
    let Some(source) = tree.source(path) else {
        return Vec::new();
    };
    let all = tokens(&source.shipped);
    let text = |at: usize| all.get(at).map_or("", |token| token.text);
    let is_one = |at: &usize| {
        text(at + 1) == "for"
            && JOURNALS
                .iter()
                .any(|(name, home)| text(*at) == *name && !path.starts_with(home))
    };
    let told = "a journal of its own, whose records would become permits: there is the store's";
    (0..all.len())
        .filter(is_one)
        .map(|at| {
            Finding::new(
                path,
                source.line(all[at].at),
                "own-journal",
                told.to_owned(),
            )
        })
        .collect()
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
    fn a_journal_of_its_own_is_found_in_shipped_code() {
        let own = "use keiko_ports::journal::Journal;\nimpl Journal for Mine {\n}";
        assert_eq!(lines("crates/keiko-runtime/src/gate.rs", own), [2]);
        let path = "impl<T> keiko_governance::kept::Keeps for T {\n}";
        assert_eq!(lines("crates/keiko-app/src/a.rs", path), [1]);
        for fine in [
            "crates/keiko-store/src/journal.rs",
            "crates/keiko-testkit/src/memory_journal.rs",
            "crates/keiko-runtime/tests/it/a.rs",
        ] {
            assert_eq!(lines(fine, own), Vec::<usize>::new(), "{fine}");
        }
        assert_eq!(
            lines(
                "crates/keiko-ports/src/journal.rs",
                "impl Keeps for dyn Journal {}"
            ),
            Vec::<usize>::new()
        );
    }
}
