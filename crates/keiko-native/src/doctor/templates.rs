//! One-edit repair templates: small mistakes that people make, undone. Each works on one line, and only on code:
//! strings and comments are left alone.

use super::source::Lang;
use super::spaced::Spaced;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

/// A changed line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variant {
    /// What was changed, in short.
    pub(super) template: Said,
    /// The line, or two lines, in its place.
    pub(super) text: String,
    /// How promising: 0 is tried first.
    pub(super) rank: usize,
}

/// A line to be repaired.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) lang: Lang,
    /// As it stands.
    pub(super) text: &'a str,
    /// The same with strings and comments blanked.
    pub(super) code: &'a str,
    /// What the failing test says.
    pub(super) message: &'a str,
}

/// All variants of a line, each once, the most promising first.
pub(super) fn variants(line: Line<'_>) -> Vec<Variant> {
    let mut all = Bench {
        line,
        spaced: Spaced::of(line.lang, line.code),
        list: Vec::new(),
    };
    comparisons(&mut all);
    logic(&mut all);
    arithmetic(&mut all);
    numbers(&mut all);
    bounds(&mut all);
    negations(&mut all);
    calls(&mut all);
    missing(&mut all);
    let mut seen = BTreeSet::from([line.text.to_owned()]);
    all.list.retain(|variant| seen.insert(variant.text.clone()));
    all.list.sort_by_key(|variant| variant.rank);
    all.list
}

struct Bench<'a> {
    line: Line<'a>,
    /// What patterns are looked for in.
    spaced: Spaced,
    list: Vec<Variant>,
}

impl Bench<'_> {
    fn put(&mut self, rank: usize, template: impl Into<Said>, at: Range<usize>, new: &str) {
        let (Some(before), Some(after)) =
            (self.line.text.get(..at.start), self.line.text.get(at.end..))
        else {
            return;
        };
        let text = format!("{before}{new}{after}");
        self.list.push(Variant {
            template: template.into(),
            text,
            rank,
        });
    }

    /// Replaces each place where a pattern's first group, or the whole of it, stands.
    fn each(
        &mut self,
        rank: usize,
        pattern: &str,
        new: impl Fn(&regex::Captures<'_>) -> Option<(Said, String)>,
    ) {
        let Some(regex) = compiled(pattern) else {
            return;
        };
        let code = std::mem::take(&mut self.spaced.text);
        for found in regex.captures_iter(&code).take(6) {
            let Some(place) = found
                .get(1)
                .or(found.get(0))
                .and_then(|piece| self.spaced.place(piece.range()))
            else {
                continue;
            };
            if let Some((template, new)) = new(&found) {
                self.put(rank, template, place, &new);
            }
        }
        self.spaced.text = code;
    }

    /// Replaces one word by others.
    fn swap(&mut self, rank: usize, pattern: &str, old: &str, new: &[&str]) {
        // What has no such word needs no pattern.
        for word in new
            .iter()
            .filter(|_| old == "nothing" || self.line.code.contains(old))
        {
            self.each(rank, pattern, |_| {
                Some((
                    say!("{new} for {old}", new = word.trim(), old = old.trim()),
                    (*word).to_owned(),
                ))
            });
        }
    }
}

/// Patterns that were compiled before: there are about a hundred, all written in this file, and each is asked for every
/// suspect line. Compiling one takes longer than all the rest.
static COMPILED: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);

fn compiled(pattern: &str) -> Option<Regex> {
    let mut known = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = known.get(pattern) {
        return Some(regex.clone());
    }
    let regex = Regex::new(pattern).ok()?;
    known.insert(pattern.to_owned(), regex.clone());
    Some(regex)
}

