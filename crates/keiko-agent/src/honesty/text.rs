//! A unified diff as code: files, hunks, and the new text of each hunk as tokens. Comments are left out, and the content of
//! strings is never taken for code. Every text is accepted; what is not understood comes to single signs.

/// Most lines of a diff that are read.
const LINES_MAX: usize = 40_000;

/// In which words the text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    JavaScript,
    Rust,
    Go,
}

impl Language {
    /// By the name of the file.
    pub(super) fn of(path: &str) -> Option<Language> {
        match path.rsplit_once('.').map(|(_, extension)| extension)? {
            "py" | "pyi" | "pyx" => Some(Language::Python),
            "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts" | "vue" | "svelte" => {
                Some(Language::JavaScript)
            }
            "rs" => Some(Language::Rust),
            "go" => Some(Language::Go),
            _ => None,
        }
    }
}

/// What a change does to one file.
#[derive(Debug)]
pub(super) struct FileChange<'a> {
    pub(super) path: &'a str,
    /// It was not there before.
    pub(super) is_new: bool,
    /// It is not there any more.
    pub(super) is_gone: bool,
    pub(super) hunks: Vec<Hunk<'a>>,
}

impl<'a> FileChange<'a> {
    fn at(path: &'a str) -> FileChange<'a> {
        FileChange {
            path,
            is_new: false,
            is_gone: false,
            hunks: Vec::new(),
        }
    }

    /// Its name without git's escapes.
    pub(super) fn name(&self) -> String {
        if self.path.contains('\\') {
            unescaped(self.path)
        } else {
            self.path.to_owned()
        }
    }
}

/// A name as git writes it in quotes. What is no escape stays.
fn unescaped(written: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(written.len()), written.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let octal = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let (byte, long) = match (first, after.first()) {
            (b'\\', _) if octal.is_some() => (octal.unwrap_or_default(), 3),
            (b'\\', Some(b'n')) => (b'\n', 1),
            (b'\\', Some(b't')) => (b'\t', 1),
            (b'\\', Some(other)) => (*other, 1),
            (first, _) => (*first, 0),
        };
        bytes.push(byte);
        rest = rest.get(long..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lines of the new text that stand together, with those taken away.
#[derive(Debug, Default)]
pub(super) struct Hunk<'a> {
    /// What git says stands above it: the function, or the section.
    pub(super) above: &'a str,
    /// The new text.
    pub(super) lines: Vec<Line<'a>>,
    /// The lines that went.
    pub(super) removed: Vec<&'a str>,
    /// The new text in tokens.
    pub(super) tokens: Vec<Token>,
    /// Old and new in their order, as the diff has them.
    both: Vec<&'a str>,
}

/// One line of the new text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) number: u32,
    pub(super) text: &'a str,
    pub(super) added: bool,
}

impl Line<'_> {
    /// How far it is set in.
    pub(super) fn depth(&self) -> usize {
        self.text
            .chars()
            .take_while(|c| c.is_whitespace())
            .map(|c| if c == '\t' { 4 } else { 1 })
            .sum()
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    Text,
    Sign,
}

/// A piece of code.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// The line of the hunk, from 0.
    pub(super) line: usize,
}

impl Token {
    /// A value that is written out.
    pub(super) fn is_literal(&self) -> bool {
        let word = matches!(
            self.text.as_str(),
            "True" | "False" | "None" | "true" | "false" | "null" | "nil" | "undefined"
        );
        matches!(self.kind, Kind::Number | Kind::Text) || (self.kind == Kind::Word && word)
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }

    fn fits(&self, atom: &str) -> bool {
        match atom {
            "@w" => self.kind == Kind::Word,
            "@t" => self.kind == Kind::Text,
            "@n" => self.kind == Kind::Number,
            "@l" => self.is_literal(),
            "|" | "||" | "|=" => self.is(atom),
            _ if self.kind == Kind::Text => false,
            _ => atom.split('|').any(|word| self.text == word),
        }
    }
}

