//! Existing tests are protected by the hash of their content: whatever changed them, a tool or a command, it shows.

use super::files::is_test_file;
use keiko_contracts::digest::Digest;
use std::collections::BTreeMap;

/// The test files that existed when the work began, with the digests of their content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtectedTests(BTreeMap<String, Digest>);

/// What became of a protected test file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestChange {
    /// Its content is another.
    Changed(String),
    /// It is not there any more.
    Removed(String),
}

impl TestChange {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            TestChange::Changed(path) | TestChange::Removed(path) => path,
        }
    }
}

/// Path and digest of those files that are or hold tests, from path and content of all files.
pub fn digest_of_tests<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, Digest> {
    let tests = files.into_iter().filter(|(path, text)| is_test_file(path, text));
    tests.map(|(path, text)| (path.to_owned(), Digest::of(text.as_bytes()))).collect()
}

impl ProtectedTests {
    /// Protects these files as they are.
    #[must_use]
    pub fn new(files: BTreeMap<String, Digest>) -> Self {
        ProtectedTests(files)
    }
    /// Whether a file is one of them.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// What became of them, given the files as they are now. New files are no change.
    #[must_use]
    pub fn changes(&self, now: &BTreeMap<String, Digest>) -> Vec<TestChange> {
        let change = |(path, before): (&String, &Digest)| match now.get(path) {
            Some(after) if after == before => None,
            Some(_) => Some(TestChange::Changed(path.clone())),
            None => Some(TestChange::Removed(path.clone())),
        };
        self.0.iter().filter_map(change).collect()
    }
    /// Takes a file as it is from now on: a person allowed the change.
    pub fn allow(&mut self, path: &str, now: Option<Digest>) {
        match now {
            Some(digest) if self.0.contains_key(path) => {
                self.0.insert(path.to_owned(), digest);
            }
            Some(_) => {}
            None => {
                self.0.remove(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weakened_or_removed_test_shows() {
        let files =
            [("tests/a.py", "assert x == 1"), ("tests/b.py", "assert y"), ("src/a.py", "x = 1"), ("src/lib.rs", "#[test]\nfn t() {}")];
        let mut protected = ProtectedTests::new(digest_of_tests(files));
        assert_eq!(protected.len(), 3);
        assert!(protected.contains("src/lib.rs") && !protected.contains("src/a.py"));
        assert_eq!(protected.changes(&digest_of_tests(files)), []);
        // The digests of what is there now are taken of every file: a test whose marker is taken out must still be seen.
        let now: BTreeMap<String, Digest> = [("tests/a.py", "assert True"), ("tests/new.py", ""), ("src/lib.rs", "fn t() {}")]
            .map(|(path, text)| (path.to_owned(), Digest::of(text.as_bytes())))
            .into();
        let changed = |path: &str| TestChange::Changed(path.into());
        assert_eq!(protected.changes(&now), [changed("src/lib.rs"), changed("tests/a.py"), TestChange::Removed("tests/b.py".into())]);
        protected.allow("tests/a.py", now.get("tests/a.py").copied());
        protected.allow("tests/b.py", None);
        protected.allow("tests/new.py", now.get("tests/new.py").copied());
        assert_eq!(protected.changes(&now), [changed("src/lib.rs")]);
    }
}
