//! Carrying out effects.

use crate::Cancel;
use crate::live::LiveSink;
use async_trait::async_trait;
use keiko_contracts::action::{
    HostAction, HostReport, Outcome, Probe, RunAction, RunRest, ToolAction, ToolReport,
};
use keiko_contracts::id::EffectKey;
use keiko_contracts::jail::{JailAction, JailReport};
use keiko_governance::permit::Permit;

/// An action that a port can carry out, with its report.
pub trait Act: Send + Sync + 'static {
    /// What comes of it.
    type Report: Send + 'static;
}
impl Act for JailAction {
    type Report = JailReport;
}
impl Act for HostAction {
    type Report = HostReport;
}
impl Act for ToolAction {
    type Report = ToolReport;
}
impl Act for RunAction {
    type Report = RunRest;
}

/// Carries out one kind of action. The permit is used up; there is no other way in.
#[async_trait]
pub trait Perform<A: Act>: Send + Sync {
    /// Carries it out. Stops soon after `cancel`, and then says [`Outcome::Cancelled`], or what it got to.
    async fn perform(
        &self,
        permit: Permit<A>,
        live: LiveSink,
        cancel: Cancel,
    ) -> Outcome<A::Report>;

    /// Finds out, after a crash, whether the effect with this key happened.
    async fn probe(&self, key: &EffectKey, action: &A) -> Probe<A::Report>;
}
