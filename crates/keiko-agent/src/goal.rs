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
const COLOURS: [&str; 8] = ["red", "green", "pass", "passes", "passing", "rot", "rote", "gr\u{fc}n"];

/// Whether a goal speaks of tests, or of repairing something. Then tests that stay red may be what it is about, and that an
/// agent says otherwise does not make a success of it. Errs on the side of yes: all that hangs on it is whether a run
/// without other evidence ends as succeeded or as unverified.
#[must_use]
pub(crate) fn repairs(goal: &str) -> bool {
    let goal = goal.to_lowercase();
    let mut words = goal.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.any(|word| COLOURS.contains(&word) || REPAIR.iter().any(|beginning| word.starts_with(beginning)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for goal in ["Describe the module in README.md", "Beschreiben Sie das Modul", "Add a function that counts words", ""] {
            assert!(!repairs(goal), "{goal}");
        }
    }
}
