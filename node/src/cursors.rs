//! Publish how far each station has come.

use countersign_ledger::Chain;
use countersign_ledger::store::Position;
use countersign_proof::{Hash, Membership, NodeKeys, PublicKey, Trust};
use std::sync::Arc;

/// What apply has done. Published after the block is written.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The last Raft entry taken in; none before the first.
    pub position: Option<Position>,
    /// Where the chain stands.
    pub chain: Chain,
    /// The root of the log at the chain's size.
    pub log_root: Hash,
    /// The last term in which a proposal was skipped; 0 for none.
    pub skipped_term: u64,
    /// The last height that wrote a system document.
    pub governed_height: u64,
    /// The epochs up to this chain: who signs for which size.
    pub epochs: Arc<Epochs>,
}

/// The epochs that a ledger has executed, and the one that is admitted.
#[derive(Debug, Clone)]
pub struct Epochs {
    /// From genesis to the one in force from the next block.
    pub trust: Trust,
    /// The membership that is recorded and not active yet.
    pub next: Option<Membership>,
}

impl Epochs {
    /// Whether `key` is the cosign key of `node` for a checkpoint of this size: in force there, or about to join.
    pub fn may_cosign(&self, node: &str, key: &PublicKey, size: u64) -> bool {
        self.cosigners_of(node, size).any(|keys| keys.cosign == *key)
    }

    /// The keys under which a node may cosign this size.
    pub fn cosigners_of<'a>(&'a self, node: &'a str, size: u64) -> impl Iterator<Item = &'a NodeKeys> + 'a {
        self.trust.in_force(size).into_iter().chain(&self.next).filter_map(move |membership| membership.node(node))
    }

    /// The size that ends an epoch and is the newest to do so; 0 in epoch 0.
    pub fn boundary(&self) -> u64 {
        self.trust.newest().after
    }
}

/// What sign has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signed {
    /// The Raft index of the newest block that was signed, or covered by a signature.
    pub index: u64,
    /// Its height.
    pub height: u64,
    /// The tree size that was signed.
    pub size: u64,
}

/// What certify has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Certified {
    /// The Raft index of the newest certified block.
    pub index: u64,
    /// Its height.
    pub height: u64,
    /// The certified tree size.
    pub size: u64,
    /// The tree size that every organisation in force has cosigned, or passed.
    pub everyone: u64,
}

impl Applied {
    /// The Raft index of the last entry taken in.
    pub fn index(&self) -> u64 {
        self.position.map_or(0, |position| position.index)
    }
}
