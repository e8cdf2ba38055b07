//! What a source names: modules that it imports, and texts that may be paths. Read by signs alone, so that any text is accepted;
//! what is not understood names nothing.

/// Longest text that may be a path.
const TEXT_MAX: usize = 200;
/// Most names that are taken of one file.
const NAMES_MAX: usize = 2_000;

/// In which words a source is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lang {
    Python,
    Script,
    Rust,
    Go,
}

impl Lang {
    /// By the name of the file.
    pub(super) fn of(path: &str) -> Option<Lang> {
        match path.rsplit_once('.')?.1 {
            "py" => Some(Lang::Python),
            "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" | "mts" | "cts" | "vue" | "svelte" => {
                Some(Lang::Script)
            }
            "rs" => Some(Lang::Rust),
            "go" => Some(Lang::Go),
            _ => None,
        }
    }
}

/// What a source names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    /// Modules, as the language writes them.
    pub(super) modules: Vec<String>,
    /// Modules that are there for tests only.
    pub(super) of_tests: Vec<String>,
    /// Texts that are written out.
    pub(super) texts: Vec<String>,
}

impl Mentions {
    /// Reads a source.
    pub(super) fn of(lang: Lang, source: &str) -> Mentions {
        let mut mentions = Mentions {
            texts: texts(lang, source),
            ..Mentions::default()
        };
        match lang {
            Lang::Python => mentions.modules = imports(source),
            Lang::Rust => mentions.declared(source),
            // Their imports are texts.
            Lang::Script | Lang::Go => {}
        }
        mentions.modules.truncate(NAMES_MAX);
        mentions
    }

    /// Whether it is written for a test runner.
    pub(super) fn knows_a_runner(&self, lang: Lang) -> bool {
        let python = |module: &String| {
            matches!(
                module.split('.').next(),
                Some("unittest" | "pytest" | "nose" | "hypothesis")
            )
        };
        let script = |text: &String| {
            matches!(
                text.as_str(),
                "vitest"
                    | "jest"
                    | "@jest/globals"
                    | "node:test"
                    | "mocha"
                    | "chai"
                    | "sinon"
                    | "ava"
                    | "tape"
                    | "uvu"
            ) || text.starts_with("@testing-library/")
        };
        match lang {
            Lang::Python => self.modules.iter().any(python),
            Lang::Script => self.texts.iter().any(script),
            Lang::Go => self
                .texts
                .iter()
                .any(|text| text == "testing" || text.starts_with("github.com/stretchr/testify")),
            Lang::Rust => false,
        }
    }

    /// `mod x;`, with what stands above it.
    fn declared(&mut self, source: &str) {
        let (mut for_tests, mut path) = (false, None);
        for line in source.lines().map(str::trim) {
            if line.starts_with("#[") {
                for_tests |= line.contains("cfg(test)") || line.contains("cfg(all(test");
                path = path.or_else(|| {
                    line.strip_prefix("#[path = \"")?
                        .split('"')
                        .next()
                        .map(|path| format!("./{path}"))
                });
                continue;
            }
            let item = line
                .strip_prefix("pub ")
                .or_else(|| line.strip_prefix("pub(crate) "))
                .unwrap_or(line);
            if let Some(name) = item
                .strip_prefix("mod ")
                .and_then(|rest| rest.strip_suffix(';'))
            {
                let module = path.take().unwrap_or_else(|| name.trim().to_owned());
                if for_tests {
                    self.of_tests.push(module)
                } else {
                    self.modules.push(module)
                }
            }
            if !line.starts_with("//") && !line.is_empty() {
                (for_tests, path) = (false, None);
            }
        }
    }
}

/// The modules that Python imports: `a.b`, `.c`; of `from a import b` both `a` and `a.b`.
fn imports(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let names = |list: &str| -> Vec<String> {
            let one = |part: &str| {
                part.split_whitespace()
                    .next()
                    .map(|name| name.trim_matches(['(', ')']).to_owned())
            };
            list.split('#')
                .next()
                .unwrap_or_default()
                .split(',')
                .filter_map(one)
                .filter(|name| !name.is_empty())
                .collect()
        };
        if let Some(list) = line.strip_prefix("import ") {
            found.extend(names(list));
        } else if let Some((module, list)) = line
            .strip_prefix("from ")
            .and_then(|rest| rest.split_once(" import "))
        {
            let mut list = list.to_owned();
            if list.trim_start().starts_with('(') && !list.contains(')') {
                for more in lines.by_ref().take(100) {
                    list.push_str(&format!(",{}", more.split('#').next().unwrap_or_default()));
                    if more.contains(')') {
                        break;
                    }
                }
            }
            let module = module.trim();
            let dot = if module.ends_with('.') { "" } else { "." };
            found.push(module.to_owned());
            found.extend(
                names(&list)
                    .into_iter()
                    .map(|name| format!("{module}{dot}{name}")),
            );
        }
        if found.len() > NAMES_MAX {
            break;
        }
    }
    found
}

