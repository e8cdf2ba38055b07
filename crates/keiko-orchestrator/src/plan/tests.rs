//! Goals as people give them, and plans that cannot be carried out.

use super::*;
use proptest::prelude::*;

/// A plan in one line: `t1 text; t2<t1 text`.
fn drawn(goal: &str) -> String {
    let plan = by_rules(goal);
    assert_eq!(plan.check(), Ok(()), "{plan:?}");
    let tasks = plan.tasks.iter().map(|task| {
        let needs: Vec<&str> = task.needs.iter().map(TaskId::as_str).collect();
        let needs = if needs.is_empty() {
            String::new()
        } else {
            format!("<{}", needs.join(","))
        };
        format!("{}{needs} {}", task.id, task.text)
    });
    tasks.collect::<Vec<_>>().join("; ")
}

#[test]
fn goals_are_cut_where_the_words_say_so() {
    for (goal, wanted) in [
        (
            "Recherchiere aktuelle KI-Trends und fasse sie zusammen, dann übersetze ins Englische",
            "t1 Recherchiere aktuelle KI-Trends; t2<t1 fasse sie zusammen; t3<t2 übersetze ins Englische",
        ),
        (
            "Recherchiere KI-Trends UND Blockchain-Trends, dann vergleiche beides",
            "t1 Recherchiere KI-Trends; t2 Recherchiere Blockchain-Trends; t3<t1,t2 vergleiche beides",
        ),
        (
            "Research solar panels, heat pumps and batteries, then compare them",
            "t1 Research solar panels; t2 Research heat pumps; t3 Research batteries; t4<t1,t2,t3 compare them",
        ),
        (
            "Bitte recherchieren Sie die Preise und danach erstellen Sie eine Tabelle.",
            "t1 Bitte recherchieren Sie die Preise; t2<t1 erstellen Sie eine Tabelle",
        ),
        (
            "Write a report about sales and send it to the team. Finally, update the wiki.",
            "t1 Write a report about sales; t2<t1 send it to the team; t3<t2 update the wiki",
        ),
        (
            "Untersuche das Repository, danach @coder repariere den Fehler",
            "t1 Untersuche das Repository; t2<t1 @coder repariere den Fehler",
        ),
        (
            "Untersuche das Repository und repariere danach die Fehler",
            "t1 Untersuche das Repository; t2<t1 repariere danach die Fehler",
        ),
        (
            "Find out why sales dropped, make a chart and write an email to the team about it",
            "t1 Find out why sales dropped; t2<t1 make a chart; t3<t2 write an email to the team about it",
        ),
        (
            "Lies das Protokoll und prüfe das Budget",
            "t1 Lies das Protokoll; t2 prüfe das Budget",
        ),
        (
            "Write the release notes and translate the manual",
            "t1 Write the release notes; t2 translate the manual",
        ),
        (
            "1. Read the log\n2. Find the error\n3) Write a ticket",
            "t1 Read the log; t2<t1 Find the error; t3<t2 Write a ticket",
        ),
        (
            "Bitte erledigen:\n- Rechnung prüfen\n- Angebot schreiben",
            "t1 Rechnung prüfen; t2 Angebot schreiben",
        ),
    ] {
        assert_eq!(drawn(goal), wanted, "{goal}");
    }
}

#[test]
fn a_goal_that_is_one_stays_one() {
    for goal in [
        "Fix the failing test",
        "Fix and test the parser",
        "Buy milk and eggs",
        "Vergleiche Äpfel und Birnen",
        "Schreibe Tests und Pläne",
        "Wenn der Test rot ist, dann repariere ihn",
        "If the build fails, then fix it",
        "Erkläre den Satz \"Lies das Buch und schreibe eine Kritik, dann übersetze sie\"",
        "Rename `read and write` to `copy`",
        "What is the capital of France, and who was its first mayor?",
        "The login page crashes when the password is empty. It worked yesterday, and then it broke.",
        "Find the customer \"Müller und Sohn\"",
        "",
        "und dann",
    ] {
        let plan = by_rules(goal);
        let texts: Vec<&str> = plan.tasks.iter().map(|task| task.text.as_str()).collect();
        assert_eq!(texts, [goal.trim()], "{plan:?}");
    }
}

