//! Steps that come in series: of those, people want to know how many there were, not each of them.

/// What the ids of the calls of a series begin with.
pub(super) const AGAIN: &str = "again";
pub(super) const BISECT: &str = "bisect";
pub(super) const REPAIR: &str = "repair";
/// What the ids of calls end with that count.
pub(super) const CHECKOUT: &str = "checkout";
pub(super) const TRY: &str = "try";

/// A series of steps of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// The tests once more, under other conditions.
    Reruns,
    /// Commits that a failing test is run at.
    Commits,
    /// One-edit repairs.
    Repairs,
}

/// The series that a call belongs to, by its id, and whether it counts as one more of it: a repair is tried in several
/// calls.
#[must_use]
pub fn series(call: &str) -> Option<(Series, bool)> {
    match (call.split('-').next()?, call.rsplit('-').next()?) {
        (AGAIN, _) => Some((Series::Reruns, true)),
        (BISECT, last) => Some((Series::Commits, last == CHECKOUT)),
        (REPAIR, last) => Some((Series::Repairs, last == TRY)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_a_series_are_counted_once() {
        assert_eq!(series("again-3"), Some((Series::Reruns, true)));
        assert_eq!(
            series("bisect-200-4-checkout"),
            Some((Series::Commits, true))
        );
        assert_eq!(series("bisect-200-4-test"), Some((Series::Commits, false)));
        assert_eq!(series("repair-1-2-try"), Some((Series::Repairs, true)));
        assert_eq!(series("repair-1-2-edit"), Some((Series::Repairs, false)));
        assert_eq!(series("tests-1"), None);
        assert_eq!(series(""), None);
    }
}
