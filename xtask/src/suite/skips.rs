//! Tests that could not run here. A test says so with a line `SKIPPED: <test>: <why>: <command that enables it>`, on
//! standard error or appended to the file that `KEIKO_TEST_SKIPS` names, and then passes.

const MARK: &str = "SKIPPED: ";

/// A test that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) test: String,
    pub(super) why: String,
    pub(super) enable: String,
}

impl Skip {
    pub(super) fn new(test: &str, why: &str, enable: &str) -> Skip {
        Skip {
            test: test.trim().to_owned(),
            why: why.trim().to_owned(),
            enable: enable.trim().to_owned(),
        }
    }

    /// Reads a line, which may have other output before the mark only if that ends in `>` or white space.
    fn parse(line: &str) -> Option<Skip> {
        let at = line.find(MARK)?;
        if !(at == 0
            || line[..at].ends_with(|before: char| before == '>' || before.is_whitespace()))
        {
            return None;
        }
        // In a test report the line may be the last before a closing tag.
        let told = line[at + MARK.len()..]
            .split("</system-")
            .next()
            .unwrap_or_default();
        let (test, rest) = told.split_once(": ").unwrap_or((told, "no reason given"));
        if test.trim().is_empty() {
            return None;
        }
        // Reasons are often errors, with colons of their own; the command is what follows the last.
        let (why, enable) = rest.rsplit_once(": ").unwrap_or((rest, ""));
        Some(Skip::new(test, why, enable))
    }
}

/// All skips in some texts, each test once, in order of appearance.
pub(super) fn find<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Skip> {
    let mut found: Vec<Skip> = Vec::new();
    for skip in texts
        .into_iter()
        .flat_map(str::lines)
        .filter_map(Skip::parse)
    {
        if !found.iter().any(|known| known.test == skip.test) {
            found.push(skip);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_into_test_reason_and_command() {
        let found =
            find(["noise\nSKIPPED: jail::starts: no bwrap: apt-get install -y bubblewrap\n"]);
        assert_eq!(
            found,
            [Skip::new(
                "jail::starts",
                "no bwrap",
                "apt-get install -y bubblewrap"
            )]
        );
        assert_eq!(
            find(["SKIPPED: t: bwrap: not found: apt x"]),
            [Skip::new("t", "bwrap: not found", "apt x")]
        );
    }

    #[test]
    fn a_test_counts_once_and_tags_around_it_are_no_part_of_it() {
        let found = find([
            "<system-err>SKIPPED: a: b: c</system-err>",
            "SKIPPED: a: b: c",
            "SKIPPED: d",
        ]);
        assert_eq!(
            found,
            [
                Skip::new("a", "b", "c"),
                Skip::new("d", "no reason given", "")
            ]
        );
    }

    #[test]
    fn words_that_only_contain_the_mark_are_no_skip() {
        assert_eq!(find(["NOTSKIPPED: a: b: c", "SKIPPED: ", "SKIPPED"]), []);
    }
}
