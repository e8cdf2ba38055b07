//! What honest Python does not do.

use super::place::{Role, is_program};
use super::text::{FileChange, Hunk, Kind};
use super::{Found, Rule, counters, results};
use keiko_contracts::evidence::FindingKind::{
    ChangesTheRunner, CountsCalls, EqualToEverything, HidesAModule, KnowsTheTests,
    LeavesTheProcess, ReplacesTheRunner, SwallowsErrors,
};

pub(super) const PRODUCT: &[Rule] = &[
    (
        KnowsTheTests,
        "import unittest|pytest|_pytest|nose|hypothesis|xmlrunner",
    ),
    (
        KnowsTheTests,
        "from unittest|pytest|_pytest|nose|hypothesis import|.",
    ),
    (KnowsTheTests, "import @w , unittest|pytest|_pytest"),
    (KnowsTheTests, "gc . get_objects|get_referrers"),
    (KnowsTheTests, "__main__ . __file__"),
    (KnowsTheTests, "sys . orig_argv"),
    (KnowsTheTests, ". findCaller ("),
    (HidesAModule, "SourcelessFileLoader"),
    (HidesAModule, "marshal . loads|load ("),
    (ReplacesTheRunner, "atexit . register ( os . _exit"),
    (ReplacesTheRunner, "os . dup2 ("),
    (ReplacesTheRunner, "sys . settrace|setprofile ("),
    (LeavesTheProcess, "os . abort ("),
    (
        LeavesTheProcess,
        "os . kill|killpg ( os . getpid|getppid|getpgrp",
    ),
    (
        LeavesTheProcess,
        "os . execv|execl|execve|execvp|execlp|execle|execvpe (",
    ),
];

pub(super) const ANYWHERE: &[Rule] = &[
    (
        ReplacesTheRunner,
        "TestCase|TestResult|TextTestRunner|TextTestResult|TestLoader|TestSuite|TestProgram . @w =",
    ),
    (ReplacesTheRunner, "unittest|pytest|_pytest . @w ="),
    (ReplacesTheRunner, "unittest . @w . @w ="),
    (
        ReplacesTheRunner,
        "setattr ( unittest|pytest|_pytest|TestCase|builtins|__builtins__",
    ),
    (ReplacesTheRunner, "setattr ( case|self . TestCase"),
    (ReplacesTheRunner, "delattr ( unittest|pytest|TestCase"),
    (ReplacesTheRunner, "builtins|__builtin__ . @w ="),
    (ReplacesTheRunner, "__builtins__ [ @t ] ="),
    (ReplacesTheRunner, "sys . modules [ @t ] ="),
    (ReplacesTheRunner, "sys . modules [ __name__ ] ="),
    (ReplacesTheRunner, "sys . modules . setdefault|update ("),
    (ReplacesTheRunner, "sys . meta_path|path_hooks"),
    (ReplacesTheRunner, "sys . excepthook ="),
    (
        ReplacesTheRunner,
        "SourceFileLoader|SourceLoader|FileLoader|PathFinder|FileFinder|BuiltinImporter . @w =",
    ),
    (ReplacesTheRunner, "@w . TestCase . @w ="),
    (ReplacesTheRunner, "AssertionError ="),
    (ReplacesTheRunner, "class AssertionError"),
    (ReplacesTheRunner, "curse ("),
    (ChangesTheRunner, "def load_tests ("),
    (
        ChangesTheRunner,
        "def pytest_runtest_makereport|pytest_runtest_protocol|pytest_runtest_call|pytest_runtest_setup|pytest_runtestloop|pytest_pyfunc_call",
    ),
    (
        ChangesTheRunner,
        "def pytest_collection_modifyitems|pytest_ignore_collect|pytest_collect_file|pytest_pycollect_makeitem|pytest_sessionfinish",
    ),
    (
        ChangesTheRunner,
        "def pytest_report_teststatus|pytest_runtest_logreport|pytest_collection|pytest_itemcollected|pytest_deselected|pytest_exception_interact",
    ),
    (
        ChangesTheRunner,
        "def pytest_assertrepr_compare|pytest_assertion_pass|pytest_fixture_setup|pytest_generate_tests|pytest_unconfigure|pytest_cmdline_main",
    ),
    (ChangesTheRunner, "collect_ignore|collect_ignore_glob ="),
    (ChangesTheRunner, "collect_ignore|collect_ignore_glob +="),
    (ChangesTheRunner, "__test__ = False"),
    (ChangesTheRunner, "__unittest_skip__ ="),
    (LeavesTheProcess, "os . _exit ("),
    (LeavesTheProcess, "from os import _exit"),
];

