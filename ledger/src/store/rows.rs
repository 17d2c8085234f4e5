//! Encode what the ledger database holds: one prost message a kind of row, one key a kind of lookup.

use super::Position;
use super::kv::{Family, KvError};
use crate::execute::Chain;
use crate::index::IndexId;
use crate::state::{IdUse, Version};
use countersign_proof::{Hash, Leaf, TransactionLeaf, VersionRecord, value_hash};
use prost::Message;
use std::sync::Arc;

/// Height to [`BlockRow`].
pub(crate) const BLOCKS: Family = "blocks";
/// Leaf index to the leaf's bytes.
pub(crate) const LEAVES: Family = "leaves";
/// Level and group to the hashes of complete subtrees of the log: see `log.rs`.
pub(crate) const TREE: Family = "tree";
/// Height and position to a transaction's bytes.
pub(crate) const TRANSACTIONS: Family = "transactions";
/// Transaction id to [`IdRow`].
pub(crate) const IDS: Family = "ids";
/// Leaf index to why the transaction was rejected; this node's words, not the ledger's.
pub(crate) const REJECTIONS: Family = "rejections";
/// Collection and id to the newest [`VersionRow`].
pub(crate) const DOCUMENTS: Family = "documents";
/// Collection, id and version to the [`VersionRow`] that was the newest until the next version replaced it.
pub(crate) const HISTORY: Family = "history";
/// Height and order to a [`ChangeRow`].
pub(crate) const CHANGES: Family = "changes";
/// Collection, index and key to the id of the document that holds the unique key.
pub(crate) const HOLDERS: Family = "holders";
/// Collection, index, key, id and the height where it ended to an [`IndexedRow`].
pub(crate) const INDEXED: Family = "indexed";
/// Public keys that have ever stood on the ledger.
pub(crate) const KEYS: Family = "keys";
/// State key to the hash of the newest record under it: the leaves of the newest state tree.
pub(crate) const STATE_LEAVES: Family = "state_leaves";
/// Depth and path to a page of a state tree: the newest, or one since [`TipRow::state_from`].
pub(crate) const STATE_PAGES: Family = "state_pages";
/// Tree size to the note of a certified checkpoint.
pub(crate) const CERTIFICATES: Family = "certificates";
/// Tree size and node to a [`CosignatureRow`].
pub(crate) const COSIGNATURES: Family = "cosignatures";
/// SHA-256 of an evidence file to the file.
pub(crate) const EVIDENCE: Family = "evidence";
/// Node to its newest [`CosignatureRow`], with its size.
pub(crate) const COSIGNED: Family = "cosigned";
/// One row: [`TipRow`].
pub(crate) const META: Family = "meta";

/// Every family of the ledger database.
pub(crate) const FAMILIES: [Family; 19] = [
    BLOCKS,
    LEAVES,
    TREE,
    TRANSACTIONS,
    IDS,
    REJECTIONS,
    DOCUMENTS,
    HISTORY,
    CHANGES,
    HOLDERS,
    INDEXED,
    KEYS,
    STATE_LEAVES,
    STATE_PAGES,
    CERTIFICATES,
    COSIGNATURES,
    EVIDENCE,
    COSIGNED,
    META,
];

/// The families that execution asks for what is mostly not there: a new id, a new document, a unique key nobody holds.
pub(crate) const SOUGHT: [Family; 3] = [IDS, DOCUMENTS, HOLDERS];

/// The families whose rows are hashes under hashes.
pub(crate) const HASHES: [Family; 4] = [IDS, KEYS, STATE_LEAVES, STATE_PAGES];

pub(crate) const TIP: &[u8] = b"tip";

/// The number of the form of all these rows, which changes whenever one of them does. The first form carried none.
pub(crate) const LAYOUT: u32 = 3;

/// Where the ledger stands, and the Raft position that took it there.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TipRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) genesis: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) height: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) digest: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) time: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) size: u64,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) seal: Vec<u8>,
    #[prost(uint64, tag = "7")]
    pub(crate) raft_term: u64,
    #[prost(uint64, tag = "8")]
    pub(crate) raft_index: u64,
    /// Read before anything else is: [`LAYOUT`].
    #[prost(uint32, tag = "9")]
    pub(crate) layout: u32,
    /// The first height whose changes of the state may not be in the rows of its pages.
    #[prost(uint64, tag = "10")]
    pub(crate) state_from: u64,
}

/// A block's proposal without its transactions, and where its leaves lie.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BlockRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) header: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) signature: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub(crate) transactions: u32,
    #[prost(uint64, tag = "4")]
    pub(crate) first: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) leaves: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) raft_term: u64,
    #[prost(uint64, tag = "7")]
    pub(crate) raft_index: u64,
}

/// A version, but for what stands in its key (collection and id) and what its value and salt say (the value's hash). The
/// same bytes while it is the newest and when it was replaced.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct VersionRow {
    #[prost(uint64, tag = "1")]
    pub(crate) version: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) height: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) transaction: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) previous: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub(crate) salt: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    pub(crate) value: Option<Vec<u8>>,
}

/// That an id was used, which is all that a new transaction asks. What else there is to know of it stands in the leaf.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct IdRow {
    #[prost(uint64, tag = "1")]
    pub(crate) leaf: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) position: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ChangeRow {
    #[prost(string, tag = "1")]
    pub(crate) collection: String,
    #[prost(string, tag = "2")]
    pub(crate) id: String,
    #[prost(uint64, tag = "3")]
    pub(crate) version: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) leaf: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RejectionRow {
    #[prost(uint32, optional, tag = "1")]
    pub(crate) operation: Option<u32>,
    #[prost(string, tag = "2")]
    pub(crate) detail: String,
    #[prost(string, repeated, tag = "3")]
    pub(crate) pointers: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(crate) keywords: Vec<String>,
    #[prost(string, optional, tag = "5")]
    pub(crate) existing: Option<String>,
}

