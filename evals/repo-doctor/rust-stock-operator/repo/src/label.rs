//! Labels on shelves.

/// An article's label: upper case, no spaces, at most `width` characters.
pub fn label(name: &str, width: usize) -> String {
    name.split_whitespace()
        .map(str::to_uppercase)
        .collect::<Vec<_>>()
        .join("-")
        .chars()
        .take(width)
        .collect()
}
