//! Rentals by the day.

use crate::week::is_weekend;

/// Prices in cents.
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    /// Monday to Friday.
    pub working_day: u64,
    /// Saturday and Sunday.
    pub weekend_day: u64,
    /// Once.
    pub cleaning: u64,
}

/// A rental from one day to another, both of which are charged.
#[derive(Debug, Clone, Copy)]
pub struct Rental {
    pub first: u32,
    pub last: u32,
}

impl Rental {
    /// What the days cost.
    pub fn days(self, prices: Prices) -> u64 {
        let mut sum = 0;
        for day in self.first..self.last {
            sum += if is_weekend(day) {
                prices.weekend_day
            } else {
                prices.working_day
            };
        }
        sum
    }

    /// All of it.
    pub fn total(self, prices: Prices, cleaned: bool) -> u64 {
        let cleaning = if cleaned { 0 } else { prices.cleaning };
        self.days(prices) + cleaning
    }
}
