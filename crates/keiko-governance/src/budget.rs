//! Budgets: reserve before, settle after, in whole micro-units.

use keiko_contracts::money::Micros;
use keiko_contracts::said::Said;
use keiko_contracts::say;

/// Money of one run. Reserved plus spent plus cut off never passes the limit, but between a crash and the end of the
/// reservation that it interrupted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    limit: Option<Micros>,
    /// For what is open, and the allowance.
    reserved: Micros,
    /// What is set aside for requests whose intents are not synced first.
    allowance: Micros,
    spent: Micros,
    cut_off: Micros,
}

/// There is not enough money left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// What was to be reserved.
    pub wanted: Micros,
    /// What is left.
    pub left: Micros,
    /// The limit.
    pub limit: Micros,
}

impl Exhausted {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        let Exhausted {
            wanted,
            left,
            limit,
        } = self;
        say!(
            "the next request may cost {wanted}, but {left} of the budget of {limit} are left",
            wanted,
            left,
            limit
        )
    }
}

keiko_contracts::said_is_error!(Exhausted);

impl Budget {
    /// A budget; without a limit it only counts.
    #[must_use]
    pub fn new(limit: Option<Micros>) -> Self {
        Budget {
            limit,
            ..Budget::default()
        }
    }
    /// Sets another limit; what is spent stays spent.
    pub fn set_limit(&mut self, limit: Option<Micros>) {
        self.limit = limit;
    }
    /// What may still be reserved; `None` without a limit.
    #[must_use]
    pub fn left(&self) -> Option<Micros> {
        self.limit.map(|limit| {
            limit
                .minus(self.reserved)
                .minus(self.spent)
                .minus(self.cut_off)
        })
    }
    /// Spent so far, as the vendors say.
    #[must_use]
    pub fn spent(&self) -> Micros {
        self.spent
    }
    /// At most this much more was charged for requests that a crash cut off: nobody knows whether they were answered.
    #[must_use]
    pub fn cut_off(&self) -> Micros {
        self.cut_off
    }
    /// True when what is promised passes the limit, because a crash cut off a request whose reservation is to pay for
    /// another try.
    #[must_use]
    pub fn is_overdrawn(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.reserved.plus(self.spent).plus(self.cut_off) > limit)
    }
    /// Whether this much could be reserved.
    ///
    /// # Errors
    /// [`Exhausted`] when it could not.
    pub fn check(&self, wanted: Micros) -> Result<(), Exhausted> {
        match (self.left(), self.limit) {
            (Some(left), Some(limit)) if wanted > left => Err(Exhausted {
                wanted,
                left,
                limit,
            }),
            _ => Ok(()),
        }
    }
    /// Reserves, as an event says: the check came before.
    pub fn reserve(&mut self, amount: Micros) {
        self.reserved = self.reserved.plus(amount);
    }
    /// Books a request that a crash cut off at all that was reserved for it. The reservation itself stays: it pays for
    /// asking again.
    pub fn book_cut_off(&mut self, reserved: Micros) {
        self.cut_off = self.cut_off.plus(reserved);
    }
    /// Sets money aside for requests to come, as an event says: the check came before.
    pub fn allow(&mut self, amount: Micros) {
        self.reserve(amount);
        self.allowance = self.allowance.plus(amount);
    }
    /// What is left of the money set aside.
    #[must_use]
    pub fn allowance(&self) -> Micros {
        self.allowance
    }
    /// Reserves from the allowance, as an event says; what it does not cover, from the rest.
    pub fn draw(&mut self, amount: Micros) {
        self.reserved = self.reserved.plus(amount.minus(self.allowance));
        self.allowance = self.allowance.minus(amount);
    }
    /// What is left of the allowance is free again: nothing was drawn from it that is not written down.
    pub fn give_allowance_back(&mut self) {
        self.reserved = self.reserved.minus(self.allowance);
        self.allowance = Micros::ZERO;
    }
    /// A crash: requests that were paid from what is left of the allowance may be missing from the record, so all of it
    /// counts as gone.
    pub fn lose_allowance(&mut self) {
        let lost = self.allowance;
        self.give_allowance_back();
        self.book_cut_off(lost);
    }
    /// Settles a reservation to what it really cost.
    pub fn settle(&mut self, reserved: Micros, cost: Micros) {
        self.reserved = self.reserved.minus(reserved);
        self.spent = self.spent.plus(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_crash_cut_off_is_paid_for_and_not_asked_again_without_money() {
        let mut budget = Budget::new(Some(Micros(100)));
        budget.reserve(Micros(40));
        budget.book_cut_off(Micros(40));
        assert_eq!(
            (budget.left(), budget.is_overdrawn()),
            (Some(Micros(20)), false)
        );
        budget.book_cut_off(Micros(40));
        assert!(budget.is_overdrawn());
        budget.settle(Micros(40), Micros::ZERO);
        assert_eq!(
            (budget.left(), budget.cut_off(), budget.spent()),
            (Some(Micros(20)), Micros(80), Micros::ZERO)
        );
        assert!(!budget.is_overdrawn());
    }

    #[test]
    fn an_allowance_is_drawn_from_given_back_or_lost() {
        let mut budget = Budget::new(Some(Micros(100)));
        budget.allow(Micros(50));
        assert_eq!(budget.left(), Some(Micros(50)));
        budget.draw(Micros(20));
        assert_eq!(
            (budget.left(), budget.allowance()),
            (Some(Micros(50)), Micros(30))
        );
        budget.settle(Micros(20), Micros(5));
        assert_eq!(
            (budget.left(), budget.spent()),
            (Some(Micros(65)), Micros(5))
        );
        let mut calm = budget;
        calm.give_allowance_back();
        assert_eq!(
            (calm.left(), calm.cut_off()),
            (Some(Micros(95)), Micros::ZERO)
        );
        budget.lose_allowance();
        assert_eq!(
            (budget.left(), budget.cut_off()),
            (Some(Micros(65)), Micros(30))
        );
        // More than is set aside comes from the rest.
        calm.allow(Micros(10));
        calm.draw(Micros(40));
        assert_eq!(
            (calm.left(), calm.allowance()),
            (Some(Micros(55)), Micros::ZERO)
        );
    }

    proptest! {
        #[test]
        fn never_promises_more_than_the_limit(limit in 0u64..10_000, asks in prop::collection::vec((0u64..2_000, 0u64..100), 0..200)) {
            let mut budget = Budget::new(Some(Micros(limit)));
            let mut open: Vec<Micros> = Vec::new();
            for (ask, cost_percent) in asks {
                if budget.check(Micros(ask)).is_ok() {
                    budget.reserve(Micros(ask));
                    open.push(Micros(ask));
                }
                if cost_percent % 3 == 0 && let Some(reserved) = open.pop() {
                    budget.settle(reserved, Micros(reserved.0 * cost_percent / 100));
                }
                let promised: u64 = open.iter().map(|m| m.0).sum();
                prop_assert!(promised + budget.spent().0 <= limit);
            }
        }
    }
}
