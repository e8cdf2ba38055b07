//! All agents, ready to be looked through. An index does not change: a new registry is a new index, which callers swap in whole.

use super::calibrate::{COMPARED, Calibration, Case, MARGIN, Quality, Ranking, shares};
use super::embed::{Embedder, Lexical, Vector, Vectors};
use super::features::Features;
use super::found::{Band, Candidate, Match};
use super::lexical::{Fit, Lexicon, Without};
use super::profile::{Decision, Profile, Task};
use super::reasons::{self, Speaks};
use super::space::{Near, Place, Space};
use super::terms::{Term, terms};
use crate::text::guess;
use keiko_contracts::language::Language;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::collections::BTreeMap;

/// Candidates that a match names.
const NAMED: usize = 3;
/// Examples that are held out in turn, at most; of more, as many are taken from each agent in turn.
const HELD_OUT: usize = 1_500;
/// Of as many examples of an agent, the nearest to the one held out is held out, too.
const NEAREST_TOO: usize = 5;
/// What the decision of a person counts, in held-out examples.
const DECIDED: f64 = 2.0;

/// Why no index can be made of profiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidProfiles {
    /// Two have the same name.
    Twice(String),
}

impl InvalidProfiles {
    /// As a sentence.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            InvalidProfiles::Twice(agent) => say!("there are two agents named {agent}", agent),
        }
    }
}

keiko_contracts::said_is_error!(InvalidProfiles);

/// All agents, ready to be looked through: share it in an `Arc`, and swap that when the registry changes.
#[derive(Debug, Clone)]
pub struct Index {
    /// By name.
    profiles: Vec<Profile>,
    places: Vec<Place>,
    space: Space,
    lengths: Vec<f32>,
    lexicon: Lexicon,
    /// What language each document is in.
    languages: Vec<Language>,
    calibration: Calibration,
}

/// What is left out while an example is judged as if it were a task.
enum Held<'a> {
    Nothing,
    /// These examples of an agent: the one that is the task now, and maybe its nearest.
    Examples(Vec<usize>, Without<'a>),
    /// This agent.
    Agent(usize),
}

impl Index {
    /// Of profiles, by the built-in embedder.
    ///
    /// # Errors
    /// [`InvalidProfiles`] when two agents have one name.
    pub fn lexical(profiles: &[Profile], decisions: &[Decision]) -> Result<Index, InvalidProfiles> {
        Index::build(
            profiles,
            decisions,
            &Vectors::by(&Lexical, profiles),
            &|text| Some(Lexical.embed(text)),
        )
    }

    /// Of profiles and their vectors. `decided` gives the vectors of the decisions' texts; those without one do not count.
    /// What has no vector is compared by its words alone.
    ///
    /// # Errors
    /// [`InvalidProfiles`] when two agents have one name.
    pub fn build(
        profiles: &[Profile],
        decisions: &[Decision],
        vectors: &Vectors,
        decided: &dyn Fn(&str) -> Option<Vector>,
    ) -> Result<Index, InvalidProfiles> {
        let profiles = in_order(profiles)?;
        let mut places = Vec::with_capacity(profiles.len());
        let mut documents = Vec::new();
        let mut said = Vec::with_capacity(profiles.len());
        let mut languages = Vec::new();
        for profile in &profiles {
            let card = documents.len();
            let counter = card + 1 + profile.examples.len();
            let end = counter + profile.counter_examples.len();
            places.push(Place { card, counter, end });
            documents.extend(profile.texts().map(|text| vectors.get(&text)));
            // What shows no language is taken for the one that most is written in.
            languages.extend(
                profile
                    .texts()
                    .map(|text| guess(&text).unwrap_or(Language::English)),
            );
            let examples = profile
                .examples
                .iter()
                .map(|text| terms(text))
                .collect::<Vec<_>>();
            said.push((terms(&profile.card()), examples));
        }
        let space = Space::of(&documents, &places);
        let mut index = Index {
            lengths: space.lengths(&places),
            lexicon: Lexicon::of(&said),
            profiles,
            places,
            space,
            languages,
            calibration: Calibration::starting(),
        };
        let mut cases = index.held_out(vectors, &said);
        cases.extend(index.decided(decisions, decided));
        index.calibration = Calibration::fit(cases, index.profiles.len());
        Ok(index)
    }

