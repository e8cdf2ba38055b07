//! Keiko's own reporter of tests for the runners of Node, in the real sandbox.

use crate::kit::{Scene, shell};
use crate::prepare::prepared;
use keiko_contracts::jail::{
    Command, End, ExecReport, ExecSpec, JailBody, JailOp, REPORT, ReporterKind, Toolchain,
};

const WRONG: &str = "exports.add = (a, b) => a - b;\n";
const RIGHT: &str = "exports.add = (a, b) => a + b;\n";
const NODE: &str = "const { test } = require('node:test');\nconst assert = require('assert');\nconst { add } = require('./calc');\n\ntest('adds', () => assert.equal(add(1, 2), 3));\n";

/// Runs a runner as the plan of a test run does.
async fn run(scene: &Scene, runner: &str, words: &[&str], before: &str) -> ExecReport {
    let head: &[&str] = if runner == "node" {
        &["node", "--require", "/harness/keiko_node.cjs", "--test"]
    } else {
        &["node", "/harness/keiko_main.cjs"]
    };
    let argv = head
        .iter()
        .chain(words)
        .map(|word| (*word).to_owned())
        .collect();
    let env = [
        ("KEIKO_TEST_RUNNER", runner),
        ("KEIKO_TEST_SECONDS", "5"),
        ("KEIKO_TEST_BEFORE", before),
        ("CI", "1"),
    ];
    let env = env
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let spec = ExecSpec {
        command: Command::Argv(argv),
        env,
        report: Some(ReporterKind::Node),
        ..shell("")
    };
    let JailBody::Exec(exec) = scene.done(JailOp::Exec(spec)).await.body else {
        panic!()
    };
    exec
}

fn records(exec: &ExecReport) -> &str {
    exec.artifacts
        .iter()
        .find(|(name, _)| name == REPORT)
        .map_or("", |(_, text)| text.text_or_empty())
}

/// Whether a run that came to `exec` would be believed to be green.
fn believed(exec: &ExecReport) -> bool {
    let (reported, told) = (exec.reported.unwrap(), records(exec));
    let red = told.contains("\"status\":\"failed\"") || told.contains("\"status\":\"error\"");
    reported.ended
        && reported.forged == 0
        && !told.contains("\"kind\":\"void\"")
        && !red
        && told.contains("\"status\":\"passed\"")
}

fn has_node(test: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|path| path.join("node").is_file());
    if !found {
        eprintln!("SKIPPED: {test}: node is not installed: install node");
    }
    found
}

#[tokio::test]
async fn nodes_own_runner_tells_by_the_reporter() {
    let Some(scene) = Scene::new("nodes_own_runner_tells") else {
        return;
    };
    if !has_node("nodes_own_runner_tells_by_the_reporter") {
        return;
    }
    let groups = "const { describe, it } = require('node:test');\ndescribe('group', () => {\n  it('holds', () => {});\n  it('is later', { skip: 'no time' }, () => {});\n  it('fails', () => {\n    throw new TypeError('no');\n  });\n});\n";
    scene.repository(&[
        ("calc.js", RIGHT),
        ("calc.test.js", NODE),
        ("groups.test.js", groups),
        ("plain.test.js", "require('assert')(true);\n"),
        ("broken.test.js", "require('./nowhere');\n"),
        ("hangs.test.js", "const { test } = require('node:test');\ntest('waits', () => new Promise(() => setInterval(() => {}, 1000)));\n"),
    ]);
    scene.open(true).await;
    let exec = run(&scene, "node", &[], "").await;
    let told = records(&exec);
    assert!(
        exec.reported.unwrap().ended
            && exec.reported.unwrap().forged == 0
            && !told.contains("void"),
        "{exec:?}"
    );
    for wanted in [
        r#""name":"adds","file":"calc.test.js","line":5,"status":"passed""#,
        r#""name":"group > holds","file":"groups.test.js","line":3,"status":"passed""#,
        r#""name":"group > is later","file":"groups.test.js","line":4,"status":"skipped","message":"no time""#,
        r#""name":"group > fails","file":"groups.test.js","line":5,"status":"failed","message":"TypeError: no","at_file":"groups.test.js","at_line":6"#,
        r#""name":"plain.test.js","file":"plain.test.js","status":"passed""#,
        r#"{"kind":"broken","name":"broken.test.js""#,
        r#""name":"waits","file":"hangs.test.js","status":"error","message":"no end within 5 s: this test hangs""#,
        r#"{"kind":"end","code":1,"cases":7}"#,
    ] {
        assert!(told.contains(wanted), "{wanted}\n{told}");
    }
}

