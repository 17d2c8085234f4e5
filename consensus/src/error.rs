//! Name what can go wrong, by who must act.

use crate::Position;
use countersign_ledger::store::kv::KvError;
use thiserror::Error;

/// Why consensus did not start, or did not do what it was asked.
#[derive(Debug, Error)]
pub enum ConsensusError {
    /// The store failed or holds what does not decode. The operator must act.
    #[error("raft store: {0}")]
    Store(String),
    /// The settings contradict each other.
    #[error("settings: {0}")]
    Settings(String),
    /// The ledger has applied less than the log was purged to: the node must not start here. Catch up first, or rejoin.
    #[error("the ledger stands at {applied:?}, the log begins after {begins_after}")]
    LedgerBehindLog {
        /// What the node said it has applied.
        applied: Option<Position>,
        /// What it must have applied at least.
        begins_after: Position,
    },
    /// The ledger has applied what the log does not hold: the log was lost or cut. The node must rejoin under a new id.
    #[error("the ledger stands at {applied}, which the log does not hold (last {last:?})")]
    LedgerBeyondLog {
        /// What the node said it has applied.
        applied: Position,
        /// The last entry of the log, or the one it holds at that index.
        last: Option<Position>,
    },
    /// Another node leads, or none does: ask it, or wait.
    #[error("not the leader (it is {leader:?})")]
    NotLeader {
        /// The leader, where it is known.
        leader: Option<u64>,
    },
    /// A majority did not answer in time.
    #[error("no majority answered")]
    NoMajority,
    /// The change of membership was refused, as the message says.
    #[error("membership: {0}")]
    Membership(String),
    /// Nobody by that id can take over.
    #[error("node {0} is no other voter")]
    NoSuchVoter(u64),
    /// There is no other voter to give the lead to: only a restart ends the term.
    #[error("there is no other voter")]
    OnlyVoter,
    /// The position is not one that was committed here.
    #[error("{0} is not in the log")]
    NotInLog(Position),
    /// Raft has stopped; `died` says why.
    #[error("raft has stopped")]
    Stopped,
}

/// Why a proposal has no position.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// Not appended: another node leads, or the term is over, or a majority has been silent.
    #[error("not the leader of that term (it is {leader:?})")]
    NotLeader {
        /// The leader, where it is known.
        leader: Option<u64>,
    },
    /// Not appended: as many proposals as allowed are in flight.
    #[error("too many proposals in flight")]
    Busy,
    /// It may or may not be committed, now or later.
    #[error("the outcome is unknown")]
    Unknown,
}

/// Why a peer's request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiveError {
    /// The bytes are no request. The peer must act.
    #[error("refused: {0}")]
    Malformed(&'static str),
    /// It names a leader or candidate other than its sender.
    #[error("refused: node {from} sent a request of node {named}")]
    NotItsOwn {
        /// Who sent it.
        from: u64,
        /// Whom it names.
        named: u64,
    },
    /// Its term is too far above ours.
    #[error("refused: term {term} is too far above {ours}")]
    TermAhead {
        /// The term it names.
        term: u64,
        /// Ours.
        ours: u64,
    },
    /// It contradicts what is committed here.
    #[error("refused: a snapshot at {snapshot} contradicts the committed {committed}")]
    ContradictsCommitted {
        /// What was offered.
        snapshot: Position,
        /// What is committed here.
        committed: Position,
    },
    /// The node does not take what it proposes.
    #[error("refused: {0}")]
    NotAdmitted(String),
    /// Raft has stopped here.
    #[error("raft has stopped")]
    Stopped,
}

impl From<KvError> for ConsensusError {
    fn from(error: KvError) -> ConsensusError {
        ConsensusError::Store(error.to_string())
    }
}

impl From<std::io::Error> for ConsensusError {
    fn from(error: std::io::Error) -> ConsensusError {
        ConsensusError::Store(error.to_string())
    }
}
