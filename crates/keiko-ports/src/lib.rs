//! The traits between the runtime and its adapters: async, object-safe, data in and data out.
//!
//! Nothing here implements anything. Cores do not see this crate.

pub mod journal;
pub mod live;
pub mod model;
pub mod perform;
pub mod reply;
pub mod shell;

pub use tokio_util::sync::CancellationToken as Cancel;
