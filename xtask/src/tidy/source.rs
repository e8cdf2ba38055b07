//! Rust text as the checks see it: comments and literals blanked, test code told apart, paths expanded.
//!
//! A textual scan, not a compiler: it never needs a build, and is exact enough because the code is formatted by rustfmt.

use std::ops::Range;

/// A Rust file in three views of the same length, so that a position means the same line in each.
pub(crate) struct Source {
    /// As written.
    pub(crate) raw: String,
    /// Comments and the insides of literals are spaces.
    pub(crate) code: String,
    /// As `code`, and items under `#[cfg(test)]` are spaces too.
    pub(crate) shipped: String,
    /// Positions of the line breaks.
    breaks: Vec<usize>,
}

impl Source {
    pub(crate) fn new(raw: String) -> Source {
        let code = mask(&raw);
        let shipped = without_tests(&code);
        let breaks = code.match_indices('\n').map(|(at, _)| at).collect();
        Source {
            raw,
            code,
            shipped,
            breaks,
        }
    }

    /// The string literals in a part of the file: where each stands, and its text.
    pub(crate) fn literals(&self, part: Range<usize>) -> Vec<(usize, String)> {
        let bytes = self.raw.as_bytes();
        let (mut found, mut at) = (Vec::new(), part.start);
        while at < part.end.min(bytes.len()) {
            let hidden = hidden_at(bytes, at);
            if hidden.is_empty() {
                at += 1;
                continue;
            }
            let text = self.raw.get(hidden.clone()).unwrap_or_default();
            if let Some(quoted) = text
                .strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'))
            {
                found.push((at, unescaped(quoted)));
            } else if text.starts_with(['r', 'b']) && text.contains('"') {
                let inner = text
                    .split_once('"')
                    .and_then(|(_, rest)| rest.rsplit_once('"'));
                found.extend(inner.map(|(inner, _)| (at, inner.to_owned())));
            }
            at = hidden.end;
        }
        found
    }

    /// The line of a byte position, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.breaks.partition_point(|line_break| *line_break < at) + 1
    }
}

/// The line of a byte position in any text, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// A string literal's text: quotes, backslashes, line breaks, and lines that go on.
fn unescaped(quoted: &str) -> String {
    let (mut out, mut rest) = (String::new(), quoted.chars().peekable());
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('\n')) => {
                while rest.next_if(|c| c.is_whitespace()).is_some() {}
                continue;
            }
            ('\\', Some(escaped)) => out.push(*escaped),
            (c, _) => {
                out.push(c);
                continue;
            }
        }
        rest.next();
    }
    out
}

/// Blanks comments and the insides of string and character literals. Line breaks and length stay.
fn mask(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let hidden = hidden_at(bytes, at);
        if hidden.end > at {
            for byte in &mut out[hidden.start..hidden.end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = hidden.end;
        } else {
            at += 1;
        }
    }
    // Only whole literals and comments were blanked, so no character was cut.
    String::from_utf8_lossy(&out).into_owned()
}

/// What is to be blanked from `at` on: empty when nothing begins here.
fn hidden_at(bytes: &[u8], at: usize) -> Range<usize> {
    let rest = &bytes[at..];
    let after_word = at > 0 && is_word(bytes[at - 1]);
    if rest.starts_with(b"//") {
        let len = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
        return at..at + len;
    }
    if rest.starts_with(b"/*") {
        return at..at + block_comment(rest);
    }
    if rest[0] == b'"' {
        return at..at + quoted(rest);
    }
    if !after_word && let Some(len) = raw_string(rest) {
        return at..at + len;
    }
    if rest[0] == b'\'' {
        return at..at + character(rest);
    }
    at..at
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#`, `br"…"`, `c"…"`'s raw form; none when it is something else.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = rest
        .iter()
        .take(2)
        .take_while(|byte| matches!(byte, b'r' | b'b' | b'c'))
        .count();
    if prefix == 0 || rest[prefix - 1] != b'r' {
        return None;
    }
    let hashes = rest[prefix..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = &rest[open + 1..];
    let end = body
        .windows(close.len())
        .position(|window| window == close)
        .map_or(rest.len(), |found| open + 1 + found + close.len());
    Some(end)
}

/// The length of a character literal; 0 for a lifetime or a label.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest
            .iter()
            .skip(3)
            .position(|byte| *byte == b'\'')
            .map_or(rest.len(), |found| found + 4);
    }
    // One character of up to four bytes, then the closing quote.
    let text = String::from_utf8_lossy(&rest[..rest.len().min(6)]).into_owned();
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some(inner), Some('\'')) => 2 + inner.len_utf8(),
        _ => 0,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Blanks every item that `#[cfg(test)]` stands before, with its attribute.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(") {
        let start = from + found;
        let inside = &code[start + 6..];
        from = start + 6;
        if !(inside.starts_with("test)")
            || inside.starts_with("any(test,")
            || inside.starts_with("all(test,"))
        {
            continue;
        }
        let end = item_end(code, start);
        for byte in &mut out[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the item ends whose first attribute begins at `start`: after its `;` or its matching brace.
fn item_end(code: &str, start: usize) -> usize {
    let mut nested = 0_usize;
    for (offset, byte) in code.as_bytes()[start..].iter().enumerate() {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested = nested.saturating_sub(1),
            b';' if nested == 0 => return start + offset + 1,
            b'{' if nested == 0 => return block_end(code, start + offset),
            _ => {}
        }
    }
    code.len()
}

/// One past the brace that closes the one at `open`.
pub(crate) fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.as_bytes()[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return open + offset + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// A token that paths are made of, with its byte position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
}

/// Words, `::` and single punctuation marks.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = if is_word(bytes[at]) {
            bytes[at..]
                .iter()
                .take_while(|byte| is_word(**byte))
                .count()
        } else if bytes[at..].starts_with(b"::") {
            2
        } else {
            code[at..].chars().next().map_or(1, char::len_utf8)
        };
        if !bytes[at].is_ascii_whitespace() {
            found.push(Token {
                text: &code[at..at + len],
                at,
            });
        }
        at += len;
    }
    found
}

