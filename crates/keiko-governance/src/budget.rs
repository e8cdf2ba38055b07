//! Budgets: reserve before, settle after, in whole micro-units.

use keiko_contracts::money::Micros;

/// Money of one run. Reserved plus spent never passes the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    limit: Option<Micros>,
    reserved: Micros,
    spent: Micros,
}

/// There is not enough money left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the next request may cost {wanted}, but {left} of the budget of {limit} are left")]
pub struct Exhausted {
    /// What was to be reserved.
    pub wanted: Micros,
    /// What is left.
    pub left: Micros,
    /// The limit.
    pub limit: Micros,
}

impl Budget {
    /// A budget; without a limit it only counts.
    #[must_use]
    pub fn new(limit: Option<Micros>) -> Self {
        Budget { limit, ..Budget::default() }
    }
    /// Sets another limit; what is spent stays spent.
    pub fn set_limit(&mut self, limit: Option<Micros>) {
        self.limit = limit;
    }
    /// What may still be reserved; `None` without a limit.
    #[must_use]
    pub fn left(&self) -> Option<Micros> {
        self.limit.map(|limit| limit.minus(self.reserved).minus(self.spent))
    }
    /// Spent so far.
    #[must_use]
    pub fn spent(&self) -> Micros {
        self.spent
    }
    /// Whether this much could be reserved.
    ///
    /// # Errors
    /// [`Exhausted`] when it could not.
    pub fn check(&self, wanted: Micros) -> Result<(), Exhausted> {
        match (self.left(), self.limit) {
            (Some(left), Some(limit)) if wanted > left => Err(Exhausted { wanted, left, limit }),
            _ => Ok(()),
        }
    }
    /// Reserves, as an event says: the check came before.
    pub fn reserve(&mut self, amount: Micros) {
        self.reserved = self.reserved.plus(amount);
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
