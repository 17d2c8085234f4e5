//! Read the trees of all heights: the newest, recent ones that somebody asked for, and older ones made of those.

use super::Way;
use super::page::{Made, Page, Set};
use super::place::Place;
use super::rows::Rows;
use crate::store::kv::{Kv, KvError};
use crate::store::rows::STATE_PAGES;
use countersign_proof::Hash;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Bytes of pages in memory that recent trees do not share with the newest.
const RECENT_BYTES_MAX: usize = 32 << 20;
pub(super) const RECENT_HEIGHTS_MAX: u64 = 64;
/// How long a reader waits for the block under way to be written. It takes milliseconds, unless the disk failed and the node
/// is stopping.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

pub(super) const NO_PANIC: &str = "no panic under the lock";

/// What the one that writes and those that read have together.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) newest: Mutex<Newest>,
    pub(super) written: Condvar,
    /// A lock of its own: it is never held for long.
    pub(super) recent: Mutex<Recent>,
}

pub(super) struct Newest {
    pub(super) height: u64,
    pub(super) root: Arc<Page>,
    /// The root is of the block after this height, which is not in the database yet.
    pub(super) is_ahead: bool,
}

impl Default for Newest {
    fn default() -> Newest {
        Newest { height: 0, root: Arc::new(Page::root()), is_ahead: false }
    }
}

/// Trees of recent heights, each there because somebody asked for it.
#[derive(Default)]
pub(super) struct Recent {
    pub(super) trees: BTreeMap<u64, Tree>,
    bytes: usize,
    /// The height below which every tree is kept: proofs of a height are mostly asked for together, and those of its
    /// successors next.
    wanted_below: u64,
    /// How often pages were let go. A tree of before that time cannot read a page that it has not read yet.
    era: u64,
}

pub(super) struct Tree {
    root: Arc<Page>,
    /// Of the pages that were copied for it.
    bytes: usize,
}

/// The trees of all heights, to read.
#[derive(Clone)]
pub(crate) struct StateTrees(pub(super) Arc<Shared>);

impl Shared {
    /// Counts what the newest tree really takes, for readers load pages too. When that is too much it forgets the pages that
    /// were not changed for longest, until half of the room is free; they are on disk. Gives the bytes that it takes then.
    pub(super) fn let_go(&self, root: &mut Arc<Page>, bytes_max: usize) -> usize {
        let bytes_of = |root: &Page| {
            let mut by_height = BTreeMap::new();
            root.count_bytes(&mut by_height);
            by_height
        };
        let by_height = bytes_of(root);
        let bytes = by_height.values().sum();
        if bytes <= bytes_max / 4 * 3 {
            return bytes;
        }
        let mut kept = 0;
        let of_half = by_height.iter().rev().take_while(|(_, bytes)| {
            kept += **bytes;
            kept <= bytes_max / 2
        });
        let since = of_half.last().map_or(u64::MAX, |(made, _)| *made);
        // First, so that nothing is copied for them; and once more for what was asked for meanwhile.
        self.recent.lock().expect(NO_PANIC).forget();
        Page::let_go(root, since);
        self.recent.lock().expect(NO_PANIC).forget();
        bytes_of(root).values().sum()
    }
}

impl Recent {
    /// Goes on to the tree of the next height, for which pages of so many bytes were copied that trees of before have still.
    pub(super) fn advance(&mut self, height: u64, root: &Arc<Page>, copied: usize) {
        if let Some(mut last) = self.trees.last_entry() {
            last.get_mut().bytes += copied;
            self.bytes += copied;
        }
        while self.trees.first_key_value().is_some_and(|(first, _)| first + RECENT_HEIGHTS_MAX <= height) {
            self.pop_first();
        }
        if height < self.wanted_below {
            self.keep(height, root.clone(), 0);
        }
    }

    fn keep(&mut self, height: u64, root: Arc<Page>, bytes: usize) {
        if self.trees.contains_key(&height) {
            return;
        }
        self.trees.insert(height, Tree { root, bytes });
        self.bytes += bytes;
        while self.trees.len() > 1 && (self.bytes > RECENT_BYTES_MAX || self.trees.len() as u64 > RECENT_HEIGHTS_MAX) {
            self.pop_first();
        }
    }

    fn pop_first(&mut self) {
        self.bytes -= self.trees.pop_first().map_or(0, |(_, tree)| tree.bytes);
    }

    /// Drops all trees: a page that was let go and is read again is not the one that they share.
    fn forget(&mut self) {
        (self.trees, self.bytes) = (BTreeMap::new(), 0);
        self.era += 1;
    }
}

impl StateTrees {
    /// The nearest height, not below this one, whose tree is in memory; none before it was written.
    pub(crate) fn nearest(&self, height: u64) -> Option<u64> {
        let recent = self.0.recent.lock().expect(NO_PANIC).trees.range(height..).next().map(|(nearest, _)| *nearest);
        recent.or_else(|| Some(self.0.newest.lock().expect(NO_PANIC).height).filter(|newest| *newest >= height))
    }

    /// That tree.
    pub(super) fn tree(&self, height: u64) -> Result<Option<(u64, Arc<Page>)>, KvError> {
        {
            let mut recent = self.0.recent.lock().expect(NO_PANIC);
            recent.wanted_below = recent.wanted_below.max(height.saturating_add(RECENT_HEIGHTS_MAX + 1));
            if let Some((nearest, tree)) = recent.trees.range(height..).next() {
                return Ok(Some((*nearest, tree.root.clone())));
            }
        }
        let newest = self.0.newest.lock().expect(NO_PANIC);
        let waited = self.0.written.wait_timeout_while(newest, WRITTEN_WITHIN, |newest| newest.is_ahead);
        let (newest, _) = waited.expect(NO_PANIC);
        if newest.is_ahead {
            let message = format!("the block after height {} was not written", newest.height);
            return Err(KvError::Corrupt { family: STATE_PAGES, message });
        }
        Ok((newest.height >= height).then(|| (newest.height, newest.root.clone())))
    }

    fn era(&self) -> u64 {
        self.0.recent.lock().expect(NO_PANIC).era
    }

    /// The way of a key in the tree after `height`, which has this root. `before` gives what the keys held after it that
    /// were written from then up to a later height, which is the nearest one in memory. None when the height is not there.
    pub(crate) fn way(
        &self,
        kv: &dyn Kv,
        height: u64,
        root: &Hash,
        key: &Hash,
        before: impl Fn(u64) -> Result<BTreeMap<Hash, Option<Hash>>, KvError>,
    ) -> Result<Option<Way>, KvError> {
        loop {
            let era = self.era();
            let Some((nearest, mut tree)) = self.tree(height)? else { return Ok(None) };
            let way = || {
                let mut made = Made::default();
                if nearest > height {
                    let sets: Vec<Set> = before(nearest)?.into_iter().collect();
                    Page::set(&mut tree, Rows::fresh(kv), Place::root(key), height, &sets, &mut made)?;
                }
                if tree.hash() != *root {
                    let message = format!("the state of height {height} has the root {}, its seal {root}", tree.hash());
                    return Err(KvError::Corrupt { family: STATE_PAGES, message });
                }
                let way = tree.way(Rows::fresh(kv), Place::root(key), key)?;
                let mut recent = self.0.recent.lock().expect(NO_PANIC);
                if recent.era == era {
                    recent.keep(height, tree, made.copied);
                }
                Ok(way)
            };
            match way() {
                // Pages were let go meanwhile, and on disk they are newer.
                Err(_) if self.era() != era => {}
                way => return way.map(Some),
            }
        }
    }
}
