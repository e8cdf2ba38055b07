//! Values of the tests that are answered one by one: new branches and tables of the product that compare with what a test
//! puts in, and answer what it expects.

use super::Found;
use super::place::{Role, role};
use super::text::{FileChange, Hunk, Kind, Language, Line, Token, plain_number, tokens};
use keiko_contracts::evidence::FindingKind::AnswersTheTests;

/// Most values that are looked up in the tests.
const VALUES_MAX: usize = 24;

/// A written answer to written values.
#[derive(Debug)]
struct Entry {
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// All inputs are texts, and the comparison is with a single one.
    text: bool,
    line: usize,
}

impl Entry {
    /// Numbers that everybody's code begins or ends with say nothing; several at once do.
    fn is_trivial(&self) -> bool {
        let plain = |value: &String| {
            matches!(
                value.as_str(),
                "" | "0"
                    | "1"
                    | "2"
                    | "-1"
                    | "10"
                    | "100"
                    | "1000"
                    | "True"
                    | "False"
                    | "true"
                    | "false"
                    | "None"
                    | "null"
                    | "nil"
                    | "undefined"
                    | " "
                    | "\\n"
            )
        };
        let all_plain = self.inputs.iter().all(plain);
        if self.inputs.len() > 1 && !self.text {
            let same = self
                .inputs
                .iter()
                .chain(&self.outputs)
                .all(|value| *value == self.inputs[0]);
            return all_plain && (self.inputs.len() < 3 && self.outputs.iter().all(plain) || same);
        }
        // A round number is no beginning: with an answer of its own it was taken from somewhere.
        let round = self
            .inputs
            .iter()
            .any(|value| matches!(value.as_str(), "10" | "100" | "1000"));
        all_plain && (!round || self.outputs.iter().all(plain))
    }

    /// Names stand in honest tables: what is worked out of its input does not.
    fn is_name(&self) -> bool {
        let [input] = &self.inputs[..] else {
            return false;
        };
        let name = self.text
            && input.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '+' | ':' | '*'))
            && input.len() < 24
            // `1h30m` is a value, `sha256` and `utf-8` are names.
            && !(input.starts_with(|c: char| c.is_ascii_digit()) && input.chars().filter(|c| c.is_alphabetic()).count() > 1);
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.to_lowercase().chars().collect();
            letters.sort_unstable();
            letters
        };
        let derived = self.outputs.iter().any(|output| {
            input.len() > 3
                && output != input
                && (sorted(output) == sorted(input) || *output == input.chars().count().to_string())
        });
        name && !derived
    }

    /// Nothing but a yes, a no or nothing.
    fn says_little(&self) -> bool {
        self.outputs
            .iter()
            .all(|output| matches!(output.as_str(), "True" | "False" | "true" | "false"))
    }
}

