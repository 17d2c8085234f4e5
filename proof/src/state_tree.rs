//! Compute the root and the paths of the sparse Merkle tree over the state.

use crate::limits::STATE_SIBLINGS_MAX;
use crate::{Hash, ProofError};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The whole state in memory: state keys to record hashes. For small states and for tests; a node keeps its
/// tree on disk.
#[derive(Debug, Clone, Default)]
pub struct StateTree {
    leaves: BTreeMap<Hash, Hash>,
}

/// Bit `depth` of the key, most significant first.
pub(crate) fn bit(key: &Hash, depth: usize) -> bool {
    key.0[depth / 8] >> (7 - depth % 8) & 1 == 1
}

/// The root that `siblings`, leaf to root, lead to from the subtree `hash` on the way of `key`.
pub(crate) fn climb(key: &Hash, hash: Hash, siblings: &[Hash]) -> Result<Hash, ProofError> {
    ProofError::check_max("siblings", siblings.len(), STATE_SIBLINGS_MAX)?;
    let mut hash = hash;
    for (sibling, depth) in siblings.iter().zip((0..siblings.len()).rev()) {
        hash =
            if bit(key, depth) { StateTree::inner_node(sibling, &hash) } else { StateTree::inner_node(&hash, sibling) };
    }
    Ok(hash)
}

impl StateTree {
    /// The root of an empty subtree.
    pub const EMPTY: Hash = Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

    /// The root of a subtree of one leaf.
    pub fn leaf_node(key: &Hash, record: &Hash) -> Hash {
        Hash(Sha256::new().chain_update(b"JMT::LeafNode").chain_update(key.0).chain_update(record.0).finalize().into())
    }

    /// The root of any other subtree.
    pub fn inner_node(left: &Hash, right: &Hash) -> Hash {
        let tag = b"JMT::IntrnalNode";
        Hash(Sha256::new().chain_update(tag).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// Puts a record hash under a state key.
    pub fn insert(&mut self, key: Hash, record: Hash) {
        self.leaves.insert(key, record);
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let leaves: Vec<(Hash, Hash)> = self.leaves.iter().map(|(k, v)| (*k, *v)).collect();
        subtree(&leaves, 0)
    }

    /// What lies at the end of the key's way, if anything, and the siblings of the way, leaf to root.
    pub fn prove(&self, key: &Hash) -> (Option<(Hash, Hash)>, Vec<Hash>) {
        let leaves: Vec<(Hash, Hash)> = self.leaves.iter().map(|(k, v)| (*k, *v)).collect();
        let mut rest = &leaves[..];
        let mut siblings = Vec::new();
        for depth in 0.. {
            if rest.len() <= 1 {
                break;
            }
            let (left, right) = rest.split_at(rest.partition_point(|(k, _)| !bit(k, depth)));
            let (near, far) = if bit(key, depth) { (right, left) } else { (left, right) };
            siblings.push(subtree(far, depth + 1));
            rest = near;
        }
        siblings.reverse();
        (rest.first().copied(), siblings)
    }
}

fn subtree(leaves: &[(Hash, Hash)], depth: usize) -> Hash {
    match leaves {
        [] => StateTree::EMPTY,
        [(key, record)] => StateTree::leaf_node(key, record),
        _ => {
            let (left, right) = leaves.split_at(leaves.partition_point(|(k, _)| !bit(k, depth)));
            StateTree::inner_node(&subtree(left, depth + 1), &subtree(right, depth + 1))
        }
    }
}
