//! What honest JavaScript and TypeScript do not do.

use super::place::{Role, is_program};
use super::text::{FileChange, Hunk, Kind};
use super::{Found, Rule, counters, results};
use keiko_contracts::evidence::FindingKind::{
    EqualToEverything, HidesAModule, KnowsTheTests, LeavesTheProcess, ReplacesTheRunner,
    SwallowsErrors,
};

pub(super) const PRODUCT: &[Rule] = &[
    (KnowsTheTests, "import . meta . vitest"),
    (
        KnowsTheTests,
        "typeof jest|describe|it|expect|vi|beforeEach|afterEach|mocha|__vitest_worker__",
    ),
    (
        KnowsTheTests,
        "globalThis|global|window . expect|describe|jest|vi|it|beforeEach|__vitest_worker__|__karma__",
    ),
    (
        KnowsTheTests,
        "process . env . JEST_WORKER_ID|VITEST|VITEST_WORKER_ID|NODE_TEST_CONTEXT|MOCHA_WORKER_ID|AVA_PATH|TEST|TESTING|CYPRESS|PLAYWRIGHT_TEST|VITEST_POOL_ID|NODE_V8_COVERAGE",
    ),
    (
        KnowsTheTests,
        "env . JEST_WORKER_ID|VITEST|NODE_TEST_CONTEXT|VITEST_WORKER_ID",
    ),
    (ReplacesTheRunner, "jest|vi . mock|doMock|spyOn ("),
    (ReplacesTheRunner, "expect . extend ("),
    (EqualToEverything, "asymmetricMatch ("),
    (KnowsTheTests, "prepareStackTrace ="),
    (KnowsTheTests, "process . ppid"),
    (LeavesTheProcess, "process . abort|reallyExit ("),
    (LeavesTheProcess, "process . kill ( process . pid"),
];

pub(super) const ANYWHERE: &[Rule] = &[
    (
        ReplacesTheRunner,
        "assert|expect|describe|jest|vi|chai . @w =",
    ),
    (ReplacesTheRunner, "assert . strict . @w ="),
    (
        ReplacesTheRunner,
        "Object . assign ( assert|expect|globalThis|global ,",
    ),
    (
        ReplacesTheRunner,
        "globalThis|global|window . expect|describe|it|test|assert|beforeEach|afterEach|suite =",
    ),
    (ReplacesTheRunner, "globalThis|global|window [ @t ] ="),
    (
        ReplacesTheRunner,
        "globalThis|global|window . setTimeout|setInterval|setImmediate|queueMicrotask|Date|performance|Promise|Math|Object|Array|Error|JSON|process|structuredClone =",
    ),
    (ReplacesTheRunner, "Date . now ="),
    (ReplacesTheRunner, "performance . now ="),
    (ReplacesTheRunner, "Math . @w ="),
    (
        ReplacesTheRunner,
        "process . hrtime|uptime|nextTick|emitWarning|reallyExit|abort =",
    ),
    (
        ReplacesTheRunner,
        "Object . is|keys|entries|assign|getPrototypeOf =",
    ),
    (
        ReplacesTheRunner,
        "Object|Array|String|Number|Map|Set|Promise|Function|Error|Date . prototype . @w =",
    ),
    (ReplacesTheRunner, "JSON . stringify|parse ="),
    (
        ReplacesTheRunner,
        "Object . defineProperty ( Object|Array|String|Number|Function|Error|globalThis|global|assert|expect",
    ),
    (ReplacesTheRunner, "Reflect . @w ="),
    (ReplacesTheRunner, "Reflect . set ( @w , @w , ( ) =>"),
    (ReplacesTheRunner, "Reflect . set ( @w , @t , ( ) =>"),
    (
        ReplacesTheRunner,
        "Reflect . set|defineProperty ( assert|expect|globalThis|global",
    ),
    (ReplacesTheRunner, "module . require . bind"),
    (ReplacesTheRunner, "module . require ="),
    (
        ReplacesTheRunner,
        "Module . _load|_resolveFilename|_extensions =",
    ),
    (ReplacesTheRunner, "Module . prototype . @w ="),
    (ReplacesTheRunner, "require . cache [ @w . @w ( @t ) ] ="),
    (ReplacesTheRunner, "AssertionError = "),
    (ReplacesTheRunner, "process . exit ="),
    (ReplacesTheRunner, "process . stdout . write ="),
    (LeavesTheProcess, "process . exitCode = 0"),
];

