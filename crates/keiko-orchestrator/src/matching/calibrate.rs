//! From features to probabilities: weights that are fitted to the registry's own examples, each held out in turn, and to
//! decisions that people made. The same examples give the same weights, in whatever order they come.

use super::features::{Features, LEARNED};
use super::newton::{Example, Group, choose, decide, sigmoid};
use serde::Serialize;

/// Inputs of the question whether the first one is right.
const SURE: usize = 10;
/// How many of these, from the front, are those of the question whether the right one is among those shown. The others tell
/// agents apart; of what is for nobody they make believe that it is for somebody.
const THERE: usize = 7;
/// Candidates that are weighed against each other.
pub(super) const COMPARED: usize = 12;

/// What the features weigh until examples say otherwise: round numbers.
const ORDER: [f64; LEARNED] = [4.0, 4.0, 5.0, 3.0, 1.0, 3.0];
/// What both questions are answered with while there are too few examples: what small registries (3 to 15 agents, 3 to 10
/// examples each), drawn from public sets, came to with tasks that a third of were for nobody.
const FIRST: [f64; SURE] = [-2.6, 0.7, 0.55, -0.7, -1.4, -0.2, 0.0, 0.0, -0.1, -0.45];
const SHOWN: [f64; THERE] = [-2.0, 0.6, 0.05, -0.1, -0.5, 0.2, 1.2];
/// Towards what their weights are drawn once there are enough: likeness as such, known words, and no length.
const TOWARDS_FIRST: [f64; SURE] = [-3.0, 0.2, 0.5, 2.0, 2.0, 2.0, 0.5, 0.0, 0.5, 0.0];
const TOWARDS_SHOWN: [f64; THERE] = [-2.0, 0.3, 0.1, 1.0, 2.0, 2.0, 1.0];
/// How firmly they are believed, in examples.
const BELIEF: f64 = 2.0;

/// Held-out examples from which on weights are fitted, and agents that they are of.
const ENOUGH: usize = 60;
const ENOUGH_AGENTS: usize = 5;
/// Starting values: from which probability on an agent is chosen without asking, or is worth showing.
pub(super) const AUTOMATIC: f64 = 0.60;
pub(super) const WORTH: f64 = 0.30;
/// How far the first must be before the second.
pub(super) const MARGIN: f64 = 0.10;
/// Of what is chosen without asking, this share is to be right among the held-out examples.
const PRECISION: f64 = 0.97;
/// Of tasks whose right agent would have been shown, so many in a hundred may be refused.
const REFUSED_PERCENT: usize = 4;
/// What is for nobody, as a share of all cases that calibration sees.
const NOBODY: f64 = 0.25;

/// The agents that come first for a task, in the order of their scores.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranking {
    /// Number of the agent, what speaks for it, and its score under the weights of the moment.
    pub(super) first: Vec<(usize, Features, f64)>,
    /// The share of the task's words that are known at all.
    pub(super) known: f64,
    /// Words of the task that say something.
    pub(super) words: usize,
}

/// A task of which the answer is known.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) ranking: Ranking,
    /// The right one; `None` when nobody is.
    pub(super) right: Option<usize>,
    /// How much it counts.
    pub(super) weight: f64,
}

/// What was fitted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Calibration {
    pub(super) order: [f64; LEARNED],
    first: [f64; SURE],
    shown: [f64; THERE],
    /// From which probability of the first on nobody is asked.
    pub(super) automatic: f64,
    /// From which probability of those shown on they are worth showing.
    pub(super) worth: f64,
    pub(super) quality: Quality,
}

/// How well an index finds its own examples, each held out in turn: what to expect of tasks that are worded like them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quality {
    /// False when there were too few cases to fit probabilities to: then they are starting values and say little.
    pub calibrated: bool,
    /// Tasks with a known answer that there were: examples held out, and decisions.
    pub cases: usize,
    /// The share of them whose right agent came first.
    pub first: f64,
    /// The share of them whose right agent was among the first three.
    pub among_three: f64,
}

