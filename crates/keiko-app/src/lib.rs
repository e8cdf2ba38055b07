//! Everything that a person can do with Keiko, as functions over data.
//!
//! A face, such as the command line, reads what somebody wants, calls one function of this crate, and shows what comes back.
//! Nothing is shown here and nobody is asked here: what happens meanwhile is told to a function that the face gives, and a
//! run that goes on is a handle that yields what happens ([`going::Going`]).
//!
//! Reading order: [`wiring`] puts everything together in [`Keiko`]; [`start`] and [`resume`] make a run ready, [`going`] drives
//! it; the others are one thing that a person can do each.

pub mod agents;
pub mod apply;
pub mod approvals;
pub mod cancel;
pub mod change;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod events;
pub mod examine;
pub mod folder;
pub mod goal;
pub mod going;
pub mod home;
pub mod installing;
pub mod kill;
pub mod language;
pub mod memory;
pub mod models;
pub mod plan;
pub mod prune;
pub mod resume;
pub mod retention;
pub mod runs;
pub mod settings;
pub mod start;
pub mod verify;
pub mod wiring;

mod find;
mod halt;
mod holders;
mod holdings;
mod random;
mod roles;
mod rows;
mod sample;
mod scripts;

pub use roles::inner;
pub use wiring::Keiko;
