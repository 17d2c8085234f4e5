//! Change who takes part, who leads, and how much of the log is kept.

use crate::error::ConsensusError;
use crate::types::TypeConfig;
use crate::{Consensus, Position};
use openraft::errors::{ClientWriteError, ForwardToLeader, InitializeError, LinearizableReadError, RaftError};
use openraft::raft::ClientWriteResponse;
use openraft::{ChangeMembers, EmptyNode, ReadPolicy};
use std::collections::BTreeSet;

impl Consensus {
    /// Founds the order with `voters`, this node among them; does nothing if the log has begun already.
    ///
    /// Every founder may call it at every start, with the same set: the entry they all write is the same one.
    ///
    /// # Errors
    /// When this node is not among `voters`, or Raft has stopped.
    pub async fn initialize(&self, voters: BTreeSet<u64>) -> Result<(), ConsensusError> {
        match self.inner.raft.initialize(voters).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotInMembers(error))) => {
                Err(ConsensusError::Membership(error.to_string()))
            }
            Err(RaftError::Fatal(_)) => Err(ConsensusError::Stopped),
        }
    }

    /// An index such that whoever has applied it has seen every write that was acknowledged before this call: a
    /// majority has just confirmed that this node leads.
    ///
    /// # Errors
    /// `NotLeader`, `NoMajority`, `Stopped`.
    pub async fn read_index(&self) -> Result<u64, ConsensusError> {
        match self.inner.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(linearizer.read_log_id().index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => Err(not_leader(&to)),
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(ConsensusError::NoMajority),
            Err(RaftError::Fatal(_)) => Err(ConsensusError::Stopped),
        }
    }

    /// Lets the log be purged up to `position`, less the entries that the settings keep. Returns before it is done.
    ///
    /// The caller promises that its ledger holds everything up to `position` durably, and certified. A position at
    /// or below an earlier one changes nothing.
    ///
    /// # Errors
    /// `NotInLog` when nothing was committed there with that term.
    pub async fn purge_to(&self, position: Position) -> Result<(), ConsensusError> {
        let log = self.inner.log.upgrade().ok_or(ConsensusError::Stopped)?;
        let id = position.id();
        let snapshot = log.snapshot()?.and_then(|snapshot| snapshot.meta.last_log_id);
        if snapshot >= Some(id) {
            return Ok(());
        }
        if log.id_at(position.index)? != Some(id) || log.committed()? < Some(id) {
            return Err(ConsensusError::NotInLog(position));
        }
        self.inner.purge_to.send_modify(|allowed| *allowed = (*allowed).max(Some(id)));
        self.inner.raft.trigger().snapshot().await.map_err(|_| ConsensusError::Stopped)
    }

    /// Adds a node that receives the log and does not vote. Resolves when the change is committed.
    ///
    /// # Errors
    /// `NotLeader`; `Membership` while another change is under way.
    pub async fn add_observer(&self, id: u64) -> Result<Position, ConsensusError> {
        changed(self.inner.raft.add_learner(id, EmptyNode {}, false).await)
    }

    /// Makes `voters` the voters, through a joint majority of both sets. Each must be a voter or observer already;
    /// those left out become observers. Resolves when the last step is committed.
    ///
    /// # Errors
    /// `NotLeader`; `Membership` when a voter is unknown, or another change is under way.
    pub async fn set_voters(&self, voters: BTreeSet<u64>) -> Result<Position, ConsensusError> {
        changed(self.inner.raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), true).await)
    }

    /// Removes an observer.
    ///
    /// # Errors
    /// `NotLeader`; `Membership` when it votes still, or another change is under way.
    pub async fn remove_observer(&self, id: u64) -> Result<Position, ConsensusError> {
        changed(self.inner.raft.change_membership(ChangeMembers::RemoveNodes(BTreeSet::from([id])), true).await)
    }

    /// Asks the voter `to` to take over, and proposes nothing more in this term. Watch `leadership` for the outcome:
    /// if `to` cannot, the others elect someone after an election timeout.
    ///
    /// # Errors
    /// `NotLeader`; `NoSuchVoter` when `to` is no other voter.
    pub async fn transfer_leader(&self, to: u64) -> Result<(), ConsensusError> {
        let status = self.status();
        if !status.leadership.here {
            return Err(ConsensusError::NotLeader { leader: status.leadership.leader });
        }
        if to == self.inner.raft_id || !status.voters.contains(&to) {
            return Err(ConsensusError::NoSuchVoter(to));
        }
        self.inner.raft.trigger().transfer_leader(to).await.map_err(|_| ConsensusError::Stopped)
    }

    /// Ends this node's term: the voter whose log is longest is asked to take over.
    ///
    /// # Errors
    /// `NotLeader`; `OnlyVoter` when there is nobody to ask (openraft lets no leader just step down).
    pub async fn give_up_term(&self) -> Result<(), ConsensusError> {
        let status = self.status();
        let other = |id: &u64| *id != self.inner.raft_id && status.voters.contains(id);
        let others = status.replicated.iter().filter(|(id, _)| other(id));
        let longest = others.max_by_key(|(id, matched)| (*matched, std::cmp::Reverse(*id)));
        match longest {
            Some((to, _)) => self.transfer_leader(*to).await,
            None if status.leadership.here => Err(ConsensusError::OnlyVoter),
            None => Err(ConsensusError::NotLeader { leader: status.leadership.leader }),
        }
    }
}

type Written = Result<ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>;

fn changed(written: Written) -> Result<Position, ConsensusError> {
    match written {
        Ok(written) => Ok(Position::of(written.log_id)),
        Err(RaftError::Fatal(_)) => Err(ConsensusError::Stopped),
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => Err(not_leader(&to)),
        Err(RaftError::APIError(error)) => Err(ConsensusError::Membership(error.to_string())),
    }
}

fn not_leader(to: &ForwardToLeader<TypeConfig>) -> ConsensusError {
    ConsensusError::NotLeader { leader: to.leader_id }
}