impl Calibration {
    /// Before there is anything to fit to.
    pub(super) fn starting() -> Calibration {
        Calibration {
            order: ORDER,
            first: FIRST,
            shown: SHOWN,
            automatic: AUTOMATIC,
            worth: WORTH,
            quality: Quality::default(),
        }
    }

    pub(super) fn score(&self, features: &Features) -> f64 {
        let learned = features.learned();
        let sum: f64 = self
            .order
            .iter()
            .zip(learned)
            .map(|(weight, feature)| weight * feature)
            .sum();
        sum - features.taken()
    }

    /// Puts those that come first in the order of this calibration. Equal ones stay in the order of their names.
    pub(super) fn sort(&self, ranking: &mut Ranking) {
        for (_, features, score) in &mut ranking.first {
            *score = self.score(features);
        }
        ranking
            .first
            .sort_by(|left, right| right.2.total_cmp(&left.2).then(left.0.cmp(&right.0)));
    }

    /// Fitted to cases, or the starting values when there are too few.
    pub(super) fn fit(mut cases: Vec<Case>, agents: usize) -> Calibration {
        let mut fitted = Calibration::starting();
        let known = cases.iter().filter(|case| case.right.is_some()).count();
        let enough = known >= ENOUGH && agents >= ENOUGH_AGENTS;
        if enough {
            fitted.order = choose(&ORDER, BELIEF, &groups(&cases));
            for case in &mut cases {
                fitted.sort(&mut case.ranking);
            }
        }
        fitted.quality = quality(&cases, known, enough);
        if !enough {
            return fitted;
        }
        balance(&mut cases);
        let first = |case: &Case| case.right.is_some() && case.place() == Some(0);
        let shown = |case: &Case| case.place().is_some_and(|place| place < 3);
        fitted.first = decide(&TOWARDS_FIRST, BELIEF, &examples(&cases, first));
        fitted.shown = decide(&TOWARDS_SHOWN, BELIEF, &examples(&cases, shown));
        fitted.automatic = fitted.threshold(&cases);
        fitted.worth = fitted.lowest_worth(&cases);
        fitted
    }

    /// How likely the first is right, and how likely the right one is among the first three.
    pub(super) fn answers(&self, ranking: &Ranking) -> (f64, f64) {
        let inputs: [f64; SURE] = inputs(ranking);
        let answer = |weights: &[f64]| {
            let odds = weights
                .iter()
                .zip(inputs)
                .map(|(weight, input)| weight * input);
            sigmoid(odds.sum())
        };
        // Whatever was fitted: what the second is likely to be, the first is not; and it is not likelier than that somebody is.
        let second = shares(ranking).get(1).copied().unwrap_or_default();
        let shown = answer(&self.shown);
        (answer(&self.first).min(1.0 - second).min(shown), shown)
    }

    /// The probability that few of the tasks are below whose right agent would have been shown.
    fn lowest_worth(&self, cases: &[Case]) -> f64 {
        let found = cases
            .iter()
            .filter(|case| case.place().is_some_and(|place| place < 3));
        let mut judged: Vec<f64> = found.map(|case| self.answers(&case.ranking).1).collect();
        judged.sort_by(f64::total_cmp);
        let at = judged.len() * REFUSED_PERCENT / 100;
        judged
            .get(at)
            .map_or(WORTH, |probability| probability.clamp(WORTH, AUTOMATIC))
    }

