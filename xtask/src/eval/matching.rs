//! `cargo xtask eval matching`: whether tasks find their agent, with the built-in embedder, over sets made by hand or public ones.

mod sets;

use anyhow::{Context, Result};
use clap::Args;
use keiko_orchestrator::matching::{Band, Index, Match, Task};
use sets::Labelled;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How it is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// Tasks: lines of `{"text", "lang", "agent"}`, or JSON of splits (`{"test": [[text, class], …]}`)
    #[arg(long)]
    set: Option<PathBuf>,
    /// Profiles: JSON of profiles, of classes with utterances, or of splits, of which `train` is taken
    #[arg(long)]
    profiles: Option<PathBuf>,
    /// Which split of a file with splits is the tasks; those for nobody are taken from `oos_` and its name
    #[arg(long, default_value = "test")]
    split: String,
    /// Examples of each agent, at most
    #[arg(long)]
    examples: Option<usize>,
    /// Show each task that was answered wrongly
    #[arg(long)]
    wrong: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Least shares of the built-in embedder over our own set.
const TOP_1: f64 = 0.85;
const PRECISION: f64 = 0.95;

/// Measures; false when our own set is below its least shares.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let own = root.join("evals/matching");
    let profiles_path = options
        .profiles
        .clone()
        .unwrap_or_else(|| own.join("profiles.json"));
    let set_path = options
        .set
        .clone()
        .unwrap_or_else(|| own.join("tasks.jsonl"));
    let mut profiles = sets::profiles(&profiles_path)?;
    if let Some(most) = options.examples {
        profiles
            .iter_mut()
            .for_each(|profile| profile.examples.truncate(most));
    }
    let tasks = sets::tasks(&set_path, &options.split)?;
    let names: BTreeSet<&str> = profiles
        .iter()
        .map(|profile| profile.name.as_str())
        .collect();
    if let Some(unknown) = tasks
        .iter()
        .filter_map(|task| task.agent.as_deref())
        .find(|agent| !names.contains(agent))
    {
        anyhow::bail!("{}: there is no agent {unknown}", set_path.display());
    }
    let started = Instant::now();
    let index = Index::lexical(&profiles, &[]).context("the profiles")?;
    let built = started.elapsed();
    let started = Instant::now();
    let found: Vec<(&Labelled, Match)> = tasks
        .iter()
        .map(|task| (task, index.find_lexical(&Task::new(task.text.as_str()))))
        .collect();
    let asked = started.elapsed();
    let mut groups: BTreeMap<&str, Figures> = BTreeMap::new();
    for (task, found) in &found {
        groups.entry("all").or_default().count(task, found);
        if let Some(language) = task.lang.as_deref().filter(|_| task.agent.is_some()) {
            groups.entry(language).or_default().count(task, found);
        }
        if options.wrong {
            show_wrong(task, found);
        }
    }
    let quality = index.quality();
    if options.json {
        println!("{}", serde_json::to_string_pretty(&groups)?);
    } else {
        println!(
            "{} agents, {} examples, {} tasks; {}, {} examples held out: {:.1} % first, {:.1} % among three; built in {:.0} ms, {:.2} ms a task",
            profiles.len(),
            profiles
                .iter()
                .map(|profile| profile.examples.len())
                .sum::<usize>(),
            tasks.len(),
            if quality.calibrated {
                "calibrated"
            } else {
                "not calibrated"
            },
            quality.cases,
            100.0 * quality.first,
            100.0 * quality.among_three,
            built.as_secs_f64() * 1e3,
            asked.as_secs_f64() * 1e3 / tasks.len().max(1) as f64,
        );
        for (name, figures) in &groups {
            figures.print(name);
        }
    }
    let is_own = options.set.is_none() && options.profiles.is_none();
    let good = groups.iter().all(|(name, figures)| match *name {
        "all" => figures.automatic.share() >= PRECISION,
        _ => figures.top_1.share() >= TOP_1,
    });
    Ok(good || !is_own)
}

/// So many of so many.
#[derive(Default, Clone, Copy, serde::Serialize)]
struct Share {
    of: u32,
    good: u32,
}

impl Share {
    fn count(&mut self, good: bool) {
        self.of += 1;
        self.good += u32::from(good);
    }

    fn share(self) -> f64 {
        f64::from(self.good) / f64::from(self.of.max(1))
    }

