//! Hand committed entries to the node, once they are flushed here.

use crate::Position;
use crate::committed::{Committed, Entry};
use crate::log::Log;
use crate::log_store::{LogReader, entries};
use crate::types::{LogId, ProposalBytes, RaftEntry};
use futures::StreamExt;
use openraft::EntryPayload;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// The sending end of the committed channel.
#[derive(Clone)]
pub(crate) struct Outlet {
    pub(crate) log: Arc<Log>,
    pub(crate) queue: mpsc::Sender<Committed>,
    pub(crate) appended: watch::Receiver<u64>,
    /// Set at shutdown, so that nothing here waits for a node that takes no more.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Outlet {
    /// Waits until our own log has flushed `index`. openraft commits on a majority, which may be the others.
    pub(crate) async fn flushed(&mut self, index: u64) -> io::Result<()> {
        loop {
            self.log.usable()?;
            if *self.appended.borrow_and_update() >= index {
                return Ok(());
            }
            tokio::select! {
                biased;
                _ = self.stopping.wait_for(|stopping| *stopping) => return Err(stopped()),
                changed = self.appended.changed() => changed.map_err(io::Error::other)?,
            }
        }
    }

    /// Hands `entry` on as soon as the node has room for it.
    pub(crate) async fn hand(&mut self, id: LogId, entry: Entry) -> io::Result<()> {
        let committed = Committed { position: Position::of(id), entry };
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => Err(stopped()),
            sent = self.queue.send(committed) => sent.map_err(|_| io::Error::other("the apply station is gone")),
        }
    }

    /// Hands on what was committed before the start and the ledger has not applied: `after + 1 ..= through`.
    pub(crate) async fn replay(mut self, reader: LogReader, after: Option<u64>, through: u64) -> io::Result<()> {
        let mut backlog = entries(reader, after.map_or(0, |index| index + 1), through + 1);
        while let Some(entry) = backlog.next().await {
            let entry = entry?;
            self.hand(entry.log_id, entry_of(entry)).await?;
        }
        Ok(())
    }
}

/// What the node sees of an entry.
pub(crate) fn entry_of(entry: RaftEntry) -> Entry {
    match entry.payload {
        EntryPayload::Blank => Entry::Blank,
        EntryPayload::Normal(ProposalBytes(bytes)) => Entry::Proposal(bytes),
        EntryPayload::Membership(_) => Entry::Membership,
    }
}

pub(crate) fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "consensus is stopping")
}
