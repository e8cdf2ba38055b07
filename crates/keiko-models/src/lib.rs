//! Clients of language models: one sans-IO module per wire family, vendors as rows of data, one shared transport.
//!
//! [`router::Models`] is the [`keiko_ports::model::ChatModel`] that a shell wires up from [`config::ModelsConfig`].
//! [`replay`] records and replays any model's answers; [`scripted`] plays a file. One attempt per request: retries are
//! the caller's, and every fault says whether one may help.

pub mod config;
pub mod detect;
pub mod fault;
pub mod key;
pub mod price;
pub mod probe;
pub mod replay;
pub mod reply;
pub mod router;
pub mod scripted;
pub mod spoken;
pub mod sse;
pub mod tap;
pub mod transport;
pub mod vendor;
pub mod window;
pub mod wire;

pub use config::ModelsConfig;
pub use key::{ApiKey, Env};
pub use router::Models;
