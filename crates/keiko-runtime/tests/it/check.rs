//! What must hold of a run however often it was crashed, against the same run without a crash.

use crate::scenarios::Scenario;
use crate::storm::{Event, Storm};
use keiko_agent::state::RunState;
use keiko_agent::tools::ToolBox;
use keiko_contracts::action::{Action, Outcome, Recovery, Report};
use keiko_contracts::id::EffectKey;
use keiko_contracts::model::Message;
use keiko_contracts::money::Micros;
use keiko_contracts::run::{EndStatus, RunEvent, Suspension};
use keiko_contracts::stable::Stable;
use keiko_governance::chain::ChainCheck;
use keiko_governance::life::Stamp;
use keiko_testkit::ports::{COST, Deed, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is left at the end.
pub(crate) struct Left {
    pub(crate) state: RunState,
    pub(crate) events: Vec<Event>,
    pub(crate) deeds: Vec<Deed>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) remote: BTreeMap<String, String>,
    pub(crate) wrong: Vec<String>,
    pub(crate) charged: Micros,
    /// The effects that a person was asked about.
    pub(crate) asked: BTreeSet<EffectKey>,
    /// The effects of the class `person` that stood open when a process ended.
    pub(crate) doubtful: BTreeSet<EffectKey>,
    pub(crate) crashes: u32,
    messages: Vec<Stable<Message>>,
}

impl Left {
    pub(crate) fn new(
        mut state: RunState,
        events: Vec<Event>,
        world: &World,
        doubtful: BTreeSet<EffectKey>,
        crashes: u32,
    ) -> Result<Left, String> {
        let mut asked = BTreeSet::new();
        for event in &events {
            let (recorded, event) = &**event;
            state.apply(
                &Stamp {
                    at: recorded.at,
                    seq: recorded.seq,
                    hash: recorded.hash,
                },
                event,
            );
            if let RunEvent::RunSuspended(Suspension::Unknown { key, .. }) = event
                && !asked.insert(key.clone())
            {
                return Err(format!("a person was asked twice about {key}"));
            }
        }
        Ok(Left {
            messages: state.talk.conversation.messages(),
            state,
            events,
            deeds: world.deeds(),
            files: world.files(),
            remote: world.remote(),
            wrong: world.wrong(),
            charged: world.charged(),
            asked,
            doubtful,
            crashes,
        })
    }

    fn status(&self) -> Option<EndStatus> {
        self.state.ended.as_ref().map(|end| end.status)
    }

    /// The parts of [`essence`] that are compared without writing them down, where no commit's id is in them.
    fn is_like(&self, calm: &Left) -> bool {
        let (one, two) = (&self.state, &calm.state);
        let end = |state: &RunState| {
            state
                .ended
                .as_deref()
                .map(|end| (end.status, end.summary.clone(), end.diff.clone()))
        };
        let card = |state: &RunState| {
            state
                .ended
                .as_deref()
                .map(|end| (end.card.tests_after.clone(), end.card.approvals.clone()))
        };
        self.messages == calm.messages
            && one.coding.workspace.tree == two.coding.workspace.tree
            && one.coding.workspace.created == two.coding.workspace.created
            && one.coding.workspace.head.is_some() == two.coding.workspace.head.is_some()
            && (one.account.usage, one.step.number, one.patience.sent_back)
                == (two.account.usage, two.step.number, two.patience.sent_back)
            && end(one) == end(two)
            && card(one) == card(two)
            && one.talk.ledger.render(&[], &[], 0) == two.talk.ledger.render(&[], &[], 0)
    }
}

/// What must be the same however often a run was crashed: no times, no places, no hashes.
fn essence(left: &Left, ordered: bool) -> String {
    let state = &left.state;
    let mut messages: Vec<String> = left
        .messages
        .iter()
        .map(|message| format!("{message:?}").replace("cache: true", "cache: false"))
        .collect();
    if !ordered {
        messages.sort();
    }
    let end = state.ended.as_deref().map(|end| {
        let mut approvals = end.card.approvals.clone();
        approvals.sort();
        (
            end.status,
            &end.summary,
            &end.diff,
            &end.card.tests_after,
            approvals,
        )
    });
    let commit_there = state.coding.workspace.head.is_some();
    // A commit's id follows from the time; its place in the text does not.
    let id = state
        .coding
        .workspace
        .head
        .as_ref()
        .map_or("none", |commit| commit.0.as_str());
    let short = id.get(..10).unwrap_or(id);
    let text = format!(
        "{end:#?}\n{:?}\n{:?}\n{commit_there}\n{:?}\n{}\n{}\n{messages:#?}\n{:?}",
        state.coding.workspace.tree,
        state.coding.workspace.created,
        state.account.usage,
        state.step.number,
        state.patience.sent_back,
        state.talk.ledger.render(&[], &[], 0),
    );
    text.replace(id, "COMMIT").replace(short, "COMMIT")
}

/// A scenario without any crash: what the crashed ones are compared with.
pub(crate) async fn calm(scenario: &Scenario, tools: &Arc<ToolBox>) -> Left {
    let storm = Storm::new(scenario, tools.clone(), None);
    let left = storm
        .to_the_end(&[])
        .await
        .unwrap_or_else(|why| panic!("{}: {why}", scenario.name));
    if let Err(why) = storm
        .reads_back_as_seen()
        .await
        .and_then(|()| check(scenario, &left, &left))
    {
        panic!("{}, without a crash: {why}", scenario.name);
    }
    left
}

