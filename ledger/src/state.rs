//! Describe what execution reads: newest versions, used ids, used keys, holders of unique keys.

use crate::index::Place;
use crate::store::kv::KvError;
use countersign_proof::{Hash, PublicKey, VersionRecord};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// One version of a document with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// What the state commits to.
    pub record: VersionRecord,
    /// The record's hash.
    pub hash: Hash,
    /// The value's salt; none for a deletion.
    pub salt: Option<Hash>,
    /// The value; none for a deletion. It may be the transaction's own.
    pub value: Option<Arc<Value>>,
}

impl Version {
    /// Its value, read as what it is; the value of a deletion is null.
    ///
    /// # Errors
    /// When the value does not have that form.
    pub fn parsed<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(self.value.as_deref().unwrap_or(&Value::Null))
    }
}

/// A version that a block writes, as the store takes it.
#[derive(Debug, Clone)]
pub struct Written {
    /// The index of the leaf of the transaction that wrote it.
    pub leaf: u64,
    /// The version.
    pub version: Arc<Version>,
    /// The canonical bytes of its value; none for a deletion. They are made once, or come with the transaction.
    pub bytes: Option<Arc<[u8]>>,
}

/// What is known of a transaction id that has a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdUse {
    /// The leaf's index.
    pub leaf: u64,
    /// The block's height.
    pub height: u64,
    /// Where the transaction stands in its proposal.
    pub position: u32,
    /// The hash of the body that used it.
    pub body: Hash,
}

/// The state before a block, as execution sees it.
pub trait StateReader {
    /// The newest version of a document, be it a deletion.
    fn newest(&self, collection: &str, id: &str) -> Result<Option<Arc<Version>>, KvError>;

    /// Who used this transaction id.
    fn id_use(&self, id: &Hash) -> Result<Option<IdUse>, KvError>;

    /// Whether a key has ever stood on this ledger, in any role.
    fn key_used(&self, key: &PublicKey) -> Result<bool, KvError>;

    /// The id of the document that holds a unique key of its collection.
    fn holder(&self, place: &Place) -> Result<Option<String>, KvError>;

    /// The root over the first `size` leaves of the log before the block; none when there are fewer.
    fn root_at(&self, size: u64) -> Result<Option<Hash>, KvError>;

    /// The tree size after the block at `height`, which is before this one.
    fn size_after(&self, height: u64) -> Result<Option<u64>, KvError>;
}