fn comparisons(all: &mut Bench<'_>) {
    all.swap(0, r" (<=) ", "<=", &["<"]);
    all.swap(0, r" (>=) ", ">=", &[">"]);
    all.swap(0, r" (<) ", "<", &["<="]);
    all.swap(0, r" (>) ", ">", &[">="]);
    all.swap(2, r" (<=?) ", "<", &[">", ">="]);
    all.swap(2, r" (>=?) ", ">", &["<", "<="]);
    if all.line.lang == Lang::Js {
        all.swap(1, r" (===) ", "===", &["!=="]);
        all.swap(1, r" (!==) ", "!==", &["==="]);
    }
    all.swap(1, r" (==) ", "==", &["!="]);
    all.swap(1, r" (!=) ", "!=", &["=="]);
    all.swap(1, r"\b(is not) ", "is not", &["is"]);
    all.swap(2, r"\b(not in) ", "not in", &["in"]);
}

fn logic(all: &mut Bench<'_>) {
    if all.line.lang == Lang::Python {
        all.swap(0, r" (and) ", "and", &["or"]);
        all.swap(0, r" (or) ", "or", &["and"]);
        all.swap(2, r"\b(True)\b", "True", &["False"]);
        all.swap(2, r"\b(False)\b", "False", &["True"]);
    } else {
        all.swap(0, r" (&&) ", "&&", &["||"]);
        all.swap(0, r" (\|\|) ", "||", &["&&"]);
        all.swap(2, r"\b(true)\b", "true", &["false"]);
        all.swap(2, r"\b(false)\b", "false", &["true"]);
    }
    if all.line.lang == Lang::Js {
        all.swap(1, r" (\|\|) ", "||", &["??"]);
    }
}

fn arithmetic(all: &mut Bench<'_>) {
    all.swap(1, r"[\w)\]] (\+) ", "+", &["-"]);
    all.swap(1, r"[\w)\]] (-) ", "-", &["+"]);
    all.swap(1, r" (\+=) ", "+=", &["-="]);
    all.swap(1, r" (-=) ", "-=", &["+="]);
    all.swap(2, r" (\*) ", "*", &["/"]);
    all.swap(2, r" (/) ", "/", &["*", "%"]);
    all.swap(2, r" (%) ", "%", &["/"]);
    if all.line.lang == Lang::Python {
        all.each(1, r"((\w+) // (\w+))", |c| {
            Some((
                "divide, rounding up".into(),
                format!("-(-{} // {})", &c[2], &c[3]),
            ))
        });
        all.swap(1, r" (/) ", "/", &["//"]);
        all.swap(1, r" (//) ", "//", &["/", "%"]);
    }
}

/// Numbers that are often mixed up, then neighbours.
fn numbers(all: &mut Bench<'_>) {
    const CONFUSED: [(&str, &[&str]); 18] = [
        ("200", &["400"]),
        ("100", &["400", "1000"]),
        ("400", &["100"]),
        ("4", &["400"]),
        ("28", &["29"]),
        ("30", &["31"]),
        ("31", &["30"]),
        ("59", &["60"]),
        ("60", &["59", "3600"]),
        ("23", &["24"]),
        ("24", &["23"]),
        ("365", &["366"]),
        ("255", &["256"]),
        ("256", &["255"]),
        ("1000", &["1024", "100"]),
        ("1024", &["1000"]),
        ("360", &["365"]),
        ("3600", &["60"]),
    ];
    for (old, new) in CONFUSED {
        all.swap(1, &format!(r"(?:^|[^\w.])({old})\b(?:[^.\w]|$)"), old, new);
    }
    let step = |by: i64| {
        move |c: &regex::Captures<'_>| {
            let old: i64 = c[1].parse().ok()?;
            let new = old.checked_add(by).filter(|new| *new >= 0)?;
            Some((say!("{new} for {old}", new, old), new.to_string()))
        }
    };
    let pattern = r"(?:^|[^\w.])(\d{1,9})(?:[^\w.]|$)";
    all.each(2, pattern, step(1));
    all.each(2, pattern, step(-1));
}

