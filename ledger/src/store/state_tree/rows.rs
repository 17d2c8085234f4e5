//! Keep the state tree in rows: one for each leaf, and one for each page that is over more leaves than are read at a time.
//!
//! The rows of leaves are always those of the newest block. The row of a page may be of some block before, while it is
//! among those that the tree still has to save.

use super::super::kv::{Batch, Kv, KvError};
use super::super::rows::{STATE_LEAVES, STATE_PAGES};
use super::page::{Made, Page, Set};
use super::place::Place;
use countersign_proof::Hash;
use std::sync::Arc;

/// A page over no more leaves than this has no row: it is made of the rows of its leaves.
pub(super) const ROWLESS_LEAVES_MAX: u32 = 32;

/// The rows, to read.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) kv: &'a dyn Kv,
    /// The rows of pages may be older than what names them: all keys that were set since are being set again.
    pub(super) are_stale: bool,
}

impl<'a> Rows<'a> {
    /// Rows that are what names them.
    pub(super) fn fresh(kv: &'a dyn Kv) -> Rows<'a> {
        Rows { kv, are_stale: false }
    }

    /// The page at this place, whatever its hash; none when there is nothing. `has_row` is what its parent says.
    pub(super) fn page(self, place: Place<'_>, has_row: bool, made: &mut Made) -> Result<Option<Arc<Page>>, KvError> {
        let row = if has_row { self.kv.get(STATE_PAGES, &place.row_key())? } else { None };
        match row {
            Some(row) => {
                let message = "a page of the state tree does not decode".to_owned();
                let page = Page::decode(place, &row).ok_or(KvError::Corrupt { family: STATE_PAGES, message })?;
                made.grown += page.bytes() as isize;
                Ok(Some(Arc::new(page)))
            }
            // It had none yet when the rows were written.
            None if !has_row || self.are_stale => self.of_leaves(place, made),
            None => Ok(None),
        }
    }

    fn of_leaves(self, place: Place<'_>, made: &mut Made) -> Result<Option<Arc<Page>>, KvError> {
        let (first, last) = place.bounds();
        let limit = if self.are_stale { usize::MAX } else { ROWLESS_LEAVES_MAX as usize + 1 };
        let to = [&last.0[..], &[0]].concat();
        let rows = self.kv.scan(STATE_LEAVES, &first.0, &to, limit)?;
        let leaf = |(key, record): &(Vec<u8>, Vec<u8>)| -> Option<Set> {
            Some((Hash(key[..].try_into().ok()?), Some(Hash(record[..].try_into().ok()?))))
        };
        let message = || "a leaf of the state tree is not a hash under a hash".to_owned();
        let corrupt = || KvError::Corrupt { family: STATE_LEAVES, message: message() };
        let leaves: Vec<Set> = rows.iter().map(|row| leaf(row).ok_or_else(corrupt)).collect::<Result<_, _>>()?;
        if leaves.is_empty() {
            return Ok(None);
        }
        let mut page = Arc::new(Page::empty());
        Page::set(&mut page, self, place, 0, &leaves, made)?;
        Ok(Some(page))
    }

    /// What the row of this leaf holds.
    pub(super) fn leaf(self, key: &Hash) -> Result<Option<Hash>, KvError> {
        let row = self.kv.get(STATE_LEAVES, &key.0)?;
        let corrupt = |_| KvError::Corrupt { family: STATE_LEAVES, message: format!("leaf {key} is not a hash") };
        row.map(|row| row[..].try_into().map(Hash).map_err(corrupt)).transpose()
    }
}

/// Puts the rows of leaves.
pub(super) fn put_leaves(sets: &[Set], batch: &mut Batch) {
    for (key, record) in sets {
        match record {
            Some(record) => batch.put(STATE_LEAVES, key.0, record.0),
            None => batch.delete(STATE_LEAVES, key.0),
        }
    }
}
