//! Remember under which Raft ids this node has begun, so that a lost log never votes again under one of them.

use crate::NodeError;
use crate::files::Files;
use countersign_proof::{canonical, parse_canonical};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const INCARNATIONS: &str = "raft-ids.json";

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Incarnations {
    begun: BTreeSet<u64>,
}

/// Allows a start under `raft_id`. With an empty log the id must be new, and is noted durably before the log is made:
/// a node that forgot what it voted splits the ledger.
pub fn begin(files: &dyn Files, raft_id: u64, log_is_empty: bool) -> Result<(), NodeError> {
    let bytes = files.read(INCARNATIONS).map_err(|e| NodeError::file(INCARNATIONS, e))?;
    let mut incarnations: Incarnations = match bytes {
        None => Incarnations::default(),
        Some(bytes) => parse_canonical(INCARNATIONS, &bytes, 3).map_err(|e| NodeError::Folder(e.to_string()))?,
    };
    let new = incarnations.begun.insert(raft_id);
    if log_is_empty && !new {
        return Err(NodeError::LostLog(raft_id));
    }
    if new {
        files.replace(INCARNATIONS, &canonical(&incarnations)).map_err(|e| NodeError::file(INCARNATIONS, e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn an_empty_log_never_starts_twice_under_one_id() {
        let files = MemoryFiles::default();
        begin(&files, 1, true).expect("the first time");
        begin(&files, 1, false).expect("a restart with its log");
        assert!(matches!(begin(&files, 1, true), Err(NodeError::LostLog(1))));
        begin(&files, 5, true).expect("a new id");
    }
}
