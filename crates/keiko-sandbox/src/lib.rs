//! Isolate, run, limit, snapshot, collect; kernels; file, search and git actions inside the jail.
//!
//! Reading order: [`spec`] says what a jail is asked to run, [`jail`] finds out what this machine gives, [`run`] runs
//! commands under bubblewrap, [`inner`] is this same binary inside; [`worker`] is this same binary inside the jail too,
//! doing file and search operations ([`ops`]) and looking the workspace over ([`survey`]), [`kernel`] is the client of a
//! Python kernel; [`workspace`] keeps the private clone of a run, [`egress`] the one way to the network, [`sandbox`] is the port that the runtime sees, [`home`]
//! and [`push`] bring results out. This crate knows nothing of agents and of why something is done.

mod allowlist;
mod capture;
mod disk;
pub mod egress;
mod foreign;
pub mod home;
mod identity;
pub mod inner;
pub mod jail;
pub mod kernel;
mod launch;
mod limits;
mod lockdown;
pub mod ops;
mod plan;
mod probe;
pub mod push;
pub mod recording;
mod remedy;
pub mod run;
pub mod sandbox;
mod seccomp;
pub mod selftest;
pub mod spec;
mod start;
mod versions;
pub mod watch;
mod weight;
pub mod worker;
pub mod workspace;
