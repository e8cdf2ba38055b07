//! Fitting weights: logistic regression, and the choice of one among several, drawn towards starting values. Newton's method
//! with a fixed number of steps, so that the same input gives the same weights.

/// Steps; more do not change anything that shows.
const STEPS: usize = 12;

/// A case of a question with yes or no.
#[derive(Debug, Clone)]
pub(super) struct Example<const N: usize> {
    pub(super) of: [f64; N],
    pub(super) yes: bool,
    pub(super) weight: f64,
}

/// A case of a choice: what is chosen from, each with what is added to its score whatever the weights, and the right one.
#[derive(Debug, Clone)]
pub(super) struct Group<const N: usize> {
    pub(super) of: Vec<([f64; N], f64)>,
    pub(super) right: usize,
    pub(super) weight: f64,
}

/// The probability of a log-odds.
pub(super) fn sigmoid(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds.clamp(-30.0, 30.0)).exp())
}

/// First and second derivatives of how well weights explain the cases.
struct Slope<const N: usize> {
    down: [f64; N],
    bend: [[f64; N]; N],
}

/// Weights for a question with yes or no.
pub(super) fn decide<const N: usize>(
    start: &[f64; N],
    belief: f64,
    examples: &[Example<N>],
) -> [f64; N] {
    newton(start, belief, |weights, slope| {
        for example in examples {
            let odds: f64 = weights
                .iter()
                .zip(example.of)
                .map(|(weight, input)| weight * input)
                .sum();
            let probability = sigmoid(odds);
            let error = example.weight * (f64::from(u8::from(example.yes)) - probability);
            let bend = example.weight * probability * (1.0 - probability);
            for row in 0..N {
                slope.down[row] += error * example.of[row];
                for column in 0..N {
                    slope.bend[row][column] += bend * example.of[row] * example.of[column];
                }
            }
        }
    })
}

/// Weights for a choice. None becomes negative: nothing that speaks for an agent comes to speak against it.
pub(super) fn choose<const N: usize>(
    start: &[f64; N],
    belief: f64,
    groups: &[Group<N>],
) -> [f64; N] {
    let weights = newton(start, belief, |weights, slope| {
        for group in groups {
            choice(weights, group, slope);
        }
    });
    weights.map(|weight| weight.max(0.0))
}

fn choice<const N: usize>(weights: &[f64; N], group: &Group<N>, slope: &mut Slope<N>) {
    let score = |(of, added): &([f64; N], f64)| -> f64 {
        added
            + weights
                .iter()
                .zip(of)
                .map(|(weight, input)| weight * input)
                .sum::<f64>()
    };
    let highest = group.of.iter().map(score).fold(f64::MIN, f64::max);
    let powers: Vec<f64> = group
        .of
        .iter()
        .map(|one| (score(one) - highest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    let mut mean = [0.0; N];
    for ((of, _), power) in group.of.iter().zip(&powers) {
        for at in 0..N {
            mean[at] += of[at] * power / sum;
        }
    }
    for (number, ((of, _), power)) in group.of.iter().zip(&powers).enumerate() {
        let share = group.weight * power / sum;
        for row in 0..N {
            if number == group.right {
                slope.down[row] += group.weight * (of[row] - mean[row]);
            }
            for column in 0..N {
                slope.bend[row][column] +=
                    share * (of[row] - mean[row]) * (of[column] - mean[column]);
            }
        }
    }
}

fn newton<const N: usize>(
    start: &[f64; N],
    belief: f64,
    cases: impl Fn(&[f64; N], &mut Slope<N>),
) -> [f64; N] {
    let mut weights = *start;
    for _ in 0..STEPS {
        let mut slope = Slope {
            down: [0.0; N],
            bend: [[0.0; N]; N],
        };
        cases(&weights, &mut slope);
        for row in 0..N {
            slope.down[row] -= belief * (weights[row] - start[row]);
            slope.bend[row][row] += belief;
        }
        let step = solve(slope.bend, slope.down);
        let longest = step
            .iter()
            .fold(0.0_f64, |longest, part| longest.max(part.abs()));
        // A step too far overshoots where the curve is flat.
        let scale = if longest > 3.0 { 3.0 / longest } else { 1.0 };
        for (weight, part) in weights.iter_mut().zip(step) {
            *weight += scale * part;
        }
    }
    weights
}

/// Solves `matrix * x = right` for a matrix that is symmetric and positive, by elimination.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    for pivot in 0..N {
        let of = matrix[pivot];
        for row in pivot + 1..N {
            let factor = matrix[row][pivot] / of[pivot];
            for column in pivot..N {
                matrix[row][column] -= factor * of[column];
            }
            right[row] -= factor * right[pivot];
        }
    }
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N)
            .map(|column| matrix[row][column] * right[column])
            .sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_made_the_examples() {
        // Of ten at x = 1 eight are yes, of ten at x = -1 two.
        let examples: Vec<Example<2>> = (0..20)
            .map(|number| {
                let x = if number < 10 { 1.0 } else { -1.0 };
                Example {
                    of: [1.0, x],
                    yes: !(8..18).contains(&number),
                    weight: 1.0,
                }
            })
            .collect();
        let [constant, slope] = decide(&[0.0, 0.0], 1e-6, &examples);
        assert!(
            constant.abs() < 1e-3 && (slope - 4.0_f64.ln()).abs() < 1e-3,
            "{constant} {slope}"
        );
        assert!((sigmoid(slope) - 0.8).abs() < 1e-3);
    }

    #[test]
    fn nothing_to_learn_from_leaves_the_start() {
        assert_eq!(decide(&[1.0, -2.0], 1.0, &[]), [1.0, -2.0]);
        assert_eq!(choose(&[1.0, 2.0], 1.0, &[]), [1.0, 2.0]);
    }

    #[test]
    fn what_can_be_told_apart_stays_finite() {
        let group = Group {
            of: vec![([1.0, 0.0], 0.0), ([0.0, 0.0], 0.0)],
            right: 0,
            weight: 1e6,
        };
        let weights = choose(&[0.0, 0.0], 0.5, &[group]);
        assert!(
            weights[0] > 3.0 && weights.iter().all(|weight| weight.is_finite()),
            "{weights:?}"
        );
    }
}
