//! Existing tests are protected from being weakened.
//!
//! Free is what leaves every existing test as it is: whole new tests, functions, imports and comments between them.
//! Whatever takes lines away, switches a test off, or puts lines inside something that was there, is a change that a
//! person is shown. What tests come to is compared by name as well (see [`crate::evidence::Tests::lost`]): this module
//! looks at texts, and a test can also be lost without its file being touched.

use std::collections::{BTreeMap, BTreeSet};

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

/// What begins something new beside what is there.
const ITEMS: [&str; 27] = [
    "def ",
    "async def ",
    "class ",
    "import ",
    "from ", // Python
    "fn ",
    "async fn ",
    "pub ",
    "mod ",
    "use ",
    "struct ",
    "enum ",
    "impl ",
    "static ",
    "macro_rules!", // Rust
    "test(",
    "it(",
    "describe(",
    "test.each",
    "it.each",
    "export ",
    "function ",
    "async function ", // JavaScript
    "func ",
    "type ",
    "var ",
    "const ", // Go, and some of the others
];

/// What holds tests and is none itself: something new may begin right below it.
const CONTAINERS: [&str; 6] = [
    "class ",
    "mod ",
    "pub mod ",
    "describe(",
    "impl ",
    "proptest!",
];

/// Names that the tests of a run are made of.
pub type Names = BTreeSet<String>;

/// The names in the names of tests: `tests/test_a.py::Leap::test_x[1]` has `Leap` and `test_x`.
pub fn names_in(test: &str) -> impl Iterator<Item = &str> {
    test.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|name| !name.is_empty())
}

/// Whether a change of a test's text weakens it.
#[must_use]
pub fn weakens(old: &str, new: &str, known: &Names) -> bool {
    let mut change = Change::default();
    let mut old = old.lines().map(str::trim_end).peekable();
    let mut lines = Vec::new();
    for line in new.lines().map(str::trim_end) {
        while old
            .peek()
            .is_some_and(|next| next.trim().is_empty() && !line.is_empty())
        {
            old.next();
        }
        if old.peek() == Some(&line) {
            old.next();
            lines.push((Kind::Kept, line));
        } else {
            lines.push((Kind::Added, line));
        }
    }
    lines.extend(old.map(|line| (Kind::Removed, line)));
    change.take(&lines, known);
    change.weakens()
}

/// How often each line occurs. Blank lines count for nothing.
type Lines = BTreeMap<String, u32>;

/// What a unified diff does to one file, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    removed: Lines,
    added: Lines,
    /// Those of the added lines that are inside something that was there.
    inside: Lines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kept,
    Added,
    Removed,
}

impl Change {
    /// The change that the diff of one file makes.
    #[must_use]
    pub fn of(diff: &str, known: &Names) -> Change {
        let mut change = Change::default();
        let lines: Vec<&str> = diff.lines().filter(|line| !is_header(line)).collect();
        change.take_hunks(&lines, known);
        change
    }

