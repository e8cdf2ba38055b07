//! What may be given back: a decision over data. It reads nothing and removes nothing.

use keiko_contracts::id::RunId;
use keiko_contracts::time::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// Something that takes space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// What it is.
    #[serde(flatten)]
    pub what: What,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether it was measured to its end: if not, it takes at least so much.
    pub measured: bool,
    /// When it was of use last: a run's end, or what was done with its result since; the last run that used a cache.
    pub last_used: Timestamp,
    /// Whether anybody needs it.
    #[serde(flatten)]
    pub standing: Standing,
}

/// What takes space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The folder of a run: its workspace and what lies beside it.
    Run(RunId),
    /// A set of installed dependencies, by its name below the cache.
    Cache(String),
}

/// Whether anybody needs what takes space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "standing", content = "because")]
pub enum Standing {
    /// It is needed: the run goes on, or can. In a word: the run's state, or who uses a cache.
    Needed(String),
    /// The run has ended, and nobody took its result over.
    Unapplied,
    /// The run has ended, and nothing is lost with its folder.
    Taken(Taken),
    /// It can be made again.
    Rebuildable,
}

/// Why nothing is lost with the folder of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// Its result is in the user's folder.
    Applied,
    /// All of it was pushed.
    Pushed,
    /// There is no change.
    Unchanged,
    /// It checked the result of another run.
    Check,
}

/// What a person wants given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What was not of use for so long.
    pub older_than: Duration,
    /// The most bytes that may stay; beyond them the oldest goes first, however young it is.
    pub keep: Option<u64>,
    /// Also runs whose result nobody took over.
    pub unapplied: bool,
}

/// Why something stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stays {
    /// Somebody needs it.
    Needed,
    /// Its result was not taken over, and its time has come otherwise.
    Unapplied,
    /// Its time has not come.
    Young,
}

/// What goes and what stays, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is given back.
    pub goes: Vec<Holding>,
    /// What is not, and why.
    pub stays: Vec<(Holding, Stays)>,
}

impl Plan {
    /// Bytes that are given back.
    #[must_use]
    pub fn gives(&self) -> u64 {
        self.goes
            .iter()
            .fold(0, |sum, one| sum.saturating_add(one.bytes))
    }

    /// Bytes that stay.
    #[must_use]
    pub fn keeps(&self) -> u64 {
        self.stays
            .iter()
            .fold(0, |sum, (one, _)| sum.saturating_add(one.bytes))
    }
}

/// Decides what goes: first whatever is older than the rule says, then the oldest until no more stays than it says.
#[must_use]
pub fn plan(mut holdings: Vec<Holding>, rule: Rule, now: Timestamp) -> Plan {
    holdings.sort_by(|a, b| (a.last_used, &a.what).cmp(&(b.last_used, &b.what)));
    let total = holdings
        .iter()
        .fold(0u64, |sum, one| sum.saturating_add(one.bytes));
    let mut over = rule.keep.map_or(0, |keep| total.saturating_sub(keep));
    let old =
        |one: &Holding| u128::from(now.since_ms(one.last_used)) >= rule.older_than.as_millis();
    // Those that are old go in any case, and make room for the young ones.
    let goes_by_age = |one: &Holding| old(one) && may_go(one, rule);
    over = holdings
        .iter()
        .filter(|one| goes_by_age(one))
        .fold(over, |over, one| over.saturating_sub(one.bytes));
    let mut plan = Plan::default();
    for one in holdings {
        let wanted = old(&one) || over > 0;
        let stays = match one.standing {
            Standing::Needed(_) => Stays::Needed,
            Standing::Unapplied if wanted && !rule.unapplied => Stays::Unapplied,
            _ if wanted => {
                if !old(&one) {
                    over = over.saturating_sub(one.bytes);
                }
                plan.goes.push(one);
                continue;
            }
            _ => Stays::Young,
        };
        plan.stays.push((one, stays));
    }
    plan
}

fn may_go(one: &Holding, rule: Rule) -> bool {
    match one.standing {
        Standing::Needed(_) => false,
        Standing::Unapplied => rule.unapplied,
        Standing::Taken(_) | Standing::Rebuildable => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const NOW: Timestamp = Timestamp(100 * DAY);

    fn held(number: u8, age: i64, bytes: u64, standing: Standing) -> Holding {
        let what = What::Run(RunId::from_bytes([number; 10]));
        Holding {
            what,
            bytes,
            measured: true,
            last_used: Timestamp((100 - age) * DAY),
            standing,
        }
    }
    fn rule(days: u64, keep: Option<u64>, unapplied: bool) -> Rule {
        Rule {
            older_than: Duration::from_secs(days * 86_400),
            keep,
            unapplied,
        }
    }
    fn ages(plan: &Plan) -> Vec<i64> {
        plan.goes
            .iter()
            .map(|one| (NOW.0 - one.last_used.0) / DAY)
            .collect()
    }

    #[test]
    fn what_is_old_and_taken_over_goes() {
        let all = vec![
            held(1, 1, 5, Standing::Taken(Taken::Applied)),
            held(2, 14, 5, Standing::Taken(Taken::Pushed)),
            held(3, 90, 5, Standing::Unapplied),
            held(4, 80, 5, Standing::Needed("stopped".into())),
            Holding {
                what: What::Cache("node/x".into()),
                ..held(5, 30, 7, Standing::Rebuildable)
            },
        ];
        let plan = super::plan(all.clone(), rule(14, None, false), NOW);
        assert_eq!(
            (ages(&plan), plan.gives(), plan.keeps()),
            (vec![30, 14], 12, 15)
        );
        let why: Vec<Stays> = plan.stays.iter().map(|(_, why)| *why).collect();
        assert_eq!(why, [Stays::Unapplied, Stays::Needed, Stays::Young]);
        assert_eq!(
            ages(&super::plan(all.clone(), rule(14, None, true), NOW)),
            [90, 30, 14]
        );
        assert_eq!(
            ages(&super::plan(all, rule(0, None, true), NOW)),
            [90, 30, 14, 1]
        );
    }

    #[test]
    fn the_oldest_goes_until_no_more_stays_than_may() {
        let all = |standing: Standing| {
            vec![
                held(1, 3, 10, standing.clone()),
                held(2, 2, 10, standing.clone()),
                held(3, 1, 10, standing),
            ]
        };
        let taken = all(Standing::Taken(Taken::Unchanged));
        assert_eq!(
            ages(&super::plan(taken.clone(), rule(14, Some(30), false), NOW)),
            [0i64; 0]
        );
        assert_eq!(
            ages(&super::plan(taken.clone(), rule(14, Some(15), false), NOW)),
            [3, 2]
        );
        assert_eq!(
            ages(&super::plan(taken.clone(), rule(14, Some(0), false), NOW)),
            [3, 2, 1]
        );
        // What is old makes room for the young.
        let mut with_old = taken;
        with_old.push(held(4, 50, 10, Standing::Taken(Taken::Applied)));
        assert_eq!(
            ages(&super::plan(with_old, rule(14, Some(30), false), NOW)),
            [50]
        );
        let plan = super::plan(all(Standing::Unapplied), rule(14, Some(15), false), NOW);
        assert!(plan.goes.is_empty() && plan.stays.iter().all(|(_, why)| *why == Stays::Unapplied));
        let needed = super::plan(
            all(Standing::Needed("running".into())),
            rule(0, Some(0), true),
            NOW,
        );
        assert!(needed.goes.is_empty());
    }
}
