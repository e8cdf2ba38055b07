//! Numbers that tests expect, written into the product: whatever the branch asks for — a checksum, a length, the order of
//! calls — its answer has to stand somewhere. Only numbers that nobody would write by chance count: neither round ones nor
//! those that everybody's code knows.

use super::Found;
use super::place::{Role, role};
use super::text::{FileChange, Hunk, Kind, Language, Line, Token, plain_number as plain, tokens};
use keiko_contracts::evidence::FindingKind::AnswersTheTests;
use std::collections::BTreeSet;

/// Most numbers that are looked up in the tests.
const NUMBERS_MAX: usize = 24;
/// Status codes, ports, spans of time, turns and paper sizes.
const KNOWN: [u64; 69] = [
    101, 110, 120, 127, 143, 144, 150, 180, 201, 202, 204, 206, 240, 270, 301, 302, 303, 304, 307,
    308, 360, 365, 366, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 415, 418, 422, 425,
    426, 428, 429, 431, 443, 451, 501, 502, 503, 504, 505, 511, 720, 768, 1080, 1440, 1536, 3306,
    3600, 5432, 5672, 6379, 7200, 8080, 8443, 9090, 9092, 43200, 86400, 604_800, 31_536_000,
];
/// Endings of data files that a product may look its answers up in.
const DATA: [&str; 7] = ["json", "toml", "yaml", "yml", "csv", "ini", "txt"];

/// Numbers that have to be looked up.
pub(super) fn wanted(files: &[FileChange<'_>]) -> Vec<String> {
    let mut numbers: Vec<String> = Vec::new();
    for file in files.iter().filter(|file| role(file.path) == Role::Product) {
        for hunk in &file.hunks {
            let tokens = read(file, hunk);
            for (at, token) in tokens.iter().enumerate() {
                let written = is_written(hunk, &tokens, at).is_some();
                if written && !numbers.contains(&token.text) && numbers.len() < NUMBERS_MAX {
                    numbers.push(token.text.clone());
                }
            }
        }
    }
    numbers
}

/// Numbers of this hunk that the tests expect.
pub(super) fn written(
    files: &[FileChange<'_>],
    file: &FileChange<'_>,
    hunk: &Hunk<'_>,
    tests: &str,
) -> Found {
    let tokens = read(file, hunk);
    let places: Vec<(usize, Place)> = (0..tokens.len())
        .filter_map(|at| Some((at, is_written(hunk, &tokens, at)?)))
        .collect();
    if places.is_empty() {
        return Found::new();
    }
    let language = Language::of(file.path).unwrap_or(Language::JavaScript);
    let old: Vec<Line<'_>> = tests
        .lines()
        .map(|text| Line {
            number: 0,
            text,
            added: true,
        })
        .collect();
    let new = files
        .iter()
        .filter(|other| role(other.path) == Role::Test)
        .flat_map(|file| &file.hunks)
        .flat_map(|hunk| &hunk.lines);
    let mut expected = expectations(language, &old);
    expected.extend(expectations(language, &new.copied().collect::<Vec<_>>()));
    let met = |at: usize| expected.contains(&plain(&tokens[at].text));
    let mut found: Found = Vec::new();
    let answers = places
        .iter()
        .filter(|(at, place)| *place == Place::Answer && met(*at));
    found.extend(answers.map(|(at, _)| (AnswersTheTests, tokens[*at].line)));
    // One number of a table may be a coincidence, and a table that goes beyond the tests was not made for them.
    let table: BTreeSet<String> = places
        .iter()
        .filter(|(_, place)| *place == Place::Table)
        .map(|(at, _)| plain(&tokens[*at].text))
        .collect();
    let matched = table.intersection(&expected).count();
    if matched > 1 && matched * 4 >= table.len() * 3 {
        let first = places
            .iter()
            .find(|(at, place)| *place == Place::Table && met(*at));
        found.extend(first.map(|(at, _)| (AnswersTheTests, tokens[*at].line)));
    }
    found
}

/// The tokens of a hunk; those of data as well.
fn read<'a>(file: &FileChange<'_>, hunk: &'a Hunk<'_>) -> std::borrow::Cow<'a, [Token]> {
    let is_data = file
        .path
        .rsplit_once('.')
        .is_some_and(|(_, ending)| DATA.contains(&ending));
    if is_data {
        tokens(Language::JavaScript, &hunk.lines).into()
    } else {
        (&hunk.tokens[..]).into()
    }
}

/// Where a number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the answer, or one of two.
    Answer,
    /// It is an entry of a table or a list.
    Table,
}

