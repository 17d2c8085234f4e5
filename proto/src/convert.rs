//! Convert between the API's messages and the ledger's types.

use crate::v1;
use countersign_proof::{Hash, VersionRecord, canonical};
use serde_json::Value;

/// A version of a document as the API shows it, without what `redacted` points to.
pub fn document(
    record: &VersionRecord,
    salt: Option<Hash>,
    value: Option<&Value>,
    redacted: Vec<String>,
) -> v1::Document {
    v1::Document {
        collection: record.collection.clone(),
        id: record.id.clone(),
        version: record.version,
        height: record.height,
        transaction_id: record.transaction.0.to_vec(),
        deleted: record.value.is_none(),
        value: value.map(canonical).unwrap_or_default(),
        record: canonical(record),
        salt: salt.map(|salt| salt.0.to_vec()).unwrap_or_default(),
        redacted,
    }
}
