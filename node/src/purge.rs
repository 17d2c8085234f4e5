//! Purge: let the Raft log go up to what is certified and durable in the ledger.

use crate::NodeError;
use crate::cursors::Certified;
use countersign_consensus::{Consensus, ConsensusError, Position};
use countersign_ledger::store::Reader;
use std::time::Duration;
use tokio::sync::watch;

const PURGE_EVERY: Duration = Duration::from_secs(2);

pub(crate) struct Purge {
    pub(crate) certified: watch::Receiver<Certified>,
    pub(crate) reader: Reader,
    pub(crate) consensus: Consensus,
    /// How many entries make a purge worth while.
    pub(crate) entries_min: u64,
}

impl Purge {
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        let mut purged = 0;
        loop {
            tokio::time::sleep(PURGE_EVERY).await;
            let Ok(changed) = self.certified.has_changed() else { return Ok(()) };
            let certified = *self.certified.borrow_and_update();
            if !changed || certified.index < purged + self.entries_min {
                continue;
            }
            let Some(block) = self.reader.block(certified.height)? else { continue };
            // The block is synced before the log forgets how to make it.
            self.reader.sync()?;
            let position = Position { term: block.position.term, index: block.position.index };
            match self.consensus.purge_to(position).await {
                Ok(()) => purged = position.index,
                Err(ConsensusError::NotInLog(_)) => {}
                Err(ConsensusError::Stopped) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
