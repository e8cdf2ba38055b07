//! Repositories of people, and the private clones in which runs work on them; results brought home.
//!
//! Reading order: [`workspace`] keeps the private clone of a run, its recorded trees and its dependencies; `recording` is
//! this same binary inside the jail, looking before git records; [`sandbox`] is the port that the runtime sees, and
//! `harness/` holds the reporters of tests that it puts in; [`home`] and [`push`] bring results out; [`space`]
//! gives back what is not needed any more. How a command is
//! isolated is the business of `keiko-sandbox`. This crate knows nothing of agents and of why something is done.

pub mod home;
pub mod push;
mod recording;
pub mod roles;
pub mod sandbox;
pub mod space;
pub mod workspace;
