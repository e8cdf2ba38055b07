//! A stage of the suite and how it went.

use super::skips::Skip;
use std::time::{Duration, Instant};

/// How many checks or tests went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Counts {
    /// A stage that is one check.
    pub(super) fn one(good: bool) -> Counts {
        Counts {
            passed: usize::from(good),
            failed: usize::from(!good),
            skipped: 0,
        }
    }
}

impl From<anyhow::Result<bool>> for Counts {
    fn from(result: anyhow::Result<bool>) -> Counts {
        if let Err(error) = &result {
            eprintln!("{error:#}");
        }
        Counts::one(result.unwrap_or(false))
    }
}

/// A stage that was run.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) counts: Counts,
    pub(super) skips: Vec<Skip>,
    pub(super) took: Duration,
}

impl Stage {
    /// A stage that could not run at all.
    pub(super) fn skipped(name: &'static str, skip: Skip) -> Stage {
        Stage {
            name,
            counts: Counts {
                skipped: 1,
                ..Counts::default()
            },
            skips: vec![skip],
            took: Duration::ZERO,
        }
    }
}

/// Runs a stage, says so, and takes its time.
pub(super) fn timed(name: &'static str, work: impl FnOnce() -> Counts) -> Stage {
    timed_with_skips(name, || (work(), Vec::new()))
}

/// As [`timed`], for a stage in which single tests may be skipped.
pub(super) fn timed_with_skips(
    name: &'static str,
    work: impl FnOnce() -> (Counts, Vec<Skip>),
) -> Stage {
    eprintln!("== {name}");
    let begun = Instant::now();
    let (counts, skips) = work();
    let took = begun.elapsed();
    let word = if counts.failed == 0 { "ok" } else { "FAILED" };
    eprintln!("== {name}: {word} ({:.1} s)", took.as_secs_f64());
    Stage {
        name,
        counts,
        skips,
        took,
    }
}
