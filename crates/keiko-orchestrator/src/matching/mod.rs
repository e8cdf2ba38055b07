//! Which agent a task is for, how sure that is, and why.
//!
//! Reading order: [`Profile`] and [`Task`] (what is compared), [`Embedder`] (texts as vectors; `terms` is the built-in one's),
//! `space` and `lexical` (how alike they are), [`Features`], `calibrate` (from features to probabilities), [`Index`].

mod calibrate;
mod embed;
mod features;
mod found;
mod index;
mod lexical;
mod newton;
mod postings;
mod profile;
mod reasons;
mod space;
mod terms;

pub use calibrate::Quality;
pub use embed::{Embedder, Lexical, Vector, Vectors};
pub use features::Features;
pub use found::{Band, Candidate, Match};
pub use index::{Index, InvalidProfiles};
pub use profile::{Decision, Profile, Task};
