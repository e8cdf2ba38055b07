//! Comparisons that tell less apart than they should, in any language: by a length or a type, within a wide margin, by fewer
//! fields than before, or by a function that is put in their place.

use super::Found;
use super::text::{FileChange, Hunk, Kind, Language, Token};
use keiko_contracts::evidence::FindingKind::EqualToEverything;
use std::collections::BTreeSet;
use std::ops::Range;

/// Fields that stand for all of a thing.
const NAMES: [&str; 14] = [
    "id", "_id", "key", "_key", "name", "_name", "uuid", "pk", "slug", "url", "path", "value",
    "_value", "data",
];

/// Names of methods that compare.
fn compares(language: Language, name: &str) -> bool {
    match language {
        Language::Python => name == "__eq__",
        Language::JavaScript => matches!(name, "equals" | "equal" | "isEqual" | "eq"),
        Language::Rust => name == "eq",
        Language::Go => matches!(name, "Equal" | "Equals" | "Eq" | "Is"),
    }
}

/// Comparisons of a hunk whose body is new or changed.
pub(super) fn read(file: &FileChange<'_>, hunk: &Hunk<'_>) -> Found {
    let Some(language) = Language::of(file.path) else {
        return Found::new();
    };
    let mut found = Found::new();
    for (name, body) in methods(language, hunk) {
        let line = hunk.tokens[name].line;
        let tokens = &hunk.tokens[body.clone()];
        let changed = body.clone().find(|at| hunk.is_added(*at));
        let Some(changed) = changed else { continue };
        let said = always_true(tokens) && (language != Language::Python);
        if said
            || by_measure(tokens)
            || within_a_margin(tokens)
            || leaves_fields_out(language, hunk, tokens)
            || is_less(hunk, tokens)
        {
            // Where the head stands unchanged, the line that changed is shown.
            let shown = if hunk.is_added(name) {
                line
            } else {
                hunk.tokens[changed].line
            };
            found.push((EqualToEverything, shown));
        }
    }
    // A comparison that is put together: `{"__eq__": close}`.
    for (at, text) in hunk.texts() {
        if language == Language::Python
            && text == "__eq__"
            && hunk.fits(at + 1, ":")
            && !hunk.fits(at + 2, "operator . eq")
        {
            found.push((EqualToEverything, hunk.tokens[at].line));
        }
    }
    found
}

/// Where the names of comparing methods stand, and their bodies.
fn methods(language: Language, hunk: &Hunk<'_>) -> Vec<(usize, Range<usize>)> {
    let mut methods = Vec::new();
    for at in 0..hunk.tokens.len() {
        let token = &hunk.tokens[at];
        if token.kind != Kind::Word || !compares(language, &token.text) || !hunk.fits(at + 1, "(") {
            continue;
        }
        let defined = match language {
            Language::Python => at > 0 && hunk.tokens[at - 1].is("def"),
            Language::Rust => at > 0 && hunk.tokens[at - 1].is("fn"),
            Language::Go => at > 0 && hunk.tokens[at - 1].is(")"),
            // A method begins its line; elsewhere it is called.
            Language::JavaScript => {
                at == 0
                    || hunk.tokens[at - 1].line != token.line
                    || ["function", "async", "static"]
                        .iter()
                        .any(|word| hunk.tokens[at - 1].is(word))
            }
        };
        let close = hunk.inside(at + 1).end;
        let body = match language {
            Language::Python => {
                let block = hunk.block(token.line);
                let start = hunk
                    .tokens
                    .partition_point(|token| token.line < block.start)
                    .max(close);
                start..hunk.tokens.partition_point(|token| token.line < block.end)
            }
            _ => {
                match (close..hunk.tokens.len().min(close + 8)).find(|at| hunk.tokens[*at].is("{"))
                {
                    Some(open) => hunk.inside(open),
                    None => continue,
                }
            }
        };
        if defined && !body.is_empty() {
            methods.push((at, body));
        }
    }
    methods
}

/// `{ true }`, `return true`.
fn always_true(body: &[Token]) -> bool {
    let words: Vec<&Token> = body
        .iter()
        .filter(|token| !matches!(token.text.as_str(), "return" | ";"))
        .collect();
    matches!(words[..], [only] if only.is("true"))
}

