//! Commit to the state with a sparse Merkle tree of our own, in pages (docs/decisions/2026-11-28-state-tree.md).
//!
//! The newest pages lie on disk, each in a row that the ledger's own batch replaces. In memory pages never change: a block
//! makes new ones that share what is the same, so that the trees of recent heights are all there, to be read while the next
//! block is made. The tree of a height before them is made of the nearest one, by taking back what was written since.

mod page;

use super::kv::{Batch, Kv, KvError};
use super::rows::STATE_PAGES;
use countersign_proof::Hash;
use page::{Made, Page, Place};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

/// How many heights back the state can be proved.
pub const STATE_HEIGHTS_KEPT: u64 = 4096;
/// How many writes back it can be proved: they are taken back one by one.
pub const STATE_WRITES_KEPT: usize = 65_536;

/// What to tell whoever asks for the proof of a state further back.
pub const STATE_KEPT: &str = "the state is provable for the newest 4096 heights, and for 65536 writes back";

/// Bytes of pages in memory that belong to the newest tree; above it, those that were not changed for long are let go.
const LOADED_BYTES_MAX: usize = 256 << 20;
/// Bytes of pages in memory that recent heights made.
const RECENT_BYTES_MAX: usize = 32 << 20;
const RECENT_HEIGHTS_MAX: usize = 64;

/// Any key: no nibble of it is looked at on the way to the root.
const ROOT: Hash = Hash([0; 32]);

/// What lies at the end of a key's way, and the siblings of the way, leaf to root.
pub(crate) type Way = (Option<(Hash, Hash)>, Vec<Hash>);

/// The tree of the newest height, and those of recent ones. One writes, any number read.
pub(crate) struct StateTree {
    root: Arc<Page>,
    /// Of the pages that the block under way made.
    made_bytes: usize,
    /// At least what the newest tree takes in memory.
    loaded_bytes: usize,
    loaded_bytes_max: usize,
    recent: Arc<Mutex<Recent>>,
}

#[derive(Default)]
struct Recent {
    trees: VecDeque<Tree>,
    bytes: usize,
}

struct Tree {
    height: u64,
    root: Arc<Page>,
    /// Of the pages that its height made.
    bytes: usize,
}

/// A document that a block writes: its key, and the hash of its last record.
pub(crate) struct Write {
    pub(crate) key: Hash,
    pub(crate) record: Hash,
}

/// The trees of recent heights, to read.
#[derive(Clone)]
pub(crate) struct StateTrees(Arc<Mutex<Recent>>);

impl StateTree {
    /// The tree after `height`, which has this root.
    pub(crate) fn open(kv: &dyn Kv, height: u64, root: Hash) -> Result<StateTree, KvError> {
        let page = Page::read(kv, Place::root(&ROOT))?.unwrap_or_else(Page::empty);
        if page.hash() != root {
            let message = format!("the state's root is {}, and the last seal has {root}", page.hash());
            return Err(KvError::Corrupt { family: STATE_PAGES, message });
        }
        let mut tree = StateTree::empty();
        tree.root = Arc::new(page);
        tree.written(height);
        Ok(tree)
    }

    /// The tree before the first block.
    pub(crate) fn empty() -> StateTree {
        StateTree::with_memory(LOADED_BYTES_MAX)
    }

    fn with_memory(loaded_bytes_max: usize) -> StateTree {
        let root = Arc::new(Page::empty());
        StateTree { root, made_bytes: 0, loaded_bytes: 0, loaded_bytes_max, recent: Arc::default() }
    }

    /// Sets what the block at `height` writes, each key once, puts the pages into its batch, and gives the root.
    pub(crate) fn commit(
        &mut self,
        kv: &dyn Kv,
        height: u64,
        writes: impl IntoIterator<Item = Write>,
        batch: &mut Batch,
    ) -> Result<Hash, KvError> {
        let mut sets: Vec<page::Set> = writes.into_iter().map(|write| (write.key, Some(write.record))).collect();
        if sets.is_empty() {
            return Ok(self.root.hash());
        }
        sets.sort_unstable();
        let mut made = Made::default();
        self.root = self.root.set(kv, Place::root(&ROOT), height, &sets, &mut made)?;
        for (key, page) in made.pages {
            let depth = key[0];
            batch.put(STATE_PAGES, key, page.encode(depth));
        }
        self.made_bytes += made.bytes;
        Ok(self.root.hash())
    }