/// From when on a document had a key. Until when stands in the row's own key, so that a row is never read but to be shown
/// or ended, and each row can be judged alone.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct IndexedRow {
    #[prost(uint64, tag = "1")]
    pub(crate) from: u64,
    #[prost(string, tag = "2")]
    pub(crate) id: String,
}

/// Stands for the height where a row ends that has not ended.
pub(crate) const NOT_ENDED: u64 = u64::MAX;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CosignatureRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) root: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) time: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) log_signature: Vec<u8>,
}

/// Decodes a row that we wrote.
pub(crate) fn decode<M: Message + Default>(family: Family, bytes: &[u8]) -> Result<M, KvError> {
    M::decode(bytes).map_err(|e| KvError::Corrupt { family, message: e.to_string() })
}

fn hash(family: Family, bytes: &[u8]) -> Result<Hash, KvError> {
    Hash::from_slice("row", bytes).map_err(|e| KvError::Corrupt { family, message: e.to_string() })
}

impl TipRow {
    pub(crate) fn chain(&self) -> Result<Chain, KvError> {
        Ok(Chain {
            height: self.height,
            digest: hash(META, &self.digest)?,
            time: self.time,
            size: self.size,
            seal: hash(META, &self.seal)?,
        })
    }

    pub(crate) fn position(&self) -> Option<Position> {
        (self.raft_index > 0).then_some(Position { term: self.raft_term, index: self.raft_index })
    }
}

impl VersionRow {
    /// The row of a version and the canonical bytes of its value.
    pub(crate) fn of(version: &Version, bytes: Option<&[u8]>) -> VersionRow {
        let record = &version.record;
        VersionRow {
            version: record.version,
            height: record.height,
            transaction: record.transaction.0.to_vec(),
            previous: record.previous.map(|previous| previous.0.to_vec()),
            salt: version.salt.map(|salt| salt.0.to_vec()),
            value: bytes.map(<[u8]>::to_vec),
        }
    }

    /// The version of the document that the row's key names.
    pub(crate) fn version(&self, family: Family, collection: &str, id: &str) -> Result<Version, KvError> {
        let corrupt = |message: String| KvError::Corrupt { family, message };
        let hash_of = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| hash(family, bytes)).transpose();
        let salt = hash_of(&self.salt)?;
        let value = self.value.as_ref().map(|bytes| serde_json::from_slice(bytes).map(Arc::new)).transpose();
        let record = VersionRecord {
            collection: collection.to_owned(),
            height: self.height,
            id: id.to_owned(),
            previous: hash_of(&self.previous)?,
            transaction: hash(family, &self.transaction)?,
            v: 1,
            value: salt.zip(self.value.as_ref()).map(|(salt, bytes)| value_hash(&salt, bytes)),
            version: self.version,
        };
        Ok(Version { hash: record.hash(), record, salt, value: value.map_err(|e| corrupt(e.to_string()))? })
    }
}

impl IdRow {
    pub(crate) fn of(used: &IdUse) -> IdRow {
        IdRow { leaf: used.leaf, position: used.position }
    }

    /// The row with what the bytes of its leaf say.
    pub(crate) fn id_use(&self, leaf: &[u8]) -> Result<IdUse, KvError> {
        match Leaf::parse(leaf) {
            Ok(Leaf::Transaction(TransactionLeaf { height, body, .. })) => {
                Ok(IdUse { leaf: self.leaf, height, position: self.position, body })
            }
            other => Err(KvError::Corrupt { family: LEAVES, message: format!("leaf {}: {other:?}", self.leaf) }),
        }
    }
}

pub(crate) fn number_key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Height, then position or order.
pub(crate) fn pair_key(height: u64, position: u32) -> Vec<u8> {
    [&height.to_be_bytes()[..], &position.to_be_bytes()].concat()
}

/// Names hold no control character, so a zero byte ends each.
pub(crate) fn document_key(collection: &str, id: &str) -> Vec<u8> {
    [collection.as_bytes(), b"\0", id.as_bytes()].concat()
}

/// The id in a [`document_key`] of this collection.
pub(crate) fn id_in<'a>(collection: &str, key: &'a [u8]) -> Result<&'a str, KvError> {
    let id = key.get(collection.len() + 1..).and_then(|id| std::str::from_utf8(id).ok());
    id.ok_or_else(|| KvError::Corrupt { family: DOCUMENTS, message: format!("no id: {}", hex::encode(key)) })
}

pub(crate) fn history_key(collection: &str, id: &str, version: u64) -> Vec<u8> {
    [collection.as_bytes(), b"\0", id.as_bytes(), b"\0", &version.to_be_bytes()].concat()
}

/// A key is as long as its parts say, and the index's name has 16 bytes, so that nothing need end them.
pub(crate) fn index_key(collection: &str, index: IndexId, key: &[u8]) -> Vec<u8> {
    [collection.as_bytes(), b"\0", &index.0, key].concat()
}

/// An id holds no control character, so a zero byte ends it.
pub(crate) fn indexed_key(collection: &str, index: IndexId, key: &[u8], id: &str, end: u64) -> Vec<u8> {
    [&index_key(collection, index, key)[..], id.as_bytes(), b"\0", &end.to_be_bytes()].concat()
}

pub(crate) fn tree_key(level: u32, group: u64) -> Vec<u8> {
    [&[level as u8][..], &group.to_be_bytes()].concat()
}
