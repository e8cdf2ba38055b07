//! Text in German and English, made comparable: however it was typed, whatever its endings, in one word or in two.
//!
//! Reading order: `normal` (one spelling), `words` (tokens), `stem` (without endings), `compound` (German words in one
//! piece), `concept` (other words for the same), `stop` (words that say nothing), `language` (which of both it is). A search over documents uses the same.

mod compound;
mod concept;
mod language;
mod normal;
mod stem;
mod stop;
mod words;

pub use compound::{is_base, parts};
pub use concept::{THESAURUS, concepts};
pub use language::guess;
pub use normal::{LONGEST, fold};
pub use stem::{stem_english, stem_german};
pub use stop::is_stop;
pub use words::{MOST_WORDS, words};
