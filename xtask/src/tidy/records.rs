//! A record of the journal is what permits are made from: shipped code gets one from a store, and makes none up.

use super::source::tokens;
use super::{Finding, Tree};

/// Where records are written and read.
const STORES: [&str; 2] = ["crates/keiko-store/src/", "crates/keiko-contracts/src/"];
const NOT_SHIPPED: [&str; 2] = ["crates/keiko-testkit/", "xtask/"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let shipped = |path: &&str| {
        path.contains("/src/")
            && STORES
                .iter()
                .chain(&NOT_SHIPPED)
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
    // Others may have a type of that name.
    if !source.shipped.contains("keiko_contracts::journal") {
        return Vec::new();
    }
    let all = tokens(&source.shipped);
    let text = |at: usize| all.get(at).map_or("", |token| token.text);
    let makes = |at: &usize| {
        let before = if *at == 0 { "" } else { text(at - 1) };
        text(*at) == "Recorded"
            && text(at + 1) == "{"
            && !matches!(before, "let" | "struct" | "impl" | "for" | ">" | "->")
    };
    let told = "a record is made up, from which a permit could be made: read it from the journal";
    (0..all.len())
        .filter(makes)
        .map(|at| {
            Finding::new(
                path,
                source.line(all[at].at),
                "forged-record",
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

    const FORGED: &str = "use keiko_contracts::journal::Recorded;\nfn f() -> Recorded {\n    Recorded { seq: Seq(1) }\n}";

    #[test]
    fn a_record_that_is_made_up_is_found_in_shipped_code() {
        assert_eq!(lines("crates/keiko-runtime/src/gate.rs", FORGED), [3]);
        assert_eq!(
            lines("crates/keiko-store/src/commit.rs", FORGED),
            Vec::<usize>::new()
        );
        assert_eq!(
            lines("crates/keiko-runtime/tests/it/a.rs", FORGED),
            Vec::<usize>::new()
        );
    }

    #[test]
    fn taking_one_apart_is_fine_and_so_is_another_type_of_that_name() {
        let taken = "use keiko_contracts::journal::Recorded;\nfn f(r: &Recorded) { let Recorded { seq, .. } = r; }";
        assert_eq!(
            lines("crates/keiko/src/view.rs", taken),
            Vec::<usize>::new()
        );
        assert_eq!(
            lines(
                "crates/keiko-workspace/src/tree.rs",
                "fn f() { g(Recorded { tree }) }"
            ),
            Vec::<usize>::new()
        );
    }
}
