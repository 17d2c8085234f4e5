//! Configure one node's consensus.

use crate::admit::Admit;
use crate::error::ConsensusError;
use crate::flush::{FlushGate, Flushing};
use crate::limits::{API_QUEUE_MAX, APPEND_ENTRIES_MAX, APPLY_QUEUE_MAX};
use openraft::{Config, SnapshotPolicy};
use std::sync::Arc;
use std::time::Duration;

/// What one node may choose. Times must suit each other on all nodes of the network.
#[derive(Clone)]
pub struct Settings {
    /// This node's Raft id: never one that was used before with another log.
    pub raft_id: u64,
    /// How often a leader that has nothing to send says that it lives.
    pub heartbeat_ms: u64,
    /// A follower that hears nothing for a random time between this
    pub election_ms_min: u64,
    /// and this asks to be elected.
    pub election_ms_max: u64,
    /// How long an append with entries may take before it is sent again.
    pub append_deadline_ms: u64,
    /// How long a peer may take to catch up before it is asked again; asking again does it no harm.
    pub catch_up_deadline_ms: u64,
    /// The bytes of entries in one append. An entry larger than this goes alone.
    pub append_bytes_max: usize,
    /// Committed entries waiting for the node.
    pub committed_queue: usize,
    /// Proposals of this node that are not committed yet.
    pub proposals_in_flight_max: usize,
    /// Entries kept below a purged position, so that a follower a little behind needs no catch-up.
    pub log_entries_kept: u64,
    /// Where the log is synced.
    pub flushing: Flushing,
    /// A stop between write and sync, for tests.
    pub gate: Option<Arc<dyn FlushGate>>,
    /// Looks at proposals before an append is acknowledged; none admits all.
    pub admit: Option<Arc<dyn Admit>>,
    /// Where openraft's random timeouts come from, with the feature `simulation`; ignored without it.
    pub seed: u64,
}

impl Settings {
    /// The settings of a production node.
    pub fn new(raft_id: u64) -> Settings {
        Settings {
            raft_id,
            heartbeat_ms: 250,
            election_ms_min: 1_500,
            election_ms_max: 3_000,
            append_deadline_ms: 5_000,
            catch_up_deadline_ms: 120_000,
            append_bytes_max: 6 << 20,
            committed_queue: 256,
            proposals_in_flight_max: 32,
            log_entries_kept: 10_000,
            flushing: Flushing::Thread,
            gate: None,
            admit: None,
            seed: raft_id,
        }
    }

    pub(crate) fn append_deadline(&self) -> Duration {
        Duration::from_millis(self.append_deadline_ms)
    }

    pub(crate) fn raft_config(&self) -> Result<Config, ConsensusError> {
        if self.committed_queue == 0 || self.proposals_in_flight_max == 0 || self.append_bytes_max == 0 {
            return Err(ConsensusError::Settings("a queue or an append of size 0".into()));
        }
        let config = Config {
            cluster_name: "countersign".into(),
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.election_ms_min,
            election_timeout_max: self.election_ms_max,
            install_snapshot_timeout: self.catch_up_deadline_ms,
            max_payload_entries: APPEND_ENTRIES_MAX,
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: self.log_entries_kept,
            api_channel_size: Some(API_QUEUE_MAX),
            state_machine_channel_size: Some(APPLY_QUEUE_MAX),
            enable_pre_vote: Some(true),
            allow_log_reversion: Some(false),
            // A leader that restarts must be elected again: its term ended with it.
            enable_leader_restore: Some(false),
            ..Config::default()
        };
        config.validate().map_err(|e| ConsensusError::Settings(e.to_string()))
    }
}
