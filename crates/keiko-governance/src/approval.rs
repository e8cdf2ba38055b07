//! Approvals: the digest that a decision is bound to, and ids.

use keiko_contracts::action::{Action, ActionDigest};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{ApprovalId, EffectKey};

/// The digest of an action: SHA-256 over its canonical JSON.
///
/// # Errors
/// When the action cannot be written as JSON.
pub fn digest(action: &Action) -> Result<ActionDigest, serde_json::Error> {
    let mut value = serde_json::to_value(action)?;
    // Long texts count by their own digest, so that an action has one digest whether its texts are in memory or not.
    keiko_contracts::digest::split_blobs(&mut value, &mut Vec::new());
    Ok(ActionDigest(Digest::of(keiko_contracts::digest::canonical_json(&value).as_bytes())))
}

/// The id of the approval for one action at one place: asking again asks the same thing.
#[must_use]
pub fn approval_id(key: &EffectKey, digest: ActionDigest) -> ApprovalId {
    let hash = Digest::of_all(&[b"approval", key.to_string().as_bytes(), &digest.0.0]);
    let mut bytes = [0u8; ApprovalId::BYTES];
    bytes.copy_from_slice(&hash.0[..ApprovalId::BYTES]);
    ApprovalId::from_bytes(bytes)
}