/// Modules that the language gives: a product that sets something in one of them sets it for its tests too.
const GIVEN: [&str; 26] = [
    "time",
    "datetime",
    "random",
    "math",
    "operator",
    "functools",
    "itertools",
    "collections",
    "copy",
    "json",
    "re",
    "decimal",
    "fractions",
    "numbers",
    "types",
    "inspect",
    "importlib",
    "contextlib",
    "threading",
    "asyncio",
    "subprocess",
    "os",
    "gc",
    "difflib",
    "pprint",
    "warnings",
];

pub(super) fn more(file: &FileChange<'_>, hunk: &Hunk<'_>, role: Role) -> Found {
    let mut found = comparisons(hunk);
    found.extend(patches(file, hunk, role));
    if role == Role::Product {
        found.extend(asks(hunk));
        found.extend(swallows(hunk));
        found.extend(results(hunk));
        found.extend(counters(hunk, |name, at| outlives(hunk, name, at)));
        found.extend(recorded(hunk));
        if !is_program(file.path) {
            found.extend(exits(hunk));
        }
    }
    found
}

/// Asks for the runner by name, in the environment or up the stack.
fn asks(hunk: &Hunk<'_>) -> Found {
    let mut found = asks_by_name(hunk);
    found.extend(looks_up_the_stack(hunk));
    found
}

