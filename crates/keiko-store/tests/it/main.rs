//! The journal on SQLite, as callers and as misfortune meet it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets an error has failed"
)]

mod fixture;
mod recording_vfs;

mod commits;
mod damage;
mod opening;
mod power_cut;
mod processes;
mod reading;
mod shortage;
