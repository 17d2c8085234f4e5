//! Gather what a transaction, and then a block, does to the indexes.

use super::{IndexId, IndexKey};
use std::collections::BTreeMap;

/// A key in an index of a collection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The collection.
    pub collection: String,
    /// The index.
    pub index: IndexId,
    /// The key.
    pub key: IndexKey,
}

/// Where a document stood in an index before a block, and where it stands after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// None where it was not there, or had no key.
    pub before: Option<IndexKey>,
    /// None where it is not there any more, or has no key.
    pub now: Option<IndexKey>,
}

/// What changes in the indexes of all collections.
#[derive(Debug, Default)]
pub struct IndexChanges {
    /// Of unique keys: which document holds each from now on, if one does.
    pub holders: BTreeMap<Place, Option<String>>,
    /// Of every index, by collection, index and id.
    pub moves: BTreeMap<(String, IndexId, String), Move>,
}

impl IndexChanges {
    /// A document goes from one key to another.
    pub(crate) fn move_document(&mut self, collection: &str, index: IndexId, id: &str, of: Move) {
        let at = (collection.to_owned(), index, id.to_owned());
        let now = of.now.clone();
        self.moves.entry(at).or_insert(of).now = now;
    }

    /// A document takes or frees a unique key.
    pub(crate) fn hold(&mut self, place: Place, holder: Option<String>) {
        self.holders.insert(place, holder);
    }

    /// What comes after this: a document's first `before` and its last `now` remain.
    pub(crate) fn then(&mut self, later: IndexChanges) {
        self.holders.extend(later.holders);
        for ((collection, index, id), of) in later.moves {
            self.move_document(&collection, index, &id, of);
        }
    }
}
