//! A plan without a language model: lists, what comes after what, and what may go side by side, by how it is said.
//!
//! It cuts where the words leave no doubt, and nowhere else: a goal that it does not understand is one task.

use super::clauses::{lower, open, verb_at, verb_length};
use super::words::{AND, POINTS_BACK, POINTS_TO_EACH, THEN};
use super::{Plan, Planned, Planner};
use keiko_contracts::id::TaskId;
use keiko_contracts::said::Said;
use keiko_contracts::{say, say_count};

/// Most tasks that rules make of one goal.
const MOST: usize = 50;
/// Longest goal that is cut, bytes: what is longer is a text with a goal somewhere.
const LONGEST: usize = 4_000;

/// A part of a goal.
struct Part {
    text: String,
    /// It works with what the parts before it make; otherwise with what those before its row make.
    follows: bool,
}

/// A plan of a goal, by rules.
#[must_use]
pub fn by_rules(goal: &str) -> Plan {
    let (rows, mut reasons) = rows(goal.trim());
    let mut tasks: Vec<Planned> = Vec::new();
    let mut before: Vec<TaskId> = Vec::new();
    for row in rows {
        let (mut ends, mut last): (Vec<TaskId>, Vec<TaskId>) = (Vec::new(), Vec::new());
        for part in row {
            let needs = if part.follows && !last.is_empty() {
                ends.retain(|id| !last.contains(id));
                std::mem::take(&mut last)
            } else {
                before.clone()
            };
            let Some(id) = name(tasks.len()) else {
                continue;
            };
            tasks.push(Planned {
                id: id.clone(),
                text: part.text,
                needs,
            });
            ends.push(id.clone());
            last.push(id);
        }
        before = ends;
    }
    if tasks.len() <= 1 || tasks.len() > MOST {
        reasons = Vec::new();
        tasks = name(0)
            .map(|id| Planned {
                id,
                text: goal.trim().to_owned(),
                needs: Vec::new(),
            })
            .into_iter()
            .collect();
    }
    if tasks.len() == 1 {
        reasons = vec!["it stays one task: nothing in it says that it is several".into()];
    }
    Plan {
        goal: goal.to_owned(),
        by: Planner::Rules,
        reasons,
        tasks,
    }
}

fn name(n: usize) -> Option<TaskId> {
    format!("t{}", n + 1).parse().ok()
}

/// Rows of parts: each row comes after the one before, the parts of one may go side by side.
fn rows(goal: &str) -> (Vec<Vec<Part>>, Vec<Said>) {
    if goal.len() > LONGEST {
        return (Vec::new(), Vec::new());
    }
    if let Some(listed) = list(goal) {
        return listed;
    }
    let steps = steps(goal);
    let mut reasons = Vec::new();
    if steps.len() > 1 {
        let n = steps.len();
        reasons.push(say_count!(
            n,
            "{n} part after another",
            "{n} parts one after another"
        ));
    }
    let count = steps.len();
    let mut rows = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let next = steps.get(at + 1).map(String::as_str);
        let parts = parts(step, next);
        let side_by_side = parts.iter().filter(|part| !part.follows).count();
        if side_by_side > 1 {
            let n = side_by_side;
            reasons.push(say_count!(
                n,
                "{n} part that needs no other",
                "{n} parts that need no other"
            ));
        }
        rows.push(parts);
    }
    if count == 1 && rows.iter().map(Vec::len).sum::<usize>() <= 1 {
        reasons.clear();
    }
    (rows, reasons)
}

/// A list of lines: numbered ones come one after another, others may go side by side.
fn list(goal: &str) -> Option<(Vec<Vec<Part>>, Vec<Said>)> {
    let lines: Vec<&str> = goal
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let items: Vec<Option<(bool, &str)>> = lines.iter().map(|line| item(line)).collect();
    let first = items.iter().position(Option::is_some)?;
    let found: Vec<(bool, &str)> = items
        .iter()
        .skip(first)
        .copied()
        .collect::<Option<Vec<_>>>()?;
    // One line before the list may say what it is about; more is a text of its own.
    if found.len() < 2 || first > 1 {
        return None;
    }
    let numbered = found.iter().all(|(numbered, _)| *numbered);
    let part = |text: &str| Part {
        text: text.to_owned(),
        follows: false,
    };
    let n = found.len();
    Some(if numbered {
        let reason = say!("a numbered list of {n}: one after another", n);
        (
            found.iter().map(|(_, text)| vec![part(text)]).collect(),
            vec![reason],
        )
    } else {
        let reason = say!("a list of {n}: none needs another", n);
        (
            vec![found.iter().map(|(_, text)| part(text)).collect()],
            vec![reason],
        )
    })
}

