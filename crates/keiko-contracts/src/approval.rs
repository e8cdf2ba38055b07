//! Approvals: a person's decision about one exact action.

use crate::action::{Action, ActionDigest};
use crate::id::{ApprovalId, EffectKey, RunId};
pub use crate::install::{Beforehand, InstallWord, Installing};
use crate::journal::{Epoch, Seq};
use crate::said::{Said, Value};
use crate::say;
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A question to a person: may this exact action be carried out?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRequest {
    /// Its id.
    pub id: ApprovalId,
    /// The effect that waits.
    pub key: EffectKey,
    /// The action as it would be carried out.
    pub action: Action,
    /// What the decision is bound to: the digest of the action, and it holds for nothing else. For a request to a model
    /// it is the digest of the model's name, and the decision holds for all requests of this run to that model.
    pub digest: ActionDigest,
    /// Why a person is asked: the rule that says so.
    pub reason: Said,
    /// One line for people: what would happen.
    pub summary: Said,
    /// After this it counts as denied.
    pub expires: Option<Timestamp>,
}

impl ApprovalRequest {
    /// An answer to this. Its kill epoch is filled in when it is put into the run's inbox.
    #[must_use]
    pub fn answer(
        &self,
        decision: Decision,
        by: impl Into<String>,
        reason: Option<String>,
    ) -> ApprovalAnswer {
        ApprovalAnswer {
            id: self.id,
            digest: self.digest,
            decision,
            by: by.into(),
            epoch: Epoch(0),
            reason,
            beforehand: None,
            inbox: None,
        }
    }

    /// Nobody may answer any more.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| now > expires)
    }
}

/// A decision.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The run ended before anybody answered.
    Withdrawn,
}

impl Decision {
    /// In a word, for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Decision::Approved => "approved",
            Decision::Denied => "denied",
            Decision::Expired => "expired",
            Decision::Withdrawn => "withdrawn",
        }
    }
}

/// A decision as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalAnswer {
    /// The approval.
    pub id: ApprovalId,
    /// The action that was shown.
    pub digest: ActionDigest,
    /// The decision.
    pub decision: Decision,
    /// Who decided: a name of the operating system or of the interface.
    pub by: String,
    /// The kill epoch when the decision was made: one from before a kill does not count after it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub epoch: Epoch,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// It was given before anybody was asked, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beforehand: Option<Beforehand>,
    /// The place of the answer in the run's inbox, so that it is taken once; none while it is on its way, and where no
    /// person answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox: Option<Seq>,
}

impl ApprovalAnswer {
    /// The decision, whose it is, and how it was given if not to the question itself: for people and for the card.
    #[must_use]
    pub fn words(&self) -> Said {
        decided(self.decision, &self.by, self.beforehand)
    }
}

fn is_first(epoch: &Epoch) -> bool {
    epoch.0 == 0
}

/// Who decides for nobody: what a person had set down before.
const THE_POLICY: &str = "the risk policy";

/// A decision and who made it, in words.
pub(crate) fn decided(decision: Decision, by: &str, beforehand: Option<Beforehand>) -> Said {
    let decision = Said::from(decision.word());
    let by = match by {
        "nobody" if decision == "expired" => return "expired by nobody".into(),
        by if decision == "expired" => return say!("expired by {by}", by),
        THE_POLICY => Value::from(Said::from(THE_POLICY)),
        name => name.into(),
    };
    match beforehand {
        None => say!("{decision} by {by}", decision, by),
        Some(how) => say!(
            "{decision} by {by} ({how})",
            decision,
            by,
            how = Said::from(how.words())
        ),
    }
}

/// An approval as lists show it (view `approvals`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRow {
    /// The run that waits.
    pub run: RunId,
    /// The question.
    pub request: ApprovalRequest,
    /// When it was asked.
    pub asked: Timestamp,
    /// The decision, once there is one.
    pub answer: Option<ApprovalAnswer>,
}
