//! Append leaf hashes to the Merkle log, keeping only its right edge.

use countersign_proof::{Hash, node_hash, plain_hash};

/// The right edge of a log: one complete subtree for each bit of its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Largest subtree first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The edge of the log of `size` leaves, whose complete subtrees `node(level, index)` gives.
    pub fn load<E>(size: u64, node: impl Fn(u32, u64) -> Result<Hash, E>) -> Result<Frontier, E> {
        let levels = (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1);
        let peaks = levels.map(|level| node(level, (size >> level) - 1)).collect::<Result<_, _>>()?;
        Ok(Frontier { size, peaks })
    }

    /// How many leaves the log has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf's hash and names every subtree that it completes, itself first: level, index, hash.
    pub fn append(&mut self, leaf: Hash, mut completed: impl FnMut(u32, u64, Hash)) {
        let (mut hash, mut level) = (leaf, 0);
        completed(level, self.size, leaf);
        while self.size >> level & 1 == 1 {
            let left = self.peaks.pop().expect("one peak for each bit of the size");
            hash = node_hash(&left, &hash);
            level += 1;
            completed(level, self.size >> level, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        assert_eq!(self.peaks.len() as u32, self.size.count_ones(), "one peak for each bit of the size");
    }

    /// The root of the log.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => plain_hash(b""),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::{leaf_hash, log_root};

    #[test]
    fn the_edge_has_the_roots_of_the_whole_log() {
        let leaves: Vec<Hash> = (0..70u64).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut frontier = Frontier::load(0, |_, _| Err::<Hash, ()>(())).expect("reads nothing");
        let mut nodes = std::collections::BTreeMap::new();
        for size in 0..=70u64 {
            let Ok(root) = log_root(&leaves[..size as usize], size);
            assert_eq!(frontier.root(), root);
            let loaded = Frontier::load(size, |level, index| nodes.get(&(level, index)).copied().ok_or((level, index)));
            assert_eq!(loaded, Ok(frontier.clone()));
            if let Some(leaf) = leaves.get(size as usize) {
                frontier.append(*leaf, |level, index, hash| nodes.extend([((level, index), hash)]));
            }
        }
    }
}
