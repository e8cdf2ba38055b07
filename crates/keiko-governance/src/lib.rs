//! Who may do what: the risk policy, permits, approvals, budgets, redaction and the audit chain.
//!
//! Pure: no IO, no storage, no clock. Everything that could cause an effect passes [`policy::RiskPolicy::judge`]
//! first and needs a [`permit::Permit`] after, which only this crate can make, and only from an intent that a journal
//! handed out ([`kept::Kept`]).

pub mod approval;
pub mod budget;
pub mod chain;
pub mod class;
pub mod core;
pub mod intent;
pub mod kept;
pub mod label;
pub mod life;
pub mod permit;
pub mod policy;
pub mod redact;
