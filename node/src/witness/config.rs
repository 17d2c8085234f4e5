//! Say what node.toml holds of witnesses.

use serde::Deserialize;

/// `[witness]`: this node cosigns the checkpoints of other logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// The name in its verifier key, which `countersign witness init` was given: `witness.example/1`.
    pub name: String,
    /// The logs it follows: `[[witness.logs]]`.
    pub logs: Vec<FollowedLog>,
}

/// `[[witness.logs]]`: one log that this node witnesses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowedLog {
    /// The first line of its checkpoints.
    pub origin: String,
    /// Its own keys (type 0x01); one of them must have signed. Of a ledger like ours those of all voters.
    pub vkeys: Vec<String>,
}