impl<'a> Hunk<'a> {
    /// What stands there, as text.
    pub(super) fn new_text(&self) -> String {
        self.side('-')
    }

    /// What stood there, as text.
    pub(super) fn old_text(&self) -> String {
        self.side('+')
    }

    fn side(&self, without: char) -> String {
        let lines = self
            .both
            .iter()
            .filter(|line| !line.starts_with([without, '\\']));
        lines
            .map(|line| line.get(1..).unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Where a pattern of tokens begins, in added lines.
    pub(super) fn find(&self, pattern: &str) -> Vec<usize> {
        let atoms: Vec<&str> = pattern.split(' ').collect();
        let fits = |at: &usize| self.fits_at(*at, &atoms);
        (0..self.tokens.len())
            .filter(|at| self.is_added(*at))
            .filter(fits)
            .collect()
    }

    /// Whether a pattern of tokens stands anywhere in an added line.
    pub(super) fn has(&self, pattern: &str) -> bool {
        !self.find(pattern).is_empty()
    }

    fn fits_at(&self, at: usize, atoms: &[&str]) -> bool {
        let Some(tokens) = self.tokens.get(at..at + atoms.len()) else {
            return false;
        };
        tokens
            .iter()
            .zip(atoms)
            .all(|(token, atom)| token.fits(atom))
    }

    pub(super) fn fits(&self, at: usize, pattern: &str) -> bool {
        self.fits_at(at, &pattern.split(' ').collect::<Vec<_>>())
    }

    /// Whether the token stands in an added line.
    pub(super) fn is_added(&self, at: usize) -> bool {
        self.line_of(at).is_some_and(|line| line.added)
    }

    pub(super) fn line_of(&self, at: usize) -> Option<&Line<'a>> {
        self.lines.get(self.tokens.get(at)?.line)
    }

    /// The tokens of one line.
    pub(super) fn on_line(&self, line: usize) -> &[Token] {
        let start = self.tokens.partition_point(|token| token.line < line);
        let end = self.tokens.partition_point(|token| token.line <= line);
        &self.tokens[start..end]
    }

    /// Texts written out in added lines, with the place of their token.
    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        let token = |(at, token): (usize, &'_ Token)| {
            (token.kind == Kind::Text && self.is_added(at)).then_some(at)
        };
        let places: Vec<usize> = self.tokens.iter().enumerate().filter_map(token).collect();
        places
            .into_iter()
            .map(move |at| (at, self.tokens[at].text.as_str()))
    }

    /// The lines of the block that the line begins: those set in further, blank ones among them.
    pub(super) fn block(&self, line: usize) -> std::ops::Range<usize> {
        let Some(depth) = self.lines.get(line).map(Line::depth) else {
            return line..line;
        };
        let ends = |line: &Line<'_>| !line.text.trim().is_empty() && line.depth() <= depth;
        let end = self.lines[line + 1..]
            .iter()
            .position(ends)
            .map_or(self.lines.len(), |n| line + 1 + n);
        line + 1..end
    }

    /// The tokens between a bracket at `open` and the one that closes it.
    pub(super) fn inside(&self, open: usize) -> std::ops::Range<usize> {
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text.as_str() {
                "(" | "[" | "{" if token.kind == Kind::Sign => depth += 1,
                ")" | "]" | "}" if token.kind == Kind::Sign => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return (open + 1).min(at)..at;
                    }
                }
                _ => {}
            }
        }
        let end = self.tokens.len();
        (open + 1).min(end)..end
    }

    /// Whether a line that went did the same: what was there is changed, not brought in. Blanks do not count.
    pub(super) fn had(&self, pattern: &str) -> bool {
        let wanted: String = pattern.split(' ').collect();
        self.removed.iter().any(|line| {
            line.chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
                .contains(&wanted)
        })
    }

    /// The next token of this text at or after a place.
    pub(super) fn next(&self, from: usize, text: &str) -> Option<usize> {
        (from..self.tokens.len()).find(|at| self.tokens[*at].is(text))
    }
}