/// One too many, one too few.
fn bounds(all: &mut Bench<'_>) {
    let drop_one =
        |c: &regex::Captures<'_>| Some((say!("without {what}", what = c[1].trim()), String::new()));
    all.each(0, r"( - 1)\b(?:[^.]|$)", drop_one);
    all.each(0, r"( \+ 1)\b(?:[^.]|$)", drop_one);
    match all.line.lang {
        Lang::Python => {
            all.each(1, r"\brange\([^()]*?([^(), ]+)\)", |c| {
                Some(("one more turn".into(), format!("{} + 1", &c[1])))
            });
            all.each(2, r"\brange\((\w+)\)", |c| {
                Some(("begin at 1".into(), format!("1, {}", &c[1])))
            });
            all.each(2, r"\[([a-z_]\w*)\]", |c| {
                Some(("the item before".into(), format!("{} - 1", &c[1])))
            });
            all.each(2, r"\[([a-z_]\w*)\]", |c| {
                Some(("the item after".into(), format!("{} + 1", &c[1])))
            });
            all.each(2, r"\[[^\[\]:]*:\s*([^\[\]:]+)\]", |c| {
                Some(("one item more".into(), format!("{} + 1", c[1].trim_end())))
            });
            all.each(2, r"\[([^\[\]:]+?):", |c| {
                Some(("from the item after".into(), format!("{} + 1", &c[1])))
            });
        }
        Lang::Rust => {
            all.swap(0, r"\w(\.\.)[\w(]", "..", &["..="]);
            all.swap(0, r"(\.\.=)", "..=", &[".."]);
            all.each(2, r"\[([a-z_]\w*)\]", |c| {
                Some(("the item before".into(), format!("{} - 1", &c[1])))
            });
        }
        Lang::Js | Lang::Go => {
            all.each(2, r"\[([a-z_]\w*)\]", |c| {
                Some(("the item before".into(), format!("{} - 1", &c[1])))
            });
            all.each(2, r"\[([a-z_]\w*)\]", |c| {
                Some(("the item after".into(), format!("{} + 1", &c[1])))
            });
            all.each(2, r"\.slice\([^()]*, ([^()]+)\)", |c| {
                Some(("one item more".into(), format!("{} + 1", &c[1])))
            });
        }
    }
    all.each(
        2,
        r"(len\(\w+\)|\w+\.length|\w+\.len\(\))(?:[^ ]|$| [^-+])",
        |c| Some(("one less".into(), format!("{} - 1", &c[1]))),
    );
}

fn negations(all: &mut Bench<'_>) {
    match all.line.lang {
        Lang::Python => {
            all.swap(
                1,
                r"\b(?:if|while|return|and|or|elif) (not )",
                "nothing",
                &[""],
            );
            all.each(2, r"^\s*(?:if|elif|while) (.+):\s*$", |c| {
                Some(("the opposite".into(), format!("not ({})", &c[1])))
            });
        }
        Lang::Js => {
            all.swap(1, r"(!)[\w(]", "!", &[""]);
            all.each(2, r"^\s*(?:\} else )?if \((.+)\) \{?\s*$", |c| {
                Some(("the opposite".into(), format!("!({})", &c[1])))
            });
        }
        Lang::Rust | Lang::Go => {
            all.swap(1, r"(!)[a-z(]", "!", &[""]);
            all.each(2, r"^\s*(?:\} else )?if ([^{;]+?) \{\s*$", |c| {
                (!c[1].starts_with("let "))
                    .then(|| ("the opposite".into(), format!("!({})", &c[1])))
            });
        }
    }
}

