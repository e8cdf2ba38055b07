//! Which files are tests: by path, following the conventions of the four ecosystems; Rust files also by content, since
//! their unit tests stand beside the code.

pub use keiko_contracts::jail::is_test_path;

/// Whether a file is or holds tests, by path or, for Rust and doctests, by content.
#[must_use]
pub fn is_test_file(path: &str, text: &str) -> bool {
    is_test_path(path) || (path.ends_with(".rs") && holds_rust_tests(text))
}

fn holds_rust_tests(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let Some(attribute) = line.strip_prefix("#[") else { return false };
        // `#[tokio::test]`, `#[rstest]` and the like end in `test` before their bracket.
        let name = attribute.split([']', '(']).next().unwrap_or("");
        name.ends_with("test") || attribute.starts_with("cfg(test)") || attribute.starts_with("cfg(all(test")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_known_by_their_paths() {
        for path in [
            "tests/test_date.py",
            "test_date.py",
            "src/date_test.py",
            "a/conftest.py",
            "tests/data/x.json",
            "pkg/date_test.go",
            "src/date.test.ts",
            "src/date.spec.tsx",
            "src/__tests__/date.js",
            "tests/date.rs",
            "src/tests.rs",
            "pytest.ini",
            "jest.config.js",
        ] {
            assert!(is_test_path(path), "{path}");
        }
        for path in
            ["src/date.py", "latest.py", "src/contest.rs", "attest/x.go", "src/testing.rs", "README.md", "protest_go.go", "src/spec.ts.md"]
        {
            assert!(!is_test_path(path), "{path}");
        }
    }

    #[test]
    fn rust_tests_beside_the_code_count() {
        for text in [
            "fn a() {}\n#[cfg(test)]\nmod tests {}",
            "    #[test]\n    fn x() {}",
            "#[tokio::test]\nasync fn x() {}",
            "#[cfg(all(test, unix))]",
        ] {
            assert!(is_test_file("src/lib.rs", text), "{text}");
        }
        assert!(!is_test_file("src/lib.rs", "#[derive(Debug)]\nstruct Test;\n// #[test]\n"));
        assert!(!is_test_file("src/a.py", "#[test]"));
    }
}
