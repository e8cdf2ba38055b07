//! `up` off a terminal: what is examined, and what people read of it.

use crate::keiko::*;

/// A project with a fault in a line without spaces, a test that shows it, and a commit from before.
fn sums(keiko: &Keiko) -> std::path::PathBuf {
    let repo = keiko.root().join("sums");
    put(
        &repo,
        "pyproject.toml",
        "[project]\nname = \"sums\"\nversion = \"1\"\n",
    );
    put(
        &repo,
        "sums.py",
        "def minus(a, b):\n    return a-b\n\n\ndef plus(a, b):\n    return a+b\n",
    );
    let test = "import unittest\n\nfrom sums import minus, plus\n\n\nclass Sums(unittest.TestCase):\n    def test_minus(self):\n        self.assertEqual(minus(3, 1), 2)\n\n    def test_plus(self):\n        self.assertEqual(plus(3, 1), 4)\n";
    put(&repo, "test_sums.py", test);
    commit_all(&repo);
    put(
        &repo,
        "sums.py",
        "def minus(a, b):\n    return a+b\n\n\ndef plus(a, b):\n    return a+b\n",
    );
    git(&repo, &["commit", "-q", "-a", "-m", "Shorten"]);
    repo
}

#[test]
fn up_examines_the_repository_around_and_tells_it_in_short() {
    if !ready("up_examines_the_repository_around_and_tells_it_in_short") {
        return;
    }
    let mut keiko = Keiko::new();
    let repo = sums(&keiko);
    keiko.stand_in(&repo);
    keiko.set("KEIKO_CALLED_AS", "./keiko");
    let done = keiko.run(&["up"]);
    done.expect(0)
        .says("Examining the project around you")
        .says(repo.to_str().unwrap())
        .says("./keiko up --sample");
    done.says("run the tests of the root: python3 -m unittest -v")
        .says("1 project\n")
        .says("examined; 1 test fails");
    done.says("one-edit repairs tried")
        .says("2 commits tried")
        .says("./keiko demo code")
        .gives("+    return a-b");
    assert!(
        !done.stderr.contains("still red") && done.stdout.contains("fails "),
        "red tests are named once: {done}"
    );
    assert!(
        !done.stderr.contains("succeeded") && !done.stderr.contains(" keiko demo"),
        "{done}"
    );
    assert_eq!(
        done.stderr
            .lines()
            .filter(|line| line.trim_start().starts_with("Tests "))
            .count(),
        1,
        "{done}"
    );
    assert!(
        done.stderr.lines().count() < 45,
        "{} lines: {done}",
        done.stderr.lines().count()
    );
    done.says("Three ways to configure one:")
        .says("export ANTHROPIC_API_KEY");
    keiko.set("ANTHROPIC_API_KEY", "sk-test-4711");
    let keyed = keiko.run(&["up", "--sample"]);
    keyed
        .expect(0)
        .says("ANTHROPIC_API_KEY holds a key; name a model:");
    assert!(
        !keyed.stderr.contains("export ANTHROPIC_API_KEY") && !keyed.stderr.contains("Three ways"),
        "{keyed}"
    );
    keiko.unset("ANTHROPIC_API_KEY");
    let run = keiko.json(&["runs", "list"])["runs"][1]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let events = keiko.events(&run);
    assert!(events.len() > 40, "nothing is lost: {}", events.len());
    assert!(
        events
            .iter()
            .any(|line| line["body"]["data"]["asked"]["title"]
                == "run the tests of the root: python3 -m unittest -v")
    );
    keiko
        .run(&["runs", "events", &run])
        .expect(0)
        .gives("put the workspace back")
        .gives("exit 1 after");
    keiko
        .run(&["runs", "list"])
        .expect(0)
        .gives("examined")
        .gives("  sums  ");
}