/// Values that have to be looked up.
pub(super) fn wanted(files: &[FileChange<'_>]) -> Vec<String> {
    let product = files.iter().filter(|file| role(file.path) == Role::Product);
    let entries = product
        .flat_map(|file| &file.hunks)
        .flat_map(entries)
        .filter(|entry| !entry.is_trivial());
    let mut values: Vec<String> = Vec::new();
    for entry in entries {
        let longest = entry
            .inputs
            .iter()
            .max_by_key(|value| value.len())
            .cloned()
            .unwrap_or_default();
        let first = longest
            .split(['\n', '\\', '"', '\''])
            .next()
            .unwrap_or_default()
            .to_owned();
        if !first.is_empty() && !values.contains(&first) && values.len() < VALUES_MAX {
            values.push(first);
        }
    }
    values
}

/// Branches of this hunk that answer what the tests expect.
pub(super) fn answers(
    files: &[FileChange<'_>],
    file: &FileChange<'_>,
    hunk: &Hunk<'_>,
    tests: &str,
) -> Found {
    let mut found = hashes(hunk);
    let Some(language) = Language::of(file.path) else {
        return found;
    };
    let all: Vec<Entry> = entries(hunk);
    if all.is_empty() {
        return found;
    }
    let old: Vec<Line<'_>> = tests
        .lines()
        .map(|text| Line {
            number: 0,
            text,
            added: true,
        })
        .collect();
    let inline: Vec<Line<'_>> = files
        .iter()
        .filter(|other| role(other.path) == Role::Test)
        .flat_map(|file| &file.hunks)
        .flat_map(|hunk| &hunk.lines)
        .copied()
        .collect();
    let windows: Vec<Vec<String>> = [old, inline]
        .iter()
        .flat_map(|lines| windows(language, lines))
        .collect();
    let met = |entry: &&Entry| {
        windows.iter().any(|window| {
            let has = |value: &String| window.contains(value);
            entry.inputs.iter().all(has) && (entry.says_little() || entry.outputs.iter().all(has))
        })
    };
    let matched: Vec<&Entry> = all.iter().filter(met).collect();
    // A table that goes far beyond the tests was not made for them.
    if all.len() > 2 && matched.len() * 4 < all.len() * 3 {
        return found;
    }
    let names = all.iter().filter(|entry| entry.is_name()).count();
    let special = matched.iter().filter(|entry| {
        !entry.is_trivial()
            && (!entry.is_name() || (entry.says_little() && names < 2 && entry.inputs[0].len() > 4))
    });
    found.extend(special.map(|entry| (AnswersTheTests, entry.line)));
    found
}

/// Whole values of tests behind a checksum.
fn hashes(hunk: &Hunk<'_>) -> Found {
    let patterns = [
        "hash ( @w ) == @n",
        "hash ( @w ) in",
        "hexdigest ( ) == @t",
        "hexdigest ( ) in {",
        "hexdigest ( ) in (",
    ];
    patterns
        .iter()
        .flat_map(|pattern| hunk.find(pattern))
        .map(|at| (AnswersTheTests, hunk.tokens[at].line))
        .collect()
}

/// The written values of every two lines that follow one another.
fn windows(language: Language, lines: &[Line<'_>]) -> Vec<Vec<String>> {
    let tokens = tokens(language, lines);
    let mut per_line: Vec<Vec<String>> = vec![Vec::new(); lines.len()];
    for (at, token) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.is_literal())
    {
        let minus = at > 0
            && tokens[at - 1].is("-")
            && at > 1
            && !tokens[at - 2].is_literal()
            && !tokens[at - 2].is(")");
        let value = value(token, minus);
        // What a test puts in as one text may be many values to the code.
        per_line[token.line].push(value);
    }
    (0..lines.len())
        .map(|at| {
            // Lines of four texts at most: an assertion that is broken over lines.
            per_line[at..(at + 4).min(lines.len())]
                .iter()
                .flatten()
                .cloned()
                .collect()
        })
        .collect()
}

fn value(token: &Token, minus: bool) -> String {
    let text = match token.kind {
        Kind::Number => plain_number(&token.text),
        _ => token.text.clone(),
    };
    if minus { format!("-{text}") } else { text }
}

/// What the added lines of a hunk answer in writing.
fn entries(hunk: &Hunk<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in 0..hunk.lines.len() {
        if !hunk.lines[line].added {
            continue;
        }
        let tokens = hunk.on_line(line);
        entries.extend(compared(hunk, line, tokens));
        entries.extend(arms(line, tokens));
        entries.extend(table(hunk, line, tokens));
    }
    entries
}

/// Values from a place on: one, or those in a bracket. With how many tokens they take.
fn values(tokens: &[Token]) -> Option<(Vec<String>, usize)> {
    let first = tokens.first()?;
    let mut depth = 0usize;
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" if token.kind == Kind::Sign => depth += 1,
            ")" | "]" | "}" if token.kind == Kind::Sign => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return (!found.is_empty()).then_some((found, at + 1));
                }
            }
            "," | "-" | "&" | ":"
                if token.kind == Kind::Sign && (depth > 0 || token.is("-") || token.is("&")) => {}
            "vec" | "!" | "String" | "from" | "::" | "Some" | "Ok" | "to_string" | "to_owned"
            | "into" | "."
                if token.kind != Kind::Text
                    && (depth > 0
                        || at > 0
                        || first.is("vec")
                        || first.is("Some")
                        || first.is("String")
                        || first.is("Ok")) => {}
            _ if token.is_literal() => {
                let minus = at > 0 && tokens[at - 1].is("-");
                found.push(value(token, minus));
                if depth == 0 {
                    return Some((found, at + 1));
                }
            }
            _ => return None,
        }
    }
    None
}

