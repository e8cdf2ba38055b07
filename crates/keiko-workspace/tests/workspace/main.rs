//! Workspaces of runs, with real git and the real jail.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends it")]

mod apply;
mod bad_input;
mod cells;
mod going_on;
mod hostile;
mod kit;
mod opening;
mod operations;
mod prepare;
mod push;
mod reports;
mod reports_node;
