//! Keep the ledger on disk: one atomic write a block.

mod cache_size;
mod commitment;
mod countersigned;
pub mod kv;
mod ledger;
mod log;
mod memory;
mod reader;
mod rocks;
mod rows;
mod seek;
mod state_tree;

pub use cache_size::CacheSize;
#[doc(hidden)]
pub use commitment::StateCommitment;
pub use countersigned::{EVIDENCE_MAX, KeptCosignature};
pub use ledger::{Appended, Ledger, open_database};
pub use memory::MemoryKv;
pub use reader::{Change, FoundTransaction, Reader, RejectionDetail, StoredBlock};
pub use rocks::RocksKv;
pub use seek::{Entry, Seek};
pub use state_tree::{STATE_HEIGHTS_KEPT, STATE_KEPT, STATE_WRITES_KEPT};

/// Where an entry stands in the Raft log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The term of the leader that appended it.
    pub term: u64,
    /// Its index.
    pub index: u64,
}