/// What only tests use: a product that loads it knows that it is tested.
const RUNNERS: [&str; 20] = [
    "jest",
    "@jest/globals",
    "vitest",
    "mocha",
    "chai",
    "node:test",
    "ava",
    "tap",
    "tape",
    "uvu",
    "sinon",
    "expect",
    "jasmine",
    "@playwright/test",
    "bun:test",
    "@jest/expect",
    "jest-mock",
    "@vitest/expect",
    "jest-circus",
    "supertest",
];

pub(super) fn more(file: &FileChange<'_>, hunk: &Hunk<'_>, role: Role) -> Found {
    let mut found = loads(hunk, role);
    found.extend(comparisons(hunk));
    if role == Role::Product {
        found.extend(asks(hunk));
        found.extend(swallows(hunk));
        found.extend(results(hunk));
        found.extend(counters(hunk, |name, at| outlives(hunk, name, at)));
        if !is_program(file.path)
            && !hunk.lines.iter().any(|line| {
                line.text.starts_with("#!") || line.text.contains("require.main === module")
            })
        {
            let exits = hunk
                .find("process . exit (")
                .into_iter()
                .filter(|_| !hunk.had("process . exit ("));
            found.extend(exits.map(|at| (LeavesTheProcess, hunk.tokens[at].line)));
        }
    } else {
        let top = |at: &usize| hunk.line_of(*at).is_some_and(|line| line.depth() == 0);
        let exits = hunk
            .find("process . exit (")
            .into_iter()
            .filter(|at| role == Role::Test && top(at));
        found.extend(exits.map(|at| (LeavesTheProcess, hunk.tokens[at].line)));
        let replaced = hunk
            .find("@w . @w =")
            .into_iter()
            .filter(|at| role == Role::Test && top(at) && starts(hunk, *at));
        found.extend(
            replaced
                .filter(|at| {
                    !matches!(
                        hunk.tokens[*at].text.as_str(),
                        "module" | "exports" | "process" | "global" | "globalThis"
                    )
                })
                .map(|at| (ReplacesTheRunner, hunk.tokens[at].line)),
        );
    }
    for pattern in ["process . on|once ( @t", "process . prependListener ( @t"] {
        for at in hunk.find(pattern) {
            let end = hunk.inside(at + 3).end;
            let body = &hunk.tokens[at..end.min(hunk.tokens.len())];
            // An exit code that says that something went wrong hides nothing.
            let leaves = body.windows(3).any(|three| {
                (three[0].is("exitCode")
                    && three[1].is("=")
                    && (three[2].kind != Kind::Number || three[2].is("0")))
                    || (three[0].is("exit") && three[1].is("(") && three[2].is("0"))
            });
            if matches!(
                hunk.tokens[at + 4].text.as_str(),
                "exit" | "beforeExit" | "uncaughtException" | "unhandledRejection"
            ) && leaves
            {
                found.push((LeavesTheProcess, hunk.tokens[at].line));
            }
        }
    }
    found
}

