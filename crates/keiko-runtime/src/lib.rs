//! Drives the cores, performs effects through ports, holds leases, recovers after crashes.
//!
//! Modules as a DAG: [`drive`] -> [`effects`] -> [`gate`]; beside them [`fold`], [`hub`], [`inbox`], [`views`],
//! [`rebuild`] (views made anew), [`telemetry`]. It knows no HTTP and no vendor. Only `effects` turns an action into a deed, with a permit that
//! governance makes from an intent which `gate` has committed.

pub mod children;
pub mod drive;
pub mod effects;
pub mod fold;
pub mod gate;
pub mod homeward;
pub mod hub;
pub mod inbox;
pub mod ports;
pub mod rebuild;
pub mod scrub;
pub mod telemetry;
pub mod verify;
pub mod views;
