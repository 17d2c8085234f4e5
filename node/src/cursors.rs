//! Publish how far each station has come.

use countersign_ledger::Chain;
use countersign_ledger::store::Position;
use countersign_proof::Hash;

/// What apply has done. Published after the block is written.
#[derive(Debug, Clone, PartialEq, Eq)]
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
