//! A small stock keeper.

pub mod label;
pub mod stock;
