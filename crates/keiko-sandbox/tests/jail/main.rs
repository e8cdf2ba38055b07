//! Real commands in real jails: what must work does, and what must not does not.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the message; clippy excepts only the test functions themselves"
)]

mod bounds;
mod egress;
mod escapes;
mod kit;
mod works;
