//! Command lines that cannot be read, and commands that are complete without a further word.

use super::Home;

#[test]
fn what_cannot_be_read_has_a_code_and_is_data_for_programs() {
    let home = Home::new();
    let cases: [(&[&str], &str, &str); 8] = [
        (
            &["run", "x", "--approval", "perhaps"],
            "invalid value 'perhaps' for '--approval <APPROVAL>'",
            "keiko",
        ),
        (
            &["runs", "list", "--limit", "abc"],
            "invalid value 'abc' for '--limit <LIMIT>'",
            "keiko",
        ),
        (
            &["runs", "list", "--limt", "3"],
            "unexpected argument '--limt' found",
            "--limit",
        ),
        (
            &["run"],
            "the following required arguments were not provided: <GOAL>",
            "keiko run",
        ),
        (
            &["kill", "--all"],
            "the following required arguments were not provided: --reason <REASON>",
            "keiko kill",
        ),
        (&["ps"], "unrecognized subcommand 'ps'", "keiko runs list"),
        (&["doctr"], "unrecognized subcommand 'doctr'", "'doctor'"),
        (&[], "a command is missing", "keiko"),
    ];
    for (args, message, hint) in cases {
        let ran = home.run(args);
        assert!(ran.code == 2 && ran.out.is_empty(), "{ran:?}");
        assert!(
            args.is_empty() || ran.err.starts_with("error[KEI-1000]: "),
            "{ran:?}"
        );
        // Wherever it stands.
        for args in [[&["--json"], args].concat(), [args, &["--json"]].concat()] {
            let ran = home.run(&args);
            assert!(ran.code == 2 && ran.err.is_empty(), "{ran:?}");
            let error = &ran.json()["error"];
            assert_eq!(error["code"], "KEI-1000", "{error}");
            assert!(
                error["message"].as_str().unwrap().starts_with(message),
                "{message}: {error}"
            );
            assert!(
                error["hint"].as_str().unwrap().contains(hint),
                "{hint}: {error}"
            );
        }
    }
    let german = home.run(&["--lang", "de", "runs", "list", "--limit", "abc", "--json"]);
    assert_eq!(
        german.out,
        home.run(&["runs", "list", "--limit", "abc", "--json"]).out,
        "data is in English"
    );
    let behind = home.run(&["runs", "show", "a", "b", "--", "--json"]);
    assert!(
        behind.out.is_empty() && behind.err.starts_with("error[KEI-1000]"),
        "a word is no option: {behind:?}"
    );
    let help = home.run(&["--json", "runs", "--help"]);
    assert!(
        help.code == 0 && help.out.contains("Usage: keiko runs"),
        "help is no error: {help:?}"
    );
}

#[test]
fn a_noun_alone_lists() {
    let home = Home::new();
    for noun in ["runs", "approvals", "models"] {
        let (alone, list) = (
            home.run(&["--json", noun]),
            home.run(&["--json", noun, "list"]),
        );
        assert_eq!((alone.code, &alone.out), (0, &list.out), "{noun}");
    }
    assert_eq!(home.run(&["runs", "frobnicate"]).code, 2);
}

#[test]
fn config_alone_shows_what_holds_and_where_it_comes_from() {
    let home = Home::new();
    home.write("config/config.toml", "[run]\nmax_steps = 7\n");
    let ran = home.run(&["config"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.lines().any(|line| line.starts_with("run.max_steps = 7  [") && line.ends_with("config.toml:2")), "{ran:?}");
    assert!(
        ran.out
            .lines()
            .any(|line| line.starts_with("run.max_seconds = ") && line.ends_with("[default]")),
        "{ran:?}"
    );
    let shown = home.run(&["config", "--json"]).json();
    let row = shown["values"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["key"] == "run.max_steps")
        .unwrap();
    assert!(
        row["value"] == 7 && row["place"].as_str().unwrap().contains("config.toml:2"),
        "{row}"
    );
}

#[test]
fn demo_alone_is_the_tour() {
    let home = Home::new();
    // Nothing of the tour can begin where no folder can be made, and that is enough to know which one it would have been.
    home.write("data", "no folder");
    let (alone, tour) = (
        home.run(&["demo", "--json"]),
        home.run(&["demo", "code", "--json"]),
    );
    assert_eq!((alone.code, &alone.out), (tour.code, &tour.out));
    assert!(alone.out.contains("KEI-"), "{alone:?}");
}

#[test]
fn a_kill_that_names_nothing_says_what_it_could_stop_and_how() {
    let home = Home::new();
    for args in [&["kill"][..], &["kill", "--reason", "x"]] {
        let ran = home.run(args);
        assert!(
            ran.code == 2
                && ran
                    .err
                    .starts_with("No run is at work at this moment.\nerror[KEI-1245]"),
            "{ran:?}"
        );
        for word in [
            "--run RUN --reason",
            "stops this run only",
            "--all --reason",
            "stops every run of every process",
        ] {
            assert!(ran.err.contains(word), "{word}: {ran:?}");
        }
    }
    let german = home.run(&["--lang", "de", "kill"]);
    assert!(
        german.err.contains("Zurzeit arbeitet kein Lauf.")
            && german.err.contains("hält nur diesen Lauf an"),
        "{german:?}"
    );
    assert_eq!(
        home.run(&["kill", "--json"]).json()["error"]["code"],
        "KEI-1245"
    );
    assert!(
        home.run(&["kill", "--run", "x"])
            .err
            .contains("--reason <REASON>")
    );
}
