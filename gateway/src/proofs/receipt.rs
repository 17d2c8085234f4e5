//! Answer with the receipt of a transaction: a tlog-proof, its JSON, or COSE.

use super::form::{Form, TEXT};
use super::query::{OfReceipt, Strict};
use super::source::Proofs;
use crate::asked::{Named, transaction_id};
use crate::refusal::Refusal;
use crate::tiles::Plain;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use countersign_proof::{CoseReceipt, Receipt};

pub(super) async fn receipt(
    State(proofs): State<Proofs>,
    Named(name): Named,
    Strict(asked): Strict<OfReceipt>,
    headers: HeaderMap,
) -> Result<Response, Plain> {
    let (id, form) = Form::of_name(&name, &headers);
    let id = transaction_id(id)?;
    let missing = || Refusal::Missing(format!("no transaction {id} has a leaf here"));
    let leaf = proofs.reader.find(&id)?.ok_or_else(missing)?.leaf;
    let not_yet = || Refusal::Missing(format!("leaf {leaf} is not under such a certified checkpoint yet"));
    let receipt = proofs.reader.receipt_from(leaf, asked.checkpoint_size)?.ok_or_else(not_yet)?;
    let bytes = match form {
        Form::File => receipt.to_string().into_bytes(),
        Form::Json => receipt.to_json()?,
        Form::Cose => cose(&proofs, &receipt)?,
    };
    Ok(form.answer(TEXT, bytes))
}

fn cose(proofs: &Proofs, receipt: &Receipt) -> Result<Vec<u8>, Refusal> {
    proofs.signed(|log| CoseReceipt::of_receipt(receipt, log), |cose, trust| cose.verify_leaf(trust, &receipt.leaf))
}
