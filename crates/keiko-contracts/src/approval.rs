//! Approvals: a person's decision about one exact action.

use crate::action::{Action, ActionDigest};
use crate::id::{ApprovalId, EffectKey, RunId};
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
    /// Digest of the action: the decision holds for nothing else.
    pub digest: ActionDigest,
    /// Why a person is asked: the rule that says so.
    pub reason: String,
    /// One line for people: what would happen.
    pub summary: String,
    /// After this it counts as denied.
    pub expires: Option<Timestamp>,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Denied,
    /// Nobody answered in time.
    Expired,
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
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
