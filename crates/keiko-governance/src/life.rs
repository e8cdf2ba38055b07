//! What every durable core has in common: what stands open, what people were asked, the money, what it waits for, and the
//! times that limits go by. A fold like the rest of a core's state: the core hands it the facts of its own events.

use crate::budget::Budget;
use keiko_contracts::action::{Action, ActionDigest, Intent, Outcome, Purse, Report};
use keiko_contracts::approval::{ApprovalAnswer, ApprovalRequest, Decision};
use keiko_contracts::digest::Digest;
use keiko_contracts::id::{ApprovalId, EffectKey};
use keiko_contracts::journal::{Epoch, Seq};
use keiko_contracts::money::Micros;
use keiko_contracts::run::{Ended, Suspension};
use keiko_contracts::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where an event stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// When it was written.
    pub at: Timestamp,
    /// Its place in the stream; 0 while it is not committed.
    pub seq: Seq,
    /// Its hash; zero while it is not committed.
    pub hash: Digest,
}

/// An approval and what became of it.
#[derive(Debug, Clone)]
pub struct Approval {
    /// The question.
    pub request: Arc<ApprovalRequest>,
    /// The answer.
    pub answer: Option<ApprovalAnswer>,
    /// It has been used.
    pub consumed: bool,
}

/// The part of a core's state that the driver goes by.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// The last committed event: place and hash.
    pub head: (Seq, Digest),
    /// The kill epoch under which it works.
    pub epoch: Epoch,
    /// When it was started.
    pub started: Timestamp,
    /// When a process last took it up; moved on by the time for which it then waited for a person alone.
    pub active_since: Timestamp,
    /// Since when nothing runs because a person is asked.
    pub idle_since: Option<Timestamp>,
    /// Effects without an outcome.
    pub open: BTreeMap<EffectKey, Arc<Intent>>,
    /// Approvals asked.
    pub approvals: BTreeMap<ApprovalId, Approval>,
    /// Money.
    pub budget: Budget,
    /// The last message of the inbox that led to an event. What led to none is read again, and leads to none again.
    pub inbox: Seq,
    /// What it waits for.
    pub waiting: Option<Suspension>,
}

impl Life {
    /// Notes where an event stands; before anything else is made of it.
    pub fn stamped(&mut self, stamp: &Stamp) {
        if stamp.seq.0 > 0 {
            self.head = (stamp.seq, stamp.hash);
        }
    }

    /// It begins, with this much money.
    pub fn started(&mut self, at: Timestamp, budget: Option<Micros>) {
        (self.started, self.active_since) = (at, at);
        self.budget = Budget::new(budget);
    }

    /// A process takes it up: it waits for nothing any more. What the process before had asked of a model may have to be
    /// paid for, at a price that nobody knows.
    pub fn resumed(&mut self, at: Timestamp, epoch: Epoch) {
        self.epoch = epoch;
        (self.active_since, self.idle_since) = (at, None);
        self.waiting = None;
        self.budget.lose_allowance();
        for intent in self.open.values() {
            if let Action::Model(_) = intent.action {
                self.budget.book_cut_off(intent.reserve);
            }
        }
    }

    /// Money is set aside for requests whose intents are not synced before they start.
    pub fn allowed(&mut self, amount: Micros) {
        self.budget.allow(amount);
    }

    /// A message of the inbox led to this event.
    pub fn heard(&mut self, inbox: Option<Seq>) {
        self.inbox = self.inbox.max(inbox.unwrap_or_default());
    }

    /// An effect is about to start: its money is reserved, and its approval used up.
    pub fn intended(&mut self, intent: &Intent) {
        self.waiting = None;
        match intent.purse {
            Purse::Own => self.budget.reserve(intent.reserve),
            Purse::Allowance => self.budget.draw(intent.reserve),
        }
        if let Some(id) = intent.approval
            && let Some(approval) = self.approvals.get_mut(&id)
        {
            approval.consumed = true;
        }
        self.open
            .insert(intent.key.clone(), Arc::new(intent.clone()));
    }

