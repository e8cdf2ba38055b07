//! Existing tests are protected from being weakened.

/// Words that switch a test off, in the languages that the harness knows.
const OFF: [&str; 12] = [
    "skip",
    "xfail",
    "#[ignore",
    "should_panic",
    ".only(",
    "xit(",
    "xdescribe(",
    "it.todo",
    "test.todo",
    "t.Skip",
    "pytest.mark.flaky",
    "unittest.expectedFailure",
];

/// Whether a change of a test's text weakens it: a line that stood there is gone, or something switches a test off.
/// Lines may be added anywhere.
#[must_use]
pub fn weakens(old: &str, new: &str) -> bool {
    let mut rest = new.lines().map(str::trim);
    let all_there = old.lines().map(str::trim).filter(|line| !line.is_empty()).all(|line| rest.any(|other| other == line));
    !all_there || OFF.iter().any(|word| new.matches(word).count() > old.matches(word).count())
}

/// Files in a unified diff that lose lines, or gain words that switch a test off, among `protected`.
#[must_use]
pub fn weakened_in(diff: &str, protected: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut current: Option<&str> = None;
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("--- ") {
            let path = path.strip_prefix("a/").unwrap_or(path).trim_end();
            current = protected.iter().map(String::as_str).find(|test| *test == path);
            continue;
        }
        let Some(path) = current else { continue };
        let removed = line.starts_with('-') && !line.starts_with("---") && !line[1..].trim().is_empty();
        let off = line.starts_with('+') && !line.starts_with("+++") && OFF.iter().any(|word| line.contains(word));
        if (removed || off) && !found.iter().any(|seen| seen == path) {
            found.push(path.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_is_not_weakening() {
        assert!(!weakens(
            "def test_a():\n    assert f(1) == 2\n",
            "def test_a():\n    assert f(1) == 2\n\ndef test_b():\n    assert f(4) == 8\n"
        ));
        assert!(weakens("    assert f(1) == 2\n", "    assert f(1) == 3\n"));
        assert!(weakens("    assert f(1) == 2\n", "    pass\n"));
        assert!(weakens("def test_a():\n", "@pytest.mark.skip\ndef test_a():\n"));
        assert!(weakens("fn a() {}\n", "#[ignore]\nfn a() {}\n"));
    }

    #[test]
    fn the_diff_tells_for_protected_files_only() {
        let diff = "--- a/tests/test_a.py\n+++ b/tests/test_a.py\n@@ -1,2 +1,2 @@\n-    assert f(1) == 2\n+    assert True\n--- a/src/a.py\n+++ b/src/a.py\n@@\n-x\n+y\n--- /dev/null\n+++ b/tests/test_new.py\n@@\n+def test(): pass\n";
        assert_eq!(weakened_in(diff, &["tests/test_a.py".into(), "tests/test_new.py".into()]), ["tests/test_a.py"]);
        assert!(weakened_in(diff, &[]).is_empty());
    }
}
