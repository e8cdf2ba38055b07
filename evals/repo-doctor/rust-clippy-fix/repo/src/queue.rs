//! Who waits.

use crate::ticket::Ticket;
use std::collections::VecDeque;

/// People in the order of their arrival; some go first.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Ticket>,
    urgent: VecDeque<Ticket>,
}

impl Queue {
    /// Someone draws a ticket.
    pub fn join(&mut self, ticket: Ticket, urgent: bool) {
        let queue = if urgent { &mut self.urgent } else { &mut self.waiting };
        queue.push_back(ticket);
    }

    /// The next one.
    pub fn call(&mut self) -> Option<Ticket> {
        self.urgent.pop_front().or_else(|| self.waiting.pop_front())
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.urgent.len()
    }

    /// Only people with time wait.
    pub fn is_relaxed(&self) -> bool {
        self.urgent.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(number: u16) -> Ticket {
        Ticket { counter: 'A', number }
    }

    #[test]
    fn urgent_people_go_first() {
        let mut queue = Queue::default();
        queue.join(ticket(1), false);
        queue.join(ticket(2), true);
        assert_eq!(queue.len(), 2);
        assert!(!queue.is_relaxed());
        assert_eq!(queue.call().map(|t| t.shown()), Some("A002".to_owned()));
        assert_eq!(queue.call(), Some(ticket(1)));
        assert!(queue.is_empty());
        assert_eq!(queue.call(), None);
    }

    #[test]
    fn numbers_begin_again() {
        assert_eq!(ticket(999).next().number, 1);
        assert_eq!(ticket(41).next().shown(), "A042");
    }
}