    /// An effect came out: what was reserved is settled. Its intent, if it was open.
    pub fn ended(&mut self, ended: &Ended) -> Option<Arc<Intent>> {
        let intent = self.open.remove(&ended.key)?;
        let (cost, cut_off) = match &ended.outcome {
            Outcome::Done(Report::Model(report)) => (report.cost, Micros::ZERO),
            Outcome::Done(Report::Run(report)) => (report.cost, report.cut_off),
            _ => (Micros::ZERO, Micros::ZERO),
        };
        self.budget.settle(intent.reserve, cost);
        self.budget.book_cut_off(cut_off);
        Some(intent)
    }

    /// A person is asked.
    pub fn asked(&mut self, request: &ApprovalRequest) {
        self.approvals.insert(
            request.id,
            Approval {
                request: Arc::new(request.clone()),
                answer: None,
                consumed: false,
            },
        );
    }

    /// A person, or a rule, has answered.
    pub fn resolved(&mut self, answer: &ApprovalAnswer) {
        self.heard(answer.inbox);
        if let Some(approval) = self.approvals.get_mut(&answer.id) {
            approval.answer = Some(answer.clone());
        }
        if matches!(self.waiting, Some(Suspension::Approval { .. })) {
            self.waiting = None;
        }
    }

    /// It waits from now on. Whatever was drawn from an allowance stands before this event, which is synced.
    pub fn suspended(&mut self, why: &Suspension) {
        if let Suspension::Stopped { inbox, .. } = why {
            self.heard(Some(*inbox));
        }
        self.budget.give_allowance_back();
        self.waiting = Some(why.clone());
    }

    /// A person's time to answer is no time of work; called after each event. It follows from the events' own times, so it
    /// is the same when they are read back.
    pub fn count_time(&mut self, now: Timestamp) {
        let asked = match &self.waiting {
            None => self.open_approvals().next().is_some(),
            Some(why) => matches!(
                why,
                Suspension::Approval { .. } | Suspension::Question { .. }
            ),
        };
        let idle = asked && self.open.is_empty();
        match self.idle_since {
            None if idle => self.idle_since = Some(now),
            Some(since) if !idle => {
                self.idle_since = None;
                self.active_since = self.active_since.plus_ms(now.since_ms(since));
            }
            None | Some(_) => {}
        }
    }

    /// Approvals without an answer.
    pub fn open_approvals(&self) -> impl Iterator<Item = &Approval> {
        self.approvals
            .values()
            .filter(|approval| approval.answer.is_none())
    }

    /// When the first open approval expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.open_approvals()
            .filter_map(|approval| approval.request.expires)
            .min()
    }

    /// When so many seconds of work are over if it works on. None while it waits.
    #[must_use]
    pub fn time_is_up_at(&self, max_seconds: u32) -> Option<Timestamp> {
        let works = self.waiting.is_none() && self.idle_since.is_none();
        works.then(|| self.active_since.plus_ms(u64::from(max_seconds) * 1_000))
    }

    /// Approvals bound to a digest. A yes from before a kill does not count after it: it is asked for again.
    pub fn standing(&self, digest: ActionDigest) -> impl Iterator<Item = (ApprovalId, &Approval)> {
        self.approvals
            .iter()
            .map(|(id, approval)| (*id, approval))
            .filter(move |(_, approval)| {
                let overtaken = |answer: &ApprovalAnswer| {
                    answer.decision == Decision::Approved && answer.epoch < self.epoch
                };
                approval.request.digest == digest
                    && !approval.answer.as_ref().is_some_and(overtaken)
            })
    }

    /// What an answer comes to: it counts once, for the action that was shown, and not after its expiry. None when it is
    /// to be passed over. A yes from before a kill would not count anyway: the question stays open, and is asked again.
    #[must_use]
    pub fn judge_answer(
        &self,
        mut answer: ApprovalAnswer,
        now: Timestamp,
        epoch: Epoch,
    ) -> Option<ApprovalAnswer> {
        let approval = self.approvals.get(&answer.id)?;
        let overtaken = answer.decision == Decision::Approved && answer.epoch < epoch;
        if approval.answer.is_some() || overtaken {
            return None;
        }
        if approval.request.digest != answer.digest {
            answer.decision = Decision::Denied;
            answer.reason = Some("the answer was given for another action".into());
        } else if approval.request.is_late(now) {
            answer.decision = Decision::Expired;
        }
        Some(answer)
    }
}
