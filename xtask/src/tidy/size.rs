//! Functions that fit a screen, files that fit a head, and `lib.rs` as a table of contents.

use super::source::{Source, block_end, tokens};
use super::{Finding, Tree};

/// What to aim for, and what is too much: a long function is worth a look, a very long one is cut.
pub(super) const FUNCTION_LINES_AIM: usize = 70;
const FUNCTION_LINES_MAX: usize = 100;
/// Lines with shipped code on them.
const FILE_LINES_MAX: usize = 700;
const LIB_LINES_MAX: usize = 100;

/// What was found, and how many functions are long but allowed.
pub(super) struct Sizes {
    pub(super) findings: Vec<Finding>,
    pub(super) long_functions: usize,
}

pub(super) fn check(tree: &Tree) -> Sizes {
    let mut sizes = Sizes {
        findings: Vec::new(),
        long_functions: 0,
    };
    for (path, source) in &tree.sources {
        functions(path, source, &mut sizes);
        sizes.findings.extend(file(path, source));
        if path.ends_with("/src/lib.rs") {
            sizes.findings.extend(contents_only(path, source));
        }
    }
    sizes
}

fn functions(path: &str, source: &Source, sizes: &mut Sizes) {
    let all = tokens(&source.code);
    for (at, token) in all
        .iter()
        .enumerate()
        .filter(|(_, token)| token.text == "fn")
    {
        let Some(name) = all.get(at + 1).filter(|next| next.text != "(") else {
            continue;
        };
        let body = all[at..].iter().find(|next| matches!(next.text, "{" | ";"));
        let Some(open) = body.filter(|next| next.text == "{") else {
            continue;
        };
        let first = source.line(token.at);
        let lines = source.line(block_end(&source.code, open.at).saturating_sub(1)) + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let advice = format!(
                "`{}` has {lines} lines, more than {FUNCTION_LINES_MAX}: cut it where it changes subject",
                name.text
            );
            sizes
                .findings
                .push(Finding::new(path, first, "function-length", advice));
        } else if lines > FUNCTION_LINES_AIM {
            sizes.long_functions += 1;
        }
    }
}

fn file(path: &str, source: &Source) -> Option<Finding> {
    let lines = source
        .shipped
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    let advice = || {
        format!("{lines} lines of code, more than {FILE_LINES_MAX}: two things live in one room")
    };
    (lines > FILE_LINES_MAX).then(|| Finding::new(path, 1, "file-length", advice()))
}

fn contents_only(path: &str, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.raw.lines().count();
    if lines >= LIB_LINES_MAX {
        let advice =
            format!("{lines} lines: lib.rs is a table of contents, under {LIB_LINES_MAX} lines");
        findings.push(Finding::new(path, 1, "lib-is-contents", advice));
    }
    if let Some(logic) = tokens(&source.shipped)
        .iter()
        .find(|token| matches!(token.text, "fn" | "impl" | "macro_rules"))
    {
        let advice = format!("`{}` in lib.rs: put it into a module", logic.text);
        findings.push(Finding::new(
            path,
            source.line(logic.at),
            "lib-is-contents",
            advice,
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(path: &str, text: String) -> (Vec<(usize, &'static str)>, usize) {
        let sizes = check(&Tree::of([(path.to_owned(), text)]));
        (
            sizes
                .findings
                .into_iter()
                .map(|finding| (finding.line, finding.rule))
                .collect(),
            sizes.long_functions,
        )
    }

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    // }\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_is_measured_over_its_whole_body() {
        assert_eq!(sizes("a.rs", function(70)), (vec![], 0));
        assert_eq!(sizes("a.rs", function(100)), (vec![], 1));
        assert_eq!(
            sizes("a.rs", format!("\n{}", function(101))),
            (vec![(2, "function-length")], 0)
        );
    }

    #[test]
    fn comments_and_tests_do_not_count_for_a_file() {
        assert_eq!(sizes("a.rs", "// c\n".repeat(900)), (vec![], 0));
        assert_eq!(
            sizes(
                "a.rs",
                format!("#[cfg(test)]\nmod t {{\n{}}}", "use a;\n".repeat(900))
            ),
            (vec![], 0)
        );
        assert_eq!(
            sizes("a.rs", "use a;\n".repeat(701)),
            (vec![(1, "file-length")], 0)
        );
    }

    #[test]
    fn lib_has_no_logic() {
        assert_eq!(
            sizes(
                "crates/a/src/lib.rs",
                "pub mod a;\n\nfn f() {}\n".to_owned()
            ),
            (vec![(3, "lib-is-contents")], 0)
        );
        assert_eq!(
            sizes(
                "crates/a/src/lib.rs",
                "//! fn in words\npub mod a;\npub use a::A;\n".to_owned()
            ),
            (vec![], 0)
        );
    }
}
