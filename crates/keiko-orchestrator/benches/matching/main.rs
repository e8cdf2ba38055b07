//! What finding an agent among many costs, beyond making the task's vector: `cargo xtask bench matching`.

use keiko_orchestrator::matching::{Embedder, Index, Lexical, Profile, Task, Vector, Vectors};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const AGENTS: usize = 1_000;
const EXAMPLES: usize = 20;
/// Dimensions of a small embedding model.
const DIMENSIONS: usize = 384;
const TASKS: usize = 500;
const LIMIT: Duration = Duration::from_millis(2);

/// Numbers that are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }

    /// A word of a language of 8,000, some of them much more often than others.
    fn word(&mut self) -> String {
        let rank = self.below(8_000) * self.below(8_000) / 8_000;
        const PIECES: [&str; 20] = [
            "ver", "sicher", "rech", "nung", "plan", "ten", "ter", "min", "able", "tion", "re",
            "port", "con", "tract", "ma", "il", "ser", "vice", "or", "der",
        ];
        let (first, second, third) = (rank % 20, rank / 20 % 20, rank / 400 % 20);
        format!("{}{}{}", PIECES[first], PIECES[second], PIECES[third])
    }

    fn text(&mut self, own: &[String]) -> String {
        let length = 6 + self.below(10);
        let words = (0..length).map(|at| {
            if at % 3 == 0 {
                own[self.below(own.len())].clone()
            } else {
                self.word()
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Of a text, as a model outside would give it: the same each time, and alike for texts with common words.
struct Model;

impl Embedder for Model {
    fn revision(&self) -> &str {
        "bench"
    }

    fn embed(&self, text: &str) -> Vector {
        let mut sum = vec![0.0_f32; DIMENSIONS];
        for word in text.split(' ') {
            let seed = word.bytes().fold(7_u64, |seed, byte| {
                seed.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
            let mut numbers = Numbers(seed);
            for entry in &mut sum {
                #[expect(clippy::cast_precision_loss, reason = "below a thousand")]
                let number = numbers.below(1_000) as f32 / 500.0 - 1.0;
                *entry += number;
            }
        }
        Vector::dense(sum)
    }
}

fn main() -> ExitCode {
    let mut numbers = Numbers(42);
    let mut profiles = Vec::with_capacity(AGENTS);
    let mut tasks = Vec::with_capacity(TASKS);
    for number in 0..AGENTS {
        let own: Vec<String> = (0..12).map(|_| numbers.word()).collect();
        let examples = (0..EXAMPLES).map(|_| numbers.text(&own)).collect();
        if number % 2 == 0 {
            tasks.push(numbers.text(&own));
        }
        profiles.push(Profile {
            name: format!("agent-{number}"),
            description: numbers.text(&own),
            examples,
            keywords: own,
            ..Profile::default()
        });
    }
    let sparse = measure("built-in", &Lexical, &profiles, &tasks);
    let dense = measure("384 dimensions", &Model, &profiles, &tasks);
    if sparse.max(dense) <= LIMIT {
        ExitCode::SUCCESS
    } else {
        eprintln!("more than {LIMIT:?}");
        ExitCode::FAILURE
    }
}

/// The median of what finding takes, without the vector.
fn measure(
    name: &str,
    embedder: &dyn Embedder,
    profiles: &[Profile],
    tasks: &[String],
) -> Duration {
    let started = Instant::now();
    let vectors = Vectors::by(embedder, profiles);
    let embedded = started.elapsed();
    let started = Instant::now();
    let index = match Index::build(profiles, &[], &vectors, &|text| Some(embedder.embed(text))) {
        Ok(index) => index,
        Err(error) => {
            eprintln!("{error}");
            return Duration::MAX;
        }
    };
    let built = started.elapsed();
    let mut times = Vec::with_capacity(tasks.len());
    for text in tasks {
        let (task, vector) = (Task::new(text.as_str()), embedder.embed(text));
        let started = Instant::now();
        std::hint::black_box(index.find(&task, &vector));
        times.push(started.elapsed());
    }
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{name}: {AGENTS} agents x {EXAMPLES} examples: find {:?} (95 %: {:?}, longest {:?}); vectors {embedded:.1?}, index {built:.1?}",
        at(50),
        at(95),
        at(100),
    );
    at(50)
}
