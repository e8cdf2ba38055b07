use crate::{Home, Ran, bare};
use serde_json::Value;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rows = report["checks"].as_array().expect("checks");
    rows.iter()
        .find(|row| row["name"] == name)
        .unwrap_or_else(|| panic!("no row {name}: {report}"))
}

#[test]
fn every_row_has_a_state_and_the_exit_code_follows() {
    let home = Home::new();
    let ran = home.run(&["doctor", "--json"]);
    let report = ran.json();
    let states: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["state"].as_str())
        .collect();
    assert!(
        states
            .iter()
            .all(|state| ["ok", "warn", "missing", "broken"].contains(state)),
        "{report}"
    );
    let broken = states.contains(&"broken");
    assert_eq!(
        (ran.code, report["ok"].as_bool()),
        (if broken { 8 } else { 0 }, Some(!broken)),
        "{report}"
    );
    for name in [
        "sandbox",
        "git",
        "python3",
        "ipykernel",
        "disk",
        "journal",
        "configuration",
        "models",
        "ruff",
    ] {
        row(&report, name);
    }
    assert!(!home.path().join("data").exists(), "looking makes nothing");
}

#[test]
fn the_sandbox_holds_or_the_remedy_is_named() {
    let home = Home::new();
    let report = home.run(&["doctor", "--json"]).json();
    let sandbox = row(&report, "sandbox");
    if sandbox["state"] == "ok" {
        assert_eq!(row(&report, "escapes tried")["state"], "ok", "{report}");
    } else {
        assert!(
            sandbox["todo"]
                .as_str()
                .is_some_and(|todo| !todo.is_empty()),
            "{sandbox}"
        );
        eprintln!(
            "SKIPPED: doctor::the_sandbox_holds_or_the_remedy_is_named: {}: {}",
            sandbox["seen"], sandbox["todo"]
        );
    }
}

#[test]
fn without_a_home_it_still_looks_at_the_machine() {
    let ran = Ran::of(&mut bare(&["doctor", "--json"]));
    let report = ran.json();
    assert_eq!(
        (ran.code, row(&report, "folders")["state"].as_str()),
        (8, Some("broken")),
        "{report}"
    );
    assert!(
        row(&report, "folders")["seen"]
            .as_str()
            .unwrap()
            .contains("KEI-1101")
    );
    row(&report, "git");
}

#[test]
fn a_broken_configuration_and_a_foreign_journal_are_rows() {
    let home = Home::new();
    home.write("config/config.toml", "[run]\nmax_stpes = 4\n");
    home.write(
        "data/journal.db",
        "this is no database, but it is long enough to look like something",
    );
    let ran = home.run(&["doctor", "--json"]);
    let report = ran.json();
    assert_eq!(ran.code, 8);
    assert!(
        row(&report, "configuration")["seen"]
            .as_str()
            .unwrap()
            .contains("KEI-1302"),
        "{report}"
    );
    assert_eq!(row(&report, "journal")["state"], "broken", "{report}");
    assert_eq!(
        row(&report, "configuration")["todo"],
        "did you mean run.max_steps?"
    );
}

#[test]
fn a_sound_journal_is_checked_and_left_over_workspaces_are_found() {
    let home = Home::new();
    assert_eq!(home.run(&["runs", "list"]).code, 0);
    let report = home.run(&["doctor", "--json"]).json();
    assert!(
        row(&report, "journal")["seen"]
            .as_str()
            .unwrap()
            .starts_with("sound"),
        "{report}"
    );
    assert_eq!(row(&report, "runs at work")["seen"], "none");
}

#[test]
fn fix_takes_permissions_away() {
    let home = Home::new();
    home.write("data/x", "");
    let data = home.path().join("data");
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let report = home.run(&["doctor", "--json"]).json();
    assert_eq!(row(&report, "data folder")["state"], "warn", "{report}");
    let todo = row(&report, "data folder")["todo"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(todo.starts_with("chmod go-rwx "), "{todo}");
    // What --fix would install is for the machine's owner to decide, so only the permissions are wrong here.
    if report["checks"].as_array().unwrap().iter().any(|row| {
        row["todo"]
            .as_str()
            .is_some_and(|todo| todo.contains("apt-get") && row["name"] != "gofmt")
    }) {
        eprintln!(
            "SKIPPED: doctor::fix_takes_permissions_away: packages are missing and would be installed: keiko doctor --fix"
        );
        return;
    }
    let report = home.run(&["doctor", "--json", "--fix"]).json();
    assert_eq!(row(&report, "data folder")["state"], "ok", "{report}");
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn without_programs_on_the_path_it_names_the_packages() {
    let home = Home::new();
    let ran = Ran::of(
        home.keiko(&["doctor", "--json"])
            .env("PATH", "/does/not/exist"),
    );
    let git = row(&ran.json(), "git").clone();
    assert_eq!(
        (ran.code, git["state"].as_str()),
        (8, Some("broken")),
        "{git}"
    );
    assert!(
        git["todo"]
            .as_str()
            .unwrap()
            .ends_with("apt-get install git"),
        "{git}"
    );
}

#[test]
fn a_locked_journal_names_who_holds_it() {
    let home = Home::new();
    assert_eq!(home.run(&["runs", "list"]).code, 0);
    let hold = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('pragma locking_mode = exclusive')\nc.execute('begin exclusive')\nprint('held', flush=True)\nsys.stdin.read()";
    let mut python = Command::new("python3");
    python
        .args(["-c", hold])
        .arg(home.path().join("data/journal.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let Ok(mut holder) = python.spawn() else {
        eprintln!(
            "SKIPPED: doctor::a_locked_journal_names_who_holds_it: python3 is missing: apt-get install python3"
        );
        return;
    };
    let (mut said, mut out) = ([0; 5], holder.stdout.take().unwrap());
    out.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"held\n");
    let report = home.run(&["doctor", "--json"]).json();
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let row = row(&report, "journal");
    assert_eq!(row["state"], "broken", "{row}");
    let seen = row["seen"].as_str().unwrap();
    assert!(
        seen.contains("KEI-3012")
            && seen.contains(&format!("held by process {} (python3", holder.id())),
        "{row}"
    );
    assert_eq!(
        row["todo"],
        format!("wait for it, or look at it: ps -fp {}", holder.id())
    );
}
