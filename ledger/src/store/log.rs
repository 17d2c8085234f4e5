//! Keep the hashes of the Merkle log's complete subtrees in groups: one row for many.
//!
//! ```text
//! level 8                       a row: up to 16 hashes
//! level 4        a row   a row   ...  16 of them
//! level 0        a row   a row   ...  16 leaf hashes each
//! ```
//!
//! The levels between are not kept: a node of theirs lies over part of one row, and is computed from it when asked for.

use super::kv::{Batch, Kv, KvError};
use super::rows::{TREE, tree_key};
use crate::Frontier;
use countersign_proof::{Hash, node_hash};
use std::collections::VecDeque;
use std::sync::RwLock;

/// Levels from one kept level to the next. More make fewer rows, yet a proof hashes half a row for the level below a kept
/// one: with 16 hashes a row it costs what it did with a row for each node, with 64 half as much again.
const GROUP_LEVELS: u32 = 4;
/// Hashes in a full row.
const GROUP: u64 = 1 << GROUP_LEVELS;
const HASH_BYTES: usize = size_of::<Hash>();
/// Roots that are remembered: of the newest blocks.
const ROOTS_MAX: usize = 4096;

/// The right edge of the log, and the row of each kept level that is not full.
pub(crate) struct LogEdge {
    frontier: Frontier,
    /// From the lowest level on.
    open: Vec<OpenGroup>,
}

#[derive(Default)]
struct OpenGroup {
    hashes: Vec<u8>,
    /// Whether the block under way added to it.
    grown: bool,
}

impl LogEdge {
    /// The edge of the log of `size` leaves that is kept here.
    pub(crate) fn load(kv: &dyn Kv, size: u64) -> Result<LogEdge, KvError> {
        let frontier = Frontier::load(size, |level, index| tree_node(kv, level, index))?;
        let levels = (0..u64::BITS).step_by(GROUP_LEVELS as usize);
        let open = levels.map_while(|level| Some(size >> level).filter(|nodes| *nodes > 0).map(|nodes| (level, nodes)));
        let open = open.map(|(level, nodes)| match nodes % GROUP {
            0 => Ok(OpenGroup::default()),
            kept => Ok(OpenGroup { hashes: hashes(kv, level, nodes - kept, kept)?, grown: false }),
        });
        Ok(LogEdge { frontier, open: open.collect::<Result<_, KvError>>()? })
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Appends a leaf's hash, and puts the rows that it fills.
    pub(crate) fn append(&mut self, leaf: Hash, batch: &mut Batch) {
        let LogEdge { frontier, open } = self;
        frontier.append(leaf, |level, index, hash| {
            if level % GROUP_LEVELS != 0 {
                return;
            }
            let at = (level / GROUP_LEVELS) as usize;
            if at == open.len() {
                open.push(OpenGroup::default());
            }
            let group = &mut open[at];
            assert_eq!(group.hashes.len() as u64, index % GROUP * HASH_BYTES as u64, "the open group of level {level}");
            group.hashes.extend_from_slice(&hash.0);
            group.grown = true;
            if (index + 1).is_multiple_of(GROUP) {
                let full = std::mem::take(group);
                batch.put(TREE, tree_key(level, index / GROUP), full.hashes);
            }
        });
    }

    /// Puts the rows that grew and are not full. Then the batch holds the whole log.
    pub(crate) fn put_open(&mut self, batch: &mut Batch) {
        for (level, group) in (0..).step_by(GROUP_LEVELS as usize).zip(&mut self.open) {
            if std::mem::take(&mut group.grown) {
                let nodes = self.frontier.size() >> level;
                batch.put(TREE, tree_key(level, nodes / GROUP), group.hashes.clone());
            }
        }
    }
}

/// The hash of a complete subtree of the log that is kept here.
pub(crate) fn tree_node(kv: &dyn Kv, level: u32, index: u64) -> Result<Hash, KvError> {
    let above = level % GROUP_LEVELS;
    let (first, count) = (index << above, 1 << above);
    let bytes = hashes(kv, level - above, first, count)?;
    let (mut nodes, rest) = bytes.as_chunks::<HASH_BYTES>();
    assert!(rest.is_empty(), "whole hashes were asked for");
    let mut halved: Vec<[u8; HASH_BYTES]>;
    while nodes.len() > 1 {
        halved = nodes.chunks_exact(2).map(|pair| node_hash(&Hash(pair[0]), &Hash(pair[1])).0).collect();
        nodes = &halved;
    }
    Ok(Hash(nodes[0]))
}

/// `count` hashes of a kept level from node `first` on, all of one row.
fn hashes(kv: &dyn Kv, level: u32, first: u64, count: u64) -> Result<Vec<u8>, KvError> {
    let missing = || KvError::Corrupt { family: TREE, message: format!("no node {level}/{first} and {count} on") };
    let mut row = kv.get(TREE, &tree_key(level, first / GROUP))?.ok_or_else(missing)?;
    let from = (first % GROUP) as usize * HASH_BYTES;
    let to = from + count as usize * HASH_BYTES;
    if row.len() < to {
        return Err(missing());
    }
    row.truncate(to);
    row.drain(..from);
    Ok(row)
}

/// The roots of the log after the newest blocks: every node's signing, certifying and reading asks for them again.
#[derive(Default)]
pub(crate) struct Roots {
    /// Ascending by size. A std lock: nothing awaits under it.
    newest: RwLock<VecDeque<(u64, Hash)>>,
}

impl Roots {
    /// Remembers the root of `size` leaves, which is larger than every size before; the oldest goes.
    pub(crate) fn push(&self, size: u64, root: Hash) {
        let mut newest = self.newest.write().expect("no panic under the lock");
        assert!(newest.back().is_none_or(|(last, _)| *last < size), "the log grew to {size}");
        if newest.len() == ROOTS_MAX {
            newest.pop_front();
        }
        newest.push_back((size, root));
    }