/// A written number without marks between its digits and without its type.
pub(super) fn plain_number(text: &str) -> String {
    let types = [
        "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128", "f32", "f64",
        "isize", "usize", "n", "L",
    ];
    let bare = types
        .iter()
        .find_map(|ending| text.strip_suffix(ending))
        .unwrap_or(text)
        .replace('_', "");
    bare.strip_suffix(".0").map_or(bare.clone(), str::to_owned)
}

/// The files of a unified diff.
pub(super) fn files(diff: &str) -> Vec<FileChange<'_>> {
    let mut files: Vec<FileChange<'_>> = Vec::new();
    let mut number = 0;
    let (mut old, mut in_hunk, mut named) = ("", false, false);
    for line in diff.lines().take(LINES_MAX) {
        if let Some(paths) = line.strip_prefix("diff --git ") {
            in_hunk = false;
            // A file of bytes, an empty one, and one of which only the mode changes have no other lines with their name.
            let file = named_twice(paths);
            named = file.is_some();
            files.extend(file);
        } else if let Some(path) = line.strip_prefix("--- ").filter(|_| !in_hunk) {
            old = path.trim_end();
        } else if let Some(path) = line.strip_prefix("+++ ").filter(|_| !in_hunk) {
            let new = path.trim_end();
            let is_gone = new == "/dev/null";
            let path = if is_gone {
                of_side(old, "a/")
            } else {
                of_side(new, "b/")
            };
            if named {
                files.pop();
            }
            named = false;
            files.push(FileChange {
                is_new: old == "/dev/null",
                is_gone,
                ..FileChange::at(path)
            });
        } else if let Some(file) = files
            .last_mut()
            .filter(|_| !in_hunk && line.starts_with("new file mode "))
        {
            file.is_new = true;
        } else if let Some(file) = files
            .last_mut()
            .filter(|_| !in_hunk && line.starts_with("deleted file mode "))
        {
            file.is_gone = true;
        } else if line.starts_with("@@") {
            let Some(file) = files.last_mut() else {
                continue;
            };
            in_hunk = true;
            let above;
            (number, above) = head_of_hunk(line);
            file.hunks.push(Hunk {
                above,
                ..Hunk::default()
            });
        } else if let Some(hunk) = files
            .last_mut()
            .and_then(|file| file.hunks.last_mut())
            .filter(|_| in_hunk)
        {
            hunk.take_line(line, &mut number);
        }
    }
    for file in &mut files {
        if let Some(language) = Language::of(file.path) {
            for hunk in &mut file.hunks {
                hunk.tokens = tokens(language, &hunk.lines);
            }
        }
    }
    files
}

/// From which line on a hunk is, and what git says that it is in: `@@ -1,2 +3,4 @@ fn it()`.
fn head_of_hunk(line: &str) -> (u32, &str) {
    let (place, above) = line
        .trim_start_matches('@')
        .split_once("@@")
        .unwrap_or((line, ""));
    let start = place
        .split('+')
        .nth(1)
        .and_then(|place| place.split([',', ' ']).next())
        .and_then(|n| n.parse().ok());
    (start.unwrap_or(1), above.trim())
}

impl<'a> Hunk<'a> {
    /// Takes in a line of the diff; `number` is that of the next line of the new file.
    fn take_line(&mut self, line: &'a str, number: &mut u32) {
        let text = line.get(1..).unwrap_or_default().trim_end();
        self.both.push(line);
        match line.as_bytes().first() {
            Some(b'-') => self.removed.push(text),
            Some(b'\\') => {}
            kind => {
                self.lines.push(Line {
                    number: *number,
                    text,
                    added: kind == Some(&b'+'),
                });
                *number += 1;
            }
        }
    }
}

/// A name as git writes it, without its side. Quotes stay where they are needed to read it.
fn of_side<'a>(written: &'a str, side: &str) -> &'a str {
    match written.strip_prefix('"') {
        Some(quoted) => quoted
            .strip_prefix(side)
            .unwrap_or(quoted)
            .trim_end_matches('"'),
        None => written.strip_prefix(side).unwrap_or(written),
    }
}

