//! German: real failures, help and reports, as somebody sees them whose language is German.

use super::{Home, Ran};

/// Words that no German text has. Names, keys and commands are not among them.
const ENGLISH: [&str; 12] = [
    " the ",
    " is not ",
    " cannot ",
    "error[",
    "error:",
    "hint:",
    "Usage",
    "tip:",
    " there ",
    "did you mean",
    "No such",
    " for a ",
];

fn german(home: &Home, args: &[&str]) -> Ran {
    Ran::of(home.keiko(args).env("LANG", "de_DE.UTF-8"))
}

/// It fails so, and says so in German only.
#[track_caller]
fn fails(ran: &Ran, code: i32, said: &[&str]) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(
        said.iter().all(|part| ran.err.contains(part)),
        "{said:?} in {ran:?}"
    );
    let english: Vec<_> = ENGLISH
        .iter()
        .filter(|word| ran.err.contains(**word))
        .collect();
    assert!(english.is_empty(), "{english:?} in {ran:?}");
}

#[test]
fn bad_input_is_told_in_german() {
    let home = Home::new();
    let file = home.write("here/file", "x").display().to_string();
    let cases: [(&[&str], i32, &[&str]); 14] = [
        (
            &["run", "x", "--budget", "0,50"],
            2,
            &[
                "Fehler[KEI-1210]: \"0,50\" ist kein Geldbetrag: Schreiben Sie einen Punkt",
                "Tipp: --budget 0.50",
            ],
        ),
        (
            &["run", "x", "--budget", "-1"],
            2,
            &["Fehler[KEI-1210]", "Er kann nicht negativ sein"],
        ),
        (
            &["run", "x", "--max-steps", "0"],
            2,
            &["Fehler[KEI-1211]: \"0\" ist keine Zahl von 1 bis 10000"],
        ),
        (
            &["run", "@fehlt.md"],
            2,
            &[
                "Fehler[KEI-1201]: Die Datei mit dem Auftrag ist nicht lesbar: Datei oder Verzeichnis nicht gefunden",
                "--> ",
                "fehlt.md",
                "Prüfen Sie",
            ],
        ),
        (
            &["run", ""],
            2,
            &[
                "Fehler[KEI-1204]: Der Auftrag ist leer",
                "Sagen Sie, was zu tun ist",
            ],
        ),
        (
            &["run", "x", "--agent", "nobody"],
            2,
            &[
                "Fehler[KEI-1230]: Den Agenten \"nobody\" gibt es nicht",
                "Möglich sind: code-reviewer, coder",
            ],
        ),
        (
            &["run", "x", "--workspace", &file],
            2,
            &["Fehler[KEI-1221]: Der Arbeitsbereich ist kein Ordner"],
        ),
        (
            &["run", "x", "--workspace", "/fehlt"],
            2,
            &[
                "Fehler[KEI-1220]: Der Arbeitsbereich lässt sich nicht öffnen: Datei oder Verzeichnis",
            ],
        ),
        (
            &["run", "x", "--no-workspace"],
            7,
            &[
                "Fehler[KEI-4008]: Es ist kein Modell eingerichtet",
                "Tipp: Drei Wege: 1. ein Schlüssel in der Umgebung",
            ],
        ),
        (
            &["run", "x", "--no-workspace", "--model", "nobody/x"],
            7,
            &[
                "Fehler[KEI-4001]: Den Anbieter nobody gibt es nicht",
                "Tipp: Anbieter: ",
            ],
        ),
        (
            &["runs", "show", "nope"],
            3,
            &[
                "Fehler[KEI-6001]: Den Lauf \"nope\" gibt es nicht",
                "Tipp: keiko runs list",
            ],
        ),
        (
            &["runs", "list", "--state", "asleep"],
            2,
            &[
                "Fehler[KEI-1241]: \"asleep\" ist kein Zustand eines Laufs",
                "Möglich sind: running",
            ],
        ),
        (
            &["approvals", "show", "nope"],
            3,
            &["Fehler[KEI-2101]: Die Freigabe \"nope\" gibt es nicht"],
        ),
        (
            &["kill", "--all", "--reason", " "],
            2,
            &["Fehler[KEI-1240]: Für den Notaus fehlt eine Begründung"],
        ),
    ];
    for (args, code, said) in cases {
        fails(&german(&home, args), code, said);
    }
}

#[test]
fn a_broken_configuration_is_told_in_german_and_still_chooses_the_language() {
    let home = Home::new();
    for (text, code, said) in [
        (
            "language = 'de'\n[run]\nmax_stpes = 3\n",
            "KEI-1302",
            [
                "Die Einstellung run.max_stpes gibt es nicht",
                "Meinten Sie run.max_steps?",
            ],
        ),
        (
            "language = 'de'\n[run]\nmax_steps = 0\n",
            "KEI-1303",
            [
                "run.max_steps: 0 liegt außerhalb",
                "Erwartet wird eine ganze Zahl von 1 bis 10000",
            ],
        ),
        (
            "language = 'de'\n[run]\napproval = 'polcy'\n",
            "KEI-1303",
            ["gehört nicht zu den Werten", "Meinten Sie \"policy\"?"],
        ),
    ] {
        home.write("config/config.toml", text);
        // From the file alone; nothing in the environment says so.
        let ran = home.run(&["runs", "list"]);
        fails(
            &ran,
            2,
            &[
                &format!("Fehler[{code}]"),
                said[0],
                said[1],
                "config.toml:3",
            ],
        );
    }
    home.write(
        "config/config.toml",
        "language = 'en'\n[run]\nmax_steps = 0\n",
    );
    let ran = Ran::of(
        home.keiko(&["--lang", "de", "runs", "list"])
            .env("LANG", "en_US.UTF-8"),
    );
    fails(&ran, 2, &["Fehler[KEI-1303]"]);
    let ran = Ran::of(home.keiko(&["runs", "list"]).env("LANG", "de_DE.UTF-8"));
    assert!(
        ran.err.contains("error[KEI-1303]"),
        "the configuration goes before the environment: {ran:?}"
    );
}