    /// The lowest probability from which on the first is right often enough.
    fn threshold(&self, cases: &[Case]) -> f64 {
        let mut judged: Vec<(f64, bool, f64)> = cases
            .iter()
            .map(|case| {
                (
                    self.answers(&case.ranking).0,
                    case.place() == Some(0),
                    case.weight,
                )
            })
            .collect();
        judged.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        let (mut all, mut right, mut lowest) = (0.0, 0.0, 0.95);
        for (probability, is_right, weight) in judged {
            all += weight;
            // What came out and what was expected, half each: one wrong case among the surest does not decide.
            let came = if is_right { 1.0 } else { 0.0 };
            right += weight * (came + probability) / 2.0;
            if right >= PRECISION * all {
                lowest = probability;
            }
        }
        f64::clamp(lowest, AUTOMATIC, 0.99)
    }
}

impl Case {
    /// Where the right one stands.
    fn place(&self) -> Option<usize> {
        let right = self.right?;
        self.ranking
            .first
            .iter()
            .position(|(agent, ..)| *agent == right)
    }
}

fn quality(cases: &[Case], known: usize, calibrated: bool) -> Quality {
    let within = |most: usize| {
        let good = cases
            .iter()
            .filter(|case| case.place().is_some_and(|place| place < most));
        #[expect(clippy::cast_precision_loss, reason = "a few thousand cases")]
        let share = good.count() as f64 / known.max(1) as f64;
        share
    };
    Quality {
        calibrated,
        cases: known,
        first: within(1),
        among_three: within(3),
    }
}

/// Softmax shares of those that come first.
pub(super) fn shares(ranking: &Ranking) -> Vec<f64> {
    let highest = ranking.first.first().map_or(0.0, |(.., score)| *score);
    let powers: Vec<f64> = ranking
        .first
        .iter()
        .map(|(.., score)| (score - highest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// What a question is answered from: as many as it takes.
fn inputs<const N: usize>(ranking: &Ranking) -> [f64; N] {
    let all = all_inputs(ranking);
    std::array::from_fn(|at| all[at])
}

fn all_inputs(ranking: &Ranking) -> [f64; SURE] {
    let Some((_, features, score)) = ranking.first.first() else {
        let mut none = [0.0; SURE];
        none[..2].copy_from_slice(&[1.0, -20.0]);
        return none;
    };
    let second = ranking
        .first
        .get(1)
        .map_or(score - 3.0, |(.., score)| *score);
    #[expect(clippy::cast_precision_loss, reason = "few words")]
    let length = (1.0 + ranking.words as f64).ln();
    [
        1.0,
        score.clamp(-20.0, 20.0),
        (score - second).clamp(0.0, 4.0),
        shares(ranking)[0],
        features.best,
        features.centroid,
        ranking.known,
        length.min(4.0) - 1.5,
        features.bm25,
        features.likely.clamp(-10.0, 10.0),
    ]
}

/// The cases in which there is something to choose.
fn groups(cases: &[Case]) -> Vec<Group<LEARNED>> {
    let groups = cases.iter().filter_map(|case| {
        let right = case.place()?;
        Some(Group {
            of: case
                .ranking
                .first
                .iter()
                .map(|(_, features, _)| (features.learned(), -features.taken()))
                .collect(),
            right,
            weight: case.weight,
        })
    });
    groups.collect()
}

fn examples<const N: usize>(cases: &[Case], is: impl Fn(&Case) -> bool) -> Vec<Example<N>> {
    let examples = cases.iter().map(|case| Example {
        of: inputs(&case.ranking),
        yes: is(case),
        weight: case.weight,
    });
    examples.collect()
}

/// Lets what is for nobody count as the share of all that it is thought to have, however many such cases could be made.
fn balance(cases: &mut [Case]) {
    let sum = |nobody: bool| -> f64 {
        let some = cases.iter().filter(|case| case.right.is_none() == nobody);
        some.map(|case| case.weight).sum()
    };
    let (nobody, somebody) = (sum(true), sum(false));
    if nobody <= 0.0 {
        return;
    }
    let scale = somebody * NOBODY / (1.0 - NOBODY) / nobody;
    for case in cases.iter_mut().filter(|case| case.right.is_none()) {
        case.weight *= scale;
    }
}
