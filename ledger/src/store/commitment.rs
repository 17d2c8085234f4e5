//! Let benches/micro time what committing to the state costs: in [`super::Ledger::append`] it is one part of many.

use super::kv::{Batch, Kv, KvError};
use super::state_tree::{StateTree, Write};
use countersign_proof::Hash;
use std::sync::Arc;

/// The state tree of a ledger without the ledger.
pub struct StateCommitment {
    kv: Arc<dyn Kv>,
    tree: StateTree,
    height: u64,
    /// Pages of the last block, until they are written.
    pages: Batch,
}

impl StateCommitment {
    /// Over an empty database of [`super::open_database`].
    pub fn empty(kv: Arc<dyn Kv>) -> StateCommitment {
        StateCommitment { kv, tree: StateTree::empty(), height: 0, pages: Batch::default() }
    }

    /// Sets what a block writes, each key once, and gives the root: all that a block waits for before its seal.
    ///
    /// # Panics
    /// When the block before is not written.
    pub fn commit(&mut self, records: impl IntoIterator<Item = (Hash, Hash)>) -> Result<Hash, KvError> {
        assert!(self.pages.is_empty(), "the pages of height {} are not written", self.height);
        self.height += 1;
        let writes: Vec<Write> = records.into_iter().map(|(key, record)| Write { key, record }).collect();
        self.tree.commit(&*self.kv, self.height, writes.len(), writes, &mut self.pages)
    }

    /// Writes the pages of the last block.
    pub fn write(&mut self) -> Result<(), KvError> {
        self.kv.write(std::mem::take(&mut self.pages))?;
        self.tree.written(self.height);
        Ok(())
    }
}
