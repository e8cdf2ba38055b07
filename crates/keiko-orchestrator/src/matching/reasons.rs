//! Why an agent was found, in words that a face tells in the reader's language.

use super::features::Features;
use super::found::{Band, Candidate};
use super::profile::{Profile, Task};
use super::terms::stems;
use crate::text::{is_stop, words};
use keiko_contracts::language::Language;
use keiko_contracts::said::{Said, Value};
use keiko_contracts::say;
use std::collections::{BTreeMap, BTreeSet};

/// Words that are named.
const WORDS: usize = 5;
/// Letters of an example that are shown.
const SHOWN: usize = 120;
/// How alike an example is at least that explains anything.
const ALIKE: f64 = 0.05;

/// What a candidate is explained with.
pub(super) struct Speaks<'a> {
    pub(super) task: &'a Task,
    pub(super) profile: &'a Profile,
    pub(super) features: &'a Features,
    /// Words of the task that are the agent's too.
    pub(super) met: Vec<String>,
    /// The nearest example and counter-example.
    pub(super) example: Option<&'a str>,
    pub(super) counter: Option<&'a str>,
}

/// The words of a task that an agent has too, as they were typed, those that few agents have first.
pub(super) fn met(text: &str, says: impl Fn(&BTreeSet<u32>) -> Vec<(u32, f32)>) -> Vec<String> {
    let mut by_stem: BTreeMap<u32, String> = BTreeMap::new();
    for word in words(text).into_iter().filter(|word| !is_stop(word)) {
        let (english, german) = stems(&word);
        for id in std::iter::once(english).chain(german) {
            by_stem.entry(id).or_insert_with(|| word.clone());
        }
    }
    let mut found = says(&by_stem.keys().copied().collect());
    found.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    let mut met: Vec<String> = Vec::new();
    for word in found.iter().filter_map(|(id, _)| by_stem.get(id)) {
        if met.len() < WORDS && !met.contains(word) {
            met.push(word.clone());
        }
    }
    met
}

/// What speaks for a candidate, and what against it.
pub(super) fn of_candidate(speaks: &Speaks<'_>) -> Vec<Said> {
    let mut reasons = Vec::new();
    if !speaks.met.is_empty() {
        let words = Value::List(speaks.met.iter().cloned().map(Value::Text).collect());
        reasons.push(Said::template("words in common: {words}").with("words", words));
    }
    if let Some(example) = speaks.example.filter(|_| speaks.features.best >= ALIKE) {
        let example = shortened(example);
        reasons.push(say!("the nearest example: “{example}”", example));
    }
    let lacking: Vec<Value> = speaks
        .task
        .wanted
        .difference(&speaks.profile.capabilities)
        .cloned()
        .map(Value::Text)
        .collect();
    if !lacking.is_empty() {
        reasons.push(
            Said::template("it lacks {capabilities}").with("capabilities", Value::List(lacking)),
        );
    }
    if speaks.features.language < 1.0 {
        match speaks.task.language {
            Some(Language::German) => reasons.push(Said::from("it does not work in German")),
            Some(Language::English) => reasons.push(Said::from("it does not work in English")),
            None => {}
        }
    }
    let nearer = speaks.features.counter > speaks.features.best.max(ALIKE);
    if let Some(counter) = speaks.counter.filter(|_| nearer) {
        let example = shortened(counter);
        reasons.push(say!("against it: “{example}” is not for it", example));
    }
    reasons
}

/// Why a task is in its band.
pub(super) fn of_band(
    band: Band,
    candidates: &[Candidate],
    calibrated: bool,
    known: f64,
) -> Vec<Said> {
    let mut reasons = Vec::new();
    match (band, candidates) {
        (Band::Automatic, [first, ..]) => {
            let agent = &first.agent;
            reasons.push(say!("{agent} is sure enough not to ask", agent));
        }
        (Band::Choose, [first, second, ..]) => {
            let (agent, other) = (&first.agent, &second.agent);
            reasons.push(say!(
                "{agent} is the likeliest, but not sure; {other} is the next",
                agent,
                other
            ));
        }
        (Band::Choose, [first]) => {
            let agent = &first.agent;
            reasons.push(say!("{agent} is the likeliest, but not sure", agent));
        }
        (Band::Nobody, _) | (_, []) => reasons.push(Said::from("no agent is for this")),
    }
    if known < 0.34 {
        reasons.push(Said::from("hardly a word of it is known to any agent"));
    }
    if !calibrated {
        reasons.push(Said::from(
            "the agents have too few examples to say how sure this is",
        ));
    }
    reasons
}

fn shortened(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
