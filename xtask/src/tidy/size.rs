//! Functions that fit a screen, files that fit a head, and `lib.rs` as a table of contents.

use super::source::{Source, tokens};
use super::{Finding, Tree};

/// What to aim for, and what is too much: of the shipped functions fewer than one in a hundred is longer than the first.
pub(super) const FUNCTION_LINES_AIM: usize = 70;
const FUNCTION_LINES_MAX: usize = 100;
/// A test may be a long table.
const TEST_LINES_MAX: usize = 160;
const LONG_MAX_PERCENT: usize = 1;
/// Lines with shipped code on them.
const FILE_LINES_MAX: usize = 900;
const LIB_LINES_MAX: usize = 100;

/// What was found, and how many of the shipped functions are long.
pub(super) struct Sizes {
    pub(super) findings: Vec<Finding>,
    pub(super) long: usize,
    pub(super) functions: usize,
}

pub(super) fn check(tree: &Tree) -> Sizes {
    let mut sizes = Sizes {
        findings: Vec::new(),
        long: 0,
        functions: 0,
    };
    for (path, source) in &tree.sources {
        functions(path, source, &mut sizes);
        sizes.findings.extend(file(path, source));
        if path.ends_with("/src/lib.rs") {
            sizes.findings.extend(contents_only(path, source));
        }
    }
    if sizes.long * 100 > sizes.functions * LONG_MAX_PERCENT {
        let advice = format!(
            "{} of {} functions are longer than {FUNCTION_LINES_AIM} lines, more than {LONG_MAX_PERCENT} %",
            sizes.long, sizes.functions
        );
        let finding = Finding::new("crates", 1, "function-length", advice);
        sizes.findings.push(finding);
    }
    sizes
}

fn functions(path: &str, source: &Source, sizes: &mut Sizes) {
    for function in &source.functions {
        let (name, at) = (&function.name, function.at.clone());
        let first = source.line(at.start);
        let lines = source.line(at.end.saturating_sub(1)) + 1 - first;
        let shipped = path.contains("src/")
            && !path.ends_with("/tests.rs")
            && source.shipped[at.start..].starts_with("fn");
        if shipped {
            sizes.functions += 1;
            sizes.long += usize::from(lines > FUNCTION_LINES_AIM);
        }
        let most = if shipped {
            FUNCTION_LINES_MAX
        } else {
            TEST_LINES_MAX
        };
        if lines > most {
            let advice = format!(
                "`{name}` has {lines} lines, more than {most}: cut it where it changes subject"
            );
            let finding = Finding::new(path, first, "function-length", advice);
            sizes.findings.push(finding);
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
            sizes.long,
        )
    }

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    // }\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_is_measured_over_its_whole_body() {
        let (fits, long) = (function(70).repeat(200), function(100));
        assert_eq!(sizes("src/a.rs", fits.clone()), (vec![], 0));
        assert_eq!(sizes("src/a.rs", format!("{fits}{long}")), (vec![], 1));
        assert_eq!(
            sizes("src/a.rs", format!("{fits}{}", function(101))).0[0].1,
            "function-length"
        );
    }

    #[test]
    fn a_test_may_be_longer_and_is_not_counted() {
        assert_eq!(sizes("tests/a.rs", function(160)), (vec![], 0));
        assert_eq!(
            sizes("tests/a.rs", format!("\n{}", function(161))),
            (vec![(2, "function-length")], 0)
        );
    }

    #[test]
    fn more_than_one_long_function_in_a_hundred_is_found() {
        let fits = function(3).repeat(98);
        let one = format!("{fits}{}{}", function(3), function(71));
        assert_eq!(sizes("src/a.rs", one), (vec![], 1));
        let two = format!("{fits}{}", function(71).repeat(2));
        assert_eq!(sizes("src/a.rs", two), (vec![(1, "function-length")], 2));
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
            sizes("a.rs", "use a;\n".repeat(901)),
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
