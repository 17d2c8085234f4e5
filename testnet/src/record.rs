//! Keep in network.json what runs where.

use crate::{Layout, TestnetError};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// A network as it was founded, with the processes that this crate started for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// What every node must be given to start.
    pub genesis_hash: String,
    /// In the order of [`crate::organisation_names`]; node N of the scripts is the Nth.
    pub nodes: Vec<NodeRecord>,
}

/// One organisation's node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Whose it is.
    pub organisation: String,
    /// `<organisation>/1`.
    pub node: String,
    /// Its own folder.
    pub folder: PathBuf,
    /// Where other nodes reach it, on 127.0.0.1 like the rest.
    pub address_port: u16,
    /// Where it listens for them, when a relay leads there from the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
    /// gRPC.
    pub api_port: u16,
    /// REST, explorer, metrics.
    pub http_port: u16,
    /// Its process, when this crate started one and has not seen it end.
    pub pid: Option<u32>,
    /// Its TLS key, when it is not in the genesis and clients must be told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
}

impl NodeRecord {
    /// What clients connect to.
    pub fn api_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port)
    }
}

impl NetworkRecord {
    /// Reads it; none when there is no network in this folder.
    pub(crate) fn load(layout: &Layout) -> Result<Option<NetworkRecord>, TestnetError> {
        let path = layout.record();
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(TestnetError::file(&path))?;
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Some).map_err(|e| TestnetError::Usage(format!("{}: {e}", path.display())))
    }

    /// Writes it whole: a reader sees the old one or the new one.
    pub(crate) fn save(&self, layout: &Layout) -> Result<(), TestnetError> {
        let path = layout.record();
        let part = path.with_extension("json.part");
        let text = serde_json::to_string_pretty(self).expect("a record of names and numbers is JSON");
        fs::write(&part, text + "\n").map_err(TestnetError::file(&part))?;
        fs::rename(&part, &path).map_err(TestnetError::file(&path))
    }
}
