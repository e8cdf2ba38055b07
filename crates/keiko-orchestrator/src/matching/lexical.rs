//! How well the words of a task fit those of an agent: BM25, and how much likelier they are in its examples than in all.

use super::postings::Postings;
use super::terms::Term;
use std::collections::{BTreeMap, BTreeSet};

/// BM25: when a word said again stops counting.
const SATURATION: f32 = 1.2;
/// BM25: how much a long document is held back.
const LENGTH: f32 = 0.5;
/// Examples' worth of belief that an agent talks like all others.
const PRIOR: f32 = 1.5;
/// What an agent says of itself counts as this many examples.
const CARD: f32 = 1.0;

/// How often an agent says a term.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    /// In how many of its examples.
    examples: f32,
    /// How often in all, by weight.
    weight: f32,
}

/// The words of all agents.
#[derive(Debug, Clone)]
pub(super) struct Lexicon {
    postings: Postings<Said>,
    /// The share of documents that have each term.
    share: Vec<f32>,
    /// Examples of each agent.
    examples: Vec<f32>,
    /// Stems of each agent, by weight, and their mean.
    lengths: Vec<f32>,
    mean: f32,
    documents: f32,
}

/// How a task's words fit each agent.
#[derive(Debug)]
pub(super) struct Fit {
    /// The mean of how much likelier its terms are in the agent's examples, by the square root of their number.
    pub(super) likely: Vec<f32>,
    /// BM25, as a share of what a document that says nothing else would have.
    pub(super) bm25: Vec<f32>,
}

/// What is taken out of an agent's words: some of its examples, by the terms of each.
pub(super) struct Without<'a> {
    pub(super) agent: usize,
    pub(super) examples: Vec<&'a [Term]>,
}

impl Without<'_> {
    /// In how many of them a term is, and what it weighs there.
    fn said(&self, id: u32) -> Said {
        let mut said = Said::default();
        for example in &self.examples {
            if let Ok(at) = example.binary_search_by_key(&id, |term| term.id) {
                said.examples += 1.0;
                said.weight += example[at].weight;
            }
        }
        said
    }
}

