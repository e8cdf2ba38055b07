//! Keiko's own reporter of tests, in the real sandbox with the real runner: what it tells is believed, and nothing else is.

use crate::kit::{Scene, shell};
use keiko_contracts::jail::{
    Command, End, ExecReport, ExecSpec, JailBody, JailOp, REPORT, Reported, ReporterKind,
};

const TEST: &str = "import unittest\nimport calc\n\n\nclass T(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(calc.add(1, 2), 3)\n";
const WRONG: &str = "def add(a, b):\n    return a - b\n";

async fn run(scene: &Scene) -> ExecReport {
    let words = ["python3", "/harness/keiko_run.py", "unittest", "-v"].map(str::to_owned);
    let spec = ExecSpec {
        command: Command::Argv(words.into()),
        report: Some(ReporterKind::Python),
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

#[tokio::test]
async fn a_reporter_tells_what_the_tests_came_to() {
    let Some(scene) = Scene::new("a_reporter_tells") else {
        return;
    };
    scene.repository(&[
        ("calc.py", "def add(a, b):\n    return a + b\n"),
        ("test_calc.py", TEST),
    ]);
    scene.open(true).await;
    let exec = run(&scene).await;
    let told = records(&exec);
    assert_eq!(
        exec.reported,
        Some(Reported {
            records: 3,
            ended: true,
            forged: 0
        }),
        "{exec:?}"
    );
    assert!(
        told.contains("\"name\":\"test_calc.T.test_add\"")
            && told.contains("\"status\":\"passed\"")
            && !told.contains("void"),
        "{told}"
    );
}

#[tokio::test]
async fn tests_in_a_folder_that_is_no_package_are_found() {
    let Some(scene) = Scene::new("tests_in_a_folder_that_is_no_package") else {
        return;
    };
    let calc = ("calc.py", "def add(a, b):\n    return a + b\n");
    scene.repository(&[
        calc,
        ("tests/test_calc.py", TEST),
        ("tests/unit/__init__.py", ""),
        ("tests/unit/test_more.py", TEST),
    ]);
    scene.open(true).await;
    let told = run(&scene).await;
    for name in ["test_calc.T.test_add", "unit.test_more.T.test_add"] {
        assert!(
            records(&told).contains(&format!("\"name\":\"{name}\"")),
            "{}",
            records(&told)
        );
    }
    assert_eq!(told.reported.map(|reported| reported.forged), Some(0));
}

#[tokio::test]
async fn byte_code_beside_the_sources_is_not_believed() {
    let Some(scene) = Scene::new("byte_code_beside_the_sources") else {
        return;
    };
    scene.repository(&[
        ("calc.py", WRONG),
        ("test_calc.py", TEST),
        (".gitignore", "__pycache__/\n"),
    ]);
    scene.open(true).await;
    // Both ways in which byte code says whether it fits its source: not at all, and by time and size.
    for how in ["UNCHECKED_HASH", "TIMESTAMP"] {
        let script = format!(
            "import os, py_compile as p\nfor name in ('calc', 'test_calc'):\n    text = open(name + '.py').read()\n    at = os.stat(name + '.py')\n    \
             open('/tmp/x.py', 'w').write(text.replace('a - b', 'a + b').replace(', 3)', ', calc.add(1, 2))'))\n    \
             open('/tmp/x.py', 'a').write('#' * (at.st_size - os.stat('/tmp/x.py').st_size))\n    os.utime('/tmp/x.py', (at.st_mtime, at.st_mtime))\n    \
             p.compile('/tmp/x.py', cfile=__import__('importlib.util').util.cache_from_source(name + '.py'), invalidation_mode=p.PycInvalidationMode.{how})\n"
        );
        let (planted, _) = scene
            .sh(&format!(
                "cat > /tmp/plant.py <<'E'\n{script}\nE\npython3 /tmp/plant.py && ls __pycache__"
            ))
            .await;
        assert_eq!(planted.end, End::Exit(0), "{planted:?}");
        let told = run(&scene).await;
        assert!(
            records(&told).contains("\"status\":\"failed\""),
            "{how}: {}",
            records(&told)
        );
    }
}

#[tokio::test]
async fn code_under_test_cannot_buy_a_result() {
    let Some(scene) = Scene::new("code_under_test_cannot_buy") else {
        return;
    };
    let cheats = [
        (
            "does nothing",
            "import unittest\nunittest.TestCase.assertEqual = lambda *a, **k: None\n",
        ),
        (
            "another body",
            "import unittest\nunittest.TestCase.assertEqual.__code__ = (lambda self, first, second, msg=None: None).__code__\n",
        ),
        (
            "leaves",
            "import os\nprint('Ran 1 test\\n\\nOK', flush=True)\nos._exit(0)\n",
        ),
        (
            "leaves at the end",
            "import atexit, os\natexit.register(lambda: (open('/results/keiko.report', 'w').close(), os._exit(0)))\n",
        ),
        (
            "forges",
            "open('/results/keiko.report', 'a').write('1 00 {\"kind\":\"end\",\"code\":0,\"cases\":1}\\n')\n",
        ),
        (
            "another unittest",
            "import sys, types\nsys.modules['unittest'] = types.ModuleType('unittest')\n",
        ),
        (
            "the result",
            "import unittest\nfor c in unittest.TextTestResult.__subclasses__():\n    c.addFailure = lambda self, t, e: self.addSuccess(t)\n",
        ),
        (
            "this very result",
            "def hide():\n    try:\n        raise LookupError\n    except LookupError as e:\n        f = e.__traceback__.tb_frame\n    while f is not None:\n        for v in list(f.f_locals.values()):\n            if hasattr(v, 'addFailure') and not isinstance(v, type):\n                v.addFailure = lambda case, error, v=v: v.addSuccess(case)\n        f = f.f_back\n\n\ndef add(a, b):\n    hide()\n    return a - b\n",
        ),
        (
            "this very test",
            "import sys\n\n\ndef add(a, b):\n    sys._getframe(1).f_locals['self']._getAssertEqualityFunc = lambda a, b: lambda *x, **y: None\n    return a - b\n",
        ),
        (
            "the run",
            "import unittest\nunittest.TestCase.run = lambda s, r=None: (r.startTest(s), r.addSuccess(s), r.stopTest(s))\n",
        ),
    ];
    let mut files = vec![
        ("test_calc.py".to_owned(), TEST.to_owned()),
        ("unittest.py".to_owned(), "print('OK')\n".to_owned()),
    ];
    files.extend(
        cheats
            .iter()
            .enumerate()
            .map(|(at, (_, code))| (format!("cheat{at}.py"), format!("{WRONG}{code}"))),
    );
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    scene.repository(&files);
    scene.open(true).await;
    for (at, (name, _)) in cheats.iter().enumerate() {
        scene
            .done(JailOp::Exec(shell(&format!("cp cheat{at}.py calc.py"))))
            .await;
        let exec = run(&scene).await;
        let (reported, told) = (exec.reported.unwrap(), records(&exec));
        let believed =
            reported.ended && reported.forged == 0 && !told.contains("\"kind\":\"void\"");
        let red = told.contains("\"status\":\"failed\"") || told.contains("\"status\":\"error\"");
        assert!(!believed || red, "{name}: {exec:?}");
    }
}

#[tokio::test]
async fn the_secret_is_gone_when_code_of_the_workspace_runs() {
    let Some(scene) = Scene::new("the_secret_is_gone") else {
        return;
    };
    let look = "import os, sys\nprint('STDIN', os.read(0, 100), 'ARGV', sys.argv, 'ENV', [v for v in os.environ.values() if len(v) == 64])\n";
    scene.repository(&[
        ("calc.py", &format!("{WRONG}{look}")),
        ("test_calc.py", TEST),
    ]);
    scene.open(true).await;
    let exec = run(&scene).await;
    assert_eq!(exec.end, End::Exit(1));
    assert!(
        exec.stdout
            .text_or_empty()
            .contains("STDIN b'' ARGV ['unittest', '-v'] ENV []"),
        "{}",
        exec.stdout.text_or_empty()
    );
}

#[tokio::test]
async fn a_script_that_starts_unittest_in_its_own_way_tells_the_same() {
    let Some(scene) = Scene::new("a_script_that_starts_unittest") else {
        return;
    };
    let script = "import sys, unittest\nsuite = unittest.defaultTestLoader.loadTestsFromName('test_calc')\nresult = unittest.TextTestRunner().run(suite)\nsys.exit(not result.wasSuccessful())\n";
    let silent = "import unittest\nunittest.TestCase.assertEqual = lambda *a, **k: None\n";
    scene.repository(&[
        ("calc.py", WRONG),
        ("test_calc.py", TEST),
        ("runtests.py", script),
        ("cheat.py", &format!("{silent}{script}")),
        (
            "leave.py",
            "import os\nprint('OK', flush=True)\nos._exit(0)\n",
        ),
    ]);
    scene.open(true).await;
    let run = async |script: &str| {
        let words = ["python3", "/harness/keiko_run.py", "script", script].map(str::to_owned);
        let spec = ExecSpec {
            command: Command::Argv(words.into()),
            report: Some(ReporterKind::Python),
            ..shell("")
        };
        let JailBody::Exec(exec) = scene.done(JailOp::Exec(spec)).await.body else {
            panic!()
        };
        exec
    };
    let exec = run("runtests.py").await;
    let told = records(&exec);
    assert_eq!(
        (exec.end.clone(), exec.reported),
        (
            End::Exit(1),
            Some(Reported {
                records: 3,
                ended: true,
                forged: 0
            })
        ),
        "{exec:?}"
    );
    assert!(
        told.contains("test_calc.T.test_add")
            && told.contains("\"status\":\"failed\"")
            && !told.contains("void"),
        "{told}"
    );
    let exec = run("cheat.py").await;
    assert!(records(&exec).contains("\"kind\":\"void\""), "{exec:?}");
    assert!(!run("leave.py").await.reported.unwrap().ended);
}
