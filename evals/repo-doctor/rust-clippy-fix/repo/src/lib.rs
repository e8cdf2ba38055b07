//! A waiting room.

pub mod queue;
pub mod ticket;