    /// The agents, by name.
    #[must_use]
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// How well it finds its own examples: what it can be believed.
    #[must_use]
    pub fn quality(&self) -> Quality {
        self.calibration.quality
    }

    /// Whom a task is for, by the built-in embedder.
    #[must_use]
    pub fn find_lexical(&self, task: &Task) -> Match {
        self.find(task, &Lexical.embed(&task.text))
    }

    /// Whom a task is for, given its vector by the embedder whose vectors the index was built with.
    #[must_use]
    pub fn find(&self, task: &Task, vector: &Vector) -> Match {
        let terms = terms(&task.text);
        let near = self.space.near(vector, &self.places);
        let fit = self.lexicon.fit(&terms);
        let mut ranking = self.rank(task, &terms, (&near, &fit), &Held::Nothing);
        self.calibration.sort(&mut ranking);
        let (first, somebody) = self.calibration.answers(&ranking);
        let probabilities = probabilities(&ranking, first, somebody);
        let candidates: Vec<Candidate> = ranking.first[..probabilities.len()]
            .iter()
            .zip(&probabilities)
            .map(|((agent, features, _), probability)| Candidate {
                agent: self.profiles[*agent].name.clone(),
                probability: *probability,
                features: *features,
                reasons: self.reasons(*agent, task, features, &near),
            })
            .collect();
        let band = self.band(&ranking, first, somebody);
        let reasons = reasons::of_band(
            band,
            &candidates,
            self.calibration.quality.calibrated,
            ranking.known,
        );
        Match {
            candidates,
            band,
            somebody,
            calibrated: self.calibration.quality.calibrated,
            reasons,
        }
    }

    /// What speaks for an agent that somebody chose themselves, and how likely it would have been; `None` when there is no such
    /// agent. A choice changes who does a task, and nothing about what they may do.
    #[must_use]
    pub fn chosen(&self, task: &Task, vector: &Vector, agent: &str) -> Option<Candidate> {
        let found = self.find(task, vector);
        if let Some(named) = found
            .candidates
            .into_iter()
            .find(|candidate| candidate.agent == agent)
        {
            return Some(named);
        }
        let number = self
            .profiles
            .binary_search_by(|profile| profile.name.as_str().cmp(agent))
            .ok()?;
        let terms = terms(&task.text);
        let near = self.space.near(vector, &self.places);
        let fit = self.lexicon.fit(&terms);
        let features = self.features(number, task, &terms, (&near, &fit), &Held::Nothing);
        Some(Candidate {
            agent: agent.to_owned(),
            // Less than each of those that are named; how much less is not known.
            probability: 0.0,
            features,
            reasons: self.reasons(number, task, &features, &near),
        })
    }

    fn band(&self, ranking: &Ranking, first: f64, somebody: f64) -> Band {
        let shares = shares(ranking);
        let share = |at: usize| shares.get(at).copied().unwrap_or_default();
        if shares.is_empty() || somebody < self.calibration.worth {
            Band::Nobody
        } else if first >= self.calibration.automatic && share(0) - share(1) >= MARGIN {
            Band::Automatic
        } else {
            Band::Choose
        }
    }

    fn reasons(&self, agent: usize, task: &Task, features: &Features, near: &Near) -> Vec<Said> {
        let place = self.places[agent];
        let profile = &self.profiles[agent];
        let nearest = |documents: std::ops::Range<usize>| {
            documents.max_by(|left, right| {
                near.documents[*left]
                    .total_cmp(&near.documents[*right])
                    .then(right.cmp(left))
            })
        };
        let example =
            nearest(place.examples()).map(|at| profile.examples[at - place.card - 1].as_str());
        let counter = nearest(place.counters())
            .map(|at| profile.counter_examples[at - place.counter].as_str());
        reasons::of_candidate(&Speaks {
            task,
            profile,
            features,
            met: reasons::met(&task.text, |ids| self.lexicon.says(agent, ids)),
            example,
            counter,
        })
    }