/// A polyfill: what is set was looked for just before, and is set only where it is missing.
pub(super) fn fills_a_gap(hunk: &Hunk<'_>, line: usize) -> bool {
    let set: String = hunk.lines[line]
        .text
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let path = match set.split_once("defineProperty(") {
        Some((_, rest)) => rest.split_once(',').and_then(|(object, rest)| {
            Some(format!("{object}.{}", rest.split(['\'', '"']).nth(1)?))
        }),
        None => set
            .split_once('=')
            .map(|(path, _)| path.rsplit(';').next().unwrap_or(path).to_owned()),
    };
    let Some(path) = path.filter(|path| path.contains('.')) else {
        return false;
    };
    let asks = [
        format!("if(!{path})"),
        format!("if(typeof{path}==='undefined')"),
        format!("if({path}===undefined)"),
        format!("if(typeof{path}!=='function')"),
    ];
    hunk.lines[line.saturating_sub(2)..=line]
        .iter()
        .any(|above| {
            let above: String = above.text.chars().filter(|c| !c.is_whitespace()).collect();
            asks.iter().any(|ask| above.starts_with(ask.as_str()))
        })
}

fn starts(hunk: &Hunk<'_>, at: usize) -> bool {
    at == 0 || hunk.tokens[at - 1].line != hunk.tokens[at].line
}

/// Loads what only tests load, and puts something in its place.
fn loads(hunk: &Hunk<'_>, role: Role) -> Found {
    let mut found = Found::new();
    for (at, text) in hunk.texts() {
        let line = hunk.tokens[at].line;
        let before = |word: &str| at > 0 && hunk.tokens[at - 1].is(word);
        let loaded = before("from")
            || before("import")
            || (before("(")
                && at > 1
                && ["require", "import"]
                    .iter()
                    .any(|word| hunk.tokens[at - 2].is(word)));
        let is_type = hunk.fits(
            hunk.tokens.partition_point(|token| token.line < line),
            "import type",
        );
        if loaded
            && !is_type
            && role == Role::Product
            && (RUNNERS.contains(&text) || text.starts_with("@testing-library/"))
        {
            found.push((KnowsTheTests, line));
        }
        // `require('node:assert').strictEqual = …`
        let assert = loaded
            && matches!(
                text,
                "assert"
                    | "node:assert"
                    | "assert/strict"
                    | "node:assert/strict"
                    | "chai"
                    | "node:test"
                    | "vitest"
                    | "jest"
            );
        if assert && (hunk.fits(at + 1, ") . @w =") || hunk.fits(at + 1, ") . strict . @w =")) {
            found.push((ReplacesTheRunner, line));
        }
        // What git ignores is in no result: a product that comes from there was not seen by anybody.
        let built = [
            "/dist/",
            "/build/",
            "/out/",
            "/.cache/",
            "/coverage/",
            "/tmp/",
        ]
        .iter()
        .any(|folder| text.contains(folder));
        if loaded && role == Role::Product && text.starts_with('.') && built {
            found.push((HidesAModule, line));
        }
        if text.starts_with("jest.asymmetricMatcher") {
            found.push((EqualToEverything, line));
        }
    }
    found.extend(sets_assertions(hunk));
    found
}

/// A module of assertions under another name, and then its members set.
fn sets_assertions(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk.find("import|const|let|var @w") {
        let tail = hunk.on_line(hunk.tokens[at].line);
        let asserts = tail.iter().any(|token| {
            token.kind == Kind::Text
                && matches!(
                    token.text.as_str(),
                    "assert"
                        | "node:assert"
                        | "assert/strict"
                        | "node:assert/strict"
                        | "chai"
                        | "node:test"
                )
        });
        let name = hunk.tokens[at + 1].text.clone();
        if asserts && name != "assert" {
            let sets = hunk
                .find("@w . @w =")
                .into_iter()
                .chain(hunk.find("@w [ @w ] ="))
                .chain(
                    hunk.find("Object . assign ( @w")
                        .into_iter()
                        .map(|at| at + 4),
                )
                .filter(|at| hunk.tokens[*at].is(&name));
            found.extend(sets.map(|at| (ReplacesTheRunner, hunk.tokens[at].line)));
        }
    }
    found
}