    fn take_hunks(&mut self, lines: &[&str], known: &Names) {
        for hunk in lines.split(|line| line.starts_with("@@")) {
            let kinds = |line: &&'_ str| match line.as_bytes().first() {
                Some(b'-') => Kind::Removed,
                Some(b'+') => Kind::Added,
                _ => Kind::Kept,
            };
            let lines: Vec<_> = hunk
                .iter()
                .map(|line| (kinds(line), line.get(1..).unwrap_or_default().trim_end()))
                .collect();
            self.take(&lines, known);
        }
    }

    /// Lines that belong together, in their order.
    fn take(&mut self, lines: &[(Kind, &str)], known: &Names) {
        let lines: Vec<(Kind, &str)> = lines
            .iter()
            .filter(|(_, line)| !line.trim().is_empty())
            .copied()
            .collect();
        let mut at = 0;
        let count = |into: &mut Lines, line: &str| *into.entry(line.to_owned()).or_default() += 1;
        while at < lines.len() {
            match lines[at].0 {
                Kind::Kept => at += 1,
                Kind::Removed => {
                    count(&mut self.removed, lines[at].1);
                    at += 1;
                }
                Kind::Added => {
                    // What is set in less than where it began is the next piece: a new test below a new last line.
                    let level = depth(lines[at].1);
                    let ends = |(kind, line): &(Kind, &str)| {
                        *kind != Kind::Added || (depth(line) < level && !is_closer(line))
                    };
                    let end = lines[at..]
                        .iter()
                        .position(ends)
                        .map_or(lines.len(), |n| at + n);
                    let added: Vec<&str> = lines[at..end].iter().map(|(_, line)| *line).collect();
                    let before = lines[..at]
                        .iter()
                        .rev()
                        .find(|(kind, _)| *kind != Kind::Removed)
                        .map(|(_, line)| *line);
                    let after = lines[end..]
                        .iter()
                        .find(|(kind, _)| *kind == Kind::Kept)
                        .map(|(_, line)| *line);
                    let free = stands_alone(before, &added, after, known);
                    for line in added {
                        count(&mut self.added, line);
                        if !free {
                            count(&mut self.inside, line);
                        }
                    }
                    at = end;
                }
            }
        }
    }

    /// Lines go, something switches a test off, or something is put inside what was there.
    fn weakens(&self) -> bool {
        !self.removed.is_empty()
            || !self.inside.is_empty()
            || self.added.keys().any(|line| is_off(line))
    }

    /// This change and a later one of the same file together.
    pub fn then(&mut self, later: &Change) {
        let join = |into: &mut Lines, from: &Lines| {
            from.iter()
                .for_each(|(line, n)| *into.entry(line.clone()).or_default() += n)
        };
        join(&mut self.removed, &later.removed);
        join(&mut self.added, &later.added);
        join(&mut self.inside, &later.inside);
    }

    /// Whether it takes lines away that speak of `name`.
    #[must_use]
    pub fn removes(&self, name: &str) -> bool {
        self.removed
            .keys()
            .any(|line| names_in(line).any(|word| word == name))
    }

    /// Whether all that weakens here is in what a person allowed, and what was allowed is as it was: a line that took
    /// the place of an old one has not been taken away in turn.
    #[must_use]
    pub fn is_within(&self, allowed: &Change) -> bool {
        let covers = |more: &Lines, line: &String, n: u32| more.get(line).is_some_and(|m| *m >= n);
        self.removed
            .iter()
            .all(|(line, n)| covers(&allowed.removed, line, *n))
            && self
                .inside
                .iter()
                .all(|(line, n)| covers(&allowed.added, line, *n))
            && self
                .added
                .iter()
                .filter(|(line, _)| is_off(line))
                .all(|(line, n)| covers(&allowed.added, line, *n))
            && allowed.added.iter().all(|(line, n)| {
                let left = n.saturating_sub(allowed.removed.get(line).copied().unwrap_or(0));
                left == 0 || covers(&self.added, line, left)
            })
    }
}

/// Whether added lines are whole items beside what was there: judged by how far lines are set in, which all the
/// languages' formatters agree on. What is not understood is not free.
fn stands_alone(before: Option<&str>, added: &[&str], after: Option<&str>, known: &Names) -> bool {
    if added.iter().all(|line| is_comment(line)) {
        return true;
    }
    let Some(level) = added.first().map(|line| depth(line)) else {
        return true;
    };
    let begins_beside = before.is_none_or(|line| match depth(line).cmp(&level) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => is_closer(line) || is_one_line(line) || is_comment(line),
        std::cmp::Ordering::Less => CONTAINERS
            .iter()
            .any(|word| line.trim_start().starts_with(word)),
    });
    let swallows_nothing = after.is_none_or(|line| depth(line) <= level);
    let balance = |open: char, close: char| {
        added
            .iter()
            .flat_map(|line| line.chars())
            .fold(0i64, |n, c| {
                n + i64::from(c == open) - i64::from(c == close)
            })
            == 0
    };
    let mut attribute = false;
    let mut whole = true;
    for line in added.iter().filter(|line| depth(line) <= level) {
        let text = line.trim_start();
        let opens = text.starts_with('@') || text.starts_with("#[");
        let is_item = opens || ITEMS.iter().any(|word| text.starts_with(word));
        whole &= depth(line) == level
            && (is_item || is_closer(line) || is_comment(line))
            && !defines_again(text, known)
            && !has_more(text);
        attribute = opens || (attribute && is_comment(line));
    }
    begins_beside
        && swallows_nothing
        && whole
        && !attribute
        && balance('{', '}')
        && balance('(', ')')
        && balance('[', ']')
}

fn depth(line: &str) -> usize {
    line.chars()
        .take_while(|c| c.is_whitespace())
        .map(|c| if c == '\t' { 4 } else { 1 })
        .sum()
}

fn is_comment(line: &str) -> bool {
    let text = line.trim_start();
    text.starts_with("//") || text == "#" || text.starts_with("# ")
}

fn is_closer(line: &str) -> bool {
    matches!(
        line.trim_start().as_bytes().first(),
        Some(b'}' | b')' | b']')
    )
}

/// An import, or whatever else is over with its line.
fn is_one_line(line: &str) -> bool {
    let text = line.trim_start();
    [
        "import ",
        "from ",
        "use ",
        "package ",
        "\"use strict\"",
        "mod ",
    ]
    .iter()
    .any(|word| text.starts_with(word))
        && !text.ends_with('{')
}

