//! What matching holds to, whatever profiles and tasks it is given.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use keiko_contracts::language::Language;
use keiko_contracts::said::Said;
use keiko_orchestrator::matching::{
    Band, Decision, Embedder, Index, InvalidProfiles, Lexical, Match, Profile, Task, Vector,
    Vectors,
};
use proptest::prelude::*;

fn profile(name: &str, examples: &[&str]) -> Profile {
    Profile {
        name: name.to_owned(),
        examples: examples.iter().map(|text| (*text).to_owned()).collect(),
        ..Profile::default()
    }
}

fn three() -> Vec<Profile> {
    vec![
        profile(
            "translator",
            &[
                "Translate this letter",
                "Übersetze den Brief ins Englische",
                "say it in French",
            ],
        ),
        profile(
            "invoices",
            &[
                "Prüfe diese Rechnung",
                "Is the VAT on the invoice right?",
                "Rechnungsprüfung für März",
            ],
        ),
        profile(
            "travel",
            &[
                "Book a flight to Rome",
                "Plane eine Reise nach Wien",
                "find me a hotel",
            ],
        ),
    ]
}

/// Enough agents and examples to be calibrated.
fn many() -> Vec<Profile> {
    const THINGS: [&str; 8] = [
        "invoices",
        "flights",
        "letters",
        "servers",
        "recipes",
        "meetings",
        "contracts",
        "songs",
    ];
    const DONE: [&str; 10] = [
        "check", "find", "sort", "explain", "compare", "delete", "print", "count", "describe",
        "send me",
    ];
    let of = |thing: &&str| Profile {
        name: (*thing).to_owned(),
        description: format!("looks after {thing}"),
        examples: DONE
            .iter()
            .map(|done| format!("please {done} the {thing} of today"))
            .collect(),
        ..Profile::default()
    };
    THINGS.iter().map(of).collect()
}

fn index(profiles: &[Profile]) -> Index {
    Index::lexical(profiles, &[]).unwrap()
}

fn first(found: &Match) -> &str {
    &found.candidates[0].agent
}

fn is_sound(found: &Match) {
    assert!(found.candidates.len() <= 3);
    let mut before = 1.0;
    for candidate in &found.candidates {
        let Match { somebody, .. } = found;
        assert!(
            (0.0..=1.0).contains(&candidate.probability) && (0.0..=1.0).contains(somebody),
            "{found:?}"
        );
        assert!(candidate.probability <= before, "{found:?}");
        before = candidate.probability;
        let features = serde_json::to_value(candidate.features).unwrap();
        assert!(
            features
                .as_object()
                .unwrap()
                .values()
                .all(|value| value.as_f64().is_some()),
            "{found:?}"
        );
    }
}

#[test]
fn three_agents_with_three_examples_each_are_enough_to_find_one() {
    let index = index(&three());
    for (text, agent) in [
        ("Kannst du die Rechnung prüfen?", "invoices"),
        ("flights to Vienna, please", "travel"),
        ("bitte auf Englisch übersetzen", "translator"),
    ] {
        let found = index.find_lexical(&Task::new(text));
        assert_eq!(first(&found), agent, "{found:?}");
        assert!(
            !found.calibrated
                && found
                    .reasons
                    .iter()
                    .any(|reason| reason.to_string().contains("too few examples"))
        );
        is_sound(&found);
    }
    assert_eq!(
        index.find_lexical(&Task::new("qwrtz 🙂")).band,
        Band::Nobody
    );
}

#[test]
fn with_enough_examples_it_is_sure_where_it_can_be() {
    let index = index(&many());
    assert!(
        index.quality().calibrated && index.quality().first > 0.9,
        "{:?}",
        index.quality()
    );
    let found = index.find_lexical(&Task::new("compare these flights"));
    assert_eq!(
        (first(&found), found.band),
        ("flights", Band::Automatic),
        "{found:?}"
    );
    let found = index.find_lexical(&Task::new("Wie hoch ist der Eiffelturm?"));
    assert_eq!(found.band, Band::Nobody, "{found:?}");
}

