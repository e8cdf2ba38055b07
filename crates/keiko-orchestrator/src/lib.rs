//! Which agent a task is for, and how sure that is.
//!
//! A core: synchronous, without IO, clock or randomness. Reading order: [`text`] (words of German and English),
//! [`matching`] (profiles, an index over them, and what it finds for a task).

pub mod matching;
pub mod plan;
pub mod text;