    pub(crate) fn get(&self, size: u64) -> Option<Hash> {
        let newest = self.newest.read().expect("no panic under the lock");
        newest.binary_search_by_key(&size, |(size, _)| *size).ok().map(|at| newest[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryKv;
    use countersign_proof::{LogTree, leaf_hash};

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    /// Appends what is missing up to `size` in one batch.
    fn grow(kv: &MemoryKv, edge: &mut LogEdge, leaves: &[Hash]) {
        let mut batch = Batch::default();
        leaves[edge.size() as usize..].iter().for_each(|leaf| edge.append(*leaf, &mut batch));
        edge.put_open(&mut batch);
        kv.write(batch).expect("memory");
    }

    fn check(kv: &MemoryKv, leaves: &[Hash]) {
        let size = leaves.len() as u64;
        for level in 0..=size.checked_ilog2().unwrap_or(0) {
            for index in 0..size >> level {
                let Ok(expected) = leaves.node(level, index);
                assert_eq!(tree_node(kv, level, index).expect("is there"), expected, "{level}/{index} of {size}");
            }
            assert!(
                tree_node(kv, level, size >> level).is_err(),
                "{level} of {size}: no more nodes than complete ones"
            );
        }
    }

    #[test]
    fn the_rows_of_every_small_log_give_every_node_and_no_other() {
        let (kv, leaves) = (MemoryKv::new(), leaves(600));
        let mut edge = LogEdge::load(&kv, 0).expect("reads nothing");
        for size in 0..=leaves.len() {
            grow(&kv, &mut edge, &leaves[..size]);
            if size % 7 == 0 || size % 64 < 3 {
                check(&kv, &leaves[..size]);
            }
            let Ok(root) = countersign_proof::log_root(&leaves[..size], size as u64);
            assert_eq!(edge.root(), root, "{size}");
        }
    }

    #[test]
    fn an_edge_read_from_any_size_goes_on_as_if_it_had_never_stopped() {
        let leaves = leaves(600);
        for size in (0..=300).chain(500..=520) {
            let kv = MemoryKv::new();
            grow(&kv, &mut LogEdge::load(&kv, 0).expect("reads nothing"), &leaves[..size]);
            let mut edge = LogEdge::load(&kv, size as u64).expect("loads");
            grow(&kv, &mut edge, &leaves[..size + 70]);
            check(&kv, &leaves[..size + 70]);
        }
    }

    #[test]
    fn the_log_of_a_large_block_is_a_row_for_each_group() {
        let (kv, leaves) = (MemoryKv::new(), leaves(GROUP * GROUP + 1));
        grow(&kv, &mut LogEdge::load(&kv, 0).expect("reads nothing"), &leaves);
        let rows = kv.scan(TREE, &[], &[0xff], usize::MAX).expect("memory");
        assert_eq!(rows.len() as u64, (GROUP + 1) + 1 + 1);
    }

    #[test]
    fn roots_are_remembered_up_to_the_maximum() {
        let roots = Roots::default();
        let last = ROOTS_MAX as u64 + 2;
        (1..=last).for_each(|at| roots.push(2 * at, leaf_hash(&at.to_be_bytes())));
        assert_eq!(roots.get(2 * last), Some(leaf_hash(&last.to_be_bytes())));
        assert_eq!(roots.get(6), Some(leaf_hash(&3u64.to_be_bytes())));
        assert_eq!([roots.get(4), roots.get(7), roots.get(2 * last + 2)], [None; 3]);
    }
}