/// An entry of a list, and whether it has a number.
fn item(line: &str) -> Option<(bool, &str)> {
    for mark in ["- ", "* ", "• ", "– "] {
        if let Some(text) = line.strip_prefix(mark) {
            return Some((false, text.trim())).filter(|(_, text)| !text.is_empty());
        }
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = line.get(digits..).filter(|_| (1..=3).contains(&digits))?;
    let text = rest
        .strip_prefix(". ")
        .or_else(|| rest.strip_prefix(") "))?;
    Some((true, text.trim())).filter(|(_, text)| !text.is_empty())
}

/// Parts one after another: cut where a word says "then" and what follows says what to do.
fn steps(goal: &str) -> Vec<String> {
    let (open, folded) = (open(goal), fold(goal));
    let mut steps = Vec::new();
    let mut from = 0;
    for (at, _) in goal.char_indices() {
        if at < from || !open.get(at).is_some_and(|free| *free) || !begins_word(goal, at) {
            continue;
        }
        let Some(then) = THEN.iter().find(|then| is_here(&folded, at, then)) else {
            continue;
        };
        let left = tidy(&goal[from..at]);
        let right = goal[at + then.len()..].trim_start_matches([' ', ',', ':']);
        // "wenn …, dann …" and "if …, then …" say when, and "bis dann" and "before then" are no order.
        let first = lower(&left).into_iter().next().unwrap_or_default();
        let conditional =
            ["wenn", "falls", "sobald", "if", "when", "once"].contains(&first.as_str());
        let says_what = verb_at(&lower(&left)).is_some() && verb_at(&lower(right)).is_some();
        if conditional || !says_what {
            continue;
        }
        steps.push(left);
        from = goal.len() - right.len();
    }
    steps.push(tidy(&goal[from..]));
    steps.retain(|step| !step.is_empty());
    steps
}

/// The parts of a step: clauses that each say what to do, or things that the same is done with each.
fn parts(step: &str, next: Option<&str>) -> Vec<Part> {
    let clauses = clauses(step);
    let whole = clauses.len() == 1;
    let mut parts = Vec::new();
    for (at, clause) in clauses.into_iter().enumerate() {
        let after = whole.then_some(next).flatten();
        match after.and_then(|next| things(&clause, next)) {
            Some(things) => parts.extend(things.into_iter().map(|text| Part {
                text,
                follows: false,
            })),
            None => {
                let words = lower(&clause);
                let object = words.get(verb_length(&words)..).unwrap_or_default();
                parts.push(Part {
                    follows: at > 0 && rests_on_others(object),
                    text: clause,
                });
            }
        }
    }
    parts
}

/// Whether a clause works with what the one before it makes: it points back ("summarise them"), says that it comes later, names
/// nothing of its own ("translate into English"), or makes something new ("write a mail"), out of what if not of that? In doubt
/// one waits for the other: that costs time, and the other mistake the result.
fn rests_on_others(object: &[String]) -> bool {
    const HOW: &[&str] = &[
        "ins", "in", "auf", "nach", "zu", "into", "to", "as", "als", "for", "für", "per", "by",
        "zusammen", "um", "with", "mit",
    ];
    const NEW: &[&str] = &["a", "an", "ein", "eine", "einen", "einem", "einer"];
    let is = |words: &[&str], word: &String| words.contains(&word.as_str());
    let Some(first) = object.first() else {
        return true;
    };
    let points = object.iter().enumerate().any(|(at, word)| {
        // An article, where something follows it.
        let article = word == "das" && object.get(at + 1).is_some_and(|next| !is(HOW, next));
        !article && is(POINTS_BACK, word)
    });
    points || is(HOW, first) || is(NEW, first) || is(THEN, first)
}

/// Cuts at "and" where both sides say what to do with what.
fn clauses(step: &str) -> Vec<String> {
    let (open, folded) = (open(step), fold(step));
    let mut clauses = Vec::new();
    let mut from = 0;
    for (at, c) in step.char_indices() {
        if at < from || !open.get(at).is_some_and(|free| *free) {
            continue;
        }
        let length = if c == ',' || c == ';' {
            Some(c.len_utf8())
        } else if begins_word(step, at) {
            AND.iter()
                .find(|and| is_here(&folded, at, and))
                .map(|and| and.len())
        } else {
            None
        };
        let Some(length) = length else { continue };
        let (left, right) = (tidy(&step[from..at]), step[at + length..].trim_start());
        let right = right
            .strip_prefix("und ")
            .or_else(|| right.strip_prefix("and "))
            .unwrap_or(right);
        let (words, said) = (lower(&left), lower(right));
        let both = verb_at(&words).is_some() && verb_at(&said).is_some();
        // In German a thing has a capital letter, and what is done has none: "Tests und Pläne".
        let small = right.chars().next().is_some_and(|c| !c.is_uppercase());
        // "fix and test the parser" is one thing that is done with the parser.
        if both && small && words.len() > verb_length(&words) {
            clauses.push(left);
            from = step.len() - right.len();
        }
    }
    clauses.push(tidy(&step[from..]));
    clauses.retain(|clause| !clause.is_empty());
    clauses
}

/// The same task for each of several things, where what comes next speaks of them as several.
fn things(clause: &str, next: &str) -> Option<Vec<String>> {
    let refers = lower(next)
        .iter()
        .any(|word| POINTS_TO_EACH.contains(&word.as_str()));
    let words = lower(clause);
    let verb = verb_length(&words);
    if !refers || verb == 0 {
        return None;
    }
    let start = nth_word(clause, verb)?;
    let (head, rest) = clause.split_at(start);
    let (open, folded) = (open(rest), fold(rest));
    let mut things = Vec::new();
    let mut from = 0;
    let mut joined = false;
    for (at, c) in rest.char_indices() {
        if at < from || !open.get(at).is_some_and(|free| *free) {
            continue;
        }
        let and = AND
            .iter()
            .find(|and| begins_word(rest, at) && is_here(&folded, at, and));
        let length = and.map(|and| and.len()).or((c == ',').then_some(1));
        let Some(length) = length else { continue };
        joined |= and.is_some();
        things.push(tidy(&rest[from..at]));
        from = at + length;
    }
    things.push(tidy(&rest[from..]));
    things.retain(|thing| !thing.is_empty());
    (joined && things.len() > 1).then(|| {
        let head = head.trim_end();
        things
            .iter()
            .map(|thing| format!("{head} {thing}"))
            .collect()
    })
}

/// Small letters, of the same length in bytes: what has none of that length stays as it is.
fn fold(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut small = c.to_lowercase();
            match (small.next(), small.next()) {
                (Some(one), None) if one.len_utf8() == c.len_utf8() => one,
                _ => c,
            }
        })
        .collect()
}

/// Whether a word stands here as a whole.
fn is_here(folded: &str, at: usize, word: &str) -> bool {
    folded.get(at..).is_some_and(|rest| {
        rest.strip_prefix(word).is_some_and(|rest| {
            !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_')
        })
    })
}

fn begins_word(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    before.is_none_or(|c| !c.is_alphanumeric() && c != '-' && c != '_')
}

/// Where the nth word begins, from 0.
fn nth_word(text: &str, n: usize) -> Option<usize> {
    let mut starts = text
        .char_indices()
        .filter(|(at, c)| c.is_alphanumeric() && begins_word(text, *at))
        .map(|(at, _)| at);
    starts.nth(n)
}

/// Without what joined it to the rest.
fn tidy(text: &str) -> String {
    let text = text.trim().trim_end_matches([',', ';', '.', ':']).trim();
    let text = text
        .strip_suffix(" und")
        .or_else(|| text.strip_suffix(" and"))
        .unwrap_or(text);
    text.trim()
        .trim_end_matches([',', ';'])
        .trim_start_matches(['.', ',', ';'])
        .trim()
        .to_owned()
}