#[test]
fn json_is_the_same_in_every_language() {
    let home = Home::new();
    for args in [
        ["--json", "runs", "show", "nope"].as_slice(),
        &["--json", "models", "list"],
        &["--json", "runs", "list"],
    ] {
        let (english, german) = (home.run(args), german(&home, args));
        assert_eq!((english.code, &english.out), (german.code, &german.out));
    }
}

#[test]
fn a_command_line_that_is_not_understood_is_told_in_german() {
    let home = Home::new();
    let cases: [(&[&str], &[&str]); 8] = [
        (
            &["runs", "list", "--limt", "3"],
            &[
                "Fehler[KEI-1000]: Das Argument »--limt« ist unbekannt",
                "Tipp: Meinten Sie »--limit«?",
                "Aufruf: keiko runs list",
            ],
        ),
        (
            &["doctr"],
            &[
                "Fehler[KEI-1000]: Den Befehl »doctr« gibt es nicht",
                "Tipp: Meinten Sie »doctor«?",
            ],
        ),
        (
            &["run"],
            &[
                "Fehler[KEI-1000]: Es fehlt: <AUFTRAG>",
                "Aufruf: keiko run",
                "Mehr dazu sagt »--help«.",
            ],
        ),
        (
            &["run", "x", "--base", "tomorrow"],
            &[
                "Der Wert »tomorrow« passt nicht zu »--base <STAND>«",
                "[möglich: snapshot, head]",
            ],
        ),
        (
            &["run", "x", "--model"],
            &["Für »--model <ANBIETER/MODELL>« fehlt ein Wert"],
        ),
        (
            &["demo", "crash", "--rounds", "0"],
            &[
                "Der Wert »0« passt nicht zu »--rounds <ANZAHL>«",
                "0 liegt nicht in 1..=1000",
            ],
        ),
        (
            &["kill", "--all", "--run", "x", "--reason", "y"],
            &["»--all« verträgt sich nicht mit »--run <LAUF>«"],
        ),
        (
            &["run", "x", "--workspace", ".", "--no-workspace"],
            &["verträgt sich nicht mit"],
        ),
    ];
    for (args, said) in cases {
        fails(&german(&home, args), 2, said);
        fails(&home.run(&[&["--lang=de"], args].concat()), 2, said);
    }
}

#[test]
fn help_and_lists_are_in_german() {
    let home = Home::new();
    let help = german(&home, &["run", "--help"]);
    assert!(help.code == 0 && help.err.is_empty(), "{help:?}");
    for part in [
        "Aufruf: keiko run [OPTIONEN] <AUFTRAG>",
        "Argumente:",
        "Optionen:",
        "Hilfe anzeigen",
        "Mögliche Werte:",
    ] {
        assert!(help.out.contains(part), "{part} in {}", help.out);
    }
    let bare = german(&home, &[]);
    assert!(
        bare.code == 2 && bare.err.contains("Aufruf: keiko") && bare.err.contains("\nSteuern:\n"),
        "{bare:?}"
    );
    assert_eq!(
        german(&home, &["--version"]).out,
        home.run(&["--version"]).out
    );
    let models = german(&home, &["models", "list"]);
    assert!(
        models.out.contains("Für openai gibt es keinen Schlüssel")
            && models.out.contains("Preise vom "),
        "{models:?}"
    );
    fails(
        &models,
        0,
        &[
            "Es ist kein Modell eingerichtet. Drei Wege:",
            "2. ein lokales Ollama",
        ],
    );
    fails(
        &german(&home, &["runs", "list"]),
        0,
        &["Noch keine Läufe. Beginnen Sie mit: keiko up"],
    );
    let explained = german(&home, &["config", "explain", "run.max_steps"]);
    assert!(
        explained.out.contains("Höchstens so viele Schritte")
            && explained.out.contains("[Vorgabe]"),
        "{explained:?}"
    );
    assert!(
        explained.out.contains(
            "Erwartet wird eine ganze Zahl von 1 bis 10000; Variable KEIKO_RUN__MAX_STEPS"
        ),
        "{explained:?}"
    );
}

#[test]
fn english_stays_english() {
    let home = Home::new();
    let ran = Ran::of(
        home.keiko(&["--lang", "en", "runs", "show", "nope"])
            .env("LANG", "de_DE.UTF-8"),
    );
    assert!(
        ran.err
            .contains("error[KEI-6001]: there is no run \"nope\"\nhint: keiko runs list"),
        "{ran:?}"
    );
    let ran = Ran::of(
        home.keiko(&["--lang", "en", "runs", "--help"])
            .env("LANG", "de_DE.UTF-8"),
    );
    assert!(ran.out.contains("Usage: keiko runs"), "{ran:?}");
}
