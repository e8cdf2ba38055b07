//! The journal on SQLite: events, blobs, views, leases and kills in one file that many processes share.
//!
//! One thread per process writes. It gathers the requests that are waiting into one transaction, so that one sync of
//! the medium serves them all, and acknowledges each only after the commit. Readers work in short pages on connections
//! of their own: an open read transaction would keep SQLite from shortening its write-ahead log.
//!
//! Beside `FILE` lie `FILE-wal` and `FILE-shm`, which belong to it, and `FILE.anchor`, which says how far the journal
//! had come: a hash chain alone cannot show that its tail was cut off. `FILE.workers` has a locked file for each process
//! that drives a run.

mod anchor;
mod check;
mod commit;
mod connection;
mod epoch;
mod fault;
mod journal;
mod kill;
mod lease;
mod own;
mod presence;
mod queue;
mod read;
mod schema;
mod tail;
mod tx;
mod view;
mod writer;

pub use anchor::missing;
pub use check::Finding;
pub use connection::{Faults, Options};
pub use fault::OpenError;
pub use journal::SqliteJournal;
pub use writer::Stats;
