//! Events that older programs wrote, brought to the shape that is written now. What is stored stays as it is: the hash chain
//! covers it.

use crate::action::{Action, ActionDigest, Intent, Recovery};
use crate::asked::{Asked, ids};
use crate::id::{ApprovalId, EffectKey};
use crate::journal::Epoch;
use crate::money::Micros;
use serde::Serialize;
use serde_json::{Value, json};

/// The version of a kind's shape that is written now.
#[must_use]
pub fn newest(kind: &str) -> u16 {
    match kind {
        // 2: pairs of strings on the card became what they mean.
        "run_ended" => 2,
        // 2: who asked became a type; before, it was an id, a tool and a title.
        "effect_intended" | "call_refused" => 2,
        _ => 1,
    }
}

/// Rises whenever the shape of any kind changes: what programs compare to tell whether one can read what another wrote.
pub const NEWEST: u16 = 3;

/// The body of an older version as one of the newest; none when it needs no change.
///
/// # Errors
/// When the body is not JSON.
pub fn upcast(kind: &str, version: u16, body: &[u8]) -> Result<Option<Vec<u8>>, serde_json::Error> {
    let change: fn(&mut Value) = match (kind, version) {
        ("run_ended", 1) => |end| {
            if let Some(card) = end.get_mut("card") {
                card_of_pairs(card);
            }
        },
        ("effect_intended", 1) => asked_of_intent,
        ("call_refused", 1) => asked_of_refusal,
        _ => return Ok(None),
    };
    let mut value: Value = serde_json::from_slice(body)?;
    change(&mut value);
    serde_json::to_vec(&value).map(Some)
}

/// An intent had a call, of whomever; a tool if a model asked for it; and a title if not.
fn asked_of_intent(intent: &mut Value) {
    let Some(fields) = intent.as_object_mut() else {
        return;
    };
    let mut take = |name: &str| {
        let value = fields.remove(name)?;
        value.as_str().map(str::to_owned)
    };
    let asked = match (take("call"), take("tool"), take("title")) {
        (None, _, _) => return,
        (Some(call), Some(tool), _) => Asked::Model { call, tool },
        (Some(call), None, title) => {
            let title = title.unwrap_or_default();
            let title = title.into();
            ids::chore(&call).map_or(Asked::Engine { call, title }, Asked::Harness)
        }
    };
    fields.insert("asked".into(), json!(asked));
}

/// A refusal named no tool where there was none, but a title: of an engine's call nobody can tell.
fn asked_of_refusal(refused: &mut Value) {
    let Some(fields) = refused.as_object_mut() else {
        return;
    };
    let mut take = |name: &str| text(&fields.remove(name).unwrap_or_default());
    let (call, tool) = (take("call"), take("tool"));
    let asked = ids::chore(&call).map_or(Asked::Model { call, tool }, Asked::Harness);
    fields.insert("asked".into(), json!(asked));
}

/// An intent as its first version was written, letter by letter: what a record of that time holds the digest of.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn intent_of_version_1(intent: &Intent) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Written<'a> {
        key: &'a EffectKey,
        action: &'a Action,
        digest: ActionDigest,
        recovery: Recovery,
        #[serde(skip_serializing_if = "Micros::is_zero")]
        reserve: Micros,
        #[serde(skip_serializing_if = "Option::is_none")]
        approval: Option<ApprovalId>,
        epoch: Epoch,
        #[serde(skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tool: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    }
    let asked = &intent.asked;
    serde_json::to_string(&Written {
        key: &intent.key,
        action: &intent.action,
        digest: intent.digest,
        recovery: intent.recovery,
        reserve: intent.reserve,
        approval: intent.approval,
        epoch: intent.epoch,
        call: asked
            .chore()
            .map(ids::id)
            .or_else(|| asked.call().map(str::to_owned)),
        tool: asked.tool(),
        title: asked.title().map(|title| title.to_string()),
    })
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
        assert_eq!(upcast("effect_intended", 2, b"{}").unwrap(), None);
        assert_eq!(upcast("noted", 1, b"{}").unwrap(), None);
    }

    fn new(kind: &str, old: &Value) -> Value {
        let new = upcast(kind, 1, &serde_json::to_vec(old).unwrap())
            .unwrap()
            .unwrap();
        serde_json::from_slice(&new).unwrap()
    }

    #[test]
    fn who_asked_follows_from_ids_tools_and_titles() {
        let harness = |rest: Value| {
            let mut asked = json!({"by": "harness"});
            asked
                .as_object_mut()
                .unwrap()
                .extend(rest.as_object().unwrap().clone());
            asked
        };
        for (old, asked) in [
            (json!({}), Value::Null),
            (
                json!({"call": "c1", "tool": "read_file"}),
                json!({"by": "model", "call": "c1", "tool": "read_file"}),
            ),
            (
                json!({"call": "tests-1", "title": "run the tests"}),
                json!({"by": "engine", "call": "tests-1", "title": "run the tests"}),
            ),
            (
                json!({"call": "harness:open", "title": "make a private copy"}),
                harness(json!({"chore": "open"})),
            ),
            (
                json!({"call": "harness:tests-at-end:3.1:0", "title": "run the tests at the end"}),
                harness(
                    json!({"chore": "tests", "round": {"end": {"step": 3, "refused": 1}}, "project": 0}),
                ),
            ),
            (
                json!({"call": "harness:of-a-time-that-nobody-remembers", "title": "x"}),
                json!({"by": "engine", "call": "harness:of-a-time-that-nobody-remembers", "title": "x"}),
            ),
        ] {
            assert_eq!(new("effect_intended", &old)["asked"], asked, "{old}");
        }
        assert_eq!(
            new(
                "call_refused",
                &json!({"key": "k", "call": "c", "tool": "t", "reason": {"$text": "no"}, "by": "policy"})
            ),
            json!({"key": "k", "asked": {"by": "model", "call": "c", "tool": "t"}, "reason": {"$text": "no"}, "by": "policy"})
        );
        assert_eq!(
            new(
                "call_refused",
                &json!({"call": "harness:prepare", "tool": "install"})
            )["asked"],
            harness(json!({"chore": "prepare"}))
        );
    }

    #[test]
    fn the_first_shape_of_an_intent_is_written_again_letter_by_letter() {
        let key = "z208wkqp03979edc/main/1/0/3";
        for rest in [
            r#""epoch":0}"#,
            r#""reserve":12,"approval":"00000000","epoch":4,"call":"c1","tool":"read_file"}"#,
            r#""epoch":0,"call":"harness:back:cea6:0:take:0","title":"take the change back, to see the tests fail without it"}"#,
            r#""epoch":0,"call":"tests-1","title":"run them"}"#,
        ] {
            let digest = crate::digest::Digest::default();
            let old = format!(
                r#"{{"key":"{key}","action":{{"jail":{{"workspace":"z208wkqp03979edc","op":{{"op":"survey"}}}}}},"digest":"{digest}","recovery":"repeat",{rest}"#
            );
            let new = upcast("effect_intended", 1, old.as_bytes())
                .unwrap()
                .unwrap();
            let intent: Intent = serde_json::from_slice(&new).unwrap();
            assert_eq!(intent_of_version_1(&intent).unwrap(), old);
        }
    }
}
