//! Holds the journal of a run against the account of what was really done, and against the git remote.

use super::Yard;
use crate::commands::demo::BRANCH;
use crate::commands::demo::record::Account;
use crate::error::CliError;
use crate::language::tr;
use crate::sample::git;
use crate::view::Output;
use crate::wiring::{Keiko, read_fault};
use futures_util::StreamExt as _;
use keiko_agent::describe;
use keiko_contracts::action::{Action, Intent, Recovery};
use keiko_contracts::approval::ApprovalRequest;
use keiko_contracts::code::Fault;
use keiko_contracts::id::{EffectKey, RunId};
use keiko_contracts::journal::{Seq, StreamId};
use keiko_contracts::run::{EndStatus, RunEvent};
use keiko_ports::journal::Journal;
use keiko_runtime::fold::hydrate;
use keiko_runtime::verify;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many events a run has.
pub(super) async fn head(journal: &dyn Journal, run: RunId) -> Result<u64, CliError> {
    let (mut events, mut count) = (journal.read(&StreamId::run(run), Seq(0)), 0);
    while let Some(event) = events.next().await {
        event.map_err(read_fault)?;
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
    pub(super) async fn read(keiko: &Keiko, run: RunId) -> Result<History, CliError> {
        let journal = keiko.journal.as_ref();
        let mut history = History::default();
        let mut events = journal.read(&StreamId::run(run), Seq(0));
        while let Some(recorded) = events.next().await {
            let recorded = recorded.map_err(read_fault)?;
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
pub(super) struct Crash {
    /// It was killed.
    pub(super) killed: bool,
    /// Events that this life wrote.
    pub(super) events: u64,
    /// What had begun and had no outcome.
    pub(super) open: Vec<Intent>,
}

impl Crash {
    /// As a row of the table that grows while the demonstration runs.
    pub(super) fn row(&self, output: &Output, number: u32) -> String {
        let open = match self.open.as_slice() {
            [] => output
                .t("nothing was under way", "nichts war unterwegs")
                .to_owned(),
            intents => {
                let each: Vec<String> = intents
                    .iter()
                    .map(|intent| {
                        format!(
                            "{} -> {}",
                            output.told(&describe::action(&intent.action)),
                            recovered(output, intent.recovery)
                        )
                    })
                    .collect();
                each.join("; ")
            }
        };
        tr!(
            output,
            "  kill {number:>3}  after {:>2} events  {open}",
            "  Kill {number:>3}  nach {:>2} Ereignissen  {open}",
            self.events
        )
    }
}

fn recovered(output: &Output, recovery: Recovery) -> &'static str {
    match recovery {
        Recovery::Repeat | Recovery::SameKey => output.t("done again", "noch einmal getan"),
        Recovery::Restore => output.t(
            "files put back, done again",
            "Dateien zurückgesetzt, noch einmal getan",
        ),
        Recovery::Probe => output.t("the remote is asked", "das Remote wird gefragt"),
        Recovery::Person => output.t("a person is asked", "ein Mensch wird gefragt"),
    }
}

/// Counts over runs, and what they should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    runs: u32,
    kills: u32,
    succeeded: u32,
    sound: u32,
    effects: u32,
    requests: u32,
    /// Effects without exactly one outcome.
    without_outcome: u32,
    /// Deeds that no intent in the journal announced.
    unannounced: u32,
    /// Begun again because a kill fell between intent and outcome.
    again: u32,
    /// Begun again for no such reason.
    too_often: u32,
    commits: u32,
    pushes: u32,
    /// Lines in a file that a command appends to.
    appended: u32,
    asked: Vec<String>,
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
    asked: Vec<String>,
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

    fn rows(&self) -> [(&'static str, u32, u32); 9] {
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

    pub(super) fn holds(&self) -> bool {
        self.rows().iter().all(|(_, seen, due)| seen == due)
    }

    /// The counts as a table.
    pub(super) fn table(&self, output: &Output) -> String {
        let count =
            |n: u32, english, german| output.language().count(u64::from(n), english, german);
        let kills = count(self.kills, ["kill", "kills"], ["Kill", "Kills"]);
        let runs = count(self.runs, ["run", "runs"], ["Lauf", "Läufe"]);
        let effects = count(
            self.effects,
            ["effect", "effects"],
            ["Wirkung", "Wirkungen"],
        );
        let requests = count(
            self.requests,
            ["model request", "model requests"],
            ["Modellanfrage", "Modellanfragen"],
        );
        let mut out = tr!(
            output,
            "{kills}, {runs}, {effects}, of them {requests}; begun again because a kill fell between intent and outcome: {}\n",
            "{kills}, {runs}, {effects}, davon {requests}; neu begonnen, weil ein Kill zwischen Absicht und Ergebnis fiel: {}\n",
            self.again
        );
        let _ = writeln!(
            out,
            "  {:<42} {:>6} {:>9}",
            "",
            output.t("seen", "gezählt"),
            output.t("expected", "erwartet")
        );
        for (what, seen, due) in self.rows() {
            let mark = if seen == due {
                ""
            } else {
                output.t("   <- does not hold", "   <- stimmt nicht")
            };
            let _ = writeln!(out, "  {:<42} {seen:>6} {due:>9}{mark}", output.told(what));
        }
        for question in &self.asked {
            let _ = writeln!(
                out,
                "  {}: {}",
                output.t("asked", "gefragt"),
                output.told(question)
            );
        }
        out.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests;
