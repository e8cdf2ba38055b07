//! Bad input: each gets an exit code, a code, and the next thing to type.

use crate::keiko::*;
use keiko_testkit::models::Turn;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

fn greeting() -> keiko_testkit::models::FakeModelServer {
    playing(vec![Turn::text("Good morning.")])
}

#[test]
fn goals_and_numbers_that_are_none() {
    let server = greeting();
    let keiko = Keiko::chat(&server);
    let root = keiko.root().to_owned();
    std::fs::write(root.join("binary.md"), [0xff, 0xfe, 0, 1]).unwrap();
    std::fs::File::create(root.join("huge.md"))
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    let at = |name: &str| format!("@{}", root.join(name).display());
    for (goal, code) in [
        (String::new(), "KEI-1204"),
        (" \n\t".to_owned(), "KEI-1204"),
        (at("binary.md"), "KEI-1203"),
        (at("huge.md"), "KEI-1202"),
        (at("missing.md"), "KEI-1201"),
        (at(""), "KEI-1201"),
    ] {
        keiko.ask(&goal, &[]).fails(2, code);
    }
    for (more, code) in [
        (["--budget", "0,50"], "KEI-1210"),
        (["--budget", "-1"], "KEI-1210"),
        (["--budget", "nan"], "KEI-1210"),
        (["--max-steps", "0"], "KEI-1211"),
        (["--max-steps", "many"], "KEI-1211"),
        (["--max-seconds", "-5"], "KEI-1211"),
        (["--agent", "nobody"], "KEI-1230"),
    ] {
        keiko.ask("Greet me", &more).fails(2, code);
    }
    keiko
        .ask("Greet me", &["--budget", "0,50"])
        .says("--budget 0.50");
    let json = keiko.ask("Greet me", &["--budget", "0,50", "--json"]);
    assert_eq!(json.expect(2).json()["error"]["code"], "KEI-1210");
    assert!(
        server.requests().is_empty(),
        "no model is asked for nothing"
    );
    assert!(
        keiko.json(&["runs", "list"])["runs"]
            .as_array()
            .unwrap()
            .is_empty(),
        "and no run begins"
    );
}

#[test]
fn a_goal_without_quotes_is_joined_or_refused() {
    let server = greeting();
    let keiko = Keiko::chat(&server);
    let typed = |words: &[&str]| {
        let args = [
            &["run", "--model", "openai/gpt-5", "--no-workspace"][..],
            words,
            &["--max-steps", "3"],
        ]
        .concat();
        keiko.run(&args)
    };
    typed(&["Greet", "me,", "please!"])
        .expect(0)
        .says("Greet me, please!");
    assert_eq!(
        keiko.json(&["runs", "list"])["runs"][0]["goal"],
        "Greet me, please!"
    );
    typed(&["Greet", "@everybody"])
        .fails(2, "KEI-1205")
        .says("keiko run \"");
}

#[test]
fn models_that_are_none() {
    let keiko = Keiko::new();
    let none = keiko.ask("Greet me", &[]);
    none.expect(7)
        .says("error[KEI-4008]")
        .says("hint:")
        .says("keiko config set");
    let unknown = keiko.ask("Greet me", &["--model", "nobody/x"]);
    assert!(
        unknown.code != 0 && unknown.stderr.contains("hint:"),
        "{unknown}"
    );
    let no_key = keiko.ask("Greet me", &["--model", "openai/gpt-5"]);
    no_key.says("OPENAI_API_KEY").says("hint:");
}

#[test]
fn workspaces_that_are_none() {
    let server = greeting();
    let keiko = Keiko::chat(&server);
    let root = keiko.root();
    put(root, "file", "");
    symlink(root.join("loop"), root.join("loop")).unwrap();
    let cases: [(&Path, &str); 5] = [
        (Path::new("/"), "KEI-1222"),
        (&keiko.user(), "KEI-1223"),
        (&root.join("file"), "KEI-1221"),
        (&root.join("loop"), "KEI-1220"),
        (&root.join("missing"), "KEI-1220"),
    ];
    for (dir, code) in cases {
        keiko.goal(dir, "Greet me", &[]).fails(2, code);
    }
    assert!(server.requests().is_empty());
}

