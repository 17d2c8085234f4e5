//! Send openraft's requests through the node's own connections.

use crate::limits::TERMS_AHEAD_MAX;
use crate::types::{Snapshot, TypeConfig, Vote};
use crate::wire::{Reply, Request};
use bytes::Bytes;
use futures::future::BoxFuture;
use openraft::OptionalSend;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Carries opaque requests between nodes.
pub trait Wire: Send + Sync + 'static {
    /// Sends `body` to the node with the Raft id `to` and waits for its answer, at most `deadline`.
    ///
    /// The other side gives the body to its [`crate::Consensus::receive`], with the sender's id as the transport has
    /// authenticated it, and answers with what that returns. It must resolve by the deadline even when the
    /// connection hangs: replication to that node waits for it.
    fn call(&self, to: u64, lane: Lane, body: Bytes, deadline: Duration) -> BoxFuture<'_, Result<Bytes, WireError>>;
}

/// Which of two connections a request takes, so that a heartbeat never waits behind a large append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Votes, pre-votes, appends without entries, transfers of the lead.
    Control,
    /// Appends with entries, snapshots.
    Bulk,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// There is no connection, or no answer in time. openraft waits longer and longer before it tries again.
    #[error("unreachable")]
    Unreachable,
    /// The other side answered with an error. openraft tries again soon.
    #[error("failed: {0}")]
    Failed(String),
}

/// Makes a sender for each peer.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) wire: Arc<dyn Wire>,
    /// How long an append with entries may take: openraft's own limit is one heartbeat, too short for a slow link.
    pub(crate) append_deadline: Duration,
}

/// Sends to one peer.
pub(crate) struct Peer {
    id: u64,
    network: Network,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _: &openraft::EmptyNode) -> Peer {
        Peer { id: target, network: self.clone() }
    }
}

impl Peer {
    async fn call(&self, lane: Lane, request: Request, deadline: Duration) -> Result<Reply, RPCError<TypeConfig>> {
        let asked = request.vote().leader_id.term;
        let answer = self.network.wire.call(self.id, lane, request.encode(), deadline).await;
        let bytes = answer.map_err(|error| match error {
            WireError::Unreachable => RPCError::Unreachable(Unreachable::from_string(error)),
            WireError::Failed(_) => failed(error),
        })?;
        let reply = Reply::decode(bytes).map_err(failed)?;
        // Terms are taken over from answers too: one false answer must not use them up.
        match reply.term() {
            Some(term) if term > asked.saturating_add(TERMS_AHEAD_MAX) => Err(failed("a term too far ahead")),
            _ => Ok(reply),
        }
    }

    async fn ask_vote(
        &self,
        request: Request,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.call(Lane::Control, request, option.soft_ttl()).await? {
            Reply::Vote(vote) => Ok(vote),
            _ => Err(failed("another answer than was asked for")),
        }
    }
}

fn failed(reason: impl ToString) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::from_string(reason))
}

/// One append is in flight to a peer at a time (openraft's default stream); what comes meanwhile goes with the next.
impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let (lane, deadline) = match rpc.entries.is_empty() {
            true => (Lane::Control, option.soft_ttl()),
            false => (Lane::Bulk, self.network.append_deadline),
        };
        match self.call(lane, Request::Append(rpc), deadline).await? {
            Reply::Append(reply) => Ok(reply),
            _ => Err(failed("another answer than was asked for")),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_vote(Request::Vote(rpc), option).await
    }

    /// openraft's own default grants: an isolated node would then raise its term for ever.
    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_vote(Request::PreVote(rpc), option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sent = self.call(Lane::Bulk, Request::Snapshot(vote, snapshot.meta), option.soft_ttl());
        let answer = tokio::select! {
            biased;
            closed = cancel => return Err(closed.into()),
            answer = sent => answer,
        };
        match answer? {
            Reply::Installed(vote) => Ok(SnapshotResponse::new(vote)),
            _ => Err(failed("another answer than was asked for").into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let expected = req.last_log_id().copied();
        match self.call(Lane::Control, Request::Transfer(req), option.soft_ttl()).await? {
            Reply::Transfer(true) => Ok(Ok(())),
            Reply::Transfer(false) => Ok(Err(TransferLeaderError::LogNotFlushed { expected, actual: None })),
            _ => Err(failed("another answer than was asked for")),
        }
    }
}
