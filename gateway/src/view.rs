//! Describe what the gateway shows of a node.

/// A snapshot of a node, which the node publishes and the gateway only reads.
///
/// The default is a node that has not started: nothing known and not healthy.
#[derive(Debug, Clone, Default)]
pub struct NodeView {
    /// This node: `<organisation>/<name>`.
    pub node: String,
    /// The ledger: `<ledger>/<genesis hash>`.
    pub origin: String,
    /// The release of the build.
    pub release: String,
    /// The leader this node knows of.
    pub leader: Option<String>,
    /// The Raft term.
    pub term: u64,
    /// The number this node has in Raft.
    pub raft_id: u64,
    /// The last entry flushed in our own Raft log.
    pub appended: CursorView,
    /// The last entry that a majority holds.
    pub committed: CursorView,
    /// The last entry executed and written.
    pub applied: CursorView,
    /// The last entry whose seal this node cosigned.
    pub signed: CursorView,
    /// The last entry whose seal a certificate covers.
    pub certified: CursorView,
    /// The last entry handed to subscribers.
    pub published: CursorView,
    /// The size of the Merkle log here.
    pub tree_size: u64,
    /// The size of the newest certified checkpoint; 0 for none.
    pub certified_size: u64,
    /// Organisations whose cosignature the newest seals wait for.
    pub missing: Vec<String>,
    /// The other nodes of the network.
    pub peers: Vec<PeerView>,
    /// The witnesses outside that are asked to cosign this ledger.
    pub witnesses: Vec<WitnessView>,
    /// Transactions that wait to be proposed.
    pub mempool_transactions: u64,
    /// Their bytes.
    pub mempool_bytes: u64,
    /// Microseconds of CPU that each station has used since the node started.
    pub station_microseconds: Vec<(&'static str, u64)>,
    /// Whether the node does its work: what `/health` answers.
    pub healthy: bool,
    /// Why it does not, one sentence; empty when it does.
    pub reason: String,
}

/// Where a cursor stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CursorView {
    /// The Raft log index.
    pub index: u64,
    /// The height of the block there, for people.
    pub height: u64,
}

/// Another node, as this one sees it.
#[derive(Debug, Clone, Default)]
pub struct PeerView {
    /// `<organisation>/<name>`.
    pub node: String,
    /// Whether it votes in Raft; else it is an observer.
    pub voter: bool,
    /// Whether the connection for Raft and cosignatures stands.
    pub control_connected: bool,
    /// Whether the connection for transactions and blocks stands.
    pub bulk_connected: bool,
    /// The largest tree size that it cosigned; 0 for none.
    pub cosigned_size: u64,
}

/// A witness outside, and the newest cosignature of it.
#[derive(Debug, Clone, Default)]
pub struct WitnessView {
    /// Its name.
    pub name: String,
    /// The largest size that it cosigned since this node started; 0 for none.
    pub size: u64,
    /// Its line over that certified checkpoint, which holds; empty for none.
    pub line: String,
}

impl NodeView {
    /// The lines of the witnesses that have cosigned exactly this size.
    pub(crate) fn witness_lines(&self, size: u64) -> String {
        self.witnesses.iter().filter(|witness| witness.size == size).map(|witness| witness.line.as_str()).collect()
    }

    /// The largest size that a witness has cosigned; none when none has.
    pub(crate) fn witnessed_size(&self) -> Option<u64> {
        self.witnesses.iter().map(|witness| witness.size).filter(|size| *size > 0).max()
    }

    /// The six cursors under their names, the furthest first.
    pub(crate) fn cursors(&self) -> [(&'static str, CursorView); 6] {
        [
            ("appended", self.appended),
            ("committed", self.committed),
            ("applied", self.applied),
            ("signed", self.signed),
            ("certified", self.certified),
            ("published", self.published),
        ]
    }

    /// Whether this node leads.
    pub(crate) fn leads(&self) -> bool {
        self.leader.as_deref() == Some(&self.node)
    }

    /// Blocks that are applied and wait for a certificate.
    pub(crate) fn certified_lag_blocks(&self) -> u64 {
        self.applied.height.saturating_sub(self.certified.height)
    }

    /// Leaves that wait for a certificate.
    pub(crate) fn certified_lag_leaves(&self) -> u64 {
        self.tree_size.saturating_sub(self.certified_size)
    }
}
