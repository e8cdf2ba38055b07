//! What only tests use is part of the tests, wherever it lies: helpers and fakes that they import, data that they read. What the
//! product uses as well is the product's, and so is what nothing but its being imported tells from it.

use super::mentions::{Lang, Mentions};
use super::{Tree, is_aside, join};
use keiko_contracts::jail::is_test_path;
use std::collections::{BTreeMap, BTreeSet};

/// Most sources that are read, and bytes of them.
const SOURCES_MAX: usize = 4_000;
const SOURCE_BYTES_MAX: usize = 256 << 10;
const BYTES_MAX: usize = 32 << 20;
/// Most files that are named.
const NAMED_MAX: usize = 500;
/// Most files of one name, and in one folder, that a text can mean.
const SAME_NAME_MAX: usize = 3;
const FOLDER_MAX: usize = 200;

/// Words in the names of what is written for tests.
const WORDS: [&str; 31] = [
    "support",
    "helper",
    "helpers",
    "fake",
    "fakes",
    "mock",
    "mocks",
    "stub",
    "stubs",
    "fixture",
    "fixtures",
    "test",
    "tests",
    "testing",
    "testutil",
    "testutils",
    "testlib",
    "testkit",
    "testhelper",
    "testhelpers",
    "factories",
    "assertions",
    "asserts",
    "harness",
    "dummy",
    "dummies",
    "doubles",
    "golden",
    "expected",
    "matchers",
    "spec",
];

/// Manifests, and what people read: tests look into them, and they are no tests.
const PLAIN: [&str; 12] = [
    ".md",
    ".rst",
    ".lock",
    ".toml",
    ".cfg",
    ".ini",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "go.mod",
    "go.sum",
    "LICENSE",
];

/// Files that only tests import or read, and whose path does not say so.
pub(super) fn of(tree: &Tree<'_>) -> Vec<String> {
    if !tree.files.iter().any(|path| is_test_path(path)) {
        return Vec::new();
    }
    let graph = Graph::of(tree);
    let (reached, mut precise) = graph.reached();
    precise.retain(|path| !is_test_path(path));
    let product = graph.product(&reached, &precise);
    // Something must be tested: where all that tests import looks like their own, nothing of it is.
    let tested = product.iter().any(|path| Lang::of(path).is_some());
    let only = |path: &&String| {
        !product.contains(*path)
            && !is_test_path(path)
            && (tested || precise.contains(*path) || Lang::of(path).is_none())
    };
    reached
        .iter()
        .filter(only)
        .filter(|path| !is_plain(path))
        .take(NAMED_MAX)
        .cloned()
        .collect()
}

