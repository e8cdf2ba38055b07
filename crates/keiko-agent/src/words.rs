//! Answers in words alone. Most models end like that, without a call of `finish`: it is a claim all the same, held to the same
//! evidence. Some words are none: a question to the operator, or the announcement of work that was then not begun.

use crate::tools;
use keiko_contracts::model::{Part, Stop};
use keiko_contracts::run::ToolCall;

/// The longest summary that is made of an answer, in bytes: as long as that of `finish`.
const SUMMARY_MAX: usize = 16 << 10;

/// How often a claim in words is sent back.
pub(crate) const SENT_BACK_MAX: u32 = 2;

/// What the ids of claims in words begin with. No model can choose one: see `with_own_ids` of the state.
const CLAIM: &str = "words:";

/// Whether an id is that of a claim in words.
#[must_use]
pub(crate) fn is_id(call: &str) -> bool {
    call.starts_with(CLAIM)
}

/// The claim that an answer without calls makes; nothing, if it says nothing or was not complete.
pub(crate) fn claim_of(parts: &[Part], stop: Stop, step: u32) -> Option<ToolCall> {
    let complete = match stop {
        Stop::End | Stop::Calls | Stop::StopSequence | Stop::Other => true,
        Stop::MaxTokens | Stop::Refusal | Stop::ContentFilter | Stop::Paused => false,
    };
    let text = text_of(parts);
    if !complete || text.trim().is_empty() {
        return None;
    }
    let mut arguments = serde_json::json!({ "summary": cut(text.trim(), SUMMARY_MAX) });
    if let Some(yes) = about_red_tests(&text) {
        arguments["red_tests_in_goal"] = yes.into();
    }
    Some(ToolCall {
        id: format!("{CLAIM}{step}"),
        name: tools::FINISH.into(),
        arguments: arguments.to_string(),
    })
}

/// The text of an answer.
pub(crate) fn text_of(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| {
        if let Part::Text { text } = part {
            Some(text.as_str())
        } else {
            None
        }
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// What the words say of red tests, if they say it in the words that the harness asked for.
fn about_red_tests(text: &str) -> Option<bool> {
    let rest = &text[text.rfind("red_tests_in_goal")? + "red_tests_in_goal".len()..];
    let word: String = rest
        .chars()
        .skip_while(|c| !c.is_alphabetic())
        .take_while(|c| c.is_alphabetic())
        .collect();
    match word.to_lowercase().as_str() {
        "true" | "yes" | "ja" => Some(true),
        "false" | "no" | "nein" => Some(false),
        _ => None,
    }
}

/// The beginning of a text.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What an answer in words is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The agent says that it is done, or how far it got.
    Claim,
    /// It wants to know something.
    Question,
    /// It says what it is going to do.
    Announcement,
}

/// What the words are. `done`: the workspace has changed, so that they may well be a summary.
pub(crate) fn kind_of(text: &str, done: bool, workspace: bool) -> Kind {
    let prose = prose(text).to_lowercase();
    let last = last_paragraphs(&prose);
    let reports = says(&prose, DONE);
    if asks(&last, &prose) && !(says(&last, COURTESY) && (done || reports || !workspace)) {
        let directed = workspace || says(&prose, DIRECTED);
        if directed && !(done && reports) {
            return Kind::Question;
        }
    }
    let begins = ANNOUNCING.iter().any(|word| begins_a_sentence(&last, word))
        || last.trim_end().ends_with(':');
    if workspace && begins && !reports {
        Kind::Announcement
    } else {
        Kind::Claim
    }
}

/// The words without what stands in code fences.
fn prose(text: &str) -> String {
    let mut inside = false;
    let keeps = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    text.lines().filter(keeps).collect::<Vec<_>>().join("\n")
}

/// The last paragraph; with the one before it, when the last is a list of choices.
fn last_paragraphs(prose: &str) -> String {
    let paragraphs: Vec<&str> = prose
        .split("\n\n")
        .map(str::trim)
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    let is_list = |paragraph: &&&str| {
        paragraph.lines().all(|line| {
            let line = line.trim_start();
            line.starts_with(['-', '*', '•'])
                || line
                    .split_once(['.', ')'])
                    .is_some_and(|(n, _)| n.len() <= 2)
        })
    };
    let lists = paragraphs.iter().rev().take_while(is_list).count();
    let from = paragraphs.len().saturating_sub(lists + 1);
    paragraphs.get(from..).unwrap_or_default().join("\n\n")
}

/// Whether the end asks something: a question mark closes its last sentence or stands before the choices, or it begs for an
/// answer without one.
fn asks(last: &str, prose: &str) -> bool {
    let closing = |c: char| c.is_whitespace() || "*_`\"'”“»«)]>".contains(c);
    let marks = ['?', '？'];
    let ends = prose.trim_end_matches(closing).ends_with(marks);
    let before_choices = last
        .lines()
        .any(|line| line.trim_end_matches(closing).ends_with(marks));
    ends || before_choices || says(last, BEGGING)
}

fn says(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        text.match_indices(word).any(|(at, found)| {
            let before = text[..at]
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_alphanumeric());
            let after = text[at + found.len()..]
                .chars()
                .next()
                .is_none_or(|c| !c.is_alphanumeric());
            before && after
        })
    })
}

