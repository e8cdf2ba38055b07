//! Rust text as the checks see it: comments and literals blanked, test code told apart, paths expanded.
//!
//! Read by the compiler's own lexer as a library (`proc-macro2`), and no further: a tree of tokens needs no build, and holds
//! what stands in macros, too, which a tree of syntax does not see into.

use proc_macro2::{Delimiter, Literal, Span, TokenStream, TokenTree};
use std::ops::Range;

/// A Rust file in three views of the same length, so that a position means the same line in each.
pub(crate) struct Source {
    /// As written.
    pub(crate) raw: String,
    /// Comments and literals of text are spaces.
    pub(crate) code: String,
    /// As `code`, and items under `#[cfg(test)]` are spaces too.
    pub(crate) shipped: String,
    /// Functions with a body, in order.
    pub(crate) functions: Vec<Function>,
    /// Literals of text, in order.
    literals: Vec<(usize, String)>,
    /// Positions of the line breaks.
    breaks: Vec<usize>,
}

/// A function with a body.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Where its `fn` stands, and one past the brace that closes it.
    pub(crate) at: Range<usize>,
}

impl Source {
    /// What is no Rust at all is taken as it is, with nothing blanked.
    pub(crate) fn new(raw: String) -> Source {
        let mut reader = Reader {
            raw: &raw,
            code: blank(&raw),
            literals: Vec::new(),
            tests: Vec::new(),
            functions: Vec::new(),
        };
        match raw.parse::<TokenStream>() {
            Ok(stream) => reader.read(stream),
            Err(_) => reader.code = raw.clone().into_bytes(),
        }
        let Reader {
            code,
            literals,
            tests,
            functions,
            ..
        } = reader;
        let mut shipped = code.clone();
        for test in tests {
            hide(&mut shipped[test]);
        }
        // Only whole tokens were blanked or kept, so no character was cut.
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let breaks = raw.match_indices('\n').map(|(at, _)| at).collect();
        Source {
            code: text(code),
            shipped: text(shipped),
            functions,
            literals,
            breaks,
            raw,
        }
    }

    /// The string literals in a part of the file: where each stands, and its text.
    pub(crate) fn literals(&self, part: Range<usize>) -> Vec<(usize, String)> {
        let within = self.literals.iter().filter(|(at, _)| part.contains(at));
        within.cloned().collect()
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

/// Spaces instead of everything; line breaks and length stay.
fn hide(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

fn blank(raw: &str) -> Vec<u8> {
    let mut bytes = raw.as_bytes().to_vec();
    hide(&mut bytes);
    bytes
}

/// Goes through the tokens of a file.
struct Reader<'a> {
    raw: &'a str,
    /// Spaces, into which is written what is code.
    code: Vec<u8>,
    literals: Vec<(usize, String)>,
    tests: Vec<Range<usize>>,
    functions: Vec<Function>,
}

impl Reader<'_> {
    fn read(&mut self, stream: TokenStream) {
        // A comment that documents is an attribute to the lexer, which stands where the comment does.
        let is_code = |tree: &TokenTree| {
            let text = &self.raw[tree.span().byte_range().start..];
            !text.starts_with("//") && !text.starts_with("/*")
        };
        let trees: Vec<TokenTree> = stream.into_iter().filter(is_code).collect();
        for (at, tree) in trees.iter().enumerate() {
            let rest = &trees[at..];
            if is_test_only(rest) {
                let from = tree.span().byte_range().start;
                self.tests.push(from..item_end(rest, self.raw.len()));
            }
            self.functions.extend(function(rest));
            self.token(tree);
        }
    }

    fn token(&mut self, tree: &TokenTree) {
        match tree {
            TokenTree::Group(group) => {
                self.keep(group.span_open());
                self.read(group.stream());
                self.keep(group.span_close());
            }
            TokenTree::Literal(literal) => match text_of(literal) {
                Some(text) => self
                    .literals
                    .extend(text.map(|text| (literal.span().byte_range().start, text))),
                None => self.keep(literal.span()),
            },
            TokenTree::Ident(_) | TokenTree::Punct(_) => self.keep(tree.span()),
        }
    }

    fn keep(&mut self, span: Span) {
        let range = span.byte_range();
        self.code[range.clone()].copy_from_slice(&self.raw.as_bytes()[range]);
    }
}

/// What a literal of text says; nothing in it for a character, and nothing for a number.
fn text_of(literal: &Literal) -> Option<Option<String>> {
    match syn::Lit::new(literal.clone()) {
        syn::Lit::Str(text) => Some(Some(text.value())),
        syn::Lit::ByteStr(text) => Some(Some(String::from_utf8_lossy(&text.value()).into_owned())),
        syn::Lit::CStr(text) => Some(Some(text.value().to_string_lossy().into_owned())),
        syn::Lit::Byte(_) | syn::Lit::Char(_) => Some(None),
        _ => None,
    }
}

/// Whether `#[cfg(test)]` stands here, or one that begins with it.
fn is_test_only(trees: &[TokenTree]) -> bool {
    let [TokenTree::Punct(mark), TokenTree::Group(group), ..] = trees else {
        return false;
    };
    let text: String = group.stream().to_string().split_whitespace().collect();
    mark.as_char() == '#'
        && ["cfg(test)", "cfg(any(test,", "cfg(all(test,"]
            .iter()
            .any(|cfg| text.starts_with(cfg))
}

/// Where the item ends whose first attribute stands here: after its `;`, or after its block.
fn item_end(trees: &[TokenTree], all: usize) -> usize {
    let is_end = |tree: &TokenTree| match tree {
        TokenTree::Punct(mark) => mark.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    let end = trees.iter().find(|tree| is_end(tree));
    end.map_or(all, |tree| tree.span().byte_range().end)
}

/// The function whose `fn` stands here, if it has a name and a body.
fn function(trees: &[TokenTree]) -> Option<Function> {
    let [TokenTree::Ident(word), TokenTree::Ident(name), rest @ ..] = trees else {
        return None;
    };
    if word != "fn" {
        return None;
    }
    let body = rest.iter().find_map(|tree| match tree {
        TokenTree::Punct(mark) if mark.as_char() == ';' => Some(None),
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(Some(group)),
        _ => None,
    });
    Some(Function {
        name: name.to_string(),
        at: word.span().byte_range().start..body??.span().byte_range().end,
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
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
    fn literals_say_what_they_say_wherever_they_stand() {
        let text = r##"/// "none"
            fn f() { g!("a \"b\" \
                c", r#"d "e""#, b"f", 'g', 7); }"##;
        let source = Source::new(text.to_owned());
        let said: Vec<String> = source
            .literals(0..text.len())
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert_eq!(said, ["a \"b\" c", "d \"e\"", "f"]);
        assert!(source.code.contains("7); }"), "{}", source.code);
    }

    #[test]
    fn functions_have_a_name_and_a_body() {
        let text = "type F = fn(u8);\ntrait T { fn without(&self); fn with(&self) { fn inner() {} } }\nm! { fn made() {} }";
        let source = Source::new(text.to_owned());
        let mut names: Vec<&str> = source.functions.iter().map(|f| f.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["inner", "made", "with"]);
        let with = source.functions.iter().find(|f| f.name == "with").unwrap();
        assert_eq!(&text[with.at.clone()], "fn with(&self) { fn inner() {} }");
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
