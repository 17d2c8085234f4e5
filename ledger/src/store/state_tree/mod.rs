//! Commit to the state with a sparse Merkle tree of our own, in pages (docs/decisions/2026-11-28-state-tree.md).
//!
//! Every leaf lies in a row that the ledger's own batch puts. The rows of pages may stay behind: opening the tree sets anew
//! what was set since the oldest of them. In memory a block changes the pages in place, and copies those alone that a tree
//! of before shares, which somebody asked for. The tree of any other height is made of the nearest one, by taking back what
//! was written since.

mod page;
mod place;
mod rows;
mod trees;

use super::CacheSize;
use super::kv::{Batch, Kv, KvError};
use super::rows::STATE_PAGES;
use countersign_proof::Hash;
use page::{Made, Page, Set};
use place::Place;
use rows::{Rows, put_leaves};
use std::collections::VecDeque;
use std::sync::Arc;
pub(crate) use trees::StateTrees;
use trees::{NO_PANIC, Newest, Shared};

/// How many heights back the state can be proved.
pub const STATE_HEIGHTS_KEPT: u64 = 4096;
/// How many writes back it can be proved: they are taken back one by one.
pub const STATE_WRITES_KEPT: usize = 65_536;

/// What to tell whoever asks for the proof of a state further back.
pub const STATE_KEPT: &str = "the state is provable for the newest 4096 heights, and for 65536 writes back";

/// Changes of documents until a page that changed is saved: so many are read when the tree is opened, and their keys set
/// anew, in half a second. More would save fewer rows the larger the tree is.
const UNSAVED_CHANGES_MAX: u64 = 32_768;
/// Any key: no nibble of it is looked at on the way to the root.
const ROOT: Hash = Hash([0; 32]);

/// What lies at the end of a key's way, and the siblings of the way, leaf to root.
pub(crate) type Way = (Option<(Hash, Hash)>, Vec<Hash>);

/// The tree of the newest height, and what of it is not in rows. One writes, any number read.
pub(crate) struct StateTree {
    shared: Arc<Shared>,
    /// Pages whose rows are to be put, in the order in which they stopped being what their rows are.
    unsaved: VecDeque<Unsaved>,
    /// Changes so far.
    changes: u64,
    /// Of the pages that the block under way had to copy.
    copied_bytes: usize,
    /// At least what the newest tree takes in memory.
    loaded_bytes: usize,
    /// Of pages in memory that belong to the newest tree; above it, those that were not changed for long are let go.
    loaded_bytes_max: usize,
    unsaved_changes_max: u64,
}

struct Unsaved {
    height: u64,
    /// Changes up to this height.
    changes: u64,
    rows: Vec<Vec<u8>>,
}

/// A document that a block writes: its key, and the hash of its last record.
pub(crate) struct Write {
    pub(crate) key: Hash,
    pub(crate) record: Hash,
}

impl StateTree {
    /// The tree after `height`, which has this root. `since` are the keys that were set, once or more, from the height on
    /// that [`StateTree::unsaved_from`] gave last. The rows of its pages are put, all at once.
    pub(crate) fn open(
        kv: &dyn Kv,
        height: u64,
        root: Hash,
        since: impl IntoIterator<Item = Hash>,
    ) -> Result<StateTree, KvError> {
        let (stale, mut made) = (Rows { kv, are_stale: true }, Made::default());
        let set = |key| Ok((key, stale.leaf(&key)?));
        let mut sets: Vec<Set> = since.into_iter().map(set).collect::<Result<_, KvError>>()?;
        sets.sort_unstable();
        sets.dedup();
        let row = kv.get(STATE_PAGES, &Place::root(&ROOT).row_key())?;
        let page = row.map_or_else(|| Some(Page::root()), |row| Page::decode(Place::root(&ROOT), &row));
        let message = || "the root of the state tree does not decode".to_owned();
        let page = page.ok_or_else(|| KvError::Corrupt { family: STATE_PAGES, message: message() })?;
        let mut page = Arc::new(page);
        if !sets.is_empty() {
            Page::set(&mut page, stale, Place::root(&ROOT), height, &sets, &mut made)?;
        }
        if page.hash() != root {
            let message = format!("the state's root is {}, and the last seal has {root}", page.hash());
            return Err(KvError::Corrupt { family: STATE_PAGES, message });
        }
        let mut batch = Batch::default();
        save(&mut page, kv, &made.unsaved, &mut batch)?;
        kv.write(batch)?;
        let tree = StateTree { loaded_bytes: made.grown.max(0) as usize, ..StateTree::empty() };
        *tree.shared.newest.lock().expect(NO_PANIC) = Newest { height, root: page, is_ahead: false };
        Ok(tree)
    }

