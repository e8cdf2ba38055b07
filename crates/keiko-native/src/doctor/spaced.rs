//! Code with spaces around its binary operators and behind its commas, so that a pattern for `a - b` finds `a-b`, too; and
//! where each byte of that stands in the code.

use super::source::Lang;

/// A line with spaces, and the way back.
#[derive(Debug, Clone)]
pub(super) struct Spaced {
    pub(super) text: String,
    /// For each byte, and for the end: the byte of the line that it came from, or that follows a space put in.
    at: Vec<usize>,
}

/// What is read as one sign, longer ones first.
const SIGNS: [&str; 39] = [
    "===", "!==", "<<=", ">>=", "**=", "//=", "...", "..=", "&&=", "||=", "??=", "->", "=>", "<-",
    ":=", "::", "++", "--", "**", "<<", ">>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "+=",
    "-=", "*=", "/=", "%=", "//", "..", "|=", "&=", "^=",
];
/// Signs that stand between two operands, if an operand stands before them.
const BINARY: [&str; 18] = [
    "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "??", "+=", "-=", "//", "+", "-", "*", "/",
    "%", "<",
];

impl Spaced {
    /// Of a line in which strings and comments are blanked.
    pub(super) fn of(lang: Lang, code: &str) -> Spaced {
        let mut spaced = Spaced {
            text: String::with_capacity(code.len() + 16),
            at: Vec::with_capacity(code.len() + 17),
        };
        let angles = angles(lang, code);
        let mut rest = code;
        while let Some(first) = rest.chars().next() {
            let from = code.len() - rest.len();
            let token = token(rest, first);
            let before = code[..from].chars().next_back();
            let after = rest[token.len()..].chars().next();
            let is_operator = (BINARY.contains(&token) || token == ">")
                && before.is_some_and(|c| is_word(c) || matches!(c, ')' | ']'))
                && after.is_some_and(|c| !matches!(c, ')' | ']' | ',' | ';'))
                && (angles || !matches!(token, "<" | ">"))
                // Types of Go: []*T.
                && !(lang == Lang::Go && token == "*" && before == Some(']'));
            if is_operator {
                spaced.space(from);
            }
            spaced.keep(token, from);
            let needs_space = is_operator || token == ",";
            if needs_space
                && after.is_some_and(|c| !c.is_whitespace() && !matches!(c, ')' | ']' | '}'))
            {
                spaced.space(from + token.len());
            }
            rest = &rest[token.len()..];
        }
        spaced.at.push(code.len());
        spaced
    }

    /// Where a piece of it stands in the line.
    pub(super) fn place(&self, piece: std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
        Some(*self.at.get(piece.start)?..*self.at.get(piece.end)?)
    }

    fn keep(&mut self, token: &str, from: usize) {
        self.text.push_str(token);
        self.at.extend(from..from + token.len());
    }

    fn space(&mut self, next: usize) {
        self.text.push(' ');
        self.at.push(next);
    }
}

/// Whether `<` without spaces compares in this line. In pairs such signs are brackets of types.
fn angles(lang: Lang, code: &str) -> bool {
    let mut bare = code.to_owned();
    for sign in ["->", "=>", "<-", "<=", ">="] {
        bare = bare.replace(sign, " ");
    }
    matches!(lang, Lang::Python | Lang::Go) || !(bare.contains('<') && bare.contains('>'))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A word, a number with its exponent, a sign, or one character.
fn token(rest: &str, first: char) -> &str {
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return &rest[..sign.len()];
    }
    if !is_word(first) {
        return &rest[..first.len_utf8()];
    }
    let end = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let word = end(rest);
    let is_exponent =
        first.is_ascii_digit() && !rest.starts_with("0x") && rest[..word].ends_with(['e', 'E']);
    match rest[word..].strip_prefix(['+', '-']) {
        Some(digits) if is_exponent && digits.starts_with(|c: char| c.is_ascii_digit()) => {
            &rest[..word + 1 + end(digits)]
        }
        _ => &rest[..word],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_get_spaces_and_nothing_else() {
        let cases = [
            (Lang::Python, "return a-b", "return a - b"),
            (Lang::Python, "return -a*-1", "return -a * -1"),
            (
                Lang::Python,
                "if x%100!=0 or y<=2:",
                "if x % 100 != 0 or y <= 2:",
            ),
            (Lang::Python, "f(a,*b,c=-1)[-1]**2", "f(a, *b, c=-1)[-1]**2"),
            (Lang::Python, "x = 1.5e-3+0x1e-5", "x = 1.5e-3 + 0x1e - 5"),
            (Lang::Python, "def f(a)->int:", "def f(a)->int:"),
            (Lang::Js, "for(let i=0;i<n;i++){", "for(let i=0;i < n;i++){"),
            (Lang::Js, "const f = (a)=>a&&b", "const f = (a)=>a && b"),
            (
                Lang::Js,
                "new Map<string,Array<number>>()",
                "new Map<string, Array<number>>()",
            ),
            (
                Lang::Rust,
                "let v: Vec<u8> = a..b+1;",
                "let v: Vec<u8> = a..b + 1;",
            ),
            (
                Lang::Rust,
                "fn f(x: &[u8])->Option<u8> {",
                "fn f(x: &[u8])->Option<u8> {",
            ),
            (Lang::Go, "var p []*T = <-c", "var p []*T = <-c"),
            (Lang::Python, "a - b", "a - b"),
            (Lang::Python, "ä-ö", "ä - ö"),
        ];
        for (lang, code, wanted) in cases {
            assert_eq!(Spaced::of(lang, code).text, wanted);
        }
    }

    #[test]
    fn the_way_back_leads_to_the_same_place() {
        for code in ["return ä-b+f(x,y)", "a<=b", "", "😀*2", "x-"] {
            let spaced = Spaced::of(Lang::Python, code);
            assert_eq!(spaced.place(0..spaced.text.len()), Some(0..code.len()));
            for (at, sign) in spaced.text.match_indices(['-', '+', '*']) {
                let place = spaced.place(at..at + sign.len()).unwrap();
                assert!(
                    code[place.clone()].starts_with(sign) && place.len() == 1,
                    "{code}: {place:?}"
                );
            }
        }
        assert_eq!(Spaced::of(Lang::Python, "a").place(1..9), None);
    }
}