    /// Lets readers see the tree: the batch of its height is written.
    pub(crate) fn written(&mut self, height: u64) {
        let bytes = std::mem::take(&mut self.made_bytes);
        self.loaded_bytes += bytes;
        let lets_go = self.loaded_bytes > self.loaded_bytes_max && self.let_go();
        let mut recent = self.recent.lock().expect("no panic under the lock");
        if lets_go {
            // A page that was let go and is read again is not the one that trees of before share.
            *recent = Recent::default();
        }
        recent.trees.push_back(Tree { height, root: self.root.clone(), bytes });
        recent.bytes += bytes;
        while recent.trees.len() > 1 && (recent.trees.len() > RECENT_HEIGHTS_MAX || recent.bytes > RECENT_BYTES_MAX) {
            recent.bytes -= recent.trees.pop_front().map_or(0, |tree| tree.bytes);
        }
    }

    /// Counts what the newest tree really takes: whatever replaced another page was counted twice. When that is too much
    /// it forgets the pages that were not changed for longest, until half of the room is free; they are on disk. Whether it
    /// did.
    fn let_go(&mut self) -> bool {
        let mut by_height = BTreeMap::new();
        self.root.count_bytes(&mut by_height);
        self.loaded_bytes = by_height.values().sum();
        if self.loaded_bytes <= self.loaded_bytes_max / 4 * 3 {
            return false;
        }
        let mut kept = 0;
        let of_half = by_height.iter().rev().take_while(|(_, bytes)| {
            kept += **bytes;
            kept <= self.loaded_bytes_max / 2
        });
        let since = of_half.last().map_or(u64::MAX, |(made, _)| *made);
        self.root = Arc::new(self.root.without_older(since));
        self.loaded_bytes = by_height.range(since..).map(|(_, bytes)| bytes).sum();
        true
    }

    /// A handle to read with.
    pub(crate) fn trees(&self) -> StateTrees {
        StateTrees(self.recent.clone())
    }
}

impl StateTrees {
    /// The nearest height, not below this one, whose tree is in memory; none before it was written.
    pub(crate) fn nearest(&self, height: u64) -> Option<u64> {
        self.tree(height).map(|(nearest, _)| nearest)
    }

    fn tree(&self, height: u64) -> Option<(u64, Arc<Page>)> {
        let recent = self.0.lock().expect("no panic under the lock");
        let at = recent.trees.partition_point(|tree| tree.height < height);
        recent.trees.get(at).map(|tree| (tree.height, tree.root.clone()))
    }

    /// The way of a key in the tree after `height`, which has this root. `before` gives what the keys held after it that were written from then up
    /// to a later height, which is the nearest one in memory. None when the height is not there.
    pub(crate) fn way(
        &self,
        kv: &dyn Kv,
        height: u64,
        root: &Hash,
        key: &Hash,
        before: impl Fn(u64) -> Result<BTreeMap<Hash, Option<Hash>>, KvError>,
    ) -> Result<Option<Way>, KvError> {
        loop {
            let Some((nearest, tree)) = self.tree(height) else { return Ok(None) };
            let way = || {
                let sets: Vec<page::Set> =
                    if nearest == height { Vec::new() } else { before(nearest)?.into_iter().collect() };
                let then = match sets.is_empty() {
                    true => tree.clone(),
                    false => tree.set(kv, Place::root(key), height, &sets, &mut Made::default())?,
                };
                if then.hash() != *root {
                    let message = format!("the state of height {height} has the root {}, its seal {root}", then.hash());
                    return Err(KvError::Corrupt { family: STATE_PAGES, message });
                }
                then.way(kv, Place::root(key), key)
            };
            match way() {
                // It was let go meanwhile, and its pages on disk are newer.
                Err(_) if self.tree(height).is_none_or(|(_, now)| !Arc::ptr_eq(&now, &tree)) => {}
                way => return way.map(Some),
            }
        }
    }
}

#[cfg(test)]
mod tests;
