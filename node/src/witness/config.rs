//! Say what node.toml holds of witnesses.

use serde::Deserialize;
use std::path::PathBuf;

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

/// `[[witnesses]]`: a witness outside, to which this node pushes the newest certified checkpoint of its ledger.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutsideWitness {
    /// Its submission prefix, `http(s)://host[:port][/path]`.
    pub url: String,
    /// Its verifier key (type 0x04).
    pub vkey: String,
    /// For https: a PEM file, relative to the node's folder, with the authorities to trust; the system's if not given.
    pub authorities: Option<PathBuf>,
}
