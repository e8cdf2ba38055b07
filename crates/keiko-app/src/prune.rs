//! Giving back the space of runs that have ended, and of installed dependencies that nothing used for long.
//!
//! What may go is decided in `keiko_workspace::space`; here it is looked at and carried out.

use crate::holdings::{Gathered, gather};
use crate::retention::{Age, Bytes};
use crate::wiring::Keiko;
use keiko_contracts::code::Fault;
use keiko_contracts::id::RunId;
use keiko_contracts::time::Timestamp;
use keiko_ports::shell::{Clock as _, SystemClock};
use keiko_workspace::space::{Patience, Rule, Space, plan};
use serde_json::{Value, json};

pub use keiko_workspace::space::{Freed, Holding, Plan, Standing, Stays, Taken, What};

/// What is to be kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep {
    /// What was of no use for so long goes; otherwise as configured.
    pub older_than: Option<Age>,
    /// The most that may stay; otherwise as configured.
    pub most: Option<Bytes>,
    /// What was never applied nor pushed goes, too.
    pub unapplied: bool,
}

/// What is about to be given back.
pub struct Pruning {
    /// What goes and what stays.
    pub plan: Plan,
    /// What is younger stays.
    pub older_than: Age,
    /// The most that may stay.
    pub most: Option<Bytes>,
    found: Gathered,
    space: Space,
    now: Timestamp,
}

/// What became of what was to go.
#[derive(Debug, Default)]
pub struct Done {
    /// What was given back, or would be.
    pub given: Vec<(Holding, Freed)>,
    /// What could not be given back.
    pub failed: Vec<(Holding, Fault)>,
    /// What an interrupted prune had left behind.
    pub swept: Freed,
}

impl Done {
    /// How much it is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.given.iter().fold(self.swept.bytes, |sum, (_, freed)| {
            sum.saturating_add(freed.bytes)
        })
    }
}

impl Keiko {
    /// Looks at what can be given back.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn prune(&self, keep: Keep) -> Result<Pruning, Fault> {
        let configured = self.config.retention;
        let older_than = keep.older_than.unwrap_or(configured.older_than);
        let most = keep.most.or(configured.keep);
        let rule = Rule {
            older_than: older_than.duration(),
            keep: most.map(|most| most.0),
            unapplied: keep.unapplied,
        };
        let space = Space::below(&self.home.data, &self.home.cache);
        let found = gather(self.journal.as_ref(), &space, &mut Patience::endless()).await?;
        let now = SystemClock.now();
        Ok(Pruning {
            plan: plan(found.holdings.clone(), rule, now),
            older_than,
            most,
            found,
            space,
            now,
        })
    }
}

impl Pruning {
    /// What was never applied nor pushed and would be gone.
    #[must_use]
    pub fn lost(&self) -> Vec<&Holding> {
        self.plan
            .goes
            .iter()
            .filter(|one| one.standing == Standing::Unapplied)
            .collect()
    }

    /// The goal of a run.
    #[must_use]
    pub fn goal(&self, run: RunId) -> Option<&str> {
        self.found.goals.get(&run).map(String::as_str)
    }

    /// More stays than was to stay.
    #[must_use]
    pub fn keeps_too_much(&self) -> bool {
        self.most.is_some_and(|most| self.plan.keeps() > most.0)
    }

    /// Does what the plan says. What cannot be removed keeps nothing else from it.
    #[must_use]
    pub fn carry_out(&self) -> Done {
        let (space, plan, found, now) = (&self.space, &self.plan, &self.found, self.now);
        let mut done = Done::default();
        for one in &plan.goes {
            let freed = match &one.what {
                // Somebody applied or took back its result since it was looked at.
                What::Run(run)
                    if space
                        .touched(*run)
                        .is_some_and(|touched| touched > one.last_used) =>
                {
                    continue;
                }
                What::Run(run) => space.give_back_run(*run, now),
                What::Cache(name) => found
                    .caches
                    .get(name)
                    .map_or(Ok(None), |cached| space.give_back_cache(cached)),
            };
            match freed {
                // Another prune was faster, or it has been used since.
                Ok(None) => {}
                Ok(Some(freed)) => done.given.push((one.clone(), freed)),
                Err(fault) => done.failed.push((one.clone(), fault)),
            }
        }
        match space.sweep() {
            Ok(freed) => done.swept = freed,
            Err(fault) => {
                tracing::warn!(%fault, "what an interrupted prune left behind cannot be removed")
            }
        }
        done
    }

    /// What would become of it.
    #[must_use]
    pub fn would(&self) -> Done {
        let (plan, found) = (&self.plan, &self.found);
        let given = plan
            .goes
            .iter()
            .map(|one| {
                (
                    one.clone(),
                    Freed {
                        files: 0,
                        bytes: one.bytes,
                    },
                )
            })
            .collect();
        Done {
            given,
            failed: Vec::new(),
            swept: Freed {
                files: 0,
                bytes: found.rest,
            },
        }
    }

    /// What became of it, as data.
    #[must_use]
    pub fn data(&self, done: &Done, dry_run: bool) -> Value {
        let plan = &self.plan;
        let count = |runs: bool| {
            done.given
                .iter()
                .filter(|(one, _)| matches!(one.what, What::Run(_)) == runs)
                .count()
        };
        let given: Vec<Value> = done
            .given
            .iter()
            .map(|(one, freed)| json!({"what": one, "freed_bytes": freed.bytes}))
            .collect();
        let kept: Vec<Value> = plan
            .stays
            .iter()
            .map(|(one, why)| json!({"what": one, "why": why, "next": next(one)}))
            .collect();
        let failed: Vec<Value> = done
            .failed
            .iter()
            .map(|(one, fault)| json!({"what": one, "error": fault}))
            .collect();
        json!({
            "dry_run": dry_run,
            "freed": {"runs": count(true), "caches": count(false), "bytes": done.bytes(), "left_over_bytes": done.swept.bytes},
            "given_back": given,
            "kept": kept,
            "kept_bytes": plan.keeps(),
            "failed": failed,
        })
    }
}

/// How the result of a run that stays is taken over.
#[must_use]
pub fn next(one: &Holding) -> Vec<String> {
    match (&one.what, &one.standing) {
        (What::Run(run), Standing::Unapplied) => vec![
            format!("keiko runs apply {run}"),
            format!("keiko runs diff {run}"),
        ],
        _ => Vec::new(),
    }
}
