//! How alike a task is to the texts of the agents, by their vectors.

use super::embed::{Form, Vector};
use super::postings::Postings;
use std::collections::BTreeMap;

/// Agents whose examples are looked at one by one where vectors are dense: those whose sum or card is nearest.
const LOOKED_AT: usize = 64;

/// The vectors of all documents, each of length 1, in a form that a query is fast in.
#[derive(Debug, Clone)]
pub(super) enum Space {
    Sparse {
        /// Weights by term and document.
        postings: Postings<f32>,
        /// How rare each term is, by its number.
        rarity: Vec<f32>,
        /// How rare one is that stands nowhere.
        unknown: f32,
    },
    Dense {
        size: usize,
        /// Row by row.
        rows: Vec<f32>,
        /// The sum of the examples of each agent, row by row.
        sums: Vec<f32>,
    },
}

/// Where the documents of an agent stand: its card, then its examples, then its counter-examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) card: usize,
    /// The first counter-example; examples stand between the card and it.
    pub(super) counter: usize,
    /// The first document of the next agent.
    pub(super) end: usize,
}

impl Place {
    pub(super) fn examples(self) -> std::ops::Range<usize> {
        self.card + 1..self.counter
    }
    pub(super) fn counters(self) -> std::ops::Range<usize> {
        self.counter..self.end
    }
}

/// How alike a query is to every document, and to the sum of every agent's examples (not of length 1).
#[derive(Debug)]
pub(super) struct Near {
    pub(super) documents: Vec<f32>,
    pub(super) sums: Vec<f32>,
}

impl Space {
    /// Of the documents' vectors, all of one kind. What is of another kind, or of another size, is alike to nothing.
    pub(super) fn of(vectors: &[Option<&Vector>], places: &[Place]) -> Space {
        let size = vectors.iter().flatten().find_map(|vector| match &vector.0 {
            Form::Dense(entries) => Some(entries.len()),
            Form::Sparse(_) => None,
        });
        match size {
            Some(size) => dense(vectors, places, size),
            None => sparse(vectors),
        }
    }

    pub(super) fn near(&self, query: &Vector, places: &[Place]) -> Near {
        let documents = places.last().map_or(0, |place| place.end);
        let mut near = Near {
            documents: vec![0.0; documents],
            sums: vec![0.0; places.len()],
        };
        match (self, &query.0) {
            (
                Space::Sparse {
                    postings,
                    rarity,
                    unknown,
                },
                Form::Sparse(entries),
            ) => {
                let mut length = 0.0;
                for (id, weight) in entries {
                    let Some(term) = postings.find(*id) else {
                        length += (weight * unknown).powi(2);
                        continue;
                    };
                    let weight = weight * rarity[term];
                    length += weight * weight;
                    for (document, there) in postings.at(term) {
                        near.documents[*document as usize] += weight * there;
                    }
                }
                let scale = inverse(length);
                near.documents.iter_mut().for_each(|dot| *dot *= scale);
                for (sum, place) in near.sums.iter_mut().zip(places) {
                    *sum = near.documents[place.examples()].iter().sum();
                }
            }
            (Space::Dense { size, rows, sums }, Form::Dense(entries)) if entries.len() == *size => {
                near_dense(&mut near, entries, (rows, sums), places);
            }
            _ => {}
        }
        near
    }

    /// How long the sum of each agent's examples is, squared.
    pub(super) fn lengths(&self, places: &[Place]) -> Vec<f32> {
        match self {
            Space::Dense { size, sums, .. } => sums
                .chunks(*size.max(&1))
                .map(|row| dot(row, row))
                .collect(),
            Space::Sparse { postings, .. } => {
                let mut owner = vec![usize::MAX; places.last().map_or(0, |place| place.end)];
                for (agent, place) in places.iter().enumerate() {
                    owner[place.examples()].fill(agent);
                }
                let mut lengths = vec![0.0; places.len()];
                for term in 0..postings.len() {
                    let mut sums: BTreeMap<usize, f32> = BTreeMap::new();
                    for (document, weight) in postings.at(term) {
                        *sums.entry(owner[*document as usize]).or_default() += weight;
                    }
                    for (agent, sum) in sums.into_iter().filter(|(agent, _)| *agent != usize::MAX) {
                        lengths[agent] += sum * sum;
                    }
                }
                lengths
            }
        }
    }
}