#[test]
fn what_somebody_wants_is_told_by_how_it_is_said() {
    for (text, wanted) in [
        ("Fix the test", Intent::Task),
        ("Können Sie das bitte übersetzen?", Intent::Task),
        ("Could you fix this?", Intent::Task),
        ("Was kostet der Versand?", Intent::Question),
        ("Who wrote this", Intent::Question),
        ("Guten Morgen Keiko!", Intent::Chat),
        ("thanks", Intent::Chat),
        ("/help", Intent::Command),
        ("/srv/data holds files. Sort them", Intent::Task),
        ("", Intent::Task),
    ] {
        assert_eq!(intent(text), wanted, "{text}");
    }
}

fn plan(tasks: &[(&str, &[&str])]) -> Plan {
    Plan {
        goal: "g".into(),
        by: Planner::Rules,
        reasons: Vec::new(),
        tasks: tasks
            .iter()
            .map(|(id, needs)| Planned {
                id: id.parse().unwrap(),
                text: "x".into(),
                needs: needs.iter().map(|id| id.parse().unwrap()).collect(),
            })
            .collect(),
    }
}

#[test]
fn a_plan_that_cannot_be_carried_out_is_refused_with_the_reason() {
    for (tasks, wanted) in [
        (&[][..], "the plan has no task"),
        (&[("a", &[][..]), ("a", &[])], "two tasks are named a"),
        (&[("a", &["b"][..])], "task a needs b, which is not there"),
        (
            &[("a", &["a"][..])],
            "tasks need each other in a circle: a -> a",
        ),
        (
            &[("a", &["c"][..]), ("b", &["a"]), ("c", &["b"])],
            "tasks need each other in a circle: a -> c -> b -> a",
        ),
    ] {
        assert_eq!(plan(tasks).check().unwrap_err().to_string(), wanted);
    }
    let waves = plan(&[("a", &[]), ("b", &[]), ("c", &["a", "b"]), ("d", &["a"])]);
    let waves: Vec<Vec<&str>> = waves
        .waves()
        .iter()
        .map(|wave| wave.iter().map(|t| t.id.as_str()).collect())
        .collect();
    assert_eq!(waves, [vec!["a", "b"], vec!["c", "d"]]);
    let deep: Vec<(String, String)> = (1..1_000)
        .map(|n| (format!("t{n}"), format!("t{}", n - 1)))
        .collect();
    let mut deep: Vec<(&str, Vec<&str>)> = deep
        .iter()
        .map(|(id, needs)| (id.as_str(), vec![needs.as_str()]))
        .collect();
    deep.push(("t0", Vec::new()));
    let deep: Vec<(&str, &[&str])> = deep
        .iter()
        .map(|(id, needs)| (*id, needs.as_slice()))
        .collect();
    assert_eq!(
        (plan(&deep).check(), plan(&deep).waves().len()),
        (Ok(()), 1_000)
    );
}

proptest! {
    #[test]
    fn any_text_becomes_a_plan_that_can_be_carried_out(words in prop::collection::vec(
        prop::sample::select(vec!["und", "UND", "dann", "then", "and", ",", ".", "\n", "- ", "1. ", "„", "\"", "(", "`", "'", "fasse", "Write", "beides", "them", "ß", "İ", "x", "🦀", "sie"]), 0..40), any in "\\PC{0,80}") {
        for text in [words.join(" "), words.concat(), any] {
            let plan = by_rules(&text);
            if text.trim().is_empty() {
                prop_assert_eq!(plan.tasks.len(), 1);
            } else {
                prop_assert_eq!(plan.check(), Ok(()));
            }
            let _ = intent(&text);
        }
    }
}