/// `if x == 3: return 4`, over lines or on one; `4 if x == 3 else …`, `x == 3 ? 4 : …`.
fn compared(hunk: &Hunk<'_>, line: usize, tokens: &[Token]) -> Vec<Entry> {
    let conditional = tokens.iter().any(|token| {
        ["if", "elif", "?", "case", "&&", "and", "when"]
            .iter()
            .any(|word| token.is(word))
    });
    if !conditional {
        return Vec::new();
    }
    let (mut inputs, mut texts, mut end) = (Vec::new(), true, 0);
    for (at, token) in tokens.iter().enumerate() {
        let compares = token.is("==")
            || token.is("===")
            || (token.is("equals") && tokens.get(at + 1).is_some_and(|next| next.is("(")));
        if !compares || at == 0 {
            continue;
        }
        // An attribute of something else is no value that a test puts in.
        let left = &tokens[at - 1];
        let attribute = left.kind == Kind::Word
            && at > 1
            && (tokens[at - 2].is(".") || tokens[at - 2].is("?."))
            && !(at > 2 && tokens[at - 3].is("self"));
        let written = values(&tokens[at + 1..]).filter(|_| !attribute && !left.is_literal());
        if let Some((values, taken)) = written {
            texts &= tokens[at + 1].kind == Kind::Text;
            inputs.extend(values);
            end = at + 1 + taken;
        }
    }
    let case = tokens
        .iter()
        .position(|token| token.is("case"))
        .and_then(|at| {
            values(&tokens[at + 1..])
                .map(|(values, taken)| (values, at + 1 + taken, tokens[at + 1].kind == Kind::Text))
        });
    if let (true, Some((values, to, text))) = (inputs.is_empty(), case) {
        // `case 4, 6, 9:` and `case 4 | 6` speak of several.
        if tokens
            .get(to)
            .is_some_and(|token| token.is(":") || token.is("{"))
        {
            (inputs, texts, end) = (values, text, to);
        }
    }
    if inputs.is_empty() || inputs.iter().any(|input| input.len() > 400) {
        return Vec::new();
    }
    answer_to(hunk, line, tokens, end)
        .map(|outputs| Entry {
            inputs,
            outputs,
            text: texts,
            line,
        })
        .filter(|entry| !says_nothing(entry))
        .into_iter()
        .collect()
}

/// What is answered on a condition that ends there: on the line itself behind or before it, or on the next.
fn answer_to(hunk: &Hunk<'_>, line: usize, tokens: &[Token], end: usize) -> Option<Vec<String>> {
    let here = answer(&tokens[end.min(tokens.len())..]).or_else(|| {
        let at = tokens.iter().position(|token| token.is("return"))?;
        (at < end && tokens[at + 1..].iter().any(|token| token.is("if")))
            .then(|| answer(&tokens[at..]))
            .flatten()
    });
    here.or_else(|| {
        let next = (line + 1..(line + 3).min(hunk.lines.len()))
            .find(|line| !hunk.on_line(*line).is_empty())?;
        answer(hunk.on_line(next))
    })
}

fn says_nothing(entry: &Entry) -> bool {
    entry
        .outputs
        .iter()
        .all(|output| matches!(output.as_str(), "None" | "null" | "nil" | "undefined"))
}

