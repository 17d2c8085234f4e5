//! Commit to the state with a sparse Merkle tree, on the crate jmt.

use super::kv::{Batch, Kv, KvError};
use super::rows::{STATE_NODES, STATE_STALE};
use crate::{LedgerError, Version};
use borsh::{BorshDeserialize, to_vec};
use countersign_proof::Hash;
use jmt::proof::SparseMerkleProof;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{KeyHash, OwnedValue, Sha256Jmt};
use std::sync::Arc;

/// How many heights back the state can still be proved.
pub const STATE_HEIGHTS_KEPT: u64 = 4096;

/// What lies at the end of a key's way, and the siblings of the way, leaf to root.
pub(crate) type Way = (Option<(Hash, Hash)>, Vec<Hash>);

/// Puts the newest versions of a block into the tree and gives the root. Every height is put, also one that
/// writes nothing: after a gap jmt returns a wrong root in silence.
pub(crate) fn commit<'a>(
    kv: &dyn Kv,
    height: u64,
    newest: impl IntoIterator<Item = &'a Arc<Version>>,
    batch: &mut Batch,
) -> Result<Hash, LedgerError> {
    // The value given is the preimage of the record hash, so that what the tree hashes is that hash.
    let values = newest.into_iter().map(|v| (KeyHash(v.record.state_key().0), Some(v.record.preimage())));
    let reader = NodeReader(kv);
    let (root, update) =
        Sha256Jmt::new(&reader).put_value_set(values, height).map_err(|e| LedgerError::StateTree(e.to_string()))?;
    for (key, node) in update.node_batch.nodes() {
        batch.put(STATE_NODES, node_key(key), to_vec(node).expect("memory"));
    }
    for stale in &update.stale_node_index_batch {
        let key = [&stale.stale_since_version.to_be_bytes()[..], &node_key(&stale.node_key)].concat();
        batch.put(STATE_STALE, key, Vec::new());
    }
    prune(kv, height, batch)?;
    Ok(Hash(root.0))
}

/// Drops what was replaced `STATE_HEIGHTS_KEPT` heights ago.
fn prune(kv: &dyn Kv, height: u64, batch: &mut Batch) -> Result<(), KvError> {
    let Some(old) = height.checked_sub(STATE_HEIGHTS_KEPT) else {
        return Ok(());
    };
    let (from, to) = (old.to_be_bytes(), (old + 1).to_be_bytes());
    for (key, _) in kv.scan(STATE_STALE, &from, &to, usize::MAX)? {
        batch.delete(STATE_NODES, &key[8..]);
    }
    batch.delete_range(STATE_STALE, from, to);
    Ok(())
}

/// The way of a state key in the tree after `height`.
pub(crate) fn way(kv: &dyn Kv, height: u64, key: &Hash) -> Result<Way, LedgerError> {
    let reader = NodeReader(kv);
    let (_, proof) = Sha256Jmt::new(&reader)
        .get_with_proof(KeyHash(key.0), height)
        .map_err(|e| LedgerError::StateTree(e.to_string()))?;
    let mirror = mirror(&proof)?;
    let end = mirror.leaf.map(|leaf| (Hash(leaf.key), Hash(leaf.record)));
    Ok((end, mirror.siblings.iter().map(MirrorNode::hash).collect()))
}

fn node_key(key: &NodeKey) -> Vec<u8> {
    [&key.version().to_be_bytes()[..], &to_vec(key.nibble_path()).expect("memory")].concat()
}

struct NodeReader<'a>(&'a dyn Kv);

impl TreeReader for NodeReader<'_> {
    fn get_node_option(&self, key: &NodeKey) -> Result<Option<Node>, anyhow::Error> {
        let bytes = self.0.get(STATE_NODES, &node_key(key))?;
        Ok(bytes.map(|bytes| Node::try_from_slice(&bytes)).transpose()?)
    }

    /// Values are kept as documents; the tree only needs to know that there is one.
    fn get_value_option(&self, _: u64, _: KeyHash) -> Result<Option<OwnedValue>, anyhow::Error> {
        Ok(Some(OwnedValue::new()))
    }

    fn get_rightmost_leaf(&self) -> Result<Option<(NodeKey, LeafNode)>, anyhow::Error> {
        unreachable!("only jmt's own restoring asks for it")
    }
}

/// The parts of a jmt proof, which it gives only in encoded form.
#[derive(BorshDeserialize)]
struct MirrorProof {
    leaf: Option<MirrorLeaf>,
    siblings: Vec<MirrorNode>,
    #[allow(dead_code)] // Stands in the encoding.
    hasher: (),
}

#[derive(BorshDeserialize)]
struct MirrorLeaf {
    key: [u8; 32],
    record: [u8; 32],
}

#[derive(BorshDeserialize)]
enum MirrorNode {
    Null,
    Internal { left: [u8; 32], right: [u8; 32] },
    Leaf(MirrorLeaf),
}

impl MirrorNode {
    fn hash(&self) -> Hash {
        match self {
            MirrorNode::Null => countersign_proof::StateTree::EMPTY,
            MirrorNode::Internal { left, right } => {
                countersign_proof::StateTree::inner_node(&Hash(*left), &Hash(*right))
            }
            MirrorNode::Leaf(leaf) => countersign_proof::StateTree::leaf_node(&Hash(leaf.key), &Hash(leaf.record)),
        }
    }
}

fn mirror<H: jmt::SimpleHasher>(proof: &SparseMerkleProof<H>) -> Result<MirrorProof, LedgerError> {
    let bytes = to_vec(proof).expect("memory");
    MirrorProof::try_from_slice(&bytes).map_err(|e| LedgerError::StateTree(e.to_string()))
}
