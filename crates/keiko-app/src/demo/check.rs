//! Holds the journal of a run against the account of what was really done, and against the git remote.

use super::Yard;
use super::record::Account;
use crate::sample::git;
use crate::scripts::BRANCH;
use crate::wiring::Keiko;
use futures_util::StreamExt as _;
use keiko_contracts::action::{Action, Intent};
use keiko_contracts::approval::ApprovalRequest;
use keiko_contracts::code::Fault;
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::journal::{Seq, StreamId};
use keiko_contracts::run::{EndStatus, RunEvent};
use keiko_contracts::said::Said;
use keiko_ports::journal::Journal;
use keiko_runtime::fold::hydrate;
use keiko_runtime::verify;
use std::collections::BTreeMap;

/// How many events a run has.
pub(super) async fn head(journal: &dyn Journal, run: RunId) -> Result<u64, Fault> {
    let (mut events, mut count) = (journal.read(&StreamId::run(run), Seq(0)), 0);
    while let Some(event) = events.next().await {
        event.map_err(|error| error.fault())?;
        count += 1;
    }
    Ok(count)
}

/// A run as the journal has it.
#[derive(Debug, Default)]
pub(super) struct History {
    events: Vec<RunEvent>,
    /// The chain of hashes and the evidence card hold.
    sound: bool,
}

impl History {
    /// Reads a run. One that was killed before its first event has none.
    pub(super) async fn read(keiko: &Keiko, run: RunId) -> Result<History, Fault> {
        let journal = keiko.journal.as_ref();
        let mut history = History::default();
        let mut events = journal.read(&StreamId::run(run), Seq(0));
        while let Some(recorded) = events.next().await {
            let recorded = recorded.map_err(|error| error.fault())?;
            history.events.push(
                hydrate(journal, &recorded)
                    .await
                    .map_err(|error| error.fault())?,
            );
        }
        if !history.events.is_empty() {
            let checks = verify::so_far(journal, run)
                .await
                .map_err(|error| error.fault())?;
            history.sound = checks.iter().all(|check| check.ok);
        }
        Ok(history)
    }

    pub(super) fn len(&self) -> u64 {
        self.events.len() as u64
    }

    fn intents(&self) -> impl Iterator<Item = &Intent> {
        self.events.iter().filter_map(|event| {
            if let RunEvent::EffectIntended(intent) = event {
                Some(intent.as_ref())
            } else {
                None
            }
        })
    }

    /// Outcomes and tries of each effect.
    fn outcomes(&self) -> BTreeMap<&EffectKey, (u32, u32)> {
        let mut found: BTreeMap<&EffectKey, (u32, u32)> = BTreeMap::new();
        for event in &self.events {
            if let RunEvent::EffectEnded(ended) = event {
                let (outcomes, tries) = found.entry(&ended.key).or_default();
                *outcomes += 1;
                *tries += u32::from(ended.tries);
            }
        }
        found
    }

    /// Effects whose intent is in the journal and whose outcome is not.
    pub(super) fn open(&self) -> Vec<Intent> {
        let outcomes = self.outcomes();
        self.intents()
            .filter(|intent| !outcomes.contains_key(&intent.key))
            .cloned()
            .collect()
    }

    /// Approvals that wait.
    pub(super) fn open_approvals(&self) -> Vec<ApprovalRequest> {
        let answered = |request: &ApprovalRequest| {
            self.events.iter().any(|event| matches!(event, RunEvent::ApprovalResolved(answer) if answer.id == request.id))
        };
        let requests = self.events.iter().filter_map(|event| match event {
            RunEvent::ApprovalRequested(request) if !answered(request) => {
                Some(request.as_ref().clone())
            }
            _ => None,
        });
        requests.collect()
    }

    fn succeeded(&self) -> bool {
        matches!(self.events.last(), Some(RunEvent::RunEnded(end)) if end.status == EndStatus::Succeeded)
    }
}

/// The end of a life before the end of its run.
#[derive(Debug)]
pub struct Crash {
    /// It was killed.
    pub killed: bool,
    /// Events that this life wrote.
    pub events: u64,
    /// What had begun and had no outcome.
    pub open: Vec<Intent>,
}

