//! What lies on the shelves.

use std::collections::BTreeMap;

/// Pieces of one article.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shelf {
    /// On the shelf.
    pub present: u32,
    /// Promised to someone.
    pub reserved: u32,
}

impl Shelf {
    /// Pieces that can still be promised.
    pub fn available(self) -> u32 {
        self.present + self.reserved
    }
}

/// All shelves by article.
#[derive(Debug, Default)]
pub struct Stock {
    shelves: BTreeMap<String, Shelf>,
}

impl Stock {
    /// Puts pieces on a shelf.
    pub fn deliver(&mut self, article: &str, pieces: u32) {
        self.shelves.entry(article.to_owned()).or_default().present += pieces;
    }

    /// Promises pieces; false when there are not enough.
    pub fn reserve(&mut self, article: &str, pieces: u32) -> bool {
        match self.shelves.get_mut(article) {
            Some(shelf) if shelf.available() >= pieces => {
                shelf.reserved += pieces;
                true
            }
            _ => false,
        }
    }

    /// The shelf of an article.
    pub fn shelf(&self, article: &str) -> Shelf {
        self.shelves.get(article).copied().unwrap_or_default()
    }
}
