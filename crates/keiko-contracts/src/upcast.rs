//! Events that older programs wrote, brought to the shape that is written now. What is stored stays as it is: the hash chain
//! covers it.

use serde_json::{Value, json};

/// The version of a kind's shape that is written now.
#[must_use]
pub fn newest(kind: &str) -> u16 {
    match kind {
        // 2: pairs of strings on the card became what they mean.
        "run_ended" => 2,
        _ => 1,
    }
}

/// The newest of all: what programs compare to tell whether one can read what another wrote.
pub const NEWEST: u16 = 2;

/// The body of an older version as one of the newest; none when it needs no change.
///
/// # Errors
/// When the body is not JSON.
pub fn upcast(kind: &str, version: u16, body: &[u8]) -> Result<Option<Vec<u8>>, serde_json::Error> {
    if (kind, version) != ("run_ended", 1) {
        return Ok(None);
    }
    let mut value: Value = serde_json::from_slice(body)?;
    if let Some(card) = value.get_mut("card") {
        card_of_pairs(card);
    }
    serde_json::to_vec(&value).map(Some)
}

fn card_of_pairs(card: &mut Value) {
    each(card, "changed_tests", |pair| {
        let (test, leave) = (text(&pair[0]), leave(&pair[1]));
        match test.strip_suffix(" (does not run any more)") {
            Some(test) => json!({"test": test, "gone": true, "leave": leave}),
            None => json!({"test": test, "leave": leave}),
        }
    });
    each(card, "findings", |mut finding| {
        let approval = finding
            .as_object_mut()
            .and_then(|finding| finding.remove("approval"))
            .unwrap_or_default();
        finding["leave"] = leave(&approval);
        finding
    });
    each(card, "approvals", |pair| {
        answered(&text(&pair[0]), &text(&pair[1]))
    });
    each(card, "models", |pair| {
        let origin = Some(text(&pair[1]))
            .filter(|origin| ["live", "recorded", "scripted"].contains(&origin.as_str()));
        json!({"model": pair[0], "origin": origin})
    });
}

fn each(card: &mut Value, name: &str, new: impl Fn(Value) -> Value) {
    if let Some(list) = card.get_mut(name).and_then(Value::as_array_mut) {
        list.iter_mut().for_each(|item| *item = new(item.take()));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An approval's id, or one of two sentences; no word at all stood for none.
fn leave(words: &Value) -> Value {
    match text(words).as_str() {
        "allowed by the risk policy" => json!("policy"),
        "" | "not approved" => json!("none"),
        id => json!({"approval": id}),
    }
}

/// "approved by maria (said with --install)", or "open".
fn answered(what: &str, words: &str) -> Value {
    let Some((decision, rest)) = words.split_once(" by ") else {
        return json!({"what": what, "decision": null});
    };
    let told = [
        ("said with --install", "flag"),
        ("set as run.install", "configuration"),
        ("remembered for this repository", "memory"),
    ];
    let how = told
        .iter()
        .find_map(|(words, how)| Some((rest.strip_suffix(&format!(" ({words})"))?, *how)));
    match how {
        Some((by, how)) => json!({"what": what, "decision": decision, "by": by, "beforehand": how}),
        None => json!({"what": what, "decision": decision, "by": rest}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_the_first_card_become_what_they_meant() {
        let old = json!({"status": "succeeded", "card": {
            "changed_tests": [["tests/a.py", "0000000000000001"], ["t (does not run any more)", "not approved"]],
            "findings": [{"kind": "exits", "file": "a", "line": 1, "text": "x", "approval": "allowed by the risk policy"}, {"file": "b"}],
            "approvals": [["push", "approved by maria"], ["install", "approved by jo (x) (said with --install)"], ["look", "open"]],
            "models": [["m", "live"], ["native", "rules, no language model"]],
        }});
        let new = upcast("run_ended", 1, &serde_json::to_vec(&old).unwrap())
            .unwrap()
            .unwrap();
        let new: Value = serde_json::from_slice(&new).unwrap();
        assert_eq!(
            new["card"],
            json!({
                "changed_tests": [
                    {"test": "tests/a.py", "leave": {"approval": "0000000000000001"}},
                    {"test": "t", "gone": true, "leave": "none"},
                ],
                "findings": [{"kind": "exits", "file": "a", "line": 1, "text": "x", "leave": "policy"}, {"file": "b", "leave": "none"}],
                "approvals": [
                    {"what": "push", "decision": "approved", "by": "maria"},
                    {"what": "install", "decision": "approved", "by": "jo (x)", "beforehand": "flag"},
                    {"what": "look", "decision": null},
                ],
                "models": [{"model": "m", "origin": "live"}, {"model": "native", "origin": null}],
            })
        );
        assert_eq!(upcast("run_ended", 2, b"{}").unwrap(), None);
        assert_eq!(upcast("noted", 1, b"{}").unwrap(), None);
    }
}