fn begins_a_sentence(text: &str, word: &str) -> bool {
    let sentences = text
        .split(['\n', '.', '!', ':', ';'])
        .chain(text.split(", "));
    sentences
        .map(|sentence| sentence.trim_start_matches(|c: char| !c.is_alphanumeric()))
        .any(|sentence| {
            sentence
                .strip_prefix(word)
                .is_some_and(|rest| rest.chars().next().is_none_or(|c| !c.is_alphanumeric()))
        })
}

/// Words of somebody who has done something.
const DONE: &[&str] = &[
    "done",
    "fixed",
    "finished",
    "completed",
    "implemented",
    "all tests pass",
    "tests pass",
    "tests now pass",
    "resolved",
    "i have added",
    "i have changed",
    "i've added",
    "i've changed",
    "i've updated",
    "i have updated",
    "i added",
    "i changed",
    "i updated",
    "i wrote",
    "erledigt",
    "behoben",
    "fertig",
    "umgesetzt",
    "abgeschlossen",
    "geändert",
    "hinzugefügt",
    "ergänzt",
    "geschrieben",
    "korrigiert",
    "tests bestehen",
    "tests sind grün",
];

/// Ends that are polite rather than a question.
const COURTESY: &[&str] = &[
    "anything else",
    "let me know if",
    "would you like me to also",
    "would you also like",
    "do you want me to also",
    "want me to also",
    "shall i also",
    "should i also",
    "need more",
    "need further",
    "more details",
    "further help",
    "sonst noch",
    "noch etwas",
    "weitere hilfe",
    "weitere fragen",
    "soll ich noch",
    "soll ich auch",
    "soll ich außerdem",
    "möchten sie noch",
    "kann ich noch",
];

/// Questions without a question mark.
const BEGGING: &[&str] = &[
    "please confirm",
    "please clarify",
    "please specify",
    "please choose",
    "please advise",
    "please provide",
    "please tell me",
    "please let me know which",
    "please let me know what",
    "please let me know how",
    "let me know which",
    "let me know what you",
    "let me know how you",
    "i need you to",
    "do you prefer",
    "would you prefer",
    "do you want me to",
    "which of these",
    "which of the following",
    "bitte bestätigen",
    "bitte wählen",
    "bitte entscheiden",
    "bitte nennen",
    "bitte geben sie",
    "bitte teilen sie",
    "bitte sagen sie",
    "bitte klären",
    "bitte präzisieren",
    "bevorzugen sie",
    "soll ich",
    "welche der folgenden",
];

/// Words that turn to the operator: without a workspace a question mark may be part of the answer itself.
const DIRECTED: &[&str] = &[
    "you", "your", "i", "me", "please", "should i", "sie", "ihr", "ihre", "ihren", "ihnen", "ich",
    "mir", "bitte", "du", "dein", "dir",
];