    /// What speaks for each agent, and those that come first by it.
    fn rank(
        &self,
        task: &Task,
        terms: &[Term],
        (near, fit): (&Near, &Fit),
        held: &Held<'_>,
    ) -> Ranking {
        let mut first: Vec<(usize, Features, f64)> = (0..self.profiles.len())
            .filter(|agent| !matches!(held, Held::Agent(held) if held == agent))
            .map(|agent| {
                let features = self.features(agent, task, terms, (near, fit), held);
                (agent, features, self.calibration.score(&features))
            })
            .collect();
        let order = |left: &(usize, Features, f64), right: &(usize, Features, f64)| {
            right.2.total_cmp(&left.2).then(left.0.cmp(&right.0))
        };
        if first.len() > COMPARED {
            first.select_nth_unstable_by(COMPARED, order);
            first.truncate(COMPARED);
        }
        first.sort_by(order);
        let (without, no_agent) = match held {
            Held::Nothing => (None, None),
            Held::Examples(_, without) => (Some(without), None),
            Held::Agent(agent) => (None, Some(*agent)),
        };
        Ranking {
            first,
            known: f64::from(self.lexicon.known(terms, without, no_agent)),
            words: terms.iter().filter(|term| term.telling).count(),
        }
    }

    fn features(
        &self,
        agent: usize,
        task: &Task,
        terms: &[Term],
        (near, fit): (&Near, &Fit),
        held: &Held<'_>,
    ) -> Features {
        let place = self.places[agent];
        let profile = &self.profiles[agent];
        let own = match held {
            Held::Examples(documents, without) if without.agent == agent => {
                Some((documents.as_slice(), without))
            }
            _ => None,
        };
        let left_out = own.map_or(&[][..], |(documents, _)| documents);
        let mut nearest = [0.0_f32; 3];
        for document in place
            .examples()
            .filter(|document| !left_out.contains(document))
        {
            let mut alike = near.documents[document];
            for place in &mut nearest {
                if alike > *place {
                    std::mem::swap(&mut alike, place);
                }
            }
        }
        let (mut sum, mut length) = (near.sums[agent], self.lengths[agent]);
        for document in left_out {
            // Exact for the example that is the task; its nearest is taken to be as near to the others as it is.
            let alike = near.documents[*document];
            length += alike - 2.0 * sum;
            sum -= alike;
        }
        let counters = place.counters().map(|document| near.documents[document]);
        let counter = counters.fold(0.0, f32::max);
        let (likely, bm25) = match own {
            Some((_, without)) => self.lexicon.fit_without(terms, without),
            None => (fit.likely[agent], fit.bm25[agent]),
        };
        let kept = place
            .examples()
            .len()
            .saturating_sub(left_out.len())
            .clamp(1, 3);
        #[expect(clippy::cast_precision_loss, reason = "at most three")]
        let near_three = nearest.iter().sum::<f32>() / kept as f32;
        let number = |value: f32| {
            if value.is_finite() {
                f64::from(value)
            } else {
                0.0
            }
        };
        Features {
            best: number(nearest[0]),
            near: number(near_three),
            centroid: number(if length > 1e-6 {
                sum / length.sqrt()
            } else {
                0.0
            }),
            card: number(near.documents[place.card]),
            likely: number(likely),
            bm25: number(bm25),
            capability: capability(task, profile),
            language: f64::from(u8::from(task.language.is_none_or(|language| {
                profile.languages.is_empty() || profile.languages.contains(&language)
            }))),
            counter: number(counter),
        }
    }

    /// Examples as tasks, each as if it were not there; and as if its whole agent were not there, so that nobody is right.
    fn held_out(&self, vectors: &Vectors, said: &[(Vec<Term>, Vec<Vec<Term>>)]) -> Vec<Case> {
        let mut cases = Vec::new();
        let most = self
            .profiles
            .iter()
            .map(|profile| profile.examples.len())
            .max()
            .unwrap_or_default();
        let each = (HELD_OUT / self.profiles.len().max(1)).clamp(1, most.max(1));
        for (agent, profile) in self.profiles.iter().enumerate() {
            let examples = profile.examples.len();
            // Spread over all of them, when these are more than are held out.
            let taken = each.min(examples);
            for number in (0..taken).map(|turn| turn * examples / taken) {
                let text = &profile.examples[number];
                let Some(vector) = vectors.get(text) else {
                    continue;
                };
                let terms = &said[agent].1[number];
                let near = self.space.near(vector, &self.places);
                let fit = self.lexicon.fit(terms);
                let task = Task::new(text.as_str());
                let as_task = self.without(agent, number, &near, &said[agent].1);
                if examples > 1 {
                    cases.push(Case {
                        ranking: self.rank(&task, terms, (&near, &fit), &as_task),
                        right: Some(agent),
                        weight: 1.0,
                    });
                }
                if self.profiles.len() > 1 {
                    cases.push(Case {
                        ranking: self.rank(&task, terms, (&near, &fit), &Held::Agent(agent)),
                        right: None,
                        weight: 1.0,
                    });
                }
            }
        }
        cases
    }

