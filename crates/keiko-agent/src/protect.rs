//! Existing tests are protected from being weakened.

use std::collections::BTreeMap;

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

/// How often each line occurs. Blank lines count for nothing.
type Lines = BTreeMap<String, u32>;

/// What a unified diff does to one file, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    removed: Lines,
    added: Lines,
}

impl Change {
    /// The change that the diff of one file makes.
    #[must_use]
    pub fn of(diff: &str) -> Change {
        let mut change = Change::default();
        diff.lines().filter(|line| !is_header(line)).for_each(|line| change.take(line));
        change
    }

    fn take(&mut self, line: &str) {
        let lines = match line.as_bytes().first() {
            Some(b'-') => &mut self.removed,
            Some(b'+') => &mut self.added,
            _ => return,
        };
        let text = line[1..].trim_end();
        if !text.trim().is_empty() {
            *lines.entry(text.to_owned()).or_default() += 1;
        }
    }

    /// Lines go, or something switches a test off.
    fn weakens(&self) -> bool {
        !self.removed.is_empty() || self.added.keys().any(|line| is_off(line))
    }

    /// This change and a later one of the same file together.
    pub fn then(&mut self, later: &Change) {
        let join = |into: &mut Lines, from: &Lines| from.iter().for_each(|(line, n)| *into.entry(line.clone()).or_default() += n);
        join(&mut self.removed, &later.removed);
        join(&mut self.added, &later.added);
    }

    /// Whether all that weakens here is in what a person allowed, and what was allowed is as it was: a line that took
    /// the place of an old one has not been taken away in turn.
    #[must_use]
    pub fn is_within(&self, allowed: &Change) -> bool {
        let covers = |more: &Lines, line: &String, n: u32| more.get(line).is_some_and(|m| *m >= n);
        self.removed.iter().all(|(line, n)| covers(&allowed.removed, line, *n))
            && self.added.iter().filter(|(line, _)| is_off(line)).all(|(line, n)| covers(&allowed.added, line, *n))
            && allowed.added.iter().all(|(line, n)| {
                let left = n.saturating_sub(allowed.removed.get(line).copied().unwrap_or(0));
                left == 0 || covers(&self.added, line, left)
            })
    }
}

fn is_header(line: &str) -> bool {
    line.starts_with("--- ") || line.starts_with("+++ ")
}

fn is_off(line: &str) -> bool {
    OFF.iter().any(|word| line.contains(word))
}

/// Files in a unified diff that lose lines, or gain words that switch a test off, among `protected`; with what is done
/// to them.
#[must_use]
pub fn weakened_in(diff: &str, protected: &[String]) -> BTreeMap<String, Change> {
    let mut found: BTreeMap<String, Change> = BTreeMap::new();
    let mut current: Option<&str> = None;
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("--- ") {
            let path = path.strip_prefix("a/").unwrap_or(path).trim_end();
            current = protected.iter().map(String::as_str).find(|test| *test == path);
        } else if let Some(path) = current.filter(|_| !is_header(line)) {
            found.entry(path.to_owned()).or_default().take(line);
        }
    }
    found.retain(|_, change| change.weakens());
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
        let found = weakened_in(diff, &["tests/test_a.py".into(), "tests/test_new.py".into()]);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["tests/test_a.py"]);
        assert!(weakened_in(diff, &[]).is_empty());
    }

    #[test]
    fn what_a_person_allowed_covers_that_and_no_more() {
        let allowed = Change::of("--- a/t.py\n+++ b/t.py\n@@ -1 +1 @@\n-    assert f(1) == 2\n+    assert f(1) == 3\n");
        let within = |diff: &str| Change::of(diff).is_within(&allowed);
        assert!(within("-    assert f(1) == 2\n+    assert f(1) == 3\n"));
        assert!(within("-    assert f(1) == 2\n+    assert f(1) == 3\n+    assert f(4) == 8\n"), "lines may be added");
        assert!(!within("-    assert f(1) == 2\n+    assert True\n"), "what took its place is gone again");
        assert!(!within("-    assert f(1) == 2\n-    assert f(2) == 4\n+    assert f(1) == 3\n"), "another line is lost");
        assert!(!within("-    assert f(1) == 2\n+    assert f(1) == 3\n+    @unittest.skip\n"), "a test is switched off");
        let mut twice = allowed.clone();
        twice.then(&Change::of("-    assert f(1) == 3\n+    assert f(1) == 4\n"));
        assert!(Change::of("-    assert f(1) == 2\n+    assert f(1) == 4\n").is_within(&twice));
        assert!(!Change::of("-    assert f(1) == 2\n+    assert f(1) == 3\n").is_within(&twice));
    }
}