/// Both sides come to a measure of them, and nothing else is compared: a length, a type.
fn by_measure(body: &[Token]) -> bool {
    let signs: Vec<usize> = (0..body.len())
        .filter(|at| matches!(body[*at].text.as_str(), "==" | "===" | "in"))
        .collect();
    let measure = |at: usize| {
        let before = body.get(..at).unwrap_or_default();
        let after = body.get(at + 1).map_or("", |token| token.text.as_str());
        let open = before
            .iter()
            .rposition(|token| matches!(token.text.as_str(), "return" | "and" | "&&" | ";"));
        let first = before
            .get(open.map_or(0, |open| open + 1))
            .map_or("", |token| token.text.as_str());
        let length = |word: &str| matches!(word, "len" | "sizeof");
        let of_length = length(first) && length(after);
        let property = matches!(before.last(), Some(last) if last.is("length"))
            || (at >= 2
                && body[at - 1].is(")")
                && matches!(before.iter().rev().nth(2), Some(name) if name.is("len")));
        // `type(other) in (dict, str)`: of what others gave.
        let kinds = first == "type" && body[at].is("in");
        of_length || property || kinds
    };
    let more = body.iter().any(|token| {
        matches!(
            token.text.as_str(),
            "and" | "&&" | "every" | "all" | "zip" | "for"
        )
    });
    !more && !signs.is_empty() && signs.iter().all(|at| measure(*at))
}

/// `abs(a - b) <= 1000`: what rounding leaves is smaller.
fn within_a_margin(body: &[Token]) -> bool {
    let has = |text: &str| body.iter().any(|token| token.is(text));
    let differs = has("abs") || has("Abs") || (has("-") && !has("==") && !has("==="));
    let wide = |at: usize| {
        matches!(body[at].text.as_str(), "<=" | "<")
            && body.get(at + 1).is_some_and(|bound| {
                bound.kind == Kind::Number
                    && bound
                        .text
                        .replace('_', "")
                        .parse::<f64>()
                        .is_ok_and(|bound| bound >= 1.0)
                    && !body.get(at + 2).is_some_and(|next| {
                        next.is("/")
                            || (next.is("**")
                                && body.get(at + 3).is_some_and(|minus| minus.is("-")))
                    })
            })
    };
    differs && (0..body.len()).any(wide)
}

/// The object of a field: `self.x`, `this.x`.
fn fields(tokens: &[Token], of: &str) -> BTreeSet<String> {
    let field = |four: &[Token]| {
        let called = four.get(3).is_some_and(|next| next.is("("));
        (four[0].is(of) && four[1].is(".") && four[2].kind == Kind::Word && !called)
            .then(|| four[2].text.clone())
    };
    (0..tokens.len().saturating_sub(2))
        .filter_map(|at| field(&tokens[at..tokens.len().min(at + 4)]))
        .collect()
}

/// Fewer fields are compared than are seen beside it, and none that stands for the others.
fn leaves_fields_out(language: Language, hunk: &Hunk<'_>, body: &[Token]) -> bool {
    let own = match language {
        Language::Python | Language::Rust => "self",
        Language::JavaScript => "this",
        Language::Go => return false,
    };
    let (compared, seen) = (fields(body, own), fields(&hunk.tokens, own));
    let plain = body
        .iter()
        .filter(|token| matches!(token.text.as_str(), "==" | "==="))
        .count()
        == compared.len();
    let stands = |name: &String| NAMES.contains(&name.as_str()) || name.ends_with("_id");
    let left = seen
        .iter()
        .filter(|name| !name.starts_with('_') && !compared.contains(*name))
        .count();
    plain && !compared.is_empty() && left > 0 && !compared.iter().any(stands)
}

/// What was compared as a whole, or by several fields, is compared by fewer.
fn is_less(hunk: &Hunk<'_>, body: &[Token]) -> bool {
    let old: String = hunk.removed.join(" ");
    let wholes = [
        " == o",
        " == other",
        " == *other",
        " === other",
        " == that",
        " == rhs",
    ];
    let whole = wholes
        .iter()
        .any(|whole| old.trim_end_matches([';', ' ']).ends_with(whole));
    let has = |text: &str| body.iter().any(|token| token.is(text));
    let compares = body
        .iter()
        .filter(|token| matches!(token.text.as_str(), "==" | "==="))
        .count();
    let of_fields = body.windows(3).any(|three| {
        three[1].is(".") && three[0].kind == Kind::Word && three[2].kind == Kind::Word
    });
    let one_field = compares == 1 && of_fields && !has("(") && !has("&&") && !has("and");
    // A method of its own may compare all of it.
    let asks = body.windows(4).any(|four| {
        (four[0].is("self") || four[0].is("this")) && four[1].is(".") && four[3].is("(")
    });
    let (before, now) = (
        old_fields(&old),
        fields(body, "self").len().max(fields(body, "this").len()),
    );
    let fewer =
        before > 1 && old.contains("==") && compares > 0 && now < before && !asks && !has("super");
    (whole && one_field) || fewer
}

/// How many fields of its own a text compares.
fn old_fields(old: &str) -> usize {
    let names = ["self.", "this."].iter().flat_map(|own| {
        old.match_indices(own).map(move |(at, _)| {
            let rest = &old[at + own.len()..];
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            // What is called is no field.
            if rest[end..].starts_with('(') {
                ""
            } else {
                &rest[..end]
            }
        })
    });
    names
        .filter(|name| !name.is_empty())
        .collect::<BTreeSet<_>>()
        .len()
}
