//! What a file is to the tests, by its path.

use super::text::{FileChange, Language};
use keiko_contracts::evidence::FindingKind;
use keiko_contracts::jail::is_test_path;

/// What a file is to the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// What is tested.
    Product,
    /// Tests, and what stands in their folders.
    Test,
    /// What is written for tests, or to be run by hand: it may know the runner, and leave the process.
    Support,
}

const SUPPORT: [&str; 30] = [
    "testing",
    "testutil",
    "testutils",
    "test_utils",
    "test_util",
    "test_helpers",
    "testhelper",
    "testhelpers",
    "testkit",
    "testlib",
    "_testing",
    "fixtures",
    "__mocks__",
    "mocks",
    "mock",
    "bench",
    "benches",
    "benchmark",
    "benchmarks",
    "examples",
    "example",
    "docs",
    "doc",
    "scripts",
    "tools",
    "e2e",
    "integration",
    "xtask",
    "ci",
    ".github",
];

pub(super) fn role(path: &str) -> Role {
    if is_test_path(path) {
        return Role::Test;
    }
    let mut parts = path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part));
    let stem = path
        .rsplit('/')
        .next()
        .unwrap_or(path)
        .split('.')
        .next()
        .unwrap_or_default();
    let scripted = matches!(
        stem,
        "setup" | "noxfile" | "tasks" | "Gruntfile" | "gulpfile" | "build"
    ) || path.contains(".config.")
        || path.contains(".stories.")
        || path.contains(".bench.")
        || (Language::of(path) == Some(Language::JavaScript)
            && (stem.starts_with("test-") || stem.ends_with("_test")));
    // Packages for the tests of others: `net/http/httptest`.
    let helps = path.ends_with(".go")
        && path
            .split('/')
            .rev()
            .skip(1)
            .any(|part| part.len() > 4 && part.ends_with("test"));
    if helps || scripted || path.starts_with(".github") || parts.any(|part| SUPPORT.contains(&part))
    {
        Role::Support
    } else {
        Role::Product
    }
}

/// Programs may end their own process.
pub(super) fn is_program(path: &str) -> bool {
    let stem = path
        .rsplit('/')
        .next()
        .unwrap_or(path)
        .split('.')
        .next()
        .unwrap_or_default();
    let folder = |part: &str| {
        matches!(
            part,
            "bin" | "cmd" | "cli" | "scripts" | "commands" | "main" | "server" | "apps"
        )
    };
    matches!(
        stem,
        "__main__" | "main" | "cli" | "manage" | "setup" | "server" | "build" | "run" | "app"
    ) || stem.ends_with("cli")
        || stem.ends_with("main")
        || path.split('/').rev().skip(1).any(folder)
        || path.ends_with(".bin.js")
}

/// Modules of Python and of its runners: a file of this name where the interpreter looks first hides them.
const MODULES: &[&str] = &[
    "abc",
    "argparse",
    "array",
    "ast",
    "asyncio",
    "atexit",
    "base64",
    "bdb",
    "bisect",
    "builtins",
    "bz2",
    "calendar",
    "cmath",
    "cmd",
    "code",
    "codecs",
    "collections",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "csv",
    "ctypes",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "dis",
    "doctest",
    "email",
    "enum",
    "errno",
    "faulthandler",
    "filecmp",
    "fnmatch",
    "fractions",
    "functools",
    "gc",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "imp",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "marshal",
    "math",
    "mimetypes",
    "multiprocessing",
    "numbers",
    "operator",
    "os",
    "pathlib",
    "pdb",
    "pickle",
    "pkgutil",
    "platform",
    "pprint",
    "profile",
    "pstats",
    "queue",
    "random",
    "re",
    "reprlib",
    "runpy",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "site",
    "socket",
    "sqlite3",
    "ssl",
    "stat",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "sys",
    "sysconfig",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "timeit",
    "token",
    "tokenize",
    "tomllib",
    "trace",
    "traceback",
    "tracemalloc",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "uuid",
    "venv",
    "warnings",
    "weakref",
    "xml",
    "zipfile",
    "zlib",
    "pytest",
    "_pytest",
    "pluggy",
    "iniconfig",
    "nose",
    "nose2",
    "xdist",
    "hypothesis",
    "sitecustomize",
    "usercustomize",
    "exceptiongroup",
    "xmlrunner",
    "pytest_cov",
    "coverage",
];

/// Beginnings of names by which a test runner in JavaScript finds its settings.
const SETS_UP: [&str; 9] = [
    ".mocharc",
    "jest.config",
    "jest.setup",
    "vitest.config",
    "vitest.setup",
    "vitest.workspace",
    "setupTests",
    "ava.config",
    ".taprc",
];

