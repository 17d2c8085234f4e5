//! Answer with the newest certified checkpoint, and with the newest that a witness outside has cosigned.

use super::plain::{Plain, newest};
use crate::explorer::Explorer;
use crate::refusal::Refusal;
use axum::extract::State;
use axum::response::Response;
use countersign_ledger::store::Reader;

/// The newest certificate, never an older one for a witness's sake; with the lines of those that have cosigned it.
pub(super) async fn checkpoint(State(node): State<Explorer>) -> Result<Response, Plain> {
    let (size, note) = newest_certificate(&node.reader)?;
    Ok(newest(note + &node.view().witness_lines(size)))
}

/// For whoever asks for witnesses: while blocks come fast, the newest certificate seldom has their lines yet.
pub(super) async fn witnessed(State(node): State<Explorer>) -> Result<Response, Plain> {
    let none = || Refusal::Missing("no certified checkpoint is cosigned by a witness since this node started".into());
    let view = node.view();
    let size = view.witnessed_size().ok_or_else(none)?;
    let note = node.reader.certificate_at(size)?.ok_or_else(none)?;
    Ok(newest(note + &view.witness_lines(size)))
}

/// The newest certified size and its note.
pub(crate) fn newest_certificate(reader: &Reader) -> Result<(u64, String), Refusal> {
    reader.newest_certificate()?.ok_or_else(|| Refusal::Missing("no checkpoint is certified yet".into()))
}
