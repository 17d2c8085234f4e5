//! Answer the requests of other nodes.

use crate::admit::{Offered, Ordered};
use crate::error::ReceiveError;
use crate::limits::TERMS_AHEAD_MAX;
use crate::types::{LogId, ProposalBytes, RaftEntry, Snapshot, SnapshotMeta, TypeConfig};
use crate::wire::{Malformed, Reply, Request};
use crate::{Consensus, Position};
use bytes::Bytes;
use openraft::EntryPayload;
use openraft::async_runtime::WatchReceiver;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use std::time::Duration;

const JUDGE_AGAIN: Duration = Duration::from_millis(20);

impl Consensus {
    /// Answers a request that the node with the Raft id `from` sent, as the transport has authenticated it.
    ///
    /// The answer to an append or vote comes after it is durable here. Requests may be given concurrently.
    ///
    /// # Errors
    /// When the bytes are no request, or it is made in another node's name, or its term is more than
    /// [`TERMS_AHEAD_MAX`] above ours, or it contradicts what is committed. Nothing has changed then.
    pub async fn receive(&self, from: u64, body: Bytes) -> Result<Bytes, ReceiveError> {
        let request = Request::decode(body)?;
        self.check(from, &request)?;
        match request {
            Request::Append(append) => self.append(from, append).await,
            request => self.answer(request).await,
        }
        .map(|reply| reply.encode())
    }

    /// Takes an append up to the first change of voters that cannot be judged yet.
    async fn append(&self, from: u64, mut append: AppendEntriesRequest<TypeConfig>) -> Result<Reply, ReceiveError> {
        let taken = self.judged(from, &append.entries)?;
        if taken == append.entries.len() {
            return self.answer(Request::Append(append)).await;
        }
        if taken == 0 {
            // What comes before is being executed; the leader would ask again at once.
            tokio::time::sleep(JUDGE_AGAIN).await;
        }
        append.entries.truncate(taken);
        let up_to = append.entries.last().map(|entry| entry.log_id).or(append.prev_log_id);
        match self.answer(Request::Append(append)).await? {
            Reply::Append(AppendEntriesResponse::Success) => {
                Ok(Reply::Append(AppendEntriesResponse::PartialSuccess(up_to)))
            }
            other => Ok(other),
        }
    }

    /// How many of these entries may be taken: all of them, unless one changes the voters and is too early to judge.
    fn judged(&self, from: u64, entries: &[RaftEntry]) -> Result<usize, ReceiveError> {
        let Some(admit) = &self.inner.admit else { return Ok(entries.len()) };
        for (at, entry) in entries.iter().enumerate() {
            let EntryPayload::Membership(membership) = &entry.payload else { continue };
            let before = self.metrics().membership_config;
            let before = before.membership().get_joint_config();
            match admit.admit_voters(from, Position::of(entry.log_id), before, membership.get_joint_config()) {
                Ordered::Yes => {}
                Ordered::NotYet => return Ok(at),
                Ordered::No(reason) => return Err(ReceiveError::NotAdmitted(reason)),
            }
        }
        Ok(entries.len())
    }

    fn check(&self, from: u64, request: &Request) -> Result<(), ReceiveError> {
        let asked = request.vote().leader_id;
        if asked.voted_for != from {
            return Err(ReceiveError::NotItsOwn { from, named: asked.voted_for });
        }
        let (ours, committed) = {
            let metrics = self.inner.raft.metrics();
            let metrics = metrics.borrow_watched();
            (metrics.current_term, metrics.local_committed)
        };
        if asked.term > ours.saturating_add(TERMS_AHEAD_MAX) {
            return Err(ReceiveError::TermAhead { term: asked.term, ours });
        }
        match request {
            Request::Snapshot(_, meta) => check_snapshot(meta, committed),
            Request::Append(append) => self.check_append(from, asked.term, &append.entries),
            _ => Ok(()),
        }
    }

    /// The node sees every proposal before openraft does, so that what is refused is never stored.
    fn check_append(&self, from: u64, term: u64, entries: &[RaftEntry]) -> Result<(), ReceiveError> {
        let Some(admit) = &self.inner.admit else { return Ok(()) };
        let proposal = |entry: &'_ RaftEntry| match &entry.payload {
            EntryPayload::Normal(ProposalBytes(bytes)) => Some((Position::of(entry.log_id), bytes.clone())),
            _ => None,
        };
        let offered: Vec<_> = entries.iter().filter_map(proposal).collect();
        let offered: Vec<Offered<'_>> =
            offered.iter().map(|(position, bytes)| Offered { position: *position, proposal: bytes }).collect();
        admit.admit(from, term, &offered).map_err(ReceiveError::NotAdmitted)
    }

    async fn answer(&self, request: Request) -> Result<Reply, ReceiveError> {
        let raft = &self.inner.raft;
        let reply = match request {
            Request::Append(append) => {
                Reply::Append(raft.append_entries(append).await.map_err(|_| ReceiveError::Stopped)?)
            }
            Request::Vote(vote) => Reply::Vote(raft.vote(vote).await.map_err(|_| ReceiveError::Stopped)?),
            Request::PreVote(vote) => Reply::Vote(raft.pre_vote(vote).await.map_err(|_| ReceiveError::Stopped)?),
            Request::Snapshot(vote, meta) => {
                let snapshot = Snapshot { meta, snapshot: () };
                let installed = raft.install_full_snapshot(vote, snapshot).await;
                Reply::Installed(installed.map_err(|_| ReceiveError::Stopped)?.vote)
            }
            Request::Transfer(transfer) => {
                let accepted = raft.handle_transfer_leader(transfer).await.map_err(|_| ReceiveError::Stopped)?;
                Reply::Transfer(accepted.is_ok())
            }
        };
        Ok(reply)
    }
}

/// A snapshot later by term must be later by index: openraft asserts it, and would stop this node for a peer's fault.
fn check_snapshot(meta: &SnapshotMeta, committed: Option<LogId>) -> Result<(), ReceiveError> {
    let (Some(snapshot), Some(committed)) = (meta.last_log_id, committed) else { return Ok(()) };
    if snapshot > committed && snapshot.index() <= committed.index() {
        let (snapshot, committed) = (Position::of(snapshot), Position::of(committed));
        return Err(ReceiveError::ContradictsCommitted { snapshot, committed });
    }
    Ok(())
}

impl From<Malformed> for ReceiveError {
    fn from(Malformed(what): Malformed) -> ReceiveError {
        ReceiveError::Malformed(what)
    }
}
