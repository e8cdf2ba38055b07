//! What a rented machine costs.

pub mod rental;
pub mod week;
