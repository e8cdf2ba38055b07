//! Checks an evidence card against the journal: the chain, the card's place in it, and what it claims.

use crate::fold::{self, FoldError};
use futures_util::StreamExt as _;
use keiko_contracts::digest::Digest;
use keiko_contracts::evidence::EvidenceCard;
use keiko_contracts::id::RunId;
use keiko_contracts::journal::{Seq, StreamId};
use keiko_contracts::run::RunEvent;
use keiko_governance::chain::ChainCheck;
use keiko_ports::journal::Journal;
use serde::Serialize;

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: String,
    /// It holds.
    pub ok: bool,
    /// What was seen.
    pub seen: String,
}

/// What was found in the journal.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The card, if the run has ended.
    pub card: Option<EvidenceCard>,
    /// The checks.
    pub checks: Vec<Check>,
}

/// Checks a run's journal and card.
///
/// # Errors
/// When the run cannot be read at all.
pub async fn journal(journal: &dyn Journal, run: RunId) -> Result<Verified, FoldError> {
    let mut chain = ChainCheck::default();
    let mut hashes: Vec<Digest> = Vec::new();
    let mut broken = None;
    let (mut card, mut last_tests, mut spent, mut steps) = (None, None, 0u64, 0u32);
    let mut events = journal.read(&StreamId::run(run), Seq(0));
    while let Some(recorded) = events.next().await {
        let recorded = recorded?;
        if let Err(fault) = chain.next(&recorded) {
            broken.get_or_insert(fault.to_string());
        }
        hashes.push(recorded.hash);
        match fold::hydrate(journal, &recorded).await? {
            RunEvent::RunEnded(end) => card = Some(end.card),
            RunEvent::TestsObserved(tests) => last_tests = Some(*tests),
            RunEvent::EffectIntended(intent) => steps = steps.max(intent.key.step),
            RunEvent::EffectEnded(ended) => {
                if let keiko_contracts::action::Outcome::Done(keiko_contracts::action::Report::Model(report)) = &ended.outcome {
                    spent += report.cost.0;
                }
            }
            _ => {}
        }
    }
    if hashes.is_empty() {
        return Err(FoldError::NoSuchRun(run));
    }
    let mut checks = vec![Check {
        what: "journal chain".into(),
        ok: broken.is_none(),
        seen: broken.unwrap_or_else(|| format!("{} events, head {}", hashes.len(), chain.head().1.short())),
    }];
    if let Some(card) = &card {
        let known = hashes.contains(&card.journal);
        checks.push(Check { what: "the card's journal hash".into(), ok: known, seen: card.journal.short() });
        checks.push(Check {
            what: "cost".into(),
            ok: card.cost.0 == spent,
            seen: format!("card {}, events {}", card.cost, keiko_contracts::money::Micros(spent)),
        });
        checks.push(Check { what: "steps".into(), ok: card.steps >= steps, seen: format!("card {}, events {steps}", card.steps) });
        let same = match (&card.tests_after, &last_tests) {
            (Some(card), Some(event)) => {
                (card.passed, card.failed, card.errors, &card.tree) == (event.passed, event.failed, event.errors, &event.tree)
            }
            (None, None) => true,
            _ => false,
        };
        checks.push(Check {
            what: "tests as observed".into(),
            ok: same,
            seen: last_tests.as_ref().map_or_else(|| "none".into(), |t| format!("{} passed, {} failed", t.passed, t.failed)),
        });
    }
    Ok(Verified { card, checks })
}
