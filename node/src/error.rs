//! Say why a node does not start or has stopped.

use countersign_consensus::ConsensusError;
use countersign_gateway::WitnessTrouble;
use countersign_ledger::LedgerError;
use countersign_ledger::store::kv::KvError;
use countersign_p2p::P2pError;
use std::io;
use thiserror::Error;

/// Why a node does not start or has stopped. All of them end the process; the operator must act.
#[derive(Debug, Error)]
pub enum NodeError {
    /// node.toml, or what it names.
    #[error("configuration: {0}")]
    Config(String),
    /// Something in the node's folder.
    #[error("folder: {0}")]
    Folder(String),
    /// A file beside the databases.
    #[error("{name}: {source}")]
    File {
        /// Which.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The sign lock.
    #[error("sign lock: {0}")]
    SignLock(String),
    /// The witness of other logs.
    #[error(transparent)]
    Witness(#[from] WitnessTrouble),
    /// The Raft log is gone though this node has voted.
    #[error(
        "the raft log of id {0} is gone: rejoin under a new id (countersign node admit --rejoin), never start empty"
    )]
    LostLog(u64),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Ordering.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// Connections to members.
    #[error(transparent)]
    P2p(#[from] P2pError),
    /// The gRPC or HTTP server.
    #[error("server: {0}")]
    Server(String),
    /// A station found what must never be.
    #[error("halted: {0}")]
    Halted(String),
    /// Raft has stopped.
    #[error("raft has stopped: {0}")]
    RaftDied(String),
}

impl NodeError {
    pub(crate) fn file(name: &str, source: io::Error) -> NodeError {
        NodeError::File { name: name.to_owned(), source }
    }

    /// The process' exit code: 10 configuration, 11 corruption, 12 disk, 13 Raft, 14 halted.
    pub fn exit_code(&self) -> u8 {
        match self {
            NodeError::Config(_) | NodeError::Folder(_) | NodeError::Server(_) | NodeError::P2p(_) => 10,
            NodeError::Witness(WitnessTrouble::Setup(_)) => 10,
            NodeError::Witness(WitnessTrouble::Lock(_)) => 11,
            NodeError::Witness(WitnessTrouble::Store(_) | WitnessTrouble::Stopped) => 12,
            NodeError::SignLock(_) | NodeError::LostLog(_) | NodeError::Ledger(_) => 11,
            NodeError::File { .. } => 12,
            NodeError::Consensus(_) | NodeError::RaftDied(_) => 13,
            NodeError::Halted(_) => 14,
        }
    }
}

impl From<KvError> for NodeError {
    fn from(error: KvError) -> NodeError {
        NodeError::Ledger(error.into())
    }
}
