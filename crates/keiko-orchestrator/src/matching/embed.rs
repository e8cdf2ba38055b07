//! Texts as vectors: by the built-in rules, or by a model outside whose vectors are handed in.

use super::profile::Profile;
use super::terms::{RULES, terms};
use keiko_contracts::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// A text as a point: what is alike points the same way.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(pub(super) Form);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// Few of very many dimensions, by number: what a text contains. An index weighs them by how rare they are.
    Sparse(Vec<(u32, f32)>),
    /// All of a few hundred dimensions: what a model makes of a text.
    Dense(Vec<f32>),
}

impl Vector {
    /// Of what a text contains: dimension and weight, in any order; the same dimension twice adds up. What is no number is 0.
    #[must_use]
    pub fn sparse(entries: impl IntoIterator<Item = (u32, f32)>) -> Vector {
        let mut sum: BTreeMap<u32, f32> = BTreeMap::new();
        for (at, weight) in entries {
            *sum.entry(at).or_default() += finite(weight);
        }
        Vector(Form::Sparse(
            sum.into_iter()
                .filter(|(_, weight)| *weight != 0.0)
                .collect(),
        ))
    }

    /// Of a model outside. What is no number is 0.
    #[must_use]
    pub fn dense(entries: Vec<f32>) -> Vector {
        Vector(Form::Dense(entries.into_iter().map(finite).collect()))
    }
}

/// Within what can be squared and added up.
fn finite(weight: f32) -> f32 {
    if weight.is_finite() {
        weight.clamp(-1e9, 1e9)
    } else {
        0.0
    }
}

/// What makes vectors of texts.
pub trait Embedder {
    /// Which model, which revision of it: vectors of different ones are not compared.
    fn revision(&self) -> &str;
    /// The text as a vector.
    fn embed(&self, text: &str) -> Vector;
}

/// The built-in one: which words, parts of words and pairs of words a text has. It needs no file and no model. Of other words for
/// the same it knows what stands in a small thesaurus of everyday words; beyond that, two texts without a common word or piece of
/// one have nothing in common, however alike their meaning.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lexical;

impl Embedder for Lexical {
    fn revision(&self) -> &str {
        &RULES
    }

    fn embed(&self, text: &str) -> Vector {
        Vector(Form::Sparse(
            terms(text)
                .into_iter()
                .map(|term| (term.id, term.weight))
                .collect(),
        ))
    }
}

/// The vectors of one embedder's revision, by content. Computed at registration, kept for the next index.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    revision: String,
    of: BTreeMap<Digest, Vector>,
}

impl Vectors {
    /// None yet, of this revision.
    #[must_use]
    pub fn new(revision: impl Into<String>) -> Vectors {
        Vectors {
            revision: revision.into(),
            of: BTreeMap::new(),
        }
    }

    /// Those of all texts of these profiles, by an embedder that answers at once.
    #[must_use]
    pub fn by(embedder: &dyn Embedder, profiles: &[Profile]) -> Vectors {
        let mut vectors = Vectors::new(embedder.revision());
        for text in vectors.missing(profiles) {
            vectors.put(&text, embedder.embed(&text));
        }
        vectors
    }

    /// Which model they are of.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Under what the vector of a text is kept: a digest of revision and content.
    #[must_use]
    pub fn key(&self, text: &str) -> Digest {
        Digest::of(format!("{}\0{}\0{text}", self.revision.len(), self.revision).as_bytes())
    }

    /// Texts of these profiles that have no vector yet, each once.
    #[must_use]
    pub fn missing(&self, profiles: &[Profile]) -> Vec<String> {
        let texts: BTreeSet<String> = profiles.iter().flat_map(Profile::texts).collect();
        texts
            .into_iter()
            .filter(|text| self.get(text).is_none())
            .collect()
    }

    /// Keeps the vector of a text.
    pub fn put(&mut self, text: &str, vector: Vector) {
        self.of.insert(self.key(text), vector);
    }

    /// Forgets those of texts that no profile has any more.
    pub fn keep_only(&mut self, profiles: &[Profile]) {
        let keys: BTreeSet<Digest> = profiles
            .iter()
            .flat_map(Profile::texts)
            .map(|text| self.key(&text))
            .collect();
        self.of.retain(|key, _| keys.contains(key));
    }

    /// The vector of a text.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<&Vector> {
        self.of.get(&self.key(text))
    }
}