fn inverse(squared: f32) -> f32 {
    if squared > 0.0 && squared.is_finite() {
        1.0 / squared.sqrt()
    } else {
        0.0
    }
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    // Eight sums, so that the processor adds eight at a time.
    let mut sums = [0.0_f32; 8];
    let (wide_left, wide_right) = (left.chunks_exact(8), right.chunks_exact(8));
    let rest: f32 = wide_left
        .remainder()
        .iter()
        .zip(wide_right.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in wide_left.zip(wide_right) {
        for at in 0..8 {
            sums[at] += a[at] * b[at];
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn sparse(vectors: &[Option<&Vector>]) -> Space {
    let mut places = Vec::new();
    for (document, vector) in (0_u32..).zip(vectors) {
        let Some(Vector(Form::Sparse(entries))) = vector else {
            continue;
        };
        for (id, weight) in entries {
            places.push(((*id, document), *weight));
        }
    }
    let mut postings = Postings::of(places);
    #[expect(
        clippy::cast_precision_loss,
        reason = "fewer documents than a float counts"
    )]
    let rare = |standing: usize| ((vectors.len() as f32 + 1.0) / (standing as f32 + 0.5)).ln();
    let rarity: Vec<f32> = (0..postings.len())
        .map(|term| rare(postings.at(term).len()))
        .collect();
    let mut lengths = vec![0.0_f32; vectors.len()];
    for (term, rarity) in rarity.iter().enumerate() {
        for (document, weight) in postings.at_mut(term) {
            *weight *= rarity;
            lengths[*document as usize] += *weight * *weight;
        }
    }
    for term in 0..postings.len() {
        for (document, weight) in postings.at_mut(term) {
            *weight *= inverse(lengths[*document as usize]);
        }
    }
    Space::Sparse {
        postings,
        rarity,
        unknown: rare(1),
    }
}

fn dense(vectors: &[Option<&Vector>], places: &[Place], size: usize) -> Space {
    let mut rows = Vec::with_capacity(vectors.len() * size);
    for vector in vectors {
        match vector {
            Some(Vector(Form::Dense(entries))) if entries.len() == size => {
                let scale = inverse(dot(entries, entries));
                rows.extend(entries.iter().map(|entry| entry * scale));
            }
            _ => rows.extend(std::iter::repeat_n(0.0, size)),
        }
    }
    let mut sums = vec![0.0; places.len() * size];
    for (agent, place) in places.iter().enumerate() {
        for document in place.examples() {
            for at in 0..size {
                sums[agent * size + at] += rows[document * size + at];
            }
        }
    }
    Space::Dense { size, rows, sums }
}

fn near_dense(near: &mut Near, query: &[f32], (rows, sums): (&[f32], &[f32]), places: &[Place]) {
    let size = query.len();
    let scale = inverse(dot(query, query));
    let row = |of: &[f32], at: usize| scale * dot(query, &of[at * size..(at + 1) * size]);
    let mut order = Vec::with_capacity(places.len());
    for (agent, place) in places.iter().enumerate() {
        near.sums[agent] = row(sums, agent);
        near.documents[place.card] = row(rows, place.card);
        #[expect(
            clippy::cast_precision_loss,
            reason = "fewer examples than a float counts"
        )]
        let mean = near.sums[agent] / place.examples().len().max(1) as f32;
        order.push((mean.max(near.documents[place.card]), agent));
    }
    order.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    for (_, agent) in order.into_iter().take(LOOKED_AT) {
        let place = places[agent];
        for document in place.card + 1..place.end {
            near.documents[document] = row(rows, document);
        }
    }
}
