//! Carry what was ordered to the node.

use crate::Position;
use bytes::Bytes;
use tokio::sync::oneshot;

/// One committed entry, flushed in this node's own log before it was handed on.
///
/// Indexes only grow, but need not be contiguous after a [`Entry::CatchUp`]. What is at or below the index the
/// node has applied already is to be ignored: after a catch-up that went further than asked, it comes again.
#[derive(Debug)]
pub struct Committed {
    /// Where it lies in the log.
    pub position: Position,
    /// What lies there.
    pub entry: Entry,
}

/// What lies at a position.
#[derive(Debug)]
pub enum Entry {
    /// A new leader's first entry. Once the leader of `position.term` has applied it, it may propose.
    Blank,
    /// A proposal, as it was given to `propose`.
    Proposal(Bytes),
    /// A change of Raft's own membership; nothing to execute.
    Membership,
    /// The log before `to` is gone from the leader: fetch blocks, execute them, and answer.
    CatchUp {
        /// The node must reach this position at least.
        to: Position,
        /// `Ok` once the ledger durably holds everything up to `to` or beyond. `Err` stops the node: retry before it.
        /// Raft acknowledges nothing else meanwhile.
        done: oneshot::Sender<Result<(), String>>,
    },
}
