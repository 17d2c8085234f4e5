//! Answer with a bundle of leaves: of each its length as u16, big-endian, and its bytes.

use super::checkpoint::newest_certificate;
use super::path::Tile;
use super::plain::{Plain, immutable};
use crate::refusal::Refusal;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use countersign_ledger::store::Reader;
use countersign_proof::ProofError;
use countersign_proof::limits::LEAF_BYTES_MAX;
use std::ops::Range;

pub(super) async fn bundle(State(reader): State<Reader>, uri: Uri) -> Result<Response, Plain> {
    let range = Tile::of_entries(&uri)?.within(newest_certificate(&reader)?.0)?;
    Ok(immutable(bundled(&leaves(&reader, range)?)?))
}

fn leaves(reader: &Reader, range: Range<u64>) -> Result<Vec<Vec<u8>>, Refusal> {
    let count = (range.end - range.start) as usize;
    let leaves = reader.leaves(range.start, count)?;
    if leaves.len() != count {
        let (expected, found) = (count.to_string(), leaves.len().to_string());
        return Err(ProofError::Mismatch { field: "leaves", expected, found }.into());
    }
    Ok(leaves)
}

fn bundled(leaves: &[Vec<u8>]) -> Result<Vec<u8>, ProofError> {
    let mut bytes = Vec::with_capacity(leaves.iter().map(|leaf| 2 + leaf.len()).sum());
    for leaf in leaves {
        let too_large = |_| ProofError::TooLarge { field: "leaf", actual: leaf.len(), max: LEAF_BYTES_MAX };
        bytes.extend_from_slice(&u16::try_from(leaf.len()).map_err(too_large)?.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    Ok(bytes)
}
