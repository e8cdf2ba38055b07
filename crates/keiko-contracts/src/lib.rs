//! The data that everything shares: ids, events, actions, reports and wire types.
//!
//! A module per noun. No IO, no traits with IO, no clock, no randomness and no logic beyond parsing,
//! validating and rendering what is here. Whatever is written to the journal is defined in this crate,
//! so that its schema can be generated, committed and compared.

pub mod action;
pub mod agent;
pub mod agent_file;
pub mod approval;
pub mod asked;
pub mod code;
pub mod codes;
pub mod digest;
pub mod envelope;
pub mod evidence;
pub mod home;
pub mod id;
pub mod install;
mod invalid;
pub mod jail;
pub mod journal;
pub mod language;
pub mod model;
pub mod money;
pub mod note;
pub mod role;
pub mod run;
pub mod said;
pub mod stable;
pub mod start;
pub mod step;
pub mod time;
pub mod tool;
pub mod upcast;
