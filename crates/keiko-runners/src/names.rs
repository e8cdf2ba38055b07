//! Names of tests, in two states of their sources.

/// Tests in documentation are named by their line, which moves with the text above it: the name without it.
#[must_use]
pub fn lineless(name: &str) -> &str {
    match name.rsplit_once(" (line ") {
        Some((name, line))
            if line
                .trim_end_matches(')')
                .bytes()
                .all(|b| b.is_ascii_digit()) =>
        {
            name
        }
        _ => name,
    }
}

/// Whether two names mean one test, in two states of its sources.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    lineless(one) == lineless(other)
}
