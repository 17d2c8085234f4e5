//! Compute roots and proofs of the RFC 6962 Merkle log.

use crate::limits::{CONSISTENCY_HASHES_MAX, PATH_HASHES_MAX};
use crate::{Hash, ProofError};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// Where the hashes of complete subtrees come from.
pub trait LogTree {
    /// What reading one may end in.
    type Error;

    /// The hash of the complete subtree over the leaves `index * 2^level .. (index + 1) * 2^level`, all of which
    /// are in the log.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The hash of a leaf's bytes.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(bytes).finalize().into())
}

/// The hash of two subtrees.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root over the first `size` leaves.
pub fn log_root<T: LogTree + ?Sized>(tree: &T, size: u64) -> Result<Hash, T::Error> {
    if size == 0 {
        return Ok(crate::plain_hash(b""));
    }
    range_hash(tree, 0..size)
}

/// The hashes from leaf `index` up to the root over `size` leaves, lowest first. `index < size`.
pub fn inclusion_proof<T: LogTree + ?Sized>(tree: &T, index: u64, size: u64) -> Result<Vec<Hash>, T::Error> {
    assert!(index < size, "leaf {index} is in a log of {size}");
    let mut path = Vec::new();
    let mut range = 0..size;
    while range.end - range.start > 1 {
        let middle = split(&range);
        let (near, far) = if index < middle {
            (range.start..middle, middle..range.end)
        } else {
            (middle..range.end, range.start..middle)
        };
        path.push(range_hash(tree, far)?);
        range = near;
    }
    path.reverse();
    Ok(path)
}

/// The hashes that join the root over `old` leaves to the root over `new`. `1 <= old <= new`.
pub fn consistency_proof<T: LogTree + ?Sized>(tree: &T, old: u64, new: u64) -> Result<Vec<Hash>, T::Error> {
    assert!(1 <= old && old <= new, "sizes {old} and {new}");
    let mut path = Vec::new();
    let mut range = 0..new;
    while range.end != old {
        let middle = split(&range);
        if old <= middle {
            path.push(range_hash(tree, middle..range.end)?);
            range = range.start..middle;
        } else {
            path.push(range_hash(tree, range.start..middle)?);
            range = middle..range.end;
        }
    }
    // The old root itself is known to the verifier when the old tree is one complete subtree from leaf 0.
    if range.start > 0 {
        path.push(range_hash(tree, range)?);
    }
    path.reverse();
    Ok(path)
}

/// Computes the root that the path leads to from a leaf; the caller compares it with a certified one.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::malformed("index", format!("{index} is not in a log of {size}")));
    }
    ProofError::check_max("path", path.len(), PATH_HASHES_MAX)?;
    let too_short = || ProofError::malformed("path", "too short for the index and the size");
    let mut rest = path.iter();
    let (mut hash, mut at, mut last) = (*leaf, index, size - 1);
    while last > 0 {
        if at % 2 == 1 {
            hash = node_hash(rest.next().ok_or_else(too_short)?, &hash);
        } else if at < last {
            hash = node_hash(&hash, rest.next().ok_or_else(too_short)?);
        }
        // At the right edge with no sibling the node is carried up unchanged.
        (at, last) = (at / 2, last / 2);
    }
    if rest.next().is_some() {
        return Err(ProofError::malformed("path", "too long for the index and the size"));
    }
    Ok(hash)
}

/// Computes the two roots that a consistency path joins, of the first `old` and of `new` leaves; the caller compares
/// both. `old_root` is what the path starts from where the old log is one complete subtree (RFC 9162, 2.1.4.2).
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, path: &[Hash]) -> Result<(Hash, Hash), ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::malformed("sizes", format!("{old} and {new}: need 1 <= old <= new")));
    }
    ProofError::check_max("path", path.len(), CONSISTENCY_HASHES_MAX)?;
    let wrong = |reason: &str| ProofError::malformed("path", reason);
    if old == new {
        return if path.is_empty() { Ok((*old_root, *old_root)) } else { Err(wrong("too long for the sizes")) };
    }
    let mut rest = path.iter();
    let (mut at, mut last) = (old - 1, new - 1);
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let seed =
        if old.is_power_of_two() { old_root } else { rest.next().ok_or_else(|| wrong("too short for the sizes"))? };
    let (mut old_side, mut new_side) = (*seed, *seed);
    for hash in rest {
        if last == 0 {
            return Err(wrong("too long for the sizes"));
        }
        if at % 2 == 1 || at == last {
            old_side = node_hash(hash, &old_side);
            new_side = node_hash(hash, &new_side);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            new_side = node_hash(&new_side, hash);
        }
        (at, last) = (at / 2, last / 2);
    }
    if last == 0 { Ok((old_side, new_side)) } else { Err(wrong("too short for the sizes")) }
}

/// The largest power of two below the range's length, from its start.
fn split(range: &Range<u64>) -> u64 {
    let length = range.end - range.start;
    let half = length.next_power_of_two() / 2;
    range.start + half
}

fn range_hash<T: LogTree + ?Sized>(tree: &T, range: Range<u64>) -> Result<Hash, T::Error> {
    let length = range.end - range.start;
    if length.is_power_of_two() {
        let level = length.trailing_zeros();
        return tree.node(level, range.start >> level);
    }
    let middle = split(&range);
    Ok(node_hash(&range_hash(tree, range.start..middle)?, &range_hash(tree, middle..range.end)?))
}

/// A log in memory: the leaf hashes in order.
impl LogTree for [Hash] {
    type Error = std::convert::Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        if level == 0 {
            return Ok(self[index as usize]);
        }
        Ok(node_hash(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: u64) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn every_two_sizes_of_every_small_log_are_joined_and_no_other_root_is() {
        for new in 1..40u64 {
            let tree = leaves(new);
            let Ok(new_root) = log_root(&tree[..], new);
            for old in 1..=new {
                let Ok(old_root) = log_root(&tree[..], old);
                let Ok(path) = consistency_proof(&tree[..], old, new);
                assert_eq!(verify_consistency(old, &old_root, new, &path), Ok((old_root, new_root)), "{old} {new}");
                let mut long = path.clone();
                long.push(new_root);
                assert_ne!(verify_consistency(old, &old_root, new, &long), Ok((old_root, new_root)));
                if !path.is_empty() {
                    let short = verify_consistency(old, &old_root, new, &path[..path.len() - 1]);
                    assert_ne!(short, Ok((old_root, new_root)));
                }
                for other in (1..=new).filter(|other| *other != old && *other != new) {
                    assert_ne!(verify_consistency(other, &old_root, new, &path), Ok((old_root, new_root)));
                }
            }
        }
    }

    #[test]
    fn every_leaf_of_every_small_log_is_proved_and_no_other() {
        for size in 1..40u64 {
            let tree = leaves(size);
            let Ok(root) = log_root(&tree[..], size);
            for index in 0..size {
                let Ok(path) = inclusion_proof(&tree[..], index, size);
                assert_eq!(verify_inclusion(&tree[index as usize], index, size, &path), Ok(root));
                for other in (0..size).filter(|other| *other != index) {
                    assert_ne!(verify_inclusion(&tree[index as usize], other, size, &path), Ok(root));
                }
                let mut long = path.clone();
                long.push(root);
                assert!(verify_inclusion(&tree[index as usize], index, size, &long).is_err());
                if !path.is_empty() {
                    assert!(verify_inclusion(&tree[index as usize], index, size, &path[1..]).is_err());
                }
            }
        }
    }
}