    /// An example out of the way, and where there are enough, the nearest to it of each language too: people word a task less
    /// alike to the examples than whoever wrote these worded one alike to the next, or translated it.
    fn without<'a>(
        &self,
        agent: usize,
        number: usize,
        near: &Near,
        said: &'a [Vec<Term>],
    ) -> Held<'a> {
        let first = self.places[agent].card + 1;
        let mut left_out = vec![number];
        if said.len() >= NEAREST_TOO {
            let mut nearest: BTreeMap<Language, usize> = BTreeMap::new();
            for other in (0..said.len()).filter(|other| *other != number) {
                let best = nearest
                    .entry(self.languages[first + other])
                    .or_insert(other);
                if near.documents[first + other] > near.documents[first + *best] {
                    *best = other;
                }
            }
            left_out.extend(nearest.into_values());
        }
        let examples = left_out
            .iter()
            .map(|number| said[*number].as_slice())
            .collect();
        let documents = left_out.iter().map(|number| first + number).collect();
        Held::Examples(documents, Without { agent, examples })
    }

    /// Decisions of people as cases. Of an agent that is not there any more, nobody is right.
    fn decided(
        &self,
        decisions: &[Decision],
        vector: &dyn Fn(&str) -> Option<Vector>,
    ) -> Vec<Case> {
        let numbers: BTreeMap<&str, usize> = self
            .profiles
            .iter()
            .enumerate()
            .map(|(at, profile)| (profile.name.as_str(), at))
            .collect();
        let mut sorted: Vec<&Decision> = decisions.iter().collect();
        sorted.sort_by(|left, right| (&left.text, &left.agent).cmp(&(&right.text, &right.agent)));
        let cases = sorted.into_iter().filter_map(|decision| {
            let terms = terms(&decision.text);
            let near = self.space.near(&vector(&decision.text)?, &self.places);
            let fit = self.lexicon.fit(&terms);
            let task = Task::new(decision.text.as_str());
            Some(Case {
                ranking: self.rank(&task, &terms, (&near, &fit), &Held::Nothing),
                right: decision
                    .agent
                    .as_deref()
                    .and_then(|agent| numbers.get(agent).copied()),
                weight: DECIDED,
            })
        });
        cases.collect()
    }
}

/// The profiles by name, each with its examples once and in one order: what they were given in changes nothing.
fn in_order(profiles: &[Profile]) -> Result<Vec<Profile>, InvalidProfiles> {
    let mut sorted = profiles.to_vec();
    sorted.sort_by(|left, right| left.name.cmp(&right.name));
    for profile in &mut sorted {
        for texts in [&mut profile.examples, &mut profile.counter_examples] {
            texts.sort();
            texts.dedup();
        }
    }
    match sorted.windows(2).find(|two| two[0].name == two[1].name) {
        Some(two) => Err(InvalidProfiles::Twice(two[0].name.clone())),
        None => Ok(sorted),
    }
}

fn capability(task: &Task, profile: &Profile) -> f64 {
    if task.wanted.is_empty() {
        return 1.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "few capabilities")]
    let share =
        task.wanted.intersection(&profile.capabilities).count() as f64 / task.wanted.len() as f64;
    share
}

/// What each of the first three is likely to be: the first as calibrated, the others by their shares of what is left.
fn probabilities(ranking: &Ranking, first: f64, somebody: f64) -> Vec<f64> {
    let shares = shares(ranking);
    let named = &shares[..shares.len().min(NAMED)];
    let others: f64 = named.iter().skip(1).sum();
    let rest = (somebody - first).max(0.0);
    let of = |(at, share): (usize, &f64)| match at {
        0 => first,
        _ if others > 0.0 => (rest * share / others).min(first),
        _ => 0.0,
    };
    named.iter().enumerate().map(of).collect()
}
