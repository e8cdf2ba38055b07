//! What each piece of a change is needed for, by taking it out again, and what the card says of it.

use crate::keiko::*;
use serde_json::{Value, json};

#[test]
fn what_each_piece_of_a_change_is_needed_for_stands_on_the_card() {
    if !ready("what_each_piece_of_a_change_is_needed_for") {
        return;
    }
    let beside = "printf '\\000\\001' > logo.png; rm notes.txt; echo 'x = 1' > extra.py";
    let server = playing(vec![
        add_century_test(),
        run_tests(),
        execute(beside),
        mend(),
        finish("Centuries are right now."),
    ]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    put(&repo, "notes.txt", "old\n");
    commit_all(&repo);
    keiko
        .goal(&repo, "Fix is_leap for centuries", &[])
        .expect(0)
        .says("succeeded");
    let run = keiko.newest();
    let end = keiko.end(&run);
    let card = &end["card"];
    assert!(
        card["red_to_green"].to_string().contains("test_century"),
        "{card:#}"
    );
    let pieces = card["backwards"]["pieces"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert_eq!(
        (&pieces[0]["file"], &pieces[0]["red"], &pieces[0]["of"]),
        (&json!(""), &json!(1), &json!(1)),
        "the whole first: {card:#}"
    );
    let left = card["backwards"]["left"].to_string();
    for (file, red) in [
        ("dates.py", 1),
        ("extra.py", 0),
        ("logo.png", 0),
        ("notes.txt", 0),
    ] {
        let piece: Option<&Value> = pieces.iter().find(|piece| piece["file"] == file);
        // A slow machine has no time for all of them; then they are named.
        assert!(
            piece.is_some_and(|piece| piece["red"] == red) || left.contains(file),
            "{file}: {card:#}"
        );
    }
    let events = keiko.events(&run);
    let last = events
        .iter()
        .rev()
        .map(|event| &event["body"]["data"]["asked"]["chore"])
        .find(|chore| {
            ["take", "without", "put_in"]
                .iter()
                .any(|proves| *chore == proves)
        })
        .unwrap();
    assert!(last == "put_in", "the change is in again: {last:#}");
    assert_eq!(card["tree_after"], card["tests_after"]["tree"], "{card:#}");
    let shown = keiko.run(&["runs", "show", &run]);
    shown
        .expect(0)
        .gives("the change: 1 of 1 red again")
        .gives("(by Keiko's reporter)");
    let german = keiko.run(&["runs", "show", &run, "--lang", "de"]);
    german
        .expect(0)
        .gives("die Änderung: 1 von 1 wieder rot")
        .gives("(von Keikos eigenem Berichter)");
}

#[test]
fn a_change_of_tests_alone_proves_nothing_backwards_and_says_so() {
    if !ready("a_change_of_tests_alone") {
        return;
    }
    // Red for want of what the test itself lacks, then green by the test alone.
    let red = write(
        "tests/test_more.py",
        "import unittest\n\n\nclass More(unittest.TestCase):\n    def test_more(self):\n        self.fail()\n",
    );
    let green = write(
        "tests/test_more.py",
        "import unittest\n\n\nclass More(unittest.TestCase):\n    def test_more(self):\n        pass\n",
    );
    let server = playing(vec![red, run_tests(), green, finish("More tests.")]);
    let keiko = Keiko::chat(&server);
    let repo = leap_years(&keiko);
    keiko.goal(&repo, "Add tests", &[]);
    let end = keiko.end(&keiko.newest());
    assert_eq!(
        end["card"]["backwards"]["left"],
        json!(["nothing but tests was changed"]),
        "{end:#}"
    );
}
