//! The live view on a real terminal, with the real binary and a scripted model.

#![expect(clippy::unwrap_used, reason = "tests may panic, their helpers too")]

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const PTY: &str = include_str!("pty.py");
const ESC: &str = "\u{1b}";

/// What came of playing a person at a terminal.
struct Played {
    status: i64,
    output: String,
    restored: bool,
}

fn has(program: &str) -> bool {
    let ran = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    ran.is_ok_and(|status| status.success())
}

/// Nothing when python3 is missing, which plays the terminal.
fn play(
    test: &str,
    home: &Path,
    args: &[&str],
    size: [u16; 2],
    env: &[(&str, &str)],
    steps: Value,
) -> Option<Played> {
    if !has("python3") {
        eprintln!("SKIPPED: {test}: python3 is missing: apt-get install python3");
        return None;
    }
    let mut env: serde_json::Map<String, Value> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    env.insert("KEIKO_HOME".into(), json!(home));
    env.insert("KEIKO_OPERATOR".into(), json!("maria"));
    let argv: Vec<&str> = std::iter::once(env!("CARGO_BIN_EXE_keiko"))
        .chain(args.iter().copied())
        .collect();
    let plan = json!({"argv": argv, "env": env, "size": size, "steps": steps});
    let mut python = Command::new("python3")
        .args(["-c", PTY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python
        .stdin
        .take()
        .unwrap()
        .write_all(plan.to_string().as_bytes())
        .unwrap();
    let said = python.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    let output = said["output"].as_str().unwrap().to_owned();
    assert_eq!(said["missed"], Value::Null, "did not come, in:\n{output}");
    Some(Played {
        status: said["status"].as_i64().unwrap(),
        output,
        restored: said["restored"].as_bool().unwrap(),
    })
}

fn keiko(home: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_keiko"))
        .args(args)
        .env("KEIKO_HOME", home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A script that asks, says something hostile, and ends; it goes on only if it heard the answer.
fn script(dir: &Path, pause_ms: u32) -> String {
    let path = dir.join("script.toml");
    let text = format!(
        r#"
[[turn]]
text = "\u001b]0;owned\u0007\u001b[2Jhello\u009b5n"
[[turn.call]]
tool = "ask_operator"
arguments = {{ question = "Which colour?" }}

[[turn]]
expect = "Grüße in grün"
pause_ms = {pause_ms}
text = "Good."
[[turn.call]]
tool = "finish"
arguments = {{ summary = "Done, in colour." }}
"#
    );
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn a_question_is_answered_by_typing() {
    let home = tempfile::tempdir().unwrap();
    let script = script(home.path(), 10);
    let args = ["run", "Say hello", "--no-workspace", "--script", &script];
    // The answer is pasted with a line end in it, corrected, and sent.
    let steps = json!([
        {"expect": "Your answer >", "send": format!("{ESC}[200~Grüße in\ngrünx{ESC}[201~")},
        {"expect": "grünx", "send": "\u{7f}\r"},
        {"expect": "Done, in colour."},
    ]);
    let Some(played) = play(
        "a_question_is_answered_by_typing",
        home.path(),
        &args,
        [24, 80],
        &[],
        steps,
    ) else {
        return;
    };
    assert_eq!(played.status, 0, "{}", played.output);
    assert!(played.restored, "the terminal is as it was");
    assert!(played.output.contains("Operator"), "{}", played.output);
    for hostile in ["\u{1b}]0;owned", "\u{1b}[2J", "\u{9b}5n"] {
        assert!(
            !played.output.contains(hostile),
            "{hostile:?} reached the terminal"
        );
    }
    assert!(played.output.contains("hello"), "{}", played.output);
}

#[test]
fn esc_stops_and_the_run_can_go_on() {
    let home = tempfile::tempdir().unwrap();
    let script = script(home.path(), 10_000);
    let args = ["run", "Say hello", "--no-workspace", "--script", &script];
    let steps = json!([
        {"expect": "Your answer >", "send": "Grüße in grün\r"},
        {"expect": "thinking", "send": ESC},
        {"expect": "keiko resume"},
    ]);
    let Some(played) = play(
        "esc_stops_and_the_run_can_go_on",
        home.path(),
        &args,
        [24, 80],
        &[],
        steps,
    ) else {
        return;
    };
    assert_eq!(played.status, 130, "{}", played.output);
    assert!(played.restored, "the terminal is as it was");
    let events = keiko(home.path(), &["runs", "events", "last"]);
    assert!(
        events.contains("Grüße in grün") && events.contains("stopped by maria"),
        "{events}"
    );
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let script = script(home.path(), 10);
    let args = ["run", "Say hello", "--no-workspace", "--script", &script];
    let steps = json!([{"expect": "Your answer >", "signal": 15}, {"expect": "keiko resume"}]);
    let Some(played) = play(
        "a_signal_leaves_the_terminal_as_it_was",
        home.path(),
        &args,
        [24, 80],
        &[],
        steps,
    ) else {
        return;
    };
    assert_eq!(played.status, 130, "{}", played.output);
    assert!(played.restored, "the terminal is as it was");
}

#[test]
fn narrow_changing_and_without_colour() {
    let home = tempfile::tempdir().unwrap();
    let script = script(home.path(), 10);
    let args = ["run", "Say hello", "--no-workspace", "--script", &script];
    let steps = json!([
        {"expect": "> ", "size": [5, 9]},
        {"expect": "> ", "size": [40, 200]},
        {"expect": "Your answer >", "send": "Grüße in grün\r"},
        {"expect": "Done, in colour."},
    ]);
    let env = [("NO_COLOR", "1")];
    let Some(played) = play(
        "narrow_changing_and_without_colour",
        home.path(),
        &args,
        [6, 14],
        &env,
        steps,
    ) else {
        return;
    };
    assert_eq!(played.status, 0, "{}", played.output);
    assert!(played.restored, "the terminal is as it was");
    for colour in ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[3"] {
        assert!(
            !played.output.contains(colour),
            "{colour:?} in {:?}",
            played.output
        );
    }
}

#[test]
fn a_terminal_that_knows_nothing_gets_lines() {
    let home = tempfile::tempdir().unwrap();
    let script = script(home.path(), 10);
    let args = ["run", "Say hello", "--no-workspace", "--script", &script];
    let steps = json!([{"expect": "Which colour?", "send": "Grüße in grün\n"}, {"expect": "Done, in colour."}]);
    let env = [("TERM", "dumb")];
    let Some(played) = play(
        "a_terminal_that_knows_nothing_gets_lines",
        home.path(),
        &args,
        [24, 80],
        &env,
        steps,
    ) else {
        return;
    };
    assert_eq!(played.status, 0, "{}", played.output);
    assert!(
        played.restored && !played.output.contains(ESC),
        "{:?}",
        played.output
    );
}

#[test]
fn an_approval_is_answered_by_typing() {
    let test = "an_approval_is_answered_by_typing";
    if !has("bwrap") || !has("git") {
        eprintln!(
            "SKIPPED: {test}: the tour needs bubblewrap and git: apt-get install bubblewrap git"
        );
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let steps = json!([
        {"expect": "1 commit, ", "seconds": 120, "send": "?"},
        {"expect": "diff --git", "seconds": 60, "send": "?"},
        {"expect": "\"commit\"", "seconds": 60, "send": "n, erst nach dem Review\r"},
        {"expect": "red to green", "seconds": 60},
    ]);
    let Some(played) = play(test, home.path(), &["demo", "code"], [40, 100], &[], steps) else {
        return;
    };
    assert_eq!(played.status, 0, "{}", played.output);
    assert!(played.restored, "the terminal is as it was");
    assert!(
        played.output.contains("fix/leap-years") && played.output.contains("\"commit\""),
        "the whole action is shown"
    );
    let events = keiko(home.path(), &["runs", "events", "last"]);
    assert!(
        events.contains("denied by maria") && events.contains("erst nach dem Review"),
        "{events}"
    );
}

#[test]
fn an_approval_is_answered_from_another_terminal() {
    let test = "an_approval_is_answered_from_another_terminal";
    if !has("bwrap") || !has("git") {
        eprintln!(
            "SKIPPED: {test}: the tour needs bubblewrap and git: apt-get install bubblewrap git"
        );
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let elsewhere = [env!("CARGO_BIN_EXE_keiko"), "approvals", "approve", "last"];
    let steps = json!([{"expect": "Allow exactly this?", "seconds": 120, "run": elsewhere}, {"expect": "red to green", "seconds": 60}]);
    let Some(played) = play(test, home.path(), &["demo", "code"], [40, 100], &[], steps) else {
        return;
    };
    assert_eq!(played.status, 0, "{}", played.output);
    assert!(
        played.restored
            && played
                .output
                .contains("The commit is on the remote branch now."),
        "{}",
        played.output
    );
    assert!(keiko(home.path(), &["runs", "events", "last"]).contains("approved by maria"));
}

#[test]
fn an_agent_of_rules_asks_for_no_words_and_shows_no_raw_output() {
    let test = "an_agent_of_rules_asks_for_no_words_and_shows_no_raw_output";
    if !has("bwrap") || !has("git") {
        eprintln!(
            "SKIPPED: {test}: the sandbox needs bubblewrap and git: apt-get install bubblewrap git"
        );
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("project");
    std::fs::create_dir(&project).unwrap();
    let sum = "def minus(a, b):\n    return a+b\n";
    let asks = "import unittest\nfrom sums import minus\n\n\nclass Sums(unittest.TestCase):\n    def test_minus(self):\n        self.assertEqual(minus(3, 1), 2)\n";
    std::fs::write(project.join("sums.py"), sum).unwrap();
    std::fs::write(project.join("test_sums.py"), asks).unwrap();
    std::fs::write(
        project.join("pyproject.toml"),
        "[project]\nname = \"sums\"\nversion = \"1\"\n",
    )
    .unwrap();
    let args = ["up", "--workspace", project.to_str().unwrap()];
    let steps = json!([
        {"expect": "(Esc stops)", "seconds": 60, "send": "hello\r"},
        {"expect": "hears no words", "seconds": 60},
        {"expect": "examined; 1 test fails", "seconds": 120},
    ]);
    let Some(played) = play(test, home.path(), &args, [40, 120], &[], steps) else {
        return;
    };
    assert_eq!(played.status, 0, "{}", played.output);
    assert!(played.restored, "the terminal is as it was");
    assert!(
        played.output.contains("return a-b"),
        "the candidate is shown: {}",
        played.output
    );
    for noise in ["Say something", "\"lines\"", "tokens ·"] {
        assert!(!played.output.contains(noise), "{noise}: {}", played.output);
    }
}

#[test]
fn data_moves_no_cursor_on_a_terminal_and_is_untouched_in_a_pipe() {
    let home = tempfile::tempdir().unwrap();
    let script = home.path().join("script.toml");
    let text = "[[turn]]\n[[turn.call]]\ntool = \"finish\"\narguments = { summary = \"\\u001b]0;owned\\u0007a\\tb\\u001b[2Jc\" }\n";
    std::fs::write(&script, text).unwrap();
    keiko(
        home.path(),
        &[
            "run",
            "Say hello",
            "--no-workspace",
            "--script",
            script.to_str().unwrap(),
        ],
    );
    let piped = keiko(home.path(), &["runs", "report", "last"]);
    assert!(
        piped.contains("\u{1b}]0;owned\u{7}a\tb\u{1b}[2Jc"),
        "{piped:?}"
    );
    for command in ["show", "report", "events"] {
        let test = "data_moves_no_cursor_on_a_terminal_and_is_untouched_in_a_pipe";
        let Some(played) = play(
            test,
            home.path(),
            &["runs", command, "last"],
            [24, 80],
            &[],
            json!([]),
        ) else {
            return;
        };
        assert_eq!(played.status, 0, "{}", played.output);
        assert!(
            !played.output.contains("\u{1b}]0;") && !played.output.contains("\u{1b}[2J"),
            "{command}: {:?}",
            played.output
        );
        if command != "events" {
            assert!(
                played.output.contains("␛]0;owned␇a"),
                "{command}: {:?}",
                played.output
            );
        }
    }
}
