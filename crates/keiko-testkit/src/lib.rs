//! Test doubles that speak the real wire formats: fake model servers with bad days, and a ledger that never forgets.
//! Beside them the cases that examinations of repositories are held to.

pub mod cases;
pub mod crash;
pub mod flaw;
pub mod ledger;
pub mod memory_journal;
pub mod models;
pub mod ports;