/// Texts between quotes, outside of comments.
fn texts(lang: Lang, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let quotes = match (lang, first) {
            (Lang::Python, '"' | '\'') if rest.starts_with("\"\"\"") || rest.starts_with("'''") => {
                rest.get(..3)
            }
            (Lang::Python | Lang::Script, '"' | '\'')
            | (Lang::Rust | Lang::Go, '"')
            | (Lang::Script | Lang::Go, '`') => rest.get(..1),
            _ => None,
        };
        let comment = match lang {
            Lang::Python => first == '#',
            _ => rest.starts_with("//"),
        };
        if let Some(quotes) = quotes {
            let inner = &rest[quotes.len()..];
            let end = closed(inner, quotes);
            if end <= TEXT_MAX && end > 0 {
                found.push(inner[..end].to_owned());
            }
            rest = inner.get(end + quotes.len()..).unwrap_or_default();
        } else if comment {
            // What go embeds stands in a comment.
            let line = rest.lines().next().unwrap_or_default();
            found.extend(
                line.strip_prefix("//go:embed ")
                    .into_iter()
                    .flat_map(str::split_whitespace)
                    .map(str::to_owned),
            );
            rest = &rest[line.len()..];
        } else if lang != Lang::Python && rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else {
            rest = &rest[first.len_utf8()..];
        }
        if found.len() >= NAMES_MAX {
            break;
        }
    }
    found
}

/// Where a text ends: at its quotes, or with its line where it cannot be longer.
fn closed(inner: &str, quotes: &str) -> usize {
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && quotes != "`" {
            escaped = true;
        } else if inner[at..].starts_with(quotes)
            || (c == '\n' && quotes.len() == 1 && quotes != "`")
        {
            return at;
        }
    }
    inner.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_names_modules() {
        let source = "import a.b, c as d  # x\nfrom .e import f\nfrom . import g\nfrom h import (\n    i,  # why\n    j as k,\n)\nx = 'l/m.json'  # 'n'\n\"\"\"long\nimport z\"\"\"\n";
        let mentions = Mentions::of(Lang::Python, source);
        assert_eq!(
            mentions.modules,
            [
                "a.b", "c", ".e", ".e.f", ".", ".g", "h", "h.i", "h.j", "z\"\"\""
            ]
        );
        assert_eq!(mentions.texts, ["l/m.json", "long\nimport z"]);
        assert!(Mentions::of(Lang::Python, "import pytest\n").knows_a_runner(Lang::Python));
    }

    #[test]
    fn others_name_texts_and_modules() {
        let mentions = Mentions::of(
            Lang::Script,
            "import x from './x.js'; // './no'\nvi.mock(\"../y\"); /* './no' */ const z = `./z`;\n'open\n'./w'",
        );
        assert_eq!(mentions.texts, ["./x.js", "../y", "./z", "open", "./w"]);
        let mentions = Mentions::of(
            Lang::Rust,
            "mod a;\n#[cfg(test)]\n#[allow(x)]\nmod b;\n#[path = \"../c/d.rs\"]\npub mod e;\nfn f<'a>() { include_str!(\"g.txt\") }\n",
        );
        assert_eq!(
            (mentions.modules, mentions.of_tests),
            (
                vec!["a".to_owned(), "./../c/d.rs".to_owned()],
                vec!["b".to_owned()]
            )
        );
        assert!(mentions.texts.contains(&"g.txt".to_owned()));
        let mentions = Mentions::of(
            Lang::Go,
            "//go:embed data/*.json more.txt\nimport (\n\t\"ex.com/m/internal/fakes\"\n)\n",
        );
        assert_eq!(
            mentions.texts,
            ["data/*.json", "more.txt", "ex.com/m/internal/fakes"]
        );
    }

    #[test]
    fn any_text_is_accepted() {
        for source in [
            "'",
            "\"\"\"",
            "'\\",
            "from x import (",
            "/*",
            "`ü",
            "#[path = \"",
            "mod ;",
            "\\\"ü",
        ] {
            for lang in [Lang::Python, Lang::Script, Lang::Rust, Lang::Go] {
                Mentions::of(lang, source);
            }
        }
    }
}