/// Counts over runs, and what they should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Runs.
    pub runs: u32,
    /// How often a process was killed.
    pub kills: u32,
    succeeded: u32,
    sound: u32,
    /// Effects, of which some were requests to a model.
    pub effects: u32,
    /// Requests to a model.
    pub requests: u32,
    /// Effects without exactly one outcome.
    without_outcome: u32,
    /// Deeds that no intent in the journal announced.
    unannounced: u32,
    /// Begun again because a kill fell between intent and outcome.
    pub again: u32,
    /// Begun again for no such reason.
    too_often: u32,
    commits: u32,
    pushes: u32,
    /// Lines in a file that a command appends to.
    appended: u32,
    /// What a person was asked.
    pub asked: Vec<Said>,
}

/// Checks one run.
///
/// # Errors
/// When the remote cannot be read.
pub(super) fn check(
    history: &History,
    account: &Account,
    yard: &Yard,
    crashes: &[Crash],
    asked: Vec<Said>,
) -> Result<Verdict, Fault> {
    let range = format!("main..{BRANCH}");
    let commits = git(&yard.remote, &["rev-list", "--count", &range], &[])
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let log = git(&yard.remote, &["show", &format!("{BRANCH}:work.log")], &[]).unwrap_or_default();
    let mut verdict = count(history, account, crashes);
    verdict.commits = commits;
    verdict.appended = log.lines().count() as u32;
    verdict.asked = asked;
    Ok(verdict)
}

/// The part that needs nothing but what was read.
fn count(history: &History, account: &Account, crashes: &[Crash]) -> Verdict {
    let outcomes = history.outcomes();
    let mut verdict = Verdict {
        runs: 1,
        kills: crashes.iter().filter(|crash| crash.killed).count() as u32,
        succeeded: u32::from(history.succeeded()),
        sound: u32::from(history.sound),
        pushes: account.pushes,
        ..Verdict::default()
    };
    let mut announced: BTreeMap<String, u32> = BTreeMap::new();
    for intent in history.intents() {
        let (outcomes, tries) = outcomes.get(&intent.key).copied().unwrap_or_default();
        let interrupted = crashes
            .iter()
            .filter(|crash| crash.open.iter().any(|open| open.key == intent.key))
            .count() as u32;
        verdict.effects += 1;
        verdict.requests += u32::from(matches!(intent.action, Action::Model(_)));
        verdict.without_outcome += u32::from(outcomes != 1);
        announced.insert(intent.key.to_string(), tries.max(1) + interrupted);
    }
    for (key, begun) in &account.begun {
        match announced.get(key) {
            None => verdict.unannounced += begun,
            Some(allowed) => {
                verdict.again += begun.min(allowed).saturating_sub(1);
                verdict.too_often += begun.saturating_sub(*allowed);
            }
        }
    }
    verdict
}

impl Verdict {
    /// Over all runs.
    pub(super) fn sum(all: &[Verdict]) -> Verdict {
        let mut sum = Verdict::default();
        for one in all {
            sum.runs += one.runs;
            sum.kills += one.kills;
            sum.succeeded += one.succeeded;
            sum.sound += one.sound;
            sum.effects += one.effects;
            sum.requests += one.requests;
            sum.without_outcome += one.without_outcome;
            sum.unannounced += one.unannounced;
            sum.again += one.again;
            sum.too_often += one.too_often;
            sum.commits += one.commits;
            sum.pushes += one.pushes;
            sum.appended += one.appended;
            sum.asked.extend(one.asked.iter().cloned());
        }
        sum
    }

    /// What was counted, how much it came to, and how much is due.
    #[must_use]
    pub fn rows(&self) -> [(&'static str, u32, u32); 9] {
        [
            ("runs that reached their goal", self.succeeded, self.runs),
            ("journals whose chain and card hold", self.sound, self.runs),
            (
                "effects without exactly one outcome",
                self.without_outcome,
                0,
            ),
            ("deeds that the journal does not know", self.unannounced, 0),
            ("deeds repeated without need", self.too_often, 0),
            ("commits on the branch", self.commits, self.runs),
            ("pushes that the remote took", self.pushes, self.runs),
            ("lines that a command appended", self.appended, self.runs),
            ("questions to a person", self.asked.len() as u32, self.runs),
        ]
    }

    /// All of it is as it is due.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.rows().iter().all(|(_, seen, due)| seen == due)
    }
}

#[cfg(test)]
mod tests;