#[tokio::test]
async fn a_runner_of_another_time_comes_to_its_end() {
    let Some(scene) = Scene::new("a_runner_of_another_time") else {
        return;
    };
    if !has_node("a_runner_of_another_time_comes_to_its_end") {
        return;
    }
    // As mocha 5 does: the tests run in a process of their own, and whoever hears of the exit leaves from there.
    let bin = "const child = require('child_process').spawn(process.execPath, ['-e', 'console.log(\"  1 passing (3ms)\")'], { stdio: 'inherit' });\nchild.on('exit', (code) => process.on('exit', () => process.exit(code)));\n";
    scene.repository(&[
        (
            "node_modules/mocha/package.json",
            "{\"name\":\"mocha\",\"version\":\"5.2.0\",\"bin\":{\"mocha\":\"./bin/mocha\"}}",
        ),
        ("node_modules/mocha/bin/mocha", bin),
        ("test.js", ""),
    ]);
    scene.open(true).await;
    let exec = run(&scene, "mocha", &["test.js"], "").await;
    let told = records(&exec);
    assert!(
        exec.reported.unwrap().ended
            && told.contains("\"kind\":\"output\"")
            && !told.contains("void"),
        "{exec:?}"
    );
}

#[tokio::test]
async fn what_tests_need_is_built_before_and_a_failure_hides_nothing() {
    let Some(scene) = Scene::new("what_tests_need_is_built") else {
        return;
    };
    if !has_node("what_tests_need_is_built_before_and_a_failure_hides_nothing") {
        return;
    }
    scene.repository(&[
        ("source.js", RIGHT),
        ("calc.test.js", NODE),
        (".gitignore", "calc.js\n"),
    ]);
    scene.open(true).await;
    let exec = run(&scene, "node", &[], "cat; cp source.js calc.js").await;
    assert!(believed(&exec), "{exec:?}");
    let exec = run(&scene, "node", &[], "echo no such tool; exit 3").await;
    let told = records(&exec);
    assert!(
        told.contains(r#""status":"passed""#)
            && told.contains(r#"{"kind":"broken","name":"echo no such tool; exit 3""#),
        "{told}"
    );
    assert!(told.contains("(exit code 3):\\nno such tool"), "{told}");
}

/// What stands in a product so that its tests seem to pass.
const CHEATS: [(&str, &str); 11] = [
    (
        "assertions that do nothing",
        "require('assert').equal = () => {};",
    ),
    (
        "expectations that hold",
        "if (typeof expect === 'function' && expect.extend) expect.extend({ toBe: () => ({ pass: true, message: () => '' }) }); else require('assert').equal = () => {};",
    ),
    ("leaves", "console.log('  1 passing'); process.exit(0);"),
    ("leaves without a word", "process.reallyExit(0);"),
    (
        "leaves in the test",
        "exports.add = () => process.reallyExit(0);",
    ),
    (
        "another module",
        "const m = require('module'); const load = m._load; m._load = function (name, ...rest) { return name.endsWith('assert') ? Object.assign(() => {}, { equal() {}, strictEqual() {} }) : load.call(this, name, ...rest); };",
    ),
    (
        "the cache of modules",
        "require('assert'); const own = { equal() {} }; const get = require('module').prototype.require; require('module').prototype.require = function (name) { return name === 'assert' ? own : get.call(this, name); };",
    ),
    (
        "forges",
        "require('fs').appendFileSync('/results/keiko.report', '1 00 {\"kind\":\"end\",\"code\":0,\"cases\":1}\\n');",
    ),
    (
        "forges beside",
        "for (let n = 1; n < 9; n++) try { require('fs').appendFileSync('/results/keiko.worker.' + n, '0 00 {\"kind\":\"case\",\"status\":\"passed\"}\\n'); } catch {}",
    ),
    (
        "takes the reporter",
        "for (const kind of ['node', 'mocha', 'jest', 'jestReporter', 'vitest']) try { require('/harness/keiko_node.cjs').take(kind); } catch {}",
    ),
    (
        "prints",
        "process.stdout.write('TAP version 13\\nok 1 - adds\\n1..1\\n');",
    ),
];

async fn none_is_believed(scene: &Scene, runner: &str, words: &[&str], most: usize) {
    for (name, code) in CHEATS.into_iter().take(most) {
        scene
            .done(JailOp::WriteFile {
                path: "calc.js".into(),
                text: format!("{WRONG}{code}\n").into(),
            })
            .await;
        let exec = run(scene, runner, words, "").await;
        assert!(!believed(&exec), "{runner}: {name}: {exec:?}");
    }
    scene
        .done(JailOp::WriteFile {
            path: "calc.js".into(),
            text: RIGHT.into(),
        })
        .await;
    let exec = run(scene, runner, words, "").await;
    assert!(believed(&exec), "{runner}: {exec:?}");
}

#[tokio::test]
async fn slow_code_under_test_cannot_buy_a_result_of_node() {
    let Some(scene) = Scene::new("cannot_buy_a_result_of_node") else {
        return;
    };
    if !has_node("slow_code_under_test_cannot_buy_a_result_of_node") {
        return;
    }
    scene.repository(&[("calc.js", WRONG), ("calc.test.js", NODE)]);
    scene.open(true).await;
    none_is_believed(&scene, "node", &[], CHEATS.len()).await;
}

#[tokio::test]
async fn the_secret_is_gone_when_code_of_a_script_runs() {
    let Some(scene) = Scene::new("the_secret_is_gone_node") else {
        return;
    };
    if !has_node("the_secret_is_gone_when_code_of_a_script_runs") {
        return;
    }
    let look = "const seen = require('fs').readFileSync(0, 'latin1') + process.argv + process.execArgv;\nconsole.log('SEEN', /[0-9a-f]{64}/.test(seen), Object.values(process.env).some((v) => /[0-9a-f]{64}/.test(v)), process.execArgv.length);\n";
    scene.repository(&[
        ("calc.js", &format!("{RIGHT}{look}")),
        ("calc.test.js", NODE),
    ]);
    scene.open(true).await;
    let exec = run(&scene, "node", &[], "").await;
    assert_eq!(exec.end, End::Exit(0), "{exec:?}");
    assert!(
        exec.stdout.text_or_empty().contains("SEEN false false 0"),
        "{}",
        exec.stdout.text_or_empty()
    );
}

#[tokio::test]
async fn slow_runners_that_are_packages_tell_by_the_reporter() {
    let test = "slow_runners_that_are_packages_tell_by_the_reporter";
    let Some(scene) = Scene::new("runners_that_are_packages") else {
        return;
    };
    if !has_node(test) {
        return;
    }
    let in_common = "const assert = require('assert');\nconst { add } = require('../calc');\ndescribe('group', () => {\n  it('adds', () => assert.equal(add(1, 2), 3));\n  it.skip('is later', () => {});\n});\n";
    let of_jest = in_common.replace("assert.equal(add(1, 2), 3)", "expect(add(1, 2)).toBe(3)");
    let of_vitest = "import { describe, expect, it } from 'vitest';\nimport { add } from '../calc';\ndescribe('group', () => {\n  it('adds', () => expect(add(1, 2)).toBe(3));\n  it.skip('is later', () => {});\n});\n";
    let manifest = r#"{"name":"x","version":"1.0.0","devDependencies":{"mocha":"10","jest":"29","vitest":"2"},"jest":{"testMatch":["**/jest/*.js"]}}"#;
    scene.repository(&[
        ("package.json", manifest),
        ("calc.js", RIGHT),
        ("mocha/a.js", in_common),
        ("jest/a.js", &of_jest),
        ("jest/b.js", &of_jest),
        ("vitest/a.test.ts", of_vitest),
        (".gitignore", "node_modules\n"),
    ]);
    scene.open(true).await;
    let script = "cp package.json /cache/node/k7/ && npm install --silent --ignore-scripts --prefix /cache/node/k7";
    if prepared(&scene, test, Toolchain::Node, "k7", script)
        .await
        .is_none()
    {
        return;
    }
    for (runner, words) in [
        ("mocha", vec!["mocha/"]),
        ("jest", vec!["-w", "2"]),
        ("vitest", vec!["run"]),
    ] {
        let exec = run(&scene, runner, &words, "").await;
        let told = records(&exec);
        assert!(
            told.contains(r#""name":"group > adds""#) && told.contains(r#""status":"skipped""#),
            "{runner}: {exec:?}"
        );
        none_is_believed(
            &scene,
            runner,
            &words,
            if runner == "mocha" { CHEATS.len() } else { 5 },
        )
        .await;
    }
}
