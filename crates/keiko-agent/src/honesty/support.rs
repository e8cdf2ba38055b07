//! Helpers for tests that are shipped with the product: who loosens one of them loosens tests.

use super::Found;
use super::text::{FileChange, Hunk, Language};
use keiko_contracts::evidence::FindingKind::ChangesTestSupport;

/// Functions that decide whether a test holds.
fn decides(line: &str) -> bool {
    let line = line.trim_start();
    let rest = [
        "def ",
        "async def ",
        "function ",
        "export function ",
        "func ",
        "pub fn ",
        "fn ",
        "export const ",
        "const ",
    ]
    .iter()
    .find_map(|word| line.strip_prefix(word));
    rest.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        [
            "assert", "check", "expect", "verify", "compare", "require", "must", "should", "equal",
        ]
        .iter()
        .any(|word| name.starts_with(word))
    })
}

/// Lines that only say what is wrong.
fn is_words(line: &str) -> bool {
    let line = line.trim();
    let says = [
        "raise ",
        "throw ",
        "panic!",
        "fail(",
        "pytest.fail",
        "t.Errorf",
        "t.Fatalf",
        "t.Error",
        "t.Fatal",
        "return fmt.Errorf",
        "message",
        "msg",
    ];
    line.is_empty()
        || line.starts_with(['#', '"', '\'', '/', '*'])
        || says.iter().any(|word| line.starts_with(word))
        || line.starts_with("import ")
        || line.starts_with("from ")
}

/// Something else than words changes in a function that decides.
pub(super) fn loosened(file: &FileChange<'_>, hunk: &Hunk<'_>) -> Found {
    let stem = file
        .path
        .rsplit('/')
        .next()
        .unwrap_or(file.path)
        .split('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let helps = [
        "testing",
        "testutil",
        "testutils",
        "test_utils",
        "testhelpers",
        "test_helpers",
        "assertions",
        "asserts",
        "matchers",
    ];
    let named = file
        .path
        .rsplit('/')
        .skip(1)
        .chain([stem.as_str()])
        .any(|part| helps.contains(&part));
    if !named
        || file.is_new
        || Language::of(file.path).is_none()
        || hunk.removed.iter().all(|line| is_words(line))
    {
        return Found::new();
    }
    let asserts = hunk
        .removed
        .iter()
        .any(|line| !is_words(line) && line.contains("assert"));
    let within = asserts || decides(hunk.above) || hunk.lines.iter().any(|line| decides(line.text));
    let first = hunk.lines.iter().position(|line| line.added).unwrap_or(0);
    if within {
        vec![(ChangesTestSupport, first)]
    } else {
        Found::new()
    }
}
