//! Answer with the policy that the newest certified checkpoint holds under.

use super::checkpoint::newest_certificate;
use super::plain::{Plain, newest};
use crate::refusal::Refusal;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_ledger::store::Reader;
use countersign_proof::{Checkpoint, Leaf, Membership, Note, ProofError, canonical};

pub(super) async fn policy(State(reader): State<Reader>, RawQuery(query): RawQuery) -> Result<Response, Plain> {
    // Whoever asks for another epoch must not take this one for it.
    if query.is_some() {
        return Err(Refusal::field("query", "only the newest policy is served, without a query").into());
    }
    let (size, note) = newest_certificate(&reader)?;
    let origin = Checkpoint::parse(&Note::parse(&note)?.text)?.origin;
    Ok(newest(countersign_proof::policy(&origin, &membership(&reader, size)?)))
}

/// The membership in force at a certified size: the one that the seal there names. What that block itself changed
/// holds for the sizes above.
fn membership(reader: &Reader, size: u64) -> Result<Membership, Refusal> {
    let wrong =
        |expected: &str, found: String| ProofError::Mismatch { field: "seal", expected: expected.into(), found };
    let seal = match reader.leaf(size.saturating_sub(1))?.map(|bytes| Leaf::parse(&bytes)).transpose()? {
        Some(Leaf::Seal(seal)) => seal,
        other => return Err(wrong("a seal before every certified size", format!("{other:?}")).into()),
    };
    let version = reader.document_at("$members", "current", seal.height.saturating_sub(1))?;
    let membership = Membership::parse(&canonical(&version.and_then(|version| version.value)))?;
    if membership.hash() != seal.members {
        return Err(wrong(&seal.members.to_string(), membership.hash().to_string()).into());
    }
    Ok(membership)
}
