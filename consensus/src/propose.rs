//! Send proposals to openraft in call order.

use crate::error::ProposeError;
use crate::state_machine::StateMachine;
use crate::types::{PermitResponder, ProposalBytes, TypeConfig};
use crate::{Consensus, Position};
use bytes::Bytes;
use openraft::Raft;
use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use openraft::type_config::TypeConfigExt;
use openraft::type_config::alias::OneshotReceiverOf;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{Semaphore, mpsc};

/// A proposal on its way to openraft.
pub(crate) struct Proposal {
    term: u64,
    bytes: Bytes,
    responder: PermitResponder<ClientWriteResult<TypeConfig>>,
}

/// The proposing half of the handle.
pub(crate) struct Proposer {
    queue: mpsc::Sender<Proposal>,
    in_flight: Arc<Semaphore>,
}

impl Proposer {
    /// Starts the task that keeps the order. The queue has a place for every permit, so it is never full.
    pub(crate) fn start(raft: Raft<TypeConfig, StateMachine>, in_flight_max: usize) -> Proposer {
        let (queue, waiting) = mpsc::channel(in_flight_max);
        tokio::spawn(run(raft, waiting));
        Proposer { queue, in_flight: Arc::new(Semaphore::new(in_flight_max)) }
    }

    fn submit(&self, term: u64, bytes: Bytes) -> Result<Proposed, ProposeError> {
        let permit = self.in_flight.clone().try_acquire_owned().map_err(|_| ProposeError::Busy)?;
        let (answer, outcome) = TypeConfig::oneshot();
        let responder = PermitResponder { answer, _permit: permit };
        let sent = self.queue.try_send(Proposal { term, bytes, responder });
        sent.map_err(|_| ProposeError::NotLeader { leader: None })?;
        Ok(Proposed { outcome })
    }
}

async fn run(raft: Raft<TypeConfig, StateMachine>, mut waiting: mpsc::Receiver<Proposal>) {
    while let Some(Proposal { term, bytes, responder }) = waiting.recv().await {
        let sent = raft.write(ProposalBytes(bytes)).with_leader(term).responder(responder).await;
        if let Err(fatal) = sent {
            tracing::warn!(%fatal, "proposals end");
            return;
        }
    }
}

/// The outcome of a proposal, to be awaited. Dropping it takes nothing back.
#[must_use = "a proposal may fail"]
pub struct Proposed {
    outcome: OneshotReceiverOf<TypeConfig, ClientWriteResult<TypeConfig>>,
}

impl Future for Proposed {
    type Output = Result<Position, ProposeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(cx).map(|answer| match answer {
            Ok(Ok(written)) => Ok(Position::of(written.log_id)),
            Ok(Err(ClientWriteError::ForwardToLeader(to))) => Err(ProposeError::NotLeader { leader: to.leader_id }),
            // Discarded here, it may still be on others; or Raft stopped with it.
            Ok(Err(_)) | Err(_) => Err(ProposeError::Unknown),
        })
    }
}

impl Consensus {
    /// Proposes `bytes`, on condition that this node leads `term`; the first call is ordered before the second.
    ///
    /// Returns at once; the outcome resolves to its position when it is committed and flushed here. An outcome is
    /// `NotLeader` only if it was not appended. Await it with a deadline of your own: without a majority it stays open.
    ///
    /// # Errors
    /// `Busy` when `proposals_in_flight_max` are open. `NotLeader` when Raft has stopped.
    pub fn propose(&self, term: u64, bytes: Bytes) -> Result<Proposed, ProposeError> {
        self.inner.proposer.submit(term, bytes)
    }
}