/// The file of a line `a/NAME b/NAME`.
fn named_twice(paths: &str) -> Option<FileChange<'_>> {
    let (old, new) = (
        paths.get(..paths.len() / 2)?,
        paths.get(paths.len() / 2 + 1..)?,
    );
    let (old, new) = (of_side(old, "a/"), of_side(new, "b/"));
    (old == new && !new.is_empty()).then(|| FileChange::at(new))
}

/// The tokens of lines that stand together.
pub(super) fn tokens(language: Language, lines: &[Line<'_>]) -> Vec<Token> {
    let mut lexer = Lexer {
        language,
        tokens: Vec::new(),
        open: starts_inside(language, lines),
    };
    for (at, line) in lines.iter().enumerate() {
        lexer.line(at, line.text);
    }
    put_together(lexer.tokens)
}

/// Texts that are only parted: `'as' + 'sert'` is `assert` to whoever reads it.
fn put_together(tokens: Vec<Token>) -> Vec<Token> {
    let mut whole: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let joins = token.kind == Kind::Text
            && matches!(&whole[..], [.., before, plus] if plus.is("+") && before.kind == Kind::Text && before.line == token.line);
        if joins {
            whole.pop();
            if let Some(before) = whole.last_mut() {
                before.text.push_str(&token.text);
            }
        } else {
            whole.push(token);
        }
    }
    whole
}

/// What reaches over the end of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    Comment,
    Text(String),
}