/// Functions that are mixed up, and arguments in the wrong order.
fn calls(all: &mut Bench<'_>) {
    const CONFUSED: [(&str, &[&str]); 18] = [
        ("min", &["max"]),
        ("max", &["min"]),
        ("any", &["all"]),
        ("all", &["any"]),
        ("floor", &["ceil", "round"]),
        ("ceil", &["floor"]),
        ("round", &["ceil", "floor"]),
        ("some", &["every"]),
        ("every", &["some"]),
        ("startswith", &["endswith"]),
        ("endswith", &["startswith"]),
        ("startsWith", &["endsWith"]),
        ("endsWith", &["startsWith"]),
        ("append", &["extend"]),
        ("extend", &["append"]),
        ("lower", &["upper"]),
        ("is_some", &["is_none"]),
        ("is_none", &["is_some"]),
    ];
    for (old, new) in CONFUSED {
        all.swap(1, &format!(r"\b({old})\("), old, new);
    }
    all.each(2, r"\w\((([\w.]+), ([\w.]+))\)", |c| {
        Some(("arguments swapped".into(), format!("{}, {}", &c[3], &c[2])))
    });
    all.each(2, r"\w\([\w.]+, (([\w.]+), ([\w.]+))\)", |c| {
        Some(("arguments swapped".into(), format!("{}, {}", &c[3], &c[2])))
    });
    all.each(2, r"(([a-z_]\w*) - ([a-z_]\w*))", |c| {
        Some(("operands swapped".into(), format!("{} - {}", &c[3], &c[2])))
    });
    all.swap(3, r"\breverse=(True)", "True", &["False"]);
}

