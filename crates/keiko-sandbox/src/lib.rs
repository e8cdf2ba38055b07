//! Isolate, run, limit; kernels; file and search operations inside the jail.
//!
//! Reading order: [`spec`] says what a jail is asked to run, [`jail`] finds out what this machine gives, [`run`] runs
//! commands under bubblewrap, `inner` is this same binary inside; [`worker`] is this same binary inside the jail too,
//! doing file and search operations ([`ops`]) and looking the workspace over ([`ops::survey`]); [`roles`] chooses between
//! them. [`kernel`] is the client of a Python kernel, [`egress`] the one way to the network, [`foreign`] reads what may be a
//! trap. This crate knows nothing of repositories, of agents, and of why something is done.

mod allowlist;
mod capture;
mod disk;
pub mod egress;
pub mod foreign;
mod identity;
mod inner;
pub mod jail;
pub mod kernel;
mod launch;
mod limits;
mod lockdown;
pub mod ops;
mod plan;
mod probe;
mod remedy;
pub mod roles;
pub mod run;
mod seccomp;
pub mod selftest;
pub mod spec;
mod start;
mod versions;
mod watch;
mod weight;
pub mod worker;