/// A hunk may begin in the middle of a comment or of a long text.
fn starts_inside(language: Language, lines: &[Line<'_>]) -> Option<Open> {
    if language == Language::Python {
        for quote in ["\"\"\"", "'''"] {
            let marks: usize = lines
                .iter()
                .map(|line| line.text.matches(quote).count())
                .sum();
            let first = lines
                .iter()
                .map(|line| line.text.trim())
                .find(|text| text.contains(quote))
                .unwrap_or_default();
            let closes = first == quote
                || (first.ends_with(quote)
                    && first.matches(quote).count() == 1
                    && !first.starts_with(quote));
            let assigns = first.contains("= ")
                || first.contains('(') && !first.starts_with(quote) && !first.ends_with(quote);
            if marks % 2 == 1 && closes && !assigns {
                return Some(Open::Text(quote.into()));
            }
        }
        return None;
    }
    let close = lines.iter().position(|line| line.text.contains("*/"));
    let open = lines.iter().position(|line| line.text.contains("/*"));
    let inside = match (close, open) {
        (Some(close), Some(open)) => close < open,
        (Some(close), None) => lines[..=close]
            .iter()
            .all(|line| line.text.trim_start().starts_with('*') || line.text.trim().is_empty()),
        _ => false,
    };
    inside.then_some(Open::Comment)
}

const SIGNS: [&str; 23] = [
    "===", "!==", "...", "==", "!=", ">=", "<=", "=>", "->", "::", ":=", "++", "--", "+=", "-=",
    "*=", "&&", "||", "**", "??", "?.", "|=", "%=",
];

struct Lexer {
    language: Language,
    tokens: Vec<Token>,
    open: Option<Open>,
}

impl Lexer {
    fn push(&mut self, kind: Kind, text: &str, line: usize) {
        self.tokens.push(Token {
            kind,
            text: text.to_owned(),
            line,
        });
    }

    fn line(&mut self, at: usize, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            rest = match self.open.take() {
                Some(open) => self.go_on(open, rest),
                None => self.step(at, rest),
            };
        }
        if let Some(Open::Text(_)) = &self.open
            && let Some(token) = self
                .tokens
                .last_mut()
                .filter(|token| token.kind == Kind::Text)
        {
            token.text.push('\n');
        }
    }

    /// On in what a line before has begun.
    fn go_on<'t>(&mut self, open: Open, rest: &'t str) -> &'t str {
        let end = match &open {
            Open::Comment => "*/",
            Open::Text(end) => end.as_str(),
        };
        let (inner, after) =
            match find_end(rest, end, matches!(open, Open::Text(_)) && end.len() != 2) {
                Some(n) => (&rest[..n], Some(&rest[n + end.len()..])),
                None => (rest, None),
            };
        if let Open::Text(_) = &open
            && let Some(token) = self
                .tokens
                .last_mut()
                .filter(|token| token.kind == Kind::Text)
        {
            token.text.push_str(inner);
        }
        after.unwrap_or_else(|| {
            self.open = Some(open);
            ""
        })
    }

    fn step<'t>(&mut self, at: usize, rest: &'t str) -> &'t str {
        let Some(first) = rest.chars().next() else {
            return "";
        };
        if first.is_whitespace() {
            return rest.trim_start();
        }
        if self.comment(rest) {
            return "";
        }
        if self.language != Language::Python && rest.starts_with("/*") {
            self.open = Some(Open::Comment);
            return &rest[2..];
        }
        if let Some((start, end)) = self.quote(rest) {
            self.push(Kind::Text, "", at);
            let inner = &rest[start..];
            let escapes = !rest.starts_with('r') || end == "`";
            return match find_end(inner, &end, escapes) {
                Some(n) => {
                    if let Some(token) = self.tokens.last_mut() {
                        token.text.push_str(&inner[..n]);
                    }
                    &inner[n + end.len()..]
                }
                None if end.len() > 1 || end == "`" || self.language == Language::Rust => {
                    if let Some(token) = self.tokens.last_mut() {
                        token.text.push_str(inner);
                    }
                    self.open = Some(Open::Text(end));
                    ""
                }
                None => "",
            };
        }
        if first.is_alphabetic() || matches!(first, '_' | '$' | '#') {
            let end = rest
                .char_indices()
                .skip(1)
                .find(|(_, c)| !c.is_alphanumeric() && !matches!(c, '_' | '$'))
                .map_or(rest.len(), |(n, _)| n);
            self.push(Kind::Word, &rest[..end], at);
            return &rest[end..];
        }
        if first.is_ascii_digit() {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.'))
                .unwrap_or(rest.len());
            let end = rest[..end].find("..").unwrap_or(end);
            self.push(Kind::Number, &rest[..end], at);
            return &rest[end..];
        }
        let sign = SIGNS
            .iter()
            .find(|sign| rest.starts_with(**sign))
            .map_or(first.len_utf8(), |sign| sign.len());
        self.push(Kind::Sign, &rest[..sign], at);
        &rest[sign..]
    }

    fn comment(&self, rest: &str) -> bool {
        match self.language {
            Language::Python => rest.starts_with('#'),
            Language::JavaScript | Language::Rust | Language::Go => rest.starts_with("//"),
        }
    }

    /// Where a text that begins here has its content, and what ends it.
    fn quote(&self, rest: &str) -> Option<(usize, String)> {
        let plain = |at: usize| {
            let quoted = &rest[at..];
            match quoted.chars().next()? {
                '"' | '\''
                    if self.language == Language::Python
                        && (quoted.starts_with("\"\"\"") || quoted.starts_with("'''")) =>
                {
                    Some((at + 3, quoted[..3].to_owned()))
                }
                '"' => Some((at + 1, "\"".to_owned())),
                '\'' if self.language == Language::Rust => {
                    let mut chars = quoted[1..].chars();
                    let is_char = chars.next() == Some('\\') || chars.next() == Some('\'');
                    is_char.then(|| (at + 1, "'".to_owned()))
                }
                '\'' => Some((at + 1, "'".to_owned())),
                '`' if matches!(self.language, Language::JavaScript | Language::Go) => {
                    Some((at + 1, "`".to_owned()))
                }
                _ => None,
            }
        };
        if let Some(found) = plain(0) {
            return Some(found);
        }
        let prefix = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .filter(|n| (1..=2).contains(n))?;
        match self.language {
            Language::Python if rest[..prefix].chars().all(|c| "rRbBfFuUtT".contains(c)) => {
                plain(prefix)
            }
            Language::Rust if matches!(&rest[..prefix], "r" | "b" | "br" | "c") => {
                let hashes = rest[prefix..].chars().take_while(|c| *c == '#').count();
                let quoted = rest[prefix + hashes..].starts_with('"');
                quoted.then(|| (prefix + hashes + 1, format!("\"{}", "#".repeat(hashes))))
            }
            _ => None,
        }
    }
}

