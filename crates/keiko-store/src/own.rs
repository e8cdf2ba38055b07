//! What this process has written of late, and who follows what. Who follows other streams is not woken by each of this process's
//! commits, and need not look into the database after them: with one run at work that would be four looks a step.

use keiko_contracts::journal::{Position, StreamId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many groups are remembered. Who is further behind looks into the database.
const KEPT: usize = 64;

/// The newest writes of this process, and who follows.
#[derive(Debug, Default)]
pub(crate) struct Own(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Oldest first.
    groups: VecDeque<Group>,
    /// How many follow the streams that begin so.
    followed: BTreeMap<Arc<str>, usize>,
}

/// Transactions one after another: their positions are dense, since each held the lock for writing and nobody else wrote in between.
#[derive(Debug)]
struct Group {
    first: Position,
    last: Position,
    kinds: Kinds,
}

/// What streams begin with, up to their first slash: `run/`, `inbox/`, `kill`.
type Kinds = BTreeSet<Box<str>>;

fn kind(stream: &str) -> &str {
    stream.split_inclusive('/').next().unwrap_or(stream)
}

/// Whether a stream of such a kind may begin with `prefix`.
fn may_begin(kinds: &Kinds, prefix: &str) -> bool {
    kinds
        .iter()
        .any(|kind| kind.starts_with(prefix) || prefix.starts_with(&**kind))
}

impl Own {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a transaction of so many events, the last of them at `last`.
    pub(crate) fn wrote(&self, last: Position, events: u64, streams: &[StreamId]) {
        let mut known = self.known();
        let first = Position((last.0 + 1).saturating_sub(events));
        let kinds: BTreeSet<&str> = streams.iter().map(|stream| kind(&stream.0)).collect();
        if let Some(newest) = known.groups.back_mut()
            && newest.last.0 + 1 == first.0
            && newest
                .kinds
                .iter()
                .map(AsRef::as_ref)
                .eq(kinds.iter().copied())
        {
            newest.last = last;
            return;
        }
        if known.groups.len() == KEPT {
            known.groups.pop_front();
        }
        known.groups.push_back(Group {
            first,
            last,
            kinds: kinds.into_iter().map(Into::into).collect(),
        });
    }

    /// The position up to which, after `seen`, there is surely nothing in the streams that begin with `prefix`. It is `seen` itself
    /// where another process may have written something.
    pub(crate) fn nothing_until(&self, prefix: &str, seen: Position) -> Position {
        let mut until = seen;
        for group in self.known().groups.iter().filter(|group| group.last > seen) {
            if group.first.0 > until.0 + 1 || may_begin(&group.kinds, prefix) {
                break;
            }
            until = group.last;
        }
        until
    }

    /// True when nobody follows what stands after `seen` up to `last`: this process wrote all of it, to streams that nobody follows.
    pub(crate) fn concerns_nobody(&self, seen: Position, last: Position) -> bool {
        let known = self.known();
        known.groups.back().is_some_and(|group| {
            group.last == last
                && group.first.0 <= seen.0 + 1
                && !known
                    .followed
                    .keys()
                    .any(|prefix| may_begin(&group.kinds, prefix))
        })
    }

    /// Somebody follows, until what is given back is dropped.
    pub(crate) fn follow(self: &Arc<Self>, prefix: &str) -> Follower {
        let prefix: Arc<str> = prefix.into();
        *self.known().followed.entry(prefix.clone()).or_default() += 1;
        Follower {
            own: Arc::clone(self),
            prefix,
        }
    }
}

/// Somebody who follows.
pub(crate) struct Follower {
    own: Arc<Own>,
    pub(crate) prefix: Arc<str>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut known = self.own.known();
        if let Some(count) = known.followed.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                known.followed.remove(&self.prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> [StreamId; 1] {
        [StreamId("run/a".into())]
    }
    fn inbox() -> [StreamId; 1] {
        [StreamId("inbox/a".into())]
    }

    #[test]
    fn dense_groups_of_other_streams_are_passed_over() {
        let own = Own::default();
        own.wrote(Position(5), 3, &run());
        own.wrote(Position(7), 2, &run());
        assert_eq!(own.nothing_until("inbox/", Position(2)), Position(7));
        assert_eq!(
            own.nothing_until("inbox/", Position(4)),
            Position(7),
            "within a group"
        );
        assert_eq!(own.nothing_until("inbox/", Position(9)), Position(9));
        assert_eq!(own.nothing_until("run/", Position(2)), Position(2));
    }

    #[test]
    fn a_gap_may_hold_what_another_process_wrote() {
        let own = Own::default();
        own.wrote(Position(5), 3, &run());
        own.wrote(Position(9), 2, &run());
        assert_eq!(own.nothing_until("inbox/", Position(1)), Position(1));
        assert_eq!(own.nothing_until("inbox/", Position(2)), Position(5));
        assert_eq!(own.nothing_until("inbox/", Position(6)), Position(6));
    }

    #[test]
    fn the_stream_itself_is_never_passed_over() {
        let own = Own::default();
        own.wrote(Position(1), 1, &run());
        own.wrote(Position(3), 2, &[run(), inbox()].concat());
        own.wrote(Position(4), 1, &run());
        assert_eq!(own.nothing_until("inbox/", Position(0)), Position(1));
    }

    #[test]
    fn what_is_forgotten_is_looked_up() {
        let own = Own::default();
        let streams = |n: u64| if n.is_multiple_of(2) { run() } else { inbox() };
        (1..=KEPT as u64 + 1).for_each(|n| own.wrote(Position(n), 1, &streams(n)));
        assert_eq!(own.nothing_until("kill", Position(0)), Position(0));
        assert_eq!(
            own.nothing_until("kill", Position(1)),
            Position(KEPT as u64 + 1)
        );
    }

    #[test]
    fn many_runs_at_work_are_one_group() {
        let own = Own::default();
        (1..=1000)
            .for_each(|n| own.wrote(Position(n), 1, &[StreamId(format!("run/{}", n % 7).into())]));
        assert_eq!(own.nothing_until("inbox/", Position(3)), Position(1000));
        assert_eq!(
            own.nothing_until("run/3", Position(3)),
            Position(3),
            "looked up"
        );
    }

    #[test]
    fn only_who_follows_such_streams_is_concerned() {
        let own = Arc::new(Own::default());
        own.wrote(Position(4), 2, &run());
        assert!(own.concerns_nobody(Position(2), Position(4)));
        assert!(
            !own.concerns_nobody(Position(1), Position(4)),
            "another process may have written at 2"
        );
        let (inbox, kill) = (own.follow("inbox/"), own.follow("kill"));
        assert!(own.concerns_nobody(Position(2), Position(4)));
        let (one, all) = (own.follow("run/b"), own.follow(""));
        assert!(!own.concerns_nobody(Position(2), Position(4)));
        drop((one, kill));
        assert!(
            !own.concerns_nobody(Position(2), Position(4)),
            "the empty prefix is every stream"
        );
        drop(all);
        assert!(own.concerns_nobody(Position(2), Position(4)));
        own.wrote(Position(5), 1, &self::inbox());
        assert!(!own.concerns_nobody(Position(4), Position(5)));
        drop(inbox);
        assert!(own.concerns_nobody(Position(4), Position(5)));
    }
}