impl Lexicon {
    /// Of each agent's card and examples, as terms.
    pub(super) fn of(agents: &[(Vec<Term>, Vec<Vec<Term>>)]) -> Lexicon {
        let mut said: BTreeMap<(u32, u32), Said> = BTreeMap::new();
        let mut lengths = vec![0.0; agents.len()];
        let mut examples = vec![0.0; agents.len()];
        for (number, (agent, (card, texts))) in (0_u32..).zip(agents.iter().enumerate()) {
            let all = texts
                .iter()
                .map(|text| (text, 1.0))
                .chain(std::iter::once((card, CARD)));
            for (text, count) in all {
                examples[agent] += count;
                for term in text {
                    let entry = said.entry((term.id, number)).or_default();
                    entry.examples += count;
                    entry.weight += term.weight;
                    if term.stem {
                        lengths[agent] += term.weight;
                    }
                }
            }
        }
        let postings = Postings::of(said.into_iter().collect());
        let documents = examples.iter().sum::<f32>().max(1.0);
        let share = |term| {
            postings
                .at(term)
                .iter()
                .map(|(_, said)| said.examples)
                .sum::<f32>()
                / documents
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "fewer agents than a float counts"
        )]
        let mean = lengths.iter().sum::<f32>() / agents.len().max(1) as f32;
        Lexicon {
            share: (0..postings.len()).map(share).collect(),
            postings,
            examples,
            lengths,
            mean: mean.max(1.0),
            documents,
        }
    }

    /// How rare a term is among agents.
    fn rarity(&self, agents: usize) -> f32 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "fewer agents than a float counts"
        )]
        let (all, having) = (self.examples.len() as f32, agents as f32);
        (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
    }

    pub(super) fn fit(&self, task: &[Term]) -> Fit {
        let mut weights = 0.0;
        let mut best = 0.0;
        let mut fit = Fit {
            likely: vec![0.0; self.examples.len()],
            bm25: vec![0.0; self.examples.len()],
        };
        for term in task {
            let Some(at) = self.postings.find(term.id) else {
                if term.stem {
                    best += term.weight * self.rarity(0);
                }
                continue;
            };
            weights += term.weight;
            let entries = self.postings.at(at);
            let rarity = self.rarity(entries.len());
            if term.stem {
                best += term.weight * rarity;
            }
            for (agent, said) in entries {
                let agent = *agent as usize;
                fit.likely[agent] += term.weight * self.likelier(at, *said);
                if term.stem {
                    fit.bm25[agent] += term.weight * rarity * self.saturated(agent, *said);
                }
            }
        }
        let scale = 1.0 / (1.0 + weights.sqrt());
        let share = if best > 0.0 { 1.0 / best } else { 0.0 };
        for (agent, (likely, bm25)) in fit.likely.iter_mut().zip(&mut fit.bm25).enumerate() {
            *likely = (*likely + weights * (PRIOR / (self.examples[agent] + PRIOR)).ln()) * scale;
            *bm25 *= share;
        }
        fit
    }

    /// The same for one agent, as if some of its examples were not there.
    pub(super) fn fit_without(&self, task: &[Term], without: &Without<'_>) -> (f32, f32) {
        let agent = without.agent;
        let place = u32::try_from(agent).unwrap_or(u32::MAX);
        let (mut weights, mut best, mut likely, mut bm25) = (0.0, 0.0, 0.0, 0.0);
        for term in task {
            let found = self.postings.find(term.id);
            let rarity = self.rarity(found.map_or(0, |at| self.postings.at(at).len()));
            if term.stem {
                best += term.weight * rarity;
            }
            let Some(at) = found else { continue };
            weights += term.weight;
            let Some(mut said) = self.postings.value(at, place) else {
                continue;
            };
            let own = without.said(term.id);
            said.examples = (said.examples - own.examples).max(0.0);
            said.weight = (said.weight - own.weight).max(0.0);
            likely += term.weight * self.likelier(at, said);
            if term.stem {
                bm25 += term.weight * rarity * self.saturated(agent, said);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "one or two")]
        let examples = (self.examples[agent] - without.examples.len() as f32).max(0.0);
        let likely =
            (likely + weights * (PRIOR / (examples + PRIOR)).ln()) / (1.0 + weights.sqrt());
        (likely, if best > 0.0 { bm25 / best } else { 0.0 })
    }

    /// How much likelier a term is in an agent's examples than if it were not in them at all.
    fn likelier(&self, term: usize, said: Said) -> f32 {
        let prior = PRIOR * self.share[term].max(0.5 / self.documents);
        ((said.examples + prior) / prior).ln()
    }

    fn saturated(&self, agent: usize, said: Said) -> f32 {
        let length = 1.0 - LENGTH + LENGTH * self.lengths[agent] / self.mean;
        said.weight / (said.weight + SATURATION * length)
    }

    /// Which share of the words that say what a task is about any agent says, but for the agent or the example left out.
    pub(super) fn known(
        &self,
        task: &[Term],
        without: Option<&Without<'_>>,
        no_agent: Option<usize>,
    ) -> f32 {
        let (mut all, mut known) = (0.0, 0.0);
        for term in task.iter().filter(|term| term.telling) {
            all += term.weight;
            let entries = self
                .postings
                .find(term.id)
                .map_or(&[][..], |at| self.postings.at(at));
            let said = entries.iter().any(|(agent, said)| {
                let agent = *agent as usize;
                let own = without.filter(|without| without.agent == agent);
                Some(agent) != no_agent
                    && own.is_none_or(|own| said.examples > own.said(term.id).examples)
            });
            if said {
                known += term.weight;
            }
        }
        if all > 0.0 { known / all } else { 0.0 }
    }

    /// Which of these an agent says, and how rare each is among agents.
    pub(super) fn says(&self, agent: usize, ids: &BTreeSet<u32>) -> Vec<(u32, f32)> {
        let place = u32::try_from(agent).unwrap_or(u32::MAX);
        let found = ids.iter().filter_map(|id| {
            let at = self.postings.find(*id)?;
            self.postings.value(at, place)?;
            Some((*id, self.rarity(self.postings.at(at).len())))
        });
        found.collect()
    }
}