#[test]
fn every_match_says_why() {
    let mut profiles = three();
    profiles[1].counter_examples = vec!["Write an invoice".to_owned()];
    profiles[1].languages = [Language::German].into();
    let index = index(&profiles);
    let mut task = Task::new("check the VAT on this invoice");
    task.wanted = ["ocr".to_owned()].into();
    task.language = Some(Language::English);
    let reasons = |task: &Task| {
        let found = index.find_lexical(task);
        let candidate = found
            .candidates
            .into_iter()
            .find(|candidate| candidate.agent == "invoices")
            .unwrap();
        candidate
            .reasons
            .iter()
            .map(Said::to_string)
            .collect::<Vec<_>>()
    };
    let said = reasons(&task);
    assert!(
        said[0].starts_with("words in common: ")
            && said[0].contains("vat")
            && said[0].contains("invoice"),
        "{said:?}"
    );
    assert_eq!(
        said[1],
        "the nearest example: “Is the VAT on the invoice right?”"
    );
    assert_eq!(said[2..], ["it lacks ocr", "it does not work in English"]);
    let said = reasons(&Task::new("write an invoice"));
    assert!(
        said.contains(&"against it: “Write an invoice” is not for it".to_owned()),
        "{said:?}"
    );
}

#[test]
fn who_chooses_themselves_is_told_what_speaks_for_it() {
    let index = index(&many());
    let task = Task::new("compare these flights");
    let vector = Lexical.embed(&task.text);
    let likely = index.chosen(&task, &vector, "flights").unwrap();
    assert_eq!(likely, index.find(&task, &vector).candidates[0]);
    let found = index.find(&task, &vector);
    let named = |agent: &str| {
        found
            .candidates
            .iter()
            .any(|candidate| candidate.agent == agent)
    };
    let other = index
        .profiles()
        .iter()
        .find(|profile| !named(&profile.name))
        .unwrap();
    let unlikely = index.chosen(&task, &vector, &other.name).unwrap();
    assert!(
        unlikely.probability < 0.01 && !unlikely.reasons.is_empty(),
        "{unlikely:?}"
    );
    assert_eq!(index.chosen(&task, &vector, "no such agent"), None);
}

#[test]
fn a_capability_that_is_lacking_costs_the_first_place() {
    let mut profiles = three();
    profiles[2].capabilities = ["booking".to_owned()].into();
    profiles.push(Profile {
        name: "guide".to_owned(),
        capabilities: [].into(),
        ..profiles[2].clone()
    });
    let index = index(&profiles);
    let mut task = Task::new("book a flight to Rome");
    task.wanted = ["booking".to_owned()].into();
    let found = index.find_lexical(&task);
    assert_eq!(first(&found), "travel");
    // Two that say the same of themselves cannot be told apart, so nobody is chosen unasked.
    assert_ne!(
        index.find_lexical(&Task::new("book a flight to Rome")).band,
        Band::Automatic
    );
}

#[test]
fn the_order_of_profiles_and_examples_changes_nothing() {
    let profiles = many();
    let mut turned: Vec<Profile> = profiles.iter().rev().cloned().collect();
    turned
        .iter_mut()
        .for_each(|profile| profile.examples.reverse());
    let (one, other) = (index(&profiles), index(&turned));
    for text in [
        "find flights",
        "delete the songs and the letters",
        "something else",
        "",
    ] {
        let task = Task::new(text);
        assert_eq!(one.find_lexical(&task), other.find_lexical(&task));
    }
}

#[test]
fn an_agent_that_has_nothing_to_do_with_a_task_does_not_push_the_right_one_down() {
    for text in [
        "compare these flights",
        "print the contracts",
        "count songs",
    ] {
        let task = Task::new(text);
        let right = first(&index(&many()).find_lexical(&task)).to_owned();
        let mut more = many();
        more.push(profile(
            "beekeeper",
            &[
                "Varroa behandeln",
                "how do I split a hive",
                "Bienenstock winterfest",
                "swarm control",
            ],
        ));
        assert_eq!(first(&index(&more).find_lexical(&task)), right);
    }
}

#[test]
fn decisions_of_people_teach_what_is_for_nobody() {
    let task = Task::new("please explain the weather of today");
    let before = index(&many()).find_lexical(&task).somebody;
    let decisions: Vec<Decision> = [
        "weather",
        "news",
        "traffic",
        "moon",
        "stock market",
        "lottery",
        "horoscope",
    ]
    .iter()
    .flat_map(|thing| {
        ["explain", "find", "describe"].map(|done| format!("please {done} the {thing} of today"))
    })
    .map(|text| Decision { text, agent: None })
    .collect();
    let after = Index::lexical(&many(), &decisions).unwrap();
    assert!(after.find_lexical(&task).somebody < before);
    assert_eq!(
        first(&after.find_lexical(&Task::new("check my flights"))),
        "flights"
    );
}

