//! How an action becomes an intent: with its digest and its recovery class, which nobody chooses.

use crate::{approval, class};
use keiko_contracts::action::{Action, ActionDigest, Intent, Purse};
use keiko_contracts::asked::Asked;
use keiko_contracts::id::EffectKey;
use keiko_contracts::journal::Epoch;
use keiko_contracts::money::Micros;

/// An action as an intent, which reserves nothing and rests on no approval.
///
/// # Errors
/// When the action cannot be written as JSON.
pub fn intent(
    key: EffectKey,
    action: Action,
    asked: Asked,
    epoch: Epoch,
) -> Result<Intent, serde_json::Error> {
    let digest = approval::digest(&action)?;
    Ok(judged(key, (action, digest), asked, epoch))
}

/// The same, of an action whose digest is known.
#[must_use]
pub fn judged(
    key: EffectKey,
    (action, digest): (Action, ActionDigest),
    asked: Asked,
    epoch: Epoch,
) -> Intent {
    Intent {
        recovery: class::recovery_of(&action),
        key,
        action,
        digest,
        reserve: Micros::ZERO,
        purse: Purse::Own,
        approval: None,
        epoch,
        asked,
    }
}
