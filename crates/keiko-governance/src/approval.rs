//! Approvals: the digest that a decision is bound to, and ids.

use keiko_contracts::action::{Action, ActionDigest};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{ApprovalId, EffectKey};

/// The digest of an action: SHA-256 over its canonical JSON. It is what an intent carries and a permit is checked against.
///
/// # Errors
/// When the action cannot be written as JSON.
pub fn digest(action: &Action) -> Result<ActionDigest, serde_json::Error> {
    let mut value = serde_json::to_value(action)?;
    // Long texts count by their own digest, so that an action has one digest whether its texts are in memory or not.
    keiko_contracts::digest::split_blobs(&mut value, &mut Vec::new());
    Ok(ActionDigest(Digest::of(
        keiko_contracts::digest::canonical_json(&value).as_bytes(),
    )))
}

/// What a decision about an action is bound to. Each request to a model is another action, and a decision about each
/// would be none: a person decides whether this run's conversation may go to this model, so the digest is that of the
/// model's name. Everything else is decided on as the exact action.
///
/// # Errors
/// When the action cannot be written as JSON.
pub fn subject(action: &Action) -> Result<ActionDigest, serde_json::Error> {
    match action {
        Action::Model(model) => Ok(ActionDigest(Digest::of_all(&[
            b"model",
            model.model.as_str().as_bytes(),
        ]))),
        Action::Jail(_) | Action::Host(_) | Action::Tool(_) | Action::Run(_) => digest(action),
    }
}

/// The id of the approval for one action at one place: asking again asks the same thing.
#[must_use]
pub fn approval_id(key: &EffectKey, digest: ActionDigest) -> ApprovalId {
    let hash = Digest::of_all(&[b"approval", key.to_string().as_bytes(), &digest.0.0]);
    let mut bytes = [0u8; ApprovalId::BYTES];
    bytes.copy_from_slice(&hash.0[..ApprovalId::BYTES]);
    ApprovalId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keiko_contracts::action::{HostAction, ModelAction};
    use keiko_contracts::id::RunId;

    #[test]
    fn a_decision_about_a_model_holds_for_its_requests_and_any_other_for_one_action() {
        let ask = |model: &str, to_item| {
            let (model, request) = (model.parse().unwrap(), Digest::default());
            Action::Model(ModelAction {
                model,
                from_item: 0,
                to_item,
                request,
                max_output_tokens: 1,
                estimate: 0,
            })
        };
        assert_ne!(
            digest(&ask("a/b", 1)).unwrap(),
            digest(&ask("a/b", 2)).unwrap()
        );
        assert_eq!(
            subject(&ask("a/b", 1)).unwrap(),
            subject(&ask("a/b", 2)).unwrap()
        );
        assert_ne!(
            subject(&ask("a/b", 1)).unwrap(),
            subject(&ask("a/c", 1)).unwrap()
        );
        let push = |branch: &str| {
            let workspace = RunId::from_bytes([1; 10]);
            Action::Host(HostAction::Push {
                workspace,
                remote: "r".into(),
                branch: branch.into(),
                commit: "c".into(),
                expected: None,
            })
        };
        assert_eq!(subject(&push("a")).unwrap(), digest(&push("a")).unwrap());
        assert_ne!(subject(&push("a")).unwrap(), subject(&push("b")).unwrap());
    }
}
