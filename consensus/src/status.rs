//! Show where consensus stands.

use crate::Position;
use crate::types::TypeConfig;
use openraft::{Instant, RaftMetrics};
use std::collections::BTreeSet;

/// Who leads, as this node knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The term this node is in.
    pub term: u64,
    /// The leader of `term`, where one is known.
    pub leader: Option<u64>,
    /// This node was elected leader of `term`. It may propose once the [`crate::Entry::Blank`] of `term` is applied.
    pub here: bool,
}

/// A picture of one moment, for people and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The current term, its leader, and whether it is this node.
    pub leadership: Leadership,
    /// The node this one voted for in `term`.
    pub voted_for: u64,
    /// The last entry written here, flushed or not.
    pub last_log_index: Option<u64>,
    /// The last index flushed here.
    pub appended_index: u64,
    /// The last entry known here to be committed.
    pub committed: Option<Position>,
    /// The last entry that has been purged.
    pub purged: Option<Position>,
    /// The position a node without the purged entries catches up to.
    pub snapshot: Option<Position>,
    /// The voters in force; while they change, both sets.
    pub voters: BTreeSet<u64>,
    /// Those who receive the log and do not vote.
    pub observers: BTreeSet<u64>,
    /// On a leader: the time since a majority last answered.
    pub millis_since_majority: Option<u64>,
    /// On a leader: how far each other node's log is known to agree.
    pub replicated: Vec<(u64, Option<u64>)>,
}

impl Leadership {
    pub(crate) fn of(metrics: &RaftMetrics<TypeConfig>) -> Leadership {
        let leader = metrics.current_leader;
        let here = metrics.state.is_leader() && metrics.vote.committed && leader == Some(metrics.id);
        Leadership { term: metrics.current_term, leader, here }
    }
}

impl Status {
    pub(crate) fn of(metrics: &RaftMetrics<TypeConfig>, appended_index: u64) -> Status {
        let membership = metrics.membership_config.membership();
        let elapsed = metrics.last_quorum_acked.map(|at| at.elapsed().as_millis());
        let replicated = metrics.replication.iter().flatten();
        Status {
            leadership: Leadership::of(metrics),
            voted_for: metrics.vote.leader_id.voted_for,
            last_log_index: metrics.last_log_index,
            appended_index,
            committed: metrics.local_committed.map(Position::of),
            purged: metrics.purged.map(Position::of),
            snapshot: metrics.snapshot.map(Position::of),
            voters: membership.voter_ids().collect(),
            observers: membership.learner_ids().collect(),
            millis_since_majority: elapsed.map(|millis| u64::try_from(millis).unwrap_or(u64::MAX)),
            replicated: replicated.map(|(id, matched)| (*id, matched.map(|id| id.index()))).collect(),
        }
    }
}