#[test]
fn folders_that_only_look_odd() {
    if !ready("folders_that_only_look_odd") {
        return;
    }
    let server = playing(vec![write("neu.txt", "neu\n"), finish("Done.")]);
    let keiko = Keiko::chat(&server);
    let odd = keiko.root().join("Grüße aus Köln, 'zu' \"Haus\" $HOME");
    put(&odd, "straße.txt", "Umlaute: äöü\n");
    keiko.goal(&odd, "Write", &[]).expect(0);
    keiko
        .run(&["runs", "apply", "last"])
        .expect(0)
        .gives("neu.txt");
    assert!(odd.join("neu.txt").is_file());
    // What can only be read is read; bringing a result home is another matter.
    let closed = keiko.root().join("closed");
    put(&closed, "a.txt", "a\n");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    keiko.goal(&closed, "Write", &[]).expect(0);
    assert!(!closed.join("neu.txt").exists());
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn homes_that_are_none() {
    let server = greeting();
    let mut keiko = Keiko::chat(&server);
    keiko.unset("HOME");
    keiko.ask("Greet me", &[]).expect(0);
    keiko.unset("KEIKO_HOME");
    keiko
        .ask("Greet me", &[])
        .fails(2, "KEI-1101")
        .says("KEIKO_HOME=");
    keiko.set("KEIKO_HOME", "/dev/null/keiko");
    keiko.ask("Greet me", &[]).fails(2, "KEI-1102");
    keiko.set("KEIKO_HOME", "/proc/keiko");
    keiko.ask("Greet me", &[]).fails(2, "KEI-1102");
}

#[test]
fn journals_that_cannot_be_used() {
    let server = greeting();
    let keiko = Keiko::chat(&server);
    keiko.ask("Greet me", &[]).expect(0);
    let journal = keiko.home().join("data/journal.db");
    assert!(journal.is_file());
    let meta = std::fs::metadata(keiko.home().join("data")).unwrap();
    assert_eq!(
        meta.permissions().mode() & 0o077,
        0,
        "runs are nobody else's to read"
    );
    // `user_version` stands at byte 60 of a database; write-ahead files are gone once the last process has closed it.
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    std::fs::write(&journal, &bytes).unwrap();
    let newer = keiko.run(&["runs", "list"]);
    assert!(
        newer.code == 1 && newer.stderr.contains("error[KEI-3"),
        "{newer}"
    );
    newer.says("9999").says("hint: update Keiko");
    assert_eq!(
        std::fs::read(&journal).unwrap(),
        bytes,
        "it is left as it is"
    );
    std::fs::write(
        &journal,
        "this is a letter, not a database, and it is long enough to be read as one",
    )
    .unwrap();
    let letter = keiko.run(&["runs", "list"]);
    assert!(
        letter.code == 1 && letter.stderr.contains("error[KEI-3"),
        "{letter}"
    );
    letter.says("hint:");
}

#[test]
fn programs_that_are_missing() {
    if !ready("programs_that_are_missing") {
        return;
    }
    let server = playing(vec![finish("Nothing.")]);
    let mut keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    // A search path with everything but git.
    let bin = keiko.root().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for name in ["sh", "env", "python3"] {
        symlink(Path::new("/usr/bin").join(name), bin.join(name)).unwrap();
    }
    keiko.set("PATH", &bin);
    let done = keiko.goal(&repo, "Look", &[]);
    assert!(
        done.code != 0 && done.stderr.contains("error[KEI-5") && done.stderr.contains("hint:"),
        "{done}"
    );
    assert!(done.stderr.contains("git"), "{done}");
    // A goal about text needs neither.
    let text = greeting();
    let mut keiko = Keiko::chat(&text);
    keiko.set("PATH", "/nowhere");
    keiko.ask("Greet me", &[]).expect(0).gives("Good morning.");
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let server = greeting();
    let keiko = Keiko::chat(&server);
    keiko.ask("Greet me", &[]).expect(0);
    for args in [
        &["runs", "list"][..],
        &["runs", "events", "last"],
        &["--help"],
        &["completion", "bash"],
        &["man"],
        &["version"],
    ] {
        let mut child = keiko
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let status = child.wait().unwrap();
        assert!(
            !stderr.contains("panicked") && status.code() != Some(101),
            "{args:?}: {status} {stderr}"
        );
    }
}

#[test]
fn words_that_are_not_utf8() {
    let keiko = Keiko::new();
    let odd = OsStr::from_bytes(b"gr\xfc\xdfe");
    for args in [
        vec![OsStr::new("run"), odd],
        vec![odd],
        vec![OsStr::new("runs"), OsStr::new("show"), odd],
    ] {
        let done = keiko.run(&args);
        assert_eq!(done.code, 2, "{done}");
        assert!(!done.stderr.is_empty(), "{done}");
    }
}

#[test]
fn commands_that_are_none() {
    let keiko = Keiko::new();
    keiko.run(&["rum"]).expect(2).says("run");
    for (typed, meant) in [
        ("list", "keiko runs list"),
        ("approve", "keiko approvals approve last"),
        ("logs", "keiko runs events last --follow"),
    ] {
        keiko
            .run(&[typed])
            .expect(2)
            .says(&format!("hint: {meant}"));
    }
    keiko
        .run(&["fix the tests"])
        .expect(2)
        .says("hint: keiko run \"fix the tests\"");
    keiko.run(&["run"]).expect(2);
    keiko.run(&["runs", "show"]).expect(2);
    keiko.run(&["kill", "--reason", "x"]).expect(2);
    keiko.run(&["--help"]).expect(0).gives("approvals");
    keiko.run(&["--version"]).expect(0);
}