fn is_plain(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    PLAIN.iter().any(|end| name.ends_with(end)) || name.starts_with('.')
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A folder and all above it, the root last.
fn upwards(folder: &str) -> impl Iterator<Item = &str> {
    let ends = folder
        .char_indices()
        .rev()
        .filter(|(_, c)| *c == '/')
        .map(|(at, _)| &folder[..at]);
    let root = (!folder.is_empty()).then_some("");
    std::iter::once(folder).chain(ends).chain(root)
}

/// A path without `.` and `..`; nothing when it leads out.
fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Which file names which.
struct Graph<'t, 'a> {
    tree: &'t Tree<'a>,
    sources: BTreeMap<&'t str, Mentions>,
    /// Files that are no sources, by the last part of their path.
    data: BTreeMap<&'t str, Vec<&'t String>>,
    /// Folders of go modules with their names.
    modules: Vec<(&'t str, String)>,
    /// See [`packages`].
    packages: (Vec<String>, bool),
}

impl<'t, 'a> Graph<'t, 'a> {
    fn of(tree: &'t Tree<'a>) -> Graph<'t, 'a> {
        let mut graph = Graph {
            tree,
            sources: BTreeMap::new(),
            data: BTreeMap::new(),
            modules: Vec::new(),
            packages: packages(tree),
        };
        let mut left = BYTES_MAX;
        // Tests first: without them nothing is known.
        let (tests, others): (Vec<&String>, Vec<&String>) =
            tree.files.iter().partition(|path| is_test_path(path));
        for path in tests.into_iter().chain(others) {
            let Some(lang) = Lang::of(path) else {
                graph
                    .data
                    .entry(path.rsplit('/').next().unwrap_or(path))
                    .or_default()
                    .push(path);
                continue;
            };
            if graph.sources.len() >= SOURCES_MAX {
                continue;
            }
            let Some(text) = tree
                .read("", path)
                .filter(|text| text.len() <= SOURCE_BYTES_MAX && text.len() <= left)
            else {
                continue;
            };
            left -= text.len();
            graph.sources.insert(path, Mentions::of(lang, &text));
        }
        for path in tree
            .files
            .iter()
            .filter(|path| path.rsplit('/').next() == Some("go.mod"))
            .take(32)
        {
            let text = tree.read("", path).unwrap_or_default();
            let name = text
                .lines()
                .find_map(|line| line.strip_prefix("module "))
                .map(|name| name.trim().to_owned());
            graph.modules.extend(name.map(|name| (folder(path), name)));
        }
        graph
    }

    /// What tests use, directly or not; and what is theirs whatever its name: modules that are declared for tests, and the
    /// script that runs them.
    fn reached(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let mut precise: BTreeSet<String> = BTreeSet::new();
        for (path, mentions) in &self.sources {
            precise.extend(
                mentions
                    .of_tests
                    .iter()
                    .flat_map(|module| self.rust(path, module)),
            );
        }
        for path in self
            .tree
            .files
            .iter()
            .filter(|path| path.rsplit('/').next() == Some("package.json"))
            .take(64)
        {
            precise.extend(self.scripts(path));
        }
        let mut reached = precise.clone();
        let tests = self
            .sources
            .keys()
            .filter(|path| is_test_path(path))
            .map(|path| (*path).to_owned());
        let mut queue: Vec<String> = tests.chain(precise.iter().cloned()).collect();
        while let Some(path) = queue.pop() {
            for named in self.named_by(&path) {
                if !is_test_path(&named) && reached.insert(named.clone()) {
                    queue.push(named);
                }
            }
        }
        (reached, precise)
    }

    /// What of the reached files the product uses, and what is the product by all that can be told.
    fn product(&self, reached: &BTreeSet<String>, precise: &BTreeSet<String>) -> BTreeSet<String> {
        let is_product = |path: &&str| {
            !is_test_path(path)
                && !precise.contains(*path)
                && if reached.contains(*path) {
                    !self.looks_like_support(path)
                } else {
                    !is_aside(folder(path)) && !is_script(path)
                }
        };
        let mut product: BTreeSet<String> = BTreeSet::new();
        let mut queue: Vec<String> = self
            .sources
            .keys()
            .copied()
            .filter(is_product)
            .map(str::to_owned)
            .collect();
        while let Some(path) = queue.pop() {
            if product.insert(path.clone()) {
                queue.extend(
                    self.named_by(&path)
                        .into_iter()
                        .filter(|named| !is_test_path(named) && !precise.contains(named)),
                );
            }
        }
        product
    }

    fn looks_like_support(&self, path: &str) -> bool {
        let Some((lang, mentions)) = Lang::of(path).zip(self.sources.get(path)) else {
            return false;
        };
        let (packages, is_named) = &self.packages;
        // What is shipped is the product, helpers for the tests of others among it.
        if packages
            .iter()
            .any(|package| path.starts_with(package.as_str()))
        {
            return false;
        }
        let (rest, _) = path.rsplit_once('.').unwrap_or((path, ""));
        let named = rest.split(['/', '_', '-', '.']).any(is_word);
        let internal = lang == Lang::Go && path.split('/').any(|part| part == "internal");
        let outside = lang == Lang::Python && *is_named && path.contains('/');
        named || internal || outside || mentions.knows_a_runner(lang)
    }

    /// Files that a source names.
    fn named_by(&self, path: &str) -> BTreeSet<String> {
        let (mut named, lang) = (BTreeSet::new(), Lang::of(path));
        let (Some(mentions), Some(lang)) = (self.sources.get(path), lang) else {
            return named;
        };
        for module in mentions.modules.iter().chain(&mentions.of_tests) {
            match lang {
                Lang::Python => named.extend(self.python(path, module)),
                Lang::Rust => named.extend(self.rust(path, module)),
                Lang::Script | Lang::Go => {}
            }
        }
        for text in &mentions.texts {
            match lang {
                Lang::Script => named.extend(self.script(path, text)),
                Lang::Go => named.extend(self.go(text)),
                // A plugin is named in a text.
                Lang::Python if text.contains('.') && is_test_path(path) => {
                    named.extend(self.python(path, text))
                }
                Lang::Python | Lang::Rust => {}
            }
            self.add_data(path, text, &mut named);
        }
        named
    }

    fn there(&self, path: String) -> Option<String> {
        self.tree.files.contains(&path).then_some(path)
    }

    fn python(&self, from: &str, module: &str) -> Option<String> {
        let rest = module.trim_start_matches('.');
        let dots = module.len() - rest.len();
        let inner = rest.replace('.', "/");
        if inner.contains("//") || inner.contains(' ') {
            return None;
        }
        let at = |base: &str| {
            let path = joined(base, &inner)?;
            let package = if path.is_empty() {
                "__init__.py".to_owned()
            } else {
                format!("{path}/__init__.py")
            };
            self.there(format!("{path}.py"))
                .or_else(|| self.there(package))
        };
        match dots {
            0 if inner.is_empty() => None,
            0 => upwards(folder(from)).find_map(|base| {
                at(base)
                    .or_else(|| at(&join(base, "src")))
                    .or_else(|| at(&join(base, "lib")))
            }),
            dots => at(upwards(folder(from)).nth(dots - 1)?),
        }
    }

    fn rust(&self, from: &str, module: &str) -> Option<String> {
        let dir = folder(from);
        if let Some(path) = module.strip_prefix("./") {
            return self.there(joined(dir, path)?);
        }
        let stem = from
            .rsplit('/')
            .next()
            .unwrap_or(from)
            .trim_end_matches(".rs");
        let bases = [dir.to_owned(), join(dir, stem)];
        bases.iter().find_map(|base| {
            self.there(join(base, &format!("{module}.rs")))
                .or_else(|| self.there(join(base, &format!("{module}/mod.rs"))))
        })
    }

    fn script(&self, from: &str, text: &str) -> Option<String> {
        let path =
            if text.starts_with("./") || text.starts_with("../") || matches!(text, "." | "..") {
                joined(folder(from), text)?
            } else {
                joined("", text.strip_prefix("<rootDir>/")?)?
            };
        self.module(&path)
    }

    /// A module of JavaScript by its path, with the ends that may be left out.
    fn module(&self, path: &str) -> Option<String> {
        const ENDS: [&str; 15] = [
            "",
            ".js",
            ".ts",
            ".tsx",
            ".jsx",
            ".mjs",
            ".cjs",
            ".mts",
            ".cts",
            ".vue",
            ".json",
            "/index.js",
            "/index.ts",
            "/index.tsx",
            "/index.mjs",
        ];
        let as_written = ENDS
            .iter()
            .find_map(|end| self.there(format!("{path}{end}")));
        // TypeScript names what comes of a file.
        as_written.or_else(|| {
            let (stem, end) = path.rsplit_once('.')?;
            let end = end.strip_suffix("js").or_else(|| end.strip_suffix("jsx"))?;
            [format!("{stem}.{end}ts"), format!("{stem}.{end}tsx")]
                .into_iter()
                .find_map(|path| self.there(path))
        })
    }

    /// The files of a package of the workspace.
    fn go(&self, text: &str) -> Vec<String> {
        let within = |(dir, name): &(&str, String)| {
            let rest = text.strip_prefix(name.as_str())?;
            let rest = if rest.is_empty() {
                ""
            } else {
                rest.strip_prefix('/')?
            };
            joined(dir, rest)
        };
        let Some(dir) = self.modules.iter().find_map(within) else {
            return Vec::new();
        };
        let of_package = |name: &&str| name.ends_with(".go") && !name.ends_with("_test.go");
        self.tree
            .names(&dir)
            .filter(of_package)
            .map(|name| join(&dir, name))
            .collect()
    }

    /// Data that a text means: by its path from here or from a folder above, by its name, or all of a folder.
    fn add_data(&self, from: &str, text: &str, named: &mut BTreeSet<String>) {
        if text.len() < 3 || text.contains(['\n', ' ', '\\']) || text.starts_with('/') {
            return;
        }
        if let Some(same) = self
            .data
            .get(text)
            .filter(|same| same.len() <= SAME_NAME_MAX && text.contains('.'))
        {
            named.extend(same.iter().map(|path| (*path).clone()));
            return;
        }
        for base in upwards(folder(from)) {
            let Some(path) = joined(base, text.split('*').next().unwrap_or_default())
                .filter(|path| !path.is_empty())
            else {
                continue;
            };
            if self.tree.files.contains(&path) {
                if Lang::of(&path).is_none() {
                    named.insert(path);
                }
                return;
            }
            let below: Vec<&str> = self.tree.below(&path).take(FOLDER_MAX + 1).collect();
            if !below.is_empty() {
                if below.len() <= FOLDER_MAX && below.iter().all(|file| Lang::of(file).is_none()) {
                    named.extend(below.into_iter().map(|file| join(&path, file)));
                }
                return;
            }
        }
    }

    /// What the script runs that runs the tests, and what the settings of its runner name.
    fn scripts(&self, manifest: &str) -> Vec<String> {
        let text = self.tree.read("", manifest).unwrap_or_default();
        let Ok(manifest_of) = serde_json::from_str::<serde_json::Value>(&text) else {
            return Vec::new();
        };
        let dir = folder(manifest);
        let command = manifest_of["scripts"]["test"].as_str().unwrap_or_default();
        let words = command
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '\'']).to_owned());
        let mut settings = Vec::new();
        for key in [
            "setupFiles",
            "setupFilesAfterEnv",
            "globalSetup",
            "require",
            "file",
        ] {
            for runner in ["jest", "mocha", "ava", "vitest"] {
                let value = &manifest_of[runner][key];
                settings.extend(
                    value
                        .as_array()
                        .into_iter()
                        .flatten()
                        .chain([value])
                        .filter_map(|value| value.as_str())
                        .map(str::to_owned),
                );
            }
        }
        let path = |word: String| {
            joined(dir, word.trim_start_matches("<rootDir>/")).filter(|path| !path.is_empty())
        };
        words
            .chain(settings)
            .filter_map(path)
            .filter_map(|path| self.there(path))
            .filter(|path| Lang::of(path) == Some(Lang::Script))
            .collect()
    }
}