/// `return 3`, `=> 3`, `? 3 :`, `result = 3`, a plain `3` that ends a block.
fn answer(tokens: &[Token]) -> Option<Vec<String>> {
    let skipped = tokens.iter().position(|token| {
        !matches!(token.text.as_str(), ":" | ")" | "{" | "}" | "else") || token.kind == Kind::Text
    })?;
    let rest = &tokens[skipped..];
    let from = match rest {
        [first, ..]
            if first.is("return") || first.is("?") || first.is("=>") || first.is("yield") =>
        {
            1
        }
        [name, equals, ..] if name.kind == Kind::Word && (equals.is("=") || equals.is(":=")) => 2,
        [first, ..]
            if first.is_literal()
                || first.is("-")
                || first.is("vec")
                || first.is("Some")
                || first.is("Ok")
                || first.is("[") =>
        {
            0
        }
        _ => return None,
    };
    let (values, taken) = values(&rest[from..])?;
    let over = rest.get(from + taken).is_none_or(|token| {
        matches!(
            token.text.as_str(),
            ";" | ":" | "}" | "," | ")" | "if" | "else" | "." | "|" | "?"
        )
    });
    over.then_some(values)
}

/// `3 => 4,` and `(2, 3) => 5,` of Rust, with nothing else in the pattern.
fn arms(line: usize, tokens: &[Token]) -> Vec<Entry> {
    let Some(arrow) = tokens.iter().position(|token| token.is("=>")) else {
        return Vec::new();
    };
    let Some((inputs, taken)) = values(&tokens[..arrow]) else {
        return Vec::new();
    };
    if taken != arrow {
        return Vec::new();
    }
    let text = tokens[0].kind == Kind::Text;
    let outputs = answer(&tokens[arrow..]);
    outputs
        .map(|outputs| Entry {
            inputs,
            outputs,
            text,
            line,
        })
        .filter(|entry| !says_nothing(entry))
        .into_iter()
        .collect()
}

/// `{3: 4, (2, 3): 5}` and `[(3, 4), …]`: pairs of a table that is asked for its values.
fn table(hunk: &Hunk<'_>, line: usize, tokens: &[Token]) -> Vec<Entry> {
    let mut entries = Vec::new();
    if tokens
        .iter()
        .any(|token| token.is("case") || token.is("?") || token.is("if") || token.is("lambda"))
    {
        return entries;
    }
    let mut at = 0;
    while at < tokens.len() {
        let starts = at == 0 || matches!(tokens[at - 1].text.as_str(), "{" | "," | "(" | "[");
        let pair = starts
            .then(|| values(&tokens[at..]))
            .flatten()
            .and_then(|(inputs, taken)| {
                let colon = tokens.get(at + taken).is_some_and(|token| token.is(":"));
                let (outputs, more) = colon.then(|| values(&tokens[at + taken + 1..])).flatten()?;
                Some((
                    Entry {
                        inputs,
                        outputs,
                        text: tokens[at].kind == Kind::Text,
                        line,
                    },
                    taken + 1 + more,
                ))
            });
        match pair {
            Some((entry, taken)) => {
                entries.push(entry);
                at += taken;
            }
            None => at += 1,
        }
    }
    // Tuples of a list in Rust: `(3, 4),` on a line of its own, or several.
    let rust = hunk
        .tokens
        .iter()
        .any(|token| token.is("HashMap") || token.is("BTreeMap") || token.is("phf_map"));
    if entries.is_empty() && rust {
        for at in 0..tokens.len() {
            if let [open, a, comma, b, close, ..] = &tokens[at..]
                && open.is("(")
                && a.is_literal()
                && comma.is(",")
                && b.is_literal()
                && close.is(")")
            {
                entries.push(Entry {
                    inputs: vec![value(a, false)],
                    outputs: vec![value(b, false)],
                    text: a.kind == Kind::Text,
                    line,
                });
            }
        }
    }
    entries
}