fn find_end(text: &str, end: &str, escapes: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if escapes && c == '\\' {
            escaped = true;
        } else if text[at..].starts_with(end) {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(language: Language, text: &str) -> String {
        let lines: Vec<Line<'_>> = text
            .lines()
            .zip(1..)
            .map(|(text, number)| Line {
                number,
                text,
                added: true,
            })
            .collect();
        tokens(language, &lines)
            .iter()
            .map(|token| {
                if token.kind == Kind::Text {
                    format!("<{}>", token.text)
                } else {
                    token.text.clone()
                }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn comments_are_left_out_and_texts_are_no_code() {
        assert_eq!(
            read(
                Language::Python,
                "x = 'os._exit(0)'  # os._exit(0)\ny=f\"a\\\"b\""
            ),
            "x = <os._exit(0)> y = <a\\\"b>"
        );
        assert_eq!(
            read(
                Language::Python,
                "def f():\n    \"\"\"import unittest\n    more\"\"\"\n    pass"
            ),
            "def f ( ) : <import unittest\n    more> pass"
        );
        assert_eq!(
            read(
                Language::Python,
                "    import pytest\n    \"\"\"\n    import os"
            ),
            "import os"
        );
        assert_eq!(
            read(
                Language::Rust,
                "let c = 'a'; fn f<'a>() { r#\"x\"y\"# } // no"
            ),
            "let c = <a> ; fn f < ' a > ( ) { <x\"y> }"
        );
        assert_eq!(
            read(Language::JavaScript, "/* a\n b */ x === `c\nd` // e"),
            "x === <c\nd>"
        );
        assert_eq!(read(Language::Go, "a := `x` /* y */ + \"z\""), "a := <xz>");
    }

    #[test]
    fn a_diff_comes_to_files_and_hunks() {
        let diff = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -4,3 +7,3 @@ def f():\n x\n-y\n+z\n--- not a header\n+++ b\ndiff --git a/b.py b/b.py\n--- /dev/null\n+++ b/b.py\n@@ -0,0 +1 @@\n+q\n";
        let files = files(diff);
        assert_eq!(files.len(), 2);
        assert_eq!(
            (files[0].path, files[0].is_new, files[0].hunks[0].above),
            ("a.py", false, "def f():")
        );
        assert_eq!(files[0].hunks[0].lines[1].number, 8);
        assert_eq!(files[0].hunks[0].removed, ["y", "-- not a header"]);
        assert!(files[1].is_new);
    }

    #[test]
    fn files_without_lines_are_there_too() {
        let diff = "diff --git a/a b.png b/a b.png\nindex 1..2 100644\nBinary files a/a b.png and b/a b.png differ\ndiff --git a/x b/x\ndeleted file mode 100644\nindex 1..0\ndiff --git \"a/q\\\"\\303\\274\" \"b/q\\\"\\303\\274\"\nnew file mode 100644\n--- /dev/null\n+++ \"b/q\\\"\\303\\274\"\n@@ -0,0 +1 @@\n+q\n";
        let seen: Vec<_> = files(diff)
            .iter()
            .map(|file| (file.name(), file.is_new, file.is_gone))
            .collect();
        assert_eq!(
            seen,
            [
                ("a b.png".to_owned(), false, false),
                ("x".to_owned(), false, true),
                ("q\"ü".to_owned(), true, false)
            ]
        );
    }
}