/// A Python import with a statement behind it: `import sys; sys.exit()`.
fn has_more(text: &str) -> bool {
    (text.starts_with("import ") || text.starts_with("from "))
        && text.trim_end_matches(';').contains(';')
}

/// Python takes the later of two definitions, and says nothing.
fn defines_again(text: &str, known: &Names) -> bool {
    let name = ["def ", "async def ", "class "]
        .iter()
        .find_map(|word| text.strip_prefix(word));
    name.and_then(|rest| names_in(rest).next())
        .is_some_and(|name| known.contains(name))
}

fn is_header(line: &str) -> bool {
    line.starts_with("--- ") || line.starts_with("+++ ")
}

fn is_off(line: &str) -> bool {
    OFF.iter().any(|word| line.contains(word))
}

/// Files in a unified diff whose existing tests are weakened, among `protected`; with what is done to them.
#[must_use]
pub fn weakened_in(diff: &str, protected: &[String], known: &Names) -> BTreeMap<String, Change> {
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current: Option<&str> = None;
    for line in diff.lines() {
        if let Some(path) = line.strip_prefix("--- ") {
            let path = path.strip_prefix("a/").unwrap_or(path).trim_end();
            current = protected
                .iter()
                .map(String::as_str)
                .find(|test| *test == path);
        } else if let Some(path) = current.filter(|_| !is_header(line)) {
            lines.entry(path).or_default().push(line);
        }
    }
    let mut found = BTreeMap::new();
    for (path, lines) in lines {
        let mut change = Change::default();
        change.take_hunks(&lines, known);
        if change.weakens() {
            found.insert(path.to_owned(), change);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Names {
        ["test_a", "Leap"].map(str::to_owned).into()
    }

    fn weak(old: &str, new: &str) -> bool {
        weakens(old, new, &known())
    }

    #[test]
    fn adding_whole_tests_is_not_weakening() {
        let old = "def test_a():\n    assert f(1) == 2\n";
        for new in [
            "def test_a():\n    assert f(1) == 2\n\ndef test_b():\n    assert f(4) == 8\n",
            "import math\n\ndef test_a():\n    assert f(1) == 2\n",
            "# why\ndef test_a():\n    # because\n    assert f(1) == 2\n",
            "@pytest.mark.parametrize('n', [1, 2])\ndef test_n(n):\n    assert f(n)\n\n\ndef test_a():\n    assert f(1) == 2\n",
            "def test_a():\n    assert f(1) == 2\n\n\nclass Other:\n    def test_a_more(self):\n        pass\n",
        ] {
            assert!(!weak(old, new), "{new}");
        }
        assert!(!weak(
            "class Leap:\n    def test_a(self):\n        x\n",
            "class Leap:\n    def test_z(self):\n        y\n\n    def test_a(self):\n        x\n"
        ));
        assert!(!weak(
            "describe('f', () => {\n  test('a', () => {\n    x();\n  });\n});\n",
            "describe('f', () => {\n  test('a', () => {\n    x();\n  });\n  test('b', () => {\n    y();\n  });\n});\n"
        ));
        assert!(!weak(
            "mod tests {\n    #[test]\n    fn a() {\n        x();\n    }\n}\n",
            "mod tests {\n    #[test]\n    fn a() {\n        x();\n    }\n\n    #[test]\n    fn b() {\n        y();\n    }\n}\n"
        ));
        assert!(!weak(
            "func TestA(t *testing.T) {\n\tx()\n}\n",
            "func TestA(t *testing.T) {\n\tx()\n}\n\nfunc TestB(t *testing.T) {\n\ty()\n}\n"
        ));
    }

    #[test]
    fn taking_away_switching_off_and_putting_inside_is() {
        let old = "def test_a():\n    assert f(1) == 2\n";
        for new in [
            "def test_a():\n    assert f(1) == 3\n",
            "def test_a():\n    pass\n",
            "@pytest.mark.skip\ndef test_a():\n    assert f(1) == 2\n",
            "def test_a():\n    return\n    assert f(1) == 2\n",
            "def test_a():\n    if 0:\n        pass\n    assert f(1) == 2\n",
            "@nothing\ndef test_a():\n    assert f(1) == 2\n",
            "def test_a():\n    f = lambda n: 2\n    assert f(1) == 2\n",
            "def test_a():\n    def inner():\n        pass\n    assert f(1) == 2\n",
            "def test_a():\n    assert f(1) == 2\n\n\ndef test_a():\n    pass\n",
            "def test_a():\n    assert f(1) == 2\n\ntest_a = lambda: None\n",
            "def test_a():\n    assert f(1) == 2\n\nimport sys; sys.exit()\n",
            "\"\"\"\ndef test_a():\n    assert f(1) == 2\n\"\"\"\n",
        ] {
            assert!(weak(old, new), "{new}");
        }
        assert!(weak("fn a() {}\n", "#[ignore]\nfn a() {}\n"));
        assert!(weak(
            "#[test]\nfn a() {\n    x();\n}\n",
            "#[test]\n#[cfg(never)]\nfn a() {\n    x();\n}\n"
        ));
        assert!(weak(
            "test('a', () => {\n  x();\n});\n",
            "test('a', () => {\n  return;\n  x();\n});\n"
        ));
        assert!(weak(
            "func TestA(t *testing.T) {\n\tx()\n}\n",
            "func TestA(t *testing.T) {\n\treturn\n\tx()\n}\n"
        ));
        assert!(weak(
            "fn a() {\n    x();\n}\n",
            "/*\nfn a() {\n    x();\n}\n*/\n"
        ));
        assert!(weak(
            "def test_a():\n    a = 1\n    assert a\n",
            "def test_a():\n    a = 1\n\ndef test_z():\n    b = 1\n    assert a\n"
        ));
    }

    #[test]
    fn the_diff_tells_for_protected_files_only() {
        let diff = "--- a/tests/test_a.py\n+++ b/tests/test_a.py\n@@ -1,2 +1,2 @@\n-    assert f(1) == 2\n+    assert True\n--- a/src/a.py\n+++ b/src/a.py\n@@\n-x\n+y\n--- /dev/null\n+++ b/tests/test_new.py\n@@\n+def test(): pass\n";
        let found = weakened_in(
            diff,
            &["tests/test_a.py".into(), "tests/test_new.py".into()],
            &Names::new(),
        );
        assert_eq!(found.keys().collect::<Vec<_>>(), ["tests/test_a.py"]);
        assert!(weakened_in(diff, &[], &Names::new()).is_empty());
    }

    #[test]
    fn a_hunk_shows_where_lines_were_put() {
        let at = ["t.py".to_owned()];
        let weak = |hunk: &str| {
            !weakened_in(
                &format!("--- a/t.py\n+++ b/t.py\n@@ -1,3 +1,5 @@\n{hunk}"),
                &at,
                &known(),
            )
            .is_empty()
        };
        assert!(!weak(
            " \n def test_a():\n     assert f(1) == 2\n+\n+\n+def test_b():\n+    assert f(4) == 8\n"
        ));
        assert!(weak(" def test_a():\n+    return\n     assert f(1) == 2\n"));
        assert!(weak(
            "     a = 1\n+\n+def test_b():\n+    pass\n     assert a\n"
        ));
        // The end of one hunk says nothing about the beginning of the next.
        assert!(!weak(
            "+import math\n import os\n@@ -9 +10 @@\n     x()\n+\n+def test_b():\n+    y()\n"
        ));
    }

    #[test]
    fn what_a_person_allowed_covers_that_and_no_more() {
        let of = |diff: &str| Change::of(diff, &known());
        let allowed = of(
            "--- a/t.py\n+++ b/t.py\n@@ -1 +1 @@\n-    assert f(1) == 2\n+    assert f(1) == 3\n",
        );
        let within = |diff: &str| of(diff).is_within(&allowed);
        assert!(within("-    assert f(1) == 2\n+    assert f(1) == 3\n"));
        assert!(
            within(
                "-    assert f(1) == 2\n+    assert f(1) == 3\n\n+def test_b():\n+    assert f(4) == 8\n"
            ),
            "tests may be added"
        );
        assert!(
            !within("-    assert f(1) == 2\n+    assert True\n"),
            "what took its place is gone again"
        );
        assert!(
            !within("-    assert f(1) == 2\n-    assert f(2) == 4\n+    assert f(1) == 3\n"),
            "another line is lost"
        );
        assert!(
            !within("-    assert f(1) == 2\n+    assert f(1) == 3\n+    @unittest.skip\n"),
            "a test is switched off"
        );
        assert!(
            !within("-    assert f(1) == 2\n+    return\n+    assert f(1) == 3\n"),
            "the test is left early"
        );
        let mut twice = allowed.clone();
        twice.then(&of("-    assert f(1) == 3\n+    assert f(1) == 4\n"));
        assert!(of("-    assert f(1) == 2\n+    assert f(1) == 4\n").is_within(&twice));
        assert!(!of("-    assert f(1) == 2\n+    assert f(1) == 3\n").is_within(&twice));
    }
}
