//! Keep ordered bytes in named families: the one seam between the node and a disk.

use thiserror::Error;

/// A column family, named for what it holds.
pub type Family = &'static str;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A store that failed or lied. The node stops: it never serves or votes from a store in doubt.
#[derive(Debug, Error)]
pub enum KvError {
    /// The database refused to open, read, write or flush.
    #[error("store {path}: {message}")]
    Database {
        /// Where the database lies.
        path: String,
        /// What it said.
        message: String,
    },
    /// What was read is not what was written.
    #[error("store: {family} holds bytes that do not decode: {message}")]
    Corrupt {
        /// Where they lay.
        family: Family,
        /// What is wrong with them.
        message: String,
    },
}

/// Ordered bytes on a disk, or on one that is pretended.
///
/// `write` is all or nothing and visible to every later read when it returns. It is durable only once a
/// `sync` that began after it has returned; a crash keeps a prefix of the writes, never a part of one.
pub trait Kv: Send + Sync + 'static {
    /// The value under `key`.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// The pairs with `from <= key < to`, ascending, at most `limit` of them.
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError>;

    /// The pairs with `from <= key < to`, descending, at most `limit` of them.
    fn scan_back(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError>;

    /// The last pair with `from <= key < to`.
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Pair>, KvError> {
        Ok(self.scan_back(family, from, to, 1)?.pop())
    }

    /// Applies the whole batch, in order.
    fn write(&self, batch: Batch) -> Result<(), KvError>;

    /// Makes all earlier writes durable.
    fn sync(&self) -> Result<(), KvError>;
}

/// What one atomic write changes, in order.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    pub(super) changes: Vec<Change>,
}

/// One change of a [`Batch`].
#[derive(Debug, Clone)]
pub(super) enum Change {
    Put { family: Family, key: Vec<u8>, value: Vec<u8> },
    Delete { family: Family, key: Vec<u8> },
    DeleteRange { family: Family, from: Vec<u8>, to: Vec<u8> },
}

impl Batch {
    /// Puts `value` under `key`.
    pub fn put(&mut self, family: Family, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push(Change::Put { family, key: key.into(), value: value.into() });
    }

    /// Removes `key`; nothing happens when it is not there.
    pub fn delete(&mut self, family: Family, key: impl Into<Vec<u8>>) {
        self.changes.push(Change::Delete { family, key: key.into() });
    }

    /// Removes every key with `from <= key < to`.
    pub fn delete_range(&mut self, family: Family, from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) {
        self.changes.push(Change::DeleteRange { family, from: from.into(), to: to.into() });
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
