//! One agent's loop as a durable core: conversation, bounded context, tools, state ledger, test-debug-refine.
//!
//! Synchronous; no IO, no clock, no randomness. It does not know vendors or HTTP. Whatever it wants done it says as
//! an intent; what came of it comes back as an input.
//!
//! Reading order: [`state`] is the fold, [`decide`](mod@decide) the loop, `calls` turns calls into actions, `judge` starts them,
//! `harness` does what nobody asked for,
//! `ending` looks for evidence, [`honesty`] reads the change, [`words`] reads answers without calls, [`cutoff`] and [`window`] keep to what a model can write and
//! read, [`prompt`] renders requests.

mod calls;
pub mod conversation;
pub mod cutoff;
pub mod decide;
pub mod definition;
pub mod describe;
mod draft;
mod durable;
mod ending;
pub mod evidence;
mod goal;
pub mod guard;
mod harness;
pub mod honesty;
mod install;
mod judge;
mod leave;
pub mod ledger;
pub mod native;
pub mod prompt;
pub mod protect;
mod resolve;
pub mod row;
pub mod state;
mod suspicion;
pub mod tools;
mod unsaid;
pub mod window;
pub mod words;
