//! Checks an evidence card against the journal: the chain, the card's place in it, and what it claims.

use crate::fold::{self, FoldError};
use futures_util::StreamExt as _;
use keiko_contracts::action::{Outcome, Report};
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::digest::Digest;
use keiko_contracts::evidence::{EvidenceCard, Leave, TestSummary};
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Recorded, Seq, StreamId};
use keiko_contracts::money::Micros;
use keiko_contracts::run::RunEvent;
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;
use keiko_contracts::time::Timestamp;
use keiko_governance::chain::ChainCheck;
use keiko_ports::journal::Journal;
use serde::Serialize;

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: Said,
    /// It holds.
    pub ok: bool,
    /// What was seen.
    pub seen: Said,
}

/// What was found in the journal.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The card.
    pub card: EvidenceCard,
    /// The checks.
    pub checks: Vec<Check>,
}

/// Why nothing can be checked.
#[derive(Debug)]
pub enum VerifyError {
    /// There is no such run, or it cannot be read.
    Fold(FoldError),
    /// There is no card before the end.
    NotEnded(RunId),
}

impl VerifyError {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        match self {
            VerifyError::Fold(inner) => inner.said(),
            VerifyError::NotEnded(inner) => say!(
                "run {run} has not ended: there is no evidence card to check yet",
                run = inner
            ),
        }
    }
}

keiko_contracts::said_is_error!(VerifyError);

impl From<FoldError> for VerifyError {
    fn from(inner: FoldError) -> Self {
        VerifyError::Fold(inner)
    }
}

impl VerifyError {
    /// As a user meets it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            VerifyError::Fold(error) => error.fault(),
            VerifyError::NotEnded(run) => {
                Fault::new(Code::RUN_NOT_ENDED, self.said()).hint(Step::resume(*run))
            }
        }
    }
}

/// What a stream holds against its card.
#[derive(Default)]
struct Seen {
    chain: ChainCheck,
    broken: Option<Said>,
    /// Hash and time of each event, in order.
    events: Vec<(Digest, Timestamp)>,
    tests: Option<TestSummary>,
    spent: u64,
    steps: u32,
    /// The card, and how many events stand before it.
    card: Option<(EvidenceCard, usize)>,
}

impl Seen {
    fn take(&mut self, recorded: &Recorded, event: RunEvent) {
        if let Err(fault) = self.chain.next(recorded) {
            self.broken.get_or_insert(fault.said());
        }
        match event {
            RunEvent::RunEnded(end) => self.card = Some((end.card, self.events.len())),
            RunEvent::TestsObserved(tests) => self.tests = Some(*tests),
            RunEvent::EffectIntended(intent) => self.steps = self.steps.max(intent.key.step),
            RunEvent::EffectEnded(ended) => {
                if let Outcome::Done(Report::Model(report)) = &ended.outcome {
                    self.spent += report.cost.0;
                }
            }
            _ => {}
        }
        self.events.push((recorded.hash, recorded.at));
    }

    fn whole(&self) -> Check {
        let seen = || {
            say!(
                "{n} events, head {hash}",
                n = self.events.len(),
                hash = self.chain.head().1.short()
            )
        };
        Check {
            what: "journal chain".into(),
            ok: self.broken.is_none(),
            seen: self.broken.clone().unwrap_or_else(seen),
        }
    }

    /// The card names the last event that was committed when it was drawn up: all between that and the card was
    /// written in one commit with it, at one time. A run that begins and ends in one commit has nothing before it.
    fn place(&self, card: &EvidenceCard, place: usize) -> Check {
        let before = self.events.get(..place).unwrap_or_default();
        let after = match card.journal {
            none if none == Digest::default() => Some(before),
            hash => before
                .iter()
                .position(|(seen, _)| *seen == hash)
                .and_then(|at| before.get(at + 1..)),
        };
        let ok = after.is_some_and(|after| after.iter().all(|(_, at)| *at == card.ended));
        let seen = if card.journal == Digest::default() {
            Said::from("nothing before it")
        } else {
            Said::words(card.journal.short())
        };
        Check {
            what: "the card's journal hash".into(),
            ok,
            seen,
        }
    }

    fn checks(&self, card: &EvidenceCard, place: usize) -> Vec<Check> {
        let same = match (&card.tests_after, &self.tests) {
            (Some(card), Some(event)) => {
                (card.passed, card.failed, card.errors, &card.tree)
                    == (event.passed, event.failed, event.errors, &event.tree)
            }
            (None, None) => true,
            _ => false,
        };
        let check = |what: &'static str, ok, seen| Check {
            what: what.into(),
            ok,
            seen,
        };
        let cost = say!(
            "card {card}, events {events}",
            card = card.cost,
            events = Micros(self.spent)
        );
        let tests = self.tests.as_ref().map_or_else(
            || Said::from("none"),
            |t| {
                say!(
                    "{passed} passed, {failed} failed",
                    passed = t.passed,
                    failed = t.failed
                )
            },
        );
        vec![
            self.whole(),
            self.place(card, place),
            check("cost", card.cost.0 == self.spent, cost),
            check(
                "steps",
                card.steps >= self.steps,
                say!(
                    "card {card}, events {events}",
                    card = card.steps,
                    events = self.steps
                ),
            ),
            check("tests as observed", same, tests),
        ]
    }
}

/// What in the change honest code does not do is no error of the journal; but without a person's word, not all is well.
fn honest(card: &EvidenceCard) -> Option<Check> {
    let without = card
        .findings
        .iter()
        .filter(|finding| !matches!(finding.leave, Leave::Approval(_)))
        .count();
    let seen = match (card.findings.len(), without) {
        (0, _) => return None,
        (n, 0) => say!("found {n}, allowed by a person", n),
        (n, without) => say!("found {n}, without a person's word {without}", n, without),
    };
    Some(Check {
        what: "what honest code does not do".into(),
        ok: without == 0,
        seen,
    })
}

/// Checks a run's journal and card.
///
/// # Errors
/// When the run cannot be read at all, or has not ended.
pub async fn journal(journal: &dyn Journal, run: RunId) -> Result<Verified, VerifyError> {
    let mut seen = read(journal, run).await?;
    match seen.card.take() {
        Some((card, place)) => {
            let mut checks = seen.checks(&card, place);
            checks.extend(honest(&card));
            Ok(Verified { checks, card })
        }
        None => Err(VerifyError::NotEnded(run)),
    }
}

/// Checks a run's journal as far as it goes: the chain, and the card once there is one.
///
/// # Errors
/// When the run cannot be read at all.
pub async fn so_far(journal: &dyn Journal, run: RunId) -> Result<Vec<Check>, FoldError> {
    let mut seen = read(journal, run).await?;
    Ok(match seen.card.take() {
        Some((card, place)) => seen.checks(&card, place),
        None => vec![seen.whole()],
    })
}

async fn read(journal: &dyn Journal, run: RunId) -> Result<Seen, FoldError> {
    let mut seen = Seen::default();
    let mut events = journal.read(&StreamId::run(run), Seq(0));
    while let Some(recorded) = events.next().await {
        let recorded = recorded?;
        let event = fold::hydrate(journal, &recorded).await?;
        seen.take(&recorded, event);
    }
    if seen.events.is_empty() {
        Err(FoldError::NoSuchRun(run))
    } else {
        Ok(seen)
    }
}
