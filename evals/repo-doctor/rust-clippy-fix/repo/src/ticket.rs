//! Numbers that people draw.

/// A letter for the counter, and a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The counter.
    pub counter: char,
    /// The number, from 1 to 999.
    pub number: u16,
}

impl Ticket {
    /// The ticket after this one; after 999 comes 1.
    pub fn next(&self) -> Ticket {
        Ticket {
            counter: self.counter,
            number: self.number % 999 + 1,
        }
    }

    /// As the screen shows it.
    pub fn shown(&self) -> String {
        format!("{}{:03}", self.counter, self.number)
    }
}
