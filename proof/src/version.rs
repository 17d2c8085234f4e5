//! Hash what a document's version is: its value, its record and its place in the state.

use crate::hash::tagged;
use crate::json_writer::{Members, write_string};
use crate::name::check_any_collection;
use crate::{Hash, ProofError, check_document_id, tagged_hash};
use serde::{Deserialize, Serialize};

/// One version of a document, as the state commits to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRecord {
    /// The document's collection.
    pub collection: String,
    /// The block that wrote it.
    pub height: u64,
    /// The document's id.
    pub id: String,
    /// The record hash of the version before; null for version 1.
    pub previous: Option<Hash>,
    /// The transaction that wrote it; the genesis hash at height 0.
    pub transaction: Hash,
    /// The form of this record: 1.
    pub v: u64,
    /// The value's hash; null for a version that deletes.
    pub value: Option<Hash>,
    /// Counts from 1, through deletions too.
    pub version: u64,
}

impl VersionRecord {
    /// Checks names and numbers: versions count from 1, and only the first has none before it.
    pub(crate) fn check(&self) -> Result<(), ProofError> {
        check_any_collection("record.collection", &self.collection)?;
        check_document_id("record.id", &self.id)?;
        if self.v != 1 {
            return Err(ProofError::mismatch("record.v", 1, self.v));
        }
        if self.version == 0 || (self.version == 1) != self.previous.is_none() {
            return Err(ProofError::malformed("record.previous", "null in version 1 and nowhere else"));
        }
        Ok(())
    }

    /// The bytes whose SHA-256 is the record hash.
    pub fn preimage(&self) -> Vec<u8> {
        tagged("version", &self.to_bytes())
    }

    /// The canonical bytes of the record.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        Members::begin(&mut out)
            .string("collection", &self.collection)
            .number("height", self.height)
            .string("id", &self.id)
            .nullable_hash("previous", self.previous.as_ref())
            .hash("transaction", &self.transaction)
            .number("v", self.v)
            .nullable_hash("value", self.value.as_ref())
            .number("version", self.version)
            .end();
        out
    }

    /// The record hash.
    pub fn hash(&self) -> Hash {
        tagged_hash("version", &[&self.to_bytes()])
    }

    /// Where the record stands in the state.
    pub fn state_key(&self) -> Hash {
        state_key(&self.collection, &self.id)
    }
}

/// The key of a document in the state.
pub fn state_key(collection: &str, id: &str) -> Hash {
    tagged_hash("state-key", &[&place(collection, id)])
}

/// The canonical array of a document's collection and id.
fn place(collection: &str, id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(collection.len() + id.len() + 8);
    out.push(b'[');
    write_string(&mut out, collection);
    out.push(b',');
    write_string(&mut out, id);
    out.push(b']');
    out
}

/// What is hashed with a value so that nobody can guess a document he may not read.
pub fn salt(nonce: &[u8], collection: &str, id: &str) -> Hash {
    tagged_hash("salt", &[nonce, &place(collection, id)])
}

/// The hash of a document's canonical bytes under its salt.
pub fn value_hash(salt: &Hash, canonical_value: &[u8]) -> Hash {
    tagged_hash("value", &[&salt.0, canonical_value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, plain_hash};

    #[test]
    fn a_record_is_written_as_its_own_members_say() {
        let hash = plain_hash(b"x");
        let first = VersionRecord {
            collection: "flights".into(),
            height: 7,
            id: "UA\"1\u{e9}".into(),
            previous: None,
            transaction: hash,
            v: 1,
            value: Some(hash),
            version: 1,
        };
        let deleted = VersionRecord { previous: Some(hash), value: None, version: 2, ..first.clone() };
        for record in [first, deleted] {
            assert_eq!(record.to_bytes(), canonical(&record));
            assert_eq!(record.hash(), plain_hash(&record.preimage()));
            let at = canonical(&[&record.collection, &record.id]);
            assert_eq!(record.state_key(), tagged_hash("state-key", &[&at]));
        }
    }
}