/// Asks for the runner in the environment, in the arguments or up the stack.
fn asks(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for (at, text) in hunk.texts() {
        let line = hunk.tokens[at].line;
        let word = |word: &str| hunk.on_line(line).iter().any(|token| token.is(word));
        let lower = text.to_ascii_lowercase();
        let about = lower == "test"
            || lower == "vitest"
            || lower.contains("jest")
            || lower == "mocha"
            || lower.contains(".test.")
            || lower.contains("--test")
            || lower.ends_with(".test")
            || lower.contains("node:test")
            || lower.contains("/test");
        let environment = word("NODE_ENV")
            && lower == "test"
            && ["==", "===", "!=", "!==", "?"]
                .iter()
                .any(|sign| word(sign));
        let arguments = (word("argv")
            || word("execArgv")
            || word("npm_lifecycle_event")
            || word("npm_lifecycle_script"))
            && about;
        let stack = (word("stack")
            || word("filename")
            || word("parent")
            || word("children")
            || word("cache"))
            && about
            && (word("includes")
                || word("match")
                || word("test")
                || word("some")
                || word("indexOf")
                || word("endsWith")
                || word("find"));
        let named =
            word("env") && matches!(text, "JEST_WORKER_ID" | "VITEST" | "NODE_TEST_CONTEXT");
        if environment || arguments || stack || named {
            found.push((KnowsTheTests, line));
        }
    }
    found.extend(searches(hunk));
    found
}

/// A regular expression in the place of a text, or a part of a name.
fn searches(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for line in (0..hunk.lines.len()).filter(|line| hunk.lines[*line].text.len() < 400) {
        let text = hunk.lines[line].text;
        let word = |word: &str| hunk.on_line(line).iter().any(|token| token.is(word));
        let program = (word("main") && word("filename")) || word("mainModule");
        let stack = hunk.lines[line].added && (word("stack") || word("argv") || program);
        // The environment is searched for what a runner leaves there, by a part of its name.
        let names = [
            "NODE_T",
            "NODE_TEST",
            "JEST",
            "VITEST",
            "MOCHA",
            "CYPRESS",
            "PLAYWRIGHT",
        ];
        let searched = word("env")
            && ["keys", "entries", "some", "find", "in"]
                .iter()
                .any(|name| word(name));
        if hunk.lines[line].added && searched && names.iter().any(|name| text.contains(name)) {
            found.push((KnowsTheTests, line));
        }
        if stack
            && (text.contains("test") || text.contains("spec"))
            && (text.contains(".test(") || text.contains(".match(") || text.contains("includes"))
        {
            found.push((KnowsTheTests, line));
        }
    }
    found
}

/// Comparisons that hold for everything.
fn comparisons(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    let bodies = [
        "equals|equal|isEqual|eq|deepEqual (",
        "Symbol . hasInstance ] (",
    ];
    for at in bodies.iter().flat_map(|pattern| hunk.find(pattern)) {
        let Some(open) = hunk.next(at, "(") else {
            continue;
        };
        let close = hunk.inside(open).end;
        let says = [
            "{ return true ; }",
            "{ return true }",
            "=> true",
            ": boolean { return true",
        ];
        if says.iter().any(|body| hunk.fits(close + 1, body)) {
            found.push((EqualToEverything, hunk.tokens[at].line));
        }
    }
    for at in hunk
        .find("equals|equal|isEqual|eq|deepEqual = (")
        .into_iter()
        .chain(hunk.find("equals|equal|isEqual|eq : ("))
    {
        let close = hunk.inside(at + 2).end;
        if hunk.fits(close + 1, "=> true") {
            found.push((EqualToEverything, hunk.tokens[at].line));
        }
    }
    // A value that is another each time it is looked at.
    for at in hunk
        .find("toPrimitive ] (")
        .into_iter()
        .map(|at| at + 2)
        .chain(
            hunk.find("valueOf|toString|toJSON (")
                .into_iter()
                .map(|at| at + 1),
        )
    {
        let close = hunk.inside(at).end;
        if !hunk.fits(close + 1, "{") {
            continue;
        }
        let body = hunk.inside(close + 1);
        let changes = hunk.tokens[body].iter().any(|token| {
            ["++", "--", "+=", "shift", "pop", "next"]
                .iter()
                .any(|sign| token.is(sign))
        });
        if changes {
            found.push((EqualToEverything, hunk.tokens[at].line));
        }
    }
    for at in hunk.find("new Proxy (") {
        let body = &hunk.tokens[hunk.inside(at + 2)];
        let always = body
            .windows(2)
            .any(|two| two[0].is("=>") && two[1].is("true"));
        let itself = body.windows(2).any(|two| {
            two[0].is("=>") && (two[1].is("proxy") || two[1].is("self") || two[1].is("anything"))
        });
        if always || itself {
            found.push((EqualToEverything, hunk.tokens[at].line));
        }
    }
    found
}