/// What a file is by being there, or by not being there any more.
pub(super) fn of_file(file: &FileChange<'_>) -> Option<FindingKind> {
    let path = file.path;
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if hides_a_module(file, folder, name) {
        return Some(FindingKind::HidesAModule);
    }
    if file.is_new
        && (folder.ends_with("__mocks__")
            || matches!(path, ".cargo/config.toml" | ".cargo/config")
            || builds_for_tests(file))
    {
        return Some(FindingKind::ChangesTheRunner);
    }
    let sets = matches!(
        name,
        "pytest.ini"
            | ".pytest.ini"
            | "tox.ini"
            | "karma.conf.js"
            | "testcafe.json"
            | "nextest.toml"
    );
    if sets || SETS_UP.iter().any(|begins| name.starts_with(begins)) {
        // The first lines of a file that only sets what is reported are looked at with the settings.
        return (name != "tox.ini").then_some(FindingKind::ChangesTheRunner);
    }
    let supports = !is_test_path(path) && path.split('/').any(is_of_test_support);
    let loses = file.is_gone || file.hunks.iter().any(|hunk| !hunk.removed.is_empty());
    (supports && !file.is_new && loses).then_some(FindingKind::ChangesTestSupport)
}

/// A file that is found where a module of the language, of the runner or of a package is looked for.
fn hides_a_module(file: &FileChange<'_>, folder: &str, name: &str) -> bool {
    let path = file.path;
    let stem = name.split('.').next().unwrap_or(name);
    if name.ends_with(".pth") || matches!(stem, "sitecustomize" | "usercustomize") {
        return true;
    }
    if !file.is_new {
        return false;
    }
    let first = |folder: &str| matches!(folder, "" | "src" | "lib" | "test" | "tests" | "python");
    if Language::of(path) == Some(Language::Python) {
        let module = first(folder) && MODULES.contains(&stem);
        let package = stem == "__init__"
            && folder
                .rsplit_once('/')
                .is_none_or(|(above, _)| first(above))
            && MODULES.contains(&folder.rsplit('/').next().unwrap_or(folder));
        let named = folder
            .split('/')
            .any(|part| matches!(part, "unittest" | "pytest" | "_pytest" | "pluggy"))
            && !folder.contains("test_")
            && !folder.starts_with("docs");
        if module || package || named {
            return true;
        }
    }
    path.starts_with("node_modules/")
        || path.contains("/node_modules/")
        || path.starts_with("vendor/github.com/stretchr/")
        || path.contains("site-packages/")
}

/// A part of a path that says that tests are supported there.
fn is_of_test_support(part: &str) -> bool {
    let named = part.split(['_', '-', '.']).any(|word| {
        matches!(
            word.to_ascii_lowercase().as_str(),
            "testutil"
                | "testutils"
                | "testhelper"
                | "testhelpers"
                | "fixture"
                | "fixtures"
                | "golden"
                | "testdata"
                | "expected"
                | "snapshots"
        )
    });
    named
        || part.contains("test_helper")
        || part.contains("test-helper")
        || part.contains("test_util")
        || part.contains("test-util")
        || part.contains("testing_helper")
        || part.ends_with("assertions")
}

/// A new package, or a compiled module, that is found in the place of an existing test.
pub(super) fn takes_a_name(file: &FileChange<'_>, protected: &[String]) -> Option<FindingKind> {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", file.path));
    let stem = name.split('.').next().unwrap_or(name);
    let module = match stem {
        "__init__" | "index" | "mod" => folder.to_owned(),
        stem if name.ends_with(".pyc") || name.ends_with(".so") || name.ends_with(".pyd") => {
            format!("{folder}/{stem}")
        }
        _ => return None,
    };
    let module = module.trim_start_matches('/');
    let ends = [".py", ".js", ".ts", ".tsx", ".mjs", ".rs"];
    let taken = file.is_new
        && !module.is_empty()
        && protected.iter().any(|test| {
            ends.iter()
                .any(|end| test.strip_suffix(end) == Some(module))
        });
    taken.then_some(FindingKind::HidesAModule)
}

/// A build script that asks for the tests, or says how things are built.
fn builds_for_tests(file: &FileChange<'_>) -> bool {
    let decides = |line: &str| {
        ["test", "rustc-cfg", "rustc-flags", "OUT_DIR", "write("]
            .iter()
            .any(|word| line.contains(word))
    };
    file.path == "build.rs"
        && file
            .hunks
            .iter()
            .flat_map(|hunk| &hunk.lines)
            .any(|line| line.added && decides(line.text))
}
