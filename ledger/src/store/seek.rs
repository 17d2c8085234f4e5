//! Walk an index at a height: from one end of a range of keys, or from behind a document, up or down.

use super::kv::KvError;
use super::reader::{Change, Reader};
use super::rows::*;
use crate::index::{IndexKey, Place, Plan};

/// A walk through part of an index, as it was after the block at one height: by key, then by id; or the other way.
#[derive(Debug, Clone)]
pub struct Seek {
    /// The bytes of collection and index, before those of the key.
    prefix: Vec<u8>,
    from: Vec<u8>,
    to: Vec<u8>,
    descending: bool,
    height: u64,
}

/// An entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The document.
    pub id: String,
    /// The key.
    pub key: IndexKey,
    /// Whether the document had the key after the block at the walk's height: else it had it at another time.
    pub holds: bool,
}

impl Seek {
    /// A walk through what the plan names.
    pub fn new(collection: &str, plan: &Plan<'_>, descending: bool, height: u64) -> Seek {
        let prefix = index_key(collection, plan.index.id(), &[]);
        let (from, to) = ([&prefix[..], &plan.from].concat(), [&prefix[..], &plan.to].concat());
        Seek { prefix, from, to, descending, height }
    }

    /// Goes on behind this document with this key.
    pub fn after(&mut self, key: &IndexKey, id: &str) {
        let at = [&self.prefix[..], key.as_bytes(), id.as_bytes()].concat();
        // The rows of a document go on with a zero byte, where those of no other id do.
        match self.descending {
            true => self.to = self.to.clone().min([&at[..], b"\0"].concat()),
            false => self.from = self.from.clone().max([&at[..], b"\x01"].concat()),
        }
    }

    fn entry(&self, row_key: &[u8], bytes: &[u8]) -> Result<Entry, KvError> {
        let corrupt = || KvError::Corrupt { family: INDEXED, message: "a short key".into() };
        let row: IndexedRow = decode(INDEXED, bytes)?;
        let (rest, end) = row_key.split_last_chunk::<8>().ok_or_else(corrupt)?;
        let key_end = rest.len().checked_sub(row.id.len() + 1).ok_or_else(corrupt)?;
        let key = rest.get(self.prefix.len()..key_end).ok_or_else(corrupt)?;
        let holds = row.from <= self.height && self.height < u64::from_be_bytes(*end);
        Ok(Entry { id: row.id, key: IndexKey::of_bytes(key.to_vec()), holds })
    }
}

impl Reader {
    /// The next `limit` entries of a walk, which goes on behind them; fewer at its end. Entries of other heights are among
    /// them: one for each time that a document took and left a key. So the reads of a walk are bounded by the caller.
    pub fn seek(&self, seek: &mut Seek, limit: usize) -> Result<Vec<Entry>, KvError> {
        let rows = match seek.descending {
            false => self.kv().scan(INDEXED, &seek.from, &seek.to, limit)?,
            true => self.kv().scan_back(INDEXED, &seek.from, &seek.to, limit)?,
        };
        let entries = rows.iter().map(|(key, bytes)| seek.entry(key, bytes)).collect();
        if let Some((last, _)) = rows.into_iter().next_back() {
            match seek.descending {
                true => seek.to = last,
                false => seek.from = [&last[..], b"\0"].concat(),
            }
        }
        entries
    }

    /// The id of the document that holds a unique key now.
    pub fn holder_of(&self, place: &Place) -> Result<Option<String>, KvError> {
        let corrupt = |_| KvError::Corrupt { family: HOLDERS, message: "not UTF-8".into() };
        let key = index_key(&place.collection, place.index, place.key.as_bytes());
        self.kv().get(HOLDERS, &key)?.map(|bytes| String::from_utf8(bytes).map_err(corrupt)).transpose()
    }

    /// What the transaction of a leaf wrote in the block at `height`, in order, at most `limit` of it.
    pub fn changes_of(&self, height: u64, leaf: u64, limit: usize) -> Result<Vec<Change>, KvError> {
        let Some((last, _)) = self.kv().last(CHANGES, &pair_key(height, 0), &pair_key(height + 1, 0))? else {
            return Ok(Vec::new());
        };
        let corrupt = || KvError::Corrupt { family: CHANGES, message: "a short key".into() };
        let (_, last) = last.split_last_chunk::<4>().ok_or_else(corrupt)?;
        // A block's changes stand in the order of its leaves: the first whose leaf is not before this one.
        let (mut low, mut high) = (0, u32::from_be_bytes(*last) + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let bytes = self.kv().get(CHANGES, &pair_key(height, middle))?.ok_or_else(corrupt)?;
            if decode::<ChangeRow>(CHANGES, &bytes)?.leaf < leaf { low = middle + 1 } else { high = middle }
        }
        let mut found = self.changes(height, low, height, limit)?;
        found.retain(|change| change.leaf == leaf);
        Ok(found)
    }
}
