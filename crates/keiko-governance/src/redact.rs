//! Redaction: secrets do not enter logs, prompts or the journal.

use regex::Regex;
use std::borrow::Cow;
use std::sync::OnceLock;

/// What stands where a secret stood.
pub const MARK: &str = "[redacted]";

/// Shapes of secrets that vendors hand out.
fn shapes() -> &'static Regex {
    static SHAPES: OnceLock<Regex> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let pattern = concat!(
            r"(?:sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}",
            r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}",
            r"|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35}|gsk_[A-Za-z0-9]{30,}|xox[abprs]-[A-Za-z0-9-]{20,}|hf_[A-Za-z0-9]{30,}",
            // Without an upper bound: a bounded repetition is compiled as often as it may repeat, which takes 40 ms and 10 MB.
            r"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[\s\S]+?-----END (?:[A-Z]+ )?PRIVATE KEY-----)"
        );
        #[expect(clippy::expect_used, reason = "the pattern is a constant; a test compiles it")]
        Regex::new(pattern).expect("constant pattern")
    })
}

/// Replaces whatever has the shape of a secret.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    shapes().replace_all(text, MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_keys_and_leaves_prose() {
        let key = format!("sk-ant-{}", "a1".repeat(20));
        assert_eq!(redact(&format!("key={key}.")), "key=[redacted].");
        assert_eq!(redact("AKIAABCDEFGHIJKLMNOP"), MARK);
        let private = format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----",
            "MIIEow==\n".repeat(3_000)
        );
        assert_eq!(
            redact(&format!("a {private} b {private} c")),
            "a [redacted] b [redacted] c"
        );
        assert_eq!(
            redact("-----BEGIN PRIVATE KEY-----\nand no end"),
            "-----BEGIN PRIVATE KEY-----\nand no end"
        );
        assert_eq!(
            redact("a task-force of sk-8 people"),
            "a task-force of sk-8 people"
        );
    }
}