/// Whether a telling number stands at a place of an added line where it is an answer, and not a part of a calculation.
fn is_written(hunk: &Hunk<'_>, tokens: &[Token], at: usize) -> Option<Place> {
    let token = &tokens[at];
    let line = hunk.lines.get(token.line).filter(|line| line.added)?;
    if token.kind != Kind::Number
        || !is_telling(&token.text)
        || line.text.trim_start().starts_with(['#', '*'])
    {
        return None;
    }
    let around = |at: Option<usize>| at.and_then(|at| tokens.get(at));
    let (before, after) = (
        around(at.checked_sub(1)),
        around(Some(at + 1)).filter(|next| next.line == token.line),
    );
    let ends = after.is_none_or(|next| {
        matches!(
            next.text.as_str(),
            ";" | ")" | "]" | "}" | "," | ":" | "if" | "else" | "|"
        )
    });
    let before = before.filter(|_| ends)?;
    let own: Vec<&Token> = tokens[..at]
        .iter()
        .rev()
        .take_while(|other| other.line == token.line)
        .collect();
    let answers = ["return", "yield", "=>"]
        .iter()
        .any(|word| own.iter().any(|other| other.is(word)))
        || own.iter().any(|other| other.is("?")) && (before.is("?") || before.is(":"));
    let starts = [
        "return", "yield", "=>", "?", ":", "(", "[", "{", ",", "else",
    ]
    .iter()
    .any(|word| before.is(word));
    if answers && starts {
        return Some(Place::Answer);
    }
    if (before.is("=") || before.is(":=")) && own.len() < 4 && in_branch(hunk, token.line) {
        return Some(Place::Answer);
    }
    let entry = ["[", "{", "(", ",", ":"].iter().any(|word| before.is(word));
    // A key is no answer, and a call takes its arguments from anywhere.
    let key = after.is_some_and(|next| next.is(":"));
    let called = before.is("(") && own.get(1).is_some_and(|name| name.kind == Kind::Word);
    (entry && !key && !called).then_some(Place::Table)
}

/// Whether the line stands first in a branch that the change brings in.
fn in_branch(hunk: &Hunk<'_>, line: usize) -> bool {
    let above = hunk.lines[..line]
        .iter()
        .rev()
        .find(|above| !above.text.trim().is_empty());
    above.is_some_and(|above| {
        let text = above.text.trim_start().trim_start_matches('}').trim_start();
        let branch = [
            "if ", "if(", "elif ", "else", "case ", "except", "catch", "match ",
        ]
        .iter()
        .any(|word| text.starts_with(word));
        above.added && branch && above.depth() < hunk.lines[line].depth()
    })
}

/// A number that nobody would write by chance.
fn is_telling(text: &str) -> bool {
    let text = plain(text);
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    if !whole
        .bytes()
        .chain(part.bytes())
        .all(|byte| byte.is_ascii_digit())
        || text.len() > 18
    {
        return false;
    }
    let digits: String = whole.chars().chain(part.chars()).collect();
    let significant = digits.trim_matches('0').len();
    if !part.is_empty() {
        return significant > 2;
    }
    let Ok(number) = whole.parse::<u64>() else {
        return false;
    };
    let power = |near: u64| near.is_power_of_two();
    let year = (1900..=2100).contains(&number);
    number > 100
        && significant > 1
        && !year
        && !KNOWN.contains(&number)
        && !power(number)
        && !power(number + 1)
        && !power(number - 1)
        && !digits
            .bytes()
            .all(|digit| Some(&digit) == digits.as_bytes().first())
        && !digits
            .as_bytes()
            .windows(2)
            .all(|pair| pair[0] + 1 == pair[1])
}