/// Everything that a crashed run promises.
pub(crate) fn check(scenario: &Scenario, calm: &Left, left: &Left) -> Result<(), String> {
    if let Some(wrong) = left.wrong.first() {
        return Err(wrong.clone());
    }
    check_journal(left)?;
    check_deeds(calm, left)?;
    check_money(left)?;
    if left.status() != Some(scenario.ends) {
        return Err(format!("it ended as {:?}", left.status()));
    }
    if left.asked != left.doubtful {
        return Err(format!(
            "a person was asked about {:?}; in doubt were {:?}",
            left.asked, left.doubtful
        ));
    }
    if !left.asked.is_empty() {
        return Ok(());
    }
    if left.files != calm.files {
        return Err(format!("the workspace holds {:?}", left.files));
    }
    if left.remote.keys().ne(calm.remote.keys()) {
        return Err(format!("the remote holds {:?}", left.remote));
    }
    if left.is_like(calm) {
        return Ok(());
    }
    let (before, after) = (
        essence(calm, scenario.ordered),
        essence(left, scenario.ordered),
    );
    match before
        .lines()
        .zip(after.lines())
        .find(|(before, after)| before != after)
    {
        Some((before, after)) => Err(format!("the state differs: {after} instead of {before}")),
        None if before.len() != after.len() => Err("the state has another size".into()),
        None => Ok(()),
    }
}

/// The chain holds; each effect has one intent and one outcome; each approval is asked once and used once.
fn check_journal(left: &Left) -> Result<(), String> {
    let mut chain = ChainCheck::default();
    let (mut intended, mut open) = (BTreeSet::new(), BTreeSet::new());
    let (mut asked, mut used) = (BTreeSet::new(), BTreeSet::new());
    for event in &left.events {
        let (recorded, event) = &**event;
        chain.next(recorded).map_err(|fault| fault.to_string())?;
        let fresh = match event {
            RunEvent::EffectIntended(intent) => {
                // Leave for a model holds for all requests.
                let once = intent
                    .approval
                    .filter(|_| !matches!(intent.action, Action::Model(_)));
                let twice = once.is_some_and(|id| !used.insert(id));
                !twice && open.insert(&intent.key) && intended.insert(&intent.key)
            }
            RunEvent::EffectEnded(ended) => open.remove(&ended.key),
            RunEvent::ApprovalRequested(request) => asked.insert(request.id),
            _ => true,
        };
        if !fresh {
            return Err(format!(
                "event {} says a thing for the second time: {event:?}",
                recorded.seq
            ));
        }
    }
    if open.is_empty() && left.state.life.open.is_empty() {
        Ok(())
    } else {
        Err(format!("left open: {open:?}"))
    }
}

/// Exact counts by recovery class.
fn check_deeds(calm: &Left, left: &Left) -> Result<(), String> {
    fn counts(left: &Left, recovery: Recovery) -> BTreeMap<&EffectKey, u32> {
        let mut counts = BTreeMap::new();
        left.deeds
            .iter()
            .filter(|deed| deed.recovery == recovery)
            .for_each(|deed| *counts.entry(&deed.key).or_default() += 1);
        counts
    }
    for recovery in [Recovery::SameKey, Recovery::Probe, Recovery::Person] {
        let (before, after) = (counts(calm, recovery), counts(left, recovery));
        if let Some((key, n)) = after.iter().find(|(_, n)| **n != 1) {
            return Err(format!("{recovery:?} effect {key} was done {n} times"));
        }
        // An effect in doubt may not have happened; all others have.
        let missing = before.len() as i64 - after.len() as i64;
        if missing < 0
            || missing
                > if recovery == Recovery::Person {
                    left.asked.len() as i64
                } else {
                    0
                }
        {
            return Err(format!(
                "{recovery:?}: {} effects instead of {}",
                after.len(),
                before.len()
            ));
        }
    }
    let (before, after) = (
        counts(calm, Recovery::Repeat),
        counts(left, Recovery::Repeat),
    );
    let kept = before.keys().filter(|key| after.contains_key(*key)).count();
    if left.crashes == 0 && kept != before.len() {
        return Err("a look was left out".into());
    }
    Ok(())
}

/// No more is spent than was allowed, and whatever a vendor charged is in the books: what it said, and for the requests
/// that crashes cut off what was reserved for them.
fn check_money(left: &Left) -> Result<(), String> {
    let (mut spent, mut cut_off, mut open) = (Micros::ZERO, Micros::ZERO, BTreeMap::new());
    for event in &left.events {
        match &event.1 {
            RunEvent::EffectIntended(intent) => {
                open.insert(&intent.key, intent.reserve);
            }
            RunEvent::RunResumed(_) => open
                .values()
                .for_each(|reserve| cut_off = cut_off.plus(*reserve)),
            RunEvent::EffectEnded(ended) => {
                open.remove(&ended.key);
                if let Outcome::Done(Report::Model(report)) = &ended.outcome {
                    spent = spent.plus(report.cost);
                }
            }
            _ => {}
        }
    }
    let (books, card) = (
        left.state.life.budget,
        left.state.ended.as_ref().map(|end| &end.card),
    );
    let budget = left
        .state
        .start
        .as_ref()
        .and_then(|start| start.limits.budget)
        .unwrap_or(Micros(u64::MAX));
    let good = (books.spent(), books.cut_off()) == (spent, cut_off)
        && spent.plus(cut_off) <= budget
        && left.charged >= spent
        && left.charged <= spent.plus(cut_off)
        && left.charged <= spent.plus(Micros(COST.0 * u64::from(left.crashes)))
        && books.left() == Some(budget.minus(spent).minus(cut_off))
        && card.is_none_or(|card| (card.cost, card.cut_off) == (spent, cut_off));
    if good {
        Ok(())
    } else {
        Err(format!(
            "spent {spent} and {cut_off} cut off, of {budget}; charged {}",
            left.charged
        ))
    }
}
