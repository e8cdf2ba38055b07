//! Built-in rules: few, and each only where it is almost surely right. They need no tool.

use super::report::{Finding, Severity};
use super::source::{Lang, mask};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use regex::Regex;
use std::sync::LazyLock;

/// A pattern of this file. One that does not compile matches nothing; a test holds that all do.
#[derive(Debug)]
struct Pattern(LazyLock<Option<Regex>>);

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: Pattern = Pattern(LazyLock::new(|| Regex::new($text).ok()));
    };
}

pattern!(PY_DEF, r"(?m)^[ \t]*(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(");
pattern!(
    PY_EMPTY_DEFAULT,
    r"(\w+)\s*(?::[^=,]*)?=\s*(?:\[\s*\]|\{\s*\}|list\(\)|dict\(\)|set\(\))\s*(?:,|$)"
);
pattern!(
    PY_BARE_EXCEPT,
    r"^\s*except(?:\s+(?:Base)?Exception(?:\s+as\s+\w+)?)?\s*:\s*(pass\s*)?$"
);
pattern!(PY_NONE, r"(?:==|!=)\s*None\b");
pattern!(PY_LEAVES, r"^(\s+)(?:return|raise|continue|break)\b");
pattern!(PY_CLASS, r"^(\s*)class\s+\w+");
pattern!(PY_TEST, r"^(\s+)(?:async\s+)?def\s+(test\w*)\s*\(");
pattern!(JS_NAN, r"[=!]==?\s*NaN\b|\bNaN\s*[=!]==?");
pattern!(
    JS_ASSIGN,
    r#"\b(?:if|while)\s*\(\s*[A-Za-z_$][\w$.]*\s*=\s*(?:-?\d[\w.]*|"[^"]*"|'[^']*'|`[^`]*`|true|false|null|undefined)\s*\)\s*(?:\{|$)"#
);
pattern!(JS_TYPEOF, r#"typeof\s+[\w$.]+\s*[!=]==?\s*["'](\w*)["']"#);

impl Pattern {
    fn is_in(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(text))
    }
    fn captures<'t>(&self, text: &'t str) -> Option<regex::Captures<'t>> {
        self.0.as_ref()?.captures(text)
    }
    fn all<'t>(&self, text: &'t str) -> Vec<regex::Captures<'t>> {
        self.0
            .as_ref()
            .map_or_else(Vec::new, |regex| regex.captures_iter(text).collect())
    }
}

/// What conflict markers mean in a commit, and what they mean in a file that is not committed that way.
pub(super) const COMMITTED_CONFLICT: &str = "a merge conflict was committed";
pub(super) const OPEN_CONFLICT: &str = "a merge is in progress: this conflict is not resolved yet";

/// Checks one file.
pub(super) fn check(lang: Lang, path: &str, text: &str, is_test: bool) -> Vec<Finding> {
    // Nobody wrote a minified file, and nobody will repair it.
    if path.contains(".min.") || text.lines().any(|line| line.len() > 2_000) {
        return Vec::new();
    }
    let code = mask(lang, text);
    let mut found = Found {
        path,
        list: Vec::new(),
    };
    conflict_markers(text, &mut found);
    match lang {
        Lang::Python => {
            mutable_defaults(&code, &mut found);
            swallowed_exceptions(&code, &mut found);
            // A test may compare so on purpose.
            if !is_test {
                none_comparisons(text, &code, &mut found);
            }
            unreachable_lines(&code, &mut found);
            if is_test {
                shadowed_tests(&code, &mut found);
            }
        }
        Lang::Js => javascript(text, &code, &mut found),
        Lang::Rust | Lang::Go => {}
    }
    found.list
}

struct Found<'a> {
    path: &'a str,
    list: Vec<Finding>,
}

impl Found<'_> {
    fn add(&mut self, severity: Severity, index: usize, rule: &str, message: impl Into<Said>) {
        self.list.push(Finding {
            severity,
            file: self.path.to_owned(),
            line: u32::try_from(index + 1).unwrap_or(0),
            rule: rule.to_owned(),
            tool: "keiko".to_owned(),
            message: message.into(),
            fixable: false,
        });
    }
}