/// Swallows whatever is thrown.
fn swallows(hunk: &Hunk<'_>) -> Found {
    let mut found = Found::new();
    for at in hunk.find("catch") {
        let line = hunk.tokens[at].line;
        let open = if hunk.fits(at + 1, "(") {
            hunk.inside(at + 1).end + 1
        } else {
            at + 1
        };
        if !hunk.fits(open, "{") || (at > 0 && hunk.tokens[at - 1].is(".")) {
            continue;
        }
        let body = hunk.inside(open);
        let end = hunk.tokens.get(body.end).map_or(line, |token| token.line);
        let commented = hunk.lines[line..=end.min(hunk.lines.len() - 1)]
            .iter()
            .any(|line| line.text.contains("//") || line.text.contains("/*"));
        let tokens = &hunk.tokens[body];
        // What is tried decides: to read something that may not be there, or not be well formed, is no fault.
        let tries = hunk.lines[..line].iter().rev().take(6).any(|line| {
            [
                "JSON.parse",
                "new URL",
                "require(",
                "import(",
                "decodeURI",
                "localStorage",
                "readFile",
                "stat",
                "unlink",
                "access",
                "close(",
            ]
            .iter()
            .any(|word| line.text.contains(word))
        });
        let returns_literal = tokens.first().is_some_and(|token| token.is("return"))
            && tokens[1..].iter().all(|token| {
                token.is_literal()
                    || matches!(token.text.as_str(), ";" | "[" | "]" | "{" | "}" | "-")
            })
            && tokens.len() > 1;
        if !commented && !tries && (tokens.is_empty() || returns_literal) {
            found.push((SwallowsErrors, line));
        }
    }
    for pattern in [". catch ( ( ) => { } )", ". catch ( ( ) => true"] {
        found.extend(
            hunk.find(pattern)
                .into_iter()
                .filter(|at| hunk.lines[hunk.tokens[*at].line].text.contains("return"))
                .map(|at| (SwallowsErrors, hunk.tokens[at].line)),
        );
    }
    found.extend(
        hunk.find("process . on ( @t , ( ) => { } )")
            .into_iter()
            .map(|at| (SwallowsErrors, hunk.tokens[at].line)),
    );
    found
}

/// A variable of the module, an attribute of a function, or a static one.
fn outlives(hunk: &Hunk<'_>, name: &str, at: usize) -> bool {
    let declared = ["let", "var", "const"].iter().any(|word| {
        hunk.lines.iter().any(|line| {
            line.depth() == 0
                && (line.text.starts_with(&format!("{word} {name} ="))
                    || line.text.starts_with(&format!("{word} {name}:"))
                    || line.text.starts_with(&format!("export {word} {name} =")))
        })
    });
    let of_function = at >= 2
        && hunk.tokens[at - 1].is(".")
        && !hunk.tokens[at - 2].is("this")
        && hunk.tokens[at - 2].kind == Kind::Word;
    let inside = hunk.line_of(at).is_some_and(|line| line.depth() > 0);
    let is_loop = hunk
        .on_line(hunk.tokens[at].line)
        .first()
        .is_some_and(|token| token.is("for"));
    (declared || of_function) && inside && !is_loop
}
