//! Answer with the proof that one certified log is the beginning of another, and with the trust bundle.

use super::form::{Form, JSON};
use super::query::{Nothing, OfConsistency, Strict};
use super::source::Proofs;
use crate::refusal::Refusal;
use crate::tiles::Plain;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_proof::{Checkpoint, ConsistencyProof, CoseReceipt, Note, ProofError};

pub(super) async fn consistency(
    State(proofs): State<Proofs>,
    Strict(asked): Strict<OfConsistency>,
    headers: HeaderMap,
) -> Result<Response, Plain> {
    let newest = proofs.certified_size()?;
    let (old, new) = (asked.old, asked.new.unwrap_or(newest));
    if old == 0 || old > new || new > newest {
        let reason = format!("sizes {old} and {new}: need 1 <= old <= new <= {newest}, the newest certified");
        return Err(Refusal::field("old", reason).into());
    }
    let none = || Refusal::Missing("no certified checkpoints of these sizes".into());
    let proof = proofs.reader.consistency(old, new)?.ok_or_else(none)?;
    match Form::accepted(&headers) {
        Form::Cose => Ok(Form::Cose.answer(JSON, cose(&proofs, proof)?)),
        // The file is JSON.
        _ => Ok(Form::Json.answer(JSON, proof.to_bytes())),
    }
}

fn cose(proofs: &Proofs, proof: ConsistencyProof) -> Result<Vec<u8>, Refusal> {
    let read = |note: &str| Note::parse(note).and_then(|note| Checkpoint::parse(&note.text));
    let (old, new): (Checkpoint, Checkpoint) = (read(&proof.old)?, read(&proof.new)?);
    let sign =
        |log: &_| -> Result<CoseReceipt, ProofError> { CoseReceipt::of_consistency(&old, &new, proof.path, log) };
    proofs.signed(sign, |cose, trust| cose.verify_after(trust, &old))
}

pub(super) async fn trust_bundle(
    State(proofs): State<Proofs>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Plain> {
    let genesis = proofs.genesis.clone();
    let bundle = proofs.make(move |reader| Ok(reader.trust_bundle(&genesis)?.to_bytes()));
    Ok(Form::Json.answer(JSON, bundle.await?))
}
