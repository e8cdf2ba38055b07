//! The loop where it is: a goal, answers of a model and what comes of actions go in, one line per event comes out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod endings;
mod kit;
mod prompts;
mod resumed;