/// Scripts around a product, which use whatever is there.
fn is_script(path: &str) -> bool {
    matches!(path, "setup.py" | "noxfile.py" | "tasks.py" | "build.rs")
        || path.starts_with("scripts/")
        || path.contains(".config.")
}

/// The folders of the packages that are shipped, and whether the project is named for one of them.
fn packages(tree: &Tree<'_>) -> (Vec<String>, bool) {
    let manifest = tree.read("", "pyproject.toml").unwrap_or_default();
    let name = manifest.lines().find_map(|line| {
        line.strip_prefix("name")?
            .trim_start()
            .strip_prefix('=')?
            .split(['"', '\''])
            .nth(1)
    });
    let name = name
        .unwrap_or_default()
        .replace('-', "_")
        .to_ascii_lowercase();
    let is_package = |dir: &&String| {
        let inner = dir.strip_prefix("src/").unwrap_or(dir);
        !dir.is_empty()
            && !inner.contains('/')
            && !is_aside(inner)
            && !is_word(inner)
            && tree.has(dir, "__init__.py")
    };
    let found: Vec<String> = tree
        .folders
        .iter()
        .filter(is_package)
        .map(|dir| format!("{dir}/"))
        .collect();
    let named = found.iter().any(|dir| {
        dir.trim_end_matches('/')
            .rsplit('/')
            .next()
            .is_some_and(|dir| dir.eq_ignore_ascii_case(&name))
    });
    (found, named)
}

