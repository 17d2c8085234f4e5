//! Hand out the receipt of a transaction as a file.

use super::page::Explorer;
use super::transaction::find;
use crate::asked::{Named, transaction_id};
use crate::refusal::Refusal;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

pub(crate) async fn receipt(State(explorer): State<Explorer>, Named(id): Named) -> Result<Response, Refusal> {
    let id = transaction_id(&id)?;
    let found = find(&explorer.reader, &id)?;
    let uncertified = || Refusal::Missing("this transaction is not certified yet: it has no receipt".to_owned());
    let receipt = explorer.reader.receipt(found.leaf_index)?.ok_or_else(uncertified)?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.receipt\"")),
    ];
    Ok((headers, receipt.to_string()).into_response())
}