/// A text that names tests or their runner.
fn about_tests(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    matches!(
        text.as_str(),
        "unittest" | "pytest" | "_pytest" | "test" | "tests" | "test_" | "py.test" | "nose"
    ) || text.starts_with("unittest.")
        || text.starts_with("_pytest.")
        || (text.starts_with("test_") && text.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

/// Where the runner can be looked for.
const LOOKS: [&str; 8] = [
    "modules",
    "argv",
    "import_module",
    "__import__",
    "find_spec",
    "environ",
    "getenv",
    "orig_argv",
];

/// What opens a file.
const OPENS: [&str; 8] = [
    "open",
    "read_text",
    "read_bytes",
    "with_name",
    "joinpath",
    "Path",
    "getlines",
    "getsource",
];

/// Asks for the runner, or the tests, by name.
fn asks_by_name(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for (at, text) in hunk.texts() {
        let line = hunk.tokens[at].line;
        let asks = |words: &[&str]| {
            hunk.on_line(line)
                .iter()
                .any(|token| words.iter().any(|word| token.is(word)))
        };
        let names_a_run = text.starts_with("PYTEST_") || matches!(text, "TOX_ENV_NAME" | "NOSE_");
        let looks = || asks(&LOOKS);
        // A product that opens its own tests looks up what they expect.
        let reads = || asks(&OPENS);
        let a_test = || text.ends_with(".py") && keiko_contracts::jail::is_test_path(text);
        // The program's own name, as a runner gives it: `argv[0].startswith(("py", "unit"))`.
        let runner = ["unittest", "pytest", "py.test", "keiko"]
            .iter()
            .any(|name| text.len() > 1 && name.starts_with(text));
        let begins = runner && asks(&["argv"]) && asks(&["startswith", "in", "==", "basename"]);
        // All sources of a folder, to be read or taken apart, from beside its own file.
        let own_sources = text.contains('*')
            && text.ends_with(".py")
            && asks(&["glob", "rglob", "iglob", "fnmatch"]);
        let taken_apart = own_sources
            && hunk.tokens.iter().any(|token| token.is("__file__"))
            && hunk
                .tokens
                .iter()
                .any(|token| token.is("read_text") || token.is("parse") || token.is("open"));
        if names_a_run
            || (about_tests(text) && looks())
            || (a_test() && reads())
            || begins
            || taken_apart
        {
            found.push((KnowsTheTests, line));
        }
    }
    found
}

/// Asks up the stack who calls.
fn looks_up_the_stack(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    let stack = [
        "sys . _getframe",
        "inspect . stack|currentframe|getouterframes|trace",
        "traceback . extract_stack|walk_stack|format_stack",
        "_getframe (",
        "currentframe (",
        "tb_frame",
        ". f_back",
        "extract_stack (",
    ];
    for at in stack.iter().flat_map(|pattern| hunk.find(pattern)) {
        let line = hunk.tokens[at].line;
        let near = |line: usize| {
            line.abs_diff(hunk.tokens[at].line) <= 8
                && hunk.lines.get(line).is_some_and(|line| line.added)
        };
        let tokens = || hunk.tokens.iter().filter(|token| near(token.line));
        let named = tokens().any(|token| {
            token.kind == Kind::Text
                && (about_tests(&token.text) || token.text.to_ascii_lowercase().contains("test"))
        });
        let reads =
            tokens().any(|token| ["f_locals", "tb_frame"].iter().any(|word| token.is(word)));
        // Something is put into what the caller sees.
        let sets = tokens().any(|token| token.is("f_globals")) && hunk.has("@w [ @t ] =");
        let asked = tokens()
            .any(|token| token.is("if") || token.is("in") || token.is("==") || token.is("any"))
            && tokens().any(|token| {
                token.is("co_name")
                    || token.is("function")
                    || token.is("co_filename")
                    || token.is("filename")
            });
        if named || reads || asked || sets {
            found.push((KnowsTheTests, line));
        }
    }
    found
}

/// Ends the process from within a library.
fn exits(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for pattern in [
        "sys . exit (",
        "raise SystemExit",
        "exit (",
        "quit (",
        "from sys import exit",
    ] {
        for at in hunk.find(pattern) {
            let before = at
                .checked_sub(1)
                .map_or("", |at| hunk.tokens[at].text.as_str());
            let line = hunk.tokens[at].line;
            if !matches!(before, "." | "def") && !hunk.had(pattern) && !in_main(hunk, line) {
                found.push((LeavesTheProcess, line));
            }
        }
    }
    found
}

/// The function that a line belongs to is a program's.
fn in_main(hunk: &Hunk<'_>, line: usize) -> bool {
    let is_main = |text: &str| {
        let text = text.trim_start();
        let name = text
            .strip_prefix("async ")
            .unwrap_or(text)
            .strip_prefix("def ")
            .map(|rest| rest.split('(').next().unwrap_or(rest));
        let program = |name: &str| {
            name.contains("main")
                || name.contains("cli")
                || name.contains("usage")
                || name.contains("exit")
                || name.contains("die")
                || name.contains("signal")
                || name.contains("parse_arg")
        };
        (text.starts_with("if __name__")) || name.is_some_and(program)
    };
    let mut depth = hunk.lines.get(line).map_or(0, super::text::Line::depth);
    for above in hunk.lines[..line]
        .iter()
        .rev()
        .filter(|line| !line.text.trim().is_empty())
    {
        if above.depth() < depth {
            depth = above.depth();
            if is_main(above.text) {
                return true;
            }
        }
    }
    depth > 0 && is_main(hunk.above)
}

/// Comparisons that hold for everything.
fn comparisons(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in methods(hunk) {
        if holds_for_everything(hunk, at) {
            found.push((EqualToEverything, hunk.tokens[at].line));
        }
    }
    for pattern in [
        "__eq__ = lambda",
        "__instancecheck__ = lambda",
        "__bool__ = lambda",
    ] {
        found.extend(
            hunk.find(pattern)
                .into_iter()
                .map(|at| (EqualToEverything, hunk.tokens[at].line)),
        );
    }
    found.extend(
        hunk.texts()
            .filter(|(_, text)| matches!(*text, "__eq__" | "__instancecheck__"))
            .filter(|(at, _)| {
                let line = hunk.tokens[*at].line;
                hunk.on_line(line)
                    .iter()
                    .any(|token| token.is("lambda") || token.is("setattr"))
            })
            .map(|(at, _)| (EqualToEverything, hunk.tokens[at].line)),
    );
    found
}

/// Where methods that compare are defined.
fn methods(hunk: &Hunk<'_>) -> Vec<usize> {
    let mut methods =
        hunk.find("def __eq__|__ne__|__lt__|__le__|__gt__|__ge__|__instancecheck__|__subclasscheck__|__contains__|__subclasshook__ (");
    methods.extend(
        hunk.tokens
            .iter()
            .enumerate()
            .filter(|(at, token)| token.is("__eq__") && hunk.is_added(*at))
            .map(|(at, _)| at.saturating_sub(1))
            .filter(|at| hunk.tokens[*at].is("def")),
    );
    methods.sort_unstable();
    methods.dedup();
    methods
}

/// Whether the method that is defined there says yes, or no, to whatever it is given.
fn holds_for_everything(hunk: &Hunk<'_>, at: usize) -> bool {
    let line = hunk.tokens[at].line;
    let open = at + 2;
    let parameters = hunk.inside(open);
    let other = hunk.tokens[parameters.clone()]
        .iter()
        .filter(|token| token.kind == Kind::Word)
        .nth(1)
        .map_or("", |token| token.text.as_str());
    let block = hunk.block(line);
    let body: Vec<&super::text::Token> = hunk.tokens[parameters.end..]
        .iter()
        .filter(|token| token.line == line || block.contains(&token.line))
        .collect();
    let returns: Vec<usize> = (0..body.len())
        .filter(|at| body[*at].is("return"))
        .collect();
    let uses = body.iter().filter(|token| token.is(other)).count();
    let always = |value: &str| {
        returns.len() == 1
            && body
                .get(returns[0] + 1)
                .is_some_and(|token| token.is(value))
            && body
                .get(returns[0] + 2)
                .is_none_or(|token| token.line != body[returns[0]].line)
    };
    let name = hunk.tokens[at + 1].text.as_str();
    let constant =
        always("True") || (matches!(name, "__ne__" | "__lt__" | "__gt__") && always("False"));
    let or_true = body
        .windows(2)
        .any(|two| two[0].is("or") && two[1].is("True"));
    let literal = body.windows(3).any(|three| {
        three[0].is(other)
            && (three[1].is("==") || three[1].is("in"))
            && (three[2].is_literal() || three[2].is("(") || three[2].is("["))
    }) && name == "__eq__";
    // `isinstance` of anything but its own class: equal to all numbers.
    let only_type = returns.len() == 1
        && body
            .get(returns[0] + 1)
            .is_some_and(|token| token.is("isinstance"))
        && body.iter().any(|token| {
            matches!(
                token.text.as_str(),
                "int" | "float" | "str" | "list" | "dict" | "object" | "bool" | "tuple"
            )
        })
        && !body.iter().any(|token| token.is("and"))
        && name == "__eq__";
    let blind = !returns.is_empty()
        && uses == 0
        && name == "__eq__"
        && !body
            .iter()
            .any(|token| token.is("NotImplemented") || token.is("super") || token.is("raise"));
    constant || or_true || literal || only_type || blind
}

/// Swallows whatever is raised.
fn swallows(hunk: &Hunk<'_>) -> Found {
    let mut found = excepts(hunk);
    for at in hunk.find("suppress ( Exception|BaseException|AssertionError") {
        found.push((SwallowsErrors, hunk.tokens[at].line));
    }
    found.extend(leaves_blocks(hunk));
    found
}

/// What tells of an error, rather than swallowing it.
const TELLS: [&str; 13] = [
    "log",
    "logger",
    "logging",
    "warnings",
    "print",
    "warn",
    "exception",
    "error",
    "append",
    "debug",
    "_logger",
    "LOG",
    "log_error",
];

/// Catches everything, and says nothing of it.
fn excepts(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk.find("except") {
        let line = hunk.tokens[at].line;
        let head: Vec<&str> = hunk
            .on_line(line)
            .iter()
            .map(|token| token.text.as_str())
            .collect();
        let asserts = head.contains(&"AssertionError");
        let all = matches!(head.get(1), Some(&":")) || head.contains(&"BaseException");
        let most = head.contains(&"Exception");
        if !(asserts || all || most) {
            continue;
        }
        let block = hunk.block(line);
        let body: Vec<&super::text::Token> = hunk
            .tokens
            .iter()
            .filter(|token| block.contains(&token.line))
            .collect();
        let raises = body.iter().any(|token| token.is("raise"));
        let told = body
            .iter()
            .any(|token| TELLS.iter().any(|word| token.is(word)));
        let first = block.clone().find(|line| !hunk.on_line(*line).is_empty());
        let plain = first.is_some_and(|line| {
            super::answers_plainly(hunk, line)
                || hunk
                    .on_line(line)
                    .first()
                    .is_some_and(|token| token.is("pass") && all)
        });
        // Once a module could not be had, something else is taken: that is no test's business.
        let import = hunk.lines[..line].iter().rev().take(3).any(|line| {
            line.text.trim_start().starts_with("import ")
                || line.text.trim_start().starts_with("from ")
        });
        if !raises && !told && !import && (asserts || plain) {
            found.push((SwallowsErrors, line));
        }
    }
    found
}

/// Whoever leaves a block with an error is let off.
fn leaves_blocks(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    // Who leaves a block asks whether a test has failed in it.
    for at in 0..hunk.tokens.len() {
        let line = hunk.tokens[at].line;
        let word = |word: &str| hunk.on_line(line).iter().any(|token| token.is(word));
        let asked = word("is") || word("issubclass") || word("isinstance") || word("==");
        if hunk.tokens[at].is("AssertionError") && hunk.is_added(at) && asked && !word("except") {
            found.push((SwallowsErrors, line));
        }
    }
    // Whoever left a block with an error is let off, but for some errors: `return kind is not None and not issubclass(…)`.
    for at in hunk.find("return") {
        let line = hunk.tokens[at].line;
        let within = hunk.lines[..line]
            .iter()
            .rev()
            .find(|line| line.text.trim_start().starts_with("def "))
            .map_or(hunk.above, |line| line.text);
        let word = |word: &str| hunk.on_line(line).iter().any(|token| token.is(word));
        let was_let_out = hunk
            .removed
            .iter()
            .any(|line| line.trim() == "return False")
            && word("issubclass");
        let but = hunk.on_line(line).windows(2).any(|two| {
            two[0].is("not")
                && ["issubclass", "isinstance", "in"]
                    .iter()
                    .any(|word| two[1].is(word))
        });
        if (within.contains("__exit__") || was_let_out) && but {
            found.push((SwallowsErrors, line));
        }
    }
    for at in hunk.find("def __exit__") {
        let block = hunk.block(hunk.tokens[at].line);
        let only: Vec<usize> = block
            .filter(|line| !hunk.on_line(*line).is_empty())
            .collect();
        if let [line] = only[..]
            && hunk.on_line(line).len() == 2
            && hunk.on_line(line)[1].is("True")
        {
            found.push((SwallowsErrors, line));
        }
    }
    found
}

/// What a name is bound to outlives the call: declared `global` or `nonlocal`, an attribute of a function or a class, a
/// default of a parameter, a list that stands outside.
fn outlives(hunk: &Hunk<'_>, name: &str, at: usize) -> bool {
    let line = hunk.tokens[at].line;
    let after_dot = at >= 2 && hunk.tokens[at - 1].is(".");
    let declared = hunk.lines.iter().any(|line| {
        let text = line.text.trim_start();
        (text.starts_with("global ") || text.starts_with("nonlocal "))
            && text.split([' ', ',']).any(|word| word == name)
    });
    let owner = if after_dot {
        hunk.tokens[at - 2].text.as_str()
    } else {
        ""
    };
    let of_class = after_dot
        && (owner != "self"
            || hunk
                .lines
                .iter()
                .any(|line| line.text.trim_start().starts_with("def __call__")));
    let outside = hunk
        .lines
        .iter()
        .any(|line| line.depth() == 0 && line.text.starts_with(&format!("{name} = ")));
    let default = hunk.tokens.windows(3).any(|three| {
        three[0].is(name)
            && three[1].is("=")
            && (three[2].is("[") || three[2].is("{"))
            && three[0].line < line
    });
    declared
        || (of_class && hunk.lines.get(line).is_some_and(|line| line.depth() > 0))
        || (!after_dot && (outside || default) && (declared || hunk.fits(at, "@w [ @l ] += 1")))
}

/// A value chosen by what was asked before.
fn recorded(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    let stores = hunk
        .lines
        .iter()
        .filter(|line| line.depth() == 0 && line.added)
        .filter_map(|line| {
            let (name, value) = line.text.split_once('=')?;
            let value = value.trim();
            let name = name.split(':').next()?.trim();
            let empty = matches!(value, "[]" | "{}" | "set()" | "list()" | "dict()")
                || value.starts_with("itertools.count(")
                || value.starts_with("iter(")
                || value.starts_with("count(")
                || value.contains("cycle(");
            (empty && name.chars().all(|c| c.is_alphanumeric() || c == '_'))
                .then_some((name, value))
        });
    for (name, value) in stores {
        for at in
            (0..hunk.tokens.len()).filter(|at| hunk.is_added(*at) && hunk.tokens[*at].is(name))
        {
            let line = hunk.tokens[at].line;
            let asked = hunk
                .on_line(line)
                .first()
                .is_some_and(|token| token.is("if") || token.is("elif"))
                || hunk.on_line(line).iter().any(|token| token.is("if"));
            let in_it = at >= 1 && hunk.tokens[at - 1].is("in");
            let counted = at >= 2 && hunk.tokens[at - 1].is("(") && hunk.tokens[at - 2].is("len");
            let chosen = counted && hunk.on_line(line).iter().any(|token| token.is("return"));
            let answered = chosen
                || super::answers_plainly(hunk, line + 1)
                || super::answers_plainly(hunk, line);
            let taken = (value.starts_with("iter(") || value.contains("cycle("))
                && hunk.fits(at.saturating_sub(3), "return next (");
            if (asked && (in_it || counted) && answered && hunk.lines[line].depth() > 0) || taken {
                found.push((CountsCalls, line));
            }
        }
    }
    found
}

/// Puts something else in the place of what others gave: in tests that are new too, but there only for good.
fn patches(file: &FileChange<'_>, hunk: &Hunk<'_>, role: Role) -> Found {
    let mut found = replaces_by_name(hunk);
    if role == Role::Product {
        found.extend(replaces_given(hunk));
    }
    if role == Role::Test {
        found.extend(as_it_is_loaded(hunk));
        found.extend(automatic(file, hunk));
        found.extend(deletes(hunk));
        found.extend(writes_tests(hunk));
    }
    // Subclasses of what is compared natively are looked at with their comparison; a proxy answers for all.
    if role == Role::Product {
        found.extend(answers_for_all(hunk));
    }
    found
}

/// Something at the top of a file: it is done as the file is loaded.
fn is_top(hunk: &Hunk<'_>, at: usize) -> bool {
    hunk.line_of(at).is_some_and(|line| line.depth() == 0)
}

/// Something at the beginning of its line.
fn starts(hunk: &Hunk<'_>, at: usize) -> bool {
    at == 0 || hunk.tokens[at - 1].line != hunk.tokens[at].line
}

/// Puts something else in the place of the runner, by its name in a text.
fn replaces_by_name(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk
        .find("patch|object ( @t")
        .into_iter()
        .chain(hunk.find("@w ( @t ,"))
        .chain(hunk.find("setattr ( @t ,"))
    {
        let text = hunk.tokens[at + 2].text.as_str();
        if text.starts_with("unittest.")
            || text.starts_with("pytest.")
            || text.starts_with("_pytest.")
            || text.starts_with("builtins.assert")
        {
            found.push((ReplacesTheRunner, hunk.tokens[at].line));
        }
    }
    found
}

/// A product puts something else in the place of what the language gives.
fn replaces_given(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk.find("@w . @w =") {
        let given = GIVEN.contains(&hunk.tokens[at].text.as_str());
        if starts(hunk, at) && given && !hunk.had("@w . @w =") {
            found.push((ReplacesTheRunner, hunk.tokens[at].line));
        }
    }
    let set = hunk
        .find("setattr ( @w ,")
        .into_iter()
        .filter(|at| GIVEN.contains(&hunk.tokens[at + 2].text.as_str()));
    found.extend(set.map(|at| (ReplacesTheRunner, hunk.tokens[at].line)));
    found
}

/// What a test module does to others as it is loaded.
fn as_it_is_loaded(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    // What a test module does to another as it is loaded holds for all.
    for at in hunk
        .find("@w . @w . append|insert|extend|update|register|add|setdefault (")
        .into_iter()
        .filter(|at| is_top(hunk, *at))
    {
        if starts(hunk, at)
            && !matches!(
                hunk.tokens[at].text.as_str(),
                "sys" | "os" | "logging" | "warnings"
            )
        {
            found.push((ReplacesTheRunner, hunk.tokens[at].line));
        }
    }
    for at in hunk
        .find(". start ( )")
        .into_iter()
        .filter(|at| is_top(hunk, *at))
    {
        found.push((ReplacesTheRunner, hunk.tokens[at].line));
    }
    for at in hunk
        .find("@w . @w =")
        .into_iter()
        .chain(hunk.find("@w . @w . @w ="))
        .chain(hunk.find("setattr ("))
        .filter(|at| is_top(hunk, *at))
    {
        let name = hunk.tokens[at].text.as_str();
        if starts(hunk, at)
            && !matches!(
                name,
                "pytestmark" | "sys" | "logging" | "np" | "random" | "warnings"
            )
        {
            found.push((ReplacesTheRunner, hunk.tokens[at].line));
        }
    }
    for at in hunk
        .find("sys . exit (")
        .into_iter()
        .chain(hunk.find("raise SystemExit"))
        .filter(|at| is_top(hunk, *at))
    {
        found.push((LeavesTheProcess, hunk.tokens[at].line));
    }
    found
}

/// A fixture that nobody asks for puts something else in a place, or skips.
fn automatic(file: &FileChange<'_>, hunk: &Hunk<'_>) -> Found {
    let is_conftest = file.path.ends_with("conftest.py");
    let package = file.path.ends_with("__init__.py");
    let mut found = Found::new();
    let automatic = hunk.find("autouse = True");
    let replaces = [
        "monkeypatch . setattr",
        "patch (",
        "patch . object",
        "skip (",
        "xfail (",
    ];
    if (is_conftest || package) && replaces.iter().any(|pattern| hunk.has(pattern)) {
        found.extend(
            automatic
                .into_iter()
                .map(|at| (ChangesTheRunner, hunk.tokens[at].line)),
        );
    }
    found
}

/// Takes away what others need, as it is loaded.
fn deletes(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk
        .find("del @w . @w")
        .into_iter()
        .chain(hunk.find("del globals|vars|sys|unittest"))
        .filter(|at| is_top(hunk, *at))
    {
        found.push((ReplacesTheRunner, hunk.tokens[at].line));
    }
    found
}

/// Writes or removes tests.
fn writes_tests(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for (at, text) in hunk.texts() {
        let line = hunk.tokens[at].line;
        let word = |word: &str| hunk.on_line(line).iter().any(|token| token.is(word));
        if (text.starts_with("test_")
            || text.starts_with("test/")
            || text.starts_with("tests/test_"))
            && text.ends_with(".py")
            && (word("write_text") || word("open") || word("unlink") || word("remove"))
        {
            found.push((ChangesTheRunner, line));
        }
    }
    found
}

/// A proxy answers for all.
fn answers_for_all(hunk: &Hunk<'_>) -> Found {
    let proxies = hunk.find("def __getattr__|__getattribute__ (");
    let yes = |at: &usize| {
        let block = hunk.block(hunk.tokens[*at].line);
        let body: Vec<usize> = block
            .filter(|line| !hunk.on_line(*line).is_empty())
            .collect();
        body.len() == 1 && hunk.lines[body[0]].text.trim() == "return lambda *args, **kwargs: True"
    };
    if !proxies.iter().any(yes) {
        return Found::new();
    }
    let found = proxies.into_iter();
    found
        .map(|at| (EqualToEverything, hunk.tokens[at].line))
        .collect()
}
