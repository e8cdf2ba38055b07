//! Source texts, and which of their bytes are code: rules and edits must not look into strings and comments.

use std::collections::BTreeMap;

/// Languages whose texts are looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lang {
    Python,
    Js,
    Rust,
    Go,
}

impl Lang {
    /// By the file's ending.
    pub(super) fn of(path: &str) -> Option<Lang> {
        match path.rsplit_once('.')?.1 {
            "py" => Some(Lang::Python),
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" => Some(Lang::Js),
            "rs" => Some(Lang::Rust),
            "go" => Some(Lang::Go),
            _ => None,
        }
    }
}

/// The texts of a repository, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    pub(super) files: BTreeMap<String, String>,
    /// Not all of them are here.
    pub(super) cut: bool,
}

impl Sources {
    /// A line, from 1, without its end.
    pub(super) fn line(&self, path: &str, line: u32) -> Option<&str> {
        self.files
            .get(path)?
            .lines()
            .nth((line as usize).checked_sub(1)?)
    }
}

/// Tests, and what only they use.
pub(super) fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let folder = path.split('/').rev().skip(1).any(|part| {
        matches!(
            part,
            "tests" | "test" | "__tests__" | "testdata" | "fixtures"
        )
    });
    folder
        || name.starts_with("test_")
        || name == "conftest.py"
        || [
            "_test.py",
            "_test.go",
            ".test.js",
            ".test.mjs",
            ".test.ts",
            ".spec.js",
            ".spec.ts",
            ".test.cjs",
        ]
        .iter()
        .any(|end| name.ends_with(end))
}

/// The same text with the inside of strings and all of the comments blanked: same length, same lines.
pub(super) fn mask(lang: Lang, text: &str) -> String {
    let mut masker = Masker {
        lang,
        bytes: text.as_bytes(),
        out: text.as_bytes().to_vec(),
        at: 0,
    };
    masker.run();
    String::from_utf8(masker.out)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

struct Masker<'a> {
    lang: Lang,
    bytes: &'a [u8],
    out: Vec<u8>,
    at: usize,
}