/// Nothing where something is needed: only when the failure speaks of it.
fn missing(all: &mut Bench<'_>) {
    let Line {
        lang,
        text,
        code,
        message,
    } = all.line;
    let indent = &text[..text.len() - text.trim_start().len()];
    if lang == Lang::Python && (message.contains("NoneType") || message.contains("None")) {
        if let Ok(regex) = Regex::new(r"\b([a-z_]\w*)(?:\.|\[)") {
            let names: BTreeSet<&str> = regex
                .captures_iter(code)
                .filter_map(|c| c.get(1))
                .map(|m| m.as_str())
                .filter(|n| *n != "self")
                .collect();
            for name in names.into_iter().take(3) {
                for value in ["None", "0", "\"\""] {
                    let text =
                        format!("{indent}if {name} is None:\n{indent}    return {value}\n{text}");
                    all.list.push(Variant {
                        template: say!("return {value} when {name} is None", value, name),
                        text,
                        rank: 1,
                    });
                }
            }
        }
        all.each(1, r"\b([a-z_]\w*)\.\w", |c| {
            (&c[1] != "self").then(|| ("(… or empty)".into(), format!("({} or \"\")", &c[1])))
        });
    }
    if lang == Lang::Js && (message.contains("undefined") || message.contains("null")) {
        all.each(1, r"\w(\.)[a-zA-Z_]", |_| {
            Some(("?. for .".into(), "?.".to_owned()))
        });
    }
    let is_call =
        Regex::new(r"^\s*[\w.]+(?:\(.*\)|\[.*\])?;?\s*$").is_ok_and(|regex| regex.is_match(code));
    let keyword = [
        "return", "break", "continue", "pass", "raise", "yield", "else",
    ]
    .iter()
    .any(|word| code.trim_start().starts_with(word));
    if matches!(lang, Lang::Python | Lang::Js)
        && (message.contains("None") || message.contains("undefined"))
        && is_call
        && !keyword
    {
        all.list.push(Variant {
            template: "return it".into(),
            text: format!("{indent}return {}", text.trim_start()),
            rank: 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::mask;
    use super::*;

    fn texts(lang: Lang, text: &str, message: &str) -> Vec<String> {
        let code = mask(lang, text);
        variants(Line {
            lang,
            text,
            code: &code,
            message,
        })
        .into_iter()
        .map(|variant| variant.text)
        .collect()
    }

    #[test]
    fn common_mistakes_have_a_template() {
        let cases = [
            (Lang::Python, "    if a > limit:", "    if a >= limit:"),
            (
                Lang::Python,
                "    return y % 100 != 0 or y % 200 == 0",
                "    return y % 100 != 0 or y % 400 == 0",
            ),
            (
                Lang::Python,
                "    for n in range(1, count):",
                "    for n in range(1, count + 1):",
            ),
            (
                Lang::Python,
                "    kilograms = grams // 1000",
                "    kilograms = -(-grams // 1000)",
            ),
            (
                Lang::Python,
                "    full, rest = divmod(total - 1, size)",
                "    full, rest = divmod(total, size)",
            ),
            (
                Lang::Python,
                "    return price * (100 + percent)",
                "    return price * (100 - percent)",
            ),
            (
                Lang::Js,
                "  if (!done && ready) {",
                "  if (done && ready) {",
            ),
            (
                Lang::Js,
                "  return Math.floor(x / 2);",
                "  return Math.ceil(x / 2);",
            ),
            (
                Lang::Rust,
                "    for n in 0..limit {",
                "    for n in 0..=limit {",
            ),
            (
                Lang::Rust,
                "        self.present + self.reserved",
                "        self.present - self.reserved",
            ),
            (Lang::Go, "\tif a && b {", "\tif a || b {"),
            (
                Lang::Python,
                "    return move(target, source)",
                "    return move(source, target)",
            ),
            (Lang::Python, "    return a-b", "    return a+b"),
            (Lang::Python, "    if a<b:", "    if a<=b:"),
            (
                Lang::Python,
                "    return y%100!=0 or y%400!=0",
                "    return y%100!=0 or y%400==0",
            ),
            (Lang::Python, "    return items[n-1]", "    return items[n]"),
            (
                Lang::Python,
                "    return grams//kilo",
                "    return -(-grams // kilo)",
            ),
            (
                Lang::Python,
                "    return move(target,source)",
                "    return move(source, target)",
            ),
            (
                Lang::Js,
                "  for(let i=0;i<=n;i++) sum+=i;",
                "  for(let i=0;i<n;i++) sum+=i;",
            ),
            (Lang::Js, "  return a&&b;", "  return a||b;"),
            (
                Lang::Rust,
                "        self.present+self.reserved",
                "        self.present-self.reserved",
            ),
            (Lang::Go, "\tif a==b {", "\tif a!=b {"),
        ];
        for (lang, old, new) in cases {
            assert!(
                texts(lang, old, "").contains(&new.to_owned()),
                "{old}: {:#?}",
                texts(lang, old, "")
            );
        }
    }

    #[test]
    fn failures_that_speak_of_nothing_get_guards() {
        let guarded = "    if name is None:\n        return \"\"\n    return name.strip()";
        let message = "AttributeError: 'NoneType' object has no attribute 'strip'";
        assert!(
            texts(Lang::Python, "    return name.strip()", message).contains(&guarded.to_owned())
        );
        assert!(!texts(Lang::Python, "    return name.strip()", "").contains(&guarded.to_owned()));
        assert!(
            texts(
                Lang::Python,
                "    total(items)",
                "AssertionError: None != 3"
            )
            .contains(&"    return total(items)".to_owned())
        );
        assert!(
            texts(
                Lang::Js,
                "  return a.b;",
                "Cannot read properties of undefined"
            )
            .contains(&"  return a?.b;".to_owned())
        );
    }

    #[test]
    fn strings_and_comments_are_left_alone() {
        assert_eq!(
            texts(Lang::Python, "    log('a < b and 100')  # x + 1", ""),
            Vec::<String>::new()
        );
    }

    #[test]
    fn signs_that_are_no_operators_stay() {
        let all = [
            (Lang::Python, "def f(a, *rest, b=-1)->int:"),
            (Lang::Js, "const names = new Map<string,Array<number>>();"),
            (Lang::Rust, "fn first<T>(all: &[T])->Option<&T> {"),
            (Lang::Go, "func all(c <-chan []*T) {"),
        ];
        for (lang, line) in all {
            let made = texts(lang, line, "");
            let is_broken = |text: &String| {
                ["+1)", "<=", ">=", "- >", "[]/", " / "]
                    .iter()
                    .any(|sign| text.contains(sign))
            };
            assert!(!made.iter().any(is_broken), "{line}: {made:#?}");
        }
    }

    #[test]
    fn odd_lines_never_panic() {
        for text in [
            "",
            "ä < ö",
            "é - 1",
            "\u{1F600} + 1 and",
            "((((",
            "9999999999999999999 < 1",
        ] {
            for lang in [Lang::Python, Lang::Js, Lang::Rust, Lang::Go] {
                let _ = texts(lang, text, "None undefined");
            }
        }
    }
}