/// All three markers in their order; one alone may be a heading or a test's data.
fn conflict_markers(text: &str, found: &mut Found<'_>) {
    let mut open = None;
    let mut middle = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("<<<<<<< ") {
            (open, middle) = (Some(index), false);
        } else if open.is_some() && line == "=======" {
            middle = true;
        } else if line.starts_with(">>>>>>> ")
            && middle
            && let Some(start) = open.take()
        {
            found.add(
                Severity::Error,
                start,
                "conflict-marker",
                COMMITTED_CONFLICT,
            );
        }
    }
}

/// An empty list, dict or set as a default that the function then changes or hands out.
fn mutable_defaults(code: &str, found: &mut Found<'_>) {
    for def in PY_DEF.all(code) {
        let Some(whole) = def.get(0) else { continue };
        let Some(close) = closing(&code[whole.end()..]) else {
            continue;
        };
        let parameters = &code[whole.end()..whole.end() + close];
        let body = function_body(&code[whole.start()..], close + whole.len());
        for default in PY_EMPTY_DEFAULT.all(parameters) {
            let (Some(name), Some(place)) = (default.get(1), default.get(0)) else {
                continue;
            };
            let kept_on_purpose = name.as_str().starts_with('_')
                || ["cache", "memo", "seen"]
                    .iter()
                    .any(|word| name.as_str().contains(word));
            if !kept_on_purpose && is_changed(body, name.as_str()) {
                let index = code[..whole.end() + place.start()].matches('\n').count();
                let message = say!(
                    "the default of `{name}` is made once and shared by all calls, and this function changes it",
                    name = name.as_str()
                );
                found.add(Severity::Warning, index, "mutable-default", message);
            }
        }
    }
}

/// Where the bracket that was just opened is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The lines after a `def` that are indented deeper than it.
fn function_body(from_def: &str, header: usize) -> &str {
    let indent = indent_of(from_def);
    let rest = from_def.get(header..).unwrap_or("");
    let start = rest.find('\n').map_or(rest.len(), |at| at + 1);
    let mut end = start;
    for line in rest[start..].split_inclusive('\n') {
        if !line.trim().is_empty() && indent_of(line) <= indent {
            break;
        }
        end += line.len();
    }
    &rest[..end]
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

fn is_changed(body: &str, name: &str) -> bool {
    let name = regex::escape(name);
    let reassigned = Regex::new(&format!(r"(?m)^\s*{name}\s*=[^=]"));
    let changed = Regex::new(&format!(
        r"\b{name}\.(?:append|extend|insert|add|update|setdefault|pop|remove|clear)\(|\b{name}\[[^\]\n]*\]\s*[-+*]?=[^=]|\b{name}\s*[+|]="
    ));
    let is = |regex: Result<Regex, regex::Error>| regex.is_ok_and(|regex| regex.is_match(body));
    is(changed) && !is(reassigned)
}

/// `except: pass` for every kind of exception.
fn swallowed_exceptions(code: &str, found: &mut Found<'_>) {
    let lines: Vec<&str> = code.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(hit) = PY_BARE_EXCEPT.captures(line) else {
            continue;
        };
        let bare = line
            .trim_start()
            .trim_start_matches("except")
            .trim_start()
            .starts_with(':');
        let next = lines
            .iter()
            .skip(index + 1)
            .find(|line| !line.trim().is_empty());
        let only_pass = hit.get(1).is_some() || next.is_some_and(|line| line.trim() == "pass");
        if bare && only_pass {
            found.add(
                Severity::Warning,
                index,
                "swallowed-exception",
                "every exception is dropped here, `KeyboardInterrupt` too",
            );
        }
    }
}