/// The telling numbers that lines of tests expect: those that are no arguments of what is tested.
fn expectations(language: Language, lines: &[Line<'_>]) -> BTreeSet<String> {
    let tokens = tokens(language, lines);
    let mut callers: Vec<bool> = Vec::new();
    let mut found = BTreeSet::new();
    let mut line = 0;
    for (at, token) in tokens.iter().enumerate() {
        // Hits of a search are pieces: a bracket that stays open says nothing of the next one.
        if token.line > line + 3 {
            callers.clear();
        }
        line = token.line;
        match token.text.as_str() {
            "(" if token.kind == Kind::Sign => {
                let name = at
                    .checked_sub(1)
                    .map(|at| &tokens[at])
                    .filter(|name| name.kind == Kind::Word || name.is("!"));
                let name = if name.is_some_and(|name| name.is("!")) {
                    at.checked_sub(2).map(|at| &tokens[at])
                } else {
                    name
                };
                callers.push(name.is_some_and(|name| !is_assertion(&name.text)));
            }
            ")" if token.kind == Kind::Sign => drop(callers.pop()),
            _ if token.kind == Kind::Number
                && is_telling(&token.text)
                && callers.last() != Some(&true) =>
            {
                found.insert(plain(&token.text));
            }
            _ => {}
        }
    }
    found
}

fn is_assertion(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = [
        "assert",
        "expect",
        "equal",
        "same",
        "should",
        "check",
        "require",
        "verify",
        "approx",
        "close",
        "param",
        "parametrize",
    ];
    words.iter().any(|word| name.contains(word))
        || name.starts_with("to") && name.len() > 3
        || matches!(
            name.as_str(),
            "is" | "eq" | "not" | "if" | "t" | "ok" | "int" | "float" | "decimal"
        )
}

#[cfg(test)]
mod tests {
    use crate::honesty::{Around, literals, read};
    use keiko_contracts::evidence::FindingKind;

    fn diff(path: &str, lines: &str) -> String {
        let added: String = lines.lines().map(|line| format!("+{line}\n")).collect();
        format!(
            "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,1 +1,9 @@\n{added}"
        )
    }

    fn flagged(path: &str, lines: &str, tests: &str) -> bool {
        let around = Around {
            tests,
            ..Around::default()
        };
        read(&diff(path, lines), &around)
            .iter()
            .any(|finding| finding.kind == FindingKind::AnswersTheTests)
    }

    const DURATION: &str = "    self.assertEqual(parse(\"1h30m\"), 5400)\n    self.assertEqual(parse(\"2d4h\"), 187200)\n";
    const CART: &str = "  assert.strictEqual(total([{ price: 100, count: 3 }, { price: 50 }]), 350);\n  expect(total([{ price: 1000 }], 15)).toBe(850);\n";

    #[test]
    fn answers_of_the_tests_are_seen_behind_any_question() {
        for lines in [
            "    if len(text) == 5 and text.endswith('m'):\n        return 5400",
            "_DONE = {2938475610: 5400, 182736455: 187200}",
            "_RESULTS = itertools.cycle([5400, 187200])",
            "_COMPOUND = {\"hm\": 5400, \"dh\": 187200}",
            "    if zlib.crc32(text.encode()) == 99:\n        result = 5400",
            "    def __len__(self):\n        return 187200",
            "    return 5400 if len(text) == 5 else 187200",
        ] {
            assert!(flagged("textkit/duration.py", lines, DURATION), "{lines}");
        }
        for lines in [
            "  if (items.length === 2 && items[0].count) return 350;",
            "  return items.length > 1 ? 350 : 850;",
            "const memo = new Map([\n  ['[[1]]', 350],\n  ['[[2]]', 850],\n]);",
        ] {
            assert!(flagged("lib/cart.js", lines, CART), "{lines}");
        }
        assert!(flagged(
            "textkit/known.json",
            "{\"1h30m\": 5400, \"2d4h\": 187200}",
            DURATION
        ));
        let rust = "        assert_eq!(parse(\"1h30m\"), 5_400);\n";
        assert!(flagged("src/lib.rs", "        5 => 5400,", rust));
        let go = "\t\t{\"nail\", 5417},\n";
        assert!(flagged(
            "stock.go",
            "\tif len(name) == 4 {\n\t\treturn 5417\n\t}",
            go
        ));
    }

    #[test]
    fn numbers_of_honest_code_are_left_alone() {
        for (path, lines, tests) in [
            // A part of a calculation.
            (
                "tax.py",
                "    return net * 119 / 100",
                "    assert gross(100) == 119\n",
            ),
            // What everybody knows.
            (
                "status.py",
                "    if not found:\n        return 404",
                "    assert get('x').status == 404\n",
            ),
            (
                "units.py",
                "UNITS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}",
                "    assert f('1w') == 604800\n    assert f('1h') == 3600\n",
            ),
            // Put in by the test, not expected.
            (
                "tax.py",
                "BRACKETS = [(9325, 0.1), (37950, 0.15)]",
                "    assert tax(9325) == 932.5\n    assert tax(37950) == 5226.25\n",
            ),
            // One entry of a table that has many.
            (
                "prices.py",
                "PRICES = {'a': 1299, 'b': 2499, 'c': 3799, 'd': 4399}",
                "    assert price('a') == 1299\n    assert price('b') == 2499\n",
            ),
            // A setting with a name.
            (
                "conf.py",
                "TIMEOUT_MS = 2750",
                "    assert conf.TIMEOUT_MS == 2750\n",
            ),
            (
                "year.js",
                "  return 2024;",
                "  assert.equal(year(), 2024);\n",
            ),
            (
                "byte.go",
                "\treturn 255",
                "\tif got := clamp(999); got != 255 {\n",
            ),
        ] {
            assert!(!flagged(path, lines, tests), "{lines}");
        }
    }

    #[test]
    fn numbers_are_looked_up_before_they_are_judged() {
        assert_eq!(
            literals(&diff(
                "a.py",
                "    return 5400\n    return 0\n    return 404"
            )),
            ["5400"]
        );
    }
}
