//! Choose the types openraft runs with.

use bytes::Bytes;
use openraft::impls::leader_id_std::LeaderId;
use openraft::raft::responder::Responder;
use openraft::type_config::alias::{LogIdOf, OneshotSenderOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft_rt::OneshotSender;
use std::fmt;
use tokio::sync::OwnedSemaphorePermit;

#[cfg(not(feature = "simulation"))]
pub(crate) type Runtime = openraft_rt_tokio::TokioRuntime;
/// The same runtime, but every random number comes from the seed given at start. It panics outside a seed's scope.
#[cfg(feature = "simulation")]
pub(crate) type Runtime = openraft_rt::deterministic_rng::DeterministicRng<openraft_rt_tokio::TokioRuntime>;

openraft::declare_raft_types!(
    /// `leader_id_std`: a term has one leader at most, so a block's term names its proposer. It is on disk for ever.
    pub(crate) TypeConfig:
        D = ProposalBytes,
        R = (),
        NodeId = u64,
        Node = openraft::EmptyNode,
        Term = u64,
        LeaderId = LeaderId<u64, u64>,
        Responder<T> = PermitResponder<T> where T: openraft::OptionalSend + 'static,
        AsyncRuntime = Runtime,
);

pub(crate) type LogId = LogIdOf<TypeConfig>;
pub(crate) type Vote = VoteOf<TypeConfig>;
pub(crate) type RaftEntry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type RaftPayload = openraft::type_config::alias::PayloadOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, openraft::EmptyNode>;
pub(crate) type StoredMembership = StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
/// A snapshot carries a position and a membership; the blocks are fetched by the node.
pub(crate) type Snapshot = SnapshotOf<TypeConfig, ()>;

/// One proposal, never looked into.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ProposalBytes(pub(crate) Bytes);

impl fmt::Display for ProposalBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Debug for ProposalBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Answers a proposer, and holds its place among the proposals in flight until openraft lets go of the proposal.
pub(crate) struct PermitResponder<T: Send> {
    pub(crate) answer: OneshotSenderOf<TypeConfig, T>,
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl<T: Send + 'static> Responder<TypeConfig, T> for PermitResponder<T> {
    fn on_complete(self, result: T) {
        // The proposer may have stopped waiting.
        let _ = self.answer.send(result);
    }
}