impl Masker<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            let rest = &self.bytes[self.at..];
            match (self.lang, byte) {
                (Lang::Python, b'#') => self.blank_until(b"\n", false),
                (Lang::Python, b'"' | b'\'') => {
                    let triple = [byte; 3];
                    if rest.starts_with(&triple) {
                        self.string(&triple, true)
                    } else {
                        self.string(&[byte], true)
                    }
                }
                (_, b'/') if self.lang != Lang::Python && rest.starts_with(b"//") => {
                    self.blank_until(b"\n", false)
                }
                (_, b'/') if self.lang != Lang::Python && rest.starts_with(b"/*") => {
                    self.blank_until(b"*/", true)
                }
                (Lang::Js, b'/') if self.regex_may_begin() => self.string(b"/", true),
                (Lang::Js | Lang::Go, b'`') => self.string(b"`", self.lang == Lang::Js),
                (Lang::Js | Lang::Go, b'\'') => self.string(b"'", true),
                (Lang::Rust, b'\'') => self.char_or_lifetime(),
                (Lang::Rust, b'r') if self.raw_string() => {}
                (_, b'"') => self.string(b"\"", true),
                _ => self.at += 1,
            }
        }
    }

    fn blank(&mut self, from: usize, to: usize) {
        for byte in &mut self.out[from..to] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }

    fn blank_until(&mut self, end: &[u8], including: bool) {
        let from = self.at;
        let found = find(&self.bytes[from..], end)
            .map(|n| from + n + if including { end.len() } else { 0 });
        let to = found.unwrap_or(self.bytes.len());
        self.blank(from, to);
        self.at = to;
    }

    /// A string from its opening mark on; the marks stay. One that is not closed on its line ends with the line, so
    /// that a mistake does not swallow the file.
    fn string(&mut self, mark: &[u8], escapes: bool) {
        let from = self.at + mark.len();
        let mut to = from;
        let one_line =
            mark.len() == 1 && mark[0] != b'`' && !(self.lang == Lang::Rust && mark[0] == b'"');
        loop {
            match self.bytes.get(to) {
                None => break,
                Some(b'\\') if escapes => to += 2,
                Some(b'\n') if one_line => break,
                Some(_) if self.bytes[to..].starts_with(mark) => break,
                Some(_) => to += 1,
            }
        }
        let to = to.min(self.bytes.len());
        self.blank(from, to);
        let closed = self.bytes[to..].starts_with(mark);
        self.at = if closed { to + mark.len() } else { to };
    }

    /// A slash begins a regular expression where a value is expected.
    fn regex_may_begin(&self) -> bool {
        let before = self.bytes[..self.at]
            .iter()
            .rev()
            .find(|byte| !byte.is_ascii_whitespace());
        matches!(
            before,
            None | Some(
                b'(' | b',' | b'=' | b':' | b'[' | b'!' | b'&' | b'|' | b'?' | b'{' | b'}' | b';'
            )
        )
    }

    fn char_or_lifetime(&mut self) {
        let rest = &self.bytes[self.at + 1..];
        let close = match rest.first() {
            Some(b'\\') => find(&rest[2.min(rest.len())..], b"'").map(|n| n + 2),
            _ => find(&rest[..rest.len().min(5)], b"'"),
        };
        match close {
            Some(n) if n > 0 && n < 14 => {
                self.blank(self.at + 1, self.at + 1 + n);
                self.at += n + 2;
            }
            _ => self.at += 1,
        }
    }

    fn raw_string(&mut self) -> bool {
        let rest = &self.bytes[self.at + 1..];
        let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
        let part_of_name = self.at > 0
            && (self.bytes[self.at - 1].is_ascii_alphanumeric() || self.bytes[self.at - 1] == b'_');
        if part_of_name && self.bytes[self.at - 1] != b'b' || rest.get(hashes) != Some(&b'"') {
            return false;
        }
        let mut mark = vec![b'"'];
        mark.extend(std::iter::repeat_n(b'#', hashes));
        let from = self.at + 2 + hashes;
        let to = find(&self.bytes[from..], &mark).map_or(self.bytes.len(), |n| from + n);
        self.blank(from, to);
        self.at = (to + mark.len()).min(self.bytes.len());
        true
    }
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_blanked_and_nothing_else() {
        let python = "a = 'x # y'  # z\nb = '''1\n2'''\nc = \"\\\"q\" + d";
        assert_eq!(
            mask(Lang::Python, python),
            "a = '     '     \nb = ''' \n '''\nc = \"   \" + d"
        );
        let js = "const r = /a\"b/g; // c\nx = `q\nw` / 2 / y;";
        assert_eq!(
            mask(Lang::Js, js),
            "const r = /   /g;     \nx = ` \n ` / 2 / y;"
        );
        let rust = "fn f<'a>(c: &'a str) { g('\"', '\\'', r#\"a\"b\"#); /* x */ }";
        assert_eq!(
            mask(Lang::Rust, rust),
            "fn f<'a>(c: &'a str) { g(' ', '  ', r#\"   \"#);         }"
        );
    }

    #[test]
    fn unclosed_strings_never_panic_and_keep_the_length() {
        for text in ["'", "\"\\", "'''", "r#\"", "/*", "`\\", "'\\", "ä'ö", "'ä"] {
            for lang in [Lang::Python, Lang::Js, Lang::Rust, Lang::Go] {
                assert_eq!(mask(lang, text).len(), text.len(), "{text:?} {lang:?}");
            }
        }
    }

    #[test]
    fn test_files_are_known_by_their_place() {
        assert!(
            is_test_file("tests/test_a.py")
                && is_test_file("pkg/a_test.go")
                && is_test_file("src/a.test.js")
        );
        assert!(!is_test_file("src/latest.py") && !is_test_file("contest/a.py"));
    }
}
