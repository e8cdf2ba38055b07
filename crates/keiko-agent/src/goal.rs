//! What the words of a goal are about, as far as a rule can tell.

/// Beginnings of words that speak of tests, or of something that is broken, in English and German.
const REPAIR: [&str; 30] = [
    "test",
    "fail",
    "fix",
    "repair",
    "mend",
    "bug",
    "brok",
    "break",
    "regress",
    "crash",
    "error",
    "fault",
    "defect",
    "wrong",
    "correct",
    "debug",
    "resolve",
    "solve",
    "fehl",
    "beheb",
    "behob",
    "reparier",
    "kaputt",
    "absturz",
    "abst\u{fc}rz",
    "defekt",
    "falsch",
    "korrig",
    "berichtig",
    "l\u{f6}se",
];

/// Whole words of the same kind.
const COLOURS: [&str; 8] = [
    "red",
    "green",
    "pass",
    "passes",
    "passing",
    "rot",
    "rote",
    "gr\u{fc}n",
];

/// Whether a goal speaks of tests, or of repairing something. Then tests that stay red may be what it is about, and that an
/// agent says otherwise does not make a success of it. Errs on the side of yes: all that hangs on it is whether a run
/// without other evidence ends as succeeded or as unverified.
#[must_use]
pub(crate) fn repairs(goal: &str) -> bool {
    let goal = goal.to_lowercase();
    let mut words = goal
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.any(|word| {
        COLOURS.contains(&word) || REPAIR.iter().any(|beginning| word.starts_with(beginning))
    })
}

/// Words that ask for a test to pass, or call it red, English and German.
const PASSING: [&str; 21] = [
    "pass",
    "passes",
    "passing",
    "green",
    "fix",
    "repair",
    "fail",
    "fails",
    "failing",
    "failed",
    "red",
    "broken",
    "mend",
    "besteht",
    "bestehen",
    "gr\u{fc}n",
    "rot",
    "rote",
    "roten",
    "repariere",
    "reparieren",
];

/// Words before `test` that do not say which one.
const NAMELESS: [&str; 24] = [
    "the",
    "a",
    "an",
    "my",
    "our",
    "this",
    "that",
    "these",
    "all",
    "every",
    "each",
    "unit",
    "failing",
    "broken",
    "red",
    "and",
    "der",
    "die",
    "das",
    "den",
    "alle",
    "roten",
    "rote",
    "fehlschlagenden",
];

/// Whether a goal asks for this very test to pass: by its name, as `the discount test`, or as one of the tests that fail.
/// Then it is missed while the test is red, whatever an agent says of it.
#[must_use]
pub(crate) fn asks_for(goal: &str, test: &str) -> bool {
    let goal = goal.to_lowercase();
    let words: Vec<&str> = goal
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    if !words.iter().any(|word| {
        PASSING.contains(word) || word.starts_with("fehlschl") || word.starts_with("beheb")
    }) {
        return false;
    }
    let test = test.to_lowercase();
    let name = test
        .rsplit([':', '.', '/', ' ', '>'])
        .next()
        .unwrap_or(&test)
        .split('[')
        .next()
        .unwrap_or_default();
    if name.len() >= 6 && words.contains(&name) {
        return true;
    }
    let parts: Vec<&str> = test
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| part.len() >= 3)
        .collect();
    let is_test = |word: &str| word == "test" || word == "tests";
    words
        .iter()
        .enumerate()
        .filter(|(_, word)| is_test(word))
        .any(|(at, _)| {
            let before = at
                .checked_sub(1)
                .and_then(|at| words.get(at))
                .copied()
                .unwrap_or_default();
            let after = words[at + 1..].iter().find(|word| {
                !NAMELESS.contains(word)
                    && **word != "for"
                    && **word != "of"
                    && **word != "f\u{fc}r"
            });
            let named = |word: &str| !NAMELESS.contains(&word) && parts.contains(&word);
            let called_red = ["failing", "broken", "red", "rote", "roten"].contains(&before)
                || before.starts_with("fehlschl");
            let all_pass = NAMELESS.contains(&before) && before != "a" && before != "an";
            let passes =
                after.is_some_and(|word| ["pass", "green", "gr\u{fc}n", "bestehen"].contains(word));
            named(before)
                || called_red
                || all_pass && passes
                || words
                    .get(at + 1)
                    .is_some_and(|word| ["for", "of", "f\u{fc}r"].contains(word))
                    && after.is_some_and(|word| named(word))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_that_ask_for_a_test_to_pass() {
        let test = "tests/test_shop.py::test_discount";
        for goal in [
            "Make the discount test pass",
            "Fix test_discount",
            "make the tests pass",
            "Fix the failing tests",
            "Repair the failing test in shop",
            "The test for discount is red; make it green",
            "Die roten Tests reparieren",
        ] {
            assert!(asks_for(goal, test), "{goal}");
        }
        for goal in [
            "Add a discount test",
            "Make the shipping test pass",
            "Fix the date parser and add a test for leap years",
            "Fix centuries",
            "Describe how the tests of discount work",
            "Write a test, and fix the typo",
            "",
        ] {
            assert!(!asks_for(goal, test), "{goal}");
        }
    }

    #[test]
    fn repairs_are_told_from_other_work() {
        for goal in [
            "Fix the failing date parser and add a test for leap years",
            "Make it green again",
            "test_century is red",
            "Beheben Sie den Fehler im Parser",
            "Die Tests sollen wieder gr\u{fc}n sein",
            "Solve issue 12",
        ] {
            assert!(repairs(goal), "{goal}");
        }
        for goal in [
            "Describe the module in README.md",
            "Beschreiben Sie das Modul",
            "Add a function that counts words",
            "",
        ] {
            assert!(!repairs(goal), "{goal}");
        }
    }
}