    /// The tree before the first block.
    pub(crate) fn empty() -> StateTree {
        StateTree {
            shared: Arc::default(),
            unsaved: VecDeque::new(),
            changes: 0,
            copied_bytes: 0,
            loaded_bytes: 0,
            loaded_bytes_max: CacheSize::default().state_bytes(),
            unsaved_changes_max: UNSAVED_CHANGES_MAX,
        }
    }

    /// How many bytes of pages the newest tree may take in memory from now on.
    pub(crate) fn keep_loaded(&mut self, bytes_max: usize) {
        self.loaded_bytes_max = bytes_max;
    }

    /// Sets what the block at `height` writes, each key once, after so many changes in all; puts the rows into its batch, and
    /// gives the root. Readers wait until [`StateTree::written`]; after an error there is no tree.
    pub(crate) fn commit(
        &mut self,
        kv: &dyn Kv,
        height: u64,
        changes: usize,
        writes: impl IntoIterator<Item = Write>,
        batch: &mut Batch,
    ) -> Result<Hash, KvError> {
        let mut sets: Vec<Set> = writes.into_iter().map(|write| (write.key, Some(write.record))).collect();
        sets.sort_unstable();
        let shared = self.shared.clone();
        let mut newest = shared.newest.lock().expect(NO_PANIC);
        if sets.is_empty() {
            return Ok(newest.root.hash());
        }
        newest.is_ahead = true;
        let mut made = Made::default();
        Page::set(&mut newest.root, Rows::fresh(kv), Place::root(&ROOT), height, &sets, &mut made)?;
        put_leaves(&sets, batch);
        self.changes += changes as u64;
        // Pages that were unsaved already are saved as they are by then.
        if !made.unsaved.is_empty() {
            self.unsaved.push_back(Unsaved { height, changes: self.changes, rows: made.unsaved });
        }
        let (now, changes_max) = (self.changes, self.unsaved_changes_max);
        while let Some(oldest) = self.unsaved.front().filter(|oldest| oldest.changes + changes_max <= now) {
            save(&mut newest.root, kv, &oldest.rows, batch)?;
            self.unsaved.pop_front();
        }
        self.copied_bytes += made.copied;
        self.loaded_bytes = self.loaded_bytes.saturating_add_signed(made.grown);
        Ok(newest.root.hash())
    }

    /// The first height that set keys which are not in the rows of pages; none when all are.
    pub(crate) fn unsaved_from(&self) -> Option<u64> {
        self.unsaved.front().map(|oldest| oldest.height)
    }

    /// Lets readers see the tree: the batch of its height is written.
    pub(crate) fn written(&mut self, height: u64) {
        let mut newest = self.shared.newest.lock().expect(NO_PANIC);
        (newest.height, newest.is_ahead) = (height, false);
        if self.loaded_bytes > self.loaded_bytes_max {
            self.loaded_bytes = self.shared.let_go(&mut newest.root, self.loaded_bytes_max);
        }
        let copied = std::mem::take(&mut self.copied_bytes);
        self.shared.recent.lock().expect(NO_PANIC).advance(height, &newest.root, copied);
        self.shared.written.notify_all();
    }

    /// A handle to read with.
    pub(crate) fn trees(&self) -> StateTrees {
        StateTrees(self.shared.clone())
    }
}

/// Puts the rows of these pages.
fn save(root: &mut Arc<Page>, kv: &dyn Kv, rows: &[Vec<u8>], batch: &mut Batch) -> Result<(), KvError> {
    for row_key in rows {
        let (depth, key) = Place::of_row_key(row_key);
        let row = Page::save(root, Rows::fresh(kv), Place::root(&key), Place { depth, key: &key })?;
        row.into_iter().for_each(|row| batch.put(STATE_PAGES, row_key.clone(), row));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
