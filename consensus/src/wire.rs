//! Encode what goes to disk or to a peer.

use crate::limits::{APPEND_ENTRIES_MAX, MEMBERS_MAX, VOTER_SETS_MAX};
use crate::types::{
    LogId, Membership, ProposalBytes, RaftEntry, RaftPayload, SnapshotMeta, StoredMembership, TypeConfig, Vote,
};
use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse};
use openraft::{EmptyNode, EntryPayload};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl From<prost::DecodeError> for Malformed {
    fn from(_: prost::DecodeError) -> Malformed {
        Malformed("protobuf")
    }
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct LogIdWire {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
}

/// A place in the log, or before its beginning.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct PlaceWire {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<LogIdWire>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct VoteWire {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(bool, tag = "3")]
    committed: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct VotersWire {
    #[prost(uint64, repeated, tag = "1")]
    ids: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MembershipWire {
    #[prost(message, repeated, tag = "1")]
    voters: Vec<VotersWire>,
    #[prost(uint64, repeated, tag = "2")]
    nodes: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StoredMembershipWire {
    #[prost(message, optional, tag = "1")]
    id: Option<LogIdWire>,
    #[prost(message, optional, tag = "2")]
    membership: Option<MembershipWire>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EntryWire {
    #[prost(message, optional, tag = "1")]
    id: Option<LogIdWire>,
    #[prost(oneof = "PayloadWire", tags = "2, 3, 4")]
    payload: Option<PayloadWire>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum PayloadWire {
    #[prost(bool, tag = "2")]
    Blank(bool),
    #[prost(bytes = "bytes", tag = "3")]
    Proposal(Bytes),
    #[prost(message, tag = "4")]
    Membership(MembershipWire),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SnapshotWire {
    #[prost(message, optional, tag = "1")]
    last: Option<LogIdWire>,
    #[prost(message, optional, tag = "2")]
    membership: Option<StoredMembershipWire>,
    /// It came from a leader: the ledger may then be further than the log.
    #[prost(bool, tag = "3")]
    installed: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RequestWire {
    #[prost(oneof = "RequestKind", tags = "1, 2, 3, 4, 5")]
    kind: Option<RequestKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum RequestKind {
    #[prost(message, tag = "1")]
    Append(AppendWire),
    #[prost(message, tag = "2")]
    Vote(VoteRequestWire),
    #[prost(message, tag = "3")]
    PreVote(VoteRequestWire),
    #[prost(message, tag = "4")]
    Snapshot(InstallWire),
    #[prost(message, tag = "5")]
    Transfer(TransferWire),
}

#[derive(Clone, PartialEq, Message)]
struct AppendWire {
    #[prost(message, optional, tag = "1")]
    leader: Option<VoteWire>,
    #[prost(message, optional, tag = "2")]
    previous: Option<LogIdWire>,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<EntryWire>,
    #[prost(message, optional, tag = "4")]
    committed: Option<LogIdWire>,
}

#[derive(Clone, PartialEq, Message)]
struct VoteRequestWire {
    #[prost(message, optional, tag = "1")]
    candidate: Option<VoteWire>,
    #[prost(message, optional, tag = "2")]
    last: Option<LogIdWire>,
    #[prost(bool, tag = "3")]
    transfer: bool,
}

#[derive(Clone, PartialEq, Message)]
struct InstallWire {
    #[prost(message, optional, tag = "1")]
    leader: Option<VoteWire>,
    #[prost(message, optional, tag = "2")]
    snapshot: Option<SnapshotWire>,
}

#[derive(Clone, PartialEq, Message)]
struct TransferWire {
    #[prost(message, optional, tag = "1")]
    leader: Option<VoteWire>,
    #[prost(uint64, tag = "2")]
    to: u64,
    #[prost(message, optional, tag = "3")]
    last: Option<LogIdWire>,
}

#[derive(Clone, PartialEq, Message)]
struct ReplyWire {
    #[prost(oneof = "ReplyKind", tags = "1, 2, 3, 4, 5, 6, 7")]
    kind: Option<ReplyKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum ReplyKind {
    #[prost(bool, tag = "1")]
    Appended(bool),
    #[prost(message, tag = "2")]
    AppendedUpTo(LogIdWire),
    #[prost(bool, tag = "3")]
    Conflict(bool),
    #[prost(message, tag = "4")]
    HigherVote(VoteWire),
    #[prost(message, tag = "5")]
    Vote(VoteReplyWire),
    #[prost(message, tag = "6")]
    Installed(VoteWire),
    #[prost(bool, tag = "7")]
    Transfer(bool),
}

#[derive(Clone, PartialEq, Message)]
struct VoteReplyWire {
    #[prost(message, optional, tag = "1")]
    vote: Option<VoteWire>,
    #[prost(bool, tag = "2")]
    granted: bool,
    #[prost(message, optional, tag = "3")]
    last: Option<LogIdWire>,
}

/// What one node asks of another. Decoding checks all that openraft takes for granted.
pub(crate) enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<TypeConfig>),
    PreVote(VoteRequest<TypeConfig>),
    Snapshot(Vote, SnapshotMeta),
    Transfer(TransferLeaderRequest<TypeConfig>),
}

/// The answer to a [`Request`].
pub(crate) enum Reply {
    Append(AppendEntriesResponse<TypeConfig>),
    Vote(VoteResponse<TypeConfig>),
    Installed(Vote),
    Transfer(bool),
}

impl Request {
    /// The vote the request is made under: its leader or candidate, and its term.
    pub(crate) fn vote(&self) -> &Vote {
        match self {
            Request::Append(append) => &append.vote,
            Request::Vote(vote) | Request::PreVote(vote) => &vote.vote,
            Request::Snapshot(vote, _) => vote,
            Request::Transfer(transfer) => transfer.from_leader(),
        }
    }

    pub(crate) fn encode(self) -> Bytes {
        let kind = match self {
            Request::Append(append) => RequestKind::Append(AppendWire {
                leader: Some(append.vote.into()),
                previous: append.prev_log_id.map(Into::into),
                entries: append.entries.into_iter().map(Into::into).collect(),
                committed: append.leader_commit.map(Into::into),
            }),
            Request::Vote(vote) => RequestKind::Vote(vote.into()),
            Request::PreVote(vote) => RequestKind::PreVote(vote.into()),
            Request::Snapshot(vote, meta) => RequestKind::Snapshot(InstallWire {
                leader: Some(vote.into()),
                snapshot: Some(SnapshotWire::new(&meta, false)),
            }),
            Request::Transfer(transfer) => RequestKind::Transfer(TransferWire {
                leader: Some((*transfer.from_leader()).into()),
                to: *transfer.to_node_id(),
                last: transfer.last_log_id().copied().map(Into::into),
            }),
        };
        RequestWire { kind: Some(kind) }.encode_to_vec().into()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Request, Malformed> {
        let wire = RequestWire::decode(bytes)?;
        match wire.kind.ok_or(Malformed("request"))? {
            RequestKind::Append(append) => append.checked().map(Request::Append),
            RequestKind::Vote(vote) => vote.checked().map(Request::Vote),
            RequestKind::PreVote(vote) => vote.checked().map(Request::PreVote),
            RequestKind::Snapshot(install) => install.checked(),
            RequestKind::Transfer(transfer) => transfer.checked().map(Request::Transfer),
        }
    }
}

impl Reply {
    pub(crate) fn encode(self) -> Bytes {
        let kind = match self {
            Reply::Append(AppendEntriesResponse::PartialSuccess(Some(last))) => ReplyKind::AppendedUpTo(last.into()),
            // Nothing was taken: openraft asks for this only to be asked again.
            Reply::Append(AppendEntriesResponse::PartialSuccess(None)) => ReplyKind::Appended(false),
            Reply::Append(AppendEntriesResponse::Success) => ReplyKind::Appended(true),
            Reply::Append(AppendEntriesResponse::Conflict) => ReplyKind::Conflict(true),
            Reply::Append(AppendEntriesResponse::HigherVote(vote)) => ReplyKind::HigherVote(vote.into()),
            Reply::Vote(reply) => ReplyKind::Vote(VoteReplyWire {
                vote: Some(reply.vote.into()),
                granted: reply.vote_granted,
                last: reply.last_log_id.map(Into::into),
            }),
            Reply::Installed(vote) => ReplyKind::Installed(vote.into()),
            Reply::Transfer(accepted) => ReplyKind::Transfer(accepted),
        };
        ReplyWire { kind: Some(kind) }.encode_to_vec().into()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Reply, Malformed> {
        let wire = ReplyWire::decode(bytes)?;
        Ok(match wire.kind.ok_or(Malformed("reply"))? {
            ReplyKind::Appended(true) => Reply::Append(AppendEntriesResponse::Success),
            ReplyKind::Appended(false) => Reply::Append(AppendEntriesResponse::PartialSuccess(None)),
            ReplyKind::AppendedUpTo(last) => Reply::Append(AppendEntriesResponse::PartialSuccess(Some(last.into()))),
            ReplyKind::Conflict(_) => Reply::Append(AppendEntriesResponse::Conflict),
            ReplyKind::HigherVote(vote) => Reply::Append(AppendEntriesResponse::HigherVote(vote.into())),
            ReplyKind::Vote(reply) => Reply::Vote(VoteResponse {
                vote: reply.vote.ok_or(Malformed("vote reply"))?.into(),
                vote_granted: reply.granted,
                last_log_id: reply.last.map(Into::into),
            }),
            ReplyKind::Installed(vote) => Reply::Installed(vote.into()),
            ReplyKind::Transfer(accepted) => Reply::Transfer(accepted),
        })
    }

    /// The highest term the reply could make us take over.
    pub(crate) fn term(&self) -> Option<u64> {
        match self {
            Reply::Append(AppendEntriesResponse::HigherVote(vote)) | Reply::Installed(vote) => {
                Some(vote.leader_id.term)
            }
            Reply::Vote(reply) => Some(reply.vote.leader_id.term),
            _ => None,
        }
    }
}

impl AppendWire {
    /// Checks that the entries follow each other, and that nothing is of a later term than the leader's.
    fn checked(self) -> Result<AppendEntriesRequest<TypeConfig>, Malformed> {
        let vote = established(self.leader)?;
        let term = vote.leader_id.term;
        if self.entries.len() as u64 > APPEND_ENTRIES_MAX {
            return Err(Malformed("append: too many entries"));
        }
        let previous: Option<LogId> = self.previous.map(Into::into);
        let mut last = previous;
        let mut entries = Vec::with_capacity(self.entries.len());
        for wire in self.entries {
            let entry = wire.checked()?;
            if !follows(last, entry.log_id) {
                return Err(Malformed("append: entries do not follow each other"));
            }
            last = Some(entry.log_id);
            entries.push(entry);
        }
        let committed: Option<LogId> = self.committed.map(Into::into);
        if last.max(committed).is_some_and(|id| id.committed_leader_id().term > term) {
            return Err(Malformed("append: an entry of a later term than its leader"));
        }
        Ok(AppendEntriesRequest { vote, prev_log_id: previous, entries, leader_commit: committed })
    }
}

/// Whether `next` can be the entry after `last` in one log.
pub(crate) fn follows(last: Option<LogId>, next: LogId) -> bool {
    match last {
        None => next.index() == 0,
        Some(last) => {
            last.index().checked_add(1) == Some(next.index())
                && last.committed_leader_id() <= next.committed_leader_id()
        }
    }
}

impl VoteRequestWire {
    fn checked(self) -> Result<VoteRequest<TypeConfig>, Malformed> {
        let vote: Vote = self.candidate.ok_or(Malformed("vote request"))?.into();
        if vote.committed {
            return Err(Malformed("vote request: a candidate's vote is not committed"));
        }
        Ok(VoteRequest { vote, last_log_id: self.last.map(Into::into), leadership_transfer: self.transfer })
    }
}

impl InstallWire {
    fn checked(self) -> Result<Request, Malformed> {
        let vote = established(self.leader)?;
        let (meta, _) = self.snapshot.ok_or(Malformed("snapshot"))?.checked()?;
        let last = meta.last_log_id.ok_or(Malformed("snapshot without a position"))?;
        // openraft asserts both, and would stop this node for a peer's fault.
        if last.committed_leader_id().term > vote.leader_id.term || *meta.last_membership.log_id() > Some(last) {
            return Err(Malformed("snapshot: it is later than what it comes from"));
        }
        Ok(Request::Snapshot(vote, meta))
    }
}

impl TransferWire {
    fn checked(self) -> Result<TransferLeaderRequest<TypeConfig>, Malformed> {
        Ok(TransferLeaderRequest::new(established(self.leader)?, self.to, self.last.map(Into::into)))
    }
}

/// The vote of a leader that a majority has elected.
fn established(vote: Option<VoteWire>) -> Result<Vote, Malformed> {
    let vote: Vote = vote.ok_or(Malformed("leader"))?.into();
    if !vote.committed {
        return Err(Malformed("leader: its vote is not committed"));
    }
    Ok(vote)
}

impl From<VoteRequest<TypeConfig>> for VoteRequestWire {
    fn from(request: VoteRequest<TypeConfig>) -> VoteRequestWire {
        VoteRequestWire {
            candidate: Some(request.vote.into()),
            last: request.last_log_id.map(Into::into),
            transfer: request.leadership_transfer,
        }
    }
}

impl From<LogId> for LogIdWire {
    fn from(id: LogId) -> LogIdWire {
        LogIdWire { term: id.committed_leader_id().term, index: id.index() }
    }
}

impl From<LogIdWire> for LogId {
    fn from(wire: LogIdWire) -> LogId {
        LogId::new_term_index(wire.term, wire.index)
    }
}

impl From<Vote> for VoteWire {
    fn from(vote: Vote) -> VoteWire {
        VoteWire { term: vote.leader_id.term, node: vote.leader_id.voted_for, committed: vote.committed }
    }
}

impl From<VoteWire> for Vote {
    fn from(wire: VoteWire) -> Vote {
        match wire.committed {
            true => Vote::new_committed(wire.term, wire.node),
            false => Vote::new(wire.term, wire.node),
        }
    }
}

impl From<&Membership> for MembershipWire {
    fn from(membership: &Membership) -> MembershipWire {
        let sets = membership.get_joint_config().iter();
        MembershipWire {
            voters: sets.map(|ids| VotersWire { ids: ids.iter().copied().collect() }).collect(),
            nodes: membership.nodes().map(|(id, _)| *id).collect(),
        }
    }
}

impl TryFrom<MembershipWire> for Membership {
    type Error = Malformed;

    fn try_from(wire: MembershipWire) -> Result<Membership, Malformed> {
        if wire.voters.is_empty() && wire.nodes.is_empty() {
            return Ok(Membership::default());
        }
        if wire.voters.len() > VOTER_SETS_MAX || wire.nodes.len() > MEMBERS_MAX {
            return Err(Malformed("membership: too many members"));
        }
        let sets: Vec<BTreeSet<u64>> = wire.voters.into_iter().map(|set| set.ids.into_iter().collect()).collect();
        let nodes: BTreeMap<u64, EmptyNode> = wire.nodes.into_iter().map(|id| (id, EmptyNode {})).collect();
        Membership::new(sets, nodes).map_err(|_| Malformed("membership: a voter that is no member, or no voter"))
    }
}

impl From<&StoredMembership> for StoredMembershipWire {
    fn from(stored: &StoredMembership) -> StoredMembershipWire {
        let id = stored.log_id().map(Into::into);
        StoredMembershipWire { id, membership: Some(stored.membership().into()) }
    }
}

impl TryFrom<StoredMembershipWire> for StoredMembership {
    type Error = Malformed;

    fn try_from(wire: StoredMembershipWire) -> Result<StoredMembership, Malformed> {
        let membership = wire.membership.ok_or(Malformed("membership"))?;
        Ok(StoredMembership::new(wire.id.map(Into::into), membership.try_into()?))
    }
}

impl From<RaftEntry> for EntryWire {
    fn from(entry: RaftEntry) -> EntryWire {
        let payload = match entry.payload {
            EntryPayload::Blank => PayloadWire::Blank(true),
            EntryPayload::Normal(ProposalBytes(bytes)) => PayloadWire::Proposal(bytes),
            EntryPayload::Membership(membership) => PayloadWire::Membership((&membership).into()),
        };
        EntryWire { id: Some(entry.log_id.into()), payload: Some(payload) }
    }
}

impl EntryWire {
    pub(crate) fn checked(self) -> Result<RaftEntry, Malformed> {
        let payload: RaftPayload = match self.payload.ok_or(Malformed("entry"))? {
            PayloadWire::Blank(_) => EntryPayload::Blank,
            PayloadWire::Proposal(bytes) => EntryPayload::Normal(ProposalBytes(bytes)),
            PayloadWire::Membership(membership) => EntryPayload::Membership(membership.try_into()?),
        };
        let log_id = self.id.ok_or(Malformed("entry without a position"))?.into();
        Ok(RaftEntry { log_id, payload })
    }
}

impl SnapshotWire {
    pub(crate) fn new(meta: &SnapshotMeta, installed: bool) -> SnapshotWire {
        let membership = Some((&meta.last_membership).into());
        SnapshotWire { last: meta.last_log_id.map(Into::into), membership, installed }
    }

    /// The snapshot, and whether it came from a leader.
    pub(crate) fn checked(self) -> Result<(SnapshotMeta, bool), Malformed> {
        let last_membership = self.membership.ok_or(Malformed("snapshot"))?.try_into()?;
        Ok((SnapshotMeta { last_log_id: self.last.map(Into::into), last_membership }, self.installed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(entries: &[(u64, u64)], term: u64) -> Bytes {
        let entry = |(term, index): &(u64, u64)| RaftEntry {
            log_id: LogId::new_term_index(*term, *index),
            payload: EntryPayload::Normal(ProposalBytes(Bytes::from_static(b"p"))),
        };
        Request::Append(AppendEntriesRequest {
            vote: Vote::new_committed(term, 1),
            prev_log_id: Some(LogId::new_term_index(1, 4)),
            entries: entries.iter().map(entry).collect(),
            leader_commit: None,
        })
        .encode()
    }

    #[test]
    fn entries_that_follow_each_other_are_taken_and_others_refused() {
        assert!(Request::decode(append(&[(1, 5), (2, 6)], 2)).is_ok());
        for (entries, term) in [(&[(1, 6)][..], 2), (&[(1, 5), (1, 7)], 2), (&[(2, 5), (1, 6)], 2), (&[(3, 5)], 2)] {
            assert!(Request::decode(append(entries, term)).is_err(), "{entries:?}");
        }
    }

    #[test]
    fn every_truncation_of_a_request_is_refused_or_read_without_a_panic() {
        let bytes = append(&[(1, 5), (2, 6)], 2);
        for end in 0..bytes.len() {
            let _ = Request::decode(bytes.slice(..end));
            let _ = Reply::decode(bytes.slice(..end));
        }
        assert!(Request::decode(Bytes::new()).is_err());
    }

    #[test]
    fn a_membership_with_an_unknown_voter_is_refused() {
        let wire = MembershipWire { voters: vec![VotersWire { ids: vec![1, 2] }], nodes: vec![1] };
        assert!(Membership::try_from(wire).is_err());
    }
}
