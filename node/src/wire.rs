//! Carry Raft's requests over the members' connections.

use crate::frames::SERVICE_RAFT;
use crate::members::Members;
use bytes::Bytes;
use countersign_consensus::{Lane, Wire, WireError};
use countersign_p2p::{CallError, Transport};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Finds the node of a Raft id among the members and calls it.
pub(crate) struct MemberWire {
    pub(crate) transport: Transport,
    pub(crate) members: watch::Receiver<Arc<Members>>,
}

impl Wire for MemberWire {
    fn call(&self, to: u64, lane: Lane, body: Bytes, deadline: Duration) -> BoxFuture<'_, Result<Bytes, WireError>> {
        Box::pin(async move {
            let members = self.members.borrow().clone();
            let name = members.name_of(to).ok_or(WireError::Unreachable)?;
            let lane = match lane {
                Lane::Control => countersign_p2p::Lane::Control,
                Lane::Bulk => countersign_p2p::Lane::Bulk,
            };
            let answer = self.transport.call(name, lane, SERVICE_RAFT, body, deadline).await;
            answer.map_err(|error| match error {
                CallError::Unreachable | CallError::Timeout => WireError::Unreachable,
                other => WireError::Failed(other.to_string()),
            })
        })
    }
}