    /// Wilson's interval of 95 %.
    fn interval(self) -> (f64, f64) {
        const Z: f64 = 1.96;
        let (n, p) = (f64::from(self.of.max(1)), self.share());
        let middle = p + Z * Z / (2.0 * n);
        let width = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        (
            ((middle - width) / scale).max(0.0),
            ((middle + width) / scale).min(1.0),
        )
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.of == 0 {
            return write!(f, "none");
        }
        let (low, high) = self.interval();
        write!(
            f,
            "{:5.1} % [{:.1}, {:.1}]  {} of {}",
            100.0 * self.share(),
            100.0 * low,
            100.0 * high,
            self.good,
            self.of
        )
    }
}

/// What came of the tasks of one group.
#[derive(Default, serde::Serialize)]
struct Figures {
    /// The right agent is the first, or among the first three; of tasks that have one.
    top_1: Share,
    top_3: Share,
    /// Of what was chosen without asking, what was right; tasks for nobody count as wrong.
    automatic: Share,
    /// Of tasks that have an agent, those chosen without asking, and those that were said to have none.
    chosen: Share,
    refused: Share,
    /// Of tasks for nobody, those that were said to be, and those given to somebody without asking.
    abstained: Share,
    taken: Share,
    /// How likely it was said to be that somebody is right, for tasks with an agent and for those without.
    #[serde(skip)]
    somebody: [Vec<f64>; 2],
    /// Mean difference of probability and truth, squared.
    brier: f64,
}

impl Figures {
    fn count(&mut self, task: &Labelled, found: &Match) {
        let first = found.candidates.first();
        let is_first =
            task.agent.is_some() && first.map(|first| &first.agent) == task.agent.as_ref();
        let automatic = found.band == Band::Automatic;
        match &task.agent {
            Some(agent) => {
                self.top_1.count(is_first);
                self.top_3.count(
                    found
                        .candidates
                        .iter()
                        .any(|candidate| candidate.agent == *agent),
                );
                self.chosen.count(automatic);
                self.refused.count(found.band == Band::Nobody);
            }
            None => {
                self.abstained.count(found.band == Band::Nobody);
                self.taken.count(automatic);
            }
        }
        self.somebody[usize::from(task.agent.is_none())].push(found.somebody);
        if automatic {
            self.automatic.count(is_first);
        }
        let probability = first.map_or(0.0, |first| first.probability);
        self.brier += (probability - f64::from(u8::from(is_first))).powi(2);
    }

    /// How often a task with an agent is said to have one more firmly than a task for nobody (the area under the curve).
    fn told_apart(&self) -> Option<f64> {
        let [some, none] = &self.somebody;
        let pairs = some.len() * none.len();
        let firmer = |with: f64| none.iter().filter(|without| **without < with).count();
        let right: usize = some.iter().map(|with| firmer(*with)).sum();
        (pairs > 0).then(|| right as f64 / pairs as f64)
    }

    fn print(&self, name: &str) {
        println!("\n{name}");
        println!("  top 1                           {}", self.top_1);
        println!("  top 3                           {}", self.top_3);
        println!("  precision when automatic        {}", self.automatic);
        println!("  of tasks with an agent: automatic {}", self.chosen);
        println!("                          refused   {}", self.refused);
        println!("  of tasks for nobody: refused    {}", self.abstained);
        println!("                       automatic  {}", self.taken);
        if let Some(told) = self.told_apart() {
            println!("  both told apart (area)          {told:.3}");
        }
        let all = self.top_1.of + self.abstained.of;
        println!(
            "  Brier score of the first        {:.3}",
            self.brier / f64::from(all.max(1))
        );
    }
}

fn show_wrong(task: &Labelled, found: &Match) {
    let first = found.candidates.first();
    let right = match &task.agent {
        Some(agent) => first.is_some_and(|first| first.agent == *agent),
        None => found.band == Band::Nobody,
    };
    if !right {
        let named: Vec<String> = found
            .candidates
            .iter()
            .map(|candidate| format!("{} {:.2}", candidate.agent, candidate.probability))
            .collect();
        let expected = task.agent.as_deref().unwrap_or("nobody");
        println!(
            "{:?}, not {expected}: {} <- {}",
            found.band,
            named.join(", "),
            task.text
        );
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn intervals_are_wilsons() {
        let (low, high) = Share { of: 100, good: 90 }.interval();
        assert!(
            (low - 0.826).abs() < 0.001 && (high - 0.945).abs() < 0.001,
            "{low} {high}"
        );
    }
}
