//! Know the unique keys and secondary indexes that a collection's schema declares.
//!
//! ```text
//!  x-unique, x-indexes ─▶ declared: Indexes ─▶ key of a document ─▶ changes: who holds it, what moved ─▶ store
//!                                   └──────▶ plan: which index serves a query ─▶ store::Reader::seek
//! ```

mod changes;
mod declared;
mod key;
mod plan;

pub use changes::{IndexChanges, Move, Place};
pub use key::IndexKey;
pub use plan::Plan;

use countersign_proof::{canonical, plain_hash};
use serde_json::Value;

/// The unique keys and indexes of a collection, unique keys first, in the order of its schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    all: Vec<Index>,
}

/// A unique key or an index: JSON pointers whose scalars, in order, are a document's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    id: IndexId,
    pointers: Vec<String>,
    unique: bool,
}

/// Names an index within its collection: the first 16 bytes of the plain hash of its pointers. So its rows stay its own
/// wherever a schema lists it, and whether or not it is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexId(pub [u8; 16]);

impl Indexes {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Index> {
        self.all.iter()
    }

    /// The unique key of exactly these pointers.
    pub fn unique(&self, pointers: &[String]) -> Option<&Index> {
        self.iter().find(|index| index.unique && index.pointers == pointers)
    }
}

impl Index {
    fn new(pointers: Vec<String>, unique: bool) -> Index {
        let hash = plain_hash(&canonical(&pointers));
        let id = IndexId(*hash.0.first_chunk().expect("32 bytes hold 16"));
        Index { id, pointers, unique }
    }

    /// Its name within the collection.
    pub fn id(&self) -> IndexId {
        self.id
    }

    /// At most one living document of the collection may have a key.
    pub fn is_unique(&self) -> bool {
        self.unique
    }

    /// Its JSON pointers.
    pub fn pointers(&self) -> &[String] {
        &self.pointers
    }

    /// Its JSON pointers, as a sentence shows them.
    pub fn shown(&self) -> String {
        self.pointers.join(", ")
    }

    /// The key of a document: none when a part is missing, null, an object or an array.
    pub fn key(&self, document: &Value) -> Option<IndexKey> {
        let mut key = IndexKey::default();
        let all = self.pointers.iter().all(|pointer| document.pointer(pointer).is_some_and(|part| key.push(part)));
        all.then_some(key)
    }
}
