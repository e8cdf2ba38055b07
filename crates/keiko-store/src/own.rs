//! What this process has written of late. Who follows other streams need not look into the database after each of its commits: with
//! one run at work that would be four looks a step.

use keiko_contracts::journal::{Position, StreamId};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many groups are remembered. Who is further behind looks into the database.
const KEPT: usize = 64;

/// The newest groups of this process, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Own(Mutex<VecDeque<Group>>);

/// One transaction: its positions are dense, since it held the lock for writing.
#[derive(Debug)]
struct Group {
    first: Position,
    last: Position,
    streams: Vec<StreamId>,
}

impl Own {
    /// Takes note of a transaction of so many events, the last of them at `last`.
    pub(crate) fn wrote(&self, last: Position, events: u64, streams: Vec<StreamId>) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if groups.len() == KEPT {
            groups.pop_front();
        }
        let first = Position((last.0 + 1).saturating_sub(events));
        groups.push_back(Group { first, last, streams });
    }

    /// The position up to which, after `seen`, there is surely nothing in the streams that begin with `prefix`. It is `seen` itself
    /// where another process may have written something.
    pub(crate) fn nothing_until(&self, prefix: &str, seen: Position) -> Position {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut until = seen;
        for group in groups.iter().filter(|group| group.last > seen) {
            if group.first.0 > until.0 + 1 || group.streams.iter().any(|stream| stream.0.starts_with(prefix)) {
                break;
            }
            until = group.last;
        }
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Vec<StreamId> {
        vec![StreamId("run/a".into())]
    }

    #[test]
    fn dense_groups_of_other_streams_are_passed_over() {
        let own = Own::default();
        own.wrote(Position(5), 3, run());
        own.wrote(Position(7), 2, run());
        assert_eq!(own.nothing_until("inbox/", Position(2)), Position(7));
        assert_eq!(own.nothing_until("inbox/", Position(4)), Position(7), "within a group");
        assert_eq!(own.nothing_until("inbox/", Position(9)), Position(9));
        assert_eq!(own.nothing_until("run/", Position(2)), Position(2));
    }

    #[test]
    fn a_gap_may_hold_what_another_process_wrote() {
        let own = Own::default();
        own.wrote(Position(5), 3, run());
        own.wrote(Position(9), 2, run());
        assert_eq!(own.nothing_until("inbox/", Position(1)), Position(1));
        assert_eq!(own.nothing_until("inbox/", Position(2)), Position(5));
        assert_eq!(own.nothing_until("inbox/", Position(6)), Position(6));
    }

    #[test]
    fn the_stream_itself_is_never_passed_over() {
        let own = Own::default();
        own.wrote(Position(1), 1, run());
        own.wrote(Position(3), 2, vec![StreamId("run/a".into()), StreamId("inbox/a".into())]);
        own.wrote(Position(4), 1, run());
        assert_eq!(own.nothing_until("inbox/", Position(0)), Position(1));
    }

    #[test]
    fn what_is_forgotten_is_looked_up() {
        let own = Own::default();
        (1..=KEPT as u64 + 1).for_each(|n| own.wrote(Position(n), 1, run()));
        assert_eq!(own.nothing_until("inbox/", Position(0)), Position(0));
        assert_eq!(own.nothing_until("inbox/", Position(1)), Position(KEPT as u64 + 1));
    }
}
