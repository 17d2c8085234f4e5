//! Answer with proofs about one document: what the state holds, and that a list of its versions is complete.

use super::form::{Form, JSON};
use super::query::{OfHistory, OfState, Strict};
use super::source::{Proofs, height_at};
use crate::asked::{collection, document_id};
use crate::limits::PROVED_VERSIONS_MAX;
use crate::refusal::Refusal;
use crate::tiles::Plain;
use axum::extract::{Path, State};
use axum::response::Response;
use countersign_ledger::store::{Reader, STATE_KEPT};

type Document = Path<(String, String)>;

pub(super) async fn state(
    State(proofs): State<Proofs>,
    Path((name, id)): Document,
    Strict(asked): Strict<OfState>,
) -> Result<Response, Plain> {
    let newest = checked(&proofs, &name, &id)?;
    let height = asked.height.unwrap_or(newest);
    within("height", height, newest)?;
    let bytes = proofs.make(move |reader| {
        provable(reader, height)?;
        let proof = reader.state_proof(&name, &id, height)?;
        Ok(proof.ok_or_else(|| not_certified(height))?.to_bytes())
    });
    Ok(Form::Json.answer(JSON, bytes.await?))
}

pub(super) async fn history(
    State(proofs): State<Proofs>,
    Path((name, id)): Document,
    Strict(asked): Strict<OfHistory>,
) -> Result<Response, Plain> {
    let newest = checked(&proofs, &name, &id)?;
    let (from, to) = (asked.from, asked.to.unwrap_or(newest));
    within("to", to, newest)?;
    within("from", from, to)?;
    let bytes = proofs.make(move |reader| {
        provable(reader, newest)?;
        few_versions(reader, &name, &id, from, newest)?;
        let proof = reader.history_proof(&name, &id, from, to, newest)?;
        Ok(proof.ok_or_else(|| not_certified(newest))?.to_bytes())
    });
    Ok(Form::Json.answer(JSON, bytes.await?))
}

/// The newest certified height, once the names have their form.
fn checked(proofs: &Proofs, name: &str, id: &str) -> Result<u64, Refusal> {
    collection("collection", name)?;
    document_id("id", id)?;
    // The same for what is there and for what is not.
    if !proofs.shows(name)? {
        let reason = format!("{name} has access rules: ask the typed API or gRPC for proofs, with your credentials");
        return Err(Refusal::Missing(reason));
    }
    height_at(&proofs.reader, proofs.certified_size()?)
}

fn within(field: &'static str, height: u64, max: u64) -> Result<(), Refusal> {
    if height > max {
        return Err(Refusal::field(field, format!("height {height}, at most {max} can be proved")));
    }
    Ok(())
}

fn provable(reader: &Reader, height: u64) -> Result<(), Refusal> {
    if !reader.proves_state_at(height)? {
        let reason = format!("height {height}: {}", STATE_KEPT);
        return Err(Refusal::field("height", reason));
    }
    Ok(())
}

/// Whoever asks here has shown no token: the proof of a longer list is asked for over gRPC.
fn few_versions(reader: &Reader, name: &str, id: &str, from: u64, newest: u64) -> Result<(), Refusal> {
    let versions = |height: u64| {
        let version = reader.document_at(name, id, height)?;
        Ok::<u64, Refusal>(version.map_or(0, |version| version.record.version))
    };
    let before = if from == 0 { 0 } else { versions(from - 1)? };
    let count = versions(newest)?.saturating_sub(before);
    if count > PROVED_VERSIONS_MAX {
        let reason = format!("{count} versions since, at most {PROVED_VERSIONS_MAX} here: ask for fewer, or over gRPC");
        return Err(Refusal::field("from", reason));
    }
    Ok(())
}

fn not_certified(height: u64) -> Refusal {
    Refusal::Missing(format!("height {height} is not certified yet"))
}
