//! Choose the types openraft runs with.

use bytes::Bytes;
use openraft::impls::leader_id_std::LeaderId;
use openraft::raft::responder::Responder;
use openraft::type_config::alias::{LogIdOf, OneshotSenderOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft::vote::RaftLeaderId;
use openraft_rt::OneshotSender;
use std::fmt;
use tokio::sync::OwnedSemaphorePermit;

#[cfg(not(feature = "simulation"))]
pub(crate) type Runtime = openraft_rt_tokio::TokioRuntime;
/// The same runtime, but every random number comes from the seed given at start. It panics outside a seed's scope.
#[cfg(feature = "simulation")]
pub(crate) type Runtime = openraft_rt::deterministic_rng::DeterministicRng<openraft_rt_tokio::TokioRuntime>;

/// What openraft is generic over.
///
/// `leader_id_std`: a term has one leader at most, so a block's term names its proposer. It is on disk for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeConfig;

impl openraft::RaftTypeConfig for TypeConfig {
    type D = ProposalBytes;
    type R = ();
    type NodeId = u64;
    type Node = openraft::EmptyNode;
    type Term = u64;
    type LeaderId = LeaderId<u64, u64>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = openraft::EntryPayload<Self::D, Self::NodeId, Self::Node>;
    type Entry = openraft::Entry<<Self::LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = PermitResponder<T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

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