/// A path with its groups expanded: `a::{b, c as d}` is two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathUse {
    /// `*` is the last segment of a glob.
    pub(crate) segments: Vec<String>,
    /// What it is called here: the last segment, or what follows `as`.
    pub(crate) name: String,
    pub(crate) at: usize,
}

/// All paths that begin with the token at `start`.
pub(crate) fn paths_at(tokens: &[Token<'_>], start: usize) -> Vec<PathUse> {
    let mut found = Vec::new();
    path_tree(tokens, start, &[], &mut found);
    found
}

fn path_tree(
    tokens: &[Token<'_>],
    start: usize,
    prefix: &[String],
    found: &mut Vec<PathUse>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut segments = prefix.to_vec();
    let mut at = start;
    loop {
        if text(at) == "{" {
            at += 1;
            while at < tokens.len() && text(at) != "}" {
                let next = path_tree(tokens, at, &segments, found);
                at = next.max(at + 1);
                if text(at) == "," {
                    at += 1;
                }
            }
            return at + 1;
        }
        let word = text(at);
        if word != "*" && !word.bytes().next().is_some_and(is_word) {
            break;
        }
        segments.push(word.to_owned());
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    let Some(last) = segments.last().cloned() else {
        return at;
    };
    let at_byte = tokens.get(start).map_or(0, |token| token.at);
    let renamed = text(at) == "as";
    let name = if renamed {
        text(at + 1).to_owned()
    } else {
        last.clone()
    };
    if last == "self" && segments.len() > 1 {
        segments.pop();
    }
    let name = if name == "self" {
        segments.last().cloned().unwrap_or_default()
    } else {
        name
    };
    found.push(PathUse {
        segments,
        name,
        at: at_byte,
    });
    if renamed { at + 2 } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let source =
            Source::new("let a = \"// fn x {\"; // todo\nlet b = r#\"}\"# ; let c = '{'; fn f<'a>() {} /* a /* b */ } */ z".to_owned());
        assert_eq!(source.code.len(), source.raw.len());
        assert!(
            !source.code.contains("todo")
                && !source.code.contains("fn x")
                && source.code.contains("fn f<'a>() {}")
        );
        assert!(source.code.trim_end().ends_with('z'), "{}", source.code);
        assert_eq!(source.code.matches('{').count(), 1);
    }

    #[test]
    fn umlauts_in_literals_do_not_shift_anything() {
        let source = Source::new("let a = 'ü'; let b = \"für\"; fn after() {}".to_owned());
        assert_eq!(source.code.find("fn after"), source.raw.find("fn after"));
    }

    #[test]
    fn test_items_are_not_shipped() {
        let source =
            Source::new("fn a() {}\n#[cfg(test)]\nmod tests { use super::*; fn b() {} }\n#[cfg(test)]\nmod far;\nfn c() {}".to_owned());
        assert!(source.shipped.contains("fn a") && source.shipped.contains("fn c"));
        assert!(!source.shipped.contains("fn b") && !source.shipped.contains("far"));
    }

    #[test]
    fn groups_expand() {
        let text = "crate::a::{b::C, d::{self, E as F}, *};";
        let found: Vec<_> = paths_at(&tokens(text), 0)
            .into_iter()
            .map(|path| (path.segments.join("::"), path.name))
            .collect();
        let expected = [
            ("crate::a::b::C", "C"),
            ("crate::a::d", "d"),
            ("crate::a::d::E", "F"),
            ("crate::a::*", "*"),
        ];
        assert_eq!(
            found,
            expected.map(|(path, name)| (path.to_owned(), name.to_owned()))
        );
    }
}
