//! Output of programs as plain lines: colours and other terminal control cost tokens and hide words, in what runners print as in
//! what tools show.

/// Without terminal control: colours, cursor moves, titles, and what carriage returns have overwritten.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // A control sequence ends with a letter or one of @[\]^_`{|}~.
                Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // An operating system command ends with a bell or `ESC \`.
                Some(']') => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
                _ => {}
            },
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.truncate(out.rfind('\n').map_or(0, |at| at + 1)),
            c if c.is_control() && c != '\n' && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

/// The first `max` bytes of a text, at most, with a mark when it is cut.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// The last lines of a text.
#[must_use]
pub fn last(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A path as the workspace knows it: relative where it lies in the workspace.
pub(crate) fn in_workspace(path: &str) -> &str {
    path.strip_prefix("/workspace/")
        .or_else(|| path.strip_prefix("./"))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terminal_control_goes() {
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m\r\nnext"), "red\nnext");
        assert_eq!(plain("a\n10%\r20%\rdone\n"), "a\ndone\n");
        assert_eq!(plain("\u{1b}]0;title\u{7}x\u{8}\ty"), "x\ty");
        assert_eq!(plain("\u{1b}[31"), "");
    }

    proptest! {
        #[test]
        fn a_cut_never_exceeds_its_limit(text in "\\PC{0,40}", max in 3_usize..60) {
            let short = cut(&text, max);
            prop_assert!(short.len() <= max);
            prop_assert!(text.len() > max || short == text);
        }
    }
}