/// `== None`. Left alone where a library gives the comparison another meaning.
fn none_comparisons(text: &str, code: &str, found: &mut Found<'_>) {
    if ["sqlalchemy", "peewee", "pandas", "numpy", "pony"]
        .iter()
        .any(|library| text.contains(library))
    {
        return;
    }
    for (index, line) in code.lines().enumerate() {
        if PY_NONE.is_in(line) {
            found.add(
                Severity::Note,
                index,
                "none-comparison",
                "compare with `is None` or `is not None`",
            );
        }
    }
}

/// A line in the same block right after one that leaves it.
fn unreachable_lines(code: &str, found: &mut Found<'_>) {
    let lines: Vec<&str> = code.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(leaves) = PY_LEAVES.captures(line) else {
            continue;
        };
        let whole = line.bytes().fold(0i32, |depth, byte| {
            depth + i32::from(b"([{".contains(&byte)) - i32::from(b")]}".contains(&byte))
        });
        let continued = whole != 0 || line.trim_end().ends_with(['\\', '"', '\'']);
        let Some((at, next)) = lines
            .iter()
            .enumerate()
            .skip(index + 1)
            .find(|(_, line)| !line.trim().is_empty())
        else {
            continue;
        };
        let same_block = indent_of(next) == leaves[1].len();
        let word = next.trim_start();
        let other = word.contains("yield")
            || [')', ']', '}', '.', '"', '\'']
                .iter()
                .any(|c| word.starts_with(*c));
        // A backslash above means that this line is the tail of a longer statement.
        let tail = index > 0 && lines[index - 1].trim_end().ends_with('\\');
        if same_block && !continued && !other && !tail {
            found.add(
                Severity::Warning,
                at,
                "unreachable",
                "this line is never reached",
            );
        }
    }
}

/// Two tests of one name in the body of one class: the first never runs. Functions inside tests are not looked at, nor
/// decorated ones, which may be meant to replace each other.
fn shadowed_tests(code: &str, found: &mut Found<'_>) {
    let mut class: Option<(usize, Option<usize>)> = None;
    let mut seen: Vec<String> = Vec::new();
    let mut before = "";
    for (index, line) in code
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let indent = indent_of(line);
        if class.is_some_and(|(outer, _)| indent <= outer) {
            (class, seen) = (None, Vec::new());
        }
        if let (None, true) = (class, PY_CLASS.is_in(line)) {
            class = Some((indent, None));
        } else if let Some((outer, body)) = class {
            let body = body.unwrap_or(indent);
            class = Some((outer, Some(body)));
            let test = PY_TEST
                .captures(line)
                .filter(|_| indent == body && !before.trim_start().starts_with('@'));
            if let Some(name) = test.map(|test| test[2].to_owned()) {
                if seen.contains(&name) {
                    found.add(
                        Severity::Warning,
                        index,
                        "shadowed-test",
                        say!("`{name}` is defined twice; the first never runs", name),
                    );
                } else {
                    seen.push(name);
                }
            }
        }
        before = line;
    }
}

