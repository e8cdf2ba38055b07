//! For each term, where it stands: what a query walks instead of looking at everything.

/// For each term (in the order of its id) the places that it stands at (in their order), with a value each.
#[derive(Debug, Clone, Default)]
pub(super) struct Postings<V> {
    ids: Vec<u32>,
    starts: Vec<usize>,
    entries: Vec<(u32, V)>,
}

impl<V: Copy> Postings<V> {
    /// Of what stands where, each term once at a place, in any order.
    pub(super) fn of(mut places: Vec<((u32, u32), V)>) -> Postings<V> {
        places.sort_unstable_by_key(|(at, _)| *at);
        let mut postings = Postings {
            ids: Vec::new(),
            starts: Vec::new(),
            entries: Vec::with_capacity(places.len()),
        };
        for ((id, place), value) in places {
            if postings.ids.last() != Some(&id) {
                postings.ids.push(id);
                postings.starts.push(postings.entries.len());
            }
            postings.entries.push((place, value));
        }
        postings.starts.push(postings.entries.len());
        postings
    }

    /// The number of a term, when it stands anywhere.
    pub(super) fn find(&self, id: u32) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }

    /// Where a term stands, by its number.
    pub(super) fn at(&self, term: usize) -> &[(u32, V)] {
        &self.entries[self.starts[term]..self.starts[term + 1]]
    }

    /// Where it stands, with the value to change.
    pub(super) fn at_mut(&mut self, term: usize) -> &mut [(u32, V)] {
        &mut self.entries[self.starts[term]..self.starts[term + 1]]
    }

    /// How many terms there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The value at one place.
    pub(super) fn value(&self, term: usize, place: u32) -> Option<V> {
        let entries = self.at(term);
        let at = entries
            .binary_search_by_key(&place, |(place, _)| *place)
            .ok()?;
        Some(entries[at].1)
    }
}