/// Beginnings of announcements.
const ANNOUNCING: &[&str] = &[
    "i'll",
    "i’ll",
    "i will",
    "i'm going to",
    "i’m going to",
    "i am going to",
    "i need to",
    "i should",
    "let me",
    "let's",
    "let’s",
    "next i",
    "next, i",
    "now i",
    "now, i",
    "first i",
    "first, i",
    "to start, i",
    "my plan",
    "the plan",
    "ich werde",
    "ich schaue",
    "ich sehe mir",
    "ich beginne",
    "ich fange",
    "ich möchte",
    "zuerst",
    "als nächstes",
    "als erstes",
    "jetzt werde",
    "nun werde",
    "dann werde",
    "lassen sie mich",
    "mein plan",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn questions_are_told_from_claims_in_both_languages() {
        for text in [
            "Which date format do you want?",
            "There are two ways to read this goal.\n\nDo you prefer:\n\n1. ISO dates\n2. German dates",
            "Before I change anything: should `parse` accept an empty string?",
            "I found two modules named dates. Please tell me which of them is meant.",
            "Soll das Jahr 1900 ein Schaltjahr sein oder nicht?",
            "Es gibt zwei Möglichkeiten. Bitte wählen Sie:\n\n- ISO\n- DIN",
            "Bitte teilen Sie mir mit, welches Format gemeint ist.",
            "Would you like me to fix it?",
            "**Which one do you mean?**",
            "哪一个？",
        ] {
            assert_eq!(kind_of(text, false, true), Kind::Question, "{text}");
        }
        for text in [
            "The module computes leap years.",
            "I fixed the century rule and all tests pass. Would you like me to also update the README?",
            "Fixed.\n\n```python\nx = y if z else w  # why?\n```",
            "Done. Let me know if you need anything else.",
            "Der Fehler ist behoben. Soll ich auch die Dokumentation anpassen?",
            "Erledigt. Kann ich noch etwas für Sie tun?",
            "Leap years are divisible by 4. Why is 1900 none? Because of the century rule.",
        ] {
            assert_eq!(kind_of(text, true, true), Kind::Claim, "{text}");
        }
        assert_eq!(kind_of("Twelve. Anything else?", false, false), Kind::Claim);
        assert_eq!(
            kind_of("Who discovered the law of gravity?", false, false),
            Kind::Claim,
            "it may be the answer itself"
        );
        assert_eq!(
            kind_of("Which one do you mean?", false, false),
            Kind::Question
        );
    }

    #[test]
    fn what_is_only_announced_is_not_claimed() {
        for text in [
            "I'll start by looking at the tests.",
            "The bug is in dates.py. Let me fix it now.",
            "Now I will run the tests:",
            "Ich werde zuerst die Tests ansehen.",
            "Zuerst sehe ich mir die Datei an.",
            "Okay, let me look at the file",
        ] {
            assert_eq!(kind_of(text, false, true), Kind::Announcement, "{text}");
            assert_ne!(
                kind_of(text, false, false),
                Kind::Announcement,
                "without a workspace there is nothing to do: {text}"
            );
        }
        for text in [
            "I fixed it. I will be glad to help again.",
            "Erledigt. Ich werde nichts weiter ändern.",
            "The year 1900 is no leap year.",
        ] {
            assert_eq!(kind_of(text, false, true), Kind::Claim, "{text}");
        }
    }

    #[test]
    fn a_claim_says_what_finish_would_say() {
        let part = |text: &str| vec![Part::Text { text: text.into() }];
        let call = claim_of(&part(" Done. red_tests_in_goal = false "), Stop::End, 7).unwrap();
        assert!(is_id(&call.id) && call.name == tools::FINISH);
        assert_eq!(
            call.arguments,
            r#"{"red_tests_in_goal":false,"summary":"Done. red_tests_in_goal = false"}"#
        );
        assert!(
            claim_of(&part("Half a sen"), Stop::MaxTokens, 1).is_none()
                && claim_of(&part(" "), Stop::End, 1).is_none()
        );
        let long = claim_of(&part(&"ü".repeat(20_000)), Stop::End, 1).unwrap();
        assert!(long.arguments.len() < SUMMARY_MAX + 100);
    }

    proptest! {
        #[test]
        fn any_words_are_something(text in "\\PC{0,200}", done in any::<bool>(), workspace in any::<bool>()) {
            let _ = (kind_of(&text, done, workspace), about_red_tests(&text));
        }
    }
}
