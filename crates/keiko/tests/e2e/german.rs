//! German, end to end: what a run says, why it ends or waits, and reports that follow the reader.

use crate::keiko::*;
use keiko_testkit::models::{Day, Turn};

#[test]
fn a_report_is_in_the_language_of_whoever_reads_it() {
    if !ready("a_report_is_in_the_language_of_whoever_reads_it") {
        return;
    }
    let mut keiko = Keiko::new();
    let repo = leap_years(&keiko);
    put(
        &repo,
        "tests/test_centuries.py",
        &format!("{LEAP_TEST}{CENTURY_TEST}").replace("test_common", "test_also"),
    );
    keiko.set("LANG", "de_DE.UTF-8");
    let done = keiko.goal(&repo, "Untersuchen", &["--agent", "repo-doctor"]);
    done.expect(0)
        .gives("# Bericht über das Repository")
        .gives("schlägt fehl")
        .gives("ein Sprachmodell war nicht beteiligt");
    done.says("Lauf ")
        .says("Regeln")
        .says("eine eigene Kopie von")
        .says("bestanden, 1 fehlgeschlagen")
        .says("Aufwand");
    let english = keiko.run(&["--lang", "en", "runs", "report", "last"]);
    english
        .expect(0)
        .gives("# Repository report")
        .gives("1 fails")
        .gives("no language model took part");
    keiko
        .run(&["runs", "report", "last"])
        .expect(0)
        .gives("# Bericht über das Repository");
    keiko
        .run(&["runs", "show", "last"])
        .expect(0)
        .gives("Arbeitsbereich ")
        .gives("# Bericht über das Repository");
    assert_eq!(
        keiko.end(&keiko.newest())["status"],
        "examined",
        "data has its own words"
    );
    let verified = keiko.run(&["runs", "verify", "last"]);
    verified
        .expect(0)
        .gives("Kette des Protokolls")
        .gives("Dateibaum der Kopie")
        .gives("Tests noch einmal");
}

#[test]
fn a_run_says_in_german_why_it_ends_or_waits() {
    if !ready("a_run_says_in_german_why_it_ends_or_waits") {
        return;
    }
    let mut turns = vec![add_century_test()];
    turns.extend((0..6).map(|_| finish("All done!")));
    let server = playing(turns);
    let mut keiko = Keiko::chat(&server);
    keiko.set("LANG", "de_DE.UTF-8");
    let repo = leap_years(&keiko);
    let limited = keiko.goal(&repo, "Repariere die Jahrhunderte", &["--max-steps", "1"]);
    limited
        .expect(1)
        .says("Fehler[KEI-6101]: Die Grenze von 1 Schritt ist erreicht")
        .says("Tipp: Geben Sie ihm mehr: keiko resume");
    let red = keiko.run(&["resume", "last", "--max-steps", "20"]);
    red.expect(1)
        .says("Fehler[KEI-6201]: Keiko hat die Tests ausgeführt: Diese sind jetzt rot")
        .says("Tipp: Sehen Sie sich die Änderungen");
    let over = keiko.run(&["resume", "last"]);
    over.expect(2)
        .says("Fehler[KEI-6003]: Der Lauf ")
        .says(" ist zu Ende")
        .says("Tipp: Sehen Sie ihn sich an: keiko runs show");
}

#[test]
fn a_vendor_that_refuses_is_told_in_german() {
    for (status, code, said) in [
        (401, "KEI-4101", "weist den Schlüssel zurück (HTTP 401): "),
        (404, "KEI-4102", "kennt das Modell gpt-5 nicht (HTTP 404): "),
        (402, "KEI-4109", "hat kein Guthaben: "),
    ] {
        let server = playing(vec![Turn {
            day: Day::status(status).into(),
            ..Turn::text("never")
        }]);
        let mut keiko = Keiko::chat(&server);
        keiko.set("LANG", "de_DE.UTF-8");
        let done = keiko.ask("Grüße mich", &[]);
        done.says(&format!("Fehler[{code}]: "))
            .says(said)
            .says("Tipp: ");
    }
}