fn is_word(word: &str) -> bool {
    WORDS.contains(&word.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use crate::ops::path::Root;
    use crate::ops::survey::Tree;

    fn support(files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let at = dir.path().join(name);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, text).unwrap();
        }
        super::of(&Tree::of(&Root::open(dir.path()).unwrap()).unwrap()).join(" ")
    }

    #[test]
    fn helpers_and_data_of_python_tests() {
        let calc = ("calc.py", "def add(a, b):\n    return a + b\n");
        let test = "from support.fakes import Fake\nfrom calc import add\nimport json\nWANTED = json.load(open('data/expected.json'))\n";
        let fakes = ("support/fakes.py", "from .more import x\nimport calc\n");
        let more = ("support/more.py", "");
        let data = ("data/expected.json", "{}");
        assert_eq!(
            support(&[calc, ("tests/test_calc.py", test), fakes, more, data]),
            "data/expected.json support/fakes.py support/more.py"
        );
        let used = (
            "app.py",
            "from support import more\nDATA = 'expected.json'\n",
        );
        assert_eq!(
            support(&[calc, used, ("tests/test_calc.py", test), fakes, more, data]),
            "support/fakes.py"
        );
        let checks = (
            "lib/checks.py",
            "import unittest\nclass Base(unittest.TestCase): pass\n",
        );
        assert_eq!(
            support(&[
                calc,
                checks,
                ("test_calc.py", "import calc\nfrom checks import Base\n")
            ]),
            "lib/checks.py"
        );
        let plugin = ("plugins/fixtures.py", "import pytest\n");
        assert_eq!(
            support(&[
                calc,
                plugin,
                (
                    "conftest.py",
                    "import calc\npytest_plugins = ['plugins.fixtures']\n"
                )
            ]),
            "plugins/fixtures.py"
        );
    }

    #[test]
    fn a_product_that_only_tests_import_is_the_product() {
        assert_eq!(
            support(&[
                ("helpers.py", "def f(): ...\n"),
                ("test_helpers.py", "from helpers import f\n")
            ]),
            ""
        );
        let package = ("src/click/__init__.py", "from .core import x\n");
        let testing = ("src/click/testing.py", "import contextlib\n");
        let test = (
            "tests/test_it.py",
            "import click\nfrom click.testing import Runner\nopen('README.md')\nopen('pyproject.toml')\n",
        );
        let files = [
            package,
            testing,
            ("src/click/core.py", ""),
            test,
            ("pyproject.toml", "[project]\nname = \"click\"\n"),
            ("README.md", ""),
        ];
        assert_eq!(support(&files), "");
        assert_eq!(
            support(&[
                ("index.js", ""),
                ("index.test.js", "import x from './index.js'")
            ]),
            ""
        );
    }

    #[test]
    fn helpers_of_other_languages() {
        let js = [
            ("index.js", "export const add = 1;"),
            (
                "index.test.js",
                "import { add } from './index';\nimport { near } from './testing/near.js';",
            ),
            ("testing/near.ts", "import { expect } from 'vitest'"),
            ("run.js", "console.log(1)"),
            ("package.json", "{\"scripts\": {\"test\": \"node run.js\"}}"),
        ];
        assert_eq!(support(&js), "run.js testing/near.ts");
        let rust = [
            ("src/lib.rs", "mod a;\n#[cfg(test)]\nmod support;\n"),
            ("src/a.rs", ""),
            ("src/support.rs", "use crate::a;"),
            (
                "tests/it.rs",
                "#[path = \"../common/fake.rs\"]\nmod fake;\nconst X: &str = include_str!(\"../golden/a.txt\");",
            ),
            ("common/fake.rs", ""),
            ("golden/a.txt", ""),
        ];
        assert_eq!(support(&rust), "common/fake.rs golden/a.txt src/support.rs");
        let go = [
            ("go.mod", "module ex.com/m\n\ngo 1.22\n"),
            ("a.go", "package m\nimport \"ex.com/m/internal/used\"\n"),
            (
                "a_test.go",
                "package m\nimport (\n\t\"ex.com/m/internal/fake\"\n\t\"ex.com/m/internal/used\"\n)\n//go:embed golden/*.txt\n",
            ),
            ("internal/fake/fake.go", "package fake\n"),
            ("internal/used/used.go", "package used\n"),
            ("golden/a.txt", ""),
        ];
        assert_eq!(support(&go), "golden/a.txt internal/fake/fake.go");
    }
}
