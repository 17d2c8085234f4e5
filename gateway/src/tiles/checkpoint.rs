//! Answer with the newest certified checkpoint.

use super::plain::{Plain, newest};
use crate::refusal::Refusal;
use axum::extract::State;
use axum::response::Response;
use countersign_ledger::store::Reader;

pub(super) async fn checkpoint(State(reader): State<Reader>) -> Result<Response, Plain> {
    let (_, note) = newest_certificate(&reader)?;
    Ok(newest(note))
}

/// The newest certified size and its note.
pub(super) fn newest_certificate(reader: &Reader) -> Result<(u64, String), Refusal> {
    reader.newest_certificate()?.ok_or_else(|| Refusal::Missing("no checkpoint is certified yet".into()))
}