fn javascript(text: &str, code: &str, found: &mut Found<'_>) {
    const TYPES: [&str; 8] = [
        "undefined",
        "object",
        "boolean",
        "number",
        "string",
        "function",
        "symbol",
        "bigint",
    ];
    for (index, (line, code)) in text.lines().zip(code.lines()).enumerate() {
        if JS_NAN.is_in(code) {
            found.add(
                Severity::Error,
                index,
                "nan-comparison",
                "nothing equals NaN; use Number.isNaN",
            );
        }
        // Assigning what a call or an index gives, and asking whether it is there, is an idiom; a constant is not.
        if JS_ASSIGN.is_in(code) {
            found.add(
                Severity::Warning,
                index,
                "assignment-in-condition",
                "this assigns; a comparison was probably meant",
            );
        }
        let wrong = JS_TYPEOF
            .captures(line)
            .filter(|hit| !TYPES.contains(&&hit[1]));
        if let (Some(hit), true) = (wrong, code.contains("typeof")) {
            found.add(
                Severity::Error,
                index,
                "typeof-value",
                say!("typeof never gives \"{word}\"", word = &hit[1]),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lang: Lang, text: &str) -> Vec<(u32, String)> {
        let mut found = check(lang, "x", text, true);
        found.extend(
            check(lang, "x", text, false)
                .into_iter()
                .filter(|finding| finding.rule == "none-comparison"),
        );
        found.sort_by_key(|finding| finding.line);
        found
            .into_iter()
            .map(|finding| (finding.line, finding.rule))
            .collect()
    }

    #[test]
    fn all_patterns_compile() {
        for pattern in [
            &PY_DEF,
            &PY_EMPTY_DEFAULT,
            &PY_BARE_EXCEPT,
            &PY_NONE,
            &PY_LEAVES,
            &PY_CLASS,
            &PY_TEST,
            &JS_NAN,
            &JS_ASSIGN,
            &JS_TYPEOF,
        ] {
            assert!(pattern.0.is_some(), "{pattern:?}");
        }
    }

    #[test]
    fn a_default_counts_only_when_it_is_changed() {
        assert_eq!(
            rules(
                Lang::Python,
                "def f(a,\n      b=[]):\n    b.append(a)\n    return b\n"
            ),
            [(2, "mutable-default".to_owned())]
        );
        assert!(
            rules(
                Lang::Python,
                "def f(a, b=[]):\n    return [*b, a]\n\nb.append(1)\n"
            )
            .is_empty()
        );
        assert!(rules(Lang::Python, "def f(a, _cache={}):\n    _cache[a] = 1\n").is_empty());
        assert!(
            rules(
                Lang::Python,
                "def f(b=[]):\n    b = list(b)\n    b.append(1)\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn python_rules_find_what_they_should() {
        let text = "def f():\n    try:\n        g()\n    except:\n        pass\n    if x == None:\n        return 1\n        y = 2\n    return (\n        3)\n";
        let found = rules(Lang::Python, text);
        assert_eq!(
            found,
            [
                (4, "swallowed-exception".to_owned()),
                (6, "none-comparison".to_owned()),
                (8, "unreachable".to_owned())
            ]
        );
    }

    #[test]
    fn python_rules_leave_good_code_alone() {
        let text = "def f():\n    try:\n        g()\n    except OSError:\n        pass\n    s = '== None'  # x == None\n    return\n    yield\n\ndef h():\n    return a \\\n    + b\n\nclass A:\n    def test_a(self):\n        pass\n\nclass B:\n    def test_a(self):\n        pass\n";
        assert_eq!(rules(Lang::Python, text), []);
    }

    #[test]
    fn a_second_test_of_a_name_is_told() {
        let text = "class A:\n    def test_a(self):\n        pass\n\n    def test_a(self):\n        pass\n";
        assert_eq!(rules(Lang::Python, text), [(5, "shadowed-test".to_owned())]);
        let helpers = "class A:\n    def test_a(self):\n        def test(x):\n            pass\n    def test_b(self):\n        def test(x):\n            pass\n";
        assert_eq!(rules(Lang::Python, helpers), []);
    }

    #[test]
    fn javascript_rules() {
        let text = "if (x === NaN) {}\nif (a = 1) {\n}\nif (typeof x === \"strnig\") {}\nif (a == b) {}\nwhile ((m = re.exec(s)) !== null) {}\nif (tmp = arguments[i]) {\n}\nwhile (node = node.next) {\n}\n// x == NaN\nif (typeof x === \"string\") {}\n";
        let found = rules(Lang::Js, text);
        assert_eq!(
            found,
            [
                (1, "nan-comparison".to_owned()),
                (2, "assignment-in-condition".to_owned()),
                (4, "typeof-value".to_owned())
            ]
        );
    }

    #[test]
    fn conflict_markers_count_only_together() {
        assert_eq!(
            rules(Lang::Go, "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> topic\n"),
            [(1, "conflict-marker".to_owned())]
        );
        assert!(rules(Lang::Go, "Title\n=======\n>>>>>>> quoted\n").is_empty());
    }
}