#[test]
fn two_agents_of_one_name_are_refused() {
    let mut profiles = three();
    profiles.push(profile("travel", &[]));
    let refused = Index::lexical(&profiles, &[]).unwrap_err();
    assert_eq!(refused, InvalidProfiles::Twice("travel".to_owned()));
    assert_eq!(refused.to_string(), "there are two agents named travel");
}

#[test]
fn vectors_are_kept_by_content_and_revision() {
    let mut profiles = three();
    let mut vectors = Vectors::by(&Lexical, &profiles);
    assert!(vectors.missing(&profiles).is_empty() && vectors.revision() == Lexical.revision());
    profiles[0]
        .examples
        .push("Was heißt das auf Polnisch?".to_owned());
    assert_eq!(vectors.missing(&profiles), ["Was heißt das auf Polnisch?"]);
    assert_ne!(vectors.key("x"), Vectors::new("other").key("x"));
    let before = vectors.len();
    profiles.remove(2);
    vectors.keep_only(&profiles);
    assert_eq!(vectors.len(), before - 4);
}

#[test]
fn vectors_of_a_model_outside_are_used() {
    // A model that knows that both mean the same, which words do not show.
    let embed = |text: &str| {
        let bees = ["hive", "Imkerei", "bees"]
            .iter()
            .any(|word| text.contains(word));
        Vector::dense(if bees {
            vec![1.0, 0.0, f32::NAN]
        } else {
            vec![0.0, 1.0, 0.1]
        })
    };
    let profiles = [
        profile("bees", &["split a hive"]),
        profile("other", &["sweep the floor"]),
    ];
    let mut vectors = Vectors::new("a model, 3");
    for text in vectors.missing(&profiles) {
        vectors.put(&text, embed(&text));
    }
    let index = Index::build(&profiles, &[], &vectors, &|text| Some(embed(text))).unwrap();
    let task = Task::new("Imkerei");
    assert_eq!(first(&index.find(&task, &embed(&task.text))), "bees");
    // Of another size, or of another kind: alike to nothing, and no panic.
    is_sound(&index.find(&task, &Vector::dense(vec![1.0])));
    is_sound(&index.find(&task, &Lexical.embed(&task.text)));
}

#[test]
fn nobody_is_found_where_nobody_is() {
    let found = index(&[]).find_lexical(&Task::new("anything"));
    assert!(found.candidates.is_empty() && found.band == Band::Nobody);
    is_sound(&index(&[Profile::default()]).find_lexical(&Task::new("anything")));
}

#[test]
fn hostile_texts_are_tasks_like_others() {
    let mut profiles = many();
    profiles.push(profile(
        "odd",
        &["", "\0", "🙂🙂", "مرحبا", &"x".repeat(100_000)],
    ));
    let index = index(&profiles);
    let long = "Rechnung prüfen ".repeat(65_536);
    for text in [
        "",
        " \n\t",
        "🙂👩‍👩‍👧‍👦🇩🇪",
        "und der die das the a of",
        "مرحبا بالعالم، كيف حالك",
        "\u{202e}gnihton\u{0}\u{1b}[2J\u{7}",
        "a\u{300}\u{301}\u{302}\u{303}",
        &long,
        &"Ü".repeat(1_000_000),
    ] {
        let found = index.find_lexical(&Task::new(text));
        is_sound(&found);
        let shown: String = found
            .candidates
            .iter()
            .flat_map(|candidate| &candidate.reasons)
            .map(Said::to_string)
            .collect();
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_gets_a_sound_answer_twice(text in "\\PC{0,80}", own in proptest::collection::vec("\\PC{0,30}", 0..6)) {
        let mut profiles = three();
        profiles.push(Profile { name: "own".to_owned(), examples: own.clone(), counter_examples: own, ..Profile::default() });
        let (one, other) = (index(&profiles), index(&profiles));
        let task = Task::new(text);
        let found = one.find_lexical(&task);
        is_sound(&found);
        prop_assert_eq!(found, other.find_lexical(&task));
    }

    #[test]
    fn any_numbers_are_vectors(numbers in proptest::collection::vec(any::<f32>(), 3), other in proptest::collection::vec(any::<f32>(), 3)) {
        let profiles = three();
        let mut vectors = Vectors::new("any");
        for text in vectors.missing(&profiles) {
            vectors.put(&text, Vector::dense(numbers.clone()));
        }
        let index = Index::build(&profiles, &[], &vectors, &|_| None).unwrap();
        is_sound(&index.find(&Task::new("Rechnung"), &Vector::dense(other)));
    }
}
